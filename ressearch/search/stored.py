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
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from ressearch.store import Store

ON_NODE = "node:"
"""Begins the place of checkpoints that stay on their node, in a folder for temporary files that only it knows."""
NAME = re.compile(r"(\d+)\.[0-9a-f]{16}\.pt(\.part)?")

OBJECT_STORES = frozenset(
    ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "ocilake", "oss", "tos", "tosfs", "hf", "memory")
)
"""Protocols where a file is written whole or not at all, and where there are no folders.

To make one would be to make a bucket of the name, should it be misspelt.
"""

HINTS = {
    "ImportError": "install that on every node of the cluster and here, or give another --storage",
    "Credential": "give them to the search and, in the environment of `ray start`, to every node",
    "PermissionError": "let the search and every node write, list, read and remove there, or give another --storage",
    "FileNotFoundError": "make it first, or give another --storage",
}
"""What to do about an error of a storage, by a part of its class's name or of one of those that it comes from."""

_LOG = logging.getLogger(__name__)


class StoredCheckpoints:
    """The checkpoints of one study on a cluster, as `checkpoints.Checkpoints` are those of one on a machine.

    storage: a folder or URL, or empty for the nodes' own. begun: when the study was, in seconds since 1970, by which it
    is told from others of its name. Not by its store: a study goes on from a copy, under another path, in a Slurm job
    that was put back into the queue, and stores in two Kubernetes namespaces have the same path.
    """

    def __init__(self, storage: str, study: str, begun: float) -> None:
        owner = sha256(f"{study} {begun!r}".encode()).hexdigest()[:16]
        if storage and "://" not in storage:
            storage = str(Path(storage).expanduser().resolve())
        self.storage, self.on_nodes = storage, not storage
        within = storage if storage.endswith("://") else storage.rstrip("/")
        self.folder = f"{ON_NODE if self.on_nodes else within}/{study}-{owner}"
        self._attempts: defaultdict[int, list[str]] = defaultdict(list)
        self._latest = 0

    @classmethod
    def of(cls, storage: str, opened: Store, study: str) -> StoredCheckpoints:
        """Those of a study in a store."""
        return cls(storage, study, opened.status(opened.study(study)[0]).overview.begun)

    def require_writable(self) -> None:
        """Raise ClusterError if checkpoints could not be written, listed, read or removed."""
        from ressearch.errors import ClusterError

        if self.on_nodes:
            return
        doing = "write to"
        try:
            folder = _Folder.at(self.folder)
            probe = f"{folder.path}/0.{secrets.token_hex(8)}.pt.part"
            folder.make()
            folder.fs.pipe_file(probe, b"1")
            doing = "list"
            folder.files()
            doing = "read from"
            folder.fs.cat_file(probe)
            doing = "remove from"
            folder.fs.rm_file(probe)
        except Exception as error:  # of a hundred kinds of storage
            raise ClusterError(
                f"cannot {doing} the storage {shown(self.storage)}: {_said(error)}", hint=_hint(error)
            ) from error

    def file(self, number: int) -> str:
        """What an attempt at a trial is told: where the trial's checkpoints lie, and the name of its own."""
        self._latest = max(self._latest + 1, time.time_ns())  # where a storage tells seconds alone, the name decides
        name = f"{number}.{self._latest:016x}.pt"
        self._attempts[number].append(name)
        return f"{self.folder}/{name}"

    def drop(self, number: int) -> None:
        """Remove what a trial left behind: what this driver knows of, so that not all are listed for each trial."""
        names = self._attempts.pop(number, [])
        if self.on_nodes or not names:
            return
        with suppress(Exception):
            folder = _Folder.at(self.folder)
            for name in names:
                folder.remove(f"{folder.path}/{name}")

    def keep_only(self, running: Collection[int]) -> None:
        """Remove what is of no such trial, and learn of what is."""
        if self.on_nodes:
            return
        remove(self.folder, lambda found: found not in running)
        with suppress(Exception):
            for file, number in _Folder.at(self.folder).files():
                self._attempts[number].append(file.rpartition("/")[2].removesuffix(".part"))

    def tidy(self) -> None:
        """Remove the folder if it is empty."""
        if not self.on_nodes:
            _tidy(self.folder)


