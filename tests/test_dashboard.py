"""A study as Optuna's and TensorBoard's: what those tools read in a copy is what stands in the store."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import struct
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import InMemoryStorage

import ressearch.dashboard.copy
import ressearch.dashboard.serve
from ressearch.dashboard import Dashboard, Server, Snapshot, copy_into, require_dashboard, write_events, write_storage
from ressearch.dashboard.notes import code, fenced
from ressearch.errors import DashboardError
from ressearch.space import Choice, Integer, SearchSpace, at_random
from ressearch.store import Store
from ressearch.trial import Failure, Trial, TrialState
from tests.conftest import DEMO
from tests.drawn_stores import LAST, RUNG, Step, happen, steps
from tests.store_samples import MEASURED, RECIPE, STUDY, begin, key_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import optuna_dashboard

STATES = {"running": "RUNNING", "stopped": "PRUNED", "complete": "COMPLETE", "failed": "FAIL"}
TRIALS = """SELECT t.number, t.state, t.decisions, t.started, t.finished, t.failure, t.baseline, t.architecture_id,
    a.macs, a.params, a.depth, a.nesting, a.skips, m.accuracy, m.epochs, m.seconds
    FROM trials t JOIN architectures a ON a.id = t.architecture_id LEFT JOIN measurements m ON m.id = t.measurement_id
    JOIN studies s ON s.id = t.study_id WHERE s.name = ? ORDER BY t.number"""
RUNGS = """SELECT t.number, m.epochs, m.accuracy FROM rungs r JOIN trials t ON t.id = r.trial_id
    JOIN measurements m ON m.id = r.measurement_id JOIN studies s ON s.id = t.study_id WHERE s.name = ?"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store.create(path)) as opened:
        yield opened


