"""A grammar as ways to decide it: what `decode` would ask, block by block, without building anything.

This is the second interpreter of the grammar's blocks. It has to ask what `decode` asks, under the same paths, which
the tests hold by enumerating spaces with the one and counting them with the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from ressearch.errors import Problem, SpaceError
from ressearch.space.build import MAX_NODES, too_deep
from ressearch.space.choices import Categorical, Domain, Real, members
from ressearch.space.counting import (
    MAX_DIGITS,
    NO_CHOICE,
    AnyOf,
    At,
    Decided,
    Open,
    Resolved,
    Shared,
    Symbol,
    TooManyError,
    Ways,
    all_of,
    copies,
)
from ressearch.space.grammar import (
    OPERATIONS,
    WINDOWED,
    Block,
    Dense,
    Edge,
    Grammar,
    Graph,
    OneOf,
    OpBlock,
    Ratio,
    Repeat,
    Residual,
    Scope,
    Seq,
    Stage,
    Stages,
    Use,
    Var,
    Width,
    branching_variables,
    may_be_absent,
    meant,
    words_of,
)
from ressearch.space.rules import Depths, Recursion

MAX_OPTIONAL_EDGES = 16
"""Of a graph whose nodes hold decisions: which of them are asked depends on every subset of the edges."""

Then = Callable[[Any], Ways]


class Around(NamedTuple):
    """What a block's decisions depend on: how deep rules are nested, and the stage (None inside a network's tie)."""

    depths: Depths = MappingProxyType({})
    stage: int | None = 0


class Outline:
    """The ways to decide a grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self._continuous = False
        self._recursion = Recursion(grammar.rules)
        self._branching = branching_variables(grammar)
        self._blocks: dict[tuple[int, frozenset[tuple[str, int]], int | None], Ways] = {}
        self._tied: dict[Symbol, Ways] = {}

    @cached_property
    def resolved(self) -> Resolved:
        """All ways to decide the network; the recipe's parameters are not among them.

        Raises SpaceError if they are too many to be counted, or nested too deep.
        """
        grammar = self.grammar
        domains = {f"vars.{name}": setting for name, setting in grammar.vars.items() if isinstance(setting, Domain)}
        try:
            found = Resolved(all_of(self._parts()), self._tied, domains)
            _ = found.size
        except TooManyError:
            hint = "lower the depths, repeats or max_depth, or tie what may be the same"
            raise SpaceError([Problem("E033", "", f"over 10^{MAX_DIGITS:,} networks", grammar.place, hint)]) from None
        except RecursionError:
            raise too_deep(grammar.place) from None
        return found

    def _parts(self) -> Iterator[Ways]:
        yield self._stages()
        yield At("stem", self._block(self.grammar.stem, Around()))
        if self.grammar.head is not None:
            yield At("head", self._block(self.grammar.head, Around()))

    @property
    def continuous(self) -> bool:
        """Whether some decision has no end of values."""
        _ = self.resolved
        return self._continuous

    # Settings

    def _ask(self, setting: Any, step: str, then: Then | None = None) -> Ways:
        """A setting, and what is asked further for each of its values."""
        path = ""
        if isinstance(setting, Var):
            setting, path = self.grammar.vars[setting.name], f"vars.{setting.name}"
        if not isinstance(setting, Domain):
            return then(setting) if then else NO_CHOICE
        if isinstance(setting, Categorical) and len(setting.values) == 1:
            return then(setting.values[0]) if then else NO_CHOICE
        self._continuous |= isinstance(setting, Real) and setting.step is None
        if path:
            return self._variable(path, setting, then)
        if then is None:
            return At(step, Open(setting))
        return AnyOf(all_of([At(step, Decided(value)), then(value)]) for value in members(setting))

    def _variable(self, path: str, domain: Domain, then: Then | None) -> Ways:
        if path.removeprefix("vars.") not in self._branching:
            return Shared(Symbol(path, tied=False))
        return AnyOf(
            all_of([Shared(Symbol(path, False, value)), then(value) if then else NO_CHOICE])
            for value in members(domain)
        )

    def _width(self, width: Width | None, step: str = "width") -> Ways:
        if isinstance(width, Ratio):
            return self._ask(width.ratio, f"{step}.ratio")
        return NO_CHOICE if width is None else self._ask(width, step)

    def _counted(self, setting: Any, step: str, block: Ways, name: Callable[[int], str] = str) -> Ways:
        """As many copies of a block as a setting says."""
        most = self._most(setting)
        if block.table == NO_CHOICE.table:
            return self._ask(setting, step)
        chain = copies(name, block, most)
        return self._ask(setting, step, lambda value: chain[value])

    def _most(self, setting: Any) -> int:
        setting = meant(setting, self.grammar.vars)
        most = int(max(members(setting)) if isinstance(setting, Domain) else setting)
        if most > MAX_NODES:
            message = f"{most:,} copies of a block"
            raise SpaceError(
                [Problem("E032", "", message, self.grammar.place, f"a network has at most {MAX_NODES:,} nodes")]
            )
        return most

    # Stages

    def _stages(self) -> Ways:
        stages = self.grammar.stages
        if isinstance(stages, Stages):
            head = [self._ask(stages.start, "stages.width.start"), self._ask(stages.factor, "stages.width.factor")]
            once = [self._stage(Stage(1, stages.block, 1, stages.depth), i) for i in range(self._most(stages.count))]
            chain = [all_of(once[:number]) for number in range(len(once) + 1)]
            return all_of([*head, self._ask(stages.count, "stages.repeat", lambda value: chain[value])])
        return all_of(self._stage(stage, i) for i, stage in enumerate(stages))

    def _stage(self, stage: Stage, number: int) -> Ways:
        block = self._block(stage.block, Around(stage=number))
        depth = self._counted(stage.depth, "depth", block, lambda i: f"block.{i}")
        return At(f"stages.{number}", all_of([self._width(stage.width), depth]))

    # Blocks

    def _block(self, block: Block, around: Around) -> Ways:
        key = id(block), frozenset(around.depths.items()), around.stage
        if key not in self._blocks:
            self._blocks[key] = WAYS[type(block)](self, block, around)
        return self._blocks[key]

    def _op(self, block: OpBlock, around: Around) -> Ways:
        parts = [self._width(block.width), self._ask(block.order, "order")]
        return all_of([*parts, self._ask(block.op, "op", lambda word: self._operation(block, word))])

    def _operation(self, block: OpBlock, word: str) -> Ways:
        operation = OPERATIONS[word]
        asked = list(_ASKED.get(operation.kind, ()))
        if operation.kernel is None and operation.kind in WINDOWED:
            asked.append("kernel")
        if operation.kind == "conv":
            asked.append("groups" if block.group_width is None else "group_width")
        return all_of(self._ask(getattr(block, name), name) for name in asked)

    def _seq(self, block: Seq, around: Around) -> Ways:
        return all_of(At(str(i), self._block(item, around)) for i, item in enumerate(block.items))

    def _residual(self, block: Residual, around: Around) -> Ways:
        def beside(shortcut: Any) -> Ways:
            return (
                NO_CHOICE if shortcut == "none" else all_of([*merging, self._ask(block.gate, "residual.gate", start)])
            )

        def start(gate: str) -> Ways:
            return NO_CHOICE if gate in ("none", "zero_gamma") else self._ask(block.gate_init, "residual.gate_init")

        merging = [self._ask(getattr(block, name), f"residual.{name}") for name in ("merge", "drop_path")]
        parts = [self._ask(getattr(block, name), f"residual.{name}") for name in ("order", "stride_at", "act")]
        parts += [At("body", self._block(block.body, around)), self._ask(block.shortcut, "residual.shortcut", beside)]
        if isinstance(block.shortcut, Block):
            parts.append(At("shortcut", self._block(block.shortcut, around)))
        return all_of(parts)

    def _dense(self, block: Dense, around: Around) -> Ways:
        parts = [self._ask(block.growth, "dense.growth"), self._ask(block.order, "dense.order")]
        layers = self._counted(block.layers, "dense.layers", self._block(block.body, around), lambda i: f"layer.{i}")
        return all_of([*parts, self._width(block.residual, "dense.residual.width"), layers])

    def _repeat(self, block: Repeat, around: Around) -> Ways:
        return self._counted(block.count, "repeat", self._block(block.block, around))

    def _scope(self, block: Scope, around: Around) -> Ways:
        return all_of([self._width(block.width), self._block(block.block, around)])

    def _one_of(self, block: OneOf, around: Around) -> Ways:
        choice = self._recursion.branches(block, around.depths)
        return self._ask(choice, "one_of", lambda name: At(name, self._block(block.branches[name], around)))

    def _use(self, block: Use, around: Around) -> Ways:
        rule = self.grammar.rules[block.rule]
        depths = self._recursion.opened(rule, around.depths)
        if depths is None:
            return AnyOf([])  # nested too deep: there is no such way
        around = around._replace(depths=depths)
        if rule.tie == "none":
            return At(rule.name, self._block(rule.block, around))
        alone = rule.tie == "stage" and around.stage is not None
        place = f"stages.{around.stage}.blocks" if alone else "blocks"
        symbol = Symbol(f"{place}.{rule.name}{self._recursion.level(rule, depths)}", tied=True)
        if symbol not in self._tied:
            inside = self._block(rule.block, around if alone else around._replace(stage=None))
            self._tied[symbol] = inside
        return Shared(symbol)

    def _graph(self, block: Graph, around: Around) -> Ways:
        merge = self._ask(block.merge, "graph.merge")
        nodes = {name: At(name, self._block(node, around)) for name, node in block.nodes.items()}
        optional = [edge for edge in block.edges if edge.optional]
        maybe = [name for name, node in block.nodes.items() if may_be_absent(node, self.grammar.vars)]
        if not maybe and all(node.table == NO_CHOICE.table for node in nodes.values()):
            return all_of([merge, *(At(f"graph.{edge}", Open(Categorical((True, False)))) for edge in optional)])
        if len(optional) + len(maybe) > MAX_OPTIONAL_EDGES:
            message = f"{len(optional)} optional edges around nodes that hold decisions are too many to count"
            if maybe:
                message = (
                    f"{len(optional)} optional edges and {len(maybe)} nodes that may be none are too many to count"
                )
            raise SpaceError(
                [Problem("E032", "", message, block.place, f"at most {MAX_OPTIONAL_EDGES} can be counted")]
            )
        either = [*optional, *maybe]
        subsets = (dict(zip(either, taken, strict=True)) for taken in product((True, False), repeat=len(either)))
        return all_of([merge, AnyOf(self._subset(block, nodes, subset) for subset in subsets)])

    def _subset(self, block: Graph, nodes: Mapping[str, Ways], taken: Mapping[Any, bool]) -> Ways:
        """The ways with some of the optional edges and some of the nodes that may be `none`."""
        absent = {name for name, there in taken.items() if isinstance(name, str) and not there}
        alive = block.without((edge for edge in block.edges if taken.get(edge, True)), absent)
        edges = [At(f"graph.{edge}", Decided(value)) for edge, value in taken.items() if isinstance(edge, Edge)]
        maybe = [
            At(name, self._maybe(block.nodes[name], taken[name], name in alive)) for name in nodes if name in taken
        ]
        return all_of([*edges, *maybe, *(ways for name, ways in nodes.items() if name in alive and name not in taken)])

    def _maybe(self, node: Any, there: bool, alive: bool) -> Ways:
        """A node that may be `none`: its operation is asked in any case, all else if it is there and on a way."""
        words = [word for word in words_of(node.op, self.grammar.vars) if (word != "none") == there]
        if not words:
            return AnyOf([])
        parts = [self._width(node.width), self._ask(node.order, "order")] if alive else []

        def asked(word: str) -> Ways:
            if word not in words:
                return AnyOf([])
            return self._operation(node, word) if alive else NO_CHOICE

        return all_of([*parts, self._ask(node.op, "op", asked)])


_UNIT = ("norm", "act", "bias")
_ASKED = {"conv": _UNIT, "dwconv": _UNIT, "sepconv": _UNIT, "se": ("reduction", "act")}
"""What each kind of operation asks of its block, beside width and order."""

WAYS: dict[type[Block], Callable[[Outline, Any, Around], Ways]] = {
    OpBlock: Outline._op,
    Seq: Outline._seq,
    Residual: Outline._residual,
    Dense: Outline._dense,
    Repeat: Outline._repeat,
    Scope: Outline._scope,
    OneOf: Outline._one_of,
    Use: Outline._use,
    Graph: Outline._graph,
}
