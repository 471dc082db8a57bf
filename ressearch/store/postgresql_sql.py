"""A user's SELECT on a PostgreSQL server: in a session and a transaction that are read only, and end with it.

The statement becomes the query of a cursor (DECLARE ... CURSOR FOR) over the extended protocol: the one takes nothing
but a query, the other nothing but one statement, so neither COPY nor COMMIT nor a second statement gets in. A read-only
transaction refuses every change of a table. What it lets through, functions that change the session, read the server's
files, or reach other sessions and servers, PostgreSQL itself declares VOLATILE: a statement that holds the name of
such a function is refused, but for a few that are harmless. A user who has SELECT alone is a fence on top of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.types.string import TextLoader

from ressearch.errors import FilterError, RessearchError
from ressearch.store.postgresql_errors import ENDED, explained
from ressearch.store.sql import Answer, answer_of, mistaken, overdue, place_of, refused, require_select

HARMLESS = (
    *("random", "random_normal", "gen_random_uuid", "array_sample", "array_shuffle", "bernoulli", "system"),
    *("clock_timestamp", "timeofday", "current_query"),
    *("pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_database_size"),
)
VOLATILE = (
    "SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'"
    " AND NOT (pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%s))"
)
AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb")
"""Types that are shown as the server writes them; of some, not every value is one of Python's."""
_ESCAPED = re.compile(r'U&\s*"', re.IGNORECASE)
_CANCELED = "57014"
_NO_VALUE = "08P01"


def ask(name: str, connecting: dict[str, Any], settings: dict[str, str], question: tuple[str, int, float]) -> Answer:
    """The answer of the server. question: statement, limit, seconds. Raises FilterError or StoreError."""
    statement, limit, seconds = question
    require_select(statement)
    with _told(name, statement, seconds), _reader(connecting, settings, seconds) as connection:
        _require_harmless(connection, statement)
        with connection.cursor("asked") as cursor:
            cursor.execute(cast(Any, statement))  # typed for literals alone, so that nobody puts texts together
            rows = cursor.fetchmany(limit + 1)
            return answer_of([column.name for column in cursor.description or ()], rows, limit)


@contextmanager
def _reader(connecting: dict[str, Any], settings: dict[str, str], seconds: float) -> Iterator[psycopg.Connection[Any]]:
    """A session of its own, whose settings and locks go with it."""
    connection = psycopg.connect(**connecting)
    try:
        connection.read_only = True
        more = {"default_transaction_read_only": "on", "statement_timeout": f"{max(1, round(1000 * seconds))}ms"}
        for setting, value in (settings | more).items():
            connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
        connection.commit()
        for kind in AS_TEXT:
            connection.adapters.register_loader(kind, TextLoader)
        yield connection
    finally:
        connection.close()


def _require_harmless(connection: psycopg.Connection[Any], statement: str) -> None:
    """No function that does more than compute. Names are looked for everywhere, strings and comments not excepted."""
    escaped = _ESCAPED.search(statement)
    if escaped:
        raise refused("a name in escapes", statement, escaped.span())
    names = {name for (name,) in connection.execute(VOLATILE, (list(HARMLESS),))}
    words = set(re.findall(r"[^\W\d][\w$]*", statement)) | set(re.findall(r"[^\W\d][\w$]*", statement.lower()))
    quoted = {name for name in names if not re.fullmatch(r"[^\W\d][\w$]*", name)}
    found = sorted(names & words) + [name for name in quoted if name.replace('"', '""') in statement]
    if found:
        raise refused(f"{found[0]} does more than compute", statement, place_of(found[0], statement))


@contextmanager
def _told(name: str, statement: str, seconds: float) -> Iterator[None]:
    """What the server says, as our errors."""
    try:
        yield
    except psycopg.Error as error:
        raise _explained(name, statement, seconds, error) from error


def _explained(name: str, statement: str, seconds: float, error: psycopg.Error) -> RessearchError:
    from sqlalchemy.exc import DatabaseError

    state = error.sqlstate or ""
    if state == _CANCELED:
        return overdue(name, seconds)
    if state.startswith("25") and state not in ENDED:  # of what a read-only transaction refuses
        return refused(str(error.diag.message_primary), statement, None)
    if state == _NO_VALUE and "bind message" in str(error.diag.message_primary):
        return mistaken("a statement may have no parameters ($1)", statement, None)
    if state[:2] in ("0A", "21", "22", "2F", "34", "38", "39", "42", "54"):  # of statements, not of the server
        return _mistake(statement, error)
    unconnected = DatabaseError(cast(Any, None), None, error)
    return explained(name, unconnected, under_way=False)


def _mistake(statement: str, error: psycopg.Error) -> FilterError:
    said, at = str(error.diag.message_primary), error.diag.statement_position
    declared = 'DECLARE "asked" CURSOR FOR '
    start = int(at) - 1 - len(declared) if at else -1
    if not 0 <= start <= len(statement):
        return mistaken(said, statement, None, error.diag.message_hint)
    word = re.compile(r'"[^"]*"|[\w.$]+|.', re.DOTALL).match(statement, start)
    place = word.span() if word else (start, start + 1)
    return mistaken(said, statement, place, error.diag.message_hint)
