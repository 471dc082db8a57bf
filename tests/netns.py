"""Hosts on this machine: each in a network of its own, with its own name and its own /tmp, on a bridge to the first.

Needs to be root, and `ip` of iproute2. A program within a host sees no other address than its own and what the bridge
lets through, and no file of others in /tmp but those that it runs and the folders that it is to see. Names hold the
number of this process, so that several can be at it, and what one left that was killed is removed by the next.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from string import ascii_lowercase

import pytest

from tests.conftest import ROOT
from tests.ray_cluster import Node, RayCluster

PROGRAMS = (ROOT, Path(sys.prefix), Path(sys.base_prefix))


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {shlex.join(words)}: {done.stderr}"
    return done.stdout


def tried(*words: str) -> None:
    """Of what may be gone already: a namespace takes its end of a cable with it, sooner or later."""
    subprocess.run(["ip", *words], capture_output=True, check=False)


def require_networks() -> None:
    """Skip where none can be made: by who is not root, without iproute2, and by nobody in most containers."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs to be root, and iproute2")
    name, ends = f"rstry{os.getpid()}", (f"rsa{os.getpid()}", f"rsb{os.getpid()}")
    try:
        ip("netns", "add", name)
        ip("netns", "exec", name, "true")
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        ip("link", "set", ends[1], "netns", name)
    except AssertionError as refused:
        pytest.skip(f"no network can be made here: {refused}")
    finally:
        tried("link", "delete", ends[0])
        tried("netns", "delete", name)


@dataclass(frozen=True)
class Net:
    """A bridge, to which the first address of 256 belongs."""

    prefix: str
    tag: str

    @property
    def bridge(self) -> str:
        return f"rsb{self.tag}"

    @property
    def address(self) -> str:
        return f"{self.prefix}.1"

    def make(self) -> None:
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.address}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")


_letters = cycle(ascii_lowercase)


def free_net() -> Net:
    """Tagged with the number of this process and a letter; what is named so by the kernel has room for few more."""
    taken = ip("-o", "-4", "address") + ip("route")
    free = [prefix for number in range(256) if f" {(prefix := f'10.87.{number}')}." not in f" {taken}"]
    return Net(random.choice(free), f"{os.getpid()}{next(_letters)}")


@dataclass(frozen=True)
class Host:
    """A network namespace and its end of a cable.

    folder: an empty one, over which each host makes its /tmp. seen: folders of /tmp that all have in common.
    """

    number: int
    net: Net
    folder: Path
    seen: Sequence[Path] = ()

    @property
    def name(self) -> str:
        return f"rshost{self.number}"

    @property
    def space(self) -> str:
        return f"{self.name}-{self.net.tag}"

    @property
    def address(self) -> str:
        return f"{self.net.prefix}.{10 + self.number}"

    @property
    def cable(self) -> str:
        return f"rsv{self.net.tag}-{self.number}"

    def make(self) -> None:
        ip("netns", "add", self.space)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        ip("link", "set", self.cable, "master", self.net.bridge, "up")
        ip("-n", self.space, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", self.space, "link", "set", link, "up")

    def within(self) -> list[str]:
        """Words before a command that is to run there."""
        entering = ["ip", "netns", "exec", self.space, "unshare", "--mount", "--uts", "sh", "-ec"]
        return [*entering, _entering(self.name, self.folder, self.seen), "sh"]

    def begun(self, cluster: RayCluster) -> Node:
        """A node of one core there, which may not be up yet."""
        return cluster.node(1, f"--node-ip-address={self.address}", within=self.within())

    def joined(self, cluster: RayCluster, node: Node | None = None) -> Node:
        """The same when it is up; node: that was begun already."""
        return cluster.up(lambda: self.begun(cluster), node)

    def cut(self) -> None:
        """Nothing comes or goes any more, and nobody is told."""
        ip("link", "set", self.cable, "nomaster")

    def mend(self) -> None:
        ip("link", "set", self.cable, "master", self.net.bridge)


def _entering(name: str, folder: Path, seen: Sequence[Path]) -> str:
    """A script that gives a host its name, and a /tmp of its own into which what it is to see is put."""
    shown = [path for path in sorted({*PROGRAMS, *seen}) if path.is_relative_to("/tmp")]
    lines = [f"hostname {name}", f"mount -t tmpfs tmpfs {folder}"]
    for path in shown:
        place = shlex.quote(str(folder / path.relative_to("/tmp")))
        lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(path))} {place}"]
    return "\n".join([*lines, f"mount --rbind {folder} /tmp", 'exec "$@"'])


MADE = {
    "link": re.compile(r"^\d+: (rs[bv](\d+)[a-z](?:-\d+)?)[@:]", re.MULTILINE),
    "netns": re.compile(r"^(rshost\d+-(\d+)[a-z])\b", re.MULTILINE),
}
"""Names of what is made here, and the process in them, in what `ip` lists of each kind."""


def clear(tag: str = "") -> None:
    """Remove what has this tag, and what is of processes that are no more."""
    for kind, pattern in MADE.items():
        for name, owner in pattern.findall(ip("-o", kind, "show")):
            if not Path(f"/proc/{owner}").exists() or (tag and tag in name):
                tried(kind, "del", name)


@dataclass(frozen=True)
class NetCluster:
    """A Ray cluster whose nodes are hosts; the head, which trains nothing, is this machine."""

    ray: RayCluster
    hosts: list[Host]
    nodes: list[Node]


@contextmanager
def net_cluster(count: int, changes: dict[str, str] | None = None) -> Iterator[NetCluster]:
    require_networks()
    clear()
    net = free_net()
    with tempfile.TemporaryDirectory(prefix="rc-", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder), host=net.address)
        (own := Path(folder) / "host").mkdir()
        hosts = [Host(number, net, own, [cluster.diary.parent]) for number in range(1, count + 1)]
        try:
            net.make()
            cluster.up(lambda: cluster.head(changes or {}, words=(f"--node-ip-address={net.address}",)))
            for host in hosts:
                host.make()
            begun = [host.begun(cluster) for host in hosts]  # all at once: nothing of theirs is shared
            nodes = [host.joined(cluster, node) for host, node in zip(hosts, begun, strict=True)]
            yield NetCluster(cluster, hosts, nodes)
        finally:
            cluster.end()
            clear(net.tag)
