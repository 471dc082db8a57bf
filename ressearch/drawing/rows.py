"""`Graph -> Wiring`: a row for each item, and the ways beside the spine.

All items of the spine lie on one vertical line. What is left of the graph is cut into ways: each leaves an item,
perhaps passes others that lie on it, and ends in a merge. A way without items is a skip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ressearch.drawing.items import Graph


@dataclass(frozen=True)
class Way:
    """From item `source` through `items`, one below the other, to item `target`; no two ways have one `number`."""

    source: int
    items: tuple[int, ...]
    target: int
    number: int


@dataclass(frozen=True)
class Wiring:
    """Rows of a graph's items from 0, and its ways beside the spine.

    An item's row is below those of its inputs. In the row of a merge there is nothing else; of two or more items in one
    row at most one is read more than once. So a line into a merge, or one that leaves an item, meets no other item.
    """

    graph: Graph
    rows: tuple[int, ...]
    ways: tuple[Way, ...]


def wiring_of(graph: Graph) -> Wiring:
    """Rows and ways of a graph."""
    rows = _rows(graph)
    ways = _ways(graph)
    merges = {row for row, item in zip(rows, graph.items, strict=True) if item.round}
    for way in ways:
        if all(len(graph.readers[at]) == 1 and not graph.items[at].round for at in way.items):
            _centre(rows, merges, way)
    return Wiring(graph, tuple(rows), tuple(ways))


def _rows(graph: Graph) -> list[int]:
    """Each item as high as it can be."""
    rows: list[int] = []
    kept: dict[int, list[int]] = {}
    for at, item in enumerate(graph.items):
        row = max((rows[source] for source in item.inputs), default=-1) + 1
        while not _may_share(graph, at, kept.get(row, [])):
            row += 1
        rows.append(row)
        kept.setdefault(row, []).append(at)
    return rows


def _may_share(graph: Graph, at: int, others: Sequence[int]) -> bool:
    if any(graph.items[other].round for other in others) or (graph.items[at].round and others):
        return False
    return len(graph.readers[at]) < 2 or all(len(graph.readers[other]) < 2 for other in others)


def _ways(graph: Graph) -> list[Way]:
    """Every edge that is not of the spine is in one way."""
    spine = set(graph.spine)
    following = dict(_chained(graph, spine))
    begun = set(following.values())
    ways: list[Way] = []
    for at in (at for at in range(len(graph.items)) if at not in spine and at not in begun):
        chain = [at]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        target = min(graph.readers[chain[-1]], key=lambda reader: (reader not in spine, reader))
        ways.append(Way(graph.items[at].inputs[0], tuple(chain), target, len(ways)))
    return ways + _skips(graph, ways)


def _chained(graph: Graph, spine: set[int]) -> list[tuple[int, int]]:
    """Pairs of items beside the spine of which the second goes on with the way of the first."""
    pairs = []
    for at, readers in enumerate(graph.readers):
        if at not in spine:
            main = [reader for reader in readers if reader not in spine and graph.items[reader].inputs[0] == at]
            pairs += [(at, reader) for reader in main[:1]]
    return pairs


def _skips(graph: Graph, ways: Sequence[Way]) -> list[Way]:
    """The edges that neither the spine nor a way with items has."""
    taken = list(zip(graph.spine, graph.spine[1:], strict=False))
    for way in ways:
        taken += zip((way.source, *way.items), (*way.items, way.target), strict=True)
    left = [(source, at) for at, item in enumerate(graph.items) for source in item.inputs]
    for edge in taken:
        left.remove(edge)
    return [Way(source, (), at, number) for number, (source, at) in enumerate(left, len(ways))]


def _centre(rows: list[int], merges: set[int], way: Way) -> None:
    """Move the boxes of a way to the middle between its ends, together if there is room."""
    free = [row for row in range(rows[way.source] + 1, rows[way.target]) if row not in merges]
    middle = (rows[way.source] + rows[way.target]) / 2
    count = len(way.items)
    windows = [free[start : start + count] for start in range(len(free) - count + 1)]
    best = min(windows, key=lambda w: (w[-1] - w[0], abs((w[0] + w[-1]) / 2 - middle)) if w else (0, 0))
    for at, row in zip(way.items, best, strict=True):
        rows[at] = row
