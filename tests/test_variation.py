"""Children of networks: of the space, different by what was changed, and otherwise like their parents."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from ressearch.errors import SpaceError
from ressearch.space import Decisions, SearchSpace
from ressearch.space.variation import Parent, copied, crossed, mutated, parent_of, tuned, wrapped
from tests.conftest import ROOT

SPACES = ("demo", "mixed", "nested", "nasbench-201")


def shipped(name: str) -> SearchSpace:
    return SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")


def parent(space: SearchSpace, generator: random.Random) -> Parent:
    return parent_of(space, space.sample(generator).decisions, generator)


WAYS: dict[str, Callable[[SearchSpace, Parent, Parent, random.Random], Decisions]] = {
    "mutated": lambda space, one, other, generator: mutated(one, generator, 2),
    "crossed": lambda space, one, other, generator: crossed(one, other, generator),
    "copied": lambda space, one, other, generator: copied(one, generator),
    "wrapped": lambda space, one, other, generator: wrapped(space, one, generator),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SPACES)
def test_children_are_networks_of_the_space_and_most_are_new(name: str, way: str) -> None:
    space, generator, new = shipped(name), random.Random(0), 0
    for _ in range(12):
        one, other = parent(space, generator), parent(space, generator)
        try:
            child = parent_of(space, WAYS[way](space, one, other, generator), generator).candidate
        except SpaceError:
            new -= name != "nasbench-201"  # where nothing may reach the output of the cell
            continue
        assert space.decode_stored(child.decisions).architecture.id == child.architecture.id
        new += child.architecture.id not in (one.candidate.architecture.id, other.candidate.architecture.id)
    assert new >= 6


def test_a_mutation_changes_as_many_decisions_as_it_says() -> None:
    space, generator = shipped("nasbench-macro"), random.Random(1)
    for changes in (1, 2, 3):
        one = parent(space, generator)
        child = mutated(one, generator, changes)
        assert sum(child[path] != value for path, value in one.decisions.items()) == changes


def test_another_recipe_for_the_same_network() -> None:
    text = (ROOT / "search_spaces" / "demo.yaml").read_text(encoding="utf-8")
    rates = (
        "parameters: {lr: {distribution: log_uniform_values, min: 0.01, max: 0.5}, batch_size: {values: [32, 64]}}\n"
    )
    space, generator = SearchSpace.parse(text + rates), random.Random(3)
    for _ in range(20):
        one = parent(space, generator)
        child = space.decode_stored({**one.decisions, **tuned(one, generator)})
        assert child.architecture.id == one.candidate.architecture.id
        assert child.recipe.lr != one.candidate.recipe.lr
        assert child.recipe.batch_size != one.candidate.recipe.batch_size
    plain = shipped("demo")
    assert tuned(parent(plain, generator), generator) == {}


def test_a_crossing_has_each_decision_from_one_of_its_parents() -> None:
    space, generator = shipped("mixed"), random.Random(2)
    from_second = 0
    for _ in range(20):
        one, other = parent(space, generator), parent(space, generator)
        for path, value in crossed(one, other, generator).items():
            assert value in (one.decisions.get(path), other.decisions.get(path))
            from_second += path in one.decisions and value != one.decisions[path]
    assert from_second > 20


def test_a_block_is_wrapped_with_all_that_was_in_it() -> None:
    """The basic block of a network of one block becomes the first of the two inside a nested one."""
    space, generator = shipped("demo"), random.Random(3)
    small = {"stages.width.start": 8, "stages.repeat": 1, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "dense"}
    dense = {"stages.0.block.0.cell.dense.dense.layers": 4, "stages.0.block.0.cell.dense.dense.growth": 8}
    one = parent_of(space, small | dense, generator)
    assert dict(one.decisions) == small | dense
    for _ in range(60):
        child = wrapped(space, one, generator)
        inner = [path for path in child if path.endswith("dense.layers") and "nested" in path and child[path] == 4]
        if inner:
            assert child["stages.0.block.0.cell.one_of"] == "nested"
            assert child[inner[0].replace("layers", "growth")] == 8
            assert parent_of(space, child, generator).candidate.architecture.id
            return
    pytest.fail("no child of sixty is wrapped in a nested block")


def test_a_copy_repeats_a_block_elsewhere() -> None:
    space, generator = shipped("nasbench-macro"), random.Random(4)
    one = parent(space, generator)
    values = list(one.decisions.values())
    child = list(parent_of(space, copied(one, generator), generator).decisions.values())
    assert sum(a != b for a, b in zip(values, child, strict=True)) <= 1
    assert set(child) <= set(values)
