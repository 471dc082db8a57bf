"""What a search space file means, as frozen values: blocks are grammar rules, and each combinator nests in each.

A *setting* is a literal, an open decision (a `Domain`) or a named variable. `Block` is the union of the combinators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from ressearch.errors import Place
from ressearch.ops import Shape
from ressearch.space.choices import Domain
from ressearch.trial import Fidelity, Recipe

T = TypeVar("T")
RatioOf = Literal["stage", "input"]


@dataclass(frozen=True)
class Var:
    """A decision named under `vars:` that several settings share."""

    name: str
    place: Place


Setting: TypeAlias = T | Domain | Var


@dataclass(frozen=True)
class Ratio:
    """A width relative to the width around the block, or to that of the map which comes in."""

    ratio: Setting[float]
    of: RatioOf = "stage"


Width: TypeAlias = Setting[int] | Ratio
Order = Literal["post", "pre"]
Shortcut = Literal["identity", "projection", "pad", "none"]
StrideAt = Literal["first", "spatial"]
Tie = Literal["none", "stage", "network"]
OperationKind = Literal["conv", "dwconv", "sepconv", "maxpool", "avgpool", "identity"]


@dataclass(frozen=True)
class Operation:
    """What a word of `op:` stands for."""

    kind: OperationKind
    kernel: int = 1


OPERATIONS: dict[str, Operation] = {
    **{f"conv{k}x{k}": Operation("conv", k) for k in (1, 3, 5, 7)},
    **{f"dwconv{k}x{k}": Operation("dwconv", k) for k in (3, 5, 7)},
    **{f"sepconv{k}x{k}": Operation("sepconv", k) for k in (3, 5, 7)},
    **{f"maxpool{k}x{k}": Operation("maxpool", k) for k in (2, 3)},
    **{f"avgpool{k}x{k}": Operation("avgpool", k) for k in (2, 3)},
    "identity": Operation("identity"),
}
"""The words of `op:`. `dw` is depthwise; `sep` is depthwise followed by a 1x1 convolution."""


@dataclass(frozen=True)
class OpBlock:
    """`op:` one operation, with the norm and activation that the order around it asks for."""

    op: Setting[str]
    place: Place
    width: Width | None = None
    stride: int | None = None
    groups: Setting[int] = 1
    norm: bool = True
    act: str = "relu"
    order: Setting[str] | None = None


@dataclass(frozen=True)
class Seq:
    """`seq:` one after another."""

    items: tuple[Block, ...]
    place: Place


@dataclass(frozen=True)
class Residual:
    """`residual:` y = body(x) + shortcut(x)."""

    body: Seq
    place: Place
    shortcut: Setting[str] = "identity"
    order: Setting[str] | None = None
    stride_at: Setting[str] | None = None


@dataclass(frozen=True)
class Dense:
    """`dense:` every layer sees the concatenation of all before it."""

    body: Seq
    place: Place
    layers: Setting[int]
    growth: Setting[int]
    order: Setting[str] = "pre"
    transition: bool = True


@dataclass(frozen=True)
class Repeat:
    """`repeat:` copies of a block, one after another; the first carries the stride."""

    count: Setting[int]
    block: Block
    place: Place


@dataclass(frozen=True)
class OneOf:
    """`one_of:` a choice between named blocks."""

    branches: Mapping[str, Block]
    place: Place


@dataclass(frozen=True)
class Use:
    """`use:` a named rule."""

    rule: str
    place: Place


@dataclass(frozen=True)
class Scope:
    """`width:` or `stride:` beside any other block: what it is to make instead of what is around it."""

    block: Block
    place: Place
    width: Width | None
    stride: int | None


Block = OpBlock | Seq | Residual | Dense | Repeat | OneOf | Use | Scope


@dataclass(frozen=True)
class Rule:
    """A named block. `max_depth` bounds how often it may stand inside itself, counted from one."""

    name: str
    block: Block
    place: Place
    max_depth: int | None = None
    tie: Tie = "none"


@dataclass(frozen=True)
class Stage:
    """Blocks at one resolution: `depth` copies of `block`, the first with the stride."""

    width: Width
    block: Block
    stride: int
    depth: Setting[int] = 1


@dataclass(frozen=True)
class Stages:
    """Stages written once: `count` of them, the first with stride 1, the width growing by a factor."""

    count: Setting[int]
    start: Setting[int]
    factor: Setting[float]
    block: Block
    depth: Setting[int] = 1


@dataclass(frozen=True)
class Limit:
    """Hard bounds on one quantity of the cost; `None` is no bound."""

    low: int | None
    high: int | None


@dataclass(frozen=True)
class Baseline:
    """A known point of the space: address suffix -> value."""

    name: str
    wanted: Mapping[str, Any]
    place: Place


@dataclass(frozen=True)
class Grammar:
    """A whole file: what may exist, and the defaults of a study over it."""

    name: str
    input_shape: Shape
    classes: int
    stem: Block
    stages: tuple[Stage, ...] | Stages
    rules: Mapping[str, Rule]
    place: Place
    vars: Mapping[str, Setting[Any]] = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    dataset: str | None = None
    recipe: Recipe = field(default_factory=Recipe)
    fidelity: Fidelity = field(default_factory=Fidelity)
    search: Mapping[str, Any] = field(default_factory=dict)


def children(block: Block) -> tuple[Block, ...]:
    """The blocks directly inside a block; a rule's own block is not inside the `use` that names it."""
    match block:
        case Seq():
            return block.items
        case Residual() | Dense():
            return (block.body,)
        case Repeat() | Scope():
            return (block.block,)
        case OneOf():
            return tuple(block.branches.values())
        case _:
            return ()
