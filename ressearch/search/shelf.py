"""A data set in Ray's object store: read once by the driver, and shared by all trials of a node.

The images are numpy arrays there, which every process of a node maps into its memory instead of copying them; torch
computes on the same bytes. They cannot be written to, and nothing in `training` does.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from ressearch.data import BUNDLED, Part, SearchData

SHARE = 0.5
"""Of the smallest object store, which a data set may take; a larger one is read by every worker from its path."""


def fits(data: SearchData, source: str, stores: list[float]) -> bool:
    """Whether a data set goes through the object store. stores: bytes of each node's. What is bundled is everywhere."""
    return source not in BUNDLED and size(data) <= SHARE * min(stores, default=0.0)


def size(data: SearchData) -> int:
    """Bytes of images and labels."""
    return sum(tensor.nbytes for part in (data.train, data.validation) for tensor in (part.images, part.labels))


def packed(data: SearchData) -> dict[str, Any]:
    """A data set as Ray shares it: plain values and arrays."""
    arrays = {
        f"{name} {kind}": getattr(part, kind).numpy()
        for name, part in (("train", data.train), ("validation", data.validation))
        for kind in ("images", "labels")
    }
    return {"name": data.name, "classes": data.classes, **arrays}


def unpacked(shared: dict[str, Any]) -> SearchData:
    """The data set, on the bytes of the arrays themselves."""
    train, validation = (
        Part(_tensor(shared[f"{name} images"]), _tensor(shared[f"{name} labels"])) for name in ("train", "validation")
    )
    return SearchData(shared["name"], train, validation, shared["classes"])


def _tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
