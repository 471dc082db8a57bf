"""Checkpoints of a cluster's trials: in a folder that its nodes share or at a URL, or else on the node that made them.

An attempt at a trial writes a file of its own, `<trial>.<attempt>.pt`, and begins with the latest of any. So what still
runs on a node that was given up, or for a driver that was killed, never writes over its successor's. Where they lie is
for fsspec to say. They are only time saved: whatever goes wrong with them, a training goes on without.
"""

from __future__ import annotations

import logging
import re
import secrets
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

ON_NODE = "node:"
"""Begins the place of checkpoints that stay on their node, in a folder for temporary files that only it knows."""
NAME = re.compile(r"(\d+)\.[0-9a-f]{16}\.pt(\.part)?")

_LOG = logging.getLogger(__name__)


class StoredCheckpoints:
    """The checkpoints of one study on a cluster, as `checkpoints.Checkpoints` are those of one on a machine.

    storage: a folder or URL, or empty for the nodes' own. Raises ClusterError if nothing can be written there.
    """

    def __init__(self, storage: str, store: str | Path, study: str) -> None:
        from ressearch.store import database_of  # not at the top: workers import this module, and need no database

        owner = sha256(str(database_of(store).checkpoints / study).encode()).hexdigest()[:16]
        if storage and "://" not in storage:
            storage = str(Path(storage).expanduser().resolve())
        self.folder = f"{storage or ON_NODE}/{study}-{owner}"
        self.on_nodes = not storage

    def require_writable(self) -> None:
        """Raise ClusterError if no checkpoint could be written."""
        from ressearch.errors import ClusterError

        if self.on_nodes:
            return
        try:
            fs, folder = _opened(self.folder)
            probe = f"{folder}/0.{secrets.token_hex(8)}.pt.part"
            fs.pipe_file(probe, b"")
            fs.rm_file(probe)
        except Exception as error:  # of a hundred kinds of storage
            place = self.folder.rpartition("/")[0]
            raise ClusterError(
                f"cannot write to the storage {place}: {error}", hint="give another --storage"
            ) from error

    def file(self, number: int) -> str:
        """What an attempt at a trial is told: where the trial's checkpoints lie, and the name of its own."""
        return f"{self.folder}/{number}.{secrets.token_hex(8)}.pt"

    def drop(self, number: int) -> None:
        """Remove what a trial left behind."""
        if not self.on_nodes:
            remove(self.folder, lambda found: found == number)

    def keep_only(self, running: Collection[int]) -> None:
        """Remove what is of no such trial."""
        if not self.on_nodes:
            remove(self.folder, lambda found: found not in running)

    def tidy(self) -> None:
        """Remove the folder if it is empty."""
        if not self.on_nodes:
            _tidy(self.folder)


def remove(folder: str, unwanted: Callable[[int], bool] = lambda number: True) -> None:
    """Remove the checkpoints of the trials of such numbers, half-written ones too, and the folder if it is empty."""
    with suppress(Exception):
        fs, path = _opened(folder)
        for file, number in _files(fs, path):
            if unwanted(number):
                fs.rm_file(file)
        _tidy(folder)


def _tidy(folder: str) -> None:
    with suppress(Exception):  # not empty, or gone
        fs, path = _opened(folder)
        fs.rmdir(path)


@dataclass
class Carried:
    """A training's own checkpoint file, and where it is put for others whenever it was written."""

    file: Path
    place: str

    def fetch(self) -> None:
        """Begin with the latest of the trial's, if there is one."""
        folder, _, name = self.place.rpartition("/")
        try:
            fs, path = _opened(folder)
            number = int(name.partition(".")[0])
            found = [file for file, owner in _files(fs, path) if owner == number and file.endswith(".pt")]
            if found:
                fs.get_file(max(found, key=fs.modified), str(self.file))
        except Exception as error:
            _LOG.warning("begins anew, since no checkpoint can be read from %s: %s", folder, error)

    def put(self) -> None:
        """Whole or not at all: a store of objects does so by itself, in a folder it is renamed."""
        folder, _, name = self.place.rpartition("/")
        try:
            fs, path = _opened(folder)
            if "file" in fs.protocol:
                fs.put_file(str(self.file), f"{path}/{name}.part")
                Path(f"{path}/{name}.part").replace(f"{path}/{name}")
            else:
                fs.put_file(str(self.file), f"{path}/{name}")
        except Exception as error:
            _LOG.warning("goes on without a checkpoint, since none can be written to %s: %s", folder, error)

    def done(self) -> None:
        """The training has ended; where nobody else can, its checkpoints are removed here."""
        folder, _, name = self.place.rpartition("/")
        if folder.startswith(ON_NODE):
            remove(folder, lambda number: number == int(name.partition(".")[0]))


@contextmanager
def carried(place: str) -> Iterator[Carried]:
    """The checkpoint of an attempt, in a folder of this process. place: as `StoredCheckpoints.file` told."""
    with tempfile.TemporaryDirectory(prefix="ressearch-", ignore_cleanup_errors=True) as folder:
        checkpoint = Carried(Path(folder) / "checkpoint.pt", place)
        checkpoint.fetch()
        yield checkpoint


def _opened(folder: str) -> tuple[AbstractFileSystem, str]:
    if folder.startswith(ON_NODE):
        folder = f"{tempfile.gettempdir()}/ressearch-checkpoints{folder.removeprefix(ON_NODE)}"
    fs, path = url_to_fs(folder)
    fs.makedirs(path, exist_ok=True)
    return fs, path


def _files(fs: AbstractFileSystem, folder: str) -> list[tuple[str, int]]:
    """The checkpoints in a folder, and of which trials they are."""
    fs.invalidate_cache()
    named = [(file, NAME.fullmatch(file.rpartition("/")[2])) for file in fs.ls(folder, detail=False)]
    return [(file, int(match[1])) for file, match in named if match]
