"""What makes no sense is refused by the database itself, whoever writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DatabaseError

from ressearch.store import Store
from ressearch.store.schema import measurements
from tests.store_samples import KEY, MEASURED, NET, RECIPE, STUDY, begin

# The database's own constraints

TRIAL = (
    "INSERT INTO trials (study_id, number, architecture_id, decisions, seed, origin, baseline, state, measurement_id,"
    " error, failure, reused, started, finished) VALUES ({study}, {number}, {net}, '{{}}', {seed}, {origin},"
    " {baseline}, {state}, {measurement}, {error}, {failure}, {reused}, 0.0, {finished})"
)
FINE = {
    "study": 1,
    "number": 9,
    "net": f"'{NET.id}'",
    "seed": 0,
    "origin": "'proposed'",
    "baseline": "NULL",
    "state": "'running'",
    "measurement": "NULL",
    "error": "NULL",
    "failure": "NULL",
    "reused": "FALSE",
    "finished": "NULL",
}
FAILED = {"state": "'failed'", "error": "'x'", "failure": "'error'", "finished": 1.0}
COMPLETE = {"state": "'complete'", "measurement": 1, "finished": 1.0}
INCONSISTENT = "CHECK constraint failed: state_is_consistent"
UNNAMED = "CHECK constraint failed: baseline_is_named"
SENSELESS = "CHECK constraint failed: {}_is_sensible"
STRAY = "FOREIGN KEY constraint failed"


Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def refusal(new_store: Callable[[], str]) -> Iterator[Refusal]:
    """Runs statements, as any program may, on a store with one complete trial: what the last one's refusal says.

    All is undone afterwards.
    """
    url = new_store()
    with closing(Store.create(url)) as store:
        study_id = store.create_study(STUDY)
        begin(store, study_id, 0)
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
        store.close()
        with store._database.engine.connect() as connection:

            def refused(*statements: str) -> str:
                for statement in statements[:-1]:
                    connection.exec_driver_sql(statement)
                with pytest.raises(DatabaseError) as caught:
                    connection.exec_driver_sql(statements[-1])
                connection.rollback()
                return constraint(caught.value.orig)

            yield refused


def constraint(error: Any) -> str:
    """What PostgreSQL says in the words of SQLite, which are fewer."""
    if isinstance(error, sqlite3.IntegrityError):
        return str(error)
    found = error.diag
    match type(error):
        case psycopg.errors.CheckViolation:
            return f"CHECK constraint failed: {found.constraint_name}"
        case psycopg.errors.ForeignKeyViolation:
            return STRAY
        case psycopg.errors.NotNullViolation:
            return f"NOT NULL constraint failed: {found.table_name}.{found.column_name}"
        case psycopg.errors.UniqueViolation:
            columns = found.message_detail.partition("(")[2].partition(")")[0].split(", ")
            return f"UNIQUE constraint failed: {', '.join(f'{found.table_name}.{name}' for name in columns)}"
    assert isinstance(error, psycopg.DataError | psycopg.errors.DatatypeMismatch)
    return OF_ANOTHER_TYPE


OF_ANOTHER_TYPE = "no value of the column's type"
"""SQLite takes any value in any column: there a constraint refuses what PostgreSQL takes for no value at all."""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (COMPLETE | {"measurement": "NULL"}, INCONSISTENT),
        (COMPLETE | {"error": "'x'"}, INCONSISTENT),
        (FAILED | {"error": "NULL"}, INCONSISTENT),
        (FAILED | {"measurement": 1}, INCONSISTENT),
        ({"measurement": 1}, INCONSISTENT),
        ({"error": "'x'"}, INCONSISTENT),
        ({"state": "'paused'", "finished": 1.0}, INCONSISTENT),
        (FAILED | {"failure": "NULL"}, "CHECK constraint failed: failure_is_named"),
        ({"failure": "'error'"}, "CHECK constraint failed: failure_is_named"),
        (FAILED | {"failure": "'bored'"}, "CHECK constraint failed: failure_is_known"),
        (FAILED | {"finished": "NULL"}, "CHECK constraint failed: finished_is_timed"),
        ({"finished": 1.0}, "CHECK constraint failed: finished_is_timed"),
        ({"reused": "TRUE"}, "CHECK constraint failed: reused_is_measured"),
        (COMPLETE | {"reused": 2}, "CHECK constraint failed: reused_is_boolean"),
        ({"number": -1}, "CHECK constraint failed: number_is_sensible"),
        ({"number": "'x'"}, "CHECK constraint failed: number_is_sensible"),
        ({"seed": -1}, "CHECK constraint failed: seed_is_sensible"),
        ({"origin": "'guessed'"}, "CHECK constraint failed: origin_is_known"),
        ({"baseline": "'resnet8'"}, UNNAMED),
        ({"origin": "'baseline'"}, UNNAMED),
        ({"study": 2}, STRAY),
        ({"net": "'unknown'"}, STRAY),
        (COMPLETE | {"measurement": 2}, STRAY),
        ({"number": 0}, "UNIQUE constraint failed: trials.study_id, trials.number"),
        ({"state": "NULL"}, "NOT NULL constraint failed: trials.state"),
    ],
)
def test_a_trial_that_cannot_be_is_refused_by_the_database(
    refusal: Refusal, database: str, changes: dict[str, object], message: str
) -> None:
    fine = TRIAL.format(**FINE)  # it is the changes that are refused
    no_value = changes.get("reused") == 2 or changes.get("number") == "'x'"
    refused = refusal(fine, TRIAL.format(**FINE | {"number": 10} | changes))
    assert refused == (OF_ANOTHER_TYPE if no_value and database == "postgresql" else message)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE measurements SET accuracy = 2.0", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = -0.1", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = 'high'", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = NULL", "NOT NULL constraint failed: measurements.accuracy"),
        ("UPDATE measurements SET seconds = -1", SENSELESS.format("seconds")),
        ("UPDATE measurements SET cpu_seconds = 9e999", SENSELESS.format("cpu_seconds")),
        ("UPDATE measurements SET loss = -9e999", SENSELESS.format("loss")),
        ("UPDATE measurements SET train_loss = 'nan'", SENSELESS.format("train_loss")),
        ("UPDATE measurements SET images_per_second = -1", SENSELESS.format("images_per_second")),
        ("UPDATE measurements SET flops = -1", SENSELESS.format("flops")),
        ("UPDATE measurements SET peak_memory = -1", SENSELESS.format("peak_memory")),
        ("UPDATE measurements SET precision = 'fp64'", SENSELESS.format("precision")),
        ("UPDATE measurements SET epochs = 0", SENSELESS.format("epochs")),
        ("UPDATE measurements SET schedule = 2", SENSELESS.format("schedule")),
        ("UPDATE measurements SET data_fraction = 0", SENSELESS.format("data_fraction")),
        ("UPDATE measurements SET resolution = 1.1", SENSELESS.format("resolution")),
        ("UPDATE measurements SET recipe_digest = 'unknown'", STRAY),
        ("UPDATE recipes SET batch_size = 1", SENSELESS.format("batch_size")),
        ("UPDATE recipes SET lr = 0", SENSELESS.format("lr")),
        ("UPDATE recipes SET lr = 'high'", SENSELESS.format("lr")),
        ("UPDATE recipes SET momentum = 1", SENSELESS.format("momentum")),
        ("UPDATE recipes SET weight_decay = -1", SENSELESS.format("weight_decay")),
        ("UPDATE recipes SET crop = -1", SENSELESS.format("crop")),
        ("UPDATE recipes SET flip = 2", "CHECK constraint failed: flip_is_boolean"),
        ("UPDATE recipes SET lr = NULL", "CHECK constraint failed: known_as_a_whole"),
        ("UPDATE studies SET epochs = 0", SENSELESS.format("epochs")),
        ("UPDATE studies SET recipe_digest = 'unknown'", STRAY),
        ("UPDATE architectures SET macs = -1", SENSELESS.format("macs")),
        ("UPDATE architectures SET longest_path = 0", SENSELESS.format("longest_path")),
        ("UPDATE architectures SET mean_path = 9", SENSELESS.format("mean_path")),
        ("UPDATE architectures SET log10_paths = -1", SENSELESS.format("log10_paths")),
        ("UPDATE trials SET state = 'running', finished = NULL", INCONSISTENT),
        ("UPDATE trials SET measurement_id = NULL", INCONSISTENT),
        ("DELETE FROM measurements", STRAY),
        ("DELETE FROM architectures", STRAY),
        ("DELETE FROM studies", STRAY),
        ("DELETE FROM recipes", STRAY),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_the_database(
    refusal: Refusal, database: str, statement: str, message: str
) -> None:
    no_value = statement.endswith(("= 'high'", "9e999", "flip = 2"))
    assert refusal(statement) == (OF_ANOTHER_TYPE if no_value and database == "postgresql" else message)


def test_the_database_takes_one_measurement_per_key(refusal: Refusal) -> None:
    listed = ", ".join(column.name for column in measurements.c if column.name != "id")
    key = ("architecture_id", "recipe_digest", "epochs", "data_fraction", "resolution", "schedule", "seed")
    assert refusal(f"INSERT INTO measurements ({listed}) SELECT {listed} FROM measurements") == (
        f"UNIQUE constraint failed: {', '.join(f'measurements.{name}' for name in key)}"
    )
