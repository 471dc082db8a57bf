"""Blocks and rules: located values to the combinators of the grammar."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from ressearch.space.choices import Categorical, nearest
from ressearch.space.grammar import (
    OPERATIONS,
    WINDOWED,
    Block,
    Dense,
    Edge,
    Gate,
    Graph,
    Merge,
    OneOf,
    OpBlock,
    Order,
    Ratio,
    RatioOf,
    Repeat,
    Residual,
    Rule,
    Scope,
    Seq,
    Setting,
    Shortcut,
    StrideAt,
    Tie,
    Use,
    Var,
    Width,
)
from ressearch.space.reader import Parse, Reader, kind_of, number, positive, setting, string, truth, whole, word
from ressearch.space.source import Mapping, Sequence, Value, plain

SCOPED = ("width", "stride")
"""What may stand beside any block: what it is to make instead of what is around it."""

MAX_NESTING = 32
MAX_KERNEL = 31
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "silu", "gelu", "none")
KEYS: dict[str, tuple[str, ...]] = {
    "op": (
        "op", "kernel", "width", "stride", "groups", "group_width", "norm", "act", "bias", "order", "reduction",
    ),
    "seq": ("seq",),
    "residual": ("residual", "body"),
    "dense": ("dense", "body"),
    "repeat": ("repeat", "block"),
    "one_of": ("one_of",),
    "use": ("use",),
    "graph": ("graph",),
}  # fmt: skip
"""The keys of each kind of block."""

RESIDUAL_KEYS = (
    "shortcut", "merge", "order", "stride_at", "gate", "gate_init", "drop_path", "act", "transition",
)  # fmt: skip
DENSE_KEYS = ("layers", "growth", "residual", "order", "transition")
GRAPH_KEYS = ("nodes", "edges", "optional_edges", "merge")


def block(reader: Reader, value: Value, path: str) -> Block:
    """A block of any kind, with a width or stride of its own perhaps."""
    mapping = reader.mapping(value, path)
    kinds = [key for key in BLOCKS if key in mapping.entries]
    if len(kinds) != 1:
        found = f"has {' and '.join(kinds)}" if kinds else "has none of them"
        message = f"a block is exactly one of {', '.join(BLOCKS)}; this {found}"
        reader.refuse("E016", path, mapping.place, message)
    scoping = set(SCOPED) & set(mapping.entries)
    parse = _scope if scoping and kinds[0] != "op" else BLOCKS[kinds[0]]
    return parse(reader, mapping, path)


def nothing(value: Value) -> Seq:
    """Stands for what cannot be read, so that the mistakes around it are found as well; no network is made of it."""
    return Seq((), value.place)


def _scope(reader: Reader, value: Mapping, path: str) -> Scope:
    return Scope(
        block=block(reader, _without(value, set(SCOPED)), path),
        place=value.place,
        width=reader.optional(value, "width", path, width, None),
        stride=reader.optional(value, "stride", path, whole(), None),
    )


def _without(mapping: Mapping, keys: set[str]) -> Mapping:
    return replace(mapping, entries={key: item for key, item in mapping.entries.items() if key not in keys})


def _op(reader: Reader, value: Mapping, path: str) -> OpBlock:
    reader.fields(value, path, KEYS["op"])
    found = OpBlock(
        op=reader.optional(value, "op", path, setting(word(OPERATIONS, "E012", "an operation")), "identity"),
        place=value.place,
        width=reader.optional(value, "width", path, width, None),
        stride=reader.optional(value, "stride", path, whole(), None),
        kernel=reader.optional(value, "kernel", path, setting(whole(1, MAX_KERNEL)), None),
        groups=reader.optional(value, "groups", path, setting(whole()), 1),
        group_width=reader.optional(value, "group_width", path, setting(whole()), None),
        norm=reader.optional(value, "norm", path, setting(truth), True),
        act=reader.optional(value, "act", path, _activation, "relu"),
        bias=reader.optional(value, "bias", path, setting(truth), False),
        order=reader.optional(value, "order", path, _order, None),
        reduction=reader.optional(value, "reduction", path, setting(whole()), 16),
    )
    _check_op(reader, found, value, path)
    return found


def _check_op(reader: Reader, found: OpBlock, value: Mapping, path: str) -> None:
    words = [word for word in _words(reader, found.op) if word in OPERATIONS]
    sized = [word for word in words if OPERATIONS[word].kernel]
    bare = [word for word in words if word in WINDOWED]
    if "kernel" in value.entries and sized:
        message = f"{sized[0]!r} says its kernel itself"
        hint = f"write op: {OPERATIONS[sized[0]].kind}, or leave 'kernel' out"
        reader.report("E003", f"{path}.kernel", value.key_places["kernel"], message, hint)
    if "kernel" not in value.entries and bare:
        reader.report("E004", path, value.place, f"'kernel' is missing: {bare[0]!r} says none", "add kernel: 3")
    if found.group_width is not None and "groups" in value.entries:
        message = "'groups' and 'group_width' say the same thing"
        reader.report("E003", f"{path}.groups", value.key_places["groups"], message, "leave one of them out")


def _words(reader: Reader, op: Setting[str]) -> list[str]:
    """The words that a setting may take, a variable's too."""
    if isinstance(op, Var):
        literal = plain(reader.variables[op.name]) if op.name in reader.variables else []
        listed = literal.get("values", []) if isinstance(literal, dict) else literal
        return [str(word) for word in (listed if isinstance(listed, list) else [listed])]
    return [str(word) for word in (op.values if isinstance(op, Categorical) else [op])]


