"""A search goes on whatever dies of its cluster: workers, nodes, its own driver; and uses what joins later."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ressearch.data import load_search_data
from ressearch.space import SearchSpace
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe
from tests.cluster_desk import TRIALS, WORDS, ClusterDesk, Found, finished, searching, told
from tests.ray_cluster import QUICK, Node, RayCluster, descendants, name_of, ray_cluster, wait_for
from tests.test_search import SPACE, Desk

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What a search on one machine finds, see `test_cluster`."""
    from tests.cluster_desk import FOUND

    desk = Desk(tmp_path_factory.mktemp("undisturbed"))
    status, _, err = desk.run(*WORDS, "--workers", "2")
    assert status == 0, err
    return desk.rows(FOUND)


@pytest.fixture(scope="module")
def running() -> Iterator[RayCluster]:
    with ray_cluster(0, QUICK) as cluster:
        yield cluster


@pytest.fixture
def nodes(running: RayCluster) -> Iterator[list[Node]]:
    """Two nodes of one core each; whatever a test has made of them, they are gone after it."""
    nodes = [running.joined(), running.joined()]
    yield nodes
    for node in running.nodes[1:]:
        running.remove(node)


@pytest.fixture
def desk(running: RayCluster, tmp_path: Path) -> ClusterDesk:
    return ClusterDesk(tmp_path / "desk", running)


def test_a_worker_is_killed(desk: ClusterDesk, nodes: list[Node], undisturbed: Found) -> None:
    with searching(desk) as process:
        told(process, 4)
        for pid in nodes[0].workers():
            os.kill(pid, signal.SIGKILL)
        finished(process)
    desk.assert_accounted(undisturbed)
    assert len(desk.worked()) >= 3


def test_a_node_dies(desk: ClusterDesk, nodes: list[Node], undisturbed: Found) -> None:
    with searching(desk) as process:
        told(process, 4)
        nodes[0].kill()
        finished(process)
    desk.assert_accounted(undisturbed)


def test_both_nodes_die_and_another_joins(
    running: RayCluster, desk: ClusterDesk, nodes: list[Node], undisturbed: Found
) -> None:
    with searching(desk) as process:
        told(process, 4)
        for node in nodes:
            node.kill()
        running.joined()
        finished(process)
    desk.assert_accounted(undisturbed)


def test_a_node_hangs_and_comes_back_as_a_zombie(desk: ClusterDesk, nodes: list[Node], undisturbed: Found) -> None:
    """It is given up while it is stopped; then what it was about to say is no longer heard."""
    with searching(desk) as process:
        told(process, 4)
        nodes[0].send(signal.SIGSTOP)
        stopped = time.monotonic()
        told(process, 12)
        time.sleep(max(0.0, 8 - (time.monotonic() - stopped)))
        nodes[0].send(signal.SIGCONT)
        finished(process)
    desk.assert_accounted(undisturbed)


@pytest.mark.parametrize("done", [1, 6, 12])
def test_the_driver_is_killed_and_the_same_command_goes_on(
    desk: ClusterDesk, nodes: list[Node], undisturbed: Found, done: int
) -> None:
    with searching(desk) as process:
        told(process, done)
        before = [pid for node in nodes for pid in node.workers()]
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = set(desk.found())
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before), "workers outlive their driver")
    status, _, err = desk.run(*WORDS)
    assert status == 0, err
    desk.assert_accounted(undisturbed, resumed=True)
    assert len(kept) >= done
    assert kept <= set(desk.found())


def test_a_node_that_joins_later_is_used(running: RayCluster, desk: ClusterDesk, undisturbed: Found) -> None:
    running.joined()
    try:
        with searching(desk) as process:
            told(process, 2)
            running.joined()
            finished(process)
        desk.assert_accounted(undisturbed)
        assert len(desk.worked()) == 2
    finally:
        for node in running.nodes[1:]:
            running.remove(node)


