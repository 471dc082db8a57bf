"""Children of networks: what becomes of decisions when some of them are changed, exchanged or moved.

A child is decoded anew: decisions that are still asked for are kept, what a change opens is decided at random, what it
closes is dropped. So every child is a network of the space, if not always one within the limits.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ressearch.space.choices import Categorical, Choice, Decisions, Domain, as_stored_or, at_random, near
from ressearch.space.space import Candidate, SearchSpace
from ressearch.trial import PARAMETERS


@dataclass(frozen=True)
class Parent:
    """A network and the domains of its decisions."""

    candidate: Candidate
    domains: Mapping[str, Domain]

    @property
    def decisions(self) -> Decisions:
        """Its decisions."""
        return self.candidate.decisions


def parent_of(space: SearchSpace, decisions: Decisions, generator: random.Random) -> Parent:
    """Decode decisions, of which those that are missing or not permitted are drawn. Raises SpaceError."""
    domains: dict[str, Domain] = {}
    choose = as_stored_or(decisions, at_random(generator))

    def recorded(choice: Choice) -> Any:
        domains[choice.path] = choice.domain
        return choose(choice)

    return Parent(space.decode(recorded), domains)


def mutated(parent: Parent, generator: random.Random, changes: int = 1) -> dict[str, Any]:
    """Some decisions changed: a number to the next one, mostly, a word to any other."""
    decisions = dict(parent.decisions)
    for path in generator.sample(sorted(parent.domains), min(changes, len(parent.domains))):
        domain, value = parent.domains[path], decisions[path]
        options = near(domain, value, generator)
        if not isinstance(domain, Categorical) and generator.random() < _FAR:
            options = [at_random(generator)(Choice(path, domain))]
        decisions[path] = generator.choice(options or [value])
    return decisions


def tuned(parent: Parent, generator: random.Random) -> dict[str, Any]:
    """Other decisions about the recipe, where the space leaves any."""
    domains = {path: domain for path, domain in parent.domains.items() if path.startswith(PARAMETERS)}
    changed = mutated(replace(parent, domains=domains), generator, len(domains))
    return {path: changed[path] for path in domains}


_FAR = 0.2
"""How often a number is drawn afresh instead of being moved by a step."""


def crossed(first: Parent, second: Parent, generator: random.Random) -> dict[str, Any]:
    """Decisions of two parents: for each decision of the first, which of them it is from; the rest is the second's.

    Neighbouring decisions mostly come from the same parent, so that what belongs together stays together.
    """
    found, other = {**second.decisions}, generator.random() < 0.5
    for path, value in first.decisions.items():
        other ^= generator.random() < _SWITCH
        if not other or path not in second.decisions:
            found[path] = value
    return found


_SWITCH = 0.3
"""How often the parent changes from one decision to the next."""


def copied(parent: Parent, generator: random.Random) -> dict[str, Any]:
    """The decisions inside one block in place of those inside another that is chosen from the same blocks."""
    blocks = _branching(parent.domains)
    pairs = [(a, b) for a in blocks for b in blocks if a != b and parent.domains[a] == parent.domains[b]]
    if not pairs:
        return mutated(parent, generator)
    source, target = generator.choice(pairs)
    return _moved(parent.decisions, _block(source), _block(target))


def wrapped(space: SearchSpace, parent: Parent, generator: random.Random) -> dict[str, Any]:
    """A block inside a new one: another branch that holds such a block takes the old one as its inner block.

    An outer residual around a block is such a branch. Where no branch does, the change alone.
    """
    blocks = _branching(parent.domains)
    if not blocks:
        return mutated(parent, generator)
    path = generator.choice(blocks)
    others = near(parent.domains[path], parent.decisions[path], generator)
    if not others:
        return mutated(parent, generator)
    opened = parent_of(space, {**parent.decisions, path: generator.choice(others)}, generator)
    inside = [p for p in _branching(opened.domains) if p != path and p.startswith(_block(path))]
    if not inside:
        return dict(opened.decisions)
    target = generator.choice(inside)
    return {**opened.decisions, **_moved(parent.decisions, _block(path), _block(target), only=True)}


def _branching(domains: Mapping[str, Domain]) -> Sequence[str]:
    return sorted(path for path in domains if path.endswith(".one_of"))


def _block(path: str) -> str:
    return path.removesuffix("one_of")


def _moved(decisions: Decisions, source: str, target: str, only: bool = False) -> dict[str, Any]:
    """Decisions with those below one address in place of those below another; `only` those that moved."""
    inside = {target + path.removeprefix(source): value for path, value in decisions.items() if path.startswith(source)}
    kept = {} if only else {path: value for path, value in decisions.items() if not path.startswith(target)}
    return kept | inside
