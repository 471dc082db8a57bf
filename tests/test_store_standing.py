"""Fronts and rankings that the database finds are those that `ressearch.ranking` finds in the results."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ressearch.cost import Cost
from ressearch.ranking import by_efficiency, pareto_front
from ressearch.store import Limits, Merit, Result, Store
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Origin, Recipe, Trial, TrialState
from tests.store_samples import CHECKSUM, MEASURED, STUDY, another_recipe, network

MACS = (1, 1, 2, 2, 3, 5, 10**12 + 1, 10**12 + 2, 2**61 + 1)
COSTS = [Cost(macs, params, 1, 1, params) for params, macs in enumerate(MACS)]
"""Of the networks here, each of which has other parameters."""


@dataclass(frozen=True)
class Try:
    """One trial; equal networks and seeds make equal keys."""

    study: int
    network: int
    seed: int
    accuracy: float
    state: TrialState
    baseline: bool


tries = st.builds(
    Try,
    study=st.integers(0, 1),
    network=st.integers(0, len(COSTS) - 1),
    seed=st.integers(0, 3),
    accuracy=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32),
    state=st.sampled_from([*[TrialState.COMPLETE] * 6, TrialState.STOPPED, TrialState.RUNNING]),
    baseline=st.booleans(),
)
limits = st.builds(
    Limits,
    max_macs=st.none() | st.integers(0, 6) | st.just(2**70),
    max_params=st.none() | st.integers(0, 9),
    min_accuracy=st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
fresh = itertools.count()


@pytest.fixture(scope="module")
def shared(new_store: Callable[[], str]) -> Iterator[Store]:
    with closing(Store.create(new_store())) as opened:
        yield opened


@dataclass
class Written:
    """What was written: the results of two studies alike, and of both by the measurement, the earliest first."""

    studies: list[int]
    results: list[list[Result]]
    measured: dict[MeasurementKey, Result | None]

    @property
    def alike(self) -> list[Result]:
        return [result for result in self.measured.values() if result is not None]


def write(store: Store, tried: Sequence[Try]) -> Written:
    """Two studies under one recipe, and beside each trial a better one under another recipe and one at a fidelity."""
    number = next(fresh)
    recipe, other = another_recipe(2 * number), another_recipe(2 * number + 1)
    study = replace(STUDY, recipe=recipe, recipe_digest=recipe.digest(CHECKSUM))
    names = [f"{number} {which}" for which in ("one", "two", "other")]
    ids = [store.create_study(replace(study, name=name)) for name in names]
    written = Written(ids, [[], []], {})
    accepted: dict[MeasurementKey, Measurement] = {}
    for at, this in enumerate(tried):
        key = begun(store, ids[this.study], at, this, recipe, STUDY.fidelity)
        if this.state is not TrialState.RUNNING:
            measured = replace(MEASURED, accuracy=this.accuracy)
            first = accepted.setdefault(key, measured)
            assert store.complete(ids[this.study], at, key, measured, recipe, state=this.state) == first
            written.measured.setdefault(key, None)
            if this.state is TrialState.COMPLETE:
                result = told(this, at, first, names[this.study])
                written.results[this.study].append(result)
                written.measured[key] = written.measured[key] or result
        for beside, (under, at_fidelity) in enumerate([(other, STUDY.fidelity), (recipe, Fidelity(99))]):
            key = begun(store, ids[2], 2 * at + beside, this, under, at_fidelity)
            store.complete(ids[2], 2 * at + beside, key, replace(MEASURED, accuracy=1.0), under)
    return written


def begun(store: Store, study: int, number: int, this: Try, recipe: Recipe, fidelity: Fidelity) -> MeasurementKey:
    architecture = network(10 + this.network)
    origin, name = (Origin.BASELINE, f"number {number}") if this.baseline else (Origin.PROPOSED, None)
    trial = Trial(number, architecture.id, {}, this.seed, origin, name)
    store.begin(study, trial, architecture, COSTS[this.network])
    return MeasurementKey(architecture.id, recipe.digest(CHECKSUM), fidelity, this.seed)


def told(this: Try, number: int, measured: Measurement, study: str) -> Result:
    id, cost = network(10 + this.network).id, COSTS[this.network]
    baseline = f"number {number}" if this.baseline else None
    counts = (cost.macs, cost.params, cost.depth)
    return Result(id, measured.accuracy, *counts, baseline, number, measured.seconds, study)


def within(results: Sequence[Result], limits: Limits) -> list[Result]:
    return [
        result
        for result in results
        if (limits.max_macs is None or result.macs <= limits.max_macs)
        and (limits.max_params is None or result.params <= limits.max_params)
        and (limits.min_accuracy is None or result.accuracy >= limits.min_accuracy)
    ]


same_key = [Try(which, 3, 0, 0.5, TrialState.COMPLETE, False) for which in (0, 1, 0, 1)]
stopped_first = [replace(same_key[0], state=TrialState.STOPPED), same_key[1]]
equal_points = [Try(0, network, 0, 0.5, TrialState.COMPLETE, False) for network in (3, 2, 3, 2, 0, 1, 0)]


@settings(max_examples=40)
@given(tried=st.lists(tries, max_size=14), limits=limits, limit=st.integers(1, 5))
@example(same_key, Limits(), 10)
@example(stopped_first, Limits(), 1)
@example(equal_points, Limits(), 10)
@example(equal_points, Limits(max_params=2), 2)
def test_fronts_and_rankings_are_those_of_the_results(
    shared: Store, tried: list[Try], limits: Limits, limit: int
) -> None:
    written = write(shared, tried)
    for study_id, results in zip(written.studies[:2], written.results, strict=True):
        assert shared.results(study_id) == results
        assert shared.baselines(study_id) == [result for result in results if result.baseline is not None]
        agree(shared, study_id, within(results, limits), limits, limit, all_studies=False)
        agree(shared, study_id, within(written.alike, limits), limits, limit, all_studies=True)


def agree(
    store: Store, study_id: int, results: Sequence[Result], limits: Limits, limit: int, *, all_studies: bool
) -> None:
    points = [(result.accuracy, result.macs) for result in results]
    assert store.count(study_id, limits, all_studies=all_studies) == len(results)
    assert store.front(study_id, limits, all_studies=all_studies) == [results[at] for at in pareto_front(points)]
    ranked = store.ranked(study_id, limits, limit=limit, all_studies=all_studies)
    assert ranked == [results[at] for at in by_efficiency(points, 0.0)][:limit]
    floor = max(0.5, limits.min_accuracy or 0.0)
    standing = store.standing(study_id, limits, floor, limit=limit, all_studies=all_studies)
    assert standing.front == [results[at] for at in pareto_front(points)]
    assert standing.ranking == [results[at] for at in by_efficiency(points, floor)][:limit]
    assert standing.able == len(by_efficiency(points, floor))
    ranked = store.ranked(study_id, limits, by=Merit.ACCURACY, limit=limit, all_studies=all_studies)
    assert ranked == sorted(results, key=lambda result: (-result.accuracy, result.macs))[:limit]


def test_limits_refuse_nonsense() -> None:
    for nonsense, message in [
        ({"max_macs": -1}, "max_macs must be at least 0, got -1"),
        ({"max_params": -1}, "max_params must be at least 0, got -1"),
        ({"min_accuracy": 1.5}, r"min_accuracy must be in \[0, 1\], got 1.5"),
        ({"min_accuracy": float("nan")}, r"min_accuracy must be in \[0, 1\], got nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            Limits(**nonsense)  # type: ignore[arg-type]


def test_at_least_one_is_asked_for(store: Store, study_id: int) -> None:
    with pytest.raises(ValueError, match="limit is at least 1, not 0"):
        store.ranked(study_id, limit=0)
    for floor, limit in ((0.9, 0), (0.4, 1)):
        message = f"limit is at least 1 and floor at least 0.5, not {limit} and {floor}"
        with pytest.raises(ValueError, match=message):
            store.standing(study_id, Limits(min_accuracy=0.5), floor, limit=limit)
