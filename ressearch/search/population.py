"""The networks whose accuracy is known or awaited: who may be a parent, and whom the surrogate learns from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ressearch.ranking import Point, front_numbers, pareto_front
from ressearch.search.features import Token, Vector, facts_of, numbers_of, tokens_of
from ressearch.space import Candidate, Decisions, SearchSpace
from ressearch.space.variation import Parent, parent_of

TAUGHT = 350
"""Networks that the surrogate learns from at most; its time grows with the cube of their number."""

CHOSEN_ANEW = 40
"""New networks after which is chosen anew from whom it learns, where there are more."""


@dataclass
class Member:
    """A network by its decisions; the rest is worked out when it is asked for, and of thousands seldom is."""

    space: SearchSpace = field(repr=False)
    decisions: Decisions
    macs: int
    _columns: NDArray[np.int64] | None = field(default=None, repr=False)

    @cached_property
    def parent(self) -> Parent:
        """The network itself, with the domains of its decisions."""
        return parent_of(self.space, self.decisions, random.Random(0))

    @cached_property
    def candidate(self) -> Candidate:
        """The network itself."""
        return self.parent.candidate

    @cached_property
    def facts(self) -> Vector:
        """What the surrogate sees of its graph."""
        return facts_of(self.candidate)

    @cached_property
    def recipe(self) -> Vector:
        """What the surrogate sees of its recipe."""
        return numbers_of(self.candidate.recipe)

    def settle(self) -> None:
        """Let go of the network, worked out again if it becomes a parent; what the surrogate saw of it is kept."""
        for worked_out in ("parent", "candidate"):
            self.__dict__.pop(worked_out, None)

    def columns(self, known: dict[Token, int]) -> NDArray[np.int64]:
        """The columns of its decisions, where tokens that are not known yet get the next ones; worked out once."""
        if self._columns is None:
            tokens = tokens_of(self.decisions)
            self._columns = np.array([known.setdefault(token, len(known)) for token in tokens], dtype=np.int64)
        return self._columns


Decided: TypeAlias = frozenset[tuple[str, object]]
"""Decisions as a key."""


def decided(decisions: Decisions) -> Decided:
    """Decisions as a key, whatever their order."""
    return frozenset(decisions.items())


class Population:
    """All members with their accuracies, and the front among them.

    Members from elsewhere teach the surrogate, but are no part of the front: this study has not measured them.
    """

    def __init__(self) -> None:
        self._members: list[tuple[Member, float]] = []
        self._elsewhere: list[tuple[Member, float]] = []
        self._front: list[tuple[Member, float]] = []
        self._taught: list[tuple[Member, float]] = []
        self._since = 0
        self._lowest: float | None = None

    def __len__(self) -> int:
        return len(self._members) + len(self._elsewhere)

    def add(self, member: Member, accuracy: float) -> None:
        """A network that was measured in this study."""
        member.settle()
        self._members.append((member, accuracy))
        self._lowest = accuracy if self._lowest is None else min(self._lowest, accuracy)
        self._teach(member, accuracy)
        front = [*self._front, (member, accuracy)]
        self._front = [front[i] for i in pareto_front([(a, m.macs) for m, a in front])]

    def add_elsewhere(self, member: Member, accuracy: float) -> None:
        """A network that was measured by the same recipe in another study."""
        self._elsewhere.append((member, accuracy))
        self._teach(member, accuracy)

    def revise(self, accuracies: Mapping[Decided, float]) -> None:
        """Other accuracies for members that were measured in this study."""

        def revised(found: list[tuple[Member, float]]) -> list[tuple[Member, float]]:
            return [(member, accuracies.get(decided(member.decisions), known)) for member, known in found]

        self._members, self._taught = revised(self._members), revised(self._taught)
        points = [(accuracy, member.macs) for member, accuracy in self._members]
        self._lowest = min((accuracy for accuracy, _ in points), default=None)
        self._front = [self._members[i] for i in pareto_front(points)]

    @property
    def front(self) -> list[Point]:
        """(accuracy, MACs) of the front, by rising MACs."""
        return [(accuracy, member.macs) for member, accuracy in self._front]

    @property
    def worst(self) -> float:
        """The lowest accuracy that was measured in this study, 0 before the first."""
        return self._lowest or 0.0

    @property
    def macs(self) -> list[int]:
        """Of all members that were measured in this study."""
        return [member.macs for member, _ in self._members]

    def parents(self, generator: random.Random) -> Iterator[Member]:
        """Parents without end: mostly of the front, the more often the emptier it is around them (Elsken et al. 2019).

        Emptiness is the distance of a point's two neighbours in log MACs.
        """
        front = [member for member, _ in self._front]
        costs = [log(member.macs) for member in front]
        padded = [costs[0] - 0.3, *costs, costs[-1] + 0.3]
        gaps = [after - before + 1e-3 for before, after in zip(padded, padded[2:], strict=False)]
        while True:
            if generator.random() < 0.8:
                yield generator.choices(front, gaps)[0]
            else:
                yield generator.choice(self._taught)[0]

    def taught(self, generator: random.Random) -> Sequence[tuple[Member, float]]:
        """Whom the surrogate learns from: all, or the best fronts one after another, and others at random."""
        if len(self) > TAUGHT and self._since >= CHOSEN_ANEW:
            self._choose(generator)
        return self._taught

    def _teach(self, member: Member, accuracy: float) -> None:
        self._taught.append((member, accuracy))
        self._since += len(self) > TAUGHT

    def _choose(self, generator: random.Random) -> None:
        known = [*self._members, *self._elsewhere]
        fronts = front_numbers([(accuracy, member.macs) for member, accuracy in known])
        order = sorted(range(len(known)), key=lambda i: (fronts[i], -i))  # of a front the newest first
        best, beyond = order[: TAUGHT // 2], order[TAUGHT // 2 :]
        last = fronts[best[-1]]
        rest = [i for i in beyond if fronts[i] == last] + sorted(i for i in beyond if fronts[i] > last)
        chosen = best + generator.sample(rest, TAUGHT // 2 - CHOSEN_ANEW)
        self._teach_only([known[i] for i in chosen])
        self._since = 0

    def _teach_only(self, chosen: list[tuple[Member, float]]) -> None:
        """Learn from these alone, and let go of the networks that were parents meanwhile."""
        kept = {id(member) for member, _ in (*chosen, *self._front)}
        for member, _ in self._taught:
            if id(member) not in kept:
                member.settle()
        self._taught = chosen
