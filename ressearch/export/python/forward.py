"""One class as text: its `__init__` and its `forward`."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import count

from torch import nn

from ressearch.architecture import Architecture
from ressearch.export.python.classes import NO_NAMES, Class, Parameter
from ressearch.export.python.layers import LAYERS, STARTS_AT_ZERO
from ressearch.export.python.regions import Region
from ressearch.export.python.statements import Row, Statement
from ressearch.ops import Add, GlobalPool, Linear, Multiply, Op, Pad, Scale, Slice

MODULE_NAMES = frozenset(dir(nn.Module()))
"""What every torch module has already."""

LOCALS = frozenset({"x", "self", "torch", "nn", "F", "conv", "features", "layer", "Path"})

LINE = re.compile(r"F*N?A?F*H?F*|F*HF*N?F*A?F*")
"""Ops that stand in one expression: a convolution with the norm and activation before it, or behind it."""

WRAPS = (Scale, Multiply, GlobalPool, Pad, Slice)
"""Ops whose text needs parentheses around a sum or product that they are applied to."""

WIDTH = 100


class ClassText:
    """The text of a class, and under which names its parameters are."""

    def __init__(self, architecture: Architecture, made: Class) -> None:
        self.architecture, self.made, self.statements = architecture, made, made.statements
        self.common = _common([one.names for one in made.statements])
        self.reads = Counter(source for one in self.statements for source in one.inputs)
        self.last_read = {source: at for at, one in enumerate(self.statements) for source in one.inputs}

    def op(self, statement: Statement) -> Op | None:
        """The op of a statement, if it is one."""
        return None if statement.node is None else self.architecture.nodes[statement.node].op

    # Attributes

    @cached_property
    def attributes(self) -> list[str]:
        """What each statement's module is called; empty for those without one."""
        wanted = [self._attribute(one) for one in self.statements]
        often, taken, found = Counter(wanted), set(wanted), []
        for name in wanted:
            if name and often[name] > 1:
                name = next(numbered for number in count(1) if (numbered := f"{name}{number}") not in taken)
                taken.add(name)
            found.append(name)
        return found

    def _attribute(self, statement: Statement) -> str:
        op = self.op(statement)
        if statement.loops:
            return "layers"
        if op is None:
            stage = re.match(r"stages\.(\d+)", ".".join(statement.names))
            if stage and not self.made.regions[0].name:
                return f"stage{int(stage[1]) + 1}"
            words = _words(statement.names[self.common :])
            unnamed = "blocks" if _repeated(statement) else _snake(statement.rows[0].made.name)
            return _free("_".join(words) or unnamed, MODULE_NAMES)
        kind = LAYERS[type(op)].attribute(op)
        if not kind:
            return ""
        stage = re.match(r"stages\.(\d+)", ".".join(statement.names))
        *words, last = [f"stage{int(stage[1]) + 1}", *statement.names[2:]] if stage else statement.names[self.common :]
        kind = last if isinstance(op, Linear | Scale) and last.isidentifier() else kind
        return _free("_".join([*_words(words), kind]), MODULE_NAMES)

    # The constructor

    def init(self) -> Iterator[str]:
        """Lines of the body of `__init__`."""
        yield from (f"self.{name} = {name}" for name in self._kept())
        for statement, texts, name in zip(self.statements, self.made.texts, self.attributes, strict=True):
            op = self.op(statement)
            if statement.rows:
                yield from self._module(name, statement, texts)
            elif op is not None and name:
                yield f"self.{name} = {LAYERS[type(op)].made(op, texts)}"
                if isinstance(op, STARTS_AT_ZERO) and op.zero:
                    yield f"nn.init.zeros_(self.{name}.weight)"

    def _kept(self) -> list[str]:
        """Parameters that `forward` needs: those of ops without a module."""
        texts = [
            text
            for statement, texts, name in zip(self.statements, self.made.texts, self.attributes, strict=True)
            for text in texts
            if not statement.rows and not name
        ]
        return [one.name for one in self.made.parameters if any(re.search(rf"\b{one.name}\b", text) for text in texts)]

    def _in_forward(self, text: str) -> str:
        return re.sub(r"[a-z_]\w*", lambda name: f"self.{name[0]}", text)

    def _module(self, name: str, statement: Statement, texts: Sequence[str]) -> Iterator[str]:
        kind = "nn.ModuleList" if statement.loops else "nn.Sequential"
        rows = self._looped(statement, texts) if statement.loops else self._rows(statement, texts)
        items = [call if count == "1" else f"*({call} for {{}} in range({count}))" for call, count in rows]
        items = [item.format("i" if re.search(r"\bi\b", item) else "_") for item in items]
        if not statement.loops and not _repeated(statement):
            yield f"self.{name} = {items[0]}"
        elif len(items) == 1 and statement.loops:
            yield from _wrapped(f"self.{name} = {kind}(", [items[0].removeprefix("*(").removesuffix(")")], ")")
        else:
            ends = ("([", "])") if statement.loops else ("(", ")")
            yield from _wrapped(f"self.{name} = {kind}{ends[0]}", items, ends[1])

    def _rows(self, statement: Statement, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The call that makes each row of a chain, and how often."""
        at = 0
        for row in statement.rows:
            arguments = texts[at + 1 : at + 1 + len(row.made.parameters)]
            yield _call(row, arguments), texts[at]
            at += 1 + len(arguments)

    def _looped(self, statement: Statement, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The same of a dense loop, whose arguments rise with `i`."""
        at = 0
        for row in statement.rows:
            numbers = texts[at + 1 : at + 1 + 2 * len(row.made.parameters)]
            yield _call(row, [_risen(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]), texts[at]
            at += 1 + len(numbers)

    # The forward pass

    def forward(self) -> Iterator[str]:
        """Lines of the body of `forward`."""
        said = {0: _Said("x")}
        names = {"x": 0}
        self.said = said
        for number, statement in enumerate(self.statements, start=1):
            before = [self._spoken(said, names, source, number, statement) for source in statement.inputs]
            for _, lines in before:
                yield from lines
            inputs = [text for text, _ in before]
            if statement.loops:
                yield from self._dense(inputs[0], number, names, said)
                continue
            said[number] = self._expression(statement, number, inputs, said)
        yield f"return {said[len(self.statements)].text}"

    def _expression(self, statement: Statement, number: int, inputs: Sequence[str], said: dict[int, _Said]) -> _Said:
        op, attribute = self.op(statement), self.attributes[number - 1]
        if op is None:
            return _Said(f"self.{attribute}({inputs[0]})", "H", said[statement.inputs[0]].units)
        layer = LAYERS[type(op)]
        slots = [self._in_forward(text) for text in self.made.texts[number - 1]]
        text = layer.said(op, attribute, slots, inputs)
        before = said[statement.inputs[0]].units if len(statement.inputs) == 1 else ""
        return _Said(text, layer.unit, before, layer.binds)

    def _spoken(
        self, said: dict[int, _Said], names: dict[str, int], source: int, number: int, reader: Statement
    ) -> tuple[str, list[str]]:
        """How a reader says a value, and the line that gives it a name before, if it needs one."""
        value, op = said[source], self.op(reader)
        if value.name:
            return value.name, []
        unit = "H" if op is None else LAYERS[type(op)].unit
        fits = self.reads[source] == 1 and not reader.loops and len(value.text) < 60
        if isinstance(op, Add) or (op is not None and len(reader.inputs) > 1):
            fits = fits and "H" not in value.units and source == number - 1
        if fits and LINE.fullmatch(value.units + unit):
            wraps = value.binds and (isinstance(op, (*WRAPS, Add)))
            return (f"({value.text})" if wraps else value.text), []
        line = self._named(said, names, source, number - 1)
        return said[source].name, [line]

    def _named(self, said: dict[int, _Said], names: dict[str, int], source: int, now: int) -> str:
        """The line that gives a value a name; `now`: index of the statement that is to read it."""
        text = said[source].text
        name = self._variable(self.statements[source - 1], names, now, source)
        names[name] = source
        said[source] = _Said(text, name=name)
        line, comment = f"{name} = {text}", self._shape(source)
        return f"{line}{comment}" if len(line) + len(comment) <= WIDTH - 8 else line

    def _shape(self, value: int) -> str:
        """A comment with the shape of a value, where it has the same in all regions."""
        outputs = [region.statements[value - 1].output for region in self.made.regions]
        shapes = {self.architecture.shapes[output] for output in outputs}
        return f"  # {' x '.join(map(str, shapes.pop()))}" if len(shapes) == 1 else ""

    def _variable(self, statement: Statement, names: dict[str, int], now: int, source: int) -> str:
        """A name that nobody needs any more, the one that the address tells at best."""
        words = _words(statement.names[self.common :] if statement.rows else statement.names[self.common : -1])
        whole = not self.made.regions[0].name
        dead = self._dead(names, "x", now, source)
        wanted = (
            "x"
            if whole and dead
            else _free("_".join(words), LOCALS | frozenset(dir(builtins))) or ("x" if dead else "y")
        )
        number = 1
        while not self._dead(names, wanted if number == 1 else f"{wanted}{number}", now, source):
            number += 1
        return wanted if number == 1 else f"{wanted}{number}"

    def _dead(self, names: dict[str, int], name: str, now: int, but: int) -> bool:
        """Whether nobody reads what a name stands for from the statement `now` on, nor a text still to be said."""
        if name not in names:
            return True
        waiting = [
            one.text for value, one in self.said.items() if value != but and not one.name and self._waits(value, now)
        ]
        said = any(re.search(rf"\b{name}\b", text) for text in waiting)
        return not said and self.last_read.get(names[name], -1) < now

    def _waits(self, value: int, now: int) -> bool:
        return self.last_read.get(value, len(self.statements)) >= now

    def _dense(self, source: str, number: int, names: dict[str, int], said: dict[int, _Said]) -> Iterator[str]:
        for value in [value for value, one in said.items() if not one.name and "features" in one.text]:
            if self._waits(value, number):
                yield self._named(said, names, value, number)
        yield f"features = [{source}]"
        yield f"for layer in self.{self.attributes[number - 1]}:"
        yield "    features.append(layer(torch.cat(features, dim=1)))"
        said[number] = _Said("torch.cat(features, dim=1)")

    # State dictionaries

    def modules(self, region: Region) -> Iterator[tuple[str, Statement | Region]]:
        """What stands under which attribute in one of the regions: ops, and regions inside."""
        for name, first, own in zip(self.attributes, self.statements, region.statements, strict=True):
            inner = [one for row in own.rows for one in row.regions]
            if inner and (first.loops or _repeated(first)):
                yield from ((f"{name}.{number}", one) for number, one in enumerate(inner))
            elif inner:
                yield name, inner[0]
            elif name:
                yield name, own


class _Said:
    """A value in the making: its text, the ops in it, and its name once it has one."""

    def __init__(self, text: str, unit: str = "", before: str = "", binds: bool = False, name: str = "") -> None:
        self.text, self.units, self.binds = text, before + unit, binds
        self.name = "x" if text == "x" and not unit else name
        if self.name:
            self.units = ""


def _words(names: Sequence[str]) -> list[str]:
    """The parts of an address that say something, as identifiers; the first of them is enough."""
    words = [re.sub(r"\W", "_", name) for name in names if not name.isdigit() and name not in NO_NAMES]
    return words[:2] if words[1:2] in (["in"], ["out"]) else words[:1]  # both ends of a graph's node


def _common(names: Sequence[tuple[str, ...]]) -> int:
    """How many parts of their addresses all have in common, the last part of each aside."""
    columns = zip(*(one[:-1] for one in names), strict=False)
    return next((at for at, parts in enumerate(columns) if len(set(parts)) > 1), min(len(one) for one in names) - 1)


def _free(name: str, taken: frozenset[str]) -> str:
    return f"{name}_" if name in taken or keyword.iskeyword(name) else name


def _snake(name: str) -> str:
    """An attribute's name from a class's, without the number that tells it from others of its name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().rstrip("0123456789")


def _repeated(statement: Statement) -> bool:
    return sum(len(row.regions) for row in statement.rows) > 1


def _argument(parameter: Parameter, text: str) -> str | None:
    """As it stands in a call; None where it is the default."""
    if parameter.default is not None and text == str(parameter.default):
        return None
    return text if parameter.kind == "channels" else f"{parameter.name}={text}"


def _call(row: Row, arguments: Sequence[str]) -> str:
    said = [_argument(one, text) for one, text in zip(row.made.parameters, arguments, strict=True)]
    return f"{row.made.name}({', '.join(one for one in said if one is not None)})"


def _risen(start: str, step: str) -> str:
    if step in ("0", "0.0"):
        return start
    return f"{start} + {'i' if step == '1' else f'i * {step}'}"


def _wrapped(head: str, items: Sequence[str], tail: str) -> list[str]:
    """A call on one line, or with each item on a line of its own."""
    line = f"{head}{', '.join(items)}{tail}"
    if len(line) <= WIDTH - 8:
        return [line]
    comma = "" if " for " in items[0] and not items[0].startswith("*") else ","  # of a generator alone
    return [head, *(f"    {item}{comma}" for item in items), tail]