def _activation(reader: Reader, value: Value, path: str) -> Setting[str]:
    return setting(word(ACTIVATIONS, "E011", "an activation"))(reader, value, path)


def width(reader: Reader, value: Value, path: str) -> Width:
    """A width: channels, or relative to the width around the block or of the map which comes in."""
    if isinstance(value, Mapping) and "ratio" in value.entries:
        entries = reader.fields(value, path, ["ratio", "of"]).entries
        of = reader.optional(value, "of", path, word(RatioOf, "E011", "what a ratio is of"), "stage")
        return Ratio(setting(positive)(reader, entries["ratio"], f"{path}.ratio"), of)  # type: ignore[arg-type]
    return setting(whole())(reader, value, path)


def _seq(reader: Reader, value: Mapping, path: str) -> Seq:
    reader.fields(value, path, [*KEYS["seq"], *SCOPED])
    return _items(reader, value.entries["seq"], f"{path}.seq")


def _items(reader: Reader, value: Value, path: str) -> Seq:
    items = reader.sequence(value, path).items
    found = [reader.attempt(block, item, f"{path}.{i}") for i, item in enumerate(items)]
    return Seq(tuple(item for item in found if item is not None), value.place)


def _residual(reader: Reader, value: Mapping, path: str) -> Residual:
    reader.fields(value, path, [*KEYS["residual"], *SCOPED], ["body"])
    path_in = f"{path}.residual"
    options = reader.fields(value.entries["residual"], path_in, RESIDUAL_KEYS)
    return Residual(
        body=reader.optional(value, "body", path, _items, nothing(value)),
        place=value.place,
        shortcut=reader.optional(options, "shortcut", path_in, _shortcut, "identity"),
        merge=reader.optional(options, "merge", path_in, _merge, "add"),
        order=reader.optional(options, "order", path_in, _order, None),
        stride_at=reader.optional(options, "stride_at", path_in, setting(word(StrideAt, "E011", "a place")), None),
        gate=reader.optional(options, "gate", path_in, setting(word(Gate, "E011", "a gate")), "none"),
        gate_init=reader.optional(options, "gate_init", path_in, setting(number), None),
        drop_path=reader.optional(options, "drop_path", path_in, setting(_probability), 0.0),
        act=reader.optional(options, "act", path_in, _activation, "relu"),
        transition=reader.optional(options, "transition", path_in, truth, True),
    )


