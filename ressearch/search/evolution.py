"""Evolution with a surrogate: many children are imagined, the one with the most to gain is trained.

Parents are networks of the front where it is sparse (LEMONADE, Elsken et al. 2019), and children that were promising
already; children are mutations, crossings, copies and wrappings of their decisions (`ressearch.space.variation`). They
cost a few milliseconds each, since MACs are arithmetic and the accuracy is a Gaussian process's guess. The pool of
children is kept from one proposal to the next, so that it grows better while few are made for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import numpy as np

from ressearch.errors import NothingFitsError, SpaceError
from ressearch.search.features import Token, Vector
from ressearch.search.objective import Objective
from ressearch.search.population import TAUGHT, Decided, Member, Population
from ressearch.search.surrogate import Data, Scales, Surrogate, as_data
from ressearch.space import Candidate, Decisions, SearchSpace
from ressearch.space.variation import copied, crossed, mutated, parent_of, tuned, wrapped

STARTUP = 8
"""Networks that are spread over the MACs before the surrogate is asked."""

CHILDREN = (6, 32)
"""Children that are made for each proposal, at least and at most."""

NODES = 4_000
"""Nodes after which no further child is made, less PER_TAUGHT for each network that the surrogate learns from.

Both take time, the children in proportion to their nodes; this keeps a proposal's time about the same.
"""

PER_TAUGHT = 8

POOL = 160
"""Children that are kept for the next."""

PROMISING = 24
"""Children of the pool that may be parents themselves."""

TUNED = 0.3
"""How often a child gets another recipe too, where the space leaves a choice."""

REFIT = 1.15
"""Growth of what the surrogate learns from until its scales are looked for again."""

Key = Callable[[Candidate], object]


class Evolution:
    """Proposes candidates that are within the limits of the space, and learns from their accuracies.

    `key_of` tells which candidates are the same network under the same recipe.
    """

    def __init__(self, space: SearchSpace, generator: random.Random, objective: Objective, key_of: Key) -> None:
        self.objective = objective
        self._space, self._generator, self._key_of = space, generator, key_of
        self._population = Population()
        self._pool: dict[object, Member] = {}
        self._means: dict[object, float] = {}
        self._columns: dict[Token, int] = {}
        self._open: dict[object, tuple[Member, float]] = {}
        self._scales, self._fitted = Scales(), 0

    def learn(self, candidate: Candidate, accuracy: float | None) -> None:
        """What a network of this study measured; None, a failure, counts as the worst accuracy known."""
        self._open.pop(self._key_of(candidate), None)
        accuracy = self._population.worst if accuracy is None else accuracy
        self._population.add(self._member(candidate), accuracy)

    def learn_elsewhere(self, candidate: Candidate, accuracy: float) -> None:
        """What a network measured in another study by the same recipe."""
        self._population.add_elsewhere(self._member(candidate), accuracy)

    def revise(self, accuracies: Mapping[Decided, float]) -> None:
        """Other accuracies for networks of this study that were told before."""
        self._population.revise(accuracies)

    def forget(self, candidate: Candidate) -> None:
        """A network is awaited no more."""
        self._open.pop(self._key_of(candidate), None)

    def await_result(self, candidate: Candidate) -> None:
        """A network is being trained; until it is told, it counts as what the surrogate expects of it."""
        key = self._key_of(candidate)
        member = self._pool.pop(key, None) or self._member(candidate)
        self._open[key] = (member, self._means.get(key, self._population.worst))

    def propose(self, known: Callable[[object], bool]) -> Candidate | None:
        """The child with the most to gain whose key is not known, or None if none is found."""
        self._pool = {key: member for key, member in self._pool.items() if not known(key)}
        for member in self._children():
            key = self._key_of(member.candidate)
            if not known(key) and self._space.permits(member.candidate.cost):
                self._pool.setdefault(key, member)
        if not self._pool:
            return None
        self._judge()
        best = next(iter(self._pool.values()))
        return best.candidate

    def _member(self, candidate: Candidate) -> Member:
        return Member(self._space, dict(candidate.decisions), candidate.cost.macs)

    # Children

    def _children(self) -> Iterator[Member]:
        """Children of parents, and some strangers; strangers alone while little is known."""
        early = len(self._population) < STARTUP or not self._population.front
        nodes = NODES - PER_TAUGHT * min(TAUGHT, len(self._population))
        for made in range(CHILDREN[1]):
            if nodes < 0 and made >= CHILDREN[0]:
                return
            with suppress(SpaceError, NothingFitsError):
                member = self._stranger(evenly=made % 2 == 1) if early or made % 8 == 0 else self._child()
                nodes -= len(member.candidate.architecture)
                yield member

    def _stranger(self, evenly: bool) -> Member:
        candidate = self._space.sample(self._generator, evenly)
        member = Member(self._space, candidate.decisions, candidate.cost.macs)
        member.__dict__["candidate"] = candidate
        return member

    def _child(self) -> Member:
        generator = self._generator
        parents = self._parents()
        first = next(parents).parent
        dice = generator.random()
        if dice < 0.6:
            decisions = mutated(first, generator, generator.choice((1, 1, 1, 2, 2, 3)))
        elif dice < 0.85:
            decisions = crossed(first, next(parents).parent, generator)
        else:
            decisions = copied(first, generator) if dice < 0.93 else wrapped(self._space, first, generator)
        if self._space.grammar.parameters and generator.random() < TUNED:
            decisions = {**decisions, **tuned(first, generator)}
        return self._decoded(decisions)

    def _parents(self) -> Iterator[Member]:
        """Of the population, or of the most promising children."""
        promising = list(self._pool.values())[:PROMISING]
        proven = self._population.parents(self._generator)
        while True:
            yield self._generator.choice(promising) if promising and self._generator.random() < 0.4 else next(proven)

    def _decoded(self, decisions: Decisions) -> Member:
        parent = parent_of(self._space, decisions, self._generator)
        member = Member(self._space, parent.decisions, parent.candidate.cost.macs)
        member.__dict__["parent"] = parent
        return member

    # Judgement

    def _judge(self) -> None:
        """Put the most promising first in the pool, and let go of the others beyond its size."""
        members = list(self._pool.values())
        gains = self._spread(members) if len(self._population) < STARTUP else self._expected_gains(members)
        ranked = np.argsort(-gains, kind="stable")[:POOL]
        keys = list(self._pool)
        self._pool = {keys[at]: members[at] for at in ranked}

    def _spread(self, members: list[Member]) -> Vector:
        """How far each is from all that is known, in log MACs."""
        known = self._population.macs + [member.macs for member, _ in self._open.values()]
        costs = np.log([member.macs for member in members])
        if not known:
            return np.asarray(-np.abs(costs - np.median(costs)))
        return np.asarray(np.abs(costs[:, None] - np.log(known)[None, :]).min(1))

    def _expected_gains(self, members: list[Member]) -> Vector:
        mean, deviation = self._expected(members)
        self._means = dict(zip(self._pool, mean.tolist(), strict=True))
        macs = np.array([member.macs for member in members], dtype=float)
        awaited = [(accuracy, float(member.macs)) for member, accuracy in self._open.values()]
        return self.objective.gains(mean, deviation, macs, [*self._population.front, *awaited])

    def _expected(self, members: list[Member]) -> tuple[Vector, Vector]:
        """What the surrogate expects: mean and standard deviation of each one's accuracy."""
        taught = [*self._population.taught(self._generator), *self._open.values()]
        data = self._data([member for member, _ in taught])
        accuracies = np.array([accuracy for _, accuracy in taught])
        climb = 0
        if len(taught) > self._fitted * REFIT:
            climb, self._fitted = 3, len(taught)
        surrogate = Surrogate(data, accuracies, self._scales, climb)
        self._scales = surrogate.scales
        return surrogate.predict(self._data(members, data.tokens.shape[1]))

    def _data(self, members: list[Member], width: int | None = None) -> Data:
        columns = [member.columns(self._columns) for member in members]
        facts, recipes = [member.facts for member in members], [member.recipe for member in members]
        return as_data(facts, recipes, columns, width or len(self._columns))
