"""Which trials go on to more epochs: asynchronous successive halving (ASHA, Li et al. 2020) on two objectives.

Trials are measured at rungs, after few epochs first. Of those at a rung one in `eta` goes on to the next: whenever
`eta` more are measured, one is promoted at once, and nobody waits for a rung to be full. Accuracy alone would promote
large networks only, and fronts over all costs are won by whatever learns fastest in few epochs. So networks are
compared with their like: a rung is divided into bands of equal width in log MACs, and each band promotes in proportion
to its members. Inside a band come first those in the Pareto front of who waits, of these the one that adds the most
hypervolume to who went on already: the most accurate alone would leave the cheap end of every band behind. Baselines
always go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from statistics import median

from ressearch.ranking import Point, front_numbers, hypervolume, pareto_front

BANDS = 3
"""Of a rung's range of log MACs: small, middle and large networks."""

MARGIN = 1e-3
"""Of accuracy and of log MACs, by which the worst is above a hypervolume's reference."""


@dataclass(frozen=True)
class Mark:
    """What a trial measured at a rung, beside what its network costs."""

    accuracy: float
    macs: int
    baseline: bool = False


@dataclass
class _Rung:
    """The marks of a rung by trial, and the trials that were promoted from it."""

    marks: dict[int, Mark] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    proposed: int = 0
    promoted: int = 0

    def baseline(self) -> int | None:
        waiting = (number for number, mark in self.marks.items() if mark.baseline and number not in self.gone)
        return next(waiting, None)

    def best(self) -> int | None:
        """The next of those that wait: of the band that promoted least for its size, the first in line.

        The band is that of the greatest n / (2 p + 1), with n members of which p are promoted (Sainte-Laguë).
        """
        lines = [(band, line) for band in self._bands() if (line := self._line(band))]
        if not lines:
            return None
        return max(lines, key=lambda found: (self._claim(found[0]), self.marks[found[1][0]].accuracy))[1][0]

    def beyond(self, places: int) -> Iterator[int]:
        """Those that wait in their band's line behind so many others."""
        for band in self._bands():
            yield from self._line(band)[places:]

    def _claim(self, band: Sequence[int]) -> float:
        return len(band) / (2 * len(self.gone.intersection(band)) + 1)

    def _bands(self) -> list[list[int]]:
        """The proposed trials of a rung by cost. Baselines claim no place, and take none."""
        proposed = [number for number, mark in self.marks.items() if not mark.baseline]
        costs = [log(max(1, self.marks[number].macs)) for number in proposed]
        low, width = min(costs, default=0.0), max(costs, default=0.0) - min(costs, default=0.0)
        bands: list[list[int]] = [[] for _ in range(BANDS)]
        for number, cost in zip(proposed, costs, strict=True):
            bands[min(BANDS - 1, int(BANDS * (cost - low) / width)) if width else 0].append(number)
        return bands

    def _line(self, band: Sequence[int]) -> list[int]:
        """Who of a band waits, the first to be promoted first."""
        waiting = [number for number in band if number not in self.gone]
        if not waiting:
            return []
        points = {number: self._point(number) for number in band}
        fronts = front_numbers([points[number] for number in waiting])
        first = [number for number, front in zip(waiting, fronts, strict=True) if front == 0]
        gains = self._gains([points[n] for n in band if n in self.gone], {n: points[n] for n in first})
        order = [(f, -gains.get(n, 0.0), -points[n][0], n) for n, f in zip(waiting, fronts, strict=True)]
        return [number for *_, number in sorted(order)]

    def _point(self, number: int) -> Point:
        mark = self.marks[number]
        return mark.accuracy, log(max(1, mark.macs))

    def _gains(self, gone: Sequence[Point], waiting: Mapping[int, Point]) -> dict[int, float]:
        """What each would add to the hypervolume of those gone, up to a band's width beyond the band's costs."""
        points = [*gone, *waiting.values()]
        lowest = min(mark.accuracy for mark in self.marks.values())
        costs = [self._point(number)[1] for number in self.marks]
        most = max(cost for _, cost in points) + (max(costs) - min(costs)) / BANDS
        reference = (lowest - MARGIN, most + MARGIN)
        front = [gone[i] for i in pareto_front(gone)]
        before = hypervolume(front, reference)
        return {number: hypervolume([*front, point], reference) - before for number, point in waiting.items()}


class Ladder:
    """The rungs of a study: who was measured where, and who is to go on.

    epochs: of each rung, rising. eta: of how many trials one goes on.
    """

    def __init__(self, epochs: Sequence[int], eta: int) -> None:
        self.epochs, self.eta = tuple(epochs), eta
        self._rungs = [_Rung() for _ in epochs]
        self._at: dict[int, int] = {}

    @property
    def top(self) -> int:
        """The last rung, from which nobody is promoted."""
        return len(self.epochs) - 1

    def reached(self, number: int) -> int | None:
        """The highest rung at which a trial was measured, if there is one."""
        return self._at.get(number)

    def measured(self, number: int, rung: int, mark: Mark) -> None:
        """A trial was measured at a rung."""
        self._at[number] = rung
        self._rungs[rung].marks[number] = mark
        self._rungs[rung].proposed += not mark.baseline

    def promoted(self, number: int) -> None:
        """A trial goes on from the highest rung at which it was measured."""
        rung = self._rungs[self._at[number]]
        rung.gone.add(number)
        rung.promoted += not rung.marks[number].baseline

    def next(self) -> int | None:
        """The trial that is to be promoted now, from the highest rung where one may be; None if none may."""
        for rung in reversed(self._rungs[:-1]):
            found = rung.baseline()
            if found is None and rung.proposed // self.eta > rung.promoted:
                found = rung.best()
            if found is not None:
                return found
        return None

    def hopeless(self, trials: int) -> set[int]:
        """Those for whom there is hardly a place left when the study has so many trials."""
        places = [trials // self.eta ** (i + 1) - rung.promoted for i, rung in enumerate(self._rungs[:-1])]
        return {n for rung, left in zip(self._rungs[:-1], places, strict=True) for n in rung.beyond(max(0, left))}

    def expected(self, number: int) -> float:
        """The accuracy of a trial at its highest rung and what others gained from there on.

        From rung to rung, that is the median gain of those who were measured at both.
        """
        at = self._at[number]
        return min(1.0, self._rungs[at].marks[number].accuracy + sum(self.gains()[at:]))

    def gains(self) -> list[float]:
        """The median gain in accuracy from each rung to the next; 0 where nobody was measured at both."""
        return [self._gain(rung) for rung in range(self.top)]

    def _gain(self, rung: int) -> float:
        below, above = self._rungs[rung].marks, self._rungs[rung + 1].marks
        return median([above[n].accuracy - below[n].accuracy for n in above if n in below] or [0.0])
