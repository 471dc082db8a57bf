"""What a study has come to so far: how many trials are finished, the best network and the front.

It is asked after each trial, so each finished one is worked in as it comes: to sort all of them again would take the
driver longer and longer as a study grows.
"""

from __future__ import annotations

from ressearch.ranking import Front, Point


class Tally:
    """Finished trials: done are those with a measurement, reused those whose measurement was known before.

    best: the highest accuracy, and the id of the cheapest network that has it, the first of equal ones.
    """

    def __init__(self) -> None:
        self.done = self.failed = self.reused = 0
        self.front = Front()
        self._best: tuple[Point, str] | None = None

    def __len__(self) -> int:
        return self.done + self.failed

    @property
    def best(self) -> tuple[float, str] | None:
        """None before the first measurement."""
        return None if self._best is None else (self._best[0][0], self._best[1])

    def add(self, id: str, point: Point | None, *, reused: bool) -> None:
        """A trial of this network is finished. point: its accuracy and MACs; a failed trial has none."""
        self.reused += reused
        if point is None:
            self.failed += 1
            return
        self.done += 1
        self.front.add(point)
        if self._best is None or _height(point) > _height(self._best[0]):
            self._best = point, id


def _height(point: Point) -> Point:
    accuracy, macs = point
    return accuracy, -macs
