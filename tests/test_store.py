"""The store keeps what it is told, refuses what cannot be, and survives kills, neighbours and strangers' files."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sys import float_info

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import event

from ressearch.architecture import Architecture, Node
from ressearch.cost import cost_of
from ressearch.errors import StoreError, StudyError
from ressearch.ops import GlobalPool, Input, Linear
from ressearch.store import SCHEMA_VERSION, Result, Store
from ressearch.store.engine import writing
from ressearch.trial import (
    Failure,
    Fidelity,
    Latency,
    Measurement,
    MeasurementKey,
    Origin,
    Recipe,
    Retraining,
    Study,
    Trial,
    TrialState,
)

MEASURED = Measurement(
    accuracy=0.5,
    loss=1.5,
    train_loss=1.25,
    seconds=2.0,
    cpu_seconds=1.75,
    images_per_second=640.0,
    flops=6_000_000,
    peak_memory=1024,
    device="cpu",
    precision="fp32",
)
BETTER = replace(MEASURED, accuracy=0.75, device="another")
CHECKSUM = "1" * 16
RECIPE = Recipe(
    batch_size=32, lr=0.3, momentum=0.8, weight_decay=1e-4, label_smoothing=0.1, warmup=0.3, crop=1, flip=True
)
STUDY = Study(
    name="demo",
    space_name="demo",
    space_text="version: 1  # Größe, 'quoted'\n\tand \"tabbed\"\n",
    space_digest="0" * 16,
    data_source="/data/fashion mnist",
    data_checksum=CHECKSUM,
    recipe=RECIPE,
    recipe_digest=RECIPE.digest(CHECKSUM),
    fidelity=Fidelity(epochs=3, data_fraction=0.25, resolution=0.5, schedule=9),
    seed=7,
    versions={"torch": "2.13.0", "python": "3.11.7"},
    commit="0123abc-dirty",
)
HELP = "\n  = help: is it an SQLite file, writable, and on a disk with space?"


def network(classes: int) -> Architecture:
    """One architecture per number, as small as they come."""
    return Architecture(
        (Node("image", Input(1, 8, 8)), Node("pool", GlobalPool(), (0,)), Node("scores", Linear(classes), (1,)))
    )


NET = network(10)
KEY = MeasurementKey(NET.id, STUDY.recipe_digest, STUDY.fidelity, STUDY.seed)


def running(number: int, architecture: Architecture = NET) -> Trial:
    return Trial(number=number, architecture_id=architecture.id, decisions={"stem.width": 8}, seed=STUDY.seed)


def begin(store: Store, study_id: int, number: int, classes: int = 10, baseline: str | None = None) -> Architecture:
    architecture = network(classes)
    trial = running(number, architecture)
    if baseline is not None:
        trial = replace(trial, origin=Origin.BASELINE, baseline=baseline)
    store.begin(study_id, trial, architecture, cost_of(architecture))
    return architecture


def key_of(architecture: Architecture) -> MeasurementKey:
    return replace(KEY, architecture_id=architecture.id)


def another_recipe(number: int) -> Recipe:
    """A recipe per number."""
    return replace(RECIPE, lr=1.0 + number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.create(path)) as opened:
        yield opened


@pytest.fixture
def study_id(store: Store) -> int:
    return store.create_study(STUDY)


def complaint(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(StoreError) as caught:
        call(*args)
    assert caught.value.exit_status == 4
    return str(caught.value)


# Round trips

finite = st.floats(allow_nan=False, allow_infinity=False)
amounts = st.floats(0, allow_infinity=False)
measurements = st.builds(
    Measurement,
    accuracy=st.floats(0, 1),
    loss=st.none() | finite,
    train_loss=st.none() | finite,
    seconds=amounts,
    cpu_seconds=amounts,
    images_per_second=st.none() | amounts,
    flops=st.none() | st.integers(0, 2**53),
    peak_memory=st.integers(0, 2**63 - 1),
    device=st.text(),
    precision=st.sampled_from(["fp32", "bf16", None]),
)
shares = st.floats(0, 1, exclude_min=True)
fidelities = st.builds(
    lambda epochs, fraction, resolution, more: Fidelity(epochs, fraction, resolution, epochs + more),
    st.integers(1, 10**6),
    shares,
    shares,
    st.integers(0, 10**6),
)
below_1 = st.floats(0, 1, exclude_max=True)
pixels = st.integers(0, 100)
recipes = st.builds(
    Recipe,
    batch_size=st.integers(2, 2**40),
    lr=st.floats(0, exclude_min=True, allow_infinity=False) | st.integers(1, 9),
    momentum=below_1,
    weight_decay=amounts,
    label_smoothing=below_1,
    warmup=below_1,
    decoupled=st.booleans(),
    crop=pixels,
    flip=st.booleans(),
    cutout=pixels,
    ema=below_1,
    amp=st.booleans(),
)
values = st.integers() | finite | st.text() | st.booleans()
begun = st.builds(
    lambda number, decisions, seed, baseline: Trial(
        number, NET.id, decisions, seed, Origin.PROPOSED if baseline is None else Origin.BASELINE, baseline
    ),
    st.integers(0, 10**9),
    st.dictionaries(st.text(), values, max_size=5),
    st.integers(0, 10**9),
    st.none() | st.text(),
)
fresh = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with closing(Store.create(tmp_path_factory.mktemp("shared") / "results.db")) as opened:
        yield opened


@given(trial=begun, outcome=st.none() | st.tuples(st.text(), st.sampled_from(Failure)) | measurements)
@example(
    running(0), replace(MEASURED, loss=float_info.max, train_loss=-float_info.max, seconds=float_info.max, flops=2**53)
)
@example(running(0), replace(MEASURED, loss=5e-324, seconds=5e-324, images_per_second=0.0, flops=0))
def test_a_trial_comes_back_as_it_went_in(
    shared: Store, trial: Trial, outcome: tuple[str, Failure] | Measurement | None
) -> None:
    number = next(fresh)
    name, recipe = str(number), another_recipe(number)
    study_id = shared.create_study(replace(STUDY, name=name))
    shared.begin(study_id, trial, NET, cost_of(NET))
    assert shared.trials(study_id) == [trial]
    if isinstance(outcome, Measurement):
        key = MeasurementKey(NET.id, recipe.digest(CHECKSUM), STUDY.fidelity, trial.seed)
        assert shared.complete(study_id, trial.number, key, outcome, recipe) == outcome
        trial = replace(trial, state=TrialState.COMPLETE, measurement=outcome)
    elif outcome is not None:
        shared.fail(study_id, trial.number, *outcome)
        trial = replace(trial, state=TrialState.FAILED, error=outcome[0], failure=outcome[1])
    assert shared.trials(study_id) == [trial]
    assert (name, trial) in shared.history(NET.id)


@given(recipe=recipes, fidelity=fidelities, checksum=st.text(), evaluator=st.text(), commit=st.none() | st.text())
def test_any_study_comes_back_as_it_went_in(
    shared: Store, recipe: Recipe, fidelity: Fidelity, checksum: str, evaluator: str, commit: str | None
) -> None:
    study = replace(
        STUDY,
        name=str(next(fresh)),
        recipe=recipe,
        data_checksum=checksum,
        evaluator=evaluator,
        recipe_digest=recipe.digest(checksum, evaluator),
        fidelity=fidelity,
        commit=commit,
    )
    number = shared.create_study(study)
    assert shared.find_study(study.name) == (number, study)


@given(recipe=recipes, fidelity=fidelities, measured=measurements, again=measurements, seed=st.integers(0, 10**9))
def test_a_retraining_comes_back_as_it_went_in_and_the_first_counts(
    shared: Store, recipe: Recipe, fidelity: Fidelity, measured: Measurement, again: Measurement, seed: int
) -> None:
    checksum = str(next(fresh))
    begin(shared, shared.create_study(replace(STUDY, name=checksum)), 0)
    retraining = Retraining(NET.id, recipe, checksum, fidelity, seed, measured)
    key = MeasurementKey(NET.id, recipe.digest(checksum), fidelity, seed)
    assert shared.retrained(key) is None
    assert shared.record_retraining(retraining) == retraining
    assert shared.record_retraining(replace(retraining, measurement=again)) == retraining
    assert shared.retrained(key) == measured
    assert shared.known(key) is None
    assert shared.retrainings(NET.id)[-1] == retraining
    assert shared.retrainings("0" * 16) == []


def test_latencies_are_all_kept(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    begin(store, study_id, 1, 11)
    slow = Latency(NET.id, "cpu", "fp32", 64, 1, 30, median_seconds=0.02, low_seconds=0.01, high_seconds=0.04)
    fast = replace(slow, device="gpu", precision="bf16", threads=0, median_seconds=0.01)
    other = replace(slow, architecture_id=network(11).id)
    for latency in (slow, other, fast, slow):
        store.record_latency(latency)
    assert store.latencies(NET.id) == [slow, fast, slow]
    assert store.latencies(other.architecture_id) == [other]
    assert store.latencies("0" * 16) == []


def test_what_was_measured_on_no_architecture_is_refused(store: Store, study_id: int) -> None:
    latency = Latency(NET.id, "cpu", "fp32", 64, 1, 30, median_seconds=0.02, low_seconds=0.01, high_seconds=0.04)
    told = f"error[E500]: there is no architecture {NET.id} in the store\n  = help: `ressearch best` lists ids"
    assert complaint(store.record_latency, latency) == told
    assert complaint(store.record_retraining, Retraining(NET.id, RECIPE, CHECKSUM, Fidelity(), 0, MEASURED)) == told


def test_more_operations_than_64_bits_hold_keep_fifteen_digits(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    store.complete(study_id, 0, KEY, replace(MEASURED, flops=10**21 + 1), RECIPE)
    known = store.known(KEY)
    assert known is not None
    assert known.flops == pytest.approx(10**21, rel=1e-15)


def test_a_digest_that_is_not_the_recipes_is_refused(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    calls = (
        lambda: store.complete(study_id, 0, KEY, MEASURED, another_recipe(0)),
        lambda: store.create_study(replace(STUDY, name="other", data_checksum="another")),
        lambda: store.create_study(replace(STUDY, name="other", evaluator="mine:train")),
    )
    for call in calls:
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
            call()
        assert str(caught.value) == f"{STUDY.recipe_digest} is not the digest of this recipe on this data"
    assert store.known(KEY) is None


def test_a_study_comes_back_as_it_went_in(store: Store, path: Path) -> None:
    number = store.create_study(STUDY)
    assert store.find_study("demo") == (number, STUDY)
    with closing(Store.open(path)) as opened:
        assert opened.study("demo") == (number, STUDY)
        assert opened.find_study("Demo") is None


def test_a_study_without_a_name_is_the_one_begun_last(store: Store) -> None:
    for name in ("zebra", "aardvark", "monkey"):
        store.create_study(replace(STUDY, name=name))
    assert store.study(None)[1].name == "monkey"
    assert complaint(store.study, "demo") == (
        "error[E500]: there is no study 'demo'\n  = help: studies here: zebra, aardvark, monkey"
    )


def test_a_store_without_a_study_says_so(store: Store) -> None:
    assert complaint(store.study, None) == (
        "error[E500]: the store holds no study yet\n  = help: `ressearch search FILE` begins one"
    )


def test_a_studys_name_is_taken_once(store: Store, study_id: int) -> None:
    with pytest.raises(StudyError) as caught:
        store.create_study(replace(STUDY, seed=8))
    assert str(caught.value) == "error[E600]: there is a study 'demo' already\n  = help: choose another --name"
    assert store.find_study("demo") == (study_id, STUDY)


# Questions


def test_results_counts_history_and_known(store: Store, study_id: int) -> None:
    other_id = store.create_study(replace(STUDY, name="other"))
    nets = [begin(store, study_id, number, classes) for number, classes in ((3, 30), (1, 10), (2, 20), (5, 50))]
    base = begin(store, study_id, 0, 5, baseline="resnet8")
    begin(store, other_id, 0, 10)
    for number, net, measured in ((3, nets[0], MEASURED), (1, nets[1], BETTER), (0, base, MEASURED)):
        store.complete(study_id, number, key_of(net), measured, RECIPE)
    store.fail(study_id, 2, "Traceback\nKaboom", Failure.ERROR)
    # a linear layer from one channel: as many MACs as classes, twice as many parameters, depth 1
    assert store.results(study_id) == [
        Result(base.id, 0.5, 5, 10, 1, "resnet8", 0, 2.0),
        Result(nets[1].id, 0.75, 10, 20, 1, None, 1, 2.0),
        Result(nets[0].id, 0.5, 30, 60, 1, None, 3, 2.0),
    ]
    assert store.counts(study_id) == {TrialState.RUNNING: 1, TrialState.COMPLETE: 3, TrialState.FAILED: 1}
    assert store.counts(other_id) == {TrialState.RUNNING: 1, TrialState.COMPLETE: 0, TrialState.FAILED: 0}
    assert [trial.number for trial in store.trials(study_id)] == [0, 1, 2, 3, 5]
    complete = replace(running(1), state=TrialState.COMPLETE, measurement=BETTER)
    assert store.history(nets[1].id) == [("demo", complete), ("other", running(0))]
    assert store.history("0" * 16) == []
    assert store.known(key_of(nets[1])) == BETTER
    assert store.known(key_of(nets[3])) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, architecture_id=network(11).id),
        replace(KEY, recipe_digest=another_recipe(0).digest(CHECKSUM)),
        *(
            replace(KEY, fidelity=replace(STUDY.fidelity, **{name: value}))
            for name, value in (("epochs", 4), ("data_fraction", 0.26), ("resolution", 1.0), ("schedule", 3))
        ),
        replace(KEY, seed=8),
    ],
)
def test_what_is_known_is_known_under_its_whole_key(store: Store, study_id: int, other: MeasurementKey) -> None:
    begin(store, study_id, 0)
    begin(store, study_id, 1)
    begin(store, study_id, 2, 11)
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    assert store.known(KEY) == MEASURED
    assert store.known(other) is None
    recipe = RECIPE if other.recipe_digest == STUDY.recipe_digest else another_recipe(0)
    assert store.complete(study_id, 1, other, BETTER, recipe) == BETTER
    assert not store.trials(study_id)[1].reused


def test_an_architecture_is_found_by_the_beginning_of_its_id(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    for prefix in (NET.id, NET.id[:6], NET.id[0]):
        assert store.architecture(prefix) == (NET, cost_of(NET))


@pytest.mark.parametrize("prefix", ["x", "%", "_", NET.id + "0", NET.id[1:], " "])
def test_an_id_that_is_not_there(store: Store, study_id: int, prefix: str) -> None:
    begin(store, study_id, 0)
    assert complaint(store.architecture, prefix) == (
        f"error[E500]: no architecture has an id that begins with {prefix!r}\n  = help: `ressearch best` lists ids"
    )


def test_an_empty_id(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    assert complaint(store.architecture, "") == "error[E500]: an empty id\n  = help: `ressearch best` lists ids"


def sharing_a_first_digit(how_many: int) -> list[Architecture]:
    """By the pigeonhole principle, 16 (n - 1) + 1 ids have n among them that begin alike."""
    found: dict[str, list[Architecture]] = {}
    for classes in range(1, 16 * (how_many - 1) + 2):
        net = network(classes)
        alike = found.setdefault(net.id[0], [])
        alike.append(net)
        if len(alike) == how_many:
            return alike
    raise AssertionError("unreachable")


@pytest.mark.parametrize(("how_many", "more"), [(2, ""), (5, ""), (6, ", ..."), (7, ", ...")])
def test_an_ambiguous_id(store: Store, study_id: int, how_many: int, more: str) -> None:
    nets = sharing_a_first_digit(how_many)
    for number, net in enumerate(nets):
        store.begin(study_id, running(number, net), net, cost_of(net))
    first = nets[0].id[0]
    listed = sorted(net.id for net in nets)[:5]
    message = complaint(store.architecture, first)
    assert message == f"error[E500]: {first!r} is not enough: {', '.join(listed)}{more} begin so"
    assert [store.architecture(net.id)[0] for net in nets] == nets


# One measurement per key, one outcome per trial


def test_the_first_measurement_of_a_key_counts(store: Store, study_id: int) -> None:
    other_id = store.create_study(replace(STUDY, name="other"))
    for study, number in ((study_id, 0), (study_id, 1), (other_id, 0)):
        begin(store, study, number)
    assert store.complete(study_id, 0, KEY, MEASURED, RECIPE) == MEASURED
    assert store.complete(study_id, 1, KEY, BETTER, RECIPE) == MEASURED
    assert store.complete(other_id, 0, KEY, BETTER, RECIPE) == MEASURED
    first, second = store.trials(study_id)
    (third,) = store.trials(other_id)
    assert [trial.measurement for trial in (first, second, third)] == [MEASURED] * 3
    assert [trial.reused for trial in (first, second, third)] == [False, True, True]


def finish(store: Store, study_id: int, outcome: str) -> None:
    if outcome == "complete":
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    else:
        store.fail(study_id, 0, "Kaboom", Failure.ERROR)


@pytest.mark.parametrize("second", ["complete", "fail"])
@pytest.mark.parametrize("first", ["complete", "fail", "never begun"])
def test_a_trial_that_is_not_running_takes_no_outcome(store: Store, study_id: int, first: str, second: str) -> None:
    begin(store, study_id, 1)
    if first != "never begun":
        begin(store, study_id, 0)
        finish(store, study_id, first)
    before = store.trials(study_id), store.known(KEY)
    message = complaint(finish, store, study_id, second)
    assert message == "error[E500]: trial 0 is not running: its result cannot be recorded"
    assert (store.trials(study_id), store.known(KEY)) == before


def test_a_refused_measurement_is_not_kept(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    with pytest.raises(StoreError):
        store.complete(study_id, 1, KEY, MEASURED, RECIPE)
    assert store.known(KEY) is None


# The database's own constraints

TRIAL = (
    "INSERT INTO trials (study_id, number, architecture_id, decisions, seed, origin, baseline, state, measurement_id,"
    " error, failure, reused, started, finished) VALUES ({study}, {number}, {net}, '{{}}', {seed}, {origin},"
    " {baseline}, {state}, {measurement}, {error}, {failure}, {reused}, 0.0, {finished})"
)
FINE = {
    "study": 1,
    "number": 9,
    "net": f"'{NET.id}'",
    "seed": 0,
    "origin": "'proposed'",
    "baseline": "NULL",
    "state": "'running'",
    "measurement": "NULL",
    "error": "NULL",
    "failure": "NULL",
    "reused": 0,
    "finished": "NULL",
}
FAILED = {"state": "'failed'", "error": "'x'", "failure": "'error'", "finished": 1.0}
COMPLETE = {"state": "'complete'", "measurement": 1, "finished": 1.0}
INCONSISTENT = "CHECK constraint failed: state_is_consistent"
UNNAMED = "CHECK constraint failed: baseline_is_named"
SENSELESS = "CHECK constraint failed: {}_is_sensible"
STRAY = "FOREIGN KEY constraint failed"


@pytest.fixture
def raw(store: Store, study_id: int, path: Path) -> Iterator[sqlite3.Connection]:
    """The file of a store with one complete trial, as any SQLite client opens it."""
    begin(store, study_id, 0)
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (COMPLETE | {"measurement": "NULL"}, INCONSISTENT),
        (COMPLETE | {"error": "'x'"}, INCONSISTENT),
        (FAILED | {"error": "NULL"}, INCONSISTENT),
        (FAILED | {"measurement": 1}, INCONSISTENT),
        ({"measurement": 1}, INCONSISTENT),
        ({"error": "'x'"}, INCONSISTENT),
        ({"state": "'paused'", "finished": 1.0}, INCONSISTENT),
        (FAILED | {"failure": "NULL"}, "CHECK constraint failed: failure_is_named"),
        ({"failure": "'error'"}, "CHECK constraint failed: failure_is_named"),
        (FAILED | {"failure": "'bored'"}, "CHECK constraint failed: failure_is_known"),
        (FAILED | {"finished": "NULL"}, "CHECK constraint failed: finished_is_timed"),
        ({"finished": 1.0}, "CHECK constraint failed: finished_is_timed"),
        ({"reused": 1}, "CHECK constraint failed: reused_is_complete"),
        (COMPLETE | {"reused": 2}, "CHECK constraint failed: reused_is_boolean"),
        ({"number": -1}, "CHECK constraint failed: number_is_sensible"),
        ({"number": "'x'"}, "CHECK constraint failed: number_is_sensible"),
        ({"seed": -1}, "CHECK constraint failed: seed_is_sensible"),
        ({"origin": "'guessed'"}, "CHECK constraint failed: origin_is_known"),
        ({"baseline": "'resnet8'"}, UNNAMED),
        ({"origin": "'baseline'"}, UNNAMED),
        ({"study": 2}, STRAY),
        ({"net": "'unknown'"}, STRAY),
        (COMPLETE | {"measurement": 2}, STRAY),
        ({"number": 0}, "UNIQUE constraint failed: trials.study_id, trials.number"),
        ({"state": "NULL"}, "NOT NULL constraint failed: trials.state"),
    ],
)
def test_a_trial_that_cannot_be_is_refused_by_the_database(
    raw: sqlite3.Connection, changes: dict[str, object], message: str
) -> None:
    raw.execute(TRIAL.format(**FINE))  # it is the changes that are refused
    with pytest.raises(sqlite3.IntegrityError) as caught:
        raw.execute(TRIAL.format(**FINE | {"number": 10} | changes))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE measurements SET accuracy = 2.0", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = -0.1", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = 'high'", SENSELESS.format("accuracy")),
        ("UPDATE measurements SET accuracy = NULL", "NOT NULL constraint failed: measurements.accuracy"),
        ("UPDATE measurements SET seconds = -1", SENSELESS.format("seconds")),
        ("UPDATE measurements SET cpu_seconds = 9e999", SENSELESS.format("cpu_seconds")),
        ("UPDATE measurements SET loss = -9e999", SENSELESS.format("loss")),
        ("UPDATE measurements SET train_loss = 'nan'", SENSELESS.format("train_loss")),
        ("UPDATE measurements SET images_per_second = -1", SENSELESS.format("images_per_second")),
        ("UPDATE measurements SET flops = -1", SENSELESS.format("flops")),
        ("UPDATE measurements SET peak_memory = -1", SENSELESS.format("peak_memory")),
        ("UPDATE measurements SET precision = 'fp64'", SENSELESS.format("precision")),
        ("UPDATE measurements SET epochs = 0", SENSELESS.format("epochs")),
        ("UPDATE measurements SET schedule = 2", SENSELESS.format("schedule")),
        ("UPDATE measurements SET data_fraction = 0", SENSELESS.format("data_fraction")),
        ("UPDATE measurements SET resolution = 1.1", SENSELESS.format("resolution")),
        ("UPDATE measurements SET recipe_digest = 'unknown'", STRAY),
        ("UPDATE recipes SET batch_size = 1", SENSELESS.format("batch_size")),
        ("UPDATE recipes SET lr = 0", SENSELESS.format("lr")),
        ("UPDATE recipes SET lr = 'high'", SENSELESS.format("lr")),
        ("UPDATE recipes SET momentum = 1", SENSELESS.format("momentum")),
        ("UPDATE recipes SET weight_decay = -1", SENSELESS.format("weight_decay")),
        ("UPDATE recipes SET crop = -1", SENSELESS.format("crop")),
        ("UPDATE recipes SET flip = 2", "CHECK constraint failed: flip_is_boolean"),
        ("UPDATE recipes SET lr = NULL", "CHECK constraint failed: known_as_a_whole"),
        ("UPDATE studies SET epochs = 0", SENSELESS.format("epochs")),
        ("UPDATE studies SET recipe_digest = 'unknown'", STRAY),
        ("UPDATE architectures SET macs = -1", SENSELESS.format("macs")),
        ("UPDATE architectures SET longest_path = 0", SENSELESS.format("longest_path")),
        ("UPDATE architectures SET mean_path = 9", SENSELESS.format("mean_path")),
        ("UPDATE architectures SET log10_paths = -1", SENSELESS.format("log10_paths")),
        ("UPDATE trials SET state = 'running', finished = NULL", INCONSISTENT),
        ("UPDATE trials SET measurement_id = NULL", INCONSISTENT),
        ("DELETE FROM measurements", STRAY),
        ("DELETE FROM architectures", STRAY),
        ("DELETE FROM studies", STRAY),
        ("DELETE FROM recipes", STRAY),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_the_database(
    raw: sqlite3.Connection, statement: str, message: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError) as caught:
        raw.execute(statement)
    assert str(caught.value) == message


def test_the_database_takes_one_measurement_per_key(raw: sqlite3.Connection) -> None:
    columns = [row[1] for row in raw.execute("PRAGMA table_info(measurements)") if row[1] != "id"]
    listed = ", ".join(columns)
    with pytest.raises(sqlite3.IntegrityError) as caught:
        raw.execute(f"INSERT INTO measurements ({listed}) SELECT {listed} FROM measurements")
    key = ("architecture_id", "recipe_digest", "epochs", "data_fraction", "resolution", "schedule", "seed")
    assert str(caught.value) == f"UNIQUE constraint failed: {', '.join(f'measurements.{name}' for name in key)}"


@pytest.mark.parametrize("how", [Store.create, Store.open])
def test_a_write_is_on_the_disk_before_it_is_acknowledged(path: Path, how: Callable[[Path], Store]) -> None:
    Store.create(path).close()
    with closing(how(path)) as store, writing(store._engine) as connection:
        pragma = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in PRAGMAS}
    assert pragma == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
"""synchronous: 2 is FULL. busy_timeout: milliseconds."""


# Files


def test_creating_twice_keeps_what_is_there(store: Store, study_id: int, path: Path) -> None:
    begin(store, study_id, 0)
    with closing(Store.create(path)) as again:
        assert again.trials(study_id) == [running(0)]
        begin(again, study_id, 1)
    assert len(store.trials(study_id)) == 2


def test_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "results.db"
    Store.create(path).close()
    assert path.is_file()


@pytest.mark.parametrize("name", ["a?b.db", "a%20b.db", "a#b.db", "ä b&c=d.db", ":memory:x"])
def test_a_store_is_where_its_name_says(tmp_path: Path, name: str) -> None:
    with closing(Store.create(tmp_path / name)) as store:
        store.create_study(STUDY)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with closing(Store.open(tmp_path / name)) as store:
        assert store.study(None)[1] == STUDY


def test_a_missing_file(path: Path) -> None:
    assert complaint(Store.open, path) == (
        f"error[E500]: there is no results store at {path}\n  = help: `ressearch search FILE` makes one"
    )
    assert not path.exists()


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE cats (name TEXT); INSERT INTO cats VALUES ('Mia')")


def foreign_with_log(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE cats (name TEXT)")


def marked_by_another(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA application_id = 7; VACUUM")


def newer(path: Path) -> None:
    Store.create(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def text(path: Path) -> None:
    path.write_text("accuracy,macs\n0.9,100\n" * 1_000)


def short_text(path: Path) -> None:
    path.write_text("hello\n")


def one_byte(path: Path) -> None:
    path.write_bytes(b"x")


def truncated(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(path.read_bytes()[:5_000])


def without_its_last_page(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(path.read_bytes()[:-4_096])


def overwritten(path: Path) -> None:
    Store.create(path).close()
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


NOT_OURS = " is an SQLite database, but not a results store\n  = help: give another --store"
NEWER = (
    " was written by a newer ressearch (schema 3, this one reads up to 2)\n"
    "  = help: upgrade ressearch, or give another --store"
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, NOT_OURS),
        (foreign_with_log, NOT_OURS),
        (marked_by_another, NOT_OURS),
        (newer, NEWER),
        (text, f": file is not a database{HELP}"),
        (short_text, f": file is not a database{HELP}"),
        (one_byte, NOT_OURS),
        (truncated, f": database disk image is malformed{HELP}"),
        (without_its_last_page, f": database disk image is malformed{HELP}"),
        (overwritten, f": file is not a database{HELP}"),
    ],
)
@pytest.mark.parametrize("how", [Store.create, Store.open])
def test_a_file_that_is_no_store_of_ours_stays_untouched(
    path: Path, how: Callable[[Path], Store], make: Callable[[Path], None], message: str
) -> None:
    make(path)
    before = path.read_bytes()
    assert complaint(how, path) == f"error[E500]: {path}{message}"
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(st.binary(min_size=1, max_size=1_200) | st.binary(max_size=600).map(b"SQLite format 3\0".__add__))
def test_random_bytes_are_a_store_error_and_stay(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.db"
    path.write_bytes(content)
    for how in (Store.open, Store.create):
        with pytest.raises(StoreError):
            how(path)
        assert path.read_bytes() == content


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    assert complaint(Store.create, tmp_path) == f"error[E500]: {tmp_path}: unable to open database file{HELP}"
    assert complaint(Store.open, tmp_path) == (
        f"error[E500]: there is no results store at {tmp_path}\n  = help: `ressearch search FILE` makes one"
    )


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    file.write_text("x")
    assert complaint(Store.create, file / "results.db") == (
        f"error[E500]: cannot make the directory {file}: File exists"
    )
    assert complaint(Store.create, file / "deep" / "results.db") == (
        f"error[E500]: cannot make the directory {file / 'deep'}: Not a directory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a directory that not even root can write to on Linux")
def test_a_directory_that_cannot_be_written_to() -> None:
    path = Path("/proc/results.db")
    assert complaint(Store.create, path) == f"error[E500]: {path}: unable to open database file{HELP}"
    assert complaint(Store.create, Path("/proc/runs/results.db")) == (
        "error[E500]: cannot make the directory /proc/runs: No such file or directory"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.parametrize("make", [foreign, newer, text, truncated])
def test_a_refused_file_is_given_back_at_once(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    for how in (Store.create, Store.open):
        with pytest.raises(StoreError):  # whose traceback keeps the frames, and what they hold, alive
            how(path)
        held = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        assert str(path) not in held


@pytest.mark.parametrize("content", [b"", None], ids=["an empty file", "killed before the first table"])
def test_a_store_whose_making_was_cut_off_is_made(path: Path, content: bytes | None) -> None:
    if content is None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        assert path.stat().st_size > 0
    else:
        path.write_bytes(content)
    with closing(Store.create(path)) as store:
        assert store.study(store.create_study(STUDY) and "demo")[1] == STUDY
    Store.open(path).close()


# Kills and neighbours

WRITER = """
import sys
from pathlib import Path
from sys import float_info
from tests.test_store import MEASURED, NET, RECIPE, STUDY, MeasurementKey, begin, replace
from ressearch.store import Store

