"""`ressearch search --dry-run`: what the search would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.settings import Setting, Settings, recipe_settings

if TYPE_CHECKING:
    from ressearch.rehearsal import Survey, Timing
    from ressearch.space import SearchSpace

SHOWN = {
    "name": "name", "source": "data", "evaluator": "evaluator", "trials": "trials", "workers": "workers",
    "seed": "seed", "time_limit": "time limit", "device": "device", "proposer": "proposer",
    "objective": "objective", "max_macs": "max macs", "early_terminate": "early terminate", "store": "store",
    "address": "address", "cpus_per_trial": "cpus per trial", "gpus_per_trial": "gpus per trial", "storage": "storage",
}  # fmt: skip
"""The settings in the order in which they are shown, and what they are called."""


@dataclass(frozen=True)
class Plan:
    """A search that was not begun. timing: None where somebody else trains. seconds: of all, about."""

    settings: Settings
    recipe: Settings
    survey: Survey
    timing: Timing | None
    seconds: float | None


def plan(space: SearchSpace, settings: Settings) -> Plan:
    """Draw networks, and time the median one on the data. Neither the store nor Ray is touched."""
    from ressearch.rehearsal import survey, timing

    limit, seed = settings["max_macs"].value, settings["seed"].value
    found = survey(space if limit is None else space.within(limit), seed)
    timed = seconds = None
    if not settings["evaluator"].value:
        from ressearch.data import load_search_data
        from ressearch.device import chosen_device
        from ressearch.search.fit import require_images_fit

        data = load_search_data(settings["source"].value)
        require_images_fit(space, data)
        timed = timing(found.median, data, space.grammar.fidelity, seed, chosen_device(settings["device"].value))
        seconds = _seconds(space, settings, timed)
    return Plan(settings, recipe_settings(space), found, timed, seconds)


def _seconds(space: SearchSpace, settings: Settings, timed: Timing) -> float:
    """Of all trials: baselines go to the last epoch, and no more than the processors are of use at once."""
    from ressearch.rehearsal import share_trained

    trials = settings["trials"].value
    whole = min(trials, len(space.baselines))
    share = share_trained(space) if settings["early_terminate"].value else 1.0
    trained: float = whole + (trials - whole) * share
    return trained * timed.trial_seconds / at_once(settings, timed)


def at_once(settings: Settings, timed: Timing) -> int:
    """Trials that do not slow each other down."""
    from ressearch.device import count_of

    workers: int | None = settings["workers"].value
    count = count_of(timed.device)  # of this machine, which is all that is known of a cluster before it is joined
    return count if workers is None else min(workers, count)


def print_plan(found: Plan, form: str) -> None:
    """On stdout."""
    FORMATS[form](replace(found, settings=_without_passwords(found.settings)))


def _without_passwords(settings: Settings) -> Settings:
    """All of them, with URLs that may be shown."""
    from ressearch.search.stored import shown
    from ressearch.store import database_of

    store, storage = settings["store"], settings["storage"]
    database = database_of(store.value)
    return {
        **settings,
        "store": replace(store, value=database.name) if database.secret else store,
        "storage": replace(storage, value=shown(storage.value)),
    }


def _print_table(found: Plan) -> None:
    from ressearch.view import clock

    for name, label in SHOWN.items():
        _print_setting(label, found.settings[name])
    for name, setting in found.recipe.items():
        _print_setting(f"train.{name}", setting)
    survey, timed = found.survey, found.timing
    ways = f"{survey.ways:,}" if isfinite(survey.ways) else "infinitely many"
    click.echo(f"\nspace   {ways} ways to decide a network")
    click.echo(f"MACs    {survey.least:,} to {survey.most:,} in {_samples()}, median {survey.median.cost.macs:,}")
    if survey.refused is not None:
        click.echo(f"limits  {survey.refused:.0%} of the networks drawn are beyond them, and are not proposed")
    if timed is None or found.seconds is None:
        click.echo("time    not known: the evaluator trains")
        return
    step, trial = 1e3 * timed.step_seconds, timed.trial_seconds
    click.echo(f"time    about {clock(found.seconds)}, beside the start of the workers, if the store knows none of it")
    click.echo(f"        {step:.1f} ms a step, {trial:.1f} s a trial: {timed.id}, the median, on {timed.device}")
    click.echo("nothing was trained, stored or started")


def _samples() -> str:
    from ressearch.rehearsal import SAMPLES

    return f"{SAMPLES} samples"


def _print_setting(label: str, setting: Setting) -> None:
    click.echo(f"{label:22}{_text(setting.value):30}{setting.source}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def _print_json(found: Plan) -> None:
    survey, timed = found.survey, found.timing
    page = {
        "settings": {label.replace(" ", "_"): _record(found.settings[name]) for name, label in SHOWN.items()},
        "train": {name: _record(setting) for name, setting in found.recipe.items()},
        "ways": survey.ways if isfinite(survey.ways) else None,
        "macs": {"least": survey.least, "median": survey.median.cost.macs, "most": survey.most},
        "refused": survey.refused,
        "time": None if timed is None else {**vars(timed), "seconds": found.seconds},
    }
    click.echo(json.dumps(page, indent=2))


def _record(setting: Setting) -> dict[str, Any]:
    value = setting.value if isinstance(setting.value, int | float | str | None) else str(setting.value)
    return {"value": value, "from": setting.source.value}


FORMATS: dict[str, Callable[[Plan], None]] = {"table": _print_table, "json": _print_json}
