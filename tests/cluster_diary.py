"""A training that writes down when it begins and when it ends: what workers did, whatever the store says of it.

It is an evaluator (`--evaluator tests.cluster_diary:train`) that trains on digits as a search does by itself, and so
finds the same. A pause makes the trials long enough to be met in the middle, and takes no core from others.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ressearch.data import SearchData

DIARY = "RESSEARCH_CLUSTER_DIARY"
"""Names the file, in the environment of each node."""
EVALUATOR = f"{__name__}:train"
PAUSE_SECONDS = 0.3


def train(network: Any, *, recipe: Any, fidelity: Any, seed: int, device: str) -> Mapping[str, float]:
    from ressearch.training import measure  # not at the top: the tests read the diary, and train nothing

    architecture = network.architecture
    _note("began", architecture.id)
    time.sleep(PAUSE_SECONDS)
    found = measure(architecture, _digits(), recipe, fidelity, seed, device)
    _note("ended", architecture.id)
    assert found.loss is not None
    assert found.train_loss is not None
    return {"accuracy": found.accuracy, "loss": found.loss, "train_loss": found.train_loss}


@cache
def _digits() -> SearchData:
    from ressearch.data import load_search_data

    return load_search_data("digits")


def _note(event: str, architecture: str) -> None:
    """One write, which is whole or not there, whoever else writes."""
    file = os.open(os.environ[DIARY], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{event} {architecture} {os.getpid()}\n".encode())
    finally:
        os.close(file)


@dataclass(frozen=True)
class Training:
    """One that was begun: of which architecture, in which process, and whether it came to its end."""

    architecture: str
    pid: int
    ended: bool


class Diary:
    """What was written from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._skipped = len(self._lines())

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []

    def trainings(self) -> list[Training]:
        """In the order in which they began. An end that belongs to an earlier search is left out."""
        found: list[Training] = []
        for line in self._lines()[self._skipped :]:
            event, architecture, pid = line.split()
            begun = Training(architecture, int(pid), False)
            if event == "began":
                found.append(begun)
            elif begun in found:
                found[found.index(begun)] = Training(architecture, int(pid), True)
        return found

    def under_way(self) -> set[int]:
        """The processes that are in the midst of a training."""
        latest = {training.pid: training for training in self.trainings()}
        return {pid for pid, training in latest.items() if not training.ended and Path(f"/proc/{pid}").exists()}

    def assert_trained_once(self, stored: set[str], acknowledged: set[str], most: int) -> None:
        """Each stored network was trained to its end, and again only where that was cut short.

        acknowledged: what the store held before anything was done to the search; it may not have been trained again.
        most: how many trainings can have been under way where it was done.
        """
        trainings = self.trainings()
        begun = Counter(training.architecture for training in trainings)
        ended = {training.architecture for training in trainings if training.ended}
        assert begun.keys() == stored, "trained but not stored, or stored but not trained"
        assert ended == stored, "stored without having been trained to the end"
        again = {architecture: count for architecture, count in begun.items() if count > 1}
        assert not again.keys() & acknowledged, f"trained again after the store had it: {again}"
        assert sum(again.values()) - len(again) <= most, f"more than {most} trained again: {again}"
