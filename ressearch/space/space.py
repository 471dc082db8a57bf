"""`SearchSpace`: all networks that a YAML file permits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import inf, log
from pathlib import Path
from typing import Any

from ressearch.architecture import Architecture
from ressearch.cost import Cost, cost_of
from ressearch.errors import DecisionError, NothingFitsError, Problem, SpaceError, SpaceFileError
from ressearch.space.choices import (
    BySuffix,
    Choice,
    Choose,
    Decisions,
    as_stored,
    as_stored_or,
    at_random,
    in_order,
    near,
)
from ressearch.space.decode import decode
from ressearch.space.grammar import Baseline, Grammar, Limit
from ressearch.space.outline import Outline
from ressearch.space.remarks import remarks
from ressearch.space.rules import Recursion
from ressearch.space.schema import read_grammar, standard_rules
from ressearch.space.writer import to_yaml
from ressearch.trial import PARAMETERS, Recipe

PROBES = 8
"""Random candidates that are built when a file is loaded, so that an ill-typed block shows at once."""

DRAWS = (16, 64, 256)
"""Draws beyond the limits after which the nearest of them is led towards the limits; the last ends the trying."""


@dataclass(frozen=True)
class Candidate:
    """A network of a space, the recipe it is to be trained by, and the decisions that made both; not yet evaluated."""

    architecture: Architecture
    decisions: Mapping[str, Any]
    recipe: Recipe

    @cached_property
    def cost(self) -> Cost:
        """What the network costs, by arithmetic."""
        return cost_of(self.architecture)


@dataclass(frozen=True)
class SearchSpace:
    """All networks that a YAML file permits, and the file's defaults for a study over them.

    `text` is the file verbatim; `grammar` is its meaning.
    """

    text: str
    grammar: Grammar

    @classmethod
    def load(cls, path: str | Path) -> SearchSpace:
        """Read a file. Raises SpaceError with every problem found, each with its line and column."""
        path = Path(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise SpaceFileError(f"cannot read the search space {path}: {error.strerror}") from error
        return cls.parse(raw.decode("utf-8", errors="replace"), str(path))

    @classmethod
    def parse(cls, text: str, file: str = "<string>") -> SearchSpace:
        """Read a text; `file` is the name for messages. Raises SpaceError with every problem found."""
        space = cls(text, read_grammar(text, file))
        space._probe()
        return space

    @property
    def name(self) -> str:
        """The file's `name:`."""
        return self.grammar.name

    @cached_property
    def digest(self) -> str:
        """Identity of the text: 16 hexadecimal digits."""
        return sha256(self.text.encode()).hexdigest()[:16]

    @cached_property
    def baselines(self) -> dict[str, Candidate]:
        """The file's known networks by name, in file order."""
        found: dict[str, Candidate] = {}
        problems: list[Problem] = []
        for baseline in self.grammar.baselines:
            try:
                found[baseline.name] = self._baseline(baseline)
            except SpaceError as error:
                problems += error.problems
        if problems:
            raise SpaceError(problems)
        return found

    @cached_property
    def networks(self) -> dict[str, Candidate]:
        """The networks that the file names: its baselines, or itself where it leaves nothing open."""
        if self.baselines:
            return self.baselines
        try:
            return {self.name: self.decode_stored({})}
        except DecisionError:
            return {}

    @cached_property
    def remarks(self) -> list[Problem]:
        """What is allowed but hardly meant, in file order."""
        own = {name for name, rule in self.grammar.rules.items() if standard_rules().get(name) != rule}
        return remarks(self.grammar, frozenset(own))

    def to_yaml(self) -> str:
        """The space as a file in one form, without comments: reading it again gives an equal space."""
        return to_yaml(self.grammar)

    def decode(self, choose: Choose) -> Candidate:
        """The candidate that a chooser's answers make.

        Raises SpaceError if they make an ill-typed graph, and DecisionError if one is not permitted.
        """
        return Candidate(*decode(self.grammar, choose, self._recursion))

    def decode_stored(self, decisions: Decisions) -> Candidate:
        """The candidate of a complete set of decisions. Raises DecisionError if one is missing or not permitted."""
        return self.decode(as_stored(decisions))

    def size(self) -> int | float:
        """Number of ways to decide a network, exact; infinite where a real number is to be chosen.

        Different decisions may build one network. Limits are not applied, and the recipe's parameters do not count.
        """
        outline = self._outline
        return inf if outline.continuous else outline.resolved.size

    def enumerate(self) -> Iterator[Candidate]:
        """Every way to decide a network once; the ill-typed ones are left out, those beyond the limits are not."""
        if self._outline.continuous:
            raise NothingFitsError(f"{self.name!r} cannot be enumerated: it leaves a real number to be chosen")
        for choose in in_order():
            with suppress(SpaceError):
                yield self.decode(choose)

    def draw(self, generator: random.Random) -> Candidate:
        """A candidate with each decision drawn evenly, whether it is within the limits or not.

        Raises SpaceError if what was drawn is ill-typed.
        """
        return self.decode(at_random(generator))

    def draw_evenly(self, generator: random.Random) -> Candidate:
        """A candidate drawn evenly from all ways to decide one: mostly large ones, of which there are most.

        Raises SpaceError if what was drawn is ill-typed.
        """
        return self.decode(as_stored_or(self._outline.resolved.draw(generator), at_random(generator)))

    def sample(self, generator: random.Random, evenly: bool = False) -> Candidate:
        """A candidate within the limits: drawn, or, where the limits are narrow, led into them.

        From the nearest of some draws, decisions are changed one at a time to what comes nearer to the limits. Raises
        NothingFitsError if that does not find any.
        """
        drawn: list[Candidate] = []
        for draws in DRAWS:
            while len(drawn) < draws:
                candidate = self._well_typed(self.draw_evenly if evenly else self.draw, generator)
                if self.permits(candidate.cost):
                    return candidate
                drawn.append(candidate)
            led = self._led(min(drawn, key=self._excess), generator)
            if self.permits(led.cost):
                return led
        raise self._nothing_fits(min([led, *drawn], key=self._excess))

    def neighbours(self, candidate: Candidate, generator: random.Random) -> Iterator[Candidate]:
        """The candidates that one decision tells apart: it takes each other value, all the others are kept.

        A number takes the values next to it. What a change opens is drawn at random, what it closes is dropped;
        ill-typed neighbours are left out, those beyond the limits are not.
        """
        choices: list[Choice] = []

        def recorded(choice: Choice) -> Any:
            choices.append(choice)
            return candidate.decisions[choice.path]

        self.decode(recorded)
        for choice in choices:
            for value in near(choice.domain, candidate.decisions[choice.path], generator):
                changed = {**candidate.decisions, choice.path: value}
                with suppress(SpaceError):
                    yield self.decode(as_stored_or(changed, at_random(generator)))

    def within(self, max_macs: int) -> SearchSpace:
        """The same space with its limit on MACs lowered to `max_macs`, where it is not lower already."""
        limits = self.grammar.limits
        limit = limits.get("macs", Limit(None, None))
        lowered = replace(limit, high=max_macs if limit.high is None else min(limit.high, max_macs))
        return replace(self, grammar=replace(self.grammar, limits={**limits, "macs": lowered}))

    def permits(self, cost: Cost) -> bool:
        """Whether a cost is within the file's limits."""
        return all(
            (limit.low is None or getattr(cost, name) >= limit.low)
            and (limit.high is None or getattr(cost, name) <= limit.high)
            for name, limit in self.grammar.limits.items()
        )

    def _baseline(self, baseline: Baseline) -> Candidate:
        recipe = {f"{PARAMETERS}{name}": value for name, value in asdict(self.grammar.recipe).items()}
        choose, path = BySuffix(baseline.wanted, otherwise=recipe), f"baselines.{baseline.name}"
        try:
            candidate = self.decode(choose)
        except DecisionError as error:
            raise _outside(baseline, path, error.message, error.hint) from error
        for key, nearest in choose.unused().items():
            hint = f"did you mean {nearest!r}?" if nearest else None
            raise _outside(baseline, path, f"{key!r} addresses no choice of this network", hint)
        return candidate

    @cached_property
    def _recursion(self) -> Recursion:
        return Recursion(self.grammar.rules)

    @cached_property
    def _outline(self) -> Outline:
        return Outline(self.grammar)

    def _excess(self, candidate: Candidate) -> float:
        """How far beyond the limits a candidate is: a sum of logarithms, 0 within them."""
        excess = 0.0
        for name, limit in self.grammar.limits.items():
            value = getattr(candidate.cost, name)
            excess += max(0.0, log(value / limit.high)) if limit.high else 0.0
            excess += max(0.0, log((limit.low or 1) / max(value, 1)))
        return excess

    def _led(self, candidate: Candidate, generator: random.Random) -> Candidate:
        """From one candidate to a neighbour that is nearer to the limits, until it is within or none is nearer."""
        nearer: Candidate | None = candidate
        while nearer is not None and not self.permits(nearer.cost):
            candidate, excess = nearer, self._excess(nearer)
            nearer = next((n for n in self.neighbours(candidate, generator) if self._excess(n) < excess), None)
        return nearer or candidate

    def _well_typed(self, draw: Callable[[random.Random], Candidate], generator: random.Random) -> Candidate:
        """A draw that is no ill-typed graph; the error of the last one, if there are nothing but those."""
        for _ in range(DRAWS[-1]):
            try:
                return draw(generator)
            except SpaceError as error:
                last = error
        raise last

    def _nothing_fits(self, nearest: Candidate) -> NothingFitsError:
        limited = ", ".join(f"{getattr(nearest.cost, name):,} {name}" for name in self.grammar.limits)
        return NothingFitsError(
            f"found no network of {self.name!r} within its limits, neither in {DRAWS[-1]} draws nor near them",
            hint=f"the nearest has {limited}; widen the limits",
        )

    def _probe(self) -> None:
        _ = self.baselines
        generator = random.Random(0)
        for _ in range(PROBES):
            self._probe_once(generator)

    def _probe_once(self, generator: random.Random) -> None:
        """Some networks may be nothing from image to scores; only if all seem to be is the file at fault."""
        for _ in range(DRAWS[-1]):
            try:
                self.decode(at_random(generator))
            except SpaceError as error:
                if {problem.code for problem in error.problems} != {"E020"}:
                    raise
                last = error
            else:
                return
        raise last


def _outside(baseline: Baseline, path: str, message: str, hint: str | None) -> SpaceError:
    return SpaceError([Problem("E019", path, f"not in the space: {message}", baseline.place, hint)])
