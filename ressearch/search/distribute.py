"""Trials on Ray Tune: `StudyBooks` says what to train, workers train it, the books are told what came of it.

Why it is built so (Ray 2.60):

- The store is the only truth. Tune's own restore repeats finished trials and loses others after a crash, so Tune's
  experiment folder is temporary and thrown away.
- Starting an actor and importing torch takes seconds, so actors are reused. A trial's first step is its whole
  training; then it idles until another trial has need of its worker (see `_Stopper`), since Tune hands a worker on only
  while another trial is waiting for it, and stops it otherwise.
- Tune keeps every trial that it has seen, and looks at each of them in every step. Ours forgets what has ended (see
  `_Scheduler`), so one Tuner does for a search of any length, and no slot waits for the slowest trial but at the end.
- A worker returns its errors as values, with their traceback. What Tune reports as an error is a worker that died.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from ressearch.data import SearchData
from ressearch.search.cluster import Site, Slots, on_every_node, require_holder, started, stores
from ressearch.search.places import Place, Places, last_words
from ressearch.search.queue import Escape, Queue, Say, Terms, Watch
from ressearch.search.shelf import fits, packed
from ressearch.search.signals import Signals, caught_signals
from ressearch.search.stored import StoredCheckpoints, remove
from ressearch.search.study import StudyBooks
from ressearch.search.worker import Worker
from ressearch.trial import Failure

MOST_AT_ONCE = 100_000
"""Trials, of which Tune is told; the searcher keeps to fewer, which may change."""

KEPT_IN = ("_live_trials", "_stopped_trials", "_failed_trials", "_resetting_trials", "_trials_to_cache")
"""Where Tune keeps trials that have ended, beside its list of all (Ray 2.60)."""

ENDED = (Trial.TERMINATED, Trial.ERROR)

LOW_ON_MEMORY = "killed due to the node running low on memory"
"""What Ray's memory monitor says of a worker that it ended. Of one that the kernel ended, Ray knows no reason."""
NODE_LOST = ("its node has died", "The actor is temporarily unavailable", "its owner has died", "node was terminated")
"""What Ray says of a worker that went with its node. A raylet that dies takes its workers along before it is missed."""


def distribute(books: StudyBooks, terms: Terms, site: Site, data: SearchData | None, watch: Watch, say: Say) -> None:
    """Train what the books ask for until they ask for no more.

    data: what the driver has read of the source, for a cluster. watch: is called after each change. say: is told what
    takes a while.
    Raises ClusterError if the site is a cluster that cannot be used, before anything is begun, and Interrupted on
    SIGINT and SIGTERM, when all workers are gone.
    """
    # The folder goes after Ray, since Tune writes to it in the background.
    with _scratch_folder() as folder, caught_signals() as signals, ExitStack() as ray_session:
        if site.address:
            ray_session.enter_context(started(site, signals))
            require_holder(site, say)
        queue = Queue(books, terms, Path(folder), watch)
        if queue.finished:
            return
        slots = Slots(site)
        say(_beginning(site, slots))
        if not site.address:
            ray_session.enter_context(started(site, signals))
        _run(queue, _worker(terms, site, data), slots, signals, folder)
        if isinstance(terms.checkpoints, StoredCheckpoints) and terms.checkpoints.on_nodes:
            on_every_node(site, remove, terms.checkpoints.folder)


def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ressearch-", ignore_cleanup_errors=True)


def _beginning(site: Site, slots: Slots) -> str:
    count = slots.count()
    where = f" on the Ray cluster at {site.address}, more as nodes join it" if site.address else ""
    return f"starting {count} worker{'s' if count > 1 else ''}{where}"


def _worker(terms: Terms, site: Site, data: SearchData | None) -> type[Worker]:
    """The class of the workers, with what they share and what each of them holds."""
    worker: type[Worker] = Worker
    if site.address and data is not None and fits(data, terms.source, stores(site)):
        worker = type("Worker", (Worker,), {"shared": ray.put(packed(data))})
    if site.gpus or site.cpus != 1:
        worker = tune.with_resources(worker, {"cpu": site.cpus, "gpu": site.gpus})
    return worker


def _run(queue: Queue, worker: type[Worker], slots: Slots, signals: Signals, folder: str) -> None:
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=_Searcher(queue, slots, signals),
            scheduler=_Scheduler(),  # type: ignore[no-untyped-call]
            num_samples=-1,
            max_concurrent_trials=MOST_AT_ONCE,
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
    """Hands the queue's jobs to Tune, as many at once as there are slots now."""

    def __init__(self, queue: Queue, slots: Slots, signals: Signals) -> None:
        super().__init__()
        self.queue, self.slots, self.signals = queue, slots, signals
        self.live: set[str] = set()

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Tell Tune that this searcher keeps to a number of its own."""
        return True

    def suggest(self, trial_id: str) -> Any:
        self.signals.check()
        if len(self.live) >= self.slots.count():
            return None
        job = self.queue.take(trial_id)
        if job is not None:
            self.live.add(trial_id)
            return {"job": job}
        return Searcher.FINISHED if self.queue.finished else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make room for another; the callback has seen the outcome."""
        self.live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store holds the study."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the store holds the study."""


class _Scheduler(_Unpickled, FIFOScheduler):
    """First come, first served, and what has ended is forgotten."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Tune asks in every step, when it is done with what the step before has ended."""
        trials: list[Trial] = tune_controller.get_trials()
        ended = [trial for trial in trials[:-1] if trial.status in ENDED]
        for trial in ended:  # the last stays: left with none, Tune would read its own file
            trials.remove(trial)
            for name in KEPT_IN:
                getattr(tune_controller, name, set()).discard(trial)
        return super().choose_trial_to_run(tune_controller)


class _Stopper(_Unpickled, tune.Stopper):
    """Ends a trial, once its outcome is in the books, as soon as another can have its worker.

    Not while another trial's worker starts: Tune would give that trial this one's worker and stop the one that
    starts, so that short trials would run one at a time.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return "outcome" not in result and self.queue.wants_worker()

    def stop_all(self) -> bool:
        return False


class _Callback(_Unpickled, TrialProgressCallback):
    """Passes outcomes on to the queue, and signals to the loop.

    In place of the one that Tune would add to print results, and that keeps each trial whether it prints or not.
    """

    def __init__(self, queue: Queue, signals: Signals) -> None:
        self.queue, self.signals = queue, signals
        self.places = Places()
        self.started: dict[str, Place] = {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self.signals.check()
        self.queue.prepare()  # in Tune's own thread, which else waits for the workers' results meanwhile

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        place = self.places.of(trial.temporary_state.ray_actor)
        if place is not None:
            self.started[trial.trial_id] = place
        self.queue.started(trial.trial_id, place.worker if place else None)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if "outcome" in result:
            self.started.pop(trial.trial_id, None)
            self.queue.close(trial.trial_id, result["outcome"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Nothing to do: its outcome came before."""

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        file = trial.error_file
        text = Path(file).read_text(encoding="utf-8").partition("\n")[2] if file else "the worker died"
        place = self.started.pop(trial.trial_id, None)
        if LOW_ON_MEMORY in text:  # the rest are Ray's statistics, and who else runs on this machine
            self.queue.bury(trial.trial_id, "\n".join(text.splitlines()[:2]), Failure.OUT_OF_MEMORY)
        elif any(phrase in text for phrase in NODE_LOST):
            self.queue.bury(trial.trial_id, text, with_node=True)
        else:
            self.queue.bury(trial.trial_id, text.rstrip(), words=lambda: last_words(place) if place else "")
