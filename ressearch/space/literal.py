"""One network of a space as a space of its own: every choice made, every named block written out where it stands.

The network is decoded once more, and each block that is decoded says what it would be as a literal. Copies that have
become alike stay one block with a depth. A dense block is written once for all its layers, so one whose layers were
decided differently cannot be a literal; then, and wherever the literal would build another network, the file holds the
space as it was, and names the network as its only baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from ressearch.errors import ArchitectureError, DecisionError, SpaceError
from ressearch.space.build import Context, Ref
from ressearch.space.choices import Decisions, as_stored
from ressearch.space.decode import YES_NO, _Decoder
from ressearch.space.grammar import (
    OPERATIONS,
    WINDOWED,
    Baseline,
    Block,
    Dense,
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
)
from ressearch.space.rules import Recursion
from ressearch.space.schema import standard_rules
from ressearch.space.space import SearchSpace
from ressearch.space.writer import to_yaml


def literal(space: SearchSpace, decisions: Decisions, name: str) -> SearchSpace:
    """The space that holds the network of these decisions alone, under a name.

    Raises DecisionError if they are not of the space.
    """
    grammar, wanted = space.grammar, space.decode_stored(decisions).architecture.id
    decoder = _Literal(grammar, as_stored(decisions), Recursion(grammar.rules))
    decoder.architecture()
    recipe = decoder.recipe()
    written = replace(
        grammar,
        name=name,
        stem=decoder.frames[0][0],
        stages=tuple(decoder.written),
        head=decoder.frames[0][1] if grammar.head is not None else None,
        rules=standard_rules(),
        vars={},
        baselines=(),
        limits={},
        parameters={},
        recipe=recipe,
        early_terminate=None,
        search={},
    )
    found = _parsed(written)
    if found is not None and _builds(found, wanted):
        return found
    return SearchSpace.parse(to_yaml(_named(grammar, decisions, name)))


def _parsed(grammar: Grammar) -> SearchSpace | None:
    try:
        return SearchSpace.parse(to_yaml(grammar))
    except (SpaceError, ArchitectureError):
        return None


def _builds(space: SearchSpace, wanted: str) -> bool:
    try:
        return space.size() == 1 and space.decode_stored({}).architecture.id == wanted
    except (DecisionError, SpaceError):
        return False


def _named(grammar: Grammar, decisions: Mapping[str, Any], name: str) -> Grammar:
    """The space as it is, with the network as its only baseline."""
    return replace(grammar, name=name, baselines=(Baseline("network", dict(decisions), grammar.place),))


class _Literal(_Decoder):
    """frames: the literals of the blocks decoded so far, of each block that is being decoded; written: the stages."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.frames: list[list[Block]] = [[]]
        self.written: list[Stage] = []

    def block(self, block: Block, x: Ref, context: Context) -> Ref:
        self.frames.append([])
        y = super().block(block, x, context)
        inner = self.frames.pop()
        self.frames[-1].append(LITERALS[type(block)](self, block, inner, context))
        return y

    def stage(self, stage: Stage, number: int, x: Ref) -> Ref:
        self.frames.append([])
        y = super().stage(stage, number, x)
        inner = self.frames.pop()
        width = self.width(stage.width, self.shapes[x][0], f"stages.{number}")
        if all(block == inner[0] for block in inner):
            self.written.append(Stage(width, inner[0], stage.stride, len(inner)))
        else:
            self.written.append(Stage(width, _row(inner, stage.stride, self.place), stage.stride, 1))
        return y

    def settled(self, block: Any, context: Context, step: str, *names: str) -> dict[str, Any]:
        """Settings of a block by name, as they were decided; step: what stands before a name in the address.

        What nobody asked for, since it does not matter here, takes its default.
        """
        usual = {one.name: one.default for one in fields(block)}
        found = {}
        for name in names:
            setting = getattr(block, name)
            try:
                found[name] = self.resolve(setting, context.path, f"{step}{name}")
            except DecisionError:
                found[name] = usual[name]
        return found

    def settled_width(self, width: Any, path: str) -> Any:
        """The width as it was decided, or none where nobody asked."""
        try:
            if isinstance(width, Ratio):
                return Ratio(self.resolve(width.ratio, path, "width.ratio"), width.of)
            return None if width is None else self.resolve(width, path, "width")
        except DecisionError:
            return None


