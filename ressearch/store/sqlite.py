"""SQLite files: opening one, whose it is and of which version, transactions, and SQLite's errors as ours."""

from __future__ import annotations

import glob
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert
from sqlalchemy.exc import DatabaseError

from ressearch.errors import StoreError
from ressearch.store.database import Database, Upgrade, driven_by_another
from ressearch.store.driver import Driver, driver_of, this_driver
from ressearch.store.mounts import require_local
from ressearch.store.schema import REVISION, SCHEMA_VERSION, metadata, versions
from ressearch.store.sql import Answer

APPLICATION_ID = 0x52534348
"""Marks an SQLite file as ours ("RSCH")."""
BUSY_SECONDS = 30
LOOK_SECONDS = 0.5
"""How long a driver waits for its lock: whoever looks whether a study is driven holds it for a moment."""
CACHE_KIB = 512 * 1024
"""At most so much memory for pages: keys of architectures are spread over all of an index."""
DENIED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


class SqliteFile(Database):
    """A store in an SQLite file. An acknowledged write is on the disk (write-ahead log, synchronous=FULL)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        resolved = path.resolve()
        self.checkpoints = resolved.with_name(f"{resolved.name}.checkpoints")
        self.artifacts = resolved.with_name(f"{resolved.name}.artifacts")
        self._fresh = False

    def _engine(self) -> Engine:
        engine = create_engine(URL.create("sqlite", database=self.name), connect_args={"timeout": BUSY_SECONDS})

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, record: Any) -> None:
            connection.isolation_level = None  # the driver's own rule would leave the schema out of transactions
            if self._fresh:
                _log_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # a writer waits for its turn here; one that reads first could find later that another has written since
            writes = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def version(self) -> int | None:
        """As of every database. Nothing is written to the file."""
        require_local(self.path)
        if not self.path.is_file() or self.is_empty():
            return None
        try:
            with self.reading() as connection:
                return self.require_ours(connection)
        finally:
            self.close()

    def open(self) -> Upgrade | None:
        """As of every database."""
        require_local(self.path)
        if not self.path.is_file():
            raise self.missing()
        return self._checked()

    def create(self) -> Upgrade | None:
        """As of every database; the directory is made too."""
        require_local(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the directory {self.path.parent}: {error.strerror}") from error
        if self.path.is_file() and not self.is_empty():
            return self._checked()
        self._fresh = True
        with self.closed_on_error(), self.writing() as connection:
            make_tables(connection)
        return None

    def _checked(self) -> Upgrade | None:
        from ressearch.store.upgrade import upgrade

        with self.closed_on_error():
            with self.reading() as connection:
                version = self.require_ours(connection)
            return upgrade(self) if version < SCHEMA_VERSION else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As of every database."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """As of every database; alone among the writers."""
        writer = self.engine.execution_options(writes=True)
        with self._translated(), writer.begin() as connection:
            yield connection

    def ask(self, statement: str, limit: int, seconds: float) -> Answer:
        """As of every database."""
        from ressearch.store import sqlite_sql

        return sqlite_sql.ask(self.path, statement, limit, seconds)

    @contextmanager
    def sole_driver(self, study: str) -> Iterator[None]:
        """As of every database, by a locked file beside the store."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(f"{self.path.resolve()}.{study}.lock", timeout=LOOK_SECONDS), self._signed(study):
                yield
        except Timeout as error:
            raise driven_by_another(study) from error

    @contextmanager
    def _signed(self, study: str) -> Iterator[None]:
        """Beside the lock stands whose it is; not in it, since who looks whether it is locked may empty it."""
        sign = self._sign(study)
        with suppress(OSError):
            sign.write_text(this_driver().text(), encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                sign.unlink()

    def _sign(self, study: str) -> Path:
        return Path(f"{self.path.resolve()}.{study}.driver")

    def driver(self, connection: Connection, study: str) -> Driver | None:
        """As of every database."""
        with suppress(OSError):
            return driver_of(self._sign(study).read_text(encoding="utf-8"))
        return None

    def undisturbed(self, connection: Connection, study: str) -> AbstractContextManager[None]:
        """As of every database."""
        return self.sole_driver(study)

    def driven(self, connection: Connection | None = None) -> Iterator[str]:
        """As of every database: studies whose lock files are locked."""
        from filelock import FileLock, Timeout

        resolved = self.path.resolve()
        for lock in sorted(resolved.parent.glob(f"{glob.escape(resolved.name)}.*.lock")):
            try:
                with suppress(PermissionError), FileLock(lock, timeout=0):
                    pass
            except Timeout:
                yield lock.name.removeprefix(f"{resolved.name}.").removesuffix(".lock")

    def is_empty(self) -> bool:
        """Whether the file holds nothing, e.g. because the program that was making a store of it was killed."""
        size = self.path.stat().st_size
        if size < 512:  # less than a page; SQLite itself takes a text of one byte for an empty database
            return size == 0
        try:
            with self.reading() as connection:
                facts = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
                return not any(connection.exec_driver_sql(fact).scalar_one() for fact in facts)
        finally:
            self.close()

    def require_ours(self, connection: Connection) -> int:
        """The version of the file, which is a store and not newer than this program."""
        owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if owner != APPLICATION_ID:
            raise StoreError(f"{self.path} is an SQLite database, but not a results store", hint="give another --store")
        return self.require_not_newer(version)

    def _explained(self, error: DatabaseError) -> StoreError:
        """What SQLite said, and the next step: an old file must be written to be read."""
        version, said = _version_in_header(self.path), error.orig
        if getattr(said, "sqlite_errorcode", 0) & 0xFF in DENIED and 0 < version < SCHEMA_VERSION:
            return StoreError(
                f"{self.path} is of version {version} and must be migrated, which cannot be done where it lies: {said}",
                hint="copy it to where you may write, then `ressearch store migrate --store COPY`",
            )
        return StoreError(f"{self.path}: {said}", hint="is it an SQLite file, writable, and on a disk with space?")


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


def _version_in_header(path: Path) -> int:
    """PRAGMA user_version where SQLite cannot be asked, see https://www.sqlite.org/fileformat.html; 0 if not ours."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return 0
    version, owner = int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")
    return version if owner == APPLICATION_ID else 0


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
