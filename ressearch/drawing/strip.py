"""One column: how far from the spine each way runs, and how far each frame reaches."""

from __future__ import annotations

from collections.abc import Iterator

from ressearch.drawing.columns import Column
from ressearch.drawing.frames import Frame
from ressearch.drawing.lanes import Lanes, Span
from ressearch.drawing.measures import BADGE, BESIDE, LANE, NOTE_FONT, PAD, text_width
from ressearch.drawing.plan import Plan
from ressearch.drawing.rows import Way


class Strip:
    """Lanes of one column, before anything has a place on the page."""

    def __init__(self, plan: Plan, rows: Column) -> None:
        self.plan, (self.first, self.last) = plan, rows
        self.lanes = Lanes()
        self.near: dict[Way, tuple[float, float]] = {}
        self.reach: dict[Frame, float] = {}
        for _, thing in sorted(self._things(), key=lambda pair: pair[0]):
            if isinstance(thing, Frame):
                span = self._clip(self._frame_span(thing))
                self.reach[thing] = self.lanes.reach(span) + PAD
                self.lanes.block(span, 0.0, self.reach[thing])
            else:
                self._place(thing)
        self.left = max((far for _, far, _ in self.lanes.taken), default=0.0)
        inside = [plan.inside[frame] + 1 for frame in self.reach]
        self.edge = plan.half + PAD * max(inside, default=0)
        rooms = [BADGE for frame in self.reach if frame.times > 1]
        rooms += [
            text_width(note, NOTE_FONT) + BESIDE / 2
            for at, note in plan.notes.items()
            if self.first <= plan.rows[at] <= self.last
        ]
        self.right = self.edge + max(rooms, default=0)

    def _frame_span(self, frame: Frame) -> Span:
        return 4 * self.plan.rows[frame.begin] + 2, 4 * self.plan.rows[frame.end] + 1

    def _way_span(self, way: Way) -> Span:
        return 4 * self.plan.rows[way.source] + 2, 4 * self.plan.rows[way.target]

    def _visible(self, span: Span) -> bool:
        return span[0] <= 4 * self.last + 1 and span[1] >= 4 * self.first - 2

    def _clip(self, span: Span) -> Span:
        return max(span[0], 4 * self.first - 3), min(span[1], 4 * self.last + 2)

    def _things(self) -> Iterator[tuple[tuple[int, int, int], Frame | list[Way]]]:
        """Frames and ways by length: so what is inside of something comes before it."""
        for number, frame in enumerate(self.plan.frames):
            span = self._frame_span(frame)
            if self._visible(span):
                yield (span[1] - span[0], 1, number), frame
        bundles: dict[int, list[Way]] = {}
        for way, line in self.plan.lines.items():
            if self._visible(self._way_span(way)):
                bundles.setdefault(line, []).append(way)
        for number, ways in enumerate(bundles.values()):
            spans = list(map(self._way_span, ways))
            yield (max(end for _, end in spans) - spans[0][0], 0, number), ways

    def _place(self, ways: list[Way]) -> None:
        spans = [self._clip(self._way_span(way)) for way in ways]
        boxes = [at for way in ways for at in way.items if self.first <= self.plan.rows[at] <= self.last]
        width = max([LANE, *(self.plan.width(at) + BESIDE for at in boxes)])
        near = self.lanes.place((spans[0][0], max(end for _, end in spans)), width)
        self.near |= dict.fromkeys(ways, (near, near + width / 2))
