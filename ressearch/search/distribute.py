"""Trials on Ray Tune: `StudyBooks` says what to train, workers train it, the books are told what came of it.

Why it is built so (Ray 2.60):

- The store is the only truth. Tune's own restore repeats finished trials and loses others after a crash, so Tune's
  experiment folder is temporary and thrown away.
- Starting an actor and importing torch takes seconds, so actors are reused. A trial's first step is its whole
  training; then it idles until another trial has need of its worker (see `_Stopper`), since Tune hands a worker on only
  while another trial is waiting for it, and stops it otherwise.
- A worker returns its errors as values, with their traceback. What Tune reports as an error is a worker that died.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ressearch.architecture import Architecture
from ressearch.search.study import Job, Progress, StudyBooks
from ressearch.trial import Fidelity, Measurement, Recipe

if TYPE_CHECKING:
    from ressearch.data import SearchData

# Read by ray when it is imported, and inherited by its processes.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",  # no network
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else ray.init writes a token file to the home directory
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # no warning about it
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # no raylet messages on our stdout
    "RAY_AIR_NEW_OUTPUT": "0",  # its tables appear whatever the verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # so that a relative --data means the same to a worker
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

SEGMENT = 1_000
"""Trials of one Tuner; its state grows with every trial that it has seen."""

MAX_DEATHS = 3
"""Workers that may die over one trial (killed, out of memory, crashed) before it counts as failed."""

START_SECONDS = 30.0
OBJECT_STORE_BYTES = 100 * 2**20
IDLE_SECONDS = 0.02
SILENT = logging.CRITICAL + 1

Watch = Callable[[Progress], None]


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. Not an Exception, so that Tune lets it pass without its slow cleanup."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signal = signum


def distribute(books: StudyBooks, source: str, workers: int, watch: Watch) -> None:
    """Train what the books ask for, `workers` trials at once on this machine, until they ask for no more.

    source: the data set, as every worker is to load it. watch: is called after each change.
    Raises Interrupted on SIGINT and SIGTERM, when all workers are gone.
    """
    queue = _Queue(books, source, watch)
    if queue.finished:
        return
    # The folder goes after Ray, since Tune writes to it in the background.
    with _signals() as signals, _scratch_folder() as folder, _cluster(workers, signals):
        while not queue.finished:
            _run_segment(queue, workers, signals, folder)


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ressearch-", ignore_cleanup_errors=True)


def _run_segment(queue: _Queue, workers: int, signals: _Signals, folder: str) -> None:
    tuner = tune.Tuner(
        _Worker,
        tune_config=tune.TuneConfig(
            search_alg=_Searcher(queue, signals),
            num_samples=SEGMENT,
            max_concurrent_trials=workers,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            storage_path=folder,
            verbose=0,
            stop=_Stopper(queue),
            callbacks=[_Callback(queue, signals)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    except _Escape as escape:
        raise escape.__cause__ or escape from None


# In the workers


class _Worker(tune.Trainable):
    """The first step is the whole training; further ones idle until the trial is ended."""

    def setup(self, config: dict[str, Any]) -> None:
        import torch

        # One trial, one core: several threads each would only get into each other's way.
        torch.set_num_threads(1)
        self.job: str | None = config["job"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.job = new_config["job"]
        return True

    def step(self) -> dict[str, Any]:
        if self.job is None:
            time.sleep(IDLE_SECONDS)
            return {}
        job, self.job = self.job, None
        return {"outcome": _outcome(json.loads(job))}


def _outcome(job: dict[str, Any]) -> dict[str, Any] | str:
    """The measurement as a dictionary, or the traceback of what went wrong."""
    from ressearch.training import measure

    try:
        architecture = Architecture.from_json(job["architecture"])
        recipe, fidelity = Recipe(**job["recipe"]), Fidelity(**job["fidelity"])
        return asdict(measure(architecture, _data(job["source"]), recipe, fidelity, job["seed"]))
    except Exception:
        return traceback.format_exc()


@lru_cache(maxsize=1)
def _data(source: str) -> SearchData:
    from ressearch.data import load_search_data

    return load_search_data(source)


# In the driver


class _Queue:
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


class _Escape(BaseException):
    """Carries an error of ours through Tune, which would turn it into text or swallow it."""


@contextmanager
def _escaping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Escape from error


class _Unpickled:
    """Tune pickles its parts for a restore that we never ask for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Searcher(_Unpickled, Searcher):
    """Hands the queue's jobs to Tune."""

    def __init__(self, queue: _Queue, signals: _Signals) -> None:
        super().__init__()
        self.queue, self.signals = queue, signals

    def suggest(self, trial_id: str) -> Any:
        self.signals.check()
        job = self.queue.take(trial_id)
        if job is not None:
            return {"job": job}
        return Searcher.FINISHED if self.queue.finished else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The callback has seen the outcome."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store holds the study."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the store holds the study."""


class _Stopper(_Unpickled, tune.Stopper):
    """Ends a trial, once its outcome is in the books, as soon as another can have its worker.

    Not while another trial's worker starts: Tune would give that trial this one's worker and stop the one that
    starts, so that short trials would run one at a time.
    """

    def __init__(self, queue: _Queue) -> None:
        self.queue = queue

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return "outcome" not in result and not self.queue.awaits_worker() and self.queue.ready()

    def stop_all(self) -> bool:
        return False


class _Callback(_Unpickled, tune.Callback):
    """Passes outcomes on to the queue, and signals to the loop."""

    def __init__(self, queue: _Queue, signals: _Signals) -> None:
        self.queue, self.signals = queue, signals

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self.signals.check()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.queue.starting.pop(trial.trial_id, None)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if "outcome" in result:
            self.queue.close(trial.trial_id, result["outcome"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        file = trial.error_file
        text = Path(file).read_text(encoding="utf-8").partition("\n")[2] if file else "the worker died"
        self.queue.bury(trial.trial_id, text)


class _Signals:
    """Remembers the first SIGINT or SIGTERM; `check` raises it where it is safe to."""

    def __init__(self) -> None:
        self.received: int | None = None

    def install(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._remember)

    def _remember(self, signum: int, frame: FrameType | None) -> None:
        self.received = self.received or signum

    def check(self) -> None:
        if self.received is not None:
            raise Interrupted(self.received)


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Our handling of SIGINT and SIGTERM, and afterwards the one that was there before."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    signals = _Signals()
    signals.install()
    try:
        yield signals
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def _cluster(workers: int, signals: _Signals) -> Iterator[None]:
    """A Ray of our own on this machine, gone at the end."""
    logging.getLogger("ray").setLevel(SILENT)
    try:
        ray.init(
            address="local",
            num_cpus=workers,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=SILENT,
            object_store_memory=OBJECT_STORE_BYTES,
        )
    except SystemExit:  # from the handler of SIGTERM that ray.init puts in place of ours
        raise Interrupted(signal.SIGTERM) from None
    signals.install()
    try:
        signals.check()
        yield
    finally:
        ray.shutdown()
