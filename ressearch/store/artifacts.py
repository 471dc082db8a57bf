"""Weights that retrainings left: files in a folder beside the store, and rows that tell what their bytes must be.

A file is written before its row, and a row is deleted before its file: whatever is killed in between, no row promises
what was never there, and `prune` finds the file that is left over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, not_, or_, select

from ressearch.errors import StoreError
from ressearch.store import rows
from ressearch.store.database import Database
from ressearch.store.schema import artifacts, measurements, recipes, retrainings, trials
from ressearch.trial import Artifact, MeasurementKey, Retraining

GRACE_SECONDS = 3_600
"""A younger file without a row may be of a retraining that is about to record it."""
DAY = 86_400


def artifact_of(file: Path) -> Artifact:
    """The record of a file that has been written."""
    with file.open("rb") as stream:
        return Artifact(file.name, file_digest(stream, "sha256").hexdigest(), file.stat().st_size)


def record_artifact(database: Database, key: MeasurementKey, artifact: Artifact) -> None:
    """Record the weights of a stored retraining in place of earlier ones. Raises StoreError if there is none."""
    identity = {"architecture_id": key.architecture_id, "recipe_digest": key.recipe_digest, "seed": key.seed}
    same = and_(*(retrainings.c[name] == value for name, value in (identity | asdict(key.fidelity)).items()))
    with database.writing() as connection:
        id = connection.scalars(select(retrainings.c.id).where(same)).one_or_none()
        if id is None:
            raise StoreError(f"no such retraining of {key.architecture_id} is in the store", hint="record it first")
        changes = asdict(artifact) | {"created": time.time()}
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
        statement = dialect.insert(artifacts).values(retraining_id=id, **changes)
        connection.execute(statement.on_conflict_do_update(index_elements=["retraining_id"], set_=changes))


def artifacts_of(database: Database, architecture_id: str | None) -> list[tuple[Retraining, Artifact]]:
    """The weights of an architecture with the retrainings that they are of, the earliest first; None: of all."""
    settings = [column for column in recipes.c if column.name != "digest"]
    files = [artifacts.c[field.name] for field in fields(Artifact)]
    query = select(retrainings, *settings, *files).join_from(artifacts, retrainings).join(recipes)
    if architecture_id is not None:
        query = query.where(retrainings.c.architecture_id == architecture_id)
    with database.reading() as connection:
        found = connection.execute(query.order_by(artifacts.c.id))
        return [(rows.retraining_of(row), rows.artifact_of(row)) for row in found]


# Pruning


@dataclass(frozen=True)
class Removal:
    """A file that goes, or that is gone; bytes: what that frees."""

    file: Path
    bytes: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.bytes:,} bytes, {self.why}"


def prune(
    database: Database, *, off_front: bool = False, older_than: float | None = None, dry_run: bool = False
) -> list[Removal]:
    """Remove weights that nothing refers to, and rows whose file is gone; what was removed.

    off_front: also weights of networks that are on no study's front. older_than: also weights of more days; with
    off_front, of those only the older ones. dry_run: say what would be removed, and remove nothing. On a server a row
    whose file is not here stays: it may be of another machine.
    """
    with database.reading() as connection:
        known = {row.name: row for row in connection.execute(select(artifacts))}
        unwanted = _unwanted(connection, off_front, older_than)
    gone = set() if database.shared else {name for name in known if not (database.artifacts / name).exists()}
    found = [
        *(_removal(database, name, "its network is on no front" if off_front else "old") for name in sorted(unwanted)),
        *(Removal(database.artifacts / name, 0, "gone, and forgotten now") for name in sorted(gone - unwanted)),
        *(_removal(database, name, "of no retraining in the store") for name in _left_over(database, known)),
    ]
    if not dry_run:
        with database.writing() as connection:
            connection.execute(delete(artifacts).where(artifacts.c.name.in_(unwanted | gone)))
        for removal in found:
            removal.file.unlink(missing_ok=True)
    return found


def _removal(database: Database, name: str, why: str) -> Removal:
    file = database.artifacts / name
    return Removal(file, file.stat().st_size if file.exists() else 0, why)


def _left_over(database: Database, known: dict[str, Row[Any]]) -> Iterator[str]:
    if not database.artifacts.is_dir():
        return
    for file in sorted(database.artifacts.iterdir()):
        if file.name not in known and file.is_file() and file.stat().st_mtime < time.time() - GRACE_SECONDS:
            yield file.name


def _unwanted(connection: Connection, off_front: bool, older_than: float | None) -> set[str]:
    if not off_front and older_than is None:
        return set()
    query = select(artifacts.c.name).join(retrainings)
    if older_than is not None:
        query = query.where(artifacts.c.created < time.time() - older_than * DAY)
    if off_front:
        query = query.where(not_(_on_a_front(retrainings.c.architecture_id)))
    return set(connection.scalars(query))


def _on_a_front(architecture_id: Any) -> Any:
    """Whether a study has a trial of a network that no other of its trials dominates, see `ressearch.ranking`."""
    other_trials, other = trials.alias(), measurements.alias()
    no_worse = and_(other.c.accuracy >= measurements.c.accuracy, other.c.macs <= measurements.c.macs)
    better = or_(other.c.accuracy > measurements.c.accuracy, other.c.macs < measurements.c.macs)
    dominated = exists().where(
        other_trials.c.study_id == trials.c.study_id,
        other_trials.c.state == "complete",
        other.c.id == other_trials.c.measurement_id,
        no_worse,
        better,
    )
    return exists().where(
        trials.c.architecture_id == architecture_id,
        trials.c.state == "complete",
        measurements.c.id == trials.c.measurement_id,
        not_(dominated),
    )
