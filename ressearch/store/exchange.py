"""A store as JSON lines, to move it to another machine or database, or to merge it into another store.

The first line says what follows and in which format; then comes one record a line, each after those it refers to; the
last line says how many there were, so that a file that was cut off is known as such. Records refer to each other by
what they are (an architecture's id, a study's name, a measurement's key), never by numbers of rows, which mean nothing
elsewhere. Files that lie beside a store (checkpoints, weights) stay where they are, and so do the rows that tell of
weights. `ressearch.store.merge` reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, or_, select, union_all

from ressearch.store.schema import (
    SCHEMA_VERSION,
    architectures,
    block_kinds,
    latencies,
    measurements,
    proxies,
    recipes,
    retrainings,
    rungs,
    studies,
    trials,
)
from ressearch.trial import Fidelity

FORMAT = 1
"""Raised whenever a reader of the format before would misunderstand."""
NAME = "ressearch store"
ROWS_AT_ONCE = 1_000

KEY = ("architecture_id", "recipe_digest", *(field.name for field in fields(Fidelity)), "seed")
"""Of a measurement, see `MeasurementKey`."""
NESTED = ("graph", "versions", "search", "decisions", "attributes")
"""Columns that hold JSON; in a line they are no text but the object itself."""
HEAD = {"format": NAME, "version": FORMAT, "schema": SCHEMA_VERSION}

COPIED = ("macs", "params", "depth")
"""Of an architecture's costs, what stands in its measurements' rows too; a line of the file does not repeat it."""


def _names(table: Table, *left_out: str) -> tuple[str, ...]:
    return tuple(column.name for column in table.c if column.name not in ("id", *left_out))


COLUMNS: dict[str, tuple[Table, tuple[str, ...]]] = {
    "recipe": (recipes, _names(recipes)),
    "architecture": (architectures, ("id", *_names(architectures))),
    "study": (studies, _names(studies)),
    "measurement": (measurements, _names(measurements, *COPIED)),
    "retraining": (retrainings, _names(retrainings)),
    "latency": (latencies, _names(latencies)),
    "proxies": (proxies, _names(proxies)),
    "trial": (trials, _names(trials, "study_id", "measurement_id")),
}
"""Kind of record, in the order of the file -> its table, and the columns that a line of it has.

Beside them an architecture has `kinds`; a trial has `study`, `measured` (its measurement's key, but for the
architecture, which is its own) and `rungs` (a list of such keys).
"""


def exported(connection: Connection, study_id: int | None) -> Iterator[str]:
    """The lines of a store, or of one study with all that is known of its networks, each with its end.

    All of them show one state of the store; of a large one few rows are in memory at a time.
    """
    yield _line(HEAD)
    count = 0
    for kind in COLUMNS:
        for record in _records(connection, kind, study_id):
            yield _line({"kind": kind, **record})
            count += 1
    yield _line({"kind": "end", "records": count})


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def _records(connection: Connection, kind: str, study_id: int | None) -> Iterator[dict[str, Any]]:
    table, names = COLUMNS[kind]
    more = _MORE.get(kind, _nothing)(connection, study_id)
    query = _trials_query() if table is trials else select(table)
    for row in _rows(connection, _ordered(_within(query, table, study_id), table)):
        yield {name: _unfolded(name, getattr(row, name)) for name in names} | more(row)


def _unfolded(name: str, value: Any) -> Any:
    return json.loads(value) if name in NESTED and value is not None else value


def _rows(connection: Connection, query: Select[Any]) -> Iterable[Row[Any]]:
    return connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})


def _ordered(query: Select[Any], table: Table) -> Select[Any]:
    if table is trials:
        return query.order_by(trials.c.study_id, trials.c.number)
    return query.order_by(*table.primary_key)


# What one study is made of


def _within(query: Select[Any], table: Table, study_id: int | None) -> Select[Any]:
    """The rows of a table that belong to a study, or all."""
    return query if study_id is None else query.where(_CONDITIONS[table.name](study_id))


def _networks(study_id: int) -> Select[Any]:
    return select(trials.c.architecture_id).where(trials.c.study_id == study_id)


def _measured(study_id: int) -> Select[Any]:
    """Rows of the measurements of a study's trials, those at rungs too."""
    last = select(trials.c.measurement_id).where(trials.c.study_id == study_id, trials.c.measurement_id.is_not(None))
    passed = select(rungs.c.measurement_id).join(trials).where(trials.c.study_id == study_id)
    return select(union_all(last, passed).subquery().c.measurement_id)


