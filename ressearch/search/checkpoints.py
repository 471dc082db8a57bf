"""Where the checkpoints of a study's running and stopped trials lie: a file a trial, gone when it has ended.

They are beside the store, or in `runs/checkpoints` of this machine where the store is on a server.

They are no results, only time saved: none is ever needed, and one that cannot be used is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


class Checkpoints:
    """The checkpoints of one study, at `<store>.checkpoints/<study>/<trial number>.pt`.

    Of a store at a URL they are at `runs/checkpoints/<digest of host, port and database>/<study>/<trial number>.pt`.
    """

    def __init__(self, store: str | Path, study: str) -> None:
        from ressearch.store import database_of  # not at the top: workers import this module, and need no database

        self._folder = database_of(store).checkpoints / study

    def file(self, number: int) -> Path | None:
        """Where a trial may write its checkpoint; None if there can be no folder for it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self._folder / f"{number}.pt"

    def drop(self, number: int) -> None:
        """Remove what a trial left behind, half-written too; the folder stays, as others may be about to write."""
        drop(self._folder / f"{number}.pt")

    def keep_only(self, running: Collection[int]) -> None:
        """Remove what is of no such trial, e.g. because a driver was killed before it could."""
        if self._folder.is_dir():
            for path in self._folder.glob("*.pt*"):
                number = re.fullmatch(r"(\d+)\.pt(\.\d+)?", path.name)
                if number and int(number[1]) not in running:
                    path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the folders if they are empty, when nothing is running any more."""
        for folder in (self._folder, self._folder.parent):
            with suppress(OSError):  # not empty, or gone
                folder.rmdir()


def drop(checkpoint: Path) -> None:
    """Remove a checkpoint, and what was to become one when a process died (its name goes on with a process id)."""
    with suppress(OSError):
        for path in traces(checkpoint):
            path.unlink(missing_ok=True)


def traces(checkpoint: Path) -> list[Path]:
    """The files that there are of a checkpoint, half-written ones too."""
    return [*checkpoint.parent.glob(checkpoint.name), *checkpoint.parent.glob(f"{checkpoint.name}.*")]
