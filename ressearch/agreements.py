"""How far cheap accuracies of a study order its networks as dear ones do: rungs, and the search against retraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING

from ressearch.store import Asked, Result

if TYPE_CHECKING:
    from ressearch.correlation import Agreement

Pairs = Mapping[str, Sequence[tuple[float, float]]]

LEAST = 5
"""Networks from which orders are compared."""


def agreements(asked: Asked) -> dict[str, Agreement]:
    """How far two accuracies order the study's networks alike, by what is compared; nothing of fewer than five."""
    enough = {name: found for name, found in pairs(asked).items() if len(found) >= LEAST}
    if not enough:
        return {}
    from ressearch.correlation import agreement  # numpy takes long to start

    return {name: agreement([one for one, _ in found], [other for _, other in found]) for name, found in enough.items()}


def pairs(asked: Asked) -> Pairs:
    """The accuracies that are compared, by what is compared: the cheap one first."""
    return {**_rungs(asked), **_retrainings(asked)}


def _rungs(asked: Asked) -> Pairs:
    """Accuracies at a rung and at the last, of the trials that went so far."""
    found: dict[str, list[tuple[float, float]]] = {}
    measured = asked.store.rungs(asked.study_id)
    last = {result.number: result.accuracy for result in asked.store.results(asked.study_id)} if measured else {}
    for number, rungs in measured.items():
        for fidelity, measurement in rungs if number in last else []:
            name = f"accuracy after {fidelity.epochs} against {asked.study.fidelity.epochs} epochs"
            found.setdefault(name, []).append((measurement.accuracy, last[number]))
    return found


def _retrainings(asked: Asked) -> Pairs:
    """Accuracies in the search and of retrainings, by epochs of the latter: on the data set that most of them had."""
    retrained = asked.store.retrained_accuracies(asked.study_id)
    searched = mean_accuracies(asked.store.results(asked.study_id)) if retrained else {}
    return {
        f"search against retrained accuracy, {epochs} epochs": [(searched[id], tested[id]) for id in tested]
        for (epochs, _), tested in sorted(retrained.items(), key=lambda item: len(item[1]))
    }


def mean_accuracies(results: Sequence[Result]) -> dict[str, float]:
    """Of each network, over its trials."""
    accuracies: dict[str, list[float]] = {}
    for result in results:
        accuracies.setdefault(result.id, []).append(result.accuracy)
    return {id: mean(found) for id, found in accuracies.items()}
