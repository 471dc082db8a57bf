"""How large a space is, by arithmetic, against closed forms and against going through all of it."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from math import inf, isclose
from pathlib import Path

import pytest
from hypothesis import assume, given, settings

from ressearch.errors import NothingFitsError
from ressearch.space import Candidate, SearchSpace
from ressearch.space.counting import pick
from tests.conftest import ROOT, demo_space
from tests.spaces import spaces

HEAD = "version: 1\nname: counted\ninput: {shape: [1, 8, 8], classes: 2}\n"


def space(text: str) -> SearchSpace:
    return SearchSpace.parse(HEAD + text)


def shipped(name: str) -> SearchSpace:
    return SearchSpace.load(ROOT / "search_spaces" / name)


def key(candidate: Candidate) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(candidate.decisions.items()))


# Closed forms


def test_choices_multiply_and_branches_add() -> None:
    """3 widths, times (2 kernels + 1 + 4 * 2 dense blocks)."""
    text = """
stages:
  - width: {values: [4, 6, 8]}
    block:
      one_of:
        a: {op: {values: [conv1x1, conv3x3]}}
        b: {use: basic}
        c: {dense: {layers: {min: 1, max: 4}, growth: {values: [2, 4]}}, body: [{op: conv3x3}]}
"""
    assert space(text).size() == 3 * (2 + 1 + 4 * 2)


def test_copies_decide_each_for_themselves() -> None:
    """A repeat of 1 to 3 copies with two ways each: 2 + 4 + 8."""
    text = "stages: [{width: 4, block: {repeat: {min: 1, max: 3}, block: {op: {values: [conv1x1, conv3x3]}}}}]"
    assert space(text).size() == 2 + 4 + 8


def test_tied_copies_decide_together() -> None:
    text = """
stages:
  - {width: 4, depth: {min: 1, max: 3}, block: {use: unit}}
  - {width: 8, depth: 2, block: {use: unit}}
blocks: {unit: {tie: TIE, op: {values: [conv1x1, conv3x3]}}}
"""
    assert space(text.replace("TIE", "none")).size() == (2 + 4 + 8) * 4
    assert space(text.replace("TIE", "stage")).size() == 3 * 2 * 2
    assert space(text.replace("TIE", "network")).size() == 3 * 2


def test_a_variable_is_decided_once_and_counts_copies_alike() -> None:
    """N copies with two ways each in both stages: the sum over n of 2^n * 2^n."""
    text = """
vars: {n: {min: 1, max: 3}}
stages:
  - {width: 4, depth: {var: n}, block: {op: {values: [conv1x1, conv3x3]}}}
  - {width: 8, depth: {var: n}, block: {op: {values: [conv1x1, conv3x3]}}}
"""
    assert space(text).size() == 4 + 16 + 64


def test_recursion_is_bounded() -> None:
    """f(1) = 2 leaves, f(d) = 2 + f(d - 1)^2 with max_depth 3: 2, 6, 38."""
    text = """
stages: [{width: 4, block: {use: tree}}]
blocks:
  tree:
    max_depth: 3
    one_of: {leaf: {op: {values: [conv1x1, conv3x3]}}, both: {seq: [{use: tree}, {use: tree}]}}
"""
    assert space(text).size() == 38


def test_optional_edges_are_decided_each_and_open_what_they_reach() -> None:
    """Node b lies on a way from in to out if its two edges are both taken, and only then its word is asked."""
    text = """
stages:
  - width: 4
    block:
      graph:
        nodes: {a: {op: conv3x3}, b: {op: {values: [conv1x1, conv3x3, identity]}}}
        edges: [[in, a], [a, out]]
        optional_edges: [[in, b], [b, out]]
"""
    assert space(text).size() == 3 * 1 + 1 * 3


def test_a_continuum_has_no_end() -> None:
    endless = space("stages: [{width: 8, block: {op: conv3x3, width: {ratio: {min: 0.5, max: 2.0}}}}]")
    assert endless.size() == inf
    with pytest.raises(NothingFitsError, match="cannot be enumerated: it leaves a real number"):
        next(endless.enumerate())
    stepped = space("stages: [{width: 8, block: {op: conv3x3, width: {ratio: {min: 0.5, max: 2.0, step: 0.5}}}}]")
    assert stepped.size() == 4


def test_the_spaces_that_say_their_size_have_it() -> None:
    """The comment of a shipped file tells how many networks it contains."""
    import re

    said = {}
    for path in sorted(Path(ROOT / "search_spaces").glob("*.yaml")):
        found = re.search(r"^# ([\d,]+) networks", path.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            said[path.name] = int(found[1].replace(",", ""))
    assert len(said) >= 10
    assert {name: shipped(name).size() for name in said} == said


# Going through all of it


@pytest.mark.parametrize("name", ["fractalnet-cifar.yaml", "dpn-imagenet.yaml", "wide-resnet-cifar.yaml"])
def test_a_shipped_space_has_as_many_ways_as_enumeration_finds(name: str) -> None:
    found = [key(candidate) for candidate in shipped(name).enumerate()]
    assert len(found) == len(set(found)) == shipped(name).size()


@settings(max_examples=60)
@given(spaces())
def test_a_drawn_space_has_as_many_ways_as_enumeration_finds(drawn: SearchSpace) -> None:
    assume(drawn.size() <= 20_000)  # one in many holds millions
    found = [key(candidate) for candidate in drawn.enumerate()]
    assert len(set(found)) == len(found)
    assert len(found) == drawn.size()


# Drawing evenly


def test_even_draws_are_even() -> None:
    """Ties, a variable that counts copies, a recursion: each of the ways comes up alike (chi square, p > 1e-6)."""
    text = """