store = Store.create(Path(sys.argv[1]))
study_id = (store.find_study("demo") or (None,))[0] or store.create_study(STUDY)
number = len(store.trials(study_id))
while True:
    begin(store, study_id, number)
    key = MeasurementKey(NET.id, STUDY.recipe_digest, STUDY.fidelity, number)
    store.complete(study_id, number, key, replace(MEASURED, loss=float(number)), RECIPE)
    print(number, flush=True)
    number += 1
"""
ROOT = Path(__file__).parent.parent


def killed_after(lines: int, path: Path) -> list[int]:
    """The trials that a writer acknowledged until it was killed; it goes on writing while they are counted."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert writer.stdout is not None
    with writer.stdout as stdout:
        told = list(itertools.islice(stdout, lines))
        writer.send_signal(signal.SIGKILL)
        told += stdout
    assert writer.wait() == -signal.SIGKILL
    return [int(line) for line in told if line.endswith("\n")]


def test_kill_9_loses_no_acknowledged_measurement(path: Path) -> None:
    acknowledged: list[int] = []
    for kill, lines in enumerate((1, 7, 20, 33), start=1):
        acknowledged += killed_after(lines, path)
        with closing(Store.open(path)) as store:
            trials = store.trials(store.study("demo")[0])
        kept = {trial.number: trial.measurement for trial in trials if trial.state is TrialState.COMPLETE}
        for number in acknowledged:
            assert kept[number] == replace(MEASURED, loss=float(number))
        assert len(trials) - len(acknowledged) <= kill  # what was under way, once per kill
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(acknowledged) >= 61


