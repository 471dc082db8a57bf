"""`retrain` and `latency` as a user calls them, on a store with a real trial of digits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
import torch

from ressearch.data import load_final_data, load_search_data
from ressearch.network import Network
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.store.artifacts import artifact_of
from ressearch.trial import Fidelity, Latency, Measurement, Recipe, Retraining
from tests.conftest import DEMO
from tests.test_cli import run
from tests.test_study import drive

SPACE = """
version: 1
name: tiny
input: {shape: [1, 8, 8], classes: 10}
train: {epochs: 1, batch_size: 64, crop: 1}
parameters: {lr: {values: [0.05, 0.2]}}
stages: [{width: 8, block: {op: conv3x3}}]
baselines: {one: {parameters.lr: 0.05}}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies in one store: one whose trials have recipes of their own, and one of an evaluator's."""
    path = tmp_path_factory.mktemp("desk")
    store = Store.create(path / "runs" / "ressearch.db")
    digits, tiny, demo = load_search_data("digits"), SearchSpace.parse(SPACE), SearchSpace.load(DEMO)
    drive(StudyBooks(tiny, digits, store, describe_study(tiny, digits, name="tiny", source="digits", seed=0), 1))
    own = describe_study(demo, None, name="own", source="", seed=0, evaluator="mine:train@0123456789abcdef")
    drive(StudyBooks(demo, None, store, own, 1))
    store.close()
    return path


def id_of(desk: Path, study: str) -> str:
    store = Store.open(desk / "runs" / "ressearch.db")
    [trial, *_] = store.trials(store.study(study)[0])
    store.close()
    return trial.architecture_id


def test_it_is_trained_as_the_study_did_and_stored(desk: Path) -> None:
    id = id_of(desk, "tiny")
    status, out, err = run("retrain", id[:6], "--epochs", "2", "--seeds", "2", "-f", "json", cwd=desk)
    assert status == 0, err
    page = json.loads(out)
    store = Store.open(desk / "runs" / "ressearch.db")
    stored = store.retrainings(id)
    store.close()
    accuracies = [one.measurement.accuracy for one in stored]
    assert [one.seed for one in stored] == [0, 1]
    assert {one.recipe for one in stored} == {Recipe(batch_size=64, crop=1, lr=0.05)}, "lr was decided for the trial"
    assert {one.data_checksum for one in stored} == {load_final_data("digits").checksum}
    assert page["test_accuracy"] == {
        "seeds": 2,
        "mean": pytest.approx(mean(accuracies)),
        "deviation": pytest.approx(stdev(accuracies)),
        "least": min(accuracies),
        "most": max(accuracies),
    }
    lines = [f"seed {one.seed}: {100 * one.measurement.accuracy:.2f} % of 300 test images" for one in stored]
    assert [line.rpartition(",")[0] for line in err.splitlines()] == lines

    status, out, err = run("retrain", id, "--epochs", "2", "--seeds", "3", cwd=desk)
    assert status == 0
    assert [line.rpartition(", ")[2] for line in err.splitlines()][:2] == ["known from the store"] * 2
    assert out.startswith("test accuracy: mean ")
    assert "over 3 seed(s), standard deviation " in out
    assert not (desk / "runs" / "ressearch.db.checkpoints" / "retrain").exists()


def test_weights_are_kept_of_trainings_that_are_known_too(desk: Path) -> None:
    """Those are trained once more: that their weights were wanted was not known then."""
    id = id_of(desk, "tiny")
    words = ("retrain", id, "--epochs", "1", "--seeds", "1", "--set", "momentum=0.8")
    assert run(*words, cwd=desk)[0] == 0
    status, out, err = run(*words, "--keep", cwd=desk)
    assert status == 0, err
    [file] = (desk / "runs" / "ressearch.db.artifacts").iterdir()
    assert err.splitlines()[1] == f"seed 0: weights in {file}"
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        [(one, artifact)] = store.artifacts(id)
        assert (one.recipe.momentum, artifact) == (0.8, artifact_of(file))
        assert [finding for finding in store.findings() if "weights" in str(finding)] == []
        architecture = store.architecture(id)[0]
    Network(architecture).load_state_dict(torch.load(file, weights_only=True))
    status, again, err = run(*words, "--keep", cwd=desk)
    assert (status, again) == (0, out)
    assert err.endswith("known from the store\n")


