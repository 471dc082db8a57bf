"""The books of a study whose trials go from rung to rung, without workers: who runs when, and that it resumes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState as OptunaState

from ressearch.data import SearchData, load_search_data
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.queue import Queue, Terms
from ressearch.search.study import Job, StudyBooks, describe_study
from ressearch.search.worker import outcome_of
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.training import measure
from ressearch.trial import Failure, Fidelity, Measurement, TrialState
from ressearch.view import progress_line
from tests.conftest import demo_space

TEXT = demo_space.text.replace("epochs: 6", "epochs: 9") + "early_terminate: {min_iter: 1, eta: 3}\n"


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.parse(TEXT)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    opened = Store.create(tmp_path / "results.db")
    yield opened
    opened.close()


def measured(job: Job) -> Measurement:
    """A table instead of training: accuracy rises with the number of nodes and with the epochs."""
    size, epochs = len(job.architecture), job.fidelity.epochs
    return Measurement(size * epochs / (size * epochs + 10), 1.0, 1.0, 0.1, 0.1, 100.0, 6_000, 1, "cpu", "fp32")


def books_of(space: SearchSpace, digits: SearchData, store: Store, trials: int = 20, **more: object) -> StudyBooks:
    name, early = str(more.get("name", "study")), bool(more.get("early", True))
    study = describe_study(space, digits, name=name, source="digits", seed=0)
    return StudyBooks(space, digits, store, study, trials, early_terminate=early)


def drive(books: StudyBooks, jobs: int | None = None) -> list[tuple[int, int]]:
    """Take jobs and complete each at once; the trial and the epochs of each."""
    done: list[tuple[int, int]] = []
    while (jobs is None or len(done) < jobs) and (job := books.next_job()) is not None:
        assert job.fidelity.schedule == 9, "a checkpoint of another schedule could not go on"
        books.complete(job.number, measured(job))
        done.append((job.number, job.fidelity.epochs))
    return done


def states(store: Store) -> dict[TrialState, int]:
    return store.counts(store.study("study")[0])


def test_one_in_three_goes_on_and_baselines_all_the_way(space: SearchSpace, digits: SearchData, file: Store) -> None:
    """Two baselines and 18 others: 18, 6 and 2 of these are measured at 1, 3 and 9 epochs."""
    books = books_of(space, digits, file)
    done = drive(books)
    assert done[:6] == [(0, 1), (0, 3), (0, 9), (1, 1), (1, 3), (1, 9)]
    assert [sum(epochs == rung for _, epochs in done) for rung in (1, 3, 9)] == [20, 8, 4]
    assert states(file) == {
        TrialState.RUNNING: 0, TrialState.STOPPED: 16, TrialState.COMPLETE: 4, TrialState.FAILED: 0,
    }  # fmt: skip
    progress = books.progress()
    assert (progress.total, progress.done, progress.stopped, progress.running) == (20, 4, 16, 0)
    assert progress_line(progress).startswith("4/20 done, 0 running, 16 stopped, front ")
    results = file.results(file.study("study")[0])
    assert progress.best is not None
    assert progress.best[0] == max(result.accuracy for result in results)
    assert len(results) == 4
    left = file.rungs(file.study("study")[0])
    assert sorted(left) == sorted({number for number, epochs in done if epochs > 1})
    for result in results:
        assert [fidelity for fidelity, _ in left[result.number]] == [Fidelity(1, schedule=9), Fidelity(3, schedule=9)]


def test_where_it_ends_nothing_is_left_to_do_and_more_trials_go_on(
    space: SearchSpace, digits: SearchData, file: Store
) -> None:
    drive(books_of(space, digits, file, trials=11))
    assert drive(books_of(space, digits, file, trials=11)) == []
    drive(books_of(space, digits, file, trials=20))
    counts = states(file)
    assert (counts[TrialState.COMPLETE], counts[TrialState.STOPPED]) == (4, 16)


@pytest.mark.parametrize("seed", range(3))
def test_a_driver_that_dies_again_and_again_ends_where_another_does(
    space: SearchSpace, digits: SearchData, file: Store, seed: int
) -> None:
    """Each life of the driver takes up to three jobs at once, and dies with some of them open."""
    generator = random.Random(seed)
    done: list[tuple[int, int]] = []
    while True:
        books = books_of(space, digits, file)
        lives = generator.randrange(1, 6)
        open_ = [job for _ in range(3) if (job := books.next_job()) is not None]
        if not open_:
            break
        for _ in range(lives):
            if not open_:
                break
            job = open_.pop(generator.randrange(len(open_)))
            books.complete(job.number, measured(job))
            done.append((job.number, job.fidelity.epochs))
            if (job := books.next_job()) is not None:
                open_.append(job)
    assert len(done) == len(set(done)), "what was acknowledged was trained again"
    assert [sum(epochs == rung for _, epochs in done) for rung in (1, 3, 9)] == [20, 8, 4]
    counts = states(file)
    assert (counts[TrialState.RUNNING], counts[TrialState.COMPLETE], counts[TrialState.STOPPED]) == (0, 4, 16)


def test_a_trial_that_died_on_its_way_up_begins_again_at_that_rung(
    space: SearchSpace, digits: SearchData, file: Store
) -> None:
    books = books_of(space, digits, file)
    assert drive(books, jobs=1) == [(0, 1)]
    going = books.next_job()
    assert going is not None
    assert (going.number, going.fidelity.epochs) == (0, 3)
    resumed = books_of(space, digits, file)
    assert resumed.resumable == [0]
    assert drive(resumed, jobs=2) == [(0, 3), (0, 9)]


def test_each_rung_is_taken_from_the_store_where_it_is_known(
    space: SearchSpace, digits: SearchData, file: Store
) -> None:
    trained: list[tuple[str, int]] = []
    for name in ("study", "again"):
        books = books_of(space, digits, file, name=name)
        while (job := books.next_job()) is not None:
            books.complete(job.number, measured(job))
            trained.append((job.architecture.id, job.fidelity.epochs))
    assert len(trained) == len(set(trained))
    assert books.progress().reused >= 2, "the baselines, at least, were known"


def test_what_is_known_of_all_epochs_passes_the_rungs_over(space: SearchSpace, digits: SearchData, file: Store) -> None:
    drive(books_of(space, digits, file, trials=4, early=False))
    again = books_of(space, digits, file, trials=4, name="again")
    assert drive(again) == []
    assert (again.progress().done, again.progress().reused, again.progress().stopped) == (4, 4, 0)


def test_without_early_termination_every_trial_is_complete_and_stopped_ones_stay(
    space: SearchSpace, digits: SearchData, file: Store
) -> None:
    begun = books_of(space, digits, file)
    drive(begun, jobs=7)
    going = begun.next_job()
    assert going is not None
    stopped = begun.progress().stopped
    books = books_of(space, digits, file, early=False)
    done = drive(books)
    assert {epochs for _, epochs in done} == {9}
    assert done[0] == (going.number, 9)
    progress = books.progress()
    assert (progress.stopped, progress.done) == (stopped, 20 - stopped)


def test_the_proposals_know_each_network_once_by_the_last_word_on_it(
    space: SearchSpace, digits: SearchData, file: Store
) -> None:
    """A stopped trial by what it is expected to reach at the last rung, a complete one by its accuracy."""
    books = books_of(space, digits, file)
    drive(books)
    books.total += 1
    assert books.next_job() is not None  # has the expectations told again
    told = books._proposer._study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE,))
    assert len(told) == 20
    trials = file.trials(1)
    for optuna_trial in told:
        (number,) = (trial.number for trial in trials if dict(trial.decisions) == optuna_trial.params)
        assert optuna_trial.values[0] == pytest.approx(books._ladder.expected(number))
        measurement = trials[number].measurement
        assert measurement is not None
        if trials[number].state is TrialState.COMPLETE:
            assert optuna_trial.values[0] == measurement.accuracy
        else:
            assert optuna_trial.values[0] > measurement.accuracy


def test_a_promoted_trial_that_fails_is_failed(space: SearchSpace, digits: SearchData, file: Store) -> None:
    books = books_of(space, digits, file, trials=2)
    drive(books, jobs=1)
    job = books.next_job()
    assert job is not None
    books.fail(job.number, "Traceback: the loss was nan", Failure.DIVERGED)
    drive(books)
    assert (books.progress().failed, books.progress().done) == (1, 1)
    assert drive(books_of(space, digits, file, trials=2)) == []


def test_hyperparameters_are_searched_together_with_rungs(digits: SearchData, file: Store) -> None:
    space = SearchSpace.parse(TEXT + "parameters: {lr: {min: 0.05, max: 0.4}}\n")
    done = drive(books_of(space, digits, file))
    assert [sum(epochs == rung for _, epochs in done) for rung in (1, 3, 9)] == [20, 8, 4]
    assert [number for number, _ in drive(books_of(space, digits, file, trials=23))][:1] == [20]


@pytest.mark.usefixtures("one_thread")
def test_real_training_over_rungs_is_that_of_all_epochs_at_once(
    digits: SearchData, file: Store, tmp_path: Path
) -> None:
    """Jobs as workers get them, in this process; only stopped trials keep their checkpoints."""
    space = SearchSpace.parse(TEXT.replace("epochs: 9", "epochs: 9, data_fraction: 0.3"))
    books = books_of(space, digits, file, trials=6)
    terms = Terms("digits", 0, Checkpoints(tmp_path / "results.db", "study"))
    queue = Queue(books, terms, tmp_path, lambda progress: None)
    folder, steps = tmp_path / "results.db.checkpoints" / "study", 0
    while (order := queue.take("a")) is not None:
        queue.close("a", outcome_of(json.loads(order)))
        kept = {int(path.stem) for path in folder.glob("*.pt")}
        stopped = {trial.number for trial in file.trials(1) if trial.state is TrialState.STOPPED}
        assert kept <= stopped
        steps += 1
    assert steps == 6 + 3 + 2, "six trials at one epoch; two baselines and one of four others at three"
    (baseline,) = (trial for trial in file.trials(1) if trial.baseline == "resnet8")
    network = space.baselines["resnet8"].architecture
    undisturbed = measure(network, digits, space.grammar.recipe, Fidelity(9, 0.3), 0)
    assert baseline.measurement is not None
    assert baseline.measurement.accuracy == undisturbed.accuracy
    assert baseline.measurement.loss == undisturbed.loss
    assert baseline.measurement.flops == undisturbed.flops
