"""Which op of one network is which op of another: pairs of positions, rising in both.

Stages are paired by name, and in a stage blocks that are equal; what is between those, in order. In a pair of blocks
ops are paired that are equal, and between those ops of one kind, whose settings changed then. Each time that is a
longest common subsequence (Myers 1986), so that as much as possible is equal; by blocks, since networks repeat the
same few ops, and an op of one block is not what became of an op of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, pairwise

from ressearch.architecture import Architecture
from ressearch.ops import label_of, name_of

_BLOCK = re.compile(r"stages\.\d+\.block\.\d+|stages\.\d+|[^.]+")
_STAGE = re.compile(r"stages\.\d+|[^.]+")
MOST_EDITS = 1_000

Pairs = list[tuple[int, int]]
Run = tuple[str, Sequence[int]]


def block_of(name: str) -> str:
    """The address of a node's block, or of what it is in beside blocks: stem, head."""
    found = _BLOCK.match(name)
    return found[0] if found else ""


def _stage_of(name: str) -> str:
    found = _STAGE.match(name)
    return found[0] if found else ""


def paired(before: Architecture, after: Architecture) -> dict[int, int]:
    """Positions of ops in one network, with those of their partners in the other."""
    found: Pairs = []
    one, other = (_runs(net, range(len(net)), _stage_of) for net in (before, after))
    for a, b in _matched([name for name, _ in one], [name for name, _ in other]):
        mine, its = _runs(before, one[a][1], block_of), _runs(after, other[b][1], block_of)
        for c, d in _matched([_labels(before, run) for _, run in mine], [_labels(after, run) for _, run in its]):
            found += _paired_ops(before, mine[c][1], after, its[d][1])
    return dict(found)


def _runs(net: Architecture, positions: Sequence[int], part_of: Callable[[str], str]) -> list[Run]:
    """Neighbouring nodes of one stage or block, by its address."""
    return [(part, list(run)) for part, run in groupby(positions, key=lambda at: part_of(net.nodes[at].name))]


def _labels(net: Architecture, positions: Sequence[int]) -> tuple[str, ...]:
    return tuple(label_of(net.nodes[at].op) for at in positions)


def _matched(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    """Those that are equal, and those between them in order, as far as both have any.

    Where there are as many of both, one by one, unless more of them are equal another way.
    """
    found = common(a, b)
    if len(a) == len(b) and sum(x == y for x, y in zip(a, b, strict=True)) == len(found):
        return [(at, at) for at in range(len(a))]
    gaps = pairwise([(-1, -1), *found, (len(a), len(b))])
    between = [pair for (i, j), (k, m) in gaps for pair in zip(range(i + 1, k), range(j + 1, m), strict=False)]
    return sorted(found + between)


def _paired_ops(before: Architecture, one: Sequence[int], after: Architecture, other: Sequence[int]) -> Pairs:
    """Equal ops, and between them those of one kind."""
    equal = common(_labels(before, one), _labels(after, other))
    kinds = [[name_of(net.nodes[at].op) for at in run] for net, run in ((before, one), (after, other))]
    found = list(equal)
    for (i, j), (k, m) in pairwise([(-1, -1), *equal, (len(one), len(other))]):
        inside = common(kinds[0][i + 1 : k], kinds[1][j + 1 : m])
        found += [(i + 1 + p, j + 1 + q) for p, q in inside]
    return [(one[i], other[j]) for i, j in sorted(found)]


def in_both_orders(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """What is in either, in the order of both, as far as they agree."""
    found: list[str] = []
    rest = list(b)
    for item in a:
        if item in rest:
            found += rest[: rest.index(item)]
            del rest[: rest.index(item) + 1]
        found.append(item)
    return list(dict.fromkeys(found + rest))


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    """Positions of a longest common subsequence, in time and memory that grow with the square of how much differs.

    Of sequences that differ in too much for that, one that is perhaps not the longest.
    """
    furthest: dict[int, int] = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), MOST_EDITS) + 1):
        trail.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            i = _step(furthest, edits, diagonal)[1]
            while i < len(a) and i - diagonal < len(b) and a[i] == b[i - diagonal]:
                i += 1
            furthest[diagonal] = i
            if i >= len(a) and i - diagonal >= len(b):
                return list(_retraced(trail, len(a), len(b)))[::-1]
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(i + k, j + k) for i, j, size in blocks for k in range(size)]


def _step(furthest: dict[int, int], edits: int, diagonal: int) -> tuple[int, int]:
    """The diagonal that a diagonal is best reached from with one more edit, and how far in `a` one is then."""
    down = diagonal == -edits or (diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1])
    return (diagonal + 1, furthest[diagonal + 1]) if down else (diagonal - 1, furthest[diagonal - 1] + 1)


def _retraced(trail: Sequence[dict[int, int]], i: int, j: int) -> Iterator[tuple[int, int]]:
    """The way back from the ends of both, pair by pair."""
    for edits in reversed(range(len(trail))):
        origin, start = _step(trail[edits], edits, i - j)
        while (edits and i > start) or (not edits and i and j):
            i, j = i - 1, j - 1
            yield i, j
        if edits:
            i = trail[edits][origin]
            j = i - origin
