"""SELECT statements as users write them: what is asked, what comes back, and how mistakes are told.

A filter never reaches the database as text; this does, so it goes over a connection of its own that cannot write, see
`sqlite_sql.py` and `postgresql_sql.py`. There the database itself refuses what is not reading. What stands here comes
before that, for messages that help.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias

from ressearch.errors import FilterError, StoreError
from ressearch.store.schema import metadata, versions

Plain: TypeAlias = int | float | str | bool | None
Place: TypeAlias = tuple[int, int]
"""Of a word in a statement: from where to where."""

MOST_CHARACTERS = 100_000
MOST_ROWS = 100_000
"""Unless more are asked for: answers are held in memory."""
SECONDS = 30.0
"""Unless more are granted."""

READING_ALONE = "only reading is possible here: one SELECT, with WITH before it if need be; --tables lists the tables"
_BEGINS = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\(|\w+|\S|$)", re.DOTALL)
_NOWHERE = re.compile("[\0\ud800-\udfff]")
"""Characters that no text in a store holds, and that databases refuse or cut at."""


@dataclass(frozen=True)
class Answer:
    """Rows under the names of their columns, no two of which are equal. more: there were more rows than asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Plain, ...], ...]
    more: bool

    @property
    def records(self) -> list[dict[str, Plain]]:
        """Each row as values by the names of the columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def answer_of(names: Sequence[str], rows: Sequence[Sequence[Any]], limit: int) -> Answer:
    """From what a database gave; it was asked for one row more than the limit."""
    found = tuple(tuple(map(plain, row)) for row in rows[:limit])
    return Answer(tuple(_distinct(names)), found, len(rows) > limit)


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """A second `id` becomes `id_2`: rows are dictionaries too."""
    taken: set[str] = set()
    for name in names:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        taken.add(free)
        yield free


def plain(value: Any) -> Plain:
    """A value of any type of a database as one that every format can write: bytes in hexadecimal, the rest as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Decimal() if value.is_finite():
            if -(2**63) <= value < 2**63:
                return int(value) if value == value.to_integral_value() else float(value)
        case bytes() | memoryview():
            return bytes(value).hex()
    return str(value)


def require_select(statement: str) -> None:
    """Refuse what is no SELECT, before a database is asked. Raises FilterError."""
    if len(statement) > MOST_CHARACTERS:
        raise FilterError(f"a statement of {len(statement)} characters is too long: at most {MOST_CHARACTERS}")
    strange = _NOWHERE.search(statement)
    if strange:
        raise FilterError("a character that no text can hold", statement, strange.start(), strange.end())
    begins = _BEGINS.match(statement)
    if begins is None or not begins[1]:
        raise FilterError("there is no statement", hint=READING_ALONE)
    if begins[1].lower() not in ("select", "with", "values", "("):
        said = f"expected SELECT, not {begins[1][:40]!r}"
        raise FilterError(said, statement, *begins.span(1), hint=READING_ALONE)


def refused(said: str, statement: str, place: Place | None) -> FilterError:
    """That a statement does more than read."""
    return FilterError(f"refused: {said}", statement if place else "", *(place or (0, 0)), hint=READING_ALONE)


def mistaken(said: str, statement: str, place: Place | None, hint: str | None = None) -> FilterError:
    """That a statement is wrong, in the database's words; a misspelt name at the place gets the nearest that is one."""
    if place is None:
        return FilterError(said, hint=hint)
    return FilterError(said, statement, *place, hint=hint or _meant(statement[slice(*place)]))


def overdue(name: str, seconds: float) -> StoreError:
    """That an answer was given up."""
    hint = "ask for less, or grant more: --time-limit SECONDS"
    return StoreError(f"{name}: no answer within {seconds:g} seconds", hint=hint)


def _meant(word: str) -> str | None:
    known = [*metadata.tables, *dict.fromkeys(column.name for table in metadata.sorted_tables for column in table.c)]
    if word.lower() in known:
        return "--tables lists the tables with their columns"
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None


def tables() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Every table, and of each column its name and what it holds."""
    for table in (table for table in metadata.sorted_tables if table is not versions):
        yield table.name, [(column.name, _told(column)) for column in table.c]


def _told(column: Any) -> str:
    kind = "text" if column.type.python_type is str else column.type.python_type.__name__
    known = f"{kind} or NULL" if column.nullable else kind
    to = [f"{key.column.table.name}.{key.column.name}" for key in column.foreign_keys if key.column.primary_key]
    return ", ".join([known, *([f"see {to[0]}"] if to else []), *([column.doc] if column.doc else [])])


def place_of(word: str, statement: str) -> Place | None:
    """Where a word stands first in a statement."""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", statement, re.IGNORECASE)
    return found.span() if found else None
