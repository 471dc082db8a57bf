"""How networks differ, and which numbers can be told apart: held against slow twins and closed forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import gamma, pi, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.analysis import analyse
from ressearch.architecture import Architecture, Node
from ressearch.comparing import BlockChange, Change, What, by_block, compared, differences, verdicts
from ressearch.comparing.measured import T_975, Accuracies, Compared, welch
from ressearch.comparing.pairs import MOST_EDITS, common, in_both_orders
from ressearch.ops import Activation, Add, Conv, Norm, describe
from ressearch.ranking import summary
from ressearch.space import Candidate, SearchSpace
from ressearch.store import Store
from ressearch.trial import Fidelity, Latency, Origin, Recipe, Retraining, Trial
from tests.conftest import candidates, demo_space
from tests.store_samples import CHECKSUM, KEY, MEASURED, RECIPE, STUDY

RESNET8, RESNET14 = (demo_space.baselines[name].architecture for name in ("resnet8", "resnet14"))


# Sequences


def longest(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of a longest common subsequence, by the table of all prefixes."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


words = st.lists(st.integers(0, 2), max_size=12)


@given(words, words)
def test_a_common_subsequence_is_a_longest_one(a: list[int], b: list[int]) -> None:
    pairs = common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    assert len(pairs) == longest(a, b)


def test_of_what_differs_in_too_much_some_is_found_all_the_same() -> None:
    a, b = [0] * MOST_EDITS + [1], [2] * MOST_EDITS + [1]
    assert common(a, b) == [(MOST_EDITS, MOST_EDITS)]


def test_two_orders_are_merged() -> None:
    assert in_both_orders(["a", "c", "d"], ["a", "b", "d", "e"]) == ["a", "c", "b", "d", "e"]
    assert in_both_orders(["a", "b"], ["b", "a"]) == ["b", "a"]
    assert in_both_orders([], ["a"]) == in_both_orders(["a"], []) == ["a"]


# Networks that differ in one op


def changed_at(net: Architecture, at: int, op: object) -> Architecture:
    nodes = list(net.nodes)
    nodes[at] = nodes[at]._replace(op=op)  # type: ignore[arg-type]
    return Architecture(tuple(nodes))


def inserted_after(net: Architecture, at: int, op: object) -> Architecture:
    """The net with an op between a node and all that read it."""
    moved = [
        node._replace(inputs=tuple(source + (source >= at) for source in node.inputs)) for node in net.nodes[at + 1 :]
    ]
    name = f"{net.nodes[at].name.rpartition('.')[0]}.more"
    return Architecture((*net.nodes[: at + 1], Node(name, op, (at,)), *moved))  # type: ignore[arg-type]


def inside(name: str) -> int:
    """Of an op of a network without nested residuals: whether it is in one."""
    return int("body" in name or "shortcut" in name)


def test_the_level_is_the_number_of_residuals_around(demo: SearchSpace) -> None:
    """Its maximum over the ops of a network, all of which were added, is the nesting that the analysis finds."""
    decisions = {
        "stages.repeat": 1,
        "stages.width.start": 16,
        "stages.0.depth": 1,
        "stages.0.block.0.cell.one_of": "nested",
    }
    inner = {"residual.shortcut": "identity", "body.0.cell.one_of": "basic", "body.1.cell.one_of": "bottleneck"}
    nested = {f"stages.0.block.0.cell.nested.{path}": value for path, value in inner.items()}
    net = demo.decode_stored({**decisions, **nested}).architecture
    nothing = Architecture((net.nodes[0],))
    levels = {change.name_after: change.level for change in differences(nothing, net)}
    assert max(levels.values()) == analyse(net).nesting == 2
    block = "stages.0.block.0.cell.nested"
    assert levels[f"{block}.body.0.cell.basic.basic.body.0.conv"] == 2
    assert levels[f"{block}.body.0.cell.basic.basic.add"] == 1
    assert levels["stem.conv"] == 0


CONVS = [at for at, node in enumerate(RESNET14.nodes) if isinstance(node.op, Conv) and node.op.kernel == 3]
NORMS = [at for at, node in enumerate(RESNET14.nodes) if isinstance(node.op, Norm)]


@pytest.mark.parametrize("at", CONVS)
def test_an_op_that_changed_is_the_one_difference(at: int) -> None:
    node = RESNET14.nodes[at]
    assert isinstance(node.op, Conv)
    other = changed_at(RESNET14, at, replace(node.op, kernel=5))
    (change,) = differences(RESNET14, other)
    assert change == Change(
        What.CHANGED, node.name, node.name, describe(node.op), describe(other.nodes[at].op), inside(node.name)
    )


@pytest.mark.parametrize("at", NORMS)
def test_an_op_that_was_added_or_removed_is_the_one_difference(at: int) -> None:
    other = inserted_after(RESNET14, at, Activation("gelu"))
    name = other.nodes[at + 1].name
    assert differences(RESNET14, other) == [Change(What.ADDED, None, name, None, "gelu", inside(name))]
    assert differences(other, RESNET14) == [Change(What.REMOVED, name, None, "gelu", None, inside(name))]
    # one that looks like its neighbours may be told as any of them, but as one
    twice = inserted_after(RESNET14, at, Norm())
    assert [change.what for change in differences(RESNET14, twice)] == [What.ADDED]


def test_an_op_that_reads_another_is_the_one_difference() -> None:
    net = RESNET14
    sums = [at for at, node in enumerate(net.nodes) if isinstance(node.op, Add)]
    at, skip = sums[1], net.nodes[sums[1]].inputs[1]
    nodes = list(net.nodes)
    nodes[at] = nodes[at]._replace(inputs=(nodes[at].inputs[0], skip - 1))  # past the activation
    other = Architecture(tuple(nodes))
    block = "stages.0.block.1"
    assert differences(net, other) == [
        Change(
            What.REWIRED,
            net.nodes[at].name,
            net.nodes[at].name,
            "cell.basic.basic.body.1.norm and stages.0.block.0.cell.basic.basic.act",
            "cell.basic.basic.body.1.norm and stages.0.block.0.cell.basic.basic.add",
            0,
        )
    ]
    (told,) = by_block(differences(net, other))
    assert (told.first, told.phrases[0][0].split(" and ")[0]) == (block, "add reads cell.basic.basic.body.1.norm")


def test_the_order_of_a_sum_makes_no_difference() -> None:
    nodes = [node._replace(inputs=node.inputs[::-1]) if isinstance(node.op, Add) else node for node in RESNET14.nodes]
    assert differences(RESNET14, Architecture(tuple(nodes))) == []


def test_blocks_that_were_added_are_told_as_blocks() -> None:
    assert by_block(differences(RESNET8, RESNET14)) == [
        BlockChange(
            f"stages.{stage}.block.1",
            f"stages.{stage}.block.1",
            1,
            ((f"+ conv3x3 {width}", 2), ("+ norm", 2), ("+ relu", 2), ("+ add", 1)),
        )
        for stage, width in enumerate((16, 32, 64))
    ]


def test_neighbouring_blocks_that_changed_alike_are_one_line() -> None:
    wide = demo_space.decode_stored
    decisions = dict(demo_space.baselines["resnet14"].decisions)
    narrow = wide(decisions | {"stages.width.start": 8}).architecture
    told = by_block(differences(RESNET14, narrow))
    assert [(change.first, change.blocks) for change in told] == [
        ("stages.0.block.0", 1),
        ("stages.0.block.1", 1),
        ("stages.1.block.0", 1),
        ("stages.1.block.1", 1),
        ("stages.2.block.0", 1),
        ("stages.2.block.1", 1),
    ]
    assert told[1].phrases == (("conv3x3 16 -> conv3x3 8", 2),)


@settings(max_examples=60)
@given(candidates(demo_space), candidates(demo_space))
def test_differences_account_for_every_op(one: Candidate, other: Candidate) -> None:
    a, b = one.architecture, other.architecture
    changes = differences(a, b)
    assert (changes == []) == (a.id == b.id)
    if a.id == b.id:
        return
    counts = Counter(describe(node.op) for node in a.nodes)
    for change in changes:
        if change.what is not What.REWIRED:
            counts[change.before or ""] -= change.before is not None
            counts[change.after or ""] += change.after is not None
    assert +counts == Counter(describe(node.op) for node in b.nodes)


# Accuracies


def density(t: float, freedom: int) -> float:
    return (
        gamma((freedom + 1) / 2)
        / (sqrt(freedom * pi) * gamma(freedom / 2))
        * (1 + t * t / freedom) ** (-(freedom + 1) / 2)
    )


@pytest.mark.parametrize("freedom", range(1, len(T_975) + 1))
def test_students_t_holds_95_percent(freedom: int) -> None:
    """By Simpson's rule."""
    bound, n = T_975[freedom - 1], 4_000
    step = bound / n
    inside = (
        sum(density(k * step, freedom) * (1 if k in (0, n) else 4 if k % 2 else 2) for k in range(n + 1)) * step / 3
    )
    assert 2 * inside == pytest.approx(0.95, abs=1e-5)


