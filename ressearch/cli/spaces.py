"""The verbs on a search space file, and on the language: none of them needs torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.completion import complete_code
from ressearch.cli.notes import complain
from ressearch.cli.options import console, format_option, print_remarks, write_csv
from ressearch.errors import ExitStatus, NothingFitsError, RessearchError

if TYPE_CHECKING:
    from ressearch.space import Candidate, SearchSpace

MOST_BUILT = 1_000_000


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check search space files; every mistake of every file is printed with its line and column."""
    from ressearch.space import SearchSpace

    failed = False
    for file in files:
        try:
            space = SearchSpace.load(file)
            click.echo(f"{file}: fine, names {len(space.networks)} network(s)")
            print_remarks(space)
        except RessearchError as error:
            complain(f"{error}\n")
            failed = True
    if failed:
        sys.exit(ExitStatus.INVALID)


@click.command()
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


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@format_option("table", "json", "csv")
def cost(file: Path, form: str) -> None:
    """Print what the networks that FILE names cost: its baselines, or itself where it leaves nothing open."""
    _print_costs([_cost_record(name, candidate) for name, candidate in networks_of(file).items()], form)


@click.command()
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


@click.command()
@click.argument("code", required=False, shell_complete=complete_code)
def explain(code: str | None) -> None:
    """Explain the error CODE: what is wrong, why it matters, and how to put it right; or list all codes."""
    from ressearch.explanations import EXPLANATIONS, listing, nearest, normal, page

    if code is not None and normal(code) not in EXPLANATIONS:
        near = nearest(code)
        hint = f"nearest: {', '.join(near)}" if near else "`ressearch explain` lists all codes"
        raise click.BadParameter(f"there is no code {code!r}; {hint}", param_hint="CODE")
    click.echo(listing() if code is None else page(code))


@click.command()
def schema() -> None:
    """Print a JSON Schema of the language, from which editors complete and check search space files."""
    from ressearch.space.json_schema import json_schema_text

    click.echo(json_schema_text())


def networks_of(file: Path) -> dict[str, Candidate]:
    """The networks that a file names. Raises NothingFitsError if it names none."""
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
        write_csv(records)
    else:
        from ressearch.view import costs_table

        console(sys.stdout).print(costs_table(records), crop=False)
