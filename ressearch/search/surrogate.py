"""A Gaussian process over networks: what accuracy to expect of one that was not trained, and how sure that is.

The covariance of two networks is a weighted sum of two squared exponentials, one over the standardised facts of their
graphs and one over their decisions as sets, times one over their recipes where these differ, and of a linear term in
the facts (Rasmussen and Williams 2006, chapters 2, 4 and 5). Its few hyperparameters climb a grid by marginal
likelihood, a step each time, so that a proposal stays cheap; the signal's variance is at its optimum in closed form.
numpy alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ressearch.search.features import Vector

Matrix = NDArray[np.float64]
JITTER = 1e-8
LEAST_SIGNAL = 1e-12
"""Variance where all accuracies are the same, so that no logarithm and no quotient is of zero."""
FAILURE = 3.0
"""How much further than the best is above the median a network may be below it, until it counts as no lower."""


@dataclass(frozen=True)
class Scales:
    """The hyperparameters of the covariance, each a member of its grid.

    facts: length scale in standard deviations per fact; decisions: in shares of differing decisions; recipe: as facts,
    of the recipe's fields; share: weight of the facts, the rest is that of the decisions; linear: weight of the linear
    term; noise: variance of a measurement, all relative to the variance of the two.
    """

    facts: float = 1.0
    decisions: float = 0.5
    share: float = 0.5
    linear: float = 1.0
    noise: float = 0.03
    recipe: float = 1.0


GRID: dict[str, tuple[float, ...]] = {
    "facts": (0.35, 0.6, 1.0, 1.7, 3.0),
    "decisions": (0.15, 0.3, 0.5, 1.0, 2.0),
    "share": (0.1, 0.3, 0.5, 0.7, 0.9),
    "linear": (0.1, 0.3, 1.0, 3.0),
    "noise": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    "recipe": (0.35, 0.6, 1.0, 1.7, 3.0),
}


@dataclass(frozen=True)
class Data:
    """Networks as the covariance sees them, a row each: facts, recipes, and decisions as 0 and 1, a column a token."""

    facts: Matrix
    recipes: Matrix
    tokens: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.facts)


def as_data(
    facts: Sequence[Vector], recipes: Sequence[Vector], columns: Sequence[NDArray[np.int64]], width: int
) -> Data:
    """Networks as rows; `columns` are those of each one's tokens, of which the ones beyond `width` are left out."""
    tokens = np.zeros((len(columns), width), dtype=np.float32)
    rows = np.repeat(np.arange(len(columns)), [len(having) for having in columns])
    taken = np.concatenate(columns)
    tokens[rows[taken < width], taken[taken < width]] = 1.0
    return Data(np.array(facts, dtype=float), np.array(recipes, dtype=float), tokens)


def squared_distances(a: NDArray[Any], b: NDArray[Any]) -> Matrix:
    """Squared Euclidean distances between the rows of two matrices."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * (a @ b.T), 0.0), dtype=np.float64)


def lowest_taken(accuracies: Vector) -> float:
    """Below the median by so much that a network is a failure; how bad it is would only bend the surface elsewhere."""
    median = float(np.median(accuracies))
    return median - FAILURE * (float(accuracies.max()) - median)


class Standard:
    """The mean and standard deviation of each column of a matrix; of a column that is the same in all rows, none."""

    def __init__(self, known: Matrix) -> None:
        spread = known.std(0)
        self._center, self._varying = known.mean(0), spread > 1e-9
        self._spread = np.where(self._varying, spread, 1.0)
        self.varying = int(self._varying.sum())

    def scaled(self, found: Matrix) -> Matrix:
        """Rows in standard deviations, 0 in the columns that do not vary."""
        return np.asarray(np.clip((found - self._center) / self._spread, -5, 5) * self._varying)


@dataclass(frozen=True)
class Distances:
    """All that the covariance of two sets of networks depends on beside the scales; recipes: None if all are one."""

    facts: Matrix
    decisions: Matrix
    products: Matrix
    recipes: Matrix | None = None

    def covariance(self, scales: Scales) -> Matrix:
        """Relative to the signal's variance, without noise."""
        near_facts = np.exp(-0.5 * self.facts / scales.facts**2)
        near_decisions = np.exp(-self.decisions / scales.decisions)
        near = scales.share * near_facts + (1 - scales.share) * near_decisions
        if self.recipes is not None:
            near *= np.exp(-0.5 * self.recipes / scales.recipe**2)
        return near + scales.linear * self.products


