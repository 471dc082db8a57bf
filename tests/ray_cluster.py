"""A Ray cluster of real processes on this machine, each node with a raylet of its own, and ways to hurt them."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

RAY = Path(sys.executable).with_name("ray")
PATIENCE_SECONDS = 90.0
QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "4",
}
"""For the head: a node that does not answer is given up after seconds, not after a minute."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(what: Callable[[], object], message: str, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.05)


@dataclass
class Node:
    """A `ray start` that stays, and the processes below it."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_up(self) -> bool:
        text = self.log.read_text(encoding="utf-8")
        assert self.process.poll() is None, text
        return "Ray runtime started" in text

    @property
    def raylet(self) -> int:
        return next(pid for pid in descendants(self.process.pid) if name_of(pid) == "raylet")

    def workers(self) -> list[int]:
        """Those that train."""
        return [pid for pid in descendants(self.raylet) if command_of(pid).startswith("ray::Worker")]

    def kill(self) -> None:
        """The raylet, as if it were killed for want of memory."""
        os.kill(self.raylet, signal.SIGKILL)

    def send(self, number: int) -> None:
        """A signal to the raylet and all that it started: with SIGSTOP, a machine that hangs."""
        for pid in (self.raylet, *descendants(self.raylet)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        children = [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in _children(task)]
        return [*children, *(below for child in children for below in descendants(child))]
    return []


def _children(task: Path) -> list[str]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return (task / "children").read_text().split()
    return []


def name_of(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def command_of(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


@dataclass
class RayCluster:
    """A cluster with a token of its own, by which its processes are known, whoever started them."""

    folder: Path
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    host: str = "127.0.0.1"
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        return own | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }

    def head(self, changes: dict[str, str], cpus: int = 0, words: Sequence[str] = ()) -> Node:
        words = (
            *words,
            "--head",
            f"--port={self.port}",
            f"--temp-dir={self.folder / 'ray'}",
            "--include-dashboard=false",
        )
        return self.start((*words, f"--num-cpus={cpus}"), changes)

    def node(self, cpus: int = 1, *words: str, within: Sequence[str] = ()) -> Node:
        return self.start((f"--address={self.address}", f"--num-cpus={cpus}", *words), {}, within)

    def joined(self, cpus: int = 1, *words: str) -> Node:
        """A node, when it is up."""
        node = self.node(cpus, *words)
        wait_for(lambda: node.is_up, "a node did not come up")
        return node

    def start(self, words: Sequence[str], changes: dict[str, str], within: Sequence[str] = ()) -> Node:
        """within: words before the command, e.g. those that put it into a network of its own."""
        log = self.folder / f"node{len(self.nodes)}.log"
        command = [*within, str(RAY), "start", "--block", "--object-store-memory=80000000", *words]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, env=self.environment | changes, stdout=file, stderr=file, start_new_session=True
            )
        self.nodes.append(Node(process, log))
        return self.nodes[-1]

    def remove(self, node: Node) -> None:
        """A node and all that is left of it."""
        for pid in (*descendants(node.process.pid), node.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.process.wait(10)
        self.nodes.remove(node)

    def processes(self) -> list[int]:
        """All that have the cluster's token in their environment."""
        mark = f"RAY_AUTH_TOKEN={self.token}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def end(self) -> None:
        """All of it, whatever state it is in."""
        for _ in range(100):
            if not (left := self.processes()):
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for node in self.nodes:
                node.process.poll()
            time.sleep(0.05)
        for node in self.nodes:
            node.process.wait(10)
        assert not self.processes()


@contextmanager
def ray_cluster(nodes: int, changes: dict[str, str] | None = None) -> Iterator[RayCluster]:
    """A head that trains nothing, and so many nodes of one core that do. changes: to the head's environment."""
    with tempfile.TemporaryDirectory(prefix="rc-", ignore_cleanup_errors=True) as folder:  # sockets want a short path
        cluster = RayCluster(Path(folder))
        try:
            head = cluster.head(changes or {})
            wait_for(lambda: head.is_up, "no head")
            for _ in range(nodes):  # one after the other: on one machine they would get into each other's way
                cluster.joined()
            yield cluster
        finally:
            cluster.end()
