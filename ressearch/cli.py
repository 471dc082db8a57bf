"""The command line: one function per verb. The only room that prints or exits.

Data goes to stdout, everything else to stderr. Each verb imports what it needs when it runs, so that help and
questions to the store start without torch and ray.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ressearch import __version__
from ressearch.cli_networks import latency, retrain
from ressearch.cli_store import DEFAULT_STORE, migrated_first, opened_store, store_flag, store_group, store_option
from ressearch.errors import NothingFitsError, RessearchError

if TYPE_CHECKING:
    from rich.console import Console

    from ressearch.search.study import Progress
    from ressearch.space import Candidate, SearchSpace
    from ressearch.trial import Trial
    from ressearch.view import Standing

INVALID = 2
INTERRUPTED = 130
FAILED_TRIALS = 5
PLAIN_WIDTH = 110
MOST_BUILT = 1_000_000


def format_option(*formats: str) -> Callable[[Any], Any]:
    """`-f`, how data is written to stdout; the first format is the default."""
    return click.option("-f", "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True)


def _checked_name(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """The name of a study is part of a lock file's name."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.BadParameter("letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return name


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ressearch")
def cli() -> None:
    """Find residual networks that are worth their FLOPs.

    Write a search space in YAML, search it, and ask the results store which networks are best.
    """


cli.add_command(store_group)
cli.add_command(retrain)
cli.add_command(latency)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", "source", help="Data set by name (digits), an .npz file, or a directory: IDX, CIFAR, images.")
@click.option("--trials", type=click.IntRange(1), help="Trials of the study in total.")
@click.option("--workers", type=click.IntRange(1), help="Trials that run at once.  [default: number of cores]")
@click.option("--seed", type=click.IntRange(0, 10**9), help="Seed of the proposals and of every training.")
@click.option(
    "--name", callback=_checked_name, help="Name of the study; an existing one goes on.  [default: the file's name:]"
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
    store: str | Path,
) -> None:
    """Search the space in FILE: train networks, baselines first, and remember what they measure.

    What FILE says under task: and search: holds where a flag is not given. The same command with the same --name goes
    on with a study that was interrupted, up to --trials.
    """
    from ressearch.space import SearchSpace

    space = SearchSpace.load(file)
    _print_remarks(space)
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
        settings = trained | known | ({} if time_limit is None else {"time_limit": time_limit})
        flag, beside = store_flag(settings.pop("store"))
        again = _command_to_resume(file, settings, flag)
        click.echo(f"\ninterrupted; every finished trial is kept. To go on{beside}:\n  {again}", err=True)
        os._exit(128 + interruption.signal)  # a half-started Ray may crash when Python ends in the ordinary way
    _report_end(last, name, store)


def _program() -> str:
    """How the reader can call this command: by its name where that is on the path, else as they did."""
    called = sys.argv[0]
    return called if Path(called).name == "ressearch" and not shutil.which("ressearch") else "ressearch"


def _report_end(last: Progress, name: str, store: str | Path) -> None:
    from ressearch.view import progress_line

    click.echo(f"study {name}: {progress_line(last)}", err=True)
    if last.exhausted:
        click.echo("the space holds no further network within its limits", err=True)
    flag, beside = store_flag(store)
    best = shlex.join([_program(), "best", name, *(flag if store != DEFAULT_STORE else [])])
    click.echo(f"see the answer{beside or ' with'}: {best}", err=True)
    if last.failed:
        click.echo(f"{last.failed} trial(s) failed; their errors: {best} --failed", err=True)
        sys.exit(FAILED_TRIALS)


def _command_to_resume(file: Path, settings: dict[str, Any], store: list[str]) -> str:
    flags = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    return shlex.join([_program(), "search", str(file), *flags, *store])


@contextmanager
def _live() -> Iterator[tuple[Callable[[Progress], None], Callable[[str], None]]]:
    """How to show progress and texts on stderr: redrawn on a terminal, a line per finished trial elsewhere."""
    from rich.live import Live

    from ressearch.view import progress_line, progress_view

    console = _console(sys.stderr)
    if console.is_terminal:
        with Live("reading the data", console=console, refresh_per_second=4) as live:
            yield lambda progress: live.update(progress_view(progress)), live.update
        return
    ended = [0]

    def watch(progress: Progress) -> None:
        if progress.done + progress.failed > ended[0]:
            ended[0] = progress.done + progress.failed
            click.echo(progress_line(progress), err=True)

    yield watch, lambda text: click.echo(text, err=True)


