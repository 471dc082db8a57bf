"""No question reads a whole table of trials or measurements, by the database's own plans."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text

from ressearch.cost import cost_of
from ressearch.store import Finished, Limits, Merit, Store
from ressearch.store.schema import (
    architectures,
    latencies,
    measurements,
    proxies,
    recipes,
    retrainings,
    studies,
    trials,
)
from ressearch.trial import Fidelity, Latency, Proxies, Retraining, TrialState
from tests.store_samples import CHECKSUM, KEY, MEASURED, NET, RECIPE, STUDY, begin, running

TABLES = ("trials", "measurements", "retrainings", "latencies", "proxies", "architectures")
RETRAINING = Retraining(NET.id, RECIPE, CHECKSUM, Fidelity(), 0, MEASURED)
LATENCY = Latency(NET.id, "cpu", "fp32", 64, 1, 30, median_seconds=0.02, low_seconds=0.01, high_seconds=0.04)
PROXIES = Proxies(NET.id, CHECKSUM, 64, 0, naswot=1.0, synflow=2.0, grad_norm=3.0, zen=None, seconds=0.5)
RECORDED = [
    Finished(
        replace(running(number), state=TrialState.COMPLETE, measurement=MEASURED), replace(KEY, seed=number), RECIPE
    )
    for number in (2, 3)
]
SMALL = Limits(max_macs=20, max_params=40, min_accuracy=0.25)
QUESTIONS: dict[str, Callable[[Store, int], object]] = {
    "results": lambda store, study: store.results(study),
    "baselines": lambda store, study: store.baselines(study),
    "front": lambda store, study: store.front(study, SMALL),
    "front of all": lambda store, study: store.front(study, SMALL, all_studies=True),
    "standing": lambda store, study: store.standing(study, SMALL, 0.25),
    "ranked": lambda store, study: store.ranked(study, SMALL),
    "ranked by accuracy": lambda store, study: store.ranked(study, by=Merit.ACCURACY),
    "ranked of all": lambda store, study: store.ranked(study, SMALL, all_studies=True),
    "count": lambda store, study: store.count(study, SMALL),
    "trials": lambda store, study: store.trials(study),
    "query": lambda store, study: store.query("kind = dense or kind.basic > 1 or macs < 5", study=STUDY.name),
    "counts": lambda store, study: store.counts(study),
    "history": lambda store, study: store.history(NET.id),
    "known": lambda store, study: store.known(KEY),
    "begin": lambda store, study: store.begin(study, running(1), NET, cost_of(NET)),
    "complete": lambda store, study: store.complete(study, 1, KEY, MEASURED, RECIPE),
    "record": lambda store, study: store.record(study, RECORDED),
    "record_retraining": lambda store, study: store.record_retraining(RETRAINING),
    "retrained": lambda store, study: store.retrained(KEY),
    "retrainings": lambda store, study: store.retrainings(NET.id),
    "record_latency": lambda store, study: store.record_latency(LATENCY),
    "latencies": lambda store, study: store.latencies(NET.id),
    "record_proxies": lambda store, study: store.record_proxies(PROXIES),
    "proxies": lambda store, study: store.proxies(NET.id),
    "retrained_accuracies": lambda store, study: store.retrained_accuracies(study),
    "rungs": lambda store, study: store.rungs(study),
}
OF_MANY = (
    "results",
    "trials",
    "counts",
    "rungs",
    "baselines",
    "front",
    "front of all",
    "standing",
    "ranked",
    "ranked of all",
    "count",
)
"""What is asked of a study of many trials. For that many networks all retrainings, which are few, are rightly read."""


@contextmanager
def statements_of(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The very statements that are sent meanwhile and can be explained, with their parameters."""
    sent: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT")):
            sent.append((statement, parameters[0] if many else parameters))

    event.listen(store._database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(store._database.engine, "before_cursor_execute", note)


def test_sqlite_reads_no_whole_table(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store, closing(sqlite3.connect(path)) as connection:

        def scans(statements: list[tuple[str, Any]]) -> list[str]:
            steps = [step[3] for s, p in statements for step in connection.execute(f"EXPLAIN QUERY PLAN {s}", p)]
            return [step for step in steps if step.startswith(tuple(f"SCAN {table}" for table in TABLES))]

        study_id = store.create_study(STUDY)
        begin(store, study_id, 0)
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
        for question in QUESTIONS.values():
            with statements_of(store) as sent:
                question(store, study_id)
            assert sent
            assert scans(sent) == []
        assert scans([("SELECT * FROM measurements", ())]) == ["SCAN measurements"]


NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {}) "
STUDIES, EACH = 200, 60


def fill(connection: Connection) -> None:
    """As many rows as a team makes in weeks, each a copy of the one that is there; and the planner hears of them."""
    others = {
        recipes: {"digest": "'recipe ' || n"},
        architectures: {"id": "'net ' || n", "macs": "n"},
        studies: {"id": "n + 1", "name": "'study ' || n", "recipe_digest": "'recipe ' || n"},
        measurements: {
            "id": "n + 1",
            "architecture_id": "'net ' || n",
            "recipe_digest": f"'recipe ' || n % {STUDIES} + 1",
            "macs": "n",
            "accuracy": "n % 100 / 100.0",
        },
        trials: {
            "id": "n + 1",
            "study_id": f"n % {STUDIES} + 2",
            "number": f"n / {STUDIES}",
            "architecture_id": "'net ' || n",
            "measurement_id": "n + 1",
        },
        retrainings: {"id": "n + 1", "architecture_id": "'net ' || n"},
        latencies: {"id": "n + 1", "architecture_id": "'net ' || n"},
        proxies: {"id": "n + 1", "architecture_id": "'net ' || n"},
    }
    for table, changes in others.items():
        count = STUDIES if table in (recipes, studies) else STUDIES * EACH
        names = ", ".join(f'"{column.name}"' for column in table.c)
        values = ", ".join(changes.get(column.name, f'{table.name}."{column.name}"') for column in table.c)
        rows = f"{NUMBERS.format(count)}SELECT {values} FROM {table.name}, numbers"
        connection.execute(text(f"INSERT INTO {table.name} ({names}) {rows}"))
        connection.execute(text(f"ANALYZE {table.name}"))
        if "id" in table.c and table is not architectures:
            last = f"(SELECT max(id) FROM {table.name})"
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last})"))


