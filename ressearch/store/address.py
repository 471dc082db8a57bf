"""From what `--store` says to the database that it means."""

from __future__ import annotations

import re
from pathlib import Path

from ressearch.errors import StoreError
from ressearch.store.database import Database

FORMS = "give the path of an SQLite file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
POSTGRESQL = ("postgresql", "postgresql+psycopg", "postgres")


def database_of(store: str | Path) -> Database:
    """The database at a path or URL; nothing of it is touched yet. Raises StoreError for a URL that means none.

    No message repeats a URL that could not be read: it may hold a password.
    """
    from ressearch.store.sqlite import SqliteFile

    scheme, path = _split(store)
    if scheme is None:
        return SqliteFile(Path(store))
    if scheme == "sqlite":
        if not path.removeprefix("/"):
            raise StoreError("the URL of an SQLite store names no file", hint="write sqlite:///PATH, or the path alone")
        return SqliteFile(Path(path.removeprefix("/")))
    if scheme not in POSTGRESQL:
        raise StoreError(f"a store cannot be at a URL of {scheme}://", hint=FORMS)
    return _postgresql(str(store))


def _split(store: str | Path) -> tuple[str | None, str]:
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", store, re.DOTALL) if isinstance(store, str) else None
    return (found[1], found[2]) if found else (None, "")


def _postgresql(url: str) -> Database:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    from ressearch.store.postgresql import PostgresDatabase

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        hint = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters of a password as %XX"
        raise StoreError("the URL of the store cannot be read", hint=hint) from None
    if not parsed.database:
        raise StoreError("the URL of the store names no database", hint=FORMS)
    return PostgresDatabase(parsed)
