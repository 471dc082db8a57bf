"""IDX files, as MNIST and its relatives come; the bundled digits too."""

from __future__ import annotations

import gzip
import struct
import zlib
from importlib import resources
from math import prod
from pathlib import Path

import numpy as np
import torch

from ressearch.data.parts import Part, Parts
from ressearch.errors import DataError

IDX_FILES = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"


def is_idx(path: Path) -> bool:
    """Whether a directory holds at least one of the four files."""
    return any((path / f"{name}{suffix}").is_file() for name in IDX_FILES.split(", ") for suffix in ("", ".gz"))


def read_idx(directory: Path) -> Parts:
    """The four files of a directory, each plain or gzipped."""
    train = idx_part(directory, "train")
    return Parts(train, idx_part(directory, "t10k"), int(train.labels.max()) + 1)


def read_digits(test_images: int, seed: int) -> Parts:
    """The bundled digits, of which `test_images` are drawn for the test part."""
    folder = resources.files("ressearch").joinpath("digits")
    with resources.as_file(folder) as path:
        everything = idx_part(path, "digits")
    order = np.random.default_rng(seed).permutation(len(everything))
    return Parts(everything.select(order[test_images:]), everything.select(order[:test_images]), classes=10)


def idx_part(directory: Path, prefix: str) -> Part:
    """The images and labels of one part."""
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
    message = f"{directory} does not hold it: {name}[.gz] is missing"
    raise DataError(message, hint=f"a data directory holds {IDX_FILES}")


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