vars: {n: {min: 1, max: 2}, k: {values: [conv1x1, conv3x3]}}
stages: [{width: 4, depth: {var: n}, block: {use: cell}}]
blocks:
  cell:
    max_depth: 2
    one_of: {leaf: {op: {var: k}}, tied: {use: tied}, deep: {seq: [{use: cell}]}}
  tied: {tie: network, op: {values: [conv1x1, conv3x3, conv5x5]}}
"""
    counted = space(text)
    ways = [key(candidate) for candidate in counted.enumerate()]
    assert len(ways) == counted.size()
    draws, generator = 60 * len(ways), random.Random(0)
    found = Counter(key(counted.draw_evenly(generator)) for _ in range(draws))
    assert set(found) == set(ways)
    statistic = sum((found[way] - 60) ** 2 / 60 for way in ways)
    assert statistic < len(ways) + 5 * (2 * len(ways)) ** 0.5, "mean k, standard deviation sqrt(2 k)"


def test_an_even_draw_decides_just_what_decode_asks() -> None:
    for name in ("mixed.yaml", "nested.yaml", "demo.yaml"):
        counted = shipped(name)
        drawn = counted._outline.resolved.draw(random.Random(1))
        assert counted.decode_stored(drawn).decisions == drawn


def test_picking_is_exact_for_weights_beyond_floats() -> None:
    weights = {"a": 10**400, "b": 3 * 10**400}
    generator = random.Random(0)
    share = sum(pick(weights, generator) == "b" for _ in range(4_000)) / 4_000
    assert isclose(share, 0.75, abs_tol=0.03)


# Neighbours


def test_neighbours_differ_in_one_decision() -> None:
    text = "stages: [{width: {values: [4, 6, 8]}, depth: {min: 1, max: 4}, block: {op: {values: [conv1x1, conv3x3]}}}]"
    counted = space(text)
    here = counted.decode_stored({"stages.0.width": 4, "stages.0.depth": 1, "stages.0.block.0.op": "conv1x1"})
    found = [dict(n.decisions) for n in counted.neighbours(here, random.Random(0))]
    kept = {"stages.0.width": 4, "stages.0.depth": 1, "stages.0.block.0.op": "conv1x1"}
    assert found[0] == {**kept, "stages.0.width": 6}
    assert found[1] == {**kept, "stages.0.width": 8}
    assert found[2].items() >= {**kept, "stages.0.depth": 2}.items()
    assert set(found[2]) - set(kept) == {"stages.0.block.1.op"}, "what the change opens is drawn"
    assert found[3] == {**kept, "stages.0.block.0.op": "conv3x3"}
    assert len(found) == 4


@pytest.mark.parametrize("seed", range(5))
def test_neighbourhood_is_mutual(seed: int) -> None:
    """From a neighbour one gets back, unless the way there dropped decisions."""
    generator = random.Random(seed)
    here = demo_space.draw(generator)
    for there in demo_space.neighbours(here, generator):
        if set(there.decisions) == set(here.decisions):
            back = [n.decisions for n in demo_space.neighbours(there, generator)]
            assert here.decisions in back


# Limits


def test_narrow_limits_are_reached_without_endless_draws() -> None:
    """Of 2,000 draws from the mixed space none has fewer than 2 MMACs and 20,000 parameters; sampling finds some."""
    text = (ROOT / "search_spaces" / "mixed.yaml").read_text(encoding="utf-8").split("baselines:")[0]
    narrow = SearchSpace.parse(text + "limits: {macs: {min: 3500k, max: 4M}, params: {max: 12k}}\n")
    generator = random.Random(0)
    drawn = [narrow.draw(generator).cost for _ in range(300)]
    assert not any(narrow.permits(cost) for cost in drawn), "the limits are narrow indeed"
    for _ in range(3):
        cost = narrow.sample(generator).cost
        assert 3_500_000 <= cost.macs <= 4_000_000
        assert cost.params <= 12_000


def test_the_limits_hold_both_ways() -> None:
    limited = SearchSpace.parse(
        HEAD + "stages: [{width: {min: 1, max: 640}, block: {op: conv3x3}}]\nlimits: {params: {min: 1k, max: 1030}}"
    )
    found = {limited.sample(random.Random(seed)).cost.params for seed in range(20)}
    assert found == {13 * width + 2 for width in (77, 78, 79)}, "9 weights, scale, shift, 2 classes; and 2 biases"


def test_all_ways_of_a_product_are_met_by_enumeration() -> None:
    text = "stages: [{width: {values: [4, 6]}, block: {op: {values: [conv1x1, conv3x3]}}}]"
    found = {tuple(c.decisions.values()) for c in space(text).enumerate()}
    assert found == set(product((4, 6), ("conv1x1", "conv3x3")))
