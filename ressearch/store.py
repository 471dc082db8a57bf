"""The results store: every measurement ever made, in typed columns of an SQLite file. The one place with SQL.

The driver of a search is the only writer. An acknowledged write is on the disk (write-ahead log, synchronous=FULL).
At most one measurement is accepted per architecture, recipe, fidelity and seed; studies share them.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    UniqueConstraint,
    and_,
    create_engine,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError, IntegrityError

from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.errors import StoreError, StudyError
from ressearch.trial import Failure, Fidelity, Measurement, MeasurementKey, Origin, Recipe, Study, Trial, TrialState

APPLICATION_ID = 0x52534348
"""Marks an SQLite file as ours ("RSCH")."""
SCHEMA_VERSION = 1
BUSY_SECONDS = 30

metadata = MetaData()


def _column_type(kind: Any) -> Any:
    return {"int": Integer, "bool": Boolean}.get(kind, Float)


studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("space_name", String, nullable=False),
    Column("space_text", String, nullable=False),
    Column("space_digest", String, nullable=False),
    Column("data_source", String, nullable=False),
    Column("data_checksum", String, nullable=False),
    *(Column(f.name, _column_type(f.type), nullable=False) for f in fields(Recipe)),
    Column("recipe_digest", String, nullable=False),
    *(Column(f.name, _column_type(f.type), nullable=False) for f in fields(Fidelity)),
    Column("seed", Integer, nullable=False),
    Column("evaluator", String, nullable=False),
    Column("versions", String, nullable=False, doc="JSON object: package -> version"),
    Column("created", Float, nullable=False, doc="seconds since 1970, UTC"),
)

architectures = Table(
    "architectures",
    metadata,
    Column("id", String, primary_key=True),
    Column("graph", String, nullable=False, doc="JSON, see Architecture.to_json"),
    *(Column(f.name, Integer, CheckConstraint(f"{f.name} >= 0"), nullable=False) for f in fields(Cost)),
)

measurements = Table(
    "measurements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    Column("recipe_digest", String, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("data_fraction", Float, nullable=False),
    Column("resolution", Float, nullable=False),
    Column("schedule", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("accuracy", Float, CheckConstraint("accuracy BETWEEN 0 AND 1"), nullable=False),
    Column("loss", Float),
    Column("train_loss", Float),
    Column("seconds", Float, CheckConstraint("seconds >= 0"), nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("images_per_second", Float),
    Column("flops", Integer),
    Column("peak_memory", Integer, nullable=False),
    Column("device", String, nullable=False),
    Column("precision", String),
    Column("created", Float, nullable=False),
    UniqueConstraint("architecture_id", "recipe_digest", "epochs", "data_fraction", "seed"),
)

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    Column("decisions", String, nullable=False, doc="JSON object: path of the choice -> value"),
    Column("seed", Integer, nullable=False),
    Column("origin", String, nullable=False),
    Column("baseline", String),
    Column("state", String, nullable=False),
    Column("measurement_id", ForeignKey("measurements.id")),
    Column("error", String),
    Column("failure", String),
    Column("reused", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("finished", Float),
    UniqueConstraint("study_id", "number"),
    CheckConstraint("(origin = 'baseline') = (baseline IS NOT NULL)", name="baseline_is_named"),
    CheckConstraint(
        "(state = 'running' AND measurement_id IS NULL AND error IS NULL)"
        " OR (state = 'complete' AND measurement_id IS NOT NULL AND error IS NULL)"
        " OR (state = 'failed' AND measurement_id IS NULL AND error IS NOT NULL)",
        name="state_is_consistent",
    ),
    Index("trials_by_architecture", "architecture_id"),
)


@dataclass(frozen=True)
class Result:
    """A finished trial as the queries see it: what was measured beside what it costs."""

    id: str
    accuracy: float
    macs: int
    params: int
    depth: int
    baseline: str | None
    number: int
    seconds: float


class Store:
    """The measurements in one SQLite file.

    `Store.open` is for reading what is there, `Store.create` makes the file if need be. Both raise StoreError if the
    file is damaged, of a newer version, or not one of ours, and leave such a file untouched.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, path: Path) -> Store:
        """A store that exists."""
        if not path.is_file():
            raise StoreError(f"there is no results store at {path}", hint="`ressearch search FILE` makes one")
        return cls._checked(path)

    @classmethod
    def create(cls, path: Path) -> Store:
        """A store, made if it does not exist."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the directory {path.parent}: {error.strerror}") from error
        if path.is_file() and not _is_empty(path):
            return cls._checked(path)
        store = cls(_engine(path, fresh=True))
        with store._closed_on_error(), store._write() as connection:
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return store

    @classmethod
    def _checked(cls, path: Path) -> Store:
        store = cls(_engine(path))
        with store._closed_on_error(), store._read() as connection:
            _require_ours(connection, path)
        return store

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    # Studies

    def create_study(self, study: Study) -> int:
        """Tell the store of a new study; its row id. Raises StudyError if the name is taken."""
        row = {
            f.name: getattr(study, f.name) for f in fields(Study) if f.name not in ("recipe", "fidelity", "versions")
        }
        row |= asdict(study.recipe) | asdict(study.fidelity) | {"versions": json.dumps(dict(study.versions))}
        try:
            with self._write() as connection:
                return _key_of(connection, insert(studies).values(**row, created=time.time()))
        except IntegrityError as error:
            raise StudyError(f"there is a study {study.name!r} already", hint="choose another --name") from error

    def find_study(self, name: str) -> tuple[int, Study] | None:
        """The row id and the record of a study, if there is one of this name."""
        with self._read() as connection:
            row = connection.execute(select(studies).where(studies.c.name == name)).one_or_none()
        return None if row is None else (row.id, _study_of(row))

    def study(self, name: str | None) -> tuple[int, Study]:
        """A study by name, or the one begun last. Raises StoreError if there is none."""
        with self._read() as connection:
            names = list(connection.execute(select(studies.c.name).order_by(studies.c.id)).scalars())
        if not names:
            raise StoreError("the store holds no study yet", hint="`ressearch search FILE` begins one")
        found = self.find_study(name or names[-1])
        if found is None:
            raise StoreError(f"there is no study {name!r}", hint=f"studies here: {', '.join(names[-20:])}")
        return found

    # Trials

    def begin(self, study_id: int, trial: Trial, architecture: Architecture, cost: Cost) -> None:
        """Record a trial that starts, and its architecture if it is new."""
        row = {
            "study_id": study_id,
            "number": trial.number,
            "architecture_id": trial.architecture_id,
            "decisions": json.dumps(dict(trial.decisions)),
            "seed": trial.seed,
            "origin": trial.origin.value,
            "baseline": trial.baseline,
            "state": trial.state.value,
            "reused": False,
            "started": time.time(),
        }
        with self._write() as connection:
            known = connection.execute(select(architectures.c.id).where(architectures.c.id == architecture.id))
            if known.one_or_none() is None:
                graph = {"id": architecture.id, "graph": architecture.to_json(), **asdict(cost)}
                connection.execute(insert(architectures).values(**graph))
            connection.execute(insert(trials).values(**row))

    def complete(self, study_id: int, number: int, key: MeasurementKey, measurement: Measurement) -> Measurement:
        """Record what a trial measured; what counts is returned.

        Where the key was measured before, the earlier measurement counts and the trial is marked as reused.
        """
        with self._write() as connection:
            known = connection.execute(_measured(key)).one_or_none()
            measurement_id = known.id if known else _key_of(connection, _insert_measurement(key, measurement))
            changes = {"state": "complete", "measurement_id": measurement_id, "reused": known is not None}
            _finish(connection, study_id, number, changes)
        return measurement if known is None else _measurement_of(known)

    def fail(self, study_id: int, number: int, error: str, failure: Failure) -> None:
        """Record that a trial failed, with its traceback or message, and what kind of failure it was."""
        with self._write() as connection:
            _finish(connection, study_id, number, {"state": "failed", "error": error, "failure": failure.value})

    def known(self, key: MeasurementKey) -> Measurement | None:
        """What was measured under a key, in whatever study."""
        with self._read() as connection:
            row = connection.execute(_measured(key)).one_or_none()
        return None if row is None else _measurement_of(row)

    def trials(self, study_id: int) -> list[Trial]:
        """All trials of a study in the order of their numbers."""
        with self._read() as connection:
            rows = connection.execute(_TRIALS.where(trials.c.study_id == study_id).order_by(trials.c.number))
            return [_trial_of(row) for row in rows]

    # Questions

    def results(self, study_id: int) -> list[Result]:
        """The finished trials of a study beside their costs, in the order of their numbers."""
        query = (
            select(
                architectures.c.id,
                measurements.c.accuracy,
                architectures.c.macs,
                architectures.c.params,
                architectures.c.depth,
                trials.c.baseline,
                trials.c.number,
                measurements.c.seconds,
            )
            .join_from(trials, measurements, trials.c.measurement_id == measurements.c.id)
            .join(architectures, trials.c.architecture_id == architectures.c.id)
            .where(trials.c.study_id == study_id)
            .order_by(trials.c.number)
        )
        with self._read() as connection:
            return [Result(*row) for row in connection.execute(query)]

    def counts(self, study_id: int) -> dict[TrialState, int]:
        """How many trials of a study are in each state."""
        query = select(trials.c.state, func.count()).where(trials.c.study_id == study_id).group_by(trials.c.state)
        with self._read() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in TrialState}

    def architecture(self, prefix: str) -> tuple[Architecture, Cost]:
        """The architecture whose id begins so. Raises StoreError if there is none, or more than one."""
        if not prefix:
            raise StoreError("an empty id", hint="`ressearch best` lists ids")
        begins = func.substr(architectures.c.id, 1, len(prefix)) == prefix
        with self._read() as connection:
            rows = connection.execute(select(architectures).where(begins).order_by(architectures.c.id).limit(6)).all()
        if not rows:
            raise StoreError(
                f"no architecture has an id that begins with {prefix!r}", hint="`ressearch best` lists ids"
            )
        if len(rows) > 1:
            listed = ", ".join(row.id for row in rows[:5])
            raise StoreError(f"{prefix!r} is not enough: {listed}{', ...' if len(rows) > 5 else ''} begin so")
        return Architecture.from_json(rows[0].graph), Cost(*(getattr(rows[0], f.name) for f in fields(Cost)))

    def history(self, architecture_id: str) -> list[tuple[str, Trial]]:
        """All trials of an architecture, over all studies, each with its study's name."""
        query = _TRIALS.add_columns(studies.c.name.label("study_name")).join(studies, trials.c.study_id == studies.c.id)
        query = query.where(trials.c.architecture_id == architecture_id).order_by(trials.c.id)
        with self._read() as connection:
            return [(row.study_name, _trial_of(row)) for row in connection.execute(query)]

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _translated(self._engine.url.database), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        writer = self._engine.execution_options(writes=True)
        with _translated(self._engine.url.database), writer.begin() as connection:
            yield connection


