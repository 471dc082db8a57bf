"""A data set's name or path -> images, labels and fixed splits.

Three parts: training and validation for a search, test for the final word on a chosen network. Which image belongs to
which part depends on the data set alone, never on a seed that a user sets.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import resources
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ressearch.errors import DataError

BUNDLED = ("digits",)
"""Data sets that come with the package, by name."""

IDX_FILES = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
SPLIT_SEED = 20_240_229
DIGITS_VALIDATION, DIGITS_TEST = 400, 300
IDX_VALIDATION = 5_000
"""Or a fifth of the training images, if that is less."""


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


def load_search_data(source: str) -> SearchData:
    """Training and validation data of a bundled data set (`digits`) or of a directory of IDX files.

    Raises DataError if the source is unknown, missing, empty, or holds a wrong, truncated or mismatched file.
    """
    train, _ = _parts(source)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train))
    held = DIGITS_VALIDATION if source == "digits" else min(IDX_VALIDATION, len(train) // 5)
    if not held:
        raise DataError(f"{source}: {len(train)} training images are too few to hold a fifth back for validation")
    validation, rest = order[:held], order[held:]
    classes = int(train.labels.max()) + 1
    return SearchData(_name(source), _select(train, rest), _select(train, validation), classes)


def load_test_data(source: str) -> Part:
    """The test images of a data set: for retraining a chosen network, never for a search."""
    return _parts(source)[1]


def _name(source: str) -> str:
    return source if source in BUNDLED else Path(source).resolve().name


def _parts(source: str) -> tuple[Part, Part]:
    """The data set's (training and validation, test) parts."""
    if source == "digits":
        return _digits()
    try:
        return _directory(source)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error


def _directory(source: str) -> tuple[Part, Part]:
    directory = Path(source)
    if not directory.exists():
        hint = f"use one of the bundled data sets ({', '.join(BUNDLED)}) or a directory of IDX files"
        raise DataError(f"there is no data set or directory {source!r}", hint=hint)
    if not directory.is_dir():
        raise DataError(f"{source} is a file, not a directory", hint=f"give the directory that holds {IDX_FILES}")
    return _idx_part(directory, "train"), _idx_part(directory, "t10k")


def _digits() -> tuple[Part, Part]:
    folder = resources.files("ressearch").joinpath("digits")
    with resources.as_file(folder) as path:
        everything = _idx_part(path, "digits")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(everything))
    return _select(everything, order[DIGITS_TEST:]), _select(everything, order[:DIGITS_TEST])


def _select(part: Part, index: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Part:
    chosen = torch.from_numpy(index)
    return Part(part.images[chosen], part.labels[chosen])


def _idx_part(directory: Path, prefix: str) -> Part:
    images = _idx_array(_find(directory, f"{prefix}-images-idx3-ubyte"), rank=3)
    labels_file = _find(directory, f"{prefix}-labels-idx1-ubyte")
    labels = _idx_array(labels_file, rank=1)
    if len(images) != len(labels):
        raise DataError(f"{labels_file}: holds {len(labels):,} labels for {len(images):,} images")
    return Part(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels).long())


def _find(directory: Path, name: str) -> Path:
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    held = "holds no files" if not any(directory.iterdir()) else "does not hold it"
    raise DataError(f"{directory} {held}: {name}[.gz] is missing", hint=f"a data directory holds {IDX_FILES}")


def _idx_array(path: Path, rank: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The array in an IDX file of unsigned bytes (magic number 0x0800 + rank), plain or gzipped."""
    raw = _read(path)
    header = 4 + 4 * rank
    if len(raw) < header or struct.unpack(">I", raw[:4])[0] != 0x0800 + rank:
        raise DataError(f"{path}: not an IDX file of unsigned bytes with {rank} dimension(s)")
    shape = struct.unpack(f">{rank}I", raw[4:header])
    if prod(shape) == 0:
        raise DataError(f"{path}: holds no data, its header says {' x '.join(map(str, shape))}")
    if len(raw) - header != prod(shape):
        message = (
            f"{path}: truncated or damaged: its header promises {prod(shape):,} bytes, it holds {len(raw) - header:,}"
        )
        raise DataError(message, hint="fetch the file again")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint="fetch the file again") from error
