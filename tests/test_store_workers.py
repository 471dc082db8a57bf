"""Who trains the trials of a study, and what the workers' time goes to: on every database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.store import NodeUse, Store, WorkerUse
from ressearch.store.workers import Training, worker_use
from ressearch.trial import Failure, Measurement, Study, TrialState
from tests.store_samples import MEASURED, RECIPE, STUDY, begin, key_of
from tests.test_store_rungs import FIRST, LAST, SECOND, at

Spans = list[tuple[float, float]]
spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 100)), max_size=8)


@given(st.dictionaries(st.sampled_from("abc"), spans))
def test_what_lies_between_trainings_is_what_was_put_there(drawn: dict[str, Spans]) -> None:
    """Each worker waits and trains, over and over; the first wait is before anybody knew of it."""
    trainings, gaps, seconds = [], [], []
    for worker, told in drawn.items():
        now = 1_000.0
        for wait, taken in told:
            now += wait + taken
            trainings.append(Training(worker, now, taken))
        gaps += [wait for wait, _ in told[1:]]
        seconds += [taken for _, taken in told[1:]]
    found = worker_use(trainings[::-1])
    if not gaps:
        assert found is None
        return
    assert found is not None
    assert found.trainings == len(gaps)
    assert found.gap_seconds == pytest.approx(median(gaps), abs=1e-6)
    assert found.trained == pytest.approx(sum(seconds) / (sum(gaps) + sum(seconds)), abs=1e-6)


def test_time_of_which_nothing_is_known_does_not_count() -> None:
    """A failed trial between two; and one that says that it took longer than there was time."""
    one, failed, two = Training("a/1", 10, 5), Training("a/1", 50, None), Training("a/1", 60, 9)
    assert worker_use([one, failed]) is None
    assert worker_use([one, failed, two]) == WorkerUse(1, 1.0, 0.9)
    assert worker_use([one, Training("a/1", 20, 99)]) == WorkerUse(1, 0.0, 1.0)


def measured(seconds: float) -> Measurement:
    return replace(MEASURED, seconds=seconds)


def end(store: Store, study_id: int, number: int, worker: str, seconds: float, at: float) -> None:
    """A trial that ends at a time, and was at the worker for so long."""
    key = key_of(begin(store, study_id, number, 10 + number))
    store.assign(study_id, number, worker)
    store.complete(study_id, number, key, measured(seconds), RECIPE, worker=worker)
    set_times(store, f"UPDATE trials SET finished = {at} WHERE study_id = {study_id} AND number = {number}")


def set_times(store: Store, statement: str) -> None:
    with store._database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_a_running_trial_has_the_worker_that_it_was_assigned_to(store: Store, study_id: int) -> None:
    for number in range(3):
        begin(store, study_id, number, 10 + number)
        store.assign(study_id, number, f"a/{number}")
    store.unassign(study_id, 1)
    assert [trial.worker for trial in store.trials(study_id)] == ["a/0", None, "a/2"]
    store.fail(study_id, 0, "died", Failure.WORKER_DIED)
    store.fail(study_id, 2, "nan", Failure.DIVERGED, "b/3")
    store.assign(study_id, 0, "c/4")
    store.unassign(study_id)
    assert [trial.worker for trial in store.trials(study_id)] == ["a/0", None, "b/3"], "a trial that ended keeps its"


def test_each_rung_keeps_its_worker(store: Store, study_id: int) -> None:
    architecture = begin(store, study_id, 0)
    for fidelity, worker, state in (
        (FIRST, "a/1", TrialState.STOPPED), (SECOND, None, TrialState.STOPPED), (LAST, "b/2", TrialState.COMPLETE),
    ):  # fmt: skip
        key = at(fidelity, key_of(architecture))
        store.complete(study_id, 0, key, MEASURED, RECIPE, worker=worker, state=state)
        if state is TrialState.STOPPED:
            store.promote(study_id, 0)
            assert store.trials(study_id)[0].worker is None
    [trial] = store.trials(study_id)
    assert (trial.worker, trial.attributes) == ("b/2", {"workers": ["a/1", None]})


def test_nodes_are_those_of_the_workers(store: Store, store_url: str) -> None:
    study_id = store.create_study(replace(STUDY, search={"trials": 9, "gpus_per_trial": 0.5}))
    for number, worker in enumerate(("a/1", "a/2", "b-c/1", "a/1")):
        end(store, study_id, number, worker, 1.0, 100.0 + number)
    begin(store, study_id, 4, 14)
    store.assign(study_id, 4, "b-c/1")
    store.fail(study_id, 4, "nan", Failure.DIVERGED)
    for number, worker in ((5, "a/1"), (6, "a/2"), (7, None)):
        begin(store, study_id, number, 10 + number)
        if worker:
            store.assign(study_id, number, worker)
    memory = MEASURED.peak_memory
    idle = [NodeUse("a", 0, 3, 0, ("cpu",), memory, 0), NodeUse("b-c", 0, 1, 1, ("cpu",), memory, 0)]
    assert store.status(study_id).nodes == idle, "nobody drives it"
    with closing(Store.open(store_url)) as looking, store.sole_driver("demo"):
        assert looking.status(study_id).nodes == [replace(idle[0], running=2, gpus=1.0), idle[1]]


def test_the_time_between_trials_is_found_in_the_store(store: Store, study_id: int) -> None:
    """Of a/1 at 110, 112 and 120, each of a second; what b/1 does meanwhile is its own."""
    assert store.status(study_id).use is None
    for number, (worker, at_) in enumerate((("a/1", 110), ("b/1", 111), ("a/1", 112), ("b/1", 113), ("a/1", 120))):
        end(store, study_id, number, worker, 1.0, at_)
    assert store.status(study_id).use == WorkerUse(3, 1.0, pytest.approx(3 / 12))


@pytest.mark.parametrize(("evaluator", "trained"), [("", 6 / 10), ("mine:train@1", 8 / 10)])
def test_a_rung_takes_what_it_adds(store: Store, evaluator: str, trained: float) -> None:
    """Of ten seconds from rung to rung: six, since three of its nine were those before; an own training's all eight."""
    study: Study = replace(STUDY, evaluator=evaluator, data_checksum="" if evaluator else STUDY.data_checksum)
    study = replace(study, recipe_digest=RECIPE.digest(study.data_checksum, evaluator))
    study_id = store.create_study(study)
    key = replace(key_of(begin(store, study_id, 0, 10)), recipe_digest=study.recipe_digest)
    store.complete(study_id, 0, at(FIRST, key), measured(3.0), RECIPE, worker="a/1", state=TrialState.STOPPED)
    set_times(store, "UPDATE measurements SET created = 110")
    store.promote(study_id, 0)
    store.complete(study_id, 0, at(LAST, key), measured(9.0 if not evaluator else 8.0), RECIPE, worker="a/1")
    set_times(store, "UPDATE trials SET finished = 120")
    assert store.status(study_id).use == WorkerUse(1, pytest.approx(10 * (1 - trained)), pytest.approx(trained))