class Surrogate:
    """A Gaussian process given some networks and their accuracies, with scales that fit them.

    Accuracies are standardised inside, the lowest raised to `lowest_taken`; predictions are in their own unit. `scales`
    is where the climb on the grid begins, `climb` for how many rounds it goes on.
    """

    def __init__(self, data: Data, accuracies: Vector, scales: Scales | None = None, climb: int = 1) -> None:
        accuracies = np.maximum(accuracies, lowest_taken(accuracies))
        self._mean, self._deviation = float(accuracies.mean()), float(accuracies.std()) or 1.0
        self._facts, self._recipes = Standard(data.facts), Standard(data.recipes)
        self._data, self._scaled = data, self._facts.scaled(data.facts)
        self._scaled_recipes = self._recipes.scaled(data.recipes)
        self._decided = max(1.0, float(data.tokens.sum(1).mean()))
        self._targets = (accuracies - self._mean) / self._deviation
        self._own = self._distances(data)
        self.scales = scales or Scales()
        for _ in range(climb):
            self.scales = max(self._around(), key=self.log_likelihood)
        self._invert()

    def predict(self, data: Data) -> tuple[Vector, Vector]:
        """Mean and standard deviation of the accuracy that networks have, without a measurement's noise."""
        across = self._distances(data).covariance(self.scales)
        mean = across @ self._weights
        scaled = self._facts.scaled(data.facts)
        itself = 1.0 + self.scales.linear * (scaled**2).sum(1) / scaled.shape[1]
        variance = self._signal * np.maximum(itself - ((across @ self._inverse) * across).sum(1), 1e-10)
        return self._mean + self._deviation * mean, self._deviation * np.sqrt(variance)

    def log_likelihood(self, scales: Scales) -> float:
        """Of the accuracies under some scales, with the signal's variance that makes it greatest."""
        size = len(self._targets)
        bordered = np.empty((size + 1, size + 1))
        bordered[:size, :size] = self._noisy(scales)
        bordered[size, :size] = bordered[:size, size] = self._targets
        bordered[size, size] = 1 + float(self._targets @ self._targets) / scales.noise  # more than any quadratic form
        factor = np.linalg.cholesky(bordered)
        white = factor[size, :size]  # the targets, by the factor of the rest: one decomposition gives both
        signal = max(float(white @ white) / size, LEAST_SIGNAL)
        return -0.5 * size * float(np.log(signal)) - float(np.log(np.diag(factor)[:size]).sum())

    def _noisy(self, scales: Scales) -> Matrix:
        found = self._own.covariance(scales)
        found[np.diag_indices_from(found)] += scales.noise + JITTER
        return found

    def _invert(self) -> None:
        self._inverse = np.linalg.inv(self._noisy(self.scales))
        self._weights = self._inverse @ self._targets
        self._signal = max(float(self._targets @ self._weights) / len(self._targets), LEAST_SIGNAL)

    def _around(self) -> Iterator[Scales]:
        """The scales, and those of which one hyperparameter is a step further on its grid."""
        yield self.scales
        for field in fields(Scales):
            if field.name == "recipe" and not self._recipes.varying:
                continue
            grid, value = GRID[field.name], getattr(self.scales, field.name)
            at = grid.index(value)
            yield from (replace(self.scales, **{field.name: grid[k]}) for k in (at - 1, at + 1) if 0 <= k < len(grid))

    def _distances(self, data: Data) -> Distances:
        """From each of the networks to each that is known."""
        scaled, own = self._facts.scaled(data.facts), max(1, self._facts.varying)
        return Distances(
            facts=squared_distances(scaled, self._scaled) / own,
            decisions=squared_distances(data.tokens, self._data.tokens) / (2 * self._decided),
            products=scaled @ self._scaled.T / scaled.shape[1],
            recipes=self._apart(data.recipes) if self._recipes.varying else None,
        )

    def _apart(self, recipes: Matrix) -> Matrix:
        return squared_distances(self._recipes.scaled(recipes), self._scaled_recipes) / self._recipes.varying
