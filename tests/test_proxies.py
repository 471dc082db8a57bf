"""Training-free scores against closed forms and slow twins; what they leave alone; and how little they know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import exp, log
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from benchmarks.degradation import data_of, network_of
from ressearch.architecture import Architecture, Node
from ressearch.data import Part, SearchData, load_search_data
from ressearch.errors import DataError, DeviceError, TrainingError
from ressearch.network import Network
from ressearch.ops import Activation, Add, Conv, GlobalPool, Input, Linear, Norm, Op, Scale
from ressearch.proxies import grad_norm, naswot, proxies_of, synflow, zen
from ressearch.space import Candidate
from ressearch.trial import Proxies
from tests.conftest import candidates, demo_space
from tests.test_space import only

pytestmark = pytest.mark.usefixtures("one_thread")

SCORES = ("naswot", "synflow", "grad_norm", "zen")


def network_with(architecture: Architecture, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network(architecture)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chain(*ops: Op, image: tuple[int, int, int] = (2, 3, 3), classes: int = 4) -> Architecture:
    """One op after another, then the head."""
    every = (Input(*image), *ops, GlobalPool(), Linear(classes))
    return Architecture(tuple(Node(f"n{at}", op, (at - 1,) if at else ()) for at, op in enumerate(every)))


RESIDUAL = Architecture(
    (
        Node("image", Input(2, 4, 4)),
        Node("stem", Conv(3, 3), (0,)),
        Node("first", Norm(), (1,)),
        Node("on", Activation(), (2,)),
        Node("conv", Conv(3, 3), (3,)),
        Node("second", Norm(), (4,)),
        Node("sum", Add(), (5, 3)),
        Node("joined", Activation(), (6,)),
        Node("pool", GlobalPool(), (7,)),
        Node("scores", Linear(4), (8,)),
    )
)
"""One block with a shortcut: its second activation comes after the sum."""


def residual_by_hand(weights: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the activations of `RESIDUAL` see, and its scores, in training mode."""

    def normalised(x: Tensor) -> Tensor:
        mean, variance = x.mean(dim=(0, 2, 3), keepdim=True), x.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(variance + 1e-5)

    one = normalised(F.conv2d(images, weights["stem.weight"], padding=1))
    two = normalised(F.conv2d(one.clamp_min(0), weights["conv.weight"], padding=1)) + one.clamp_min(0)
    return one, two, two.clamp_min(0).mean(dim=(2, 3)) @ weights["scores.weight"].T + weights["scores.bias"]


# NASWOT


def test_naswot_is_the_determinant_of_a_kernel_that_is_counted_out() -> None:
    network, images = network_with(RESIDUAL), noise(6, 2, 4, 4)
    one, two, _ = residual_by_hand(dict(network.named_parameters()), images)
    units = torch.cat([one.flatten(1), two.flatten(1)], dim=1) > 0
    kernel = np.array(
        [[sum(a == b for a, b in zip(i, j, strict=True)) for j in units.tolist()] for i in units.tolist()]
    )
    sign, expected = np.linalg.slogdet(kernel)
    assert sign == 1
    assert naswot(network, images) == pytest.approx(expected, abs=1e-9)


def test_units_after_a_sum_count() -> None:
    """Of an official score that hooks modules, they may not: without them the kernel is another."""
    network, images = network_with(RESIDUAL), noise(6, 2, 4, 4)
    one, _, _ = residual_by_hand(dict(network.named_parameters()), images)
    signs = (one.flatten(1) > 0).double().numpy() * 2 - 1
    _, without = np.linalg.slogdet((signs.shape[1] + signs @ signs.T) / 2)
    found = naswot(network, images)
    assert found is not None
    assert abs(found - without) > 1


def test_images_that_are_not_told_apart_have_no_naswot() -> None:
    images = noise(6, 2, 4, 4)
    images[5] = images[2]
    assert naswot(network_with(RESIDUAL), images) is None


@pytest.mark.parametrize(("kind", "defined"), [("relu", 1), ("relu6", 1), ("leaky_relu", 1), ("silu", 0), ("gelu", 0)])
def test_naswot_needs_units_that_are_on_or_off(kind: Any, defined: int) -> None:
    network = network_with(chain(Conv(8, 3), Norm(), Activation(kind)))
    assert (naswot(network, noise(5, 2, 3, 3)) is not None) == defined


# SynFlow


