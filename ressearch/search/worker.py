"""What runs in a worker process: one training after another, each outcome returned as a value.

A worker knows neither the store nor Optuna, and this module imports neither, so that a worker starts fast.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from ressearch.architecture import Architecture
from ressearch.errors import DataError, DivergedError, EvaluatorError
from ressearch.search.checkpoints import drop, traces
from ressearch.search.stored import carried
from ressearch.search.time_limit import limited
from ressearch.trial import Failure, Fidelity, Measurement, Recipe

if TYPE_CHECKING:
    from ressearch.data import SearchData
    from ressearch.evaluator import LoadedEvaluator

IDLE_SECONDS = (0.02, 2.0)
"""Between two reports of an idle worker, at least and at most."""

PATIENCE = 0.1
"""The share of its waiting by which a worker may wait longer, for speaking up less often."""

NO_MEMORY = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What torch says, as a RuntimeError, where it raises no error of its own for a lack of memory."""

Job = dict[str, Any]


class Worker(tune.Trainable):
    """The first step is the whole training; further ones idle until the trial is ended."""

    shared: Any = None
    """The data set in Ray's object store, if it is there; of a class that `distribute` makes."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first job of a new process."""
        import torch

        # As many threads as the trial has cores: more would only get into each other's way.
        torch.set_num_threads(json.loads(config["job"])["threads"])
        self.job: str | None = config["job"]
        self.idle_since = 0.0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next job in the same process."""
        self.job = new_config["job"]
        return True

    def step(self) -> dict[str, Any]:
        """Do the job and return its outcome, or idle."""
        if self.job is None:
            time.sleep(pause(time.monotonic() - self.idle_since))
            return {}
        text, self.job = self.job, None
        self.config = {}  # which Tune sends back with each result, as long as the worker idles
        job = json.loads(text)
        with limited(job["time_limit"], Path(job["report"]) if job["report"] else None):
            outcome = outcome_of(job, self.shared)
        self.idle_since = time.monotonic()
        return {"outcome": outcome | {"worker": f"{socket.gethostname()}/{os.getpid()}"}}


def pause(waited: float) -> float:
    """Seconds until a worker that has waited for so many speaks up again.

    Each word is a step of the driver's, and a hundred workers that wait for it would keep it from what they wait for.
    """
    least, most = IDLE_SECONDS
    return min(max(least, PATIENCE * waited), most)


def outcome_of(job: Job, shared: Any = None) -> dict[str, Any]:
    """`measurement`, or `failure` and `error`: its kind, and the traceback of what went wrong.

    Or `lacking`: what this node of a cluster has not, so that no trial can run on it. shared: the data set in Ray's
    object store, which else is read from its source.
    """
    try:
        return {"measurement": asdict(_measurement(job, shared))}
    except _LackError as error:
        return {"lacking": f"{socket.gethostname()}: {error}"}
    except (Exception, SystemExit) as error:
        outcome = {"failure": failure_of(error).value, "error": traceback.format_exc()}
    _give_memory_back()  # not before the error is gone, whose frames hold the training's tensors
    return outcome


def failure_of(error: BaseException) -> Failure:
    """The kind of what ended a training."""
    import torch

    if isinstance(error, DivergedError):
        return Failure.DIVERGED
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return Failure.OUT_OF_MEMORY
    if isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in NO_MEMORY):
        return Failure.OUT_OF_MEMORY
    return Failure.ERROR


def _give_memory_back() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _measurement(job: Job, shared: Any) -> Measurement:
    architecture = Architecture.from_json(job["architecture"])
    recipe, fidelity = Recipe(**job["recipe"]), Fidelity(**job["fidelity"])
    if job["evaluator"]:
        from ressearch.evaluator import measure_with

        return measure_with(_evaluator(job["evaluator"]), architecture, recipe, fidelity, job["seed"], job["device"])
    from ressearch.training import measure

    def train(checkpoint: Path | None, saved: Callable[[], None] = lambda: None) -> Measurement:
        data = _data_of(job, shared)
        return measure(architecture, data, recipe, fidelity, job["seed"], job["device"], checkpoint, saved=saved)

    if job["on_cluster"] and job["checkpoint"]:
        with carried(job["checkpoint"]) as carrier:
            measurement = with_checkpoint(lambda file: train(file, carrier.put), str(carrier.file))
        if fidelity.epochs == fidelity.schedule:
            carrier.done()
        return measurement
    return with_checkpoint(train, job["checkpoint"])


def with_checkpoint(train: Callable[[Path | None], Measurement], file: str | None) -> Measurement:
    """Train, from the last epoch on where a checkpoint tells of it, and from the start where that goes wrong.

    A checkpoint may be damaged, be of another training, or be too large for the disk: whatever fails once there is a
    part of one is tried again without. Divergence and a lack of memory would only come again.
    """
    checkpoint = None if file is None else Path(file)
    try:
        return train(checkpoint)
    except Exception as error:
        if checkpoint is None or not traces(checkpoint) or failure_of(error) is not Failure.ERROR:
            raise
        drop(checkpoint)
    return train(None)


class _LackError(Exception):
    """What every node needs is not on this one."""


def _data_of(job: Job, shared: Any) -> SearchData:
    """The images that the driver has seen, whatever lies on this node."""
    if shared is not None:
        return _shared_data(shared)
    if not job["on_cluster"]:
        return _data(job["source"])
    try:
        data = _data(job["source"])
    except DataError as error:
        raise _LackError(str(error)) from error
    if data.checksum != job["checksum"]:
        raise _LackError(f"{job['source']} holds other images there than on the node of the search")
    return data


@lru_cache(maxsize=1)
def _shared_data(shared: Any) -> SearchData:
    import ray

    from ressearch.search.shelf import unpacked

    return unpacked(ray.get(shared))


@lru_cache(maxsize=1)
def _data(source: str) -> SearchData:
    from ressearch.data import load_search_data

    return load_search_data(source)


@lru_cache(maxsize=1)
def _evaluator(identity: str) -> LoadedEvaluator:
    from ressearch.evaluator import load_evaluator

    name = identity.partition("@")[0]
    loaded = load_evaluator(name)
    if loaded.identity != identity:
        raise EvaluatorError(f"the code of {name} was changed during the search", hint="begin another study with it")
    return loaded
