"""What of a layout does not depend on the number of columns."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise
from math import sqrt

from ressearch.architecture import Architecture
from ressearch.drawing.frames import Frame, frames_of
from ressearch.drawing.items import Graph
from ressearch.drawing.looks import label_of_all, shape_words
from ressearch.drawing.measures import BOX_HEIGHT, CIRCLE, LANE, Gap, gaps_of, text_width
from ressearch.drawing.rows import Way, Wiring, wiring_of
from ressearch.ops import Conv, Norm

ASPECT = 1.6
LEAST_COLUMN = 480.0
"""No network is broken into columns much lower than this."""
MOST_LANES = 14
"""Where more skips than this run side by side, those of one source share a line."""
BROKEN = 2.0
"""What a break within a frame costs, in skips cut."""


class Plan:
    """What does not depend on the number of columns."""

    def __init__(self, graph: Graph, architecture: Architecture) -> None:
        self.graph = graph
        self.labels = [self._label(architecture, at) for at in range(len(graph.items))]
        self.wiring: Wiring = wiring_of(graph)
        self.rows = self.wiring.rows
        self.frames = frames_of(graph)
        self.gaps: list[Gap] = gaps_of(self.wiring, self.frames)
        self.spine = set(graph.spine)
        self.notes = self._notes(architecture)
        self.way_of = {at: way for way in self.wiring.ways for at in way.items}
        widest = max(text_width(self.labels[at]) for at in graph.spine if not graph.items[at].round)
        self.half = max(70.0, widest + 14) / 2
        self.lines = self._lines(shared=False)
        if max(self.cuts()) > MOST_LANES:
            self.lines = self._lines(shared=True)
        self.follows = self._follows()
        self.inside = self._inside()

    def _label(self, architecture: Architecture, at: int) -> str:
        item = self.graph.items[at]
        sources = architecture.nodes[item.nodes[0]].inputs
        return label_of_all(item.ops, architecture.shapes[sources[0]] if sources else ())

    def _notes(self, architecture: Architecture) -> dict[int, str]:
        """Height and width of the map, for items of the spine that change them."""
        shapes = [architecture.shapes[item.nodes[-1]] for item in self.graph.items]
        return {
            at: shape_words(shapes[at][1:])
            for before, at in pairwise(self.graph.spine)
            if len(shapes[at]) > 1 and shapes[at][1:] != shapes[before][1:]
        }

    def width(self, at: int) -> float:
        """Of an item: on the spine all boxes are as wide as the widest."""
        if self.graph.items[at].round:
            return CIRCLE
        return 2 * self.half if at in self.spine else text_width(self.labels[at]) + 10

    def height(self, at: int) -> float:
        """Of an item."""
        return CIRCLE if self.graph.items[at].round else BOX_HEIGHT

    def _lines(self, *, shared: bool) -> dict[Way, int]:
        """The number of the line that each way is on: its own, or if they are shared that of its source's skips."""
        firsts: dict[int, int] = {}
        return {
            way: firsts.setdefault(way.source, way.number) if shared and not way.items else way.number
            for way in self.wiring.ways
        }

    def cuts(self) -> list[int]:
        """How many lines beside the spine a break below each row would cut."""
        ends: dict[int, int] = {}
        for way, line in self.lines.items():
            ends[line] = max(ends.get(line, 0), self.rows[way.target])
        changes: Counter[int] = Counter()
        for line, end in ends.items():
            changes[self.rows[self.wiring.ways[line].source] + 1] += 1
            changes[end] -= 1
        return list(accumulate(changes[row] for row in range(len(self.gaps))))

    def costs(self) -> list[float]:
        """Of breaks: skips cut, and more for each frame that is broken and for a convolution without its norm."""
        broken = [0.0] * len(self.gaps)
        for above, below in pairwise(self.graph.spine):
            torn = self.graph.items[above].ops[0], self.graph.items[below].ops[0]
            broken[self.rows[above]] += isinstance(torn[0], Conv) and isinstance(torn[1], Norm)
        for frame in self.frames:
            for row in range(self.rows[frame.begin] + 1, self.rows[frame.end]):
                broken[row] += BROKEN
        return [cut + part for cut, part in zip(self.cuts(), broken, strict=True)]

    def heights(self) -> list[float]:
        """Of rows, each with the gap below it."""
        return [BOX_HEIGHT + gap.height for gap in self.gaps]

    def guesses(self) -> range:
        """Numbers of columns that may make the page about 16:10."""
        height = sum(self.heights())
        lanes = LANE * max(self.cuts())
        fitting = round(sqrt(ASPECT * height / (2 * self.half + lanes + 30)))
        most = max(1, round(height / LEAST_COLUMN))
        return range(max(1, min(fitting, most) - 1), min(fitting + 1, most) + 1)

    def _follows(self) -> dict[Way, Way]:
        """Of ways that share a line, the one each goes on from: that to the merge before its own."""
        bundles: dict[int, list[Way]] = {}
        for way in sorted(self.wiring.ways, key=lambda way: self.rows[way.target]):
            bundles.setdefault(self.lines[way], []).append(way)
        return {way: before for ways in bundles.values() for before, way in pairwise(ways)}

    def _inside(self) -> dict[Frame, int]:
        """How many frames lie within each other inside of each frame."""
        found: dict[Frame, int] = {}
        for frame in reversed(self.frames):
            inner = [found[f] + 1 for f in found if frame.begin <= f.begin and f.end <= frame.end]
            found[frame] = max(inner, default=0)
        return found
