"""Trials that are recorded in bulk are in the store as if each had begun and been completed in turn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from ressearch.cost import cost_of
from ressearch.store import Finished, Store
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Origin, Trial, TrialState
from tests.store_samples import (
    BETTER,
    CHECKSUM,
    KEY,
    MEASURED,
    NET,
    RECIPE,
    STUDY,
    another_recipe,
    begin,
    complaint,
    network,
    together,
)
from tests.test_store import measurements

fresh = itertools.count()


@dataclass(frozen=True)
class Drawn:
    """What is drawn of a trial; equal ones but for accuracy and decisions make equal keys."""

    network: int
    recipe: int
    seed: int
    epochs: int
    measurement: Measurement
    decisions: dict[str, Any]
    baseline: bool


drawn = st.builds(
    Drawn,
    network=st.integers(0, 3),
    recipe=st.integers(0, 1),
    seed=st.integers(0, 1),
    epochs=st.integers(1, 2),
    measurement=measurements | st.just(replace(MEASURED, flops=10**21 + 1)),
    decisions=st.dictionaries(st.text(max_size=3), st.integers() | st.booleans() | st.text(max_size=3), max_size=3),
    baseline=st.booleans(),
)


@pytest.fixture(scope="module")
def shared(new_store: Callable[[], str]) -> Iterator[Store]:
    with closing(Store.create(new_store())) as opened:
        yield opened


def finished(one: Drawn, number: int, run: int) -> Finished:
    """run: no two runs share a recipe."""
    architecture, recipe = network(10 + one.network), another_recipe(2 * run + one.recipe)
    key = MeasurementKey(architecture.id, recipe.digest(CHECKSUM), Fidelity(one.epochs), one.seed)
    trial = Trial(
        number=number,
        architecture_id=architecture.id,
        decisions=one.decisions,
        seed=one.seed,
        origin=Origin.BASELINE if one.baseline else Origin.PROPOSED,
        baseline=f"number {number}" if one.baseline else None,
        state=TrialState.COMPLETE,
        measurement=one.measurement,
        proposer="tpe",
        worker="here/1",
        attributes={"drawn": number},
    )
    return Finished(trial, key, recipe, (architecture, cost_of(architecture)))


def write_in_turn(store: Store, study_id: int, given: Sequence[Finished]) -> None:
    for one in given:
        assert one.network is not None
        assert one.trial.measurement is not None
        begun = replace(one.trial, state=TrialState.RUNNING, measurement=None)
        store.begin(study_id, begun, *one.network)
        store.complete(study_id, one.trial.number, one.key, one.trial.measurement, one.recipe, worker=one.trial.worker)


def study_of(store: Store) -> tuple[int, int]:
    run = next(fresh)
    return run, store.create_study(replace(STUDY, name=str(run)))


def rows_of(store: Store, study_id: int) -> list[Any]:
    """Trials and measurements as they lie there, but for row ids, times, and the recipe, which differs by the run."""
    query = (
        "SELECT t.number, t.architecture_id, t.decisions, t.seed, t.origin, t.baseline, t.state, t.error, t.failure,"
        " t.reused, t.proposer, t.worker, t.attributes, m.architecture_id, m.epochs, m.data_fraction, m.resolution,"
        " m.schedule, m.seed, m.accuracy, m.loss, m.train_loss, m.seconds, m.cpu_seconds, m.images_per_second, m.flops,"
        " m.peak_memory, m.device, m.precision, m.macs, m.params, m.depth, t.started <= t.finished, r.batch_size,"
        " r.data_checksum, r.flip"
        " FROM trials t JOIN measurements m ON m.id = t.measurement_id JOIN recipes r ON r.digest = m.recipe_digest"
        " WHERE t.study_id = :study ORDER BY t.number"
    )
    with store._database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"study": study_id})]


one_key = [Drawn(0, 0, 0, 1, measured, {}, False) for measured in (MEASURED, BETTER, MEASURED)]


@settings(max_examples=40)
@given(tried=st.lists(drawn, max_size=8), parts=st.integers(1, 3))
@example(one_key, 1)
@example(one_key, 2)
@example(one_key, 3)
def test_it_is_as_if_each_had_begun_and_been_completed(shared: Store, tried: list[Drawn], parts: int) -> None:
    run, in_turn = study_of(shared)
    write_in_turn(shared, in_turn, [finished(one, number, run) for number, one in enumerate(tried)])
    run, in_bulk = study_of(shared)
    given = [finished(one, number, run) for number, one in enumerate(tried)]
    for part in range(parts):
        shared.record(in_bulk, given[part * len(given) // parts : (part + 1) * len(given) // parts])
    assert shared.trials(in_bulk) == shared.trials(in_turn)
    assert rows_of(shared, in_bulk) == rows_of(shared, in_turn)
    assert [replace(result, study="") for result in shared.results(in_bulk)] == [
        replace(result, study="") for result in shared.results(in_turn)
    ]


GIVEN = finished(one_key[0], 0, 0)
COUNTED = ("studies", "recipes", "architectures", "block_kinds", "measurements", "trials")


def counts(store: Store) -> dict[str, int]:
    with store._database.reading() as connection:
        return {table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in COUNTED}


def numbered(one: Finished, number: int, **changes: Any) -> Finished:
    return replace(one, trial=replace(one.trial, number=number), **changes)


def test_what_was_measured_before_counts(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    trial = Trial(1, NET.id, {}, KEY.seed, state=TrialState.COMPLETE, measurement=BETTER)
    another = MeasurementKey(NET.id, KEY.recipe_digest, KEY.fidelity, KEY.seed + 1)
    given = [Finished(replace(trial, number=n), key, RECIPE) for n, key in ((3, another), (1, KEY), (2, another))]
    store.record(study_id, given)
    kept = {trial.number: (trial.reused, trial.measurement) for trial in store.trials(study_id)}
    assert kept == {0: (False, MEASURED), 1: (True, MEASURED), 2: (True, BETTER), 3: (False, BETTER)}
    assert store.known(another) == BETTER


def test_architectures_come_with_all_that_is_told_of_them(store: Store, demo: Any) -> None:
    from random import Random

    candidates = [demo.sample(Random(seed)) for seed in range(3)]
    trials = [Trial(n, c.architecture.id, c.decisions, 7, state=TrialState.COMPLETE, measurement=MEASURED)
              for n, c in enumerate(candidates)]  # fmt: skip
    kept = []
    for name in ("in turn", "in bulk"):
        study_id = store.create_study(replace(STUDY, name=name))
        given = [
            Finished(trial, replace(KEY, architecture_id=c.architecture.id), RECIPE, (c.architecture, c.cost))
            for trial, c in zip(trials, candidates, strict=True)
        ]
        (write_in_turn if name == "in turn" else Store.record)(store, study_id, given)
        with store._database.writing() as connection:
            tables = ("architectures", "block_kinds ORDER BY architecture_id, kind")
            kept.append([sorted(connection.exec_driver_sql(f"SELECT * FROM {table}").all()) for table in tables])
            for table in ("trials", "measurements", "block_kinds", "architectures"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    assert kept[0] == kept[1]
    assert len(kept[0][0]) == len({c.architecture.id for c in candidates})


def test_nothing_is_recorded_where_something_cannot_be(store: Store, study_id: int) -> None:
    store.record(study_id, [])
    store.record(study_id, [numbered(GIVEN, 5)])
    before = counts(store)
    new = finished(Drawn(1, 1, 1, 1, MEASURED, {}, False), 7, 9)
    twice = "error[E500]: trial 7 is given twice: none of 2 was recorded"
    assert complaint(store.record, study_id, [new, new]) == twice
    taken = "error[E500]: trial 5 is in the study already: none of 3 was recorded"
    assert complaint(store.record, study_id, [new, numbered(new, 5), numbered(GIVEN, 5 + 1)]) == taken
    unknown = numbered(new, 8, network=None)
    told = f"error[E500]: there is no architecture {network(11).id} in the store: none of 2 was recorded"
    assert complaint(store.record, study_id, [numbered(GIVEN, 9), unknown]) == told
    with pytest.raises(ValueError, match="is not the digest of this recipe"):
        store.record(study_id, [new, numbered(GIVEN, 9, recipe=another_recipe(77))])
    assert counts(store) == before
    store.record(study_id, [new, numbered(GIVEN, 9)])
    assert [trial.number for trial in store.trials(study_id)] == [5, 7, 9]


def test_only_what_is_complete_is_recorded() -> None:
    with pytest.raises(ValueError, match="state must be complete, got running"):
        replace(GIVEN, trial=replace(GIVEN.trial, state=TrialState.RUNNING, measurement=None))
    with pytest.raises(ValueError, match=f"architecture must be {NET.id}, that of the trial"):
        replace(GIVEN, key=replace(GIVEN.key, architecture_id="0" * 16))
    with pytest.raises(ValueError, match=f"architecture must be {NET.id}, that of the trial"):
        replace(GIVEN, network=(network(11), cost_of(network(11))))


def test_several_may_record_the_same_at_once(new_store: Callable[[], str], tmp_path: Path) -> None:
    """Each measurement is accepted once, whoever comes first, and no two writers wait for each other."""
    address = new_store()
    run = next(fresh)
    tried = [Drawn(network, 0, seed, 1, MEASURED, {}, False) for network in range(4) for seed in range(8)]
    given = [finished(one, number, run) for number, one in enumerate(tried)]
    stores = [Store.create(address) for _ in range(3)]
    studies = [store.create_study(replace(STUDY, name=f"of {at}")) for at, store in enumerate(stores)]

    def recorder(at: int) -> Callable[[], None]:
        mine = given[::-1] if at == 1 else given
        return lambda: stores[at].record(studies[at], mine)

    assert together(*map(recorder, range(3))) == []
    reused = [trial.reused for study, store in zip(studies, stores, strict=True) for trial in store.trials(study)]
    assert reused.count(False) == len(given)
    assert reused.count(True) == 2 * len(given)
    for store in stores:
        store.close()
