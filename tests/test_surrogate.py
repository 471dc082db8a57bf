"""The Gaussian process against a slow twin, which loops over pairs of networks and inverts by the book."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.search.features import numbers_of
from ressearch.search.objective import Objective
from ressearch.search.surrogate import FAILURE, GRID, Data, Scales, Surrogate, as_data, lowest_taken
from ressearch.trial import Recipe

SCALES = Scales(facts=1.7, decisions=0.3, share=0.7, linear=0.3, noise=0.01, recipe=0.6)


def drawn(count: int, seed: int) -> Data:
    """Facts of quite different sizes, the third the same in all; recipes likewise; four decisions of three words."""
    generator = np.random.default_rng(seed)
    facts = np.column_stack([generator.normal(size=count), generator.normal(5, 100, count), np.ones(count)])
    recipes = np.column_stack([np.full(count, 64.0), generator.normal(-2, 3, count)])
    return Data(facts, recipes, np.eye(3, dtype=np.float32)[generator.integers(0, 3, (count, 4))].reshape(count, 12))


TAUGHT, ASKED = drawn(25, 1), drawn(6, 2)
ACCURACIES = 0.7 + 0.05 * TAUGHT.facts[:, 0] + 0.04 * TAUGHT.tokens[:, 0] + 0.01 * np.cos(TAUGHT.recipes[:, 1])


def twin_covariance(a: Data, b: Data, scales: Scales) -> np.ndarray:
    """Pair by pair; two of three facts vary, and one of two fields of the recipe; each network has four decisions."""
    center, spread = TAUGHT.facts.mean(0), [TAUGHT.facts[:, 0].std(), TAUGHT.facts[:, 1].std()]
    found = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            x, y = ([(d.facts[k, f] - center[f]) / spread[f] for f in (0, 1)] for d, k in ((a, i), (b, j)))
            apart = sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) / 2
            differing = sum(
                list(a.tokens[i, 3 * c : 3 * c + 3]) != list(b.tokens[j, 3 * c : 3 * c + 3]) for c in range(4)
            )
            found[i, j] = scales.share * exp(-0.5 * apart / scales.facts**2)
            found[i, j] += (1 - scales.share) * exp(-(differing / 4) / scales.decisions)
            trained = (a.recipes[i, 1] - b.recipes[j, 1]) / TAUGHT.recipes[:, 1].std()
            found[i, j] *= exp(-0.5 * trained**2 / scales.recipe**2)
            found[i, j] += scales.linear * sum(p * q for p, q in zip(x, y, strict=True)) / 3
    return found


def test_predictions_are_those_of_the_slow_twin() -> None:
    mean, deviation = Surrogate(TAUGHT, ACCURACIES, SCALES, climb=0).predict(ASKED)
    y = (ACCURACIES - ACCURACIES.mean()) / ACCURACIES.std()
    inverse = np.linalg.inv(twin_covariance(TAUGHT, TAUGHT, SCALES) + (SCALES.noise + 1e-8) * np.eye(len(y)))
    across = twin_covariance(ASKED, TAUGHT, SCALES)
    assert mean == pytest.approx(ACCURACIES.mean() + ACCURACIES.std() * (across @ inverse @ y), rel=1e-6)
    left = np.diag(twin_covariance(ASKED, ASKED, SCALES) - across @ inverse @ across.T)
    signal = y @ inverse @ y / len(y)
    assert deviation == pytest.approx(ACCURACIES.std() * np.sqrt(signal * left), rel=1e-4)


@pytest.mark.parametrize("scales", [SCALES, Scales(), replace(SCALES, noise=0.3)])
def test_the_likelihood_is_that_of_the_best_signal(scales: Scales) -> None:
    """Up to a constant, the density of the accuracies; no other variance of the signal makes it greater."""
    y = (ACCURACIES - ACCURACIES.mean()) / ACCURACIES.std()
    covariance = twin_covariance(TAUGHT, TAUGHT, scales) + (scales.noise + 1e-8) * np.eye(len(y))

    def density(signal: float) -> float:
        whole = signal * covariance
        return float(-0.5 * (y @ np.linalg.inv(whole) @ y + np.linalg.slogdet(whole)[1] + len(y) * log(2 * pi)))

    best = y @ np.linalg.inv(covariance) @ y / len(y)
    constant = -0.5 * len(y) * (1 + log(2 * pi))
    found = Surrogate(TAUGHT, ACCURACIES, scales, climb=0).log_likelihood(scales)
    assert found == pytest.approx(density(best) - constant, rel=1e-6)
    assert density(best) > max(density(0.9 * best), density(1.1 * best))


def test_scales_climb_and_stay_on_the_grid() -> None:
    values = [Surrogate(TAUGHT, ACCURACIES, Scales(), climb) for climb in (0, 1, 4)]
    likelihoods = [found.log_likelihood(found.scales) for found in values]
    assert likelihoods[0] < likelihoods[1] <= likelihoods[2]
    assert all(getattr(values[2].scales, name) in grid for name, grid in GRID.items())


def test_what_is_known_is_predicted_with_confidence_and_what_is_far_is_not() -> None:
    surrogate = Surrogate(TAUGHT, ACCURACIES, replace(SCALES, noise=0.001), climb=0)
    mean, deviation = surrogate.predict(TAUGHT)
    assert np.abs(mean - ACCURACIES).max() < 0.01
    far = Data(TAUGHT.facts[:1] + np.array([4.0, 0, 0]), TAUGHT.recipes[:1], 1 - TAUGHT.tokens[:1])
    assert surrogate.predict(far)[1][0] > 5 * deviation.max()


def test_equal_accuracies_and_a_single_network_are_no_trouble() -> None:
    for data, accuracies in ((TAUGHT, np.full(25, 0.5)), (drawn(1, 3), np.array([0.5]))):
        mean, deviation = Surrogate(data, accuracies, climb=1).predict(ASKED)
        assert mean == pytest.approx(np.full(6, 0.5), abs=1e-9)
        assert np.isfinite(deviation).all()
        with np.errstate(all="raise", under="ignore"):
            assert np.isfinite(Objective().gains(mean, deviation, np.arange(1.0, 7.0), [(0.5, 3)])).all()


def test_failures_count_alike() -> None:
    accuracies = np.array([0.8, 0.7, 0.75, 0.1, 0.72])
    assert lowest_taken(accuracies) == pytest.approx(0.72 - FAILURE * 0.08)
    raised = np.maximum(accuracies, lowest_taken(accuracies))
    data = drawn(5, 4)
    predicted = [Surrogate(data, given, SCALES, climb=0).predict(ASKED)[0] for given in (accuracies, raised)]
    assert predicted[0] == pytest.approx(predicted[1])


def test_rows_hold_a_one_for_each_known_token() -> None:
    found = as_data([np.zeros(2), np.ones(2)], [np.ones(1), np.zeros(1)], [np.array([0, 2]), np.array([1, 5])], width=3)
    assert found.tokens.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert found.facts.tolist() == [[0, 0], [1, 1]]
    assert found.recipes.tolist() == [[1], [0]]


def test_recipes_have_no_say_where_they_are_the_same() -> None:
    data = replace(TAUGHT, recipes=np.full((25, 2), 0.1))
    surrogate = Surrogate(data, ACCURACIES, SCALES, climb=3)
    other = Surrogate(data, ACCURACIES, replace(SCALES, recipe=3.0), climb=3)
    assert surrogate.scales.recipe == SCALES.recipe
    assert np.array_equal(surrogate.predict(ASKED), other.predict(ASKED))


@given(st.sampled_from(["lr", "weight_decay"]), st.floats(1e-4, 0.1), st.floats(1.5, 4))
def test_equal_ratios_of_a_rate_are_equal_steps(field: str, value: float, ratio: float) -> None:
    low, middle, high = (numbers_of(replace(Recipe(), **{field: value * ratio**k})) for k in (0, 1, 2))
    assert middle - low == pytest.approx(high - middle)
    assert (middle != low).sum() == 1


def test_no_decay_and_long_memories_are_numbers_too() -> None:
    assert np.isfinite(numbers_of(Recipe(weight_decay=0.0))).all()
    apart = [numbers_of(Recipe(momentum=momentum)) for momentum in (0.9, 0.99, 0.999)]
    assert apart[1] - apart[0] == pytest.approx(apart[2] - apart[1])