@settings(max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=0, max_size=5), st.integers(0, 99))
def test_synflow_of_a_chain_of_linear_maps(widths: list[int], seed: int) -> None:
    """Each of L layers adds the same: 1 |W_L| ... |W_1| 1, whatever norms and activations stand between."""
    ops = [op for width in widths for op in (Conv(width, 1), Norm(), Activation("silu"))]
    network = network_with(chain(*ops), seed)
    product = np.ones(2)
    for weight in [p.detach().double().abs().numpy() for p in network.parameters() if p.ndim > 1]:
        product = weight.reshape(weight.shape[:2]) @ product
    found = synflow(network)
    if product.sum() == 0:
        assert found is None
    else:
        assert found == pytest.approx(log((len(widths) + 1) * product.sum()), abs=1e-9)


def test_synflow_is_a_sum_over_paths() -> None:
    """With a shortcut: each path counts its product of weights as often as it has weights.

    Paths are told by how many weights they have: values are polynomials, a weight w is w z.
    """
    nodes = (
        Node("image", Input(2, 3, 3)),
        Node("stem", Conv(3, 1), (0,)),
        Node("a", Conv(4, 1), (1,)),
        Node("b", Conv(3, 1), (2,)),
        Node("sum", Add(), (1, 3)),
        Node("half", Scale("fixed", -0.5), (4,)),
        Node("pool", GlobalPool(), (5,)),
        Node("scores", Linear(4), (6,)),
    )
    network = network_with(Architecture(nodes))
    w = {name: value.detach().double().abs().numpy() for name, value in network.named_parameters()}
    stem, a, b = (w[f"{name}.weight"][:, :, 0, 0] for name in ("stem", "a", "b"))
    head = w["scores.weight"]
    short = 0.5 * (head @ stem @ np.ones(2)).sum()  # two weights on every path
    long = 0.5 * (head @ b @ a @ stem @ np.ones(2)).sum()  # four
    assert synflow(network) == pytest.approx(log(2 * short + 4 * long), abs=1e-9)


# Gradient norm


def test_grad_norm_of_a_linear_classifier() -> None:
    """Pool and linear layer: the gradient of W is (softmax - labels) x / N."""
    network, images, labels = network_with(chain()), noise(5, 2, 3, 3), torch.tensor([0, 3, 1, 1, 2])
    x = images.double().mean(dim=(2, 3)).numpy()
    scores = x @ network.n2.weight.detach().double().numpy().T + network.n2.bias.detach().double().numpy()
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    gradient = (shares - np.eye(4)[labels.numpy()]).T @ x / 5
    assert grad_norm(network, images, labels) == pytest.approx(np.sqrt((gradient**2).sum()), rel=1e-5)


def test_grad_norm_against_a_network_by_hand() -> None:
    network, images, labels = network_with(RESIDUAL), noise(6, 2, 4, 4), torch.arange(6) % 4
    weights = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
    F.cross_entropy(residual_by_hand(weights, images)[2], labels).backward()
    norms = [
        float(weight.grad.norm())
        for name, weight in weights.items()
        if name in ("stem.weight", "conv.weight", "scores.weight") and weight.grad is not None
    ]
    assert len(norms) == 3
    assert grad_norm(network, images, labels) == pytest.approx(sum(norms), rel=1e-4)


# Zen


def value_of(score: float | None) -> float:
    assert score is not None
    return score


def test_zen_of_one_linear_map() -> None:
    """f(x) - f(x + 0.01 e) is 0.01 f(e): its magnitude is that of a sum of normal numbers, 0.8 of their deviation."""
    found = value_of(zen(network_with(chain(Conv(5, 1), image=(7, 4, 4))), batch=2_000, seed=0))
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    expected = 0.01 * np.sqrt(2 / np.pi) * 16 * float(weight.norm(dim=1).sum())
    assert exp(found) == pytest.approx(expected, rel=0.02)


def test_a_factor_before_a_norm_counts_as_if_the_norm_were_not_there() -> None:
    """That is what the norms' deviations are added for: a factor of 3 adds log 3, with norms or without."""
    for norms in ([Norm()], []):
        bare, scaled = (
            value_of(zen(network_with(chain(Conv(8, 3), *more, *norms, Activation(), Conv(8, 3))), 16, 1))
            for more in ([], [Scale("fixed", 3.0)])
        )
        assert scaled - bare == pytest.approx(log(3), abs=1e-4)


def test_zen_does_not_see_the_weights_it_replaces() -> None:
    one, other = (zen(network_with(RESIDUAL, seed), 8, 5) for seed in (0, 1))
    assert one == other
    assert one != zen(network_with(RESIDUAL), 8, 6)


