"""Jobs on their way from the books to workers, and outcomes on their way back. Nothing here knows of Ray."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from ressearch.search.study import Job, Progress, StudyBooks
from ressearch.trial import Measurement

MAX_DEATHS = 3
"""Workers that may die over one trial (killed, out of memory, crashed) before it counts as failed."""

START_SECONDS = 30.0

Watch = Callable[[Progress], None]


class Escape(BaseException):
    """Carries an error of ours through Tune, which would turn it into text or swallow it."""


@contextmanager
def _escaping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Escape from error


class Queue:
    """Jobs on their way to workers, and outcomes on their way to the books."""

    def __init__(self, books: StudyBooks, source: str, watch: Watch) -> None:
        self.books, self.source, self.watch = books, source, watch
        self.next: Job | None = None
        self.starting: dict[str, float] = {}
        self.jobs: dict[str, Job] = {}
        self.lost: list[Job] = []
        self.deaths: Counter[int] = Counter()

    def ready(self) -> bool:
        """Whether a job is at hand, or it is certain that there is no more."""
        if self.next is None:
            with _escaping():
                self.next = self.lost.pop() if self.lost else self.books.next_job()
        return self.next is not None or not self.jobs

    def awaits_worker(self) -> bool:
        """Whether some job's worker is starting; one that takes too long lacks a core and is waited for no more."""
        return any(time.monotonic() < limit for limit in self.starting.values())

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
        settings = {"recipe": asdict(job.recipe), "fidelity": asdict(job.fidelity), "seed": job.seed}
        return json.dumps({"architecture": job.architecture.to_json(), "source": self.source, **settings})

    def close(self, trial_id: str, outcome: dict[str, Any] | str) -> None:
        """What came of a job; a second outcome of the same job is dropped."""
        self.starting.pop(trial_id, None)
        job = self.jobs.pop(trial_id, None)
        if job is None:
            return
        with _escaping():
            if isinstance(outcome, str):
                self.books.fail(job.number, outcome)
            else:
                self.books.complete(job.number, Measurement(**outcome))
        self._tell()

    def bury(self, trial_id: str, reason: str) -> None:
        """A job's worker died: the job is begun again elsewhere, until that has happened too often."""
        job = self.jobs.get(trial_id)
        if job is None:
            return
        self.deaths[job.number] += 1
        if self.deaths[job.number] >= MAX_DEATHS:
            self.close(trial_id, f"{MAX_DEATHS} workers died over this trial; the last said:\n{reason}")
            return
        self.starting.pop(trial_id, None)
        self.lost.append(self.jobs.pop(trial_id))

    def _tell(self) -> None:
        with _escaping():
            self.watch(self.books.progress())
