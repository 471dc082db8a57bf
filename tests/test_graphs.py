"""Free graphs: which nodes live, what feeds them, and where width and stride change."""

from __future__ import annotations

import itertools
import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.architecture import Architecture
from ressearch.cost import cost_of, macs_of
from ressearch.ops import Add, Concat, Conv, Pool, Scale
from ressearch.space import Candidate, SearchSpace
from tests.test_space import count, names, node, only, output_of, sources, space_of

HERE = "stages.0.block.0"
PLAIN_HEAD = "head: {op: identity}"
"""Nothing stands between the last stage and the pooling."""


def origin(name: str) -> str:
    """The graph's node (or `in`) that a value comes from, by its address."""
    if name == "input":
        return "in"
    return name.removeprefix(f"{HERE}.").split(".")[0]


def arriving(architecture: Architecture, at: str) -> list[str]:
    """What is merged in front of a node of the graph, or of `out`; each node is one convolution."""
    reader = f"{HERE}.{at}.conv" if at != "out" else "head.pool"
    (source,) = sources(architecture, reader)
    merge = f"{HERE}.out.add" if at == "out" else f"{HERE}.{at}.in.add"
    return [origin(name) for name in (sources(architecture, merge) if source == merge else [source])]


# Every subset of optional edges, against networkx

FIXED = [("in", "a")]
OPTIONAL = [("a", "b"), ("b", "out"), ("in", "c"), ("c", "b"), ("a", "out"), ("in", "out"), ("c", "d"), ("d", "out")]


def listed(edges: list[tuple[str, str]]) -> str:
    return "[" + ", ".join(f"[{source}, {target}]" for source, target in edges) + "]"


SUBSETS = space_of(
    f"""
    stages: [{{width: 8, block: {{graph: {{
      nodes: {{d: {{op: conv3x3}}, c: {{op: conv3x3}}, b: {{op: conv3x3}}, a: {{op: conv3x3}}}},
      edges: {listed(FIXED)}, optional_edges: {listed(OPTIONAL)}}}}}}}]
    {PLAIN_HEAD}
    """,
    (8, 4, 4),
)


@pytest.mark.parametrize("taken", list(itertools.product([True, False], repeat=len(OPTIONAL))))
def test_the_nodes_alive_are_those_on_a_way_from_in_to_out(taken: tuple[bool, ...]) -> None:
    decisions = {f"{HERE}.graph.{s}->{t}": kept for (s, t), kept in zip(OPTIONAL, taken, strict=True)}
    candidate = SUBSETS.decode_stored(decisions)
    architecture = candidate.architecture

    kept: nx.DiGraph[object] = nx.DiGraph([*FIXED, *(edge for edge, yes in zip(OPTIONAL, taken, strict=True) if yes)])
    kept.add_nodes_from(["in", "out"])
    on_a_way = (nx.descendants(kept, "in") & nx.ancestors(kept, "out")) | {"in", "out"}
    truth = nx.subgraph(kept, on_a_way)

    found = {origin(name) for name in names(architecture) if name.endswith(".conv")}
    assert found == on_a_way - {"in", "out"}
    for at in found:
        assert sorted(arriving(architecture, at)) == sorted(map(str, truth.predecessors(at)))
    assert sorted(arriving(architecture, "out")) == (sorted(map(str, truth.predecessors("out"))) or ["in"])
    assert candidate.decisions == decisions
    assert candidate.cost.macs == len(found) * 8 * 8 * 9 * 16 + 8 * 10
    assert candidate.cost.params == len(found) * (8 * 8 * 9 + 2 * 8) + 8 * 10 + 10


def test_every_optional_edge_is_a_decision_asked_in_file_order() -> None:
    found = SUBSETS.sample(random.Random(0)).decisions
    assert list(found) == [f"{HERE}.graph.{s}->{t}" for s, t in OPTIONAL]
    assert all(type(value) is bool for value in found.values())


def test_what_is_left_out_asks_nothing() -> None:
    space = space_of(
        """
        stages: [{width: 8, block: {graph: {nodes: {a: {op: {values: [conv1x1, conv3x3]}}, b: {op: conv3x3}},
                  edges: [[in, b], [b, out], [in, a]], optional_edges: [[a, out]]}}}]
        """
    )
    assert set(space.decode_stored({f"{HERE}.graph.a->out": False}).decisions) == {f"{HERE}.graph.a->out"}
    full = space.decode_stored({f"{HERE}.graph.a->out": True, f"{HERE}.a.op": "conv1x1"})
    assert isinstance(node(full.architecture, f"{HERE}.a.conv").op, Conv)


