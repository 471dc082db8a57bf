"""Version 2: recipes in a table of their own, kinds of failures, retrainings, latencies, facts of the wiring.

What version 1 did not know is told as it was, or not at all:

- A training took its processor all the time, or nearly: `cpu_seconds` is `seconds`. It was in fp32, on whole images,
  and its schedule as long as itself. How many images it saw was not kept: `flops` is NULL.
- A study's recipe stood in its columns; of a trial's own recipe (`parameters:`) only the digest was kept. The settings
  are found again from the trial's decisions and the constants of the space file, and count where their digest is the
  one that was kept. The others stay NULL: what was measured is kept under its digest, but not what it was.
- A failure is 'diverged' where its traceback says so, else 'error'.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from math import log10
from typing import Any

import sqlalchemy as sa
import yaml
from alembic import op

from ressearch.analysis import Analysis, analyse
from ressearch.architecture import Architecture
from ressearch.errors import ArchitectureError

revision = "0002"
down_revision = "0001"

BATCH = 500
SETTINGS = ("batch_size", "lr", "momentum", "weight_decay", "label_smoothing", "warmup")
"""What a recipe said in version 1."""
OLD = ("trials", "measurements", "architectures", "studies")
"""The tables of version 1, each before those it refers to."""


def upgrade() -> None:
    """Put the old tables aside, make the new ones, fill them, drop the old ones."""
    op.drop_index("trials_by_architecture", "trials")
    for name in OLD:
        op.rename_table(name, f"{name}_1")
    _make_tables()
    _move_recipes()
    _move_studies()
    _move_architectures()
    _move_measurements()
    _move_trials()
    for name in OLD:
        op.drop_table(f"{name}_1")


# Contents


def _move_recipes() -> None:
    bind = op.get_bind()
    listed = ", ".join(SETTINGS)
    bind.exec_driver_sql(
        "INSERT INTO recipes (digest, data_checksum, evaluator, decoupled, crop, flip, cutout, ema, amp, "
        f"{listed}) SELECT recipe_digest, data_checksum, '', 0, 0, 0, 0, 0.0, 1, {listed} FROM studies_1"
        " WHERE id IN (SELECT min(id) FROM studies_1 GROUP BY recipe_digest)"
    )
    told = {row.digest for row in bind.execute(sa.text("SELECT digest FROM recipes"))}
    kept = {row.digest for row in bind.execute(sa.text("SELECT DISTINCT recipe_digest AS digest FROM measurements_1"))}
    found = _settings_of_trials()
    rows = [{"digest": digest, "evaluator": "", **found.get(digest, {})} for digest in sorted(kept - told)]
    names = ("digest", "data_checksum", "evaluator", *SETTINGS, *LATER)
    if rows:
        unknown = dict.fromkeys(names)
        statement = f"INSERT INTO recipes ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        bind.execute(sa.text(statement), [unknown | row for row in rows])


LATER = {"decoupled": False, "crop": 0, "flip": False, "cutout": 0, "ema": 0.0, "amp": True}
"""What a recipe says since, as it was done before it said so."""


def _settings_of_trials() -> dict[str, dict[str, Any]]:
    """Digest -> settings, of the trials whose recipe is not their study's and can be found again."""
    rows = op.get_bind().execute(
        sa.text(
            "SELECT measurements_1.recipe_digest AS digest, decisions, studies_1.*"
            " FROM trials_1 JOIN measurements_1 ON measurements_1.id = measurement_id"
            " JOIN studies_1 ON studies_1.id = study_id WHERE measurements_1.recipe_digest <> studies_1.recipe_digest"
        )
    )
    found = {}
    constants: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row.id not in constants:
            constants[row.id] = _constants(row.space_text)
        decided = {
            path.removeprefix("parameters."): value
            for path, value in json.loads(row.decisions).items()
            if path.startswith("parameters.")
        }
        settings = {name: getattr(row, name) for name in SETTINGS} | constants[row.id] | decided
        if _digest(settings, row.data_checksum) == row.digest:
            found[row.digest] = {**settings, **LATER, "data_checksum": row.data_checksum}
    return found


def _constants(space_text: str) -> dict[str, Any]:
    """The numbers under `parameters:` that leave nothing to decide."""
    try:
        parameters = yaml.safe_load(space_text).get("parameters") or {}
        values = {name: p.get("values", [p.get("value")]) for name, p in parameters.items() if name in SETTINGS}
        return {name: float(listed[0]) for name, listed in values.items() if len(listed) == 1 and listed[0] is not None}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
        return {}  # then the digest will not agree


def _digest(settings: dict[str, Any], data_checksum: str) -> str | None:
    """The digest of version 1."""
    if settings.keys() != set(SETTINGS):
        return None
    numbers = {name: int(value) if name == "batch_size" else float(value) for name, value in settings.items()}
    return sha256(json.dumps({**numbers, "data": data_checksum}, sort_keys=True).encode()).hexdigest()[:16]