@cli.command()
@click.argument("study", required=False)
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Floor of the ranking by accuracy per FLOP.")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Rows of the ranking.")
@click.option("--failed", is_flag=True, help="List the failed trials with their errors instead.")
@format_option("table", "json", "csv")
@store_option
def best(study: str | None, min_accuracy: float | None, limit: int, failed: bool, form: str, store: str | Path) -> None:
    """Print the Pareto front of STUDY and its ranking by accuracy per FLOP.

    STUDY is the one begun last if none is named. The ranking holds networks of at least --min-accuracy (a number in
    [0, 1]; by default the accuracy of the study's cheapest baseline), since without a floor the emptiest network wins.
    """
    from ressearch.view import standing

    opened = opened_store(store)
    study_id, record = opened.study(study)
    if failed:
        _print_failures(opened.trials(study_id))
        return
    found = standing(record, opened.results(study_id), opened.counts(study_id), min_accuracy)
    BEST_FORMATS[form](found, limit)


def _best_table(found: Standing, limit: int) -> None:
    from ressearch.view import standing_page

    _console(sys.stdout).print(standing_page(found, limit), crop=False)


def _best_json(found: Standing, limit: int) -> None:
    from ressearch.view import record_of

    page = {
        "study": found.study.name,
        "floor": {"accuracy": found.floor.accuracy, "source": found.floor.source},
        "front": [record_of(found, position) for position in found.front],
        "ranking": [record_of(found, position) for position in found.ranking[:limit]],
    }
    click.echo(json.dumps(page, indent=2))


def _best_csv(found: Standing, limit: int) -> None:
    """Every finished network, one a line; rank is empty below the floor."""
    from ressearch.view import percent, record_of

    click.echo(f"floor: accuracy >= {percent(found.floor.accuracy)} ({found.floor.source})", err=True)
    _write_csv([record_of(found, position) for position in range(len(found.results))])


BEST_FORMATS: dict[str, Callable[[Standing, int], None]] = {"table": _best_table, "json": _best_json, "csv": _best_csv}


def _print_failures(trials: list[Trial]) -> None:
    """The failed trials, those of a kind together."""
    from ressearch.trial import Failure

    failed = [trial for trial in trials if trial.error is not None]
    if not failed:
        click.echo("no trial of this study failed", err=True)
    for kind in Failure:
        alike = [trial for trial in failed if trial.failure is kind]
        if alike:
            click.echo(f"{kind}: {len(alike)} trial(s)\n")
        for trial in alike:
            click.echo(f"trial {trial.number}, architecture {trial.architecture_id}:\n{(trial.error or '').rstrip()}\n")


@cli.command()
@click.argument("what", metavar="ID|FILE")
@format_option("table", "json")
@store_option
def show(what: str, form: str, store: str | Path) -> None:
    """Print an architecture: its cost, its trials, every node of its graph.

    ID is the beginning of an id in the store; FILE is a search space, whose named networks are printed.
    """
    if what.endswith((".yaml", ".yml")):
        _show_file(Path(what), form)
    else:
        _show_stored(what, form, store)


def _show_file(file: Path, form: str) -> None:
    for name, candidate in _networks_of(file).items():
        if form == "json":
            click.echo(candidate.architecture.to_json())
        else:
            click.echo(f"{name}, architecture {candidate.architecture.id}\n{candidate.architecture}\n")


