"""Answers as pandas tables, typed by what a column holds; pandas is imported when one is asked for.

Counts are Int64 and texts are strings, both with <NA> for what is not known; reals are float64, NaN where not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ressearch.store.filter import FACTS, Values
from ressearch.store.query import DEFAULT_COLUMNS
from ressearch.store.standing import Result
from ressearch.trial import Measurement, Trial

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

    from ressearch.store.store import Store

_TYPES = {"int": "Int64", "float": "float64", "str": "string", "bool": "boolean"}
_OF_VALUES = {Values.WHOLE: "Int64", Values.REAL: "float64", Values.SHARE: "float64", Values.TEXT: "string"}
_TRIAL = (
    *("number", "architecture_id", "seed", "origin", "baseline", "state", "failure", "error", "reused"),
    *("proposer", "worker"),
)
_MEASURED = tuple(field.name for field in fields(Measurement))


@dataclass(frozen=True)
class Frames:
    """A store's answers as pandas tables, see `Store.frames`. A study that is not named is the one begun last."""

    store: Store

    def query(self, filter: str = "", *, columns: Sequence[str] = DEFAULT_COLUMNS, **how: Any) -> pandas.DataFrame:
        """What `Store.query` finds, a column for each name."""
        found = self.store.query(filter, columns=columns, **how)
        types = {name: _OF_VALUES[FACTS[name].values] for name in columns}
        return _frame([[record[name] for name in types] for record in found], types)

    def results(self, study: str | None = None, **how: Any) -> pandas.DataFrame:
        """What `Store.results` finds: finished trials beside their costs."""
        found = self.store.results(self.store.study(study)[0], **how)
        types = {field.name: _type_of(str(field.type)) for field in fields(Result)}
        return _frame([[getattr(result, name) for name in types] for result in found], types)

    def trials(self, study: str | None = None) -> pandas.DataFrame:
        """All trials of a study with what they measured; each decision is in a column of the path of its choice."""
        found = self.store.trials(self.store.study(study)[0])
        declared = {field.name: str(field.type) for field in (*fields(Trial), *fields(Measurement))}
        types = {name: _type_of(declared[name]) for name in (*_TRIAL, *_MEASURED)}
        types["flops"] = "float64"  # of a training; they may not fit into 64 bits
        plain = [[_told(getattr(trial, name)) for name in _TRIAL] + _measured(trial) for trial in found]
        paths = list(dict.fromkeys(path for trial in found for path in trial.decisions))
        decided = [[trial.decisions.get(path) for path in paths] for trial in found]
        rows = [one + other for one, other in zip(plain, decided, strict=True)]
        return _frame(rows, types | {path: _fitting([row[at] for row in decided]) for at, path in enumerate(paths)})

    def sql(self, statement: str, **how: Any) -> pandas.DataFrame:
        """What `Store.sql` finds; a column has the type of its values, and is of objects where they are of several."""
        answer = self.store.sql(statement, **how)
        columns = list(zip(*answer.rows, strict=True)) or [()] * len(answer.columns)
        types = {name: _fitting(values) for name, values in zip(answer.columns, columns, strict=True)}
        return _frame(answer.rows, types)


def _measured(trial: Trial) -> list[Any]:
    return [None if trial.measurement is None else getattr(trial.measurement, name) for name in _MEASURED]


def _told(value: Any) -> Any:
    """An enumeration by its value."""
    return getattr(value, "value", value)


def _type_of(declared: str) -> str:
    return _TYPES.get(declared.partition(" | ")[0], "string")


def _fitting(values: Sequence[Any]) -> str:
    """The type that fits all values that are known."""
    kinds = {type(value).__name__ for value in values if value is not None}
    whole = all(abs(value) < 2**63 for value in values if isinstance(value, int))
    if kinds == {"int", "float"}:
        return "float64"
    return _TYPES.get(kinds.pop(), "object") if len(kinds) == 1 and whole else "object"


def _frame(rows: Sequence[Sequence[Any]], types: Mapping[str, str]) -> pandas.DataFrame:
    import pandas

    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    typed = zip(types.items(), columns, strict=True)
    return pandas.DataFrame({name: pandas.Series(list(values), dtype=kind) for (name, kind), values in typed})
