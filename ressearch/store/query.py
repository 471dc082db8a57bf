"""A filter as one SELECT over the finished trials. What a user typed reaches the database only as bound parameters."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select

from ressearch.store.filter import FACTS, KINDS, And, Comparison, Filter, Not, Or, Values, require_column
from ressearch.store.schema import architectures, block_kinds, measurements, studies, trials

Value: TypeAlias = int | float | str | None

DEFAULT_COLUMNS = ("id", "accuracy", "flops", "params", "depth", "study", "trial", "baseline")
DEFAULT_SORT = "-accuracy"

_MOST = 2**63 - 1
_COLLATIONS = {"sqlite": "BINARY", "postgresql": "C"}
"""By the bytes of UTF-8, whatever the language of the database: both answer in the same order."""


def _count_of(kind: str) -> ColumnElement[Any]:
    """How many blocks of a kind; those that a network has none of have no row."""
    counted = select(block_kinds.c.count).where(
        block_kinds.c.architecture_id == architectures.c.id, block_kinds.c.kind == kind
    )
    return func.coalesce(counted.correlate(architectures).scalar_subquery(), 0)


_IN = {
    measurements: ("accuracy", "loss", "seconds", "epochs", "device", "precision"),
    architectures: (
        *("id", "macs", "params", "activations", "peak", "depth", "nesting", "skips", "shortest_path", "longest_path"),
        *("mean_path", "receptive_field"),
    ),
    trials: ("seed", "baseline", "proposer", "worker"),
}
_SCALES = {"flops": 2}
"""How many times its column a fact is: twice the largest count would not fit into the database's 64 bits."""

_EXPRESSIONS: dict[str, ColumnElement[Any]] = {
    **{name: table.c[name] for table, names in _IN.items() for name in names},
    "flops": architectures.c.macs,
    "study": studies.c.name,
    "trial": trials.c.number,
    **{f"kind.{kind}": _count_of(kind) for kind in KINDS},
}

_ORDERS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def select_of(
    found: Filter | None, study_id: int | None, columns: Sequence[str], sort: str, limit: int | None, dialect: str
) -> Select[Any]:
    """The statement; its columns are in the order asked for. Raises FilterError for a name that is none."""
    query = (
        select(*(_EXPRESSIONS[require_column(name)].label(f"column_{at}") for at, name in enumerate(columns)))
        .select_from(trials)
        .join(measurements, trials.c.measurement_id == measurements.c.id)
        .join(architectures, trials.c.architecture_id == architectures.c.id)
        .join(studies, trials.c.study_id == studies.c.id)
        .where(trials.c.state == "complete")
        .order_by(*_order(sort, dialect), trials.c.id)
    )
    if study_id is not None:
        query = query.where(trials.c.study_id == study_id)
    if found is not None:
        query = query.where(_condition(found))
    return query if limit is None else query.limit(min(limit, _MOST))


def record_of(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Value]:
    """A row of `select_of` by the names of its columns."""
    return {name: _SCALES[name] * value if name in _SCALES else value for name, value in zip(columns, row, strict=True)}


def _order(sort: str, dialect: str) -> list[ColumnElement[Any]]:
    """What is not known comes last, up and down: the databases differ about where it is."""
    name = require_column(sort.removeprefix("-"))
    column = _EXPRESSIONS[name]
    key = column.collate(_COLLATIONS[dialect]) if FACTS[name].values is Values.TEXT else column
    known = [column.is_(None)] if FACTS[name].optional else []
    return [*known, key.desc() if sort.startswith("-") else key.asc()]


def _condition(found: Filter) -> ColumnElement[bool]:
    match found:
        case Not(inner):
            return not_(_condition(inner))
        case And(parts):
            return and_(*map(_condition, parts))
        case Or(parts):
            return or_(*map(_condition, parts))
        case Comparison(name, "!=", value):
            return not_(_condition(Comparison(name, "=", value)))
    return _comparison(found)


def _comparison(found: Comparison) -> ColumnElement[bool]:
    """Never NULL: that would be neither the comparison nor its opposite."""
    if found.name == "kind":
        return _count_of(str(found.value)) > 0
    column = _EXPRESSIONS[found.name]
    if found.value is None:
        return column.is_(None)
    if isinstance(found.value, str):
        fits: ColumnElement[bool] = column == found.value
    elif FACTS[found.name].values is Values.WHOLE:
        fits = _whole(column, found.operator, found.value / _SCALES.get(found.name, 1))
    else:
        fits = _ORDERS[found.operator](column, _nearest_float(found.value))
    return and_(column.is_not(None), fits) if FACTS[found.name].optional else fits


def _whole(column: ColumnElement[Any], order: str, bound: Fraction) -> ColumnElement[bool]:
    """Of a count, by whole bounds within 64 bits: beside a float, PostgreSQL would round the column."""
    up_to, below = _at_most(column, floor(bound)), _at_most(column, ceil(bound) - 1)
    if order == "=":
        return and_(up_to, not_(below))
    found = up_to if order in ("<=", ">") else below
    return found if order in ("<", "<=") else not_(found)


def _at_most(column: ColumnElement[Any], bound: int) -> ColumnElement[bool]:
    return column <= min(max(bound, -1), _MOST)  # counts are from 0 to the most that 64 bits hold


def _nearest_float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf
