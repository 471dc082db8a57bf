"""A user's SELECT on an SQLite file: opened for reading, told to stay so, and watched statement by statement.

Three fences, each enough alone: the file is opened with mode=ro, `PRAGMA query_only` is on, and an authorizer, which
SQLite asks about everything that a statement would do, permits reading and nothing else. No other file is attached or
written, no setting changed, no extension loaded.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ressearch.errors import RessearchError, StoreError
from ressearch.store.sql import Answer, Place, answer_of, mistaken, overdue, place_of, refused, require_select

BUSY_SECONDS = 30
MOST_BYTES = 2**26
"""Of one text: graphs of large networks have some millions, and `printf('%2000000000d', 1)` would fill the memory."""
PATTERN_BYTES = 1000
"""Of LIKE and GLOB: a longer one full of wildcards takes for ever, and cannot be interrupted."""
STEPS = 10_000
"""Of SQLite's virtual machine between two looks at the clock: some tenths of a millisecond."""

READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
REACHING_OUT = ("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit")
"""Functions that do more than compute, where an SQLite has them."""

_STATEMENTS = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_CONSTRAINT,
)
_NAMES = {getattr(sqlite3, f"SQLITE_{name}"): name for name in ("INSERT", "UPDATE", "DELETE", "PRAGMA", "ATTACH")}
_REFUSED = (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY)


def ask(path: Path, statement: str, limit: int, seconds: float) -> Answer:
    """The answer of the file at a path. Raises FilterError or StoreError."""
    require_select(statement)
    fence = _Fence()
    with _told(path, statement, seconds, fence), closing(_reader(path, fence)) as connection:
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        cursor = connection.execute(statement)
        rows = cursor.fetchmany(limit + 1)
        return answer_of([column[0] for column in cursor.description or ()], rows, limit)


class _Fence:
    """The authorizer. refused: what it did not permit first."""

    def __init__(self) -> None:
        self.refused: str | None = None

    def __call__(self, action: int, one: str | None, other: str | None, database: str | None, by: str | None) -> int:
        reaches_out = action == sqlite3.SQLITE_FUNCTION and str(other).lower() in REACHING_OUT
        if action in READING and not reaches_out:
            return sqlite3.SQLITE_OK
        asked = "no table of the store" if one == "sqlite_master" else _NAMES.get(action, "no SELECT")
        self.refused = self.refused or (str(other) if reaches_out else asked)
        return sqlite3.SQLITE_DENY


def _reader(path: Path, fence: _Fence) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    connection.isolation_level = None
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")  # of these SQLite makes a table, once
    connection.set_authorizer(fence)
    return connection


@contextmanager
def _told(path: Path, statement: str, seconds: float, fence: _Fence) -> Iterator[None]:
    """What SQLite and Python's module for it say, as our errors."""
    try:
        yield
    except (sqlite3.Warning, sqlite3.ProgrammingError) as error:  # of the module: two statements, or a ? without value
        raise mistaken(str(error), statement, place_of("?", statement)) from error
    except MemoryError as error:
        raise StoreError(f"{path}: the answer does not fit into the memory", hint="ask for less") from error
    except sqlite3.Error as error:
        if fence.refused is not None:
            raise refused(fence.refused, statement, place_of(fence.refused, statement)) from error
        raise _explained(path, statement, seconds, error) from error


def _explained(path: Path, statement: str, seconds: float, error: sqlite3.Error) -> RessearchError:
    code, said = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF, str(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        return overdue(str(path), seconds)
    if code in _REFUSED:
        return refused(said, statement, None)
    if code in _STATEMENTS:
        return mistaken(said, statement, _place(statement, said))
    return StoreError(f"{path}: {said}", hint="is it an SQLite file that can be read?")


def _place(statement: str, said: str) -> Place | None:
    """Where a mistake is: Python's module does not pass on what SQLite knows of it."""
    if said == "incomplete input":
        return len(statement), len(statement) + 1
    token = re.match(r'near "(.*)": |unrecognized token: "(.*)"', said, re.DOTALL)
    if token:
        return _first_refused(statement, token[1] or token[2], said)
    name = re.match(r"(?:no such|ambiguous)(?: \w+)+: (?:.*\.)?(.+)", said)
    return place_of(name[1], statement) if name else None


def _first_refused(statement: str, token: str, said: str) -> Place | None:
    """The first place of a token at which the parser stops, which reads from left to right."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for found in list(re.finditer(re.escape(token), statement))[:100]:
            try:
                connection.execute(f"EXPLAIN {statement[: found.end()]}")
            except (sqlite3.Error, sqlite3.Warning) as error:
                if str(error) == said:
                    return found.span()
    return None
