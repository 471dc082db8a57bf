"""Gates, stochastic depth, graphs and dual paths on torch: identities at the start, the twin, torch's own counts."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ressearch.architecture import Architecture, alive
from ressearch.network import Network
from ressearch.ops import OPS, Conv, DropPath, Norm, Scale
from ressearch.space import Candidate, SearchSpace, at_random
from ressearch.training import _optimizer
from ressearch.trial import Recipe
from tests.conftest import ROOT, candidates
from tests.test_network import images_for, lively
from tests.test_space import names, only
from tests.twin import forward

HERE = "stages.0.block.0"


def up_to(architecture: Architecture, name: str) -> Architecture:
    """The part of an architecture that makes one value."""
    return Architecture(alive(architecture.nodes, names(architecture).index(name)))


def block(text: str) -> Architecture:
    """The map that one block of width 8 makes of an image of 8 channels."""
    whole = only(f"stages: [{{width: 8, block: {text}}}]\nhead: {{op: identity}}", (8, 8, 8))
    return Architecture(alive(whole.nodes, names(whole).index("head.pool") - 1))


def fresh(architecture: Architecture, seed: int = 0) -> Network:
    """A network at its very start, in double precision."""
    torch.manual_seed(seed)
    return Network(architecture).double()


def images(count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, 8, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# A branch that starts at nothing leaves the input alone

BODIES = {
    "basic": "[{op: conv3x3}, {op: conv3x3}]",
    "bottleneck": "[{op: conv1x1, width: 2}, {op: conv3x3, width: 2}, {op: conv1x1}]",
    "bare": "[{op: conv3x3, bias: true, norm: false}]",
    "inverted": "[{op: conv1x1, width: 16, act: relu6}, {op: dwconv3x3, width: 16}, {op: conv1x1, act: none}]",
    "squeezed": "[{op: conv3x3}, {op: se, reduction: 4}]",
    "separable": "[{op: sepconv5x5}]",
    "pool": "[{op: avgpool3x3}]",
    "nothing": "[{op: identity}]",
    "nested": "[{use: basic}, {use: bottleneck}]",
    "dense": "[{dense: {layers: 2, growth: 4}, body: [{op: conv3x3}]}]",
    "dual path": "[{dense: {layers: 2, growth: 4, residual: 8}, body: [{op: conv3x3}]}]",
    "graph": "[{graph: {nodes: {a: {op: conv3x3}, b: {op: conv1x1}}, edges: [[in, a], [a, out], [in, b], [b, out]]}}]",
}


@pytest.mark.parametrize("gate", ["zero_gamma", "scalar"])
@pytest.mark.parametrize("order", ["post", "pre"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_gated_residual_begins_as_the_identity(body: str, order: str, gate: str) -> None:
    """On what an activation made, as blocks get it in post order; in pre order on anything."""
    network = fresh(block(f"{{residual: {{gate: {gate}, order: {order}}}, body: {body}}}"))
    x = images() if order == "pre" else images().relu()
    with torch.no_grad():
        assert torch.equal(network.eval()(x), x)
        assert torch.equal(network.train()(x), x)


@pytest.mark.parametrize("order", ["post", "pre"])
def test_without_a_gate_it_is_another_map(order: str) -> None:
    network = fresh(block(f"{{residual: {{order: {order}}}, body: {BODIES['basic']}}}")).eval()
    x = images().relu()
    with torch.no_grad():
        assert not torch.allclose(network(x), x, atol=0.1)


@pytest.mark.parametrize("gate", ["zero_gamma", "scalar", "layer_scale"])
@pytest.mark.parametrize("order", ["post", "pre"])
@pytest.mark.parametrize("body", ["basic", "squeezed", "nested", "graph"])
def test_a_gate_at_its_start_can_still_learn(body: str, order: str, gate: str) -> None:
    """What makes the branch nothing gets a gradient, or it would stay nothing for ever."""
    architecture = block(f"{{residual: {{gate: {gate}, order: {order}}}, body: {BODIES[body]}}}")
    network = fresh(architecture).train()
    (network(images()) * images(seed=1)).sum().backward()
    gates = [
        f"{node.name}.weight"
        for node in architecture.nodes
        if isinstance(node.op, Scale) or (isinstance(node.op, Norm | Conv) and node.op.zero)
    ]
    found = dict(network.named_parameters())
    gradients = [found[name].grad for name in gates]
    assert len(gradients) == 1
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_a_whole_network_of_gated_blocks_begins_as_its_stem() -> None:
    deep = only(
        """
        stem: {op: conv3x3, width: 8}
        stages: [{width: 8, depth: 5, block: {residual: {gate: zero_gamma, drop_path: 0.3},
                  body: [{op: conv3x3}, {op: conv3x3}]}}]
        """
    )
    whole, stem = fresh(deep).eval(), fresh(up_to(deep, "stem.act")).eval()
    stem.load_state_dict(whole.state_dict(), strict=False)
    x = images_for(deep)
    with torch.no_grad():
        features = stem(x).mean(dim=(2, 3))
        weights = whole.state_dict()
        torch.testing.assert_close(whole(x), features @ weights["head.linear.weight"].T + weights["head.linear.bias"])


@pytest.mark.parametrize(
    ("gate", "shape", "start"),
    [("layer_scale", (8,), 1e-6), ("scalar", (1,), 0.0), ("scalar, gate_init: 0.5", (1,), 0.5)],
)
def test_a_learned_factor_starts_where_its_source_starts_it(gate: str, shape: tuple[int], start: float) -> None:
    weight = fresh(block(f"{{residual: {{gate: {gate}}}, body: {BODIES['basic']}}}")).state_dict()[
        f"{HERE}.gate.weight"
    ]
    assert weight.shape == shape
    assert weight.tolist() == pytest.approx([start] * shape[0])


@pytest.mark.parametrize(("gate", "factor"), [("layer_scale", 1e-6), ("fixed", 0.2), ("scalar, gate_init: -2", -2.0)])
def test_a_factor_multiplies_the_body_alone(gate: str, factor: float) -> None:
    text = f"{{residual: {{gate: {gate}, order: pre}}, body: {BODIES['basic']}}}"
    gated, body = fresh(block(text)).eval(), fresh(up_to(block(text), f"{HERE}.body.1.conv")).eval()
    body.load_state_dict(gated.state_dict(), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(gated(images()), images() + factor * body(images()), rtol=1e-6, atol=1e-9)


def test_gates_are_not_decayed() -> None:
    """Weight decay would pull them back to nothing; as of norms and biases, of them there is none."""
    parts = [
        f"{{residual: {{gate: {gate}}}, body: {BODIES['basic']}}}" for gate in ("scalar", "layer_scale", "zero_gamma")
    ]
    network = Network(only(f"stages: [{{width: 3, block: {{seq: [{', '.join(parts)}]}}}}]"))
    decayed, others = (group["params"] for group in _optimizer(network, Recipe(), "cpu").param_groups)
    by_name = dict(network.named_parameters())
    assert {len(by_name[f"{HERE}.{i}.gate.weight"]) for i in (0, 1)} == {1, 3}
    for name, weight in by_name.items():
        vector = name.endswith(".bias") or ".norm." in name or ".gate." in name
        assert any(weight is p for p in others) == vector, name
        assert any(weight is p for p in decayed) != vector, name


# Stochastic depth in training

RATE = 0.4


@pytest.fixture(scope="module")
def dropping() -> Network:
    """The branch alone; its body hands the image on."""
    whole = block(f"{{residual: {{drop_path: {RATE}, order: pre}}, body: [{{op: identity}}]}}")
    return fresh(up_to(whole, f"{HERE}.drop_path"))


def test_training_drops_whole_images_with_the_right_frequency(dropping: Network) -> None:
    """Of 4,000 images 1,600 are dropped, with a standard deviation of 31; the others are divided by 0.6."""
    x = images(4000)
    torch.manual_seed(0)
    with torch.no_grad():
        y = dropping.train()(x)
    dropped = (y == 0).flatten(1)
    assert torch.equal(dropped.any(1), dropped.all(1))
    assert abs(int(dropped.all(1).sum()) - 1600) < 5 * 31
    torch.testing.assert_close(y[~dropped.all(1)], x[~dropped.all(1)] / (1 - RATE))


def test_training_keeps_the_expectation(dropping: Network) -> None:
    """The mean of n draws of x * Bernoulli(0.6) / 0.6 has a standard deviation of |x| * sqrt(0.4 / 0.6 / n)."""
    x = images(1)
    torch.manual_seed(1)
    with torch.no_grad():
        mean = dropping.train()(x.expand(4000, -1, -1, -1)).mean(0, keepdim=True)
    assert bool(((mean - x).abs() <= 5 * x.abs() * (RATE / (1 - RATE) / 4000) ** 0.5 + 1e-12).all())


def test_inference_drops_nothing(dropping: Network) -> None:
    with torch.no_grad():
        assert torch.equal(dropping.eval()(images()), images())


def test_branches_are_dropped_independently_and_deep_ones_more_often() -> None:
    """Two blocks at rates 0.2 and 0.4 on ones make (1 + a)(1 + b), with a in {0, 1 / 0.8} and b in {0, 1 / 0.6}."""
    text = "{residual: {drop_path: 0.4, order: pre}, body: [{op: identity}]}"
    whole = only(f"stages: [{{width: 8, depth: 2, block: {text}}}]\nhead: {{op: identity}}", (8, 8, 8))
    assert [node.op.rate for node in whole.nodes if isinstance(node.op, DropPath)] == pytest.approx([0.2, 0.4])
    network = fresh(up_to(whole, "stages.0.block.1.add")).train()
    torch.manual_seed(2)
    with torch.no_grad():
        levels = network(torch.ones(4000, 8, 8, 8, dtype=torch.float64))[:, 0, 0, 0]
    for a, first in ((0.0, 0.2), (1 / 0.8, 0.8)):
        for b, second in ((0.0, 0.4), (1 / 0.6, 0.6)):
            found = int(torch.isclose(levels, torch.tensor((1 + a) * (1 + b), dtype=torch.float64)).sum())
            wanted = 4000 * first * second
            assert abs(found - wanted) < 5 * (wanted * (1 - first * second)) ** 0.5


# Merges and dual paths against arithmetic


@pytest.mark.parametrize(("merge", "factor"), [("add", 3.0), ("mean", 1.0)])
def test_merging_three_copies_of_the_input(merge: str, factor: float) -> None:
    found = block(
        f"{{graph: {{merge: {merge}, nodes: {{a: {{op: identity}}, b: {{op: identity}}}}, "
        "edges: [[in, a], [in, b], [a, out], [b, out], [in, out]]}}"
    )
    with torch.no_grad():
        torch.testing.assert_close(fresh(found).eval()(images()), factor * images())


def test_a_dual_path_adds_some_channels_and_concatenates_others() -> None:
    """Chen et al. 2017 with layers that are the identity: 6 channels are summed, k = 2 concatenated.

    The image has 8 channels, x = (s, g) with 6 and 2. The first layer hands it on, the projection P x = (p, q) has
    6 + 4 channels; with the layer's output added, the map is (p + s, q, g).
    """
    found = block("{dense: {layers: 1, growth: 2, residual: 6, transition: false}, body: [{op: identity}]}")
    start = up_to(found, f"{HERE}.start.conv")
    network, projection = fresh(found).eval(), fresh(start).eval()
    projection.load_state_dict(network.state_dict(), strict=False)
    x = images()
    with torch.no_grad():
        p, q = projection(x).split([6, 4], dim=1)
        torch.testing.assert_close(network(x), torch.cat([p + x[:, :6], q, x[:, 6:]], 1))


# Networks that use everything

EVERYTHING = SearchSpace.parse("""
version: 1
name: everything
input: {shape: [3, 8, 8], classes: 4}
stem: {op: conv, kernel: {values: [1, 3, 5]}, width: 4, act: {values: [relu, gelu, none]}}
stages: {repeat: {min: 1, max: 2}, width: {start: 4, factor: 2}, depth: {min: 1, max: 2}, block: {use: cell}}
head: {one_of: {wide: {op: conv1x1, width: 6, act: relu6}, none: {op: identity}}}
blocks:
  cell:
    max_depth: 2
    one_of:
      gated:
        residual:
          shortcut: {values: [identity, pad, projection, none]}
          merge: {values: [add, mean, concat]}
          order: {values: [post, pre]}
          gate: {values: [none, zero_gamma, scalar, layer_scale, fixed]}
          gate_init: {min: -1.0, max: 1.0}
          drop_path: {values: [0, 0.3]}
          act: {values: [relu, leaky_relu, silu, none]}
        body: [{use: unit}, {use: unit}]
      around:
        residual: {shortcut: {one_of: {pool: {op: avgpool3x3}, conv: {op: conv1x1, bias: true}}}, gate: zero_gamma}
        body: [{use: cell}, {op: se, reduction: {values: [1, 2]}}]
      dual: {dense: {layers: {min: 1, max: 3}, growth: {values: [1, 2]}, residual: {ratio: 0.5}}, body: [{use: unit}]}
      dag:
        graph:
          nodes: {a: {use: unit}, b: {use: cell}, c: {op: {values: [maxpool3x3, sepconv3x3]}}}
          edges: [[in, a], [a, b]]
          optional_edges: [[in, b], [in, c], [a, c], [b, c], [b, out], [c, out], [in, out]]
          merge: {values: [add, mean, concat]}
  unit:
    one_of:
      conv: {op: conv3x3, norm: {values: [true, false]}, bias: {values: [true, false]}}
      grouped: {seq: [{op: conv1x1}, {op: conv3x3, group_width: 1, act: relu6}]}
      depthwise: {op: dwconv, kernel: 3, act: silu}
      squeezed: {op: se, reduction: 2, act: {values: [relu, silu]}}
