"""`ressearch search`: a study from a file and flags, and what is seen of it while it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.options import (
    DEFAULT_STORE,
    checked_name,
    console,
    migrated_first,
    print_remarks,
    program,
    store_option,
)

if TYPE_CHECKING:
    from ressearch.search.study import Progress

FAILED_TRIALS = 5


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
@store_option
def search(
    file: Path,
    source: str | None,
    trials: int | None,
    workers: int | None,
    seed: int | None,
    name: str | None,
    evaluator: str | None,
    time_limit: int | None,
    store: Path,
) -> None:
    """Search the space in FILE: train networks, baselines first, and remember what they measure.

    What FILE says under task: and search: holds where a flag is not given. The same command with the same --name goes
    on with a study that was interrupted, up to --trials.
    """
    from ressearch.space import SearchSpace

    space = SearchSpace.load(file)
    print_remarks(space)
    defaults = space.grammar.search
    if source and evaluator:
        raise click.UsageError("--data and --evaluator exclude each other: an evaluator brings its own data")
    evaluator = evaluator or ("" if source else defaults.get("evaluator", ""))
    source = source or space.grammar.dataset or ""
    if not source and not evaluator:
        raise click.UsageError("no data set: give --data, or write task: {dataset: ...} in the file")
    trials = trials or defaults.get("trials", 24)
    workers = workers or defaults.get("workers", os.cpu_count() or 1)
    seed = defaults.get("seed", 0) if seed is None else seed
    name = name or space.name

    migrated_first(store)

    from ressearch.search.run import run_study
    from ressearch.search.signals import Interrupted
    from ressearch.search.time_limit import DEFAULT_SECONDS

    limit = defaults.get("time_limit", DEFAULT_SECONDS) if time_limit is None else time_limit
    known: dict[str, Any] = {"trials": trials, "workers": workers, "seed": seed, "name": name, "store": store}
    try:
        with _live() as (watch, say):
            last = run_study(space, source=source, evaluator=evaluator, time_limit=limit, watch=watch, say=say, **known)
    except Interrupted as interruption:
        trained = {"evaluator": evaluator} if evaluator else {"data": source}
        again = _command_to_resume(file, trained | known | ({} if time_limit is None else {"time_limit": time_limit}))
        click.echo(f"\ninterrupted; every finished trial is kept. To go on:\n  {again}", err=True)
        os._exit(128 + interruption.signal)  # a half-started Ray may crash when Python ends in the ordinary way
    _report_end(last, name, store)


def _report_end(last: Progress, name: str, store: Path) -> None:
    from ressearch.view import progress_line

    click.echo(f"study {name}: {progress_line(last)}", err=True)
    if last.exhausted:
        click.echo("the space holds no further network within its limits", err=True)
    option = "" if store == DEFAULT_STORE else f" --store {store}"
    best = f"{program()} best {name}{option}"
    click.echo(f"see the answer with: {best}", err=True)
    if last.failed:
        click.echo(f"{last.failed} trial(s) failed; their errors: {best} --failed", err=True)
        sys.exit(FAILED_TRIALS)


def _command_to_resume(file: Path, settings: dict[str, Any]) -> str:
    import shlex

    flags = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    return shlex.join([program(), "search", str(file), *flags])


@contextmanager
def _live() -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    """How to show progress and texts on stderr: redrawn on a terminal, a line per finished trial elsewhere."""
    from rich.live import Live

    from ressearch.view import progress_line, progress_view

    screen = console(sys.stderr)
    if screen.is_terminal:
        with Live("reading the data", console=screen, refresh_per_second=4) as live:
            yield lambda progress: live.update(progress_view(progress)), live.update
        return
    ended = [0]

    def watch(progress: Progress) -> None:
        if progress.done + progress.failed > ended[0]:
            ended[0] = progress.done + progress.failed
            click.echo(progress_line(progress), err=True)

    yield watch, lambda text: click.echo(text, err=True)
