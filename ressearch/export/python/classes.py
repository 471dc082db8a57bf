"""Regions that do the same, with other numbers perhaps, share one class; the numbers become its parameters.

A number that is the same in all regions of a class is written as it is. Others are a parameter, or told from one:
twice its value, a quarter of it, the sum of two. So the class of DenseNet's layers has two parameters, not six.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from ressearch.architecture import Architecture
from ressearch.export.python.layers import Kind
from ressearch.export.python.regions import Region, Regions
from ressearch.export.python.statements import Reader, Statement
from ressearch.ops import Conv, GlobalPool, Multiply, Pad

Values = tuple[int | float, ...]
"""A number in each of the regions that share a class."""

NO_NAMES = {"body", "block", "layer", "stages", "cell"}
"""Parts of addresses that say nothing about what stands there."""

TAKEN = {"Network", "DropPath", "Path", "Tensor"}


@dataclass(frozen=True)
class Parameter:
    """An argument of a class's `__init__`, with its value in each region."""

    name: str
    kind: Kind
    values: Values

    @property
    def default(self) -> int | None:
        """A stride is 1 unless said."""
        return 1 if self.kind == "stride" and 1 in self.values else None


@dataclass(eq=False)
class Class:
    """What regions have in common. texts: of each statement's slots, numbers or expressions of parameters."""

    name: str
    regions: list[Region]
    statements: list[Statement]
    parameters: list[Parameter] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)


def classes_of(architecture: Architecture) -> list[Class]:
    """The classes of an architecture, each after those that it uses; the last is the network itself."""
    whole, reader = Regions(architecture).whole, Reader(architecture)
    levels: dict[int, list[Region]] = {}
    for region in whole.inside():
        levels.setdefault(region.height, []).append(region)
    found: list[Class] = []
    for height in sorted(levels):
        alike: dict[object, list[tuple[Region, list[Statement]]]] = {}
        for region in levels[height]:
            statements = reader.statements(region)
            key = tuple((one.key, one.inputs) for one in statements), region.output == region.last
            alike.setdefault(key, []).append((region, statements))
        for group in alike.values():
            name = "Network" if group[0][0] is whole else _name(group[0][0], architecture, found)
            found.append(_class(name, group, architecture))
    return found


def _class(name: str, group: Sequence[tuple[Region, list[Statement]]], architecture: Architecture) -> Class:
    regions = [region for region, _ in group]
    made = Class(name, regions, group[0][1])
    writer = _Parameters(architecture, regions)
    for number, statement in enumerate(made.statements):
        texts = []
        for place, (role, kind, _) in enumerate(statement.slots):
            values = tuple(statements[number].slots[place][2] for _, statements in group)
            texts.append(writer.text(role, kind, values))
        made.texts.append(texts)
    made.parameters = sorted(writer.parameters, key=_rank)
    for index, region in enumerate(regions):
        region.statements = group[index][1]
        region.made, region.arguments = made, tuple(one.values[index] for one in made.parameters)
    return made


def _rank(parameter: Parameter) -> int:
    """Where a parameter stands in the signature: widths first, which are given by place; a stride last."""
    if parameter.name in ("in_channels", "channels"):
        return ("in_channels", "channels").index(parameter.name)
    return {"channels": 2, "stride": 4}.get(parameter.kind, 3)


class _Parameters:
    """The parameters of a class in the making."""

    def __init__(self, architecture: Architecture, regions: Sequence[Region]) -> None:
        self.parameters: list[Parameter] = []
        shapes = architecture.shapes
        self.outer: dict[str, Values] = {
            "channels": tuple(shapes[region.output][0] for region in regions),
            "in_channels": tuple(shapes[region.source][0] for region in regions),
        }

    def text(self, role: str, kind: Kind, values: Values) -> str:
        """How a slot is written that has these values in the regions."""
        if len(set(values)) == 1:
            return repr(values[0])
        for one in self.parameters:
            if (one.kind, one.values) == (kind, values):
                return one.name
        if kind == "channels":
            for name, outer in self.outer.items():
                if outer == values:
                    return self.added(name, kind, values)
            told = self.told(values)
            if told:
                return told
        return self.added({"in": "in_channels", "out": "inner_channels"}.get(role, role), kind, values)

    def added(self, name: str, kind: Kind, values: Values) -> str:
        taken = {one.name for one in self.parameters}
        names = (name if number == 1 else f"{name}{number}" for number in range(1, len(taken) + 2))
        self.parameters.append(Parameter(next(name for name in names if name not in taken), kind, values))
        return self.parameters[-1].name

    def told(self, values: Values) -> str | None:
        """The values from those of one or two parameters."""
        known = [one for one in self.parameters if one.kind == "channels"]
        found = (text for one in known for text in _told_by_one(one, values))
        return next(found, None) or next(_told_by_two(known, values), None)


def _told_by_one(one: Parameter, values: Values) -> Iterator[str]:
    """A multiple, a fraction, or so many more."""
    pairs = list(zip(values, one.values, strict=True))
    for factor in (2, 3, 4, 6, 8, 16):
        if all(value == factor * other for value, other in pairs):
            yield f"{factor} * {one.name}"
        if all(value * factor == other for value, other in pairs):
            yield f"{one.name} // {factor}"
    steps = {value - other for value, other in pairs}
    if len(steps) == 1 and (step := steps.pop()) > 0:
        yield f"{one.name} + {step}"


def _told_by_two(known: Sequence[Parameter], values: Values) -> Iterator[str]:
    """A sum or a difference."""
    for one, other in permutations(known, 2):
        for sign, combined in _SIGNS.items():
            if values == tuple(combined(a, b) for a, b in zip(one.values, other.values, strict=True)):
                yield f"{one.name} {sign} {other.name}"


_SIGNS: dict[str, Callable[[float, float], float]] = {"+": lambda a, b: a + b, "-": lambda a, b: a - b}


# Names


def _name(region: Region, architecture: Architecture, found: Sequence[Class]) -> str:
    """What a person might call the class: by the last part of its address that says something, and its shortcut."""
    words = [word for word in region.name.split(".") if not word.isdigit() and word not in NO_NAMES]
    ops = [architecture.nodes[at].op for at in range(region.first, region.last + 1)]
    name = "".join(part.capitalize() for part in re.split(r"[-_]", words[-1])) if words else "Block"
    if isinstance(ops[0], GlobalPool) and isinstance(ops[-1], Multiply):
        name = "SqueezeExcitation"
    elif region.name.split(".")[-2:-1] == ["layer"]:
        name = f"{name.removesuffix('Layer')}Layer" if words else "Layer"
    else:
        dense = any(isinstance(item, Region) and item.name.split(".")[-2:-1] == ["layer"] for item in region.items)
        name = f"Dense{name}" if dense and "dense" not in name.lower() else name
        name += _shortcut(region, architecture)
    taken = TAKEN | {one.name for one in found}
    names = (name if number == 1 else f"{name}{number}" for number in range(1, len(found) + 3))
    return next(name for name in names if name not in taken and not keyword.iskeyword(name))


def _shortcut(region: Region, architecture: Architecture) -> str:
    for item in region.items:
        if isinstance(item, int):
            node = architecture.nodes[item]
            if "shortcut" in node.name.removeprefix(region.name).split("."):
                return {Conv: "Projected", Pad: "Padded"}.get(type(node.op), "")
    return ""
