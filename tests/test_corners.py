"""Corners of the language where names, bounds or kinds meet; each was a fault once."""

# ruff: noqa: E501, UP031  # spaces stand here in one line

from __future__ import annotations

import random
import warnings

import pytest

from ressearch.errors import SpaceError
from ressearch.ops import Conv, DropPath, Norm
from ressearch.search.propose import Proposer
from ressearch.space import at_random
from tests.test_space import space_of


@pytest.mark.parametrize("merge", ["add", "mean", "concat"])
def test_a_residual_written_into_a_node_where_several_edges_meet(merge: str) -> None:
    space_of(
        "stages: [{width: 8, block: {graph: {merge: %s, nodes: {a: {op: conv3x3}, b: {residual: {merge: %s}, body: [{op: conv3x3}]}}, edges: [[in,a],[a,b],[in,b],[b,out]]}}}]"
        % (merge, merge)
    ).decode_stored({})


def test_a_dense_block_written_into_a_node_where_several_edges_meet() -> None:
    space_of(
        "stages: [{width: 8, block: {graph: {merge: concat, nodes: {a: {op: conv3x3}, b: {dense: {layers: 2, growth: 4}, body: [{op: conv3x3}]}}, edges: [[in,a],[a,b],[in,b],[b,out]]}}}]"
    ).decode_stored({})


@pytest.mark.parametrize("op", ["maxpool3x3", "avgpool3x3", "dwconv3x3", "identity", "se"])
def test_a_node_that_is_fitted_before_and_behind(op: str) -> None:
    space_of(
        "stages: [{width: 8, block: {graph: {nodes: {a: {op: %s, width: 4}}, edges: [[in,a],[a,out]]}}}]" % op
    ).decode_stored({})


@pytest.mark.parametrize(
    "head",
    [
        "{op: identity, stride: 2}",
        "{op: se, stride: 2}",
        "{dense: {layers: 1, growth: 2}, body: [{op: conv3x3}], stride: 2}",
    ],
)
def test_a_head_that_subsamples(head: str) -> None:
    space_of("stages: [{width: 8, block: {op: conv3x3}}]\nhead: %s" % head).decode_stored({})


@pytest.mark.parametrize("rate", ["1e-7", "0.9999999"])
def test_drop_path_near_its_bounds(rate: str) -> None:
    space = space_of("stages: [{width: 8, block: {residual: {drop_path: %s}, body: [{op: conv3x3}]}}]" % rate)
    drops = [node.op for node in space.decode_stored({}).architecture.nodes if isinstance(node.op, DropPath)]
    assert [drop.rate for drop in drops] == [float(rate)]


@pytest.mark.parametrize("var", ["conv", "{values: [conv, identity]}"])
def test_a_word_without_kernel_through_a_variable(var: str) -> None:
    with pytest.raises(SpaceError, match="E004"):
        space_of("vars: {o: %s}\nstages: [{width: 8, block: {op: {var: o}}}]" % var)


def test_a_kernel_beside_a_sized_word_through_a_variable() -> None:
    with pytest.raises(SpaceError, match="E003"):
        space_of("vars: {o: conv5x5}\nstages: [{width: 8, block: {op: {var: o}, kernel: 3}}]")


@pytest.mark.parametrize(("low", "high", "q"), [(0.1, 0.7, 0.2), (0.1, 0.8, 0.1)])
def test_a_draw_in_steps_stays_below_its_maximum(low: float, high: float, q: float) -> None:
    space = space_of(
        f"stages: [{{width: 8, block: {{op: conv3x3}}}}]\nparameters: {{lr: {{distribution: q_uniform, min: {low}, max: {high}, q: {q}}}}}"
    )
    g = random.Random(0)
    for _ in range(100):
        assert space.decode(at_random(g)).recipe.lr <= high + 1e-9


def test_a_value_of_a_parameter_stands_twice() -> None:
    with pytest.raises(SpaceError, match="E007"):
        space_of("stages: [{width: 8, block: {op: conv3x3}}]\nparameters: {lr: {values: [0.1, 0.1]}}")


@pytest.mark.parametrize(
    "p",
    [
        "{distribution: uniform, min: 0.1, max: 1.0, values: [3]}",
        "{distribution: uniform, min: 0.1, max: 1.0, q: 0.4}",
        "{value: 0.1, values: [0.2, 0.3]}",
        "{value: 0.1, min: 0.2}",
    ],
)
def test_a_key_that_the_distribution_does_not_read_is_an_error(p: str) -> None:
    with pytest.raises(SpaceError):
        space_of("stages: [{width: 8, block: {op: conv3x3}}]\nparameters: {lr: %s}" % p)


