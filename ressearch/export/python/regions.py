"""Which parts of a graph become classes of their own: those with one value in and one out that a person would name.

The names of the nodes tell how the graph was built (`stages.0.block.1.basic.body.0.conv`): what shares a prefix and
stands together is a candidate. It becomes a region if it merges something itself, is a block of a stage, or is a
layer of a dense block; everything else is dissolved into what is around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ressearch.architecture import Architecture
from ressearch.ops import Add, Concat, Multiply

STAGE_BLOCK = re.compile(r"stages\.\d+\.block\.\d+")
LAYER = re.compile(r"(.*\.)?layer\.\d+")
AROUND = re.compile(r"stages(\.\d+(\.block)?)?|stem|head")
"""What is never a class: the stages are attributes of the network."""


@dataclass(eq=False)
class Region:
    """Nodes from `first` to `last` that read one earlier value, `source`, and of which one, `output`, is read later.

    items: positions of nodes, and the regions among them, in order. place: its address before prefixes without a
    meaning of their own were dropped. made, statements, arguments: the class that it shares, what stands in `forward`,
    and what it gives `__init__`, once that is known.
    """

    name: str
    items: list[int | Region]
    first: int
    last: int
    source: int
    output: int
    place: str
    made: Any = None
    statements: Any = ()
    arguments: tuple[int | float, ...] = ()

    @property
    def height(self) -> int:
        """How many regions stand inside each other at most, this one included."""
        return 1 + max((item.height for item in self.items if isinstance(item, Region)), default=0)

    def inside(self) -> Iterator[Region]:
        """All regions in this one, and itself."""
        for item in self.items:
            if isinstance(item, Region):
                yield from item.inside()
        yield self


class Regions:
    """Divides an architecture; `whole` is the region of the network itself."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.parts = [node.name.split(".") for node in architecture.nodes]
        self.inputs = [node.inputs for node in architecture.nodes]
        last = len(architecture) - 1
        items = self._items(range(1, last + 1), 0)
        self.whole = Region("", items, 1, last, 0, last, "")

    def _items(self, run: Sequence[int], depth: int) -> list[int | Region]:
        """The nodes of a run that share their first `depth` names, those deeper in regions where they make some."""
        found: list[int | Region] = []
        for _, group in groupby(run, lambda at: self.parts[at][depth] if len(self.parts[at]) > depth + 1 else at):
            inner = list(group)
            if len(self.parts[inner[0]]) > depth + 1:
                found += self._region(inner, depth + 1)
            else:
                found += inner
        return found

    def _region(self, run: list[int], depth: int) -> list[int | Region]:
        """The run as one region, if it makes one; else its items."""
        items = self._items(run, depth)
        name = ".".join(self.parts[run[0]][:depth])
        if LAYER.fullmatch(name):
            return self._layer(items, name)
        if len(items) == 1 and isinstance(items[0], Region):
            items[0].place = items[0].place if AROUND.fullmatch(name) else name
            return items
        merges = any(isinstance(item, int) and self._merges(item) for item in items)
        if len(items) < 2 or AROUND.fullmatch(name) or not (merges or STAGE_BLOCK.fullmatch(name)):
            return items
        region = self._made(items, name)
        return items if region is None else [region]

    def _layer(self, items: list[int | Region], name: str) -> list[int | Region]:
        """A layer of a dense block: the concatenation that it reads stays outside, as do slices of what it makes."""
        head = items[:1] if isinstance(items[0], int) and self._concatenates(items[0]) else []
        rest = items[len(head) :]
        for end in range(len(rest), 1, -1):
            region = self._made(rest[:end], name)
            if region is not None:
                return [*head, region, *rest[end:]]
        return items

    def _made(self, items: list[int | Region], name: str) -> Region | None:
        """A region of these items, if they read one value and make one that others read."""
        first, last = _first(items[0]), _last(items[-1])
        read = {source for at in range(first, last + 1) for source in self.inputs[at] if source < first}
        use, end = self.architecture.last_use, len(self.inputs)
        left = [at for at in range(first, last + 1) if use.get(at, end) > last]
        if len(read) != 1 or len(left) != 1:
            return None
        return Region(name, items, first, last, read.pop(), left[0], name)

    def _merges(self, at: int) -> bool:
        return isinstance(self.architecture.nodes[at].op, Add | Concat | Multiply)

    def _concatenates(self, at: int) -> bool:
        return isinstance(self.architecture.nodes[at].op, Concat)


def _first(item: int | Region) -> int:
    return item if isinstance(item, int) else item.first


def _last(item: int | Region) -> int:
    return item if isinstance(item, int) else item.last