def _engine(path: Path, fresh: bool = False) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver's own rule would leave the schema out of transactions
        if fresh:
            _log_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer waits for its turn here; one that reads first could find later that another has written since
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _log_ahead(connection: Any) -> None:
    """Switch to a write-ahead log. Whatever its timeout, SQLite itself does not wait here for another who does so."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_empty(path: Path) -> bool:
    """Whether a file holds nothing, e.g. because the program that was making a store of it was killed."""
    size = path.stat().st_size
    if size < 512:  # less than a page; SQLite itself takes a text of one byte for an empty database
        return size == 0
    store = Store(_engine(path))
    with closing(store), store._read() as connection:
        facts = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        return not any(connection.exec_driver_sql(fact).scalar_one() for fact in facts)


def _require_ours(connection: Connection, path: Path) -> None:
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if owner != APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite database, but not a results store", hint="give another --store")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer ressearch (schema {version}, this one reads up to {SCHEMA_VERSION})",
            hint="upgrade ressearch, or give another --store",
        )


@contextmanager
def _translated(path: object) -> Iterator[None]:
    """SQLite's own errors as ours; a broken constraint goes through, since the caller knows what it means."""
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        raise StoreError(
            f"{path}: {error.orig}", hint="is it an SQLite file, writable, and on a disk with space?"
        ) from error