def rows(path: Path, query: str, study: str) -> list[sqlite3.Row]:
    """What the file holds, read without the store."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return list(connection.execute(query, (study,)))


def assert_same(study: optuna.Study, path: Path, name: str) -> None:
    """Every trial of an Optuna study is a row of the file, and the other way round."""
    curves: dict[int, dict[int, float]] = {}
    for row in rows(path, RUNGS, name):
        curves.setdefault(row["number"], {})[row["epochs"]] = row["accuracy"]
    stored, trials = rows(path, TRIALS, name), study.trials
    assert study.study_name == name
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["accuracy", "MACs"]
    assert [trial.number for trial in trials] == list(range(len(stored)))
    for row, trial in zip(stored, trials, strict=True):
        curve = curves.get(row["number"], {})
        if row["accuracy"] is not None:
            curve[row["epochs"]] = row["accuracy"]
        assert trial.state.name == STATES[row["state"]]
        assert trial.values == ([row["accuracy"], row["macs"]] if row["state"] == "complete" else None)
        assert trial.intermediate_values == curve
        assert trial.datetime_start == datetime.fromtimestamp(row["started"])
        finished = row["finished"]
        assert trial.datetime_complete == (None if finished is None else datetime.fromtimestamp(finished))
        assert trial.params == {
            path: json.dumps(value) if isinstance(value, list) else value
            for path, value in json.loads(row["decisions"]).items()
        }
        told = trial.user_attrs
        assert told["id"] == row["architecture_id"]
        assert [told[key] for key in ("trial", "macs", "params", "depth", "nesting", "skips", "state")] == [
            row[key] for key in ("number", "macs", "params", "depth", "nesting", "skips", "state")
        ]
        assert [told.get(key) for key in ("baseline", "failure", "seconds")] == [
            row[key] for key in ("baseline", "failure", "seconds")
        ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(what=steps(["one", "two"], st.integers(0, 2)))
def test_every_trial_is_in_the_copy(what: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.db"
        with closing(Store.create(path)) as store:
            happen(store, what)
            for name in {step.study for step in what}:
                assert_same(copy_into(InMemoryStorage(), Snapshot.of(store, name)), path, name)


ALL = [Step("one", net, end) for net, end in enumerate(("complete", "failed later", "stopped", "running", "promoted"))]


def test_a_written_copy_is_opened_by_optuna(store: Store, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "copy.db"
    happen(store, ALL[:1])
    write_storage(Snapshot.of(store, "one"), out)
    happen(store, [*ALL[1:], Step("one", 5, "complete later")])
    write_storage(Snapshot.of(store, "one"), out)  # takes the place of the last one
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{out}")
    assert_same(study, path, "one")
    assert {len(trial.intermediate_values) for trial in study.trials if trial.values} == {1, 2}
    for trial in study.trials:
        (meta,) = optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage)
        assert (meta.artifact_id, meta.mimetype) == (trial.user_attrs["id"], "image/svg+xml")
        drawing = tmp_path / "new folder" / "copy.db.drawings" / meta.artifact_id
        assert drawing.read_text(encoding="utf-8").startswith("<svg")
        note = optuna_dashboard.get_note(optuna.Trial(study, trial._trial_id))
        assert f"](/artifacts/1/{trial._trial_id}/{meta.artifact_id})" in note
    assert [file.name for file in out.parent.iterdir() if file.name.startswith(".")] == []


# Decisions


def test_distributions_are_the_domains_of_the_space(store: Store, demo: SearchSpace) -> None:
    study_id = store.create_study(replace(STUDY, space_text=DEMO.read_text(encoding="utf-8")))
    generator, domains = random.Random(0), {}
    for number in range(12):

        def choose(choice: Choice) -> Any:
            domains[choice.path] = choice.domain
            return at_random(generator)(choice)

        candidate = demo.decode(choose)
        trial = Trial(number, candidate.architecture.id, dict(candidate.decisions), 0)
        store.begin(study_id, trial, candidate.architecture, candidate.cost)
    trials = copy_into(InMemoryStorage(), Snapshot.of(store, None)).trials
    found = {path: one for trial in trials for path, one in trial.distributions.items()}
    assert found.keys() == domains.keys()
    assert {type(one) for one in found.values()} == {CategoricalDistribution, IntDistribution}
    for path, domain in domains.items():
        expected = (
            IntDistribution(domain.low, domain.high, domain.log, domain.step)
            if isinstance(domain, Integer)
            else CategoricalDistribution(domain.values)
        )
        assert found[path] == expected


REAL = """
version: 1
name: real
input: {shape: [1, 8, 8], classes: 10}
stages: [{width: 8, block: {use: basic}}]
parameters: {lr: {distribution: log_uniform_values, min: 1.0e-3, max: 1.0}}
"""


def test_a_real_number_is_a_float_of_optuna_and_one_outside_is_told_as_it_is(store: Store) -> None:
    space = SearchSpace.parse(REAL)
    candidate = space.draw(random.Random(0))
    for name, lr in (("inside", 0.5), ("outside", 7.0)):
        study_id = store.create_study(replace(STUDY, name=name, space_text=REAL))
        decisions = {**candidate.decisions, "parameters.lr": lr}
        store.begin(study_id, Trial(0, candidate.architecture.id, decisions, 0), candidate.architecture, candidate.cost)
    inside, outside = (
        copy_into(InMemoryStorage(), Snapshot.of(store, name)).trials[0] for name in ("inside", "outside")
    )
    assert inside.distributions["parameters.lr"] == FloatDistribution(1e-3, 1.0, log=True)
    assert outside.distributions["parameters.lr"] == CategoricalDistribution([7.0])
    assert (inside.params["parameters.lr"], outside.params["parameters.lr"]) == (0.5, 7.0)


# Notes


HOSTILE = "<script>alert(1)</script> ![x](http://x/y) `a` ```\n# head\n```"


def test_a_note_tells_of_the_trial_and_texts_of_others_stay_texts(store: Store) -> None:
    study_id = store.create_study(STUDY)
    begin(store, study_id, 0, 10, baseline=HOSTILE)
    store.fail(study_id, 0, HOSTILE * 200, Failure.ERROR)
    net = begin(store, study_id, 1, 11)
    store.complete(study_id, 1, key_of(net), MEASURED, RECIPE)
    study = copy_into(InMemoryStorage(), Snapshot.of(store, None))
    failed, fine = (optuna_dashboard.get_note(optuna.Trial(study, number)) for number in (0, 1))
    assert fenced(HOSTILE * 200) in failed
    assert f"baseline {code(HOSTILE)}" in failed
    assert fine == (
        f"architecture `{net.id}`\n\n![wiring of {net.id}](/artifacts/0/1/{net.id})\n\n"
        "11 MACs (22 FLOPs), 22 parameters, depth 1, nesting 0, 0 skips\n\n"
        "- after 3 epochs: accuracy 50.00 %, loss 1.5, in 2.0 s on `cpu`"
    )
    assert "trials: 1 complete, 1 failed." in optuna_dashboard.get_note(study)


@settings(max_examples=50)
@given(st.text(st.sampled_from("`a \n<")))
def test_code_cannot_be_left(text: str) -> None:
    """In Markdown, code ends with as many backticks as it began with, and a block of it with at least as many."""
    span, block = code(text), fenced(text)
    assert "\n" not in span
    marks = len(span) - len(span.lstrip("`"))
    assert re.findall("`+", span[marks:])[-1] == "`" * marks
    assert marks not in {len(run) for run in re.findall("`+", span[marks:-marks])}
    fence = len(block) - len(block.lstrip("`"))
    assert block.endswith("\n" + "`" * fence)
    assert all(len(run) < fence for run in re.findall("`+", block[fence:-fence]))


# The server


def asked(app: Dashboard, path: str, method: str = "GET", host: str = "127.0.0.1:8080") -> tuple[str, bytes]:
    """Status and body."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": host}
    setup_testing_defaults(environ)
    status: list[str] = []
    body = b"".join(app(environ, lambda line, head, *error: status.append(line)))
    return status[0], body


