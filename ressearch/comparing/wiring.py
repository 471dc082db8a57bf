"""How one network becomes another: ops that are added, removed, changed or wired otherwise, told by blocks.

Which op becomes which is the affair of `pairs`. An op that has its partner may read others than it did; that is told
only where nothing was added or removed beside it, since else it is no news.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from ressearch.analysis import immediate_dominators, immediate_postdominators
from ressearch.architecture import Architecture, Node
from ressearch.comparing.pairs import block_of, in_both_orders, paired
from ressearch.ops import Add, describe


class What(StrEnum):
    """What became of an op."""

    REMOVED = "removed"
    ADDED = "added"
    CHANGED = "changed"
    REWIRED = "rewired"


@dataclass(frozen=True)
class Change:
    """One op that differs: its name and phrase before and after, None where it is not; of a rewired one what it reads.

    The names are addresses in either network's space. level: how many residual sums are around it, in the later network
    if both have it.
    """

    what: What
    name_before: str | None
    name_after: str | None
    before: str | None
    after: str | None
    level: int

    @property
    def block(self) -> str:
        """The block that it happens in, as the network that has the op calls it; the later one, if both do."""
        return block_of(self.name_after or self.name_before or "")


@dataclass(frozen=True)
class BlockChange:
    """All that differs in a block, or in neighbouring blocks alike: phrases with how often each happens in a block."""

    first: str
    last: str
    blocks: int
    phrases: tuple[tuple[str, int], ...]


def differences(before: Architecture, after: Architecture) -> list[Change]:
    """What differs, block by block; nothing, and only then, if the two are the same network."""
    if before.id == after.id:
        return []
    pairs = paired(before, after)
    found = {**_unpaired(before, after, pairs), **_altered(before, after, pairs)}
    blocks = in_both_orders(
        *(list(dict.fromkeys(block_of(node.name) for node in net.nodes)) for net in (before, after))
    )
    rank = {block: at for at, block in enumerate(blocks)}
    return [found[place] for place in sorted(found, key=lambda place: (rank[found[place].block], place))]


def by_block(changes: Sequence[Change]) -> list[BlockChange]:
    """The changes block by block; neighbouring blocks of the same changes are one."""
    found: list[BlockChange] = []
    for block, inside in groupby(changes, key=lambda change: change.block):
        phrases = tuple(Counter(map(_phrase, inside)).items())
        if found and found[-1].phrases == phrases:
            found[-1] = BlockChange(found[-1].first, block, found[-1].blocks + 1, phrases)
        else:
            found.append(BlockChange(block, block, 1, phrases))
    return found


def _phrase(change: Change) -> str:
    match change.what:
        case What.REMOVED:
            return f"- {change.before}"
        case What.ADDED:
            return f"+ {change.after}"
        case What.CHANGED:
            return f"{change.before} -> {change.after}"
    return f"{(change.name_after or '').rpartition('.')[2]} reads {change.after} instead of {change.before}"


# Changes, each under its place: positions in both networks, so that sorting them gives the order of the ops

_Place = tuple[int, int]


def _unpaired(before: Architecture, after: Architecture, pairs: dict[int, int]) -> dict[_Place, Change]:
    """What is removed comes before what is added in its stead."""
    found: dict[_Place, Change] = {}
    levels = (_levels(before), _levels(after))
    last = 0
    for a, node in enumerate(before.nodes):
        last = pairs.get(a, last)
        if a not in pairs:
            found[a, last] = Change(What.REMOVED, node.name, None, describe(node.op), None, levels[0](a))
    partner, following = {b: a for a, b in pairs.items()}, len(before)
    for b in reversed(range(len(after))):
        node, following = after.nodes[b], partner.get(b, following)
        if b not in partner:
            change = Change(What.ADDED, None, node.name, None, describe(node.op), levels[1](b))
            found[following - 1, b] = change
    return found


def _altered(before: Architecture, after: Architecture, pairs: dict[int, int]) -> dict[_Place, Change]:
    found: dict[_Place, Change] = {}
    level = _levels(after)
    partners = set(pairs.values())
    for a, b in pairs.items():
        old, new = before.nodes[a], after.nodes[b]
        names = (old.name, new.name)
        if old.op != new.op:
            found[a, b] = Change(What.CHANGED, *names, describe(old.op), describe(new.op), level(b))
        elif _reads_other(old, new, pairs, partners):
            found[a, b] = Change(What.REWIRED, *names, _named(before, old), _named(after, new), level(b))
    return found


def _reads_other(old: Node, new: Node, pairs: dict[int, int], partners: set[int]) -> bool:
    """Whether an op reads other ops than its partner did, where all that either reads has a partner."""
    known = set(old.inputs) <= pairs.keys() and set(new.inputs) <= partners
    return known and _sources(new, new.inputs) != _sources(old, [pairs[source] for source in old.inputs])


def _sources(node: Node, inputs: Sequence[int]) -> list[int]:
    """What is read, in an order that matters: a sum's does not."""
    return sorted(inputs) if isinstance(node.op, Add) else list(inputs)


def _named(net: Architecture, node: Node) -> str:
    """What a node reads, by address; inside the node's own block the block is not said again."""
    block = block_of(node.name)
    names = [net.nodes[source].name for source in node.inputs]
    return " and ".join(name.removeprefix(f"{block}.") for name in names)


def _levels(net: Architecture) -> Callable[[int], int]:
    """How many sums of a network enclose an op: those that all its ways lead through, and that part before it."""
    inputs = [node.inputs for node in net.nodes]
    begins, after = immediate_dominators(inputs), immediate_postdominators(inputs)

    def level(at: int) -> int:
        found, then = 0, at
        while after[then] != then:
            then = after[then]
            found += isinstance(net.nodes[then].op, Add) and begins[then] < at
        return found

    return level
