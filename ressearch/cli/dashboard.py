"""The verb that shows a study in a dashboard that others made, or writes it for one: `dashboard`."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.notes import note
from ressearch.cli.options import opened_store, store_option
from ressearch.errors import DashboardError

if TYPE_CHECKING:
    from ressearch.dashboard import Snapshot
    from ressearch.store import Store

PORT = 8080


@click.command()
@click.argument("study", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--out", type=click.Path(path_type=Path), help="Write an Optuna storage, an SQLite file.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Write event files for TensorBoard to a folder.")
@click.option("--no-serve", is_flag=True, help="Write only, and open no dashboard.")
@click.option("--force", is_flag=True, help="Write over what is there.")
@store_option
def dashboard(
    study: str | None,
    port: int,
    out: Path | None,
    tensorboard: Path | None,
    no_serve: bool,
    force: bool,
    store: str | Path,
) -> None:
    """Show STUDY in optuna-dashboard, in a browser on this machine, until Ctrl-C.

    STUDY is the one begun last if none is named. What is shown is a copy in memory, made anew while trials come in; it
    is for reading, and the results store stays the only truth. Trials stopped at a rung are shown as pruned, each
    network's drawing in its trial's note.

    --out writes the copy to a file for Optuna's own tools, with drawings beside it; --tensorboard writes accuracy and
    loss by epochs, and the decisions as hyperparameters. Ray Tune's own logs are not kept: these are made of the store.
    """
    if no_serve and out is None and tensorboard is None:
        raise click.UsageError("--no-serve leaves nothing to do: give --out or --tensorboard")
    _check_place(out, tensorboard, force)

    from ressearch.dashboard import Snapshot, require_dashboard

    if not no_serve:
        require_dashboard()
    opened = opened_store(store)
    snapshot = Snapshot.of(opened, study)
    if out is not None:
        _write_storage(snapshot, out)
    if tensorboard is not None:
        _write_events(snapshot, tensorboard)
    if not no_serve:
        _serve(opened, snapshot.study.name, port)


def _check_place(out: Path | None, folder: Path | None, force: bool) -> None:
    """Raises DashboardError if something is there that is not to be written over."""
    hint = "--force writes over it"
    if out is not None and out.exists() and (not force or not out.is_file()):
        raise DashboardError(f"{out} is there already", hint=hint if out.is_file() else "give the name of a file")
    if folder is None or not folder.exists():
        return
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    others = [name for name in there if not re.fullmatch(r"trial-\d{5,}", name)]
    if others:
        raise DashboardError(f"{folder} holds {others[0]}, which is no run of a trial", hint="give a folder of its own")
    if there and not force:
        raise DashboardError(f"{folder} holds runs already", hint=hint)


def _write_storage(snapshot: Snapshot, out: Path) -> None:
    from ressearch.dashboard.files import drawings_of, write_storage

    write_storage(snapshot, out)
    note(
        f"{len(snapshot.trials)} trial(s) in {out}; to look at it: "
        f"optuna-dashboard sqlite:///{out} --artifact-dir {drawings_of(out)}",
    )


def _write_events(snapshot: Snapshot, folder: Path) -> None:
    from ressearch.dashboard.files import write_events

    runs = write_events(snapshot, folder)
    note(f"{runs} run(s) in {folder}; to look at them: tensorboard --logdir {folder}")


def _serve(store: Store, study: str, port: int) -> None:
    from ressearch.dashboard import Dashboard, Server, Snapshot

    warnings.simplefilter("ignore")  # Optuna's, on how it reckons importances, to the one who reads a page
    study_id = store.study(study)[0]
    server = Server(Dashboard(lambda: Snapshot.of(store, study), lambda: store.courses(study_id)), port)
    note(f"study {study}: {server.url} (Ctrl-C ends it)")
    server.serve()
