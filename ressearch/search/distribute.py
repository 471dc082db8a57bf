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

import logging
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from ressearch.search.queue import Escape, Queue, Say, Terms, Watch
from ressearch.search.signals import Interrupted, Signals, caught_signals
from ressearch.search.study import StudyBooks
from ressearch.search.worker import Worker
from ressearch.trial import Failure

SEGMENT = 1_000
"""Trials of one Tuner; its state grows with every trial that it has seen."""

OBJECT_STORE_BYTES = 100 * 2**20
LOW_ON_MEMORY = "killed due to the node running low on memory"
"""What Ray's memory monitor says of a worker that it ended. Of one that the kernel ended, Ray knows no reason."""
SILENT = logging.CRITICAL + 1

_LOG = logging.getLogger(__name__)


def distribute(books: StudyBooks, terms: Terms, workers: int, watch: Watch, say: Say) -> None:
    """Train what the books ask for, `workers` trials at once on this machine, until they ask for no more.

    watch: is called after each change. say: is told what takes a while.
    Raises Interrupted on SIGINT and SIGTERM, when all workers are gone.
    """
    # The folder goes after Ray, since Tune writes to it in the background.
    with _scratch_folder() as folder:
        queue = Queue(books, terms, Path(folder), watch)
        if queue.finished:
            return
        say(f"starting {workers} worker{'s' if workers > 1 else ''}")
        gpus = torch.cuda.device_count() if terms.device == "cuda" else 0
        with caught_signals() as signals, cluster(workers, gpus, signals):
            while not queue.finished:
                _run_segment(queue, workers, gpus, signals, folder)


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ressearch-", ignore_cleanup_errors=True)


def _run_segment(queue: Queue, workers: int, gpus: int, signals: Signals, folder: str) -> None:
    tuner = tune.Tuner(
        tune.with_resources(Worker, {"cpu": 1, "gpu": gpu_share(gpus, workers)}) if gpus else Worker,
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
    except Escape as escape:
        raise escape.__cause__ or escape from None


def gpu_share(gpus: int, workers: int) -> float:
    """How much of a GPU each of so many workers gets: one of its own, or a part, of which each GPU holds as many."""
    return 1 / ceil(workers / gpus)


class _Unpickled:
    """Tune pickles its parts for a restore that we never ask for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Searcher(_Unpickled, Searcher):
    """Hands the queue's jobs to Tune."""

    def __init__(self, queue: Queue, signals: Signals) -> None:
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

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return "outcome" not in result and not self.queue.awaits_worker() and self.queue.ready()

    def stop_all(self) -> bool:
        return False


class _Callback(_Unpickled, tune.Callback):
    """Passes outcomes on to the queue, and signals to the loop."""

    def __init__(self, queue: Queue, signals: Signals) -> None:
        self.queue, self.signals = queue, signals

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self.signals.check()
        self.queue.prepare()  # in Tune's own thread, which else waits for the workers' results meanwhile

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
        if LOW_ON_MEMORY in text:  # the rest are Ray's statistics, and who else runs on this machine
            self.queue.bury(trial.trial_id, "\n".join(text.splitlines()[:2]), Failure.OUT_OF_MEMORY)
        else:
            self.queue.bury(trial.trial_id, text)


@contextmanager
def cluster(workers: int, gpus: int, signals: Signals) -> Iterator[None]:
    """A Ray of our own on this machine, gone at the end."""
    logging.getLogger("ray").setLevel(SILENT)
    began = time.monotonic()
    try:
        ray.init(
            address="local",
            num_cpus=workers,
            num_gpus=gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=SILENT,
            object_store_memory=OBJECT_STORE_BYTES,
        )
    except SystemExit:  # from the handler of SIGTERM that ray.init puts in place of ours
        raise Interrupted(signal.SIGTERM) from None
    signals.install()
    _LOG.info("Ray started in %.1f s: %d workers, %d GPUs", time.monotonic() - began, workers, gpus)
    try:
        signals.check()
        yield
    finally:
        ray.shutdown()
        _LOG.info("Ray ended")
