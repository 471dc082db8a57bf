"""The Python file against the slow twin of `network`, and as a person reads it."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ressearch.architecture import Architecture, Node
from ressearch.errors import SpaceError
from ressearch.export import as_python
from ressearch.export.python import Source, source_of
from ressearch.export.python.layers import LAYERS
from ressearch.export.subject import lively_state
from ressearch.network import Network
from ressearch.ops import OPS, Activation, Add, Concat, Conv, GlobalPool, Input, Linear, Norm, Scale, Slice
from ressearch.space import SearchSpace
from tests.conftest import DEMO
from tests.exported import PATTERNS, candidate_of, subject_of
from tests.spaces import spaces
from tests.twin import forward

SPACES = DEMO.parent

pytestmark = pytest.mark.usefixtures("one_thread")


def module_of(source: Source, *arguments: Any) -> nn.Module:
    """The file's network, made in this process."""
    names: dict[str, Any] = {"__file__": "/nowhere/network.py", "__name__": "exported"}
    exec(compile(source.text, "network.py", "exec"), names)
    made: nn.Module = names["Network"](*arguments)
    return made


def require_same(architecture: Architecture) -> Source:
    """The file computes in double precision what the twin does, and has each weight once."""
    source = source_of(architecture, "A test.", "weights.pt")
    state = {name: value.double() for name, value in lively_state(architecture).items()}
    network = module_of(source).double().eval()
    assert set(source.names) == set(state)
    assert set(source.names.values()) == set(network.state_dict())
    network.load_state_dict({source.names[name]: value for name, value in state.items()})
    images = torch.randn(2, *architecture.input_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = forward(architecture, state, images)
        torch.testing.assert_close(network(images), wanted, rtol=1e-9, atol=1e-9)
    return source


def test_every_op_is_written() -> None:
    assert set(LAYERS) == set(OPS.values())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern_computes_what_the_network_does(pattern: str) -> None:
    require_same(candidate_of(pattern).architecture)


def test_between_them_the_patterns_hold_every_op() -> None:
    architectures = [candidate_of(pattern).architecture for pattern in PATTERNS]
    assert {type(node.op) for one in architectures for node in one.nodes} == set(OPS.values())


@pytest.mark.slow
@settings(max_examples=200)
@given(spaces(continuous=True), st.integers(0, 1000))
def test_random_networks_of_random_spaces(space: SearchSpace, seed: int) -> None:
    try:
        architecture = space.draw(random.Random(seed)).architecture
    except SpaceError:
        assume(False)
    require_same(architecture)


SHIPPED = {name: SearchSpace.load(SPACES / f"{name}.yaml") for name in ("demo", "fashion", "mixed")}


@settings(max_examples=9)
@given(st.sampled_from(sorted(SHIPPED)), st.integers(0, 1000))
def test_random_networks_of_the_spaces_that_ship(name: str, seed: int) -> None:
    require_same(SHIPPED[name].sample(random.Random(seed)).architecture.resized(8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(SPACES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_network_that_ships(file: Path) -> None:
    for name, candidate in SearchSpace.load(file).networks.items():
        if candidate.cost.params < 30_000_000 and "1202" not in name:
            require_same(candidate.architecture.resized(32, 32))


@st.composite
def tangles(draw: st.DrawFn) -> Architecture:
    """Graphs that no space builds, under names that say nothing: any value may be read anywhere later."""
    nodes = [Node("image", Input(4, 6, 6))]
    for at in range(1, draw(st.integers(2, 14))):
        sources = st.integers(0, at - 1)
        op, count = draw(st.sampled_from([(Conv(4, 3), 1), (Norm(), 1), (Activation(), 1), (Add(), 2), (Slice(4), 1)]))
        name = draw(st.sampled_from(["a", "b.half", "stages.0.block.0", "x", "in", "layer.0"]))
        nodes.append(Node(f"{name}.{at}.self", op, tuple(draw(sources) for _ in range(count))))
    unread = [at for at in range(len(nodes)) if not any(at in node.inputs for node in nodes)]
    nodes.append(Node("all", Concat() if len(unread) > 1 else Norm(), tuple(unread)))
    nodes += [Node("pool", GlobalPool(), (len(nodes) - 1,)), Node("scores", Linear(3), (len(nodes),))]
    return Architecture(tuple(nodes))


@settings(max_examples=30)
@given(tangles())
def test_graphs_that_no_space_builds(architecture: Architecture) -> None:
    require_same(architecture)


def test_a_numbered_name_that_is_taken() -> None:
    """Two of a node's convolutions would be `a_conv1` and `a_conv2`, but a gate is called so."""
    nodes = [Node("image", Input(4, 6, 6)), Node("a.conv", Conv(4, 3), (0,)), Node("a.0.conv", Conv(4, 3), (1,))]
    nodes += [
        Node("a.conv1", Scale("scalar", 1.0), (2,)),
        Node("pool", GlobalPool(), (3,)),
        Node("scores", Linear(3), (4,)),
    ]
    text = require_same(Architecture(tuple(nodes))).text
    assert all(f"self.{name} = " in text for name in ("a_conv1", "a_conv2", "a_conv3"))


# As a person reads it


def text_of(name: str, network: str) -> str:
    architecture = SearchSpace.load(SPACES / f"{name}.yaml").networks[network].architecture
    return source_of(architecture, "A test.", "weights.pt").text


def test_resnet_20_reads_as_one_would_write_it() -> None:
    text = text_of("resnet-cifar", "resnet20-b")
    assert (
        '''class Basic(nn.Module):
    """16 x 32 x 32 to 16 x 32 x 32, 32 x 16 x 16 to 32 x 16 x 16, 64 x 8 x 8 to 64 x 8 x 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, 3)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + x)
'''
        in text
    )
    assert "self.stage2 = nn.Sequential(BasicProjected(16, 32), *(Basic(32) for _ in range(2)))" in text


def test_depth_costs_no_lines() -> None:
    lengths = [len(text_of("resnet-cifar", f"resnet{depth}-a").splitlines()) for depth in (32, 110, 1202)]
    assert len(set(lengths)) == 1
    assert lengths[0] < 90
    assert len(text_of("densenet-cifar", "densenet-bc250-k24").splitlines()) < 150


def test_a_dense_block_is_a_loop() -> None:
    text = text_of("densenet-cifar", "densenet-bc100-k12")
    assert (
        """        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, dim=1)))
        return torch.cat(features, dim=1)
"""
        in text
    )


def test_the_file_imports_torch_and_what_python_has() -> None:
    for suffix in ("pt", "safetensors"):
        text = source_of(candidate_of("cell").architecture, "A test.", f"weights.{suffix}").text
        imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {one.module if isinstance(one, ast.ImportFrom) else one.names[0].name for one in imports}
        assert modules - {"json"} == {"__future__", "pathlib", "torch", "torch.nn"}
        assert max(map(len, text.splitlines())) <= 120


def test_another_number_of_classes_gives_another_head() -> None:
    architecture = candidate_of("basic").architecture
    network = module_of(source_of(architecture, "A test.", "weights.pt"), 7).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, *architecture.input_shape)).shape == (1, 7)


def test_gates_start_where_the_network_starts_them() -> None:
    """A block whose branch starts at nothing: fresh weights of the file give what fresh weights of ours do."""
    for pattern in ("zero-gamma", "zero-conv", "scalar-gate", "layer-scale"):
        architecture = candidate_of(pattern).architecture
        source, own = source_of(architecture, "A test.", "weights.pt"), Network(architecture).state_dict()
        theirs = module_of(source).state_dict()
        for name, value in own.items():
            if value.ndim == 1 or not value.any():
                same = name.startswith("head.linear") or torch.equal(value, theirs[source.names[name]])
                assert same, (pattern, name)


def test_stochastic_depth_drops_in_training_alone() -> None:
    architecture = candidate_of("scalar-gate").architecture
    network = module_of(source_of(architecture, "A test.", "weights.pt"))
    state = lively_state(architecture)
    names = source_of(architecture, "A test.", "weights.pt").names
    network.load_state_dict({names[name]: value for name, value in state.items()})
    images: Tensor = torch.randn(4, *architecture.input_shape)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), network(images))
        assert len({network.train()(images).sum().item() for _ in range(8)}) > 1


@pytest.mark.slow
def test_it_runs_in_a_fresh_interpreter(tmp_path: Path) -> None:
    """With what our own DropPath, gates and loops need, and without ressearch."""
    subject = subject_of("layer-scale")
    as_python.write(subject, tmp_path / "net.py")
    assert as_python.check(subject, tmp_path / "net.py").startswith("max difference ")
