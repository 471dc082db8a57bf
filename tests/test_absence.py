"""`none`: a node of a graph that is not there, in what is built, counted, drawn and refused."""

from __future__ import annotations

import json
import os
import random
from itertools import product
from pathlib import Path

import pytest

from ressearch.errors import SpaceError
from ressearch.ops import Add, Conv, Pool
from ressearch.space import SearchSpace
from tests.conftest import ROOT

HEAD = "version: 1\nname: absent\ninput: {shape: [3, 8, 8], classes: 10}\n"
CELL = """
stages:
  - width: 8
    block:
      graph:
        nodes: {a: {op: {values: [none, conv3x3]}}, b: {op: {values: [none, conv1x1, avgpool3x3]}}, c: {op: conv5x5}}
        edges: [[in, a], [a, b], [a, out], [b, c], [c, out]]
"""
A, B = "stages.0.block.0.a.op", "stages.0.block.0.b.op"


def shipped(name: str) -> SearchSpace:
    return SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")


def kernels(space: SearchSpace, a: str, b: str) -> list[int]:
    """Of the convolutions and pools of the cell."""
    nodes = space.decode_stored({A: a, B: b}).architecture.nodes
    return [node.op.kernel for node in nodes if isinstance(node.op, Conv | Pool)]


def test_what_only_an_absent_node_feeds_is_absent_too() -> None:
    space = SearchSpace.parse(HEAD + CELL)
    assert kernels(space, "conv3x3", "none") == [3]
    assert kernels(space, "conv3x3", "conv1x1") == [3, 1, 5]
    assert [type(node.op) for node in space.decode_stored({A: "conv3x3", B: "none"}).architecture.nodes].count(Add) == 0


def test_where_nothing_reaches_the_output_there_is_no_network() -> None:
    space = SearchSpace.parse(HEAD + CELL)
    for b in ("none", "conv1x1", "avgpool3x3"):
        with pytest.raises(SpaceError) as caught:
            kernels(space, "none", b)
        assert caught.value.problems[0].code == "E020"
    absent = "a" if b != "none" else "a, b"
    assert str(caught.value).splitlines()[0] == (
        f"error[E020]: stages.0.block.0: nothing reaches the output of this graph without {absent}"
    )


def test_ways_are_counted_as_enumeration_finds_them() -> None:
    """Six ways, of which the three without `a` are no networks."""
    space = SearchSpace.parse(HEAD + CELL)
    assert space.size() == 6
    assert {tuple(c.decisions.values()) for c in space.enumerate()} == {
        ("conv3x3", b) for b in ("none", "conv1x1", "avgpool3x3")
    }


def test_what_an_absent_node_hides_is_not_asked_and_not_counted() -> None:
    """With `a` there: b's two norms or none, and c's two widths behind it; without: `b` alone, on no way."""
    text = """
stages:
  - width: 8
    block:
      graph:
        nodes:
          a: {op: {values: [none, conv3x3]}}
          b: {op: {values: [none, conv1x1]}, norm: {values: [true, false]}}
          c: {op: conv5x5, width: {values: [4, 8]}}
        edges: [[in, a], [a, b], [b, c], [c, out]]
        optional_edges: [[in, out]]
"""
    space = SearchSpace.parse(HEAD + text)
    behind = 2 * 2
    assert space.size() == 2 * ((behind + 1) + 2)
    drawn = [space._well_typed(space.draw_evenly, random.Random(seed)) for seed in range(40)]
    assert all(set(c.decisions) == set(space.decode_stored(c.decisions).decisions) for c in drawn)


@pytest.mark.parametrize(
    ("stages", "path"),
    [
        ("stages: [{width: 8, block: {op: none}}]", "stages.0.block"),
        (
            "vars: {v: {values: [none, conv3x3]}}\nstages: [{width: 8, block: {seq: [{op: {var: v}}]}}]",
            "stages.0.block",
        ),
        ("blocks: {mine: {op: none}}\nstages: [{width: 8, block: {use: mine}}]", "blocks.mine"),
    ],
)
def test_only_a_node_may_be_none(stages: str, path: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SearchSpace.parse(HEAD + stages)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.message) == ("E020", path, "only a node of a graph may be none")


