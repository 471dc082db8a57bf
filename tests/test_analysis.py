"""The wiring's facts against closed forms, brute force, and what torch's gradients reach."""

from __future__ import annotations

from collections import Counter
from math import comb

import networkx as nx
import pytest
import torch
from hypothesis import given, settings

from ressearch.analysis import analyse
from ressearch.architecture import Architecture, Node
from ressearch.network import Network
from ressearch.ops import Add, Conv, Input, Linear
from ressearch.space import Candidate, SearchSpace
from tests.conftest import candidates, demo_space
from tests.test_known_networks import networks


def test_resnet_110_has_the_binomial_spectrum_of_54() -> None:
    """Veit et al. 2016: each of 54 blocks of two layers is taken or skipped; stem and classifier are always there."""
    found = analyse(networks("resnet-cifar.yaml")["resnet110-a"].architecture)
    assert dict(found.spectrum) == {2 + 2 * k: comb(54, k) for k in range(55)}
    assert (found.paths, found.skips, found.nesting) == (2**54, 54, 1)
    assert found.mean_length == 2 + 2 * 27


def test_a_dense_block_doubles_its_paths_with_each_layer() -> None:
    """Three blocks of twelve layers, each passed or not: 2^36 paths; stem, two transitions and classifier fixed."""
    found = analyse(networks("densenet-cifar.yaml")["densenet40-k12"].architecture)
    assert dict(found.spectrum) == {4 + k: comb(36, k) for k in range(37)}
    assert found.nesting == 0


@pytest.mark.parametrize(
    ("file", "name", "nesting"),
    [
        ("resnet-cifar.yaml", "plain20", 0),
        ("resnet-cifar.yaml", "resnet1202-b", 1),
        ("ror-cifar.yaml", "ror1-n18-b", 1),
        ("ror-cifar.yaml", "ror2-n18-b", 2),
        ("ror-cifar.yaml", "ror3-n18-b", 3),
    ],
)
def test_nesting_of_known_networks(file: str, name: str, nesting: int) -> None:
    assert analyse(networks(file)[name].architecture).nesting == nesting


def test_a_plain_chain() -> None:
    found = analyse(networks("resnet-cifar.yaml")["plain56"].architecture)
    assert (dict(found.spectrum), found.skips) == ({56: 1}, 0)


def enumerated(architecture: Architecture) -> Counter[int]:
    """Every path walked one by one by networkx."""
    layers = {at for at, node in enumerate(architecture.nodes) if isinstance(node.op, Conv | Linear)}
    paths = nx.all_simple_edge_paths(architecture.graph, 0, len(architecture) - 1)
    return Counter(sum(target in layers for _, target, _ in path) for path in paths)


@settings(max_examples=25)
@given(candidates(demo_space))
def test_paths_are_those_that_can_be_walked(candidate: Candidate) -> None:
    found = analyse(candidate.architecture)
    if found.paths <= 20_000:
        walked = enumerated(candidate.architecture)
        assert dict(found.spectrum) == dict(walked)
        assert (found.paths, found.shortest, found.longest) == (walked.total(), min(walked), max(walked))
        assert found.mean_length == sum(walked.elements()) / walked.total()
    assert max(found.spectrum) == candidate.cost.depth


@settings(max_examples=40)
@given(candidates(demo_space))
def test_nesting_is_what_the_names_say(candidate: Candidate) -> None:
    """Each level of `residual` around a sum has a `body` in the sum's name; dense blocks are no residuals."""
    sums = [node.name for node in candidate.architecture.nodes if isinstance(node.op, Add)]
    assert analyse(candidate.architecture).nesting == max((name.count(".body.") for name in sums), default=-1) + 1


def test_dominators_are_those_of_networkx() -> None:
    from ressearch.analysis import immediate_dominators, immediate_postdominators

    for candidate in networks("ror-cifar.yaml").values():
        graph = nx.DiGraph(candidate.architecture.graph)
        inputs = [node.inputs for node in candidate.architecture.nodes]
        last = len(inputs) - 1
        ours, theirs = immediate_dominators(inputs), nx.immediate_dominators(graph, 0)
        assert all(ours[node] == theirs[node] for node in range(1, last + 1))
        ours, theirs = immediate_postdominators(inputs), nx.immediate_dominators(graph.reverse(), last)
        assert all(ours[node] == theirs[node] for node in range(last))


def test_of_crossing_skips_the_later_sum_encloses_the_earlier() -> None:
    """The second skip starts inside the first, but the ways to its sum part at the image, before the first sum."""
    nodes = [Node("i", Input(4, 8, 8)), *(Node(f"c{k}", Conv(4, 3), (k - 1,)) for k in (1, 2))]
    nodes += [Node("s1", Add(), (0, 2)), Node("c3", Conv(4, 3), (3,)), Node("s2", Add(), (1, 4))]
    assert analyse(Architecture(tuple(nodes))).nesting == 2


DEEP = """
version: 1
name: deep
input: {shape: [1, 121, 121], classes: 2}
stages:
  - {width: 2, depth: {min: 1, max: 2}, block: {use: cell}}
  - {width: 2, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell:
    one_of:
      basic:
        residual: {shortcut: {values: [identity, none]}}
        body: [{op: {values: [conv3x3, conv5x5]}}, {op: conv3x3}]
      bottleneck: {use: bottleneck}
      pooled: {residual: {shortcut: none}, body: [{op: avgpool3x3}, {op: conv3x3}]}
"""


@settings(max_examples=12)
@given(candidates(SearchSpace.parse(DEEP)))
def test_the_receptive_field_is_what_gradients_reach(candidate: Candidate) -> None:
    """The gradient of the central element of the last map, all weights positive, is nonzero exactly on its field."""
    architecture = candidate.architecture
    network = Network(architecture).double().eval()
    for parameter in network.parameters():
        parameter.data.abs_().add_(0.1)
    seen: list[torch.Tensor] = []
    pool = next(at for at, node in enumerate(architecture.nodes) if node.name == "head.pool")
    layer, inputs, dead = network._steps[pool - 1]
    network._steps[pool - 1] = (lambda x: seen.append(x) or layer(x), inputs, dead)  # type: ignore[func-returns-value]
    image = torch.rand(1, 1, 121, 121, dtype=torch.float64, requires_grad=True)
    network(image)
    size = seen[0].shape[-1]
    (gradient,) = torch.autograd.grad(seen[0][0, :, size // 2, size // 2].sum(), image)
    rows = gradient[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == analyse(architecture).receptive_field


@pytest.mark.parametrize(
    ("file", "name", "kinds"),
    [
        ("resnet-cifar", "resnet20-b", {"basic": 9}),
        ("resnet-cifar", "plain20", {}),
        ("resnet-imagenet", "resnet50-v1.5", {"bottleneck": 16}),
        ("densenet-imagenet", "densenet121", {"dense": 4}),
        ("ror-cifar", "ror3-n8-b", {"basic": 24, "nested": 4}),
        ("regnet-imagenet", "regnetx200mf", {"bottleneck": 13}),
        ("rrdb", "rrdb1", {"dense": 3, "basic": 3, "nested": 2}),
    ],
)
def test_the_kinds_of_blocks_are_those_of_the_papers(file: str, name: str, kinds: dict[str, int]) -> None:
    assert analyse(networks(f"{file}.yaml")[name].architecture).kinds == kinds
