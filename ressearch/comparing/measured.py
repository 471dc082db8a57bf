"""What is known of networks beside each other, and what of it can be told apart.

Of accuracies that is Welch's interval of the difference of two means: where it holds 0, neither network is called
better. It takes two seeds of each. Of latencies, quartiles that overlap cannot be told apart. Costs are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

from ressearch.analysis import Analysis, analyse
from ressearch.architecture import Architecture
from ressearch.cost import Cost, cost_of
from ressearch.ranking import Summary, summary
from ressearch.store import Store
from ressearch.trial import Latency, Study, TrialState

T_975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
)
"""Student's t for an interval of 95 %, by degrees of freedom from 1 to 20; of more it is no greater than the last."""


@dataclass(frozen=True)
class Accuracies:
    """Accuracies of one network under one recipe and fidelity, by seed.

    what: `search`, on validation images, or `retrained`, on test images. key: what makes two of them comparable.
    studies: that measured, of a search. epochs: of each training.
    """

    what: str
    key: str
    epochs: int
    studies: tuple[str, ...]
    of_seed: Mapping[int, float]

    @property
    def summary(self) -> Summary:
        """Mean and spread."""
        return summary(list(self.of_seed.values()))


@dataclass(frozen=True)
class Compared:
    """A network of a comparison, and all that is known of it.

    decisions: of its first trial in each study, by the study's name.
    """

    name: str
    architecture: Architecture
    cost: Cost
    wiring: Analysis
    accuracies: tuple[Accuracies, ...] = ()
    latencies: tuple[Latency, ...] = ()
    decisions: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def compared(name: str, architecture: Architecture, store: Store | None) -> Compared:
    """What a store knows of a network, by whatever name it goes; without one, what its wiring tells."""
    known = Compared(name, architecture, cost_of(architecture), analyse(architecture))
    if store is None:
        return known
    decisions: dict[str, Mapping[str, object]] = {}
    for study, trial in store.history(architecture.id):
        decisions.setdefault(study, trial.decisions)
    accuracies = (*_searched(store, architecture.id), *_retrained(store, architecture.id))
    latencies = {_conditions(one): one for one in store.latencies(architecture.id)}  # the latest of each
    return Compared(name, architecture, known.cost, known.wiring, accuracies, tuple(latencies.values()), decisions)


def _searched(store: Store, id: str) -> list[Accuracies]:
    """Of complete trials; those that share a measurement share its seed, and it counts once."""
    studies: dict[str, Study] = {}
    found: dict[tuple[str, int], dict[int, float]] = {}
    names: dict[tuple[str, int], dict[str, None]] = {}
    for name, trial in store.history(id):
        if trial.state is not TrialState.COMPLETE or trial.measurement is None:
            continue
        study = studies.setdefault(name, store.study(name)[1]) if name not in studies else studies[name]
        digest = study.recipe_of(trial).digest(study.data_checksum, study.evaluator)
        key = (f"{digest} {study.fidelity}", study.fidelity.epochs)
        found.setdefault(key, {})[trial.seed] = trial.measurement.accuracy
        names.setdefault(key, {})[name] = None
    return [Accuracies("search", key[0], key[1], tuple(names[key]), of_seed) for key, of_seed in found.items()]


def _retrained(store: Store, id: str) -> list[Accuracies]:
    found: dict[tuple[str, int], dict[int, float]] = {}
    for one in store.retrainings(id):
        key = (f"{one.recipe.digest(one.data_checksum)} {one.fidelity}", one.fidelity.epochs)
        found.setdefault(key, {})[one.seed] = one.measurement.accuracy
    return [Accuracies("retrained", key, epochs, (), of_seed) for (key, epochs), of_seed in found.items()]


def _conditions(one: Latency) -> tuple[str, str, int, int]:
    return one.device, one.precision, one.batch, one.threads


# Verdicts


