"""A training that stops and goes on ends as if it had never stopped, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ressearch.architecture import Architecture
from ressearch.data import Part, SearchData, load_search_data
from ressearch.errors import TrainingError
from ressearch.space import SearchSpace
from ressearch.training import Training, measure
from ressearch.trial import Fidelity, Recipe

RECIPE = Recipe(batch_size=32, crop=1, flip=True, cutout=3, ema=0.9, decoupled=True)
FIDELITY = Fidelity(epochs=4)
DROPPING = """
version: 1
name: dropping
input: {shape: [1, 8, 8], classes: 10}
stages: [{width: 8, depth: 2, block: {residual: {drop_path: 0.5}, body: [{op: conv3x3}]}}]
"""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits() -> SearchData:
    data = load_search_data("digits")
    return replace(data, train=Part(data.train.images[:200], data.train.labels[:200]))


@pytest.fixture(scope="module")
def network() -> Architecture:
    """With stochastic depth, so that the network draws as well, not the order of the images alone."""
    return SearchSpace.parse(DROPPING).decode_stored({}).architecture


def training(network: Architecture, data: SearchData, seed: int = 0, epochs: int = 4) -> Training:
    return Training(network, data, RECIPE, Fidelity(epochs), seed, "cpu")


def weights(one: Training) -> dict[str, Tensor]:
    """Those that are trained and their mean."""
    assert one.average is not None
    state = one.network.state_dict() | {f"mean {name}": value for name, value in one.average.state_dict().items()}
    return {name: value.clone() for name, value in state.items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("stop", [1, 3])
def test_it_goes_on_bit_for_bit(network: Architecture, digits: SearchData, tmp_path: Path, stop: int) -> None:
    through = training(network, digits)
    losses = [through.epoch() for _ in range(4)]
    stopped = training(network, digits)
    for _ in range(stop):
        stopped.epoch()
    stopped.save(tmp_path / "checkpoint")
    torch.manual_seed(99)  # what others drew in between is of no account
    resumed = training(network, digits)
    resumed.restore(tmp_path / "checkpoint")
    assert [resumed.epoch() for _ in range(4 - stop)] == losses[stop:]
    assert equal(weights(resumed), weights(through))
    momenta = zip(through.optimizer.state.values(), resumed.optimizer.state.values(), strict=True)
    assert all(torch.equal(a["momentum_buffer"], b["momentum_buffer"]) for a, b in momenta)
    assert resumed.evaluate(digits.validation) == through.evaluate(digits.validation)


def test_a_checkpoint_leaves_something_to_forget(network: Architecture, digits: SearchData, tmp_path: Path) -> None:
    """Without the network's own draws the end is another: the saboteur of the test above."""
    stopped = training(network, digits)
    stopped.epoch()
    stopped.save(tmp_path / "checkpoint")
    resumed, forgetful = training(network, digits), training(network, digits)
    resumed.restore(tmp_path / "checkpoint")
    resumed.epoch()
    forgetful.restore(tmp_path / "checkpoint")
    torch.manual_seed(99)
    forgetful.epoch()
    assert not equal(weights(resumed), weights(forgetful))


@pytest.mark.parametrize("forgotten", ["average", "order", "optimizer"])
def test_each_part_of_a_checkpoint_matters(
    network: Architecture, digits: SearchData, tmp_path: Path, forgotten: str
) -> None:
    """The saboteurs of the others: a checkpoint in which one part is that of a training at its start."""
    path = tmp_path / "checkpoint"
    stopped, fresh, resumed = (training(network, digits) for _ in range(3))
    fresh.save(path)
    start = torch.load(path, weights_only=True)[forgotten]
    stopped.epoch()
    stopped.save(path)
    torch.save(torch.load(path, weights_only=True) | {forgotten: start}, path)
    resumed.restore(path)
    for each in (stopped, resumed):
        torch.manual_seed(1)  # draws of the network are of no account here
        each.epoch()
    assert not equal(weights(stopped), weights(resumed))


