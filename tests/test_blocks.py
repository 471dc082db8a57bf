"""Residuals, gates, operations and dual paths: what each must be by its definition, counted by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    DropPath,
    GlobalPool,
    Linear,
    Multiply,
    Norm,
    Pad,
    Pool,
    Scale,
    Shape,
    Slice,
)
from tests.test_space import convolutions, count, names, node, only, sources, space_of

HERE = "stages.0.block.0"


def block(text: str, shape: tuple[int, int, int] = (8, 8, 8), width: int = 8, stride: int = 1) -> Architecture:
    """One block on an image, and nothing between it and the pooling."""
    stage = f"{{width: {width}, stride: {stride}, block: {text}}}"
    return only(f"stages: [{stage}]\nhead: {{op: identity}}", shape)


def shape_of(architecture: Architecture) -> Shape:
    """What the pooling in front of the linear layer reads."""
    return architecture.shapes[names(architecture).index("head.pool") - 1]


def price(architecture: Architecture) -> tuple[int, int]:
    """Parameters and MACs without those of the linear layer at the end."""
    cost, width = cost_of(architecture), shape_of(architecture)[0]
    return cost.params - (width + 1) * 10, cost.macs - width * 10


def ops(architecture: Architecture, kind: type) -> list[Any]:
    return [each.op for each in architecture.nodes if isinstance(each.op, kind)]


def last(architecture: Architecture) -> str:
    """The name of the node that the pooling reads."""
    return sources(architecture, "head.pool")[0]


CONV = 8 * 8 * 9  # a 3x3 convolution of width 8, per pixel and without its norm
NORM = 2 * 8
TWO = "[{op: conv3x3}, {op: conv3x3}]"
ONE = "[{op: conv3x3}]"

# Merges


@pytest.mark.parametrize(("merge", "means"), [("add", []), ("mean", [Scale("fixed", 0.5)])])
def test_a_sum_and_a_mean_of_two(merge: str, means: list[Scale]) -> None:
    found = block(f"{{residual: {{merge: {merge}}}, body: {TWO}}}")
    assert price(found) == (2 * (CONV + NORM), 2 * CONV * 64)
    assert sources(found, f"{HERE}.add") == [f"{HERE}.body.1.norm", "input"]
    assert ops(found, Scale) == means
    assert [type(each.op) for each in found.nodes][-3:] == [Activation, GlobalPool, Linear]


def test_a_concatenation_is_brought_back_to_the_stage_s_width() -> None:
    """4 channels of the body beside the 8 of the input, then a 1x1 convolution from 12 to 8 with its norm."""
    found = block("{residual: {merge: concat}, body: [{op: conv3x3, width: 4}]}")
    assert price(found) == (8 * 4 * 9 + 8 + 12 * 8 + 16, (8 * 4 * 9 + 12 * 8) * 64)
    assert sources(found, f"{HERE}.concat") == [f"{HERE}.body.0.norm", "input"]
    assert (shape_of(found), last(found)) == ((8, 8, 8), f"{HERE}.act")
    assert count(found, Activation) == 1


def test_a_concatenation_without_a_transition_stays_wide() -> None:
    found = block("{residual: {merge: concat, transition: false}, body: [{op: conv3x3, width: 4}]}")
    assert (price(found), shape_of(found)) == ((8 * 4 * 9 + 8, 8 * 4 * 9 * 64), (12, 8, 8))


def test_a_concatenation_of_the_right_width_needs_no_transition() -> None:
    found = block("{residual: {merge: concat}, body: [{op: conv3x3, width: 4}]}", (4, 8, 8))
    assert (price(found), shape_of(found)) == ((4 * 4 * 9 + 8, 4 * 4 * 9 * 64), (8, 8, 8))


def test_a_concatenation_across_a_stride_projects_the_shortcut() -> None:
    """3 x 8 x 8 to a stage of 8 x 4 x 4: the body makes 5 channels, so does the projection."""
    found = block("{residual: {merge: concat}, body: [{op: conv3x3, width: 5}]}", (3, 8, 8), 8, 2)
    assert price(found) == (3 * 5 * 9 + 10 + 3 * 5 + 10 + 10 * 8 + 16, (3 * 5 * 9 + 3 * 5 + 10 * 8) * 16)
    assert shape_of(found) == (8, 4, 4)


def test_a_merge_is_only_a_question_where_there_is_something_to_merge() -> None:
    space = space_of("""
        stages: [{width: 8, block: {residual: {shortcut: {values: [none, projection]},
                  merge: {values: [add, mean, concat]}}, body: [{op: conv3x3}]}}]
    """)
    plain = space.decode_stored({f"{HERE}.residual.shortcut": "none"})
    assert list(plain.decisions) == [f"{HERE}.residual.shortcut"]
    wide = space.decode_stored({f"{HERE}.residual.shortcut": "projection", f"{HERE}.residual.merge": "concat"})
    assert count(wide.architecture, Concat) == 1


# Shortcuts that are blocks


@pytest.mark.parametrize(
    ("shortcut", "params", "macs"),
    [
        # The 4 channels of 8 x 8 become 8 of 4 x 4 in every one.
        pytest.param("{op: conv1x1}", 4 * 8 + 16, 4 * 8 * 16, id="option B"),
        pytest.param("{op: conv3x3}", 4 * 8 * 9 + 16, 4 * 8 * 9 * 16, id="spatial"),
        pytest.param("{op: avgpool2x2}", 4 * 8 + 16, 4 * 8 * 64, id="widened, then pooled"),
        pytest.param("{seq: [{op: avgpool2x2, width: 4}, {op: conv1x1}]}", 4 * 8 + 16, 4 * 8 * 16, id="D"),
        pytest.param("{op: conv1x1, norm: false, bias: true}", 4 * 8 + 8, 4 * 8 * 16, id="bias"),
    ],
)
def test_a_block_as_shortcut_makes_the_shape_of_the_body(shortcut: str, params: int, macs: int) -> None:
    """`D` is ResNet-D's (He et al. 2019): an average pool carries the stride, a 1x1 convolution the width."""
    found = block(f"{{residual: {{shortcut: {shortcut}}}, body: {TWO}}}", (4, 8, 8), 8, 2)
    body = 4 * 8 * 9 + 8 * 8 * 9
    assert price(found) == (body + 32 + params, body * 16 + macs)
    assert shape_of(found) == (8, 4, 4)
    assert last(found) == f"{HERE}.act"
    assert all(shape == (8, 4, 4) for i in node(found, f"{HERE}.add").inputs for shape in [found.shapes[i]])


