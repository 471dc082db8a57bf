"""The last word on a chosen network: trained from scratch on all images that may be trained on, tested on the others.

The only place that touches test images.
"""

from __future__ import annotations

from pathlib import Path

from ressearch.architecture import Architecture
from ressearch.data import SearchData
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe, Retraining


def retrain(
    architecture: Architecture,
    data: SearchData,
    recipe: Recipe,
    epochs: int,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    compiled: bool = False,
    weights: Path | None = None,
) -> Retraining:
    """Train the network once at full fidelity, and measure it on `data.validation`.

    data: as `load_final_data` gives it, where that part holds the test images. checkpoint, compiled, weights,
    and what is raised: see `measure`.
    """
    fidelity = Fidelity(epochs)
    measurement = measure(architecture, data, recipe, fidelity, seed, device, checkpoint, compiled, weights)
    return Retraining(architecture.id, recipe, data.checksum, fidelity, seed, measurement)


def checkpoint_name(architecture: Architecture, data: SearchData, recipe: Recipe, epochs: int, seed: int) -> str:
    """A file name for the checkpoint of a retraining, which no other has."""
    return f"{architecture.id}-{recipe.digest(data.checksum)}-{epochs}-{seed}"
