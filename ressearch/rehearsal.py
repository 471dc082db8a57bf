"""What a search would be like, before it is begun: how large its networks are, and about how long it takes.

Nothing is stored, and nobody else is asked: a few networks are drawn, and one of them takes some steps of training.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch

from ressearch.data import SearchData
from ressearch.errors import SpaceError
from ressearch.space import Candidate, SearchSpace
from ressearch.training import EVALUATION_BATCH, Training
from ressearch.trial import Fidelity

SAMPLES = 20
DRAWS = 200
WARM_UP, STEPS, SECONDS = 2, 10, 2.0
"""Steps that are not timed, steps that are at most, and when they end in any case."""


@dataclass(frozen=True)
class Survey:
    """Networks of a space: the least, the median and the most MACs of a sample within the limits.

    ways: to decide a network; infinite where a real number is to be chosen. refused: the share of networks, drawn
    whatever the limits, that are beyond them; None where there are no limits.
    """

    ways: float
    least: int
    median: Candidate
    most: int
    refused: float | None


@dataclass(frozen=True)
class Timing:
    """How long a network takes on one thread or GPU: a step of training, and a whole trial up to its last epoch."""

    id: str
    macs: int
    device: str
    step_seconds: float
    trial_seconds: float


def survey(space: SearchSpace, seed: int) -> Survey:
    """Draw networks of a space. Raises NothingFitsError if none is within its limits."""
    generator = random.Random(seed)
    drawn = sorted((space.sample(generator) for _ in range(SAMPLES)), key=lambda candidate: candidate.cost.macs)
    refused = _refused(space, generator) if space.grammar.limits else None
    return Survey(space.size(), drawn[0].cost.macs, drawn[SAMPLES // 2], drawn[-1].cost.macs, refused)


def _refused(space: SearchSpace, generator: random.Random) -> float:
    outcomes = [space.permits(candidate.cost) for candidate in _well_typed(space, generator)]
    return outcomes.count(False) / max(1, len(outcomes))


def _well_typed(space: SearchSpace, generator: random.Random) -> Iterator[Candidate]:
    for _ in range(DRAWS):
        try:
            yield space.draw(generator)
        except SpaceError:
            continue


def timing(candidate: Candidate, data: SearchData, fidelity: Fidelity, seed: int, device: str) -> Timing:
    """Time some steps of a network's training on real images, and part of its evaluation.

    Raises TrainingError if the network does not fit the data.
    """
    with _one_thread():
        training = Training(candidate.architecture, data, candidate.recipe, fidelity, seed, device)
        validation = data.validation.first(0.0, at_least=EVALUATION_BATCH)
        began = perf_counter()
        training.evaluate(validation)
        evaluation = (perf_counter() - began) * len(data.validation) / len(validation)
        step = _step_seconds(training)
    whole = step * training.steps_per_epoch * fidelity.epochs + evaluation
    return Timing(candidate.architecture.id, candidate.cost.macs, device, step, whole)


def _step_seconds(training: Training) -> float:
    """The median of some steps."""
    taken: list[float] = []
    for _ in range(WARM_UP):
        training.rehearse()
    while len(taken) < STEPS and sum(taken) < SECONDS:
        taken.append(training.rehearse())
    return median(taken)


def share_trained(space: SearchSpace) -> float:
    """Of a proposed network's epochs, how many are trained where one in `eta` goes on from each rung; 1 without."""
    early = space.grammar.early_terminate
    if early is None:
        return 1.0
    rungs = early.rungs(space.grammar.fidelity.epochs)
    steps = zip([0, *rungs], rungs, strict=False)
    trained = sum((rung - before) * float(early.eta) ** -n for n, (before, rung) in enumerate(steps))
    return float(trained / rungs[-1])


@contextmanager
def _one_thread() -> Iterator[None]:
    """As a worker trains: several threads each would only get into each other's way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
