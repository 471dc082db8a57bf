"""Reads the pickles of CIFAR's python version without running anything that stands in them.

A pickle may name any function and have it called. Here it may name only what a CIFAR file names, and gets an inert
stand-in for it: neither numpy nor any codec ever sees a value from the file before we have checked it.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from ressearch.errors import DataError

AGAIN = "fetch the file again"
SHOWN = 80
"""Characters of a foreign name that a message repeats."""


class StoredArray:
    """In the place of an array: what numpy would have been told to restore it from."""

    __slots__ = ("state",)

    def __init__(self, *_: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class StoredType:
    """In the place of a numpy.dtype: its name."""

    __slots__ = ("name",)

    def __init__(self, name: object, *_: object) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else name

    def __setstate__(self, state: object) -> None:
        """Byte order and fields: of no use for single bytes."""


class StoredBytes:
    """In the place of _codecs.encode, by which Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        """The bytes that the text stands for."""
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"unexpected encoding {encoding[:SHOWN]!r}")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        """So that a pickle cannot set attributes."""


PERMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): StoredArray,
    ("numpy._core.multiarray", "_reconstruct"): StoredArray,
    ("numpy", "ndarray"): StoredArray,
    ("numpy", "dtype"): StoredType,
    ("_codecs", "encode"): StoredBytes(),
}


class _RefusedError(Exception):
    """A pickle names what is not permitted."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return PERMITTED[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}") from None


def read_record(path: Path, raw: bytes) -> dict[object, object]:
    """The dictionary in a CIFAR pickle; keys that are bytes become text. `path` is for messages alone."""
    try:
        _require_modest(raw)
        record = _Unpickler(io.BytesIO(raw), encoding="bytes").load()
    except _RefusedError as refused:
        message = f"{path}: refused, nothing in it was run: it names {str(refused)[:SHOWN]!r}, which no CIFAR file does"
        raise DataError(message, hint=f"{AGAIN}, from a source that you trust") from None
    except Exception as error:  # a damaged pickle can raise anything
        message = f"{path}: truncated or damaged: its {len(raw):,} bytes are not a whole pickle: {str(error)[:SHOWN]}"
        raise DataError(message, hint=AGAIN) from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: not a CIFAR file: holds no dictionary")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in record.items()}


def _require_modest(raw: bytes) -> None:
    """Raise an error if a pickle is cut off, or numbers a value so high that its table of values would fill the memory.

    Each value takes at least one byte, so that no honest number exceeds the size.
    """
    for opcode, argument, _ in pickletools.genops(raw):
        if opcode.name in ("PUT", "LONG_BINPUT") and argument is not None and argument > len(raw):
            raise pickle.UnpicklingError(f"it numbers a value {argument}")


def rows_of(path: Path, stored: object, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The stored array of bytes, which must have rows of `width`."""
    match stored:
        case StoredArray(state=(int(), (int(rows), int(columns)), StoredType(name="u1"), order, bytes(raw))):
            pass
        case _:
            raise DataError(f"{path}: not a CIFAR file: 'data' is no array of bytes with two dimensions")
    if columns != width or rows < 1:
        raise DataError(f"{path}: 'data' is {rows:,} x {columns:,}, it should have rows of {width:,}")
    if len(raw) != rows * width:
        promise = f"{rows:,} images are {rows * width:,} bytes"
        raise DataError(f"{path}: truncated or damaged: {promise}, it holds {len(raw):,}", hint=AGAIN)
    return np.frombuffer(raw, np.uint8).reshape((rows, width), order="F" if order else "C")
