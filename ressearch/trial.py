"""Plain frozen records of what is tried and what was measured; a bad one cannot be built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Any

EVALUATOR_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"
"""`package.module:function`, the name of a user's own training."""


PROPOSERS = ("evolution", "nsga2", "tpe", "random")
"""Who proposes the networks of a search, by name; the first unless said."""

OBJECTIVES = ("pareto", "accuracy_per_flop", "budget", "tradeoff")
"""What a search is after, by name; the first unless said."""

PARAMETERS = "parameters."
"""Begins the path of a decision about the recipe; all others are about the network."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with Nesterov momentum under a one-cycle learning rate.

    lr: peak learning rate, reached after `warmup` of all steps and then lowered to zero along a cosine.
    weight_decay: on convolution and linear weights only; part of the gradient, or, if `decoupled`, taken from the
    weights directly, times the learning rate (Loshchilov and Hutter 2019). label_smoothing: in [0, 1).
    crop: pixels by which a training image is moved at random, zeros filling in. flip: whether training images are
    mirrored, every other time each (Jordan 2024). cutout: side in pixels of the square that is blanked in a training
    image (DeVries and Taylor 2017). ema: decay per step of the running mean of the weights that is measured instead
    of the last ones, 0 for none. amp: bf16 in convolutions and products where the device is fast at it, as
    `Measurement.precision` tells; false: fp32 everywhere.
    """

    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    warmup: float = 0.2
    decoupled: bool = False
    crop: int = 0
    flip: bool = False
    cutout: int = 0
    ema: float = 0.0
    amp: bool = True

    def __post_init__(self) -> None:
        for number in ("lr", "momentum", "weight_decay", "label_smoothing", "warmup", "ema"):
            _require(self, number, type(getattr(self, number)) is not bool, "a number")
        _require(self, "batch_size", type(self.batch_size) is int and self.batch_size >= 2, "a whole number from 2")
        _require(self, "lr", 0 < self.lr < float("inf"), "above 0")
        _require(self, "momentum", 0 <= self.momentum < 1, "in [0, 1)")
        _require(self, "weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0")
        for share in ("label_smoothing", "warmup", "ema"):
            _require(self, share, 0 <= getattr(self, share) < 1, "in [0, 1)")
        for pixels in ("crop", "cutout"):
            size = getattr(self, pixels)
            _require(self, pixels, type(size) is int and size >= 0, "a whole number from 0")
        for switch in ("decoupled", "flip", "amp"):
            _require(self, switch, type(getattr(self, switch)) is bool, "true or false")

    def digest(self, data_checksum: str, evaluator: str = "") -> str:
        """Identity of the recipe together with the data it is applied to: 16 hexadecimal digits.

        Equal recipes have equal digests: an lr of 1 is an lr of 1.0. evaluator: who trains, if not we.
        """
        known = asdict(self)
        kept = {name: value for name, value in known.items() if name not in _LATER or value != _LATER[name]}
        settings: dict[str, Any] = {}
        for name, value in kept.items():
            settings[name] = value if type(value) is bool or name == "batch_size" else value + 0.0  # of -0.0 too
        settings |= {"data": data_checksum} | ({"evaluator": evaluator} if evaluator else {})
        return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


_LATER = {"decoupled": False, "crop": 0, "flip": False, "cutout": 0, "ema": 0.0, "amp": True}
"""Fields later than the first digests, with the value that means what was done before: a digest leaves them out."""


