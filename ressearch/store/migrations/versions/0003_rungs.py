"""Version 3: rungs, training-free scores, artifacts; costs beside measurements; who proposed and who trained a trial.

What version 2 did not know is not told: `search`, `proposer`, `worker` and `attributes` are NULL. Nothing but SQL on
what is there, so it runs in the database alone. PostgreSQL changes tables; SQLite, which cannot change constraints,
gets new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

OLD = ("trials", "measurements", "studies")
"""Tables that change, each before those it refers to."""
COPIED = ("macs", "params", "depth")
COST_INDEX = ("recipe_digest", "epochs", "data_fraction", "resolution", "schedule", "macs", "accuracy", "params")

LARGEST = "1.7976931348623157e308"
MOST = 2**63 - 1
ANY = f"BETWEEN -{LARGEST} AND {LARGEST}"
FROM_0 = f"BETWEEN 0 AND {LARGEST}"
COUNT = f"BETWEEN 0 AND {MOST}"
FROM_1 = f"BETWEEN 1 AND {MOST}"
BELOW_1 = ">= 0 AND {} < 1"
SHARE = "> 0 AND {} <= 1"
PRECISION = "IN ('fp32', 'bf16')"

STATES = (
    "(state = 'running' AND measurement_id IS NULL AND error IS NULL)"
    " OR (state IN ('stopped', 'complete') AND measurement_id IS NOT NULL AND error IS NULL)"
    " OR (state = 'failed' AND measurement_id IS NULL AND error IS NOT NULL)"
)
REUSED = "state IN ('stopped', 'complete') OR NOT reused"


def upgrade() -> None:
    """Change the tables that are there, and make those that are new."""
    op.create_index("architectures_by_cost", "architectures", ["id", *COPIED], unique=True)
    if op.get_bind().dialect.name == "sqlite":
        _replace_tables()
    else:
        _change_tables()
    op.create_index("measurements_by_cost", "measurements", list(COST_INDEX))
    op.create_index("trials_by_measurement", "trials", ["measurement_id", "state"])
    op.create_index("trials_by_state", "trials", ["study_id", "state", "number", "measurement_id"])
    _rungs()
    _proxies()
    _artifacts()


# PostgreSQL


def _change_tables() -> None:
    op.add_column("studies", sa.Column("search", sa.String))
    for name in ("proposer", "worker", "attributes"):
        op.add_column("trials", sa.Column(name, sa.String))
    op.drop_constraint("state_is_consistent", "trials")
    op.create_check_constraint("state_is_consistent", "trials", STATES)
    op.drop_constraint("reused_is_complete", "trials")
    op.create_check_constraint("reused_is_measured", "trials", REUSED)
    for name in COPIED:
        op.add_column("measurements", sa.Column(name, sa.BigInteger))
    listed = ", ".join(f"{name} = a.{name}" for name in COPIED)
    op.execute(f"UPDATE measurements m SET {listed} FROM architectures a WHERE a.id = m.architecture_id")
    for name in COPIED:
        op.alter_column("measurements", name, nullable=False)
        op.create_check_constraint(f"{name}_is_sensible", "measurements", f"{name} {COUNT}")
    op.create_foreign_key(
        "cost_is_the_architectures", "measurements", "architectures", ["architecture_id", *COPIED], ["id", *COPIED]
    )


# SQLite


def _replace_tables() -> None:
    op.drop_index("trials_by_architecture", "trials")
    for name in OLD:
        op.rename_table(name, f"{name}_2")
    _studies()
    _measurements()
    _trials()
    _copy("studies", *_STUDY)
    measured = [f"m.{name}" for name in _MEASUREMENT] + [f"a.{name}" for name in COPIED]
    op.execute(
        f"INSERT INTO measurements ({', '.join([*_MEASUREMENT, *COPIED])}) SELECT {', '.join(measured)}"
        " FROM measurements_2 m JOIN architectures a ON a.id = m.architecture_id"
    )
    _copy("trials", *_TRIAL)
    for name in OLD:
        op.drop_table(f"{name}_2")


_FIDELITY = ("epochs", "data_fraction", "resolution", "schedule", "seed")
_STUDY = (
    *("id", "name", "space_name", "space_text", "space_digest", "data_source", "recipe_digest", *_FIDELITY),
    *("versions", '"commit"', "created"),
)
_MEASUREMENT = (
    *("id", "architecture_id", "recipe_digest", *_FIDELITY, "accuracy", "loss", "train_loss", "seconds"),
    *("cpu_seconds", "images_per_second", "flops", "peak_memory", "device", "precision", "created"),
)
_TRIAL = (
    *("id", "study_id", "number", "architecture_id", "decisions", "seed", "origin", "baseline", "state"),
    *("measurement_id", "error", "failure", "reused", "started", "finished"),
)


def _copy(table: str, *names: str) -> None:
    listed = ", ".join(names)
    op.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {table}_2")


def _column(name: str, kind: Any, condition: str, nullable: bool = False) -> sa.Column[Any]:
    check = sa.CheckConstraint(f"{name} {condition.format(name)}", name=f"{name}_is_sensible")
    return sa.Column(name, kind, check, nullable=nullable)


def _refers(name: str, to: str, kind: Any = sa.String, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, sa.ForeignKey(to), **{"nullable": False} | options)


def _text(*names: str, nullable: bool = False) -> Sequence[sa.Column[Any]]:
    return [sa.Column(name, sa.String, nullable=nullable) for name in names]


def _fidelity() -> Sequence[sa.Column[Any]]:
    return [
        _column("epochs", sa.BigInteger, FROM_1),
        _column("data_fraction", sa.Float, SHARE),
        _column("resolution", sa.Float, SHARE),
        _column("schedule", sa.BigInteger, f">= epochs AND {{}} <= {MOST}"),
        _column("seed", sa.BigInteger, COUNT),
    ]


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        *_text("space_name", "space_text", "space_digest", "data_source"),
        _refers("recipe_digest", "recipes.digest"),
        *_fidelity(),
        *_text("versions"),
        *_text("commit", "search", nullable=True),
        sa.Column("created", sa.Float, nullable=False),
    )


def _measurements() -> None:
    key = ("architecture_id", "recipe_digest", "epochs", "data_fraction", "resolution", "schedule", "seed")
    cost = sa.ForeignKeyConstraint(
        ["architecture_id", *COPIED],
        ["architectures.id", *(f"architectures.{name}" for name in COPIED)],
        name="cost_is_the_architectures",
    )
    op.create_table(
        "measurements",
        sa.Column("id", sa.Integer, primary_key=True),
        _refers("architecture_id", "architectures.id"),
        _refers("recipe_digest", "recipes.digest"),
        *_fidelity(),
        _column("accuracy", sa.Float, "BETWEEN 0 AND 1"),
        _column("loss", sa.Float, ANY, nullable=True),
        _column("train_loss", sa.Float, ANY, nullable=True),
        _column("seconds", sa.Float, FROM_0),
        _column("cpu_seconds", sa.Float, FROM_0),
        _column("images_per_second", sa.Float, FROM_0, nullable=True),
        _column("flops", sa.Float, FROM_0, nullable=True),
        _column("peak_memory", sa.BigInteger, COUNT),
        *_text("device"),
        _column("precision", sa.String, PRECISION, nullable=True),
        sa.Column("created", sa.Float, nullable=False),
        *(_column(name, sa.BigInteger, COUNT) for name in COPIED),
        sa.UniqueConstraint(*key, name="measurements_by_key"),
        cost,
    )


def _trials() -> None:
    failures = "'diverged', 'out of memory', 'time limit', 'worker died', 'error'"
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        _refers("study_id", "studies.id", sa.Integer),
        _column("number", sa.BigInteger, COUNT),
        _refers("architecture_id", "architectures.id"),
        *_text("decisions"),
        _column("seed", sa.BigInteger, COUNT),
        _known("origin", "'baseline', 'proposed'", nullable=False),
        *_text("baseline", nullable=True),
        *_text("state"),
        _refers("measurement_id", "measurements.id", sa.Integer, nullable=True),
        *_text("error", nullable=True),
        _known("failure", failures, nullable=True),
        sa.Column("reused", sa.Boolean(create_constraint=True, name="reused_is_boolean"), nullable=False),
        *_text("proposer", "worker", "attributes", nullable=True),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.UniqueConstraint("study_id", "number", name="trials_by_number"),
        sa.CheckConstraint("(origin = 'baseline') = (baseline IS NOT NULL)", name="baseline_is_named"),
        sa.CheckConstraint(STATES, name="state_is_consistent"),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure_is_named"),
        sa.CheckConstraint("(state = 'running') = (finished IS NULL)", name="finished_is_timed"),
        sa.CheckConstraint(REUSED, name="reused_is_measured"),
    )
    op.create_index("trials_by_architecture", "trials", ["architecture_id"])


def _known(name: str, values: str, nullable: bool) -> sa.Column[Any]:
    check = sa.CheckConstraint(f"{name} IN ({values})", name=f"{name}_is_known")
    return sa.Column(name, sa.String, check, nullable=nullable)


# New ones, for both


def _rungs() -> None:
    op.create_table(
        "rungs",
        _refers("trial_id", "trials.id", sa.Integer, primary_key=True),
        _refers("measurement_id", "measurements.id", sa.Integer, primary_key=True),
    )
    op.create_index("rungs_by_measurement", "rungs", ["measurement_id"])


def _proxies() -> None:
    op.create_table(
        "proxies",
        sa.Column("id", sa.Integer, primary_key=True),
        _refers("architecture_id", "architectures.id"),
        *_text("data_checksum"),
        _column("batch", sa.BigInteger, FROM_1),
        sa.Column("seed", sa.BigInteger, nullable=False),
        *(_column(name, sa.Float, ANY, nullable=True) for name in ("naswot", "synflow", "grad_norm", "zen")),
        _column("seconds", sa.Float, FROM_0),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("architecture_id", "data_checksum", "batch", "seed", name="proxies_by_key"),
    )


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("retraining_id", sa.Integer, sa.ForeignKey("retrainings.id"), nullable=False, unique=True),
        *_text("name", "sha256"),
        _column("bytes", sa.BigInteger, COUNT),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("name", name="artifacts_by_name"),
    )
