"""What every writer keeps first: recipes and architectures, each once, and the measurement that counts for a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from importlib import import_module
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, insert, select, update

from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.store import rows
from ressearch.store.schema import architectures, block_kinds, recipes, studies
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Recipe

Values: TypeAlias = tuple[Any, ...]
KnownRecipe: TypeAlias = tuple[int, str, Recipe]
"""A recipe of a study's trials, by its row, under its digest."""

KEY = ("architecture_id", "recipe_digest", *(field.name for field in fields(Fidelity)), "seed")
"""Columns of what makes two measurements the same."""
_MEASURED = tuple(field.name for field in fields(Measurement))
_MOST = 2**63 - 1
_COPIED = ("macs", "params", "depth")
MARKS = {"sqlite": "?", "postgresql": "%s"}
"""Where a value goes in a statement that is given to the driver as it is."""

values_of_fidelity: Callable[[Fidelity], Values] = attrgetter(*(field.name for field in fields(Fidelity)))
_values_of_measurement: Callable[[Measurement], Values] = attrgetter(*_MEASURED)


def values_of_key(key: MeasurementKey) -> Values:
    """In the order of `KEY`."""
    return (key.architecture_id, key.recipe_digest, *values_of_fidelity(key.fidelity), key.seed)


def values_of_measurement(measurement: Measurement) -> Values:
    """In the order of its fields; operations may be more than fit into 64 bits, as a float they do."""
    values = _values_of_measurement(measurement)
    return tuple(float(value) if type(value) is int and value > _MOST else value for value in values)


def keep_measurements(connection: Connection, measured: list[Values], created: float) -> int:
    """Insert measurements whose keys are new, and whose architectures are there; how many those are.

    measured: the values of each one's key and its own. Several that are written at once must come in the order of
    their keys: then no two writers wait for each other. An uncommitted one of another's is waited for.
    """
    mark = MARKS[connection.dialect.name]
    given = (*KEY, *_MEASURED, "created")
    statement = (
        f"INSERT INTO measurements ({', '.join((*given, *_COPIED))})"
        f" SELECT {', '.join([mark] * len(given))}, {', '.join(_COPIED)} FROM architectures WHERE id = {mark}"
        " ON CONFLICT DO NOTHING"
    )
    return connection.exec_driver_sql(statement, [(*values, created, values[0]) for values in measured]).rowcount


def insert_if_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its key is there; whether it was new. Another's that is under way is waited for."""
    statement = unless_there(connection, table).values(**row)
    return connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1


def unless_there(connection: Connection, table: Table) -> Any:
    """An INSERT that passes over rows whose keys are there."""
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # of PostgreSQL's, only where it is used
    return dialect.insert(table).on_conflict_do_nothing()


def keep_recipes(connection: Connection, study_id: int, told: set[KnownRecipe]) -> None:
    """Record what the digests of a study's trials stand for, in the order of the digests."""
    if told:
        query = select(recipes.c.data_checksum, recipes.c.evaluator).join_from(studies, recipes)
        study = connection.execute(query.where(studies.c.id == study_id)).one()
        for _, digest, recipe in sorted(told, key=itemgetter(1)):
            keep_recipe(connection, digest, recipe, study.data_checksum, study.evaluator)


def keep_recipe(connection: Connection, digest: str, recipe: Recipe, data_checksum: str, evaluator: str) -> None:
    """Record what a digest stands for, unless that is known."""
    if recipe.digest(data_checksum, evaluator) != digest:
        raise ValueError(f"{digest} is not the digest of this recipe on this data")
    known = connection.execute(select(recipes.c.batch_size).where(recipes.c.digest == digest)).one_or_none()
    settings = {"data_checksum": data_checksum, "evaluator": evaluator, **asdict(recipe)}
    if known is None:
        insert_if_new(connection, recipes, {"digest": digest, **settings})
    elif known.batch_size is None:
        connection.execute(update(recipes).where(recipes.c.digest == digest).values(**settings))


def keep_architecture(connection: Connection, architecture: Architecture, cost: Cost) -> None:
    """Record an architecture, unless it is known."""
    known = connection.execute(select(architectures.c.id).where(architectures.c.id == architecture.id))
    if known.one_or_none() is None:
        row, kinds = rows_of_architecture(architecture, cost)
        if insert_if_new(connection, architectures, row) and kinds:
            connection.execute(insert(block_kinds), kinds)


def rows_of_architecture(architecture: Architecture, cost: Cost) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Its row in `architectures`, and those in `block_kinds`."""
    wiring = analyse(architecture)
    row = {"id": architecture.id, "graph": architecture.to_json(), **asdict(cost), **rows.row_of_analysis(wiring)}
    return row, [{"architecture_id": architecture.id, "kind": k, "count": n} for k, n in wiring.kinds.items()]


def keep_asked(connection: Connection, study_id: int, asked: int) -> None:
    """Record how many trials are asked for now, of a study of which it is known how it was searched."""
    this = studies.c.id == study_id
    told = connection.execute(select(studies.c.search).where(this)).scalar_one()
    if told is not None:
        search = rows.to_json({**json.loads(told), "trials": asked})
        connection.execute(update(studies).where(this).values(search=search))