@dataclass(frozen=True)
class Fidelity:
    """How cheaply a network is measured.

    epochs: passes over the first `data_fraction` of the training images, each image shrunk to `resolution` of its
    sides. schedule: epochs for which the learning rate is laid out, at least `epochs`; so many unless said. A
    measurement at 2 epochs of a schedule of 8 is a rung of the one at 8.
    """

    epochs: int = 8
    data_fraction: float = 1.0
    resolution: float = 1.0
    schedule: int = 0

    def __post_init__(self) -> None:
        _require(self, "epochs", type(self.epochs) is int and self.epochs >= 1, "a whole number from 1")
        _require(self, "data_fraction", 0 < self.data_fraction <= 1, "in (0, 1]")
        _require(self, "resolution", 0 < self.resolution <= 1, "in (0, 1]")
        if self.schedule == 0:
            object.__setattr__(self, "schedule", self.epochs)
        fine = type(self.schedule) is int and self.schedule >= self.epochs
        _require(self, "schedule", fine, f"a whole number from {self.epochs}, its epochs")


@dataclass(frozen=True)
class Measurement:
    """What training returned; None is what nobody knows, since a user's own training did not say it.

    accuracy and loss: on validation data, which is never trained on; accuracy in [0, 1]. train_loss: mean over the
    last epoch. seconds: wall clock of training and evaluation. cpu_seconds: processor time of the process meanwhile;
    far fewer than `seconds` mean that it waited for others (or for a GPU). images_per_second: trained images by
    training time. flops: floating point operations of the training, by arithmetic: three forward passes an image
    (None also where it was measured before they were counted). peak_memory: bytes, of the process on a CPU, of the
    allocator on a GPU. precision: fp32 or bf16.
    """

    accuracy: float
    loss: float | None
    train_loss: float | None
    seconds: float
    cpu_seconds: float
    images_per_second: float | None
    flops: int | None
    peak_memory: int
    device: str
    precision: str | None

    def __post_init__(self) -> None:
        for name in (known.name for known in fields(self)):
            value = getattr(self, name)
            _require(self, name, not isinstance(value, float) or isfinite(value), "finite")
        _require(self, "accuracy", 0 <= self.accuracy <= 1, "in [0, 1]")
        for amount in ("seconds", "cpu_seconds", "images_per_second", "flops", "peak_memory"):
            _require(self, amount, (getattr(self, amount) or 0) >= 0, "at least 0")
        _require(self, "precision", self.precision in ("fp32", "bf16", None), "fp32 or bf16")


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
    evaluator: who trains in place of us, `module:function@digest of its source`, or empty; then there is no data source
    and no data checksum, since it brings its own. seed: of the proposals and of every training.
    versions: of the packages that measured, by name. commit: of the git repository that holds the working directory,
    if one does; it ends in `-dirty` where files were changed since. search: how it was searched when it began, by the
    names of the settings; a later run of the study may search otherwise, of which `trials` alone is told. None: not
    known.
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
    evaluator: str = ""
    commit: str | None = None
    search: Mapping[str, Any] | None = None

    @property
    def workers(self) -> int | None:
        """Trials at once when it began: a number that was given, else the cores of a machine; None: not known."""
        search = self.search or {}
        found: int | None = search.get("workers", search.get("cores"))
        return found

    def recipe_of(self, trial: Trial) -> Recipe:
        """The recipe with what was decided for a trial of the study."""
        found = trial.decisions.items()
        decided = {path.removeprefix(PARAMETERS): value for path, value in found if path.startswith(PARAMETERS)}
        return replace(self.recipe, **decided)


class TrialState(StrEnum):
    """A trial is running until it is complete (it has a measurement) or failed (it has an error).

    One that goes from rung to rung is stopped while it is measured at a rung below the last, and runs again when it is
    promoted.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    COMPLETE = "complete"
    FAILED = "failed"


class Failure(StrEnum):
    """Why a trial failed: by its own numbers, by running out of a resource, by its worker's death, or by an error."""

    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out of memory"
    TIME_LIMIT = "time limit"
    WORKER_DIED = "worker died"
    ERROR = "error"


class Origin(StrEnum):
    """Why a trial exists: named in the file as a baseline, or proposed by the search."""

    BASELINE = "baseline"
    PROPOSED = "proposed"


