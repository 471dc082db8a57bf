"""Images and labels as arrays in one `.npz` file, under the names of Keras or those of MedMNIST."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ressearch.data.parts import Part, Parts
from ressearch.errors import DataError

NAMES = (
    {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
)
"""Part -> its arrays of images and labels, in either convention."""

DAMAGED = (
    OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for a damaged archive."""

MOST_CHANNELS = 4
MOST_CLASSES = 65_536


def is_npz(path: Path) -> bool:
    """Whether it is a file that ends in .npz."""
    return path.is_file() and path.suffix.lower() == ".npz"


def read_npz(path: Path) -> Parts:
    """The parts of an archive. Nothing in it is unpickled."""
    with path.open("rb") as stream:
        try:
            archive = np.load(stream, allow_pickle=False)
        except DAMAGED as error:
            raise DataError(f"{path}: not an archive of arrays, or damaged: {error}") from error
        if not isinstance(archive, NpzFile):
            raise DataError(f"{path}: a single array, not an archive of arrays", hint="write it with numpy.savez")
        with archive:
            return _all_parts(path, archive)


def _all_parts(path: Path, archive: NpzFile) -> Parts:
    names = next((names for names in NAMES if set(names["train"]) & set(archive.files)), NAMES[0])
    train, test = _part(path, archive, *names["train"]), _part(path, archive, *names["test"])
    held = set(names["validation"]) & set(archive.files)
    validation = _part(path, archive, *names["validation"]) if held else None
    return Parts(train, test, int(train.labels.max()) + 1, validation)


def _part(path: Path, archive: NpzFile, images_name: str, labels_name: str) -> Part:
    where = f"{path}: {images_name}"
    images = _channels_first(where, _array(path, archive, images_name))
    labels = _labels(f"{path}: {labels_name}", _array(path, archive, labels_name))
    if len(images) != len(labels):
        raise DataError(f"{path}: {labels_name} holds {len(labels):,} labels for {len(images):,} images")
    return Part(torch.from_numpy(images), torch.from_numpy(labels))


def _array(path: Path, archive: NpzFile, name: str) -> NDArray[np.generic]:
    if name not in archive.files:
        holds = ", ".join(sorted(archive.files)) or "nothing"
        hint = "an archive holds x_train, y_train, x_test, y_test or train_images, train_labels, ..."
        raise DataError(f"{path}: {name} is missing; it holds {holds}", hint=hint)
    try:
        array = archive[name]
    except DAMAGED as error:
        raise DataError(f"{path}: {name} cannot be read: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {name} cannot be read: not an array")
    if not array.size:
        raise DataError(f"{path}: {name} holds no data, its shape is {_size(array)}")
    return array


def _channels_first(where: str, images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The images as N x C x H x W; channels are the axis, second or last, that is at most four long."""
    if images.dtype != np.uint8:
        raise DataError(f"{where} holds {images.dtype}, not uint8", hint="save the pixels as whole numbers 0 to 255")
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4:
        images = images if _channel_axis(where, images) == 1 else images.transpose(0, 3, 1, 2)
    else:
        raise DataError(f"{where} is {_size(images)}; images are N x H x W, N x H x W x C or N x C x H x W")
    return np.ascontiguousarray(images, np.uint8)


def _channel_axis(where: str, images: NDArray[np.generic]) -> int:
    axes = [axis for axis in (1, 3) if images.shape[axis] <= MOST_CHANNELS]
    if len(axes) != 1:
        reason = "either may be channels" if axes else f"neither is 1 to {MOST_CHANNELS} channels"
        raise DataError(f"{where} is {_size(images)}: of the second and the last axis, {reason}")
    return axes[0]


def _labels(where: str, labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """One class for each image, from an array of N or N x 1."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where} holds {labels.dtype}, not integers", hint="save one class number for each image")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{where} is {_size(labels)}; labels are N or N x 1, one class for each image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MOST_CLASSES:
        raise DataError(f"{where} runs from {low} to {high}; labels are from 0 to {MOST_CLASSES - 1:,} at most")
    return np.ascontiguousarray(labels, np.int64)


def _size(array: NDArray[np.generic]) -> str:
    return " x ".join(map(str, array.shape))
