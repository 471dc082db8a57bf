"""The closed vocabulary of operations, and the rule that gives each one's output shape.

An op is a frozen value without inputs; a node of an `Architecture` wires it. A shape is a tuple without the
batch dimension: `(channels, height, width)` for a feature map, `(features,)` for a vector. Each interpreter of
ops (shapes here; cost, torch, drawing elsewhere) is one table with one row per op.

Window arithmetic is the same for every convolution and pool: padding is `(kernel - 1) // 2` on each side, so that
stride 1 keeps an odd kernel's resolution and stride s gives `ceil(n / s)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

from ressearch.errors import ArchitectureError

Shape = tuple[int, ...]
ActivationKind = Literal["relu", "relu6", "leaky_relu", "silu", "gelu", "sigmoid"]
PoolKind = Literal["max", "avg"]
ScaleKind = Literal["scalar", "channel", "fixed"]


class Op:
    """Base of all operations. `arity` is the number of inputs; `None` stands for two or more."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()
    arity: int | None = 1

    def __post_init__(self) -> None:
        for name in self.__match_args__:  # the names of its fields
            value = getattr(self, name)
            if self.__annotations__[name] == "int" and (type(value) is not int or value < 1):
                raise ArchitectureError(f"{name_of(self)}: {name} must be a whole number from 1, got {value!r}")
            if self.__annotations__[name] == "bool" and type(value) is not bool:
                raise ArchitectureError(f"{name_of(self)}: {name} must be true or false, got {value!r}")


@dataclass(frozen=True, slots=True)
class Input(Op):
    """The image: `channels` x `height` x `width`."""

    channels: int
    height: int
    width: int
    arity = 0


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """Two-dimensional convolution to `width` channels with a square kernel; `zero`: its weights start at 0."""

    width: int
    kernel: int
    stride: int = 1
    groups: int = 1
    bias: bool = False
    zero: bool = False


@dataclass(frozen=True, slots=True)
class Norm(Op):
    """Batch normalisation with a learnable scale and shift per channel; `zero`: the scale starts at 0, not at 1."""

    zero: bool = False


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """Elementwise non-linearity; `leaky_relu` has slope 0.2 below zero (as in ESRGAN, Wang et al. 2018)."""

    kind: ActivationKind = "relu"

    def __post_init__(self) -> None:
        _require_member(self, "kind", ActivationKind)


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """Maximum or average over a square window; an average counts only what lies inside the map."""

    kind: PoolKind
    kernel: int
    stride: int = 1

    def __post_init__(self) -> None:
        _require_member(self, "kind", PoolKind)
        Op.__post_init__(self)


