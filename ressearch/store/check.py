"""What is inconsistent in a store, whoever made it so: a kill, a disk, another program, a bug of ours.

Each finding is one line that says what to do. A remark tells of what is no mistake, but may surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isclose
from typing import Any

from sqlalchemy import Connection, Inspector, Row, Table, func, inspect, select, text

from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.errors import ArchitectureError
from ressearch.store import rows
from ressearch.store.database import Database
from ressearch.store.schema import architectures, artifacts, block_kinds, metadata, recipes, studies, trials
from ressearch.trial import Recipe

SAMPLE = 1_000
"""Architectures that are looked at, unless all are asked for."""
ROWS_AT_ONCE = 500
RESTORE = "restore a backup, or import an export into a new store"


@dataclass(frozen=True)
class Finding:
    """Something inconsistent, and the next step; a remark is no mistake."""

    what: str
    step: str
    remark: bool = False

    def __str__(self) -> str:
        return f"{'remark: ' if self.remark else ''}{self.what}: {self.step}"


def findings(database: Database, all_architectures: bool = False, quick: bool = False) -> Iterator[Finding]:
    """All that is inconsistent, the database's own mistakes first; what builds on those is not looked at then.

    quick: only what the database says of itself, more briefly, and trials that were left running.
    """
    with database.reading() as connection:
        broken = [*_damage(connection, quick), *_missing_objects(connection)]
        yield from broken
        if broken:
            return
        if quick:
            yield from _left_running(database, connection)
            return
        yield from _strays(connection)
        yield from _recipes(connection)
        yield from _architectures(connection, None if all_architectures else SAMPLE)
        yield from _left_running(database, connection)
        yield from _artifacts(database, connection)


# The database itself


def _damage(connection: Connection, quick: bool) -> Iterator[Finding]:
    if connection.dialect.name != "sqlite":
        return  # a server holds its constraints itself; amcheck is for who administers it
    for (said,) in connection.execute(text("PRAGMA quick_check" if quick else "PRAGMA integrity_check")):
        if said != "ok":
            yield Finding(f"the file is damaged: {said}", RESTORE)
    if quick:
        return
    for table, row, parent, _ in connection.execute(text("PRAGMA foreign_key_check")):
        yield Finding(f"row {row} of {table} refers to a row of {parent} that is not there", RESTORE)


def _missing_objects(connection: Connection) -> Iterator[Finding]:
    """Tables, columns, indexes and constraints that another program has dropped."""
    seen = inspect(connection)
    tables = set(seen.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in tables:
            yield Finding(f"the table {table.name} is not there", RESTORE)
            continue
        for name in sorted(_wanted(table) - _found(seen, table.name)):
            yield Finding(f"{name} of the table {table.name} is not there", RESTORE)


def _wanted(table: Table) -> set[str]:
    named: list[Any] = [index.name for index in table.indexes]
    # a constraint that belongs to a type is not made where the database has that type
    named += [constraint.name for constraint in table.constraints if not constraint._type_bound]
    return {column.name for column in table.c} | {str(name) for name in named if name}


def _found(seen: Inspector, table: str) -> set[str]:
    lists: list[Any] = [seen.get_columns(table), seen.get_indexes(table), seen.get_foreign_keys(table)]
    lists += [seen.get_unique_constraints(table), seen.get_check_constraints(table), [seen.get_pk_constraint(table)]]
    return {str(thing["name"]) for things in lists for thing in things}


# Rows that do not fit each other

_STRAYS = {
    "trial(s) without their study": ("trials t LEFT JOIN studies p ON p.id = t.study_id WHERE p.id IS NULL", RESTORE),
    "trial(s) without their network": (
        "trials t LEFT JOIN architectures p ON p.id = t.architecture_id WHERE p.id IS NULL",
        RESTORE,
    ),
    "complete or stopped trial(s) without what they measured": (
        "trials t LEFT JOIN measurements p ON p.id = t.measurement_id"
        " WHERE t.state IN ('complete', 'stopped') AND p.id IS NULL",
        RESTORE,
    ),
    "trial(s) that measured another network than their own": (
        "trials t JOIN measurements m ON m.id = t.measurement_id WHERE m.architecture_id <> t.architecture_id",
        "their accuracies are not theirs; " + RESTORE,
    ),
    "trial(s) that measured another network than their own at a rung": (
        "rungs r JOIN trials t ON t.id = r.trial_id JOIN measurements m ON m.id = r.measurement_id"
        " WHERE m.architecture_id <> t.architecture_id",
        "their accuracies are not theirs; " + RESTORE,
    ),
    "measurement(s) of no trial": (
        "measurements m WHERE NOT EXISTS (SELECT 1 FROM trials t WHERE t.measurement_id = m.id)"
        " AND NOT EXISTS (SELECT 1 FROM rungs r WHERE r.measurement_id = m.id)",
        "a trial was deleted by hand; they are still taken by a search that comes to the same network",
    ),
    "measurement(s) by an unknown recipe": (
        "measurements m LEFT JOIN recipes p ON p.digest = m.recipe_digest WHERE p.digest IS NULL",
        RESTORE,
    ),
    "measurement(s) beside whose accuracy stands another cost than their network's": (
        "measurements m JOIN architectures a ON a.id = m.architecture_id"
        " WHERE NOT (a.macs = m.macs AND a.params = m.params AND a.depth = m.depth)",
        RESTORE,
    ),
    "trial(s) that ended before they began": (
        "trials t WHERE t.finished < t.started",
        "the clock of a machine was set back; nothing else depends on it",
    ),
}
"""What may stand in rows that do not fit -> where they are, and what to do."""
_REMARKS = ("trial(s) that ended before they began",)


def _strays(connection: Connection) -> Iterator[Finding]:
    for what, (where, step) in _STRAYS.items():
        count = connection.scalar(text(f"SELECT count(*) FROM {where}"))
        if count:
            yield Finding(f"{count} {what}", step, remark=what in _REMARKS)


def _recipes(connection: Connection) -> Iterator[Finding]:
    known = select(recipes).where(recipes.c.batch_size.is_not(None))
    for row in connection.execute(known, execution_options={"yield_per": ROWS_AT_ONCE}):
        digest = _digest(row)
        if digest != row.digest:
            yield Finding(f"the recipe {row.digest} says what has the digest {digest}", RESTORE)


def _digest(row: Row[Any]) -> str:
    recipe: Recipe = rows.recipe_of(row)
    return recipe.digest(row.data_checksum, row.evaluator)


# Architectures


def _architectures(connection: Connection, sample: int | None) -> Iterator[Finding]:
    query = select(architectures)
    if sample is not None:
        query = query.where(architectures.c.id.in_(select(architectures.c.id).order_by(func.random()).limit(sample)))
    ids = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    for part in ids.partitions():
        kinds = _kinds(connection, [row.id for row in part])
        for row in part:
            yield from _architecture(row, kinds.get(row.id, {}))


def _kinds(connection: Connection, ids: list[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(block_kinds).where(block_kinds.c.architecture_id.in_(ids))):
        found.setdefault(row.architecture_id, {})[row.kind] = row[2]
    return found


def _architecture(row: Row[Any], kinds: dict[str, int]) -> Iterator[Finding]:
    try:
        architecture = Architecture.from_json(row.graph)
    except (ArchitectureError, TypeError) as error:
        said = error.message if isinstance(error, ArchitectureError) else error
        yield Finding(f"the graph of the network {row.id} cannot be read ({said})", RESTORE)
        return
    if architecture.id != row.id:
        yield Finding(f"the network {row.id} has the graph of {architecture.id}", RESTORE)
        return
    wiring = analyse(architecture)
    facts = asdict(cost_of(architecture)) | rows.row_of_analysis(wiring) | {"kinds": dict(wiring.kinds)}
    stored = row._asdict() | {"kinds": kinds}
    wrong = [name for name, value in facts.items() if not _alike(stored[name], value)]
    if wrong:
        told = ", ".join(f"{name} {stored[name]} for {facts[name]}" for name in wrong)
        yield Finding(f"the network {row.id} has {told}", RESTORE)


def _alike(stored: Any, computed: Any) -> bool:
    """A logarithm may differ in its last digit from one machine to another."""
    return isclose(stored, computed, rel_tol=1e-12) if isinstance(computed, float) else bool(stored == computed)


# What the store tells of the world outside


def _left_running(database: Database, connection: Connection) -> Iterator[Finding]:
    query = select(studies.c.name, func.count()).join_from(trials, studies).where(trials.c.state == "running")
    left = connection.execute(query.group_by(studies.c.name).order_by(studies.c.name)).all()
    driven = set(database.driven(connection)) if left else set()
    for name, count in left:
        if name not in driven:
            step = "`ressearch search` with its --name goes on with them"
            yield Finding(
                f"{count} trial(s) of the study {name!r} are running, and nobody drives it", step, remark=True
            )


def _artifacts(database: Database, connection: Connection) -> Iterator[Finding]:
    """Files of weights that are gone or changed. Of a store on a server they may lie on another machine."""
    for row in connection.execute(select(artifacts).order_by(artifacts.c.id)):
        file = database.artifacts / row.name
        if not file.is_file():
            step = "`ressearch store prune` forgets them"
            if database.shared:
                step = "they may lie on another machine, the one that trained"
            yield Finding(f"the weights {file} are not there", step, remark=database.shared)
        elif file.stat().st_size != row.bytes or sha256(file.read_bytes()).hexdigest() != row.sha256:
            yield Finding(f"the weights {file} are not those that were written", "delete the file, and retrain --keep")
