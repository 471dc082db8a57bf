"""What a search space file means, as frozen values: blocks are grammar rules, and each combinator nests in each.

A *setting* is a literal, an open decision (a `Domain`) or a named variable. `Block` is the union of the combinators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar, get_args

import networkx as nx

from ressearch.errors import Place
from ressearch.ops import Shape
from ressearch.space.choices import Categorical, Domain
from ressearch.trial import Fidelity, Recipe

T = TypeVar("T")
RatioOf = Literal["stage", "input"]


@dataclass(frozen=True)
class Var:
    """A decision named under `vars:` that several settings share."""

    name: str
    place: Place = field(compare=False)


Setting: TypeAlias = T | Domain | Var


@dataclass(frozen=True)
class Ratio:
    """A width relative to the width around the block, or to that of the map which comes in."""

    ratio: Setting[float]
    of: RatioOf = "stage"


Width: TypeAlias = Setting[int] | Ratio
Order = Literal["post", "pre"]
Shortcut = Literal["identity", "projection", "pad", "none"]
Merge = Literal["add", "concat", "mean"]
Gate = Literal["none", "zero_gamma", "scalar", "layer_scale", "fixed"]
StrideAt = Literal["first", "spatial"]
Tie = Literal["none", "stage", "network"]
OperationKind = Literal["conv", "dwconv", "sepconv", "maxpool", "avgpool", "se", "identity", "none"]


@dataclass(frozen=True)
class Operation:
    """What a word of `op:` stands for; without a `kernel`, the block says it, or the operation has none."""

    kind: OperationKind
    kernel: int | None = None


OPERATIONS: dict[str, Operation] = {
    **{f"conv{k}x{k}": Operation("conv", k) for k in (1, 3, 5, 7)},
    **{f"dwconv{k}x{k}": Operation("dwconv", k) for k in (3, 5, 7)},
    **{f"sepconv{k}x{k}": Operation("sepconv", k) for k in (3, 5, 7)},
    **{f"maxpool{k}x{k}": Operation("maxpool", k) for k in (2, 3)},
    **{f"avgpool{k}x{k}": Operation("avgpool", k) for k in (2, 3)},
    **{word: Operation(word) for word in get_args(OperationKind)},
}
"""The words of `op:`. `dw` is depthwise; `sep` is depthwise followed by a 1x1 convolution; `se` is
squeeze-and-excitation; `none` is a node of a graph that is not there. A word without a size takes `kernel:`, where it
has a window at all."""

WINDOWED = ("conv", "dwconv", "sepconv", "maxpool", "avgpool")
"""The kinds of operation that need a kernel."""


@dataclass(frozen=True)
class OpBlock:
    """`op:` one operation, with the norm and activation that the order around it asks for.

    group_width: channels of one group, instead of `groups`. reduction: of the squeeze (Hu et al. 2018 write r).
    """

    op: Setting[str]
    place: Place = field(compare=False)
    width: Width | None = None
    stride: int | None = None
    kernel: Setting[int] | None = None
    groups: Setting[int] = 1
    group_width: Setting[int] | None = None
    norm: Setting[bool] = True
    act: Setting[str] = "relu"
    bias: Setting[bool] = False
    order: Setting[str] | None = None
    reduction: Setting[int] = 16


@dataclass(frozen=True)
class Seq:
    """`seq:` one after another."""

    items: tuple[Block, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Residual:
    """`residual:` y = merge(gate * body(x), shortcut(x)).

    shortcut: a word, or any block. gate_init: where the gate starts, if not where its source starts it. drop_path:
    probability that training drops the last such branch of the network; it grows linearly up to that one. act: what
    stands behind the sum in post order. transition: whether a concatenation is brought back to the stage's width.
    """

    body: Seq
    place: Place = field(compare=False)
    shortcut: Setting[str] | Block = "identity"
    merge: Setting[str] = "add"
    order: Setting[str] | None = None
    stride_at: Setting[str] | None = None
    gate: Setting[str] = "none"
    gate_init: Setting[float] | None = None
    drop_path: Setting[float] = 0.0
    act: Setting[str] = "relu"
    transition: bool = True


@dataclass(frozen=True)
class Dense:
    """`dense:` every layer sees the concatenation of all before it.

    residual: of each layer's output so many channels are added to a running sum, beside the `growth` channels that
    are concatenated (dual path networks, Chen et al. 2017).
    """

    body: Seq
    place: Place = field(compare=False)
    layers: Setting[int]
    growth: Setting[int]
    residual: Width | None = None
    order: Setting[str] = "pre"
    transition: bool = True


@dataclass(frozen=True)
class Repeat:
    """`repeat:` copies of a block, one after another; the first carries the stride."""

    count: Setting[int]
    block: Block
    place: Place = field(compare=False)


@dataclass(frozen=True)
class OneOf:
    """`one_of:` a choice between named blocks."""

    branches: Mapping[str, Block]
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Use:
    """`use:` a named rule."""

    rule: str
    place: Place = field(compare=False)


@dataclass(frozen=True)
class Edge:
    """An edge of a `graph`; an optional one is a decision."""

    source: str
    target: str
    place: Place = field(compare=False)
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"


@dataclass(frozen=True)
class Graph:
    """`graph:` a free DAG of blocks between `in` and `out`; what arrives at a node by several edges is merged."""

    nodes: Mapping[str, Block]
    edges: tuple[Edge, ...]
    place: Place = field(compare=False)
    merge: Setting[str] = "add"

    @cached_property
    def cycle(self) -> list[str]:
        """Nodes that feed each other in a circle; empty if there is none."""
        return circle((edge.source, edge.target) for edge in self.edges)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes, each after those that feed it, otherwise as the file has them."""
        feeds = nx.DiGraph((edge.source, edge.target) for edge in self.edges)
        place = {name: number for number, name in enumerate(["in", *self.nodes, "out"])}
        return tuple(n for n in nx.lexicographical_topological_sort(feeds, key=place.__getitem__) if n in self.nodes)

    def without(self, edges: Iterable[Edge], absent: Collection[str]) -> set[str]:
        """What is left on a way from `in` to `out` when some nodes are not there; empty if nothing is."""
        return self.on_a_way(edge for edge in edges if edge.source not in absent and edge.target not in absent)

    @staticmethod
    def on_a_way(edges: Iterable[Edge]) -> set[str]:
        """The nodes (and ends) that lie on a way from `in` to `out`."""
        feeds = [(edge.source, edge.target) for edge in edges]
        return _reached("in", feeds) & _reached("out", [(target, source) for source, target in feeds])


