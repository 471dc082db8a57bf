"""The verbs on one network of the store: `retrain` and `latency`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.notes import complain, note
from ressearch.cli.options import (
    FAILED_TRIALS,
    INTERRUPTED,
    data_source,
    device_option,
    format_option,
    opened_store,
    store_option,
)
from ressearch.errors import DivergedError, StoreError

if TYPE_CHECKING:
    from ressearch.architecture import Architecture
    from ressearch.data import SearchData
    from ressearch.store import Store
    from ressearch.trial import Recipe, Retraining, Study, Trial


@click.command()
@click.argument("id")
@click.option("--epochs", type=click.IntRange(1), required=True, help="Passes over all training images.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings, of seeds 0, 1, ...")
@click.option("--study", help="Take data and recipe from this study.  [default: the last that measured the network]")
@click.option("--data", "source", help="Data set, instead of the study's.")
@click.option("--set", "changes", metavar="KEY=VALUE", multiple=True, help="A field of the recipe, e.g. lr=0.2.")
@click.option("--compile", "compiled", is_flag=True, help="With torch.compile: for long trainings.")
@click.option("--keep", is_flag=True, help="Keep the trained weights in a folder beside the store.")
@device_option
@format_option("table", "json")
@store_option
def retrain(
    id: str,
    epochs: int,
    seeds: int,
    study: str | None,
    source: str | None,
    changes: tuple[str, ...],
    compiled: bool,
    keep: bool,
    device: str,
    form: str,
    store: str | Path,
) -> None:
    """Train a network from scratch and measure it on the test images: mean and spread over seeds.

    ID is the beginning of an id in the store. The training images are all but the test images, those that validated
    the search among them; nothing else touches the test images. The recipe is the one under which a study measured the
    network. Interrupted, the same command goes on.

    With --keep the weights of each training are written to FOLDER/NAME.pt, told on stderr: torch.load(PATH,
    weights_only=True) is a state dictionary of ressearch.network.Network.
    """
    from ressearch.data import load_final_data
    from ressearch.device import chosen_device

    device, opened = chosen_device(device), opened_store(store)
    architecture, _ = opened.architecture(id)
    origin, trial = _origin(opened, architecture.id, study)
    recipe = _changed(origin.recipe_of(trial), changes)
    data = load_final_data(data_source(origin, source))
    known, new = _known(opened, architecture.id, recipe, data, epochs, range(seeds), keep)
    for one in known:
        _say(one, len(data.validation), "known from the store")
    try:
        found = [*known, *_trained(opened, store, architecture, data, recipe, epochs, new, device, compiled, keep)]
    except KeyboardInterrupt:
        complain("\ninterrupted; what is finished is kept, and the same command goes on")
        sys.exit(INTERRUPTED)
    if found:
        RETRAIN_FORMATS[form](found)
    if len(found) < seeds:
        sys.exit(FAILED_TRIALS)


def _trained(
    opened: Store,
    store: str | Path,
    architecture: Architecture,
    data: SearchData,
    recipe: Recipe,
    epochs: int,
    seeds: Sequence[int],
    device: str,
    compiled: bool,
    keep: bool,
) -> Iterator[Retraining]:
    """Trainings that are recorded one by one; one that fails is told of and left out."""
    from ressearch.retraining import checkpoint_name, retrain
    from ressearch.store import database_of

    database = database_of(store)
    folder = database.checkpoints / "retrain"
    for seed in seeds:
        name = checkpoint_name(architecture, data, recipe, epochs, seed)
        checkpoint, weights = folder / name, database.artifacts / f"{name}.pt" if keep else None
        try:
            trained = retrain(architecture, data, recipe, epochs, seed, device, checkpoint, compiled, weights)
        except DivergedError as error:
            complain(f"seed {seed} failed: {error.message}; a lower rate may help: --set lr=...")
        else:
            one = opened.record_retraining(trained)
            _say(trained, len(data.validation), f"{trained.measurement.seconds:.0f} s")
            if weights is not None:
                _keep(opened, trained, weights)
            yield one
        checkpoint.unlink(missing_ok=True)
    with suppress(OSError):  # there is none, or another retraining has something in it
        folder.rmdir()


def _keep(store: Store, trained: Retraining, weights: Path) -> None:
    """Record weights that have been written."""
    from ressearch.store.artifacts import artifact_of
    from ressearch.trial import MeasurementKey

    digest = trained.recipe.digest(trained.data_checksum)
    key = MeasurementKey(trained.architecture_id, digest, trained.fidelity, trained.seed)
    store.record_artifact(key, artifact_of(weights))
    note(f"seed {trained.seed}: weights in {weights}")


def _origin(store: Store, id: str, study: str | None) -> tuple[Study, Trial]:
    """The study whose data and recipe are meant, and its trial of the network."""
    if study is not None:
        store.study(study)
    measured = [(name, trial) for name, trial in store.history(id) if trial.measurement is not None]
    history = [(name, trial) for name, trial in measured if study is None or name == study]
    if not history:
        where = "no study" if study is None else f"the study {study!r} has not"
        raise StoreError(f"{where} measured {id}", hint=f"`ressearch show {id}` lists the studies that did")
    name, trial = history[-1]
    return store.study(name)[1], trial


def _changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe with what `--set` says. Raises BadParameter for what is no field, or no value of it."""
    from ressearch.trial import Recipe

    for change in changes:
        name, _, text = change.partition("=")
        known = [field.name for field in fields(recipe)]
        if name not in known:
            raise click.BadParameter(f"{name!r} is no field of the recipe; fields are {', '.join(known)}")
        try:
            recipe = replace(recipe, **{name: _value(type(getattr(Recipe(), name)), text)})
        except ValueError as error:
            raise click.BadParameter(str(error) if str(error).startswith(name) else f"{name}: {error}") from error
    return recipe


