"""SQLite files: opening one, whose it is and of which version, transactions, and SQLite's errors as ours."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert
from sqlalchemy.exc import DatabaseError, IntegrityError

from ressearch.errors import StoreError
from ressearch.store.schema import REVISION, SCHEMA_VERSION, metadata, versions

APPLICATION_ID = 0x52534348
"""Marks an SQLite file as ours ("RSCH")."""
BUSY_SECONDS = 30


def engine_of(path: Path, fresh: bool = False) -> Engine:
    """The engine of a file; nothing is read or written yet. A fresh file gets a write-ahead log."""
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver's own rule would leave the schema out of transactions
        if fresh:
            _log_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer waits for its turn here; one that reads first could find later that another has written since
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _log_ahead(connection: Any) -> None:
    """Switch to a write-ahead log. Whatever its timeout, SQLite itself does not wait here for another who does so."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads one state of the store."""
    with _translated(engine.url.database), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, alone among the writers; all or nothing of it is kept."""
    writer = engine.execution_options(writes=True)
    with _translated(engine.url.database), writer.begin() as connection:
        yield connection


@contextmanager
def _translated(path: str | None) -> Iterator[None]:
    """SQLite's own errors as ours; a broken constraint goes through, since the caller knows what it means."""
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        raise _explained(Path(path or ""), error.orig) from error


DENIED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def _explained(path: Path, error: BaseException | None) -> StoreError:
    """What SQLite said, and the next step: an old file must be written to be read."""
    version = _version_in_header(path)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in DENIED and 0 < version < SCHEMA_VERSION:
        return StoreError(
            f"{path} is of version {version} and must be migrated, which cannot be done where it lies: {error}",
            hint="copy it to where you may write, then `ressearch store migrate --store COPY`",
        )
    return StoreError(f"{path}: {error}", hint="is it an SQLite file, writable, and on a disk with space?")


def _version_in_header(path: Path) -> int:
    """PRAGMA user_version where SQLite cannot be asked, see https://www.sqlite.org/fileformat.html; 0 if not ours."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return 0
    version, owner = int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")
    return version if owner == APPLICATION_ID else 0


@contextmanager
def closed_on_error(engine: Engine) -> Iterator[None]:
    """Give the file back if the block fails; its traceback would hold on to it."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def version_of(path: Path) -> int | None:
    """The version of the store at a path; None where there is none yet.

    Raises StoreError if the file is damaged, of a newer version, or not one of ours; nothing is written to it.
    """
    if not path.is_file() or is_empty(path):
        return None
    engine = engine_of(path)
    try:
        with reading(engine) as connection:
            return require_ours(connection, path)
    finally:
        engine.dispose()


def is_empty(path: Path) -> bool:
    """Whether a file holds nothing, e.g. because the program that was making a store of it was killed."""
    size = path.stat().st_size
    if size < 512:  # less than a page; SQLite itself takes a text of one byte for an empty database
        return size == 0
    engine = engine_of(path)
    try:
        with reading(engine) as connection:
            facts = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            return not any(connection.exec_driver_sql(fact).scalar_one() for fact in facts)
    finally:
        engine.dispose()


def require_ours(connection: Connection, path: Path) -> int:
    """The version of the file, which is a store and not newer than this program."""
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if owner != APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite database, but not a results store", hint="give another --store")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer ressearch (schema {version}, this one reads up to {SCHEMA_VERSION})",
            hint="upgrade ressearch, or give another --store",
        )
    return version


def make_tables(connection: Connection) -> None:
    """The tables of the present version, where they are not there yet."""
    metadata.create_all(connection)
    if connection.execute(versions.select()).first() is None:
        connection.execute(insert(versions).values(version_num=REVISION))
    mark(connection)


def mark(connection: Connection) -> None:
    """Say in the file's header whose it is, and of which version."""
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
