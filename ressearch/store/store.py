"""`Store`: what the searches write and what every question is asked of."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, Table, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.errors import StoreError, StudyError
from ressearch.store import rows
from ressearch.store.address import database_of
from ressearch.store.best import Asked, By
from ressearch.store.bulk import Finished, record_all, require_free_numbers
from ressearch.store.database import Database, Upgrade
from ressearch.store.filter import parse_filter
from ressearch.store.frames import Frames
from ressearch.store.overview import which_study
from ressearch.store.query import DEFAULT_COLUMNS, DEFAULT_SORT, Value, record_of, select_of
from ressearch.store.questions import Questions
from ressearch.store.schema import (
    architectures,
    latencies,
    measurements,
    recipes,
    retrainings,
    rungs,
    studies,
    trials,
)
from ressearch.store.schema import proxies as proxies_table
from ressearch.store.standing import Limits, Result
from ressearch.store.workers import assign, left
from ressearch.store.writing import (
    KnownRecipe,
    insert_if_new,
    keep_architecture,
    keep_asked,
    keep_measurements,
    keep_recipe,
    keep_recipes,
    values_of_key,
    values_of_measurement,
)
from ressearch.trial import (
    Artifact,
    Failure,
    Fidelity,
    Latency,
    Measurement,
    MeasurementKey,
    Proxies,
    Recipe,
    Retraining,
    Study,
    Trial,
    TrialState,
)

if TYPE_CHECKING:
    from ressearch.store.artifacts import Removal
    from ressearch.store.check import Finding
    from ressearch.store.lines import Line
    from ressearch.store.merge import Imported


def version_of(store: str | Path) -> int | None:
    """The version of the store at a path or URL; None where there is none yet.

    Raises StoreError if it is damaged, of a newer version, or not one of ours; nothing is written to it.
    """
    return database_of(store).version()


class Store(Questions):
    """The measurements in one database: an SQLite file by its path, or what a URL means (see `database_of`).

    `Store.open` is for what is there, `Store.create` makes a store if need be. A file of an older version is migrated
    by either, and `upgraded` tells of it. Both raise StoreError if the store is damaged, of a newer version, not one of
    ours, cannot be reached or cannot be migrated, and leave it untouched then. name: the path, or the URL without its
    password.
    """

    def __init__(self, database: Database, upgraded: Upgrade | None = None) -> None:
        self._database = database
        self.name = database.name
        self.upgraded = upgraded
        self._recipes: set[KnownRecipe] = set()  # that this process has put into the store, or found there

    @classmethod
    def open(cls, store: str | Path) -> Store:
        """A store that exists."""
        database = database_of(store)
        return cls(database, database.open())

    @classmethod
    def create(cls, store: str | Path) -> Store:
        """A store, made if it does not exist."""
        database = database_of(store)
        return cls(database, database.create())

    def close(self) -> None:
        """Give the file or the connection back."""
        self._database.close()

    def sole_driver(self, study: str) -> AbstractContextManager[None]:
        """While it is entered, no other process can enter it: StudyError. It ends with the process at the latest."""
        return self._database.sole_driver(study)

    # Studies

    def create_study(self, study: Study) -> int:
        """Tell the store of a new study; its row id. Raises StudyError if the name is taken."""
        try:
            with self._database.writing() as connection:
                keep_recipe(connection, study.recipe_digest, study.recipe, study.data_checksum, study.evaluator)
                return _key_of(connection, insert(studies).values(**rows.row_of_study(study), created=time.time()))
        except IntegrityError as error:
            raise StudyError(f"there is a study {study.name!r} already", hint="choose another --name") from error

    def ask(self, study_id: int, asked: int) -> None:
        """Record that a study that goes on is to have so many trials."""
        with self._database.writing() as connection:
            keep_asked(connection, study_id, asked)

    def find_study(self, name: str) -> tuple[int, Study] | None:
        """The row id and the record of a study, if there is one of this name."""
        query = select(studies, *_SETTINGS).join(recipes).where(studies.c.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.id, rows.study_of(row))

    def study(self, name: str | None) -> tuple[int, Study]:
        """A study by name, or the one begun last. Raises StoreError if there is none."""
        with self._database.reading() as connection:
            names = list(connection.execute(select(studies.c.name).order_by(studies.c.id)).scalars())
        if not names:
            raise StoreError("the store holds no study yet", hint="`ressearch search FILE` begins one")
        found = self.find_study(name or names[-1])
        if found is None:
            raise StoreError(f"there is no study {name!r}", hint=which_study(name or "", names))
        return found

    # Trials

    def begin(self, study_id: int, trial: Trial, architecture: Architecture, cost: Cost) -> None:
        """Record a trial that starts, and its architecture if it is new."""
        with self._database.writing() as connection:
            keep_architecture(connection, architecture, cost)
            connection.execute(insert(trials).values(**rows.row_of_trial(study_id, trial), started=time.time()))

    def assign(self, study_id: int, number: int, worker: str) -> None:
        """Record which worker trains a running trial; one that is not running any more is let be."""
        assign(self._database, study_id, worker, number)

    def unassign(self, study_id: int, number: int | None = None) -> None:
        """Record that no worker trains a running trial, or any of the study's."""
        assign(self._database, study_id, None, number)

    def complete(
        self,
        study_id: int,
        number: int,
        key: MeasurementKey,
        measurement: Measurement,
        recipe: Recipe,
        *,
        worker: str | None = None,
        state: TrialState = TrialState.COMPLETE,
    ) -> Measurement:
        """Record what a trial measured under a recipe, whose digest is in the key; what counts is returned.

        Where the key was measured before, the earlier measurement counts and the trial is marked as reused. state:
        stopped for one that was measured at a rung and waits for its promotion, see `promote`.
        """
        told = {(study_id, key.recipe_digest, recipe)} - self._recipes
        values = (*values_of_key(key), *values_of_measurement(measurement))
        with self._database.writing() as connection:
            keep_recipes(connection, study_id, told)
            new = keep_measurements(connection, [values], time.time()) == 1
            first = connection.execute(_MEASUREMENT.where(_is_key(measurements, key))).one()
            changes = {"state": state.value, "measurement_id": first.id, "reused": not new}
            _finish(connection, study_id, number, changes, worker)
        self._recipes |= told
        return measurement if new else rows.measurement_of(first)

    def record(self, study_id: int, finished: Iterable[Finished]) -> None:
        """Record finished trials, all or none: as if each had begun and been completed in turn, but fast.

        Raises StoreError if the study has a trial of one of their numbers, or if one of their architectures is
        neither told nor known.
        """
        given = list(finished)
        if not given:
            return
        try:
            with self._database.writing() as connection:
                told = record_all(connection, study_id, given, self._recipes)
        except IntegrityError:
            with self._database.reading() as connection:
                require_free_numbers(connection, study_id, given)
            raise
        self._recipes |= told

    def promote(self, study_id: int, number: int) -> None:
        """Let a stopped trial run again, up to the next rung; what it measured so far is kept among its rungs."""
        this = and_(trials.c.study_id == study_id, trials.c.number == number, trials.c.state == "stopped")
        with self._database.writing() as connection:
            stopped = connection.execute(select(trials).where(this)).one_or_none()
            if stopped is None:
                raise StoreError(f"trial {number} is not stopped: it cannot be promoted")
            connection.execute(insert(rungs).values(trial_id=stopped.id, measurement_id=stopped.measurement_id))
            changes = {"state": "running", "measurement_id": None, "reused": False, "finished": None, **left(stopped)}
            connection.execute(update(trials).where(trials.c.id == stopped.id).values(**changes))

    def rungs(self, study_id: int) -> dict[int, list[tuple[Fidelity, Measurement]]]:
        """What trials of a study measured at the rungs that they have left, by number of the trial, cheapest first."""
        query = (
            select(trials.c.number, measurements)
            .join_from(trials, rungs, rungs.c.trial_id == trials.c.id)
            .join(measurements, measurements.c.id == rungs.c.measurement_id)
            .where(trials.c.study_id == study_id)
            .order_by(trials.c.number, measurements.c.epochs, measurements.c.id)
        )
        found: dict[int, list[tuple[Fidelity, Measurement]]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.number, []).append((rows.fidelity_of(row), rows.measurement_of(row)))
        return found

    def fail(self, study_id: int, number: int, error: str, failure: Failure, worker: str | None = None) -> None:
        """Record that a trial failed, with its traceback or message, and of which kind that is."""
        error = error.replace("\0", "\N{SYMBOL FOR NULL}")  # which no text in PostgreSQL can hold
        with self._database.writing() as connection:
            changes = {"state": "failed", "error": error, "failure": failure.value}
            _finish(connection, study_id, number, changes, worker)

    def known(self, key: MeasurementKey) -> Measurement | None:
        """What was measured under a key, in whatever study."""
        return self._measured(measurements, key)

    def trials(self, study_id: int) -> list[Trial]:
        """All trials of a study in the order of their numbers."""
        with self._database.reading() as connection:
            found = connection.execute(_TRIALS.where(trials.c.study_id == study_id).order_by(trials.c.number))
            return [rows.trial_of(row) for row in found]

    # Retrainings and latencies

    def record_retraining(self, retraining: Retraining) -> Retraining:
        """Record a retraining of a stored architecture; what counts is returned: the first of its key."""
        key = _key_of_retraining(retraining)
        row = rows.row_of_measurement(key, retraining.measurement) | {"created": time.time()}
        with self._database.writing() as connection:
            keep_recipe(connection, key.recipe_digest, retraining.recipe, retraining.data_checksum, "")
            _require_architecture(connection, retraining.architecture_id)
            new = insert_if_new(connection, retrainings, row)
            first = connection.execute(_RETRAININGS.where(_is_key(retrainings, key))).one()
        return retraining if new else rows.retraining_of(first)

    def retrained(self, key: MeasurementKey) -> Measurement | None:
        """What a retraining under a key measured on the test images."""
        return self._measured(retrainings, key)

    def retrainings(self, architecture_id: str) -> list[Retraining]:
        """All retrainings of an architecture, the earliest first."""
        query = _RETRAININGS.where(retrainings.c.architecture_id == architecture_id).order_by(retrainings.c.id)
        with self._database.reading() as connection:
            return [rows.retraining_of(row) for row in connection.execute(query)]

    def retrained_accuracies(self, study_id: int) -> dict[tuple[int, str], dict[str, float]]:
        """Of a study's finished networks that were retrained: epochs and data -> id -> mean test accuracy."""
        key = (retrainings.c.epochs, recipes.c.data_checksum, retrainings.c.architecture_id)
        query = (
            select(*key, func.avg(retrainings.c.accuracy))  # which does not mind that each is there once a trial
            .join_from(trials, retrainings, retrainings.c.architecture_id == trials.c.architecture_id)
            .join(recipes, recipes.c.digest == retrainings.c.recipe_digest)
            .where(trials.c.study_id == study_id, trials.c.state == "complete")
            .group_by(*key)
            .order_by(*key)
        )
        found: dict[tuple[int, str], dict[str, float]] = {}
        with self._database.reading() as connection:
            for epochs, data, id, accuracy in connection.execute(query):
                found.setdefault((epochs, data), {})[id] = float(accuracy)
        return found

    def record_latency(self, latency: Latency) -> None:
        """Record how fast a stored architecture was; every such record is kept."""
        with self._database.writing() as connection:
            _require_architecture(connection, latency.architecture_id)
            connection.execute(insert(latencies).values(**asdict(latency), created=time.time()))

    def latencies(self, architecture_id: str) -> list[Latency]:
        """All latencies of an architecture, the earliest first."""
        query = select(latencies).where(latencies.c.architecture_id == architecture_id).order_by(latencies.c.id)
        with self._database.reading() as connection:
            return [rows.latency_of(row) for row in connection.execute(query)]

    # Training-free scores

    def record_proxies(self, proxies: Proxies) -> Proxies:
        """Record the training-free scores of a stored architecture; what counts is returned: the first of their key."""
        with self._database.writing() as connection:
            _require_architecture(connection, proxies.architecture_id)
            insert_if_new(connection, proxies_table, asdict(proxies) | {"created": time.time()})
            key = ("architecture_id", "data_checksum", "batch", "seed")
            same = and_(*(proxies_table.c[name] == getattr(proxies, name) for name in key))
            return rows.proxies_of(connection.execute(select(proxies_table).where(same)).one())

    def proxies(self, architecture_id: str) -> list[Proxies]:
        """All training-free scores of an architecture, the earliest first."""
        query = select(proxies_table).where(proxies_table.c.architecture_id == architecture_id)
        with self._database.reading() as connection:
            return [rows.proxies_of(row) for row in connection.execute(query.order_by(proxies_table.c.id))]

    # Weights

    def record_artifact(self, key: MeasurementKey, artifact: Artifact) -> None:
        """Record the weights of a stored retraining, which lie in the store's folder; earlier ones are replaced."""
        from ressearch.store.artifacts import record_artifact

        record_artifact(self._database, key, artifact)

    def artifacts(self, architecture_id: str | None = None) -> list[tuple[Retraining, Artifact]]:
        """The weights that are kept of an architecture, or of all, with the retrainings that they are of."""
        from ressearch.store.artifacts import artifacts_of

        return artifacts_of(self._database, architecture_id)

    @property
    def artifacts_folder(self) -> Path:
        """The folder beside the store in which weights are kept, on this machine."""
        return self._database.artifacts

    def prune(
        self, *, off_front: bool = False, older_than: float | None = None, dry_run: bool = False
    ) -> list[Removal]:
        """Remove weights that nothing refers to, and unwanted ones, see `ressearch.store.artifacts.prune`."""
        from ressearch.store.artifacts import prune

        return prune(self._database, off_front=off_front, older_than=older_than, dry_run=dry_run)

    # As a whole

    def export(self, study: str | None = None) -> Iterator[str]:
        """All records as JSON lines, or those of one study, as they are when it begins. Raises StoreError for none."""
        from ressearch.store.exchange import exported

        study_id = None if study is None else self.study(study)[0]
        with self._database.reading() as connection:
            yield from exported(connection, study_id)

    def import_(self, name: str, lines: Iterable[Line], renames: Mapping[str, str] | None = None) -> Imported:
        """Merge what `export` wrote, all or nothing; see `ressearch.store.merge.merged`."""
        from ressearch.store.merge import merged

        return merged(self._database, name, lines, renames or {})

    def findings(self, all_architectures: bool = False, quick: bool = False) -> Iterator[Finding]:
        """What is inconsistent in the store, see `ressearch.store.check`."""
        from ressearch.store.check import findings

        return findings(self._database, all_architectures, quick)

    # Questions, beside those of `Questions`

    def best(
        self,
        study: str | None = None,
        *,
        by: str = "pareto",
        max_macs: int | None = None,
        max_params: int | None = None,
        min_accuracy: float | None = None,
        limit: int = 10,
        all_studies: bool = False,
    ) -> list[Result]:
        """The best networks of a study, by name or the one begun last, or of all studies that can be compared to it.

        by: pareto, the front by rising MACs; efficiency, by falling accuracy per FLOP among those of `min_accuracy`, by
        default the accuracy of the study's cheapest baseline; accuracy, by falling accuracy; knee, the one network at
        the knee of the front. Raises NothingFitsError if none is within the limits.
        """
        asked = Asked(self, *self.study(study), Limits(max_macs, max_params, min_accuracy), all_studies)
        return asked.chosen(By(by), limit)

    def query(
        self,
        filter: str = "",
        *,
        study: str | None = None,
        columns: Sequence[str] = DEFAULT_COLUMNS,
        sort: str = DEFAULT_SORT,
        limit: int | None = None,
    ) -> list[dict[str, Value]]:
        """The finished trials that fit a filter, of one study or of all: for each, its columns by name.

        The language is that of `ressearch.store.filter`, which has the names. sort: a name, after a `-` from the
        greatest to the least; what is not known comes last, and equal ones in the order in which they began. Raises
        FilterError for what cannot be read, and StoreError if there is no such study.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit is at least 0, not {limit}")
        found = parse_filter(filter)
        study_id = None if study is None else self.study(study)[0]
        dialect = self._database.engine.dialect.name
        statement = select_of(found, study_id, columns, sort, limit, dialect)
        with self._database.reading() as connection:
            return [record_of(columns, row) for row in connection.execute(statement)]

    def architecture(self, prefix: str) -> tuple[Architecture, Cost]:
        """The architecture whose id begins so. Raises StoreError if there is none, or more than one."""
        if not prefix:
            raise StoreError("an empty id", hint="`ressearch best` lists ids")
        begins = func.substr(architectures.c.id, 1, len(prefix)) == prefix
        with self._database.reading() as connection:
            found = connection.execute(select(architectures).where(begins).order_by(architectures.c.id).limit(6)).all()
        if not found:
            raise StoreError(
                f"no architecture has an id that begins with {prefix!r}", hint="`ressearch best` lists ids"
            )
        if len(found) > 1:
            listed = ", ".join(row.id for row in found[:5])
            raise StoreError(f"{prefix!r} is not enough: {listed}{', ...' if len(found) > 5 else ''} begin so")
        return Architecture.from_json(found[0].graph), rows.cost_of_row(found[0])

    def history(self, architecture_id: str) -> list[tuple[str, Trial]]:
        """All trials of an architecture, over all studies, each with its study's name."""
        query = _TRIALS.add_columns(studies.c.name.label("study_name")).join(studies, trials.c.study_id == studies.c.id)
        query = query.where(trials.c.architecture_id == architecture_id).order_by(trials.c.id)
        with self._database.reading() as connection:
            return [(row.study_name, rows.trial_of(row)) for row in connection.execute(query)]

    @property
    def frames(self) -> Frames:
        """The answers as pandas tables."""
        return Frames(self)

    def _measured(self, table: Table, key: MeasurementKey) -> Measurement | None:
        with self._database.reading() as connection:
            row = connection.execute(_of_key(table, key)).one_or_none()
        return None if row is None else rows.measurement_of(row)


