"""`Architecture -> torch.nn.Module`, from the graph alone. Torch starts here.

The module's parameters carry the names of the graph's nodes (`stages.0.block.1.basic.body.0.conv.weight`), so that a
state dictionary can be read beside the architecture it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ressearch.architecture import Architecture, Node
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


class Network(nn.Module):
    """The trainable form of an architecture: images (N, C, H, W) to class scores (N, classes).

    Weights are drawn from torch's global generator: He-normal (fan-out) for convolutions, uniform for the linear
    layer as torch has it, scale 1 and shift 0 for norms, 0 where the op says so. Values are freed after their last use.

    segments: in how many parts a training pass is made; of more than one, only what passes between them is kept for
    the backward pass, which makes each part once more (Chen et al. 2016): less memory, the same numbers, a third more
    time.
    """

    def __init__(self, architecture: Architecture, segments: int = 1) -> None:
        super().__init__()
        self.architecture = architecture
        self._steps: list[tuple[Callable[..., Tensor], tuple[int, ...], tuple[int, ...]]] = []
        for position, node in enumerate(architecture.nodes[1:], start=1):
            shapes = [architecture.shapes[source] for source in node.inputs]
            layer = LAYERS[type(node.op)](node.op, shapes)
            if isinstance(layer, nn.Module):
                _attach(self, node.name, layer)
            dead = tuple(source for source in set(node.inputs) if architecture.last_use[source] == position)
            self._steps.append((layer, node.inputs, dead))
        self._segments = _segments(architecture, segments)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, classes) of a batch of images (N, C, H, W)."""
        values: dict[int, Tensor] = {0: images}
        if len(self._segments) == 1 or not self.training:
            self._run(values, 1, len(self._steps))
        else:
            for segment in self._segments:
                self._checkpointed(values, segment)
        return values[len(self._steps)]

    def traced(self, images: Tensor) -> Iterator[tuple[Node, Tensor]]:
        """Each node after the image with its value for a batch of images, one by one and in order; not in segments."""
        values: dict[int, Tensor] = {0: images}
        for position, node in enumerate(self.architecture.nodes[1:], start=1):
            self._run(values, position, position)
            yield node, values[position]

    def _run(self, values: dict[int, Tensor], first: int, last: int) -> None:
        """Make the values of the nodes from `first` to `last`, and drop those that nobody reads any more."""
        for position in range(first, last + 1):
            layer, inputs, dead = self._steps[position - 1]
            values[position] = layer(*[values[source] for source in inputs])
            for source in dead:
                del values[source]

    def _checkpointed(self, values: dict[int, Tensor], segment: _Segment) -> None:
        """The same for a segment, keeping of it only what others read."""

        def part(*inputs: Tensor) -> tuple[Tensor, ...]:
            inner = dict(zip(segment.reads, inputs, strict=True))
            self._run(inner, segment.first, segment.last)
            return tuple(inner[position] for position in segment.leaves)

        inputs = [values[source] for source in segment.reads]
        made = checkpoint(part, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _norms_kept(self)))
        values.update(zip(segment.leaves, made, strict=True))


class _Segment(NamedTuple):
    """Nodes `first` to `last`; which earlier values they read, and which of theirs are read later."""

    first: int
    last: int
    reads: tuple[int, ...]
    leaves: tuple[int, ...]


def _segments(architecture: Architecture, count: int) -> list[_Segment]:
    """All nodes but the image in `count` parts of about as many nodes each."""
    total, last_use = len(architecture) - 1, architecture.last_use
    bounds = [total * number // count for number in range(count + 1)]
    found = []
    for before, last in pairwise(bounds):
        inputs = {source for node in architecture.nodes[before + 1 : last + 1] for source in node.inputs}
        reads = sorted(source for source in inputs if source <= before)
        leaves = [made for made in range(before + 1, last + 1) if last_use.get(made, total + 1) > last]
        found.append(_Segment(before + 1, last, tuple(reads), tuple(leaves)))
    return found


@contextmanager
def _norms_kept(network: nn.Module) -> Iterator[None]:
    """Lets norms leave their running statistics as they are, since a first pass has updated them already."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches


def _attach(root: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer under its dotted name; past `add_module`, which refuses a block called `half` or `train`."""
    *scopes, last = name.split(".")
    modules = root._modules
    for scope in scopes:
        inner = modules.setdefault(scope, nn.Module())
        assert inner is not None
        modules = inner._modules
    modules[last] = layer


class _StridedPointwise(nn.Conv2d):
    """A 1x1 convolution with stride, as a 1x1 convolution of every `stride`-th pixel: the same numbers.

    oneDNN's backward pass of the strided form writes beyond its workspace for fewer than 16 input channels in
    channels-last memory (uxlfoundation/oneDNN issue 6035; seen with torch 2.13 on AVX-512: heap corruption).
    """

    def __init__(self, source: int, width: int, stride: int, groups: int, bias: bool) -> None:
        super().__init__(source, width, 1, groups=groups, bias=bias)
        self.every = stride

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, :: self.every, :: self.every])


