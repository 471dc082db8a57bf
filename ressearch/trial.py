"""Plain frozen records of what is tried and what was measured; a bad one cannot be built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a one-cycle learning rate.

    lr: peak learning rate, reached after `warmup` of all steps and then lowered to zero along a cosine.
    weight_decay: on convolution and linear weights only. label_smoothing: in [0, 1).
    """

    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    warmup: float = 0.2

    def __post_init__(self) -> None:
        _require(self, "batch_size", type(self.batch_size) is int and self.batch_size >= 2, "a whole number from 2")
        _require(self, "lr", 0 < self.lr < float("inf"), "above 0")
        _require(self, "momentum", 0 <= self.momentum < 1, "in [0, 1)")
        _require(self, "weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0")
        _require(self, "label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)")
        _require(self, "warmup", 0 <= self.warmup < 1, "in [0, 1)")

    def digest(self, data_checksum: str) -> str:
        """Identity of the recipe together with the data it is applied to: 16 hexadecimal digits.

        Equal recipes have equal digests: an lr of 1 is an lr of 1.0.
        """
        numbers = {name: value if name == "batch_size" else float(value) for name, value in asdict(self).items()}
        settings = json.dumps({**numbers, "data": data_checksum}, sort_keys=True)
        return sha256(settings.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Fidelity:
    """How cheaply a network is measured: epochs over the first `data_fraction` of the training images."""

    epochs: int = 8
    data_fraction: float = 1.0

    def __post_init__(self) -> None:
        _require(self, "epochs", type(self.epochs) is int and self.epochs >= 1, "a whole number from 1")
        _require(self, "data_fraction", 0 < self.data_fraction <= 1, "in (0, 1]")


@dataclass(frozen=True)
class Measurement:
    """What training returned.

    accuracy and loss: on validation data, which is never trained on; accuracy in [0, 1]. train_loss: mean over the
    last epoch. seconds: wall clock of training and evaluation. images_per_second: trained images by training time.
    peak_memory: bytes, of the process on a CPU, of the allocator on a GPU.
    """

    accuracy: float
    loss: float
    train_loss: float
    seconds: float
    images_per_second: float
    peak_memory: int
    device: str

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _require(self, field.name, not isinstance(value, float) or isfinite(value), "finite")
        _require(self, "accuracy", 0 <= self.accuracy <= 1, "in [0, 1]")
        _require(self, "seconds", self.seconds >= 0, "at least 0")


@dataclass(frozen=True)
class MeasurementKey:
    """What makes two measurements the same measurement: at most one is accepted per key."""

    architecture_id: str
    recipe_digest: str
    fidelity: Fidelity
    seed: int


@dataclass(frozen=True)
class Study:
    """All trials of one space, data set, recipe and fidelity, as it is told to the store.

    data_source: the data set's name or directory as the user gave it. recipe_digest: `Recipe.digest` with the data.
    seed: of the proposals and of every training. versions: of the packages that measured, by name.
    """

    name: str
    space_name: str
    space_text: str
    space_digest: str
    data_source: str
    data_checksum: str
    recipe: Recipe
    recipe_digest: str
    fidelity: Fidelity
    seed: int
    versions: Mapping[str, str]


class TrialState(StrEnum):
    """A trial is running until it is complete (it has a measurement) or failed (it has an error)."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class Origin(StrEnum):
    """Why a trial exists: named in the file as a baseline, or proposed by the search."""

    BASELINE = "baseline"
    PROPOSED = "proposed"


@dataclass(frozen=True)
class Trial:
    """One candidate of a study, with one seed, at one fidelity.

    `reused` says that the measurement was known under the same recipe and that nothing was trained for it.
    """

    number: int
    architecture_id: str
    decisions: Mapping[str, Any]
    seed: int
    origin: Origin = Origin.PROPOSED
    baseline: str | None = None
    state: TrialState = TrialState.RUNNING
    measurement: Measurement | None = None
    error: str | None = None
    reused: bool = False

    def __post_init__(self) -> None:
        _require(self, "number", self.number >= 0, "at least 0")
        measured, failed = self.measurement is not None, self.error is not None
        expected = {TrialState.RUNNING: (False, False), TrialState.COMPLETE: (True, False)}
        _require(
            self,
            "state",
            (measured, failed) == expected.get(self.state, (False, True)),
            "consistent: complete has a measurement, failed has an error, running has neither",
        )
        _require(
            self, "baseline", (self.baseline is not None) == (self.origin is Origin.BASELINE), "named if it is one"
        )


def _require(record: Any, name: str, fine: bool, expected: str) -> None:
    if not fine:
        raise ValueError(f"{name} must be {expected}, got {getattr(record, name)}")
