"""All that a copy of a study is made of, read from the store at one time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ressearch.errors import RessearchError
from ressearch.space import Domain, SearchSpace
from ressearch.space.variation import parent_of
from ressearch.store import Course, NetworkFacts, Store
from ressearch.trial import Fidelity, Measurement, Study, Trial


@dataclass(frozen=True)
class Snapshot:
    """A study and all that is known of its trials; what is told by number is told of every trial.

    rungs: of trials that were promoted, what they measured before. networks: by id.
    """

    study: Study
    trials: Sequence[Trial]
    courses: Mapping[int, Course]
    rungs: Mapping[int, Sequence[tuple[Fidelity, Measurement]]]
    networks: Mapping[str, NetworkFacts]

    @classmethod
    def of(cls, store: Store, name: str | None) -> Snapshot:
        """A study by name, or the one begun last. Raises StoreError if there is none.

        The trials are read first: whatever is read of each of them later is there, though a search goes on.
        """
        study_id, study = store.study(name)
        trials = store.trials(study_id)
        return cls(study, trials, store.courses(study_id), store.rungs(study_id), store.networks(study_id))

    def curve(self, trial: Trial) -> list[tuple[int, Measurement]]:
        """Epochs and what was measured after them, at every rung of a trial and at its last measurement."""
        found = {fidelity.epochs: measured for fidelity, measured in self.rungs.get(trial.number, ())}
        epochs = self.courses[trial.number].epochs
        if trial.measurement is not None and epochs is not None:
            found[epochs] = trial.measurement
        return sorted(found.items())

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The domains of the choices by path, as far as the study's space tells them to the present version."""
        found: dict[str, Domain] = {}
        try:
            space, generator = SearchSpace.parse(self.study.space_text), random.Random(0)
            for trial in self.trials:
                if not found.keys() >= trial.decisions.keys():
                    found |= parent_of(space, trial.decisions, generator).domains
        except RessearchError:
            pass  # of a language that is no longer, or a network that no longer is one: the values speak for themselves
        return found

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """The values that were decided, by path."""
        found: dict[str, list[Any]] = {}
        for trial in self.trials:
            for path, value in trial.decisions.items():
                found.setdefault(path, []).append(value)
        return found
