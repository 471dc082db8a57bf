"""`ressearch resume`: go on with a study by what the store knows of it, without its file and its flags."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.notes import note
from ressearch.cli.options import opened_store, program, store_flag, store_option
from ressearch.cli.search import drive, storage_beside
from ressearch.cli.search_options import FIXED, OPTIONS, search_options
from ressearch.cli.settings import (
    Setting,
    Settings,
    Source,
    begun_on_cluster,
    given,
    of_study,
    require_use_of_storage,
    sayable,
    settled,
)
from ressearch.errors import DataError, StudyError
from ressearch.place import DEFAULT_STORE

if TYPE_CHECKING:
    from ressearch.search.study import Progress
    from ressearch.store import Store
    from ressearch.trial import Study

OPEN = tuple(name for name in OPTIONS if name not in FIXED)


@click.command()
@click.argument("study", required=False)
@search_options("RESUME", OPEN, usual=False)
@store_option
def resume(study: str | None, store: str | Path, **flags: Any) -> None:
    """Go on with STUDY, up to --trials, from what the store knows of it: in another terminal, on another day.

    STUDY is the one begun last if none is named. The store has its search space, recipe, seed, data set and how it was
    searched; whatever else is given holds for this search. The store does not know where a Ray cluster is: name it with
    --address, and where its checkpoints are with --storage, or the study goes on on this machine. The data set is to
    lie where it lay, else say where with --data.
    """
    from ressearch.space import SearchSpace

    opened = opened_store(store)
    known = opened.study(study)[1]
    _require_free(opened, known.name)
    space = SearchSpace.parse(known.space_text, f"the space of the study {known.name}")
    told = given(click.get_current_context(), flags)
    settings = settled(space, told, of_study(space, known, told))
    settings["store"] = Setting(store, settings["store"].source)
    require_use_of_storage(settings)
    _require_data(known, settings["source"])
    opened.close()
    if begun_on_cluster(known) and not settings["address"].value:
        note(
            f"the study {known.name} was begun on a Ray cluster and goes on on this machine; --address names a cluster,"
            " --storage where its checkpoints are"
        )
    drive(
        space,
        settings,
        again=lambda words: command_to_go_on(known.name, told, words),
        ended=lambda last: _say_if_idle(last, known.name, told, store),
    )


def _say_if_idle(last: Progress, name: str, told: Settings, store: str | Path) -> None:
    if last.ended or last.exhausted:
        return
    flag, beside = store_flag(store) if store != DEFAULT_STORE else ([], "")
    further = command_to_go_on(name, {**told, "trials": Setting(2 * last.total, Source.FLAG)}, flag)
    beside += storage_beside(told)
    note(f"nothing was left to do; to go further, ask for more trials{beside}: {further}")


def _require_free(store: Store, name: str) -> None:
    driven = store.driven()
    if name in driven:
        by = f", driven by {driven[name]}" if driven[name] else ""
        hint = f"`ressearch status {name} --watch` looks on, `ressearch stop {name}` ends it"
        raise StudyError(f"the study {name!r} runs already{by}", hint=hint)


def _require_data(study: Study, source: Setting) -> None:
    """Raise DataError where a data set is not where it lay when the study began; what it holds is looked at later."""
    from ressearch.data import BUNDLED

    if source.is_given or not source.value or source.value in BUNDLED or Path(source.value).exists():
        return
    raise DataError(
        f"the data set of the study {study.name!r} is not here: {source.value}",
        hint="say with --data where its images lie now",
    )


def command_to_go_on(name: str, told: Settings, store: list[str]) -> str:
    """The command that goes on with a study, with what was given but for a storage whose URL holds a password."""
    words = [program(), "resume", name]
    for option, setting in sayable(told).items():
        flag, _, off = OPTIONS[option].flags[0].partition("/")
        words += [flag if setting.value else off] if off else [flag, str(setting.value)]
    return shlex.join([*words, *store])