@pytest.fixture
def app(store: Store) -> Dashboard:
    happen(store, ALL)
    study_id = store.study("one")[0]
    return Dashboard(lambda: Snapshot.of(store, "one"), lambda: store.courses(study_id))


def test_it_answers_with_the_study_and_its_drawings(app: Dashboard) -> None:
    status, body = asked(app, "/api/studies/0")
    told = json.loads(body)
    assert status == "200 OK"
    assert (told["name"], told["objective_names"]) == ("one", ["accuracy", "MACs"])
    assert [trial["state"] for trial in told["trials"]] == ["Complete", "Fail", "Pruned", "Running", "Running"]
    drawing = told["trials"][0]["note"]["body"].partition("](")[2].partition(")")[0]
    status, body = asked(app, drawing)
    assert (status, body[:4]) == ("200 OK", b"<svg")


def test_it_lets_nobody_write_and_answers_to_no_other_name(app: Dashboard) -> None:
    before = asked(app, "/api/studies/0")
    read_only = b'{"reason": "this is a copy for reading: what is written here would be lost"}'
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert asked(app, "/api/studies/0", method) == ("403 Forbidden", read_only)
    foreign = b'{"reason": "the dashboard answers to localhost and 127.0.0.1 alone"}'
    for host in ("evil.example:8080", "evil.example", "localhost.evil.example:80", ""):
        assert asked(app, "/api/studies", host=host) == ("403 Forbidden", foreign)
    for host in ("localhost:8080", "localhost", "127.0.0.1"):
        assert asked(app, "/api/studies/0", host=host) == before


def test_it_shows_trials_that_come_in(store: Store, app: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    happen(store, [Step("one", 5, "complete")])
    assert len(json.loads(asked(app, "/api/studies/0")[1])["trials"]) == len(ALL)
    monkeypatch.setattr(ressearch.dashboard.serve.time, "monotonic", lambda: 1e12)
    assert len(json.loads(asked(app, "/api/studies/0")[1])["trials"]) == len(ALL) + 1


def test_a_port_that_is_taken_is_told(app: Dashboard) -> None:
    first = Server(app, 0)
    port = int(first.url.split(":")[2].split("/")[0])
    with pytest.raises(DashboardError) as caught:
        Server(app, port)
    assert str(caught.value) == (
        f"error[E810]: cannot listen on port {port}: another program listens there\n"
        "  = help: give another --port; 0 takes one that is free"
    )
    first._server.server_close()


def test_without_optuna_dashboard_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    require_dashboard()
    monkeypatch.setattr(ressearch.dashboard.serve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DashboardError) as caught:
        require_dashboard()
    assert str(caught.value) == (
        "error[E810]: optuna-dashboard is not installed\n  = help: pip install 'ressearch[dashboard]'"
    )
    assert caught.value.exit_status == 4


# TensorBoard


def events(file: Path) -> Iterator[Any]:
    """The records of an event file: length, its checksum, the event, its checksum (little endian)."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += length + 16


def test_tensorboard_finds_accuracy_by_epochs(store: Store, path: Path, tmp_path: Path) -> None:
    happen(store, [*ALL, Step("one", 5, "complete later", accuracy=0.75)])
    assert write_events(Snapshot.of(store, "one"), tmp_path / "runs") == 3
    curves, hparams = {}, {}
    for file in sorted((tmp_path / "runs").rglob("events.out.tfevents.*")):
        for event in events(file):
            for value in event.summary.value:
                run = file.parent.name
                if value.tag == "accuracy":
                    curves.setdefault(run, {})[event.step] = value.simple_value
                elif value.tag.startswith("_hparams_"):
                    hparams.setdefault(run, []).append(value.metadata.plugin_data.content)
    complete, rung = LAST.epochs, RUNG.epochs
    assert curves == {
        "trial-00000": {complete: 0.5},
        "trial-00002": {rung: 0.5},
        "trial-00005": {rung: 0.75, complete: 0.75},
    }
    assert all(len(found) == 3 and any(b"lr" in one for one in found) for found in hparams.values())
    assert set(hparams) == set(curves)
    times = [event.wall_time for event in events(next((tmp_path / "runs" / "trial-00000").iterdir())) if event.step]
    assert max(times) == pytest.approx(rows(path, TRIALS, "one")[0]["finished"])


def test_states_are_all_told() -> None:
    assert {state.value: ressearch.dashboard.copy.STATES[state].name for state in TrialState} == STATES
