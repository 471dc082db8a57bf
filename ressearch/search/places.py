"""In which node and process an actor of Ray runs, and the end of what it wrote: asked of Ray without its dashboard.

A worker that dies of a signal leaves no traceback, but what it wrote to stderr is in a file of its node: what a library
said, or the dump of Ray's own handlers. All here is for people to read; whatever goes wrong with it, a search goes on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from ressearch.search.cluster import begun_on

LINES = 20
"""Of a worker's log, the most that are told of."""
BYTES = 100_000
ANSWER_SECONDS = 20.0
"""A task on another node needs a process there, which takes a busy machine long to start."""
NOISE = re.compile(r":(job_id|actor_name|task_name):|Extension modules: |.*\(unknown\)\s*$|\s*$")
"""Lines that say nothing to people: Ray's own marks, addresses without a name, the packages that are loaded."""
DUMP = re.compile(r".*(\*\*\* SIG\w+ received|Fatal Python error)")
"""Begins what Ray's or Python's handler writes when a signal ends a process."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where an actor runs. node: its id in Ray, hexadecimal."""

    host: str
    pid: int
    node: str

    @property
    def worker(self) -> str:
        """As the store has it."""
        return f"{self.host}/{self.pid}"


class Places:
    """Where actors run; each is asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, Place] = {}

    def of(self, actor: Any) -> Place | None:
        """None if Ray does not say."""
        try:
            id = actor._actor_id.hex()
            if id not in self._known:
                self._known[id] = _place(id)
        except Exception as error:
            _LOG.info("Ray does not say where a worker runs: %s", error)
            return None
        return self._known[id]


def _place(actor: str) -> Place:
    from ray._private.state import actors  # here, so that a Ray without it costs what is told of workers, no search

    told = actors(actor)
    node = told["Address"]["NodeID"]
    nodes = {one["NodeID"]: one for one in ray.nodes()}  # type: ignore[no-untyped-call]
    return Place(nodes[node]["NodeManagerHostname"], told["Pid"], node)


def last_words(place: Place) -> str:
    """The end of a dead worker's log and where that lies, or an empty text if nothing can be said."""
    try:
        if place.node == ray.get_runtime_context().get_node_id():
            file, lines = log_end(place.pid)
        else:
            file, lines = ray.get(begun_on(place.node, log_end, place.pid), timeout=ANSWER_SECONDS)
    except Exception as error:
        _LOG.info("no log of the worker %s was found: %s", place.worker, error)
        return ""
    told = f"its log, {file} on {place.host},"
    return "\n".join([f"{told} ends:", *lines]) if lines else f"{told} is empty"


def log_end(pid: int) -> tuple[str, list[str]]:
    """The file on this node in which a process's stderr is, and its last lines."""
    from ray._private import worker

    node: Any = worker._global_node
    found = Path(node.get_logs_dir_path()).glob(f"worker-*-{pid}.err")
    file = max(found, key=lambda one: one.stat().st_mtime)
    with file.open("rb") as log:
        with suppress(OSError):
            log.seek(-BYTES, 2)
        text = log.read().decode(errors="replace")
    return str(file), ending(text.splitlines())


def ending(lines: Iterable[str]) -> list[str]:
    """The last lines that say something; of a dump, which may be long, the first: what was called last stands there."""
    said = [line for line in lines if not NOISE.match(line)]
    dumps = [at for at, line in enumerate(said) if DUMP.match(line)]
    return said[dumps[0] :][:LINES] if dumps else said[-LINES:]
