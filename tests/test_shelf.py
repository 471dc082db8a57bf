"""A data set in shared memory: the same images, on the same bytes, and no training writes to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ressearch.data import Part, SearchData, load_search_data
from ressearch.search.shelf import fits, packed, size, unpacked
from ressearch.space import SearchSpace
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe
from tests.test_search import SPACE

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


def locked(data: SearchData) -> dict[str, object]:
    """As Ray gives it to a worker: arrays that cannot be written to."""
    found = packed(data)
    for value in found.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return found


def test_the_same_data_on_the_same_bytes(digits: SearchData) -> None:
    shared = locked(digits)
    found = unpacked(shared)
    assert found.checksum == digits.checksum
    assert (found.name, found.classes, found.image_shape) == (digits.name, digits.classes, digits.image_shape)
    assert found.train.images.data_ptr() == shared["train images"].ctypes.data  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changes", [{}, {"flip": True, "crop": 1, "cutout": 2, "ema": 0.9}], ids=["plain", "augmented"]
)
def test_a_training_leaves_the_bytes_alone(digits: SearchData, changes: dict[str, object]) -> None:
    """A write would go past numpy's flag, since torch does not know of it; Ray's memory would end the process."""
    network = SearchSpace.parse(SPACE).baselines["plain_resnet"].architecture
    recipe = replace(Recipe(), **changes)
    data = unpacked(locked(digits))
    found, known = (measure(network, one, recipe, Fidelity(epochs=1), 0) for one in (data, digits))
    assert (found.accuracy, found.loss) == (known.accuracy, known.loss)
    assert SearchData(data.name, data.train, data.validation, data.classes).checksum == digits.checksum


def test_what_goes_through_the_object_store() -> None:
    part = Part(torch.zeros(100, 1, 8, 8, dtype=torch.uint8), torch.zeros(100, dtype=torch.int64))
    data = SearchData("mine", part, part, 10)
    assert size(data) == 2 * (100 * 64 + 100 * 8)
    assert fits(data, "mine.npz", [1e6, 4 * size(data)])
    assert not fits(data, "mine.npz", [1e6, 1.9 * size(data)]), "it would fill one node's"
    assert not fits(data, "mine.npz", [])
    assert not fits(data, "digits", [1e6]), "every node has it"
