"""What a network may be expected to gain: closed forms against sampling, and the objectives' arithmetic by hand."""

from __future__ import annotations

from math import erf, exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from ressearch.ranking import Point, elasticity, hypervolume, knee, pareto_front, tradeoff
from ressearch.search.gains import below, expected_excess, expected_excess_above, expected_hypervolume_gain
from ressearch.search.objective import BEYOND, Objective

points_of = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 10)), max_size=12)
FRONT: list[Point] = [(0.3, 1_000), (0.6, 20_000), (0.7, 90_000)]
MEAN, DEVIATION, MACS = (
    np.array([0.5, 0.65, 0.2, 0.9]),
    np.array([0.1, 0.05, 0.3, 0.02]),
    np.array([5e3, 1e4, 500, 2e5]),
)


def sampled(mean: float, deviation: float) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, deviation, 200_000)


@given(points_of)
def test_the_hypervolume_is_optunas(points: list[Point]) -> None:
    """Optuna minimises, so accuracy is turned round; points beyond the reference are moved to it and add nothing."""
    reference = np.array([-0.2, 8.0])
    losses = np.minimum(np.array([(-accuracy, macs) for accuracy, macs in points]).reshape(-1, 2), reference)
    expected = compute_hypervolume(losses, reference) if points else 0.0
    assert hypervolume(points, (0.2, 8.0)) == pytest.approx(expected, abs=1e-12)


def test_the_hypervolume_of_a_staircase_by_hand() -> None:
    assert hypervolume([(0.5, 2), (0.9, 6), (0.4, 5), (0.95, 10)], (0.1, 10)) == pytest.approx(0.4 * 4 + 0.8 * 4)
    assert hypervolume([], (0, 1)) == 0


@pytest.mark.parametrize("weight", [0.0, 0.02, 0.5])
def test_the_elasticity_of_a_power_law_is_its_power_and_no_point_wins_its_tradeoff(weight: float) -> None:
    points = [(0.1 * macs**weight, float(macs)) for macs in (10, 30, 70, 95)]
    points = points[:1] if weight == 0 else points
    assert elasticity(points) == pytest.approx(weight)
    assert len({round(tradeoff(point, weight), 9) for point in points}) == 1


def test_the_knee_is_where_the_front_bends() -> None:
    assert knee([(0.1, 10), (0.8, 100), (0.85, 1000), (0.9, 10_000), (0.2, 5_000)]) == 1
    assert knee([(0.5, 3)]) == 0
    assert knee([]) is None


def test_the_distribution_function_is_the_normal_one() -> None:
    u = np.linspace(-6, 6, 201)
    expected = [0.5 * (1 + erf(x / sqrt(2))) for x in u]
    assert np.abs(below(u) - expected).max() < 1e-7


def test_expected_excess_against_sampling() -> None:
    for mean, deviation, threshold in [(0.5, 0.1, 0.45), (0.5, 0.1, 0.7), (0.9, 0.01, 0.2)]:
        y = sampled(mean, deviation)
        found = expected_excess(np.array([mean]), np.array([deviation]), threshold)[0]
        assert found == pytest.approx(np.maximum(y - threshold, 0).mean(), rel=0.02, abs=1e-4)
        for floor in (threshold - 0.2, threshold + 0.05):
            above = expected_excess_above(np.array([mean]), np.array([deviation]), np.array([threshold]), floor)[0]
            counted = np.where(y >= floor, np.maximum(y - threshold, 0), 0).mean()
            assert above == pytest.approx(counted, rel=0.02, abs=1e-4)


def test_expected_hypervolume_gain_against_sampling() -> None:
    """The hypervolume before and after, for each of many accuracies."""
    front, most = [(accuracy, log(macs)) for accuracy, macs in FRONT], log(1.5e5)
    before = hypervolume(front, (0.0, most))
    found = expected_hypervolume_gain(MEAN, DEVIATION, np.log(MACS), front, most)
    for gain, mean, deviation, macs in zip(found, MEAN, DEVIATION, MACS, strict=True):
        draws = sampled(mean, deviation)[:4_000]
        after = [hypervolume([*front, (float(y), log(macs))], (0.0, most)) for y in draws]
        assert gain == pytest.approx(np.mean(after) - before, rel=0.04, abs=2e-3)


def test_a_certain_network_gains_what_it_adds() -> None:
    """Nothing where it is dominated; the whole of its step where it is not."""
    sure = np.full(2, 1e-9)
    gains = Objective("pareto").gains(np.array([0.55, 0.65]), sure, np.array([3e4, 5e3]), FRONT)
    assert gains[0] == pytest.approx(0, abs=1e-9)
    widths = (log(20_000 / 5_000), log(90_000 / 20_000))
    assert gains[1] == pytest.approx(0.35 * widths[0] + 0.05 * widths[1], rel=1e-6)
    beyond = Objective("pareto").gains(np.array([0.8]), sure[:1], np.array([90_000.0]), FRONT)
    assert beyond[0] == pytest.approx(0.1 * BEYOND, rel=1e-5)


def test_the_other_objectives_of_certain_networks_by_hand() -> None:
    mean, sure, macs = np.array([0.75, 0.65, 0.62]), np.full(3, 1e-9), np.array([8e4, 1e4, 1e5])
    assert Objective("budget").gains(mean, sure, macs, FRONT) == pytest.approx([0.05, 0, 0], abs=1e-8)
    per_flop = Objective("accuracy_per_flop", floor=0.5).gains(mean, sure, macs, FRONT)
    assert per_flop == pytest.approx([0, 0.65 / 1e4 - 0.6 / 2e4, 0], abs=1e-12)
    weight = elasticity(FRONT)
    best = max(tradeoff(point, weight) for point in FRONT)
    gained = [max(0.0, tradeoff((a, m), weight) - best) for a, m in zip(mean, macs, strict=True)]
    assert Objective("tradeoff").gains(mean, sure, macs, FRONT) == pytest.approx(gained, abs=1e-9)


def test_below_the_floor_nothing_counts() -> None:
    """Without it the emptiest network has the most accuracy per FLOP."""
    empty = (np.array([0.1]), np.array([1e-9]), np.array([10.0]), FRONT)
    assert Objective("accuracy_per_flop", floor=0.5).gains(*empty)[0] == pytest.approx(0, abs=1e-12)
    assert Objective("accuracy_per_flop").gains(*empty)[0] == pytest.approx(0.1 / 10 - 0.3 / 1_000)


def test_what_a_front_leaves_out_changes_no_gain() -> None:
    points = [*FRONT, (0.2, 3_000), (0.6, 30_000)]
    kept = [points[i] for i in pareto_front(points)]
    assert kept == FRONT
    for kind in ("pareto", "budget", "accuracy_per_flop", "tradeoff"):
        gains = [Objective(kind, 0.25).gains(MEAN, DEVIATION, MACS, known) for known in (points, kept)]
        assert gains[0] == pytest.approx(gains[1], rel=1e-12), kind
    assert exp(BEYOND) < 1.1
