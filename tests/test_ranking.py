"""The Pareto front against its definition, accuracy per FLOP against arithmetic, and where the floor comes from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ressearch.ranking import Point, accuracy_per_mflop, by_efficiency, pareto_front
from ressearch.store import Result
from ressearch.trial import Fidelity, Recipe, Study, TrialState
from ressearch.view import Floor, standing

few_values = st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.integers(1, 5))
any_values = st.tuples(st.floats(0, 1), st.integers(1, 10**12))
points_of = st.lists(few_values | any_values, max_size=14)
ties_of = st.lists(few_values, max_size=14)


def dominates(one: Point, other: Point) -> bool:
    no_worse = one[0] >= other[0] and one[1] <= other[1]
    return no_worse and (one[0] > other[0] or one[1] < other[1])


@given(points_of | ties_of)
@example([])
@example([(0.5, 3), (0.5, 3), (0.5, 2), (0.5, 2), (0.9, 3), (0.9, 3)])
def test_the_front_is_what_no_point_dominates(points: list[Point]) -> None:
    front = pareto_front(points)
    undominated = {i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)}
    assert len(front) == len(set(front))
    assert set(front) == undominated


@given(points_of | ties_of)
def test_the_front_rises_in_macs_and_in_accuracy(points: list[Point]) -> None:
    front = pareto_front(points)
    assert front == sorted(front, key=lambda i: (points[i][1], i))
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


@given(points_of | ties_of, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_the_points(points: list[Point], random: object) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [shuffled[i] for i in pareto_front(shuffled)] == [points[i] for i in pareto_front(points)]


def test_a_front_by_hand() -> None:
    points = [(0.90, 400), (0.80, 100), (0.80, 200), (0.95, 900), (0.90, 400), (0.70, 100), (0.94, 950)]
    assert pareto_front(points) == [1, 0, 4, 3]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.5, 500_000), 0.5),  # 500,000 MACs are one million FLOPs
        ((1.0, 1_000_000), 0.5),
        ((0.9, 128_080), 0.9 / 0.25616),
        ((0.0, 1), 0.0),
        ((0.75, 4_000_000_000), 0.75 / 8_000),
    ],
)
def test_accuracy_per_mflop_counts_two_flops_per_mac(point: Point, expected: float) -> None:
    assert accuracy_per_mflop(point) == pytest.approx(expected, rel=1e-12)


@given(points_of | ties_of, st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1))
def test_by_efficiency_ranks_those_at_or_above_the_floor(points: list[Point], floor: float) -> None:
    ranking = by_efficiency(points, floor)
    assert sorted(ranking) == [i for i in range(len(points)) if not points[i][0] < floor]
    efficiencies = [points[i][0] / points[i][1] for i in ranking]
    for earlier, later in pairwise(efficiencies):
        assert earlier >= later * (1 - 1e-12) - 1e-300


def test_by_efficiency_by_hand() -> None:
    points = [(0.90, 300), (0.60, 100), (0.95, 300), (0.30, 10), (0.95, 300)]
    assert by_efficiency(points, 0.0) == [3, 1, 2, 4, 0]
    assert by_efficiency(points, 0.60) == [1, 2, 4, 0]
    assert by_efficiency(points, 0.61) == [2, 4, 0]
    assert by_efficiency(points, 0.96) == []


# The standing of a study

STUDY = Study(
    "demo", "demo", "version: 1", "0" * 16, "digits", "1" * 16, Recipe(), "2" * 16, Fidelity(), seed=0, versions={}
)
COUNTS = dict.fromkeys(TrialState, 0)


def result(number: int, accuracy: float, macs: int, baseline: str | None = None) -> Result:
    return Result(f"{number:016x}", accuracy, macs, params=1, depth=1, baseline=baseline, number=number, seconds=1.0)


RESULTS = [
    result(0, 0.92, 900, "resnet14"),
    result(1, 0.85, 500, "resnet8"),
    result(2, 0.84, 100),
    result(3, 0.85, 400),
    result(4, 0.93, 950),
    result(5, 0.20, 1),
]


def test_the_floor_is_the_cheapest_baselines_accuracy() -> None:
    found = standing(STUDY, RESULTS, COUNTS, None)
    assert found.floor == Floor(0.85, "baseline resnet8")
    assert list(found.front) == [5, 2, 3, 0, 4]
    assert list(found.ranking) == [3, 1, 0, 4]


def test_the_floor_is_the_cheapest_baselines_even_if_another_is_less_accurate() -> None:
    found = standing(STUDY, [*RESULTS, result(6, 0.10, 10_000, "wide")], COUNTS, None)
    assert found.floor == Floor(0.85, "baseline resnet8")


@pytest.mark.parametrize(("given_floor", "ranking"), [(0.0, [5, 2, 3, 1, 0, 4]), (0.9, [0, 4]), (1.0, [])])
def test_min_accuracy_comes_before_a_baseline(given_floor: float, ranking: list[int]) -> None:
    found = standing(STUDY, RESULTS, COUNTS, given_floor)
    assert found.floor == Floor(given_floor, "--min-accuracy")
    assert list(found.ranking) == ranking


def test_without_a_baseline_there_is_no_floor_and_the_standing_says_so() -> None:
    found = standing(STUDY, RESULTS[2:], COUNTS, None)
    assert found.floor == Floor(0.0, "none: no baseline was measured")
    assert list(found.ranking) == [3, 0, 1, 2]


def test_a_study_without_results_has_a_standing() -> None:
    found = standing(STUDY, [], COUNTS, None)
    assert (found.floor, found.front, found.ranking) == (Floor(0.0, "none: no baseline was measured"), [], [])