def _shortcut(reader: Reader, value: Value, path: str) -> Setting[str] | Block:
    if isinstance(value, Mapping) and set(BLOCKS) & set(value.entries):
        return block(reader, value, path)
    return setting(word(Shortcut, "E015", "a shortcut"))(reader, value, path)


def _order(reader: Reader, value: Value, path: str) -> Setting[str]:
    return setting(word(Order, "E011", "an order"))(reader, value, path)


def _merge(reader: Reader, value: Value, path: str) -> Setting[str]:
    return setting(word(Merge, "E011", "a merge"))(reader, value, path)


def _probability(reader: Reader, value: Value, path: str) -> float:
    found = number(reader, value, path)
    if not 0 <= found < 1:
        reader.refuse("E005", path, value.place, f"expected a probability from 0 to below 1, got {kind_of(value)}")
    return found


def _dense(reader: Reader, value: Mapping, path: str) -> Dense:
    reader.fields(value, path, [*KEYS["dense"], *SCOPED], ["body"])
    path_in = f"{path}.dense"
    options = reader.fields(value.entries["dense"], path_in, DENSE_KEYS, ["layers", "growth"])
    return Dense(
        body=reader.optional(value, "body", path, _items, nothing(value)),
        place=value.place,
        layers=reader.optional(options, "layers", path_in, setting(whole()), 1),
        growth=reader.optional(options, "growth", path_in, setting(whole()), 1),
        residual=reader.optional(options, "residual", path_in, width, None),
        order=reader.optional(options, "order", path_in, _order, "pre"),
        transition=reader.optional(options, "transition", path_in, truth, True),
    )


def _repeat(reader: Reader, value: Mapping, path: str) -> Repeat:
    reader.fields(value, path, [*KEYS["repeat"], *SCOPED], ["block"])
    count = reader.optional(value, "repeat", path, setting(whole()), 1)
    return Repeat(count, reader.optional(value, "block", path, block, nothing(value)), value.place)


def _one_of(reader: Reader, value: Mapping, path: str) -> OneOf:
    reader.fields(value, path, [*KEYS["one_of"], *SCOPED])
    return OneOf(_named_blocks(reader, value.entries["one_of"], f"{path}.one_of"), value.place)


def _named_blocks(reader: Reader, value: Value, path: str) -> dict[str, Block]:
    branches = reader.mapping(value, path)
    if not branches.entries:
        reader.refuse("E005", path, branches.place, "expected at least one named block")
    found = {}
    for name, item in branches.entries.items():
        _check_name(reader, branches, name, path)
        found[name] = reader.attempt(block, item, f"{path}.{name}") or nothing(item)
    return found


def _use(reader: Reader, value: Mapping, path: str) -> Use:
    reader.fields(value, path, [*KEYS["use"], *SCOPED])
    return Use(string(reader, value.entries["use"], f"{path}.use"), value.entries["use"].place)


# Free graphs


def _graph(reader: Reader, value: Mapping, path: str) -> Graph:
    reader.fields(value, path, [*KEYS["graph"], *SCOPED])
    path = f"{path}.graph"
    options = reader.fields(value.entries["graph"], path, GRAPH_KEYS, ["nodes"])
    nodes = reader.optional(options, "nodes", path, _nodes, {})
    edges = [
        *reader.optional(options, "edges", path, _edges(nodes, optional=False), ()),
        *reader.optional(options, "optional_edges", path, _edges(nodes, optional=True), ()),
    ]
    found = Graph(nodes, tuple(edges), value.place, reader.optional(options, "merge", path, _merge, "add"))
    listed = [reader.sequence(options.entries[key], f"{path}.{key}") for key in _EDGES if key in options.entries]
    if len(edges) == sum(len(sequence.items) for sequence in listed):  # a bad edge explains itself what it breaks
        _check_edges(reader, found, path)
    return found


_EDGES = ("edges", "optional_edges")


def _nodes(reader: Reader, value: Value, path: str) -> dict[str, Block]:
    nodes = _named_blocks(reader, value, path)
    for end in set(nodes) & {"in", "out"}:
        message = f"a node cannot be called {end!r}: the graph's own ends are"
        reader.report("E005", path, reader.mapping(value, path).key_places[end], message)
    return nodes


