"""`Architecture -> Graph`: what is drawn as one thing, in an order that depends on the wiring alone.

A norm and the activation that alone reads it are one item. The order is that in which a walk back from the output
finishes items, the longest way into each first: the body of a residual block, then what stands on its shortcut, then
its sum. Names and the order of nodes do not enter, nor that of a sum's inputs; so one architecture has one drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

from ressearch.architecture import Architecture
from ressearch.drawing.looks import look_of
from ressearch.ops import Activation, Add, Norm, Op, label_of

DEPTHS, TURNS = 4, 3
BOX, ROUND = 1 << 16, 1
"""Weights of items on a way: more boxes make it longer, and of as many boxes more sums."""


@dataclass(frozen=True)
class Item:
    """What is drawn as one: `nodes` are positions in the architecture, `inputs` of other items, the main one first.

    places: where the order of inputs matters, which input of the op each one is. times: how many such items of the
    architecture this one stands for, the others being folded away.
    """

    nodes: tuple[int, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    places: tuple[int, ...] = ()
    times: int = 1

    @property
    def round(self) -> bool:
        """Whether it merges values."""
        return look_of(self.ops[0]).round


@dataclass(frozen=True)
class Run:
    """Items from `first` to `last` that stand for `times` copies of them, one after another."""

    first: int
    last: int
    times: int


@dataclass(frozen=True)
class Graph:
    """Items in topological order, the image first and the output last."""

    items: tuple[Item, ...]
    runs: tuple[Run, ...] = ()

    @cached_property
    def spine(self) -> tuple[int, ...]:
        """The longest way from the image to the output."""
        way = [len(self.items) - 1]
        while self.items[way[-1]].inputs:
            way.append(self.items[way[-1]].inputs[0])
        return tuple(reversed(way))

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """Who reads each item; twice whoever reads it twice."""
        found: list[list[int]] = [[] for _ in self.items]
        for at, item in enumerate(self.items):
            for source in item.inputs:
                found[source].append(at)
        return tuple(map(tuple, found))


def graph_of(architecture: Architecture) -> Graph:
    """The items of an architecture, unfolded."""
    items = _merged(architecture)
    keys = _keys(items)
    items = [_sorted(item, keys) for item in items]
    order = _order(items)
    places = {old: new for new, old in enumerate(order)}
    return Graph(tuple(replace(items[old], inputs=tuple(places[at] for at in items[old].inputs)) for old in order))


def _merged(architecture: Architecture) -> list[Item]:
    """One item a node, but for norms that are read by an activation alone."""
    nodes, places, items = architecture.nodes, dict[int, int](), list[Item]()
    fan_out = [0] * len(nodes)
    for node in nodes:
        for source in node.inputs:
            fan_out[source] += 1
    for at, node in enumerate(nodes):
        before = node.inputs[0] if node.inputs else -1
        if isinstance(node.op, Activation) and isinstance(nodes[before].op, Norm) and fan_out[before] == 1:
            norm = items[places[before]]
            items[places[before]] = replace(norm, nodes=(*norm.nodes, at), ops=(*norm.ops, node.op))
            places[at] = places[before]
        else:
            places[at] = len(items)
            items.append(Item((at,), (node.op,), tuple(places[source] for source in node.inputs)))
    return items


Key = tuple[int, tuple[bytes, ...]]


def _sorted(item: Item, keys: Sequence[Key]) -> Item:
    """The item with its inputs in the order of their keys."""
    places = sorted(range(len(item.inputs)), key=lambda place: keys[item.inputs[place]])
    ordered = not isinstance(item.ops[0], Add) and len(places) > 1
    inputs = tuple(item.inputs[place] for place in places)
    return replace(item, inputs=inputs, places=tuple(places) if ordered else ())


def _keys(items: Sequence[Item]) -> list[Key]:
    """Of each item: the length of the longest way to it, then what it computes, seen from near and from farther.

    The near view comes first, so that copies of a block are in the same order whatever stands before them.
    """
    lengths: list[int] = []
    for item in items:
        longest = max((-lengths[at] for at in item.inputs), default=0)
        lengths.append(-longest - (ROUND if item.round else BOX))
    views = [[_digest(item, []) for item in items]]
    for _ in range(DEPTHS):
        views.append([_digest(item, [views[-1][at] for at in item.inputs]) for item in items])
    return list(zip(lengths, zip(*views, _colours(items), strict=True), strict=True))


def _colours(items: Sequence[Item]) -> list[bytes]:
    """What tells items apart that compute the same: what they are computed from and who reads them, in turns."""
    colours = [b""] * len(items)
    for _ in range(TURNS):
        for at, item in enumerate(items):
            colours[at] = _digest(item, [colours[at], *(colours[source] for source in item.inputs)])
        seen: list[list[bytes]] = [[] for _ in items]
        for at in reversed(range(len(items))):
            colours[at] = blake2b(colours[at] + b"".join(sorted(seen[at])), digest_size=16).digest()
            for source in items[at].inputs:
                seen[source].append(colours[at])
    return colours


def _digest(item: Item, inputs: Sequence[bytes]) -> bytes:
    if isinstance(item.ops[0], Add):
        inputs = sorted(inputs)
    return blake2b("·".join(map(label_of, item.ops)).encode() + b"".join(inputs), digest_size=16).digest()


def _order(items: Sequence[Item]) -> list[int]:
    """Items as a walk back from the output finishes them."""
    order: list[int] = []
    seen: set[int] = set()
    stack = [(len(items) - 1, False)]
    while stack:
        at, finished = stack.pop()
        if finished:
            order.append(at)
        elif at not in seen:
            seen.add(at)
            stack.append((at, True))
            stack.extend((source, False) for source in reversed(items[at].inputs))
    return order