def test_a_file_of_which_no_network_is_one_is_refused() -> None:
    text = "stages: [{width: 8, block: {graph: {nodes: {a: {op: none}}, edges: [[in, a], [a, out]]}}}]"
    with pytest.raises(SpaceError, match="nothing reaches the output of this graph without a"):
        SearchSpace.parse(HEAD + text)


def test_nasbench_201_costs_what_its_cells_add_up_to() -> None:
    """Its published parameters, 73,306 + 243,040 a 3x3 + 28,000 a 1x1, of cells all of whose nodes are on a way."""
    space, generator = shipped("nasbench-201"), random.Random(0)
    assert space.size() == 5**6
    for _ in range(30):
        words = [generator.choice(["identity", "conv1x1", "conv3x3", "avgpool3x3"]) for _ in range(6)]
        names = ("n01", "n02", "n12", "n03", "n13", "n23")
        decided = {f"blocks.cell.{name}.op": word for name, word in zip(names, words, strict=True)}
        cost = space.decode_stored(decided).cost
        large, small = words.count("conv3x3"), words.count("conv1x1")
        assert cost.params == 73_306 + 243_040 * large + 28_000 * small
        assert cost.macs == 7_783_040 + 35_389_440 * large + 3_932_160 * small


def counted(layers: tuple[int, ...]) -> tuple[int, int]:
    """Parameters and MACs of a network of NAS-Bench-Macro, layer by layer; a layer is 0, 1 or 2."""
    params, macs = 3 * 9 * 32 + 2 * 32, 3 * 9 * 32 * 32 * 32
    width, side, firsts = 32, 32, {0: 64, 2: 128, 5: 256}
    for number, kind in enumerate(layers):
        out, into = firsts.get(number, width), side // (2 if number in firsts else 1)
        if kind:
            ratio, kernel = ((3, 3), (6, 5))[kind - 1]
            inner = ratio * width
            params += width * inner + 2 * inner + kernel**2 * inner + 2 * inner + inner * out + 2 * out
            macs += width * inner * side**2 + (kernel**2 * inner + inner * out) * into**2
        elif number in firsts:
            params, macs = params + width * out + 2 * out, macs + width * out * into**2
        width, side = out, into
    return params + 256 * 1280 + 2 * 1280 + 1281 * 10, macs + 256 * 1280 * side**2 + 1280 * 10


def networks_of_macro(layers: list[tuple[int, ...]]) -> dict[tuple[int, ...], tuple[int, int]]:
    space, words = shipped("nasbench-macro"), ("skip", "mb3_k3", "mb6_k5")
    paths, found = list(space.baselines["least"].decisions), {}
    for layer in layers:
        cost = space.decode_stored(dict(zip(paths, [words[kind] for kind in layer], strict=True))).cost
        found[layer] = (cost.params, cost.macs)
    return found


EVERY = list(product(range(3), repeat=8))
PUBLISHED = {
    "00000000": (387_882, 7_713_280),
    "11111111": (1_588_874, 53_246_464),
    "22222222": (2_932_586, 105_660_928),
    "02012100": (890_666, 47_327_744),
    "00011110": (1_118_378, 31_390_208),
}


def test_nasbench_macro_costs_what_was_published_and_what_is_counted() -> None:
    assert shipped("nasbench-macro").size() == 6_561
    named = {tuple(map(int, key)): cost for key, cost in PUBLISHED.items()}
    assert networks_of_macro(list(named)) == named
    some = random.Random(0).sample(EVERY, 150)
    assert networks_of_macro(some) == {layers: counted(layers) for layers in some}


@pytest.mark.slow
def test_all_of_nasbench_macro_costs_what_is_counted() -> None:
    """And what the table says, where RESSEARCH_NASBENCH_MACRO names it."""
    found = networks_of_macro(EVERY)
    assert found == {layers: counted(layers) for layers in EVERY}
    if table := os.environ.get("RESSEARCH_NASBENCH_MACRO"):
        rows = json.loads(Path(table).read_text(encoding="utf-8"))
        assert found == {tuple(map(int, key)): (row["params"], row["flops"]) for key, row in rows.items()}
