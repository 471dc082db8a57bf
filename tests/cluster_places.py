"""Places for searches to run while something is done to them: raylets of one machine, and hosts of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.netns import Host, net_cluster
from tests.ray_cluster import QUICK, Node, RayCluster, ray_cluster, wait_for


@dataclass
class Place:
    """A cluster, its nodes, how another is begun in the place of each, and the hosts where each has its own network."""

    cluster: RayCluster
    joined: list[Callable[[], Node]]
    nodes: list[Node]
    hosts: list[Host] = field(default_factory=list)

    def restore(self) -> None:
        """As many living nodes as there are to be, and no other, as far as the head knows too; none is at work."""
        unwanted = [node for node in self.cluster.nodes[1:] if node not in self.nodes or not node.is_alive]
        for node in unwanted:
            self.cluster.remove(node)
        for seat, (node, joined) in enumerate(zip(self.nodes, self.joined, strict=True)):
            if node not in self.cluster.nodes:
                self.nodes[seat] = joined()
        if unwanted:
            self.cluster.await_alive(1 + len(self.nodes))
        self.await_idle()

    def await_idle(self) -> None:
        wait_for(lambda: not any(node.workers() for node in self.nodes), "workers outlive their search")

    def node_of(self, worker: int) -> Node:
        return next(node for node in self.nodes if worker in node.workers())


@contextmanager
def _raylets(count: int) -> Iterator[Place]:
    with ray_cluster(count, QUICK) as cluster:
        yield Place(cluster, [cluster.joined] * count, cluster.nodes[1:])


@contextmanager
def _hosts(count: int) -> Iterator[Place]:
    """With Ray's usual health checks, which give a node up after a minute."""
    with net_cluster(count) as made:
        joined = [partial(host.joined, made.ray) for host in made.hosts]
        yield Place(made.ray, joined, made.nodes, made.hosts)


PLACES: dict[str, Callable[[], AbstractContextManager[Place]]] = {
    "two raylets": lambda: _raylets(2),
    "four raylets": lambda: _raylets(4),
    "two hosts": lambda: _hosts(2),
}
