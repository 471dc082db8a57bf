"""What a data set is made of: images with labels in parts, and what a search may see of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from ressearch.errors import DataError


@dataclass(frozen=True)
class Part:
    """Images uint8 (N, C, H, W) and their labels int64 (N,)."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or len(self.images) != len(self.labels) or not len(self.labels):
            raise DataError(f"{tuple(self.images.shape)} images do not fit {tuple(self.labels.shape)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, fraction: float, at_least: int) -> Part:
        """The first `fraction` of the images, but not fewer than `at_least`; the order is random already."""
        count = min(len(self), max(at_least, round(len(self) * fraction)))
        return Part(self.images[:count], self.labels[:count])

    def select(self, index: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Part:
        """The images at these positions, in this order."""
        chosen = torch.from_numpy(index)
        return Part(self.images[chosen], self.labels[chosen])


@dataclass(frozen=True)
class Parts:
    """What the files of a data set hold. Without a `validation` part, one is taken from `train`."""

    train: Part
    test: Part
    classes: int
    validation: Part | None = None

    def require_agreement(self, source: str) -> None:
        """Raise DataError unless all parts have images of one size and labels below `classes`."""
        shape = tuple(self.train.images.shape[1:])
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is None:
                continue
            if tuple(part.images.shape[1:]) != shape:
                found = tuple(part.images.shape[1:])
                raise DataError(f"{source}: {name} images are {_size(found)}, training images {_size(shape)}")
            if (highest := int(part.labels.max())) >= self.classes:
                message = f"{source}: the {name} part has label {highest}, the training labels end at"
                raise DataError(f"{message} {self.classes - 1}")


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


@dataclass(frozen=True)
class SearchData:
    """What a search may see of a data set: training and validation images, and nothing of the test images."""

    name: str
    train: Part
    validation: Part
    classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def checksum(self) -> str:
        """Identity of the training and validation images, their labels and their order: 16 hexadecimal digits."""
        sha = sha256()
        for part in (self.train, self.validation):
            sha.update(str(tuple(part.images.shape)).encode())
            sha.update(part.images.numpy().tobytes())
            sha.update(part.labels.numpy().tobytes())
        return sha.hexdigest()[:16]
