"""Which networks are worth their FLOPs: Pareto front, its knee and hypervolume, accuracy per FLOP, spread over seeds.

Numbers in, numbers out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import mean, stdev

Point = tuple[float, float]
"""(accuracy, MACs): the first is to be high, the second low."""


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Positions of the points that no other dominates, by rising MACs.

    A point dominates another if it is at least as accurate with at most as many MACs, and better in one of the two.
    Equal points do not dominate each other: all of them are in the front or none.
    """
    best: float | None = None
    front: list[int] = []
    for position in sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i)):
        accuracy = points[position][0]
        if best is None or accuracy > best:
            best = accuracy
            front.append(position)
        elif points[position] == points[front[-1]]:
            front.append(position)
    return front


class Front:
    """The points of `pareto_front`, kept while points come one after another; equal ones all count.

    A point takes O(log n) to find its place among n of the front.
    """

    def __init__(self) -> None:
        self._macs: list[float] = []
        self._accuracies: list[float] = []  # rising as the MACs do
        self._equal: list[int] = []

    def __len__(self) -> int:
        return sum(self._equal)

    def beats(self, point: Point) -> bool:
        """Whether some point of the front dominates this one."""
        accuracy, macs = point
        before = bisect_right(self._macs, macs) - 1  # the most accurate of those that are no dearer
        return before >= 0 and self._accuracies[before] >= accuracy and self._at(before) != point

    def add(self, point: Point) -> None:
        """Take a point in, and let go of those that it dominates; one that is dominated itself changes nothing."""
        accuracy, macs = point
        if self.beats(point):
            return
        first = bisect_left(self._macs, macs)
        if first < len(self._macs) and self._at(first) == point:
            self._equal[first] += 1
            return
        dominated = slice(first, bisect_right(self._accuracies, accuracy))
        self._macs[dominated], self._accuracies[dominated], self._equal[dominated] = [macs], [accuracy], [1]

    def _at(self, place: int) -> Point:
        return self._accuracies[place], self._macs[place]


def front_numbers(points: Sequence[Point]) -> list[int]:
    """Of each point, in which front it is: 0 in the Pareto front, 1 in that of the points without the first, and so on.

    By rising MACs, a point belongs to the first front whose last point is less accurate (Jensen 2003): O(n log n).
    """
    numbers = [0] * len(points)
    lasts: list[tuple[float, Point]] = []  # of each front: minus its accuracy, which rises from front to front
    for position in sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0])):
        point = points[position]
        front = bisect_right(lasts, -point[0], key=lambda last: last[0])
        if front and lasts[front - 1][1] == point:
            front -= 1  # equal points share a front
        lasts[front : front + 1] = [(-point[0], point)]
        numbers[position] = front
    return numbers


def accuracy_per_mflop(point: Point) -> float:
    """Accuracy (in [0, 1]) by million FLOPs; one MAC is two FLOPs."""
    accuracy, macs = point
    return accuracy / (2 * macs / 1e6)


def by_efficiency(points: Sequence[Point], floor: float) -> list[int]:
    """Positions of the points with at least the floor's accuracy, the most accuracy per FLOP first.

    Without a floor the emptiest network wins: accuracy cannot grow in proportion to FLOPs.
    """
    able = [i for i, (accuracy, _) in enumerate(points) if accuracy >= floor]
    return sorted(able, key=lambda i: (-accuracy_per_mflop(points[i]), i))


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The area that the points dominate and that dominates the reference point, which is (accuracy, MACs) as they are.

    It is that below the staircase of the front. Give logarithms of MACs, here and there, where a factor is to count the
    same everywhere.
    """
    floor, most = reference
    inside = [point for point in points if point[0] > floor and point[1] < most]
    front = [inside[i] for i in pareto_front(inside)]
    ends = [*(macs for _, macs in front), most][1:]
    return sum((accuracy - floor) * (end - macs) for (accuracy, macs), end in zip(front, ends, strict=True))


def knee(points: Sequence[Point]) -> int | None:
    """Position of the point at the knee of the front: beyond it, accuracy gets expensive. None of no points.

    It is the point of the front that lies farthest above the chord between the front's ends, in the plane of log MACs
    and accuracy, both scaled to [0, 1] (Branke et al. 2004; for a discrete curve Satopaa et al. 2011, "kneedle"). The
    cheapest of equally far ones; so the cheapest of all where no point lies above the chord.
    """
    front = pareto_front(points)
    if not front:
        return None
    logs = [log(max(points[i][1], 1)) for i in front]
    accuracies = [points[i][0] for i in front]
    across, up = logs[-1] - logs[0] or 1.0, accuracies[-1] - accuracies[0] or 1.0
    heights = [(y - accuracies[0]) / up - (x - logs[0]) / across for x, y in zip(logs, accuracies, strict=True)]
    return front[max(range(len(front)), key=lambda i: (heights[i], -i))]


def elasticity(points: Sequence[Point]) -> float:
    """By how many percent accuracy grows along the front for one percent more MACs: d ln accuracy / d ln MACs.

    The least squares slope over the front; 0 where it has fewer than two points of some accuracy.
    """
    known = [points[i] for i in pareto_front(points) if points[i][0] > 0]
    x, y = [log(macs) for _, macs in known], [log(accuracy) for accuracy, _ in known]
    if len(known) < 2 or x[0] == x[-1]:
        return 0.0
    middle, height = mean(x), mean(y)
    covariance = sum((a - middle) * (b - height) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - middle) ** 2 for a in x)


def tradeoff(point: Point, weight: float) -> float:
    """Accuracy times MACs to the power of -weight (Tan et al. 2019; they take 0.07, for ImageNet and seconds).

    With the front's elasticity as the weight, no end of the front is preferred.
    """
    accuracy, macs = point
    return float(accuracy * macs**-weight)


@dataclass(frozen=True)
class Summary:
    """Test accuracies over seeds, in [0, 1]; the standard deviation is that of the sample, None of one."""

    seeds: int
    mean: float
    deviation: float | None
    least: float
    most: float


def summary(accuracies: Sequence[float]) -> Summary:
    """Mean and spread over seeds."""
    deviation = stdev(accuracies) if len(accuracies) > 1 else None
    return Summary(len(accuracies), mean(accuracies), deviation, min(accuracies), max(accuracies))
