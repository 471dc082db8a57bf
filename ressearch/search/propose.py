"""Which network to try next. Four proposers, one Optuna study: a sampler of Optuna, or evolution, chooses for `decode`.

The Optuna study lives in memory and is rebuilt from the store when a search starts; the store is the only truth.
Optuna is told each network once, with its accuracy and its MACs. A repeat of a known network is closed without a
value: told as complete, repeats make the sampler propose known points again and again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState as OptunaState

from ressearch.errors import NothingFitsError, SpaceError
from ressearch.search.dialect import as_optuna, finished_trial
from ressearch.search.evolution import Evolution
from ressearch.search.objective import Objective
from ressearch.search.population import Decided, decided
from ressearch.space import Candidate, Decisions, SearchSpace
from ressearch.space.variation import Parent, parent_of
from ressearch.trial import OBJECTIVES, PROPOSERS, Recipe

STARTUP_TRIALS = 8
"""Random networks before a sampler's model is used; Optuna's default of 10 is much of a small study."""

SAMPLER_DRAWS = 20
"""Proposals of a sampler that may be known or beyond the limits before one is drawn at random."""

RANDOM_DRAWS = 200
"""Random networks that may be known before the space counts as exhausted."""

Finished = tuple[Decisions, float | None]
"""The decisions of a network and its accuracy, None for a failure."""

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "evolution": lambda seed: RandomSampler(seed=seed),  # never asked: every proposal is enqueued
    "nsga2": lambda seed: NSGAIISampler(population_size=24, seed=seed),
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


@dataclass(frozen=True)
class Proposal:
    """A candidate, and the open Optuna trial that is to be told what it measured."""

    candidate: Candidate
    trial: optuna.Trial


@dataclass(frozen=True)
class Aim:
    """Who proposes and what for: a proposer and an objective by name, and the most MACs that a proposal may have.

    The objective is the affair of evolution; Optuna's samplers always look for the front of accuracy and MACs.
    """

    proposer: str = PROPOSERS[0]
    objective: str = OBJECTIVES[0]
    max_macs: int | None = None


class Proposer:
    """Proposes networks that were not proposed before, and learns from what they measured.

    `past` are the finished networks of the study. `elsewhere` are finished networks of other studies of the same space
    and recipe: evolution's surrogate learns from them, and they may be proposed.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        past: Iterable[Finished] = (),
        elsewhere: Iterable[Finished] = (),
        aim: Aim = Aim(),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space if aim.max_macs is None else space.within(aim.max_macs)
        self._seen: set[tuple[str, Recipe]] = set()
        past = list(past)
        # A resumed study must not draw again what it drew before, so its past is part of the seed.
        seed = random.Random(f"{seed}/{len(past)}").randrange(2**32)
        self._generator = random.Random(seed)
        sampler = SAMPLERS[aim.proposer](seed)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        self._told: dict[Decided, int] = {}
        self._floors = {point_of(candidate): candidate.cost.macs for candidate in space.baselines.values()}
        self._evolution: Evolution | None = None
        if aim.proposer == "evolution":
            self._evolution = Evolution(self._space, self._generator, Objective(aim.objective), point_of)
        for decisions, accuracy in past:
            self._remember(decisions, accuracy)
        for decisions, accuracy in elsewhere:
            if self._evolution and accuracy is not None:
                self._evolution.learn_elsewhere(self._decoded(decisions).candidate, accuracy)

    def propose(self) -> Proposal | None:
        """A network within the limits that was not proposed before, or None if the space seems to hold no other."""
        proposal = self._evolved() if self._evolution else self._sampled()
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
        proposal = Proposal(self._space.decode(as_optuna(trial)), trial)
        self._open(proposal)
        return proposal

    def knows(self, candidate: Candidate) -> bool:
        """Whether the network was proposed before with this recipe, through whatever decisions."""
        return point_of(candidate) in self._seen

    def tell(self, proposal: Proposal, accuracy: float | None) -> None:
        """What a proposal measured; None if it failed. Of a network that was told before, the last word counts."""
        key = decided(proposal.candidate.decisions)
        if key in self._told:
            self._tell_again(proposal, accuracy or 0.0)
        elif accuracy is None:
            self._study.tell(proposal.trial, state=OptunaState.FAIL)
            self._learn(proposal.candidate, None)
        else:
            self._study.tell(proposal.trial, [accuracy, proposal.candidate.cost.macs])
            self._told[key] = proposal.trial.number
            self._learn(proposal.candidate, accuracy)

    def _tell_again(self, proposal: Proposal, accuracy: float) -> None:
        self._study.tell(proposal.trial, state=OptunaState.FAIL)
        self.revise([(proposal.candidate.decisions, accuracy)])
        if self._evolution:
            self._evolution.forget(proposal.candidate)

    def revise(self, accuracies: Sequence[tuple[Decisions, float]]) -> None:
        """Other accuracies for networks that were told before: each stays one observation of the model.

        Optuna lets nobody tell a trial twice; in memory, its record of the trial is what its samplers read.
        """
        trials = self._study.get_trials(deepcopy=False)
        for decisions, accuracy in accuracies:
            trial = trials[self._told[decided(decisions)]]
            trial.values = [accuracy, *trial.values[1:]]
        if self._evolution:
            self._evolution.revise({decided(decisions): accuracy for decisions, accuracy in accuracies})

    def _open(self, proposal: Proposal) -> None:
        self._seen.add(point_of(proposal.candidate))
        if self._evolution:
            self._evolution.await_result(proposal.candidate)

    def _evolved(self) -> Proposal | None:
        assert self._evolution is not None
        candidate = self._evolution.propose(self._seen.__contains__)
        return None if candidate is None else self.take(candidate.decisions)

    def _sampled(self) -> Proposal | None:
        for _ in range(SAMPLER_DRAWS):
            proposal = self._asked()
            if proposal is not None:
                return proposal
        return None

    def _asked(self) -> Proposal | None:
        """What the sampler proposes, unless it is known, ill-typed or beyond the limits."""
        trial = self._study.ask()
        try:
            candidate = self._space.decode(as_optuna(trial))
        except SpaceError:
            self._study.tell(trial, state=OptunaState.FAIL)
            return None
        if self.knows(candidate) or not self._space.permits(candidate.cost):
            self._study.tell(trial, state=OptunaState.FAIL)
            return None
        proposal = Proposal(candidate, trial)
        self._open(proposal)
        return proposal

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

    def _remember(self, decisions: Decisions, accuracy: float | None) -> None:
        """A finished network of this study, from the store."""
        found = self._decoded(decisions)
        self._seen.add(point_of(found.candidate))
        if accuracy is not None:
            values = [accuracy, float(found.candidate.cost.macs)]
            self._told[decided(decisions)] = len(self._told)
            self._study.add_trial(finished_trial(found.decisions, found.domains, values))
        self._learn(found.candidate, accuracy)

    def _learn(self, candidate: Candidate, accuracy: float | None) -> None:
        if self._evolution is None:
            return
        self._evolution.learn(candidate, accuracy)
        cheapest = min(self._floors, key=self._floors.__getitem__, default=None)
        if accuracy is not None and point_of(candidate) == cheapest:  # the floor that `ressearch best` has, too
            self._evolution.objective = Objective(self._evolution.objective.kind, floor=accuracy)

    def _decoded(self, decisions: Decisions) -> Parent:
        return parent_of(self._space, decisions, self._generator)


def point_of(candidate: Candidate) -> tuple[str, Recipe]:
    """What makes two candidates one: the network and the recipe."""
    return candidate.architecture.id, candidate.recipe