# Statements

_MEASUREMENT = select(measurements.c.id, *(measurements.c[f.name] for f in fields(Measurement)))
_SETTINGS = [column for column in recipes.c if column.name != "digest"]
_RETRAININGS = select(retrainings, *_SETTINGS).join(recipes)
_TRIALS = select(trials, *(measurements.c[f.name] for f in fields(Measurement))).join_from(
    trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True
)


def _is_key(table: Table, key: MeasurementKey) -> Any:
    columns = {"architecture_id": key.architecture_id, "recipe_digest": key.recipe_digest, "seed": key.seed}
    return and_(*(table.c[name] == value for name, value in (columns | asdict(key.fidelity)).items()))


def _of_key(table: Table, key: MeasurementKey) -> Select[Any]:
    return select(table).where(_is_key(table, key))


def _key_of_retraining(retraining: Retraining) -> MeasurementKey:
    digest = retraining.recipe.digest(retraining.data_checksum)
    return MeasurementKey(retraining.architecture_id, digest, retraining.fidelity, retraining.seed)


def _key_of(connection: Connection, statement: Any) -> int:
    key: Any = connection.execute(statement).inserted_primary_key
    return int(key[0])


def _require_architecture(connection: Connection, id: str) -> None:
    if connection.execute(select(architectures.c.id).where(architectures.c.id == id)).one_or_none() is None:
        raise StoreError(f"there is no architecture {id} in the store", hint="`ressearch best` lists ids")


def _finish(connection: Connection, study_id: int, number: int, changes: Mapping[str, Any], worker: str | None) -> None:
    """worker: None where it is not told, which may be the one that the trial was assigned to."""
    changes = {**changes, **({} if worker is None else {"worker": worker})}
    this = and_(trials.c.study_id == study_id, trials.c.number == number, trials.c.state == "running")
    done = connection.execute(update(trials).where(this).values(**changes, finished=time.time()))
    if done.rowcount != 1:
        raise StoreError(f"trial {number} is not running: its result cannot be recorded")
