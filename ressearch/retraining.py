"""The last word on a chosen network: trained from scratch on all images that may be trained on, tested on the others.

The only place that touches test images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ressearch.architecture import Architecture
from ressearch.data import SearchData
from ressearch.device import require_device
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe, Retraining


def retrain(
    architecture: Architecture,
    data: SearchData,
    recipe: Recipe,
    epochs: int,
    seeds: Sequence[int],
    device: str = "cpu",
    checkpoints: Path | None = None,
    compiled: bool = False,
) -> Iterator[Retraining]:
    """Train the network once for each seed at full fidelity, and measure each on `data.validation`.

    data: as `load_final_data` gives it, where that part holds the test images. checkpoints: a directory in which an
    interrupted training is found again; what is finished is removed, and at last the directory if it is empty.
    compiled: see `measure`.
    Raises DeviceError where there is no such device, and what `measure` raises.
    """
    require_device(device)
    fidelity = Fidelity(epochs)
    for seed in seeds:
        path = None
        if checkpoints is not None:
            checkpoints.mkdir(parents=True, exist_ok=True)
            path = checkpoints / f"{architecture.id}-{recipe.digest(data.checksum)}-{epochs}-{seed}"
        measurement = measure(architecture, data, recipe, fidelity, seed, device, path, compiled)
        yield Retraining(architecture.id, recipe, data.checksum, fidelity, seed, measurement)
        if path is not None:
            path.unlink(missing_ok=True)
    if checkpoints is not None:
        with suppress(OSError):  # another retraining has something there
            checkpoints.rmdir()
