"""`SearchSpace`: all networks that a YAML file permits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ressearch.architecture import Architecture
from ressearch.cost import Cost, cost_of
from ressearch.errors import DecisionError, NothingFitsError, Problem, SpaceError, SpaceFileError
from ressearch.space.choices import BySuffix, Choose, Decisions, as_stored, at_random
from ressearch.space.decode import decode
from ressearch.space.grammar import Baseline, Grammar
from ressearch.space.schema import read_grammar
from ressearch.trial import Recipe

PROBES = 8
"""Random candidates that are built when a file is loaded, so that an ill-typed block shows at once."""

MAX_DRAWS = 2_000
"""Draws after which limits count as unsatisfiable."""


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

    def decode(self, choose: Choose) -> Candidate:
        """The candidate that a chooser's answers make.

        Raises SpaceError if they make an ill-typed graph, and DecisionError if one is not permitted.
        """
        return Candidate(*decode(self.grammar, choose))

    def decode_stored(self, decisions: Decisions) -> Candidate:
        """The candidate of a complete set of decisions. Raises DecisionError if one is missing or not permitted."""
        return self.decode(as_stored(decisions))

    def sample(self, generator: random.Random) -> Candidate:
        """A candidate within the limits, each decision drawn uniformly.

        Raises NothingFitsError if none of 2,000 draws is within the limits.
        """
        smallest = None
        for _ in range(MAX_DRAWS):
            candidate = self.decode(at_random(generator))
            if self.permits(candidate.cost):
                return candidate
            smallest = min(smallest or candidate.cost.macs, candidate.cost.macs)
        raise NothingFitsError(
            f"none of {MAX_DRAWS:,} draws from {self.name!r} is within its limits",
            hint=f"the smallest of them has {smallest:,} MACs; widen the limits",
        )

    def permits(self, cost: Cost) -> bool:
        """Whether a cost is within the file's limits."""
        return all(
            (limit.low is None or getattr(cost, name) >= limit.low)
            and (limit.high is None or getattr(cost, name) <= limit.high)
            for name, limit in self.grammar.limits.items()
        )

    def _baseline(self, baseline: Baseline) -> Candidate:
        recipe = {f"parameters.{name}": value for name, value in asdict(self.grammar.recipe).items()}
        choose, path = BySuffix(baseline.wanted, otherwise=recipe), f"baselines.{baseline.name}"
        try:
            candidate = self.decode(choose)
        except DecisionError as error:
            raise _outside(baseline, path, error.message, error.hint) from error
        for key, nearest in choose.unused().items():
            hint = f"did you mean {nearest!r}?" if nearest else None
            raise _outside(baseline, path, f"{key!r} addresses no choice of this network", hint)
        return candidate

    def _probe(self) -> None:
        _ = self.baselines
        generator = random.Random(0)
        for _ in range(PROBES):
            self.decode(at_random(generator))


def _outside(baseline: Baseline, path: str, message: str, hint: str | None) -> SpaceError:
    return SpaceError([Problem("E019", path, f"not in the space: {message}", baseline.place, hint)])
