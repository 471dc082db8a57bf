"""A slow, obvious twin of `ressearch.network`: walks the nodes with a list and plain torch.nn.functional.

It shares no code with `network` but the weights, which it looks up by the nodes' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

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
    Slice,
)

Weights = Mapping[str, Tensor]


def forward(architecture: Architecture, weights: Weights, images: Tensor) -> Tensor:
    """Class scores at inference (norms use their running statistics)."""
    values: list[Tensor] = []
    for node in architecture.nodes:
        inputs = [values[source] for source in node.inputs] or [images]
        values.append(TWINS[type(node.op)](node.op, weights, node.name, inputs))
    return values[-1]


def conv(op: Conv, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    padding = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3}[op.kernel]
    bias = weights[f"{name}.bias"] if op.bias else None
    return F.conv2d(
        inputs[0], weights[f"{name}.weight"], bias, (op.stride, op.stride), (padding, padding), 1, op.groups
    )


def norm(op: Norm, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    mean, var, scale, shift = (
        weights[f"{name}.{part}"].reshape(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (inputs[0] - mean) / torch.sqrt(var + 1e-5) * scale + shift


def activation(op: Activation, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    x = inputs[0]
    if op.kind == "relu":
        return x * (x > 0)
    if op.kind == "silu":
        return x / (1 + torch.exp(-x))
    if op.kind == "gelu":
        return x * 0.5 * (1 + torch.erf(x / 2**0.5))
    if op.kind == "sigmoid":
        return 1 / (1 + torch.exp(-x))
    if op.kind == "relu6":
        return torch.minimum(x * (x > 0), torch.full_like(x, 6))
    return torch.where(x > 0, x, x / 5)


def pool(op: Pool, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    """A window slid over the padded map; an average is a sum by the count of what lies inside, from a map of ones."""
    x, margin = inputs[0], (op.kernel - 1) // 2
    if op.kind == "max":
        padded = F.pad(x, (margin,) * 4, value=float("-inf"))
        return padded.unfold(2, op.kernel, op.stride).unfold(3, op.kernel, op.stride).amax(dim=(4, 5))
    total, inside = (
        F.pad(t, (margin,) * 4).unfold(2, op.kernel, op.stride).unfold(3, op.kernel, op.stride).sum(dim=(4, 5))
        for t in (x, torch.ones_like(x))
    )
    return total / inside


def linear(op: Linear, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    return inputs[0] @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def pad(op: Pad, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    x = inputs[0][:, :, :: op.stride, :: op.stride]
    zeros = x.new_zeros(x.shape[0], op.width - x.shape[1], x.shape[2], x.shape[3])
    return torch.cat([x, zeros], dim=1)


def scale(op: Scale, weights: Weights, name: str, inputs: list[Tensor]) -> Tensor:
    if op.kind == "fixed":
        return inputs[0] * op.start
    return torch.einsum("nchw,c->nchw", inputs[0], weights[f"{name}.weight"].expand(inputs[0].shape[1]))


TWINS: dict[type[Op], Callable[[Any, Weights, str, list[Tensor]], Tensor]] = {
    Input: lambda op, weights, name, inputs: inputs[0],
    Conv: conv,
    Norm: norm,
    Activation: activation,
    Pool: pool,
    GlobalPool: lambda op, weights, name, inputs: inputs[0].flatten(2).mean(2),
    Linear: linear,
    Pad: pad,
    Scale: scale,
    DropPath: lambda op, weights, name, inputs: inputs[0],
    Slice: lambda op, weights, name, inputs: torch.narrow(inputs[0], 1, op.start, op.width),
    Multiply: lambda op, weights, name, inputs: torch.einsum("nchw,nc->nchw", *inputs),
    Add: lambda op, weights, name, inputs: torch.stack(inputs).sum(0),
    Concat: lambda op, weights, name, inputs: torch.cat(inputs, 1),
}