GATED = "stages: [{width: 8, depth: 2, block: {residual: {%s}, body: [{op: conv3x3}, {op: conv3x3}]}}]"


@pytest.mark.parametrize("option", ["gate: zero_gamma", "gate: scalar", "gate: layer_scale", "drop_path: 0.5"])
def test_zen_opens_every_gate(option: str) -> None:
    """A gate, whatever it begins at, changes nothing; without a shortcut the score is another."""
    gated, open_, plain = (only(GATED % text) for text in (option, "", "shortcut: none"))
    scores = [value_of(zen(network_with(architecture), 8, 0)) for architecture in (gated, open_, plain)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)
    assert scores[1] > scores[2] + 0.5


def test_zen_ends_before_the_last_pool_and_not_at_one_of_a_gate() -> None:
    with_se = only("stages: [{width: 8, block: {seq: [{op: conv3x3}, {op: se, reduction: 4}, {op: conv3x3}]}}]")
    assert sum(isinstance(node.op, GlobalPool) for node in with_se.nodes) == 2
    without = only("stages: [{width: 8, block: {seq: [{op: conv3x3}, {op: conv3x3}]}}]")
    one, other = (value_of(zen(network_with(architecture), 8, 0)) for architecture in (with_se, without))
    assert 0.001 < abs(one - other) < 5


# What is the same for all


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


def scored(found: Proxies) -> dict[str, float | None]:
    return {name: getattr(found, name) for name in SCORES}


@settings(max_examples=15)
@given(candidates(demo_space))
def test_every_network_of_the_demo_has_every_score_and_keeps_it(digits: SearchData, candidate: Candidate) -> None:
    one, two = (proxies_of(candidate.architecture, digits, 16, 3) for _ in range(2))
    assert None not in scored(one).values()
    assert replace(one, seconds=0.0) == replace(two, seconds=0.0)
    assert (one.architecture_id, one.data_checksum) == (candidate.architecture.id, digits.checksum)
    assert (one.batch, one.seed) == (16, 3)
    assert one.seconds > 0


def test_another_seed_gives_other_scores(digits: SearchData) -> None:
    architecture = demo_space.baselines["resnet8"].architecture
    one, other = (scored(proxies_of(architecture, digits, 16, seed)) for seed in (0, 1))
    assert all(one[name] != other[name] for name in SCORES)


