"""All that became known of one architecture, in order of time, from every table that knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from ressearch.store import rows
from ressearch.store.schema import artifacts, latencies, measurements, proxies, recipes, retrainings, rungs, studies
from ressearch.store.schema import trials as trials_table
from ressearch.trial import Measurement


class What(StrEnum):
    """What happened."""

    TRIAL = "trial"
    RUNG = "rung"
    RETRAINING = "retraining"
    LATENCY = "latency"
    PROXIES = "proxies"
    WEIGHTS = "weights"


@dataclass(frozen=True)
class Event:
    """Something that became known of an architecture.

    at: seconds since 1970, UTC; of a trial when it started. study, number: of the trial, of which a rung is a part.
    facts: the fields of the record that tells of it, by name.
    """

    at: float
    what: What
    facts: Mapping[str, Any] = field(default_factory=dict)
    study: str | None = None
    number: int | None = None


def events_of(connection: Connection, architecture_id: str) -> list[Event]:
    """All of an architecture, the earliest first; what is of one time in the order of `What`."""
    readers = (_trials, _rungs, _retrainings, _latencies, _proxies, _weights)
    found = [event for read in readers for event in read(connection, architecture_id)]
    return sorted(found, key=lambda event: (event.at, list(What).index(event.what)))


def _trials(connection: Connection, id: str) -> Iterator[Event]:
    query = (
        select(trials_table, studies.c.name, *(measurements.c[one.name] for one in fields(Measurement)))
        .join_from(trials_table, measurements, trials_table.c.measurement_id == measurements.c.id, isouter=True)
        .join(studies, trials_table.c.study_id == studies.c.id)
        .where(trials_table.c.architecture_id == id)
        .order_by(trials_table.c.id)
    )
    for row in connection.execute(query):
        facts = _without_id(rows.trial_of(row)) | {"finished": row.finished}
        yield Event(row.started, What.TRIAL, facts, row.name, row.number)


def _rungs(connection: Connection, id: str) -> Iterator[Event]:
    query = (
        select(measurements, studies.c.name, trials_table.c.number)
        .join_from(trials_table, rungs, rungs.c.trial_id == trials_table.c.id)
        .join(measurements, rungs.c.measurement_id == measurements.c.id)
        .join(studies, trials_table.c.study_id == studies.c.id)
        .where(trials_table.c.architecture_id == id)
        .order_by(measurements.c.id)
    )
    for row in connection.execute(query):
        facts = {"fidelity": asdict(rows.fidelity_of(row)), "measurement": asdict(rows.measurement_of(row))}
        yield Event(row.created, What.RUNG, facts | {"seed": row.seed}, row.name, row.number)


def _retrainings(connection: Connection, id: str) -> Iterator[Event]:
    settings = [column for column in recipes.c if column.name != "digest"]
    query = select(retrainings, *settings).join(recipes).where(retrainings.c.architecture_id == id)
    for row in connection.execute(query.order_by(retrainings.c.id)):
        yield Event(row.created, What.RETRAINING, _without_id(rows.retraining_of(row)))


def _latencies(connection: Connection, id: str) -> Iterator[Event]:
    for row in _of(connection, latencies, id):
        yield Event(row.created, What.LATENCY, _without_id(rows.latency_of(row)))


def _proxies(connection: Connection, id: str) -> Iterator[Event]:
    for row in _of(connection, proxies, id):
        yield Event(row.created, What.PROXIES, _without_id(rows.proxies_of(row)))


def _weights(connection: Connection, id: str) -> Iterator[Event]:
    query = select(artifacts, retrainings.c.seed).join_from(artifacts, retrainings)
    for row in connection.execute(query.where(retrainings.c.architecture_id == id).order_by(artifacts.c.id)):
        yield Event(row.created, What.WEIGHTS, asdict(rows.artifact_of(row)) | {"seed": row.seed})


def _of(connection: Connection, table: Any, id: str) -> Iterator[Row[Any]]:
    yield from connection.execute(select(table).where(table.c.architecture_id == id).order_by(table.c.id))


def _without_id(record: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name != "architecture_id"}
