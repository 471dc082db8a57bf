"""What PostgreSQL and its client say, as our errors: what happened, where, and what to do next."""

from __future__ import annotations

from sqlalchemy.exc import DatabaseError

from ressearch.errors import StoreError

SPACE = "make space on the server's disk, then run the same command again"
REFUSALS = (
    ("could not write", SPACE),  # of its own files, before anything is asked
    ("password", "check the user and the password of the URL (special characters as %XX), or put it into ~/.pgpass"),
    ("no pg_hba.conf entry", "the server does not let this user in from here; ask who administers it"),
    ("database", "make it first: createdb -h HOST -U USER DATABASE"),
    ("role", "check the user of the URL, or make it: createuser -h HOST USER"),
    ("too many", "end what holds connections, or raise max_connections of the server"),
    ("starting up", "try again in a moment"),
)
"""A word of what the server says to one that it does not let in -> the next step. Such an error carries no code."""
UNREACHABLE = "is the server running, and are host and port of the URL right?"
LOST = "every finished trial is kept; when the server is back, the same command goes on"
ENDED = ("57P01", "57P02", "57P03", "25P03")
"""By an administrator, a crash, a restart, or for doing nothing in a transaction."""
STATES = {
    "42501": "the user needs rights: CREATE in the database to make a store, on its schema 'ressearch' to use one",
    "25006": "the server takes no writes (a standby?); give the URL of the primary",
    "55P03": "another program has held a lock in this database for long; see pg_stat_activity",
    "53100": SPACE,
    "42P01": "a table of the store is gone; restore the database from a backup, or give another --store",
}
"""SQLSTATE -> the next step."""


def explained(name: str, error: DatabaseError, under_way: bool) -> StoreError:
    """The error of a database of this name; under_way: of a study that had a connection before."""
    state, said = getattr(error.orig, "sqlstate", None), _first_line(error)
    not_connected = error.statement is None and state is None
    if error.connection_invalidated or state in ENDED or (under_way and not_connected):
        return StoreError(f"lost the connection to {name}: {said}", hint=LOST)
    if not_connected:
        hint = next((step for word, step in REFUSALS if word in said.partition("FATAL:")[2]), UNREACHABLE)
        return StoreError(f"cannot connect to {name}: {said}", hint=hint)
    return StoreError(f"{name}: {said}", hint=STATES.get(state or "", "the server's log may tell more"))


def _first_line(error: DatabaseError) -> str:
    """Of several lines the first, which is what happened; the others repeat it for each address, or ask questions."""
    lines = str(error.orig).strip().splitlines() or ["it did not say why"]
    return lines[0].removeprefix("connection failed: ").strip()
