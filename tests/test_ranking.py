"""The Pareto front against its definition, accuracy per FLOP against arithmetic, the knee against calculus."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ressearch.ranking import Front, Point, accuracy_per_mflop, by_efficiency, knee, pareto_front

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


@given(points_of | ties_of, few_values | any_values)
@example([(0.5, 3), (0.5, 3), (0.5, 2)], (0.5, 2))
def test_a_front_that_grows_is_the_front_of_what_came_so_far(points: list[Point], other: Point) -> None:
    front = Front()
    for count, point in enumerate(points, 1):
        assert front.beats(point) == any(dominates(one, point) for one in points[: count - 1])
        front.add(point)
        assert len(front) == len(pareto_front(points[:count]))
    assert front.beats(other) == any(dominates(one, other) for one in points)


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


# The knee


def distance(point: Point, start: Point, end: Point) -> float:
    """Signed distance from the chord, above it positive, by the cross product in the scaled plane."""
    across, up = math.log(end[1] / start[1]) or 1, end[0] - start[0] or 1
    x, y = math.log(point[1] / start[1]) / across, (point[0] - start[0]) / up
    return (y - x) / math.hypot(1, 1)


@given(points_of | ties_of)
@example([])
@example([(0.5, 3)])
@example([(0.5, 3), (0.5, 3)])
def test_the_knee_is_the_point_of_the_front_farthest_above_the_chord(points: list[Point]) -> None:
    found = knee(points)
    if not points:
        assert found is None
        return
    front = [points[i] for i in pareto_front(points)]
    assert found in pareto_front(points)
    farthest = max(distance(point, front[0], front[-1]) for point in front)
    assert distance(points[found], front[0], front[-1]) == pytest.approx(farthest, abs=1e-9)


def test_the_knee_of_curves_is_where_calculus_has_it() -> None:
    # u = log MACs in [0, 1]: sqrt(u) - u is greatest at u = 1/4, (2u - u^2) - u at u = 1/2, u^(1/3) - u at 27^(-1/2)
    assert knee([(math.sqrt(k / 16), 2**k) for k in range(17)]) == 4
    assert knee([(2 * k / 10 - (k / 10) ** 2, 3**k) for k in range(11)]) == 5
    steps = 52
    assert knee([((k / steps) ** (1 / 3), 2**k) for k in range(steps + 1)]) == round(steps / math.sqrt(27))


def test_the_knee_needs_no_order_and_looks_at_the_front_alone() -> None:
    points = [(1.0, 2**16), (0.1, 2**8), (0.0, 1), (0.8, 16), (0.7, 16), (0.8, 16)]
    assert knee(points) == 3


def test_where_nothing_is_above_the_chord_the_knee_is_the_cheapest() -> None:
    assert knee([(0.9, 100), (0.5, 10)]) == 1
    assert knee([((k / 8) ** 2, 2**k) for k in range(9)]) == 0
    assert knee([(0.5, 0), (0.5, 1)]) == 0


@given(st.lists(st.tuples(st.integers(0, 1024), st.integers(0, 40)), min_size=1, max_size=12), st.integers(0, 20))
def test_the_knee_does_not_depend_on_units(whole: list[tuple[int, int]], doublings: int) -> None:
    points = [(accuracy / 1024, 2**power) for accuracy, power in whole]
    other = [(0.25 + accuracy / 2048, 2 ** (power + doublings)) for accuracy, power in whole]
    one, two = knee(points), knee(other)
    assert one is not None
    assert two is not None
    front = [points[i] for i in pareto_front(points)]
    ends = (front[0], front[-1])
    assert distance(points[one], *ends) == pytest.approx(distance(points[two], *ends), abs=1e-9)
