"""CIFAR-10 and CIFAR-100 in both official layouts, python and binary: the same images in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import numpy as np
import torch

from ressearch.data.parts import Part, Parts
from ressearch.data.unpickle import AGAIN, read_record, rows_of
from ressearch.errors import DataError

Bytes = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Labels = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Official:
    """What is known of a file as published."""

    size: int
    md5: str


OFFICIAL = {
    "data_batch_1": Official(31_035_704, "c99cafc152244af753f735de768cd75f"),
    "data_batch_2": Official(31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
    "data_batch_3": Official(31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
    "data_batch_4": Official(31_035_696, "634d18415352ddfa80567beed471001a"),
    "data_batch_5": Official(31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
    "test_batch": Official(31_035_526, "40351d587109b95175f43aff81a1287e"),
    "train": Official(155_249_918, "16019d7e3df5f24257cddd939b257f8d"),
    "test": Official(31_049_908, "f0ef6b0ae62326f3e7ffdfab6717acfc"),
}
"""By file name. No sums were published for the files of the binary version."""


@dataclass(frozen=True)
class Cifar:
    """One of the four layouts. `labels`: the key of the labels (python), or the bytes before the pixels (binary)."""

    folder: str
    classes: int
    train: tuple[str, ...]
    test: str
    labels: str | int

    def recognises(self, path: Path) -> bool:
        """Whether a directory holds a training file of this layout."""
        return any((path / name).is_file() for name in self.train)

    def read(self, directory: Path) -> Parts:
        """All files of the layout in a directory."""
        return Parts(self._part(directory, self.train), self._part(directory, (self.test,)), self.classes)

    def _part(self, directory: Path, names: tuple[str, ...]) -> Part:
        files = [self._file(directory, name) for name in names]
        images = np.concatenate([rows for rows, _ in files]).reshape(-1, 3, 32, 32)
        return Part(torch.from_numpy(images), torch.from_numpy(np.concatenate([labels for _, labels in files])))

    def _file(self, directory: Path, name: str) -> tuple[Bytes, Labels]:
        path = directory / name
        if not path.is_file():
            needed = ", ".join((*self.train, self.test))
            raise DataError(f"{directory} does not hold it: {name} is missing", hint=f"{self.folder} holds {needed}")
        raw = path.read_bytes()
        rows, labels = _pickled(path, raw, self.labels) if isinstance(self.labels, str) else _binary(path, raw, self)
        _require_range(path, labels, self.classes)
        return rows, labels


def _pickled(path: Path, raw: bytes, key: str) -> tuple[Bytes, Labels]:
    """The pixels and labels of a file of the python version."""
    _require_official(path, raw)
    record = read_record(path, raw)
    for needed in ("data", key):
        if needed not in record:
            raise DataError(f"{path}: not a CIFAR file: it has no {needed!r}")
    rows, labels = rows_of(path, record["data"], PIXELS), record[key]
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise DataError(f"{path}: not a CIFAR file: {key!r} is no list of small integers")
    if len(labels) != len(rows):
        raise DataError(f"{path}: holds {len(labels):,} labels for {len(rows):,} images")
    return rows, np.array(labels, np.int64)


def _binary(path: Path, raw: bytes, kind: Cifar) -> tuple[Bytes, Labels]:
    """The pixels and labels of a file of the binary version; the label is the last byte before the pixels."""
    before = int(kind.labels)
    length = before + PIXELS
    records = -(-len(raw) // length)
    if not raw:
        raise DataError(f"{path}: holds no data")
    if len(raw) != records * length:
        promise = f"{records:,} records of {length:,} bytes are {records * length:,} bytes"
        raise DataError(f"{path}: truncated or damaged: {promise}, it holds {len(raw):,}", hint=AGAIN)
    table = np.frombuffer(raw, np.uint8).reshape(records, length)
    return table[:, before:], table[:, before - 1].astype(np.int64)


def _require_official(path: Path, raw: bytes) -> None:
    """Raise DataError if a file has an official name and size, but is not that file."""
    official = OFFICIAL.get(path.name)
    if official is None or len(raw) != official.size:
        return
    found = md5(raw, usedforsecurity=False).hexdigest()
    if found != official.md5:
        message = (
            f"{path}: damaged: it has the size of the official file, but its md5 sum is {found}, not {official.md5}"
        )
        raise DataError(message, hint=AGAIN)


def _require_range(path: Path, labels: Labels, classes: int) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        where = f"image {wrong[0]:,} has label {labels[wrong[0]]:,}"
        raise DataError(f"{path}: {where}; labels are from 0 to {classes - 1}")


_BATCHES = tuple(f"data_batch_{n}" for n in range(1, 6))
CIFARS = (
    Cifar("cifar-10-batches-py", 10, _BATCHES, "test_batch", "labels"),
    Cifar("cifar-100-python", 100, ("train",), "test", "fine_labels"),
    Cifar("cifar-10-batches-bin", 10, tuple(f"{name}.bin" for name in _BATCHES), "test_batch.bin", 1),
    Cifar("cifar-100-binary", 100, ("train.bin",), "test.bin", 2),
)