def _move_studies() -> None:
    op.execute(
        "INSERT INTO studies (id, name, space_name, space_text, space_digest, data_source, recipe_digest, epochs,"
        " data_fraction, resolution, schedule, seed, versions, created) SELECT id, name, space_name, space_text,"
        " space_digest, data_source, recipe_digest, epochs, data_fraction, 1.0, epochs, seed, versions, created"
        " FROM studies_1"
    )


def _move_architectures() -> None:
    names = (
        *("id", "graph", "macs", "params", "activations", "peak", "depth"),
        *("nesting", "skips", "shortest_path", "longest_path", "mean_path", "log10_paths", "receptive_field"),
    )
    bind = op.get_bind()
    insert = sa.text(f"INSERT INTO architectures ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})")
    insert_kind = sa.text("INSERT INTO block_kinds (architecture_id, kind, count) VALUES (:id, :kind, :count)")
    for rows in _batches("architectures_1"):
        wirings = {row["id"]: _wiring(**row) for row in rows}
        bind.execute(insert, [row | _facts(wirings[row["id"]]) for row in rows])
        kinds = [
            {"id": id, "kind": kind, "count": count}
            for id, wiring in wirings.items()
            for kind, count in wiring.kinds.items()
        ]
        if kinds:
            bind.execute(insert_kind, kinds)


def _wiring(id: str, graph: str, **_: Any) -> Analysis:
    try:
        return analyse(Architecture.from_json(graph))
    except ArchitectureError as error:
        raise ArchitectureError(f"architecture {id}: {error.message}") from error


def _batches(table: str) -> Iterator[list[dict[str, Any]]]:
    last = ""
    query = sa.text(f"SELECT * FROM {table} WHERE id > :last ORDER BY id LIMIT {BATCH}")
    while rows := [dict(row) for row in op.get_bind().execute(query, {"last": last}).mappings()]:
        yield rows
        last = rows[-1]["id"]


def _facts(wiring: Analysis) -> dict[str, Any]:
    return {
        "nesting": wiring.nesting,
        "skips": wiring.skips,
        "shortest_path": wiring.shortest,
        "longest_path": wiring.longest,
        "mean_path": wiring.mean_length,
        "log10_paths": log10(wiring.paths),
        "receptive_field": min(wiring.receptive_field, 2**63 - 1),
    }


def _move_measurements() -> None:
    op.execute(
        "INSERT INTO measurements (id, architecture_id, recipe_digest, epochs, data_fraction, resolution, schedule,"
        " seed, accuracy, loss, train_loss, seconds, cpu_seconds, images_per_second, flops, peak_memory, device,"
        " precision, created) SELECT id, architecture_id, recipe_digest, epochs, data_fraction, 1.0, epochs, seed,"
        " accuracy, loss, train_loss, seconds, seconds, images_per_second, NULL, peak_memory, device, 'fp32', created"
        " FROM measurements_1"
    )


def _move_trials() -> None:
    op.execute(
        "INSERT INTO trials (id, study_id, number, architecture_id, decisions, seed, origin, baseline, state,"
        " measurement_id, error, failure, reused, started, finished) SELECT id, study_id, number, architecture_id,"
        " decisions, seed, origin, baseline, state, measurement_id, error, CASE WHEN error IS NULL THEN NULL"
        " WHEN error LIKE '%DivergedError%' THEN 'diverged' ELSE 'error' END, reused, started, finished FROM trials_1"
    )


# Tables

LARGEST = "1.7976931348623157e308"
MOST = 2**63 - 1
ANY = f"BETWEEN -{LARGEST} AND {LARGEST}"
FROM_0 = f"BETWEEN 0 AND {LARGEST}"
COUNT = f"BETWEEN 0 AND {MOST}"
FROM_1 = f"BETWEEN 1 AND {MOST}"
BELOW_1 = ">= 0 AND {} < 1"
SHARE = "> 0 AND {} <= 1"
ABOVE_0 = f"> 0 AND {{}} <= {LARGEST}"
PRECISION = "IN ('fp32', 'bf16')"


def _column(name: str, kind: Any, condition: str | None = None, nullable: bool = False) -> sa.Column[Any]:
    checks = []
    if condition is not None:
        checks.append(sa.CheckConstraint(f"{name} {condition.format(name)}", name=f"{name}_is_sensible"))
    return sa.Column(name, kind, *checks, nullable=nullable)


def _boolean(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(create_constraint=True, name=f"{name}_is_boolean"), nullable=nullable)


def _refers(name: str, to: str, kind: Any = sa.String, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, sa.ForeignKey(to), **{"nullable": False} | options)


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String, **{"nullable": False} | options)


def _make_tables() -> None:
    makers: tuple[Callable[[], Any], ...] = (_recipes, _studies, _architectures, _block_kinds)
    for make in makers:
        make()
    _measured("measurements")
    _trials()
    _measured("retrainings")
    _latencies()


