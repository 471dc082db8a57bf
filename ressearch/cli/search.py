"""`ressearch search`: a study from a file and flags, and what is seen of it while it runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.notes import complain, is_quiet, note, said_by
from ressearch.cli.options import (
    FAILED_TRIALS,
    console,
    migrated_first,
    print_remarks,
    program,
    store_flag,
    store_option,
)
from ressearch.cli.plan import plan, print_plan
from ressearch.cli.search_options import OPTIONS, search_options
from ressearch.cli.settings import AIMS, PLACES, Settings, given, require_use_of_storage, sayable, settled
from ressearch.place import DEFAULT_STORE

if TYPE_CHECKING:
    from ressearch.search.study import Progress
    from ressearch.space import SearchSpace


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@search_options("SEARCH", tuple(OPTIONS))
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it would take, and do nothing.")
@click.option("-f", "--format", "form", type=click.Choice(["table", "json"]), help="Of --dry-run.  [default: table]")
@store_option
def search(file: Path, dry_run: bool, form: str | None, **flags: Any) -> None:
    """Search the space in FILE: train networks, baselines first, and remember what they measure.

    A flag goes before the environment, that before what FILE says under task: and search:, and that before what is
    usual; --dry-run shows what came from where. The same command with the same --name goes on with a study that was
    interrupted, up to --trials.
    """
    from ressearch.space import SearchSpace

    if form and not dry_run:
        raise click.UsageError("--format is for --dry-run alone")
    space = SearchSpace.load(file)
    print_remarks(space)
    settings = settled(space, given(click.get_current_context(), flags))
    require_use_of_storage(settings)
    if dry_run:
        print_plan(plan(space, settings), form or "table")
        return
    drive(space, settings, again=lambda flag: command_to_resume(file, settings, flag))


def drive(
    space: SearchSpace,
    settings: Settings,
    *,
    again: Callable[[list[str]], str],
    ended: Callable[[Progress], None] = lambda last: None,
) -> None:
    """Search until nothing is left to do, and say how it ended; exits where trials failed, and after an interrupt.

    again: the command that goes on, with words that name the store. ended: is told of the end before others are.
    """
    values = {name: setting.value for name, setting in settings.items()}
    migrated_first(values["store"])

    from ressearch.search.propose import Aim
    from ressearch.search.run import run_study
    from ressearch.search.signals import Interrupted

    aim = Aim(**{name: values[name] for name in AIMS})
    rest = {name: value for name, value in values.items() if name not in AIMS}
    if settings["workers"].is_usual:
        rest["workers"] = None  # nothing that the study has to remember: it may go on on a machine of other cores
    try:
        with _live() as (watch, say):
            last = run_study(space, watch=watch, say=say, aim=aim, **rest)
    except Interrupted as interruption:
        flag, beside = store_flag(values["store"])
        beside += storage_beside(settings)
        complain(f"\ninterrupted; every finished trial is kept. To go on{beside}:\n  {again(flag)}")
        os._exit(128 + interruption.signal)  # a half-started Ray may crash when Python ends in the ordinary way
    ended(last)
    _report_end(last, values["name"], values["store"])


def storage_beside(settings: Settings) -> str:
    """What to do beside a command that must not name the storage, for the end of a sentence, or nothing."""
    hidden = settings.keys() - sayable(settings).keys()
    if not any(settings[name].is_given for name in hidden):
        return ""
    storage = next(option for option in click.get_current_context().command.params if option.name == "storage")
    return f", with the storage's URL in {storage.envvar}"


def command_to_resume(file: Path, settings: Settings, store: list[str]) -> str:
    """The command that goes on with a study, whatever becomes of the file's defaults and of the environment.

    store: words that name it. A storage whose URL holds a password is left out.
    """
    values = {name: setting.value for name, setting in settings.items()}
    trained = {"evaluator": values["evaluator"]} if values["evaluator"] else {"data": values["source"]}
    workers = () if settings["workers"].is_usual else ("workers",)
    known = {name: values[name] for name in ("trials", *workers, "seed", "name")}
    told = [name for name, setting in sayable(settings).items() if setting.is_given]
    rest = {name: values[name] for name in ("time_limit", "device", *AIMS, *PLACES) if name in told}
    every = {**trained, **known, **rest}.items()
    # Only no address is an empty value.
    words = [(f"--{name.replace('_', '-')}", str(value) or "local") for name, value in every]
    early = settings["early_terminate"]
    switch = [f"--{'' if early.value else 'no-'}early-terminate"] if early.is_given else []
    return shlex.join([program(), "search", str(file), *(word for pair in words for word in pair), *switch, *store])


def _report_end(last: Progress, name: str, store: str | Path) -> None:
    from ressearch.view import progress_line

    note(f"study {name}: {progress_line(last)}")
    if last.exhausted:
        note("the space holds no further network within its limits")
    flag, beside = store_flag(store)
    best = shlex.join([program(), "best", name, *(flag if store != DEFAULT_STORE else [])])
    note(f"see the answer{beside or ' with'}: {best}")
    if last.failed:
        complain(f"{last.failed} trial(s) failed; their errors: {best} --failed")
        sys.exit(FAILED_TRIALS)


@contextmanager
def _live() -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    """How to show progress and texts on stderr: redrawn on a terminal, a line per trial that ended elsewhere."""
    if is_quiet():
        yield (lambda progress: None), (lambda text: None)
    elif sys.stderr.isatty():
        with _redrawn() as shown:
            yield shown
    else:
        yield _lines()


@contextmanager
def _redrawn() -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    from rich.live import Live

    from ressearch.view import progress_view

    screen = console(sys.stderr)

    def above(text: str) -> None:
        screen.print(text, soft_wrap=True)

    with Live("reading the data", console=screen, refresh_per_second=4) as live, said_by(above):
        yield (lambda progress: live.update(progress_view(progress))), live.update


def _lines() -> tuple[Callable[[Progress], None], Callable[[str], None]]:
    from ressearch.view import ended_lines

    told = 0

    def watch(progress: Progress) -> None:
        nonlocal told
        for line in ended_lines(progress, told):
            note(line)
        told = len(progress.ended)

    return watch, note
