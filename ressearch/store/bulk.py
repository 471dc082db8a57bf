"""Finished trials in bulk: a few statements for all of them, given to the driver as they are.

SQLAlchemy's own way to insert costs several times what the database does. What a measurement's row becomes is left to
the database here too: a trial's row finds it by its key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.errors import StoreError
from ressearch.store import rows
from ressearch.store.schema import architectures, block_kinds, trials
from ressearch.store.writing import (
    KEY,
    MARKS,
    KnownRecipe,
    Values,
    keep_measurements,
    keep_recipes,
    rows_of_architecture,
    unless_there,
    values_of_key,
    values_of_measurement,
)
from ressearch.trial import Measurement, MeasurementKey, Recipe, Trial, TrialState


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that is complete, and the key under which its measurement was made.

    recipe: what the key's digest stands for. network: the architecture and its cost, or None if it is in the store.
    Whether the measurement is reused is found out by the store.
    """

    trial: Trial
    key: MeasurementKey
    recipe: Recipe
    network: tuple[Architecture, Cost] | None = None

    def __post_init__(self) -> None:
        if self.trial.state is not TrialState.COMPLETE:
            raise ValueError(f"state must be complete, got {self.trial.state}")
        if not self.trial.architecture_id == self.key.architecture_id == self._network_id:
            raise ValueError(f"architecture must be {self.trial.architecture_id}, that of the trial")

    @property
    def measurement(self) -> Measurement:
        """What was measured."""
        assert self.trial.measurement is not None  # since it is complete
        return self.trial.measurement

    @property
    def _network_id(self) -> str:
        return self.key.architecture_id if self.network is None else self.network[0].id


AT_ONCE = 500
"""Values that one statement asks for."""


def record_all(
    connection: Connection, study_id: int, finished: Sequence[Finished], known: set[KnownRecipe]
) -> set[KnownRecipe]:
    """Record finished trials in a transaction; the recipes that are in the store after it. known: those that are now.

    Raises StoreError for an architecture that is not there, and for one number twice.
    """
    now = time.time()
    _require_different_numbers(finished)
    if connection.dialect.name == "postgresql":  # which does not know yet how long its tables are about to be
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    told = {(study_id, one.key.recipe_digest, one.recipe) for one in finished} - known
    keep_recipes(connection, study_id, told)
    _keep_architectures(connection, finished)
    keys = [values_of_key(one.key) for one in finished]
    firsts = _firsts(keys)
    last = int(connection.exec_driver_sql("SELECT max(id) FROM measurements").scalar() or 0)
    measured = [(*key, *values_of_measurement(finished[at].measurement)) for key, at in sorted(firsts.items())]
    keep_measurements(connection, measured, now)
    repeated = [firsts[key] != at for at, key in enumerate(keys)]
    if _keep_trials(connection, study_id, finished, keys, repeated, last, now) != len(finished):
        raise _unknown(connection, finished)
    return told


def require_free_numbers(connection: Connection, study_id: int, finished: Sequence[Finished]) -> None:
    """Raises StoreError if a study has a trial of one of the numbers."""
    taken = set(connection.scalars(select(trials.c.number).where(trials.c.study_id == study_id)))
    first = next((one.trial.number for one in finished if one.trial.number in taken), None)
    if first is not None:
        raise StoreError(f"trial {first} is in the study already: none of {len(finished)} was recorded")


def _require_different_numbers(finished: Sequence[Finished]) -> None:
    seen: set[int] = set()
    for one in finished:
        if one.trial.number in seen:
            raise StoreError(f"trial {one.trial.number} is given twice: none of {len(finished)} was recorded")
        seen.add(one.trial.number)


def _keep_architectures(connection: Connection, finished: Sequence[Finished]) -> None:
    given = {one.network[0].id: one.network for one in finished if one.network is not None}
    for id in _known(connection, given):
        del given[id]
    made = [rows_of_architecture(*given[id]) for id in sorted(given)]
    kinds = [kind for _, found in made for kind in found]
    for table, new in ((architectures, [row for row, _ in made]), (block_kinds, kinds)):
        if new:
            connection.execute(unless_there(connection, table), new)


def _known(connection: Connection, ids: Iterable[str]) -> list[str]:
    """Those of the ids whose architectures are in the store."""
    rest, mark = iter(list(ids)), MARKS[connection.dialect.name]
    found: list[str] = []
    while some := tuple(islice(rest, AT_ONCE)):
        asked = f"SELECT id FROM architectures WHERE id IN ({', '.join([mark] * len(some))})"
        found += connection.exec_driver_sql(asked, some).scalars()
    return found


def _firsts(keys: Sequence[Values]) -> dict[Values, int]:
    """Key -> where it stands first."""
    firsts: dict[Values, int] = {}
    for at, key in enumerate(keys):
        firsts.setdefault(key, at)
    return firsts


_GIVEN = (
    *("study_id", "number", "architecture_id", "decisions", "seed", "origin", "baseline", "state", "proposer"),
    *("worker", "attributes"),
)
_given: Callable[[dict[str, Any]], Values] = itemgetter(*_GIVEN)
_IS_OLDER = {"sqlite": "id <= {last}", "postgresql": "xmin <> pg_current_xact_id()::xid"}
"""Whether a measurement was there before the transaction that asks: SQLite counts up, and has one writer at a time."""


def _keep_trials(
    connection: Connection,
    study_id: int,
    finished: Sequence[Finished],
    keys: Sequence[Values],
    repeated: Sequence[bool],
    last: int,
    now: float,
) -> int:
    """How many were inserted: those whose measurements are there. repeated: whose keys stood before among them."""
    mark = MARKS[connection.dialect.name]
    # PostgreSQL, which knows nothing of a table that is just being filled, might look through all of a recipe
    key = KEY if connection.dialect.name == "sqlite" else [*KEY[:1], f"{KEY[1]} || ''", *KEY[2:]]
    older = _IS_OLDER[connection.dialect.name].format(last=last)
    statement = (
        f"INSERT INTO trials ({', '.join(_GIVEN)}, started, finished, reused, measurement_id)"
        f" SELECT {', '.join([mark] * (len(_GIVEN) + 2))}, {mark} OR {older}, id FROM measurements"
        f" WHERE {' AND '.join(f'{name} = {mark}' for name in key)}"
    )
    given = (_given(rows.row_of_trial(study_id, one.trial)) for one in finished)
    values = [(*trial, now, now, again, *own) for trial, again, own in zip(given, repeated, keys, strict=True)]
    return connection.exec_driver_sql(statement, values).rowcount


def _unknown(connection: Connection, finished: Sequence[Finished]) -> StoreError:
    names = {one.key.architecture_id for one in finished}
    missing = min(names - set(_known(connection, names)))
    return StoreError(f"there is no architecture {missing} in the store: none of {len(finished)} was recorded")