def _recipes() -> None:
    names = (
        *("data_checksum", "batch_size", "lr", "momentum", "weight_decay", "label_smoothing", "warmup"),
        *("decoupled", "crop", "flip", "cutout", "ema", "amp"),
    )
    whole = (" AND ".join(f"{name} IS {state}" for name in names) for state in ("NULL", "NOT NULL"))
    op.create_table(
        "recipes",
        _text("digest", primary_key=True),
        _text("data_checksum", nullable=True),
        _text("evaluator"),
        _column("batch_size", sa.BigInteger, f"BETWEEN 2 AND {MOST}", nullable=True),
        _column("lr", sa.Float, ABOVE_0, nullable=True),
        _column("momentum", sa.Float, BELOW_1, nullable=True),
        _column("weight_decay", sa.Float, FROM_0, nullable=True),
        _column("label_smoothing", sa.Float, BELOW_1, nullable=True),
        _column("warmup", sa.Float, BELOW_1, nullable=True),
        _boolean("decoupled", nullable=True),
        _column("crop", sa.BigInteger, COUNT, nullable=True),
        _boolean("flip", nullable=True),
        _column("cutout", sa.BigInteger, COUNT, nullable=True),
        _column("ema", sa.Float, BELOW_1, nullable=True),
        _boolean("amp", nullable=True),
        sa.CheckConstraint(" OR ".join(f"({condition})" for condition in whole), name="known_as_a_whole"),
    )


def _fidelity() -> list[sa.Column[Any]]:
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
        _text("name", unique=True),
        _text("space_name"),
        _text("space_text"),
        _text("space_digest"),
        _text("data_source"),
        _refers("recipe_digest", "recipes.digest"),
        *_fidelity(),
        _text("versions"),
        _text("commit", nullable=True),
        sa.Column("created", sa.Float, nullable=False),
    )


def _architectures() -> None:
    counts = ("macs", "params", "activations", "peak", "depth", "nesting", "skips", "shortest_path")
    op.create_table(
        "architectures",
        _text("id", primary_key=True),
        _text("graph"),
        *(_column(name, sa.BigInteger, COUNT) for name in counts),
        _column("longest_path", sa.BigInteger, ">= shortest_path"),
        _column("mean_path", sa.Float, "BETWEEN shortest_path AND longest_path"),
        _column("log10_paths", sa.Float, FROM_0),
        _column("receptive_field", sa.BigInteger, COUNT),
    )


def _block_kinds() -> None:
    op.create_table(
        "block_kinds",
        _refers("architecture_id", "architectures.id", primary_key=True),
        _text("kind", primary_key=True),
        _column("count", sa.BigInteger, FROM_1),
    )


def _measured(name: str) -> None:
    op.create_table(
        name,
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
        _text("device"),
        _column("precision", sa.String, PRECISION, nullable=True),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint(
            *("architecture_id", "recipe_digest", "epochs", "data_fraction", "resolution", "schedule", "seed"),
            name=f"{name}_by_key",
        ),
    )


def _trials() -> None:
    failures = "'diverged', 'out of memory', 'time limit', 'worker died', 'error'"
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        _refers("study_id", "studies.id", sa.Integer),
        _column("number", sa.BigInteger, COUNT),
        _refers("architecture_id", "architectures.id"),
        _text("decisions"),
        _column("seed", sa.BigInteger, COUNT),
        _known("origin", "'baseline', 'proposed'", nullable=False),
        _text("baseline", nullable=True),
        _text("state"),
        _refers("measurement_id", "measurements.id", sa.Integer, nullable=True),
        _text("error", nullable=True),
        _known("failure", failures, nullable=True),
        _boolean("reused"),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("finished", sa.Float),
        sa.UniqueConstraint("study_id", "number", name="trials_by_number"),
        sa.CheckConstraint("(origin = 'baseline') = (baseline IS NOT NULL)", name="baseline_is_named"),
        sa.CheckConstraint(
            "(state = 'running' AND measurement_id IS NULL AND error IS NULL)"
            " OR (state = 'complete' AND measurement_id IS NOT NULL AND error IS NULL)"
            " OR (state = 'failed' AND measurement_id IS NULL AND error IS NOT NULL)",
            name="state_is_consistent",
        ),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failure_is_named"),
        sa.CheckConstraint("(state = 'running') = (finished IS NULL)", name="finished_is_timed"),
        sa.CheckConstraint("state = 'complete' OR NOT reused", name="reused_is_complete"),
    )
    op.create_index("trials_by_architecture", "trials", ["architecture_id"])


def _known(name: str, values: str, nullable: bool) -> sa.Column[Any]:
    return sa.Column(
        name, sa.String, sa.CheckConstraint(f"{name} IN ({values})", name=f"{name}_is_known"), nullable=nullable
    )


def _latencies() -> None:
    op.create_table(
        "latencies",
        sa.Column("id", sa.Integer, primary_key=True),
        _refers("architecture_id", "architectures.id"),
        _text("device"),
        _column("precision", sa.String, PRECISION),
        _column("batch", sa.BigInteger, FROM_1),
        _column("threads", sa.BigInteger, COUNT),
        _column("repeats", sa.BigInteger, FROM_1),
        _column("median_seconds", sa.Float, ">= low_seconds"),
        _column("low_seconds", sa.Float, ABOVE_0),
        _column("high_seconds", sa.Float, f">= median_seconds AND {{}} <= {LARGEST}"),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_index("latencies_by_architecture", "latencies", ["architecture_id"])
