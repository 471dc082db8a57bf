"""What a report is about: the networks of a study with all that the store knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

from ressearch.analysis import Analysis, analyse
from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.drawing import svg
from ressearch.ranking import Point, knee, pareto_front
from ressearch.store import Limits, Store
from ressearch.trial import Fidelity, Measurement, Retraining, Study, Trial, TrialState

PLAIN, NESTED = "plain", "nested"


@dataclass(frozen=True, eq=False)
class Network:
    """A network that was measured: accuracies holds one number for each training, on validation images."""

    architecture: Architecture
    cost: Cost
    wiring: Analysis
    trials: Sequence[Trial]
    accuracies: Sequence[float]

    @property
    def id(self) -> str:
        """Of its architecture."""
        return self.architecture.id

    @property
    def number(self) -> int:
        """Of its first trial."""
        return self.trials[0].number

    @cached_property
    def accuracy(self) -> float:
        """Mean over its trainings."""
        return mean(self.accuracies)

    @property
    def point(self) -> Point:
        """Accuracy and MACs."""
        return self.accuracy, self.cost.macs

    @property
    def baseline(self) -> str | None:
        """Its name in the file, if it is a baseline."""
        return next((trial.baseline for trial in self.trials if trial.baseline), None)

    @cached_property
    def drawing(self) -> str:
        """Of its wiring, an SVG element: a tenth of a second for large networks."""
        return svg(self.architecture)

    @cached_property
    def kind(self) -> str:
        """Its kind of block: nested where residual sums enclose others, else what most blocks are, plain of none."""
        if self.wiring.nesting > 1:
            return NESTED
        return next(iter(self.wiring.kinds), PLAIN)


@dataclass(frozen=True)
class Findings:
    """A study, its trials and its measured networks in the order of their first trials.

    rungs: by number of the trial, what it measured before its last measurement. retrained: by id of the architecture.
    limits: what a network may cost to be the answer. seeds: by id, accuracies of the front and the baselines under
    the study's recipe and fidelity, one for each training in whatever study.
    """

    study: Study
    trials: Sequence[Trial]
    networks: Sequence[Network]
    rungs: Mapping[int, Sequence[tuple[Fidelity, Measurement]]]
    retrained: Mapping[str, Sequence[Retraining]]
    limits: Limits
    seeds: Mapping[str, Sequence[float]]

    @cached_property
    def front(self) -> list[Network]:
        """The networks that no other dominates, by rising MACs."""
        return [self.networks[i] for i in pareto_front([network.point for network in self.networks])]

    @cached_property
    def by_id(self) -> dict[str, Network]:
        """The networks by the id of their architecture."""
        return {network.id: network for network in self.networks}

    def position(self, network: Network) -> int:
        """Where a network stands among all."""
        return self._positions[network.id]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {network.id: at for at, network in enumerate(self.networks)}

    @property
    def baselines(self) -> list[Network]:
        """By rising MACs."""
        return sorted((one for one in self.networks if one.baseline), key=lambda one: one.cost.macs)

    @cached_property
    def knee(self) -> Network | None:
        """The one at the knee of the front."""
        found = knee([network.point for network in self.front])
        return None if found is None else self.front[found]

    @cached_property
    def within(self) -> list[Network]:
        """The part of the front within the limits."""
        return [network for network in self.front if _fits(network, self.limits)]

    @property
    def answer(self) -> Network | None:
        """The most accurate network within the limits; without limits the one at the knee."""
        if self.limits == Limits():
            return self.knee
        fitting = [network for network in self.networks if _fits(network, self.limits)]
        return max(fitting, key=lambda one: (one.accuracy, -one.cost.macs), default=None)

    def count(self, state: TrialState) -> int:
        """How many trials are in a state."""
        return sum(trial.state is state for trial in self.trials)


def _fits(network: Network, limits: Limits) -> bool:
    cost = network.cost
    pairs = ((cost.macs, limits.max_macs), (cost.params, limits.max_params))
    enough = limits.min_accuracy is None or network.accuracy >= limits.min_accuracy
    return enough and all(most is None or value <= most for value, most in pairs)


def findings(store: Store, name: str | None = None, limits: Limits | None = None) -> Findings:
    """All that a report tells of a study, by name or the one begun last; without limits, those of its search hold.

    Raises StoreError if there is no such study.
    """
    study_id, study = store.study(name)
    trials = store.trials(study_id)
    networks = _networks(store, trials)
    front = pareto_front([network.point for network in networks])
    shown = {networks[i].id for i in front} | {network.id for network in networks if network.baseline}
    return Findings(
        study=study,
        trials=trials,
        networks=networks,
        rungs=store.rungs(study_id),
        retrained={id: found for id in sorted(shown) if (found := store.retrainings(id))},
        limits=_limits_of(study) if limits is None else limits,
        seeds=_seeds(store, study_id, study, shown),
    )


def _limits_of(study: Study) -> Limits:
    most = (study.search or {}).get("max_macs")
    return Limits(max_macs=most if isinstance(most, int) else None)


def _networks(store: Store, trials: Sequence[Trial]) -> list[Network]:
    complete: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.state is TrialState.COMPLETE:
            complete.setdefault(trial.architecture_id, []).append(trial)
    return [_network(*store.architecture(id), found) for id, found in complete.items()]


def _network(architecture: Architecture, cost: Cost, trials: Sequence[Trial]) -> Network:
    measured = dict.fromkeys(trial.measurement for trial in trials if trial.measurement)  # a reused one counts once
    return Network(architecture, cost, analyse(architecture), trials, [one.accuracy for one in measured])


def _seeds(store: Store, study_id: int, study: Study, ids: set[str]) -> dict[str, list[float]]:
    """Accuracies of every training of these networks under the recipe and fidelity of the study, in whatever study."""
    alike = set(store.comparable(study_id).values())
    found: dict[str, list[float]] = {}
    for id in sorted(ids):
        history = [trial for name, trial in store.history(id) if name in alike and trial.state is TrialState.COMPLETE]
        measured = dict.fromkeys(trial.measurement for trial in history if trial.measurement)
        found[id] = [one.accuracy for one in measured]
    return found
