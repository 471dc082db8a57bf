"""Studies with invented measurements, for what is said of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ressearch.cost import cost_of
from ressearch.space import Candidate, SearchSpace
from ressearch.store import Finished, Store
from ressearch.trial import (
    Failure,
    Fidelity,
    MeasurementKey,
    Origin,
    Recipe,
    Study,
    Trial,
    TrialState,
)
from tests.conftest import demo_space
from tests.store_samples import CHECKSUM, MEASURED, network

RECIPE = Recipe()
LAST = Fidelity(epochs=9)
STUDY = Study(
    name="sample",
    space_name="demo",
    space_text=demo_space.text,
    space_digest=demo_space.digest,
    data_source="digits",
    data_checksum=CHECKSUM,
    recipe=RECIPE,
    recipe_digest=RECIPE.digest(CHECKSUM),
    fidelity=LAST,
    seed=7,
    versions={"torch": "2.13.0"},
    commit="0123abc",
    search={"trials": 40, "workers": 2, "proposer": "evolution", "objective": "pareto", "max_macs": None},
)


def drawn(space: SearchSpace, count: int) -> list[Candidate]:
    """So many different networks of a space."""
    generator, found = random.Random(0), dict[str, Candidate]()
    while len(found) < count:
        candidate = space.sample(generator)
        found[candidate.architecture.id] = candidate
    return list(found.values())


def finished(
    candidates: Iterable[Candidate], study: Study = STUDY, baselines: Sequence[str] = (), begin: int = 0
) -> list[Finished]:
    """Complete trials: more accurate with more MACs, with noise. baselines: names of the first."""
    generator, found = random.Random(1), []
    for number, candidate in enumerate(candidates):
        id = candidate.architecture.id
        accuracy = 1 - 0.5 * (1 + candidate.cost.macs / 1e5) ** -0.4 + generator.gauss(0, 0.02)
        measured = replace(MEASURED, accuracy=round(min(max(accuracy, 0), 1), 4), seconds=generator.uniform(20, 200))
        name = baselines[number] if number < len(baselines) else None
        trial = Trial(
            number=begin + number,
            architecture_id=id,
            decisions=candidate.decisions,
            seed=study.seed,
            origin=Origin.BASELINE if name else Origin.PROPOSED,
            baseline=name,
            state=TrialState.COMPLETE,
            measurement=measured,
            proposer=None if name else "random" if number % 3 == 0 else "evolution",
        )
        key = MeasurementKey(id, study.recipe_digest, study.fidelity, study.seed)
        found.append(Finished(trial, key, study.recipe, (candidate.architecture, candidate.cost)))
    return found


def filled(store: Store, count: int, study: Study = STUDY, baselines: Sequence[str] = ()) -> int:
    """A study of so many networks of the demo."""
    study_id = store.create_study(study)
    store.record(study_id, finished(drawn(demo_space, count), study, baselines))
    return study_id


def failed(store: Store, study_id: int, number: int, error: str, kind: Failure = Failure.ERROR) -> None:
    """A trial that failed."""
    architecture = network(2 + number)
    trial = Trial(number=number, architecture_id=architecture.id, decisions={}, seed=STUDY.seed)
    store.begin(study_id, trial, architecture, cost_of(architecture))
    store.fail(study_id, number, error, kind)


def climbed(store: Store, study_id: int, begin: int, candidates: Iterable[Candidate], stay: int = 0) -> None:
    """Trials that go through a rung of 3 epochs; the first `stay` of them are stopped there."""
    generator = random.Random(2)
    for at, candidate in enumerate(candidates):
        number, id = begin + at, candidate.architecture.id
        trial = Trial(number=number, architecture_id=id, decisions=candidate.decisions, seed=STUDY.seed)
        store.begin(study_id, trial, candidate.architecture, candidate.cost)
        low = replace(MEASURED, accuracy=generator.uniform(0.5, 0.7), seconds=1.0)
        key = MeasurementKey(id, STUDY.recipe_digest, Fidelity(3, schedule=9), STUDY.seed)
        store.complete(study_id, number, key, low, RECIPE, state=TrialState.STOPPED)
        if at >= stay:
            store.promote(study_id, number)
            top = replace(MEASURED, accuracy=low.accuracy + generator.uniform(0, 0.2), seconds=3.0)
            store.complete(study_id, number, replace(key, fidelity=LAST), top, RECIPE)
