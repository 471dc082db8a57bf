"""Decisions in Optuna's words: a trial that chooses, and a finished network as a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from ressearch.space import Categorical, Choice, Choose, Decisions, Domain, Integer, Real


def as_optuna(trial: optuna.Trial) -> Choose:
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


def finished_trial(decisions: Decisions, domains: Mapping[str, Domain], values: list[float]) -> FrozenTrial:
    """A measured network as Optuna would hold it, had it proposed it itself."""
    distributions = {path: distribution_of(domain) for path, domain in domains.items()}
    return create_trial(params=dict(decisions), distributions=distributions, values=values)


def distribution_of(domain: Domain) -> BaseDistribution:
    """A domain as Optuna has it."""
    match domain:
        case Categorical(values):
            return CategoricalDistribution(values)
        case Integer(low, high, step, log):
            return IntDistribution(low, high, log, step)
        case Real(low, high, log, step):
            return FloatDistribution(low, high, log, step)
