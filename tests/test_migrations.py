"""A store of an older version is opened by today's code, and nothing in it is lost, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from math import log10
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.data import load_search_data
from ressearch.errors import StoreError
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import SCHEMA_VERSION, Store, Upgrade, version_of
from ressearch.store.migrations import run_all
from ressearch.store.sqlite import SqliteFile
from ressearch.trial import Failure, Fidelity, MeasurementKey, Recipe, Trial, TrialState
from tests.store_samples import HELP, ROOT, complaint, together
from tests.test_study import drive

OLD = Path(__file__).parent / "stores" / "v1.db"
"""Made by version 1: studies with a baseline, a failure, `parameters:`, and one that was interrupted."""

DIGITS = "96a506dfa7be07d9"
PLAIN = Recipe()
PINNED = {
    ("83e1932538984ddf", PLAIN.digest(DIGITS), 1.0): (0.215, 2.184107360839844),
    ("96e6d3330c142974", PLAIN.digest(DIGITS), 1.0): (0.08, 2.3044439697265626),
    ("bebfbf801c586641", PLAIN.digest(DIGITS), 1.0): (0.1425, 2.286529541015625),
    ("c87c6135cc76224f", PLAIN.digest(DIGITS), 1.0): (0.125, 2.2555918884277344),
    ("83e1932538984ddf", "e64f9e1b1a0c5215", 0.5): (0.1325, 2.2727073669433593),
    ("96e6d3330c142974", "01434f3971195ae3", 0.5): (0.1325, 2.2787889099121093),
    ("02f7fa3d050472c9", "6ebbe733158f74e0", 0.5): (0.13, 2.262908477783203),
    ("3891c0dd9c296b49", "8debb3a073027875", 0.5): (0.115, 2.2997264099121093),
}
"""Architecture, recipe and data fraction -> accuracy and loss, of every measurement in it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "results.db"))


