"""Fronts and rankings as statements, so that no study of ten thousand trials passes through Python.

Of one study, they are over its finished trials. Of all studies they are over the measurements under one recipe and
fidelity, since only those can be compared; each is told as the first finished trial that has it. They agree with
`ressearch.ranking`, ties included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import count
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Float,
    Select,
    Subquery,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from ressearch.store.schema import measurements, studies, trials
from ressearch.trial import Fidelity


@dataclass(frozen=True)
class Result:
    """A finished trial as the queries see it: what was measured beside what it costs. study: the name of its study."""

    id: str
    accuracy: float
    macs: int
    params: int
    depth: int
    baseline: str | None
    number: int
    seconds: float
    study: str = ""


@dataclass(frozen=True)
class Limits:
    """What a network may cost at most, and how accurate it must be, in [0, 1]; None is no limit."""

    max_macs: int | None = None
    max_params: int | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_macs", "max_params"):
            most = getattr(self, name)
            if most is not None and most < 0:
                raise ValueError(f"{name} must be at least 0, got {most}")
        if self.min_accuracy is not None and not 0 <= self.min_accuracy <= 1:
            raise ValueError(f"min_accuracy must be in [0, 1], got {self.min_accuracy}")


class Merit(StrEnum):
    """What networks are ranked by: accuracy per FLOP, or accuracy, and of equal ones by MACs."""

    EFFICIENCY = "efficiency"
    ACCURACY = "accuracy"


@dataclass(frozen=True)
class Standing:
    """The front, by rising MACs; the best by accuracy per FLOP, the best first; out of how many these are."""

    front: list[Result]
    ranking: list[Result]
    able: int


@dataclass(frozen=True)
class Scope:
    """What is asked about: the finished trials of a study, or those of all studies that can be compared with it."""

    study_id: int
    all_studies: bool = False


_FIELDS = len(fields(Result))
_MOST = 2**63 - 1
_FRONT, _RANKED, _ABLE = range(3)
_RESULTS = (
    select(
        trials.c.architecture_id,
        measurements.c.accuracy,
        measurements.c.macs,
        measurements.c.params,
        measurements.c.depth,
        trials.c.baseline,
        trials.c.number,
        measurements.c.seconds,
        studies.c.name,
    )
    .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id)
    .join(studies, trials.c.study_id == studies.c.id)
)
_FINISHED = and_(trials.c.measurement_id == measurements.c.id, trials.c.state == "complete")
_IS_FINISHED = exists().where(_FINISHED).correlate(measurements)
_FIRST = select(func.min(trials.c.id)).where(_FINISHED).correlate(measurements).scalar_subquery()


def results_of(connection: Connection, study_id: int, *more: ColumnElement[bool]) -> list[Result]:
    """The finished trials of a study in the order of their numbers. more: further conditions."""
    mine = _RESULTS.where(trials.c.study_id == study_id, trials.c.state == "complete", *more)
    return _told(connection, mine.order_by(trials.c.number))


def all_of(connection: Connection, scope: Scope, limits: Limits) -> list[Result]:
    """All within the limits, study by study in the order of their numbers."""
    if not scope.all_studies:
        return results_of(connection, scope.study_id, *_within(limits))
    firsts = _alike(connection, scope).with_only_columns(_FIRST).where(*_within(limits))
    return _told(connection, _RESULTS.where(trials.c.id.in_(firsts)).order_by(trials.c.study_id, trials.c.number))


def comparable_to(connection: Connection, study_id: int) -> dict[int, str]:
    """Row id and name of each study of the same recipe and fidelity."""
    names = ("recipe_digest", *(field.name for field in fields(Fidelity)))
    study = select(*[studies.c[name] for name in names]).where(studies.c.id == study_id).subquery()
    same = and_(*[studies.c[name] == study.c[name] for name in names])
    query = select(studies.c.id, studies.c.name).join_from(studies, study, same).order_by(studies.c.id)
    return {row.id: row.name for row in connection.execute(query)}


TAUGHT_ELSEWHERE = 2_000
"""Trials of other studies at most, the latest: whoever learns from one has to build its network, in a millisecond."""


def elsewhere_of(connection: Connection, study_id: int) -> list[tuple[dict[str, Any], float]]:
    """Decisions and accuracies of finished trials of other studies with the same space, recipe and fidelity."""
    same_space = (
        studies.c.space_digest == select(studies.c.space_digest).where(studies.c.id == study_id).scalar_subquery()
    )
    alike = [id for id in comparable_to(connection, study_id) if id != study_id]
    query = (
        select(trials.c.decisions, measurements.c.accuracy)
        .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id)
        .where(trials.c.study_id.in_(select(studies.c.id).where(studies.c.id.in_(alike), same_space)))
        .where(trials.c.state == "complete", ~trials.c.reused)
        .order_by(trials.c.id.desc())
        .limit(TAUGHT_ELSEWHERE)
    )
    return [(json.loads(row.decisions), row.accuracy) for row in connection.execute(query)]


def count_of(connection: Connection, scope: Scope, limits: Limits) -> int:
    """How many there are within the limits."""
    found = _alike(connection, scope).where(_IS_FINISHED) if scope.all_studies else _mine(scope)
    counted = found.where(*_within(limits)).with_only_columns(func.count())
    return int(connection.execute(counted).scalar_one())


def front_of(connection: Connection, scope: Scope, limits: Limits) -> list[Result]:
    """The Pareto front within the limits, by rising MACs."""
    if scope.all_studies:
        return list(_walked(connection, _alike(connection, scope), limits))
    better = _better(measurements.c).label("better")
    points = _mine(scope).where(*_within(limits)).add_columns(measurements.c.accuracy, better).subquery()
    on_front = _joined(points).where(_undominated(points.c))
    return _told(connection, on_front.order_by(measurements.c.macs, trials.c.number))


def ranked_of(connection: Connection, scope: Scope, limits: Limits, by: Merit, limit: int) -> list[Result]:
    """The best within the limits, at most `limit` of them, the best first."""
    if scope.all_studies:
        return _ranked_alike(connection, _alike(connection, scope).where(*_within(limits)), by, limit)
    order = (*_order(by, measurements.c), trials.c.number)
    best = _mine(scope).where(*_within(limits)).order_by(*order).limit(limit)
    return _told(connection, _joined(best.subquery()).order_by(*order))


def standing_of(connection: Connection, scope: Scope, limits: Limits, floor: float, limit: int) -> Standing:
    """Front within the limits and ranking by accuracy per FLOP from the floor on, which is not below theirs."""
    able = replace(limits, min_accuracy=floor)
    if scope.all_studies:
        ranked = ranked_of(connection, scope, able, Merit.EFFICIENCY, limit)
        return Standing(front_of(connection, scope, limits), ranked, count_of(connection, scope, able))
    found: dict[int, list[int]] = {_FRONT: [], _RANKED: [], _ABLE: []}
    for part, value in connection.execute(_standing(scope, limits, floor, limit)):
        found[part].append(value)
    wanted = _RESULTS.where(trials.c.id.in_(found[_FRONT] + found[_RANKED])).add_columns(trials.c.id)
    told = {row[-1]: _result(row) for row in connection.execute(wanted)}
    front = sorted((told[id] for id in found[_FRONT]), key=lambda result: (result.macs, result.number))
    return Standing(front, [told[id] for id in found[_RANKED]], found[_ABLE][0])


def _standing(scope: Scope, limits: Limits, floor: float, limit: int) -> CompoundSelect[Any]:
    """Parts of the answer with their values: the ids of trials, and how many are able. One pass over a study."""
    columns = (trials.c.number, measurements.c.macs, measurements.c.accuracy)
    mine = _mine(scope).where(*_within(limits)).add_columns(*columns).cte("mine").prefix_with("MATERIALIZED")
    better = _better(mine.c).label("better")
    points = select(mine.c.id, mine.c.accuracy, better).subquery()
    able = select(mine.c.id).where(mine.c.accuracy >= floor)
    ranked = able.order_by(*_order(Merit.EFFICIENCY, mine.c), mine.c.number).limit(limit).subquery()
    front = select(literal(_FRONT), points.c.id).where(_undominated(points.c))
    counted = select(literal(_ABLE), func.count()).select_from(able.subquery())
    return union_all(front, select(literal(_RANKED), ranked.c.id), counted)


def _order(by: Merit, of: Any) -> list[ColumnElement[Any]]:
    """The order of a ranking, over columns `accuracy` and `macs`."""
    if by is Merit.ACCURACY:
        return [of.accuracy.desc(), of.macs]
    # as accuracy_per_mflop has it, to the last bit; without any MAC there is no such number
    flops = func.nullif(cast(of.macs, Float) * 2.0, 0.0)
    return [(of.accuracy / (flops / 1e6)).desc().nulls_last()]


def _better(of: Any) -> ColumnElement[Any]:
    """The highest accuracy among what is cheaper, or as cheap and more accurate."""
    return func.max(of.accuracy).over(order_by=(of.macs, of.accuracy.desc()), groups=(None, -1))


def _undominated(of: Any) -> ColumnElement[bool]:
    return or_(of.better.is_(None), of.accuracy > of.better)


def _mine(scope: Scope) -> Select[Any]:
    """The ids of a study's finished trials, with their measurements."""
    query = select(trials.c.id).join_from(trials, measurements, trials.c.measurement_id == measurements.c.id)
    return query.where(trials.c.study_id == scope.study_id, trials.c.state == "complete")


