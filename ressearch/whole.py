"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

LONGEST = 50
"""Characters of a name, of 4 bytes each at most, that are kept beside the suffix; file systems take 255 bytes."""


@contextmanager
def whole(path: Path, *, lasting: bool = False) -> Iterator[Path]:
    """A path beside this one for a file or a folder, which takes its place in the end, or is gone if anything fails.

    It has the same name with a suffix more; a process that dies leaves it behind. A folder that is there is replaced by
    a folder alone, and steps aside for that. lasting: a file is on the disk before it has its name, so that no loss of
    power leaves half of it. Raises OSError.
    """
    unfinished, aside = (path.with_name(f"{path.name[:LONGEST]}.{token_hex(8)}") for _ in range(2))
    try:
        yield unfinished
        if lasting:
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
        if unfinished.is_dir() and path.is_dir():
            path.rename(aside)
        unfinished.replace(path)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        for left in (unfinished, aside):
            with suppress(OSError):
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
