"""A study of ours as one of Optuna's: the same trials under the same numbers, in whatever storage is given.

A study of two objectives cannot prune as it runs (`Trial.report` raises there), but it can hold trials that were
pruned. So ours that were stopped at a rung are told as pruned, with accuracies by epochs as intermediate values: told
as complete, what a few epochs gave would stand in the front beside whole trainings.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.artifacts import ArtifactMeta
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from ressearch.dashboard.notes import study_note, trial_note
from ressearch.dashboard.snapshot import Snapshot
from ressearch.search.dialect import distribution_of
from ressearch.space import Domain
from ressearch.store import NetworkFacts
from ressearch.trial import Trial, TrialState

DIRECTIONS = {"accuracy": StudyDirection.MAXIMIZE, "MACs": StudyDirection.MINIMIZE}
"""Metrics by name, in the order of their values, and where each is to go."""

STATES = {
    TrialState.RUNNING: OptunaState.RUNNING,
    TrialState.STOPPED: OptunaState.PRUNED,
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.FAILED: OptunaState.FAIL,
}

NOTE_PART = 2_045
"""Characters of a note in one attribute, as optuna-dashboard has it."""


def copy_into(storage: BaseStorage, snapshot: Snapshot) -> optuna.Study:
    """Write the study into an Optuna storage that has none of its name."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, study_name=snapshot.study.name, directions=list(DIRECTIONS.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(DIRECTIONS))
    for name, value in study_attributes(snapshot).items():
        study.set_user_attr(name, value)
    study_id = storage.get_study_id_from_name(snapshot.study.name)
    _save_note(storage, study_id, None, study_note(snapshot))
    distributions = distributions_of(snapshot)
    for trial in snapshot.trials:
        trial_id = storage.create_new_trial(study_id, template_trial=frozen(snapshot, trial, distributions))
        drawing = f"/artifacts/{study_id}/{trial_id}/{trial.architecture_id}"
        _save_note(storage, study_id, trial_id, trial_note(snapshot, trial, drawing))
    return study


def study_attributes(snapshot: Snapshot) -> dict[str, Any]:
    """What is told of the study as a whole."""
    study, fidelity = snapshot.study, snapshot.study.fidelity
    told = {
        "space": study.space_name,
        "data": study.data_source or study.evaluator,
        "epochs": fidelity.epochs,
        "data_fraction": fidelity.data_fraction,
        "resolution": fidelity.resolution,
        "recipe": study.recipe_digest,
        "seed": study.seed,
        "versions": dict(study.versions),
        "commit": study.commit,
    }
    return {name: value for name, value in told.items() if value is not None}


def frozen(snapshot: Snapshot, trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """One trial; its id is the storage's affair."""
    network, course = snapshot.networks[trial.architecture_id], snapshot.courses[trial.number]
    complete, running = trial.state is TrialState.COMPLETE, trial.state is TrialState.RUNNING
    accuracy = 0.0 if trial.measurement is None else trial.measurement.accuracy
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,
        state=STATES[trial.state],
        value=None,
        values=[accuracy, float(network.cost.macs)] if complete else None,
        datetime_start=datetime.fromtimestamp(course.started),
        datetime_complete=None if running else datetime.fromtimestamp(course.finished or course.started),
        params={path: _choice(value, distributions[path]) for path, value in trial.decisions.items()},
        distributions={path: distributions[path] for path in trial.decisions},
        user_attrs=trial_attributes(network, trial),
        system_attrs={f"artifacts:{network.id}": _artifact(network)},
        intermediate_values={epochs: measured.accuracy for epochs, measured in snapshot.curve(trial)},
    )


def trial_attributes(network: NetworkFacts, trial: Trial) -> dict[str, Any]:
    """What is told of a trial beside its metrics, as far as it is known. trial: its number in our store."""
    told: dict[str, Any] = {
        "trial": trial.number,
        "id": network.id,
        "macs": network.cost.macs,
        "params": network.cost.params,
        "depth": network.cost.depth,
        "nesting": network.nesting,
        "skips": network.skips,
        "state": trial.state.value,
        "baseline": trial.baseline,
        "proposer": trial.proposer,
        "seed": trial.seed,
        "reused": trial.reused,
        "failure": trial.failure and trial.failure.value,
    }
    if trial.measurement is not None:
        told |= {name: getattr(trial.measurement, name) for name in ("loss", "train_loss", "seconds", "device")}
    return {name: value for name, value in told.items() if value is not None}


def _artifact(network: NetworkFacts) -> str:
    """That there is a drawing of the network, told as `optuna.artifacts.upload_artifact` would.

    That function wants a file, and a trial that is running; one that is finished then loses the time of its end.
    """
    meta = ArtifactMeta(artifact_id=network.id, filename=f"{network.id}.svg", mimetype="image/svg+xml", encoding=None)
    return json.dumps(vars(meta))


# Distributions


def distributions_of(snapshot: Snapshot) -> dict[str, BaseDistribution]:
    """Of each choice that was met, by path: one for all trials, as Optuna wants it."""
    return {path: _distribution(snapshot.domains.get(path), values) for path, values in snapshot.values.items()}


def _distribution(domain: Domain | None, values: Sequence[Any]) -> BaseDistribution:
    """The choice's domain where all values are of it; else one of the values that there are."""
    if domain is not None and all(value in domain for value in values):
        return distribution_of(domain)
    return CategoricalDistribution(list(dict.fromkeys(map(plain, values))))


def _choice(value: Any, distribution: BaseDistribution) -> Any:
    return plain(value) if isinstance(distribution, CategoricalDistribution) else value


def plain(value: Any) -> bool | int | float | str | None:
    """A value as Optuna's categorical choices may be; any other as JSON."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


# Notes


def _save_note(storage: BaseStorage, study_id: int, trial_id: int | None, text: str) -> None:
    """Save a note as `optuna_dashboard.save_note` does, which takes as long for each as there are notes already."""
    whose = "" if trial_id is None else f"{trial_id}:"
    storage.set_study_system_attr(study_id, f"dashboard:{whose}note_ver", 1)
    for part, start in enumerate(range(0, len(text), NOTE_PART)):
        name = f"dashboard:{whose}note_str:{part}"
        storage.set_study_system_attr(study_id, name, text[start : start + NOTE_PART])
