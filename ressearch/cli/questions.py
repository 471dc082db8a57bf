"""The verbs that ask the store: `best` and `show`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.completion import complete_id_or_file
from ressearch.cli.notes import note
from ressearch.cli.options import NumberType, console, format_option, opened_store, store_option, write_csv
from ressearch.cli.spaces import networks_of

if TYPE_CHECKING:
    from ressearch.architecture import Architecture
    from ressearch.store import Asked, By, Result, Store
    from ressearch.trial import Trial


@click.command()
@click.argument("study", required=False)
@click.option(
    "--by",
    type=click.Choice(["pareto", "efficiency", "knee", "accuracy"]),
    help="Print the front alone, the ranking by accuracy per FLOP, the one at the front's knee, or the most accurate.",
)
@click.option("--max-macs", type=NumberType("count"), help="Multiply-adds of an image at most, e.g. 60M.")
@click.option("--max-params", type=NumberType("count"), help="Parameters at most, e.g. 1M.")
@click.option(
    "--min-accuracy", type=NumberType("share"), help="Least accuracy, e.g. 97%; the floor of the ranking too."
)
@click.option("--all", "all_studies", is_flag=True, help="Of all studies with STUDY's recipe and fidelity.")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Rows of a ranking.")
@click.option("--failed", is_flag=True, help="List the failed trials with their errors instead.")
@format_option("table", "json", "csv")
@store_option
def best(study: str | None, by: str | None, limit: int, failed: bool, form: str, **where: Any) -> None:
    """Print the Pareto front of STUDY and its ranking by accuracy per FLOP, within limits.

    STUDY is the one begun last if none is named. The ranking has a floor, --min-accuracy or else the accuracy of the
    study's cheapest baseline, since without one the emptiest network wins. The knee is the point of the front farthest
    above the straight line between its ends, over the logarithm of MACs. Networks of other recipes are not comparable
    and never stand beside each other.
    """
    from ressearch.store import By

    opened = opened_store(where["store"])
    if failed:
        _print_failures(opened.trials(opened.study(study)[0]))
        return
    asked = _asked(opened, study, **where)
    if by is not None:
        CHOSEN_FORMATS[form](asked, By(by), asked.chosen(By(by), limit))
    else:
        BEST_FORMATS[form](asked, limit)


def _asked(opened: Store, study: str | None, all_studies: bool, store: str | Path, **limits: Any) -> Asked:
    from ressearch.store import Asked, Limits

    return Asked(opened, *opened.study(study), Limits(**limits), all_studies)


def _best_table(asked: Asked, limit: int) -> None:
    from ressearch.agreements import agreements
    from ressearch.view import standing_page

    console(sys.stdout).print(standing_page(asked, asked.standing(limit), agreements(asked)), crop=False)


def _best_json(asked: Asked, limit: int) -> None:
    from ressearch.agreements import agreements

    every = _placed(asked)
    front = sorted((record for record in every if record["on_front"]), key=lambda record: record["macs"])
    ranking = sorted((record for record in every if record["rank"]), key=lambda record: record["rank"])
    floor = {"accuracy": asked.floor.accuracy, "source": asked.floor.source}
    agreeing = {name: asdict(one) for name, one in agreements(asked).items()}
    page = {"study": asked.study.name, "floor": floor, "front": front, "ranking": ranking[:limit]}
    click.echo(json.dumps({**page, "agreements": agreeing}, indent=2))


def _best_csv(asked: Asked, limit: int) -> None:
    """Every finished network within the limits, one a line; rank is empty below the floor."""
    from ressearch.view import percent

    note(f"floor: accuracy >= {percent(asked.floor.accuracy)} ({asked.floor.source})")
    write_csv(_placed(asked))


def _placed(asked: Asked) -> list[dict[str, Any]]:
    """Every network within the limits, and its places in front and ranking."""
    from ressearch.ranking import by_efficiency, pareto_front
    from ressearch.view import record_of

    results = asked.results()
    if asked.limited and not results:
        raise asked.nothing_fits()
    points = [(result.accuracy, result.macs) for result in results]
    front = set(pareto_front(points))
    ranks = {position: rank for rank, position in enumerate(by_efficiency(points, asked.floor.accuracy), 1)}
    return [
        record_of(result, **_study(asked, result), on_front=position in front, rank=ranks.get(position))
        for position, result in enumerate(results)
    ]


def _study(asked: Asked, result: Result) -> dict[str, str]:
    return {"study": result.study} if asked.all_studies else {}


BEST_FORMATS: dict[str, Callable[[Asked, int], None]] = {"table": _best_table, "json": _best_json, "csv": _best_csv}


def _chosen_table(asked: Asked, by: By, chosen: Sequence[Result]) -> None:
    from ressearch.view import chosen_page

    console(sys.stdout).print(chosen_page(asked, by, chosen), crop=False)


def _chosen_json(asked: Asked, by: By, chosen: Sequence[Result]) -> None:
    from ressearch.view import record_of

    networks = [record_of(result, **_study(asked, result)) for result in chosen]
    click.echo(json.dumps({"study": asked.study.name, "by": by.value, "networks": networks}, indent=2))


def _chosen_csv(asked: Asked, by: By, chosen: Sequence[Result]) -> None:
    from ressearch.view import record_of

    write_csv([record_of(result, **_study(asked, result)) for result in chosen])


CHOSEN_FORMATS: dict[str, Callable[[Asked, By, Sequence[Result]], None]] = {
    "table": _chosen_table,
    "json": _chosen_json,
    "csv": _chosen_csv,
}


def _print_failures(trials: list[Trial]) -> None:
    """The failed trials, those of a kind together."""
    from ressearch.trial import Failure

    failed = [trial for trial in trials if trial.error is not None]
    if not failed:
        note("no trial of this study failed")
    for kind in Failure:
        alike = [trial for trial in failed if trial.failure is kind]
        if alike:
            click.echo(f"{kind}: {len(alike)} trial(s)\n")
        for trial in alike:
            click.echo(f"trial {trial.number}, architecture {trial.architecture_id}:\n{(trial.error or '').rstrip()}\n")


@click.command()
@click.argument("what", metavar="ID|FILE", shell_complete=complete_id_or_file)
@click.option("--nodes", is_flag=True, help="List every node with its name and inputs instead of the drawing.")
@format_option("table", "json")
@store_option
def show(what: str, nodes: bool, form: str, store: str | Path) -> None:
    """Print an architecture: its cost, its trials, and its graph as a drawing in text, what repeats folded.

    ID is the beginning of an id in the store; FILE is a search space, whose named networks are printed. `ressearch
    draw` makes a picture.
    """
    if what.endswith((".yaml", ".yml")):
        _show_file(Path(what), nodes, form)
    else:
        _show_stored(what, nodes, form, store)


def _show_file(file: Path, nodes: bool, form: str) -> None:
    for name, candidate in networks_of(file).items():
        if form == "json":
            click.echo(candidate.architecture.to_json())
        else:
            click.echo(f"{name}, architecture {candidate.architecture.id}\n{_graph(candidate.architecture, nodes)}\n")


def _graph(architecture: Architecture, nodes: bool) -> str:
    from ressearch.drawing import text

    return str(architecture) if nodes else text(architecture)


def _show_stored(id: str, nodes: bool, form: str, store: str | Path) -> None:
    from ressearch.view import architecture_page

    opened = opened_store(store)
    architecture, cost = opened.architecture(id)
    history, retrainings = opened.history(architecture.id), opened.retrainings(architecture.id)
    latencies, scored = opened.latencies(architecture.id), opened.proxies(architecture.id)
    if form == "table":
        page = architecture_page(architecture, cost, history, retrainings, latencies, scored)
        console(sys.stdout).print(page, crop=False)
        click.echo(_graph(architecture, nodes))
        return
    record = {
        "id": architecture.id,
        "cost": {**asdict(cost), "flops": cost.flops},
        "architecture": json.loads(architecture.to_json()),
        "trials": [{"study": study, **asdict(trial)} for study, trial in history],
        "retrainings": [asdict(one) for one in retrainings],
        "latencies": [asdict(one) for one in latencies],
        "proxies": [asdict(one) for one in scored],
    }
    click.echo(json.dumps(record, indent=2))
