"""Studies as they stand, on every database: how far, how fast, and whether somebody drives them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.ranking import pareto_front
from ressearch.store import Overview, Store, StudyState
from ressearch.store.overview import which_study
from ressearch.store.sqlite import SqliteFile
from ressearch.trial import Failure, TrialState
from tests.conftest import NewStore
from tests.drawn_stores import Step, happen, steps
from tests.store_samples import MEASURED, RECIPE, STUDY, begin, key_of


def complete(
    store: Store, study_id: int, number: int, classes: int, accuracy: float = 0.5, digest: str = STUDY.recipe_digest
) -> str:
    architecture = begin(store, study_id, number, classes)
    key = replace(key_of(architecture), recipe_digest=digest)
    store.complete(study_id, number, key, replace(MEASURED, accuracy=accuracy), RECIPE)
    return architecture.id


def test_a_study_as_it_stands(store: Store) -> None:
    study_id = store.create_study(replace(STUDY, search={"trials": 6, "workers": 2, "objective": "pareto"}))
    best = complete(store, study_id, 0, 10, 0.75)
    complete(store, study_id, 1, 11, 0.5)  # worse, and it costs more
    begin(store, study_id, 2, 12)
    store.fail(study_id, 2, "nan", Failure.DIVERGED)
    architecture = begin(store, study_id, 3, 13)
    [one] = store.overviews()
    assert (one.name, one.space, one.data, one.objective) == ("demo", "demo", "/data/fashion mnist", "pareto")
    assert (one.asked, one.total, one.trials, one.ended) == (6, 6, 4, 3)
    assert one.counts == {
        TrialState.RUNNING: 1, TrialState.STOPPED: 0, TrialState.COMPLETE: 2, TrialState.FAILED: 1,
    }  # fmt: skip
    assert (one.front, one.best) == (1, (0.75, best))
    status = store.status(study_id)
    assert (status.overview, status.reused) == (one, 0)
    assert status.latest is not None
    latest = (status.latest.number, status.latest.id, status.latest.state, status.latest.accuracy)
    assert latest == (3, architecture.id, TrialState.RUNNING, None)
    store.complete(study_id, 3, key_of(architecture), MEASURED, RECIPE)
    ended = store.status(study_id).latest
    assert ended is not None
    assert (ended.number, ended.state, ended.accuracy) == (3, TrialState.COMPLETE, 0.5)
    assert abs(ended.at - time.time()) < 60


def test_a_study_is_running_while_another_drives_it(store_url: str) -> None:
    """Without a driver it is interrupted as long as trials are open, or none has ended; else it is finished."""
    with closing(Store.create(store_url)) as driver, closing(Store.open(store_url)) as looking:
        study_id = driver.create_study(STUDY)

        def state() -> StudyState:
            return looking.status(study_id).overview.state

        assert state() is StudyState.INTERRUPTED
        with driver.sole_driver("demo"):
            assert state() is StudyState.RUNNING
            architecture = begin(driver, study_id, 0)
        assert state() is StudyState.INTERRUPTED
        driver.complete(study_id, 0, key_of(architecture), MEASURED, RECIPE)
        assert state() is StudyState.FINISHED
        with driver.sole_driver("demo"):
            assert state() is StudyState.RUNNING


def test_looking_keeps_no_driver_out(tmp_path: Path) -> None:
    """A look at an SQLite store holds the lock for a moment; a driver that comes then waits for it."""
    file = tmp_path / "results.db"
    Store.create(file).close()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            list(SqliteFile(file).driven())

    lookers = [threading.Thread(target=look) for _ in range(2)]
    with closing(Store.open(file)) as driver:
        with driver.sole_driver("demo"):
            for looker in lookers:
                looker.start()
        try:
            for _ in range(1000):
                with driver.sole_driver("demo"):
                    pass
        finally:
            ended.set()
            for looker in lookers:
                looker.join()


@pytest.mark.parametrize("said", [{"workers": 2}, {"cores": 2}], ids=str)
def test_the_pace_is_that_of_trials_that_were_trained(store_url: str, said: dict[str, int]) -> None:
    """Four trials of ten seconds, and one that was known: with two at once, six of ten are left for thirty seconds."""
    with closing(Store.create(store_url)) as store, closing(Store.open(store_url)) as looking:
        study_id = store.create_study(replace(STUDY, search={"trials": 10, **said}))
        for number in range(4):
            complete(store, study_id, number, 10 + number)
        with store._database.writing() as connection:
            connection.exec_driver_sql("UPDATE trials SET finished = started + 10")
        with store.sole_driver("demo"):
            assert looking.status(study_id).at_once == 2, "none is under way, two were meant to be"
        for number in (4, 5):
            begin(store, study_id, number, 20 + number)
        assert (looking.status(study_id).seconds_each, looking.status(study_id).seconds_left) == (10, None)
        with store.sole_driver("demo"):
            status = looking.status(study_id)
            assert (status.at_once, status.trials_per_hour) == (2, 720)
            assert status.seconds_left is not None
            assert abs(status.seconds_left - 30) < 1e-6


@given(steps(("one", "two"), st.just(7)))
@settings(max_examples=5)
def test_counts_and_fronts_are_those_of_the_trials(new_store: NewStore, what: list[Step]) -> None:
    """Against what `Store.trials` and `pareto_front` say."""
    with closing(Store.create(new_store())) as store:
        happen(store, what)
        overviews = store.overviews()
        assert [one.name for one in overviews] == list(dict.fromkeys(step.study for step in what))[::-1]
        for one in overviews:
            assert_agrees(store, one)


def assert_agrees(store: Store, one: Overview) -> None:
    study_id = store.study(one.name)[0]
    trials = store.trials(study_id)
    counted = Counter(trial.state for trial in trials)
    assert one.counts == {state: counted[state] for state in TrialState}
    assert store.status(study_id).reused == sum(trial.reused for trial in trials)
    results = store.results(study_id)
    assert one.front == len(pareto_front([(result.accuracy, result.macs) for result in results]))
    assert (one.best and one.best[0]) == max((result.accuracy for result in results), default=None)
    assert one.trials == len(trials)
    assert one.total == max(4, len(trials))


def test_who_names_another_study_is_told_which_ones_are_near() -> None:
    names = ["demo", "demo-2", "fashion", "Cifar"]
    assert which_study("dmeo", names) == "did you mean 'demo' or 'demo-2'? `ressearch runs` lists all"
    assert which_study("cifr", names) == "did you mean 'Cifar'? `ressearch runs` lists all"
    assert which_study("fash", names) == "did you mean 'fashion'? `ressearch runs` lists all"
    assert which_study("zzz", names) == "studies here: demo, demo-2, fashion, Cifar"
