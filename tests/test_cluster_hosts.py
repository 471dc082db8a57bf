"""A cluster of hosts with addresses, names and files of their own, and what a cut in its network does to a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cluster_desk import FOUND, WORDS, ClusterDesk, Found, PatientDesk, finished, searching, told
from tests.cluster_places import Place
from tests.netns import net_cluster
from tests.ray_cluster import QUICK

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.cluster


def hosts_of(desk: ClusterDesk) -> set[str]:
    return {worker.partition("/")[0] for worker in desk.worked()}


def test_a_host_that_is_given_up_finishes_in_vain(tmp_path: Path, undisturbed: Found) -> None:
    """It is cut off for longer than the health checks wait; what it measured meanwhile nobody hears."""
    with net_cluster(2, QUICK) as cluster:
        desk = ClusterDesk(tmp_path / "desk", cluster.ray)
        with searching(desk) as process:
            told(process, 4)
            cluster.hosts[0].cut()
            cluster.ray.await_alive(2)
            cluster.hosts[0].mend()
            finished(process)
        desk.assert_accounted(undisturbed)


@pytest.mark.parametrize("standing_place", ["two hosts"], indirect=True)
def test_images_at_a_path_that_only_the_search_knows(place: Place, tmp_path: Path) -> None:
    """They go through the object store; the hosts have a /tmp of their own."""
    draw = np.random.default_rng(0)
    parts = (("train", 500), ("test", 50))
    images = {f"x_{part}": draw.integers(0, 256, (count, 8, 8), np.uint8) for part, count in parts}
    labels = {f"y_{part}": (np.arange(count) % 10).astype(np.uint8) for part, count in parts}
    desk = ClusterDesk(tmp_path / "desk", place.cluster)
    np.savez(desk.path / "mine.npz", **images, **labels)
    status, _, err = desk.run(*WORDS, "--data", "mine.npz")
    assert status == 0, err
    (tmp_path / "here").mkdir()
    here = PatientDesk(tmp_path / "here")
    np.savez(here.path / "mine.npz", **images, **labels)
    assert here.run(*WORDS, "--data", "mine.npz", "--workers", "1")[0] == 0
    desk.assert_accounted(here.rows(FOUND))
    assert hosts_of(desk) == {"rshost1", "rshost2"}