# Rows


def _measured(key: MeasurementKey) -> Select[Any]:
    columns = measurements.c
    return select(measurements).where(
        and_(
            columns.architecture_id == key.architecture_id,
            columns.recipe_digest == key.recipe_digest,
            columns.epochs == key.fidelity.epochs,
            columns.data_fraction == key.fidelity.data_fraction,
            columns.seed == key.seed,
        )
    )


def _insert_measurement(key: MeasurementKey, measurement: Measurement) -> Any:
    row = {"architecture_id": key.architecture_id, "recipe_digest": key.recipe_digest, "seed": key.seed}
    return insert(measurements).values(**row, **asdict(key.fidelity), **asdict(measurement), created=time.time())


def _key_of(connection: Connection, statement: Any) -> int:
    key: Any = connection.execute(statement).inserted_primary_key
    return int(key[0])


def _finish(connection: Connection, study_id: int, number: int, changes: Mapping[str, Any]) -> None:
    this = and_(trials.c.study_id == study_id, trials.c.number == number, trials.c.state == "running")
    done = connection.execute(update(trials).where(this).values(**changes, finished=time.time()))
    if done.rowcount != 1:
        raise StoreError(f"trial {number} is not running: its result cannot be recorded")


_MEASURED = [measurements.c[f.name] for f in fields(Measurement)]
_TRIALS = select(trials, *_MEASURED).join_from(
    trials, measurements, trials.c.measurement_id == measurements.c.id, isouter=True
)


_NESTED = ("recipe", "fidelity", "versions")


def _measurement_of(row: Row[Any]) -> Measurement:
    return Measurement(**{f.name: getattr(row, f.name) for f in fields(Measurement)})


def _trial_of(row: Row[Any]) -> Trial:
    return Trial(
        number=row.number,
        architecture_id=row.architecture_id,
        decisions=json.loads(row.decisions),
        seed=row.seed,
        origin=Origin(row.origin),
        baseline=row.baseline,
        state=TrialState(row.state),
        measurement=None if row.measurement_id is None else _measurement_of(row),
        error=row.error,
        failure=None if row.failure is None else Failure(row.failure),
        reused=bool(row.reused),
    )


def _study_of(row: Row[Any]) -> Study:
    plain = {f.name: getattr(row, f.name) for f in fields(Study) if f.name not in _NESTED}
    return Study(
        **plain,
        recipe=Recipe(**{f.name: getattr(row, f.name) for f in fields(Recipe)}),
        fidelity=Fidelity(**{f.name: getattr(row, f.name) for f in fields(Fidelity)}),
        versions=json.loads(row.versions),
    )