def test_no_activation_stands_between_a_shortcut_block_and_the_sum() -> None:
    found = block(f"{{residual: {{shortcut: {{op: conv1x1}}}}, body: {TWO}}}")
    assert sources(found, f"{HERE}.add") == [f"{HERE}.body.1.norm", f"{HERE}.shortcut.norm"]
    assert count(found, Activation) == 2


def test_in_pre_order_body_and_shortcut_share_norm_and_activation() -> None:
    """He et al. 2016b: the first norm and activation of a block that projects stand in front of both ways."""
    found = block(f"{{residual: {{shortcut: {{op: conv1x1}}, order: pre}}, body: {TWO}}}")
    assert sources(found, f"{HERE}.shortcut.conv") == sources(found, f"{HERE}.body.0.conv") == [f"{HERE}.body.0.act"]
    assert (count(found, Norm), last(found)) == (2, f"{HERE}.add")


def test_choices_inside_a_shortcut_block_have_their_own_address() -> None:
    space = space_of("""
        stages: [{width: 8, block: {residual: {shortcut: {one_of: {thin: {op: conv1x1}, wide: {op: conv5x5}}}},
                  body: [{op: conv3x3}]}}]
    """)
    assert set(space.sample(random.Random(0)).decisions) == {f"{HERE}.shortcut.one_of"}


# Gates