def write_trials(path: Path, name: str, count: int, pause: Callable[[int], object] = bool) -> None:
    with closing(Store.create(path)) as store:
        study_id = store.create_study(replace(STUDY, name=name))
        for number in range(count):
            pause(number)
            begin(store, study_id, number, classes=number + 1)
            recipe = replace(RECIPE, batch_size=2 + zlib.crc32(name.encode()))
            key = MeasurementKey(network(number + 1).id, recipe.digest(CHECKSUM), STUDY.fidelity, 0)
            store.complete(study_id, number, key, MEASURED, recipe)


def together(*calls: Callable[[], object]) -> list[BaseException]:
    """Run calls at once, each in a thread; what they raised."""
    raised: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_a_reader_beside_a_writer_is_never_locked_out(store: Store, path: Path) -> None:
    begun_reading, written = threading.Event(), threading.Event()
    seen: list[int] = []

    def write() -> None:
        try:
            write_trials(path, "written", 60, pause=lambda number: number == 30 and begun_reading.wait(60))
        finally:
            written.set()

    def read() -> None:
        with closing(Store.open(path)) as reader:
            last = False
            while not last:
                last = written.is_set()
                found = reader.find_study("written")
                results = reader.results(found[0]) if found else []
                assert [result.number for result in results] == list(range(len(results)))
                seen.append(len(results))
                begun_reading.set()

    assert together(write, read) == []
    assert seen == sorted(seen)
    assert seen[0] <= 30
    assert seen[-1] == 60