def rows(path: Path, query: str) -> list[dict[str, Any]]:
    """What any SQLite client reads; nothing is written, not even a log."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [*connection.iterdump(), str(connection.execute("PRAGMA user_version").fetchone())]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# Nothing is lost


@pytest.mark.parametrize("how", [Store.open, Store.create])
def test_every_measurement_of_version_1_is_found(path: Path, how: Callable[[Path], Store]) -> None:
    with closing(how(path)) as store:
        assert store.upgraded == Upgrade(1, path.with_name("results.db.v1.bak"))
        for (id, digest, fraction), (accuracy, loss) in PINNED.items():
            known = store.known(MeasurementKey(id, digest, Fidelity(1, fraction), 0))
            assert known is not None
            assert (known.accuracy, known.loss) == (accuracy, loss)
    before = rows(OLD, "SELECT * FROM measurements ORDER BY id")
    assert len(before) == len(PINNED)
    told_since = {"resolution": 1.0, "schedule": 1, "flops": None, "precision": "fp32"}
    costs = {row.pop("id"): row for row in rows(path, "SELECT id, macs, params, depth FROM architectures")}
    assert rows(path, "SELECT * FROM measurements ORDER BY id") == [
        row | told_since | {"cpu_seconds": row["seconds"]} | costs[row["architecture_id"]] for row in before
    ]


def test_every_trial_of_version_1_is_found(path: Path) -> None:
    Store.open(path).close()
    before = rows(OLD, "SELECT * FROM trials ORDER BY id")
    assert {row["state"] for row in before} == {"running", "complete", "failed"}
    diverged, not_told = {None: None}, dict.fromkeys(("proposer", "worker", "attributes"))
    assert rows(path, "SELECT * FROM trials ORDER BY id") == [
        row | not_told | {"failure": diverged.get(row["error"], "diverged")} for row in before
    ]


def test_studies_keep_all_they_said(path: Path) -> None:
    with closing(Store.open(path)) as store:
        for row in rows(OLD, "SELECT * FROM studies"):
            study_id, study = store.study(row["name"])
            assert study_id == row["id"]
            for name in ("space_name", "space_text", "space_digest", "data_source", "data_checksum", "recipe_digest"):
                assert getattr(study, name) == row[name]
            assert study.recipe == Recipe(**{name: row[name] for name in SETTINGS})
            assert study.recipe.digest(study.data_checksum) == study.recipe_digest
            assert study.fidelity == Fidelity(row["epochs"], row["data_fraction"])
            assert study.versions == json.loads(row["versions"])
            assert (study.seed, study.evaluator, study.commit) == (row["seed"], "", None)
        states = {study: store.counts(store.study(study)[0]) for study in ("tiny", "hot", "tuned", "again")}
    running, stopped, complete, failed = TrialState
    assert states["tiny"] == {running: 0, stopped: 0, complete: 4, failed: 0}
    assert states["hot"] == {running: 0, stopped: 0, complete: 0, failed: 1}
    assert states["again"] == {running: 1, stopped: 0, complete: 2, failed: 0}


SETTINGS = ("batch_size", "lr", "momentum", "weight_decay", "label_smoothing", "warmup")


def test_architectures_are_the_same_and_their_wiring_is_told(path: Path) -> None:
    Store.open(path).close()
    before = rows(OLD, "SELECT * FROM architectures ORDER BY id")
    after = rows(path, "SELECT * FROM architectures ORDER BY id")
    assert [{name: row[name] for name in before[0]} for row in after] == before
    for row in after:
        wiring = analyse(Architecture.from_json(row["graph"]))
        lengths = [length for length, count in wiring.spectrum.items() for _ in range(count)]
        assert (row["nesting"], row["skips"], row["receptive_field"]) == (
            wiring.nesting, wiring.skips, wiring.receptive_field,
        )  # fmt: skip
        assert (row["shortest_path"], row["longest_path"]) == (min(lengths), max(lengths))
        assert row["mean_path"] == pytest.approx(sum(lengths) / len(lengths))
        assert row["log10_paths"] == pytest.approx(log10(len(lengths)))
        kinds = rows(path, f"SELECT kind, count FROM block_kinds WHERE architecture_id = '{row['id']}'")
        assert {kind["kind"]: kind["count"] for kind in kinds} == wiring.kinds


def test_a_trials_own_recipe_is_found_again(path: Path) -> None:
    """From its decisions, and from the constant that stands in the space file and in no column."""
    Store.open(path).close()
    for trial in rows(OLD, "SELECT * FROM trials JOIN measurements m ON m.id = measurement_id WHERE study_id = 3"):
        decided = {k.split(".")[1]: v for k, v in json.loads(trial["decisions"]).items() if k.startswith("parameters.")}
        recipe = Recipe(**decided, momentum=0.8)
        digest = trial["recipe_digest"]
        assert recipe.digest(DIGITS) == digest
        (row,) = rows(path, f"SELECT * FROM recipes WHERE digest = '{digest}'")
        assert (row.pop("digest"), row.pop("data_checksum"), row.pop("evaluator")) == (digest, DIGITS, "")
        assert Recipe(**row | {name: bool(row[name]) for name in ("decoupled", "flip", "amp")}) == recipe


def test_a_recipe_that_cannot_be_found_again_is_unknown_until_it_is_used_again(path: Path) -> None:
    recipe = Recipe(lr=0.123)
    digest, id = recipe.digest(DIGITS), "96e6d3330c142974"
    change(path, f"UPDATE measurements SET recipe_digest = '{digest}' WHERE id = 2")
    key = MeasurementKey(id, digest, Fidelity(1), 0)
    with closing(Store.open(path)) as store:
        assert (known := store.known(key)) is not None
        assert known.accuracy == PINNED[id, PLAIN.digest(DIGITS), 1.0][0]
        query = f"SELECT * FROM recipes WHERE digest = '{digest}'"
        (row,) = read(path, query)
        assert row == {**dict.fromkeys(row), "digest": digest, "evaluator": ""}
        architecture, cost = store.architecture(id)
        store.begin(1, Trial(9, id, {}, 0), architecture, cost)
        assert store.complete(1, 9, key, known, recipe) == known
        (row,) = read(path, query)
        assert (row["lr"], row["data_checksum"], row["amp"]) == (0.123, DIGITS, 1)


def read(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


@given(text=st.sampled_from(["", "[", "a: b", "parameters: 3", "parameters: {lr: 3}", "parameters: {lr: {value: x}}"]))
def test_a_space_file_that_tells_nothing_stops_no_migration(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(OLD, folder))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE studies SET space_text = ?", (text,))
            connection.commit()
        with closing(Store.open(path)) as store:
            assert len(store.results(3)) == 4
        assert read(path, "SELECT count(*) AS n FROM recipes WHERE lr IS NULL") == [{"n": 4}]


def test_other_failures_are_errors(path: Path) -> None:
    change(path, "UPDATE trials SET error = 'Kaboom' WHERE state = 'failed'")
    with closing(Store.open(path)) as store:
        (trial,) = store.trials(2)
    assert (trial.error, trial.failure) == ("Kaboom", Failure.ERROR)


def test_a_study_of_version_1_goes_on_and_its_measurements_are_used(path: Path) -> None:
    digits = load_search_data("digits")
    with closing(Store.create(path)) as store:
        space = SearchSpace.parse(store.study("again")[1].space_text)
        books = StudyBooks(
            space, digits, store, describe_study(space, digits, name="again", source="digits", seed=0), 5
        )
        jobs = drive(books)
        assert [job.number for job in jobs] == [2, 3, 4]
        assert rows(OLD, "SELECT architecture_id AS id FROM trials WHERE state = 'running'") == [
            {"id": jobs[0].architecture.id}
        ]
        fresh = describe_study(space, digits, name="fresh", source="digits", seed=0)
        books = StudyBooks(space, digits, store, fresh, 4)
        known = {trial.architecture_id for study in ("tiny", "again") for trial in store.trials(store.study(study)[0])}
        assert {job.architecture.id for job in drive(books)}.isdisjoint(known)
        assert books.progress().reused >= 1


# The tables


def tables(path: Path) -> dict[str, str | None]:
    return {row["name"]: row["sql"] for row in read(path, "SELECT name, sql FROM sqlite_master")}


def test_all_steps_make_what_a_new_store_has(path: Path, tmp_path: Path) -> None:
    second = Path(shutil.copy(OLD.with_name("v2.db"), tmp_path))
    Store.open(path).close()
    Store.open(second).close()
    new, stepped = tmp_path / "new.db", tmp_path / "stepped.db"
    Store.create(new).close()
    file = SqliteFile(stepped)
    with file.writing() as connection:
        run_all(connection, 0)
    file.close()
    assert tables(path) == tables(second) == tables(new) == tables(stepped)
    for file in (path, second, new, stepped):
        assert read(file, "SELECT * FROM alembic_version") == [{"version_num": f"{SCHEMA_VERSION:04}"}]
    for file in (path, second, new):
        assert read(file, "PRAGMA user_version") == [{"user_version": SCHEMA_VERSION}]
        assert read(file, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert read(file, "PRAGMA foreign_key_check") == []


def test_every_older_version_has_left_a_file() -> None:
    for version in range(1, SCHEMA_VERSION):
        assert version_of(OLD.with_name(f"v{version}.db")) == version


# Whatever happens meanwhile


def test_the_copy_is_the_old_file_and_what_stands_in_its_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as neighbour:  # which keeps the log from being written back
        neighbour.execute("UPDATE studies SET created = 1.5")
        neighbour.commit()
        before = dump(path)
        Store.open(path).close()
    assert dump(path.with_name("results.db.v1.bak")) == before
    assert read(path, "SELECT DISTINCT created FROM studies") == [{"created": 1.5}]


def test_a_second_opening_migrates_nothing(path: Path) -> None:
    Store.open(path).close()
    for how in (Store.open, Store.create):
        with closing(how(path)) as store:
            assert store.upgraded is None
    assert sorted(file.name for file in path.parent.iterdir()) == ["results.db", "results.db.v1.bak"]


def test_a_copy_that_is_there_already_stays(path: Path) -> None:
    path.with_name("results.db.v1.2.bak.part").write_text("half a copy, of an attempt that was killed")
    there = path.with_name("results.db.v1.bak")
    there.write_text("mine")
    with closing(Store.open(path)) as store:
        assert store.upgraded == Upgrade(1, path.with_name("results.db.v1.2.bak"))
    assert there.read_text() == "mine"
    assert len(list(path.parent.iterdir())) == 3


def test_what_cannot_be_migrated_stays_as_it_was(path: Path) -> None:
    """The last architecture is damaged: everything before it was moved already."""
    change(path, "UPDATE architectures SET graph = '{' WHERE id = 'c87c6135cc76224f'")
    assert rows(path, "SELECT max(id) AS id FROM architectures") == [{"id": "c87c6135cc76224f"}]
    before, held = path.read_bytes(), dump(path)
    for how in (Store.open, Store.create):
        assert complaint(how, path) == (
            f"error[E500]: {path} cannot be migrated from schema 1 to {SCHEMA_VERSION}: "
            "architecture c87c6135cc76224f: not JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)\n"
            "  = help: it is unchanged; the older ressearch still opens it"
        )
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert dump(path) == held


def test_a_row_that_refers_to_nothing_is_not_dropped_silently(path: Path) -> None:
    change(path, "DELETE FROM measurements WHERE id = 1")
    before = path.read_bytes()
    assert complaint(Store.open, path) == (
        f"error[E500]: {path} cannot be migrated from schema 1 to {SCHEMA_VERSION}: FOREIGN KEY constraint failed\n"
        "  = help: it is unchanged; the older ressearch still opens it"
    )
    assert path.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
import ressearch.analysis
from ressearch.store import Store

whole, calls = ressearch.analysis.analyse, []

def analyse(architecture):
    calls.append(architecture)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(architecture)

ressearch.analysis.analyse = analyse
Store.open(Path(sys.argv[1]))
"""


