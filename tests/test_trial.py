"""Records refuse nonsense, and a recipe's identity depends on all that it says and on nothing else."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace
from hashlib import sha256
from itertools import combinations, product
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.trial import Failure, Fidelity, Latency, Measurement, Origin, Recipe, Retraining, Trial, TrialState

MEASURED = Measurement(
    accuracy=0.5,
    loss=1.5,
    train_loss=1.25,
    seconds=2.0,
    cpu_seconds=1.75,
    images_per_second=640.0,
    flops=3_000_000,
    peak_memory=1024,
    device="cpu",
    precision="fp32",
)
RUNNING = Trial(number=0, architecture_id="0" * 16, decisions={}, seed=0)
TIMED = Latency(
    architecture_id="0" * 16,
    device="cpu",
    precision="fp32",
    batch=1,
    threads=1,
    repeats=100,
    median_seconds=2e-3,
    low_seconds=1e-3,
    high_seconds=3e-3,
)
DIGITS = "96a506dfa7be07d9"


def refusal(build: Any, *args: Any, **changes: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        build(*args, **changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch_size", 1, "batch_size must be a whole number from 2, got 1"),
        ("lr", 0.0, "lr must be above 0, got 0.0"),
        ("lr", -0.1, "lr must be above 0, got -0.1"),
        ("lr", nan, "lr must be above 0, got nan"),
        ("lr", inf, "lr must be above 0, got inf"),
        ("momentum", -0.1, "momentum must be in [0, 1), got -0.1"),
        ("momentum", 1.0, "momentum must be in [0, 1), got 1.0"),
        ("momentum", nan, "momentum must be in [0, 1), got nan"),
        ("weight_decay", -1e-9, "weight_decay must be at least 0, got -1e-09"),
        ("weight_decay", inf, "weight_decay must be at least 0, got inf"),
        ("weight_decay", nan, "weight_decay must be at least 0, got nan"),
        ("label_smoothing", -0.1, "label_smoothing must be in [0, 1), got -0.1"),
        ("label_smoothing", 1.0, "label_smoothing must be in [0, 1), got 1.0"),
        ("warmup", -0.1, "warmup must be in [0, 1), got -0.1"),
        ("warmup", 1.0, "warmup must be in [0, 1), got 1.0"),
        ("warmup", nan, "warmup must be in [0, 1), got nan"),
        ("ema", -0.1, "ema must be in [0, 1), got -0.1"),
        ("ema", 1.0, "ema must be in [0, 1), got 1.0"),
        ("ema", nan, "ema must be in [0, 1), got nan"),
        ("crop", -1, "crop must be a whole number from 0, got -1"),
        ("crop", 2.0, "crop must be a whole number from 0, got 2.0"),
        ("crop", True, "crop must be a whole number from 0, got True"),
        ("cutout", -1, "cutout must be a whole number from 0, got -1"),
        ("cutout", 0.5, "cutout must be a whole number from 0, got 0.5"),
        ("cutout", False, "cutout must be a whole number from 0, got False"),
        ("decoupled", 1, "decoupled must be true or false, got 1"),
        ("flip", 0, "flip must be true or false, got 0"),
        ("flip", "yes", "flip must be true or false, got yes"),
        ("amp", None, "amp must be true or false, got None"),
        ("batch_size", True, "batch_size must be a whole number from 2, got True"),
    ],
)
def test_a_recipe_refuses(field: str, value: Any, message: str) -> None:
    assert refusal(Recipe, **{field: value}) == message


def test_the_ends_of_what_a_recipe_takes() -> None:
    Recipe(batch_size=2, lr=1e-300, momentum=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0)
    Recipe(momentum=0.999, label_smoothing=0.999, warmup=0.999, ema=0.999)
    Recipe(crop=0, cutout=0, ema=0.0, decoupled=True, flip=True, amp=False)
    Recipe(crop=10**6, cutout=10**6, ema=0)


def test_the_defaults_do_what_was_done_before_there_was_a_choice() -> None:
    later = {"decoupled": False, "crop": 0, "flip": False, "cutout": 0, "ema": 0.0, "amp": True}
    assert Recipe() == Recipe(**later)
    assert {name: getattr(Recipe(), name) for name in later} == later


@pytest.mark.parametrize("field", ["lr", "momentum", "weight_decay", "label_smoothing", "warmup", "ema"])
@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_no_numbers_of_a_recipe(field: str, value: bool) -> None:
    assert refusal(Recipe, **{field: value}) == f"{field} must be a number, got {value}"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs must be a whole number from 1, got 0"),
        ("data_fraction", 0.0, "data_fraction must be in (0, 1], got 0.0"),
        ("data_fraction", 1.01, "data_fraction must be in (0, 1], got 1.01"),
        ("data_fraction", nan, "data_fraction must be in (0, 1], got nan"),
        ("resolution", 0.0, "resolution must be in (0, 1], got 0.0"),
        ("resolution", 1.01, "resolution must be in (0, 1], got 1.01"),
        ("resolution", nan, "resolution must be in (0, 1], got nan"),
        ("schedule", 7, "schedule must be a whole number from 8, its epochs, got 7"),
        ("schedule", -1, "schedule must be a whole number from 8, its epochs, got -1"),
        ("schedule", 9.0, "schedule must be a whole number from 8, its epochs, got 9.0"),
    ],
)
def test_a_fidelity_refuses(field: str, value: float, message: str) -> None:
    assert refusal(Fidelity, **{field: value}) == message


def test_a_schedule_is_as_long_as_the_training_unless_said() -> None:
    assert Fidelity(3).schedule == Fidelity(3, schedule=0).schedule == 3
    assert Fidelity(3) == Fidelity(3, schedule=3)
    assert hash(Fidelity(3)) == hash(Fidelity(3, schedule=3))
    assert Fidelity(3) != Fidelity(3, schedule=4)
    assert Fidelity(3, schedule=4).schedule == 4
    assert refusal(replace, Fidelity(3), epochs=4) == "schedule must be a whole number from 4, its epochs, got 3"
    assert replace(Fidelity(3, schedule=9), epochs=9) == Fidelity(9)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("field", ["accuracy", "loss", "train_loss", "seconds", "cpu_seconds", "images_per_second"])
def test_a_measurement_is_finite(field: str, value: float) -> None:
    assert refusal(replace, MEASURED, **{field: value}) == f"{field} must be finite, got {value}"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("accuracy", -0.01, "accuracy must be in [0, 1], got -0.01"),
        ("accuracy", 1.01, "accuracy must be in [0, 1], got 1.01"),
        ("accuracy", 93, "accuracy must be in [0, 1], got 93"),
        ("seconds", -1.0, "seconds must be at least 0, got -1.0"),
        ("cpu_seconds", -0.5, "cpu_seconds must be at least 0, got -0.5"),
        ("images_per_second", -2.0, "images_per_second must be at least 0, got -2.0"),
        ("flops", -1, "flops must be at least 0, got -1"),
        ("peak_memory", -1, "peak_memory must be at least 0, got -1"),
        ("precision", "fp16", "precision must be fp32 or bf16, got fp16"),
        ("precision", "", "precision must be fp32 or bf16, got "),
        ("precision", "BF16", "precision must be fp32 or bf16, got BF16"),
    ],
)
def test_a_measurement_refuses(field: str, value: Any, message: str) -> None:
    assert refusal(replace, MEASURED, **{field: value}) == message


def test_the_ends_of_what_a_measurement_takes() -> None:
    assert replace(MEASURED, precision="bf16").precision == "bf16"
    replace(MEASURED, accuracy=0.0, seconds=0.0, cpu_seconds=0.0, images_per_second=0.0, flops=0, peak_memory=0)
    replace(MEASURED, accuracy=1.0, cpu_seconds=99.0, flops=10**24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"low_seconds": 0.0}, "median_seconds must be between the quartiles, all above 0, got 0.002"),
        ({"low_seconds": 2.5e-3}, "median_seconds must be between the quartiles, all above 0, got 0.002"),
        ({"high_seconds": 1.5e-3}, "median_seconds must be between the quartiles, all above 0, got 0.002"),
        ({"high_seconds": inf}, "median_seconds must be between the quartiles, all above 0, got 0.002"),
        ({"low_seconds": nan}, "median_seconds must be between the quartiles, all above 0, got 0.002"),
        ({"median_seconds": nan}, "median_seconds must be between the quartiles, all above 0, got nan"),
        ({"median_seconds": -1.0}, "median_seconds must be between the quartiles, all above 0, got -1.0"),
    ],
)
def test_a_latency_refuses(changes: dict[str, Any], message: str) -> None:
    assert refusal(replace, TIMED, **changes) == message


def test_the_ends_of_what_a_latency_takes() -> None:
    replace(TIMED, low_seconds=2e-3, high_seconds=2e-3, threads=0, repeats=1)


@given(accuracy=st.floats(), loss=st.floats())
def test_no_number_that_is_not_finite_gets_into_a_measurement(accuracy: float, loss: float) -> None:
    if isfinite(loss) and 0 <= accuracy <= 1:
        assert replace(MEASURED, accuracy=accuracy, loss=loss).accuracy == accuracy
    else:
        refusal(replace, MEASURED, accuracy=accuracy, loss=loss)


POSSIBLE = {
    (TrialState.RUNNING, False, False),
    (TrialState.STOPPED, True, False),
    (TrialState.COMPLETE, True, False),
    (TrialState.FAILED, False, True),
}


@pytest.mark.parametrize(("state", "measured", "failed"), list(product(TrialState, (False, True), (False, True))))
def test_the_state_of_a_trial_agrees_with_what_it_holds(state: TrialState, measured: bool, failed: bool) -> None:
    held: Any = {"measurement": MEASURED if measured else None, "error": "Traceback" if failed else None}
    held |= {"failure": Failure.ERROR if failed else None}
    if (state, measured, failed) in POSSIBLE:
        assert replace(RUNNING, state=state, **held).state is state
    else:
        assert refusal(replace, RUNNING, state=state, **held) == (
            "state must be consistent: complete and stopped have a measurement, failed has an error, "
            f"running has neither, got {state.value}"
        )


FAILED = replace(RUNNING, state=TrialState.FAILED, error="Traceback", failure=Failure.ERROR)


@pytest.mark.parametrize("failure", Failure)
def test_a_failure_is_of_a_kind(failure: Failure) -> None:
    assert replace(FAILED, failure=failure).failure is failure
    for trial in (RUNNING, replace(RUNNING, state=TrialState.COMPLETE, measurement=MEASURED)):
        assert trial.failure is None
        assert refusal(replace, trial, failure=failure) == (
            f"failure must be of a kind if and only if there is an error, got {failure.value}"
        )


def test_an_error_without_a_kind_is_refused() -> None:
    assert refusal(replace, FAILED, failure=None) == (
        "failure must be of a kind if and only if there is an error, got None"
    )


def test_the_kinds_of_failure_are_words_that_are_stored() -> None:
    assert [failure.value for failure in Failure] == [
        "diverged",
        "out of memory",
        "time limit",
        "worker died",
        "error",
    ]


def test_a_baseline_and_no_other_trial_has_a_baselines_name() -> None:
    assert replace(RUNNING, origin=Origin.BASELINE, baseline="resnet8").baseline == "resnet8"
    assert refusal(replace, RUNNING, origin=Origin.BASELINE) == "baseline must be named if it is one, got None"
    assert refusal(replace, RUNNING, baseline="resnet8") == "baseline must be named if it is one, got resnet8"


def test_a_trials_number_counts_from_zero() -> None:
    assert refusal(replace, RUNNING, number=-1) == "number must be at least 0, got -1"


RETRAINED = Retraining("0" * 16, Recipe(), DIGITS, Fidelity(), 0, MEASURED)


@pytest.mark.parametrize("record", [Recipe(), Fidelity(), MEASURED, RUNNING, TIMED, RETRAINED], ids=type)
def test_records_are_frozen(record: Any) -> None:
    name = fields(record)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, getattr(record, name))


def test_the_digest_of_the_default_recipe_is_pinned() -> None:
    text = (
        f'{{"batch_size": 64, "data": "{DIGITS}", "label_smoothing": 0.0, "lr": 0.1, "momentum": 0.9, '
        '"warmup": 0.2, "weight_decay": 0.0005}'
    )
    assert Recipe().digest(DIGITS) == "497dd2b2d6056022" == sha256(text.encode()).hexdigest()[:16]


CHANGES: dict[str, Any] = {
    "batch_size": 65,
    "lr": 0.2,
    "momentum": 0.8,
    "weight_decay": 1e-4,
    "label_smoothing": 0.1,
    "warmup": 0.1,
    "decoupled": True,
    "crop": 2,
    "flip": True,
    "cutout": 3,
    "ema": 0.9,
    "amp": False,
}


def test_the_digest_depends_on_every_field_on_the_data_and_on_who_trains() -> None:
    recipe = Recipe()
    assert set(CHANGES) == set(asdict(recipe)), "a new field needs a change here"
    digests = [replace(recipe, **{name: value}).digest(DIGITS) for name, value in CHANGES.items()]
    digests += [replace(recipe, crop=3).digest(DIGITS), replace(recipe, cutout=2).digest(DIGITS)]
    digests += [recipe.digest(DIGITS), recipe.digest("another"), recipe.digest("")]
    digests += [recipe.digest(DIGITS, "mine:train"), recipe.digest(DIGITS, "mine:other")]
    digests += [recipe.digest("another", "mine:train"), Recipe(**CHANGES).digest(DIGITS)]
    assert all(one != other for one, other in combinations(digests, 2))


@pytest.mark.parametrize("later", ["decoupled", "crop", "flip", "cutout", "ema", "amp"])
def test_a_later_field_stands_in_the_digest_only_if_it_changes_something(later: str) -> None:
    assert Recipe(**{later: getattr(Recipe(), later)}).digest(DIGITS) == "497dd2b2d6056022"
    value = float(CHANGES[later]) if later in ("crop", "cutout") else CHANGES[later]
    settings = {name: value for name, value in asdict(Recipe()).items() if name in EARLY} | {later: value}
    text = json.dumps(settings | {"data": DIGITS}, sort_keys=True)
    assert Recipe(**{later: CHANGES[later]}).digest(DIGITS) == sha256(text.encode()).hexdigest()[:16]


def test_no_evaluator_is_ours() -> None:
    assert Recipe().digest(DIGITS, "") == Recipe().digest(DIGITS) == "497dd2b2d6056022"


EARLY = ("batch_size", "lr", "momentum", "weight_decay", "label_smoothing", "warmup")


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from([value, 0, 0.0]) for name, value in CHANGES.items()}))
def test_equal_recipes_have_equal_digests_and_different_ones_different(changes: dict[str, Any]) -> None:
    """Also where a number is written as a whole one or not, as far as a field takes both."""
    try:
        recipe = Recipe(**changes)
    except ValueError:
        return
    as_reals = {n: float(v) for n, v in changes.items() if n not in ("batch_size", "crop", "cutout") and v in (0, 1)}
    as_reals = {name: value for name, value in as_reals.items() if type(changes[name]) is not bool}
    twin = Recipe(**changes | as_reals)
    assert twin == recipe
    assert twin.digest(DIGITS) == recipe.digest(DIGITS)
    assert (recipe.digest(DIGITS) == Recipe().digest(DIGITS)) == (recipe == Recipe())


def test_a_whole_number_and_its_real_are_one_recipe() -> None:
    whole = Recipe(lr=1, momentum=0, weight_decay=0, label_smoothing=0, warmup=0, ema=0)
    assert whole == Recipe(lr=1.0, momentum=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0, ema=0.0)
    assert whole.digest(DIGITS) == Recipe(lr=1.0, momentum=0.0, weight_decay=0.0, warmup=0.0).digest(DIGITS)


@pytest.mark.parametrize("field", ["momentum", "weight_decay", "label_smoothing", "warmup", "ema"])
def test_a_zero_has_no_sign(field: str) -> None:
    one, other = Recipe(**{field: -0.0}), Recipe(**{field: 0.0})
    assert one == other
    assert one.digest(DIGITS) == other.digest(DIGITS)