@dataclass(frozen=True)
class Trial:
    """One candidate of a study, with one seed, at one fidelity.

    `failure` is the kind of what `error` tells in full. `reused` says that the measurement was known under the same
    recipe and that nothing was trained for it. proposer: what proposed it. worker: what trains it, or trained it last,
    host and process. attributes: what the sampler noted about it (`system_attrs` of Optuna), without which some begin
    anew; and, as `workers`, which ones trained it up to the rungs that it has left, null where that is not known.
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
    failure: Failure | None = None
    reused: bool = False
    proposer: str | None = None
    worker: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self, "number", self.number >= 0, "at least 0")
        measured, failed = self.measurement is not None, self.error is not None
        _require(
            self,
            "state",
            (measured, failed) == _HAS[self.state],
            "consistent: complete and stopped have a measurement, failed has an error, running has neither",
        )
        _require(self, "failure", (self.failure is not None) == failed, "of a kind if and only if there is an error")
        _require(
            self, "baseline", (self.baseline is not None) == (self.origin is Origin.BASELINE), "named if it is one"
        )


_HAS = {
    TrialState.RUNNING: (False, False),
    TrialState.STOPPED: (True, False),
    TrialState.COMPLETE: (True, False),
    TrialState.FAILED: (False, True),
}
"""State of a trial -> whether it has a measurement, and an error."""


@dataclass(frozen=True)
class Retraining:
    """One training of a network from scratch on all images that may be trained on, measured on the test images.

    The fields of the measurement are those of a trial, but on test data; what validates a search is trained on too.
    """

    architecture_id: str
    recipe: Recipe
    data_checksum: str
    fidelity: Fidelity
    seed: int
    measurement: Measurement


@dataclass(frozen=True)
class Latency:
    """How long one forward pass of a network takes, median and quartiles over `repeats` timed batches.

    batch: images a pass. threads: of the CPU, 0 on a GPU. seconds: of a whole batch.
    """

    architecture_id: str
    device: str
    precision: str
    batch: int
    threads: int
    repeats: int
    median_seconds: float
    low_seconds: float
    high_seconds: float

    def __post_init__(self) -> None:
        for count in ("batch", "repeats"):
            _require(self, count, getattr(self, count) >= 1, "at least 1")
        fine = 0 < self.low_seconds <= self.median_seconds <= self.high_seconds < float("inf")
        _require(self, "median_seconds", fine, "between the quartiles, all above 0")


@dataclass(frozen=True)
class Proxies:
    """Training-free scores of a network at initialisation, see `ressearch.proxies`; None where a score is not defined.

    data_checksum, batch: the data set, and how many of its training images were looked at. seed: of the weights and of
    which images. seconds: wall clock of all scores together.
    """

    architecture_id: str
    data_checksum: str
    batch: int
    seed: int
    naswot: float | None
    synflow: float | None
    grad_norm: float | None
    zen: float | None
    seconds: float

    def __post_init__(self) -> None:
        _require(self, "batch", self.batch >= 1, "at least 1")
        for score in ("naswot", "synflow", "grad_norm", "zen", "seconds"):
            value = getattr(self, score)
            _require(self, score, value is None or isfinite(value), "finite")
        _require(self, "seconds", self.seconds >= 0, "at least 0")


@dataclass(frozen=True)
class Artifact:
    """A file that a retraining left: its weights. It lies beside the store, see `ressearch.store.artifacts`.

    name: of the file in the folder of the store's artifacts. sha256: of its bytes, 64 hexadecimal digits.
    """

    name: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        _require(self, "name", self.name not in ("", ".", "..") and "/" not in self.name, "the name of a file alone")
        fine = len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef")
        _require(self, "sha256", fine, "64 hexadecimal digits")
        _require(self, "bytes", self.bytes >= 0, "at least 0")


def _require(record: Any, name: str, fine: bool, expected: str) -> None:
    if not fine:
        raise ValueError(f"{name} must be {expected}, got {getattr(record, name)}")
