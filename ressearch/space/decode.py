"""`decode`: a grammar and a chooser to one architecture.

Every block keeps one contract: from a map of any width it makes a map of the width around it (`Context.width`), its
resolution divided by `Context.stride`. Whatever in a block cannot do that by itself (an identity shortcut where the
stage changes shape, a pool, a concatenation) gets the cheapest part that can. So any block fits after any other.

In `post` order the activation at the end of a residual body moves behind the sum, and where residuals end together
only the outermost one has it (RoR, Zhang et al. 2017). In `pre` order nothing stands behind the sum.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from ressearch.architecture import Architecture
from ressearch.errors import ArchitectureError, DecisionError, Problem, SpaceError
from ressearch.ops import Add, Conv, GlobalPool, Input, Linear, Norm, Pool, Shape, Slice
from ressearch.space.build import Builder, Context, Ref, made, too_deep
from ressearch.space.choices import Categorical, Choice, Choose, Domain, Integer, Real
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
    Use,
    Var,
    Width,
    may_be_absent,
    meant,
    words_of,
)
from ressearch.space.rules import Recursion
from ressearch.trial import Recipe

YES_NO = Categorical((True, False))
_OPEN = frozenset((Var, Categorical, Integer, Real))


def decode(
    grammar: Grammar, choose: Choose, recursion: Recursion | None = None
) -> tuple[Architecture, dict[str, Any], Recipe]:
    """One architecture, the decisions that made it in the order in which they were asked for, and its recipe.

    Raises SpaceError if the decisions build an ill-typed graph, and DecisionError if the chooser gives a value that
    is not permitted. `recursion` is of this grammar; who decodes often keeps one.
    """
    decoder = _Decoder(grammar, choose, recursion or Recursion(grammar.rules))
    try:
        return decoder.architecture(), decoder.decisions, decoder.recipe()
    except RecursionError:
        raise too_deep(grammar.place) from None


class _Decoder(Builder):
    def __init__(self, grammar: Grammar, choose: Choose, recursion: Recursion) -> None:
        super().__init__(grammar.place)
        self.grammar, self.choose, self.recursion = grammar, choose, recursion
        self.decisions: dict[str, Any] = {}

    def architecture(self) -> Architecture:
        stages = self.stages()
        x = self.add("input", Input(*self.grammar.input_shape))
        width = self.width(stages[0].width, 0, "stages.0")
        x = self.block(self.grammar.stem, x, Context("stem", "stem", width))
        for i, stage in enumerate(stages):
            x = self.stage(stage, i, x)
        return self.finished(self.head(x))

    def recipe(self) -> Recipe:
        chosen = {name: self.resolve(s, "parameters", name) for name, s in self.grammar.parameters.items()}
        return replace(self.grammar.recipe, **chosen) if chosen else self.grammar.recipe

    def head(self, x: Ref) -> Ref:
        if self.grammar.head is None:
            x = self.activated(x, "head")
        else:
            x = self.block(self.grammar.head, x, Context("head.block", "head", self.shapes[x][0]))
        x = self.add("head.pool", GlobalPool(), x)
        return self.add("head.linear", Linear(self.grammar.classes), x)

    # Decisions

    def resolve(self, setting: Any, path: str, step: str) -> Any:
        """The value of a setting: itself, or what is decided for it; asked for once per path."""
        if setting.__class__ not in _OPEN:  # most settings are literals
            return setting
        address = f"{path}.{step}"
        if isinstance(setting, Var):
            setting, address = self.grammar.vars[setting.name], f"vars.{setting.name}"
        if not isinstance(setting, Domain):
            return setting
        if isinstance(setting, Categorical) and len(setting.values) == 1:
            return setting.values[0]
        if address not in self.decisions:
            address = sys.intern(address)  # of thousands of networks that are remembered, each has it once
            self.decisions[address] = self.decided(Choice(address, setting))
        return self.decisions[address]

    def decided(self, choice: Choice) -> Any:
        value = self.choose(choice)
        if value not in choice.domain:
            raise DecisionError(f"{choice.path} cannot be {value!r}", hint=f"choose one of: {choice.domain}")
        return value

    def width(self, width: Width, around: int, path: str) -> int:
        if isinstance(width, Ratio):
            ratio: float = self.resolve(width.ratio, path, "width.ratio")
            return max(1, round(around * ratio))
        found: int = self.resolve(width, path, "width")
        return found

    # Stages

    def stages(self) -> tuple[Stage, ...]:
        stages = self.grammar.stages
        if isinstance(stages, tuple):
            return stages
        count = self.resolve(stages.count, "stages", "repeat")
        start = self.resolve(stages.start, "stages", "width.start")
        factor = self.resolve(stages.factor, "stages", "width.factor")
        widths = [max(1, round(start * factor**i)) for i in range(count)]
        return tuple(Stage(width, stages.block, 2 if i else 1, stages.depth) for i, width in enumerate(widths))

    def stage(self, stage: Stage, number: int, x: Ref) -> Ref:
        where = f"stages.{number}"
        width = self.width(stage.width, self.shapes[x][0], where)
        name = f"{where}.block"
        context = Context(name, name, width, stage.stride, number)
        return self.copies(stage.block, self.resolve(stage.depth, where, "depth"), x, context)

    def copies(self, block: Block, count: int, x: Ref, context: Context) -> Ref:
        for i in range(count):
            stride, closed = (1 if i else context.stride), (context.closed or i < count - 1)
            x = self.block(block, x, context.item(i, stride, closed))
        return x

    # Blocks

    def block(self, block: Block, x: Ref, context: Context) -> Ref:
        try:
            return EMIT[type(block)](self, block, x, context)
        except ArchitectureError as error:
            self.refuse(block, context, error.message)

    def use(self, block: Use, x: Ref, context: Context) -> Ref:
        rule = self.grammar.rules[block.rule]
        depths = self.recursion.opened(rule, context.depths)
        if depths is None:
            self.refuse(block, context, f"{rule.name!r} is nested deeper than its max_depth, {rule.max_depth}")
        inner = context.at(rule.name, depths=depths)
        if rule.tie != "none":
            level = self.recursion.level(rule, depths)
            alone = rule.tie == "stage" and not context.path.startswith(
                "blocks."
            )  # inside a network's tie all is shared
            shared = f"stages.{context.stage}.blocks" if alone else "blocks"
            inner = inner._replace(path=f"{shared}.{rule.name}{level}")
        return self.block(rule.block, x, inner)

    def one_of(self, block: OneOf, x: Ref, context: Context) -> Ref:
        name = self.resolve(self.recursion.branches(block, context.depths), context.path, "one_of")
        return self.block(block.branches[name], x, context.at(name))

    def scope(self, block: Scope, x: Ref, context: Context) -> Ref:
        width = context.width if block.width is None else self.relative_width(block.width, x, context)
        return self.block(block.block, x, context._replace(width=width, stride=block.stride or context.stride))

    def repeat(self, block: Repeat, x: Ref, context: Context) -> Ref:
        return self.copies(block.block, self.resolve(block.count, context.path, "repeat"), x, context)

    def seq(self, block: Seq, x: Ref, context: Context) -> Ref:
        carrier = None
        if context.stride > 1:
            carrier = self.carrier(block.items, context.stride_at)
            x = x if carrier is not None else self.subsampled(x, context.stride, context.name)
        last = len(block.items) - 1
        if not context.closed:
            last = self.last_unit(block.items)
        for i, item in enumerate(block.items):
            stride, closed = (context.stride if i == carrier else 1), (context.closed or i < last)
            x = self.block(item, x, context.item(i, stride, closed))
        return x

    def last_unit(self, items: tuple[Block, ...]) -> int:
        """The item of a body that ends without its activation: what squeeze-and-excitation follows, if that is last."""
        last = len(items) - 1
        while last and isinstance(items[last], OpBlock) and set(self.words(items[last])) <= {"se", "identity"}:
            last -= 1
        return last

    def carrier(self, items: tuple[Block, ...], stride_at: str) -> int | None:
        """The item that carries the stride of a sequence, if one can."""
        able = [i for i, item in enumerate(items) if not (isinstance(item, OpBlock | Scope) and item.stride)]
        spatial = [i for i in able if stride_at == "spatial" and self.is_spatial(items[i])]
        return next(iter(spatial or able), None)

    def is_spatial(self, block: Block) -> bool:
        if not isinstance(block, OpBlock):
            return True
        kernels = self.alternatives(block.kernel)
        return any(
            OPERATIONS[word].kind in WINDOWED and (OPERATIONS[word].kernel or kernels) not in (1, [1])
            for word in self.words(block)
        )

    def words(self, block: Any) -> list[str]:
        """The words that an operation may turn out to be."""
        return list(words_of(block.op, self.grammar.vars))

    def alternatives(self, setting: Any) -> list[Any]:
        """The values that a setting may take; of numbers between bounds these bounds."""
        if setting.__class__ not in _OPEN:
            return [setting]
        setting = meant(setting, self.grammar.vars)
        if isinstance(setting, Categorical):
            return list(setting.values)
        return [setting.low, setting.high] if isinstance(setting, Integer | Real) else [setting]

    def residual(self, block: Residual, x: Ref, context: Context) -> Ref:
        shortcut = self.resolve(block.shortcut, context.path, "residual.shortcut")
        order = self.resolve(block.order, context.path, "residual.order") or context.order
        stride_at = self.resolve(block.stride_at, context.path, "residual.stride_at") or context.stride_at
        act = self.resolve(block.act, context.path, "residual.act")
        y = self.seq(block.body, x, context.at("body", order=order, stride_at=stride_at, closed=False))
        if shortcut != "none":
            y = self.joined(block, shortcut, order, x, y, context)
        return y if order == "pre" or not context.closed else self.behind(act, y, context.name)

    def joined(self, block: Residual, shortcut: str | Block, order: str, x: Ref, y: Ref, context: Context) -> Ref:
        """Body and shortcut as one value; what stands on the shortcut has the body's order."""
        merge = self.resolve(block.merge, context.path, "residual.merge")
        y = self.branch(block, x, y, context)
        z = self.shortcut(block, shortcut, order, merge, x, self.shapes[y], context)
        y = self.merged(merge, [y, z], context.name)
        if merge != "concat" or not block.transition:
            return y
        return self.fitted(y, context.at("transition", order=order, closed=False))

    def branch(self, block: Residual, x: Ref, y: Ref, context: Context) -> Ref:
        """The end of a body that began at `x`, behind its gate and under stochastic depth."""
        gate = self.resolve(block.gate, context.path, "residual.gate")
        if gate != "none":
            starts = gate != "zero_gamma"
            start = self.resolve(block.gate_init, context.path, "residual.gate_init") if starts else None
            y = self.gated(gate, start, y, own=y != x and y == len(self.nodes) - 1, name=context.name)
        return self.dropped(self.resolve(block.drop_path, context.path, "residual.drop_path"), y, context.name)

    def shortcut(
        self, block: Residual, shortcut: str | Block, order: str, merge: str, x: Ref, target: Shape, context: Context
    ) -> Ref:
        """What the body of a residual is merged with: the word's cheapest part, or a block."""
        if isinstance(shortcut, Block):
            step = self.step(x, target)
            return self.block(
                shortcut, x, context.at("shortcut", width=target[0], stride=step, order=order, closed=False)
            )
        beside = merge == "concat"  # then the widths may differ
        if shortcut == "identity" and not beside and target != self.contract(x, context):
            self.refuse_identity(block, x, target, context)
        same = self.shapes[x][1:] == target[1:] if beside else self.shapes[x] == target
        if same and shortcut != "projection":
            return x
        if shortcut == "pad" and self.shapes[x][0] <= target[0]:
            return self.padded(x, target, f"{context.name}.shortcut")
        return self.projected(x, target, order, f"{context.name}.shortcut")

    def dense(self, block: Dense, x: Ref, context: Context) -> Ref:
        layers, growth = (
            self.resolve(block.layers, context.path, "dense.layers"),
            self.resolve(block.growth, context.path, "dense.growth"),
        )
        here = context._replace(order=self.resolve(block.order, context.path, "dense.order"), closed=True)
        y = (self.dense_path if block.residual is None else self.dual_path)(block, layers, growth, x, here)
        if not block.transition:
            return y
        return self.fitted(y, here._replace(name=f"{context.name}.transition", closed=context.closed))

    def dense_path(self, block: Dense, layers: int, growth: int, x: Ref, context: Context) -> Ref:
        features = [self.subsampled(x, context.stride, context.name)]
        for i in range(layers):
            seen = self.merged("concat", features, f"{context.name}.layer.{i}")
            features.append(self.seq(block.body, seen, context.at(f"layer.{i}", width=growth, stride=1)))
        return self.merged("concat", features, context.name)

    def dual_path(self, block: Dense, layers: int, growth: int, x: Ref, context: Context) -> Ref:
        """A running sum beside a growing concatenation; both begin as one projection of the input."""
        name = context.name
        assert block.residual is not None
        width = self.relative_width(block.residual, x, context._replace(path=f"{context.path}.dense.residual"))
        start = self.behind("relu", self.add(f"{name}.start.norm", Norm(), x), f"{name}.start")
        start = self.add(f"{name}.start.conv", Conv(width + 2 * growth, 1, context.stride), start)
        total = self.add(f"{name}.start.sum", Slice(width), start)
        features = [self.add(f"{name}.start.features", Slice(2 * growth, width), start)]
        for i in range(layers):
            inner = context.at(f"layer.{i}", width=width + growth, stride=1 if i else context.stride)
            seen = self.merged("concat", [total, *features], inner.name) if i else x
            y = self.seq(block.body, seen, inner)
            if self.shapes[y][0] != width + growth:
                message = (
                    f"a dual path's layer makes residual + growth = {width + growth} channels, not {self.shapes[y][0]}"
                )
                self.refuse(block, inner, message, "leave out the last operation's width")
            total = self.add(f"{inner.name}.add", Add(), total, self.add(f"{inner.name}.sum", Slice(width), y))
            features.append(self.add(f"{inner.name}.features", Slice(growth, width), y))
        return self.merged("concat", [total, *features], name)

    def graph(self, block: Graph, x: Ref, context: Context) -> Ref:
        merge = self.resolve(block.merge, context.path, "graph.merge")
        edges = [e for e in block.edges if not e.optional or self.resolve(YES_NO, context.path, f"graph.{e}")]
        values = {"in": self.subsampled(x, context.stride, f"{context.name}.in")}
        fits: dict[str, Ref] = {}
        alive = self.alive(block, edges, context)
        for node in (*(node for node in block.order if node in alive), "out"):
            sources = [edge.source for edge in edges if edge.target == node and edge.source in values] or ["in"]
            if len(sources) > 1 or node == "out":  # values of several widths do not add up
                for source in sources:
                    if source not in fits:
                        fits[source] = self.fitted(values[source], context.at(f"{source}.out", closed=True))
                name = f"{context.name}.{node}" if node == "out" else f"{context.name}.{node}.in"
                values[node] = self.merged(merge, [fits[source] for source in sources], name)
            else:
                values[node] = values[sources[0]]
            if node != "out":
                values[node] = self.block(block.nodes[node], values[node], context.at(node, stride=1, closed=True))
        return self.fitted(values["out"], context.at("out.fit"))

    def alive(self, block: Graph, edges: list[Edge], context: Context) -> set[str]:
        """The nodes on a way from `in` to `out`; those that are `none` are on no way."""
        maybe = {name: node for name, node in block.nodes.items() if may_be_absent(node, self.grammar.vars)}
        asked = {name: self.resolve(node.op, f"{context.path}.{name}", "op") for name, node in maybe.items()}
        absent = sorted(name for name, word in asked.items() if word == "none")
        alive = block.without(edges, absent)
        if not alive and block.on_a_way(edges):
            message = f"nothing reaches the output of this graph without {', '.join(absent)}"
            raise SpaceError([Problem("E020", context.name, message, block.place, "choose another operation for one")])
        return alive

    def op(self, block: OpBlock, x: Ref, context: Context) -> Ref:
        operation = OPERATIONS[self.resolve(block.op, context.path, "op")]
        kernel = operation.kernel
        if kernel is None and operation.kind in WINDOWED:
            kernel = self.resolve(block.kernel, context.path, "kernel")
        width = context.width if block.width is None else self.relative_width(block.width, x, context)
        order = self.resolve(block.order, context.path, "order") or context.order
        if width != context.width or block.stride is not None or order != context.order:
            context = context._replace(width=width, stride=block.stride or context.stride, order=order)
        if kernel is not None and kernel % 2 == 0 and context.stride == 1:
            hint = f"write stride: {kernel}, or use an odd window"
            self.refuse(block, context, f"an even window keeps no map's size: {kernel}x{kernel} at stride 1", hint)
        return _OPERATION[operation.kind](self, block, kernel or 1, x, context)

    def relative_width(self, width: Width, x: Ref, context: Context) -> int:
        around = self.shapes[x][0] if isinstance(width, Ratio) and width.of == "input" else context.width
        return self.width(width, around, context.path)

    # Operations

    def convolved(self, block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
        return self.convolutions(block, [(context.width, kernel, self.groups(block, context))], x, context)

    def depthwise(self, block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
        x = self.fitted(x, context._replace(name=f"{context.name}.fit", closed=True))
        return self.convolutions(block, [(context.width, kernel, context.width)], x, context)

    def separable(self, block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
        channels = self.shapes[x][0]
        return self.convolutions(block, [(channels, kernel, channels), (context.width, 1, 1)], x, context)

    def convolutions(self, block: OpBlock, shapes: list[tuple[int, int, int]], x: Ref, context: Context) -> Ref:
        """A unit of convolutions (width, kernel, groups), the first with the stride."""
        norm = self.resolve(block.norm, context.path, "norm")
        act = self.resolve(block.act, context.path, "act")
        bias = self.resolve(block.bias, context.path, "bias")
        strides = (context.stride, 1)
        convs = [made(Conv, w, k, s, g, bias) for (w, k, g), s in zip(shapes, strides, strict=False)]
        return self.unit(x, convs, context, norm, act)

    def groups(self, block: OpBlock, context: Context) -> int:
        if block.group_width is None:
            groups: int = self.resolve(block.groups, context.path, "groups")
            return groups
        group_width: int = self.resolve(block.group_width, context.path, "group_width")
        if context.width % group_width:
            self.refuse(block, context, f"group_width {group_width} does not divide the width {context.width}")
        return context.width // group_width

    def pooled(self, kind: Any) -> Callable[[OpBlock, int, Ref, Context], Ref]:
        def emit(block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
            x = self.fitted(x, context._replace(name=f"{context.name}.fit"))
            return self.add(f"{context.name}.{kind}pool", Pool(kind, kernel, context.stride), x)

        return emit

    def squeezed(self, block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
        x = self.unchanged(block, kernel, x, context)
        reduction = self.resolve(block.reduction, context.path, "reduction")
        act = self.resolve(block.act, context.path, "act")
        return self.excited(x, max(1, self.shapes[x][0] // reduction), act, context.name)

    def unchanged(self, block: OpBlock, kernel: int, x: Ref, context: Context) -> Ref:
        x = self.subsampled(x, context.stride, context.name)
        return self.fitted(x, context._replace(name=f"{context.name}.fit"))

    # Refusals

    def contract(self, x: Ref, context: Context) -> Shape:
        _, height, width = self.shapes[x]
        return context.width, -(-height // context.stride), -(-width // context.stride)

    def refuse_identity(self, block: Residual, x: Ref, target: Shape, context: Context) -> NoReturn:
        message = (
            f"an identity shortcut between different shapes: the body ends in {_shown(target)}, "
            f"the stage asks for {_shown(self.contract(x, context))}"
        )
        self.refuse(block, context, message, "end the body in the stage's width, or use shortcut: projection")

    def refuse(self, block: Block, context: Context, message: str, hint: str | None = None) -> NoReturn:
        raise SpaceError([Problem("E017", context.name, message, block.place, hint)])


def _shown(shape: Shape) -> str:
    return "x".join(map(str, shape))


EMIT: dict[type[Block], Callable[[_Decoder, Any, Ref, Context], Ref]] = {
    OpBlock: _Decoder.op,
    Seq: _Decoder.seq,
    Residual: _Decoder.residual,
    Dense: _Decoder.dense,
    Repeat: _Decoder.repeat,
    Scope: _Decoder.scope,
    OneOf: _Decoder.one_of,
    Use: _Decoder.use,
    Graph: _Decoder.graph,
}

_OPERATION: dict[str, Callable[[_Decoder, OpBlock, int, Ref, Context], Ref]] = {
    "conv": _Decoder.convolved,
    "dwconv": _Decoder.depthwise,
    "sepconv": _Decoder.separable,
    "maxpool": lambda decoder, *rest: decoder.pooled("max")(*rest),
    "avgpool": lambda decoder, *rest: decoder.pooled("avg")(*rest),
    "se": _Decoder.squeezed,
    "identity": _Decoder.unchanged,
}