def test_welch_as_by_hand() -> None:
    """Means 0.8 and 0.9, variances 0.01 / 4 each: standard error sqrt(0.0025 + 0.0025), 6 degrees of freedom."""
    a = summary([0.7, 0.9, 0.7, 0.9])
    b = summary([0.8, 1.0, 0.8, 1.0])
    error = sqrt(2 * a.deviation**2 / 4)  # type: ignore[operator]
    assert welch(a, b) == pytest.approx((0.1 - 2.4469 * error, 0.1 + 2.4469 * error))
    assert welch(summary([0.5]), b) is None
    assert welch(summary([0.5, 0.5]), summary([0.7, 0.7])) is None


def with_accuracies(name: str, *accuracies: float, key: str = "k") -> Compared:
    known = compared(name, RESNET8, None)
    return replace(known, accuracies=(Accuracies("search", key, 6, ("demo",), dict(enumerate(accuracies))),))


def test_what_is_within_the_noise_is_called_neither_better_nor_worse() -> None:
    def last(*accuracies: float) -> tuple[str | None, str | None]:
        verdict = verdicts(with_accuracies("A", 0.90, 0.91, 0.92), with_accuracies("B", *accuracies))[-1]
        return verdict.better, verdict.why

    assert last(0.95, 0.96, 0.97) == ("B", None)
    assert last(0.85, 0.86, 0.87) == ("A", None)
    assert last(0.91, 0.92, 0.93) == (None, "within the noise")
    assert last(0.99) == (None, "3 and 1 seed(s) tell no spread")


