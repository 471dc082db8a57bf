"""A search goes on whatever else happens to its cluster: nodes that hang, that all die, that join; a head that dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from ressearch.data import load_search_data
from ressearch.space import SearchSpace
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe
from tests.cluster_desk import WORDS, ClusterDesk, Found, finished, searching, told
from tests.cluster_places import Place
from tests.ray_cluster import QUICK, descendants, name_of, ray_cluster, wait_for
from tests.test_search import SPACE

pytest_plugins = ["tests.cluster_fixtures"]
pytestmark = pytest.mark.cluster
two_raylets = pytest.mark.parametrize("standing_place", ["two raylets"], indirect=True)


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> ClusterDesk:
    return ClusterDesk(tmp_path / "desk", place.cluster)


@two_raylets
def test_both_nodes_die_and_another_joins(place: Place, desk: ClusterDesk, undisturbed: Found) -> None:
    with searching(desk) as process:
        told(process, 4)
        for node in place.nodes:
            node.kill()
        place.cluster.joined()
        finished(process)
    desk.assert_accounted(undisturbed)


@two_raylets
def test_the_last_words_of_a_worker_on_another_node_are_told(place: Place, desk: ClusterDesk) -> None:
    """Three of them are ended by SIGSEGV over one trial; the driver's node asks theirs for the log."""
    (desk.path / "tiny.yaml").write_text(SPACE.replace("epochs: 1", "epochs: 2000"), encoding="utf-8")
    killed: list[str] = []
    with searching(desk, "--trials", "1") as process:
        while process.poll() is None:
            for worker in set(training(desk)) - set(killed):
                os.kill(int(worker.partition("/")[2]), signal.SIGSEGV)
                killed.append(worker)
            time.sleep(0.1)
        finished(process, 5)
    ((worker, error),) = desk.rows("select worker, error from trials")
    assert (len(killed), worker) == (3, killed[-1])
    assert f"-{str(worker).partition('/')[2]}.err on " in str(error)
    assert "*** SIGSEGV received at time=" in str(error)


def training(desk: ClusterDesk) -> list[str]:
    """The workers of trials that run, as the store has them; none before there is a store."""
    with suppress(sqlite3.OperationalError):
        found = desk.rows("select worker from trials where state = 'running' and worker is not null")
        return [str(worker) for (worker,) in found]
    return []


@two_raylets
def test_a_node_hangs_and_comes_back_as_a_zombie(place: Place, desk: ClusterDesk, undisturbed: Found) -> None:
    """It is given up while it is stopped; then what it was about to say is no longer heard."""
    with searching(desk) as process:
        told(process, 4)
        place.nodes[0].send(signal.SIGSTOP)
        place.cluster.await_alive(2)
        place.nodes[0].send(signal.SIGCONT)
        finished(process)
    desk.assert_accounted(undisturbed)


@two_raylets
def test_a_node_that_joins_later_is_used(place: Place, desk: ClusterDesk, undisturbed: Found) -> None:
    """The worker of the first waits until that of the second has done something."""
    place.cluster.remove(place.nodes[1])
    place.cluster.await_alive(2)
    with searching(desk) as process:
        told(process, 2)
        place.nodes[0].pause_workers()
        place.cluster.joined()
        told(process, 6)
        place.nodes[0].send(signal.SIGCONT)
        finished(process)
    desk.assert_accounted(undisturbed)
    assert len(desk.worked()) == 2


@two_raylets
def test_an_interrupted_search_leaves_the_cluster_to_others(
    place: Place, desk: ClusterDesk, undisturbed: Found
) -> None:
    with searching(desk) as process:
        told(process, 4)
        process.send_signal(signal.SIGTERM)
        err = finished(process, 143)
    assert f" --address {place.cluster.address}" in err
    assert all(node.is_alive for node in place.nodes)
    status, _, err = desk.run(*WORDS, "--address", "auto")
    assert status == 0, err
    desk.assert_accounted(undisturbed, resumed=True)


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
            process.communicate()
            assert process.returncode not in (0, -signal.SIGKILL), "it did not end by itself"
        kept = set(desk.found())
    with ray_cluster(1, QUICK) as cluster:
        again = ClusterDesk(tmp_path / "desk", cluster)
        status, _, err = again.run(*WORDS)
        assert status == 0, err
    again.assert_accounted(undisturbed, resumed=True)
    assert len(kept) >= 4
    assert kept <= set(again.found())


LONG_EPOCHS = 100


@two_raylets
@pytest.mark.usefixtures("one_thread")
def test_a_trial_goes_on_from_its_checkpoint_on_another_node(place: Place, desk: ClusterDesk, tmp_path: Path) -> None:
    """Its node dies, then the search itself; the epochs that its checkpoints tell of never go back."""
    text = SPACE.replace("epochs: 1", f"epochs: {LONG_EPOCHS}")
    (desk.path / "tiny.yaml").write_text(text, encoding="utf-8")
    words = ("search", "tiny.yaml", "--trials", "1", "--storage", str(tmp_path / "shared"))
    seen: list[int] = []
    process = desk.start(*words)
    try:
        wait_for(lambda: look(tmp_path / "shared", seen) >= 5, "no checkpoint")
        next(node for node in place.nodes if node.workers()).kill()
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
