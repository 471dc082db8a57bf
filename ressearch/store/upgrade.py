"""Migrating a file of an older version: a copy is kept beside it, then all migrations run in one transaction.

Whatever goes wrong, the file stays as it was. Alembic is imported only here, and only where a migration is due: it
takes longer than a question to the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from ressearch.errors import StoreError
from ressearch.store.engine import mark, require_ours, writing
from ressearch.store.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class Upgrade:
    """What opening a file did: it was of `version`; as it was then it is kept in `backup`."""

    version: int
    backup: Path


def upgrade(engine: Engine, path: Path) -> Upgrade | None:
    """Bring a file to the present version; None if another process has just done so.

    Raises StoreError, with the file unchanged, if it cannot be written, a search of the older version is running on
    it, or it holds what cannot be migrated.
    """
    _require_no_search(path)
    with _writing(engine, path) as connection:
        version = require_ours(connection, path)
        if version == SCHEMA_VERSION:
            return None
        backup = _backup(path, version)
        try:
            _migrate(connection, path, version)
        except BaseException:
            backup.unlink()
            raise
    return Upgrade(version, backup)


@contextmanager
def _writing(engine: Engine, path: Path) -> Iterator[Connection]:
    """A write transaction; where the disk does not permit one, the next step is to copy the file."""
    try:
        with writing(engine) as connection:
            yield connection
    except StoreError as error:
        if not _denied(error.__cause__):
            raise
        raise StoreError(
            f"{path} is of an older version and must be migrated, which cannot be done where it lies: {error.message}",
            hint="copy it to where you may write, then `ressearch store migrate --store COPY`",
        ) from error


def _denied(error: BaseException | None) -> bool:
    kinds = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
    code = getattr(error.orig, "sqlite_errorcode", None) if isinstance(error, DatabaseError) else None
    return isinstance(error, OSError) or (code is not None and code & 0xFF in kinds)


def _require_no_search(path: Path) -> None:
    """A search holds the lock file of its study; on a file of an older version it is one of the older program."""
    from filelock import FileLock, Timeout

    resolved = path.resolve()
    for lock in sorted(resolved.parent.glob(f"{resolved.name}.*.lock")):
        try:
            with suppress(PermissionError), FileLock(lock, timeout=0):
                pass
        except Timeout as error:
            study = lock.name.removeprefix(f"{resolved.name}.").removesuffix(".lock")
            raise StoreError(
                f"{path} is of an older version, and a search of that version is at work on it: the study {study!r}",
                hint="it is migrated when that search has ended",
            ) from error


def _backup(path: Path, version: int) -> Path:
    """A copy of the file's last state beside it under a free name, made by SQLite, which knows of its log."""
    backup = _free_name(path, version)
    part = backup.with_name(f"{backup.name}.part")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        part.rename(backup)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"cannot keep a copy of {path} at {backup}: {error}", hint="is there space on the disk? nothing was changed"
        ) from error
    return backup


def _free_name(path: Path, version: int) -> Path:
    names = [f"{path.name}.v{version}.bak", *(f"{path.name}.v{version}.{n}.bak" for n in range(2, 1_000))]
    return next(found for name in names if not (found := path.with_name(name)).exists())


def _migrate(connection: Connection, path: Path, version: int) -> None:
    from ressearch.store.migrations import run_all

    try:
        run_all(connection, version)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise ValueError(f"a row of {broken[0][0]} refers to a row of {broken[0][2]} that is not there")
        mark(connection)
    except Exception as error:
        raise StoreError(
            f"{path} cannot be migrated from schema {version} to {SCHEMA_VERSION}: {_told(error)}",
            hint="it is unchanged; the older ressearch still opens it",
        ) from error


def _told(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DatabaseError) else str(error)
