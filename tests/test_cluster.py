"""Searches on Ray clusters of real processes that nothing happens to, and clusters on which none begins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_desk import FOUND, TRIALS, WORDS, ClusterDesk, Found, finished, searching, told
from tests.ray_cluster import QUICK, RayCluster, free_port, ray_cluster
from tests.test_search import Desk

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[RayCluster]:
    with ray_cluster(2, QUICK) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def undisturbed(two_nodes: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What a search finds that nothing happens to."""
    desk = ClusterDesk(tmp_path_factory.mktemp("undisturbed"), two_nodes)
    status, out, err = desk.run(*WORDS)
    assert (status, out) == (0, ""), err
    assert "starting 2 workers on the Ray cluster" in err
    found = desk.found()
    desk.assert_accounted(found)
    assert len(desk.worked()) == 2, "one worker on each node"
    return found


def test_a_cluster_finds_what_one_machine_finds(undisturbed: Found, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    status, _, err = desk.run(*WORDS, "--workers", "2")
    assert status == 0, err
    assert desk.rows(FOUND) == undisturbed


def test_a_cluster_is_left_as_it_was(two_nodes: RayCluster, undisturbed: Found) -> None:
    assert len(undisturbed) == TRIALS
    assert [node.workers() for node in two_nodes.nodes] == [[], [], []]
    assert all(node.is_up for node in two_nodes.nodes)


def refused(desk: Desk, *words: str) -> str:
    """What a search says that does not begin; nothing is in its store."""
    status, out, err = desk.run(*WORDS, *words)
    assert (status, out) == (4, ""), err
    if (desk.path / "runs" / "ressearch.db").exists():
        assert desk.rows("select count(*) from trials") == [(0,)]
    return err


def test_no_node_fits(two_nodes: RayCluster, tmp_path: Path) -> None:
    desk = ClusterDesk(tmp_path / "desk", two_nodes)
    assert refused(desk, "--gpus-per-trial", "0.5") == (
        "no node of the cluster holds a trial of 1 CPU(s) and 0.5 GPU(s) yet; waiting 20 s for one\n"
        "error[E610]: no node of the cluster holds a trial of 1 CPU(s) and 0.5 GPU(s): "
        "1 x 0 CPU(s), 0 GPU(s); 2 x 1 CPU(s), 0 GPU(s)\n"
        "  = help: ask for less with --cpus-per-trial and --gpus-per-trial, or add a node\n"
    )


def test_a_wrong_token_and_none_are_refused(two_nodes: RayCluster, tmp_path: Path) -> None:
    desk = ClusterDesk(tmp_path / "desk", two_nodes)
    desk.environment["RAY_AUTH_TOKEN"] = "0" * 64
    wrong = refused(desk)
    assert "does not let us in: RPC error: InvalidAuthToken: Authentication token is missing or incorrect\n" in wrong
    assert wrong.endswith(
        "  = help: give the cluster's token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, as its nodes have it\n"
    )
    del desk.environment["RAY_AUTH_TOKEN"]
    assert "error[E610]: there is no token for the Ray cluster at " in refused(desk)


def test_where_there_is_no_cluster(tmp_path: Path) -> None:
    port = free_port()
    desk = Desk(tmp_path)
    assert refused(desk, "--address", f"127.0.0.1:{port}").startswith(
        f"error[E610]: there is no Ray cluster at 127.0.0.1:{port}: "
    )
    assert refused(desk, "--address", f"ray://127.0.0.1:{port}") == (
        f"error[E610]: a search cannot be driven through a Ray client (ray://127.0.0.1:{port})\n"
        "  = help: run it on a node of the cluster with --address auto, by itself or with `ray job submit`\n"
    )


SHARING = """
import re, sys
from pathlib import Path
import numpy as np, ray, torch
from ressearch.data import Part, SearchData
from ressearch.search.shelf import packed, size, unpacked

def private():
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(kib) * 1024 for kib in re.findall(r"Private_\\w+: +(\\d+) kB", text))

@ray.remote(num_cpus=0.5)
class Reader:
    def read(self, shared, copied):
        begun = private()
        data = unpacked(ray.get(shared[0]))
        self.images = data.train.images.clone() if copied else data.train.images
        return self.images.sum().item(), private() - begun, ray.get_runtime_context().get_node_id()

ray.init(address=sys.argv[1], log_to_driver=False, logging_level=50)
images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (12_000, 1, 48, 48), np.uint8))
part = Part(images, torch.zeros(len(images), dtype=torch.int64))
data = SearchData("big", part, part.first(0.01, 1), 10)
shared = [ray.put(packed(data))]
readers = [Reader.remote() for _ in range(4)]
ray.get([reader.read.remote([ray.put(packed(SearchData("s", part.first(0.01, 1), part.first(0.01, 1), 10)))], True)
         for reader in readers])
found = ray.get([reader.read.remote(shared, number == 3) for number, reader in enumerate(readers)])
assert {total for total, *_ in found} == {images.sum().item()}
print(size(data), len({node for *_, node in found}), *(grown for _, grown, _ in found))
"""


def test_trials_of_a_node_share_the_images(two_nodes: RayCluster) -> None:
    """Four processes on two nodes read 28 MB, and none of them gains them as memory of its own but one that copies."""
    done = subprocess.run(
        [sys.executable, "-c", SHARING, two_nodes.address],
        env=two_nodes.environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    total, nodes, *grown = map(int, done.stdout.split())
    assert nodes == 2
    assert max(grown[:3]) < 0.2 * total
    assert grown[3] > 0.9 * total


def test_trials_go_where_there_is_room_for_them(tmp_path: Path) -> None:
    """One node of several has GPUs (so it is told): half a one for each trial makes two at once, all of them there."""
    with ray_cluster(1) as cluster:
        able = cluster.joined(4, "--num-gpus=1")
        desk = ClusterDesk(tmp_path / "desk", cluster)
        with searching(desk, "--gpus-per-trial", "0.5", "--cpus-per-trial", "1.5", "--device", "cpu") as process:
            told(process, 3)
            counted = [len(node.workers()) for node in cluster.nodes]
            finished(process)
        assert counted[:2] == [0, 0]
        assert counted[2] >= 1, "another may be starting"
        assert cluster.nodes[2] is able
        assert desk.rows("select state, count(*) from trials group by state") == [("complete", TRIALS)]
        assert len(desk.worked()) == 2
