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
    if not queue.ready() or queue.finished:
        return
    with _signals() as signals, _cluster(workers, signals):
        while not queue.finished:
            _run_segment(queue, workers, signals)


def _run_segment(queue: _Queue, workers: int, signals: _Signals) -> None:
    with tempfile.TemporaryDirectory(prefix="ressearch-", ignore_cleanup_errors=True) as folder:
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
        self.finished = False
        self.starting: set[str] = set()
        self.numbers: dict[str, int] = {}

    def ready(self) -> bool:
        """Whether a job is at hand, or it is certain that there is no more."""
        if self.next is None and not self.finished:
            with _escaping():
                self.next = self.books.next_job()
            self.finished = self.next is None
        return True

    def take(self, trial_id: str) -> str | None:
        """The next job, as JSON for a worker, or None if there is no more."""
        self.ready()
        job, self.next = self.next, None
        if job is None:
            return None
        self.starting.add(trial_id)
        self.numbers[trial_id] = job.number
        self._tell()
        settings = {"recipe": asdict(job.recipe), "fidelity": asdict(job.fidelity), "seed": job.seed}
        return json.dumps({"architecture": job.architecture.to_json(), "source": self.source, **settings})

    def close(self, trial_id: str, outcome: dict[str, Any] | str) -> None:
        """What came of a job; a second outcome of the same job is dropped."""
        self.starting.discard(trial_id)
        number = self.numbers.pop(trial_id, None)
        if number is None:
            return
        with _escaping():
            if isinstance(outcome, str):
                self.books.fail(number, outcome)
            else:
                self.books.complete(number, Measurement(**outcome))
        self._tell()

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
        return Searcher.FINISHED if job is None else {"job": job}

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
        return "outcome" not in result and not self.queue.starting and self.queue.ready()

    def stop_all(self) -> bool:
        return False


class _Callback(_Unpickled, tune.Callback):
    """Passes outcomes on to the queue, and signals to the loop."""

    def __init__(self, queue: _Queue, signals: _Signals) -> None:
        self.queue, self.signals = queue, signals

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self.signals.check()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.queue.starting.discard(trial.trial_id)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if "outcome" in result:
            self.queue.close(trial.trial_id, result["outcome"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        file = trial.error_file
        text = Path(file).read_text(encoding="utf-8").partition("\n")[2] if file else "the worker died"
        self.queue.close(trial.trial_id, text)


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
        except SystemExit:  # from the handler of SIGTERM that ray.init installs
            raise Interrupted(signal.SIGTERM) from None
        signals.install()
        signals.check()
        yield
    finally:
        ray.shutdown()
