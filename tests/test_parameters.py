"""Decisions about the recipe: each distribution, the candidate's recipe, baselines; and choices of reals in steps."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from math import sqrt

import pytest

from ressearch.errors import DecisionError, SpaceError
from ressearch.space import Candidate, Real, SearchSpace, at_random
from ressearch.trial import Fidelity, Recipe
from tests.test_space import space_of
from tests.test_space_errors import HEAD, refusal

STAGES = "stages: [{width: 4, block: {op: conv3x3}}]\n"


def with_parameters(parameters: str, more: str = "") -> SearchSpace:
    return space_of(f"{STAGES}parameters: {parameters}\n{more}")


def drawn(space: SearchSpace, count: int = 300) -> list[Candidate]:
    generator = random.Random(0)
    return [space.decode(at_random(generator)) for _ in range(count)]


# Distributions


@pytest.mark.parametrize("text", ["{distribution: constant, value: 0.03}", "{value: 0.03}", "{values: [0.03]}"])
def test_a_constant_is_no_decision(text: str) -> None:
    found = with_parameters(f"{{lr: {text}}}").decode_stored({})
    assert (found.recipe, found.decisions) == (Recipe(lr=0.03), {})


@pytest.mark.parametrize("text", ["{distribution: categorical, values: [0.1, 0.2, 1]}", "{values: [0.1, 0.2, 1]}"])
def test_a_categorical_is_one_of_its_values(text: str) -> None:
    found = drawn(with_parameters(f"{{lr: {text}}}"))
    assert {candidate.recipe.lr for candidate in found} == {0.1, 0.2, 1}
    assert all(candidate.decisions == {"parameters.lr": candidate.recipe.lr} for candidate in found)


@pytest.mark.parametrize("text", ["{distribution: int_uniform, min: 14, max: 16}", "{min: 14, max: 16}"])
def test_whole_numbers_come_with_both_bounds(text: str) -> None:
    sizes = [candidate.recipe.batch_size for candidate in drawn(with_parameters(f"{{batch_size: {text}}}"))]
    assert set(sizes) == {14, 15, 16}
    assert {type(size) for size in sizes} == {int}


@pytest.mark.parametrize("text", ["{distribution: uniform, min: 0, max: 0.8}", "{min: 0, max: 0.8}"])
def test_a_uniform_spreads_evenly(text: str) -> None:
    """Of 300 draws some 75 lie in each quarter; their standard deviation is 7.5."""
    values = [candidate.recipe.momentum for candidate in drawn(with_parameters(f"{{momentum: {text}}}"))]
    quarters = [sum(0.2 * i <= value < 0.2 * (i + 1) for value in values) for i in range(4)]
    assert sum(quarters) == 300
    assert all(45 < quarter < 105 for quarter in quarters)


@pytest.mark.parametrize(
    "text", ["{distribution: q_uniform, min: 0.5, max: 0.9, q: 0.1}", "{min: 0.5, max: 0.9, q: 0.1}"]
)
def test_a_quantised_uniform_takes_steps(text: str) -> None:
    values = {round(candidate.recipe.momentum, 9) for candidate in drawn(with_parameters(f"{{momentum: {text}}}"))}
    assert values == {0.5, 0.6, 0.7, 0.8, 0.9}


def test_a_logarithmic_uniform_spreads_its_orders_of_magnitude() -> None:
    """As many draws in each of three decades: some 100 of 300, with a standard deviation of 8."""
    space = with_parameters("{lr: {distribution: log_uniform_values, min: 1e-3, max: 1}}")
    values = [candidate.recipe.lr for candidate in drawn(space)]
    decades = [sum(10**i <= 1e3 * value < 10 ** (i + 1) for value in values) for i in range(3)]
    assert sum(decades) == 300
    assert all(60 < decade < 140 for decade in decades)


# The recipe


def test_what_is_no_parameter_is_as_train_has_it() -> None:
    space = with_parameters("{lr: {value: 0.5}}", "train: {lr: 0.2, momentum: 0.8, batch_size: 32, epochs: 3}")
    assert space.decode_stored({}).recipe == Recipe(lr=0.5, momentum=0.8, batch_size=32)
    assert space_of(STAGES).decode_stored({}).recipe == Recipe()


def test_every_field_of_the_recipe_may_be_one() -> None:
    values = {
        "batch_size": 16,
        "lr": 0.5,
        "momentum": 0.0,
        "weight_decay": 0,
        "label_smoothing": 0.1,
        "warmup": 0.5,
        "decoupled": True,
        "crop": 2,
        "flip": True,
        "cutout": 4,
        "ema": 0.99,
        "amp": False,
    }
    usual = asdict(Recipe())
    assert values.keys() == usual.keys()
    text = ", ".join(f"{name}: {{values: {json.dumps([value, usual[name]])}}}" for name, value in values.items())
    space = with_parameters(f"{{{text}}}")
    found = space.decode_stored({f"parameters.{name}": value for name, value in values.items()})
    assert asdict(found.recipe) == values
    assert [type(value) for value in found.decisions.values()] == [type(value) for value in values.values()]
    assert list(found.decisions) == [f"parameters.{name}" for name in values]


def test_a_truth_value_is_drawn_as_one() -> None:
    space = with_parameters("{flip: {values: [true, false]}, amp: {value: false}}")
    found = drawn(space)
    assert 100 < sum(candidate.recipe.flip for candidate in found) < 200
    assert {type(candidate.recipe.flip) for candidate in found} == {bool}
    assert all(candidate.decisions == {"parameters.flip": candidate.recipe.flip} for candidate in found)
    assert all(candidate.recipe == Recipe(flip=candidate.recipe.flip, amp=False) for candidate in found)


def test_a_number_is_no_truth_value_of_a_stored_decision() -> None:
    space = with_parameters("{flip: {values: [true, false]}, crop: {values: [0, 1]}}")
    assert space.decode_stored({"parameters.flip": True, "parameters.crop": 1}).recipe == Recipe(flip=True, crop=1)
    with pytest.raises(DecisionError, match=r"parameters\.flip cannot be 1\n"):
        space.decode_stored({"parameters.flip": 1, "parameters.crop": 1})
    with pytest.raises(DecisionError, match=r"parameters\.crop cannot be True\n"):
        space.decode_stored({"parameters.flip": True, "parameters.crop": True})


@pytest.mark.parametrize("text", ["{values: [0, 2, 4]}", "{distribution: categorical, values: [0, 2, 4]}"])
def test_pixels_are_drawn_from_a_list(text: str) -> None:
    found = drawn(with_parameters(f"{{crop: {text}}}"))
    assert {candidate.recipe.crop for candidate in found} == {0, 2, 4}
    assert {type(candidate.recipe.crop) for candidate in found} == {int}


@pytest.mark.parametrize("field", ["crop", "cutout"])
def test_pixels_are_drawn_between_bounds(field: str) -> None:
    found = {
        getattr(candidate.recipe, field) for candidate in drawn(with_parameters(f"{{{field}: {{min: 0, max: 3}}}}"))
    }
    assert found == {0, 1, 2, 3}


def test_train_takes_every_field_of_the_recipe_and_the_fidelity() -> None:
    space = space_of(
        STAGES + "train: {batch_size: 32, lr: 1, momentum: 0, weight_decay: 1e-3, label_smoothing: 0.1, warmup: 0.3, "
        "decoupled: true, crop: 4, flip: true, cutout: 8, ema: 0.99, amp: false, "
        "epochs: 2, data_fraction: 0.5, resolution: 0.75, schedule: 9}\n"
        "search: {trials: 5, workers: 2, seed: 3, time_limit: 600, evaluator: mine.training:measure}"
    )
    assert space.grammar.recipe == Recipe(32, 1, 0, 1e-3, 0.1, 0.3, True, 4, True, 8, 0.99, False)
    assert space.grammar.fidelity == Fidelity(2, 0.5, 0.75, 9)
    found = asdict(space.grammar.recipe) | asdict(space.grammar.fidelity)
    usual = asdict(Recipe()) | asdict(Fidelity())
    assert [name for name in found if found[name] == usual[name]] == []
    search = {"trials": 5, "workers": 2, "seed": 3, "time_limit": 600, "evaluator": "mine.training:measure"}
    assert dict(space.grammar.search) == search
    assert [type(found[name]) for name in ("crop", "flip", "ema", "schedule")] == [int, bool, float, int]


def test_a_schedule_is_as_long_as_the_training_unless_said() -> None:
    assert space_of(STAGES + "train: {epochs: 3}").grammar.fidelity == Fidelity(3)
    assert space_of(STAGES + "train: {epochs: 3, schedule: 0}").grammar.fidelity == Fidelity(3)
    assert space_of(STAGES + "train: {schedule: 9, epochs: 3}").grammar.fidelity == Fidelity(3, schedule=9)


MISTAKES = [
    ("train: {flip: 1}", "train.flip: expected true or false, got 1", 15, None),
    ("train: {flip: yes}", "train.flip: expected true or false, got 'yes'", 15, None),
    ("train: {decoupled: null}", "train.decoupled: expected true or false, got nothing", 20, None),
    ("train: {amp: {values: [true, false]}}", "train.amp: expected true or false, got a mapping", 14, None),
    ("train: {crop: true}", "train.crop: expected a whole number from 0, got True", 15, None),
    ("train: {crop: 2.5}", "train.crop: expected a whole number from 0, got 2.5", 15, None),
    ("train: {crop: -1}", "train.crop: expected a whole number from 0, got -1", 15, None),
    ("train: {cutout: big}", "train.cutout: expected a whole number from 0, got 'big'", 17, None),
    ("train: {ema: true}", "train.ema: expected a number, got True", 14, None),
    ("train: {ema: 1}", "train.ema: ema must be in [0, 1), got 1", 14, None),
    ("train: {resolution: 0}", "train.resolution: resolution must be in (0, 1], got 0", 21, None),
    ("train: {resolution: true}", "train.resolution: expected a number, got True", 21, None),
    (
        "train: {epochs: 8, schedule: 4}",
        "train.schedule: schedule must be a whole number from 8, its epochs, got 4",
        30,
        None,
    ),
    (
        "train: {schedule: 4, epochs: 10}",
        "train.schedule: schedule must be a whole number from 10, its epochs, got 4",
        19,
        None,
    ),
    ("train: {schedule: 4}", "train.schedule: schedule must be a whole number from 8, its epochs, got 4", 19, None),
    ("train: {schedule: 9.0}", "train.schedule: expected a whole number from 0, got 9.0", 19, None),
    (
        "parameters: {flip: {distribution: int_uniform, min: 0, max: 1}}",
        "parameters.flip: flip takes true or false, int_uniform gives others",
        20,
        "use one of constant, categorical",
    ),
    (
        "parameters: {flip: {min: 0, max: 1}}",
        "parameters.flip: flip takes true or false, int_uniform gives others",
        20,
        "use one of constant, categorical",
    ),
    (
        "parameters: {amp: {distribution: uniform, min: 0, max: 1}}",
        "parameters.amp: amp takes true or false, uniform gives others",
        19,
        "use one of constant, categorical",
    ),
    ("parameters: {flip: {value: 1}}", "parameters.flip.value: flip must be true or false, got 1", 28, None),
    (
        "parameters: {crop: {values: [0, 2.5]}}",
        "parameters.crop.values.1: crop must be a whole number from 0, got 2.5",
        33,
        None,
    ),
    (
        "parameters: {crop: {values: [0, true]}}",
        "parameters.crop.values.1: crop must be a whole number from 0, got True",
        33,
        None,
    ),
    (
        "parameters: {crop: {min: -1, max: 4}}",
        "parameters.crop.min: crop must be a whole number from 0, got -1",
        26,
        None,
    ),
    (
        "parameters: {cutout: {distribution: uniform, min: 0, max: 4}}",
        "parameters.cutout: cutout takes whole numbers, uniform gives others",
        22,
        "use one of constant, categorical, int_uniform",
    ),
    ("parameters: {ema: {min: 0.9, max: 1.0}}", "parameters.ema.max: ema must be in [0, 1), got 1.0", 35, None),
    ("parameters: {lr: {value: true}}", "parameters.lr.value: lr must be a number, got True", 26, None),
    (
        "parameters: {momentum: {values: [0.9, false]}}",
        "parameters.momentum.values.1: momentum must be a number, got False",
        39,
        None,
    ),
    ("search: {time_limit: -1}", "search.time_limit: expected a whole number from 0, got -1", 22, None),
    ("search: {time_limit: 1.5}", "search.time_limit: expected a whole number from 0, got 1.5", 22, None),
    ("search: {time_limit: true}", "search.time_limit: expected a whole number from 0, got True", 22, None),
    ("search: {evaluator: 3}", "search.evaluator: expected a string, got 3", 21, None),
    ("search: {evaluator: mine}", "search.evaluator: expected package.module:function, got 'mine'", 21, None),
    ("search: {evaluator: ''}", "search.evaluator: expected a string, got ''", 21, None),
]


@pytest.mark.parametrize(("line", "message", "column", "hint"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_a_mistake_in_what_a_study_is_told(line: str, message: str, column: int, hint: str | None) -> None:
    text = f"{HEAD}stages: [{{width: 8, block: {{op: conv3x3}}}}]\n{line}\n"
    where = f" --> mine.yaml:5:{column}\n  |\n5 | {line}\n  | {' ' * (column - 1)}^"
    help_ = f"\n  = help: {hint}" if hint else ""
    assert refusal(text) == f"error[E005]: {message}\n{where}{help_}"


def test_what_says_how_cheaply_is_no_parameter() -> None:
    for name in ("resolution", "schedule"):
        with pytest.raises(SpaceError) as caught:
            with_parameters(f"{{{name}: {{value: 1}}}}")
        problem = caught.value.problems[0]
        assert problem.message == f"{name!r} is no training parameter"
        assert problem.hint == f"{name!r} says how cheaply a network is measured; write it under train:"


def test_parameters_do_not_touch_the_network() -> None:
    one, other = (with_parameters(text).decode_stored({}) for text in ("{lr: {value: 0.1}}", "{lr: {value: 0.2}}"))
    assert one.architecture == other.architecture
    assert one.recipe.digest("data") != other.recipe.digest("data")


# Baselines

TWO = "{lr: {distribution: log_uniform_values, min: 1e-3, max: 1.0}, momentum: {values: [0.8, 0.9]}}"


def test_baselines_take_the_values_of_train_unless_they_say_their_own() -> None:
    space = with_parameters(TWO, "train: {lr: 0.05}\nbaselines: {plain: {}, fast: {lr: 0.5, parameters.momentum: 0.8}}")
    assert space.baselines["plain"].recipe == Recipe(lr=0.05, momentum=0.9)
    assert space.baselines["plain"].decisions == {"parameters.lr": 0.05, "parameters.momentum": 0.9}
    assert space.baselines["fast"].recipe == Recipe(lr=0.5, momentum=0.8)


def test_a_baseline_takes_the_built_in_recipe_where_train_is_silent() -> None:
    assert with_parameters(TWO, "baselines: {plain: {}}").baselines["plain"].recipe == Recipe()


def test_a_value_of_train_outside_the_distribution_leaves_a_baseline_open() -> None:
    with pytest.raises(SpaceError) as caught:
        with_parameters("{lr: {min: 0.2, max: 0.4}}", "baselines: {plain: {}}")
    assert str(caught.value).startswith("error[E019]: baselines.plain: not in the space: leaves parameters.lr open\n")
    assert str(caught.value).endswith("= help: choose one of: 0.2 to 0.4")


# Reals in steps


@pytest.mark.parametrize(
    ("domain", "members", "others"),
    [
        (Real(0.25, 1.0, step=0.25), [0.25, 0.5, 0.75, 1.0], [0.3, 0.0, 1.25, 0.251]),
        (Real(0.1, 0.7, step=0.2), [0.1, 0.3, 0.1 + 0.2, 0.5, 0.7], [0.2, 0.9]),
        (Real(0.0, 1.0), [0.0, 1.0, sqrt(0.5), 1], [-1e-9, 1.0001, True, "0.5", None]),
        (Real(0.0, 1.0, step=0.4), [0, 0.4, 0.8], [1.0]),
    ],
)
def test_the_members_of_a_real_choice(domain: Real, members: list[object], others: list[object]) -> None:
    assert all(value in domain for value in members)
    assert not any(value in domain for value in others)


def test_a_ratio_in_steps_draws_its_steps_and_nothing_else() -> None:
    space = space_of("stages: [{width: 8, block: {op: conv1x1, width: {ratio: {min: 0.25, max: 1.0, step: 0.25}}}}]")
    found = drawn(space, 100)
    path = "stages.0.block.0.width.ratio"
    assert {candidate.decisions[path] for candidate in found} == {0.25, 0.5, 0.75, 1.0}
    assert all(candidate.architecture.shapes[-2] == (round(8 * candidate.decisions[path]),) for candidate in found)
    assert str(Real(0.25, 1.0, step=0.25)) == "0.25 to 1 in steps of 0.25"


@pytest.mark.parametrize("q", [0.1, 0.3, 0.25, 0.7])
def test_q_uniform_draws_the_multiples_of_q_between_its_bounds(q: float) -> None:
    space = with_parameters(f"{{lr: {{distribution: q_uniform, min: 0.1, max: 1.0, q: {q}}}}}")
    values = {candidate.recipe.lr for candidate in drawn(space)}
    assert values == {round(q * k, 9) for k in range(11) if 0.1 <= round(q * k, 9) <= 1.0}


@pytest.mark.parametrize("distribution", ["uniform", "q_uniform", "log_uniform_values"])
def test_a_whole_number_is_not_drawn_from_the_reals(distribution: str) -> None:
    message = f"batch_size takes whole numbers, {distribution} gives others"
    with pytest.raises(SpaceError, match=message):
        with_parameters(f"{{batch_size: {{distribution: {distribution}, min: 16, max: 64}}}}")


def test_a_key_of_another_distribution_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"parameters\.lr\.q: 'q' means nothing to uniform"):
        with_parameters("{lr: {distribution: uniform, min: 0.1, max: 1.0, q: 0.1}}")
