"""`Graph -> Graph`: of sub-graphs that repeat, one after another, the first alone is kept.

Two sub-graphs are the same if their items are, in order: the same ops and shapes, wired to items as far back. Only what
is closed repeats: entered from the item before it, left through its last item. A skip around the whole run stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ressearch.architecture import Architecture
from ressearch.drawing.frames import blocks_of
from ressearch.drawing.items import Graph, Item, Run

LEAST_SAVED = 4
"""Items that a run must save; two convolutions of one block are quicker read than folded."""
LONGEST_PERIOD = 400


class _Repeat(NamedTuple):
    """`times` windows of `period` items each behind item `begin`."""

    begin: int
    period: int
    times: int

    @property
    def end(self) -> int:
        return self.begin + self.period * self.times

    @property
    def saved(self) -> int:
        return self.period * (self.times - 1)


def folded(graph: Graph, architecture: Architecture) -> Graph:
    """The graph with one copy of each run, `times` telling of how many."""
    chosen: list[_Repeat] = []
    for repeat in sorted(_repeats(graph, architecture), key=lambda r: (-r.saved, r.period, r.begin)):
        if all(_compatible(repeat, other) for other in chosen):
            chosen.append(repeat)
    return _without(graph, chosen)


def _compatible(repeat: _Repeat, other: _Repeat) -> bool:
    """Apart from the other, or within its first window."""
    apart = repeat.end <= other.begin or other.end <= repeat.begin
    return apart or (other.begin <= repeat.begin and repeat.end <= other.begin + other.period)


def _repeats(graph: Graph, architecture: Architecture) -> Iterator[_Repeat]:
    """Runs of closed windows that save enough; where one is found, also those that begin within its first window."""
    marks, closed = _marks(graph, architecture), _Closed(graph)
    for period in range(1, min(LONGEST_PERIOD, len(marks) // 2) + 1):
        for first, length in _stretches(marks, period):
            begin, last = first - 1, first - 1 + length - period
            while begin <= last:
                repeat = closed.longest(begin, period, (last - begin) // period + 2)
                if repeat.saved >= LEAST_SAVED:
                    yield repeat
                    yield from _turned(closed, repeat, last)
                    begin = repeat.end
                else:
                    begin += 1


def _turned(closed: _Closed, repeat: _Repeat, last: int) -> Iterator[_Repeat]:
    """The same run cut elsewhere: behind a later item of its first window."""
    for begin in range(repeat.begin + 1, min(repeat.begin + repeat.period, last + 1)):
        turned = closed.longest(begin, repeat.period, (last - begin) // repeat.period + 2)
        if turned.saved >= LEAST_SAVED:
            yield turned


def _marks(graph: Graph, architecture: Architecture) -> list[int]:
    """A number for each item, the same for items that are the same."""
    numbers: dict[object, int] = {}
    found = []
    for at, item in enumerate(graph.items):
        offsets = [at - source for source in item.inputs]
        wiring = tuple(zip(item.places, offsets, strict=True)) if item.places else tuple(sorted(offsets))
        mark = (item.ops, architecture.shapes[item.nodes[-1]], wiring)
        found.append(numbers.setdefault(mark, len(numbers)))
    return found


def _stretches(marks: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """Where items equal those one period later, at least for a period: first position and length."""
    begin = 0
    for at, (one, other) in enumerate(zip(marks, [*marks[period:], -1], strict=False)):
        if one != other:
            if at - begin >= period:
                yield begin, at - begin
            begin = at + 1


class _Closed:
    """Which windows of a graph can stand alone."""

    def __init__(self, graph: Graph) -> None:
        self.first_input = [min(item.inputs, default=-1) for item in graph.items]
        self.last_reader = [max(readers, default=0) for readers in graph.readers]
        self.spine = set(graph.spine)
        self.around: dict[int, tuple[int, int]] = {}
        for block in sorted(blocks_of(graph), key=lambda block: block.begin - block.end):
            self.around |= dict.fromkeys(range(block.begin + 1, block.end), (block.begin, block.end))

    def longest(self, begin: int, period: int, times: int) -> _Repeat:
        """The longest run of closed windows behind an item."""
        count = 0
        while count < times and self.window(begin + count * period, period):
            count += 1
        while count > 1 and self.cuts(_Repeat(begin, period, count)):
            count -= 1
        return _Repeat(begin, period, max(count, 1))

    def window(self, begin: int, period: int) -> bool:
        """Whether what lies behind an item is entered from there alone, and left through its last item alone."""
        end = begin + period
        return (
            begin in self.spine
            and end in self.spine
            and min(self.first_input[begin + 1 : end + 1]) >= begin
            and max(self.last_reader[begin + 1 : end], default=0) <= end
        )

    def cuts(self, run: _Repeat) -> bool:
        """Whether a block, or a skip from between two windows, reaches over the end of a window."""
        bounds = range(run.begin, run.end + 1, run.period)
        if any(self.last_reader[bound] > bound + run.period for bound in bounds[1:-1]):
            return True
        blocks = [self.around[bound] for bound in bounds if bound in self.around]
        return any(run.begin < begin or end < run.end for begin, end in blocks)


def _without(graph: Graph, repeats: Sequence[_Repeat]) -> Graph:
    """The graph without all windows of the runs but the first."""
    times = [1] * len(graph.items)
    stands_for = list(range(len(graph.items)))
    for repeat in sorted(repeats, key=lambda r: r.period):
        for at in range(repeat.begin + repeat.period + 1, repeat.end + 1):
            times[at] = 0
        stands_for[repeat.end] = repeat.begin + repeat.period
        for at in range(repeat.begin + 1, repeat.begin + repeat.period + 1):
            times[at] *= repeat.times
    kept = [at for at, count in enumerate(times) if count]
    places = {old: new for new, old in enumerate(kept)}

    def place(at: int) -> int:
        while stands_for[at] != at:
            at = stands_for[at]
        return places[at]

    items = [_moved(graph.items[at], [place(source) for source in graph.items[at].inputs], times[at]) for at in kept]
    runs = [Run(place(r.begin) + 1, place(r.begin + r.period), r.times) for r in repeats]
    return Graph(tuple(items), tuple(runs))


def _moved(item: Item, inputs: Sequence[int], times: int) -> Item:
    return replace(item, inputs=tuple(inputs), times=times)
