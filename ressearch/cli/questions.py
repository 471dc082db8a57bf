"""The verbs that ask the store: `best` and `show`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.options import console, format_option, opened_store, store_option, write_csv
from ressearch.cli.spaces import networks_of

if TYPE_CHECKING:
    from ressearch.correlation import Agreement
    from ressearch.store import Store
    from ressearch.trial import Trial
    from ressearch.view import Standing


@click.command()
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
    agreements = _agreements({**_rungs(opened, study_id, found), **_retrainings(opened, study_id, found)})
    BEST_FORMATS[form](replace(found, agreements=agreements), limit)


Pairs = Mapping[str, Sequence[tuple[float, float]]]


def _rungs(store: Store, study_id: int, found: Standing) -> Pairs:
    """Accuracies at a rung and at the last, of the trials that went so far."""
    last = {result.number: result.accuracy for result in found.results}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for number, rungs in store.rungs(study_id).items():
        for fidelity, measurement in rungs if number in last else []:
            name = f"accuracy after {fidelity.epochs} against {found.study.fidelity.epochs} epochs"
            pairs.setdefault(name, []).append((measurement.accuracy, last[number]))
    return pairs


def _retrainings(store: Store, study_id: int, found: Standing) -> Pairs:
    """Accuracies in the search and of retrainings, by epochs of the latter: on the data set that most of them had."""
    from ressearch.view import mean_accuracies

    searched = mean_accuracies(found.results)
    alike = sorted(store.retrained_accuracies(study_id).items(), key=lambda item: len(item[1]))
    return {
        f"search against retrained accuracy, {epochs} epochs": [(searched[id], tested[id]) for id in tested]
        for (epochs, _), tested in alike
    }


def _agreements(pairs: Pairs) -> dict[str, Agreement]:
    """How far two accuracies order the networks alike, by what is compared; nothing of fewer than five networks."""
    enough = {name: found for name, found in pairs.items() if len(found) >= 5}
    if not enough:
        return {}
    from ressearch.correlation import agreement  # numpy takes long to start

    return {name: agreement([one for one, _ in found], [other for _, other in found]) for name, found in enough.items()}


def _best_table(found: Standing, limit: int) -> None:
    from ressearch.view import standing_page

    console(sys.stdout).print(standing_page(found, limit), crop=False)


def _best_json(found: Standing, limit: int) -> None:
    from ressearch.view import record_of

    page = {
        "study": found.study.name,
        "floor": {"accuracy": found.floor.accuracy, "source": found.floor.source},
        "front": [record_of(found, position) for position in found.front],
        "ranking": [record_of(found, position) for position in found.ranking[:limit]],
        "agreements": {name: asdict(one) for name, one in found.agreements.items()},
    }
    click.echo(json.dumps(page, indent=2))


def _best_csv(found: Standing, limit: int) -> None:
    """Every finished network, one a line; rank is empty below the floor."""
    from ressearch.view import percent, record_of

    click.echo(f"floor: accuracy >= {percent(found.floor.accuracy)} ({found.floor.source})", err=True)
    write_csv([record_of(found, position) for position in range(len(found.results))])


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


@click.command()
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
    for name, candidate in networks_of(file).items():
        if form == "json":
            click.echo(candidate.architecture.to_json())
        else:
            click.echo(f"{name}, architecture {candidate.architecture.id}\n{candidate.architecture}\n")


def _show_stored(id: str, form: str, store: str | Path) -> None:
    from ressearch.view import architecture_page

    opened = opened_store(store)
    architecture, cost = opened.architecture(id)
    history, retrainings = opened.history(architecture.id), opened.retrainings(architecture.id)
    latencies, scored = opened.latencies(architecture.id), opened.proxies(architecture.id)
    if form == "table":
        page = architecture_page(architecture, cost, history, retrainings, latencies, scored)
        console(sys.stdout).print(page, crop=False)
        click.echo(str(architecture))
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