def _conv(op: Conv, shapes: list[Shape]) -> nn.Module:
    source, padding = shapes[0][0], (op.kernel - 1) // 2
    layer: nn.Conv2d
    if op.kernel == 1 and op.stride > 1:
        layer = _StridedPointwise(source, op.width, op.stride, op.groups, op.bias)
    else:
        layer = nn.Conv2d(source, op.width, op.kernel, op.stride, padding, groups=op.groups, bias=op.bias)
    if op.zero:
        nn.init.zeros_(layer.weight)
    else:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _norm(op: Norm, shapes: list[Shape]) -> nn.Module:
    layer = nn.BatchNorm2d(shapes[0][0])
    if op.zero:
        nn.init.zeros_(layer.weight)
    return layer


def _activation(op: Activation, shapes: list[Shape]) -> Callable[[Tensor], Tensor]:
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": F.relu,
        "relu6": F.relu6,
        "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
        "silu": F.silu,
        "gelu": F.gelu,
        "sigmoid": torch.sigmoid,
    }
    return functions[op.kind]


def _pool(op: Pool, shapes: list[Shape]) -> nn.Module:
    padding = (op.kernel - 1) // 2
    if op.kind == "max":
        return nn.MaxPool2d(op.kernel, op.stride, padding)
    return nn.AvgPool2d(op.kernel, op.stride, padding, count_include_pad=False)


def _pad(op: Pad, shapes: list[Shape]) -> Callable[[Tensor], Tensor]:
    extra = op.width - shapes[0][0]
    return lambda x: F.pad(x[:, :, :: op.stride, :: op.stride], (0, 0, 0, 0, 0, extra))


class _LearnedScale(nn.Module):
    """Times one learned factor, or one per channel; a vector, so that weight decay leaves it alone."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), float(start)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.view(1, -1, 1, 1)


def _scale(op: Scale, shapes: list[Shape]) -> Callable[[Tensor], Tensor]:
    if op.kind == "fixed":
        return lambda x: x * op.start
    return _LearnedScale(shapes[0][0] if op.kind == "channel" else 1, op.start)


class _DropPath(nn.Module):
    """Zeros whole maps in training, drawn from torch's global generator."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep = 1 - rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * (x.new_empty(len(x), 1, 1, 1).bernoulli_(self.keep) / self.keep)


def _slice(op: Slice, shapes: list[Shape]) -> Callable[[Tensor], Tensor]:
    return lambda x: x[:, op.start : op.start + op.width]


def _add(op: Add, shapes: list[Shape]) -> Callable[..., Tensor]:
    return lambda first, *others: sum(others, first)


LAYERS: dict[type[Op], Callable[[Any, list[Shape]], Callable[..., Tensor]]] = {
    Input: lambda op, shapes: lambda images: images,
    Conv: _conv,
    Norm: _norm,
    Activation: _activation,
    Pool: _pool,
    GlobalPool: lambda op, shapes: lambda x: x.mean(dim=(2, 3)),
    Linear: lambda op, shapes: nn.Linear(shapes[0][0], op.width),
    Pad: _pad,
    Scale: _scale,
    DropPath: lambda op, shapes: _DropPath(op.rate),
    Slice: _slice,
    Multiply: lambda op, shapes: lambda x, factors: x * factors[:, :, None, None],
    Add: _add,
    Concat: lambda op, shapes: lambda *inputs: torch.cat(inputs, dim=1),
}
"""Per op: the layer (a module, or a function where there is nothing to learn) from its settings and input shapes."""
