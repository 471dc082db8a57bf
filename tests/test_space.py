"""What the language means: each combinator's wiring, shared decisions, baselines, limits, and published networks."""

from __future__ import annotations

import json
import random
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.architecture import Architecture, Node
from ressearch.cost import macs_of
from ressearch.errors import DecisionError, SpaceError
from ressearch.ops import Activation, Add, Concat, Conv, Norm, Pad, Pool, Shape
from ressearch.space import Candidate, Categorical, Choice, Choose, SearchSpace, at_random
from ressearch.space.grammar import OPERATIONS
from tests.conftest import candidates, demo_space
from tests.test_language import CIFAR_RESNETS, RESIDUAL_OF_RESIDUALS


def space_of(text: str, shape: tuple[int, ...] = (3, 8, 8), classes: int = 10) -> SearchSpace:
    """A space from everything below its head."""
    head = f"version: 1\nname: test\ninput: {{shape: {list(shape)}, classes: {classes}}}\n"
    return SearchSpace.parse(head + textwrap.dedent(text))


def always(**wanted: Any) -> Choose:
    """A chooser that answers by the last word of the path, else with the first value that is permitted."""

    def choose(choice: Choice) -> Any:
        word, domain = choice.path.rsplit(".", 1)[-1], choice.domain
        if word in wanted and wanted[word] in domain:
            return wanted[word]
        return domain.values[0] if isinstance(domain, Categorical) else domain.low

    return choose


def only(text: str, shape: tuple[int, ...] = (3, 8, 8)) -> Architecture:
    """The network of a space without choices."""
    candidate = space_of(text, shape).decode_stored({})
    assert candidate.decisions == {}
    return candidate.architecture


def names(architecture: Architecture) -> list[str]:
    return [node.name for node in architecture.nodes]


def node(architecture: Architecture, name: str) -> Node:
    return architecture.nodes[names(architecture).index(name)]


def sources(architecture: Architecture, name: str) -> list[str]:
    """The names of a node's inputs."""
    return [architecture.nodes[source].name for source in node(architecture, name).inputs]


def output_of(architecture: Architecture, prefix: str) -> Shape:
    """What the last node below an address gives."""
    return [s for n, s in zip(names(architecture), architecture.shapes, strict=True) if n.startswith(f"{prefix}.")][-1]


def count(architecture: Architecture, op: type) -> int:
    return sum(isinstance(each.op, op) for each in architecture.nodes)


# The contract of blocks


