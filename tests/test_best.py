"""The best networks within limits: as Python chooses them from the results, and told as every format has it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ressearch.cli import cli
from ressearch.errors import NothingFitsError
from ressearch.ranking import by_efficiency, knee, pareto_front
from ressearch.store import Asked, Limits, Result, Store
from ressearch.store.best import excess, said
from tests.store_samples import CHECKSUM, MEASURED, RECIPE, STUDY, another_recipe, begin, key_of

NETWORKS = [(0.92, 900), (0.85, 500), (0.84, 100), (0.85, 400), (0.93, 950), (0.20, 1), (0.60, 40), (0.85, 400)]
"""(accuracy, MACs), by number of the trial; there are twice as many parameters as MACs here."""
BASELINES = {0: "resnet14", 1: "resnet8"}


def fill(store: Store, name: str, networks: Sequence[tuple[float, int]], seed: int = 7) -> int:
    """A study of these networks; equal MACs mean one network, which then has other seeds."""
    study_id = store.create_study(replace(STUDY, name=name, seed=seed))
    for number, (accuracy, macs) in enumerate(networks):
        net = begin(store, study_id, number, macs, BASELINES.get(number))
        key = replace(key_of(net), seed=100 * seed + number)
        store.complete(study_id, number, key, replace(MEASURED, accuracy=accuracy), RECIPE)
    return study_id


@pytest.fixture(scope="module")
def desk(new_store: Callable[[], str]) -> Iterator[Store]:
    """Two studies of one recipe, and one of another, in which everything is better."""
    with closing(Store.create(new_store())) as store:
        fill(store, "second", [(0.86, 390), (0.5, 950)], seed=8)
        recipe = another_recipe(1)
        digest = recipe.digest(CHECKSUM)
        apart = store.create_study(replace(STUDY, name="apart", recipe=recipe, recipe_digest=digest))
        net = begin(store, apart, 0, 2)
        store.complete(apart, 0, replace(key_of(net), recipe_digest=digest), replace(MEASURED, accuracy=1.0), recipe)
        fill(store, "demo", NETWORKS)
        yield store


def numbers(found: Sequence[Result]) -> list[int]:
    return [result.number for result in found]


def test_each_way_to_choose_by_hand(desk: Store) -> None:
    assert numbers(desk.best()) == [5, 6, 2, 3, 7, 0, 4]
    assert numbers(desk.best("demo", by="efficiency")) == [3, 7, 1, 0, 4]
    assert numbers(desk.best("demo", by="efficiency", min_accuracy=0)) == [5, 6, 2, 3, 7, 1, 0, 4]
    assert numbers(desk.best("demo", by="accuracy", limit=3)) == [4, 0, 3]
    assert numbers(desk.best("demo", by="knee")) == [2]
    assert numbers(desk.best("demo", max_macs=400)) == [5, 6, 2, 3, 7]
    assert numbers(desk.best("demo", by="accuracy", max_params=99)) == [6, 5]
    assert numbers(desk.best("demo", min_accuracy=0.9)) == [0, 4]


def test_all_are_those_of_one_recipe(desk: Store) -> None:
    found = desk.best("demo", by="accuracy", all_studies=True, limit=4)
    assert [(result.study, result.number) for result in found] == [("demo", 4), ("demo", 0), ("second", 0), ("demo", 3)]
    assert {result.study for result in desk.results(desk.study("second")[0], all_studies=True)} == {"demo", "second"}
    assert numbers(desk.best("apart", all_studies=True)) == [0]
    front = [(result.study, result.number) for result in desk.best("second", all_studies=True)]
    assert front == [("demo", 5), ("demo", 6), ("demo", 2), ("second", 0), ("demo", 0), ("demo", 4)]


limits_of = st.builds(
    Limits,
    max_macs=st.none() | st.integers(0, 1000),
    max_params=st.none() | st.integers(0, 2000),
    min_accuracy=st.none() | st.sampled_from([0.0, 0.5, 0.85, 0.93, 1.0]),
)


@given(limits=limits_of, by=st.sampled_from(["pareto", "efficiency", "knee", "accuracy"]))
def test_what_is_chosen_is_what_python_chooses(desk: Store, limits: Limits, by: str) -> None:
    able = [
        number
        for number, (accuracy, macs) in enumerate(NETWORKS)
        if (limits.max_macs is None or macs <= limits.max_macs)
        and (limits.max_params is None or 2 * macs <= limits.max_params)
        and (limits.min_accuracy is None or accuracy >= limits.min_accuracy)
    ]
    points = [NETWORKS[number] for number in able]
    found_knee = knee(points)
    expected = {
        "pareto": pareto_front(points),
        "efficiency": by_efficiency(points, 0.85 if limits.min_accuracy is None else limits.min_accuracy),
        "knee": [] if found_knee is None else [found_knee],
        "accuracy": sorted(range(len(points)), key=lambda i: (-points[i][0], points[i][1], i)),
    }[by]
    how = {"max_macs": limits.max_macs, "max_params": limits.max_params, "min_accuracy": limits.min_accuracy}
    if expected:
        assert numbers(desk.best("demo", by=by, **how)) == [able[position] for position in expected]  # type: ignore[arg-type]
        return
    with pytest.raises(NothingFitsError, match=r"^error\[E300\]: no network of the study 'demo' has "):
        desk.best("demo", by=by, **how)  # type: ignore[arg-type]


def nothing(store: Store, **how: object) -> str:
    with pytest.raises(NothingFitsError) as caught:
        store.best("demo", **how)  # type: ignore[arg-type]
    assert caught.value.exit_status == 3
    return str(caught.value)


def test_where_nothing_fits_the_nearest_is_named(desk: Store) -> None:
    ids = {result.number: result.id for result in desk.results(desk.study("demo")[0])}
    assert nothing(desk, max_macs=450, min_accuracy=0.86) == (
        "error[E300]: no network of the study 'demo' has macs <= 450 and accuracy >= 86.00 %\n"
        f"  = help: the nearest, {ids[3]}, has 400 macs, 800 params and an accuracy of 85.00 %; widen the limits"
    )
    assert nothing(desk, by="efficiency", max_macs=300) == (
        "error[E300]: no network of the study 'demo' has macs <= 300 and accuracy >= 85.00 % (baseline resnet8)\n"
        f"  = help: the nearest, {ids[2]}, has 100 macs, 200 params and an accuracy of 84.00 %; widen the limits"
    )
    assert nothing(desk, max_params=0, all_studies=True).startswith(
        "error[E300]: no network of the studies 'second', 'demo' has params <= 0\n"
    )


def test_excess_is_by_how_many_times_a_limit_is_missed() -> None:
    result = Result("a", 0.8, 300, 50, 1, None, 0, 1.0)
    assert excess(Limits(300, 50, 0.8), result) == 0
    assert excess(Limits(150, 10, 0.9), result) == pytest.approx(log(2) + log(5) + log(0.9 / 0.8))
    assert excess(Limits(0, None, None), result) > excess(Limits(1, None, None), result)
    assert said(Limits(60_000_000, 10, 0.97)) == "macs <= 60,000,000 and params <= 10 and accuracy >= 97.00 %"
    assert said(Limits()) == ""


def test_the_floor_is_the_cheapest_baselines_even_if_another_is_less_accurate(store: Store) -> None:
    study_id = fill(store, "demo", [(0.10, 950), (0.85, 500), (0.9, 40)])
    asked = Asked(store, study_id, STUDY, Limits(), False)
    assert (asked.floor.accuracy, asked.floor.source) == (0.85, "baseline resnet8")
    assert asked.standing(1).able == 2
    floor = replace(asked, limits=Limits(min_accuracy=0.0)).floor
    assert (floor.accuracy, floor.source) == (0.0, "--min-accuracy")


def test_a_study_without_baseline_or_results_is_told(store: Store) -> None:
    store.create_study(STUDY)
    assert nothing(store) == "error[E300]: no trial of the study 'demo' is complete yet"
    floor = Asked(store, *store.study("demo"), Limits(), False).floor
    assert (floor.accuracy, floor.source) == (0.0, "none: no baseline was measured")
    with pytest.raises(ValueError, match="'fastest' is not a valid By"):
        store.best("demo", by="fastest")


def test_what_two_studies_share_is_there_once(store: Store) -> None:
    for name in ("demo", "other"):
        study_id = store.create_study(replace(STUDY, name=name))
        net = begin(store, study_id, 0, 10)
        store.complete(study_id, 0, key_of(net), MEASURED, RECIPE)
    assert [result.study for result in store.results(study_id, all_studies=True)] == ["demo"]
    assert [result.study for result in store.best("other", all_studies=True)] == ["demo"]
    assert store.comparable(study_id) == {study_id - 1: "demo", study_id: "other"}


# The command line


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("best") / "results.db"
    with closing(Store.create(path)) as store:
        fill(store, "demo", NETWORKS)
        fill(store, "second", [(0.86, 390)], seed=8)
    return path


def ask(path: Path, *words: str) -> str:
    result = CliRunner().invoke(cli, ["best", "demo", *words, "--store", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_formats_agree_on_what_was_chosen(path: Path) -> None:
    for by, expected in (
        ("pareto", [5, 6, 2, 3, 7, 0, 4]),
        ("efficiency", [3, 7]),
        ("knee", [2]),
        ("accuracy", [4, 0]),
    ):
        words = ("--by", by, "--limit", "2")
        page = json.loads(ask(path, *words, "-f", "json"))
        assert (page["study"], page["by"]) == ("demo", by)
        assert [record["trial"] for record in page["networks"]] == expected
        rows = list(csv.DictReader(io.StringIO(ask(path, *words, "-f", "csv"))))
        assert [row["id"] for row in rows] == [record["id"] for record in page["networks"]]
        lines = [line.split()[0] for line in ask(path, *words).splitlines()[6:] if line.strip()]
        assert lines == [record["id"] for record in page["networks"]]


def test_limits_are_written_as_people_write_them(path: Path) -> None:
    for words in (("--max-macs", "0.4k"), ("--max-macs", "0.0004M"), ("--max-macs", "400.9"), ("--max-params", "8e2")):
        page = json.loads(ask(path, "--by", "pareto", *words, "-f", "json"))
        assert [record["trial"] for record in page["networks"]] == [5, 6, 2, 3, 7]
    for share in ("90%", "0.9", "9e1%"):
        assert len(list(csv.DictReader(io.StringIO(ask(path, "--min-accuracy", share, "-f", "csv"))))) == 2


def test_the_page_says_what_it_is_about(path: Path) -> None:
    out = ask(path, "--by", "knee", "--all", "--max-macs", "1k")
    assert out.splitlines()[0] == (
        "studies demo, second: /data/fashion mnist, 3 epochs on 25% of the training images; "
        "9 trials complete, 0 failed, 0 open; within macs <= 1,000"
    )
    assert out.splitlines()[2] == "Knee of the Pareto front: from here on accuracy is expensive"
    assert out.splitlines()[4].split() == ["id", "accuracy", "MFLOPs", "params", "depth", "acc/MFLOP", "study"]
    assert "Accuracy per FLOP, from accuracy >= 85.00 % (baseline resnet8)\n" in ask(path, "--by", "efficiency")
    records = json.loads(ask(path, "--all", "-f", "json"))["front"]
    assert [record["study"] for record in records] == ["demo", "demo", "demo", "second", "demo", "demo"]
    assert "study" not in json.loads(ask(path, "-f", "json"))["front"][0]


def test_limits_that_nothing_fits_are_our_error(path: Path) -> None:
    for words in (("--max-macs", "0"), ("--by", "pareto", "--max-macs", "0"), ("--max-params", "0", "-f", "csv")):
        with pytest.raises(NothingFitsError):
            ask(path, *words)