@dataclass(frozen=True, slots=True)
class GlobalPool(Op):
    """Average of each channel over the whole map: a feature map becomes a vector."""


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """Fully connected layer with bias, from a vector to `width` features."""

    width: int


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Parameter-free shortcut (He et al. 2016, option A): every `stride`-th pixel, new channels filled with zeros."""

    width: int
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Scale(Op):
    """Times a factor that starts at `start`: one learned number, one per channel, or a fixed number."""

    kind: ScaleKind
    start: float

    def __post_init__(self) -> None:
        _require_member(self, "kind", ScaleKind)
        if not isinstance(self.start, float) or not abs(self.start) <= 1e6:
            raise ArchitectureError(f"scale: start must be a number of at most a million, got {self.start!r}")


@dataclass(frozen=True, slots=True)
class DropPath(Op):
    """Stochastic depth (Huang et al. 2016): in training, a whole image's map becomes 0 with probability `rate`.

    What survives is divided by `1 - rate`, so that inference is the identity.
    """

    rate: float

    def __post_init__(self) -> None:
        if not isinstance(self.rate, float) or not 0 < self.rate < 1:
            raise ArchitectureError(f"drop_path: rate must be between 0 and 1, got {self.rate!r}")


@dataclass(frozen=True, slots=True)
class Slice(Op):
    """The `width` channels from channel `start` on."""

    width: int
    start: int = 0

    def __post_init__(self) -> None:
        if type(self.width) is not int or type(self.start) is not int or self.width < 1 or self.start < 0:
            raise ArchitectureError(f"slice: not a range of channels: {self.width!r} from {self.start!r}")


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """A map times a vector with one factor per channel (squeeze-and-excitation, Hu et al. 2018)."""

    arity = 2


@dataclass(frozen=True, slots=True)
class Add(Op):
    """Elementwise sum of two or more inputs of one shape; their order does not matter."""

    arity = None


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """Two or more inputs side by side along the channels; their order matters."""

    arity = None


def _require_member(op: Any, field: str, kinds: Any) -> None:
    value = getattr(op, field)
    if value not in get_args(kinds):
        allowed = ", ".join(get_args(kinds))
        raise ArchitectureError(f"{name_of(op)}: {field} must be one of {allowed}, got {value!r}")


OPS: dict[str, type[Op]] = {
    "input": Input,
    "conv": Conv,
    "norm": Norm,
    "activation": Activation,
    "pool": Pool,
    "global_pool": GlobalPool,
    "linear": Linear,
    "pad": Pad,
    "scale": Scale,
    "drop_path": DropPath,
    "slice": Slice,
    "multiply": Multiply,
    "add": Add,
    "concat": Concat,
}
"""Every op by the name that JSON, text and drawings use."""

_NAMES = {kind: name for name, kind in OPS.items()}


def name_of(op: Op) -> str:
    """The op's name in JSON and in texts, e.g. `conv`."""
    return _NAMES[type(op)]


def label_of(op: Op) -> str:
    """Name and settings as one string, the same for equal ops and for no others, e.g. `conv(width=32,kernel=3)`."""
    return f"{name_of(op)}({','.join(f'{name}={value}' for name, value in settings_of(op).items())})"


def settings_of(op: Op) -> dict[str, Any]:
    """The fields that differ from their defaults, in declaration order.

    Identity and JSON are built from this, so a new field with a default changes no existing id.
    """
    return {f.name: getattr(op, f.name) for f in fields(op) if getattr(op, f.name) != f.default}  # type: ignore[arg-type]


def describe(op: Op) -> str:
    """One short phrase for people, e.g. `conv3x3 32 /2`."""
    return _PHRASES.get(type(op), name_of)(op)


def _phrase_conv(op: Conv) -> str:
    groups = f" groups {op.groups}" if op.groups > 1 else ""
    flags = f"{' bias' if op.bias else ''}{' zero' if op.zero else ''}"
    return f"conv{op.kernel}x{op.kernel} {op.width}{_phrase_stride(op.stride)}{groups}{flags}"


def _phrase_stride(stride: int) -> str:
    return f" /{stride}" if stride > 1 else ""


_PHRASES: dict[type[Op], Callable[[Any], str]] = {
    Conv: _phrase_conv,
    Norm: lambda op: "norm zero" if op.zero else "norm",
    Activation: lambda op: op.kind,
    Pool: lambda op: f"{op.kind}pool{op.kernel}x{op.kernel}{_phrase_stride(op.stride)}",
    Linear: lambda op: f"linear {op.width}",
    Pad: lambda op: f"pad {op.width}{_phrase_stride(op.stride)}",
    Scale: lambda op: f"scale {op.kind} {op.start:g}",
    DropPath: lambda op: f"drop_path {op.rate:g}",
    Slice: lambda op: f"slice {op.width} from {op.start}",
}


# Shapes


@lru_cache(maxsize=65_536)  # a network repeats a few layers on a few shapes
def output_shape(op: Op, inputs: tuple[Shape, ...]) -> Shape:
    """The shape that `op` makes from the shapes of its inputs.

    Raises ArchitectureError if the number, rank or sizes of the inputs do not fit.
    """
    _require_arity(op, inputs)
    return SHAPE_RULES[type(op)](op, inputs)