""")


def smaller(name: str, *changes: tuple[str, str]) -> SearchSpace:
    """A space of the project on small images, with fewer copies."""
    text = (ROOT / "search_spaces" / f"{name}.yaml").read_text()
    for old, new in (("[3, 32, 32]", "[3, 8, 8]"), *changes):
        assert old in text
        text = text.replace(old, new)
    return SearchSpace.parse(text)


MIXED = smaller("mixed", ("depth: {min: 1, max: 4}", "depth: {min: 1, max: 2}"))
NESTED = smaller("nested", ("repeat: {min: 2, max: 4}", "repeat: {min: 2, max: 3}"))


def test_everything_has_every_operation() -> None:
    generator = random.Random(0)
    drawn = [EVERYTHING.decode(at_random(generator)) for _ in range(100)]
    assert {type(node.op) for candidate in drawn for node in candidate.architecture.nodes} == set(OPS.values())


def check_the_twin(candidate: Candidate) -> None:
    architecture = candidate.architecture
    network, x = lively(architecture), images_for(architecture, 2)
    with torch.no_grad():
        right, found = forward(architecture, network.state_dict(), x), network(x)
    torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9 * max(1.0, float(right.abs().max())))


def check_the_counts(candidate: Candidate) -> None:
    network = Network(candidate.architecture).eval()
    assert sum(p.numel() for p in network.parameters()) == candidate.cost.params
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *candidate.architecture.input_shape))
    assert counter.get_total_flops() == 2 * candidate.cost.macs


@settings(max_examples=10)
@given(candidates(EVERYTHING))
def test_the_twin_and_the_counts_agree_with_everything_at_once(candidate: Candidate) -> None:
    check_the_twin(candidate)
    check_the_counts(candidate)


@settings(max_examples=4)
@given(candidates(MIXED))
def test_the_twin_and_the_counts_agree_on_free_cells(candidate: Candidate) -> None:
    check_the_twin(candidate)
    check_the_counts(candidate)


@settings(max_examples=2)
@given(candidates(NESTED))
def test_the_twin_and_the_counts_agree_on_nested_shortcuts(candidate: Candidate) -> None:
    check_the_twin(candidate)
    check_the_counts(candidate)


@settings(max_examples=4)
@given(candidates(EVERYTHING))
def test_everything_trains(candidate: Candidate) -> None:
    """One batch in training mode: finite scores, and a gradient for every parameter."""
    network = fresh(candidate.architecture).train()
    network(images_for(candidate.architecture, 4)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
