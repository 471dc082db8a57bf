"""`Architecture -> text`: one line an item, with the skips beside it, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ressearch.architecture import Architecture
from ressearch.cost import layer_costs_of
from ressearch.drawing.fold import folded
from ressearch.drawing.items import Graph, Run, graph_of
from ressearch.drawing.lanes import Lanes
from ressearch.drawing.looks import label_of_all, look_of, shape_words
from ressearch.drawing.rows import Way, wiring_of
from ressearch.ops import name_of

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
MOST_LANES = 14
STROKES = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
"""By the sum of the sides that lines leave a cell by."""


def text(architecture: Architecture, *, fold: bool = True) -> str:
    """The drawing of an architecture as lines of text: wiring, label, output shape, MACs and parameters of each item.

    Items of the spine stand in the first column, those on ways beside it in lanes at its right. fold: draw one copy of
    what repeats.
    """
    graph = graph_of(architecture)
    if fold:
        graph = folded(graph, architecture)
    costs = layer_costs_of(architecture)
    table = [("", "output", "MACs", "parameters")]
    for item in graph.items:
        macs, params = (sum(costs[at][k] for at in item.nodes) for k in (0, 1))
        sources = architecture.nodes[item.nodes[0]].inputs
        label = label_of_all(item.ops, architecture.shapes[sources[0]] if sources else ())
        label = name_of(item.ops[0]) if item.round else label
        shape = shape_words(architecture.shapes[item.nodes[-1]])
        table.append((label, shape, f"{macs:,}" if macs else "", f"{params:,}" if params else ""))
    wiring = ["", *_wiring(graph)]
    columns = [
        _aligned(wiring, "<"),
        *(_aligned(column, way) for column, way in zip(zip(*table, strict=True), "<<>>", strict=True)),
    ]
    return "\n".join(f"{'  '.join(row)}  {run}".rstrip() for *row, run in zip(*columns, _brackets(graph), strict=True))


def _aligned(column: Sequence[str], way: str) -> list[str]:
    width = max(map(len, column))
    return [f"{cell:{way}{width}}" for cell in column]


def _wiring(graph: Graph) -> list[str]:
    """Spine and lanes as strokes, one line an item."""
    ways = wiring_of(graph).ways
    lanes = _lanes(ways)
    homes = {at: lanes[way] for way in ways for at in way.items}
    cells = [[0] * (2 * max(lanes.values(), default=0) + 1) for _ in graph.items]
    for source, target in pairwise(graph.spine):
        _fall(cells, 0, source, target)
    for way in ways:
        lane = lanes[way]
        _turn(cells[way.source], homes.get(way.source, 0), lane, DOWN)
        _fall(cells, lane, way.source, way.target)
        _turn(cells[way.target], homes.get(way.target, 0), lane, UP)
    rows = [[STROKES[cell] for cell in row] for row in cells]
    for at, item in enumerate(graph.items):
        rows[at][2 * homes.get(at, 0)] = look_of(item.ops[0]).label(item.ops[0], (0,)) if item.round else "○"
    return ["".join(row).rstrip() for row in rows]


def _lanes(ways: Sequence[Way]) -> dict[Way, int]:
    """The nearest free lane for each way, the short ones first; where they are many, one for those of one source."""
    lanes = _placed([[way] for way in ways])
    if max(lanes.values(), default=0) > MOST_LANES:
        bundles: dict[tuple[int, int], list[Way]] = {}
        for number, way in enumerate(ways):
            bundles.setdefault((way.source, number if way.items else -1), []).append(way)
        lanes = _placed(list(bundles.values()))
    return lanes


def _placed(bundles: Sequence[list[Way]]) -> dict[Way, int]:
    lanes, found = Lanes(), dict[Way, int]()
    spans = [(2 * ways[0].source + 1, 2 * max(way.target for way in ways) - 1) for ways in bundles]
    for span, ways in sorted(zip(spans, bundles, strict=True), key=lambda pair: pair[0][1] - pair[0][0]):
        lane = 1 + round(lanes.place(span, 1.0))
        found |= dict.fromkeys(ways, lane)
    return found


def _fall(cells: Sequence[list[int]], lane: int, source: int, target: int) -> None:
    """A vertical stroke between two lines, without what turns at its ends."""
    for at in range(source + 1, target):
        cells[at][2 * lane] |= UP | DOWN


def _turn(row: list[int], home: int, lane: int, side: int) -> None:
    """A horizontal stroke from an item to a lane, and from there up or down."""
    low, high = sorted((2 * home, 2 * lane))
    for at in range(low, high):
        row[at] |= RIGHT
        row[at + 1] |= LEFT
    row[2 * lane] |= side


def _brackets(graph: Graph) -> list[str]:
    """Beside each item, the runs that it is in, inner ones first; the number of copies where a run ends. A head too."""
    levels: dict[Run, int] = {}
    for run in sorted(graph.runs, key=lambda run: run.last - run.first):
        levels[run] = max((levels[o] + 1 for o in levels if run.first <= o.first and o.last <= run.last), default=0)
    lines = [""]
    for at in range(len(graph.items)):
        cells = [" "] * (1 + max(levels.values(), default=0))
        for run, level in levels.items():
            if run.first <= at <= run.last:
                cells[level] = "╮" if at == run.first < run.last else "╯" if at == run.last else "│"
        times = [f"×{run.times}" for run in levels if run.last == at]
        lines.append(" ".join(["".join(cells), *times]))
    return lines