def test_writers_wait_for_each_other(store: Store, path: Path) -> None:
    names = ("one", "two", "three")
    assert together(*(lambda name=name: write_trials(path, name, 40) for name in names)) == []  # type: ignore[misc]
    for name in names:
        assert store.counts(store.study(name)[0])[TrialState.COMPLETE] == 40


def test_a_store_may_be_made_by_several_at_once(path: Path) -> None:
    assert together(*(lambda name=f"study {n}": write_trials(path, name, 1) for n in range(6))) == []  # type: ignore[misc]
    with closing(Store.open(path)) as store:
        assert all(len(store.trials(store.study(f"study {n}")[0])) == 1 for n in range(6))


# Speed


TABLES = ("trials", "measurements", "retrainings", "latencies", "architectures")


def test_no_query_reads_a_whole_table_of_trials_or_measurements(store: Store, study_id: int, path: Path) -> None:
    """By SQLite's own plans of the very statements that the queries send."""
    begin(store, study_id, 0)
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    sent: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        sent.append((statement, parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    retraining = Retraining(NET.id, RECIPE, CHECKSUM, Fidelity(), 0, MEASURED)
    latency = Latency(NET.id, "cpu", "fp32", 64, 1, 30, median_seconds=0.02, low_seconds=0.01, high_seconds=0.04)
    questions: list[Callable[[], object]] = [
        lambda: store.results(study_id),
        lambda: store.trials(study_id),
        lambda: store.counts(study_id),
        lambda: store.history(NET.id),
        lambda: store.known(KEY),
        lambda: begin(store, study_id, 1),
        lambda: store.complete(study_id, 1, KEY, MEASURED, RECIPE),
        lambda: store.record_retraining(retraining),
        lambda: store.retrained(KEY),
        lambda: store.retrainings(NET.id),
        lambda: store.record_latency(latency),
        lambda: store.latencies(NET.id),
    ]
    for question in questions:
        sent.clear()
        question()
        plans = plans_of(path, sent)
        assert plans
        assert [step for step in plans if step.startswith(tuple(f"SCAN {table}" for table in TABLES))] == []
    assert any(step.startswith("SCAN measurements") for step in plans_of(path, [("SELECT * FROM measurements", ())]))


def plans_of(path: Path, statements: list[tuple[str, object]]) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            step[3]
            for statement, parameters in statements
            if statement.startswith(("SELECT", "UPDATE"))
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
        ]
