"""Decisions about the recipe: each distribution, the candidate's recipe, baselines; and choices of reals in steps."""

from __future__ import annotations

import random
from dataclasses import asdict
from math import sqrt

import pytest

from ressearch.errors import SpaceError
from ressearch.space import Candidate, Real, SearchSpace, at_random
from ressearch.trial import Recipe
from tests.test_space import space_of

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


def test_every_number_of_the_recipe_may_be_one() -> None:
    values = {"batch_size": 16, "lr": 0.5, "momentum": 0.0, "weight_decay": 0, "label_smoothing": 0.1, "warmup": 0.5}
    assert values.keys() == asdict(Recipe()).keys()
    text = ", ".join(f"{name}: {{values: [{value}, {getattr(Recipe(), name)}]}}" for name, value in values.items())
    space = with_parameters(f"{{{text}}}")
    found = space.decode_stored({f"parameters.{name}": value for name, value in values.items()})
    assert asdict(found.recipe) == values
    assert list(found.decisions) == [f"parameters.{name}" for name in values]


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
