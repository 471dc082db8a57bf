"""Subjects: of the store by an id, or of a search space file by a name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ressearch.architecture import Architecture
from ressearch.errors import DataError, DecisionError, SpaceError, WeightsError
from ressearch.export.subject import Pixels, Subject
from ressearch.export.weights import Weights, file_weights, fresh_weights, kept_weights
from ressearch.space import SearchSpace
from ressearch.trial import Study, Trial

if TYPE_CHECKING:
    from ressearch.store import Store

ANEW = "none"
"""What `weights` says for weights that are drawn anew."""


def stored_subject(store: Store, id: str, weights: str | None = None, seed: int | None = None) -> Subject:
    """A network of the store by the beginning of its id, with all that is known of it.

    weights: a file, `none` for fresh ones, or None for those that a retraining left, fresh ones where none did. seed:
    of the retraining, or of the fresh weights. Raises StoreError for an unknown id, and WeightsError.
    """
    architecture, _ = store.architecture(id)
    chosen = given_weights(architecture, weights, seed)
    if chosen is None:
        chosen = kept_weights(store, architecture, seed) or _none_kept(store, architecture, seed)
    subject = Subject(
        architecture,
        chosen,
        trials=store.history(architecture.id),
        retrainings=store.retrainings(architecture.id),
        latencies=store.latencies(architecture.id),
    )
    return _with_space(store, subject)


def _none_kept(store: Store, architecture: Architecture, seed: int | None) -> Weights:
    """Fresh weights, unless weights of another seed are kept: then those of this one were meant."""
    seeds = sorted({one.seed for one, _ in store.artifacts(architecture.id)})
    if seeds:
        message = f"no weights of a retraining with seed {seed} are kept of {architecture.id}"
        hint = f"kept are those of seed {', '.join(map(str, seeds))}; --weights none draws new ones"
        raise WeightsError(message, hint=hint)
    return fresh_weights(architecture, seed or 0)


def _with_space(store: Store, subject: Subject) -> Subject:
    """With the space, decisions, recipe and data of the last of its trials that its space still builds."""
    for name, trial in reversed(subject.trials):
        study = store.study(name)[1]
        space = _space_of(study, trial, subject.architecture)
        if space is not None:
            recipe = space.decode_stored(trial.decisions).recipe
            named = trial.baseline or ""
            return replace(
                subject,
                name=named,
                space=space,
                decisions=trial.decisions,
                recipe=recipe,
                data=study.data_source,
                pixels=_pixels(study.data_source, subject.weights),
            )
    return subject


def _pixels(source: str, weights: Weights) -> Pixels | None:
    """How the images were normalised that the weights were trained on; None where they are not at hand."""
    if weights.retraining is None or not source:
        return None
    from ressearch.data import load_final_data
    from ressearch.training import pixel_statistics

    with suppress(DataError):
        data = load_final_data(source)
        if data.checksum == weights.retraining.data_checksum:
            mean, std = pixel_statistics(data.train)
            return Pixels(tuple(mean.flatten().tolist()), tuple(std.flatten().tolist()))
    return None


def _space_of(study: Study, trial: Trial, architecture: Architecture) -> SearchSpace | None:
    with suppress(SpaceError, DecisionError):
        space = SearchSpace.parse(study.space_text, study.space_name)
        if space.decode_stored(trial.decisions).architecture.id == architecture.id:
            return space
    return None


def given_weights(architecture: Architecture, weights: str | None, seed: int | None) -> Weights | None:
    """The weights that are asked for; None if the best that are known are meant."""
    if weights is None:
        return None
    return fresh_weights(architecture, seed or 0) if weights == ANEW else file_weights(architecture, Path(weights))


def file_subject(space: SearchSpace, name: str, weights: str | None = None, seed: int | None = None) -> Subject:
    """A network that a search space names."""
    candidate = space.networks[name]
    chosen = given_weights(candidate.architecture, weights, seed) or fresh_weights(candidate.architecture, seed or 0)
    return Subject(
        candidate.architecture,
        chosen,
        name,
        space,
        candidate.decisions,
        candidate.recipe,
        data=space.grammar.dataset or "",
    )