def _value(kind: type, text: str) -> Any:
    """What a text says to a field of a type: `true`, `12`, `0.5`."""
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(f"expected true or false, got {text!r}")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"expected {wanted}, got {text!r}") from None


def _known(
    store: Store, id: str, recipe: Recipe, data: SearchData, epochs: int, seeds: Sequence[int], keep: bool
) -> tuple[list[Retraining], list[int]]:
    """What the store knows of these trainings already, and the seeds that are left; keep: it has the weights too."""
    there = [one for one, _ in store.artifacts(id)] if keep else store.retrainings(id)
    stored = [one for one in there if (one.recipe, one.data_checksum) == (recipe, data.checksum)]
    of_seed = {one.seed: one for one in stored if one.fidelity.epochs == epochs}
    return [of_seed[seed] for seed in seeds if seed in of_seed], [seed for seed in seeds if seed not in of_seed]


def _say(one: Retraining, images: int, how: str) -> None:
    from ressearch.view import percent

    note(f"seed {one.seed}: {percent(one.measurement.accuracy)} of {images:,} test images, {how}")


def _retrain_table(found: list[Retraining]) -> None:
    from ressearch.view import summary_line

    click.echo(f"test accuracy: {summary_line([one.measurement.accuracy for one in found])}")


def _retrain_json(found: list[Retraining]) -> None:
    from ressearch.ranking import summary

    over = summary([one.measurement.accuracy for one in found])
    page = {"test_accuracy": asdict(over), "trainings": [asdict(one) for one in found]}
    click.echo(json.dumps(page, indent=2))


RETRAIN_FORMATS: dict[str, Callable[[list[Retraining]], None]] = {"table": _retrain_table, "json": _retrain_json}


@click.command()
@click.argument("id")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Images a pass.")
@click.option("--repeats", type=click.IntRange(1), default=50, show_default=True, help="Passes that are timed.")
@click.option("--threads", type=click.IntRange(1), help="Of the CPU.  [default: number of cores]")
@click.option("--fp32", is_flag=True, help="No bf16, even where the device is fast at it.")
@device_option
@format_option("table", "json")
@store_option
def latency(
    id: str, batch: int, repeats: int, threads: int | None, fp32: bool, device: str, form: str, store: str | Path
) -> None:
    """Time a network's forward pass: the median of timed batches, stored beside its cost.

    ID is the beginning of an id in the store.
    """
    opened = opened_store(store)
    architecture, _ = opened.architecture(id)

    from ressearch.device import chosen_device
    from ressearch.latency import time_passes
    from ressearch.view import latency_line

    found = time_passes(architecture, chosen_device(device), batch, repeats, threads, amp=not fp32)
    opened.record_latency(found)
    if form == "json":
        click.echo(json.dumps(asdict(found), indent=2))
        return
    click.echo(f"{architecture.id} on {latency_line(found)}")
