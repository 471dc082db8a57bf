"""Jobs on their way from the books to workers, and outcomes on their way back. Nothing here knows of Ray."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ressearch.errors import ClusterError
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.stored import StoredCheckpoints
from ressearch.search.study import Job, Progress, StudyBooks
from ressearch.search.time_limit import overrun
from ressearch.trial import Failure, Measurement

MAX_DEATHS = 3
"""Workers that may die over one trial (killed, out of memory, crashed) before it counts as failed."""
MAX_LOSSES = 10
"""Nodes that may be lost under one trial (died, cut off, preempted), which is hardly its fault."""

START_SECONDS = 30.0

_LOG = logging.getLogger(__name__)

Watch = Callable[[Progress], None]
Say = Callable[[str], None]


class Escape(BaseException):
    """Carries an error of ours through Tune, which would turn it into text or swallow it."""


@contextmanager
def _escaping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Escape from error


def _unfit(lacking: str) -> ClusterError:
    return ClusterError(
        f"a node of the cluster lacks the data set: {lacking}",
        hint="put it at the same path on every node; it is too large for the nodes' object stores",
    )


@dataclass(frozen=True)
class Terms:
    """What all trials of a search have in common beside the study itself.

    source: the data set, as every worker is to load it. time_limit: seconds that a trial may take, 0 for any.
    checkpoints: where a trial of several epochs leaves what it has learned so far. device: cpu or cuda. threads: of a
    trial. on_cluster: whether the workers may be on other machines.
    """

    source: str
    time_limit: int
    checkpoints: Checkpoints | StoredCheckpoints
    device: str = "cpu"
    threads: int = 1
    on_cluster: bool = False


class Queue:
    """Jobs on their way to workers, and outcomes on their way to the books.

    folder: for the reports of trials that overran the time limit. late: outcomes that came when their job was another
    worker's, and were dropped.
    """

    def __init__(self, books: StudyBooks, terms: Terms, folder: Path, watch: Watch) -> None:
        self.books, self.terms, self.folder, self.watch = books, terms, folder, watch
        self.next: Job | None = None
        self.starting: dict[str, float] = {}
        self.jobs: dict[str, Job] = {}
        self.lost: list[Job] = []
        self.deaths: Counter[int] = Counter()
        self.losses: Counter[int] = Counter()
        self.begun: dict[str, float] = {}
        self.late = 0

    def ready(self) -> bool:
        """Whether a job is at hand, or it is certain that there is no more."""
        if self.next is None:
            with _escaping():
                self.next = self.lost.pop() if self.lost else self.books.next_job()
        return self.next is not None or not self.jobs

    def prepare(self) -> None:
        """Have the next job at hand before a worker asks for it, while all that were taken are being trained."""
        if self.jobs and not self.starting:
            self.ready()

    def awaits_worker(self) -> bool:
        """Whether some job's worker is starting; one that takes too long lacks a core and is waited for no more."""
        return any(time.monotonic() < limit for limit in self.starting.values())

    def wants_worker(self) -> bool:
        """Whether a worker that is done is to be handed on: to the next job, or to one that waits in vain for its."""
        return not self.awaits_worker() and (self.ready() or bool(self.starting))

    def started(self, trial_id: str, worker: str | None = None) -> None:
        """A job has its worker, of this name if that is known."""
        self.starting.pop(trial_id, None)
        self.begun[trial_id] = time.monotonic()
        if worker is not None and trial_id in self.jobs:
            with _escaping():
                self.books.assigned(self.jobs[trial_id].number, worker)

    @property
    def finished(self) -> bool:
        """Whether nothing is under way, and nothing is left to begin."""
        return self.ready() and self.next is None

    def take(self, trial_id: str) -> str | None:
        """The next job, as JSON for a worker, or None if there is none at present."""
        self.ready()
        job, self.next = self.next, None
        if job is None:
            return None
        self.starting[trial_id] = time.monotonic() + START_SECONDS
        self.jobs[trial_id] = job
        self._tell()
        return json.dumps(self._order(job))

    def _order(self, job: Job) -> dict[str, Any]:
        """All that a worker needs for a job."""
        return {
            "architecture": job.architecture.to_json(),
            "recipe": asdict(job.recipe),
            "fidelity": asdict(job.fidelity),
            "seed": job.seed,
            "device": self.terms.device,
            "source": self.terms.source,
            "evaluator": self.books.study.evaluator,
            "checkpoint": self._checkpoint(job),
            "time_limit": self.terms.time_limit,
            "report": "" if self.terms.on_cluster else str(self._report(job)),
            "on_cluster": self.terms.on_cluster,
            "threads": self.terms.threads,
            "checksum": self.books.study.data_checksum,
        }

    def _checkpoint(self, job: Job) -> str | None:
        """A training of one epoch has nothing to go on from, and an evaluator's is its own affair."""
        if self.books.study.fidelity.epochs == 1 or self.books.study.evaluator:
            return None
        file = self.terms.checkpoints.file(job.number)
        return None if file is None else str(file)

    def _report(self, job: Job) -> Path:
        return self.folder / f"overrun-{job.number}.txt"

    def close(self, trial_id: str, outcome: dict[str, Any]) -> None:
        """What came of a job, see `worker.outcome_of`; a second outcome of the same job is dropped.

        `worker` is not told of one that died.
        """
        self._settle(trial_id)
        job = self.jobs.pop(trial_id, None)
        if job is None:
            self.late += 1
            _LOG.info("an outcome came late from %s; its trial went on elsewhere", outcome.get("worker"))
            return
        with _escaping():
            if "lacking" in outcome:
                raise _unfit(outcome["lacking"])
            if "measurement" in outcome:
                self.books.complete(job.number, Measurement(**outcome["measurement"]), outcome.get("worker"))
            else:
                self.books.fail(job.number, outcome["error"], Failure(outcome["failure"]), outcome.get("worker"))
            for number in self.books.needless(job.number):
                self.terms.checkpoints.drop(number)
        self._tell()

    def bury(
        self,
        trial_id: str,
        reason: str,
        kind: Failure = Failure.WORKER_DIED,
        *,
        with_node: bool = False,
        words: Callable[[], str] = lambda: "",
    ) -> None:
        """A job's worker died: the job goes on elsewhere, until that has happened too often or took too long.

        kind: out of memory if it is known that the worker was ended for that. with_node: whether its node went too.
        words: what the worker last wrote, which takes a while to find and is asked for where a trial is given up alone.
        """
        job = self.jobs.get(trial_id)
        if job is None:
            return
        if not with_node and (hung := self._overrun(trial_id, job, reason)) is not None:
            self.close(trial_id, {"failure": Failure.TIME_LIMIT, "error": hung})
            return
        tally, most, what = (
            (self.losses, MAX_LOSSES, "nodes were lost under")
            if with_node
            else (self.deaths, MAX_DEATHS, "workers died over")
        )
        tally[job.number] += 1
        if tally[job.number] >= most:
            error = f"{most} {what} this trial; the last said:\n{reason}\n{words()}".rstrip()
            self.close(trial_id, {"failure": kind, "error": error})
            return
        self._settle(trial_id)
        self.lost.append(self.jobs.pop(trial_id))
        with _escaping():
            self.books.assigned(job.number, None)

    def _settle(self, trial_id: str) -> None:
        self.starting.pop(trial_id, None)
        self.begun.pop(trial_id, None)

    def _overrun(self, trial_id: str, job: Job, reason: str) -> str | None:
        """What to say of a trial that the time limit ended: on another machine nobody else reads its report."""
        limit = self.terms.time_limit
        if not self.terms.on_cluster:
            return overrun(limit, self._report(job))
        if not limit or time.monotonic() - self.begun.get(trial_id, time.monotonic()) < limit:
            return None
        told = f"not done after {limit:g} s, the time limit of a trial (--time-limit)"
        return f"{told}; where it hung is in its worker's log. Ray said:\n{reason}"

    def _tell(self) -> None:
        with _escaping():
            progress = self.books.progress()
            self.watch(replace(progress, running=progress.running - (self.next is not None)))
