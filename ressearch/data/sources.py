"""A data set's name or path -> images, labels and fixed splits.

Three parts: training and validation for a search, test for the final word on a chosen network. Which image belongs to
which part depends on the data set alone, never on a seed that a user sets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ressearch.data.cifar import CIFARS
from ressearch.data.folder import is_image_folder, read_image_folder
from ressearch.data.idx import IDX_FILES, is_idx, read_digits, read_idx
from ressearch.data.npz import is_npz, read_npz
from ressearch.data.parts import Part, Parts, SearchData
from ressearch.errors import DataError

_LOG = logging.getLogger(__name__)

BUNDLED = ("digits",)
"""Data sets that come with the package, by name."""

SPLIT_SEED = 20_240_229
DIGITS_VALIDATION, DIGITS_TEST = 400, 300
MOST_VALIDATION = 5_000
"""Or a fifth of the training images, if that is less."""

SHOWN = 8
"""Names in a directory that a message lists."""


@dataclass(frozen=True)
class Layout:
    """One form in which data sets come: how it is known, and how it is read."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Parts]


LAYOUTS = (
    Layout("IDX files", is_idx, read_idx),
    *(Layout(cifar.folder, cifar.recognises, cifar.read) for cifar in CIFARS),
    Layout("an .npz file", is_npz, read_npz),
    Layout("a directory of images", is_image_folder, read_image_folder),
)

UNDERSTOOD = "\n      ".join(
    [
        "a data source is one of",
        f"{', '.join(BUNDLED)} (bundled)",
        f"a directory of IDX files, plain or .gz: {IDX_FILES}",
        f"a CIFAR directory, or the one that holds it: {', '.join(cifar.folder for cifar in CIFARS)}",
        "an .npz file: x_train, y_train, x_test, y_test, or train_images, train_labels, test_images, test_labels",
        "a directory of images: train/CLASS/*.png (or jpg), test/CLASS/*.png",
    ]
)


def load_search_data(source: str) -> SearchData:
    """Training and validation data of a bundled data set (`digits`), a directory or an .npz file.

    Raises DataError if the source is unknown, missing, empty, or holds a wrong, truncated or mismatched file.
    """
    parts = _parts(source)
    train, validation = _split(source, parts)
    _LOG.info("data %s: %d images to train on, %d to validate on", source, len(train), len(validation))
    return SearchData(_name(source), train, validation, parts.classes)


def load_test_data(source: str) -> Part:
    """The test images of a data set: for retraining a chosen network, never for a search."""
    return _parts(source).test


def load_final_data(source: str) -> SearchData:
    """All images that a search may see for training, and the test images in the place of its validation part.

    For retraining a chosen network, never for a search. Raises what `load_search_data` does.
    """
    parts = _parts(source)
    train, validation = _split(source, parts)
    images, labels = (torch.cat([getattr(part, name) for part in (train, validation)]) for name in ("images", "labels"))
    _LOG.info("data %s: %d images to train on, %d to test on", source, len(labels), len(parts.test))
    return SearchData(_name(source), Part(images, labels), parts.test, parts.classes)


def _split(source: str, parts: Parts) -> tuple[Part, Part]:
    """The training and validation parts, both in a fixed random order."""
    random = np.random.default_rng(SPLIT_SEED)
    order = random.permutation(len(parts.train))
    if parts.validation is not None:
        return parts.train.select(order), parts.validation.select(random.permutation(len(parts.validation)))
    held = DIGITS_VALIDATION if source == "digits" else min(MOST_VALIDATION, len(order) // 5)
    if not held:
        raise DataError(f"{source}: {len(order)} training images are too few to hold a fifth back for validation")
    return parts.train.select(order[held:]), parts.train.select(order[:held])


def _name(source: str) -> str:
    return source if source in BUNDLED else Path(source).resolve().name


def _parts(source: str) -> Parts:
    if source == "digits":
        return read_digits(DIGITS_TEST, SPLIT_SEED)
    try:
        path, layout = _recognised(Path(source), source)
        parts = layout.read(path)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    parts.require_agreement(source)
    return parts


def _recognised(path: Path, source: str) -> tuple[Path, Layout]:
    """The place and the layout of the only data set at a path or, if it is of CIFAR, in a directory there."""
    if not path.exists():
        raise DataError(f"there is no data set, directory or file {source!r}", hint=UNDERSTOOD)
    places = (path, *(path / cifar.folder for cifar in CIFARS))
    found = [(place, layout) for place in places for layout in LAYOUTS if layout.recognises(place)]
    if not found:
        raise DataError(f"{source} {_contents(path)}", hint=UNDERSTOOD)
    if len(found) > 1:
        held = ", ".join(layout.name for _, layout in found)
        raise DataError(f"{source} holds more than one data set: {held}", hint="give a directory that holds one")
    return found[0]


def _contents(path: Path) -> str:
    """What is at a path that is not understood, in words."""
    if not path.is_dir():
        return "is a file, but not an .npz file"
    names = sorted(f"{child.name}/" if child.is_dir() else child.name for child in path.iterdir())
    if not names:
        return "is an empty directory"
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"holds no data set that is understood; it holds {', '.join(names[:SHOWN])}{more}"
