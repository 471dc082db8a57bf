"""Cost by arithmetic against closed forms, against published counts, and against what torch counts and holds."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from ressearch.architecture import Architecture, Node
from ressearch.cost import cost_of, macs_of
from ressearch.network import Network
from ressearch.ops import Add, Concat, Conv, GlobalPool, Input, Linear, Norm
from ressearch.space import Candidate, SearchSpace
from tests.conftest import candidates, demo_space

CIFAR = """
version: 1
name: resnet-cifar
input: {shape: [3, 32, 32], classes: 10}
stem: {op: conv3x3, width: 16}
vars: {n: {values: [1, 2, 3, 5, 9, 18]}, shortcut: {values: [pad, identity, projection, none]}}
stages:
  - {width: 16, depth: {var: n}, block: {use: basic}}
  - {width: 32, depth: {var: n}, block: {use: basic}}
  - {width: 64, depth: {var: n}, block: {use: basic}}
blocks:
  basic:
    residual: {shortcut: {var: shortcut}}
    body: [{op: conv3x3}, {op: conv3x3}]
"""
cifar = SearchSpace.parse(CIFAR)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 18])
def test_cifar_resnets_follow_the_closed_forms(n: int) -> None:
    """ResNet-(6n+2) with option A: 97,216 n - 21,926 parameters and 14,155,776 n - 1,916,288 MACs.

    Option B adds 2,752 and 262,144; a plain network costs what option A costs (He et al. 2016, counted).
    """
    costs = {
        shortcut: cifar.decode_stored({"vars.n": n, "vars.shortcut": shortcut}).cost
        for shortcut in ("pad", "identity", "none")
    }
    expected = (97_216 * n - 21_926, 14_155_776 * n - 1_916_288)
    assert (costs["pad"].params, costs["pad"].macs) == expected
    assert (costs["none"].params, costs["none"].macs) == expected
    assert (costs["identity"].params, costs["identity"].macs) == (expected[0] + 2_752, expected[1] + 262_144)
    assert {cost.depth for cost in costs.values()} == {6 * n + 2}


def test_activations_are_those_that_pycls_counts() -> None:
    """ResNet-56 and -110 (B) have 544,778 and 1,060,874 (Radosavovic et al. 2020, constructor of pycls)."""
    counts = [cifar.decode_stored({"vars.n": n, "vars.shortcut": "identity"}).cost.activations for n in (9, 18)]
    assert counts == [544_778, 1_060_874]


@settings(max_examples=60)
@given(candidates(demo_space))
def test_torch_holds_and_counts_the_same(candidate: Candidate) -> None:
    network = Network(candidate.architecture).eval()
    assert sum(p.numel() for p in network.parameters()) == candidate.cost.params
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *candidate.architecture.input_shape))
    assert counter.get_total_flops() == 2 * candidate.cost.macs == candidate.cost.flops
    assert sum(macs_of(candidate.architecture)) == candidate.cost.macs


@settings(max_examples=30)
@given(candidates(demo_space))
def test_peak_is_what_a_network_holds_at_once(candidate: Candidate) -> None:
    """A walk that keeps each value until nobody reads it again, and asks torch for the sizes."""
    architecture = candidate.architecture
    readers = [{at for at, node in enumerate(architecture.nodes) if i in node.inputs} for i in range(len(architecture))]
    sizes = [torch.zeros(shape).numel() for shape in architecture.shapes]
    held = [
        sum(sizes[i] for i in range(at + 1) if i == at or any(reader >= at for reader in readers[i]))
        for at in range(len(architecture))
    ]
    assert candidate.cost.peak == max(held)


def test_a_small_network_by_hand() -> None:
    nodes = (
        Node("image", Input(3, 8, 8)),
        Node("conv", Conv(8, 3, stride=2, bias=True), (0,)),
        Node("norm", Norm(), (1,)),
        Node("grouped", Conv(8, 3, groups=4), (2,)),
        Node("sum", Add(), (2, 3)),
        Node("both", Concat(), (3, 4)),
        Node("pool", GlobalPool(), (5,)),
        Node("linear", Linear(10), (6,)),
    )
    cost = cost_of(Architecture(nodes))
    assert cost.macs == 3 * 8 * 9 * 16 + (8 // 4) * 8 * 9 * 16 + 16 * 10
    assert cost.params == (3 * 8 * 9 + 8) + 2 * 8 + (8 // 4) * 8 * 9 + (16 * 10 + 10)
    assert cost.activations == prod((8, 4, 4)) * 2 + 10
    assert cost.depth == 3
    # The sum holds itself, the grouped convolution (read again by the concatenation) and the norm that it reads.
    assert cost.peak == max(3 * 64 + 8 * 16, 3 * 8 * 16, 8 * 16 * 2 + 16 * 16)