def test_zero_gamma_is_the_scale_of_the_last_norm_in_post_order() -> None:
    found = block(f"{{residual: {{gate: zero_gamma}}, body: {TWO}}}")
    assert ops(found, Norm) == [Norm(), Norm(zero=True)]
    assert not any(conv.zero for conv in ops(found, Conv))
    assert price(found) == (2 * (CONV + NORM), 2 * CONV * 64)


def test_zero_gamma_is_the_last_convolution_in_pre_order() -> None:
    found = block(f"{{residual: {{gate: zero_gamma, order: pre}}, body: {TWO}}}")
    assert [conv.zero for conv in ops(found, Conv)] == [False, True]
    assert not any(norm.zero for norm in ops(found, Norm))
    assert price(found) == (2 * (CONV + NORM), 2 * CONV * 64)


@pytest.mark.parametrize("order", ["post", "pre"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"[{{residual: {{}}, body: {ONE}}}, {{residual: {{}}, body: {ONE}}}]", id="ends in a sum"),
        pytest.param(f"[{{op: conv3x3}}, {{residual: {{merge: mean}}, body: {ONE}}}]", id="ends in a mean"),
        pytest.param("[{op: conv3x3}, {op: avgpool3x3}]", id="ends in a pool"),
        pytest.param("[{op: identity}]", id="is the input"),
    ],
)
def test_a_body_that_ends_in_neither_gets_a_norm_from_zero(body: str, order: str) -> None:
    text = f"{{residual: {{gate: GATE, order: {order}}}, body: {body}}}"
    with_gate, without = (block(text.replace("GATE", gate)) for gate in ("zero_gamma", "none"))
    assert node(with_gate, f"{HERE}.gate").op == Norm(zero=True)
    assert sources(with_gate, f"{HERE}.add")[0] == f"{HERE}.gate"
    assert price(with_gate) == (price(without)[0] + NORM, price(without)[1])


@pytest.mark.parametrize("before", ["{op: conv1x1, act: none}", "{op: conv1x1, norm: false, act: none}"])
def test_the_gate_of_an_empty_body_does_not_silence_what_stands_before_it(before: str) -> None:
    found = block(f"{{seq: [{before}, {{residual: {{gate: zero_gamma}}, body: [{{op: identity}}]}}]}}")
    assert not any(conv.zero for conv in ops(found, Conv))
    assert [each.name for each in found.nodes if each.op == Norm(zero=True)] == [f"{HERE}.1.gate"]


def test_only_the_gated_residual_of_two_starts_at_zero() -> None:
    found = block(f"{{residual: {{}}, body: [{{residual: {{gate: zero_gamma}}, body: {TWO}}}, {{op: conv3x3}}]}}")
    assert ops(found, Norm) == [Norm(), Norm(zero=True), Norm()]


@pytest.mark.parametrize(
    ("gate", "params", "op"),
    [
        ("gate: scalar", 1, Scale("scalar", 0.0)),
        ("gate: layer_scale", 8, Scale("channel", 1e-6)),
        ("gate: fixed", 0, Scale("fixed", 0.2)),
        ("gate: scalar, gate_init: 1", 1, Scale("scalar", 1.0)),
        ("gate: layer_scale, gate_init: 0.1", 8, Scale("channel", 0.1)),
        ("gate: fixed, gate_init: -0.5", 0, Scale("fixed", -0.5)),
    ],
)
@pytest.mark.parametrize("order", ["post", "pre"])
def test_a_factor_stands_on_the_branch(gate: str, params: int, op: Scale, order: str) -> None:
    """ReZero and SkipInit from 0, LayerScale from 1e-6 (Liu et al. 2022), ESRGAN's fixed 0.2."""
    found = block(f"{{residual: {{{gate}, order: {order}}}, body: {TWO}}}")
    assert price(found) == (2 * (CONV + NORM) + params, 2 * CONV * 64)
    assert ops(found, Scale) == [op]
    assert sources(found, f"{HERE}.add") == [f"{HERE}.gate", "input"]
    assert sources(found, f"{HERE}.gate") == [f"{HERE}.body.1.{'norm' if order == 'post' else 'conv'}"]