def test_measure_goes_on_and_leaves_one_file(network: Architecture, digits: SearchData, tmp_path: Path) -> None:
    through = measure(network, digits, RECIPE, FIDELITY, seed=0)
    stopped = training(network, digits)
    stopped.epoch()
    stopped.save(tmp_path / "checkpoint")
    resumed = measure(network, digits, RECIPE, FIDELITY, seed=0, checkpoint=tmp_path / "checkpoint")
    assert (resumed.accuracy, resumed.loss, resumed.train_loss) == (through.accuracy, through.loss, through.train_loss)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    again = measure(network, digits, RECIPE, FIDELITY, seed=0, checkpoint=tmp_path / "checkpoint")
    assert again.loss == resumed.loss
    assert again.images_per_second == resumed.images_per_second, "that of the training, not of reading the file"


@pytest.mark.parametrize("change", ["seed", "epochs", "recipe", "network", "data"])
def test_another_training_is_refused(network: Architecture, digits: SearchData, tmp_path: Path, change: str) -> None:
    path = tmp_path / "checkpoint"
    training(network, digits).save(path)
    plain = SearchSpace.parse(DROPPING.replace("0.5", "0.25")).decode_stored({}).architecture
    other = {
        "seed": lambda: training(network, digits, seed=1),
        "epochs": lambda: training(network, digits, epochs=5),
        "recipe": lambda: Training(network, digits, replace(RECIPE, lr=0.2), FIDELITY, 0, "cpu"),
        "network": lambda: training(plain, digits),
        "data": lambda: training(network, replace(digits, train=digits.train.first(0.5, 1))),
    }[change]()
    with pytest.raises(TrainingError) as caught:
        other.restore(path)
    assert str(caught.value) == (
        f"error[E700]: {path} is the checkpoint of another training\n  = help: delete it to begin anew"
    )


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half a file"])
def test_a_file_that_is_none_is_refused(
    network: Architecture, digits: SearchData, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=rf"{path} is no checkpoint: "):
        training(network, digits).restore(path)


def test_a_half_written_checkpoint_is_refused(network: Architecture, digits: SearchData, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    training(network, digits).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TrainingError, match="is no checkpoint"):
        training(network, digits).restore(path)


def test_kill_9_and_resume_end_in_the_same_weights(network: Architecture, digits: SearchData, tmp_path: Path) -> None:
    """A process is killed after its second epoch at the earliest; another one ends the training."""
    (tmp_path / "network.json").write_text(network.to_json(), encoding="utf-8")
    script = textwrap.dedent("""
        import sys, pathlib, torch, time
        from dataclasses import replace
        from ressearch.architecture import Architecture
        from ressearch.data import Part, load_search_data
        from ressearch.training import Training
        from ressearch.trial import Fidelity, Recipe
        torch.set_num_threads(1)
        folder = pathlib.Path(sys.argv[1])
        data = load_search_data("digits")
        data = replace(data, train=Part(data.train.images[:200], data.train.labels[:200]))
        network = Architecture.from_json((folder / "network.json").read_text(encoding="utf-8"))
        training = Training(network, data, RECIPE, Fidelity(epochs=40), 0, "cpu")
        while training.epochs_done < 40:
            training.epoch()
            training.save(folder / "checkpoint")
            print(training.epochs_done, flush=True)
            time.sleep(0.02)
    """).replace("RECIPE", repr(RECIPE))
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "2":
        assert process.poll() is None
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    through = training(network, digits, epochs=40)
    while through.epochs_done < 40:
        through.epoch()
    resumed = training(network, digits, epochs=40)
    resumed.restore(tmp_path / "checkpoint")
    assert 2 <= resumed.epochs_done < 40
    while resumed.epochs_done < 40:
        resumed.epoch()
    assert equal(weights(resumed), weights(through))
