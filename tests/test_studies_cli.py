"""`ressearch runs` and `status`: whole outputs, and a watch beside a search."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ressearch.store import Store
from ressearch.trial import Failure
from tests.command import Call, call
from tests.store_samples import RECIPE, STUDY, begin
from tests.test_overview import complete
from tests.test_search import SPACE

__all__ = ["call"]

EVALUATOR = "mine:train@1"
OWN = replace(
    STUDY,
    name="second",
    data_source="",
    data_checksum="",
    evaluator=EVALUATOR,
    recipe_digest=RECIPE.digest("", EVALUATOR),
)
BEGUN = 1_795_858_042
"""2026-11-28 09:27:22 UTC."""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A store of two studies: one that was interrupted, and one that is finished, begun a minute later."""
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store:
        search = {"trials": 6, "workers": 2, "objective": "pareto"}
        first = store.create_study(replace(STUDY, name="first", data_source="digits", search=search))
        for number, accuracy in enumerate((0.5, 0.975)):
            complete(store, first, number, 10 + number, accuracy)
        begin(store, first, 2, 12)
        store.fail(first, 2, "nan", Failure.DIVERGED)
        begin(store, first, 3, 13)
        second = store.create_study(OWN)
        complete(store, second, 0, 20, 0.25, OWN.recipe_digest)
        with store._database.writing() as connection:
            connection.exec_driver_sql(f"UPDATE studies SET created = {BEGUN} + 60 * (id - 1)")
            connection.exec_driver_sql(f"UPDATE trials SET started = {BEGUN} + number")
            connection.exec_driver_sql(f"UPDATE trials SET finished = {BEGUN} + 5 + number WHERE state <> 'running'")
    return path


RUNS = """\

 study    space   data         objective   trials   asked   failed      best   front   begun                 state
 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 second   demo    mine:train                    1                0   25.00 %       1   2026-11-28 09:28:22   finished
 first    demo    digits       pareto           3       6        1   97.50 %       2   2026-11-28 09:27:22   interrupted

"""


def test_runs_are_a_table_with_the_last_first(file: Path, call: Call) -> None:
    status, out, err = call("runs", "--store", str(file))
    assert (status, err) == (0, "")
    assert "\n".join(line.rstrip() for line in out.split("\n")) == RUNS


def test_runs_in_other_formats_say_the_same(file: Path, call: Call) -> None:
    records = json.loads(call("runs", "--store", str(file), "-f", "json")[1])
    assert [record["study"] for record in records] == ["second", "first"]
    assert records[1] == {
        "study": "first", "space": "demo", "data": "digits", "objective": "pareto", "trials": 3, "asked": 6,
        "failed": 1, "best": 0.975, "front": 2, "begun": "2026-11-28T09:27:22Z", "state": "interrupted",
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(call("runs", "--store", str(file), "-f", "csv")[1])))
    assert rows == [{k: "" if v is None else str(v) for k, v in record.items()} for record in records]
    assert call("runs", "--store", str(file), "-f", "md")[1].splitlines()[2:] == [
        "| second | demo | mine:train |  | 1 |  | 0 | 25.00 % | 1 | 2026-11-28 09:28:22 | finished |",
        "| first | demo | digits | pareto | 3 | 6 | 1 | 97.50 % | 2 | 2026-11-28 09:27:22 | interrupted |",
    ]


def test_a_store_without_studies_has_a_header_alone(tmp_path: Path, call: Call) -> None:
    Store.create(tmp_path / "new.db").close()
    status, out, err = call("runs", "--store", str(tmp_path / "new.db"), "-f", "csv")
    assert (status, err) == (0, "the store holds no study yet\n")
    assert out == "study,space,data,objective,trials,asked,failed,best,front,begun,state\n"


def test_the_status_of_a_study(file: Path, call: Call) -> None:
    status, out, err = call("status", "first", "--store", str(file))
    assert (status, err) == (0, "")
    with closing(Store.open(file)) as store:
        ids = [trial.architecture_id for trial in store.trials(1)]
    *lines, last = out.splitlines()
    assert lines == [
        "study      first",
        "space      demo",
        "data       digits",
        "objective  pareto",
        "state      interrupted: nobody drives it; `ressearch resume first` goes on with it",
        "trials     3 of 6 ended: 2 complete, 1 failed, 1 running",
        f"front      2 network(s), the best 97.50 % ({ids[1]})",
    ]
    assert last.startswith(f"last       trial 2 ({ids[2]}) failed, ")
    assert last.endswith(" ago")
    page = json.loads(call("status", "first", "--store", str(file), "-f", "json")[1])
    assert page == {
        "study": "first", "state": "interrupted", "driver": "none", "space": "demo", "data": "digits",
        "objective": "pareto", "begun": "2026-11-28T09:27:22Z", "total": 6,
        "running": 1, "stopped": 0, "complete": 2, "failed": 1, "reused": 0, "front": 2,
        "best": {"accuracy": 0.975, "id": ids[1]}, "trials_per_hour": None, "seconds_left": None,
        "last": {"trial": 2, "id": ids[2], "state": "failed", "at": "2026-11-28T09:27:29Z", "accuracy": None},
        "nodes": [], "workers": None,
    }  # fmt: skip


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """A store whose study runs on two nodes, one of a long name."""
    path = tmp_path / "nodes.db"
    with closing(Store.create(path)) as store:
        study = store.create_study(replace(STUDY, search={"trials": 9, "gpus_per_trial": 0.25}))
        for number, worker in enumerate(("gpu-0/7", "gpu-0/7", LONG + "/1", "gpu-0/7")):
            complete(store, study, number, 10 + number)
            with store._database.writing() as connection:
                connection.exec_driver_sql(f"UPDATE trials SET worker = '{worker}' WHERE number = {number}")
                connection.exec_driver_sql(f"UPDATE trials SET finished = {BEGUN} + 4 * number")
                connection.exec_driver_sql("UPDATE measurements SET peak_memory = 3221225472, device = 'NVIDIA H200'")
        for number, worker in ((4, "gpu-0/7"), (5, LONG + "/1"), (6, LONG + "/2")):
            begin(store, study, number, 10 + number)
            store.assign(study, number, worker)
    return path