def test_set_changes_the_recipe(desk: Path) -> None:
    id = id_of(desk, "tiny")
    words = ("--epochs", "1", "--seeds", "1", "--set", "lr=0.3", "--set", "flip=true", "-f", "json")
    status, out, _ = run("retrain", id, *words, cwd=desk)
    assert status == 0
    [training] = json.loads(out)["trainings"]
    assert (training["recipe"]["lr"], training["recipe"]["flip"], training["recipe"]["crop"]) == (0.3, True, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--set", "speed=3"),
            "Error: Invalid value: 'speed' is no field of the recipe; fields are batch_size, lr, momentum, "
            "weight_decay, label_smoothing, warmup, decoupled, crop, flip, cutout, ema, amp\n",
        ),
        (("--set", "flip=1"), "Error: Invalid value: flip: expected true or false, got '1'\n"),
        (("--set", "lr=-1"), "Error: Invalid value: lr must be above 0, got -1.0\n"),
        (("--set", "crop"), "Error: Invalid value: crop: expected a whole number, got ''\n"),
        (
            ("--study", "other"),
            "error[E500]: there is no study 'other'\n  = help: studies here: tiny, own\n",
        ),
        (
            ("--study", "own"),
            "error[E500]: the study 'own' has not measured {id}\n"
            "  = help: `ressearch show {id}` lists the studies that did\n",
        ),
        (
            ("--data", "nowhere"),
            "error[E400]: there is no data set, directory or file 'nowhere'\n",
        ),
        (("--device", "tpu"), "error[E702]: 'tpu' is no device\n  = help: use cpu, cuda or cuda:N\n"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(desk: Path, words: tuple[str, ...], message: str) -> None:
    id = id_of(desk, "tiny")
    status, out, err = run("retrain", id, "--epochs", "1", *words, cwd=desk)
    assert (status, out) == (2, "") or (status, out) == (4, "")
    assert message.format(id=id) in err


def test_a_seed_that_diverges_is_told_of_and_the_others_go_on(desk: Path) -> None:
    status, out, err = run(
        "retrain", id_of(desk, "tiny"), "--epochs", "1", "--seeds", "2", "--set", "lr=1e30", cwd=desk
    )
    assert (status, out) == (5, "")
    assert err == "".join(
        f"seed {seed} failed: the training loss was nan after epoch 1; a lower rate may help: --set lr=...\n"
        for seed in (0, 1)
    )


def test_a_study_with_its_own_training_needs_data(desk: Path) -> None:
    status, out, err = run("retrain", id_of(desk, "own"), "--epochs", "1", cwd=desk)
    assert (status, out) == (4, "")
    assert (
        err == "error[E400]: the study 'own' brought its own training\n  = help: give --data to go by images of ours\n"
    )


def test_an_interrupt_keeps_what_is_finished(desk: Path) -> None:
    id = id_of(desk, "tiny")
    command = [sys.executable, "-m", "ressearch", "retrain", id, "--epochs", "200", "--seeds", "1"]
    process = subprocess.Popen(command, cwd=desk, stderr=subprocess.PIPE, text=True, env=os.environ)
    folder = desk / "runs" / "ressearch.db.checkpoints" / "retrain"
    while not list(folder.glob("*-200-0")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        130,
        "\ninterrupted; what is finished is kept, and the same command goes on\n",
    )
    assert len(list(folder.glob("*-200-0"))) == 1


def test_latency_is_printed_and_stored(desk: Path) -> None:
    id = id_of(desk, "tiny")
    words = ("--batch", "4", "--repeats", "7", "--threads", "1")
    status, out, err = run("latency", id[:8], *words, cwd=desk)
    assert (status, err) == (0, "")
    store = Store.open(desk / "runs" / "ressearch.db")
    [found] = store.latencies(id)
    store.close()
    times = [1e3 * seconds for seconds in (found.median_seconds, found.low_seconds, found.high_seconds)]
    assert out == (
        f"{id} on cpu, 1 thread(s), {found.precision}, batch 4: median {times[0]:.3f} ms "
        f"(quartiles {times[1]:.3f} to {times[2]:.3f}, n = 7)\n"
    )
    _, out, _ = run("latency", id, "-f", "json", cwd=desk)
    assert json.loads(out)["batch"] == 1


def test_show_tells_of_both(desk: Path) -> None:
    """What the store holds of retrainings and latencies, as numbers worked out by hand."""
    id, store = id_of(desk, "own"), Store.open(desk / "runs" / "ressearch.db")
    measured = Measurement(0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1, "cpu", "fp32")
    for seed, accuracy in enumerate((0.5, 0.75, 1.0)):
        done = replace(measured, accuracy=accuracy)
        store.record_retraining(Retraining(id, Recipe(), "data", Fidelity(30), seed, done))
    store.record_latency(Latency(id, "cpu", "fp32", 8, 2, 50, 0.002, 0.0015, 0.003))
    store.close()
    status, out, err = run("show", id, cwd=desk)
    assert (status, err) == (0, "")
    assert (
        "retrained, 30 epochs: test accuracy mean 75.00 % over 3 seed(s), standard deviation 25.00, 50.00 % to 100.00 %"
        "\ncpu, 2 thread(s), fp32, batch 8: median 2.000 ms (quartiles 1.500 to 3.000, n = 50)\n"
    ) in out
    page = json.loads(run("show", id, "-f", "json", cwd=desk)[1])
    assert [one["measurement"]["accuracy"] for one in page["retrainings"]] == [0.5, 0.75, 1.0]
    assert page["latencies"][0]["median_seconds"] == 0.002