@given(candidates(demo_space))
def test_every_block_gives_the_width_and_resolution_of_its_stage(candidate: Candidate) -> None:
    architecture, decisions = candidate.architecture, candidate.decisions
    assert architecture.input_shape == (1, 8, 8)
    for i in range(decisions["stages.repeat"]):
        wanted = (decisions["stages.width.start"] * 2**i, 8 // 2**i, 8 // 2**i)
        depth = decisions[f"stages.{i}.depth"]
        assert [output_of(architecture, f"stages.{i}.block.{j}") for j in range(depth)] == [wanted] * depth
        assert not any(name.startswith(f"stages.{i}.block.{depth}.") for name in names(architecture))
        sums = [n for n in names(architecture) if n.startswith(f"stages.{i}.") and n.endswith(".add")]
        assert {architecture.shapes[names(architecture).index(name)] for name in sums} <= {wanted}
    assert not any(name.startswith(f"stages.{decisions['stages.repeat']}.") for name in names(architecture))


@given(candidates(demo_space))
def test_recursion_stays_within_max_depth(candidate: Candidate) -> None:
    assert max(name.split(".").count("cell") for name in names(candidate.architecture)) <= 2


def test_recursion_reaches_max_depth_and_offers_no_deeper_branch_there() -> None:
    asked: list[Choice] = []

    def deepest(choice: Choice) -> Any:
        asked.append(choice)
        return always(one_of="nested")(choice)

    architecture = demo_space.decode(deepest).architecture
    offered = {c.path.split(".").count("cell"): c.domain for c in asked if c.path.endswith("one_of")}
    assert offered == {
        1: Categorical(("basic", "bottleneck", "dense", "nested")),
        2: Categorical(("basic", "bottleneck", "dense")),
    }
    assert max(name.split(".").count("cell") for name in names(architecture)) == 2


# Each op word: the shape of the block, and its MACs counted by hand. The input is 6 x 8 x 8, the stage 10 wide.

FIT = 6 * 10  # a 1x1 convolution that changes the width, per pixel
WORDS = {
    **{f"conv{k}x{k}": lambda inside, outside, k=k: outside * 6 * 10 * k * k for k in (1, 3, 5, 7)},
    **{f"dwconv{k}x{k}": lambda inside, outside, k=k: inside * FIT + outside * 10 * k * k for k in (3, 5, 7)},
    **{f"sepconv{k}x{k}": lambda inside, outside, k=k: outside * 6 * k * k + outside * FIT for k in (3, 5, 7)},
    **{f"{kind}pool{k}x{k}": lambda inside, outside: inside * FIT for kind in ("max", "avg") for k in (2, 3)},
    "identity": lambda inside, outside: outside * FIT,
    "se": lambda inside, outside: outside * FIT + 2 * 10 * 1,  # squeezed to max(1, 10 // 16) channels
}


def test_the_table_covers_every_operation() -> None:
    assert WORDS.keys() == OPERATIONS.keys() - {"conv", "dwconv", "sepconv", "maxpool", "avgpool", "none"}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("order", ["post", "pre"])
def test_an_operation_changes_width_and_stride(word: str, order: str) -> None:
    block = f"{{residual: {{shortcut: none, order: {order}}}, body: [{{op: {word}}}]}}"
    architecture = only(f"stages: [{{width: 10, stride: 2, block: {block}}}]", (6, 8, 8))
    assert output_of(architecture, "stages.0") == (10, 4, 4)
    assert sum(macs_of(architecture)) == WORDS[word](64, 16) + 10 * 10


@pytest.mark.parametrize("word", [word for word in WORDS if not word.endswith("2x2")])
@pytest.mark.parametrize(("size", "stride"), [(8, 1), (7, 1), (7, 2), (7, 3), (1, 2)])
def test_an_operation_divides_any_size_rounding_up(word: str, size: int, stride: int) -> None:
    architecture = only(f"stages: [{{width: 6, stride: {stride}, block: {{op: {word}}}}}]", (6, size, size))
    left = -(-size // stride)
    assert architecture.shapes[architecture.nodes.index(node(architecture, "head.pool")) - 1] == (6, left, left)


def test_an_identity_where_nothing_changes_adds_nothing() -> None:
    assert names(only("stages: [{width: 3, depth: 4, block: {op: identity}}]")) == ["input", *HEAD]


HEAD = ["head.norm", "head.act", "head.pool", "head.linear"]


def test_groups_and_ratios() -> None:
    text = "stages: [{width: 8, block: {seq: [{op: conv1x1, width: {ratio: 1.5}}, {op: conv3x3, groups: 4}]}}]"
    architecture = only(text)
    convs = [each.op for each in architecture.nodes if isinstance(each.op, Conv)]
    assert convs == [Conv(12, 1), Conv(8, 3, groups=4)]
    assert sum(macs_of(architecture)) == 64 * (3 * 12 + 12 // 4 * 8 * 9) + 8 * 10


def test_norm_and_activation_of_an_operation() -> None:
    architecture = only("stages: [{width: 8, block: {op: conv3x3, norm: false, act: silu}}]")
    assert names(architecture) == ["input", "stages.0.block.0.conv", "stages.0.block.0.act", "head.pool", "head.linear"]
    assert node(architecture, "stages.0.block.0.act").op == Activation("silu")


@pytest.mark.parametrize(
    ("stride_at", "op", "strides"),
    [("first", "conv3x3", [2, 1, 1]), ("spatial", "conv3x3", [1, 2, 1]), ("spatial", "conv1x1", [2, 1, 1])],
)
def test_which_convolution_of_a_body_carries_the_stride(stride_at: str, op: str, strides: list[int]) -> None:
    body = "[{op: conv1x1}, {op: {var: middle}}, {op: conv1x1}]"
    architecture = only(
        f"""
        vars: {{middle: {op}}}
        stages:
          - width: 8
            stride: 2
            block: {{residual: {{shortcut: pad, stride_at: {stride_at}}}, body: {body}}}
        """
    )
    assert [each.op.stride for each in architecture.nodes if isinstance(each.op, Conv)] == strides
    assert node(architecture, "stages.0.block.0.shortcut.pad").op == Pad(8, 2)


def test_a_stride_that_no_part_can_carry_becomes_a_pool() -> None:
    architecture = only(
        "stages: [{width: 8, stride: 2, block: {residual: {shortcut: pad}, body: [{op: conv3x3, stride: 1}]}}]"
    )
    assert node(architecture, "stages.0.block.0.body.pool").op == Pool("avg", 3, 2)
    assert output_of(architecture, "stages.0") == (8, 4, 4)


def test_the_first_copy_of_a_repetition_carries_the_stride() -> None:
    space = space_of("stages: [{width: 8, stride: 2, block: {repeat: {min: 2, max: 4}, block: {op: conv3x3}}}]")
    assert space.decode(always()).decisions == {"stages.0.block.0.repeat": 2}
    for copies in (2, 3, 4):
        architecture = space.decode_stored({"stages.0.block.0.repeat": copies}).architecture
        strides = [each.op.stride for each in architecture.nodes if isinstance(each.op, Conv)]
        assert strides == [2] + [1] * (copies - 1)


def test_stages_written_once_grow_by_their_factor() -> None:
    text = "stages: {repeat: 4, width: {start: 10, factor: 1.5}, depth: 2, block: {op: conv3x3}}"
    architecture = only(text, (3, 16, 16))
    shapes = [output_of(architecture, f"stages.{i}") for i in range(4)]
    assert shapes == [(10, 16, 16), (15, 8, 8), (22, 4, 4), (34, 2, 2)]
    assert count(architecture, Conv) == 8


# Shortcuts


@pytest.mark.parametrize(
    ("shortcut", "first", "second"),
    [
        ("identity", Conv(8, 1, 2), None),
        ("projection", Conv(8, 1, 2), Conv(8, 1, 1)),
        ("pad", Pad(8, 2), None),
    ],
)
def test_what_a_shortcut_is_where_the_shape_changes_and_where_not(shortcut: str, first: Any, second: Any) -> None:
    block = f"{{residual: {{shortcut: {shortcut}}}, body: [{{op: conv3x3}}]}}"
    architecture = only(f"stages: [{{width: 8, stride: 2, depth: 2, block: {block}}}]")
    found = {each.name: each.op for each in architecture.nodes if ".shortcut." in each.name}
    assert [op for op in found.values() if not isinstance(op, Norm)] == [op for op in (first, second) if op]
    before = sources(architecture, "stages.0.block.1.add")[1]
    assert before == ("stages.0.block.0.act" if second is None else "stages.0.block.1.shortcut.norm")


@pytest.mark.parametrize("shortcut", ["identity", "projection", "pad"])
@pytest.mark.parametrize(("size", "stride", "left"), [(7, 2, 4), (7, 3, 3), (5, 4, 2), (1, 2, 1)])
def test_a_residual_divides_odd_sizes_rounding_up(shortcut: str, size: int, stride: int, left: int) -> None:
    block = f"{{residual: {{shortcut: {shortcut}}}, body: [{{op: conv3x3}}]}}"
    architecture = only(f"stages: [{{width: 8, stride: {stride}, block: {block}}}]", (3, size, size))
    assert output_of(architecture, "stages.0") == (8, left, left)


def test_a_residual_without_shortcut_is_the_plain_network() -> None:
    """A body of two convolutions under `shortcut: none` builds the same graph as the two convolutions in sequence."""
    plain = only("stages: [{width: 8, depth: 3, block: {seq: [{op: conv3x3}, {op: conv3x3}]}}]")
    text = "stages: [{width: 8, depth: 3, block: {residual: {shortcut: none}, body: [{op: conv3x3}, {op: conv3x3}]}}]"
    assert only(text).id == plain.id
    assert only(text.replace("none", "identity")).id != plain.id


# Orders

NESTED = """
stem: {op: conv3x3, width: 16}
stages: [{width: 16, depth: 2, block: {use: outer}}]
blocks:
  outer: {residual: {order: ORDER}, body: [{use: middle}, {use: middle}]}
  middle: {residual: {}, body: [{use: basic}, {use: basic}]}
"""


def test_where_residuals_end_together_only_the_outermost_has_an_activation() -> None:
    """RoR (Zhang et al. 2017): the activation of a group's last block moves behind the outermost sum."""
    architecture = only(NESTED.replace("ORDER", "post"))
    outer = "stages.0.block.0.outer"
    inside = [name.removeprefix(f"{outer}.") for name in names(architecture) if name.startswith(f"{outer}.")]
    sums_and_acts = [name for name in inside if name.rsplit(".", 1)[-1] in ("add", "act")]
    middles = [f"body.{i}.middle" for i in (0, 1)]
    first, last = (f"{middles[1]}.body.{i}.basic" for i in (0, 1))
    assert sums_and_acts[-6:] == [
        f"{first}.act",
        f"{last}.body.0.act",
        f"{last}.add",
        f"{middles[1]}.add",
        "add",
        "act",
    ]
    assert sources(architecture, f"{outer}.act") == [f"{outer}.add"]
    assert sources(architecture, f"{outer}.add") == [f"{outer}.{middles[1]}.add", "stem.act"]
    assert sources(architecture, f"{outer}.{middles[1]}.add") == [f"{outer}.{last}.add", f"{outer}.{middles[0]}.act"]
    assert sources(architecture, f"{outer}.{last}.add")[1] == f"{outer}.{first}.act"
    # One behind the stem and, in each of two outer blocks, one inside each of 4 basics and one behind each of 4 ends.
    assert count(architecture, Activation) == 1 + 2 * (4 + 4)
    assert count(architecture, Add) == 2 * (4 + 2 + 1)


def test_pre_activation_leaves_the_sums_bare() -> None:
    """The order is inherited; the first of 8 basics reads the stem's activation, and the head adds one."""
    architecture = only(NESTED.replace("ORDER", "pre"))
    users = [(each, source) for each in architecture.nodes for source in each.inputs]
    behind_sums = {type(each.op) for each, source in users if isinstance(architecture.nodes[source].op, Add)}
    assert behind_sums == {Norm, Add}
    assert count(architecture, Activation) == 1 + (2 * 8 - 1) + 1


def test_body_and_projection_share_one_pre_activation() -> None:
    """He et al. 2016b; the identity shortcut of the next block takes the bare sum."""
    architecture = only(
        """
        stem: {op: conv3x3, width: 16, norm: false, act: none}
        stages: [{width: 32, stride: 2, depth: 2, block: {residual: {order: pre}, body: [{op: conv3x3}]}}]
        """
    )
    block = "stages.0.block.0"
    assert sources(architecture, f"{block}.body.0.norm") == ["stem.conv"]
    assert sources(architecture, f"{block}.body.0.conv") == [f"{block}.body.0.act"]
    assert sources(architecture, f"{block}.shortcut.conv") == [f"{block}.body.0.act"]
    assert sources(architecture, f"{block}.add") == [f"{block}.body.0.conv", f"{block}.shortcut.conv"]
    assert sources(architecture, "stages.0.block.1.add") == ["stages.0.block.1.body.0.conv", f"{block}.add"]
    assert [sum(isinstance(each.op, kind) for each in architecture.nodes) for kind in (Norm, Activation)] == [3, 3]


# Dense blocks

DENSE = """
stages: [{width: 10, stride: STRIDE, block: {dense: {layers: 3, growth: 4, transition: TRANSITION}, body: BODY}}]
"""


def dense(transition: bool = True, stride: int = 1, body: str = "[{op: conv3x3}]") -> Architecture:
    text = DENSE.replace("STRIDE", str(stride)).replace("TRANSITION", str(transition).lower()).replace("BODY", body)
    return only(text, (6, 8, 8))


def test_every_dense_layer_sees_all_before_it() -> None:
    architecture = dense()
    block = "stages.0.block.0"
    layers = [f"{block}.layer.{i}" for i in range(3)]
    made = ["input", *(f"{layer}.0.conv" for layer in layers)]
    assert sources(architecture, f"{layers[0]}.0.norm") == ["input"]
    assert sources(architecture, f"{layers[1]}.concat") == made[:2]
    assert sources(architecture, f"{layers[2]}.concat") == made[:3]
    assert sources(architecture, f"{block}.concat") == made
    assert count(architecture, Concat) == 3
    assert output_of(architecture, layers[2]) == (4, 8, 8)


def test_a_transition_brings_a_dense_block_to_the_width_of_its_stage() -> None:
    """3 x 3 convolutions from 6, 10 and 14 channels to 4; pre-activated 1x1 convolution from 18 to 10."""
    architecture = dense()
    transition = [name.rsplit(".", 1)[1] for name in names(architecture) if ".transition." in name]
    assert transition == ["norm", "act", "conv"]
    assert output_of(architecture, "stages.0") == (10, 8, 8)
    assert sum(macs_of(architecture)) == 64 * ((6 + 10 + 14) * 4 * 9 + 18 * 10) + 10 * 10


def test_a_dense_block_without_transition_ends_in_its_concatenation() -> None:
    assert output_of(dense(transition=False), "stages.0") == (18, 8, 8)


def test_a_dense_block_is_pooled_before_its_layers() -> None:
    architecture = dense(stride=2)
    assert names(architecture)[1] == "stages.0.block.0.pool"
    assert output_of(architecture, "stages.0") == (10, 4, 4)


def test_widths_in_a_dense_layer_are_relative_to_its_growth() -> None:
    convs = [each.op for each in dense(body="[{use: dense_layer}]").nodes if isinstance(each.op, Conv)]
    assert convs == [Conv(16, 1), Conv(4, 3)] * 3 + [Conv(10, 1)]


# Decisions

TIED = """
stages:
  - {width: 8, depth: 3, block: {use: mine}}
  - {width: 16, depth: 3, block: {use: mine}}
blocks:
  mine: {tie: TIE, residual: {shortcut: {values: [none, identity, projection]}}, body: [{op: conv3x3}]}
"""


@pytest.mark.parametrize(
    ("tie", "paths"),
    [
        ("none", [f"stages.{i}.block.{j}.mine.residual.shortcut" for i in (0, 1) for j in (0, 1, 2)]),
        ("stage", [f"stages.{i}.blocks.mine.residual.shortcut" for i in (0, 1)]),
        ("network", ["blocks.mine.residual.shortcut"]),
    ],
)
def test_how_far_decisions_are_shared(tie: str, paths: list[str]) -> None:
    space = space_of(TIED.replace("TIE", tie))
    assert list(space.decode(always()).decisions) == paths
    architecture = space.decode_stored({paths[0]: "projection"} | dict.fromkeys(paths[1:], "none")).architecture
    projected = {"none": 1, "stage": 3, "network": 6}
    assert count(architecture, Add) == projected[tie]


def test_a_tied_block_that_nests_has_one_decision_per_level() -> None:
    space = space_of(
        """
        stages: [{width: 8, depth: 2, block: {use: group}}]
        blocks:
          group:
            max_depth: 3
            tie: network
            residual: {shortcut: {values: [identity, projection]}}
            body: [{op: conv3x3}, {one_of: {group: {use: group}, end: {op: conv1x1}}}]
        """
    )
    # The body ends at the third level, so there only the shortcut is open.
    assert sorted(space.decode(always()).decisions) == [
        "blocks.group@1.body.1.one_of",
        "blocks.group@1.residual.shortcut",
        "blocks.group@2.body.1.one_of",
        "blocks.group@2.residual.shortcut",
        "blocks.group@3.residual.shortcut",
    ]


def test_a_variable_is_one_decision_in_several_places() -> None:
    space = space_of(
        """
        vars: {n: {min: 1, max: 5}, r: {values: [0.5, 2.0]}, o: {values: [conv3x3, conv5x5]}, w: 8}
        stages:
          - {width: {var: w}, depth: {var: n}, block: {op: {var: o}, width: {ratio: {var: r}}}}
          - {width: 16, depth: {var: n}, block: {op: {var: o}, width: {ratio: {var: r}}}}
        """
    )
    architecture = space.decode_stored({"vars.n": 3, "vars.r": 0.5, "vars.o": "conv5x5"}).architecture
    convs = [each.op for each in architecture.nodes if isinstance(each.op, Conv)]
    assert convs == [Conv(4, 5)] * 3 + [Conv(8, 5, stride=2)] + [Conv(8, 5)] * 2
    assert list(space.decode(always()).decisions) == ["vars.n", "vars.o", "vars.r"]


@pytest.mark.parametrize("space", [demo_space, space_of(TIED.replace("TIE", "stage"))], ids=["demo", "tied"])
@given(generator=st.randoms(use_true_random=False))
def test_every_path_is_asked_for_once(space: SearchSpace, generator: random.Random) -> None:
    asked: list[str] = []

    def choose(choice: Choice) -> Any:
        asked.append(choice.path)
        return at_random(generator)(choice)

    assert list(space.decode(choose).decisions) == asked


@given(candidates(demo_space))
def test_decisions_survive_json_and_build_the_same_network(candidate: Candidate) -> None:
    again = demo_space.decode_stored(json.loads(json.dumps(candidate.decisions)))
    assert again == candidate
    assert again.architecture.id == candidate.architecture.id


OPEN = """
stages: [{width: {min: 8, max: 16, step: 4}, depth: {values: [1, 2]}, block: {op: conv3x3}}]
"""
FINE = {"stages.0.width": 12, "stages.0.depth": 2}


def test_a_missing_decision_is_named() -> None:
    with pytest.raises(DecisionError) as caught:
        space_of(OPEN).decode_stored({"stages.0.width": 12})
    assert str(caught.value) == "error[E100]: no decision for stages.0.depth\n  = help: choose one of: 1, 2"


@pytest.mark.parametrize("value", [4, 10, 20, 12.0, "12", True, None])
def test_a_decision_outside_of_its_interval_is_refused(value: object) -> None:
    with pytest.raises(DecisionError) as caught:
        space_of(OPEN).decode_stored(FINE | {"stages.0.width": value})
    assert caught.value.message == f"stages.0.width cannot be {value!r}"
    assert caught.value.hint == "choose one of: 8 to 16 in steps of 4"


@pytest.mark.parametrize("value", [3, 1.0, "1", True, None])
def test_a_decision_that_is_not_among_its_values_is_refused(value: object) -> None:
    with pytest.raises(DecisionError, match=r"stages\.0\.depth cannot be"):
        space_of(OPEN).decode_stored(FINE | {"stages.0.depth": value})


# Samples


def test_samples_are_reproducible() -> None:
    def drawn(seed: int) -> list[Candidate]:
        generator = random.Random(seed)
        return [demo_space.sample(generator) for _ in range(10)]

    assert drawn(3) == drawn(3)
    assert len({candidate.architecture.id for candidate in drawn(3) + drawn(4)}) > 10


class Lowest(random.Random):
    """Draws the low end of everything."""

    def random(self) -> float:
        return 0.0


def test_logarithmic_draws_stay_inside_and_spread_over_orders_of_magnitude() -> None:
    """Half of log-uniform draws from 1 to 1,023 are below 32; of uniform ones it would be 3 in 100."""
    space = space_of("stages: [{width: {min: 1, max: 1023, log: true}, block: {op: conv1x1}}]", (1, 1, 1))
    generator = random.Random(0)
    widths = [space.sample(generator).decisions["stages.0.width"] for _ in range(400)]
    assert 150 < sum(width < 32 for width in widths) < 250
    assert min(widths) >= 1
    assert max(widths) <= 1023


@pytest.mark.parametrize("low", [3, 5, 7, 11, 100])
def test_a_logarithmic_draw_is_never_rounded_below_its_interval(low: int) -> None:
    """exp(log(5)) is 4.999999999999999."""
    space = space_of(f"stages: [{{width: {{min: {low}, max: 999, log: true}}, block: {{op: conv1x1}}}}]", (1, 1, 1))
    assert space.sample(Lowest()).decisions == {"stages.0.width": low}


STEM = 3 * 8 * 9 * 64
LAYER = 8 * 8 * 9 * 64
LINEAR = 8 * 10


def limited(limits: str) -> SearchSpace:
    """A stem, one to five layers, and a head."""
    stem = "stem: {op: conv3x3, width: 8}\n"
    return space_of(
        f"{stem}stages: [{{width: 8, depth: {{min: 1, max: 5}}, block: {{op: conv3x3}}}}]\nlimits: {limits}"
    )


@pytest.mark.parametrize(
    ("limits", "permitted"),
    [
        (f"{{macs: {{min: {STEM + 2 * LAYER + LINEAR}, max: {STEM + 4 * LAYER + LINEAR}}}}}", {2, 3, 4}),
        (f"{{macs: {{max: {STEM + 4 * LAYER + LINEAR - 1}}}}}", {1, 2, 3}),
        ("{macs: {max: 0.1M}}", {1, 2}),  # 13,824 + 36,864 per layer + 80 = 87,632 for two
        ("{params: {min: 1.5k}}", {2, 3, 4, 5}),  # 216 + 16, 576 + 16 per layer, 80 + 10: 1,506 for two
        ("{depth: {min: 4, max: 5}}", {2, 3}),  # the stem, the layers, the linear layer
        ("{activations: {max: 2k}, depth: {min: 3}}", {1, 2}),  # 512 in the stem and per layer, 10 in the head
        ("{}", {1, 2, 3, 4, 5}),
    ],
)
def test_samples_keep_the_limits(limits: str, permitted: set[int]) -> None:
    space, generator = limited(limits), random.Random(0)
    assert {d for d in range(1, 6) if space.permits(space.decode_stored({"stages.0.depth": d}).cost)} == permitted
    assert {space.sample(generator).decisions["stages.0.depth"] for _ in range(60)} == permitted


# Baselines


def test_a_baseline_addresses_choices_by_the_end_of_their_path_and_the_longest_key_wins() -> None:
    space = space_of(
        """
        stages:
          - {width: 8, depth: {min: 1, max: 9}, block: {use: mine}}
          - {width: 16, depth: {min: 1, max: 9}, block: {use: mine}}
        blocks:
          mine: {residual: {shortcut: {values: [none, identity, projection]}}, body: [{op: conv3x3}]}
        baselines:
          one: {shortcut: none, stages.1.block.0.mine.residual.shortcut: projection, depth: 2, stages.1.depth: 1}
          two: {depth: 1, shortcut: identity}
        """
    )
    assert list(space.baselines) == ["one", "two"]
    assert space.baselines["one"].decisions == {
        "stages.0.depth": 2,
        "stages.0.block.0.mine.residual.shortcut": "none",
        "stages.0.block.1.mine.residual.shortcut": "none",
        "stages.1.depth": 1,
        "stages.1.block.0.mine.residual.shortcut": "projection",
    }
    assert set(space.baselines["two"].decisions.values()) == {1, "identity"}


def test_the_baselines_of_the_demo() -> None:
    """Stem and two convolutions per block and the linear layer: 2 x 3 x 1 + 2 = 8 and 2 x 3 x 2 + 2 = 14 layers."""
    assert {name: candidate.cost.depth for name, candidate in demo_space.baselines.items()} == {
        "resnet8": 8,
        "resnet14": 14,
    }


# Named blocks


def test_a_standard_block_can_be_replaced_also_under_those_that_use_it() -> None:
    stages = "stages: [{width: 8, block: {use: nested}}]\n"
    assert count(only(stages), Add) == 3
    replaced = only(stages + "blocks: {basic: {op: conv5x5}}")
    assert [each.op for each in replaced.nodes if isinstance(each.op, Conv)] == [Conv(8, 5), Conv(8, 5), Conv(8, 1)]
    assert count(replaced, Add) == 1


def cost_of(text: str, shape: tuple[int, ...] = (3, 32, 32), classes: int = 10) -> tuple[int, int]:
    cost = space_of(text, shape, classes).decode_stored({}).cost
    return cost.params, cost.macs


@pytest.mark.parametrize(
    ("block", "width", "size", "published"),
    [
        ("basic", 64, 56, (73_984, 231_211_008)),
        ("bottleneck", 256, 56, (70_400, 218_365_952)),
        ("basic", 16, 32, (4_672, 4_718_592)),
    ],
)
def test_standard_blocks_cost_what_was_counted(block: str, width: int, size: int, published: tuple[int, int]) -> None:
    """What a second block of the shape adds; numbers from the project's facts on residual networks, section 1c."""
    one, two = (
        cost_of(f"stages: [{{width: {width}, depth: {depth}, block: {{use: {block}}}}}]", (width, size, size))
        for depth in (1, 2)
    )
    assert (two[0] - one[0], two[1] - one[1]) == published


# Published networks: (parameters, MACs), counted and mostly confirmed by independent implementations;
# from the project's facts on residual networks, sections 0 and 1. `identity` is option B (a projection only
# where the shape changes), `pad` option A, `projection` option C.

CIFAR = """
stem: {op: conv3x3, width: 16}
stages:
  - {width: W1, depth: N, block: {use: unit}}
  - {width: W2, depth: N, block: {use: unit}}
  - {width: W3, depth: N, block: {use: unit}}
blocks:
  unit: {residual: {RESIDUAL}, body: [BODY]}
"""
BASIC = "{op: conv3x3}, {op: conv3x3}"
BOTTLENECK = "{op: conv1x1, width: {ratio: 0.25}}, {op: conv3x3, width: {ratio: 0.25}}, {op: conv1x1}"


def cifar(depth: int, residual: str, body: str = BASIC, width: int = 16) -> str:
    text = CIFAR.replace("N,", f"{depth},").replace("RESIDUAL", residual).replace("BODY", body)
    return text.replace("W1", str(width)).replace("W2", str(2 * width)).replace("W3", str(4 * width))


@pytest.mark.parametrize(
    ("text", "published"),
    [
        pytest.param(cifar(3, "shortcut: none"), (269_722, 40_551_040), id="plain-20"),
        pytest.param(cifar(3, "shortcut: pad"), (269_722, 40_551_040), id="ResNet-20 A"),
        pytest.param(cifar(3, "shortcut: identity"), (272_474, 40_813_184), id="ResNet-20 B"),
        pytest.param(cifar(18, "shortcut: pad"), (1_727_962, 252_887_680), id="ResNet-110 A"),
        pytest.param(cifar(18, "shortcut: pad, order: pre"), (1_727_962, 252_887_680), id="Pre-110 A"),
        pytest.param(cifar(18, "order: pre"), (1_730_522, 253_149_824), id="Pre-110 B"),
        pytest.param(
            cifar(18, "order: pre, stride_at: first", BOTTLENECK, 64), (1_703_258, 244_500_992), id="Pre-164 first"
        ),
        pytest.param(cifar(18, "order: pre", BOTTLENECK, 64), (1_703_258, 247_646_720), id="Pre-164 spatial"),
        pytest.param(cifar(2, "order: pre", BASIC, 128), (10_961_370, 1_548_145_664), id="WRN-16-8"),
    ],
)
def test_published_cifar_networks(text: str, published: tuple[int, int]) -> None:
    assert cost_of(text) == published


def test_resnext_29_8x64d() -> None:
    """Xie et al. 2017: stem of 64, stages of 256, 512 and 1024, eight groups twice as wide as a bottleneck's 1/4."""
    body = "{op: conv1x1, width: {ratio: 2.0}}, {op: conv3x3, width: {ratio: 2.0}, groups: 8}, {op: conv1x1}"
    text = cifar(3, "shortcut: identity", body, 256).replace("{op: conv3x3, width: 16}", "{op: conv3x3, width: 64}")
    assert cost_of(text) == (34_426_698, 5_387_266_048)


def test_densenet_bc_100() -> None:
    """Huang et al. 2017: k = 12, stem of 24, compression 0.5: 24 + 192 -> 108, 300 -> 150, 342 to the head."""
    text = """
    stem: {op: conv3x3, width: 24, norm: false, act: none}
    stages: [{width: 108, block: {use: half}}, {width: 150, block: {use: half}}, {width: 342, block: {use: last}}]
    blocks:
      half: {dense: {layers: 16, growth: 12}, body: [{use: dense_layer}]}
      last: {dense: {layers: 16, growth: 12, transition: false}, body: [{use: dense_layer}]}
    """
    assert cost_of(text) == (769_162, 287_929_692)


ROR_3 = """
stem: {op: conv3x3, width: 16}
stages: [{width: 64, block: {use: root}}]
blocks:
  root: {residual: {shortcut: projection}, body: [{use: middle16}, {use: middle32}, {use: middle64}]}
"""
ROR_STAGE = """
  middleW:
    residual: {shortcut: projection}
    body:
      - {residual: {shortcut: FIRST}, body: [{op: conv3x3, width: W, stride: S}, {op: conv3x3, width: W}]}
      - {repeat: N, block: {residual: {shortcut: pad}, body: [{op: conv3x3, width: W}, {op: conv3x3, width: W}]}}
"""


@pytest.mark.parametrize(
    ("n", "published"),
    [(8, (762_746, 112_181_888)), (18, (1_734_906, 253_739_648)), (26, (2_512_634, 366_985_856))],
)
def test_residual_networks_of_residual_networks(n: int, published: tuple[int, int]) -> None:
    """RoR-3 (Zhang et al. 2017), n blocks per stage: a shortcut around all of it and one around each stage."""
    text = ROR_3
    for width, stride, first in ((16, 1, "pad"), (32, 2, "projection"), (64, 2, "projection")):
        stage = ROR_STAGE.replace("FIRST", first).replace("W", str(width)).replace("S,", f"{stride},")
        text += stage.replace("S}", f"{stride}}}").replace("N,", f"{n - 1},")
    candidate = space_of(text, (3, 32, 32)).decode_stored({})
    assert (candidate.cost.params, candidate.cost.macs) == published
    assert count(candidate.architecture, Add) == 3 * n + 3 + 1
    # The stem's, one inside each block, and one behind each sum but those of the last blocks and of the last stage.
    assert count(candidate.architecture, Activation) == 1 + 3 * n + (3 * n + 3 + 1 - 3 - 1)


IMAGENET = """
stem: {seq: [{op: conv7x7, width: 64, stride: 2}, {op: maxpool3x3, width: 64, stride: 2}]}
stages:
  - {width: W1, depth: 3, block: {use: unit}}
  - {width: W2, depth: 4, block: {use: unit}}
  - {width: W3, depth: 6, block: {use: unit}}
  - {width: W4, depth: 3, block: {use: unit}}
blocks:
  unit: {residual: {RESIDUAL}, body: [BODY]}
"""


def imagenet(residual: str, body: str, width: int) -> tuple[int, int]:
    text = IMAGENET.replace("RESIDUAL", residual).replace("BODY", body)
    for i in range(4):
        text = text.replace(f"W{i + 1}", str(width * 2**i))
    return cost_of(text, (3, 224, 224), 1000)


@pytest.mark.parametrize(
    ("residual", "published"),
    [
        ("shortcut: none", (21_623_848, 3_644_493_824)),
        ("shortcut: pad", (21_623_848, 3_644_493_824)),
        ("shortcut: identity", (21_797_672, 3_663_761_408)),
        ("shortcut: projection", (22_716_840, 3_830_747_136)),
    ],
)
def test_resnet_34_with_each_shortcut(residual: str, published: tuple[int, int]) -> None:
    assert imagenet(residual, BASIC, 64) == published


def test_resnet_50_and_where_it_carries_its_stride() -> None:
    """He et al. 2016 (v1) strides in the first convolution, torchvision (v1.5) in the spatial one."""
    v1, v15 = (imagenet(f"stride_at: {where}", BOTTLENECK, 256) for where in ("first", "spatial"))
    assert v1 == (25_557_032, 3_857_973_248)
    assert v15 == (25_557_032, 4_089_184_256)
    assert v15[1] - v1[1] == 231_211_008


# The examples that design the language


def test_the_first_example_and_its_baselines() -> None:
    space = SearchSpace.parse(CIFAR_RESNETS)
    macs = {name: candidate.cost.macs for name, candidate in space.baselines.items()}
    assert macs == {"resnet20": 40_551_040, "resnet56": 125_485_696}
    drawn = space.sample(random.Random(0))
    assert drawn.decisions.keys() == {"vars.n", "blocks.basic.residual.shortcut", "blocks.basic.residual.order"}
    assert drawn.cost.macs <= 150_000_000


NESTED_SPACE = SearchSpace.parse(RESIDUAL_OF_RESIDUALS)


@settings(max_examples=40)
@given(candidates(NESTED_SPACE))
def test_the_second_example_nests_up_to_three_deep_at_every_width(candidate: Candidate) -> None:
    architecture = candidate.architecture
    assert [output_of(architecture, f"stages.{i}") for i in range(3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    # The outermost group is named by its rule, a further one by its branch and its rule.
    assert max(name.split(".").count("group") for name in names(architecture)) <= 1 + 2 + 2
    units = {name.rsplit(".unit.", 1)[0] for name in names(architecture) if ".unit." in name}
    convs = [each for each in architecture.nodes if isinstance(each.op, Conv) and ".unit.body." in each.name]
    assert len(convs) == 2 * len(units)
    shortcuts = [value for path, value in candidate.decisions.items() if path.endswith(".shortcut")]
    assert count(architecture, Add) == len(units) + sum(value != "none" for value in shortcuts)


def test_tied_rules_share_only_what_is_open_at_their_depth() -> None:
    """`pick` may recurse through `outer` at the first level and not at the second: the two are decided apart."""
    space = SearchSpace.parse(
        textwrap.dedent("""
        version: 1
        name: ties
        input: {shape: [1, 8, 8], classes: 10}
        stages: [{width: 8, depth: 2, block: {use: outer}}]
        blocks:
          outer: {max_depth: 2, seq: [{use: pick}]}
          pick:
            tie: network
            one_of: {again: {use: outer}, end: {use: leaf}, stop: {op: conv1x1}}
          leaf: {tie: network, seq: [{op: {values: [conv3x3, conv5x5]}}]}
        """)
    )
    decisions = [set(space.sample(random.Random(seed)).decisions) for seed in range(40)]
    assert set.union(*decisions) == {"blocks.pick@1.one_of", "blocks.pick@2.one_of", "blocks.leaf.0.op"}


def test_a_network_without_end_is_refused_at_once() -> None:
    """Sixteen rules that each use the next twice would make 65,536 convolutions."""
    rules = "".join(f"  r{i}: {{seq: [{{use: r{i + 1}}}, {{use: r{i + 1}}}]}}\n" for i in range(16))
    text = (
        "version: 1\nname: endless\ninput: {shape: [1, 8, 8], classes: 10}\n"
        f"stages: [{{width: 8, block: {{use: r0}}}}]\nblocks:\n{rules}  r16: {{op: conv3x3}}\n"
    )
    with pytest.raises(SpaceError) as caught:
        SearchSpace.parse(text)
    assert "a network of more than 50,000 nodes" in str(caught.value)
    assert str(caught.value).endswith("= help: lower the depths, repeats or max_depth")


def convolutions(architecture: Architecture) -> list[tuple[int, int]]:
    """Width and stride of each convolution in order."""
    return [(node.op.width, node.op.stride) for node in architecture.nodes if isinstance(node.op, Conv)]


def test_width_and_stride_beside_a_block_replace_those_around_it() -> None:
    found = only("""
        stages: [{width: 8, block: {seq: [{use: basic, width: 4}, {use: basic, stride: 2}, {repeat: 2, width: 12,
                  block: {op: conv3x3}}]}}]
    """)
    basic_4, basic_8, repeated = [(4, 1), (4, 1), (4, 1)], [(8, 2), (8, 1), (8, 2)], [(12, 1), (12, 1)]
    assert convolutions(found) == basic_4 + basic_8 + repeated


def test_a_ratio_may_be_of_what_comes_in() -> None:
    found = only("stages: [{width: 8, block: {seq: [{op: conv3x3, width: 12}, {op: conv1x1, width: WIDTH}]}}]".replace(
        "WIDTH", "{ratio: 0.5, of: input}"))  # fmt: skip
    assert convolutions(found) == [(12, 1), (6, 1)]


def test_one_operation_may_have_an_order_of_its_own() -> None:
    found = only("stages: [{width: 8, block: {seq: [{op: conv3x3}, {op: conv1x1, order: pre}, {op: conv3x3}]}}]")
    kinds = [type(node.op).__name__ for node in found.nodes]
    conv = ["Conv", "Norm", "Activation"]
    assert kinds == ["Input", *conv, "Conv", *conv, "GlobalPool", "Linear"]
