"""Files: where they are, whose they are, what is in their way."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.errors import StoreError
from ressearch.store import SCHEMA_VERSION, Store
from tests.store_samples import HELP, STUDY, complaint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.mark.parametrize("how", [Store.create, Store.open])
def test_a_write_is_on_the_disk_before_it_is_acknowledged(path: Path, how: Callable[[Path], Store]) -> None:
    Store.create(path).close()
    with closing(how(path)) as store, store._database.writing() as connection:
        pragma = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in PRAGMAS}
    assert pragma == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
"""synchronous: 2 is FULL. busy_timeout: milliseconds."""


# Files


def test_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "results.db"
    Store.create(path).close()
    assert path.is_file()


@pytest.mark.parametrize("name", ["a?b.db", "a%20b.db", "a#b.db", "ä b&c=d.db", ":memory:x"])
def test_a_store_is_where_its_name_says(tmp_path: Path, name: str) -> None:
    with closing(Store.create(tmp_path / name)) as store:
        store.create_study(STUDY)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with closing(Store.open(tmp_path / name)) as store:
        assert store.study(None)[1] == STUDY


def test_a_missing_file(path: Path) -> None:
    assert complaint(Store.open, path) == (
        f"error[E500]: there is no results store at {path}\n  = help: `ressearch search FILE` makes one"
    )
    assert not path.exists()


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE cats (name TEXT); INSERT INTO cats VALUES ('Mia')")


def foreign_with_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE cats (name TEXT)")


def marked_by_another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA application_id = 7; VACUUM")


def newer(path: Path) -> None:
    Store.create(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def text(path: Path) -> None:
    path.write_text("accuracy,macs\n0.9,100\n" * 1_000)


def short_text(path: Path) -> None:
    path.write_text("hello\n")


def one_byte(path: Path) -> None:
    path.write_bytes(b"x")


def truncated(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(path.read_bytes()[:5_000])


def without_its_last_page(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(path.read_bytes()[:-4_096])


def overwritten(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


NOT_OURS = " is an SQLite database, but not a results store\n  = help: give another --store"
NEWER = (
    " was written by a newer ressearch (schema 4, this one reads up to 3)\n"
    "  = help: upgrade ressearch, or give another --store"
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, NOT_OURS),
        (foreign_with_log, NOT_OURS),
        (marked_by_another, NOT_OURS),
        (newer, NEWER),
        (text, f": file is not a database{HELP}"),
        (short_text, f": file is not a database{HELP}"),
        (one_byte, NOT_OURS),
        (truncated, f": database disk image is malformed{HELP}"),
        (without_its_last_page, f": database disk image is malformed{HELP}"),
        (overwritten, f": file is not a database{HELP}"),
    ],
)
@pytest.mark.parametrize("how", [Store.create, Store.open])
def test_a_file_that_is_no_store_of_ours_stays_untouched(
    path: Path, how: Callable[[Path], Store], make: Callable[[Path], None], message: str
) -> None:
    make(path)
    before = path.read_bytes()
    assert complaint(how, path) == f"error[E500]: {path}{message}"
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(st.binary(min_size=1, max_size=1_200) | st.binary(max_size=600).map(b"SQLite format 3\0".__add__))
def test_random_bytes_are_a_store_error_and_stay(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.db"
    path.write_bytes(content)
    for how in (Store.open, Store.create):
        with pytest.raises(StoreError):
            how(path)
        assert path.read_bytes() == content


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    assert complaint(Store.create, tmp_path) == f"error[E500]: {tmp_path}: unable to open database file{HELP}"
    assert complaint(Store.open, tmp_path) == (
        f"error[E500]: there is no results store at {tmp_path}\n  = help: `ressearch search FILE` makes one"
    )


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    file.write_text("x")
    assert complaint(Store.create, file / "results.db") == (
        f"error[E500]: cannot make the directory {file}: File exists"
    )
    assert complaint(Store.create, file / "deep" / "results.db") == (
        f"error[E500]: cannot make the directory {file / 'deep'}: Not a directory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a directory that not even root can write to on Linux")
def test_a_directory_that_cannot_be_written_to() -> None:
    path = Path("/proc/results.db")
    assert complaint(Store.create, path) == f"error[E500]: {path}: unable to open database file{HELP}"
    assert complaint(Store.create, Path("/proc/runs/results.db")) == (
        "error[E500]: cannot make the directory /proc/runs: No such file or directory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.parametrize("make", [foreign, newer, text, truncated])
def test_a_refused_file_is_given_back_at_once(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    for how in (Store.create, Store.open):
        with pytest.raises(StoreError):  # whose traceback keeps the frames, and what they hold, alive
            how(path)
        held = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        assert str(path) not in held


@pytest.mark.parametrize("content", [b"", None], ids=["an empty file", "killed before the first table"])
def test_a_store_whose_making_was_cut_off_is_made(path: Path, content: bytes | None) -> None:
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        assert path.stat().st_size > 0
    else:
        path.write_bytes(content)
    with closing(Store.create(path)) as store:
        assert store.study(store.create_study(STUDY) and "demo")[1] == STUDY
    Store.open(path).close()
