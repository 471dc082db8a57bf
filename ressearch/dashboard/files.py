"""Copies of a study on the disk: an Optuna storage in an SQLite file, and event files for TensorBoard."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from optuna.storages import RDBStorage

from ressearch.dashboard.copy import copy_into, plain
from ressearch.dashboard.snapshot import Snapshot
from ressearch.trial import Trial
from ressearch.whole import whole


def drawings_of(file: Path) -> Path:
    """The folder of the drawings that belong to a storage."""
    return file.with_name(f"{file.name}.drawings")


def write_storage(snapshot: Snapshot, file: Path) -> None:
    """Write an SQLite file that `optuna.load_study` opens, and beside it the drawings as artifacts.

    The file is there as a whole or not at all; one that is there already is replaced.
    """
    from ressearch.drawing import svg

    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(drawings_of(file)) as folder:
        folder.mkdir()
        for network in snapshot.networks.values():
            (folder / network.id).write_text(svg(network.architecture), encoding="utf-8")
    with whole(file) as written:
        storage = RDBStorage("sqlite://", engine_kwargs={"creator": lambda: _connected(written)})
        try:
            copy_into(storage, snapshot)
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _connected(file: Path) -> sqlite3.Connection:
    """A connection that waits for no disk, since a file that is half written is thrown away."""
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    return connection


def write_events(snapshot: Snapshot, folder: Path) -> int:
    """Write a TensorBoard run for each measured trial into a new or empty folder; how many.

    A run has accuracy and loss by epochs, at each rung and at the end, and MACs; and its decisions and metrics for the
    tab HPARAMS. What is between is not in the store. Times are those of the trial: of a rung, when it began.
    """
    with whole(folder) as written:
        written.mkdir(parents=True)
        measured = [trial for trial in snapshot.trials if trial.measurement is not None]
        for trial in measured:
            _write_run(snapshot, trial, written / f"trial-{trial.number:05}")
    return len(measured)


def _write_run(snapshot: Snapshot, trial: Trial, folder: Path) -> None:
    from tensorboardX import SummaryWriter  # type: ignore[import-untyped]  # comes with Ray Tune
    from tensorboardX.summary import hparams  # type: ignore[import-untyped]

    course, macs = snapshot.courses[trial.number], snapshot.networks[trial.architecture_id].cost.macs
    curve = snapshot.curve(trial)
    with SummaryWriter(str(folder), max_queue=0) as writer:
        for epochs, measured in curve:
            last = (epochs, measured) == curve[-1]
            when = course.finished if last and course.finished is not None else course.started
            for name in ("accuracy", "loss", "train_loss"):
                value = getattr(measured, name)
                if value is not None:
                    writer.add_scalar(name, value, epochs, walltime=when)
            writer.add_scalar("MACs", macs, epochs, walltime=when)
        metrics = {"accuracy": curve[-1][1].accuracy, "MACs": macs}
        for summary in hparams(_hparams(snapshot, trial), metrics):
            writer.file_writer.add_summary(summary, walltime=course.started)


def _hparams(snapshot: Snapshot, trial: Trial) -> dict[str, bool | float | str]:
    told = {path: plain(value) for path, value in trial.decisions.items()}
    told |= {"id": trial.architecture_id, "baseline": trial.baseline, "state": trial.state.value, "seed": trial.seed}
    return {name: value for name, value in told.items() if value is not None}
