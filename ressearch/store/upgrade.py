"""Migrating an SQLite file of an older version: a copy is kept beside it, then all migrations run in one transaction.

Whatever goes wrong, the file stays as it was. Alembic is imported only here, and only where a migration is due: it
takes longer than a question to the store.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from ressearch.errors import RessearchError, StoreError
from ressearch.store.database import Upgrade, under_way
from ressearch.store.schema import SCHEMA_VERSION
from ressearch.store.sqlite import SqliteFile, mark


def upgrade(file: SqliteFile) -> Upgrade | None:
    """Bring a file to the present version; None if another process has just done so.

    Raises StoreError, with the file unchanged, if it cannot be written, a search of the older version is running on
    it, or it holds what cannot be migrated.
    """
    path = file.path
    with file.writing() as connection:
        version = file.require_ours(connection)
        if version == SCHEMA_VERSION:
            return None
        _require_no_search(file)
        backup = _backup(path, version)
        try:
            _migrate(connection, path, version)
        except BaseException:
            backup.unlink()
            raise
    return Upgrade(version, backup)


def _require_no_search(file: SqliteFile) -> None:
    """On a file of an older version, a search is one of the older program."""
    study = next(file.driven(), None)
    if study is not None:
        raise under_way(file.name, study)


def _backup(path: Path, version: int) -> Path:
    """A copy of the file's last state beside it under a free name, made by SQLite, which knows of its log."""
    backup = _free_name(path, version)
    part = backup.with_name(f"{backup.name}.part")
    _remove(part)  # of an attempt that was killed
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        part.rename(backup)
    except (OSError, sqlite3.Error) as error:
        _remove(part)
        raise StoreError(
            f"{path} is of version {version} and must be migrated; it cannot be copied to {backup.name} first: {error}",
            hint="make space, or copy it to where you may write, then `ressearch store migrate --store COPY`",
        ) from error
    return backup


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


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
    if isinstance(error, RessearchError):
        return error.message
    return str(error.orig) if isinstance(error, DatabaseError) else str(error)
