"""What a study goes on with: what is given, else what it was begun with, else what its file says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click
import pytest

from ressearch.cli.resume import OPEN, command_to_go_on, resume
from ressearch.cli.search import command_to_resume, search, storage_beside
from ressearch.cli.search_options import FIXED
from ressearch.cli.settings import Setting, Settings, Source, given, of_study, settled
from ressearch.search.run import site_of
from ressearch.space import SearchSpace
from ressearch.trial import Study
from tests.store_samples import STUDY
from tests.test_precedence import CASES, OTHERS
from tests.test_search import SPACE

RUNGS = SPACE.replace("epochs: 1", "epochs: 9") + "early_terminate: {eta: 2}\n"
FLAGS = ("--trials", "6", "--workers", "1", "--seed", "3", "--time-limit", "60", "--device", "cpu", "--max-macs", "1M")


def context_of(command: click.Command, *words: str) -> tuple[click.Context, dict[str, object]]:
    context = command.make_context(command.name, [*words])
    return context, {name: value for name, value in context.params.items() if name not in (*OTHERS, "study")}


def resumed(study: Study, context: click.Context, flags: dict[str, object]) -> Settings:
    space, told = SearchSpace.parse(study.space_text), given(context, flags)
    return settled(space, told, of_study(space, study, told))


def begun(text: str, *words: str) -> tuple[dict[str, Setting], Study]:
    """The settings of a search, and the study that it would tell the store of."""
    space = SearchSpace.parse(text)
    context, flags = context_of(search, "tiny.yaml", *words)
    settings = settled(space, given(context, flags))
    values = {name: setting.value for name, setting in settings.items()}
    kept = ("trials", "workers", "time_limit", "device", "proposer", "objective", "max_macs", "early_terminate")
    told = {name: values[name] for name in kept if values[name] is not None or name == "max_macs"}
    told |= {"cpus_per_trial": values["cpus_per_trial"], "gpus_per_trial": 0.0} if values["address"] else {}
    study = replace(
        STUDY,
        name=values["name"],
        space_text=text,
        data_source=values["source"],
        evaluator=f"{values['evaluator']}@0" if values["evaluator"] else "",
        seed=values["seed"],
        search=told,
    )
    return settings, study


WAYS = [
    FLAGS,
    ("--proposer", "random", "--workers", "2"),
    ("--no-early-terminate", "--data", "elsewhere.npz"),
    ("--objective", "tradeoff", "--seed", "9"),
    ("--evaluator", "mine:train", "--name", "another"),
]


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_study_goes_on_by_what_it_was_begun_with(words: tuple[str, ...]) -> None:
    """Whatever the flags of the search were, they are its settings without any."""
    settings, study = begun(RUNGS + "search: {trials: 50, seed: 4}\n", *words)
    found = resumed(study, *context_of(resume, "tiny"))
    assert {name: one.value for name, one in found.items()} == {name: one.value for name, one in settings.items()}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_given_goes_before_what_it_was_begun_with(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, (_, study) = CASES[name], begun(RUNGS, "--device", "cpu", "--max-macs", "1M")
    monkeypatch.setenv(f"RESSEARCH_RESUME_{case.variable[0]}", case.variable[1])
    found = resumed(study, *context_of(resume, "tiny", *case.flag))[name]
    assert found == Setting(case.values[0], Source.FLAG)
    found = resumed(study, *context_of(resume, "tiny"))[name]
    assert found == Setting(case.values[1], Source.ENVIRONMENT)


def test_what_belongs_to_a_place_stays_there() -> None:
    """How many workers a study had here says nothing of a cluster, and the other way round."""
    _, here = begun(SPACE, "--workers", "3")
    _, there = begun(SPACE, "--workers", "30", "--cpus-per-trial", "2", "--address", "a:1")
    workers = {}
    for name, study in (("here", here), ("there", there)):
        for place, words in (("here", ()), ("there", ("--address", "b:1"))):
            found = resumed(study, *context_of(resume, "tiny", *words))
            workers[name, place] = (found["workers"].value, found["cpus_per_trial"].value)
    assert workers == {
        ("here", "here"): (3, 1.0), ("here", "there"): (None, 1.0),
        ("there", "here"): (os.cpu_count(), 1.0), ("there", "there"): (30, 2.0),
    }  # fmt: skip


def test_a_study_of_which_little_is_known_goes_by_its_file() -> None:
    """One of the second version of the store does not know how it was searched."""
    _, study = begun(SPACE + "search: {trials: 7, workers: 3}\n", "--trials", "9")
    found = resumed(replace(study, search=None), *context_of(resume, "tiny"))
    assert (found["trials"].value, found["workers"].value, found["name"].value) == (7, 3, "tiny")


def test_all_options_of_search_are_there_but_what_a_study_cannot_change() -> None:
    names = {parameter.name for parameter in resume.params if parameter.expose_value}
    assert names == (CASES.keys() - set(FIXED)) | {"study"}


CLUSTER = ("--address", "a:1", "--storage")


@pytest.mark.parametrize("verb", [search, resume])
@pytest.mark.parametrize(
    ("storage", "said"),
    [("sftp://me:secret@host/a", False), ("sftp://me@host/a", True), ("s3://bucket/a:b@c", True), ("/a", True)],
)
def test_a_command_that_is_shown_repeats_no_password(verb: click.Command, storage: str, said: bool) -> None:
    """Who cannot copy the storage is told in which variable to give it."""
    context, flags = context_of(verb, "tiny.yaml", *CLUSTER, storage)
    told = given(context, flags)
    with context:
        beside = storage_beside(told)
    if verb is search:
        shown = command_to_resume(Path("tiny.yaml"), settled(SearchSpace.parse(SPACE), told), ["--store", "a.db"])
    else:
        shown = command_to_go_on("tiny", told, ["--store", "a.db"])
    place = f" --storage {storage}" if said else ""
    assert shown.endswith(f" --address a:1{place} --store a.db")
    assert beside == ("" if said else f", with the storage's URL in RESSEARCH_{str(verb.name).upper()}_STORAGE")


def test_what_the_file_says_needs_no_advice() -> None:
    """A storage of the file is there again without anybody's doing, and --address local would make it a mistake."""
    context, _ = context_of(search, "tiny.yaml")
    told = {"storage": Setting("sftp://me:secret@host/a", Source.FILE)}
    with context:
        assert storage_beside(told) == ""


def test_cores_of_a_machine_are_in_no_command() -> None:
    """The same line on a machine of other cores uses those."""
    space = SearchSpace.parse(SPACE)
    assert command_to_resume(Path("tiny.yaml"), settled(space, {}), []) == (
        "ressearch search tiny.yaml --data digits --trials 24 --seed 0 --name tiny"
    )


@pytest.mark.parametrize(("workers", "cores", "held"), [(None, 3, 3), (2, 3, 2), (None, None, 1)])
def test_who_does_not_say_how_many_workers_has_the_cores(
    workers: int | None, cores: int | None, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    site, _ = site_of("", workers, "cpu", 1.0, None)
    assert site.workers == held
