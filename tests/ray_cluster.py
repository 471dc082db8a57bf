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
from itertools import count
from pathlib import Path

from tests.cluster_diary import DIARY
from tests.conftest import ROOT

RAY = Path(sys.executable).with_name("ray")
PATIENCE_SECONDS = 240.0
"""For what takes seconds on an idle machine."""
QUICK = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
}
"""For the head: a node that does not answer is given up after 10 s, one that is gone after 2 s, not after a minute."""
AWAIT_ALIVE = """
import sys, time
from ray._raylet import GcsClient
from ray.core.generated.gcs_pb2 import GcsNodeInfo
address, count, patience = sys.argv[1:]
client, deadline = GcsClient(address=address), time.monotonic() + float(patience)
while sum(node.state == GcsNodeInfo.ALIVE for node in client.get_all_node_info().values()) != int(count):
    if time.monotonic() > deadline:
        sys.exit("waited in vain")
    time.sleep(0.2)
"""
STARTS = 3
EAGER = {"RAY_worker_niceness": "0"}
"""By default it is 15, with which whatever else a machine does starves its workers."""
NODE = "RESSEARCH_CLUSTER_NODE"
"""In the environment of all processes of a node, its own name."""


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
    name: str

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def is_up(self) -> bool:
        return not self.has_ended and "Ray runtime started" in self.said

    def comes_up(self) -> bool:
        """Wait until it is up, or has ended."""
        wait_for(lambda: self.has_ended or self.is_up, "a node neither came up nor ended")
        return not self.has_ended

    @property
    def is_alive(self) -> bool:
        return not self.has_ended and bool(self._raylets())

    @property
    def raylet(self) -> int:
        found = self._raylets()
        assert found, f"{self.name} has no raylet:\n{self.said}"
        return found[0]

    def _raylets(self) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if name_of(pid) == "raylet"]

    def processes(self) -> list[int]:
        """All of it, whoever is their parent now."""
        return with_environment(f"{NODE}={self.name}")

    def workers(self) -> list[int]:
        """Those that train."""
        return [pid for pid in self.processes() if command_of(pid).startswith("ray::Worker")]

    def kill(self) -> None:
        """The raylet, as if it were killed for want of memory."""
        os.kill(self.raylet, signal.SIGKILL)

    def pause_workers(self) -> None:
        """Until a SIGCONT; the node goes on without them."""
        for pid in self.workers():
            os.kill(pid, signal.SIGSTOP)

    def send(self, number: int) -> None:
        """A signal to the raylet and all that it started: with SIGSTOP, a machine that hangs."""
        for pid in (self.raylet, *descendants(self.raylet)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def with_environment(entry: str) -> list[int]:
    """The processes that have an entry in the environment that they were started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if entry.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def kill_all(processes: Callable[[], list[int]]) -> None:
    """Until there are none left, those too that they start meanwhile."""

    def gone() -> bool:
        left = processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_for(gone, "processes that cannot be killed")


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
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.diary.parent.mkdir()

    @property
    def diary(self) -> Path:
        """What trainings write down, see `cluster_diary`; in a folder of its own, which all nodes see."""
        return self.folder / "diary" / "trainings"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        return own | {
            **EAGER,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            DIARY: str(self.diary),
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
        return self.up(lambda: self.node(cpus, *words))

    def up(self, begin: Callable[[], Node], begun: Node | None = None) -> Node:
        """A node, when it is up. Ray gives a start up after 30 s, which on a busy machine is tried again."""
        for _ in range(STARTS):
            node, begun = begun or begin(), None
            if node.comes_up():
                return node
            self.remove(node)
        raise AssertionError(f"no node after {STARTS} starts; the last said:\n{node.said}")

    def start(self, words: Sequence[str], changes: dict[str, str], within: Sequence[str] = ()) -> Node:
        """within: words before the command, e.g. those that put it into a network of its own."""
        name = f"{self.token[:8]}-{next(self.numbers)}"
        log = self.folder / f"{name}.log"
        command = [*within, str(RAY), "start", "--block", "--object-store-memory=80000000", *words]
        environment = self.environment | changes | {NODE: name}
        with log.open("wb") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
        self.nodes.append(Node(process, log, name))
        return self.nodes[-1]

    def await_alive(self, count: int) -> None:
        """Until the head knows of so many nodes, itself included, that it has not given up."""
        done = subprocess.run(
            [sys.executable, "-c", AWAIT_ALIVE, self.address, str(count), str(PATIENCE_SECONDS)],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"the head has other than {count} nodes: {done.stdout}{done.stderr}"

    def remove(self, node: Node) -> None:
        """A node and all that is left of it."""
        kill_all(node.processes)
        node.process.wait(PATIENCE_SECONDS)
        self.nodes.remove(node)

    def end(self) -> None:
        """All of it, whatever state it is in: what has the cluster's token in its environment."""
        kill_all(lambda: with_environment(f"RAY_AUTH_TOKEN={self.token}"))
        for node in self.nodes:
            node.process.wait(PATIENCE_SECONDS)


@contextmanager
def ray_cluster(nodes: int, changes: dict[str, str] | None = None) -> Iterator[RayCluster]:
    """A head that trains nothing, and so many nodes of one core that do. changes: to the head's environment."""
    with tempfile.TemporaryDirectory(prefix="rc-", ignore_cleanup_errors=True) as folder:  # sockets want a short path
        cluster = RayCluster(Path(folder))
        try:
            cluster.up(lambda: cluster.head(changes or {}))
            for _ in range(nodes):  # one after the other: on one machine they would get into each other's way
                cluster.joined()
            yield cluster
        finally:
            cluster.end()