def test_a_gate_is_a_question_only_where_there_is_a_shortcut_and_its_start_where_it_has_one() -> None:
    space = space_of("""
        stages: [{width: 3, block: {residual: {shortcut: {values: [none, identity]},
                  gate: {values: [none, zero_gamma, scalar]}, gate_init: {min: 0.0, max: 1.0},
                  drop_path: {values: [0, 0.1]}}, body: [{op: conv3x3}]}}]
    """)
    word = f"{HERE}.residual"
    asked = {f"{word}.shortcut": "identity", f"{word}.drop_path": 0.1}
    assert list(space.decode_stored({f"{word}.shortcut": "none"}).decisions) == [f"{word}.shortcut"]
    for gate in ("none", "zero_gamma"):
        assert space.decode_stored({**asked, f"{word}.gate": gate}).decisions.keys() == {*asked, f"{word}.gate"}
    open_gate = space.decode_stored({**asked, f"{word}.gate": "scalar", f"{word}.gate_init": 0.25})
    assert node(open_gate.architecture, f"{HERE}.gate").op == Scale("scalar", 0.25)
    assert list(open_gate.decisions) == [f"{word}.{k}" for k in ("shortcut", "gate", "gate_init", "drop_path")]


# Stochastic depth


def test_the_rates_grow_linearly_to_that_of_the_last_branch() -> None:
    """Huang et al. 2016: branch l of L drops with l / L times the last one's rate; plain blocks do not count."""
    found = only("""
        stages:
          - {width: 3, depth: 3, block: {residual: {drop_path: 0.5}, body: [{op: conv3x3}]}}
          - {width: 6, depth: 1, block: {residual: {shortcut: none, drop_path: 0.5}, body: [{op: conv3x3}]}}
          - {width: 6, depth: 2, block: {residual: {drop_path: 0.5}, body: [{op: conv3x3}]}}
    """)
    assert [op.rate for op in ops(found, DropPath)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_inner_branches_come_before_the_one_that_holds_them() -> None:
    found = block(
        f"{{residual: {{drop_path: 0.3}}, body: [{{repeat: 2, block: {{residual: {{drop_path: 0.3}}, body: {ONE}}}}}]}}"
    )
    rates = {each.name: each.op.rate for each in found.nodes if isinstance(each.op, DropPath)}
    assert rates == pytest.approx(
        {f"{HERE}.body.0.0.drop_path": 0.1, f"{HERE}.body.0.1.drop_path": 0.2, f"{HERE}.drop_path": 0.3}
    )


def test_a_rate_of_zero_adds_nothing_and_another_one_no_cost() -> None:
    plain, zero, some = (
        block(f"{{residual: {{drop_path: {rate}}}, body: {TWO}}}".replace("drop_path: None", ""))
        for rate in (None, 0, 0.2)
    )
    assert plain == zero
    assert price(some) == price(plain)
    assert [op.rate for op in ops(some, DropPath)] == pytest.approx([0.2])


def test_the_gate_stands_before_the_drop() -> None:
    found = block(f"{{residual: {{drop_path: 0.1, gate: scalar}}, body: {TWO}}}")
    assert sources(found, f"{HERE}.add") == [f"{HERE}.drop_path", "input"]
    assert sources(found, f"{HERE}.drop_path") == [f"{HERE}.gate"]


# Squeeze-and-excitation


@pytest.mark.parametrize(
    ("reduction", "hidden"), [("reduction: 4", 2), ("reduction: 8", 1), ("", 1), ("reduction: 1", 8)]
)
def test_squeeze_and_excitation(reduction: str, hidden: int) -> None:
    """Hu et al. 2018: pool, linear to width / r, ReLU, linear back, sigmoid, times the map; both have biases."""
    found = block(f"{{op: se, {reduction}}}")
    assert price(found) == (8 * hidden + hidden + hidden * 8 + 8, 2 * 8 * hidden)
    kinds = [type(each.op) for each in found.nodes[1:-2]]
    assert kinds == [GlobalPool, Linear, Activation, Linear, Activation, Multiply]
    assert [op.kind for op in ops(found, Activation)] == ["relu", "sigmoid"]
    assert sources(found, last(found)) == ["input", f"{HERE}.gate.act"]


def test_squeeze_and_excitation_takes_width_stride_and_act() -> None:
    """3 x 8 x 8 averaged to 4 x 4, brought to 8 channels, squeezed to 4."""
    found = block("{op: se, reduction: 2, act: silu}", (3, 8, 8), 8, 2)
    assert shape_of(found) == (8, 4, 4)
    assert price(found) == (3 * 8 + 16 + 8 * 4 + 4 + 4 * 8 + 8, 3 * 8 * 16 + 2 * 8 * 4)
    assert "silu" in [op.kind for op in ops(found, Activation)]


def test_the_reduction_may_be_a_choice() -> None:
    space = space_of("stages: [{width: 8, block: {op: se, reduction: {values: [2, 4]}}}]", (8, 8, 8))
    costs = {r: space.decode_stored({f"{HERE}.reduction": r}).cost.macs for r in (2, 4)}
    assert costs == {2: 2 * 8 * 4 + 80, 4: 2 * 8 * 2 + 80}


# Words without a size, groups, bias, norm, act


@pytest.mark.parametrize(
    ("op", "params", "macs"),
    [
        ("op: conv, kernel: 9", 8 * 8 * 81 + 16, 8 * 8 * 81),
        ("op: conv, kernel: 1", 8 * 8 + 16, 8 * 8),
        ("op: dwconv, kernel: 5", 8 * 25 + 16, 8 * 25),
        ("op: sepconv, kernel: 3", 8 * 9 + 8 * 8 + 16, 8 * 9 + 8 * 8),
        ("op: maxpool, kernel: 5", 0, 0),
        ("op: avgpool, kernel: 7", 0, 0),
        ("op: conv3x3, group_width: 2", 8 * 2 * 9 + 16, 8 * 2 * 9),
        ("op: conv3x3, group_width: 8", 8 * 8 * 9 + 16, 8 * 8 * 9),
        ("op: conv3x3, group_width: 1", 8 * 9 + 16, 8 * 9),
        ("op: conv3x3, bias: true", 8 * 8 * 9 + 8 + 16, 8 * 8 * 9),
        ("op: conv3x3, bias: true, norm: false", 8 * 8 * 9 + 8, 8 * 8 * 9),
        ("op: sepconv3x3, bias: true", 8 * 9 + 8 + 8 * 8 + 8 + 16, 8 * 9 + 8 * 8),
        ("op: conv3x3, norm: false, act: none", 8 * 8 * 9, 8 * 8 * 9),
    ],
)
@pytest.mark.parametrize("order", ["post", "pre"])
def test_what_an_operation_costs(op: str, params: int, macs: int, order: str) -> None:
    found = block(f"{{{op}, order: {order}}}")
    assert (price(found), shape_of(found)) == ((params, macs * 64), (8, 8, 8))


def test_bare_pools_have_their_window() -> None:
    assert ops(block("{op: maxpool, kernel: 5}"), Pool) == [Pool("max", 5)]
    assert ops(block("{op: avgpool, kernel: 2}", stride=2), Pool) == [Pool("avg", 2, 2)]


def test_group_width_follows_the_width() -> None:
    """Radosavovic et al. 2020: the groups of a stage are its width by the group width."""
    body = "{seq: [{op: conv1x1}, {op: conv3x3, group_width: 4}]}"
    found = only(f"stages: [{{width: 8, block: {body}}}, {{width: 24, block: {body}}}]", (8, 8, 8))
    assert [op.groups for op in ops(found, Conv)] == [1, 2, 1, 6]


def test_a_kernel_is_asked_for_by_those_that_need_one() -> None:
    space = space_of(
        "stages: [{width: 8, block: {op: {values: [conv, dwconv, se, identity]}, kernel: {values: [3, 5]}}}]", (8, 8, 8)
    )
    for word in ("conv", "dwconv"):
        found = space.decode_stored({f"{HERE}.op": word, f"{HERE}.kernel": 5})
        assert [op.kernel for op in ops(found.architecture, Conv)] == [5]
        assert list(found.decisions) == [f"{HERE}.op", f"{HERE}.kernel"]
    for word in ("se", "identity"):
        assert list(space.decode_stored({f"{HERE}.op": word}).decisions) == [f"{HERE}.op"]


@pytest.mark.parametrize("kind", ["relu", "relu6", "leaky_relu", "silu", "gelu", "none"])
def test_every_activation(kind: str) -> None:
    found = block(f"{{seq: [{{op: conv3x3, act: {kind}}}, {{residual: {{act: {kind}}}, body: {ONE}}}]}}")
    assert [op.kind for op in ops(found, Activation)] == ([] if kind == "none" else [kind, kind])


def test_norm_bias_and_activation_may_be_choices() -> None:
    values: dict[str, list[Any]] = {"norm": [True, False], "act": ["relu6", "none"], "bias": [True, False]}
    settings = "norm: {values: [true, false]}, act: {values: [relu6, none]}, bias: {values: [true, false]}"
    space = space_of(f"stages: [{{width: 8, block: {{op: conv1x1, {settings}}}}}]\nhead: {{op: identity}}", (8, 8, 8))
    seen = set()
    for bits in range(8):
        chosen = {name: options[bits >> i & 1] for i, (name, options) in enumerate(values.items())}
        found = space.decode_stored({f"{HERE}.{name}": value for name, value in chosen.items()})
        assert found.cost.params == 64 + 16 * chosen["norm"] + 8 * chosen["bias"] + 90
        assert count(found.architecture, Activation) == (chosen["act"] == "relu6")
        seen.add(found.architecture.id)
    assert len(seen) == 8


def test_the_activation_of_a_residual_stands_there_only_in_post_order() -> None:
    space = space_of(f"""
        stages: [{{width: 3, block: {{residual: {{order: {{values: [post, pre]}}, act: {{values: [silu, none]}}}},
                  body: {ONE}}}}}]
        head: {{op: identity}}
    """)
    word = f"{HERE}.residual"
    post, pre = (
        space.decode_stored({f"{word}.order": order, f"{word}.act": "silu"}).architecture for order in ("post", "pre")
    )
    assert node(post, f"{HERE}.act").op == Activation("silu")
    assert last(pre) == f"{HERE}.add"


# Heads


def test_a_head_stands_between_the_last_stage_and_the_pooling() -> None:
    """MobileNetV2's 1x1 convolution to 32 channels with ReLU6; the linear layer reads those."""
    found = only("stages: [{width: 8, block: {op: conv3x3}}]\nhead: {op: conv1x1, width: 32, act: relu6}", (8, 8, 8))
    assert cost_of(found).params == CONV + NORM + 8 * 32 + 64 + 33 * 10
    assert [each.name for each in found.nodes[-5:]] == [
        "head.block.conv", "head.block.norm", "head.block.act", "head.pool", "head.linear",
    ]  # fmt: skip
    assert convolutions(found) == [(8, 1), (32, 1)]


def test_a_head_replaces_the_norm_and_activation_that_pre_order_ends_in() -> None:
    stages = f"stages: [{{width: 8, block: {{residual: {{order: pre}}, body: {ONE}}}}}]\n"
    plain, bare = (only(stages + head, (8, 8, 8)) for head in ("", "head: {op: identity}"))
    assert names(plain)[-4:-2] == ["head.norm", "head.act"]
    assert names(bare)[-3:] == [f"{HERE}.add", "head.pool", "head.linear"]
    assert count(plain, Norm) - count(bare, Norm) == 1


def test_a_head_may_hold_choices_and_any_block() -> None:
    space = space_of("stages: [{width: 8, block: {op: conv3x3}}]\nhead: {one_of: {a: {use: basic}, b: {op: se}}}")
    assert count(space.decode_stored({"head.one_of": "a"}).architecture, Add) == 1
    assert count(space.decode_stored({"head.one_of": "b"}).architecture, Multiply) == 1


# Dual paths


@pytest.mark.parametrize(("layers", "stride"), [(1, 1), (3, 1), (2, 2)])
def test_dual_paths(layers: int, stride: int) -> None:
    """Chen et al. 2017: a sum of c channels beside a concatenation that starts at 2k and grows by k a layer.

    The first projection (norm, 1x1) makes c + 2k channels of the input; layer i (norm, 3x3 here) makes c + k of
    c + (2 + i) k, the first of the input itself.
    """
    c, k, source = 6, 2, 4
    found = block(
        f"{{dense: {{layers: {layers}, growth: {k}, residual: {c}, transition: false}}, body: {ONE}}}",
        (source, 8, 8), 8, stride,
    )  # fmt: skip
    seen = [source, *(c + (2 + i) * k for i in range(1, layers))]
    weights = source * (c + 2 * k) + sum(inside * (c + k) * 9 for inside in seen)
    pixels = (8 // stride) ** 2
    assert shape_of(found) == (c + (layers + 2) * k, 8 // stride, 8 // stride)
    assert price(found) == (weights + 2 * source + 2 * sum(seen), weights * pixels)
    assert count(found, Add) == layers
    sums = [Slice(c), *[Slice(c)] * layers]
    grown = [Slice(2 * k, c), *[Slice(k, c)] * layers]
    assert sorted(ops(found, Slice), key=str) == sorted([*sums, *grown], key=str)


def test_the_sum_of_a_dual_path_runs_on() -> None:
    found = block(f"{{dense: {{layers: 2, growth: 2, residual: 6, transition: false}}, body: {ONE}}}")
    assert sources(found, f"{HERE}.layer.0.add") == [f"{HERE}.start.sum", f"{HERE}.layer.0.sum"]
    assert sources(found, f"{HERE}.layer.1.add") == [f"{HERE}.layer.0.add", f"{HERE}.layer.1.sum"]
    assert sources(found, last(found)) == [
        f"{HERE}.layer.1.add", f"{HERE}.start.features", f"{HERE}.layer.0.features", f"{HERE}.layer.1.features",
    ]  # fmt: skip
    assert sources(found, f"{HERE}.layer.1.concat") == [
        f"{HERE}.layer.0.add", f"{HERE}.start.features", f"{HERE}.layer.0.features",
    ]  # fmt: skip


def test_a_dual_path_ends_at_the_stage_s_width_unless_said() -> None:
    """6 + (2 + 2) x 2 = 14 channels, normalised and brought to 8."""
    text = "{dense: {layers: 2, growth: 2, residual: 6TRANSITION}, body: [{op: conv3x3}]}"
    wide, narrow = (block(text.replace("TRANSITION", more)) for more in (", transition: false", ""))
    assert (shape_of(wide), shape_of(narrow)) == ((14, 8, 8), (8, 8, 8))
    assert price(narrow)[0] - price(wide)[0] == 2 * 14 + 14 * 8


def test_the_sum_of_a_dual_path_may_be_relative_and_a_choice() -> None:
    space = space_of("""
        stages: [{width: 8, block: {dense: {layers: {values: [1, 2]}, growth: {values: [2, 4]},
                  residual: {ratio: 0.5}, transition: false}, body: [{op: conv3x3}]}}]
        head: {op: identity}
    """)
    for layers in (1, 2):
        for growth in (2, 4):
            found = space.decode_stored({f"{HERE}.dense.layers": layers, f"{HERE}.dense.growth": growth})
            assert shape_of(found.architecture)[0] == 4 + (layers + 2) * growth


def test_option_a_in_a_concatenation_pads_nothing_where_the_resolution_stays() -> None:
    found = block("{residual: {merge: concat, shortcut: pad}, body: [{op: conv3x3, width: 4}]}")
    assert count(found, Pad) == 0
    assert sources(found, f"{HERE}.concat")[1] == "input"
