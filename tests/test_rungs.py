"""The rules of promotion, without a study: how many go on, which, and what a stopped trial is expected to reach."""

from __future__ import annotations

from itertools import pairwise
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.ranking import Point, front_numbers, pareto_front
from ressearch.search.rungs import BANDS, Ladder, Mark
from ressearch.space.grammar import EarlyTerminate


@pytest.mark.parametrize(
    ("early", "epochs", "rungs"),
    [
        (EarlyTerminate(), 9, (1, 3, 9)),
        (EarlyTerminate(), 10, (1, 3, 9, 10)),
        (EarlyTerminate(2, 4), 16, (2, 8, 16)),
        (EarlyTerminate(5, 2), 6, (5, 6)),
    ],
)
def test_rungs_are_powers_and_the_last_is_at_all_epochs(
    early: EarlyTerminate, epochs: int, rungs: tuple[int, ...]
) -> None:
    assert early.rungs(epochs) == rungs


coarse = st.lists(st.tuples(st.integers(0, 5).map(lambda n: n / 5), st.integers(1, 6)), max_size=25)


@given(coarse)
def test_fronts_are_those_that_peeling_finds(points: list[Point]) -> None:
    numbers, left, front = front_numbers(points), list(range(len(points))), 0
    while left:
        peeled = {left[position] for position in pareto_front([points[i] for i in left])}
        assert {i for i in left if numbers[i] == front} == peeled
        left = [i for i in left if i not in peeled]
        front += 1


marks = st.builds(Mark, st.floats(0, 1), st.integers(1, 10**9), st.booleans())


@given(st.lists(marks, min_size=1, max_size=60), st.integers(2, 5))
def test_of_any_trials_at_most_one_in_eta_goes_on_and_every_baseline(trials: list[Mark], eta: int) -> None:
    """After each trial: as many promoted as there are whole groups of eta, nobody twice, all of them measured."""
    ladder, gone = Ladder((1, 3), eta), []
    for number, mark in enumerate(trials):
        ladder.measured(number, 0, mark)
        while (found := ladder.next()) is not None:
            ladder.promoted(found)
            gone.append(found)
        assert not ladder.hopeless(len(trials)) & set(gone)
        seen = trials[: number + 1]
        assert sum(not trials[n].baseline for n in gone) == sum(not mark.baseline for mark in seen) // eta
        assert sum(trials[n].baseline for n in gone) == sum(mark.baseline for mark in seen)
    assert len(set(gone)) == len(gone)
    assert all(n < len(trials) for n in gone)


@given(st.lists(marks, min_size=1, max_size=40))
def test_who_is_promoted_is_beaten_by_nobody_who_waits_and_costs_the_same_or_less_in_its_band(
    trials: list[Mark],
) -> None:
    ladder = Ladder((1, 3), 3)
    for number, mark in enumerate(trials):
        ladder.measured(number, 0, mark)
    waiting = set(range(len(trials)))
    while (found := ladder.next()) is not None:
        ladder.promoted(found)
        waiting.discard(found)
        best = trials[found]
        if not best.baseline:
            proposed = [mark for mark in trials if not mark.baseline]
            here = band_of(best, proposed)
            band = [n for n in waiting if not trials[n].baseline and band_of(trials[n], proposed) == here]
            assert not any(trials[n].accuracy > best.accuracy and trials[n].macs <= best.macs for n in band)


def band_of(mark: Mark, among: list[Mark]) -> int:
    low, high = (log(bound(other.macs for other in among)) for bound in (min, max))
    if low == high:
        return 0
    return min(BANDS - 1, int(BANDS * (log(mark.macs) - low) / (high - low)))


def test_small_networks_survive_where_accuracy_grows_with_cost() -> None:
    """Nine a band, each band less accurate than the next: of each a third goes on, among them the most accurate."""
    ladder = Ladder((1, 3), 3)
    for number in range(27):
        macs = 10 ** (3 + number // 9) + number * 10
        ladder.measured(number, 0, Mark(number / 27, macs))
    gone = []
    while (found := ladder.next()) is not None:
        ladder.promoted(found)
        gone.append(found)
    assert [sum(number // 9 == band for number in gone) for band in range(3)] == [3, 3, 3]
    assert {8, 17, 26} <= set(gone)


def test_of_a_band_who_adds_the_most_to_those_gone_goes_next() -> None:
    """By hand: beside the first, a network of half the cost adds more than one that is a little more accurate."""
    ladder = Ladder((1, 3), 2)
    for number, (accuracy, macs) in enumerate([(0.80, 1000), (0.81, 1010), (0.75, 500), (0.1, 10), (0.1, 10**6)]):
        ladder.measured(number, 0, Mark(accuracy, macs))
    ladder.promoted(0)
    assert ladder.next() == 2


def test_a_trial_goes_on_from_the_highest_rung_where_one_may() -> None:
    ladder = Ladder((1, 2, 4), 2)
    for number in range(4):
        ladder.measured(number, 0, Mark(0.5 + number / 10, 100))
    for _ in range(2):
        found = ladder.next()
        assert found is not None
        ladder.promoted(found)
        ladder.measured(found, 1, Mark(0.9, 100))
    ladder.measured(4, 0, Mark(0.1, 100))
    ladder.measured(5, 0, Mark(0.1, 100))
    assert ladder.next() in (2, 3), "both rungs have a place; the upper comes first"


def test_a_stopped_trial_is_expected_to_gain_what_others_gained() -> None:
    ladder = Ladder((1, 3, 9), 3)
    assert ladder.gains() == [0.0, 0.0]
    for number, accuracies in enumerate([(0.5, 0.7, 0.75), (0.6, 0.7), (0.4, 0.7), (0.3,)]):
        for rung, accuracy in enumerate(accuracies):
            ladder.measured(number, rung, Mark(accuracy, 100))
    assert ladder.gains() == pytest.approx([0.2, 0.05])  # medians of (0.2, 0.1, 0.3) and (0.05)
    assert [ladder.expected(number) for number in range(4)] == pytest.approx([0.75, 0.75, 0.75, 0.55])


def test_expectations_keep_the_order_of_a_rung_and_are_no_more_than_1() -> None:
    ladder = Ladder((1, 3), 3)
    for number, accuracy in enumerate([0.1, 0.4, 0.6, 0.9]):
        ladder.measured(number, 0, Mark(accuracy, 100))
    ladder.measured(0, 1, Mark(0.5, 100))
    expected = [ladder.expected(number) for number in (1, 2, 3)]
    assert expected == pytest.approx([0.8, 1.0, 1.0])
    assert all(a <= b for a, b in pairwise(expected))


def test_hopeless_are_those_for_whom_no_place_is_left() -> None:
    """Nine trials in all: three places. Of six alike in cost, the last three in line cannot get one."""
    ladder = Ladder((1, 3), 3)
    for number in range(6):
        ladder.measured(number, 0, Mark(number / 10, 100))
    assert ladder.hopeless(9) == {0, 1, 2}
    assert ladder.hopeless(18) == set()
    ladder.promoted(5)
    assert ladder.hopeless(9) == {0, 1, 2}, "two places are left, for 4 and 3"