def _edges(nodes: Collection[str], optional: bool) -> Parse[tuple[Edge, ...]]:
    def parse(reader: Reader, value: Value, path: str) -> tuple[Edge, ...]:
        items = reader.sequence(value, path).items
        found = [reader.attempt(_edge(nodes, optional), item, f"{path}.{i}") for i, item in enumerate(items)]
        return tuple(edge for edge in found if edge is not None)

    return parse


def _edge(nodes: Collection[str], optional: bool) -> Parse[Edge]:
    def parse(reader: Reader, value: Value, path: str) -> Edge:
        items = value.items if isinstance(value, Sequence) else ()
        if len(items) != 2:
            found = "a list of another length" if items else kind_of(value)
            reader.refuse("E005", path, value.place, f"expected [from, to], got {found}")
        ends = [string(reader, item, f"{path}.{i}") for i, item in enumerate(items)]
        for i, (end, known) in enumerate(zip(ends, (["in", *nodes], [*nodes, "out"]), strict=True)):
            if end not in known:
                match = nearest(end, known)
                hint = f"did you mean {match!r}?" if match else "an edge goes from in or a node to a node or out"
                reader.refuse("E018", f"{path}.{i}", items[i].place, f"an edge cannot {_GO[i]} {end!r}", hint)
        return Edge(ends[0], ends[1], value.place, optional)

    return parse


_GO = ("come from", "go to")


def _check_edges(reader: Reader, found: Graph, path: str) -> None:
    seen: set[tuple[str, str]] = set()
    for edge in found.edges:
        if (edge.source, edge.target) in seen:
            reader.report("E018", path, edge.place, f"the edge {edge} stands here twice")
        seen.add((edge.source, edge.target))
    cycle = found.cycle
    if cycle:
        message = f"a cycle: {' -> '.join([*cycle, cycle[0]])}"
        place = next(edge.place for edge in found.edges if edge.source == cycle[-1] and edge.target == cycle[0])
        reader.refuse("E018", path, place, message, "a graph's edges must lead from in to out")
    for node in sorted(set(found.nodes) - found.on_a_way(found.edges)):
        place = found.nodes[node].place
        reader.report("E018", f"{path}.nodes.{node}", place, f"no way from in to out leads through {node!r}")


BLOCKS: dict[str, Callable[[Reader, Mapping, str], Block]] = {
    "op": _op,
    "seq": _seq,
    "residual": _residual,
    "dense": _dense,
    "repeat": _repeat,
    "one_of": _one_of,
    "use": _use,
    "graph": _graph,
}
"""Each kind of block by the key that makes it one."""


# Rules


def rules(reader: Reader, value: Value, path: str) -> dict[str, Rule]:
    """Named blocks."""
    found = {}
    mapping = reader.mapping(value, path)
    for name, item in mapping.entries.items():
        _check_name(reader, mapping, name, path)
        rule = reader.attempt(_rule(name), item, f"{path}.{name}")
        found[name] = rule or Rule(name, nothing(item), item.place)
    return found


def _check_name(reader: Reader, mapping: Mapping, name: str, path: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        place = mapping.key_places[name]
        reader.report("E005", path, place, f"a block's name starts with a letter and has no dots, got {name!r}")
    if name == "training":  # the one name that a torch module sets on itself
        reader.report("E005", path, mapping.key_places[name], "a block cannot be called 'training'")


def _rule(name: str) -> Parse[Rule]:
    def parse(reader: Reader, value: Value, path: str) -> Rule:
        mapping = reader.mapping(value, path)
        return Rule(
            name=name,
            block=block(reader, _without(mapping, {"max_depth", "tie"}), path),
            place=mapping.place,
            max_depth=reader.optional(mapping, "max_depth", path, whole(1, MAX_NESTING), None),
            tie=reader.optional(mapping, "tie", path, word(Tie, "E011", "a way to tie"), "none"),  # type: ignore[arg-type]
        )

    return parse
