"""What nodes hold, without Ray."""

from __future__ import annotations

from typing import Any

import pytest

from ressearch.search import cluster
from ressearch.search.cluster import Site, Slots


@pytest.mark.parametrize(
    ("cpus", "gpus", "node", "held"),
    [
        (1, 0, {"CPU": 4.0}, 4),
        (1, 0, {}, 0),
        (2, 0, {"CPU": 5.0, "GPU": 8.0}, 2),
        (0.1, 0, {"CPU": 1.0}, 10),
        (1, 0.25, {"CPU": 16.0, "GPU": 2.0}, 8),
        (1, 0.25, {"CPU": 3.0, "GPU": 2.0}, 3),
        (1, 0.25, {"CPU": 16.0}, 0),
        (1, 1 / 3, {"CPU": 16.0, "GPU": 1.0}, 3),
        (1, 2, {"CPU": 16.0, "GPU": 1.0}, 0),
    ],
)
def test_a_node_holds_so_many_trials(cpus: float, gpus: float, node: dict[str, float], held: int) -> None:
    assert Site(None, "auto", cpus, gpus).held_by(node) == held


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"cpus": -1}, {"gpus": -1}, {"workers": 0}, {"address": ""}])
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no trial can run so|needs a number of workers"):
        Site(**{"workers": None, "address": "auto", **wrong})


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Those of a cluster, which a test may change."""
    found = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    monkeypatch.setattr(cluster.ray, "nodes", lambda: found)
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.0)
    return found


def test_slots_follow_the_nodes(nodes: list[dict[str, Any]]) -> None:
    every, some = Slots(Site(None, "auto")), Slots(Site(5, "auto"))
    assert (every.count(), some.count()) == (6, 5)
    nodes.append({"Alive": True, "Resources": {"CPU": 8.0}})
    assert (every.count(), some.count()) == (14, 5)
    nodes[:] = nodes[1:2]
    assert (every.count(), some.count()) == (2, 2)
    nodes.clear()
    assert (every.count(), some.count()) == (1, 1), "the next node is waited for"
    assert Slots(Site(7)).count() == 7