def _require_arity(op: Op, inputs: Sequence[Shape]) -> None:
    fits = len(inputs) >= 2 if op.arity is None else len(inputs) == op.arity
    if not fits:
        wanted = "two or more inputs" if op.arity is None else f"{op.arity} input(s)"
        raise ArchitectureError(f"{name_of(op)} takes {wanted}, got {len(inputs)}")


def _feature_map(op: Op, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ArchitectureError(f"{name_of(op)} takes a feature map (channels, height, width), got shape {shape}")
    return shape[0], shape[1], shape[2]


def _windowed(op: Op, size: int, kernel: int, stride: int) -> int:
    result = (size + 2 * ((kernel - 1) // 2) - kernel) // stride + 1
    if result < 1:
        raise ArchitectureError(f"{describe(op)} does not fit on a map of size {size}: nothing would be left")
    return result


def _conv_shape(op: Conv, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _feature_map(op, inputs[0])
    if channels % op.groups or op.width % op.groups:
        raise ArchitectureError(
            f"conv: groups must divide both widths, got groups {op.groups}, input width {channels}, width {op.width}"
        )
    return op.width, _windowed(op, height, op.kernel, op.stride), _windowed(op, width, op.kernel, op.stride)


def _pool_shape(op: Pool, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _feature_map(op, inputs[0])
    return channels, _windowed(op, height, op.kernel, op.stride), _windowed(op, width, op.kernel, op.stride)


def _pad_shape(op: Pad, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _feature_map(op, inputs[0])
    if op.width < channels:
        raise ArchitectureError(f"pad cannot narrow a map from width {channels} to {op.width}")
    return op.width, -(-height // op.stride), -(-width // op.stride)


def _linear_shape(op: Linear, inputs: Sequence[Shape]) -> Shape:
    if len(inputs[0]) != 1:
        raise ArchitectureError(f"linear takes a vector (features,), got shape {inputs[0]}")
    return (op.width,)


def _slice_shape(op: Slice, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = _feature_map(op, inputs[0])
    if op.start + op.width > channels:
        raise ArchitectureError(f"slice: channels {op.start} to {op.start + op.width} of a map of width {channels}")
    return op.width, height, width


def _multiply_shape(op: Multiply, inputs: Sequence[Shape]) -> Shape:
    channels = _feature_map(op, inputs[0])[0]
    if inputs[1] != (channels,):
        raise ArchitectureError(f"multiply needs a map and a vector of its width, got {inputs[0]} and {inputs[1]}")
    return inputs[0]


def _add_shape(op: Add, inputs: Sequence[Shape]) -> Shape:
    if len(set(inputs)) > 1:
        raise ArchitectureError(f"add needs inputs of one shape, got {' and '.join(map(str, inputs))}")
    return inputs[0]


def _concat_shape(op: Concat, inputs: Sequence[Shape]) -> Shape:
    maps = [_feature_map(op, shape) for shape in inputs]
    if len({shape[1:] for shape in maps}) > 1:
        raise ArchitectureError(f"concat needs inputs of one height and width, got {' and '.join(map(str, inputs))}")
    return sum(shape[0] for shape in maps), maps[0][1], maps[0][2]


def _same_map(op: Op, inputs: Sequence[Shape]) -> Shape:
    return _feature_map(op, inputs[0])


SHAPE_RULES: dict[type[Op], Callable[[Any, Sequence[Shape]], Shape]] = {
    Input: lambda op, inputs: (op.channels, op.height, op.width),
    Conv: _conv_shape,
    Norm: _same_map,
    Activation: lambda op, inputs: inputs[0],
    Pool: _pool_shape,
    GlobalPool: lambda op, inputs: _feature_map(op, inputs[0])[:1],
    Linear: _linear_shape,
    Pad: _pad_shape,
    Scale: _same_map,
    DropPath: _same_map,
    Slice: _slice_shape,
    Multiply: _multiply_shape,
    Add: _add_shape,
    Concat: _concat_shape,
}
