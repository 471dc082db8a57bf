"""An import under way: lines become rows, statements name the line that fails, and running searches are not hurt."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Float, Integer, String, Table, select
from sqlalchemy.exc import DataError, IntegrityError

from ressearch.errors import StoreError, StudyError
from ressearch.store.database import Database
from ressearch.store.exchange import COLUMNS, KEY, NESTED
from ressearch.store.lines import Line
from ressearch.store.rows import to_json
from ressearch.store.schema import measurements

PATIENCE_SECONDS = 10
"""How long an import may keep a running search waiting, which gives up after 30 seconds."""

Key = tuple[Any, ...]
"""The values of `KEY`."""


@dataclass(frozen=True)
class KnownStudy:
    """A study that trials of the file belong to. old: whether the store had it before."""

    id: int
    name: str
    old: bool


class Merging:
    """What of the file is in the store by now: costs of its architectures, its studies by their names in the file.

    lost: keys that the store had measured before, so that the file's measurement does not count. new: how many records
    of each kind the store did not have.
    """

    def __init__(self, database: Database, connection: Connection, renames: Mapping[str, str]) -> None:
        self.connection, self.renames = connection, renames
        self.costs: dict[str, dict[str, int]] = {}
        self.recipes: set[str] = set()
        self.studies: dict[str, KnownStudy] = {}
        self.last_number: dict[str, int] = {}
        self.lost: set[Key] = set()
        self.new: Counter[str] = Counter()
        self._database, self._held, self._began = database, ExitStack(), time.monotonic()
        self._undisturbed: set[str] = set()

    def __enter__(self) -> Merging:
        return self

    def __exit__(self, *raised: object) -> None:
        self._held.close()

    # Beside running searches

    def will_change(self, study: KnownStudy, line: Line) -> None:
        """Keep drivers of a study out until the end. Raises StudyError if it has one."""
        if not study.old or study.name in self._undisturbed:
            return
        try:
            self._held.enter_context(self._database.undisturbed(self.connection, study.name))
        except StudyError as error:
            raise StudyError(
                f"{line.file} would change the study {study.name!r}, and a search is at work on it",
                hint=f"import it when that has ended, or beside it: --rename {study.name}=NEW",
            ) from error
        self._undisturbed.add(study.name)

    def hurry(self) -> None:
        """Raises StoreError if this takes so long that a running search would give up waiting for its turn."""
        if time.monotonic() - self._began <= PATIENCE_SECONDS:
            return
        driven = next((name for name in self._database.driven(self.connection) if name not in self._undisturbed), None)
        if driven is not None:
            raise StoreError(
                f"the import would keep the search of the study {driven!r} waiting for too long",
                hint="nothing is kept; import it when that search has ended",
            )

    # Rows

    def insert_new(self, kind: str, lines: Sequence[Line], found: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows, one a line, but for those whose key is there already; how many were new."""
        new = self.execute(self.unless_there(COLUMNS[kind][0]), lines, found)
        self.new[kind] += new
        return new

    def unless_there(self, table: Table) -> Any:
        """An INSERT that leaves alone what is there; another's that is under way is waited for."""
        dialect = import_module(f"sqlalchemy.dialects.{self.connection.dialect.name}")
        return dialect.insert(table).on_conflict_do_nothing()

    def execute(self, statement: Any, lines: Sequence[Line], found: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for each row, one a line; how many rows it touched. Raises ExchangeError for a line's row."""
        if not found:
            return 0
        counted = statement.execution_options(preserve_rowcount=True)
        try:
            with self.connection.begin_nested():
                return self.connection.execute(counted, list(found)).rowcount
        except (IntegrityError, DataError):
            for line, row in zip(lines, found, strict=True):
                try:
                    with self.connection.begin_nested():
                        self.connection.execute(statement, dict(row))
                except (IntegrityError, DataError) as error:
                    raise line.wrong(f"the store refuses it: {str(error.orig).splitlines()[0]}") from error
            raise

    def measured(self, keys: Iterable[Key]) -> dict[Key, tuple[int, float]]:
        """Of those keys that the store has measured: the row, and when it was made."""
        wanted = set(keys)
        if not wanted:
            return {}
        columns = [measurements.c[name] for name in KEY]
        query = select(*columns, measurements.c.id, measurements.c.created)
        for name in ("architecture_id", "recipe_digest", "seed"):
            query = query.where(measurements.c[name].in_({key[KEY.index(name)] for key in wanted}))
        found = {tuple(row[: len(KEY)]): (row.id, row.created) for row in self.connection.execute(query)}
        return {key: found[key] for key in wanted & found.keys()}

    def require_known(self, line: Line, name: str, known: Collection[str]) -> None:
        """That what a line refers to has come before."""
        if line.record[name] not in known:
            raise line.wrong(f"{name} is {line.record[name]!r}, of which no line before tells")


# Checking the values of a line

_ALLOWED: dict[type, tuple[tuple[type, ...], str]] = {
    Boolean: ((bool,), "true or false"),
    BigInteger: ((int,), "a whole number"),
    Integer: ((int,), "a whole number"),
    Float: ((int, float), "a number"),
    String: ((str,), "a text"),
}
Rules = dict[str, tuple[tuple[type, ...], str]]
"""Name of a value -> the types that it may have, and how they are called."""


def _rule(column: Column[Any]) -> tuple[tuple[type, ...], str]:
    types, called = ((dict,), "an object") if column.name in NESTED else _ALLOWED[type(column.type)]
    return ((*types, type(None)), f"{called} or null") if column.nullable else (types, called)


RULES: dict[str, Rules] = {
    kind: {name: _rule(table.c[name]) for name in names} for kind, (table, names) in COLUMNS.items()
}
KEY_RULES: Rules = {name: RULES["measurement"][name] for name in KEY[1:]}
BESIDE = {"architecture": {"kinds"}, "trial": {"study", "measured", "rungs"}}


def row_of(line: Line, kind: str) -> dict[str, Any]:
    """The columns of a line, as they stand in the table. Raises ExchangeError for what cannot be."""
    return checked(line, line.record, RULES[kind], kind, BESIDE.get(kind, set()))


def checked(
    line: Line, record: Mapping[str, Any], rules: Rules, what: str, beside: Collection[str] = ()
) -> dict[str, Any]:
    """The values for which there are rules; beside: names that stand there too."""
    if len(record) != len(rules) + len(beside) or not all(name in record for name in (*rules, *beside)):
        wanted = rules.keys() | set(beside)
        missing, strange = sorted(wanted - record.keys()), sorted(record.keys() - wanted)
        told = f"has no {', '.join(missing)}" if missing else f"has {', '.join(strange)}, which means nothing here"
        raise line.wrong(f"the {what} {told}")
    row = {}
    for name, (allowed, called) in rules.items():
        value = record[name]
        if type(value) not in allowed or not _storable(value):
            raise line.wrong(f"{name} must be {called}, got {json.dumps(value)[:60]}")
        row[name] = to_json(value) if type(value) is dict else value
    return row


def _storable(value: Any) -> bool:
    """Whether every database can hold it."""
    match value:
        case float():
            return isfinite(value)
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return "\0" not in value and (
                value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
            )
    return True