@dataclass(frozen=True)
class Verdict:
    """How a network stands to the first one in one respect.

    what: the respect. first, other: the values. low, high: the 95 % interval of `other - first`, where there is one.
    better: the name of the one that is better; None where they are equal or cannot be told apart. why: of the latter.
    """

    what: str
    first: float
    other: float
    better: str | None
    low: float | None = None
    high: float | None = None
    why: str | None = None

    @property
    def difference(self) -> float:
        """Of the other from the first."""
        return self.other - self.first


def verdicts(first: Compared, other: Compared) -> list[Verdict]:
    """What can be compared of two networks: costs, accuracies of one recipe, latencies under the same conditions."""
    found = [
        _exact(name, getattr(first.cost, name), getattr(other.cost, name), first, other)
        for name in ("macs", "params", "activations", "peak")
    ]
    theirs = {(one.what, one.key): one for one in other.accuracies}
    for mine in first.accuracies:
        if (mine.what, mine.key) in theirs:
            found.append(_of_accuracies(mine, theirs[mine.what, mine.key], first, other))
    timed = {_conditions(one): one for one in other.latencies}
    for passed in first.latencies:
        if _conditions(passed) in timed:
            found.append(_of_latencies(passed, timed[_conditions(passed)], first, other))
    return found


def _exact(what: str, mine: int, its: int, first: Compared, other: Compared) -> Verdict:
    better = None if mine == its else first.name if mine < its else other.name
    return Verdict(what, mine, its, better)


def _of_accuracies(mine: Accuracies, its: Accuracies, first: Compared, other: Compared) -> Verdict:
    what = f"{label(mine)}"
    a, b = mine.summary, its.summary
    interval = welch(a, b)
    if interval is None:
        return Verdict(what, a.mean, b.mean, None, why=f"{a.seeds} and {b.seeds} seed(s) tell no spread")
    low, high = interval
    better = other.name if low > 0 else first.name if high < 0 else None
    return Verdict(what, a.mean, b.mean, better, low, high, None if better else "within the noise")


def label(one: Accuracies) -> str:
    """What was measured, in short."""
    return f"{one.what} accuracy, {one.epochs} epochs"


def welch(a: Summary, b: Summary) -> tuple[float, float] | None:
    """The 95 % interval of the mean of `b` minus that of `a` (Welch 1947); None unless both have a spread.

    The degrees of freedom are rounded down, which makes the interval the wider. Several seeds that gave the very same
    accuracies have no spread to reckon with either.
    """
    if a.deviation is None or b.deviation is None:
        return None
    of_a, of_b = a.deviation**2 / a.seeds, b.deviation**2 / b.seeds
    both = of_a + of_b
    if both == 0:
        return None
    # of shares, since the squares of tiny variances would be 0
    freedom = 1 / ((of_a / both) ** 2 / (a.seeds - 1) + (of_b / both) ** 2 / (b.seeds - 1))
    whole = min(max(int(freedom + 1e-9), 1), len(T_975))
    margin = T_975[whole - 1] * sqrt(both)
    return b.mean - a.mean - margin, b.mean - a.mean + margin


def _of_latencies(mine: Latency, its: Latency, first: Compared, other: Compared) -> Verdict:
    what = f"latency, {mine.device}, {mine.precision}, batch {mine.batch}"
    better = first.name if mine.high_seconds < its.low_seconds else None
    better = other.name if its.high_seconds < mine.low_seconds else better
    why = None if better else "quartiles overlap"
    return Verdict(what, mine.median_seconds, its.median_seconds, better, why=why)


def decided(first: Compared, other: Compared) -> dict[str, dict[str, tuple[object, object]]]:
    """Of each study that has both: the decisions that differ, by path; None for one that is not asked for."""
    found: dict[str, dict[str, tuple[object, object]]] = {}
    for study in first.decisions.keys() & other.decisions.keys():
        mine, its = first.decisions[study], other.decisions[study]
        paths: Sequence[str] = list(dict.fromkeys([*mine, *its]))
        found[study] = {path: (mine.get(path), its.get(path)) for path in paths if mine.get(path) != its.get(path)}
    return dict(sorted(found.items()))
