"""Which networks of a study are best, within limits; and, where none is, which one misses them by the least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from math import log
from typing import TYPE_CHECKING

from ressearch.errors import NothingFitsError
from ressearch.ranking import knee
from ressearch.store.standing import Limits, Merit, Result, Standing
from ressearch.trial import Study, TrialState

if TYPE_CHECKING:
    from ressearch.store.store import Store


class By(StrEnum):
    """How the best are chosen: the front, by falling accuracy per FLOP or accuracy, or the one at the front's knee."""

    PARETO = "pareto"
    EFFICIENCY = "efficiency"
    KNEE = "knee"
    ACCURACY = "accuracy"


@dataclass(frozen=True)
class Floor:
    """The accuracy from which networks are ranked by accuracy per FLOP, and where it comes from."""

    accuracy: float
    source: str


@dataclass(frozen=True)
class Asked:
    """About what is asked: a study's networks within limits, or those of all studies of its recipe and fidelity."""

    store: Store
    study_id: int
    study: Study
    limits: Limits
    all_studies: bool

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.limits != Limits()

    @property
    def studies(self) -> dict[int, str]:
        """Row ids and names of the studies whose networks are looked at."""
        return self.store.comparable(self.study_id) if self.all_studies else {self.study_id: self.study.name}

    @property
    def counts(self) -> Mapping[TrialState, int]:
        """How many of their trials are in each state."""
        found = Counter[TrialState]()
        for study_id in self.studies:
            found.update(self.store.counts(study_id))
        return found

    @cached_property
    def floor(self) -> Floor:
        """The least accuracy of the limits, or else that of the study's cheapest baseline."""
        if self.limits.min_accuracy is not None:
            return Floor(self.limits.min_accuracy, "--min-accuracy")
        baselines = self.store.baselines(self.study_id)
        if not baselines:
            return Floor(0.0, "none: no baseline was measured")
        cheapest = min(baselines, key=lambda result: result.macs)
        return Floor(cheapest.accuracy, f"baseline {cheapest.baseline}")

    @property
    def above_floor(self) -> Limits:
        """The limits of the ranking by accuracy per FLOP."""
        return replace(self.limits, min_accuracy=self.floor.accuracy)

    def results(self) -> list[Result]:
        """All within the limits, study by study in the order of their numbers."""
        return self.store.results(self.study_id, self.limits, all_studies=self.all_studies)

    def front(self) -> list[Result]:
        """The Pareto front within the limits, by rising MACs."""
        return self.store.front(self.study_id, self.limits, all_studies=self.all_studies)

    def ranking(self, limit: int) -> list[Result]:
        """The most accurate per FLOP from the floor on, the best first."""
        return self.store.ranked(self.study_id, self.above_floor, limit=limit, all_studies=self.all_studies)

    def standing(self, limit: int) -> Standing:
        """Front and ranking at once. Raises NothingFitsError if there are limits and nothing is within them."""
        found = self.store.standing(
            self.study_id, self.limits, self.floor.accuracy, limit=limit, all_studies=self.all_studies
        )
        if self.limited and not found.front:
            raise self.nothing_fits()
        return found

    def chosen(self, by: By, limit: int) -> list[Result]:
        """The best; at most `limit`, but all of the front. Raises NothingFitsError if there is none."""
        match by:
            case By.EFFICIENCY:
                found = self.ranking(limit)
            case By.ACCURACY:
                found = self.store.ranked(
                    self.study_id, self.limits, by=Merit.ACCURACY, limit=limit, all_studies=self.all_studies
                )
            case By.PARETO:
                found = self.front()
            case By.KNEE:
                found = _at_knee(self.front())
        if not found:
            raise self.nothing_fits(by)
        return found

    def nothing_fits(self, by: By | None = None) -> NothingFitsError:
        """That there is nothing to choose from, and which network comes nearest."""
        names = list(self.studies.values())
        whose = f"the study {names[0]!r}" if len(names) == 1 else f"the studies {', '.join(map(repr, names))}"
        every = self.store.results(self.study_id, all_studies=self.all_studies)
        if not every:
            return NothingFitsError(f"no trial of {whose} is complete yet")
        limits = self.above_floor if by is By.EFFICIENCY else self.limits
        source = f" ({self.floor.source})" if limits != self.limits else ""
        near = min(every, key=lambda result: excess(limits, result))
        has = f"{near.macs:,} macs, {near.params:,} params and an accuracy of {100 * near.accuracy:.2f} %"
        hint = f"the nearest, {near.id}, has {has}; widen the limits"
        return NothingFitsError(f"no network of {whose} has {said(limits)}{source}", hint=hint)


def _at_knee(front: Sequence[Result]) -> list[Result]:
    found = knee([(result.accuracy, result.macs) for result in front])
    return [] if found is None else [front[found]]


def said(limits: Limits) -> str:
    """Limits as a filter of `ressearch query` says them; empty of none."""
    parts = [f"macs <= {limits.max_macs:,}"] if limits.max_macs is not None else []
    parts += [f"params <= {limits.max_params:,}"] if limits.max_params is not None else []
    parts += [f"accuracy >= {100 * limits.min_accuracy:.2f} %"] if limits.min_accuracy is not None else []
    return " and ".join(parts)


def excess(limits: Limits, result: Result) -> float:
    """How far outside the limits a network is: the logarithms of how many times each is missed, summed; 0 inside."""
    pairs = [(result.macs, limits.max_macs), (result.params, limits.max_params)]
    over = sum(_log_ratio(value, most) for value, most in pairs if most is not None)
    return over + (0.0 if limits.min_accuracy is None else _log_ratio(limits.min_accuracy, result.accuracy))


def _log_ratio(value: float, most: float) -> float:
    tiny = 1e-9  # stands for 0, which has no logarithm
    return max(0.0, log(max(value, tiny) / max(most, tiny)))