def shown(place: str) -> str:
    """A URL for people to read, without the user and the password that it may have."""
    return re.sub(r"://[^/@]+@", "://", place)


def has_password(place: str) -> bool:
    """Whether it is a URL with a password."""
    return re.search(r"://[^/@:]*:[^/@]+@", place) is not None


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _hint(error: Exception) -> str:
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    return next((hint for part, hint in HINTS.items() if part in names), "give another --storage")


def remove(folder: str, unwanted: Callable[[int], bool] = lambda number: True) -> None:
    """Remove the checkpoints of the trials of such numbers, half-written ones too, and the folder if it is empty."""
    with suppress(Exception):
        found = _Folder.at(folder)
        for file, number in found.files():
            if unwanted(number):
                found.remove(file)
    _tidy(folder)


def _tidy(folder: str) -> None:
    with suppress(Exception):  # not empty, or gone
        found = _Folder.at(folder)
        if not found.of_objects:
            found.fs.rmdir(found.path)


@dataclass(frozen=True)
class _Folder:
    """Where the checkpoints of a study lie: a folder, or a prefix in a store of objects."""

    fs: AbstractFileSystem
    path: str

    @classmethod
    def at(cls, place: str) -> _Folder:
        if place.startswith(ON_NODE):
            place = f"{tempfile.gettempdir()}/ressearch-checkpoints{place.removeprefix(ON_NODE)}"
        return cls(*url_to_fs(place))

    @property
    def of_objects(self) -> bool:
        protocol = self.fs.protocol
        return not OBJECT_STORES.isdisjoint([protocol] if isinstance(protocol, str) else protocol)

    def make(self) -> None:
        if not self.of_objects:
            self.fs.makedirs(self.path, exist_ok=True)

    def files(self) -> list[tuple[str, int]]:
        """The checkpoints, and of which trials they are; none where nothing was written yet."""
        self.fs.invalidate_cache()
        with suppress(FileNotFoundError):
            named = [(file, NAME.fullmatch(file.rpartition("/")[2])) for file in self.fs.ls(self.path, detail=False)]
            return [(file, int(match[1])) for file, match in named if match]
        return []

    def latest(self, number: int) -> str | None:
        """The whole checkpoint of a trial that was written last."""
        found = [file for file, owner in self.files() if owner == number and file.endswith(".pt")]
        return max(found, key=self._age, default=None)

    def _age(self, file: str) -> tuple[Any, str]:
        try:
            return self.fs.modified(file), file
        except NotImplementedError:
            return None, file

    def put(self, file: Path, name: str) -> None:
        """Whole or not at all."""
        place = f"{self.path}/{name}"
        if self.of_objects:
            self.fs.put_file(str(file), place)
            return
        self.make()
        self.fs.put_file(str(file), f"{place}.part")
        try:
            self.fs.mv(f"{place}.part", place)
        except Exception:  # not every system renames a file onto another
            if not self.fs.exists(place):
                raise
            self.fs.rm_file(place)
            self.fs.mv(f"{place}.part", place)

    def remove(self, file: str) -> None:
        """A checkpoint, half-written or whole, if it is there."""
        for found in (file, f"{file}.part"):
            with suppress(Exception):
                self.fs.rm_file(found)


@dataclass
class Carried:
    """A training's own checkpoint file, and where it is put for others whenever it was written."""

    file: Path
    place: str

    def fetch(self) -> None:
        """Begin with the latest of the trial's, if there is one."""
        place, _, name = self.place.rpartition("/")
        try:
            folder = _Folder.at(place)
            latest = folder.latest(int(name.partition(".")[0]))
            if latest is not None:
                folder.fs.get_file(latest, str(self.file))
        except Exception as error:
            self.file.unlink(missing_ok=True)
            _LOG.warning("begins anew, since no checkpoint can be read from %s: %s", shown(place), error)

    def put(self) -> None:
        """Whole or not at all."""
        place, _, name = self.place.rpartition("/")
        try:
            _Folder.at(place).put(self.file, name)
        except Exception as error:
            _LOG.warning("goes on without a checkpoint, since none can be written to %s: %s", shown(place), error)

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