LONG = "worker-of-a-cluster-on-kubernetes-7f9c"
TABLE = """\
workers    33 % of their time in training, 4.00 s from a trial to the next

node                  running  ended  failed   memory  GPUs  device
worker-o...etes-7f9c        2      1       0  3.0 GiB   0.5  NVIDIA H200
gpu-0                       1      3       0  3.0 GiB  0.25  NVIDIA H200
"""


def test_nodes_and_workers_are_told_in_80_columns(nodes: Path, call: Call) -> None:
    """Of gpu-0 at 0, 4 and 12 seconds, two seconds each: two of four, and two of eight."""
    with closing(Store.open(nodes)) as store, store.sole_driver(STUDY.name):
        status, out, err = call("status", "--store", str(nodes))
        page = json.loads(call("status", "--store", str(nodes), "-f", "json")[1])
    assert (status, err) == (0, "")
    assert out.endswith(TABLE)
    assert max(map(len, out.splitlines())) <= 80
    assert page["workers"] == {"trainings": 2, "gap_seconds": 4.0, "trained": 4 / 12}
    assert page["nodes"][1] == {
        "node": LONG, "running": 2, "ended": 1, "failed": 0, "devices": ["NVIDIA H200"], "peak_memory": 3_221_225_472,
        "gpus": 0.5,
    }  # fmt: skip


def test_many_nodes_leave_the_page_one(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "many.db"
    with closing(Store.create(path)) as store:
        study = store.create_study(STUDY)
        for number in range(15):
            begin(store, study, number, 10 + number)
            store.assign(study, number, f"n{number:02}/1")
    lines = call("status", "--store", str(path))[1].splitlines()
    assert [line.split()[0] for line in lines[-13:-1]] == [f"n{number:02}" for number in range(12)]
    assert lines[-1] == "and 3 more node(s); -f json tells of all"


def test_without_a_name_it_is_that_of_the_last_study(file: Path, call: Call) -> None:
    assert call("status", "--store", str(file))[1].startswith("study      second\n")
    assert call("status", "firts", "--store", str(file)) == (
        4,
        "",
        "error[E500]: there is no study 'firts'\n  = help: did you mean 'first'? `ressearch runs` lists all\n",
    )


def test_a_watch_off_the_terminal_prints_a_line_per_change_until_the_study_ends(file: Path, call: Call) -> None:
    """Another thread is the driver: it completes a trial, and leaves."""
    entered = threading.Event()

    def drive() -> None:
        with closing(Store.open(file)) as store, store.sole_driver("first"):
            entered.set()
            time.sleep(2.5)  # at least two looks see the same
            complete(store, 1, 4, 14, 0.25)
            time.sleep(1.5)

    driver = threading.Thread(target=drive)
    driver.start()
    entered.wait()
    status, out, err = call("status", "first", "--watch", "--store", str(file))
    driver.join()
    assert (status, err) == (0, "")
    begun, completed, ended = out.splitlines()
    assert begun.startswith(
        "first: running, 3 of 6 ended: 2 complete, 1 failed, 1 running, front 2, best 97.50 %, last "
    )
    assert completed.startswith("first: running, 4 of 6 ended: 3 complete, 1 failed, 1 running, front 2")
    assert completed.endswith(" complete with 25.00 %")
    assert ended.startswith("first: interrupted, 4 of 6 ended")


def test_a_watch_of_a_study_that_has_ended_is_one_look(file: Path, call: Call) -> None:
    status, out, _ = call("status", "second", "--watch", "-f", "json", "--store", str(file))
    [line] = out.splitlines()
    assert (status, json.loads(line)["state"]) == (0, "finished")


def test_a_terminal_is_redrawn_and_ctrl_c_ends_the_watch(file: Path) -> None:
    with closing(Store.open(file)) as store, store.sole_driver("first"):
        terminal, end = pty.openpty()
        command = [sys.executable, "-m", "ressearch", "status", "first", "--watch", "--store", str(file)]
        process = subprocess.Popen(command, stdout=end, stderr=end, env={**os.environ, "TERM": "xterm"})
        os.close(end)
        shown = b""
        while shown.count(b"running: a driver is alive") < 2:
            shown += os.read(terminal, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        os.close(terminal)
    assert b"\x1b[" in shown
    assert b"Traceback" not in shown


@pytest.mark.slow
def test_a_watch_beside_a_real_search_sees_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPACE.replace("epochs: 1", "epochs: 40"), encoding="utf-8")
    command = [sys.executable, "-m", "ressearch"]
    search = subprocess.Popen(
        [*command, "search", "tiny.yaml", "--trials", "8", "--workers", "2", "-q"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    while subprocess.run([*command, "status"], cwd=tmp_path, capture_output=True).returncode:
        time.sleep(0.2)
    watch = subprocess.run([*command, "status", "--watch"], cwd=tmp_path, capture_output=True, text=True, check=True)
    _, err = search.communicate(timeout=240)
    assert (search.returncode, err) == (0, b""), "a quiet search says nothing"
    lines = watch.stdout.splitlines()
    assert lines[0].startswith("tiny: running, ")
    assert len(lines) >= 4
    assert lines[-1].startswith("tiny: finished, 8 of 8 ended: 8 complete, front ")
