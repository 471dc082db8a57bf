"""Scales of figures: a value's place in pixels, and the values to name along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log, log10


@dataclass(frozen=True)
class Scale:
    """Maps low to start and high to end, evenly in `bend` of the value."""

    low: float
    high: float
    start: float
    end: float
    bend: Callable[[float], float]
    candidates: Callable[[float, float], Sequence[float]]

    def at(self, value: float) -> float:
        """The place of a value; in the middle where the scale has one value only."""
        low, high = self.bend(self.low), self.bend(self.high)
        share = (self.bend(value) - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, apart: float) -> list[float]:
        """Round values between the ends, rough ones first, none nearer to another than so many pixels."""
        chosen: list[float] = []
        for value in self.candidates(self.low, self.high):
            inside = self.low <= value <= self.high
            if inside and all(abs(self.at(value) - self.at(other)) >= apart for other in chosen):
                chosen.append(value)
        return sorted(chosen)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Equal steps are equally long."""
    return Scale(low, high, start, end, float, _round_steps)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Equal factors are equally long; for values above 0."""
    return Scale(low, high, start, end, log, _round_factors)


def of_accuracy(values: Sequence[float], start: float, end: float) -> Scale:
    """For accuracies in [0, 1]: each halving of the error is equally long, so that the best are not all in one place.

    An accuracy of 1, whose error cannot be halved, is drawn at half the least error of the others.
    """
    least = min((1 - value for value in values if value < 1), default=0.02) / 2
    low, high = 1 - 1.15 * (1 - min(values)), 1 - max((1 - max(values)) / 1.25, least)
    return Scale(max(low, 0.0), high, start, end, lambda value: -log(max(1 - value, least)), _round_accuracies)


def _round_steps(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten: the coarsest that give four steps or more."""
    if high <= low:
        return [low]
    step = 10.0 ** floor(log10(high - low))
    step = next(step * factor for factor in (1, 0.5, 0.2, 0.1) if (high - low) / (step * factor) >= 3.999)
    return [round(step * i, 12) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _round_factors(low: float, high: float) -> list[float]:
    powers = range(floor(log10(low)) - 1, ceil(log10(high)) + 2)
    return [float(f"{digit}e{power}") for digit in (1, 3, 2, 5) for power in powers]


def _round_accuracies(low: float, high: float) -> list[float]:
    coarse = [0.5, 0.9, 0.99, 0.999, 0.0, 0.8, 0.95, 0.98, 0.995, 0.998]
    tens = [i / 10 for i in range(10)]
    fives = [i / 100 for i in range(5, 100, 5)]
    ones = [i / 100 for i in range(0 if high - low < 0.2 else 91, 100)]
    halves = [i / 1000 for i in range(0 if high - low < 0.02 else 985, 1000)]
    return [*coarse, *tens, *fives, *ones, *halves]
