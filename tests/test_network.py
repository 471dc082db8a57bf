"""The torch module against the slow twin, in double precision."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.architecture import Architecture, Node, alive
from ressearch.network import Network
from ressearch.ops import Activation, Add, Concat, Conv, GlobalPool, Input, Linear, Norm, Op, Pad, Pool
from ressearch.space import Candidate, SearchSpace
from tests.conftest import candidates, demo_space
from tests.twin import forward


def lively(architecture: Architecture, seed: int = 0) -> Network:
    """A network in double precision whose norms are not the identity, as after some training."""
    torch.manual_seed(seed)
    network = Network(architecture).double()
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.ndim <= 1:
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name or "weight" in name else -0.5))
    return network.eval()


def images_for(architecture: Architecture, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *architecture.input_shape, dtype=torch.float64, generator=generator)


@settings(max_examples=40)
@given(candidates(demo_space), st.integers(0, 100))
def test_the_twin_agrees(candidate: Candidate, seed: int) -> None:
    network, images = lively(candidate.architecture, seed), images_for(candidate.architecture)
    with torch.no_grad():
        torch.testing.assert_close(
            network(images),
            forward(candidate.architecture, network.state_dict(), images),
            rtol=1e-10,
            atol=1e-10,
        )


@pytest.mark.parametrize(
    "op",
    [
        Conv(6, 1, 2),
        Conv(6, 2, 2),
        Conv(6, 3, bias=True),
        Conv(6, 5, 3),
        Conv(6, 7, 2, groups=2),
        Norm(),
        Activation("relu"),
        Activation("silu"),
        Activation("gelu"),
        Pool("max", 3, 2),
        Pool("max", 2, 2),
        Pool("avg", 3, 1),
        Pool("avg", 5, 3),
        Pad(4, 1),
        Pad(9, 2),
    ],
    ids=str,
)
def test_the_twin_agrees_on_each_op(op: Op) -> None:
    nodes = (
        Node("image", Input(4, 9, 7)),
        Node("x.op", op, (0,)),
        Node("p", GlobalPool(), (1,)),
        Node("l", Linear(3), (2,)),
    )
    architecture = Architecture(nodes)
    network, images = lively(architecture), images_for(architecture)
    with torch.no_grad():
        torch.testing.assert_close(network(images), forward(architecture, network.state_dict(), images))


def test_a_rerouted_edge_is_caught() -> None:
    """The saboteur: one edge of a sum or a concatenation reads another map of the same shape."""
    caught = 0
    for candidate in demo_space.baselines.values():
        architecture = candidate.architecture
        network, images = lively(architecture), images_for(architecture)
        with torch.no_grad():
            truth = network(images)
            for sabotaged in rerouted(architecture):
                wrong = forward(sabotaged, network.state_dict(), images)
                assert not torch.allclose(wrong, truth)
                caught += 1
    assert caught >= 6


def rerouted(architecture: Architecture) -> list[Architecture]:
    found = []
    for at, node in enumerate(architecture.nodes):
        if not isinstance(node.op, Add | Concat):
            continue
        first = node.inputs[0]
        others = [
            i for i in range(1, at) if i not in node.inputs and architecture.shapes[i] == architecture.shapes[first]
        ]
        if others:
            nodes = list(architecture.nodes)
            nodes[at] = node._replace(inputs=(*node.inputs[:-1], others[-1]))
            found.append(Architecture(alive(nodes, len(nodes) - 1)))
    return found


def test_parameters_carry_the_names_of_the_nodes() -> None:
    architecture = demo_space.baselines["resnet8"].architecture
    names = {name.rsplit(".", 1)[0] for name in Network(architecture).state_dict()}
    assert names == {n.name for n in architecture.nodes if isinstance(n.op, Conv | Norm | Linear)}


def test_gradients_reach_every_parameter() -> None:
    architecture = demo_space.baselines["resnet14"].architecture
    network = lively(architecture).train()
    network(images_for(architecture)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_same_seed_draws_the_same_weights() -> None:
    architecture = demo_space.baselines["resnet8"].architecture
    one, same, other = (lively(architecture, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_convolutions_are_drawn_he_normal_by_fan_out() -> None:
    torch.manual_seed(0)
    nodes = (
        Node("image", Input(32, 8, 8)),
        Node("c", Conv(64, 3), (0,)),
        Node("p", GlobalPool(), (1,)),
        Node("l", Linear(3), (2,)),
    )
    weight = Network(Architecture(nodes)).state_dict()["c.weight"]
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_a_narrow_strided_pointwise_convolution_trains_safely() -> None:
    """Left alone, oneDNN corrupts the heap here (see `_StridedPointwise`), so a process of its own tries it."""
    script = """
import torch
from ressearch.network import LAYERS
from ressearch.ops import Conv
torch.manual_seed(0)
layer = LAYERS[Conv](Conv(8, 1, 2), [(4, 9, 9)]).to(memory_format=torch.channels_last)
x = torch.randn(64, 4, 9, 9).to(memory_format=torch.channels_last)
for _ in range(50):
    layer.weight.grad = None
    layer(x).square().sum().backward()
weight = layer.weight.detach().double().requires_grad_()
torch.nn.functional.conv2d(x.double().contiguous(), weight, stride=2).square().sum().backward()
torch.testing.assert_close(layer.weight.grad.double(), weight.grad, rtol=1e-4, atol=1e-3)
print("fine")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "fine\n"), result.stderr


def test_blocks_may_have_names_that_modules_use() -> None:
    """`half`, `forward` and the like are methods of every torch module."""
    names = ["half", "float", "forward", "train", "type", "apply", "parameters"]
    rules = "".join(f"  {name}: {{op: conv1x1}}\n" for name in names)
    uses = ", ".join(f"{{use: {name}}}" for name in names)
    space = SearchSpace.parse(
        "version: 1\nname: names\ninput: {shape: [3, 8, 8], classes: 10}\n"
        f"stages: [{{width: 4, block: {{seq: [{uses}]}}}}]\nblocks:\n{rules}"
    )
    architecture = space.decode_stored({}).architecture
    network, images = lively(architecture), images_for(architecture)
    assert len(list(network.parameters())) == 3 * len(names) + 2
    with torch.no_grad():
        torch.testing.assert_close(network(images), forward(architecture, network.state_dict(), images))
