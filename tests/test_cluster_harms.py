"""What is done to a search of 40 trials on digits, on each kind of cluster, and what is asked of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ressearch.architecture import Architecture
from ressearch.data import load_search_data
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe
from tests.cluster_desk import NOTED, ClusterDesk, Found, finished, searching, told
from tests.cluster_places import Place
from tests.ray_cluster import wait_for

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.cluster

CUT_SECONDS = 30


def killed_worker(place: Place, worker: int, search: subprocess.Popen[str]) -> None:
    os.kill(worker, signal.SIGKILL)


def killed_raylet(place: Place, worker: int, search: subprocess.Popen[str]) -> None:
    place.node_of(worker).kill()


def cut_network(place: Place, worker: int, search: subprocess.Popen[str]) -> None:
    host = place.hosts[place.nodes.index(place.node_of(worker))]
    host.cut()
    time.sleep(CUT_SECONDS)
    host.mend()


def killed_driver(place: Place, worker: int, search: subprocess.Popen[str]) -> None:
    search.send_signal(signal.SIGKILL)
    search.wait()


Harm = Callable[[Place, int, "subprocess.Popen[str]"], None]
HARMS: dict[str, Harm] = {
    "worker, kill -9": killed_worker,
    "raylet, kill -9": killed_raylet,
    "network cut for 30 s": cut_network,
    "driver, kill -9": killed_driver,
}
"""Each is done where a worker is in the midst of a training."""


@dataclass(frozen=True)
class Case:
    """What is done where, once so many trials have ended. The raylets of one machine have no network to be cut."""

    place: str
    harm: str
    done: int

    @property
    def ends_search(self) -> bool:
        return HARMS[self.harm] is killed_driver


CASES = [
    Case("two raylets", "worker, kill -9", 4),
    Case("two raylets", "raylet, kill -9", 12),
    Case("two raylets", "driver, kill -9", 1),
    Case("four raylets", "worker, kill -9", 20),
    Case("four raylets", "raylet, kill -9", 4),
    Case("four raylets", "driver, kill -9", 30),
    Case("two hosts", "worker, kill -9", 12),
    Case("two hosts", "raylet, kill -9", 4),
    Case("two hosts", "network cut for 30 s", 4),
    Case("two hosts", "driver, kill -9", 12),
]


def parameters(case: Case) -> object:
    return pytest.param(case.place, case, id=f"{case.place}: {case.harm}, after {case.done}")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("standing_place", "case"), [*map(parameters, CASES)], indirect=["standing_place"], scope="session"
)
def test_every_trial_is_accounted_for(place: Place, case: Case, tmp_path: Path, undisturbed: Found) -> None:
    """A driver that goes on draws other networks than one that nobody killed: those are trained here to compare."""
    desk = ClusterDesk(tmp_path / "desk", place.cluster)
    with searching(desk, search=NOTED) as search:
        told(search, case.done)
        worker = someone_at_work(desk)
        acknowledged = desk.networks()
        HARMS[case.harm](place, worker, search)
        if not case.ends_search:
            finished(search)
    if case.ends_search:
        place.await_idle()
        assert acknowledged <= desk.networks(), "lost"
        with searching(desk, search=NOTED) as search:
            finished(search)
    assert len(acknowledged) >= case.done
    assert acknowledged <= desk.networks(), "lost"
    expected = with_trained_here(desk, undisturbed) if case.ends_search else undisturbed
    desk.assert_accounted(expected)
    assert front(desk, desk.found()) == front(desk, expected)
    if place.hosts:
        assert sum(ended_by_host(desk).values()) == len(expected)
    at_once = len(place.nodes) if case.ends_search else 1
    desk.diary.assert_trained_once(desk.networks(), acknowledged, most=at_once)


def ended_by_host(desk: ClusterDesk) -> dict[str, int]:
    """How many trials each host has ended, as anybody is told who asks."""
    status, out, err = desk.run("status", "-f", "json")
    assert status == 0, err
    ended = {node["node"]: node["ended"] for node in json.loads(out)["nodes"]}
    assert ended.keys() <= {"rshost1", "rshost2"}
    return ended


def someone_at_work(desk: ClusterDesk) -> int:
    """A worker in the midst of a training."""
    found: set[int] = set()
    wait_for(lambda: found.update(desk.diary.under_way()) or found, "nobody trains")
    return found.pop()


TRAINED: dict[str, tuple[object, ...]] = {}
"""What was trained in this process, as a row of `FOUND`."""


def with_trained_here(desk: ClusterDesk, known: Found) -> Found:
    """What is to be found of the networks of a desk: what is known, or else what comes of it here."""
    rows = {row[0]: row for row in known} | TRAINED
    for name, graph in desk.rows("select id, graph from architectures order by id"):
        if name not in rows:
            recipe, fidelity = Recipe(batch_size=64, lr=0.1), Fidelity(epochs=1)
            found = measure(Architecture.from_json(str(graph)), load_search_data("digits"), recipe, fidelity, seed=0)
            rows[name] = TRAINED[str(name)] = (name, found.accuracy, found.loss, 1)
    return [rows[name] for name in sorted(desk.networks())]


def front(desk: ClusterDesk, found: Found) -> set[object]:
    """The networks that no other surpasses, each compared with each."""
    macs = dict(desk.rows("select id, macs from architectures"))
    points = {name: (float(str(accuracy)), -int(str(macs[name]))) for name, accuracy, *_ in found}
    return {
        name
        for name, (accuracy, thrift) in points.items()
        if not any(a >= accuracy and t >= thrift and (a, t) != (accuracy, thrift) for a, t in points.values())
    }