def test_kill_9_half_way_loses_nothing(path: Path) -> None:
    held = dump(path)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert dump(path) == held
    assert dump(path.with_name("results.db.v1.bak")) == held
    with closing(Store.open(path)) as store:
        assert store.upgraded == Upgrade(1, path.with_name("results.db.v1.2.bak"))
        assert sum(len(store.results(study)) for study in (1, 2, 3, 4)) == 10


def test_several_may_open_it_at_once(path: Path) -> None:
    found: list[Upgrade | None] = []

    def open_and_look() -> None:
        with closing(Store.open(path)) as store:
            assert len(store.results(1)) == 4
            found.append(store.upgraded)

    assert together(*[open_and_look] * 4) == []
    assert sorted(map(str, found)) == sorted(map(str, [None, None, None, Upgrade(1, path.with_suffix(".db.v1.bak"))]))


def test_a_search_of_the_older_version_is_not_disturbed(path: Path) -> None:
    before = path.read_bytes()
    with FileLock(f"{path}.tiny.lock"):
        assert complaint(Store.open, path) == (
            f"error[E500]: {path} is of an older version, and a search of that version is at work on it: "
            "the study 'tiny'\n  = help: it is migrated when that search has ended"
        )
    assert path.read_bytes() == before
    Store.open(path).close()


