"""The tables of the present version, for SQLAlchemy. Whoever changes one adds a migration, see `migrations`.

What makes no sense is refused by the database too, whoever writes to it. A range has both ends where SQLite, which
takes any type in any column, is to refuse text as well: text is above all numbers there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from ressearch.cost import Cost
from ressearch.trial import Artifact, Failure, Fidelity, Latency, Measurement, Origin, Proxies, Recipe

SCHEMA_VERSION = 3
REVISION = f"{SCHEMA_VERSION:04}"
"""The name of the last migration."""

_LARGEST = "1.7976931348623157e308"
_MOST = 2**63 - 1
_ANY_FLOAT = f"BETWEEN -{_LARGEST} AND {_LARGEST}"
_ABOVE_0 = f"> 0 AND {{}} <= {_LARGEST}"
_FROM_0 = f"BETWEEN 0 AND {_LARGEST}"
_COUNT = f"BETWEEN 0 AND {_MOST}"
_FROM_1 = f"BETWEEN 1 AND {_MOST}"
_BELOW_1 = ">= 0 AND {} < 1"
_SHARE = "> 0 AND {} <= 1"
_PRECISION = "IN ('fp32', 'bf16')"

_SENSIBLE = {
    "batch_size": f"BETWEEN 2 AND {_MOST}",
    "lr": _ABOVE_0,
    "momentum": _BELOW_1,
    "weight_decay": _FROM_0,
    "label_smoothing": _BELOW_1,
    "warmup": _BELOW_1,
    "crop": _COUNT,
    "cutout": _COUNT,
    "ema": _BELOW_1,
    "epochs": _FROM_1,
    "data_fraction": _SHARE,
    "resolution": _SHARE,
    "schedule": f">= epochs AND {{}} <= {_MOST}",
    "accuracy": "BETWEEN 0 AND 1",
    "loss": _ANY_FLOAT,
    "train_loss": _ANY_FLOAT,
    "seconds": _FROM_0,
    "cpu_seconds": _FROM_0,
    "images_per_second": _FROM_0,
    "flops": _FROM_0,
    "peak_memory": _COUNT,
    "precision": _PRECISION,
    "batch": _FROM_1,
    "threads": _COUNT,
    "repeats": _FROM_1,
    "low_seconds": _ABOVE_0,
    "median_seconds": ">= low_seconds",
    "high_seconds": f">= median_seconds AND {{}} <= {_LARGEST}",
    "bytes": _COUNT,
    **dict.fromkeys(("naswot", "synflow", "grad_norm", "zen"), _ANY_FLOAT),
    **dict.fromkeys(("macs", "params", "activations", "peak", "depth"), _COUNT),
}
"""What a number of a record must be, by the name of its column; `{}` is the column again."""

_TYPES: dict[str, Any] = {"int": BigInteger, "float": Float, "str": String}


def _columns(record: Any, nullable: bool = False) -> Iterator[Column[Any]]:
    """The fields of a record as columns."""
    for field in fields(record):
        name, (kind, _, optional) = field.name, str(field.type).partition(" | ")
        if kind == "bool":
            yield Column(name, Boolean(create_constraint=True, name=f"{name}_is_boolean"), nullable=nullable)
        elif name != "architecture_id":
            # training may take more operations than fit into 64 bits
            typed = Float if name == "flops" else _TYPES[kind]
            checks = [_sensible(name, _SENSIBLE[name])] if name in _SENSIBLE else []
            yield Column(name, typed, *checks, nullable=nullable or bool(optional))


def _sensible(name: str, condition: str) -> CheckConstraint:
    return CheckConstraint(f"{name} {condition.format(name)}", name=f"{name}_is_sensible")


def _counted(name: str, **options: Any) -> Column[Any]:
    return Column(name, BigInteger, _sensible(name, _COUNT), nullable=False, **options)


def _listed(column: str, values: Any) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def _key() -> list[Any]:
    """What makes two measurements the same, see `MeasurementKey`."""
    return [
        Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
        Column("recipe_digest", ForeignKey("recipes.digest"), nullable=False),
        *_columns(Fidelity),
        _counted("seed"),
    ]


def _measured(name: str, *more: Any) -> Table:
    """A table of measurements, at most one a key. more: further columns and constraints."""
    key = _key()
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        *key,
        *_columns(Measurement),
        Column("created", Float, nullable=False),
        UniqueConstraint(*(column.name for column in key), name=f"{name}_by_key"),
        *more,
    )


_COPIED = ("macs", "params", "depth")
"""Of an architecture's costs, those that stand beside each of its measurements too."""

metadata = MetaData()

