"""What residual connections do: an empty branch is the identity, gradients keep their size, depth does no harm."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.degradation import data_of, draw, gradient_norms, network_of, remembered, table, trained
from ressearch.architecture import Architecture
from ressearch.data import SearchData
from ressearch.network import Network
from ressearch.training import Training
from ressearch.trial import Fidelity, Recipe
from tests.conftest import ROOT
from tests.test_gates import BODIES, block, fresh, images

pytestmark = pytest.mark.usefixtures("one_thread")

RESULTS = ROOT / "benchmarks" / "degradation.jsonl"
WIDTH = 8


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return data_of("digits", images=10_000, shrink=1)


# A branch of zeros


@pytest.mark.parametrize("training", [False, True])
def test_a_basic_block_with_a_zeroed_branch_is_the_identity(training: bool) -> None:
    network = fresh(block(f"{{residual: {{gate: zero_gamma}}, body: {BODIES['basic']}}}")).train(training)
    x = images().relu()
    with torch.no_grad():
        assert float((network(x) - x).abs().max()) == 0.0


@pytest.mark.parametrize("training", [False, True])
def test_a_network_cannot_tell_whether_a_zeroed_block_is_there(digits: SearchData, training: bool) -> None:
    """The middle block of each stage, in a network that has learnt, against it without them: not one bit differs."""
    one, two = (network_of("residual", depth, digits, WIDTH).architecture for depth in (14, 20))
    run = Training(two, digits, Recipe(), Fidelity(1), 0, "cpu")
    run.epoch()
    learnt = run.network
    weights = learnt.state_dict()
    for stage in range(3):
        weights[f"stages.{stage}.block.1.unit.body.1.norm.weight"].zero_()
        weights[f"stages.{stage}.block.1.unit.body.1.norm.bias"].zero_()
    x = digits.validation.images.float() / 16 - 0.5
    with torch.no_grad():
        scores = without_block_1(weights, one).train(training)(x)
        assert float((learnt.train(training)(x) - scores).abs().max()) == 0.0
        assert len(scores.unique()) > 100


def without_block_1(weights: dict[str, Tensor], smaller: Architecture) -> Network:
    """The same weights in a network that lacks the second block of each stage.

    In the memory format of a training: in another, other kernels round otherwise.
    """
    kept = {name: value for name, value in weights.items() if ".block.1." not in name}
    network = Network(smaller)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.load_state_dict({name.replace(".block.2.", ".block.1."): value for name, value in kept.items()})
    return network


def test_a_plain_network_with_a_zeroed_branch_is_the_same_for_all_images(digits: SearchData) -> None:
    """Without a shortcut there is no way around the block."""
    torch.manual_seed(0)
    network = Network(network_of("plain", 20, digits, WIDTH).architecture)
    x = digits.validation.images.float() / 16 - 0.5
    with torch.no_grad():
        assert network(x).std(dim=0).min() > 0.01
        network.get_parameter("stages.1.block.1.unit.body.1.norm.weight").zero_()
        scores = network(x)
    torch.testing.assert_close(scores, scores[:1].expand_as(scores))


# Gradients


@pytest.mark.parametrize(("depth", "times"), [(20, 1), (56, 20)])
def test_the_first_layers_gradient_grows_with_depth_in_plain_networks(
    digits: SearchData, depth: int, times: float
) -> None:
    """At initialisation, on 64 images; with shortcuts it hardly grows.

    Seen over seeds 0 to 7 with torch 2.13 on a CPU: plain-20 2.0 to 3.9, residual-20 1.0 to 1.7, at least 1.4 times;
    plain-56 294 to 1,130, residual-56 2.6 to 5.5, at least 85 times. So batch normalisation lets the gradients of plain
    networks explode towards the input, where one might expect that they vanish.
    """
    first = {}
    for kind in ("plain", "residual"):
        torch.manual_seed(0)
        network = Network(network_of(kind, depth, digits, WIDTH).architecture)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        norms = gradient_norms(network, digits.train.images[:64].float() / 16 - 0.5, digits.train.labels[:64])
        assert len(norms) == depth - 1
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        first[kind] = norms[0]
    assert first["plain"] > times * first["residual"]
    assert 0.1 < first["residual"] < 50


# Degradation


@pytest.mark.slow
def test_depth_harms_plain_networks_and_not_residual_ones(digits: SearchData) -> None:
    """Training errors on the bundled digits after 8 epochs.

    Seen over seeds 0 to 4 with torch 2.13 on a CPU: plain-20 0.6 to 1.6 %, plain-56 43.2 to 75.7 %; residual-20 0 to
    0.1 %, residual-56 0.1 to 0.3 %. The seed here is 0.
    """
    options = Namespace(width=WIDTH, batch=32, lr=0.1, epochs=8, device="cpu")
    error = {
        (kind, depth): trained(kind, depth, 0, digits, options).training_error
        for kind in ("plain", "residual")
        for depth in (20, 56)
    }
    assert error["plain", 56] > error["plain", 20] + 0.2
    assert error["residual", 56] < error["residual", 20] + 0.02
    assert error["residual", 56] < 0.03


# The costs, the table and the plot


@pytest.mark.parametrize("depth", [20, 56, 110])
def test_shortcuts_cost_nothing(digits: SearchData, depth: int) -> None:
    """Nothing that counts as parameter or MAC: of the two kinds, either is all that the other is."""
    plain, residual = (network_of(kind, depth, digits, WIDTH).cost for kind in ("plain", "residual"))
    assert (plain.params, plain.macs, plain.depth) == (residual.params, residual.macs, residual.depth)


def test_the_readme_has_the_table_of_the_results() -> None:
    about, runs = remembered(RESULTS)
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert table(runs) in readme
    assert about["identity_difference"] == 0.0
    for said in (about["processor"], f"torch {about['torch'].split('+')[0]}"):
        assert said in readme


def test_the_plot_is_remade_from_the_results(tmp_path: Path) -> None:
    _, runs = remembered(RESULTS)
    for name in ("one.svg", "two.svg"):
        draw(runs, tmp_path / name)
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "two.svg").read_bytes()
    assert len(one) < 100_000
