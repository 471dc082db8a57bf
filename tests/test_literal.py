"""A network of a space as a space of its own: the same network, and nothing left open."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ressearch.errors import SpaceError
from ressearch.space import SearchSpace
from ressearch.space.grammar import Block
from ressearch.space.literal import LITERALS, literal
from tests.conftest import DEMO
from tests.spaces import spaces

SHIPPED = {name: SearchSpace.load(DEMO.parent / f"{name}.yaml") for name in ("demo", "mixed", "nested", "nasbench-201")}


def require_same(space: SearchSpace, seed: int) -> SearchSpace:
    """A drawn network's literal builds it and names nothing else; what it is."""
    try:
        candidate = space.draw(random.Random(seed))
    except SpaceError:
        assume(False)
    found = literal(space, candidate.decisions, "one")
    assert [one.architecture.id for one in found.networks.values()] == [candidate.architecture.id]
    [own] = found.networks.values()
    assert (own.recipe, found.name) == (candidate.recipe, "one")
    return found


def test_every_kind_of_block_has_a_literal() -> None:
    assert set(LITERALS) == set(get_args(Block))


@pytest.mark.parametrize("name", SHIPPED)
def test_networks_of_the_spaces_that_ship_leave_nothing_open(name: str) -> None:
    for seed in range(4):
        assert require_same(SHIPPED[name], seed + (1 if name == "nasbench-201" else 0)).size() == 1


@settings(max_examples=15)
@given(spaces(continuous=True), st.integers(0, 1000))
def test_networks_of_random_spaces(space: SearchSpace, seed: int) -> None:
    require_same(space, seed)


@pytest.mark.slow
@settings(max_examples=400)
@given(spaces(continuous=True), st.integers(0, 1000))
def test_networks_of_many_random_spaces(space: SearchSpace, seed: int) -> None:
    require_same(space, seed)


UNLIKE = """
version: 1
name: unlike
input: {shape: [3, 8, 8], classes: 10}
stages: [{width: 8, block: {dense: {layers: 2, growth: 4}, body: [{op: {values: [conv1x1, conv3x3]}}]}}]
"""


def test_a_dense_block_of_unlike_layers_stays_open_with_one_baseline() -> None:
    space = SearchSpace.parse(UNLIKE)
    paths = [f"stages.0.block.0.layer.{layer}.0.op" for layer in (0, 1)]
    alike = literal(space, dict.fromkeys(paths, "conv3x3"), "alike")
    unlike = literal(space, dict(zip(paths, ["conv1x1", "conv3x3"], strict=True)), "unlike")
    assert (alike.size(), list(alike.networks)) == (1, ["alike"])
    assert (unlike.size(), list(unlike.networks)) == (4, ["network"])