def test_edges_of_a_baseline_are_addressed_by_their_ends() -> None:
    space = space_of(
        """
        stages: [{width: 8, block: {graph: {nodes: {a: {op: conv3x3}},
                  optional_edges: [[in, a], [a, out], [in, out]]}}}]
        baselines: {skip: {in->a: true, a->out: true, in->out: true},
                    none: {in->a: false, a->out: true, in->out: false}}
        """
    )
    assert count(space.baselines["skip"].architecture, Add) == 1
    assert count(space.baselines["none"].architecture, Add) == 0
    assert f"{HERE}.a.conv" not in names(space.baselines["none"].architecture)


# Merges


@pytest.mark.parametrize("merge", ["add", "concat", "mean"])
def test_what_arrives_at_one_node_is_merged(merge: str) -> None:
    """Three ways of width 4 and a convolution behind them; a concatenation is 12 wide, at `out` brought back to 4."""
    found = only(
        f"""
        stages: [{{width: 4, block: {{graph: {{merge: {merge}, nodes: {{a: {{op: conv1x1}}, b: {{op: conv1x1}},
                  c: {{op: conv3x3}}}}, edges: [[in, a], [in, b], [in, c], [a, c], [b, c], [c, out], [a, out]]}}}}}}]
        {PLAIN_HEAD}
        """,
        (4, 8, 8),
    )
    wide = merge == "concat"
    per_pixel = 2 * 4 * 4 + (12 if wide else 4) * 4 * 9 + (8 * 4 if wide else 0)
    assert sum(macs_of(found)) == per_pixel * 64 + 40
    kind = Concat if wide else Add
    assert [len(each.inputs) for each in found.nodes if isinstance(each.op, kind)] == [3, 2]
    means = [each.op.start for each in found.nodes if isinstance(each.op, Scale)]
    assert means == (pytest.approx([1 / 3, 1 / 2]) if merge == "mean" else [])
    assert found.shapes[names(found).index("head.pool") - 1] == (4, 8, 8)


def test_the_merge_may_be_a_choice() -> None:
    space = space_of(
        """
        stages: [{width: 8, block: {graph: {merge: {values: [add, mean]}, nodes: {a: {op: conv3x3}},
                  edges: [[in, a], [a, out], [in, out]]}}}]
        """
    )
    kinds = {m: space.decode_stored({f"{HERE}.graph.merge": m}).architecture for m in ("add", "mean")}
    assert (count(kinds["add"], Scale), count(kinds["mean"], Scale)) == (0, 1)


# Width and stride


def test_stride_is_taken_at_in_and_widths_change_where_values_meet() -> None:
    """3 x 8 x 8 to 8 x 4 x 4. `a` alone reads 3 channels; `b` and `out` read the input brought to 8 once for both."""
    found = only(
        f"""
        stages: [{{width: 8, stride: 2, block: {{graph: {{nodes: {{a: {{op: conv3x3}}, b: {{op: conv3x3}}}},
                  edges: [[in, a], [in, b], [a, b], [b, out], [in, out]]}}}}}}]
        {PLAIN_HEAD}
        """
    )
    assert [(each.op, s) for each, s in zip(found.nodes, found.shapes, strict=True) if isinstance(each.op, Pool)] == [
        (Pool("avg", 3, 2), (3, 4, 4))
    ]
    assert node(found, f"{HERE}.a.conv").op == Conv(8, 3)
    assert sources(found, f"{HERE}.a.conv") == [f"{HERE}.in.pool"]
    assert sources(found, f"{HERE}.b.in.add") == [f"{HERE}.in.out.act", f"{HERE}.a.act"]
    assert sources(found, f"{HERE}.out.add") == [f"{HERE}.b.act", f"{HERE}.in.out.act"]
    assert sum(macs_of(found)) == 16 * (3 * 8 * 9 + 3 * 8 + 8 * 8 * 9) + 80
    assert found.shapes[names(found).index("head.pool") - 1] == (8, 4, 4)


def test_a_node_of_another_width_is_brought_to_the_stage_s_where_it_meets_others() -> None:
    found = only(
        f"""
        stages: [{{width: 8, block: {{graph: {{nodes: {{a: {{op: conv3x3, width: 6}}, b: {{op: conv3x3}}}},
                  edges: [[in, a], [a, b], [b, out], [a, out]]}}}}}}]
        {PLAIN_HEAD}
        """
    )
    assert sum(macs_of(found)) == 64 * (3 * 6 * 9 + 6 * 8 * 9 + 6 * 8) + 80
    assert found.output_shape == (10,)


