"""`ressearch search`: a study from a file and flags, and what is seen of it while it runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.options import (
    DEFAULT_STORE,
    FAILED_TRIALS,
    NumberType,
    checked_name,
    console,
    migrated_first,
    print_remarks,
    program,
    store_flag,
    store_option,
)
from ressearch.trial import OBJECTIVES, PROPOSERS

if TYPE_CHECKING:
    from ressearch.search.study import Progress
    from ressearch.space import SearchSpace

TIME_LIMIT = 3_600
AIMS = ("proposer", "objective", "max_macs")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", "source", help="Data set by name (digits), an .npz file, or a directory: IDX, CIFAR, images.")
@click.option("--trials", type=click.IntRange(1), help="Trials of the study in total.")
@click.option("--workers", type=click.IntRange(1), help="Trials that run at once.  [default: number of cores]")
@click.option("--seed", type=click.IntRange(0, 10**9), help="Seed of the proposals and of every training.")
@click.option(
    "--name", callback=checked_name, help="Name of the study; an existing one goes on.  [default: the file's name:]"
)
@click.option("--evaluator", metavar="MODULE:FUNCTION", help="Your own training; it brings its own data, see README.")
@click.option(
    "--time-limit", type=click.IntRange(0, 10**7), help="Seconds that a trial may take, 0 for any.  [default: 3600]"
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="What trains.  [default: auto, a GPU if there is one]"
)
@click.option("--proposer", type=click.Choice(PROPOSERS), help=f"Who proposes networks.  [default: {PROPOSERS[0]}]")
@click.option("--objective", type=click.Choice(OBJECTIVES), help=f"What for.  [default: {OBJECTIVES[0]}, the front]")
@click.option("--max-macs", type=NumberType("count"), help="The most MACs of a proposal, e.g. 150M.")
@click.option(
    "--no-early-terminate", is_flag=True, help="Train every network for all epochs, whatever FILE says on it."
)
@store_option
def search(file: Path, **flags: Any) -> None:
    """Search the space in FILE: train networks, baselines first, and remember what they measure.

    What FILE says under task: and search: holds where a flag is not given. The same command with the same --name goes
    on with a study that was interrupted, up to --trials.
    """
    from ressearch.space import SearchSpace

    space = SearchSpace.load(file)
    print_remarks(space)
    settings = _settled(space, flags)
    migrated_first(settings["store"])

    from ressearch.search.propose import Aim
    from ressearch.search.run import run_study
    from ressearch.search.signals import Interrupted

    aim = Aim(**{name: settings[name] for name in AIMS})
    rest = {name: value for name, value in settings.items() if name not in AIMS}
    try:
        with _live() as (watch, say):
            last = run_study(space, watch=watch, say=say, aim=aim, **rest)
    except Interrupted as interruption:
        flag, beside = store_flag(settings["store"])
        again = _command_to_resume(file, settings, flags, flag)
        click.echo(f"\ninterrupted; every finished trial is kept. To go on{beside}:\n  {again}", err=True)
        os._exit(128 + interruption.signal)  # a half-started Ray may crash when Python ends in the ordinary way
    _report_end(last, settings["name"], settings["store"])


def _settled(space: SearchSpace, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of a search: what a flag says, else what the file says, else what is usual."""
    given = {name: value for name, value in flags.items() if value is not None}
    given["early_terminate"] = not given.pop("no_early_terminate")
    if "source" in given and "evaluator" in given:
        raise click.UsageError("--data and --evaluator exclude each other: an evaluator brings its own data")
    usual = {"trials": 24, "workers": os.cpu_count() or 1, "seed": 0, "time_limit": TIME_LIMIT, "device": "auto"}
    usual |= {"proposer": PROPOSERS[0], "objective": OBJECTIVES[0], "max_macs": None}
    told = {"name": space.name, "source": space.grammar.dataset or "", "evaluator": "", **space.grammar.search}
    settings = {**usual, **told, **given}
    if "source" in given:
        settings["evaluator"] = ""
    _check_aim(space, settings)
    if not settings["source"] and not settings["evaluator"]:
        raise click.UsageError("no data set: give --data, or write task: {dataset: ...} in the file")
    return settings


def _check_aim(space: SearchSpace, settings: Mapping[str, Any]) -> None:
    objective, limit = settings["objective"], space.grammar.limits.get("macs")
    if objective != OBJECTIVES[0] and settings["proposer"] != PROPOSERS[0]:
        raise click.UsageError(
            f"the objective {objective} needs the proposer {PROPOSERS[0]}; others look for the front"
        )
    if objective == "budget" and settings["max_macs"] is None and (limit is None or limit.high is None):
        raise click.UsageError("the objective budget needs --max-macs, or limits: {macs: {max: ...}} in the file")


def _command_to_resume(file: Path, settings: Mapping[str, Any], flags: Mapping[str, Any], store: list[str]) -> str:
    """The command that goes on with a study, whatever becomes of the file's defaults."""
    trained = {"evaluator": settings["evaluator"]} if settings["evaluator"] else {"data": settings["source"]}
    known = {name: settings[name] for name in ("trials", "workers", "seed", "name")}
    rest = {name: flags[name] for name in ("time_limit", "device", *AIMS) if flags[name] is not None}
    words = [(f"--{name.replace('_', '-')}", str(value)) for name, value in {**trained, **known, **rest}.items()]
    whole = ["--no-early-terminate"] if flags["no_early_terminate"] else []
    return shlex.join([program(), "search", str(file), *(word for pair in words for word in pair), *whole, *store])


def _report_end(last: Progress, name: str, store: str | Path) -> None:
    from ressearch.view import progress_line

    click.echo(f"study {name}: {progress_line(last)}", err=True)
    if last.exhausted:
        click.echo("the space holds no further network within its limits", err=True)
    flag, beside = store_flag(store)
    best = shlex.join([program(), "best", name, *(flag if store != DEFAULT_STORE else [])])
    click.echo(f"see the answer{beside or ' with'}: {best}", err=True)
    if last.failed:
        click.echo(f"{last.failed} trial(s) failed; their errors: {best} --failed", err=True)
        sys.exit(FAILED_TRIALS)


@contextmanager
def _live() -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    """How to show progress and texts on stderr: redrawn on a terminal, a line per trial that ended elsewhere."""
    from rich.live import Live

    from ressearch.view import progress_line, progress_view

    screen = console(sys.stderr)
    if screen.is_terminal:
        with Live("reading the data", console=screen, refresh_per_second=4) as live:
            yield lambda progress: live.update(progress_view(progress)), live.update
        return
    ended = [0]

    def watch(progress: Progress) -> None:
        before, ended[0] = ended[0], progress.done + progress.failed + progress.stopped
        if ended[0] > before:
            click.echo(progress_line(progress), err=True)

    yield watch, lambda text: click.echo(text, err=True)
