"""The store keeps what it is told and refuses what cannot be, on every database alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from sys import float_info

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.errors import StoreError, StudyError
from ressearch.store import SCHEMA_VERSION, Result, Store, database_of, version_of
from ressearch.trial import (
    Failure,
    Fidelity,
    Latency,
    Measurement,
    MeasurementKey,
    Origin,
    Recipe,
    Retraining,
    Trial,
    TrialState,
)
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
    key_of,
    network,
    running,
)

# Round trips

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))  # PostgreSQL has no such character
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
    device=texts,
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
    st.none() | texts,
)
fresh = itertools.count()
half = settings(max_examples=50)
"""Of the examples on each database."""


@pytest.fixture(scope="module")
def shared(new_store: Callable[[], str]) -> Iterator[Store]:
    with closing(Store.create(new_store())) as opened:
        yield opened


@half
@given(trial=begun, outcome=st.none() | st.tuples(texts, st.sampled_from(Failure)) | measurements)
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


@half
@given(recipe=recipes, fidelity=fidelities, checksum=texts, evaluator=texts, commit=st.none() | texts)
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


@half
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


def test_a_study_comes_back_as_it_went_in(store: Store, store_url: str) -> None:
    number = store.create_study(STUDY)
    assert store.find_study("demo") == (number, STUDY)
    with closing(Store.open(store_url)) as opened:
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


# Where it is


def test_there_is_no_store_before_it_is_made(store_url: str) -> None:
    assert version_of(store_url) is None
    name = database_of(store_url).name
    assert complaint(Store.open, store_url) == (
        f"error[E500]: there is no results store at {name}\n  = help: `ressearch search FILE` makes one"
    )
    assert version_of(store_url) is None
    with closing(Store.create(store_url)) as store:
        assert (store.name, store.upgraded) == (name, None)
    assert version_of(store_url) == SCHEMA_VERSION


def test_creating_twice_keeps_what_is_there(store: Store, study_id: int, store_url: str) -> None:
    begin(store, study_id, 0)
    with closing(Store.create(store_url)) as again:
        assert again.trials(study_id) == [running(0)]
        begin(again, study_id, 1)
    assert len(store.trials(study_id)) == 2


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
        Result(base.id, 0.5, 5, 10, 1, "resnet8", 0, 2.0, "demo"),
        Result(nets[1].id, 0.75, 10, 20, 1, None, 1, 2.0, "demo"),
        Result(nets[0].id, 0.5, 30, 60, 1, None, 3, 2.0, "demo"),
    ]
    assert store.counts(study_id) == {**dict.fromkeys(TrialState, 1), TrialState.STOPPED: 0, TrialState.COMPLETE: 3}
    assert store.counts(other_id) == {**dict.fromkeys(TrialState, 0), TrialState.RUNNING: 1}
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


def test_an_error_may_hold_any_character(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    store.fail(study_id, 0, "a\0b\t\x7f\uffff\U0001f600", Failure.ERROR)
    assert store.trials(study_id)[0].error == "a\N{SYMBOL FOR NULL}b\t\x7f\uffff\U0001f600"


def test_a_refused_measurement_is_not_kept(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    with pytest.raises(StoreError):
        store.complete(study_id, 1, KEY, MEASURED, RECIPE)
    assert store.known(KEY) is None


def test_what_other_studies_of_the_space_found_is_told(store: Store, study_id: int) -> None:
    """Of the same space, recipe and fidelity; what was taken from the store counts once."""
    begin(store, study_id, 0)
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    begin(store, study_id, 1, 20)
    alike = store.create_study(replace(STUDY, name="alike"))
    others = [
        store.create_study(replace(STUDY, name="other space", space_digest="1" * 16)),
        store.create_study(replace(STUDY, name="other fidelity", fidelity=Fidelity(2))),
        store.create_study(
            replace(STUDY, name="other recipe", recipe=(lr := another_recipe(0)), recipe_digest=lr.digest(CHECKSUM))
        ),
    ]
    assert store.elsewhere(study_id) == []
    assert store.elsewhere(alike) == [({"stem.width": 8}, 0.5)]
    assert [store.elsewhere(other) for other in others] == [[], [], []]
    begin(store, alike, 0)
    store.complete(alike, 0, KEY, BETTER, RECIPE)
    assert store.elsewhere(study_id) == []
