"""Records refuse nonsense, and a recipe's identity depends on all that it says and on nothing else."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields, replace
from hashlib import sha256
from itertools import combinations, product
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.trial import Failure, Fidelity, Latency, Measurement, Origin, Recipe, Trial, TrialState

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
RUNNING = Trial(number=0, architecture_id="0" * 16, decisions={}, seed=0)
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
        ("ema", 1.0, "ema must be in [0, 1), got 1.0"),
        ("crop", -1, "crop must be a whole number from 0, got -1"),
        ("cutout", 1.5, "cutout must be a whole number from 0, got 1.5"),
        ("decoupled", 1, "decoupled must be true or false, got 1"),
        ("flip", "yes", "flip must be true or false, got yes"),
        ("amp", 0, "amp must be true or false, got 0"),
    ],
)
def test_a_recipe_refuses(field: str, value: object, message: str) -> None:
    assert refusal(Recipe, **{field: value}) == message


def test_the_ends_of_what_a_recipe_takes() -> None:
    Recipe(batch_size=2, lr=1e-300, momentum=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0)
    Recipe(momentum=0.999, label_smoothing=0.999, warmup=0.999)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs must be a whole number from 1, got 0"),
        ("data_fraction", 0.0, "data_fraction must be in (0, 1], got 0.0"),
        ("data_fraction", 1.01, "data_fraction must be in (0, 1], got 1.01"),
        ("data_fraction", nan, "data_fraction must be in (0, 1], got nan"),
        ("resolution", 0.0, "resolution must be in (0, 1], got 0.0"),
        ("resolution", 1.01, "resolution must be in (0, 1], got 1.01"),
        ("schedule", 7, "schedule must be a whole number from 8, its epochs, got 7"),
        ("schedule", 8.5, "schedule must be a whole number from 8, its epochs, got 8.5"),
    ],
)
def test_a_fidelity_refuses(field: str, value: float, message: str) -> None:
    assert refusal(Fidelity, **{field: value}) == message


def test_a_schedule_is_as_long_as_the_training_unless_said() -> None:
    assert Fidelity(epochs=3) == Fidelity(epochs=3, schedule=3)
    assert Fidelity(epochs=3, schedule=8).schedule == 8


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
        ("cpu_seconds", -1.0, "cpu_seconds must be at least 0, got -1.0"),
        ("images_per_second", -1.0, "images_per_second must be at least 0, got -1.0"),
        ("flops", -1, "flops must be at least 0, got -1"),
        ("peak_memory", -1, "peak_memory must be at least 0, got -1"),
        ("precision", "fp64", "precision must be fp32 or bf16, got fp64"),
    ],
)
def test_a_measurement_refuses(field: str, value: object, message: str) -> None:
    assert refusal(replace, MEASURED, **{field: value}) == message


@given(accuracy=st.floats(), loss=st.floats())
def test_no_number_that_is_not_finite_gets_into_a_measurement(accuracy: float, loss: float) -> None:
    if isfinite(loss) and 0 <= accuracy <= 1:
        assert replace(MEASURED, accuracy=accuracy, loss=loss).accuracy == accuracy
    else:
        refusal(replace, MEASURED, accuracy=accuracy, loss=loss)


POSSIBLE = {(TrialState.RUNNING, False, False), (TrialState.COMPLETE, True, False), (TrialState.FAILED, False, True)}


@pytest.mark.parametrize(("state", "measured", "failed"), list(product(TrialState, (False, True), (False, True))))
def test_the_state_of_a_trial_agrees_with_what_it_holds(state: TrialState, measured: bool, failed: bool) -> None:
    held: Any = {"measurement": MEASURED if measured else None}
    held |= {"error": "Traceback", "failure": Failure.ERROR} if failed else {}
    if (state, measured, failed) in POSSIBLE:
        assert replace(RUNNING, state=state, **held).state is state
    else:
        assert refusal(replace, RUNNING, state=state, **held) == (
            "state must be consistent: complete has a measurement, failed has an error, running has neither, "
            f"got {state.value}"
        )


def test_a_baseline_and_no_other_trial_has_a_baselines_name() -> None:
    assert replace(RUNNING, origin=Origin.BASELINE, baseline="resnet8").baseline == "resnet8"
    assert refusal(replace, RUNNING, origin=Origin.BASELINE) == "baseline must be named if it is one, got None"
    assert refusal(replace, RUNNING, baseline="resnet8") == "baseline must be named if it is one, got resnet8"


def test_a_failed_trial_and_no_other_tells_its_kind() -> None:
    failed: Any = {"state": TrialState.FAILED, "error": "Traceback"}
    message = "failure must be of a kind if and only if there is an error, got"
    assert refusal(replace, RUNNING, **failed) == f"{message} None"
    assert refusal(replace, RUNNING, failure=Failure.DIVERGED) == f"{message} diverged"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch", 0, "batch must be at least 1, got 0"),
        ("repeats", 0, "repeats must be at least 1, got 0"),
        ("median_seconds", 0.005, "median_seconds must be between the quartiles, all above 0, got 0.005"),
        ("low_seconds", 0.0, "median_seconds must be between the quartiles, all above 0, got 0.02"),
        ("high_seconds", inf, "median_seconds must be between the quartiles, all above 0, got 0.02"),
    ],
)
def test_a_latency_refuses(field: str, value: float, message: str) -> None:
    fine = Latency("0" * 16, "cpu", "fp32", 64, 1, 30, median_seconds=0.02, low_seconds=0.01, high_seconds=0.04)
    assert refusal(replace, fine, **{field: value}) == message


def test_a_trials_number_counts_from_zero() -> None:
    assert refusal(replace, RUNNING, number=-1) == "number must be at least 0, got -1"


@pytest.mark.parametrize("record", [Recipe(), Fidelity(), MEASURED, RUNNING])
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


def test_the_digest_depends_on_every_field_and_on_the_data() -> None:
    recipe = Recipe()
    changes = {
        "batch_size": 65,
        "lr": 0.2,
        "momentum": 0.8,
        "weight_decay": 1e-4,
        "label_smoothing": 0.1,
        "warmup": 0.1,
        "decoupled": True,
        "crop": 4,
        "flip": True,
        "cutout": 8,
        "ema": 0.99,
        "amp": False,
    }
    assert set(changes) == set(asdict(recipe)), "a new field needs a change here"
    digests = [replace(recipe, **{name: value}).digest(DIGITS) for name, value in changes.items()]
    digests += [recipe.digest(DIGITS), recipe.digest("another"), recipe.digest("")]
    digests += [recipe.digest(DIGITS, "mine:train"), recipe.digest(DIGITS, "mine:other")]
    assert all(one != other for one, other in combinations(digests, 2))


def test_equal_recipes_have_equal_digests() -> None:
    whole = Recipe(lr=1, momentum=0, weight_decay=0, label_smoothing=0, warmup=0)
    assert whole == Recipe(lr=1.0, momentum=0.0, weight_decay=0.0, label_smoothing=0.0, warmup=0.0)
    assert whole.digest(DIGITS) == Recipe(lr=1.0, momentum=0.0, weight_decay=0.0, warmup=0.0).digest(DIGITS)