def test_what_is_of_other_recipes_is_not_compared() -> None:
    other = with_accuracies("B", 0.9, 0.99, key="other")
    assert [one.what for one in verdicts(with_accuracies("A", 0.1, 0.2), other)] == [
        "macs", "params", "activations", "peak",
    ]  # fmt: skip


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_verdict_does_not_depend_on_who_comes_first(a: list[float], b: list[float]) -> None:
    one, other = with_accuracies("A", *a), with_accuracies("B", *b)
    assert verdicts(one, other)[-1].better == verdicts(other, one)[-1].better


def test_latencies_are_told_apart_where_quartiles_do_not_overlap() -> None:
    def timed(name: str, low: float, median: float, high: float) -> Compared:
        latency = Latency(RESNET8.id, "cpu", "fp32", 1, 2, 50, median, low, high)
        return replace(compared(name, RESNET8, None), latencies=(latency,))

    slow = timed("A", 1.0, 1.1, 1.2)
    assert verdicts(slow, timed("B", 0.5, 0.6, 0.7))[-1].better == "B"
    assert verdicts(slow, timed("B", 0.5, 0.6, 1.0))[-1].why == "quartiles overlap"


def test_the_store_gives_what_it_measured_once_a_seed(store: Store) -> None:
    decisions: dict[str, object] = {"stem.width": 8}
    for name, recipe in (("one", RECIPE), ("two", RECIPE), ("three", replace(RECIPE, lr=1.0))):
        digest = recipe.digest(CHECKSUM)
        study = replace(STUDY, name=name, recipe=recipe, recipe_digest=digest)
        study_id = store.create_study(study)
        for number, seed in enumerate((0, 1)):
            trial = Trial(number, RESNET8.id, decisions, seed, Origin.BASELINE, "resnet8")
            store.begin(study_id, trial, RESNET8, demo_space.baselines["resnet8"].cost)
            key = replace(KEY, architecture_id=RESNET8.id, recipe_digest=digest, seed=seed)
            store.complete(study_id, number, key, replace(MEASURED, accuracy=0.5 + seed / 10), recipe)
    store.record_retraining(Retraining(RESNET8.id, Recipe(), CHECKSUM, Fidelity(30), 0, MEASURED))
    found = compared("A", RESNET8, store)
    assert [(one.what, one.epochs, one.studies, one.of_seed) for one in found.accuracies] == [
        ("search", 3, ("one", "two"), {0: 0.5, 1: 0.6}),
        ("search", 3, ("three",), {0: 0.5, 1: 0.6}),
        ("retrained", 30, (), {0: 0.5}),
    ]
    assert len({one.key for one in found.accuracies}) == 3
    assert found.decisions == dict.fromkeys(("one", "two", "three"), decisions)
