"""A flag goes before the environment, that before the file, that before what is usual: of every option of search."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from ressearch.cli.options import DEFAULT_STORE
from ressearch.cli.search import search
from ressearch.cli.settings import Setting, Source, given, recipe_settings, settled
from ressearch.space import SearchSpace
from tests.conftest import DEMO

BARE = DEMO.read_text(encoding="utf-8").replace("search: {trials: 24, workers: 2, seed: 0}\n", "")


@dataclass(frozen=True)
class Case:
    """An option: what a flag, a variable and the file say, and what each of them, and nobody's word, means."""

    flag: tuple[str, ...]
    variable: tuple[str, str]
    file: str | None
    values: tuple[Any, Any, Any, Any]


CASES = {
    "source": Case(("--data", "a"), ("DATA", "b"), "task: {dataset: c}", ("a", "b", "c", None)),
    "trials": Case(("--trials", "3"), ("TRIALS", "4"), "search: {trials: 5}", (3, 4, 5, 24)),
    "workers": Case(("--workers", "3"), ("WORKERS", "4"), "search: {workers: 5}", (3, 4, 5, os.cpu_count())),
    "seed": Case(("--seed", "3"), ("SEED", "4"), "search: {seed: 5}", (3, 4, 5, 0)),
    "name": Case(("--name", "a"), ("NAME", "b"), "name: c", ("a", "b", "c", None)),
    "evaluator": Case(
        ("--evaluator", "a:f"), ("EVALUATOR", "b:f"), "search: {evaluator: c:f}", ("a:f", "b:f", "c:f", "")
    ),
    "time_limit": Case(("--time-limit", "3"), ("TIME_LIMIT", "4"), "search: {time_limit: 5}", (3, 4, 5, 3_600)),
    "device": Case(("--device", "cuda"), ("DEVICE", "cpu"), None, ("cuda", "cpu", None, "auto")),
    "proposer": Case(
        ("--proposer", "tpe"), ("PROPOSER", "nsga2"), "search: {proposer: random}",
        ("tpe", "nsga2", "random", "evolution"),
    ),
    "objective": Case(
        ("--objective", "tradeoff"), ("OBJECTIVE", "pareto"), "search: {objective: accuracy_per_flop}",
        ("tradeoff", "pareto", "accuracy_per_flop", "pareto"),
    ),
    "max_macs": Case(("--max-macs", "3M"), ("MAX_MACS", "4M"), "search: {max_macs: 5M}", (3e6, 4e6, 5e6, None)),
    "early_terminate": Case(
        ("--no-early-terminate",), ("EARLY_TERMINATE", "false"), "early_terminate: {eta: 2}",
        (False, False, True, False),
    ),
    "address": Case(("--address", "a:1"), ("ADDRESS", "b:1"), "search: {address: auto}", ("a:1", "b:1", "auto", "")),
    "cpus_per_trial": Case(
        ("--cpus-per-trial", "2"), ("CPUS_PER_TRIAL", "3"), "search: {cpus_per_trial: 4}", (2, 3, 4, 1)
    ),
    "gpus_per_trial": Case(
        ("--gpus-per-trial", "0.5"), ("GPUS_PER_TRIAL", "0.2"), "search: {gpus_per_trial: 0.1}", (0.5, 0.2, 0.1, None)
    ),
    "storage": Case(("--storage", "a"), ("STORAGE", "b"), "search: {storage: c}", ("a", "b", "c", "")),
    "store": Case(("--store", "a.db"), ("", "b.db"), None, (Path("a.db"), Path("b.db"), None, DEFAULT_STORE)),
}  # fmt: skip
OTHERS = {"file", "dry_run", "form"}
"""What is no setting of a search."""


def test_every_option_of_search_is_looked_at() -> None:
    names = {parameter.name for parameter in search.params if parameter.expose_value}
    assert names == CASES.keys() | OTHERS


