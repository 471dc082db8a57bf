"""Records that the tests of the store write, and how they write them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ressearch.architecture import Architecture, Node
from ressearch.cost import cost_of
from ressearch.errors import StoreError
from ressearch.ops import GlobalPool, Input, Linear
from ressearch.store import Store
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Origin, Recipe, Study, Trial

MEASURED = Measurement(
    accuracy=0.5,
    loss=1.5,
    train_loss=1.25,
    seconds=2.0,
    cpu_seconds=1.75,
    images_per_second=640.0,
    flops=6_000_000,
    peak_memory=1024,
    device="cpu",
    precision="fp32",
)
BETTER = replace(MEASURED, accuracy=0.75, device="another")
CHECKSUM = "1" * 16
RECIPE = Recipe(
    batch_size=32, lr=0.3, momentum=0.8, weight_decay=1e-4, label_smoothing=0.1, warmup=0.3, crop=1, flip=True
)
STUDY = Study(
    name="demo",
    space_name="demo",
    space_text="version: 1  # Größe, 'quoted'\n\tand \"tabbed\"\n",
    space_digest="0" * 16,
    data_source="/data/fashion mnist",
    data_checksum=CHECKSUM,
    recipe=RECIPE,
    recipe_digest=RECIPE.digest(CHECKSUM),
    fidelity=Fidelity(epochs=3, data_fraction=0.25, resolution=0.5, schedule=9),
    seed=7,
    versions={"torch": "2.13.0", "python": "3.11.7"},
    commit="0123abc-dirty",
)


HELP = "\n  = help: is it an SQLite file, writable, and on a disk with space?"
ROOT = Path(__file__).parent.parent


def network(classes: int) -> Architecture:
    """One architecture per number, as small as they come."""
    return Architecture(
        (Node("image", Input(1, 8, 8)), Node("pool", GlobalPool(), (0,)), Node("scores", Linear(classes), (1,)))
    )


NET = network(10)
KEY = MeasurementKey(NET.id, STUDY.recipe_digest, STUDY.fidelity, STUDY.seed)


def running(number: int, architecture: Architecture = NET) -> Trial:
    return Trial(number=number, architecture_id=architecture.id, decisions={"stem.width": 8}, seed=STUDY.seed)


def begin(store: Store, study_id: int, number: int, classes: int = 10, baseline: str | None = None) -> Architecture:
    architecture = network(classes)
    trial = running(number, architecture)
    if baseline is not None:
        trial = replace(trial, origin=Origin.BASELINE, baseline=baseline)
    store.begin(study_id, trial, architecture, cost_of(architecture))
    return architecture


def key_of(architecture: Architecture) -> MeasurementKey:
    return replace(KEY, architecture_id=architecture.id)


def another_recipe(number: int) -> Recipe:
    """A recipe per number."""
    return replace(RECIPE, lr=1.0 + number)


def complaint(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(StoreError) as caught:
        call(*args)
    assert caught.value.exit_status == 4
    return str(caught.value)


def together(*calls: Callable[[], object]) -> list[BaseException]:
    """Run calls at once, each in a thread; what they raised."""
    raised: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
