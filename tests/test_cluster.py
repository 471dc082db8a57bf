"""Searches on Ray clusters of real processes that nothing happens to, and clusters on which none begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster_desk import NOTED, TRIALS, WORDS, ClusterDesk, Found, PatientDesk, finished, searching, told
from tests.cluster_places import Place
from tests.ray_cluster import PATIENCE_SECONDS, free_port, ray_cluster, wait_for
from tests.test_search import Desk

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.cluster
two_raylets = pytest.mark.parametrize("standing_place", ["two raylets"], indirect=True)


@two_raylets
def test_a_cluster_finds_what_one_machine_finds_and_is_left_as_it_was(
    place: Place, undisturbed: Found, tmp_path: Path
) -> None:
    desk = ClusterDesk(tmp_path / "desk", place.cluster)
    assert desk.environment["RAY_ADDRESS"] == place.cluster.address
    status, out, err = desk.run(*WORDS)
    assert (status, out) == (0, ""), err
    assert f"starting 2 workers on the Ray cluster at {place.cluster.address}, more as nodes join it\n" in err
    assert len(undisturbed) == TRIALS
    desk.assert_accounted(undisturbed)
    assert len(desk.worked()) == 2, "one worker on each node"
    place.await_idle()
    assert all(node.is_alive for node in place.cluster.nodes)


def refused(desk: Desk, *words: str) -> str:
    """What a search says that does not begin; nothing is in its store."""
    status, out, err = desk.run(*WORDS, *words)
    assert (status, out) == (4, ""), err
    if (desk.path / "runs" / "ressearch.db").exists():
        assert desk.rows("select count(*) from trials") == [(0,)]
    return err


@two_raylets
def test_no_node_fits(place: Place, tmp_path: Path) -> None:
    desk = ClusterDesk(tmp_path / "desk", place.cluster)
    assert refused(desk, "--gpus-per-trial", "0.5") == (
        "no node of the cluster holds a trial of 1 CPU(s) and 0.5 GPU(s) yet; waiting 20 s for one\n"
        "error[E610]: no node of the cluster holds a trial of 1 CPU(s) and 0.5 GPU(s): "
        "1 x 0 CPU(s), 0 GPU(s); 2 x 1 CPU(s), 0 GPU(s)\n"
        "  = help: ask for less with --cpus-per-trial and --gpus-per-trial, or add a node\n"
    )


@two_raylets
def test_a_wrong_token_and_none_are_refused(place: Place, tmp_path: Path) -> None:
    desk = ClusterDesk(tmp_path / "desk", place.cluster)
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
    desk = PatientDesk(tmp_path)
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


@two_raylets
def test_trials_of_a_node_share_the_images(place: Place) -> None:
    """Four processes on two nodes read 28 MB, and none of them gains them as memory of its own but one that copies."""
    done = subprocess.run(
        [sys.executable, "-c", SHARING, place.cluster.address],
        env=place.cluster.environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
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
        del desk.environment["RAY_ADDRESS"]
        words = ("--gpus-per-trial", "0.5", "--cpus-per-trial", "1.5", "--device", "cpu", "--address", cluster.address)
        with searching(desk, *words, search=NOTED) as process:
            told(process, 3)
            wait_for(able.workers, "nobody trains where there is room")
            elsewhere = [node.workers() for node in cluster.nodes if node is not able]
            finished(process)
        assert elsewhere == [[], []]
        assert cluster.nodes[2] is able
        assert desk.rows("select state, count(*) from trials group by state") == [("complete", TRIALS)]
        assert len(desk.worked()) == 2
