"""The numbers of a report: MACs saved at equal accuracy, and the hypervolume as trials and hours went by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TypeVar

import numpy as np

from ressearch.ranking import Point, hypervolume, pareto_front
from ressearch.report.findings import Findings, Network
from ressearch.trial import Trial, TrialState


@dataclass(frozen=True)
class Saving:
    """The cheapest network that is as accurate as a baseline; where there is none, the most accurate one is nearest."""

    baseline: Network
    network: Network | None
    nearest: Network | None

    @property
    def share(self) -> float | None:
        """Of the baseline's MACs that are saved; below 0 where the network costs more."""
        return None if self.network is None else 1 - self.network.cost.macs / self.baseline.cost.macs


def savings(networks: Sequence[Network]) -> list[Saving]:
    """Against each baseline, cheapest first, among the networks that are none."""
    found = [network for network in networks if not network.baseline]
    nearest = max(found, key=lambda one: (one.accuracy, -one.cost.macs), default=None)
    baselines = sorted((one for one in networks if one.baseline), key=lambda one: one.cost.macs)
    return [Saving(baseline, _cheapest(found, baseline.accuracy), nearest) for baseline in baselines]


def _cheapest(networks: Sequence[Network], accuracy: float) -> Network | None:
    able = [network for network in networks if network.accuracy >= accuracy]
    return min(able, key=lambda one: (one.cost.macs, -one.accuracy), default=None)


@dataclass(frozen=True)
class Step:
    """The study after one more trial that ended: hours of training so far, and the hypervolume."""

    trial: int
    hours: float
    volume: float


@dataclass(frozen=True)
class Course:
    """Hypervolume over accuracy and the logarithm of MACs, as shares of the box between the reference and the ideal.

    reference: the least accuracy and the most MACs that were measured; ideal: the most and the least. steps: trial by
    trial in the order in which they began. shuffled: what the same trials give on average after as many of them, were
    they in random order. drawn_at_random: the same of the random proposals alone, where there are some.
    """

    reference: Point
    ideal: Point
    steps: Sequence[Step]
    shuffled: Sequence[float]
    drawn_at_random: Sequence[float]


LEAST_RANDOM = 5
"""Random proposals from which their own curve is drawn."""


def course(findings: Findings) -> Course | None:
    """How the front grew; None unless two measured networks differ in accuracy and in MACs."""
    points = [network.point for network in findings.networks]
    if len({accuracy for accuracy, _ in points}) < 2 or len({macs for _, macs in points}) < 2:
        return None
    reference = (min(a for a, _ in points), max(m for _, m in points))
    ideal = (max(a for a, _ in points), min(m for _, m in points))
    ended = [trial for trial in findings.trials if trial.state in _ENDED]
    of_trial = [_point_of(trial, findings) for trial in ended]
    at_random = [point for trial, point in zip(ended, of_trial, strict=True) if trial.proposer == "random"]
    return Course(
        reference=reference,
        ideal=ideal,
        steps=_steps(findings, ended, of_trial, (reference, ideal)),
        shuffled=expected(of_trial, reference, ideal),
        drawn_at_random=expected(at_random, reference, ideal) if LEAST_RANDOM <= len(at_random) < len(ended) else [],
    )


_ENDED = (TrialState.COMPLETE, TrialState.FAILED, TrialState.STOPPED)


def _point_of(trial: Trial, findings: Findings) -> Point | None:
    """Nothing of a trial that failed or was stopped."""
    if trial.state is not TrialState.COMPLETE or trial.measurement is None:
        return None
    return trial.measurement.accuracy, findings.by_id[trial.architecture_id].cost.macs


def seconds_of(trial: Trial, findings: Findings) -> float:
    """How long a trial trained: nothing where its measurement was known; of a failed one, as far as its last rung."""
    if trial.measurement is not None:
        return 0.0 if trial.reused else trial.measurement.seconds
    rungs = findings.rungs.get(trial.number, ())
    return max((measurement.seconds for _, measurement in rungs), default=0.0)


def _steps(
    findings: Findings, ended: Sequence[Trial], points: Sequence[Point | None], box: tuple[Point, Point]
) -> list[Step]:
    steps, front, seconds, volume = list[Step](), list[Point](), 0.0, 0.0
    for trial, point in zip(ended, points, strict=True):
        seconds += seconds_of(trial, findings)
        if point is not None:
            grown = [*front, point]
            front = [grown[i] for i in pareto_front(grown)]
            volume = share_of(front, *box)
        steps.append(Step(trial.number, seconds / 3600, volume))
    return steps


def share_of(points: Sequence[Point], reference: Point, ideal: Point) -> float:
    """The hypervolume over accuracy and log MACs, as a share of the box between the reference and the ideal point."""
    box = (ideal[0] - reference[0]) * (_log(reference[1]) - _log(ideal[1]))
    logs = [(accuracy, _log(macs)) for accuracy, macs in points]
    return hypervolume(logs, (reference[0], _log(reference[1]))) / box


def _log(macs: float) -> float:
    return log(max(macs, 1))


def expected(points: Sequence[Point | None], reference: Point, ideal: Point) -> list[float]:
    """Of n trials in random order, the hypervolume after 1, 2, ... n of them on average, exactly.

    A place that c of the n dominate is dominated by none of k drawn ones with probability C(n-c, k) / C(n, k). So only
    the area of all places with as many c is needed; it is swept from strip to strip of MACs. None is a trial without a
    measurement, which dominates nothing. Time grows with the square of n.
    """
    n, areas = len(points), _areas([point for point in points if point is not None], reference, ideal)
    dominating = np.array(list(areas))
    area, missed = np.array(list(areas.values())), np.ones(len(areas))
    found = []
    for k in range(n):
        missed *= np.maximum(n - dominating - k, 0) / (n - k)  # from C(n-c, k) / C(n, k) to that of k + 1
        found.append(float(area @ (1 - missed)))
    return found


T = TypeVar("T")


def thinned(values: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly over all; the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(at * (len(values) - 1) / (most - 1))] for at in range(most)]


def _areas(points: Sequence[Point], reference: Point, ideal: Point) -> dict[int, float]:
    """How many points dominate -> the share of the box that so many dominate; 0 is left out."""
    logs = sorted((_log(macs), accuracy) for accuracy, macs in points)
    edges = np.unique([reference[0], *(accuracy for _, accuracy in logs)])
    heights = np.diff(edges)
    box = (ideal[0] - reference[0]) * (_log(reference[1]) - _log(ideal[1]))
    counts, areas = np.zeros(len(heights), dtype=np.int64), np.zeros(len(logs) + 1)
    ends = [*(at for at, _ in logs), _log(reference[1])][1:]
    for (at, accuracy), end in zip(logs, ends, strict=True):
        counts[: np.searchsorted(edges, accuracy)] += 1  # the strips below the point
        if end > at:
            areas += np.bincount(counts, weights=heights * (end - at) / box, minlength=len(areas))
    return {c: float(area) for c, area in enumerate(areas) if c and area > 0}


def exclusive(front: Sequence[Point]) -> list[float]:
    """Of each point of a front, the share of the front's box that it alone dominates; by rising MACs."""
    if len(front) < 2 or front[0][1] == front[-1][1]:
        return [0.0] * len(front)
    reference, ideal = (front[0][0], front[-1][1]), (front[-1][0], front[0][1])
    whole = share_of(front, reference, ideal)
    return [whole - share_of([*front[:at], *front[at + 1 :]], reference, ideal) for at in range(len(front))]
