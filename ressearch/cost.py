"""`Architecture -> Cost` by integer arithmetic on the graph alone; no torch.

One MAC is one multiply and one add of a convolution or linear layer, for one image at inference; normalisation,
activation, bias, scaling, addition and pooling count zero. A FLOP count is twice the MACs. The CIFAR literature
prints MACs and calls them FLOPs. Parameters are all learnable ones (scale and shift of a norm in, running statistics
out).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

from ressearch.architecture import Architecture
from ressearch.ops import (
    Activation,
    Add,
    Concat,
    Conv,
    DropPath,
    GlobalPool,
    Input,
    Linear,
    Multiply,
    Norm,
    Op,
    Pad,
    Pool,
    Scale,
    Shape,
    Slice,
)


@dataclass(frozen=True)
class Cost:
    """What arithmetic predicts of one network, for one image.

    macs: multiply-adds of convolution and linear layers. params: learnable numbers. activations: output elements of
    convolution and linear layers (the measure of Radosavovic et al. 2020). peak: the most elements that must be in
    memory at once while the nodes are evaluated in order, each value freed after its last use. depth: the number of
    convolution and linear layers on the longest path.
    """

    macs: int
    params: int
    activations: int
    peak: int
    depth: int

    @property
    def flops(self) -> int:
        """Floating point operations: two per MAC."""
        return 2 * self.macs


def cost_of(architecture: Architecture) -> Cost:
    """The cost of an architecture; exact integers."""
    macs, params, activations = map(sum, zip(*_per_node(architecture), strict=True))
    depth, peak = _depth_and_peak(architecture)
    return Cost(macs=macs, params=params, activations=activations, peak=peak, depth=depth)


def macs_of(architecture: Architecture) -> tuple[int, ...]:
    """The MACs of each node, in the order of the nodes."""
    return tuple(macs for macs, _, _ in _per_node(architecture))


def layer_costs_of(architecture: Architecture) -> tuple[tuple[int, int], ...]:
    """The MACs and the parameters of each node, in the order of the nodes."""
    return tuple((macs, params) for macs, params, _ in _per_node(architecture))


def _per_node(architecture: Architecture) -> list[tuple[int, int, int]]:
    shapes = architecture.shapes
    return [
        _node_cost(node.op, shapes[node.inputs[0]] if node.inputs else (), shape)
        for node, shape in zip(architecture.nodes, shapes, strict=True)
    ]


@lru_cache(maxsize=65_536)
def _node_cost(op: Op, source: Shape, target: Shape) -> tuple[int, int, int]:
    """Remembered, since a network repeats a few layers on a few shapes."""
    return COST_RULES[type(op)](op, source, target)


def _conv_cost(op: Conv, source: Shape, target: Shape) -> tuple[int, int, int]:
    weights = op.width * (source[0] // op.groups) * op.kernel**2
    return weights * target[1] * target[2], weights + op.width * op.bias, prod(target)


def _linear_cost(op: Linear, source: Shape, target: Shape) -> tuple[int, int, int]:
    return source[0] * op.width, source[0] * op.width + op.width, op.width


def _free(op: Op, source: Shape, target: Shape) -> tuple[int, int, int]:
    return 0, 0, 0


COST_RULES: dict[type[Op], Callable[[Any, Shape, Shape], tuple[int, int, int]]] = {
    Input: _free,
    Conv: _conv_cost,
    Norm: lambda op, source, target: (0, 2 * source[0], 0),
    Activation: _free,
    Pool: _free,
    GlobalPool: _free,
    Linear: _linear_cost,
    Pad: _free,
    Scale: lambda op, source, target: (0, {"scalar": 1, "channel": source[0], "fixed": 0}[op.kind], 0),
    DropPath: _free,
    Slice: _free,
    Multiply: _free,
    Add: _free,
    Concat: _free,
}
"""Per op: (MACs, parameters, activations) from its settings, the shape of its first input and its output shape."""


def _depth_and_peak(architecture: Architecture) -> tuple[int, int]:
    """Layers on the longest path, and the most elements held at once."""
    sizes = [prod(shape) for shape in architecture.shapes]
    last_use = dict(architecture.last_use)
    depths: list[int] = []
    held = peak = 0
    for at, (_, op, inputs) in enumerate(architecture.nodes):
        held += sizes[at]
        peak = held if held > peak else peak
        depth = 0
        for source in inputs:
            depth = depths[source] if depths[source] > depth else depth
            if last_use[source] == at:
                held -= sizes[source]
                last_use[source] = -1  # a node may read one value twice
        depths.append(depth + (type(op) in _LAYERS))
    return depths[-1], peak


_LAYERS = frozenset((Conv, Linear))
