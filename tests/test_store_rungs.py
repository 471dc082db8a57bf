"""Trials that go from rung to rung, in the store: on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ressearch.errors import StoreError
from ressearch.store import Store
from ressearch.trial import Failure, Fidelity, Measurement, MeasurementKey, TrialState
from tests.store_samples import BETTER, KEY, MEASURED, RECIPE, begin, key_of, running, together

FIRST, SECOND, LAST = (Fidelity(epochs, 0.25, 0.5, 9) for epochs in (1, 3, 9))
ACCURACIES = {FIRST: replace(MEASURED, accuracy=0.25), SECOND: MEASURED, LAST: BETTER}


def at(fidelity: Fidelity, key: MeasurementKey = KEY) -> MeasurementKey:
    return replace(key, fidelity=fidelity)


def stop(store: Store, study_id: int, number: int, fidelity: Fidelity, classes: int = 10) -> Measurement:
    key = at(fidelity, key_of(begin(store, study_id, number, classes)))
    return store.complete(study_id, number, key, ACCURACIES[fidelity], RECIPE, state=TrialState.STOPPED)


def test_a_trial_climbs_and_each_rung_is_kept(store: Store, study_id: int) -> None:
    assert stop(store, study_id, 0, FIRST) == ACCURACIES[FIRST]
    stopped = replace(running(0), state=TrialState.STOPPED, measurement=ACCURACIES[FIRST])
    assert store.trials(study_id) == [stopped]
    assert (store.rungs(study_id), store.results(study_id), store.query()) == ({}, [], [])
    store.promote(study_id, 0)
    assert store.trials(study_id) == [running(0)]
    store.complete(study_id, 0, at(SECOND), ACCURACIES[SECOND], RECIPE, state=TrialState.STOPPED)
    store.promote(study_id, 0)
    store.complete(study_id, 0, at(LAST), BETTER, RECIPE)
    assert store.trials(study_id) == [replace(running(0), state=TrialState.COMPLETE, measurement=BETTER)]
    assert store.rungs(study_id) == {0: [(FIRST, ACCURACIES[FIRST]), (SECOND, ACCURACIES[SECOND])]}
    assert [result.accuracy for result in store.results(study_id)] == [BETTER.accuracy]
    assert store.query(columns=("trial", "epochs")) == [{"trial": 0, "epochs": 9}]
    assert {fidelity: store.known(at(fidelity)) for fidelity in ACCURACIES} == ACCURACIES


def test_rungs_and_costs_are_told_by_trial_and_of_one_study_alone(store: Store, study_id: int) -> None:
    other = store.create_study(replace(store.study("demo")[1], name="other"))
    for number in range(3):
        stop(store, study_id, number, FIRST, classes=10 + number)
    stop(store, other, 0, FIRST, classes=10)
    store.promote(study_id, 2)
    store.promote(study_id, 0)
    store.promote(other, 0)
    store.fail(study_id, 2, "the loss was nan", Failure.DIVERGED)
    assert store.rungs(study_id) == {number: [(FIRST, ACCURACIES[FIRST])] for number in (0, 2)}
    assert store.macs(study_id) == {0: 10, 1: 11, 2: 12}  # a linear layer from one channel
    assert (store.macs(other), store.macs(99)) == ({0: 10}, {})
    assert store.counts(study_id) == {
        TrialState.RUNNING: 1, TrialState.STOPPED: 1, TrialState.COMPLETE: 0, TrialState.FAILED: 1,
    }  # fmt: skip


def test_a_rung_that_another_study_measured_counts_once(store: Store, study_id: int) -> None:
    other = store.create_study(replace(store.study("demo")[1], name="other"))
    stop(store, study_id, 0, FIRST)
    key = at(FIRST, key_of(begin(store, other, 0)))
    accepted = store.complete(other, 0, key, BETTER, RECIPE, state=TrialState.STOPPED)
    assert accepted == ACCURACIES[FIRST]
    (trial,) = store.trials(other)
    assert (trial.state, trial.reused) == (TrialState.STOPPED, True)
    store.promote(other, 0)
    assert store.rungs(other) == {0: [(FIRST, ACCURACIES[FIRST])]}
    assert store.trials(other) == [running(0)], "a promoted trial is no longer one that reused"


@pytest.mark.parametrize("state", ["none", "running", "complete", "failed"])
def test_only_a_stopped_trial_is_promoted(store: Store, study_id: int, state: str) -> None:
    if state != "none":
        begin(store, study_id, 0)
    if state == "complete":
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    if state == "failed":
        store.fail(study_id, 0, "Kaboom", Failure.ERROR)
    before = store.trials(study_id)
    with pytest.raises(StoreError) as caught:
        store.promote(study_id, 0)
    assert str(caught.value) == "error[E500]: trial 0 is not stopped: it cannot be promoted"
    assert (store.trials(study_id), store.rungs(study_id)) == (before, {})


def test_a_stopped_trial_is_closed_until_it_is_promoted(store: Store, study_id: int) -> None:
    stop(store, study_id, 0, FIRST)
    for close in (
        lambda: store.complete(study_id, 0, at(LAST), BETTER, RECIPE),
        lambda: store.fail(study_id, 0, "Kaboom", Failure.ERROR),
    ):
        with pytest.raises(StoreError, match="trial 0 is not running: its result cannot be recorded"):
            close()
    assert store.known(at(LAST)) is None, "what cannot be recorded leaves nothing behind"
    assert store.counts(study_id)[TrialState.STOPPED] == 1


def test_of_two_promotions_at_once_one_counts(store: Store, store_url: str, study_id: int) -> None:
    stop(store, study_id, 0, FIRST)
    second = Store.open(store_url)
    raised = together(lambda: store.promote(study_id, 0), lambda: second.promote(study_id, 0))
    second.close()
    assert len(raised) == 1, raised
    assert store.rungs(study_id) == {0: [(FIRST, ACCURACIES[FIRST])]}
    assert store.trials(study_id) == [running(0)]
