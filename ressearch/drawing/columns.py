"""Where a long network is broken into columns: few skips are cut, and all columns are about as high."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf

Column = tuple[int, int]
"""First and last row."""

UNEVEN = 0.35
"""How far a column may be from the mean height, as a share of it."""
ASTRAY = 1.5
"""How far a break may be from where it would be if all columns were of one height, in columns."""
CUT = 0.03
"""What a skip that is cut costs: as much as a column that is a sixth too high or too low."""


def columns_of(heights: Sequence[float], cuts: Sequence[float], number: int) -> list[Column]:
    """The rows of so many columns, or of fewer if there is no good way to make so many.

    heights: of each row; cuts: what a break below each row would cut.
    """
    sums = list(accumulate(heights, initial=0.0))
    best = [0.0] + [inf] * len(heights)
    starts: list[dict[int, int]] = []
    for column in range(number):
        best, start = _with_one_more(sums, cuts, best, column, number)
        starts.append(start)
    if best[-1] == inf:  # fewer rows than that, or a few very high ones
        return columns_of(heights, cuts, number - 1)
    bounds = [len(heights)]
    for start in reversed(starts):
        bounds.append(start[bounds[-1]])
    return [(first, end - 1) for first, end in pairwise(reversed(bounds))]


def _with_one_more(
    sums: Sequence[float], cuts: Sequence[float], best: Sequence[float], column: int, number: int
) -> tuple[list[float], dict[int, int]]:
    """Cost of the first so many rows in one column more, and where that column starts. The last one may be low."""
    mean, last, rows = sums[-1] / number, column == number - 1, len(sums) - 1
    found, starts = [inf] * (rows + 1), dict[int, int]()
    low = rows if last else max(1, bisect_left(sums, (column + 1 - ASTRAY) * mean))
    high = rows if last else bisect_right(sums, (column + 1 + ASTRAY) * mean) - 1
    for end in range(low, high + 1):
        cut = CUT * cuts[end - 1] if end < rows else 0.0
        first = min(bisect_left(sums, sums[end] - (1 + UNEVEN) * mean), end - 1)
        for start in range(first, end):
            height = (sums[end] - sums[start]) / mean - 1
            cost = best[start] + (height * height if height > 0 or not last else 0.0) + cut
            if cost < found[end]:
                found[end], starts[end] = cost, start
    return found, starts
