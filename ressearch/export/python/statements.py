"""What the `forward` of a region says, in order: ops, calls of regions inside, rows of them, and dense loops.

Values are numbered: 0 is the region's input, k is what the k-th statement makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from ressearch.architecture import Architecture
from ressearch.export.python.layers import LAYERS, Slot
from ressearch.export.python.regions import Region
from ressearch.ops import Concat, name_of

if TYPE_CHECKING:
    from ressearch.export.python.classes import Class


class Row(NamedTuple):
    """Regions one after the other that are made alike."""

    made: Class
    regions: tuple[Region, ...]


@dataclass
class Statement:
    """One value: `key` and `inputs` are the same in all regions that share a class, the slots may differ.

    output: position of the node whose value it makes. node: the same, of an op. rows: of a chain, or the layers of a
    dense loop. names: the address of what it makes, relative to the region's.
    """

    key: Any
    slots: list[Slot]
    inputs: tuple[int, ...]
    names: tuple[str, ...]
    output: int
    node: int | None = None
    rows: tuple[Row, ...] = ()
    loops: bool = False


@dataclass
class Reader:
    """Makes the statements of regions whose inner regions have their classes already."""

    architecture: Architecture
    readers: Mapping[int, Sequence[int]] = field(init=False)

    def __post_init__(self) -> None:
        readers: dict[int, list[int]] = {at: [] for at in range(len(self.architecture))}
        for at, node in enumerate(self.architecture.nodes):
            for source in node.inputs:
                readers[source].append(at)
        self.readers = readers

    def statements(self, region: Region) -> list[Statement]:
        """Those of a region."""
        values, found, at = {region.source: 0}, [], 0
        depth = len(region.name.split(".")) if region.name else 0
        while at < len(region.items):
            statement, taken = self._next(region.items[at:], values, depth)
            found.append(statement)
            values[statement.output] = len(found)
            at += taken
        return found

    def _next(self, items: Sequence[int | Region], values: Mapping[int, int], depth: int) -> tuple[Statement, int]:
        """The statement that items begin with, and how many of them it takes."""
        first = items[0]
        if isinstance(first, int):
            return self._op(first, values, depth), 1
        layers = self._layers(items)
        if layers:
            return self._loop(layers, values, depth), 2 * len(layers)
        chain = self._chain(items)
        return self._call(chain, values, depth), len(chain)

    def _op(self, at: int, values: Mapping[int, int], depth: int) -> Statement:
        node, architecture = self.architecture.nodes[at], self.architecture
        layer = LAYERS[type(node.op)]
        slots = layer.slots(node.op, [architecture.shapes[source] for source in node.inputs])
        names = tuple(node.name.split(".")[depth:])
        key = (name_of(node.op), layer.fixed(node.op), _words(names))
        return Statement(key, slots, tuple(values[source] for source in node.inputs), names, at, at)

    # Rows of regions

    def _chain(self, items: Sequence[int | Region]) -> list[Region]:
        """The regions that items begin with of which each is read by the next alone, all in one row of the graph."""
        chain: list[Region] = []
        for item in items:
            if not isinstance(item, Region) or (chain and not self._follows(chain[-1], item)):
                break
            chain.append(item)
        return chain

    def _follows(self, before: Region, after: Region) -> bool:
        alone = after.source == before.output and self.architecture.last_use[before.output] <= after.last
        return alone and _row_of(before) == _row_of(after)

    def _call(self, chain: Sequence[Region], values: Mapping[int, int], depth: int) -> Statement:
        rows: list[Row] = []
        for region in chain:
            made = region_class(region)
            if rows and rows[-1].made is made and arguments(rows[-1].regions[-1]) == arguments(region):
                rows[-1] = Row(made, (*rows[-1].regions, region))
            else:
                rows.append(Row(made, (region,)))
        slots: list[Slot] = []
        for row in rows:
            slots += [("depth", "count", len(row.regions)), *_slots_of(row.regions[0])]
        names = tuple(chain[0].place.split(".")[depth:])
        key = ("call", tuple(id(row.made) for row in rows), len(chain) > 1, _words(names))
        return Statement(key, slots, (values[chain[0].source],), names, chain[-1].output, rows=tuple(rows))

    # Dense loops

    def _layers(self, items: Sequence[int | Region]) -> list[Region]:
        """The layers of a dense block that items begin with, if there are two or more made alike and nothing else."""
        layers: list[Region] = []
        expected: list[int] = []
        for layer, concat in zip(items[::2], items[1::2], strict=False):
            if not isinstance(layer, Region) or not isinstance(concat, int):
                break
            if layers and layer.source != expected[-1]:
                break
            layers.append(layer)
            expected.append(concat)
            node = self.architecture.nodes[concat]
            if not isinstance(node.op, Concat) or node.inputs != (layers[0].source, *(one.output for one in layers)):
                return []
            if self._left(layers, expected):
                return layers if len(layers) > 1 else []
        return []

    def _left(self, layers: Sequence[Region], concats: Sequence[int]) -> bool:
        """Whether the last concatenation is the block's: its concatenations alone read what the layers make."""
        made = [layer.output for layer in layers]
        inner = [self.architecture.last_use[at] <= after.last for at, after in zip(concats, layers[1:], strict=False)]
        return all(list(self.readers[at]) == list(concats[k:]) for k, at in enumerate(made)) and all(inner)

    def _loop(self, layers: Sequence[Region], values: Mapping[int, int], depth: int) -> Statement:
        """Rows of layers; within a row each argument rises by the same step from layer to layer."""
        rows = [Row(region_class(layers[0]), (layers[0],))]
        for layer in layers[1:]:
            row = Row(rows[-1].made, (*rows[-1].regions, layer))
            if region_class(layer) is row.made and _steps(row.regions) is not None:
                rows[-1] = row
            else:
                rows.append(Row(region_class(layer), (layer,)))
        slots: list[Slot] = []
        for row in rows:
            slots.append(("layers", "count", len(row.regions)))
            for (role, kind, start), step in zip(_slots_of(row.regions[0]), _steps(row.regions) or (), strict=True):
                slots += [(role, kind, start), ("growth" if kind == "channels" else f"{role}_step", kind, step)]
        names = tuple(layers[0].place.split(".")[depth:])
        key = ("loop", tuple(id(row.made) for row in rows), _words(names))
        output = self.readers[layers[-1].output][-1]
        inputs = (values[layers[0].source],)
        return Statement(key, slots, inputs, names, output, rows=tuple(rows), loops=True)


def _steps(regions: Sequence[Region]) -> tuple[int | float, ...] | None:
    """By how much each argument rises from region to region; None where it is not one number. Only widths rise."""
    kinds = [one.kind for one in region_class(regions[0]).parameters]
    tables = [[b - a for a, b in pairwise(table)] or [0] for table in zip(*map(arguments, regions), strict=True)]
    even = all(
        len(set(table)) == 1 and (kind == "channels" or not table[0]) for kind, table in zip(kinds, tables, strict=True)
    )
    return tuple(table[0] for table in tables) if even else None


def region_class(region: Region) -> Class:
    """The class of a region, which it has been given."""
    found: Class = region.made
    return found


def arguments(region: Region) -> tuple[int | float, ...]:
    """What its class is called with."""
    return region.arguments


def _slots_of(region: Region) -> list[Slot]:
    parameters = region_class(region).parameters
    return [(one.name, one.kind, value) for one, value in zip(parameters, arguments(region), strict=True)]


def _row_of(region: Region) -> str:
    """The address without the number that counts within the row."""
    return region.place.rpartition(".")[0]


def _words(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.isdigit())
