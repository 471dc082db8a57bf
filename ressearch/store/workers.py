"""Who trains a study's trials: on which node, how many, and how much of their time the workers spend in training.

A worker is `host/process`. That of a running trial is known from its start on, and kept when the trial ends or leaves a
rung. When a training ended is known by the driver's clock, how long it took from its worker; so when it began is known
too, and what lies between the end of one and the beginning of the next in the same worker is time lost to scheduling.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from ressearch.store.database import Database
from ressearch.store.rows import to_json
from ressearch.store.schema import measurements, rungs, trials
from ressearch.trial import TrialState

WATCHED = 1_000
"""Trials of a study, the last to end, from which the use of the workers is told."""
WORKERS = "workers"
"""Among the attributes of a trial: who trained it up to each rung that it has left, in their order."""


@dataclass(frozen=True)
class NodeUse:
    """What a node does for a study, and has done: trials that run there now, and the last training of others.

    ended: complete or stopped. devices: what trained there. peak_memory: bytes, the most of a measurement; None before
    the first. gpus: that the running trials hold; None where trials hold none.
    """

    node: str
    running: int
    ended: int
    failed: int
    devices: tuple[str, ...]
    peak_memory: int | None
    gpus: float | None


@dataclass(frozen=True)
class WorkerUse:
    """What the workers did from the end of a trial to the end of the next, over so many trainings.

    gap_seconds: from the end of one to the first batch of the next, the median. trained: the share of the time that was
    spent in training, in [0, 1].
    """

    trainings: int
    gap_seconds: float
    trained: float


@dataclass(frozen=True)
class Training:
    """A worker's work on a trial, up to a rung or to the end. ended: seconds since 1970. seconds: None: not known."""

    worker: str
    ended: float
    seconds: float | None


def assign(database: Database, study_id: int, worker: str | None, number: int | None) -> None:
    """Say who trains a running trial of a study, or all that are running."""
    these = [trials.c.study_id == study_id, trials.c.state == TrialState.RUNNING.value]
    these += [] if number is None else [trials.c.number == number]
    with database.writing() as connection:
        connection.execute(update(trials).where(*these).values(worker=worker))


def left(trial: Row[Any]) -> dict[str, Any]:
    """What changes in the row of a trial that leaves a rung: its worker is noted, and it has none.

    Those that come first and are not known are left out.
    """
    attributes = json.loads(trial.attributes or "{}")
    if trial.worker is None and WORKERS not in attributes:
        return {}
    attributes[WORKERS] = [*attributes.get(WORKERS, ()), trial.worker]
    return {"worker": None, "attributes": to_json(attributes)}


def nodes_of(connection: Connection, study_id: int, driven: bool, gpus: float | None) -> list[NodeUse]:
    """The nodes of a study by name. driven: or nothing runs. gpus: of a trial."""
    query = (
        select(
            *(trials.c.worker, trials.c.state, measurements.c.device),
            func.count().label("trials"),
            func.max(measurements.c.peak_memory).label("memory"),
        )
        .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True)
        .where(trials.c.study_id == study_id, trials.c.worker.is_not(None))
        .group_by(trials.c.worker, trials.c.state, measurements.c.device)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[node_of(row.worker)].append(row)
    return [_node(node, found[node], driven, gpus) for node in sorted(found)]


def node_of(worker: str) -> str:
    """Of `host/process`."""
    return worker.rpartition("/")[0] or worker


def _node(node: str, found: Sequence[Any], driven: bool, gpus: float | None) -> NodeUse:
    counts = {state: sum(row.trials for row in found if row.state == state.value) for state in TrialState}
    running = counts[TrialState.RUNNING] if driven else 0
    return NodeUse(
        node=node,
        running=running,
        ended=counts[TrialState.COMPLETE] + counts[TrialState.STOPPED],
        failed=counts[TrialState.FAILED],
        devices=tuple(sorted({row.device for row in found if row.device})),
        peak_memory=max((row.memory for row in found if row.memory is not None), default=None),
        gpus=running * gpus if gpus else None,
    )


def use_of(connection: Connection, study_id: int, carried: bool) -> WorkerUse | None:
    """How the workers of a study use their time, None before any of them was given a second trial.

    carried: whether the seconds of a trial are those since its first epoch, rungs that it has left included.
    """
    last = connection.execute(_LAST.where(trials.c.study_id == study_id).limit(WATCHED)).all()
    since = last[-1].finished if len(last) == WATCHED else 0.0
    query = _LEFT.where(trials.c.study_id == study_id, measurements.c.created >= since)
    passed: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        passed[row.id].append(row)
    return worker_use(_trainings({row.id: row for row in last}, passed, carried))


_LAST = (
    select(
        *(trials.c.id, trials.c.worker, trials.c.finished, trials.c.reused, trials.c.attributes),
        measurements.c.seconds,
    )
    .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True)
    .where(trials.c.finished.is_not(None))
    .order_by(trials.c.finished.desc())
)
_LEFT = (
    select(trials.c.id, trials.c.attributes, measurements.c.created, measurements.c.seconds)
    .join_from(rungs, trials, rungs.c.trial_id == trials.c.id)
    .join(measurements, measurements.c.id == rungs.c.measurement_id)
    .order_by(trials.c.id, measurements.c.epochs)
)


def _trainings(last: Mapping[int, Any], passed: Mapping[int, Sequence[Any]], carried: bool) -> Iterable[Training]:
    for row in last.values():
        if row.worker is not None:
            before = passed[row.id][-1].seconds if row.id in passed else 0.0
            seconds = None if row.reused else row.seconds
            yield Training(row.worker, row.finished, _own(seconds, before, carried))
    for found in passed.values():
        workers = json.loads(found[0].attributes or "{}").get(WORKERS, ())
        before = [0.0, *(row.seconds for row in found)]
        for worker, at in zip(reversed(workers), reversed(range(len(found))), strict=False):  # those before: not known
            if worker is not None:
                yield Training(worker, found[at].created, _own(found[at].seconds, before[at], carried))


def _own(seconds: float | None, before: float, carried: bool) -> float | None:
    """What a training took, where its seconds include those up to the rung before."""
    return seconds - before if seconds is not None and carried and seconds > before else seconds


def worker_use(trainings: Iterable[Training]) -> WorkerUse | None:
    """How the workers used their time from the end of each of these trainings to that of the next in the same worker.

    Where it is not known how long one took, as that of a trial that failed, its time does not count.
    """
    ends: dict[str, float] = {}
    gaps, taken = [], []
    for one in sorted(trainings, key=lambda training: training.ended):
        if one.worker in ends and one.seconds is not None:
            between = one.ended - ends[one.worker]
            taken.append(min(one.seconds, between))
            gaps.append(between - taken[-1])
        ends[one.worker] = one.ended
    total = sum(gaps) + sum(taken)
    return WorkerUse(len(gaps), median(gaps), sum(taken) / total) if total > 0 else None
