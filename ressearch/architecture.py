"""`Architecture`: a residual network as a frozen, typed graph without weights.

It is a tuple of nodes in topological order, the image first and the class scores last. Everything else that is said
of a network (identity, cost, torch module, drawing, analysis) is computed from this and from nothing else. An
ill-typed architecture cannot exist: shapes, names and reachability are checked when one is built.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ressearch import identity
from ressearch.errors import ArchitectureError
from ressearch.ops import OPS, Add, Input, Op, Shape, describe, label_of, name_of, output_shape, settings_of

if TYPE_CHECKING:
    import networkx as nx

JSON_FORMAT = 1


class Node(NamedTuple):
    """One operation in its place; `inputs` are positions of earlier nodes, `name` is its address in the space."""

    name: str
    op: Op
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A checked graph of nodes in topological order: `nodes[0]` is the image, `nodes[-1]` the output.

    Raises ArchitectureError if an input does not precede its node, a shape does not fit, a name is used twice, there
    is not exactly one image, or a node reaches no output (`alive` drops such nodes).
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        _check_names(self.nodes)
        _check_order(self.nodes)
        _check_alive(self.nodes)
        _ = self.shapes

    @classmethod
    def typed(cls, nodes: tuple[Node, ...], shapes: Sequence[Shape]) -> Architecture:
        """The architecture of nodes as `alive` gives them, each typed by `output_shape` when it was added to the rest.

        What that settles is not checked again: order, shapes, and that every node reaches the output.
        """
        _check_names(nodes)
        architecture = object.__new__(cls)
        architecture.__dict__.update(nodes=nodes, shapes=tuple(shapes))
        return architecture

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The output shape of each node, without the batch dimension."""
        shapes: list[Shape] = []
        for node in self.nodes:
            try:
                shapes.append(output_shape(node.op, tuple([shapes[source] for source in node.inputs])))
            except ArchitectureError as error:
                raise ArchitectureError(f"{node.name}: {error.message}") from error
        return tuple(shapes)

    @cached_property
    def last_use(self) -> Mapping[int, int]:
        """Position of a node -> position of the last node that reads it; the output is not in it."""
        return {source: at for at, node in enumerate(self.nodes) for source in node.inputs}

    @cached_property
    def id(self) -> str:
        """Canonical identity, 16 hexadecimal digits; see `ressearch.identity`. Names do not enter it."""
        return identity.digest([(_word_of(n.op), type(n.op) is Add, n.inputs) for n in self.nodes])

    @cached_property
    def graph(self) -> nx.MultiDiGraph[int, dict[str, Any], dict[str, Any]]:
        """The same graph for networkx, frozen: nodes are positions with `name`, `op`, `shape`; edges have `place`."""
        import networkx as nx  # a third of the start-up time of a question to the store, and seldom used

        graph: nx.MultiDiGraph[int, dict[str, Any], dict[str, Any]] = nx.MultiDiGraph()
        for position, node in enumerate(self.nodes):
            graph.add_node(position, name=node.name, op=node.op, shape=self.shapes[position])
            graph.add_edges_from((source, position, {"place": k}) for k, source in enumerate(node.inputs))
        nx.freeze(graph)
        return graph

    @property
    def input_shape(self) -> Shape:
        """Shape of the image: (channels, height, width)."""
        return self.shapes[0]

    @property
    def output_shape(self) -> Shape:
        """Shape of the class scores: (classes,)."""
        return self.shapes[-1]

    def resized(self, height: int, width: int) -> Architecture:
        """The same graph for images of another size. Raises ArchitectureError if something does not fit there."""
        channels = self.input_shape[0]
        return Architecture((self.nodes[0]._replace(op=Input(channels, height, width)), *self.nodes[1:]))

    def to_json(self) -> str:
        """Compact JSON that `from_json` reads back to an equal architecture."""
        nodes = [_node_to_dict(node, self.nodes) for node in self.nodes]
        return json.dumps({"format": JSON_FORMAT, "nodes": nodes}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what `to_json` wrote. Raises ArchitectureError for anything else."""
        return cls(_nodes_from(_parsed(text)))

    def __len__(self) -> int:
        return len(self.nodes)

    def _repr_svg_(self) -> str:
        """What a notebook shows. Who draws is known to the top of the package; no room below it has to know."""
        import ressearch

        return ressearch.svg(self)

    def __str__(self) -> str:
        """One line per node: name, operation, output shape, and its inputs where it has others than the line above."""
        names = [node.name for node in self.nodes]
        phrases = [describe(node.op) for node in self.nodes]
        widths = max(map(len, names)), max(map(len, phrases))
        rows = zip(self.nodes, names, phrases, self.shapes, strict=True)
        lines = [
            f"{name:<{widths[0]}}  {phrase:<{widths[1]}}  {'x'.join(map(str, shape)):<11}{_origin(at, node, names)}"
            for at, (node, name, phrase, shape) in enumerate(rows)
        ]
        return "\n".join(line.rstrip() for line in lines)


@lru_cache(maxsize=65_536)
def _word_of(op: Op) -> bytes:
    """Remembered, since networks repeat a few ops."""
    return identity.word(label_of(op))


def alive(nodes: Sequence[Node], output: int) -> tuple[Node, ...]:
    """The nodes that reach `output`, renumbered, with `output` last: what `Architecture` accepts."""
    nodes = tuple(nodes[: output + 1])
    if len({source for node in nodes for source in node.inputs}) == output:
        return nodes  # all but the output are read: whoever follows the readers ends there
    reached = {output}
    for position in reversed(range(output + 1)):
        if position in reached:
            reached.update(nodes[position].inputs)
    kept = sorted(reached)
    renumbered = {old: new for new, old in enumerate(kept)}
    return tuple(
        Node(nodes[old].name, nodes[old].op, tuple(renumbered[source] for source in nodes[old].inputs)) for old in kept
    )


def _check_names(nodes: Sequence[Node]) -> None:
    seen: set[str] = set()
    if len({node.name for node in nodes if node.name}) == len(nodes):
        return
    for node in nodes:
        if not node.name or node.name in seen:
            raise ArchitectureError(f"node name {node.name!r} is {'used twice' if node.name else 'empty'}")
        seen.add(node.name)


def _check_order(nodes: Sequence[Node]) -> None:
    if not nodes or not isinstance(nodes[0].op, Input):
        raise ArchitectureError("the first node must be the image (an input)")
    for position, node in enumerate(nodes):
        if position and type(node.op) is Input:
            raise ArchitectureError(f"{node.name}: a second input; an architecture takes one image")
        for source in node.inputs:
            if not 0 <= source < position:
                raise ArchitectureError(f"{node.name}: inputs must be earlier nodes, got positions {node.inputs}")


def _check_alive(nodes: Sequence[Node]) -> None:
    used = {source for node in nodes for source in node.inputs} | {len(nodes) - 1}
    for position, node in enumerate(nodes):
        if position not in used:
            raise ArchitectureError(f"{node.name}: reaches no output", hint="drop it: build from alive(nodes, output)")


def _origin(position: int, node: Node, names: Sequence[str]) -> str:
    if node.inputs in ((), (position - 1,)):
        return ""
    return "  <- " + ", ".join(names[source] for source in node.inputs)


def _node_to_dict(node: Node, nodes: Sequence[Node]) -> dict[str, Any]:
    inputs = [nodes[source].name for source in node.inputs]
    return {"name": node.name, "op": name_of(node.op), **settings_of(node.op), "inputs": inputs}


def _parsed(text: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ArchitectureError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != JSON_FORMAT:
        raise ArchitectureError(f'not an architecture: expected an object with "format": {JSON_FORMAT}')
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ArchitectureError('not an architecture: expected a list of objects under "nodes"')
    return nodes


def _nodes_from(records: Iterable[Mapping[str, Any]]) -> tuple[Node, ...]:
    positions: dict[str, int] = {}
    nodes: list[Node] = []
    for record in records:
        node = _node_from(dict(record), positions)
        positions[node.name] = len(nodes)
        nodes.append(node)
    return tuple(nodes)


def _node_from(record: dict[str, Any], positions: Mapping[str, int]) -> Node:
    name, kind, inputs = record.pop("name", ""), record.pop("op", None), record.pop("inputs", [])
    if not isinstance(kind, str) or kind not in OPS:
        raise ArchitectureError(f"{name}: unknown op {kind!r}; use one of {', '.join(OPS)}")
    try:
        return Node(str(name), OPS[kind](**record), tuple(positions[source] for source in inputs))
    except KeyError as error:
        raise ArchitectureError(f"{name}: input {error} is no earlier node") from error
    except TypeError as error:
        raise ArchitectureError(f"{name}: wrong settings for {kind}: {error}") from error
