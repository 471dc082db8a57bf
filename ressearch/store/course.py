"""What the copies of a study need beside its trials: when each ran and how far, and all networks at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.store.rows import cost_of_row
from ressearch.store.schema import architectures, measurements, trials


@dataclass(frozen=True)
class Course:
    """How a trial went. started, finished: seconds since 1970, UTC; None while it runs. epochs: that were measured."""

    started: float
    finished: float | None
    epochs: int | None


@dataclass(frozen=True)
class NetworkFacts:
    """A network of a study as its row tells of it, without building the graph, which takes the longest."""

    id: str
    cost: Cost
    nesting: int
    skips: int
    graph: str

    @property
    def architecture(self) -> Architecture:
        """The graph."""
        return Architecture.from_json(self.graph)


def courses_of(connection: Connection, study_id: int) -> dict[int, Course]:
    """Of each trial, by its number."""
    query = select(trials.c.number, trials.c.started, trials.c.finished, measurements.c.epochs)
    query = query.join_from(trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True)
    found = connection.execute(query.where(trials.c.study_id == study_id).order_by(trials.c.number))
    return {row.number: Course(row.started, row.finished, row.epochs) for row in found}


def networks_of(connection: Connection, study_id: int) -> dict[str, NetworkFacts]:
    """All that trials of a study have, whatever became of them, by id."""
    mine = select(trials.c.architecture_id).where(trials.c.study_id == study_id)
    found = connection.execute(select(architectures).where(architectures.c.id.in_(mine)).order_by(architectures.c.id))
    return {row.id: NetworkFacts(row.id, cost_of_row(row), row.nesting, row.skips, row.graph) for row in found}