def _alike(connection: Connection, scope: Scope) -> Select[Any]:
    """The measurements under the recipe and the fidelity of a study."""
    names = ("recipe_digest", *(field.name for field in fields(Fidelity)))
    study = connection.execute(select(*(studies.c[name] for name in names)).where(studies.c.id == scope.study_id)).one()
    return select(measurements.c.id).where(
        *(measurements.c[name] == value for name, value in zip(names, study, strict=True))
    )


def _within(limits: Limits) -> list[ColumnElement[bool]]:
    conditions = []
    for column, most in ((measurements.c.macs, limits.max_macs), (measurements.c.params, limits.max_params)):
        if most is not None:
            conditions.append(column <= min(most, _MOST))
    if limits.min_accuracy is not None:
        conditions.append(measurements.c.accuracy >= limits.min_accuracy)
    return conditions


def _joined(found: Subquery) -> Select[Any]:
    """What is to be told of the trials with these ids: only those of the answer are read in full."""
    return _RESULTS.join(found, found.c.id == trials.c.id)


def _told(connection: Connection, query: Select[Any]) -> list[Result]:
    return [_result(row) for row in connection.execute(query)]


def _result(row: Any) -> Result:
    return Result(*row[:_FIELDS])


# All studies: the index `measurements_by_cost` is in the order of the walk


