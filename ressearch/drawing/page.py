"""Everything in its place on the page, for a number of columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ressearch.drawing.columns import columns_of
from ressearch.drawing.frames import Frame
from ressearch.drawing.geometry import Box, Layout, Line, Note, Panel, Point
from ressearch.drawing.measures import BOX_HEIGHT, CORNER, EDGE, GUTTER, LINK, MARGIN, PAD, zone
from ressearch.drawing.plan import Plan
from ressearch.drawing.rows import Way
from ressearch.drawing.strip import Strip

SPINE = -1
"""The number of its line."""
MOST_LINKS = 4
"""Where more skips than this go on in the next column, they do so as one cable."""


class Page:
    """Everything in its place, for a number of columns."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        rows = columns_of(plan.heights(), plan.costs(), number) if number > 1 else [(0, len(plan.gaps) - 1)]
        self.columns = [Strip(plan, part) for part in rows]
        self.column_of = {row: c for c, (first, last) in enumerate(rows) for row in range(first, last + 1)}
        self.links = [self._links(c) for c in range(len(rows) - 1)]
        self.room = LINK * max(map(self._strands, range(len(self.links))), default=0)
        self.spines = self._spines()
        self.ys: list[float] = []
        self.bottoms: list[float] = []
        self.tops: list[float] = []
        self._heights()
        self.width = _round(self.spines[-1] + self.columns[-1].right + MARGIN)
        self.height = _round(max(self.bottoms) + self.room + MARGIN)

    def layout(self) -> Layout:
        """All that is drawn, lines from the outermost in."""
        lines = tuple(sorted(self._lines(), key=lambda line: -line.lane))
        boxes, panels, notes = tuple(self._boxes()), tuple(self._panels()), tuple(self._notes())
        return Layout(self.width, self.height, boxes, panels, lines, notes)

    # Placing

    def _links(self, c: int) -> list[int]:
        """The lines that go on in the next column: the spine, then those beside it from the nearest to the farthest."""
        last, near, lines = self.columns[c].last, self.columns[c].near, self.plan.lines
        ways = [way for way in near if self.plan.rows[way.source] < last < self.plan.rows[way.target]]
        return [SPINE, *dict.fromkeys(lines[way] for way in sorted(ways, key=lambda way: near[way]))]

    def _strands(self, c: int) -> int:
        """How many lines go from a column to the next: one a link, or the spine and a cable."""
        return len(self.links[c]) if len(self.links[c]) <= MOST_LINKS + 1 else 2

    def _spines(self) -> list[float]:
        x, found = MARGIN, []
        for c, column in enumerate(self.columns):
            if c:
                x += GUTTER + LINK * self._strands(c - 1)
            x += column.left + self.plan.half
            found.append(x)
            x += column.right
        return found

    def _heights(self) -> None:
        for c, column in enumerate(self.columns):
            y = MARGIN + (self.room if len(self.columns) > 1 else 0)
            self.tops.append(y)
            if c:
                gap = self.plan.gaps[column.first - 1]
                y += max(gap.height - gap.below, EDGE)
            for row in range(column.first, column.last + 1):
                self.ys.append(y + BOX_HEIGHT / 2)
                y += BOX_HEIGHT + self.plan.gaps[row].height
            last = self.plan.gaps[column.last]
            self.bottoms.append(y - last.height + last.below)

    def _gap_y(self, row: int, distance: float, column: int) -> float:
        """Height on the page of something in the gap below a row; openings and forks may be in the next column."""
        if self.column_of[row] == column:
            return self.ys[row] + BOX_HEIGHT / 2 + distance
        return self.tops[column] + distance - self.plan.gaps[row].below

    def _x(self, at: int, column: int) -> float:
        """Of an item, or of the line on that it goes on into another column."""
        if at in self.plan.spine:
            return self.spines[column]
        return self._lane_x(self.plan.way_of[at], column)

    def _lane_x(self, way: Way, column: int) -> float:
        return self.spines[column] - self.plan.half - self.columns[column].near[way][1]

    def _boxes(self) -> Iterator[Box]:
        for at, item in enumerate(self.plan.graph.items):
            row = self.plan.rows[at]
            column = self.column_of[row]
            x, y = _round(self._x(at, column)), _round(self.ys[row])
            size = _round(self.plan.width(at)), self.plan.height(at)
            yield Box(at, item.nodes, item.times, self.plan.labels[at], item.round, row, column, x, y, *size)

    def _notes(self) -> Iterator[Note]:
        for at, words in self.plan.notes.items():
            row = self.plan.rows[at]
            c = self.column_of[row]
            yield Note(at, words, _round(self.spines[c] + self.columns[c].edge + 4), _round(self.ys[row]))

    # Panels

    def _panels(self) -> Iterator[Panel]:
        for number, frame in enumerate(self.plan.frames):
            depth = sum(f.begin <= frame.begin and frame.end <= f.end for f in self.plan.frames[:number])
            parts = [c for c, column in enumerate(self.columns) if frame in column.reach]
            for c in parts:
                yield self._panel(frame, c, depth, frame.times if c == parts[-1] else 1)

    def _panel(self, frame: Frame, c: int, depth: int, times: int) -> Panel:
        column, rows = self.columns[c], self.plan.rows
        begin, end = rows[frame.begin], rows[frame.end]
        if begin < column.first - 1:
            top = self.tops[c]
        else:
            top = self._gap_y(begin, dict(self.plan.gaps[begin].openings)[frame], c)
        bottom = self.bottoms[c]
        if end <= column.last:
            bottom = self._gap_y(end, dict(self.plan.gaps[end].closings)[frame], c)
        left = self.spines[c] - self.plan.half - column.reach[frame]
        right = self.spines[c] + self.plan.half + PAD * (self.plan.inside[frame] + 1)
        size = _round(right - left), _round(bottom - top)
        return Panel(frame.begin, frame.end, times, frame.tinted, depth, _round(left), _round(top), *size)

    # Lines

    def _lines(self) -> Iterator[Line]:
        spine = self.plan.graph.spine
        for source, target in pairwise(spine):
            yield from self._spine_line(source, target)
        for way in self.plan.wiring.ways:
            stops = (way.source, *way.items, way.target)
            for source, target in pairwise(stops):
                yield from self._way_line(way, source, target)

    def _spine_line(self, source: int, target: int) -> Iterator[Line]:
        a, b = (self.column_of[self.plan.rows[at]] for at in (source, target))
        start = self.spines[a], self.ys[self.plan.rows[source]] + self.plan.height(source) / 2
        end = self.spines[b], self.ys[self.plan.rows[target]] - self.plan.height(target) / 2
        if a == b:
            yield self._line(source, target, [start, end], 0.0)
            return
        yield self._line(source, target, [start, (self.spines[a], self.bottoms[a])], 0.0)
        yield from self._link(source, target, None, a)
        yield self._line(source, target, [(self.spines[b], self.tops[b]), end], 0.0)

    def _way_line(self, way: Way, source: int, target: int) -> Iterator[Line]:
        """From one stop to the next, solid in each column and dashed between them."""
        points, c = self._leave(way, source)
        final = self.column_of[self.plan.rows[target]]
        lane = self.columns[c].near[way][1]
        while c < final:
            yield self._line(source, target, [*points, (self._lane_x(way, c), self.bottoms[c])], lane)
            yield from self._link(source, target, way, c)
            c += 1
            points = [(self._lane_x(way, c), self.tops[c])]
        yield self._line(source, target, [*points, *self._arrive(way, target)], lane)

    def _leave(self, way: Way, source: int) -> tuple[list[Point], int]:
        """The first points from an item, and their column: that of the row below it, if the item's ways part."""
        row = self.plan.rows[source]
        c = self.column_of[row]
        if source != way.source:
            return [(self._lane_x(way, c), self.ys[row] + self.plan.height(source) / 2)], c
        if way in self.plan.follows:
            row = self.plan.rows[self.plan.follows[way].target]
            c = self.column_of[row]
            return [(self._lane_x(way, c), self.ys[row] - CORNER)], c
        gap = self.plan.gaps[row]
        level = zone([frame for frame, _ in gap.openings], way.target)
        c = self.column_of[row + 1]
        y = self._gap_y(row, gap.forks[level], c)
        x = self._x(source, c)
        return [(x, y - CORNER), (x, y), (self._lane_x(way, c), y)], c

    def _arrive(self, way: Way, target: int) -> list[Point]:
        row = self.plan.rows[target]
        c = self.column_of[row]
        x, y = self._lane_x(way, c), self.ys[row]
        if target in way.items:
            return [(x, y - self.plan.height(target) / 2)]
        side = self._x(target, c)
        return [(x, y), (side + (self.plan.width(target) / 2) * (1 if x > side else -1), y)]

    def _link(self, source: int, target: int, way: Way | None, c: int) -> Iterator[Line]:
        """Under a column, up between the columns, over the next one.

        Both halves begin in the middle, so that the dashes of lines that run together do.
        """
        line = SPINE if way is None else self.plan.lines[way]
        number = min(self.links[c].index(line), self._strands(c) - 1)
        below = self.bottoms[c] + LINK * (number + 1)
        above = self.tops[c + 1] - self.room + LINK * number
        between = self.spines[c] + self.columns[c].right + GUTTER / 2 + LINK * number
        middle = between, (below + above) / 2
        lane = 0.0 if way is None else self.columns[c].near[way][1]
        for column, y, end in ((c, below, self.bottoms[c]), (c + 1, above, self.tops[c + 1])):
            x = self.spines[column] if way is None else self._lane_x(way, column)
            yield self._line(source, target, [middle, (between, y), (x, y), (x, end)], lane, dashed=True)

    def _line(self, source: int, target: int, points: Sequence[Point], lane: float, *, dashed: bool = False) -> Line:
        return Line(source, target, tuple((_round(x), _round(y)) for x, y in points), dashed, lane)


def _round(value: float) -> float:
    return round(value, 1)
