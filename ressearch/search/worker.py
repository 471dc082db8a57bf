"""What runs in a worker process: one training after another, each outcome returned as a value.

A worker knows neither the store nor Optuna, and this module imports neither, so that a worker starts fast.
"""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ray import tune

from ressearch.architecture import Architecture
from ressearch.trial import Fidelity, Recipe

if TYPE_CHECKING:
    from ressearch.data import SearchData

IDLE_SECONDS = 0.02


class Worker(tune.Trainable):
    """The first step is the whole training; further ones idle until the trial is ended."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first job of a new process."""
        import torch

        # One trial, one core: several threads each would only get into each other's way.
        torch.set_num_threads(1)
        self.job: str | None = config["job"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next job in the same process."""
        self.job = new_config["job"]
        return True

    def step(self) -> dict[str, Any]:
        """Do the job and return its outcome, or idle."""
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
