"""What the wiring alone tells of a network: skips, nesting, paths and their lengths, receptive field. No torch.

A path runs from the image to the class scores along edges; its length is the number of convolution and linear layers
on it (Veit et al. 2016 count residual blocks instead). Paths are counted by dynamic programming, never enumerated:
ResNet-110 has 2^54 of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from ressearch.architecture import Architecture
from ressearch.ops import Add, Concat, Conv, Linear, Op, Pad, Pool


@dataclass(frozen=True)
class Analysis:
    """Facts of one network's wiring.

    skips: inputs of sums and concatenations beyond the first. nesting: how many residual sums enclose each other at
    most; 0 is a plain network, 1 a residual one, 2 and more residuals of residuals. paths: their number from the image
    to the class scores; shortest, longest, mean_length: of a path, in convolution and linear layers. receptive_field:
    pixels along one side of the image that an element of the last map can depend on through windows, were the image
    without bounds (squeeze-and-excitation sees all of it). kinds: kind of block -> how many there are (told from the
    wiring alone, most frequent first).
    """

    skips: int
    nesting: int
    paths: int
    shortest: int
    longest: int
    mean_length: float
    receptive_field: int
    kinds: Mapping[str, int]
    _architecture: Architecture = field(repr=False, compare=False)

    @cached_property
    def spectrum(self) -> Mapping[int, int]:
        """Length of a path -> number of paths of this length.

        For those who ask: its time grows with the square of the depth, a second for ResNet-1202, all else with the
        number of nodes.
        """
        return MappingProxyType(dict(sorted(_spectrum(self._architecture).items())))


def analyse(architecture: Architecture) -> Analysis:
    """The facts of an architecture's wiring."""
    begins = immediate_dominators([node.inputs for node in architecture.nodes])
    merges = [node for node in architecture.nodes if isinstance(node.op, Add | Concat)]
    paths, total, shortest, longest = _paths(architecture)
    return Analysis(
        skips=sum(len(node.inputs) - 1 for node in merges),
        nesting=_nesting(architecture, begins),
        paths=paths,
        shortest=shortest,
        longest=longest,
        mean_length=total / paths,
        receptive_field=_receptive_field(architecture),
        kinds=MappingProxyType(_block_kinds(architecture, begins)),
        _architecture=architecture,
    )


def _paths(architecture: Architecture) -> tuple[int, int, int, int]:
    """Of the paths to the last node: how many, the sum of their lengths, the least and the greatest length."""
    found: list[tuple[int, int, int, int]] = []
    for node in architecture.nodes:
        if not node.inputs:
            found.append((1, 0, 0, 0))
            continue
        step = isinstance(node.op, Conv | Linear)
        counts, totals, least, greatest = zip(*(found[source] for source in node.inputs), strict=True)
        count = sum(counts)
        found.append((count, sum(totals) + step * count, min(least) + step, max(greatest) + step))
    return found[-1]


def _spectrum(architecture: Architecture) -> Counter[int]:
    """Per node, how many paths of each length lead to it; kept until the last reader has had it."""
    arriving: dict[int, Counter[int]] = {}
    for at, node in enumerate(architecture.nodes):
        step = isinstance(node.op, Conv | Linear)
        found: Counter[int] = Counter() if node.inputs else Counter({0: 1})
        for source in node.inputs:
            for length, count in arriving[source].items():
                found[length + step] += count
        arriving[at] = found
        for source in set(node.inputs):
            if architecture.last_use[source] == at:
                del arriving[source]
    return arriving[len(architecture) - 1]


def _nesting(architecture: Architecture, begins: Sequence[int]) -> int:
    """The longest chain of sums that enclose each other.

    A sum's region begins at its immediate dominator (`begins`), where the ways part that meet in it. A sum encloses
    another if it is on every way from the other to the output, and its own region began before the other was reached.
    """
    after = immediate_postdominators([node.inputs for node in architecture.nodes])
    levels: dict[int, int] = {}
    for at in reversed(range(len(architecture))):
        if isinstance(architecture.nodes[at].op, Add):
            around = [levels[m] for m in _chain(after, at) if m in levels and begins[m] < at]
            levels[at] = 1 + max(around, default=0)
    return max(levels.values(), default=0)