@dataclass(frozen=True)
class Scope:
    """`width:` or `stride:` beside any other block: what it is to make instead of what is around it."""

    block: Block
    place: Place = field(compare=False)
    width: Width | None
    stride: int | None


Block = OpBlock | Seq | Residual | Dense | Repeat | OneOf | Use | Graph | Scope


@dataclass(frozen=True)
class Rule:
    """A named block. `max_depth` bounds how often it may stand inside itself, counted from one."""

    name: str
    block: Block
    place: Place = field(compare=False)
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
    place: Place = field(compare=False)


@dataclass(frozen=True)
class EarlyTerminate:
    """Trials are compared at rungs: after `min_iter` epochs, `eta` times as many, and so on; one in `eta` goes on."""

    min_iter: int = 1
    eta: int = 3

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """The epochs of each rung, rising; the last is at all epochs."""
        found, at = [], self.min_iter
        while at < epochs:
            found.append(at)
            at *= self.eta
        return (*found, epochs)


@dataclass(frozen=True)
class Grammar:
    """A whole file: what may exist, and the defaults of a study over it.

    head: what stands between the last stage and the pooling, if not the norm and activation that pre order needs.
    parameters: field of the recipe -> what it may be; a literal or a decision of each trial.
    """

    name: str
    input_shape: Shape
    classes: int
    stem: Block
    stages: tuple[Stage, ...] | Stages
    rules: Mapping[str, Rule]
    place: Place = field(compare=False)
    head: Block | None = None
    vars: Mapping[str, Setting[Any]] = field(default_factory=dict)
    var_places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    baselines: tuple[Baseline, ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    recipe: Recipe = field(default_factory=Recipe)
    fidelity: Fidelity = field(default_factory=Fidelity)
    search: Mapping[str, Any] = field(default_factory=dict)
    early_terminate: EarlyTerminate | None = None


def meant(setting: Any, variables: Mapping[str, Setting[Any]]) -> Any:
    """The setting that a variable stands for; any other as it is."""
    return variables[setting.name] if isinstance(setting, Var) else setting


def circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """A cycle of the directed graph with these edges; empty if there is none."""
    try:
        return [str(edge[0]) for edge in nx.find_cycle(nx.DiGraph(edges))]
    except nx.NetworkXNoCycle:
        return []


def words_of(setting: Setting[str], variables: Mapping[str, Setting[Any]]) -> tuple[str, ...]:
    """The words that an `op:` may turn out to be."""
    setting = meant(setting, variables)
    return tuple(map(str, setting.values)) if isinstance(setting, Categorical) else (str(setting),)


def may_be_absent(block: Block, variables: Mapping[str, Setting[Any]]) -> TypeGuard[OpBlock]:
    """Whether a node of a graph may turn out to be `none`."""
    return isinstance(block, OpBlock) and "none" in words_of(block.op, variables)


def _reached(start: str, edges: list[tuple[str, str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        new = {target for source, target in edges if source == at} - found
        found |= new
        waiting += new
    return found


def children(block: Block) -> tuple[Block, ...]:
    """The blocks directly inside a block; a rule's own block is not inside the `use` that names it."""
    match block:
        case Seq():
            return block.items
        case Residual(body, _, shortcut) if isinstance(shortcut, Block):
            return (body, shortcut)
        case Residual() | Dense():
            return (block.body,)
        case Graph():
            return tuple(block.nodes.values())
        case Repeat() | Scope():
            return (block.block,)
        case OneOf():
            return tuple(block.branches.values())
        case _:
            return ()


def blocks_in(block: Block) -> Iterator[Block]:
    """The block and all blocks inside it, without following `use`."""
    yield block
    for child in children(block):
        yield from blocks_in(child)


def roots(grammar: Grammar) -> list[tuple[str, Block]]:
    """The outermost blocks of a file, each with its address."""
    stages: tuple[Stage | Stages, ...] = grammar.stages if isinstance(grammar.stages, tuple) else (grammar.stages,)
    named = [(f"stages.{i}.block", stage.block) for i, stage in enumerate(stages)]
    head = [("head", grammar.head)] if grammar.head else []
    return [("stem", grammar.stem), *named, *head, *((f"blocks.{r.name}", r.block) for r in grammar.rules.values())]


BRANCHING = {
    OpBlock: ("op",),
    Residual: ("shortcut", "gate"),
    Dense: ("layers",),
    Repeat: ("count",),
    Stage: ("depth",),
    Stages: ("count", "depth"),
}
"""The settings whose value says what else is asked."""


def branching_variables(grammar: Grammar) -> set[str]:
    """Names of the variables whose value says what else is asked."""
    stages: tuple[Any, ...] = grammar.stages if isinstance(grammar.stages, tuple) else (grammar.stages,)
    owners = [*stages, *(block for _, root in roots(grammar) for block in blocks_in(root))]
    settings = [getattr(owner, name) for owner in owners for name in BRANCHING.get(type(owner), ())]
    return {setting.name for setting in settings if isinstance(setting, Var)}
