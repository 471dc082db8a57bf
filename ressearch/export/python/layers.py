"""Each op as a person writes it in torch: what is made in `__init__`, and what `forward` says.

A table with one row per op. `fixed` is what two ops must share to be written alike, `slots` are the numbers in which
they may differ: a slot has a role, by which a parameter is called, and a kind, since only numbers of a kind are
compared. `made` and `said` get the slots' texts: numbers, or names of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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

Kind = Literal["channels", "stride", "count", "number"]
Slot = tuple[str, Kind, int | float]
"""Role, kind and value."""


@dataclass(frozen=True)
class Layer:
    """How an op is written.

    attribute: what its attribute is called, or empty if it needs none. made: the value of the attribute. zero: what
    starts at 0, beside it. said: the expression in `forward`, of the attribute, the slots and the inputs. unit: a
    letter by which runs of ops are told that one line may hold. binds: whether the expression must be put in
    parentheses before something is called on it. parameters: our names in a state dictionary -> theirs, after the dot.
    """

    said: Callable[[Any, str, Sequence[str], Sequence[str]], str]
    fixed: Callable[[Any], Any] = lambda op: ()
    slots: Callable[[Any, Sequence[Shape]], list[Slot]] = lambda op, shapes: []
    attribute: Callable[[Any], str] = lambda op: ""
    made: Callable[[Any, Sequence[str]], str] = lambda op, slots: ""
    unit: str = "F"
    binds: bool = False
    parameters: Callable[[Any], dict[str, str]] = lambda op: {}


def _called(op: Op, attribute: str, slots: Sequence[str], inputs: Sequence[str]) -> str:
    return f"self.{attribute}({inputs[0]})"


def _same_names(*names: str) -> dict[str, str]:
    return {name: f".{name}" for name in names}


def _conv_slots(op: Conv, shapes: Sequence[Shape]) -> list[Slot]:
    groups: list[Slot] = [("groups", "channels", op.groups)] if op.groups > 1 else []
    return [("in", "channels", shapes[0][0]), ("out", "channels", op.width), ("stride", "stride", op.stride), *groups]


def _conv_made(op: Conv, slots: Sequence[str]) -> str:
    settings = [slots[0], slots[1], str(op.kernel)]
    settings += [f"stride={slots[2]}"] if slots[2] != "1" else []
    settings += [f"groups={slots[3]}"] if op.groups > 1 else []
    return f"conv({', '.join([*settings, *(['bias=True'] if op.bias else [])])})"


ACTIVATIONS = {
    "relu": "F.relu({})",
    "relu6": "F.relu6({})",
    "leaky_relu": "F.leaky_relu({}, 0.2)",
    "silu": "F.silu({})",
    "gelu": "F.gelu({})",
    "sigmoid": "torch.sigmoid({})",
}


def _pool_said(op: Pool, attribute: str, slots: Sequence[str], inputs: Sequence[str]) -> str:
    padding = (op.kernel - 1) // 2
    settings = f"{inputs[0]}, {op.kernel}, stride={op.stride}" + (f", padding={padding}" if padding else "")
    if op.kind == "max":
        return f"F.max_pool2d({settings})"
    return f"F.avg_pool2d({settings}{', count_include_pad=False' if padding else ''})"


def _pad_said(op: Pad, attribute: str, slots: Sequence[str], inputs: Sequence[str]) -> str:
    extra, stride = slots
    x = inputs[0] if stride == "1" else f"{inputs[0]}[:, :, ::{stride}, ::{stride}]"
    return x if extra == "0" else f"F.pad({x}, (0, 0, 0, 0, 0, {extra}))"


def _scale_slots(op: Scale, shapes: Sequence[Shape]) -> list[Slot]:
    width: list[Slot] = [("out", "channels", shapes[0][0])] if op.kind == "channel" else []
    return [("scale", "number", op.start), *width]


def _scale_made(op: Scale, slots: Sequence[str]) -> str:
    return f"nn.Parameter(torch.full(({slots[1] if op.kind == 'channel' else 1},), {slots[0]}))"


def _scale_said(op: Scale, attribute: str, slots: Sequence[str], inputs: Sequence[str]) -> str:
    return f"{inputs[0]} * {slots[0] if op.kind == 'fixed' else f'self.{attribute}.view(1, -1, 1, 1)'}"


def _slice_said(op: Slice, attribute: str, slots: Sequence[str], inputs: Sequence[str]) -> str:
    return f"{inputs[0]}[:, {op.start or ''}:{op.start + op.width}]"


LAYERS: dict[type[Op], Layer] = {
    Input: Layer(said=lambda op, attribute, slots, inputs: "x"),
    Conv: Layer(
        said=_called,
        fixed=lambda op: (op.kernel, op.bias, op.zero, op.groups > 1),
        slots=_conv_slots,
        attribute=lambda op: "conv",
        made=_conv_made,
        unit="H",
        parameters=lambda op: _same_names("weight", *(["bias"] if op.bias else [])),
    ),
    Norm: Layer(
        said=_called,
        fixed=lambda op: op.zero,
        slots=lambda op, shapes: [("in", "channels", shapes[0][0])],
        attribute=lambda op: "norm",
        made=lambda op, slots: f"nn.BatchNorm2d({slots[0]})",
        unit="N",
        parameters=lambda op: _same_names("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    ),
    Activation: Layer(
        said=lambda op, attribute, slots, inputs: ACTIVATIONS[op.kind].format(inputs[0]),
        fixed=lambda op: op.kind,
        unit="A",
    ),
    Pool: Layer(said=_pool_said, fixed=lambda op: (op.kind, op.kernel, op.stride)),
    GlobalPool: Layer(said=lambda op, attribute, slots, inputs: f"{inputs[0]}.mean(dim=(2, 3))"),
    Linear: Layer(
        said=_called,
        slots=lambda op, shapes: [("in", "channels", shapes[0][0]), ("out", "channels", op.width)],
        attribute=lambda op: "linear",
        made=lambda op, slots: f"nn.Linear({slots[0]}, {slots[1]})",
        unit="H",
        parameters=lambda op: _same_names("weight", "bias"),
    ),
    Pad: Layer(
        said=_pad_said,
        slots=lambda op, shapes: [
            ("new_channels", "channels", op.width - shapes[0][0]),
            ("stride", "stride", op.stride),
        ],
    ),
    Scale: Layer(
        said=_scale_said,
        fixed=lambda op: op.kind,
        slots=_scale_slots,
        attribute=lambda op: "" if op.kind == "fixed" else "gate",
        made=_scale_made,
        binds=True,
        parameters=lambda op: {} if op.kind == "fixed" else {"weight": ""},
    ),
    DropPath: Layer(
        said=_called,
        slots=lambda op, shapes: [("drop_rate", "number", op.rate)],
        attribute=lambda op: "drop_path",
        made=lambda op, slots: f"DropPath({slots[0]})",
    ),
    Slice: Layer(said=_slice_said, fixed=lambda op: (op.start, op.width)),
    Multiply: Layer(
        said=lambda op, attribute, slots, inputs: f"{inputs[0]} * {inputs[1]}[:, :, None, None]", binds=True
    ),
    Add: Layer(said=lambda op, attribute, slots, inputs: " + ".join(inputs), binds=True),
    Concat: Layer(said=lambda op, attribute, slots, inputs: f"torch.cat([{', '.join(inputs)}], dim=1)"),
}

STARTS_AT_ZERO = (Conv, Norm)
"""Ops with a `zero` of their own: their weight starts at 0."""