def test_a_locked_file_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ressearch.store.sqlite.BUSY_SECONDS", 0.1)
    before = path.read_bytes()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert complaint(Store.open, path) == f"error[E500]: {path}: database is locked{HELP}"
    assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [3_000, 5_000, -4_096])
def test_a_truncated_file_is_left_alone(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    before = path.read_bytes()
    for how in (Store.open, Store.create):
        with pytest.raises(StoreError):
            how(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


WITH_LOG = (
    "is of version 1 and must be migrated, which cannot be done where it lies: attempt to write a readonly database\n"
    "  = help: copy it to where you may write, then `ressearch store migrate --store COPY`"
)
WITHOUT_LOG = (
    "is of version 1 and must be migrated; it cannot be copied to results.db.v1.bak first:"
    " unable to open database file\n"
    "  = help: make space, or copy it to where you may write, then `ressearch store migrate --store COPY`"
)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize(("journal", "message"), [("wal", WITH_LOG), ("delete", WITHOUT_LOG)])
def test_on_a_disk_that_is_read_only_the_next_step_is_told(journal: str, message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(OLD, Path(folder, "results.db")))
        change(path, f"PRAGMA journal_mode = {journal}")
        before = path.read_bytes()
        with read_only(path):
            for how in (Store.open, Store.create):
                assert complaint(how, path) == f"error[E500]: {path} {message}"
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A file and its directory may be read and not written; root, whom no permission binds, becomes nobody."""
    root = os.geteuid() == 0
    path.chmod(0o444)
    path.parent.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.parent.chmod(0o755)


def test_a_copy_that_cannot_be_kept_stops_the_migration(path: Path) -> None:
    """On a full disk, say; here the name of the copy in the making is taken by a directory."""
    path.with_name("results.db.v1.bak.part").mkdir()
    before = path.read_bytes()
    assert complaint(Store.open, path) == f"error[E500]: {path} {WITHOUT_LOG}"
    assert path.read_bytes() == before
