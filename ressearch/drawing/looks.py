"""How each op looks: the words on it and its colours. One table with a row per op.

The colours are light fills under dark text, told apart by lightness as well as hue, so that they survive a printer and
the common kinds of colour blindness; what matters (sums, concatenations, skips) differs in shape too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
class Colours:
    """Fill and outline."""

    fill: str
    stroke: str


CONVOLUTION = Colours("#d3e5f7", "#6f94b8")
POINTWISE = Colours("#e6f0fa", "#6f94b8")
CALM = Colours("#f4f5f7", "#a3abb5")
POOLING = Colours("#fbe3c0", "#b98f4a")
ENDS = Colours("#fdf5bf", "#b3a24c")
GATES = Colours("#e5dcf0", "#8f7bab")
SUM = Colours("#fde3df", "#c0392b")
JOIN = Colours("#d5efe6", "#1d7a5f")

Label = Callable[[Any, Shape], str]


@dataclass(frozen=True)
class Look:
    """What is written on an op, given it and the shape of its first input, and its colours.

    round: the op merges values and is drawn as a circle.
    """

    label: Label
    colours: Callable[[Any], Colours]
    round: bool = False


def look_of(op: Op) -> Look:
    """The op's row of the table."""
    return LOOKS[type(op)]


def label_of_all(ops: Sequence[Op], source: Shape) -> str:
    """The words on ops that follow each other, drawn as one, e.g. `bn·relu`."""
    return "·".join(LOOKS[type(op)].label(op, source) for op in ops)


def shape_words(shape: Shape) -> str:
    """A shape for people, e.g. `16×32×32`."""
    return "×".join(map(str, shape))


def _conv_label(op: Conv, source: Shape) -> str:
    """The width only where it changes; a convolution with a group for each channel is a depthwise one."""
    depthwise = op.groups > 1 and op.groups == op.width == source[0]
    width = f" {op.width}" if op.width != source[0] else ""
    groups = f" g{op.groups}" if op.groups > 1 and not depthwise else ""
    return f"{'dw' if depthwise else ''}conv{op.kernel}×{op.kernel}{width}{groups}{_stride(op.stride)}"


def _pad_label(op: Pad, source: Shape) -> str:
    return f"pad{f' {op.width}' if op.width != source[0] else ''}{_stride(op.stride)}"


def _stride(stride: int) -> str:
    return f" /{stride}" if stride > 1 else ""


def _always(colours: Colours) -> Callable[[Any], Colours]:
    return lambda op: colours


LOOKS: dict[type[Op], Look] = {
    Input: Look(lambda op, source: f"image {op.channels}×{op.height}×{op.width}", _always(ENDS)),
    Conv: Look(_conv_label, lambda op: CONVOLUTION if op.kernel > 1 else POINTWISE),
    Norm: Look(lambda op, source: "bn 0" if op.zero else "bn", _always(CALM)),
    Activation: Look(lambda op, source: str(op.kind).replace("_", " "), _always(CALM)),
    Pool: Look(
        lambda op, source: f"{op.kind}pool{op.kernel}×{op.kernel}{_stride(op.stride)}",
        _always(POOLING),
    ),
    GlobalPool: Look(lambda op, source: "global pool", _always(POOLING)),
    Linear: Look(lambda op, source: f"linear {op.width}", _always(ENDS)),
    Pad: Look(_pad_label, _always(POOLING)),
    Scale: Look(lambda op, source: f"× {op.start:.3g}" if op.kind == "fixed" else f"scale {op.kind}", _always(GATES)),
    DropPath: Look(lambda op, source: f"drop path {op.rate:.2g}", _always(GATES)),
    Slice: Look(lambda op, source: f"slice {op.start}–{op.start + op.width - 1}", _always(GATES)),
    Multiply: Look(lambda op, source: "×", _always(GATES), round=True),
    Add: Look(lambda op, source: "+", _always(SUM), round=True),
    Concat: Look(lambda op, source: "c", _always(JOIN), round=True),
}
"""Every op's look."""