def test_postgresql_reads_no_whole_table(postgres: Any) -> None:
    """Where there is as much to read as makes it worth a look at an index; its planner is as it always is."""
    with closing(Store.create(postgres.database())) as store:
        study_id = store.create_study(STUDY)
        begin(store, study_id, 0)
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
        store.record_retraining(RETRAINING)
        store.record_latency(LATENCY)
        store.record_proxies(PROXIES)
        with store._database.writing() as connection:
            fill(connection)
            assert connection.scalar(text("SELECT count(*) FROM trials")) == STUDIES * EACH + 1
        for name, question in QUESTIONS.items():
            with statements_of(store) as sent:
                question(store, study_id + 1 if name in OF_MANY else study_id)
            with store._database.writing() as connection:
                assert sent
                found = [scan for statement in sent for scan in scans_of(connection, *statement)]
                assert (name, found) == (name, [])
        with store._database.reading() as connection:
            assert scans_of(connection, "SELECT * FROM measurements", {}) == ["measurements"]


def scans_of(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The tables that PostgreSQL would read from beginning to end."""
    found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    plan = json.loads(found) if isinstance(found, str) else found
    return [relation for relation in scanned(plan[0]["Plan"]) if relation in TABLES]


def scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] in ("Seq Scan", "Parallel Seq Scan"):
        yield node["Relation Name"]
    for inner in node.get("Plans", []):
        yield from scanned(inner)
