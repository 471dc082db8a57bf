"""Records to rows and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from math import log10
from typing import Any

from sqlalchemy import Row

from ressearch.analysis import Analysis
from ressearch.cost import Cost
from ressearch.trial import (
    Artifact,
    Failure,
    Fidelity,
    Latency,
    Measurement,
    MeasurementKey,
    Origin,
    Proxies,
    Recipe,
    Retraining,
    Study,
    Trial,
    TrialState,
)

_PLAIN = ("name", "space_name", "space_text", "space_digest", "data_source", "recipe_digest", "seed", "commit")
"""Fields of a study that are columns of its table; the others are in its recipe's row, or nested."""


to_json = json.JSONEncoder(separators=(",", ":")).encode
"""The text of a column that holds JSON, without needless spaces."""


def row_of_study(study: Study) -> dict[str, Any]:
    """A row of `studies`."""
    plain = {name: getattr(study, name) for name in _PLAIN}
    search = None if study.search is None else to_json(dict(study.search))
    return plain | asdict(study.fidelity) | {"versions": to_json(dict(study.versions)), "search": search}


def study_of(row: Row[Any]) -> Study:
    """From a row of `studies` joined with its recipe."""
    return Study(
        **{name: getattr(row, name) for name in _PLAIN},
        data_checksum=row.data_checksum,
        recipe=recipe_of(row),
        fidelity=fidelity_of(row),
        versions=json.loads(row.versions),
        evaluator=row.evaluator,
        search=None if row.search is None else json.loads(row.search),
    )


def recipe_of(row: Row[Any]) -> Recipe:
    """From a row with the columns of `recipes`."""
    recipe: Recipe = _record(Recipe, row)
    return recipe


def row_of_trial(study_id: int, trial: Trial) -> dict[str, Any]:
    """A row of `trials`, of one that starts."""
    return {
        "study_id": study_id,
        "number": trial.number,
        "architecture_id": trial.architecture_id,
        "decisions": to_json(dict(trial.decisions)),
        "seed": trial.seed,
        "origin": trial.origin.value,
        "baseline": trial.baseline,
        "state": trial.state.value,
        "reused": False,
        "proposer": trial.proposer,
        "worker": trial.worker,
        "attributes": to_json(dict(trial.attributes)) if trial.attributes else None,
    }


def trial_of(row: Row[Any]) -> Trial:
    """From a row of `trials` joined with its measurement, if it has one."""
    return Trial(
        number=row.number,
        architecture_id=row.architecture_id,
        decisions=json.loads(row.decisions),
        seed=row.seed,
        origin=Origin(row.origin),
        baseline=row.baseline,
        state=TrialState(row.state),
        measurement=None if row.measurement_id is None else measurement_of(row),
        error=row.error,
        failure=None if row.failure is None else Failure(row.failure),
        reused=row.reused,
        proposer=row.proposer,
        worker=row.worker,
        attributes={} if row.attributes is None else json.loads(row.attributes),
    )


def row_of_measurement(key: MeasurementKey, measurement: Measurement) -> dict[str, Any]:
    """A row of `retrainings`, or, but for the architecture's cost, of `measurements`."""
    row = {"architecture_id": key.architecture_id, "recipe_digest": key.recipe_digest, "seed": key.seed}
    return row | asdict(key.fidelity) | asdict(measurement)


def measurement_of(row: Row[Any]) -> Measurement:
    """From a row with the columns of a measurement."""
    values = {field.name: getattr(row, field.name) for field in fields(Measurement)}
    values["flops"] = None if row.flops is None else int(row.flops)
    return Measurement(**values)


def fidelity_of(row: Row[Any]) -> Fidelity:
    """From a row with the columns of a fidelity."""
    fidelity: Fidelity = _record(Fidelity, row)
    return fidelity


def retraining_of(row: Row[Any]) -> Retraining:
    """From a row of `retrainings` joined with its recipe."""
    return Retraining(
        architecture_id=row.architecture_id,
        recipe=recipe_of(row),
        data_checksum=row.data_checksum,
        fidelity=fidelity_of(row),
        seed=row.seed,
        measurement=measurement_of(row),
    )


def latency_of(row: Row[Any]) -> Latency:
    """From a row of `latencies`."""
    latency: Latency = _record(Latency, row)
    return latency


def proxies_of(row: Row[Any]) -> Proxies:
    """From a row of `proxies`."""
    proxies: Proxies = _record(Proxies, row)
    return proxies


def artifact_of(row: Row[Any]) -> Artifact:
    """From a row of `artifacts`."""
    artifact: Artifact = _record(Artifact, row)
    return artifact


def cost_of_row(row: Row[Any]) -> Cost:
    """From a row of `architectures`."""
    cost: Cost = _record(Cost, row)
    return cost


def row_of_analysis(wiring: Analysis) -> dict[str, Any]:
    """The columns of `architectures` that tell of the wiring; block kinds have a table of their own."""
    return {
        "nesting": wiring.nesting,
        "skips": wiring.skips,
        "shortest_path": wiring.shortest,
        "longest_path": wiring.longest,
        "mean_path": wiring.mean_length,
        "log10_paths": log10(wiring.paths),
        "receptive_field": min(wiring.receptive_field, 2**63 - 1),  # of many strides: beyond every image, and 64 bits
    }


def _record(kind: Any, row: Row[Any]) -> Any:
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})
