"""The vocabulary: every interpreter knows every op, and shapes agree with what torch computes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ressearch.cost import COST_RULES
from ressearch.errors import ArchitectureError
from ressearch.network import LAYERS
from ressearch.ops import (
    OPS,
    SHAPE_RULES,
    Activation,
    Add,
    Concat,
    Conv,
    GlobalPool,
    Input,
    Linear,
    Norm,
    Op,
    Pad,
    Pool,
    describe,
    label_of,
    output_shape,
)
from tests.twin import TWINS

Map = tuple[int, int, int]


@pytest.mark.parametrize("table", [SHAPE_RULES, COST_RULES, LAYERS, TWINS], ids=["shape", "cost", "torch", "twin"])
def test_every_table_covers_every_op(table: dict[type[Op], object]) -> None:
    assert set(table) == set(OPS.values()) == set(Op.__subclasses__()) & set(OPS.values())


def test_every_op_is_in_the_vocabulary() -> None:
    assert {kind.__name__ for kind in Op.__subclasses__()} == {kind.__name__ for kind in OPS.values()}


maps = st.tuples(st.integers(1, 5), st.integers(1, 17), st.integers(1, 17))
windows = st.tuples(st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 3))


def shape_in_torch(op: Op, shape: Map) -> tuple[int, ...]:
    layer = LAYERS[type(op)](op, [shape])
    return tuple(layer(torch.zeros(2, *shape)).shape[1:])


@given(maps, windows, st.integers(1, 6))
def test_a_convolution_has_the_shape_that_torch_gives_it(shape: Map, window: tuple[int, int], width: int) -> None:
    op = Conv(width, *window)
    if min(shape[1:]) < 2 and window[0] == 2:
        with pytest.raises(ArchitectureError, match="nothing would be left"):
            output_shape(op, (shape,))
        return
    assert output_shape(op, (shape,)) == shape_in_torch(op, shape)


@given(maps, windows, st.sampled_from(["max", "avg"]))
def test_a_pool_has_the_shape_that_torch_gives_it(shape: Map, window: tuple[int, int], kind: str) -> None:
    if min(shape[1:]) < 2 and window[0] == 2:
        return
    op = Pool(kind, *window)  # type: ignore[arg-type]
    assert output_shape(op, (shape,)) == shape_in_torch(op, shape)


@given(maps, st.integers(1, 3), st.integers(0, 3))
def test_a_pad_has_the_shape_that_torch_gives_it(shape: Map, stride: int, extra: int) -> None:
    op = Pad(shape[0] + extra, stride)
    assert output_shape(op, (shape,)) == shape_in_torch(op, shape)


@pytest.mark.parametrize("size", range(1, 20))
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_whatever_strides_halves_alike(size: int, stride: int) -> None:
    """A shortcut and a body that stride by the same factor meet at the same size, odd sizes included."""
    shape = (4, size, size)
    strided = [Conv(4, 1, stride), Conv(4, 3, stride), Conv(4, 7, stride), Pad(4, stride), Pool("max", 3, stride)]
    pooled = Pool("avg", 2 * stride - 1, stride)
    assert {output_shape(op, (shape,)) for op in [*strided, pooled]} == {(4, -(-size // stride), -(-size // stride))}


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Add(), [(4, 8, 8), (4, 4, 4)], "add needs inputs of one shape, got (4, 8, 8) and (4, 4, 4)"),
        (Add(), [(4, 8, 8)], "add takes two or more inputs, got 1"),
        (Norm(), [(4, 8, 8), (4, 8, 8)], "norm takes 1 input(s), got 2"),
        (Concat(), [(4, 8, 8), (4, 4, 8)], "concat needs inputs of one height and width, got (4, 8, 8) and (4, 4, 8)"),
        (Linear(10), [(4, 8, 8)], "linear takes a vector (features,), got shape (4, 8, 8)"),
        (GlobalPool(), [(4,)], "global_pool takes a feature map (channels, height, width), got shape (4,)"),
        (Pad(2), [(4, 8, 8)], "pad cannot narrow a map from width 4 to 2"),
        (
            Conv(8, 3, groups=3),
            [(4, 8, 8)],
            "conv: groups must divide both widths, got groups 3, input width 4, width 8",
        ),
    ],
)
def test_what_does_not_fit_is_refused(op: Op, inputs: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        output_shape(op, tuple(inputs))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Conv(0, 3), "conv: width must be a whole number from 1, got 0"),
        (lambda: Conv(8, 3, stride=-1), "conv: stride must be a whole number from 1, got -1"),
        (lambda: Input(3, 0, 8), "input: height must be a whole number from 1, got 0"),
        (lambda: Conv(8.5, 3), "conv: width must be a whole number from 1, got 8.5"),  # type: ignore[arg-type]
        (
            lambda: Activation("tanh"),
            "activation: kind must be one of relu, relu6, leaky_relu, silu, gelu, sigmoid, got 'tanh'",
        ),
        (lambda: Pool("min", 3), "pool: kind must be one of max, avg, got 'min'"),
    ],
)
def test_a_senseless_op_cannot_be_built(build, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArchitectureError) as caught:
        build()
    assert caught.value.message == message


def test_labels_leave_out_defaults_so_that_new_fields_change_no_identity() -> None:
    assert label_of(Conv(8, 3)) == "conv(width=8,kernel=3)"
    assert label_of(Conv(8, 3, groups=2)) == "conv(width=8,kernel=3,groups=2)"
    assert label_of(Activation()) == "activation()"


def test_phrases() -> None:
    ops = [Conv(8, 3, 2, bias=True), Conv(8, 3, groups=2), Pool("max", 3, 2), Pad(8, 2), Linear(10), Add()]
    assert [describe(op) for op in ops] == [
        "conv3x3 8 /2 bias",
        "conv3x3 8 groups 2",
        "maxpool3x3 /2",
        "pad 8 /2",
        "linear 10",
        "add",
    ]
