"""Files of JSON lines, plain or gzip: written as a whole or not at all; read line by line, each with its number."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from ressearch.errors import ExchangeError, StoreError
from ressearch.whole import whole

GZIP = b"\x1f\x8b"
"""How a gzip file begins."""
LEVEL = 6
NOTHING_KEPT = "nothing of the file is kept; export it again where it comes from"


class Line(NamedTuple):
    """A line of a file: where it stands, and what it says."""

    file: str
    number: int
    record: dict[str, Any]

    def wrong(self, what: str, hint: str = NOTHING_KEPT) -> ExchangeError:
        """That this line cannot be taken."""
        return ExchangeError(f"{self.file}:{self.number}: {what}", hint=hint)


def write_file(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a file, compressed if its name ends in `.gz`; one that is there is replaced when all is written.

    Raises StoreError if it cannot be written.
    """
    try:
        with whole(path, lasting=True) as unfinished, _opened(unfinished, path) as written:
            written.writelines(line.encode() for line in lines)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}", hint="give another FILE") from error


@contextmanager
def _opened(unfinished: Path, path: Path) -> Iterator[IO[bytes]]:
    """To be written to, compressed if the name that it is to have says so."""
    with unfinished.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(path.stem, "wb", LEVEL, raw) as compressed:
                yield cast(IO[bytes], compressed)
        else:
            yield raw


def read_file(path: Path) -> Iterator[Line]:
    """The lines of a file, whether it is compressed or not. Raises ExchangeError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            yield from read_stream(str(path), stream)
    except OSError as error:
        raise ExchangeError(f"cannot read {path}: {error.strerror or error}") from error


def read_stream(name: str, stream: IO[bytes]) -> Iterator[Line]:
    """The lines of a binary stream; name: how messages call it."""
    number = 0
    try:
        for number, text in enumerate(_unpacked(stream), start=1):
            yield Line(name, number, _parsed(name, number, text))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Line(name, number + 1, {}).wrong(f"the compressed file is damaged: {error}") from error


def _unpacked(stream: IO[bytes]) -> Iterable[bytes]:
    buffered = stream if isinstance(stream, BufferedReader) else BufferedReader(cast("Any", stream))
    return cast("Iterable[bytes]", gzip.open(buffered)) if buffered.peek(2)[:2] == GZIP else buffered


def _parsed(name: str, number: int, text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Line(name, number, {}).wrong(f"expected a JSON object: {error}") from error
    if not isinstance(record, dict):
        raise Line(name, number, {}).wrong(f"expected a JSON object, got {str(record)[:40]}")
    return record