def _row(blocks: list[Block], stride: int, place: Any) -> Seq:
    """Blocks one after another of which the first carries the stride, as copies have it."""
    others = blocks[1:] if stride == 1 else [_at_stride_1(block) for block in blocks[1:]]
    return Seq((blocks[0], *others), place)


def _at_stride_1(block: Block) -> Block:
    if isinstance(block, OpBlock | Scope):
        return block if block.stride else replace(block, stride=1)
    return Scope(block, block.place, None, 1)


def _op(decoder: _Literal, block: OpBlock, inner: list[Block], context: Context) -> Block:
    names = [one.name for one in fields(block) if one.name not in ("place", "width", "stride")]
    settled = decoder.settled(block, context, "", *names)
    if OPERATIONS[settled["op"]].kind not in WINDOWED or OPERATIONS[settled["op"]].kernel:
        settled["kernel"] = None
    return replace(block, width=decoder.settled_width(block.width, context.path), **settled)


def _residual(decoder: _Literal, block: Residual, inner: list[Block], context: Context) -> Block:
    """Its items come first, then its shortcut, if that is a block."""
    count = len(block.body.items)
    shortcut = inner[count] if isinstance(block.shortcut, Block) else None
    names = ("order", "stride_at", "merge", "gate", "gate_init", "drop_path", "act")
    settled = decoder.settled(block, context, "residual.", *names)
    word = shortcut or decoder.resolve(block.shortcut, context.path, "residual.shortcut")
    return replace(block, body=Seq(tuple(inner[:count]), block.body.place), shortcut=word, **settled)


def _dense(decoder: _Literal, block: Dense, inner: list[Block], context: Context) -> Block:
    """One body for all layers; where they differ the first stands for all, and the caller finds another network."""
    settled = decoder.settled(block, context, "dense.", "layers", "growth", "order")
    residual = decoder.settled_width(block.residual, f"{context.path}.dense.residual")
    body = Seq(tuple(inner[: len(block.body.items)]), block.body.place)
    return replace(block, body=body, residual=residual, **settled)


def _repeat(decoder: _Literal, block: Repeat, inner: list[Block], context: Context) -> Block:
    if all(one == inner[0] for one in inner):
        return inner[0] if len(inner) == 1 else replace(block, count=len(inner), block=inner[0])
    return _row(inner, context.stride, block.place)


def _graph(decoder: _Literal, block: Graph, inner: list[Block], context: Context) -> Block:
    """The nodes that were built, and the edges between them."""
    edges = [e for e in block.edges if not e.optional or decoder.resolve(YES_NO, context.path, f"graph.{e}")]
    alive = decoder.alive(block, edges, context)
    built = dict(zip([node for node in block.order if node in alive], inner, strict=True))
    kept = [e for e in edges if e.source in (*built, "in") and e.target in (*built, "out")]
    nodes = {name: built[name] for name in block.nodes if name in built}
    merge = decoder.resolve(block.merge, context.path, "graph.merge")
    return Graph(nodes, tuple(replace(edge, optional=False) for edge in kept), block.place, merge)


def _scope(decoder: _Literal, block: Scope, inner: list[Block], context: Context) -> Block:
    width = decoder.settled_width(block.width, context.path)
    return Scope(inner[0], block.place, width, block.stride)


LITERALS: dict[type[Block], Callable[[_Literal, Any, list[Block], Context], Block]] = {
    OpBlock: _op,
    Seq: lambda decoder, block, inner, context: Seq(tuple(inner), block.place),
    Residual: _residual,
    Dense: _dense,
    Repeat: _repeat,
    OneOf: lambda decoder, block, inner, context: inner[0],
    Use: lambda decoder, block, inner, context: inner[0],
    Graph: _graph,
    Scope: _scope,
}
"""Each kind of block with its choices made, from the literals of the blocks in it."""