def _block_kinds(architecture: Architecture, begins: Sequence[int]) -> dict[str, int]:
    """How many blocks there are of each kind.

    A sum with a sum inside is `nested`. Any other is `basic` if its longest way has two or more convolutions of one
    kernel size, `bottleneck` if a 1x1 convolution stands at both ends of it, else `residual`. Concatenations that begin
    at one value are one `dense` block.
    """
    sums = [at for at, node in enumerate(architecture.nodes) if isinstance(node.op, Add)]
    dense = {begins[at] for at, node in enumerate(architecture.nodes) if isinstance(node.op, Concat)}
    found = Counter("dense" for _ in dense)
    for at in sums:
        inside = any(begins[at] < other < at and begins[other] >= begins[at] for other in sums)
        found["nested" if inside else _kind_of(_kernels(architecture, begins[at], at))] += 1
    return dict(found.most_common())


def _kernels(architecture: Architecture, begin: int, end: int) -> list[int]:
    """The kernel sizes along the longest way from one node to another."""
    ways: dict[int, list[int]] = {begin: []}
    for at in range(begin + 1, end + 1):
        node = architecture.nodes[at]
        before = max((ways[source] for source in node.inputs if source in ways), key=len, default=None)
        if before is not None:
            ways[at] = [*before, node.op.kernel] if isinstance(node.op, Conv) else before
    return ways[end]


def _kind_of(kernels: Sequence[int]) -> str:
    if len(kernels) >= 3 and kernels[0] == kernels[-1] == 1:
        return "bottleneck"
    return "basic" if len(kernels) >= 2 and len(set(kernels)) == 1 else "residual"


def _chain(parents: Sequence[int], node: int) -> Iterator[int]:
    """The node's ancestors in a tree whose root is its own parent."""
    while parents[node] != node:
        node = parents[node]
        yield node


def immediate_dominators(inputs: Sequence[Sequence[int]]) -> list[int]:
    """Per node of a graph in topological order, the last node that all ways to it share; the first node is its own."""
    parents, depths = [0], [0]
    for sources in inputs[1:]:
        meeting = sources[0]
        for source in sources[1:]:
            meeting = _meeting(parents, depths, meeting, source)
        parents.append(meeting)
        depths.append(depths[meeting] + 1)
    return parents


def _meeting(parents: Sequence[int], depths: Sequence[int], a: int, b: int) -> int:
    while a != b:
        if depths[a] < depths[b]:
            a, b = b, a
        a = parents[a]
    return a


def immediate_postdominators(inputs: Sequence[Sequence[int]]) -> list[int]:
    """The same from the output backwards: the first node that all ways from a node to the output share."""
    last = len(inputs) - 1
    readers: list[list[int]] = [[] for _ in inputs]
    for at, sources in enumerate(inputs):
        for source in sources:
            readers[last - source].append(last - at)
    return [last - parent for parent in reversed(immediate_dominators(readers))]


def _receptive_field(architecture: Architecture) -> int:
    """Field and step, in pixels of the image, of each node; the step is how far apart neighbouring elements see."""
    fields: list[tuple[int, int]] = []
    for node in architecture.nodes:
        seen, step = max((fields[source] for source in node.inputs), default=(1, 1))
        kernel, stride = _window(node.op)
        fields.append((seen + (kernel - 1) * step, step * stride))
    return fields[-1][0]


def _window(op: Op) -> tuple[int, int]:
    if isinstance(op, Conv | Pool):
        return op.kernel, op.stride
    return (1, op.stride) if isinstance(op, Pad) else (1, 1)
