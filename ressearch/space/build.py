"""A graph under construction, and the parts that every block is made of: units, fits, merges, gates.

`post` order is convolution, norm, activation. `pre` order is norm, activation, convolution; a value that is normalised
and activated already, or for a second reader, is not treated twice (He et al. 2016b share it between body and
projection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from ressearch.architecture import Architecture, Node, alive
from ressearch.errors import Place, Problem, SpaceError
from ressearch.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    DropPath,
    GlobalPool,
    Linear,
    Multiply,
    Norm,
    Op,
    Pad,
    Pool,
    Scale,
    Shape,
    output_shape,
)

MAX_NODES = 50_000
"""Of one network; ResNet-1202 has some 6,000. More is a mistake, and would fill the memory."""

GATE_START = {"scalar": 0.0, "layer_scale": 1e-6, "fixed": 0.2}
"""Where gates start unless said: ReZero and SkipInit at 0, LayerScale as in ConvNeXt, the fixed one as in ESRGAN."""

Ref = int
"""Position of a node under construction."""


def too_deep(place: Place) -> SpaceError:
    """What to raise where blocks are nested deeper than Python can follow."""
    return SpaceError([Problem("E032", "", "blocks nested too deep to follow", place, "lower max_depth")])


@lru_cache(maxsize=65_536)
def made(kind: Callable[..., Op], *settings: Any) -> Op:
    """An op, checked once for all networks that have it."""
    return kind(*settings)


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
    depths: Mapping[str, int] = MappingProxyType({})

    def at(
        self,
        step: str,
        *,
        width: int | None = None,
        stride: int | None = None,
        order: str | None = None,
        stride_at: str | None = None,
        closed: bool | None = None,
        depths: Mapping[str, int] | None = None,
    ) -> Context:
        """The context of a part of this block; in one go, since nothing is asked for more often."""
        name = f"{self.name}.{step}"
        return Context(
            name,
            name if self.path is self.name else f"{self.path}.{step}",  # they differ within ties only
            self.width if width is None else width,
            self.stride if stride is None else stride,
            self.stage,
            self.order if order is None else order,
            self.stride_at if stride_at is None else stride_at,
            self.closed if closed is None else closed,
            self.depths if depths is None else depths,
        )

    def item(self, number: int, stride: int, closed: bool) -> Context:
        """The context of one block of several in a row."""
        name = f"{self.name}.{number}"
        path = name if self.path is self.name else f"{self.path}.{number}"
        return Context(name, path, self.width, stride, self.stage, self.order, self.stride_at, closed, self.depths)


class Builder:
    """Nodes under construction; `place` is where the file begins, for messages."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self.preactivated: dict[tuple[Ref, bool, str], Ref] = {}
        self.drop_paths: list[Ref] = []

    def add(self, name: str, op: Op, *inputs: Ref) -> Ref:
        """One more node. Raises ArchitectureError if the shapes of its inputs do not fit."""
        if len(self.nodes) >= MAX_NODES:
            message, hint = f"a network of more than {MAX_NODES:,} nodes", "lower the depths, repeats or max_depth"
            raise SpaceError([Problem("E032", name, message, self.place, hint)])
        shapes = self.shapes
        sources = (shapes[inputs[0]],) if len(inputs) == 1 else tuple([shapes[source] for source in inputs])
        shapes.append(output_shape(op, sources))
        self.nodes.append(Node(name, op, inputs))
        return len(self.nodes) - 1

    def finished(self, output: Ref) -> Architecture:
        """The network that ends in `output`; what does not lead there is left out."""
        for number, at in enumerate(self.drop_paths, start=1):
            node = self.nodes[at]
            share = number / len(self.drop_paths)  # linear decay (Huang et al. 2016): early branches drop less
            self.nodes[at] = node._replace(op=DropPath(node.op.rate * share))  # type: ignore[attr-defined]
        nodes = alive(self.nodes, output)
        return Architecture.typed(nodes, self.shapes) if len(nodes) == len(self.nodes) else Architecture(nodes)

    # Units: convolutions with one norm and one activation

    def unit(self, x: Ref, convs: Sequence[Op], context: Context, norm: bool = True, act: str = "relu") -> Ref:
        """Convolutions with one norm and one activation, placed as the order says."""
        pre, name = context.order == "pre", context.name
        x = self.activated(x, name, norm, act) if pre else x
        for i, conv in enumerate(convs):
            x = self.add(f"{name}.conv{i}" if len(convs) > 1 else f"{name}.conv", conv, x)
        x = self.add(f"{name}.norm", made(Norm), x) if norm and not pre else x
        return x if pre or not context.closed else self.behind(act, x, name)

    def behind(self, act: str, x: Ref, name: str) -> Ref:
        """The value with an activation behind it, or as it is for `none`."""
        return x if act == "none" else self.add(f"{name}.act", made(Activation, act), x)

    def activated(self, x: Ref, name: str, norm: bool = True, act: str = "relu") -> Ref:
        """The value normalised and activated, once for all who ask; itself where it comes from an activation."""
        op = self.nodes[x].op
        if isinstance(op, Activation):
            return x
        key = (x, norm, act)
        if key not in self.preactivated:
            y = self.add(f"{name}.norm", made(Norm), x) if norm and not isinstance(op, Norm) else x
            self.preactivated[key] = self.behind(act, y, name)
        return self.preactivated[key]

    # Fits: the cheapest part that gives a value the shape that is asked for

    def fitted(self, x: Ref, context: Context) -> Ref:
        """The value at the context's width: itself, or through a 1x1 convolution."""
        return x if self.shapes[x][0] == context.width else self.unit(x, [made(Conv, context.width, 1)], context)

    def subsampled(self, x: Ref, stride: int, name: str) -> Ref:
        """The value averaged down; the window is odd, so that any size gives what a strided convolution gives."""
        return x if stride == 1 else self.add(f"{name}.pool", Pool("avg", 2 * stride - 1, stride), x)

    def projected(self, x: Ref, target: Shape, order: str, name: str) -> Ref:
        """The value through a 1x1 convolution that gives it the target's shape."""
        conv = made(Conv, target[0], 1, self.step(x, target))
        if order == "pre":
            return self.add(f"{name}.conv", conv, self.activated(x, name))
        return self.add(f"{name}.norm", Norm(), self.add(f"{name}.conv", conv, x))

    def step(self, x: Ref, target: Shape) -> int:
        """The stride from a value to a target's resolution; the larger counts, since a side of one pixel tells none."""
        _, height, width = self.shapes[x]
        return max(-(-height // target[1]), -(-width // target[2]))

    def padded(self, x: Ref, target: Shape, name: str) -> Ref:
        """The value subsampled and filled with zeros to the target's shape."""
        return self.add(f"{name}.pad", Pad(target[0], self.step(x, target)), x)

    # Merges and gates

    def merged(self, kind: str, values: Sequence[Ref], name: str) -> Ref:
        """Several values as one: their sum, their mean, or side by side; a single value as it is."""
        if len(values) == 1:
            return values[0]
        if kind == "concat":
            return self.add(f"{name}.concat", made(Concat), *values)
        total = self.add(f"{name}.add", made(Add), *values)
        return self.add(f"{name}.mean", Scale("fixed", 1 / len(values)), total) if kind == "mean" else total

    def gated(self, kind: str, start: float | None, x: Ref, own: bool, name: str) -> Ref:
        """The value behind a gate that starts at (nearly) nothing (not `none`); `own`: nobody else reads the value.

        `zero_gamma` is the scale of the last norm; where a branch ends in a convolution (pre order) it is that one's
        weights, and where it ends in neither a norm is put behind it.
        """
        if kind != "zero_gamma":
            start = GATE_START[kind] if start is None else float(start)
            gate = {"scalar": "scalar", "layer_scale": "channel", "fixed": "fixed"}[kind]
            return self.add(f"{name}.gate", Scale(gate, start), x)  # type: ignore[arg-type]
        last = self.before_excitation(x)
        op = self.nodes[last].op
        if not own or not isinstance(op, Norm | Conv):
            return self.add(f"{name}.gate", Norm(zero=True), x)
        self.nodes[last] = self.nodes[last]._replace(op=replace(op, zero=True))
        return x

    def before_excitation(self, x: Ref) -> Ref:
        """The value that squeeze-and-excitation weighs, if nobody else reads it; where that is 0, so is the product."""
        if not isinstance(self.nodes[x].op, Multiply):
            return x
        weighed = self.nodes[x].inputs[0]
        readers = [type(node.op) for node in self.nodes[weighed + 1 :] if weighed in node.inputs]
        return weighed if readers == [GlobalPool, Multiply] else x

    def dropped(self, rate: float, x: Ref, name: str) -> Ref:
        """The value under stochastic depth; the rate is that of the network's last such branch."""
        if rate == 0:
            return x
        self.drop_paths.append(self.add(f"{name}.drop_path", DropPath(float(rate)), x))
        return self.drop_paths[-1]

    def excited(self, x: Ref, hidden: int, act: str, name: str) -> Ref:
        """Squeeze-and-excitation (Hu et al. 2018): each channel times a factor computed from all channels' means."""
        width = self.shapes[x][0]
        squeezed = self.add(f"{name}.reduce", Linear(hidden), self.add(f"{name}.squeeze", GlobalPool(), x))
        expanded = self.add(f"{name}.expand", Linear(width), self.behind(act, squeezed, name))
        return self.add(f"{name}.excite", Multiply(), x, self.behind("sigmoid", expanded, f"{name}.gate"))
