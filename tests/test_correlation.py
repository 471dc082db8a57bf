"""Rank correlations against their definitions, written out slowly, and known values."""

from __future__ import annotations

from itertools import combinations
from math import isclose, sqrt
from statistics import StatisticsError, correlation

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch import correlation as correlation_module
from ressearch.correlation import LEAST, Agreement, Coefficient, agreement

few_values = st.integers(0, 3).map(float)
any_values = st.floats(-1e300, 1e300)
pairs_of = st.lists(st.tuples(few_values, few_values), max_size=9) | st.lists(
    st.tuples(any_values, few_values | any_values), max_size=9
)


def mean_ranks(values: list[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered.index(value) + (1 + ordered.count(value)) / 2 for value in values]


def slow_spearman(x: list[float], y: list[float]) -> float | None:
    """Pearson's correlation of the mean ranks."""
    try:
        return correlation(mean_ranks(x), mean_ranks(y))
    except StatisticsError:
        return None


def slow_kendall(x: list[float], y: list[float]) -> float | None:
    """(concordant - discordant) / sqrt(pairs not tied in x, times pairs not tied in y)."""
    pairs = list(combinations(zip(x, y, strict=True), 2))
    concordant = sum((a < c and b < d) or (a > c and b > d) for (a, b), (c, d) in pairs)
    discordant = sum((a < c and b > d) or (a > c and b < d) for (a, b), (c, d) in pairs)
    apart = sum(a != c for (a, _), (c, _) in pairs) * sum(b != d for (_, b), (_, d) in pairs)
    return (concordant - discordant) / sqrt(apart) if apart else None


def close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return isclose(found, expected, abs_tol=1e-12)


def split(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


@settings(max_examples=200)
@given(pairs_of)
def test_both_are_what_their_definitions_say(pairs: list[tuple[float, float]]) -> None:
    x, y = split(pairs)
    found = agreement(x, y)
    assert found.n == len(pairs)
    assert close(found.spearman.value, slow_spearman(x, y))
    assert close(found.kendall.value, slow_kendall(x, y))


@pytest.mark.parametrize(
    ("x", "y", "spearman", "kendall"),
    [
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233, 0.7378647873726218),  # of scipy's manual
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.5407380704358752, -0.4714045207910316),  # the same
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0, 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0, -1.0),
        ([1, 2], [1, 2], 1.0, 1.0),
        ([1, 1, 1], [1, 2, 3], None, None),
        ([3], [4], None, None),
        ([], [], None, None),
    ],
)
def test_known_values(x: list[float], y: list[float], spearman: float | None, kendall: float | None) -> None:
    found = agreement(x, y)
    assert close(found.spearman.value, spearman)
    assert close(found.kendall.value, kendall)


LEVELS = [float(value) for value in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8)]
OTHERS = [float(value) for value in (2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5)]


def test_a_resample_is_as_if_its_pairs_had_been_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval against quantiles of the slow definitions on resamples that are written out."""
    drawn = correlation_module._counts(len(LEVELS), 3)[:, 1:]
    assert drawn.shape == (12, 1_000)
    assert set(drawn.sum(axis=0)) == {12}
    monkeypatch.setattr(correlation_module, "_counts", lambda n, seed: correlation_module.np.hstack([ones, drawn]))
    ones = correlation_module.np.ones((12, 1))
    found = agreement(LEVELS, OTHERS)
    slow: dict[str, list[float]] = {"spearman": [], "kendall": []}
    for counts in drawn.T.astype(int).tolist():
        x, y = ([v for v, k in zip(values, counts, strict=True) for _ in range(k)] for values in (LEVELS, OTHERS))
        slow["spearman"].append(slow_spearman(x, y) or 0.0)
        slow["kendall"].append(slow_kendall(x, y) or 0.0)
    for name, values in slow.items():
        coefficient: Coefficient = getattr(found, name)
        ordered = sorted(values)
        assert coefficient.low == pytest.approx(ordered[24] + 0.975 * (ordered[25] - ordered[24]))
        assert coefficient.high == pytest.approx(ordered[974] + 0.025 * (ordered[975] - ordered[974]))


def test_it_does_not_matter_in_how_many_parts_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = agreement(LEVELS, OTHERS)
    monkeypatch.setattr(correlation_module, "_ROWS", 5)
    parts = agreement(LEVELS, OTHERS)
    assert parts == whole  # sums of whole numbers, below 2 ** 53


@given(st.lists(st.tuples(few_values, few_values), min_size=LEAST, max_size=12), st.integers(0, 5))
def test_intervals(pairs: list[tuple[float, float]], seed: int) -> None:
    """The same for a seed, mirrored where one order is turned round, and within what a correlation can be."""
    x, y = split(pairs)
    found = agreement(x, y, seed)
    assert found == agreement(x, y, seed)
    turned = agreement(x, [-value for value in y], seed)
    for one, other in ((found.spearman, turned.spearman), (found.kendall, turned.kendall)):
        if one.value is None or one.low is None or one.high is None:
            assert one == other == Coefficient(None, None, None)
            continue
        assert -1 <= one.low <= one.high <= 1
        assert other.value == pytest.approx(-one.value)
        assert (other.low, other.high) == (pytest.approx(-one.high), pytest.approx(-one.low))


def test_the_interval_narrows_with_more_pairs() -> None:
    few, many = (agreement(LEVELS * times, OTHERS * times) for times in (1, 20))
    assert few.spearman.value == pytest.approx(many.spearman.value)
    for name in ("spearman", "kendall"):
        widths = []
        for found in (few, many):
            coefficient: Coefficient = getattr(found, name)
            assert coefficient.low is not None
            assert coefficient.high is not None
            widths.append(coefficient.high - coefficient.low)
        assert widths[1] < widths[0] / 3


def test_what_is_not_known_is_left_out() -> None:
    none = Coefficient(None, None, None)
    assert agreement([1.0, None, 3.0, 4.0], [2.0, 2.0, None, 1.0]) == Agreement(
        2, Coefficient(-1.0, None, None), Coefficient(-1.0, None, None)
    )
    assert agreement([None], [None]) == Agreement(0, none, none)


def test_few_pairs_have_no_interval() -> None:
    values = [float(number) for number in range(LEAST)]
    assert agreement(values[1:], values[1:]).spearman == Coefficient(1.0, None, None)
    assert agreement(values, values).spearman == Coefficient(1.0, 1.0, 1.0)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_has_no_rank_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="numbers that are ranked must be finite"):
        agreement([1.0, number], [1.0, 2.0])
    with pytest.raises(ValueError, match="longer"):
        agreement([1.0], [1.0, 2.0])
