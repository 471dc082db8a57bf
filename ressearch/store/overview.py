"""The studies of a store as they stand: how far each is, whether somebody drives it, and how fast it goes."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ressearch.store import rows
from ressearch.store.schema import measurements, recipes, studies, trials
from ressearch.store.standing import Limits, Scope, front_of
from ressearch.store.workers import NodeUse, WorkerUse, nodes_of, use_of
from ressearch.trial import Study, TrialState

RECENT = 200
"""Trials of a study, the last to begin, from which its pace is told."""
TIMED = 20
"""Of those that were trained, the last to end, whose median duration counts."""


class StudyState(StrEnum):
    """Whether a study goes on: somebody drives it; nobody does, though trials are open; or nothing is open."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True)
class Overview:
    """A study as it stands.

    data: the data set as the user gave it, or who evaluates in place of us. objective: None of a study that was begun
    before that was kept, as is `asked`, the number of trials that was asked for last. begun: seconds since 1970.
    front: networks on its Pareto front. best: the highest accuracy, and the id of the cheapest network that has it.
    driven: whether a process drives it.
    """

    name: str
    space: str
    data: str
    objective: str | None
    begun: float
    asked: int | None
    counts: Mapping[TrialState, int]
    front: int
    best: tuple[float, str] | None
    driven: bool

    @property
    def trials(self) -> int:
        """Those that have begun."""
        return sum(self.counts.values())

    @property
    def total(self) -> int | None:
        """What was asked for; more, if more have begun since."""
        return None if self.asked is None else max(self.asked, self.trials)

    @property
    def ended(self) -> int:
        """Complete, failed or stopped trials."""
        return self.trials - self.counts[TrialState.RUNNING]

    @property
    def state(self) -> StudyState:
        """Finished is also what ended before `asked`, because its space holds no more."""
        if self.driven:
            return StudyState.RUNNING
        return StudyState.INTERRUPTED if self.counts[TrialState.RUNNING] or not self.ended else StudyState.FINISHED


@dataclass(frozen=True)
class Latest:
    """What happened last in a study: a trial began (it is running), or ended. at: seconds since 1970."""

    number: int
    id: str
    state: TrialState
    at: float
    accuracy: float | None


@dataclass(frozen=True)
class Status:
    """How a study goes at `now`, seconds since 1970.

    reused: trials whose measurement was known. seconds_each: what a trial takes, the median of the last that were
    trained. at_once: trials that are under way, or, while none is, that were meant to be. nodes: where trials are
    trained, by name. use: of the workers' time; None as long as that is not known.
    """

    overview: Overview
    now: float
    reused: int
    seconds_each: float | None
    at_once: int
    latest: Latest | None
    nodes: Sequence[NodeUse] = ()
    use: WorkerUse | None = None

    @property
    def trials_per_hour(self) -> float | None:
        """While it is driven."""
        if not self.overview.driven or not self.seconds_each:
            return None
        return 3_600 * self.at_once / self.seconds_each

    @property
    def seconds_left(self) -> float | None:
        """An estimate, while it is driven."""
        pace, total = self.trials_per_hour, self.overview.total
        return None if pace is None or total is None else 3_600 * (total - self.overview.ended) / pace


def overviews_of(connection: Connection, driven: AbstractSet[str]) -> list[Overview]:
    """All studies, the last begun first. driven: names of those that somebody drives."""
    every = connection.execute(_STUDIES.order_by(studies.c.id.desc())).all()
    return [_overview(connection, row, driven) for row in every]


def status_of(connection: Connection, study_id: int, driven: AbstractSet[str]) -> Status:
    """One study, by the id of its row."""
    row = connection.execute(_STUDIES.where(studies.c.id == study_id)).one()
    overview = _overview(connection, row, driven)
    reused = connection.scalar(select(func.count()).where(trials.c.study_id == study_id, trials.c.reused))
    recent = connection.execute(_RECENT.where(trials.c.study_id == study_id).limit(RECENT)).all()
    study = rows.study_of(row)
    search = study.search or {}
    at_once = overview.counts[TrialState.RUNNING] or study.workers or 1
    nodes = nodes_of(connection, study_id, overview.driven, search.get("gpus_per_trial"))
    use = use_of(connection, study_id, carried=not study.evaluator)  # whose checkpoints are not ours
    return Status(overview, time.time(), reused or 0, _seconds_each(recent), at_once, _latest(recent), nodes, use)


_STUDIES = select(studies, *(column for column in recipes.c if column.name != "digest")).join(recipes)
_COUNTS = select(trials.c.state, func.count().label("trials")).group_by(trials.c.state)
_RECENT = (
    select(
        trials.c.number,
        trials.c.architecture_id,
        trials.c.state,
        trials.c.reused,
        trials.c.started,
        trials.c.finished,
        measurements.c.accuracy,
    )
    .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True)
    .order_by(trials.c.number.desc())
)


def _overview(connection: Connection, row: Row[Any], driven: AbstractSet[str]) -> Overview:
    study: Study = rows.study_of(row)
    counted = {found.state: found.trials for found in connection.execute(_COUNTS.where(trials.c.study_id == row.id))}
    front = front_of(connection, Scope(row.id), Limits())
    search = study.search or {}
    return Overview(
        name=study.name,
        space=study.space_name,
        data=study.data_source or study.evaluator.partition("@")[0],
        objective=search.get("objective"),
        begun=row.created,
        asked=search.get("trials"),
        counts={state: counted.get(state.value, 0) for state in TrialState},
        front=len(front),
        best=(front[-1].accuracy, front[-1].id) if front else None,
        driven=study.name in driven,
    )


def _seconds_each(recent: Sequence[Any]) -> float | None:
    trained = [row for row in recent if row.finished is not None and not row.reused]
    last = sorted(trained, key=lambda row: row.finished, reverse=True)[:TIMED]
    return median(max(0.0, row.finished - row.started) for row in last) if last else None


def _latest(recent: Sequence[Any]) -> Latest | None:
    """Of what happened at one time, the highest number."""
    if not recent:
        return None
    row = max(recent, key=lambda row: (row.finished or row.started, row.number))
    at = row.started if row.finished is None else row.finished
    return Latest(row.number, row.architecture_id, TrialState(row.state), at, row.accuracy)


def which_study(name: str, names: Sequence[str]) -> str:
    """What to say to somebody who named a study that is not there. names: those that are, the first begun first."""
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in names], n=3, cutoff=0.5)
    meant = [known for known in names if known.lower() in near or (name and known.startswith(name))]
    if meant:
        return f"did you mean {' or '.join(map(repr, meant[-5:]))}? `ressearch runs` lists all"
    return f"studies here: {', '.join(names[-20:])}"