def _recipes_of(study_id: int) -> Any:
    measured = select(measurements.c.recipe_digest).where(measurements.c.id.in_(_measured(study_id)))
    retrained = select(retrainings.c.recipe_digest).where(retrainings.c.architecture_id.in_(_networks(study_id)))
    begun = select(studies.c.recipe_digest).where(studies.c.id == study_id)
    return or_(*(recipes.c.digest.in_(found) for found in (begun, measured, retrained)))


_CONDITIONS: dict[str, Callable[[int], Any]] = {
    "recipes": _recipes_of,
    "architectures": lambda study_id: architectures.c.id.in_(_networks(study_id)),
    "studies": lambda study_id: studies.c.id == study_id,
    "measurements": lambda study_id: measurements.c.id.in_(_measured(study_id)),
    "trials": lambda study_id: trials.c.study_id == study_id,
    **{
        table.name: lambda study_id, table=table: table.c.architecture_id.in_(_networks(study_id))  # type: ignore[misc]
        for table in (retrainings, latencies, proxies)
    },
}


# What a line has beside the columns of its table


class _Following:
    """Rows that come in the order of a key, given out key by key in that same order."""

    def __init__(self, rows: Iterable[Row[Any]], key: Callable[[Row[Any]], Any]) -> None:
        self._groups = groupby(rows, key)
        self._next = next(self._groups, None)

    def of(self, key: Any) -> list[Row[Any]]:
        if self._next is None or self._next[0] != key:
            return []
        found = list(self._next[1])
        self._next = next(self._groups, None)
        return found


More = Callable[[Row[Any]], dict[str, Any]]


def _nothing(connection: Connection, study_id: int | None) -> More:
    return lambda row: {}


def _kinds(connection: Connection, study_id: int | None) -> More:
    columns = (block_kinds.c.architecture_id, block_kinds.c.kind, block_kinds.c["count"].label("number"))
    query = _within(select(*columns).join(architectures), architectures, study_id)
    rows = _rows(connection, query.order_by(architectures.c.id))
    following = _Following(rows, lambda row: row.architecture_id)
    return lambda row: {"kinds": {found.kind: found.number for found in sorted(following.of(row.id))}}


_KEY_LABELS = [measurements.c[name].label(f"measured_{name}") for name in KEY[1:]]


def _trials_query() -> Select[Any]:
    query = select(trials, studies.c.name.label("study"), *_KEY_LABELS).join_from(trials, studies)
    return query.join(measurements, trials.c.measurement_id == measurements.c.id, isouter=True)


def _ways(connection: Connection, study_id: int | None) -> More:
    """Of a trial its study, what it measured last, and what it measured at the rungs before."""
    query = select(trials.c.study_id, trials.c.number, *_KEY_LABELS).join_from(rungs, trials)
    query = query.join(measurements, rungs.c.measurement_id == measurements.c.id)
    order = (trials.c.study_id, trials.c.number, measurements.c.epochs, measurements.c.id)
    rows = _rows(connection, _within(query, trials, study_id).order_by(*order))
    following = _Following(rows, lambda row: (row.study_id, row.number))

    def of_trial(row: Row[Any]) -> dict[str, Any]:
        passed = [_key_of(rung) for rung in following.of((row.study_id, row.number))]
        measured = None if row.measurement_id is None else _key_of(row)
        return {"study": row.study, "measured": measured, "rungs": passed}

    return of_trial


def _key_of(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, f"measured_{name}") for name in KEY[1:]}


_MORE: dict[str, Callable[[Connection, int | None], More]] = {"architecture": _kinds, "trial": _ways}