ON_NETWORK: dict[str, Callable[[Network, Tensor, Tensor], float | None]] = {
    "naswot": lambda network, images, labels: naswot(network, images),
    "synflow": lambda network, images, labels: synflow(network),
    "grad_norm": grad_norm,
    "zen": lambda network, images, labels: zen(network, 4, 0),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("score", SCORES)
def test_a_network_is_left_as_it_is(score: str, training: bool) -> None:
    """Weights, running statistics, mode, gradients and the state of torch's generator."""
    network = network_with(RESIDUAL).train(training)
    network(noise(6, 2, 4, 4, seed=1))
    before, state = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    found = ON_NETWORK[score](network, noise(6, 2, 4, 4), torch.arange(6) % 4)
    assert found is not None
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training == training
    assert all(parameter.grad is None for parameter in network.parameters())


CELLS = {
    "dense": "{dense: {layers: 2, growth: 4}, body: [{op: conv3x3}]}",
    "squeezed": "{seq: [{op: conv3x3}, {op: se, reduction: 4}]}",
    "inverted": "{seq: [{op: conv1x1, width: 16, act: relu6}, {op: dwconv3x3, width: 16}, {op: conv1x1}]}",
    "zero gamma": "{residual: {gate: zero_gamma}, body: [{op: conv3x3}, {op: conv3x3}]}",
    "factor of 0": "{residual: {gate: scalar}, body: [{op: conv3x3}, {op: conv3x3}]}",
    "zero conv": "{residual: {gate: zero_gamma}, body: [{op: conv3x3, bias: true, norm: false}]}",
    "layer scale": "{residual: {gate: layer_scale}, body: [{op: conv3x3}]}",
    "stochastic depth": "{residual: {drop_path: 0.5}, body: [{op: conv3x3}]}",
    "no norms": "{residual: {gate: fixed}, body: [{op: conv3x3, norm: false, bias: true}]}",
}


@pytest.mark.parametrize("cell", CELLS)
def test_blocks_of_every_kind_are_scored(digits: SearchData, cell: str) -> None:
    architecture = only(f"stages: [{{width: 8, depth: 2, block: {CELLS[cell]}}}]", (1, 8, 8))
    found = scored(proxies_of(architecture, digits, 16, 0))
    assert None not in found.values(), found


def test_stochastic_depth_is_off(digits: SearchData) -> None:
    """A network with it has the scores of the one without."""
    one, other = (scored(proxies_of(only(GATED % text, (1, 8, 8)), digits, 16, 0)) for text in ("drop_path: 0.9", ""))
    assert one == pytest.approx(other, rel=1e-6)


def test_what_is_not_defined_is_none() -> None:
    """Where nothing passes, all images look the same and no path has a product; and 10^6 is too much, sixty times."""
    images, labels = noise(5, 2, 3, 3), torch.arange(5) % 4
    closed = network_with(chain(Conv(4, 3), Scale("scalar", 0.0), Activation()))
    assert (naswot(closed, images), synflow(closed)) == (None, None)
    assert zen(closed, 4, 0) is not None
    endless = network_with(chain(Conv(4, 3), *[Scale("fixed", 1e6)] * 60, Activation()))
    assert [score(endless, images, labels) for score in ON_NETWORK.values()] == [None] * 4


def test_a_network_without_weights_has_none(digits: SearchData) -> None:
    nodes = (Node("image", Input(10, 4, 4)), Node("on", Activation(), (0,)), Node("pool", GlobalPool(), (1,)))
    network = Network(Architecture(nodes))
    found = {name: score(network, noise(5, 10, 4, 4), torch.arange(5)) for name, score in ON_NETWORK.items()}
    assert found == {"naswot": found["naswot"], "synflow": None, "grad_norm": None, "zen": found["zen"]}
    assert None not in (found["naswot"], found["zen"])


def test_what_does_not_fit_is_refused(digits: SearchData) -> None:
    architecture = demo_space.baselines["resnet8"].architecture
    with pytest.raises(DataError) as caught:
        proxies_of(architecture, digits, 5_000, 0)
    assert str(caught.value) == (
        "error[E400]: digits has 1,097 training images, fewer than the 5,000 of a batch\n  = help: lower --batch"
    )
    with pytest.raises(TrainingError):
        proxies_of(only("stages: [{width: 8, block: {op: conv3x3}}]"), digits, 16, 0)
    with pytest.raises(DeviceError):
        proxies_of(architecture, digits, 16, 0, "cuda:999")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_gpu_gives_the_same_scores(digits: SearchData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, images and noise are drawn on the CPU; without TF32 only the order of sums differs."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    for baseline in demo_space.baselines.values():
        one, other = (scored(proxies_of(baseline.architecture, digits, 64, 0, device)) for device in ("cpu", "cuda"))
        assert one["naswot"] == pytest.approx(other["naswot"], abs=0.01)  # a unit near zero may turn
        for name in ("synflow", "zen", "grad_norm"):
            assert one[name] == pytest.approx(other[name], rel=1e-3 if name == "grad_norm" else 1e-8)


# How little they know


@cache
def at_depth(kind: str, depth: int) -> Proxies:
    """A plain or residual network, which cost the same, on digits."""
    digits = data_of("digits", images=10_000, shrink=1)
    return proxies_of(network_of(kind, depth, digits, width=8).architecture, digits, 64, 0)


@pytest.mark.parametrize("score", SCORES)
def test_none_knows_of_degradation(score: str) -> None:
    """A plain network of 110 layers, which cannot be trained, is above one of 20, which can."""
    assert getattr(at_depth("plain", 110), score) > 1.2 * getattr(at_depth("plain", 20), score)


def test_naswot_and_the_gradient_prefer_the_network_without_shortcuts() -> None:
    plain, residual = at_depth("plain", 110), at_depth("residual", 110)
    for score in ("naswot", "grad_norm"):
        assert getattr(plain, score) > 1.02 * getattr(residual, score)
    assert value_of(plain.synflow) == pytest.approx(value_of(residual.synflow), rel=0.01), "it counts layers"
    assert value_of(residual.zen) > 1.2 * value_of(plain.zen), "shortcuts are kept"


@pytest.mark.parametrize(("kind", "expected"), [("plain", 734.0), ("residual", 729.5)])
def test_naswot_of_known_networks(kind: str, expected: float) -> None:
    """Plain-20 and ResNet-20 (A) on 64 images of noise, against the mean over three seeds of code of its own."""
    images = noise(64, 3, 32, 32)
    part = Part(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    architecture = network_of(kind, 20, SearchData("noise", part, part, 10), width=16).architecture
    assert naswot(network_with(architecture), images) == pytest.approx(expected, abs=1.5)
