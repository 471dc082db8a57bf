"""Questions that a store answers from the database alone; `Store` has them too."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from ressearch.store.course import Course, NetworkFacts, courses_of, networks_of
from ressearch.store.database import Database
from ressearch.store.driver import Driver
from ressearch.store.history import Event, events_of
from ressearch.store.overview import Overview, Status, overviews_of, status_of
from ressearch.store.schema import architectures, trials
from ressearch.store.sql import MOST_ROWS, SECONDS, Answer
from ressearch.store.standing import (
    Limits,
    Merit,
    Result,
    Scope,
    Standing,
    all_of,
    comparable_to,
    count_of,
    elsewhere_of,
    front_of,
    ranked_of,
    results_of,
    standing_of,
)
from ressearch.trial import TrialState

NO_LIMITS = Limits()


class Questions:
    """What `Store` inherits. Studies are named by the id of their row, see `Store.study`."""

    _database: Database

    def results(self, study_id: int, limits: Limits = NO_LIMITS, *, all_studies: bool = False) -> list[Result]:
        """The finished trials of a study within limits beside their costs, in the order of their numbers.

        all_studies: of all studies of the same recipe and fidelity; a measurement that several share comes once.
        """
        with self._database.reading() as connection:
            return all_of(connection, Scope(study_id, all_studies), limits)

    def comparable(self, study_id: int) -> dict[int, str]:
        """Row id and name of each study whose accuracies can stand beside this one's: of one recipe and fidelity."""
        with self._database.reading() as connection:
            return comparable_to(connection, study_id)

    def elsewhere(self, study_id: int) -> list[tuple[dict[str, Any], float]]:
        """Decisions and accuracies of finished trials of other studies of the same space, recipe and fidelity."""
        with self._database.reading() as connection:
            return elsewhere_of(connection, study_id)

    def baselines(self, study_id: int) -> list[Result]:
        """Those of the results that were named in the file as baselines."""
        with self._database.reading() as connection:
            return results_of(connection, study_id, trials.c.baseline.is_not(None))

    def front(self, study_id: int, limits: Limits = NO_LIMITS, *, all_studies: bool = False) -> list[Result]:
        """The Pareto front of a study's results within limits, by rising MACs, see `ranking.pareto_front`.

        all_studies: of all measurements under the study's recipe and fidelity, whatever study made them.
        """
        with self._database.reading() as connection:
            return front_of(connection, Scope(study_id, all_studies), limits)

    def ranked(
        self,
        study_id: int,
        limits: Limits = NO_LIMITS,
        *,
        by: Merit = Merit.EFFICIENCY,
        limit: int = 10,
        all_studies: bool = False,
    ) -> list[Result]:
        """The best of a study's results within limits, or of all studies', the best first; at most `limit` of them."""
        if limit < 1:
            raise ValueError(f"limit is at least 1, not {limit}")
        with self._database.reading() as connection:
            return ranked_of(connection, Scope(study_id, all_studies), limits, by, limit)

    def standing(
        self, study_id: int, limits: Limits, floor: float, *, limit: int = 10, all_studies: bool = False
    ) -> Standing:
        """What `front`, `ranked` and `count` say, of a study in one pass.

        floor: the accuracy from which the ranking is; not below that of the limits. limit: of the ranking.
        """
        if limit < 1 or floor < (limits.min_accuracy or 0.0):
            raise ValueError(f"limit is at least 1 and floor at least {limits.min_accuracy}, not {limit} and {floor}")
        with self._database.reading() as connection:
            return standing_of(connection, Scope(study_id, all_studies), limits, floor, limit)

    def count(self, study_id: int, limits: Limits = NO_LIMITS, *, all_studies: bool = False) -> int:
        """How many of a study's results, or of all studies', are within limits."""
        with self._database.reading() as connection:
            return count_of(connection, Scope(study_id, all_studies), limits)

    def events(self, architecture_id: str) -> list[Event]:
        """All that became known of an architecture: trials, rungs, retrainings and more, the earliest first."""
        with self._database.reading() as connection:
            return events_of(connection, architecture_id)

    def macs(self, study_id: int) -> dict[int, int]:
        """What the networks of a study's trials cost, by number of the trial."""
        query = select(trials.c.number, architectures.c.macs).join_from(trials, architectures)
        with self._database.reading() as connection:
            return {row.number: row.macs for row in connection.execute(query.where(trials.c.study_id == study_id))}

    def counts(self, study_id: int) -> dict[TrialState, int]:
        """How many trials of a study are in each state."""
        query = select(trials.c.state, func.count()).where(trials.c.study_id == study_id).group_by(trials.c.state)
        with self._database.reading() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in TrialState}

    def overviews(self) -> list[Overview]:
        """All studies as they stand, the last begun first."""
        with self._database.reading() as connection:
            return overviews_of(connection, set(self._database.driven(connection)))

    def driven(self) -> dict[str, Driver | None]:
        """The studies that somebody drives, and who, as far as that is known."""
        with self._database.reading() as connection:
            names = list(self._database.driven(connection))
            return {name: self._database.driver(connection, name) for name in names}

    def status(self, study_id: int) -> Status:
        """How a study goes."""
        with self._database.reading() as connection:
            return status_of(connection, study_id, set(self._database.driven(connection)))

    def courses(self, study_id: int) -> dict[int, Course]:
        """When each trial of a study ran, and how far, by its number."""
        with self._database.reading() as connection:
            return courses_of(connection, study_id)

    def networks(self, study_id: int) -> dict[str, NetworkFacts]:
        """The networks of all trials of a study, by id."""
        with self._database.reading() as connection:
            return networks_of(connection, study_id)

    def sql(self, statement: str, *, limit: int = MOST_ROWS, seconds: float = SECONDS) -> Answer:
        """The answer to one SELECT in the database's own SQL, over a connection that cannot write.

        limit: rows at most. seconds: how long the database may take. Raises FilterError for what is wrong or does more
        than read, and StoreError where there is no answer in time.
        """
        if limit < 1:
            raise ValueError(f"limit is at least 1, not {limit}")
        return self._database.ask(statement, limit, seconds)
