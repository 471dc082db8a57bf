"""Where trials run: a Ray of our own on this machine, or a cluster of others, which is joined and left as it was.

Nothing of a cluster is started or stopped here; what ends with a search is its own job. How many trials a cluster holds
is asked again and again, since nodes join and leave it.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import ray
import torch
from ray._private.services import canonicalize_bootstrap_address_or_die
from ray._raylet import AuthenticationTokenLoader, GcsClient  # type: ignore[attr-defined]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ressearch.errors import ClusterError
from ressearch.search.queue import Say
from ressearch.search.signals import Interrupted, Signals

OBJECT_STORE_BYTES = 100 * 2**20
LOOK_SECONDS = 1.0
CONNECT_SECONDS = 5.0
JOIN_SECONDS = 20.0
"""How long a cluster is waited for that has no node which could hold a trial."""
ANSWER_SECONDS = 10.0
SILENT = logging.CRITICAL + 1
TOKENS = "give the cluster's token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, as its nodes have it"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Site:
    """Where trials run and what each of them holds there.

    address: of a cluster (auto, or host:port), empty for a Ray of our own. workers: the most trials at once; None for
    as many as the cluster holds. cpus, gpus: of one trial.
    """

    workers: int | None
    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.workers is None and not self.address:
            raise ValueError("a Ray of our own needs a number of workers")
        if self.cpus <= 0 or self.gpus < 0 or (self.workers is not None and self.workers < 1):
            raise ValueError(f"no trial can run so: {self}")

    def held_by(self, resources: Mapping[str, float]) -> int:
        """How many trials a node of these resources holds at once."""
        cpus = floor(resources.get("CPU", 0.0) / self.cpus + 1e-9)
        return min(cpus, floor(resources.get("GPU", 0.0) / self.gpus + 1e-9)) if self.gpus else cpus

    def needed(self) -> str:
        """What a trial holds, in words."""
        return f"{self.cpus:g} CPU(s)" + (f" and {self.gpus:g} GPU(s)" if self.gpus else "")


class Slots:
    """How many trials may run at once: on a cluster, what its nodes hold now."""

    def __init__(self, site: Site) -> None:
        self._site, self._looked, self._held = site, -LOOK_SECONDS, 1

    def count(self) -> int:
        """As many, and never none: a cluster that lost its last node is waited for."""
        most = self._site.workers
        if not self._site.address:
            return most or 1
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._held, self._looked = max(1, sum(held for held, _ in holders(self._site))), time.monotonic()
        return self._held if most is None else min(most, self._held)


def holders(site: Site) -> list[tuple[int, dict[str, Any]]]:
    """The nodes that are alive and can hold a trial, and how many each."""
    return [(held, node) for node in _alive() if (held := site.held_by(node["Resources"]))]


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def require_holder(site: Site, say: Say) -> None:
    """Raise ClusterError if no node of the cluster can hold a trial, and none that could joins soon."""
    deadline, told = time.monotonic() + JOIN_SECONDS, False
    while site.address and not holders(site):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"no node of the cluster holds a trial of {site.needed()}: {_nodes()}",
                hint="ask for less with --cpus-per-trial and --gpus-per-trial, or add a node",
            )
        if not told:
            say(f"no node of the cluster holds a trial of {site.needed()} yet; waiting {JOIN_SECONDS:g} s for one")
        told = True
        time.sleep(0.5)


def stores(site: Site) -> list[float]:
    """Bytes of the object stores of the nodes that can hold a trial."""
    return [node["Resources"].get("object_store_memory", 0.0) for _, node in holders(site)]


def on_every_node(site: Site, work: Callable[..., Any], *words: Any) -> None:
    """Have something done on each node that can hold a trial; who does not answer soon is not waited for."""
    begun = [begun_on(node["NodeID"], work, *words) for _, node in holders(site)]
    ray.wait(begun, num_returns=len(begun), timeout=ANSWER_SECONDS)


def begun_on(node: str, work: Callable[..., Any], *words: Any) -> Any:
    """A task of Ray that does something on a node, known by its id, beside the trials that run there."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(work).options(scheduling_strategy=there).remote(*words)


@contextmanager
def started(site: Site, signals: Signals) -> Iterator[None]:
    """A Ray of our own on this machine, gone at the end, or a connection to a cluster."""
    logging.getLogger("ray").setLevel(SILENT)
    began = time.monotonic()
    joining = _cluster_at(site.address) if site.address else _machine(site)
    try:
        ray.init(log_to_driver=False, logging_level=SILENT, **joining)
    except SystemExit:  # from the handler of SIGTERM that ray.init puts in place of ours
        raise Interrupted(signal.SIGTERM) from None
    except (ConnectionError, RuntimeError, ValueError) as error:
        if not site.address:
            raise
        raise ClusterError(f"cannot join the Ray cluster at {site.address}: {_line(error)}") from error
    signals.install()
    done = "joined" if site.address else "started"
    _LOG.info("Ray %s in %.1f s; a trial takes %s", done, time.monotonic() - began, site.needed())
    try:
        signals.check()
        yield
    finally:
        ray.shutdown()
        _LOG.info("Ray left" if site.address else "Ray ended")


def _machine(site: Site) -> dict[str, Any]:
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else ray.init writes a token file to the home directory
    return {
        "address": "local",
        "num_cpus": ceil((site.workers or 1) * site.cpus),
        "num_gpus": torch.cuda.device_count() if site.gpus else 0,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }


def _cluster_at(address: str) -> dict[str, Any]:
    """Where Ray would try for minutes, or end the process, ask first."""
    if "://" in address:
        raise ClusterError(
            f"a search cannot be driven through a Ray client ({address})",
            hint="run it on a node of the cluster with --address auto, by itself or with `ray job submit`",
        )
    try:
        found = canonicalize_bootstrap_address_or_die(address)
        host, _, port = found.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            pass
        _ask(found)
    except (ConnectionError, ValueError, OSError, ray.exceptions.RpcError) as error:
        hint = "start one with `ray start --head`, or leave --address and RAY_ADDRESS out to search on this machine"
        raise ClusterError(f"there is no Ray cluster at {address}: {_line(error)}", hint=hint) from error
    return {"address": found}


def _ask(address: str) -> None:
    loader = AuthenticationTokenLoader.instance()
    if os.environ.get("RAY_AUTH_MODE") == "token" and not loader.has_token(ignore_auth_mode=True):  # Ray would abort
        raise ClusterError(
            f"there is no token for the Ray cluster at {address}",
            hint=f"{TOKENS}; if it has none, anybody can run code on it, and RAY_AUTH_MODE=disabled joins it",
        )
    try:
        GcsClient(address=address)
    except (ray.exceptions.AuthenticationError, RuntimeError) as error:
        raise ClusterError(f"the Ray cluster at {address} does not let us in: {_line(error)}", hint=TOKENS) from error


def _nodes() -> str:
    """What the nodes have, e.g. `2 x 4 CPU(s), 1 GPU(s)`."""
    kinds = Counter(
        f"{resources.get('CPU', 0):g} CPU(s), {resources.get('GPU', 0):g} GPU(s)"
        for resources in (node["Resources"] for node in _alive())
    )
    return "; ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))


def _line(error: BaseException) -> str:
    """The first sentence of what Ray says; the rest is advice on how to do without tokens."""
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0].rstrip(".")