def _walked(connection: Connection, alike: Select[Any], limits: Limits) -> Iterator[Result]:
    """From each point of the front to the next: the cheapest that is more accurate, and all that equal it."""
    macs, accuracy = measurements.c.macs, measurements.c.accuracy
    able = alike.with_only_columns(macs, accuracy).where(*_within(limits), _IS_FINISHED)
    step = able.order_by(macs, accuracy.desc()).limit(1)
    at: Any = connection.execute(step).one_or_none()
    while at is not None:
        equal = alike.where(macs == at.macs, accuracy == at.accuracy, *_within(Limits(max_params=limits.max_params)))
        yield from _told_by_measurement(connection, list(connection.scalars(equal.order_by(measurements.c.id))))
        at = connection.execute(step.where(macs > at.macs, accuracy > at.accuracy)).one_or_none()


def _ranked_alike(connection: Connection, alike: Select[Any], by: Merit, limit: int) -> list[Result]:
    """Page by page, since nearly all measurements belong to a finished trial, and to ask that of each is slow."""
    ordered = alike.order_by(*_order(by, measurements.c), measurements.c.id).limit(limit)
    found: list[Result] = []
    for page in count():
        ids = list(connection.scalars(ordered.offset(page * limit)))
        found += _told_by_measurement(connection, ids)
        if len(found) >= limit or not ids:
            break
    return found[:limit]


def _told_by_measurement(connection: Connection, ids: Sequence[int]) -> list[Result]:
    """In the order of the ids; those that no finished trial has are left out."""
    firsts = select(measurements.c.id.label("measured"), _FIRST.label("id")).where(measurements.c.id.in_(ids))
    query = _joined(firsts.subquery()).add_columns(measurements.c.id)
    told = {row[-1]: _result(row) for row in connection.execute(query)}
    return [told[id] for id in ids if id in told]
