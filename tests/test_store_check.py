"""`store check` finds what is broken, whatever that is, and finds nothing in what is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ressearch.errors import StoreError
from ressearch.store import Store
from tests.drawn_stores import ENDS, Step, happen, net_of
from tests.store_samples import NET
from tests.test_artifacts import keep, retrained

RESTORE = "restore a backup, or import an export into a new store"


def filled(store: Store) -> Store:
    happen(store, [Step("demo", at % 3, end, seed=at) for at, end in enumerate(ENDS)])
    happen(store, [Step("demo", 1, "retrained"), Step("demo", 1, "timed"), Step("demo", 2, "scored")])
    return store


def told(store: Store, everything: bool = True) -> list[str]:
    return [str(finding) for finding in store.findings(everything)]


RUNNING = (
    "remark: 5 trial(s) of the study 'demo' are running, and nobody drives it: "
    "`ressearch search` with its --name goes on with them"
)


def test_in_a_whole_store_nothing_is_found(store: Store, store_url: str) -> None:
    assert told(store) == []
    filled(store)
    assert told(store) == told(store, everything=False) == [RUNNING]
    with closing(Store.open(store_url)) as driver, driver.sole_driver("demo"):
        assert told(store) == []


FIRST = net_of(0).id
SECOND = net_of(2).id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with closing(Store.create(tmp_path / "results.db")) as store:
        filled(store)
    return tmp_path / "results.db"


def broken(file: Path, *statements: str) -> None:
    """What another program may do, which asks for no constraint."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM studies", "row 1 of trials refers to a row of studies that is not there: " + RESTORE),
        (
            "DELETE FROM recipes WHERE digest IN (SELECT recipe_digest FROM studies)",
            "row 1 of studies refers to a row of recipes that is not there: " + RESTORE,
        ),
        (f"DELETE FROM architectures WHERE id = '{FIRST}'", " of trials refers to a row of architectures that is not"),
        ("DROP INDEX trials_by_state", "trials_by_state of the table trials is not there: " + RESTORE),
        ("DROP TABLE latencies", "the table latencies is not there: " + RESTORE),
        ("ALTER TABLE trials DROP COLUMN proposer", "proposer of the table trials is not there: " + RESTORE),
        (
            "UPDATE trials SET measurement_id = (SELECT max(measurement_id) FROM trials) WHERE number = 1",
            "1 trial(s) that measured another network than their own: their accuracies are not theirs; " + RESTORE,
        ),
        (
            "UPDATE rungs SET measurement_id = (SELECT max(measurement_id) FROM trials) WHERE trial_id = 3",
            "1 trial(s) that measured another network than their own at a rung: their accuracies are not theirs; "
            + RESTORE,
        ),
        (
            "DELETE FROM trials WHERE state = 'stopped'",
            "1 measurement(s) of no trial: a trial was deleted by hand; they are still taken by a search that comes to"
            " the same network",
        ),
        ("UPDATE trials SET measurement_id = NULL WHERE state = 'complete'", "CHECK constraint failed in trials"),
        ("UPDATE recipes SET lr = 0.7", " says what has the digest "),
        (
            f"UPDATE architectures SET graph = (SELECT graph FROM architectures WHERE id = '{SECOND}')"
            f" WHERE id = '{FIRST}'",
            f"the network {FIRST} has the graph of {SECOND}: " + RESTORE,
        ),
        (
            f"UPDATE architectures SET graph = '[]' WHERE id = '{FIRST}'",
            f"the graph of the network {FIRST} cannot be read (not an architecture: expected an object with "
            f'"format": 1): ' + RESTORE,
        ),
        (f"UPDATE architectures SET peak = 7, skips = 9 WHERE id = '{SECOND}'",
         f"the network {SECOND} has peak 7 for 65, skips 9 for 0: " + RESTORE),
        (f"DELETE FROM block_kinds WHERE architecture_id = '{FIRST}'", f"the network {FIRST} has kinds {{}} for {{"),
        (
            "UPDATE trials SET finished = started - 1 WHERE finished IS NOT NULL",
            "remark: 5 trial(s) that ended before they began: the clock of a machine was set back; nothing else"
            " depends on it",
        ),
    ],
)  # fmt: skip
def test_what_another_program_broke_is_found(file: Path, statement: str, found: str) -> None:
    broken(file, statement)
    with closing(Store.open(file)) as store:
        assert any(found in line for line in told(store)), told(store)


def test_a_damaged_file_is_no_answer(file: Path) -> None:
    """Pages of zeros in the middle: SQLite says which, or cannot read the file at all."""
    content = bytearray(file.read_bytes())
    content[8 * 4096 : 20 * 4096] = bytes(12 * 4096)
    file.write_bytes(content)
    assert "damaged" in said_of(file) or "malformed" in said_of(file)


def said_of(file: Path) -> str:
    try:
        with closing(Store.open(file)) as store:
            return "\n".join(told(store))
    except StoreError as error:
        return str(error)


def test_weights_that_are_gone_or_changed_are_found(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    happen(store, [Step("demo", 10, "failed")])
    assert net_of(10) == NET
    gone, changed, kept = (keep(store, retrained(store, seed=seed)) for seed in range(3))
    assert told(store) == []
    gone.unlink()
    changed.write_bytes(b"Weights")
    elsewhere = store._database.shared
    step = (
        "they may lie on another machine, the one that trained" if elsewhere else "`ressearch store prune` forgets them"
    )
    assert told(store) == [
        f"{'remark: ' if elsewhere else ''}the weights {gone} are not there: {step}",
        f"the weights {changed} are not those that were written: delete the file, and retrain --keep",
    ]
    assert kept.exists()
