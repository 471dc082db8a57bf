"""Which items belong together: residual blocks, dense blocks, and runs that are folded into one copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose

from ressearch.analysis import immediate_dominators
from ressearch.drawing.items import Graph
from ressearch.ops import Activation, Add, Concat, Scale


@dataclass(frozen=True)
class Frame:
    """The items after `begin` up to `end`, to be enclosed; of two frames one encloses the other or they are apart.

    times: how many copies of what is inside follow each other. tinted: a block, not only a run.
    """

    begin: int
    end: int
    times: int = 1
    tinted: bool = True


def frames_of(graph: Graph) -> list[Frame]:
    """Blocks and runs, each after those that enclose it."""
    found = {(frame.begin, frame.end): frame for frame in blocks_of(graph)}
    for run in graph.runs:
        tinted = (run.first - 1, run.last) in found
        found[run.first - 1, run.last] = Frame(run.first - 1, run.last, run.times, tinted)
    return sorted(found.values(), key=lambda frame: (frame.begin, -frame.end))


def blocks_of(graph: Graph) -> Iterator[Frame]:
    """Residual and dense blocks on the spine that are left through their merge alone.

    A block begins at its merge's immediate dominator, where the ways part that meet in it. An activation that alone
    reads the merge belongs to it. Of the concatenations of one dense block the last one ends it.
    """
    begins = immediate_dominators([item.inputs for item in graph.items])
    last_reader = [max(readers, default=0) for readers in graph.readers]
    dense: dict[int, Frame] = {}
    for at in graph.spine:
        op = graph.items[at].ops[0]
        if isinstance(op, Add | Concat) and max(last_reader[begins[at] + 1 : at], default=0) <= at:
            frame = Frame(begins[at], _end(graph, at))
            if isinstance(op, Add):
                yield frame
            else:
                dense[frame.begin] = frame
    yield from dense.values()


def _end(graph: Graph, merge: int) -> int:
    """The merge, or what belongs to it: the activation behind it, or the factor that makes a mean of a sum."""
    readers = graph.readers[merge]
    if len(readers) != 1:
        return merge
    op = graph.items[readers[0]].ops[0]
    mean = isinstance(op, Scale) and op.kind == "fixed" and isclose(op.start, 1 / len(graph.items[merge].inputs))
    return readers[0] if mean or isinstance(op, Activation) else merge
