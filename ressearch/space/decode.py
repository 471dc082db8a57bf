"""`decode`: a grammar and a chooser to one architecture.

Every block keeps one contract: from a map of any width it makes a map of the width around it (`Context.width`), its
resolution divided by `Context.stride`. Whatever in a block cannot do that by itself (an identity shortcut where the
stage changes shape, a pool, a concatenation) gets the cheapest part that can. So any block fits after any other.

`post` order is convolution, norm, activation; the activation at the end of a residual body moves behind the sum, and
where residuals end together only the outermost one has it (RoR, Zhang et al. 2017). `pre` order is norm, activation,
convolution, with nothing behind the sum; a value that is normalised and activated already, or for a second reader, is
not treated twice (He et al. 2016b share it between body and projection).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from ressearch.architecture import Architecture, Node, alive
from ressearch.errors import ArchitectureError, DecisionError, Problem, SpaceError
from ressearch.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    GlobalPool,
    Input,
    Linear,
    Norm,
    Op,
    Pad,
    Pool,
    Shape,
    output_shape,
)
from ressearch.space.choices import Categorical, Choice, Choose, Domain
from ressearch.space.grammar import (
    OPERATIONS,
    Block,
    Dense,
    Grammar,
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
)
from ressearch.space.rules import Depths, Recursion

MAX_NODES = 50_000
"""Of one network; ResNet-1202 has some 6,000. More is a mistake, and would fill the memory."""

Ref = int
"""Position of a node under construction."""


class Context(NamedTuple):
    """What surrounds a block: where it stands, and what shape and form it has to give.

    name: address of this very instance. path: address of its decisions, the same for tied instances.
    closed: whether a post-order block ends in its activation.
    """

    name: str
    path: str
    width: int
    stride: int = 1
    stage: int = 0
    order: str = "post"
    stride_at: str = "spatial"
    closed: bool = True
    depths: Depths = MappingProxyType({})

    def at(self, step: str, **changes: Any) -> Context:
        """The context of a part of this block."""
        return self._replace(name=f"{self.name}.{step}", path=f"{self.path}.{step}", **changes)


def decode(grammar: Grammar, choose: Choose) -> tuple[Architecture, dict[str, Any]]:
    """One architecture and the decisions that made it, in the order in which they were asked for.

    Raises SpaceError if the decisions build an ill-typed graph, and DecisionError if the chooser gives a value that
    is not permitted.
    """
    decoder = _Decoder(grammar, choose)
    return decoder.architecture(), decoder.decisions


class _Decoder:
    def __init__(self, grammar: Grammar, choose: Choose) -> None:
        self.grammar, self.choose = grammar, choose
        self.recursion = Recursion(grammar.rules)
        self.decisions: dict[str, Any] = {}
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self.preactivated: dict[tuple[Ref, bool, str], Ref] = {}

    def architecture(self) -> Architecture:
        stages = self.stages()
        x = self.add("input", Input(*self.grammar.input_shape))
        width = self.width(stages[0].width, 0, "stages.0")
        x = self.block(self.grammar.stem, x, Context("stem", "stem", width))
        for i, stage in enumerate(stages):
            x = self.stage(stage, i, x)
        return Architecture(alive(self.nodes, self.head(x)))

    def head(self, x: Ref) -> Ref:
        x = self.add("head.pool", GlobalPool(), self.activated(x, "head"))
        return self.add("head.linear", Linear(self.grammar.classes), x)

    # Decisions

    def resolve(self, setting: Any, path: str) -> Any:
        """The value of a setting: itself, or what is decided for it; asked for once per path."""
        if isinstance(setting, Var):
            setting, path = self.grammar.vars[setting.name], f"vars.{setting.name}"
        if not isinstance(setting, Domain):
            return setting
        if isinstance(setting, Categorical) and len(setting.values) == 1:
            return setting.values[0]
        if path not in self.decisions:
            self.decisions[path] = self.decided(Choice(path, setting))
        return self.decisions[path]

    def decided(self, choice: Choice) -> Any:
        value = self.choose(choice)
        if value not in choice.domain:
            raise DecisionError(f"{choice.path} cannot be {value!r}", hint=f"choose one of: {choice.domain}")
        return value

    def width(self, width: Width, around: int, path: str) -> int:
        if isinstance(width, Ratio):
            ratio: float = self.resolve(width.ratio, f"{path}.width.ratio")
            return max(1, round(around * ratio))
        found: int = self.resolve(width, f"{path}.width")
        return found

    # Stages

    def stages(self) -> tuple[Stage, ...]:
        stages = self.grammar.stages
        if isinstance(stages, tuple):
            return stages
        count = self.resolve(stages.count, "stages.repeat")
        start = self.resolve(stages.start, "stages.width.start")
        factor = self.resolve(stages.factor, "stages.width.factor")
        widths = [max(1, round(start * factor**i)) for i in range(count)]
        return tuple(Stage(width, stages.block, 2 if i else 1, stages.depth) for i, width in enumerate(widths))

    def stage(self, stage: Stage, number: int, x: Ref) -> Ref:
        where = f"stages.{number}"
        width = self.width(stage.width, self.shapes[x][0], where)
        context = Context(f"{where}.block", f"{where}.block", width, stage.stride, number)
        return self.copies(stage.block, self.resolve(stage.depth, f"{where}.depth"), x, context)

    def copies(self, block: Block, count: int, x: Ref, context: Context) -> Ref:
        for i in range(count):
            stride, closed = (1 if i else context.stride), (context.closed or i < count - 1)
            x = self.block(block, x, context.at(str(i), stride=stride, closed=closed))
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
            shared = f"stages.{context.stage}" if rule.tie == "stage" else "blocks"
            inner = inner._replace(path=f"{shared}.{rule.name}{level}")
        return self.block(rule.block, x, inner)

    def one_of(self, block: OneOf, x: Ref, context: Context) -> Ref:
        depths = context.depths
        open_to = tuple(name for name, branch in block.branches.items() if self.recursion.fits(branch, depths))
        name = self.resolve(Categorical(open_to), f"{context.path}.one_of")
        return self.block(block.branches[name], x, context.at(name))

    def scope(self, block: Scope, x: Ref, context: Context) -> Ref:
        width = context.width if block.width is None else self.relative_width(block.width, x, context)
        return self.block(block.block, x, context._replace(width=width, stride=block.stride or context.stride))

    def repeat(self, block: Repeat, x: Ref, context: Context) -> Ref:
        return self.copies(block.block, self.resolve(block.count, f"{context.path}.repeat"), x, context)

    def seq(self, block: Seq, x: Ref, context: Context) -> Ref:
        carrier = self.carrier(block.items, context.stride_at)
        if context.stride > 1 and carrier is None:
            x = self.subsampled(x, context.stride, f"{context.name}.pool")
        last = len(block.items) - 1
        for i, item in enumerate(block.items):
            stride, closed = (context.stride if i == carrier else 1), (context.closed or i < last)
            x = self.block(item, x, context.at(str(i), stride=stride, closed=closed))
        return x

    def carrier(self, items: tuple[Block, ...], stride_at: str) -> int | None:
        """The item that carries the stride of a sequence, if one can."""
        able = [i for i, item in enumerate(items) if not (isinstance(item, OpBlock | Scope) and item.stride)]
        spatial = [i for i in able if stride_at == "spatial" and self.is_spatial(items[i])]
        return next(iter(spatial or able), None)

    def is_spatial(self, block: Block) -> bool:
        if not isinstance(block, OpBlock):
            return True
        op = self.grammar.vars[block.op.name] if isinstance(block.op, Var) else block.op
        words = op.values if isinstance(op, Categorical) else (op,)
        return any(OPERATIONS[str(word)].kernel > 1 for word in words)

    def residual(self, block: Residual, x: Ref, context: Context) -> Ref:
        path = f"{context.path}.residual"
        kind = self.resolve(block.shortcut, f"{path}.shortcut")
        order = self.resolve(block.order, f"{path}.order") or context.order
        stride_at = self.resolve(block.stride_at, f"{path}.stride_at") or context.stride_at
        inner = context.at("body", order=order, stride_at=stride_at, closed=False)
        y = self.seq(block.body, x, inner)
        if kind == "identity" and self.shapes[y] != self.contract(x, context):
            message = (
                f"an identity shortcut between different shapes: the body ends in {_shown(self.shapes[y])}, "
                f"the stage asks for {_shown(self.contract(x, context))}"
            )
            self.refuse(block, context, message, "end the body in the stage's width, or use shortcut: projection")
        if kind != "none":
            y = self.add(f"{context.name}.add", Add(), y, self.shortcut(kind, x, self.shapes[y], order, context))
        return y if order == "pre" or not context.closed else self.add(f"{context.name}.act", Activation(), y)

    def shortcut(self, kind: str, x: Ref, target: Shape, order: str, context: Context) -> Ref:
        same, narrower = self.shapes[x] == target, self.shapes[x][0] > target[0]
        if same and kind != "projection":
            return x
        stride = -(-self.shapes[x][1] // target[1])
        name = f"{context.name}.shortcut"
        if kind == "pad" and not narrower:
            return self.add(f"{name}.pad", Pad(target[0], stride), x)
        if order == "pre":
            return self.add(f"{name}.conv", Conv(target[0], 1, stride), self.activated(x, name))
        return self.add(f"{name}.norm", Norm(), self.add(f"{name}.conv", Conv(target[0], 1, stride), x))

    def dense(self, block: Dense, x: Ref, context: Context) -> Ref:
        path = f"{context.path}.dense"
        layers, growth = self.resolve(block.layers, f"{path}.layers"), self.resolve(block.growth, f"{path}.growth")
        order = self.resolve(block.order, f"{path}.order")
        if context.stride > 1:
            x = self.subsampled(x, context.stride, f"{context.name}.pool")
        features = [x]
        for i in range(layers):
            seen = self.joined(features, f"{context.name}.layer.{i}.concat")
            inner = context.at(f"layer.{i}", width=growth, stride=1, order=order, closed=True)
            features.append(self.seq(block.body, seen, inner))
        y = self.joined(features, f"{context.name}.concat")
        if not block.transition:
            return y
        return self.fitted(y, context._replace(name=f"{context.name}.transition", order=order))

    def op(self, block: OpBlock, x: Ref, context: Context) -> Ref:
        operation = OPERATIONS[self.resolve(block.op, f"{context.path}.op")]
        width = context.width if block.width is None else self.relative_width(block.width, x, context)
        groups = self.resolve(block.groups, f"{context.path}.groups")
        order = self.resolve(block.order, f"{context.path}.order") or context.order
        here = context._replace(width=width, stride=block.stride or context.stride, order=order)
        return _OPERATION[operation.kind](self, block, operation.kernel, groups, x, here)

    def relative_width(self, width: Width, x: Ref, context: Context) -> int:
        around = self.shapes[x][0] if isinstance(width, Ratio) and width.of == "input" else context.width
        return self.width(width, around, context.path)

    # Operations

    def convolved(self, block: OpBlock, kernel: int, groups: int, x: Ref, context: Context) -> Ref:
        return self.unit(x, [Conv(context.width, kernel, context.stride, groups)], context, block.norm, block.act)

    def depthwise(self, block: OpBlock, kernel: int, groups: int, x: Ref, context: Context) -> Ref:
        x = self.fitted(x, context._replace(name=f"{context.name}.fit", closed=True))
        conv = Conv(context.width, kernel, context.stride, context.width)
        return self.unit(x, [conv], context, block.norm, block.act)

    def separable(self, block: OpBlock, kernel: int, groups: int, x: Ref, context: Context) -> Ref:
        channels = self.shapes[x][0]
        convs = [Conv(channels, kernel, context.stride, channels), Conv(context.width, 1)]
        return self.unit(x, convs, context, block.norm, block.act)

    def pooled(self, kind: Any) -> Callable[[OpBlock, int, int, Ref, Context], Ref]:
        def emit(block: OpBlock, kernel: int, groups: int, x: Ref, context: Context) -> Ref:
            if kernel % 2 == 0 and context.stride == 1:
                hint = f"write stride: {kernel}, or use an odd window"
                self.refuse(block, context, f"an even pool keeps no map's size: {kernel}x{kernel} at stride 1", hint)
            x = self.fitted(x, context._replace(name=f"{context.name}.fit"))
            return self.add(f"{context.name}.{kind}pool", Pool(kind, kernel, context.stride), x)

        return emit

    def unchanged(self, block: OpBlock, kernel: int, groups: int, x: Ref, context: Context) -> Ref:
        if context.stride > 1:
            x = self.subsampled(x, context.stride, f"{context.name}.pool")
        return self.fitted(x, context._replace(name=f"{context.name}.fit"))

    # Parts

    def unit(self, x: Ref, convs: list[Conv], context: Context, norm: bool = True, act: str = "relu") -> Ref:
        """Convolutions with one norm and one activation, placed as the order says."""
        pre, name = context.order == "pre", context.name
        x = self.activated(x, name, norm, act) if pre else x
        for i, conv in enumerate(convs):
            x = self.add(f"{name}.conv{i}" if len(convs) > 1 else f"{name}.conv", conv, x)
        x = self.add(f"{name}.norm", Norm(), x) if norm and not pre else x
        ends_in_act = act != "none" and not pre and context.closed
        return self.add(f"{name}.act", Activation(act), x) if ends_in_act else x  # type: ignore[arg-type]

    def fitted(self, x: Ref, context: Context) -> Ref:
        """The value at the context's width: itself, or through a 1x1 convolution."""
        return x if self.shapes[x][0] == context.width else self.unit(x, [Conv(context.width, 1)], context)

    def activated(self, x: Ref, name: str, norm: bool = True, act: str = "relu") -> Ref:
        """The value normalised and activated, once for all who ask; itself where it comes from an activation."""
        op = self.nodes[x].op
        if isinstance(op, Activation):
            return x
        key = (x, norm, act)
        if key not in self.preactivated:
            y = self.add(f"{name}.norm", Norm(), x) if norm and not isinstance(op, Norm) else x
            y = self.add(f"{name}.act", Activation(act), y) if act != "none" else y  # type: ignore[arg-type]
            self.preactivated[key] = y
        return self.preactivated[key]

    def subsampled(self, x: Ref, stride: int, name: str) -> Ref:
        """The value averaged down; the window is odd, so that any size gives what a strided convolution gives."""
        return self.add(name, Pool("avg", 2 * stride - 1, stride), x)

    def joined(self, features: list[Ref], name: str) -> Ref:
        return features[0] if len(features) == 1 else self.add(name, Concat(), *features)

    def contract(self, x: Ref, context: Context) -> Shape:
        _, height, width = self.shapes[x]
        return context.width, -(-height // context.stride), -(-width // context.stride)

    def add(self, name: str, op: Op, *inputs: Ref) -> Ref:
        if len(self.nodes) >= MAX_NODES:
            message, hint = f"a network of more than {MAX_NODES:,} nodes", "lower the depths, repeats or max_depth"
            raise SpaceError([Problem("E032", name, message, self.grammar.place, hint)])
        self.shapes.append(output_shape(op, [self.shapes[source] for source in inputs]))
        self.nodes.append(Node(name, op, inputs))
        return len(self.nodes) - 1

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
}

_OPERATION: dict[str, Callable[[_Decoder, OpBlock, int, int, Ref, Context], Ref]] = {
    "conv": _Decoder.convolved,
    "dwconv": _Decoder.depthwise,
    "sepconv": _Decoder.separable,
    "maxpool": lambda decoder, *rest: decoder.pooled("max")(*rest),
    "avgpool": lambda decoder, *rest: decoder.pooled("avg")(*rest),
    "identity": _Decoder.unchanged,
}
