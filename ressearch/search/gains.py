"""What a network may be expected to gain, when its MACs are known and its accuracy is a normal distribution.

With f the density and F the distribution function of the standard normal distribution and u = (mean - t) / deviation,
the expected excess over a threshold t is E max(y - t, 0) = deviation * (u F(u) + f(u)) (Mockus 1975). Since only one of
the two objectives is random, the expected hypervolume gain is a sum of such terms, one for each step of the front's
staircase at which the network may rise above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np

from ressearch.ranking import pareto_front
from ressearch.search.features import Vector

Front = Sequence[tuple[float, float]]
"""(accuracy, logarithm of the MACs) of networks that do not dominate each other."""


def density(u: Vector) -> Vector:
    """Of the standard normal distribution."""
    return np.asarray(np.exp(-0.5 * u**2) / np.sqrt(2 * pi))


def below(u: Vector) -> Vector:
    """Distribution function of the standard normal distribution, to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    x = np.abs(u) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    tail = 0.5 * series * np.exp(-(x**2))
    return np.asarray(np.where(u > 0, 1 - tail, tail))


def expected_excess(mean: Vector, deviation: Vector, threshold: Vector | float) -> Vector:
    """E max(y - threshold, 0) of normal y."""
    u = (mean - threshold) / deviation
    return np.asarray(np.maximum(deviation * (u * below(u) + density(u)), 0.0))


def expected_excess_above(mean: Vector, deviation: Vector, threshold: Vector, floor: float) -> Vector:
    """E max(y - threshold, 0) where y is at least the floor, and nothing counts below it."""
    u = (mean - np.maximum(threshold, floor)) / deviation
    return np.asarray(np.maximum((mean - threshold) * below(u) + deviation * density(u), 0.0))


def staircase(points: Front, most: float) -> tuple[Vector, Vector, Vector]:
    """Where the steps of a front begin and end along the logarithm of the MACs, and how high they are.

    The first step reaches down without end and is of height 0; the last ends at `most`.
    """
    front = [points[i] for i in pareto_front(points)]
    front = [point for point in front if point[1] < most]
    begins = np.array([-np.inf, *(cost for _, cost in front)])
    ends = np.array([*(cost for _, cost in front), most])
    return begins, ends, np.array([0.0, *(accuracy for accuracy, _ in front)])


def expected_hypervolume_gain(mean: Vector, deviation: Vector, costs: Vector, front: Front, most: float) -> Vector:
    """Expected growth of the area under the front's staircase, between accuracy 0 and log MACs `most`."""
    begins, ends, heights = staircase(front, most)
    widths = np.maximum(ends[None, :] - np.maximum(begins[None, :], costs[:, None]), 0.0)
    excess = expected_excess(mean[:, None], deviation[:, None], heights[None, :])
    return np.asarray((widths * excess).sum(1))