versions = Table(
    "alembic_version",  # as Alembic makes it, so that it finds its own
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

recipes = Table(
    "recipes",
    metadata,
    Column("digest", String, primary_key=True),
    Column("data_checksum", String),
    Column("evaluator", String, nullable=False),
    *_columns(Recipe, nullable=True),
    CheckConstraint(
        " OR ".join(
            "("
            + " AND ".join(f"{name} IS {state}" for name in ("data_checksum", *(f.name for f in fields(Recipe))))
            + ")"
            for state in ("NULL", "NOT NULL")
        ),
        name="known_as_a_whole",
    ),
)
"""Version 1 kept only the digest of some recipes; where it is not known what they said, they are NULL as a whole."""

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("space_name", String, nullable=False),
    Column("space_text", String, nullable=False),
    Column("space_digest", String, nullable=False),
    Column("data_source", String, nullable=False),
    Column("recipe_digest", ForeignKey("recipes.digest"), nullable=False),
    *_columns(Fidelity),
    _counted("seed"),
    Column("versions", String, nullable=False, doc="JSON object: package -> version"),
    Column("commit", String),
    Column("search", String, doc="JSON object: setting -> value"),
    Column("created", Float, nullable=False, doc="seconds since 1970, UTC"),
)

architectures = Table(
    "architectures",
    metadata,
    Column("id", String, primary_key=True),
    Column("graph", String, nullable=False, doc="JSON, see Architecture.to_json"),
    *_columns(Cost),
    _counted("nesting"),
    _counted("skips"),
    _counted("shortest_path"),
    Column(
        "longest_path",
        BigInteger,
        CheckConstraint("longest_path >= shortest_path", name="longest_path_is_sensible"),
        nullable=False,
    ),
    Column(
        "mean_path",
        Float,
        CheckConstraint("mean_path BETWEEN shortest_path AND longest_path", name="mean_path_is_sensible"),
        nullable=False,
    ),
    Column("log10_paths", Float, _sensible("log10_paths", _FROM_0), nullable=False),
    _counted("receptive_field"),
    Index("architectures_by_cost", "id", *_COPIED, unique=True),
)
"""Costs, and the facts of `ressearch.analysis`, for those who ask in SQL."""

block_kinds = Table(
    "block_kinds",
    metadata,
    Column("architecture_id", ForeignKey("architectures.id"), primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", BigInteger, _sensible("count", _FROM_1), nullable=False),
)

measurements = _measured(
    "measurements",
    *map(_counted, _COPIED),
    ForeignKeyConstraint(
        ("architecture_id", *_COPIED),
        ("architectures.id", *(f"architectures.{name}" for name in _COPIED)),
        name="cost_is_the_architectures",
    ),
    Index("measurements_by_cost", "recipe_digest", *(f.name for f in fields(Fidelity)), "macs", "accuracy", "params"),
)
"""With a copy of what its architecture costs, so that fronts are found without reading wide rows of architectures."""

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False),
    _counted("number"),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    Column("decisions", String, nullable=False, doc="JSON object: path of the choice -> value"),
    _counted("seed"),
    Column("origin", String, _listed("origin", Origin), nullable=False),
    Column("baseline", String),
    Column("state", String, nullable=False),
    Column("measurement_id", ForeignKey("measurements.id")),
    Column("error", String),
    Column("failure", String, _listed("failure", Failure)),
    Column("reused", Boolean(create_constraint=True, name="reused_is_boolean"), nullable=False),
    Column("proposer", String),
    Column("worker", String),
    Column("attributes", String, doc="JSON object"),
    Column("started", Float, nullable=False),
    Column("finished", Float),
    UniqueConstraint("study_id", "number", name="trials_by_number"),
    CheckConstraint("(origin = 'baseline') = (baseline IS NOT NULL)", name="baseline_is_named"),
    CheckConstraint(
        "(state = 'running' AND measurement_id IS NULL AND error IS NULL)"
        " OR (state IN ('stopped', 'complete') AND measurement_id IS NOT NULL AND error IS NULL)"
        " OR (state = 'failed' AND measurement_id IS NULL AND error IS NOT NULL)",
        name="state_is_consistent",
    ),
    CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure_is_named"),
    CheckConstraint("(state = 'running') = (finished IS NULL)", name="finished_is_timed"),
    CheckConstraint("state IN ('stopped', 'complete') OR NOT reused", name="reused_is_measured"),
    Index("trials_by_architecture", "architecture_id"),
    Index("trials_by_measurement", "measurement_id", "state"),
    Index("trials_by_state", "study_id", "state", "number", "measurement_id"),
)

rungs = Table(
    "rungs",
    metadata,
    Column("trial_id", ForeignKey("trials.id"), primary_key=True),
    Column("measurement_id", ForeignKey("measurements.id"), primary_key=True),
    Index("rungs_by_measurement", "measurement_id"),
)
"""What trials measured at rungs from which they were promoted; the last measurement of a trial stands in its row."""

retrainings = _measured("retrainings")
"""Their measurements are on the test images."""

latencies = Table(
    "latencies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    *_columns(Latency),
    Column("created", Float, nullable=False),
    Index("latencies_by_architecture", "architecture_id"),
)

proxies = Table(
    "proxies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    *_columns(Proxies),
    Column("created", Float, nullable=False),
    UniqueConstraint("architecture_id", "data_checksum", "batch", "seed", name="proxies_by_key"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("retraining_id", ForeignKey("retrainings.id"), nullable=False, unique=True),
    *_columns(Artifact),
    Column("created", Float, nullable=False),
    UniqueConstraint("name", name="artifacts_by_name"),
)
