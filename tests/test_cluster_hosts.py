"""A cluster of hosts with addresses, names and files of their own, and what a cut in its network does to a search."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cluster_desk import FOUND, WORDS, ClusterDesk, Found, finished, searching, told
from tests.netns import NetCluster, net_cluster
from tests.ray_cluster import QUICK
from tests.test_search import Desk

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs to be root, and iproute2"),
]

CUT_SECONDS = 30


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    desk = Desk(tmp_path_factory.mktemp("undisturbed"))
    status, _, err = desk.run(*WORDS, "--workers", "2")
    assert status == 0, err
    return desk.rows(FOUND)


def hosts_of(desk: ClusterDesk) -> set[str]:
    return {worker.partition("/")[0] for worker in desk.worked()}


def cut_for_a_while(desk: ClusterDesk, cluster: NetCluster) -> str:
    with searching(desk) as process:
        told(process, 4)
        cluster.hosts[0].cut()
        time.sleep(CUT_SECONDS)
        cluster.hosts[0].mend()
        return finished(process)


def test_a_cut_of_half_a_minute_costs_nothing_but_time(tmp_path: Path, undisturbed: Found) -> None:
    """With Ray's usual health checks, which give a node up after a minute. The hosts see no file of the search."""
    with net_cluster(2) as cluster:
        desk = ClusterDesk(tmp_path / "desk", cluster.ray)
        cut_for_a_while(desk, cluster)
        desk.assert_accounted(undisturbed)
        assert hosts_of(desk) == {"rshost1", "rshost2"}


def test_a_host_that_is_given_up_finishes_in_vain(tmp_path: Path, undisturbed: Found) -> None:
    """It is cut off for longer than the health checks wait; what it measured meanwhile nobody hears."""
    with net_cluster(2, QUICK) as cluster:
        desk = ClusterDesk(tmp_path / "desk", cluster.ray)
        cut_for_a_while(desk, cluster)
        desk.assert_accounted(undisturbed)


def test_images_at_a_path_that_only_the_search_knows(tmp_path: Path) -> None:
    """They go through the object store; the hosts have a /tmp of their own."""
    draw = np.random.default_rng(0)
    parts = (("train", 500), ("test", 50))
    images = {f"x_{part}": draw.integers(0, 256, (count, 8, 8), np.uint8) for part, count in parts}
    labels = {f"y_{part}": (np.arange(count) % 10).astype(np.uint8) for part, count in parts}
    with net_cluster(2) as cluster:
        desk = ClusterDesk(tmp_path / "desk", cluster.ray)
        np.savez(desk.path / "mine.npz", **images, **labels)
        status, _, err = desk.run(*WORDS, "--data", "mine.npz")
        assert status == 0, err
        (tmp_path / "here").mkdir()
        here = Desk(tmp_path / "here")
        np.savez(here.path / "mine.npz", **images, **labels)
        assert here.run(*WORDS, "--data", "mine.npz", "--workers", "1")[0] == 0
        desk.assert_accounted(here.rows(FOUND))
        assert hosts_of(desk) == {"rshost1", "rshost2"}
