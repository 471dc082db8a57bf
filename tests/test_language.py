"""Three spaces that show the whole language: each loads, is counted, drawn from, built and trained."""

# ruff: noqa: E501  # files stand here as a user would write them

from __future__ import annotations

import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ressearch.data import Part, SearchData
from ressearch.network import Network
from ressearch.space import Candidate, SearchSpace
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe

CIFAR_RESNETS = """\
# CIFAR ResNets: ResNet-14 .. ResNet-110 and everything between
version: 1
name: resnet-cifar
input: {shape: [3, 32, 32], classes: 10}
stem: {op: conv3x3, width: 16}
vars: {n: {min: 2, max: 18}}
stages:
  - {width: 16, stride: 1, depth: {var: n}, block: {use: basic}}
  - {width: 32, stride: 2, depth: {var: n}, block: {use: basic}}
  - {width: 64, stride: 2, depth: {var: n}, block: {use: basic}}
blocks:
  basic:
    tie: network
    residual: {shortcut: {values: [pad, projection]}, order: {values: [post, pre]}}
    body: [{op: conv3x3}, {op: conv3x3}]
baselines:
  resnet20: {vars.n: 3, shortcut: pad, order: post}
  resnet56: {vars.n: 9, shortcut: pad, order: post}
limits: {macs: {max: 150M}}
"""

RESIDUAL_OF_RESIDUALS = """\
# Residual of residuals: shortcuts over groups of shortcuts, up to three levels
version: 1
name: residual-of-residuals
input: {shape: [3, 32, 32], classes: 10}
stem: {op: conv3x3, width: 16}
stages: {repeat: 3, width: {start: 16, factor: 2}, block: {use: group}}
blocks:
  unit: {residual: {shortcut: identity, order: pre}, body: [{op: conv3x3}, {op: conv3x3}]}
  group:
    max_depth: 3
    residual: {shortcut: {values: [identity, projection, none]}}
    body: [{repeat: {min: 2, max: 4}, block: {one_of: {unit: {use: unit}, group: {use: group}}}}]
"""

EVERYTHING = """\
# Everything at once, with a free-form cell
version: 1
name: mixed
input: {shape: [3, 32, 32], classes: 10}
stem: {op: conv3x3, width: {values: [16, 24, 32]}}
stages: {repeat: {min: 2, max: 4}, width: {start: 16, factor: 2}, depth: {min: 1, max: 4}, block: {use: cell}}
blocks:
  cell:
    max_depth: 2
    one_of:
      basic:      {residual: {shortcut: identity}, body: [{op: conv3x3}, {op: conv3x3}]}
      bottleneck: {residual: {shortcut: projection}, body: [{op: conv1x1, width: {ratio: 0.25}}, {op: conv3x3}, {op: conv1x1}]}
      dense:      {dense: {layers: {min: 2, max: 6}, growth: {values: [8, 12, 16]}}, body: [{op: conv1x1, width: {ratio: 4.0}}, {op: conv3x3}]}
      nested:     {residual: {shortcut: {values: [identity, none]}}, body: [{use: cell}, {use: cell}]}
      dag:
        graph:
          nodes: {a: {op: conv3x3}, b: {op: {values: [conv3x3, sepconv3x3, identity]}}, c: {op: avgpool3x3}}
          edges: [[in, a], [a, b], [b, out]]
          optional_edges: [[in, b], [in, c], [a, c], [c, out], [in, out]]
"""


def colour_images() -> SearchData:
    """Noise in two colours: enough to see whether a network learns anything at all."""
    generator = torch.Generator().manual_seed(0)

    def part(size: int) -> Part:
        labels = torch.arange(size) % 2
        images = torch.randint(0, 128, (size, 3, 32, 32), generator=generator, dtype=torch.uint8)
        images[labels == 1] += 100
        return Part(images, labels)

    return SearchData("noise", part(64), part(32), 10)


def groups(depth: int) -> int:
    """Ways to decide a group that may hold `depth` levels: a shortcut, and 2 to 4 units or groups."""
    child = 1 + (groups(depth - 1) if depth > 1 else 0)
    return 3 * sum(child**n for n in (2, 3, 4))


def cells(depth: int) -> int:
    """Ways to decide a cell: basic, bottleneck, 5 x 3 dense blocks, 3 words and 5 edges of the graph, two cells."""
    nested = 2 * cells(depth - 1) ** 2 if depth > 1 else 0
    return 1 + 1 + 5 * 3 + nested + 3 * 2**5


def everything() -> int:
    """3 stems; 2 to 4 stages of 1 to 4 cells each."""
    stage = sum(cells(2) ** n for n in (1, 2, 3, 4))
    return 3 * sum(stage**n for n in (2, 3, 4))


EXAMPLES = [(CIFAR_RESNETS, 17 * 2 * 2), (RESIDUAL_OF_RESIDUALS, groups(3) ** 3), (EVERYTHING, everything())]
IDS = ["cifar-resnets", "residual-of-residuals", "everything"]


@pytest.mark.parametrize(("text", "size"), EXAMPLES, ids=IDS)
def test_an_example_loads_and_is_counted(text: str, size: int) -> None:
    space = SearchSpace.parse(text)
    assert space.size() == size
    assert space.remarks == []


@pytest.mark.parametrize("text", [text for text, _ in EXAMPLES], ids=IDS)
def test_an_example_is_drawn_from_and_built(text: str) -> None:
    space, generator = SearchSpace.parse(text), random.Random(0)
    drawn = [space.sample(generator) for _ in range(5)]
    assert len({candidate.architecture.id for candidate in drawn}) > 1
    for candidate in drawn:
        with torch.device("meta"):
            network, image = Network(candidate.architecture).eval(), torch.zeros(1, 3, 32, 32)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            assert network(image).shape == (1, 10)
        assert counter.get_total_flops() == candidate.cost.flops
        assert sum(p.numel() for p in network.parameters()) == candidate.cost.params


@pytest.mark.parametrize("text", [text for text, _ in EXAMPLES], ids=IDS)
def test_a_network_of_an_example_trains(text: str) -> None:
    space, generator = SearchSpace.parse(text), random.Random(1)
    drawn = [space.sample(generator) for _ in range(60)]
    cheapest: Candidate = min(drawn, key=lambda candidate: candidate.cost.macs)
    recipe, fidelity = Recipe(batch_size=16, lr=0.05), Fidelity(epochs=2)
    found = measure(cheapest.architecture, colour_images(), recipe, fidelity, seed=0)
    assert found.accuracy > 0.9, "two colours are told apart"