def test_an_interrupted_search_leaves_the_cluster_to_others(
    desk: ClusterDesk, nodes: list[Node], undisturbed: Found
) -> None:
    with searching(desk) as process:
        told(process, 4)
        process.send_signal(signal.SIGTERM)
        err = finished(process, 143)
    assert f" --address {desk.cluster.address}" in err
    assert all(node.is_up for node in nodes)
    status, _, err = desk.run(*WORDS)
    assert status == 0, err
    desk.assert_accounted(undisturbed, resumed=True)
    assert len(undisturbed) == TRIALS


def test_the_head_dies_and_the_same_command_goes_on_with_another(tmp_path: Path, undisturbed: Found) -> None:
    """Ray ends all that was connected to a head that stays away, for which it is given five seconds here."""
    brief = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
    with ray_cluster(1, QUICK | brief) as cluster:
        desk = ClusterDesk(tmp_path / "desk", cluster)
        desk.environment |= brief
        with searching(desk) as process:
            told(process, 4)
            (server,) = (pid for pid in descendants(cluster.nodes[0].process.pid) if name_of(pid) == "gcs_server")
            os.kill(server, signal.SIGKILL)
            process.communicate(timeout=90)
            assert process.returncode != 0
        kept = set(desk.found())
    with ray_cluster(1, QUICK) as cluster:
        again = ClusterDesk(tmp_path / "desk", cluster)
        status, _, err = again.run(*WORDS)
        assert status == 0, err
    again.assert_accounted(undisturbed, resumed=True)
    assert len(kept) >= 4
    assert kept <= set(again.found())


LONG_EPOCHS = 60


@pytest.mark.usefixtures("one_thread")
def test_a_trial_goes_on_from_its_checkpoint_on_another_node(
    running: RayCluster, desk: ClusterDesk, nodes: list[Node], tmp_path: Path
) -> None:
    """Its node dies, then the search itself; the epochs that its checkpoints tell of never go back."""
    text = SPACE.replace("epochs: 1", f"epochs: {LONG_EPOCHS}")
    (desk.path / "tiny.yaml").write_text(text, encoding="utf-8")
    words = ("search", "tiny.yaml", "--trials", "1", "--storage", str(tmp_path / "shared"))
    seen: list[int] = []
    process = desk.start(*words)
    try:
        wait_for(lambda: look(tmp_path / "shared", seen) >= 5, "no checkpoint")
        next(node for node in nodes if node.workers()).kill()
        killed_at = seen[-1]
        attempts = len(list((tmp_path / "shared").rglob("*.pt")))
        wait_for(lambda: len(list((tmp_path / "shared").rglob("*.pt"))) > attempts, "nobody went on")
        wait_for(lambda: look(tmp_path / "shared", seen) >= killed_at + 5, "nobody went on")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert seen[-1] < LONG_EPOCHS, "killed too late to show anything"
    status, _, err = desk.run(*words)
    assert status == 0, err
    attempted = sorted(seen)
    assert seen == attempted, "an epoch was trained twice"
    network = SearchSpace.parse(text).baselines["plain_resnet"].architecture
    recipe, fidelity = Recipe(batch_size=64, lr=0.1), Fidelity(epochs=LONG_EPOCHS)
    undisturbed = measure(network, load_search_data("digits"), recipe, fidelity, seed=0)
    found = desk.rows("select accuracy, loss, train_loss from measurements")
    assert found == [(undisturbed.accuracy, undisturbed.loss, undisturbed.train_loss)]
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]


def look(folder: Path, seen: list[int]) -> int:
    """The epoch that the latest checkpoint tells of, which is noted."""
    files = sorted(folder.rglob("*.pt"), key=lambda path: path.stat().st_mtime_ns)
    if files:
        epoch = torch.load(files[-1], weights_only=True)["done"][0] // (1097 // 64)
        if not seen or seen[-1] != epoch:
            seen.append(epoch)
    return seen[-1] if seen else 0
