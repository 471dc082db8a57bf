"""Which network to try next: Optuna's two-objective sampler as the chooser of `decode`.

The Optuna study lives in memory and is rebuilt from the store when a search starts; the store is the only truth.
Optuna is told each network once, with its accuracy and its MACs. A repeat of a known network is closed without a
value: told as complete, repeats make the sampler propose known points again and again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from ressearch.errors import NothingFitsError, SpaceError
from ressearch.space import Candidate, Categorical, Choice, Choose, Decisions, Domain, Integer, Real, SearchSpace
from ressearch.trial import Recipe

STARTUP_TRIALS = 8
"""Random networks before the sampler's model is used; Optuna's default of 10 is much of a small study."""

SAMPLER_DRAWS = 20
"""Proposals of the sampler that may be known or beyond the limits before one is drawn at random."""

RANDOM_DRAWS = 200
"""Random networks that may be known before the space counts as exhausted."""


@dataclass(frozen=True)
class Proposal:
    """A candidate, and the open Optuna trial that is to be told what it measured."""

    candidate: Candidate
    trial: optuna.Trial


class Proposer:
    """Proposes networks that were not proposed before, and learns from what they measured.

    `past` are the finished networks of the study: their decisions and accuracies (None for a failure).
    """

    def __init__(self, space: SearchSpace, seed: int, past: Iterable[tuple[Decisions, float | None]] = ()) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._seen: set[tuple[str, Recipe]] = set()
        finished = [self._rebuilt(decisions, accuracy) for decisions, accuracy in past]
        # A resumed study must not draw again what it drew before, so its past is part of the seed.
        seed = random.Random(f"{seed}/{len(finished)}").randrange(2**32)
        self._generator = random.Random(seed)
        sampler = TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        self._study.add_trials([trial for trial in finished if trial is not None])

    def propose(self) -> Proposal | None:
        """A network within the limits that was not proposed before, or None if the space seems to hold no other."""
        for _ in range(SAMPLER_DRAWS):
            proposal = self._asked()
            if proposal is not None:
                return proposal
        try:
            return self._drawn()
        except NothingFitsError:
            return None

    def take(self, decisions: Decisions) -> Proposal:
        """A given network as a proposal: a baseline, or a trial that was interrupted."""
        self._study.enqueue_trial(dict(decisions))
        trial = self._study.ask()
        candidate = self._space.decode(_as_optuna(trial))
        self._seen.add(_point(candidate))
        return Proposal(candidate, trial)

    def knows(self, candidate: Candidate) -> bool:
        """Whether the network was proposed before with this recipe, through whatever decisions."""
        return _point(candidate) in self._seen

    def tell(self, proposal: Proposal, accuracy: float | None) -> None:
        """What a proposal measured; None if it failed."""
        if accuracy is None:
            self._study.tell(proposal.trial, state=OptunaState.FAIL)
        else:
            self._study.tell(proposal.trial, [accuracy, proposal.candidate.cost.macs])

    def _asked(self) -> Proposal | None:
        """What the sampler proposes, unless it is known, ill-typed or beyond the limits."""
        trial = self._study.ask()
        try:
            candidate = self._space.decode(_as_optuna(trial))
        except SpaceError:
            self._study.tell(trial, state=OptunaState.FAIL)
            return None
        if self.knows(candidate) or not self._space.permits(candidate.cost):
            self._study.tell(trial, state=OptunaState.FAIL)
            return None
        self._seen.add(_point(candidate))
        return Proposal(candidate, trial)

    def _drawn(self) -> Proposal | None:
        """A random network that is not known yet, if one is found. Raises NothingFitsError if none is in the limits."""
        for _ in range(RANDOM_DRAWS):
            try:
                candidate = self._space.sample(self._generator)
            except SpaceError:
                continue
            if not self.knows(candidate):
                return self.take(candidate.decisions)
        return None

    def _rebuilt(self, decisions: Decisions, accuracy: float | None) -> optuna.trial.FrozenTrial | None:
        """A finished network as Optuna would hold it, had it proposed it itself; None for a failure."""
        distributions: dict[str, BaseDistribution] = {}

        def choose(choice: Choice) -> Any:
            distributions[choice.path] = _distribution(choice.domain)
            return decisions[choice.path]

        candidate = self._space.decode(choose)
        self._seen.add(_point(candidate))
        if accuracy is None:
            return None
        values = [accuracy, float(candidate.cost.macs)]
        return create_trial(params=dict(decisions), distributions=distributions, values=values)


def _point(candidate: Candidate) -> tuple[str, Recipe]:
    return candidate.architecture.id, candidate.recipe


def _as_optuna(trial: optuna.Trial) -> Choose:
    """A chooser that lets an Optuna trial decide."""

    def choose(choice: Choice) -> Any:
        match choice.domain:
            case Categorical(values):
                return trial.suggest_categorical(choice.path, values)
            case Integer(low, high, step, log):
                return trial.suggest_int(choice.path, low, high, step=step, log=log)
            case Real(low, high, log, step):
                return trial.suggest_float(choice.path, low, high, step=step, log=log)

    return choose


def _distribution(domain: Domain) -> BaseDistribution:
    match domain:
        case Categorical(values):
            return CategoricalDistribution(values)
        case Integer(low, high, step, log):
            return IntDistribution(low, high, log, step)
        case Real(low, high, log, step):
            return FloatDistribution(low, high, log, step)