def test_q_uniform_as_optuna_takes_it() -> None:
    """Range not divisible by q: the TPE proposer must not warn (warnings are errors in the tests)."""
    space = space_of(
        "stages: [{width: 8, block: {op: conv3x3}}]\nparameters: {lr: {distribution: q_uniform, min: 0.1, max: 1.0, q: 0.4}}"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            Proposer(space, 0).propose()


@pytest.mark.parametrize("lr", ["{values: [0.1, 1.0]}", "{min: 1, max: 2}"])
def test_a_baseline_takes_the_whole_number_of_train(lr: str) -> None:
    space_of(
        "stages: [{width: 8, block: {op: conv3x3}}]\nparameters: {lr: %s}\ntrain: {lr: 1%s}\nbaselines: {b: {}}"
        % (lr, "" if "values" in lr else ".0")
    )


def test_a_dual_path_throws_no_channels_away() -> None:
    """The body makes 12 channels where 6 + 2 are used; 4 are computed and dropped in silence."""
    with pytest.raises(SpaceError):
        space_of(
            "stages: [{width: 8, block: {dense: {layers: 1, growth: 2, residual: 6}, body: [{op: conv3x3, width: 12}]}}]"
        )


@pytest.mark.parametrize("text", ["{op: conv, kernel: 33}", "{op: conv, kernel: three}", "{op: maxpool, kernel: 0}"])
def test_a_bad_kernel_is_not_reported_missing_too(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_of("stages: [{width: 8, block: %s}]" % text)
    assert "E004" not in str(caught.value)


def test_a_bad_edge_is_reported_alone() -> None:
    with pytest.raises(SpaceError) as caught:
        space_of(
            "stages: [{width: 8, block: {graph: {nodes: {left: {op: conv3x3}, right: {op: conv1x1}}, edges: [[in, left], [left, rigth], [right, out]]}}}]"
        )
    assert "no way" not in str(caught.value)


def test_a_level_of_recursion_is_no_item_of_a_sequence() -> None:
    """At the second level, item 0 of `pick` has another address than item 0 of item 1 at the first."""
    space = space_of("""
stages: [{width: 8, block: {seq: [{use: pick}, {use: outer}]}}]
blocks:
  outer: {max_depth: 1, seq: [{use: pick}]}
  pick:
    tie: network
    seq:
      - {op: {values: [conv3x3, conv5x5]}}
      - {seq: [{op: {values: [conv1x1, identity]}}]}
      - {one_of: {a: {op: conv1x1}, b: {use: outer}}}
""")
    found = [candidate.decisions for candidate in space.enumerate()]
    assert len(found) == space.size()


def test_a_rule_may_be_called_like_a_key_of_a_stage() -> None:
    space = space_of("""
stages: [{width: 8, block: {seq: [{op: {values: [conv3x3, conv5x5]}}, {use: block}]}}]
blocks: {block: {tie: stage, seq: [{seq: [{op: {values: [conv1x1, identity]}}]}]}}
""")
    assert len(list(space.enumerate())) == space.size() == 4


def test_levels_of_two_recursions_do_not_meet() -> None:
    """`r` inside `a` and `r` inside `b` may take different branches, so they have different addresses."""
    space = space_of("""
stages: [{width: 8, block: {seq: [{use: a}, {use: b}]}}]
blocks:
  r: {tie: network, one_of: {ra: {use: a}, rb: {use: b}, leaf: {op: conv1x1}}}
  a: {max_depth: 1, seq: [{op: conv3x3}, {use: r}]}
  b: {max_depth: 1, seq: [{op: conv5x5}, {use: r}]}
""")
    assert len(list(space.enumerate())) == space.size() == 4


@pytest.mark.parametrize(("shape", "strides"), [((3, 4, 64), (2, 2, 2)), ((1, 1, 64), (2, 2, 2)), ((1, 5, 10), (4,))])
def test_images_need_not_be_square(shape: tuple[int, int, int], strides: tuple[int, ...]) -> None:
    stages = ", ".join(f"{{width: {8 * 2**i}, stride: {s}, block: {{use: basic}}}}" for i, s in enumerate(strides))
    space = space_of(f"stages: [{{width: 8, block: {{use: basic}}}}, {stages}]", shape)
    height, width = shape[1], shape[2]
    for stride in strides:
        height, width = -(-height // stride), -(-width // stride)
    assert space.networks["test"].architecture.shapes[-3][1:] == (height, width)


@pytest.mark.parametrize(
    "branches",
    [
        "{p: {op: conv3x3, order: post}, q: {op: conv3x3}}",
        "{p: {op: se, reduction: 32}, q: {op: se, reduction: 64}}",
        "{p: {op: conv1x1, width: {ratio: 0.25}}, q: {op: conv1x1, width: {ratio: 0.26}}}",
    ],
)
def test_branches_that_differ_somewhere_are_not_remarked_upon(branches: str) -> None:
    space = space_of(
        "stages: [{width: 256, block: {residual: {order: pre}, body: [{one_of: %s}, {op: conv3x3}]}}]" % branches
    )
    assert space.remarks == []


def test_the_scale_before_squeeze_and_excitation_is_the_one_that_starts_at_zero() -> None:
    """No norm is added, and the activation stands behind the sum (Hu et al. 2018)."""
    space = space_of(
        "stages: [{width: 8, block: {residual: {gate: zero_gamma}, body: [{op: conv3x3}, {op: conv3x3}, {op: se}]}}]"
    )
    nodes = space.networks["test"].architecture.nodes
    assert [node.name.split(".body.")[-1] for node in nodes if node.op == Norm(zero=True)] == ["1.norm"]
    assert [node.name for node in nodes if node.name.endswith("1.act")] == []


def test_a_kernel_of_one_is_no_window_through_a_variable() -> None:
    space = space_of(
        "vars: {k: 1}\nstages: [{width: 8, stride: 2, block: {seq: [{op: conv, kernel: {var: k}}, {op: conv3x3}]}}]"
    )
    convs = [node.op for node in space.decode_stored({}).architecture.nodes if isinstance(node.op, Conv)]
    assert [(conv.kernel, conv.stride) for conv in convs] == [(1, 1), (3, 2)]


def test_many_twins_in_many_cells_are_identified_at_once() -> None:
    """Two equal nodes that are read by two others, in each of 54 cells: no search over which is which."""
    cell = (
        "{residual: {}, body: [{graph: {nodes: {a: {op: conv3x3}, b: {op: conv3x3}, c: {op: conv1x1}, d: {op: "
        "maxpool3x3}}, edges: [[in, a], [in, b], [a, c], [b, c], [a, d], [b, d], [c, out], [d, out]]}}]}"
    )
    space = space_of(f"stages: [{{width: 8, depth: 54, block: {cell}}}]")
    assert len(space.networks["test"].architecture.id) == 16
