"""All that is known of one architecture: every table that knows it is asked, and the order is that of time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update

from ressearch.cli import cli
from ressearch.store import Store, What
from ressearch.store.schema import artifacts, latencies, measurements, metadata, proxies, retrainings, trials
from ressearch.trial import Failure, Fidelity, Latency, MeasurementKey, Proxies, Retraining, TrialState
from tests.store_samples import BETTER, CHECKSUM, KEY, MEASURED, NET, RECIPE, STUDY, begin, running

LATENCY = Latency(NET.id, "cpu", "fp32", 32, 1, 9, 0.002, 0.001, 0.003)
SCORES = Proxies(NET.id, CHECKSUM, 64, 3, 1.5, None, 2.0, -7.25, 0.5)
RETRAINING = Retraining(NET.id, RECIPE, CHECKSUM, Fidelity(epochs=30), 1, BETTER)
TIMES = {"trial 0": 10.0, "trial 1": 20.0, "failed": 5.0, "rung": 30.0, "retraining": 40.0, "latency": 45.0}


def fill(store: Store) -> None:
    """Every kind of event, at known times, not in their order; and another network, of which nothing is told."""
    study_id = store.create_study(STUDY)
    other = store.create_study(replace(STUDY, name="rungs", fidelity=replace(STUDY.fidelity, epochs=9)))
    begin(store, study_id, 0, baseline="resnet8")
    store.complete(study_id, 0, KEY, MEASURED, RECIPE)
    begin(store, other, 0, 11)
    store.begin(other, running(1), NET, _cost())
    low = MeasurementKey(NET.id, STUDY.recipe_digest, replace(STUDY.fidelity, epochs=1), 7)
    store.complete(other, 1, low, BETTER, RECIPE, state=TrialState.STOPPED, worker="host 1")
    store.promote(other, 1)
    store.begin(other, running(2), NET, _cost())
    store.fail(other, 2, "Traceback\n\nKaboom\x1b[1m\n", Failure.ERROR)
    store.record_retraining(RETRAINING)
    store.record_latency(LATENCY)
    store.record_proxies(SCORES)
    with store._database.writing() as connection:
        for number, study, at in ((0, study_id, 10.0), (1, other, 20.0), (2, other, 5.0)):
            this = (trials.c.number == number) & (trials.c.study_id == study)
            connection.execute(update(trials).where(this).values(started=at))
        connection.execute(update(measurements).where(measurements.c.epochs == 1).values(created=30.0))
        for table, at in ((retrainings, 40.0), (latencies, 45.0), (proxies, 1.0)):
            connection.execute(update(table).values(created=at))
        row = {"retraining_id": connection.scalar(select(retrainings.c.id)), "created": 40.0}
        row |= {"name": "weights.safetensors", "sha256": "ab" * 32, "bytes": 12_345}
        connection.execute(insert(artifacts).values(**row))


def _cost() -> object:
    from ressearch.cost import cost_of

    return cost_of(NET)


def test_every_kind_of_event_is_told_in_order_of_time(store: Store) -> None:
    fill(store)
    found = store.events(NET.id)
    assert [(event.at, event.what, event.study, event.number) for event in found] == [
        (1.0, What.PROXIES, None, None),
        (5.0, What.TRIAL, "rungs", 2),
        (10.0, What.TRIAL, "demo", 0),
        (20.0, What.TRIAL, "rungs", 1),
        (30.0, What.RUNG, "rungs", 1),
        (40.0, What.RETRAINING, None, None),
        (40.0, What.WEIGHTS, None, None),
        (45.0, What.LATENCY, None, None),
    ]
    scores, failed, complete, promoted, rung, retraining, weights, latency = (event.facts for event in found)
    assert scores["zen"] == -7.25
    assert (failed["failure"], failed["error"], failed["measurement"]) == (
        "error",
        "Traceback\n\nKaboom\x1b[1m\n",
        None,
    )
    assert (complete["measurement"]["accuracy"], complete["baseline"], complete["state"]) == (
        0.5,
        "resnet8",
        "complete",
    )
    assert (promoted["state"], promoted["finished"]) == ("running", None)
    assert (rung["fidelity"]["epochs"], rung["measurement"]["device"], rung["seed"]) == (1, "another", 7)
    assert (retraining["recipe"]["lr"], retraining["fidelity"]["epochs"]) == (0.3, 30)
    assert weights == {"name": "weights.safetensors", "sha256": "ab" * 32, "bytes": 12_345, "seed": 1}
    assert latency["median_seconds"] == 0.002


def test_every_table_that_knows_architectures_is_asked() -> None:
    """Whoever adds a table has to say here whether its rows are events."""
    knowing = {table.name for table in metadata.sorted_tables if "architecture_id" in table.c}
    assert knowing == {"block_kinds", "measurements", "trials", "retrainings", "latencies", "proxies"}


def test_of_an_unknown_architecture_nothing_is_known(store: Store) -> None:
    assert store.events("0" * 16) == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    store = Store.create(path)
    fill(store)
    store.close()
    return path


def ask(path: Path, *words: str) -> tuple[str, str]:
    result = CliRunner().invoke(cli, ["history", *words, "--store", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


def test_the_table_has_a_line_for_each_event(path: Path) -> None:
    out, err = ask(path, NET.id[:8])
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    assert lines[0] == "time (UTC) what study trial seed"
    assert lines[2:] == [
        "1970-01-01 00:00:01 proxies 3 naswot 1.5, grad_norm 2, zen -7.25",
        "1970-01-01 00:00:05 trial rungs 2 7 failed, error: Kaboom [1m",
        "1970-01-01 00:00:10 trial demo 0 7 complete, accuracy 50.00 % in 2.0 s, baseline resnet8",
        "1970-01-01 00:00:20 trial rungs 1 7 running",
        "1970-01-01 00:00:30 rung rungs 1 7 stopped after 1 epochs, accuracy 75.00 % in 2.0 s",
        "1970-01-01 00:00:40 retraining 1 30 epochs, test accuracy 75.00 % in 2.0 s",
        "1970-01-01 00:00:40 weights 1 weights.safetensors, 12,345 bytes, sha256 abababababababab",
        "1970-01-01 00:00:45 latency cpu, fp32, batch 32: median 2.000 ms",
    ]
    assert err == f"architecture {NET.id}: 8 event(s)\n"


def test_the_json_has_every_fact(path: Path) -> None:
    page = json.loads(ask(path, NET.id, "-f", "json")[0])
    assert page["id"] == NET.id
    assert [event["what"] for event in page["events"]][:3] == ["proxies", "trial", "trial"]
    first = page["events"][2]
    assert (first["at"], first["study"], first["number"]) == ("1970-01-01T00:00:10Z", "demo", 0)
    assert first["measurement"]["accuracy"] == 0.5
    assert first["decisions"] == {"stem.width": 8}
    assert first["finished"].endswith("Z")
