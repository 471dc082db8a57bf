"""Hosts on this machine: each in a network of its own, with its own name and its own /tmp, on a bridge to the first.

Needs to be root, and `ip` of iproute2. A program within a host sees no other address than its own and what the bridge
lets through, and no file of others in /tmp.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ray_cluster import Node, RayCluster, wait_for

BRIDGE = "rsbridge"
NET = "10.87.3"
ENTER = 'hostname "$0" && mount -t tmpfs tmpfs /tmp && exec "$@"'


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Host:
    """A network namespace and its end of a cable."""

    number: int

    @property
    def name(self) -> str:
        return f"rshost{self.number}"

    @property
    def address(self) -> str:
        return f"{NET}.{10 + self.number}"

    @property
    def cable(self) -> str:
        return f"rsveth{self.number}"

    def make(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self.cable, "master", BRIDGE, "up")
        ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", link, "up")

    def within(self) -> list[str]:
        """Words before a command that is to run there."""
        return ["ip", "netns", "exec", self.name, "unshare", "--mount", "--uts", "sh", "-c", ENTER, self.name]

    def cut(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        ip("link", "set", self.cable, "nomaster")

    def mend(self) -> None:
        ip("link", "set", self.cable, "master", BRIDGE)


def _clear(hosts: list[Host]) -> None:
    cables, names = (
        [host.cable for host in hosts],
        [host.name for host in hosts],
    )  # a namespace takes its end with it late
    for words in (
        *(("link", "del", cable) for cable in (*cables, BRIDGE)),
        *(("netns", "del", name) for name in names),
    ):
        subprocess.run(["ip", *words], capture_output=True)


@dataclass(frozen=True)
class NetCluster:
    """A Ray cluster whose nodes are hosts; the head, which trains nothing, is this machine."""

    ray: RayCluster
    hosts: list[Host]
    nodes: list[Node]


@contextmanager
def net_cluster(count: int, changes: dict[str, str] | None = None) -> Iterator[NetCluster]:
    assert shutil.which("ip"), "needs iproute2"
    hosts = [Host(number) for number in range(1, count + 1)]
    _clear(hosts)
    with tempfile.TemporaryDirectory(prefix="rc-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder), host=f"{NET}.1")
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("address", "add", f"{NET}.1/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            head = cluster.head(changes or {}, words=(f"--node-ip-address={NET}.1",))
            wait_for(lambda: head.is_up, "no head")
            for host in hosts:
                host.make()
            nodes = [
                cluster.node(1, f"--node-ip-address={host.address}", within=host.within()) for host in hosts
            ]  # all at once: nothing of theirs is shared
            wait_for(lambda: all(node.is_up for node in nodes), "not all hosts came up")
            yield NetCluster(cluster, hosts, nodes)
        finally:
            cluster.end()
            _clear(hosts)