def test_stride_beside_a_graph() -> None:
    found = only("""
        stages: [{width: 8, block: {width: 12, stride: 2, graph: {nodes: {a: {op: conv3x3}},
                  edges: [[in, a], [a, out]]}}}]
    """)
    assert output_of(found, HERE) == (12, 4, 4)


# Graphs, rules and decisions inside each other


NESTED = space_of(
    """
    stages: [{width: 8, block: {graph: {
      nodes: {
        a: {use: mine},
        b: {graph: {nodes: {p: {op: conv1x1}, q: {op: conv3x3}}, edges: [[in, p], [p, q], [q, out]],
                    optional_edges: [[p, out]]}}},
      edges: [[in, a], [a, b], [b, out]],
      optional_edges: [[in, out]]}}}]
    blocks:
      mine: {residual: {shortcut: {values: [identity, none]}}, body: [{op: conv3x3}, {op: conv3x3}]}
    """,
    (8, 4, 4),
)


def test_the_addresses_inside_graphs() -> None:
    assert set(NESTED.sample(random.Random(0)).decisions) == {
        f"{HERE}.graph.in->out",
        f"{HERE}.a.mine.residual.shortcut",
        f"{HERE}.b.graph.p->out",
    }


@given(st.booleans(), st.booleans(), st.sampled_from(["identity", "none"]))
def test_a_graph_and_a_rule_inside_a_graph(outer: bool, inner: bool, shortcut: str) -> None:
    decisions = {
        f"{HERE}.graph.in->out": outer,
        f"{HERE}.a.mine.residual.shortcut": shortcut,
        f"{HERE}.b.graph.p->out": inner,
    }
    found = NESTED.decode_stored(decisions)
    assert count(found.architecture, Add) == outer + inner + (shortcut == "identity")
    assert found.cost.macs == 16 * (3 * 8 * 8 * 9 + 8 * 8) + 80


RECURSIVE = SearchSpace.parse("""
version: 1
name: recursive
input: {shape: [3, 8, 8], classes: 10}
stages: [{width: 4, block: {use: cell}}]
blocks:
  cell:
    max_depth: 3
    one_of:
      leaf: {op: conv3x3}
      split: {graph: {nodes: {l: {use: cell}, r: {use: cell}}, edges: [[in, l], [in, r], [l, out], [r, out]]}}
""")


def decode_fully(space: SearchSpace) -> Candidate:
    return space.decode(lambda choice: choice.domain.values[-1])  # type: ignore[union-attr]


def test_recursion_through_graphs_ends_at_max_depth() -> None:
    """Two levels split and the third cannot: four leaves, of which each level sums two."""
    found = decode_fully(RECURSIVE).architecture
    assert (count(found, Conv), count(found, Add)) == (4, 3)
    assert max(name.split(".").count("cell") for name in names(found)) == 3


def test_a_fractal_of_three_columns_as_graphs() -> None:
    """FractalNet (Larsson et al. 2017): f1 is a convolution, f(n+1) = join(f(n) twice in a row, a convolution).

    f3 holds 4 + 2 + 1 convolutions, the longest way 4, the shortest 1; one join at the end merges all three columns
    in the paper, nested joins of two here: f2 has one join, f3 one more and two f2.
    """
    found = only(
        f"""
        stages: [{{width: 8, block: {{use: f3}}}}]
        {PLAIN_HEAD}
        blocks:
          f1: {{op: conv3x3}}
          f2: {{graph: {{merge: mean, nodes: {{a: {{use: f1}}, b: {{use: f1}}, c: {{use: f1}}}},
               edges: [[in, a], [a, b], [b, out], [in, c], [c, out]]}}}}
          f3: {{graph: {{merge: mean, nodes: {{a: {{use: f2}}, b: {{use: f2}}, c: {{use: f1}}}},
               edges: [[in, a], [a, b], [b, out], [in, c], [c, out]]}}}}
        """,
        (8, 8, 8),
    )
    assert (count(found, Conv), count(found, Add), count(found, Scale)) == (4 + 2 + 1, 3, 3)
    convs = {i for i, each in enumerate(found.nodes) if isinstance(each.op, Conv)}
    wiring = nx.DiGraph(found.graph)
    ways = {len(convs & set(way)) for way in nx.all_simple_paths(wiring, 0, len(found) - 1)}
    assert ways == {1, 2, 3, 4}
    assert cost_of(found).depth == 4 + 1
