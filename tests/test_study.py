"""The books of a study, without workers: order, resuming, reuse, failures, and what may not go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ressearch.data import SearchData, load_search_data
from ressearch.errors import StudyError
from ressearch.ranking import pareto_front
from ressearch.search.propose import Aim
from ressearch.search.study import Job, StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure, Measurement, Origin, TrialState
from tests.test_propose import SMALL


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.create(tmp_path / "results.db")
    yield opened
    opened.close()


def measured(job: Job) -> Measurement:
    """A table instead of training: accuracy rises with the parameters."""
    accuracy = len(job.architecture) / (len(job.architecture) + 10)
    return Measurement(accuracy, 1.0, 1.0, 0.1, 0.1, 100.0, 6_000, 1, "cpu", "fp32")


def books_of(
    space: SearchSpace, digits: SearchData, store: Store, trials: int, name: str = "study", seed: int = 0
) -> StudyBooks:
    study = describe_study(space, digits, name=name, source="digits", seed=seed)
    return StudyBooks(space, digits, store, study, trials)


def drive(books: StudyBooks, jobs: int | None = None) -> list[Job]:
    """Take jobs and complete each at once; stop after so many, or when there are no more."""
    done: list[Job] = []
    while (jobs is None or len(done) < jobs) and (job := books.next_job()) is not None:
        books.complete(job.number, measured(job))
        done.append(job)
    return done


def test_baselines_run_first_and_the_count_is_kept(demo: SearchSpace, digits: SearchData, store: Store) -> None:
    books = books_of(demo, digits, store, trials=6)
    drive(books)
    trials = store.trials(store.study("study")[0])
    assert [trial.baseline for trial in trials] == ["resnet8", "resnet14", None, None, None, None]
    assert [trial.number for trial in trials] == list(range(6))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert [trial.origin for trial in trials[:3]] == [Origin.BASELINE, Origin.BASELINE, Origin.PROPOSED]
    assert len({trial.architecture_id for trial in trials}) == 6


def test_an_interrupted_study_begins_its_open_trials_again(demo: SearchSpace, digits: SearchData, store: Store) -> None:
    books = books_of(demo, digits, store, trials=8)
    drive(books, jobs=3)
    lost = [books.next_job(), books.next_job()]  # two workers at work when the driver dies
    resumed = books_of(demo, digits, store, trials=8)
    assert resumed.progress().done == 3
    again = drive(resumed)
    assert [job.architecture.id for job in again[:2]] == [job.architecture.id for job in lost if job]
    assert [job.number for job in again] == [3, 4, 5, 6, 7]
    assert resumed.progress().done == 8


def test_more_trials_go_on_where_the_study_ended(demo: SearchSpace, digits: SearchData, store: Store) -> None:
    drive(books_of(demo, digits, store, trials=4))
    assert drive(books_of(demo, digits, store, trials=4)) == []
    assert [job.number for job in drive(books_of(demo, digits, store, trials=7))] == [4, 5, 6]


def test_a_study_goes_on_with_another_proposer_and_objective(
    demo: SearchSpace, digits: SearchData, store: Store
) -> None:
    """Nothing is repeated, and the store tells who proposed what."""
    study = describe_study(demo, digits, name="study", source="digits", seed=0)
    for trials, aim in ((4, Aim("tpe")), (7, Aim("nsga2")), (10, Aim("evolution", "budget", max_macs=600_000))):
        drive(StudyBooks(demo, digits, store, study, trials, aim))
    found = store.trials(store.study("study")[0])
    assert [trial.proposer for trial in found] == [None, None, "tpe", "tpe", *["nsga2"] * 3, *["evolution"] * 3]
    assert len({trial.architecture_id for trial in found}) == 10
    late = [demo.decode_stored(trial.decisions).cost.macs for trial in found[-3:]]
    assert max(late) <= 600_000


def test_a_network_known_under_the_recipe_is_not_trained_again(
    demo: SearchSpace, digits: SearchData, store: Store
) -> None:
    """Random proposals, which are the same for the same seed, whatever other studies know."""
    studies = [describe_study(demo, digits, name=name, source="digits", seed=0) for name in ("study", "again")]
    first = drive(StudyBooks(demo, digits, store, studies[0], 6, Aim("random")))
    books = StudyBooks(demo, digits, store, studies[1], 6, Aim("random"))
    assert drive(books) == []
    progress = books.progress()
    assert (progress.done, progress.reused) == (6, 6)
    trials = store.trials(store.study("again")[0])
    assert [trial.architecture_id for trial in trials] == [job.architecture.id for job in first]
    assert all(trial.reused and trial.measurement for trial in trials)


def test_a_study_learns_from_others_of_the_same_space_and_recipe(
    demo: SearchSpace, digits: SearchData, store: Store
) -> None:
    """What is known elsewhere costs no training: less is left to train of as many trials than for the first study."""
    first = drive(books_of(demo, digits, store, trials=24))
    again = drive(books_of(demo, digits, store, trials=24, name="again"))
    assert len(again) < len(first) == 24
    known = {job.architecture.id for job in first}
    assert [job for job in again if job.architecture.id in known] == []
    assert len({trial.architecture_id for trial in store.trials(store.study("again")[0])}) == 24


def test_another_seed_is_another_measurement(demo: SearchSpace, digits: SearchData, store: Store) -> None:
    drive(books_of(demo, digits, store, trials=2))
    assert len(drive(books_of(demo, digits, store, trials=2, name="other", seed=1))) == 2


def test_a_failed_trial_is_recorded_counted_and_not_tried_again(
    demo: SearchSpace, digits: SearchData, store: Store
) -> None:
    books = books_of(demo, digits, store, trials=4)
    job = books.next_job()
    assert job is not None
    books.fail(job.number, "Traceback: the loss was nan", Failure.DIVERGED)
    drive(books)
    progress = books.progress()
    assert (progress.done, progress.failed, progress.running) == (3, 1, 0)
    trial = store.trials(store.study("study")[0])[0]
    assert (trial.error, trial.failure) == ("Traceback: the loss was nan", Failure.DIVERGED)
    assert drive(books_of(demo, digits, store, trials=4)) == []


def test_an_exhausted_space_ends_the_study(digits: SearchData, store: Store) -> None:
    books = books_of(SearchSpace.parse(SMALL), digits, store, trials=50)
    assert len(drive(books)) == 6
    assert books.progress().exhausted


def test_progress_counts_and_names_the_best(demo: SearchSpace, digits: SearchData, store: Store) -> None:
    books = books_of(demo, digits, store, trials=5)
    assert books.progress().seconds_left is None
    done = drive(books, jobs=3)
    running = books.next_job()
    progress = books.progress()
    assert (progress.total, progress.done, progress.running, progress.failed) == (5, 3, 1, 0)
    best = max(done, key=lambda job: len(job.architecture))
    assert progress.best == (measured(best).accuracy, best.architecture.id)
    assert progress.seconds_left is not None
    assert progress.seconds_left >= 0
    assert running is not None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("factor: 2", "factor: 1.5", "search space file"),
        ("epochs: 6", "epochs: 5", "search space file"),
        (None, None, "seed"),
    ],
)
def test_a_study_goes_on_only_as_it_was_begun(
    demo: SearchSpace, digits: SearchData, store: Store, old: str | None, new: str | None, what: str
) -> None:
    drive(books_of(demo, digits, store, trials=1))
    space = demo if old is None or new is None else SearchSpace.parse(demo.text.replace(old, new))
    with pytest.raises(StudyError) as caught:
        books_of(space, digits, store, trials=2, seed=1 if old is None else 0)
    assert str(caught.value) == (
        f"error[E600]: the study 'study' was begun with another {what}\n"
        "  = help: give this one another --name, or go on with what it was begun with"
    )


def own_training(demo: SearchSpace, store: Store, evaluator: str, trials: int, name: str = "study") -> StudyBooks:
    study = describe_study(demo, None, name=name, source="", seed=0, evaluator=evaluator)
    return StudyBooks(demo, None, store, study, trials)


def test_an_own_training_needs_no_data_and_changed_code_reuses_nothing(demo: SearchSpace, store: Store) -> None:
    drive(own_training(demo, store, "mine:evaluate@1", trials=2))
    assert drive(own_training(demo, store, "mine:evaluate@1", trials=2, name="again")) == []
    assert len(drive(own_training(demo, store, "mine:evaluate@2", trials=2, name="changed"))) == 2


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        ("mine:evaluate@1", "other code in mine:evaluate"),
        ("my:train@2", "the evaluator my:train"),
        ("", "no evaluator"),
    ],
)
def test_a_study_goes_on_only_with_its_evaluator(demo: SearchSpace, store: Store, begun: str, told: str) -> None:
    drive(own_training(demo, store, begun, trials=1))
    with pytest.raises(StudyError) as caught:
        own_training(demo, store, "mine:evaluate@2", trials=2)
    assert str(caught.value) == (
        f"error[E600]: the study 'study' was begun with {told}\n"
        "  = help: give this one another --name, or go on with what it was begun with"
    )


def test_images_must_fit_the_space(digits: SearchData, store: Store) -> None:
    space = SearchSpace.parse(SMALL.replace("[1, 8, 8]", "[3, 32, 32]"))
    with pytest.raises(StudyError) as caught:
        books_of(space, digits, store, trials=1)
    assert str(caught.value) == (
        "error[E600]: the space 'small' is for images of 3x32x32 in 10 classes, digits has 1x8x8 in 10\n"
        "  = help: write input: {shape: [1, 8, 8], classes: 10}, or give other data"
    )


def test_progress_tells_of_every_trial_that_ended_and_whether_it_was_on_the_front(
    demo: SearchSpace, digits: SearchData, store: Store
) -> None:
    """Against the front over all that had ended by then."""
    books = books_of(demo, digits, store, trials=10)
    drive(books, jobs=8)
    failed = books.next_job()
    assert failed is not None
    books.fail(failed.number, "it failed", Failure.ERROR)
    *ended, last = books.progress().ended
    assert [one.number for one in ended] == list(range(8))
    points = [(one.accuracy or 0.0, one.macs) for one in ended]
    assert [one.on_front for one in ended] == [n in pareto_front(points[: n + 1]) for n in range(8)]
    assert [one.by for one in ended] == ["baseline resnet8", "baseline resnet14", *["evolution"] * 6]
    assert {(one.seconds, one.reused, one.epochs) for one in ended} == {(0.1, False, 6)}
    assert (last.state, last.failure, last.accuracy, last.on_front) == (TrialState.FAILED, Failure.ERROR, None, False)
    again = books_of(demo, digits, store, trials=10)
    assert again.progress().ended == (), "those of an earlier run are not told again"
    other = books_of(demo, digits, store, trials=2, name="other")
    assert drive(other) == []
    assert [one.reused for one in other.progress().ended] == [True, True]
