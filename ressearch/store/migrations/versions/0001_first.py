"""The tables of version 1."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables where there are none."""
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("space_name", sa.String, nullable=False),
        sa.Column("space_text", sa.String, nullable=False),
        sa.Column("space_digest", sa.String, nullable=False),
        sa.Column("data_source", sa.String, nullable=False),
        sa.Column("data_checksum", sa.String, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("lr", sa.Float, nullable=False),
        sa.Column("momentum", sa.Float, nullable=False),
        sa.Column("weight_decay", sa.Float, nullable=False),
        sa.Column("label_smoothing", sa.Float, nullable=False),
        sa.Column("warmup", sa.Float, nullable=False),
        sa.Column("recipe_digest", sa.String, nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("data_fraction", sa.Float, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("versions", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "architectures",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("graph", sa.String, nullable=False),
        *(
            sa.Column(name, sa.Integer, sa.CheckConstraint(f"{name} >= 0"), nullable=False)
            for name in ("macs", "params", "activations", "peak", "depth")
        ),
    )
    op.create_table(
        "measurements",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("architecture_id", sa.String, sa.ForeignKey("architectures.id"), nullable=False),
        sa.Column("recipe_digest", sa.String, nullable=False),
        sa.Column("epochs", sa.Integer, nullable=False),
        sa.Column("data_fraction", sa.Float, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("accuracy", sa.Float, sa.CheckConstraint("accuracy BETWEEN 0 AND 1"), nullable=False),
        sa.Column("loss", sa.Float, nullable=False),
        sa.Column("train_loss", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, sa.CheckConstraint("seconds >= 0"), nullable=False),
        sa.Column("images_per_second", sa.Float, nullable=False),
        sa.Column("peak_memory", sa.Integer, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("architecture_id", "recipe_digest", "epochs", "data_fraction", "seed"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("architecture_id", sa.String, sa.ForeignKey("architectures.id"), nullable=False),
        sa.Column("decisions", sa.String, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("baseline", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("measurement_id", sa.Integer, sa.ForeignKey("measurements.id")),
        sa.Column("error", sa.String),
        sa.Column("reused", sa.Integer, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.UniqueConstraint("study_id", "number"),
        sa.CheckConstraint("(origin = 'baseline') = (baseline IS NOT NULL)", name="baseline_is_named"),
        sa.CheckConstraint(
            "(state = 'running' AND measurement_id IS NULL AND error IS NULL)"
            " OR (state = 'complete' AND measurement_id IS NOT NULL AND error IS NULL)"
            " OR (state = 'failed' AND measurement_id IS NULL AND error IS NOT NULL)",
            name="state_is_consistent",
        ),
    )
    op.create_index("trials_by_architecture", "trials", ["architecture_id"])