def setting(
    name: str, file: Path, text: str, words: tuple[str, ...], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> Setting:
    file.write_text(text, encoding="utf-8")
    case = CASES[name]
    if variable is not None:
        key = f"RESSEARCH_SEARCH_{case.variable[0]}" if case.variable[0] else "RESSEARCH_STORE"
        monkeypatch.setenv(key, variable)
    context = search.make_context("search", [str(file), *words])
    flags = {option: value for option, value in context.params.items() if option not in OTHERS}
    return settled(SearchSpace.load(file), given(context, flags))[name]


def with_line(line: str) -> str:
    """The demo's file with a line in place of what it says on the same key."""
    key = line.partition(":")[0]
    return "\n".join(old for old in BARE.splitlines() if not old.startswith(f"{key}:")) + f"\n{line}\n"


@pytest.mark.parametrize("name", CASES)
def test_the_strongest_word_holds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, file = CASES[name], tmp_path / "space.yaml"
    text = with_line(case.file) if case.file else BARE
    flag, variable, in_file, usual = case.values
    told = case.variable[1]
    assert setting(name, file, text, case.flag, told, monkeypatch) == Setting(flag, Source.FLAG)
    assert setting(name, file, text, (), told, monkeypatch) == Setting(variable, Source.ENVIRONMENT)
    monkeypatch.undo()
    if case.file:
        assert setting(name, file, text, (), None, monkeypatch) == Setting(in_file, Source.FILE)
    if name not in ("name", "source"):  # which have to be said by somebody
        assert setting(name, file, BARE, (), None, monkeypatch) == Setting(usual, Source.DEFAULT)


def resolved(text: str, *words: str) -> dict[str, Setting]:
    context = search.make_context("search", ["FILE", *words])
    flags = {option: value for option, value in context.params.items() if option not in OTHERS}
    return settled(SearchSpace.parse(text), given(context, flags))


def test_a_data_set_and_an_evaluator_exclude_each_other_where_they_are_said_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = BARE + "search: {evaluator: mine:train}\n"
    assert resolved(both)["evaluator"] == Setting("mine:train", Source.FILE)
    assert resolved(both)["source"] == Setting("", Source.DEFAULT)
    assert resolved(BARE)["source"] == Setting("digits", Source.FILE)
    assert resolved(both, "--data", "digits")["evaluator"].value == ""
    assert resolved(BARE, "--evaluator", "mine:train")["source"].value == ""
    with pytest.raises(click.UsageError, match="--data and --evaluator exclude each other"):
        resolved(BARE, "--data", "digits", "--evaluator", "mine:train")
    monkeypatch.setenv("RESSEARCH_SEARCH_EVALUATOR", "mine:train")
    settings = resolved(BARE, "--data", "digits")
    assert (settings["source"], settings["evaluator"].value) == (Setting("digits", Source.FLAG), "")
    monkeypatch.setenv("RESSEARCH_SEARCH_DATA", "digits")
    with pytest.raises(click.UsageError, match="--data and --evaluator exclude each other"):
        resolved(BARE)


def test_rungs_need_the_file_to_say_where_they_are() -> None:
    with pytest.raises(click.UsageError, match="--early-terminate needs early_terminate: in the file, which says how"):
        resolved(BARE, "--early-terminate")
    with_rungs = BARE + "early_terminate: {eta: 2}\n"
    assert resolved(with_rungs, "--early-terminate")["early_terminate"] == Setting(True, Source.FLAG)
    assert resolved(BARE, "--no-early-terminate")["early_terminate"] == Setting(False, Source.FLAG)


def test_a_recipe_is_the_files_where_it_stands_there() -> None:
    text = (
        BARE.replace("weight_decay: 5.0e-4", "momentum: 0.9") + "parameters: {weight_decay: {values: [0.0005, 0.2]}}\n"
    )
    found = recipe_settings(SearchSpace.parse(text))
    assert found["momentum"] == Setting(0.9, Source.FILE), "though it is the usual one"
    assert found["epochs"] == Setting(6, Source.FILE)
    assert found["crop"] == Setting(0, Source.DEFAULT)
    assert found["weight_decay"] == Setting("decided by each trial", Source.FILE)


def test_where_ray_is_may_be_said_as_ray_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "c:1")
    found = resolved(BARE)
    assert found["address"] == Setting("c:1", Source.ENVIRONMENT)
    assert found["workers"] == Setting(None, Source.DEFAULT), "as many as the cluster holds"
    assert resolved(BARE, "--workers", "3")["workers"].value == 3
    assert resolved(BARE, "--address", "d:1")["address"] == Setting("d:1", Source.FLAG)
    here = resolved(BARE, "--address", "local")
    assert (here["address"], here["workers"].value) == (Setting("", Source.FLAG), os.cpu_count())
    monkeypatch.setenv("RESSEARCH_SEARCH_ADDRESS", "e:1")
    assert resolved(BARE)["address"].value == "e:1"