def _show_stored(id: str, form: str, store: str | Path) -> None:
    from dataclasses import asdict

    from ressearch.view import architecture_page

    opened = opened_store(store)
    architecture, cost = opened.architecture(id)
    history = opened.history(architecture.id)
    if form == "table":
        _console(sys.stdout).print(architecture_page(architecture, cost, history), crop=False)
        click.echo(str(architecture))
        return
    page = {
        "id": architecture.id,
        "cost": {**asdict(cost), "flops": cost.flops},
        "architecture": json.loads(architecture.to_json()),
        "trials": [{"study": study, **asdict(trial)} for study, trial in history],
    }
    click.echo(json.dumps(page, indent=2))


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check search space files; every mistake of every file is printed with its line and column."""
    from ressearch.space import SearchSpace

    failed = False
    for file in files:
        try:
            space = SearchSpace.load(file)
            click.echo(f"{file}: fine, names {len(space.networks)} network(s)")
            _print_remarks(space)
        except RessearchError as error:
            click.echo(f"{error}\n", err=True)
            failed = True
    if failed:
        sys.exit(INVALID)


def _print_remarks(space: SearchSpace) -> None:
    for remark in space.remarks:
        click.echo(f"{remark}\n", err=True)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--distinct", is_flag=True, help="Build them all, and count the different networks too.")
@format_option("table", "json")
def size(file: Path, distinct: bool, form: str) -> None:
    """Print how many ways there are to decide a network of the space in FILE.

    The number is exact. Several ways may build one network, and some may be beyond the limits: --distinct builds all of
    a space of up to a million ways and counts the networks, and those within the limits.
    """
    from ressearch.space import SearchSpace

    space = SearchSpace.load(file)
    ways = space.size()
    record: dict[str, Any] = {"name": space.name, "ways": ways if isinstance(ways, int) else None}
    if distinct:
        record |= _distinct(space, ways)
    if form == "json":
        click.echo(json.dumps(record, indent=2))
    else:
        for key, value in record.items():
            click.echo(f"{key:<14} {value if isinstance(value, str) else _whole(value)}")


def _whole(number: int | None) -> str:
    """A count with separators, a long one in short too, since nobody reads seventy digits."""
    if number is None:
        return "infinite: a real number is to be chosen"
    return (
        f"{number:,}" if number < 10**18 else f"{float(number):.3g} ({number:,})" if number < 10**300 else f"{number:,}"
    )


def _distinct(space: SearchSpace, ways: float) -> dict[str, int]:
    if ways > MOST_BUILT:
        raise NothingFitsError(
            f"{space.name!r} has more than {MOST_BUILT:,} ways; they are too many to build",
            hint="ask without --distinct",
        )
    networks = {candidate.architecture.id: candidate.cost for candidate in space.enumerate()}
    within = sum(space.permits(cost) for cost in networks.values())
    return {"networks": len(networks), "within_limits": within}


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@format_option("table", "json", "csv")
def cost(file: Path, form: str) -> None:
    """Print what the networks that FILE names cost: its baselines, or itself where it leaves nothing open."""
    _print_costs([_cost_record(name, candidate) for name, candidate in _networks_of(file).items()], form)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True, help="How many networks.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws.")
@click.option("--evenly", is_flag=True, help="Each way to decide a network alike; most of them are large.")
@format_option("table", "json", "csv")
def sample(file: Path, count: int, seed: int, evenly: bool, form: str) -> None:
    """Draw networks at random from the space in FILE, within its limits, and print what they cost.

    Each decision is drawn evenly, unless --evenly asks for networks drawn evenly. JSON holds the decisions as well.
    """
    import random

    from ressearch.space import SearchSpace

    space, generator = SearchSpace.load(file), random.Random(seed)
    drawn = [space.sample(generator, evenly) for _ in range(count)]
    records = [_cost_record(str(number), candidate) for number, candidate in enumerate(drawn)]
    if form == "json":
        records = [r | {"decisions": dict(c.decisions)} for r, c in zip(records, drawn, strict=True)]
    _print_costs(records, form)


@cli.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain the error CODE: what is wrong, why it matters, and how to put it right; or list all codes."""
    from ressearch.explanations import EXPLANATIONS, listing, nearest, normal, page

    if code is not None and normal(code) not in EXPLANATIONS:
        near = nearest(code)
        hint = f"nearest: {', '.join(near)}" if near else "`ressearch explain` lists all codes"
        raise click.BadParameter(f"there is no code {code!r}; {hint}", param_hint="CODE")
    click.echo(listing() if code is None else page(code))


@cli.command()
def schema() -> None:
    """Print a JSON Schema of the language, from which editors complete and check search space files."""
    from ressearch.space.json_schema import json_schema_text

    click.echo(json_schema_text())


def _networks_of(file: Path) -> dict[str, Candidate]:
    from ressearch.space import SearchSpace

    networks = SearchSpace.load(file).networks
    if not networks:
        raise NothingFitsError(
            f"{file} names no network: it leaves choices open and has no baselines",
            hint=f"`ressearch sample {file}` draws some",
        )
    return networks


def _cost_record(name: str, candidate: Candidate) -> dict[str, Any]:
    from dataclasses import asdict

    cost = candidate.cost
    return {"name": name, "id": candidate.architecture.id, "flops": cost.flops, **asdict(cost)}


def _print_costs(records: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(records, indent=2))
    elif form == "csv":
        _write_csv(records)
    else:
        from ressearch.view import costs_table

        _console(sys.stdout).print(costs_table(records), crop=False)


def _write_csv(records: list[dict[str, Any]]) -> None:
    if records:
        writer = csv.DictWriter(sys.stdout, records[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def _console(stream: TextIO) -> Console:
    """A console as wide as the terminal, or wide enough for every table where there is none."""
    from rich.console import Console

    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False)


def main() -> None:
    """The `ressearch` command: runs a verb; prints our errors as they are and exits with their status."""
    try:
        cli.main(standalone_mode=False)
        sys.stdout.flush()
    except RessearchError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
