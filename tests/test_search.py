"""The whole way with real Ray processes, through the command as a user runs it."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SPACE = """
version: 1
name: tiny
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
baselines:
  plain_resnet: {repeat: 2, start: 4, depth: 1, one_of: basic}
task: {dataset: digits}
train: {epochs: 1, batch_size: 64, lr: 0.1}
"""

ENDED = re.compile(
    r"\d+/\d+: trial \d+, [0-9a-f]{16}, [\d.]+ %, [\d,]+ MACs, [\d.]+ s, (baseline plain_resnet|evolution), "
    r"(on|behind) the front of \d+(, [\d:]+ left)?"
)


@dataclass
class Desk:
    """A directory of its own with a space file, and the command to run in it."""

    path: Path

    def __post_init__(self) -> None:
        (self.path / "tiny.yaml").write_text(SPACE, encoding="utf-8")
        (self.path / "home").mkdir(exist_ok=True)
        self.environment = {**os.environ, "HOME": str(self.path / "home")}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command in a process group of its own, as a shell starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "ressearch", *words],
            cwd=self.path,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.path / "runs" / "ressearch.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


SEARCH = ("search", "tiny.yaml", "--seed", "0")


def finished(desk: Desk) -> list[tuple[object, ...]]:
    return desk.rows(
        "select number, t.architecture_id, accuracy, loss from trials t join measurements m on m.id = measurement_id"
        " order by number"
    )


def wait_for_trials(process: subprocess.Popen[str], count: int) -> list[str]:
    """Read stderr until so many trials are done."""
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if line.startswith(f"{count}/"):
            return lines
    raise AssertionError(f"ended early: {lines}")


def alive_in_session(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "sid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [row[2] for row in rows if row[0] == str(session) and not row[1].startswith("Z")]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_networks_and_accuracies(tmp_path: Path) -> None:
    """Two studies in two stores with one worker: same proposals, ids, accuracies and losses."""
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        desk = Desk(tmp_path / name)
        status, out, err = desk.run(*SEARCH, "--trials", "7", "--workers", "1")
        assert (status, out) == (0, ""), err
        found.append(finished(desk))
    assert len(found[0]) == 7
    assert found[0] == found[1]


def test_a_search_is_quiet_and_where_nothing_is_left_does_nothing(desk: Desk) -> None:
    status, out, err = desk.run(*SEARCH, "--trials", "5", "--workers", "2")
    assert (status, out) == (0, "")
    starting, *progress, _, last = err.strip().split("\n")
    assert starting == "starting 2 workers"
    assert last == "see the answer with: ressearch best tiny"
    assert len(progress) == 5
    assert all(ENDED.fullmatch(line) for line in progress), err
    assert sorted(p.name for p in desk.path.iterdir()) == ["home", "runs", "tiny.yaml"]
    assert list((desk.path / "home").iterdir()) == [], "something was written to the home directory"

    first = finished(desk)
    assert first[0][1] is not None
    assert desk.rows("select baseline from trials where number = 0") == [("plain_resnet",)]

    status, _, err = desk.run(*SEARCH, "--trials", "5", "-v")
    assert status == 0, err
    assert finished(desk) == first
    data, study, *_ = (line.partition(" ")[2] for line in err.splitlines())
    assert data == "data digits: 1097 images to train on, 400 to validate on"
    assert study == "store runs/ressearch.db: the study tiny has 5 of 5 trials; trains on cpu"


@pytest.mark.slow
def test_a_search_goes_further_and_another_study_takes_what_is_known(desk: Desk) -> None:
    assert desk.run(*SEARCH, "--trials", "5", "--workers", "2")[0] == 0
    first = finished(desk)
    status, _, err = desk.run(*SEARCH, "--trials", "8", "--workers", "2")
    assert status == 0, err
    second = finished(desk)
    assert second[:5] == first
    assert len(second) == 8
    assert len({row[1] for row in second}) == 8

    status, _, err = desk.run(*SEARCH, "--trials", "5", "--name", "again")
    assert status == 0
    cores = os.cpu_count()
    assert f"starting {cores} worker{'s' if cores != 1 else ''}\n" in err
    told = desk.rows(
        "select json_extract(search, '$.workers'), json_extract(search, '$.cores') from studies order by id"
    )
    assert told == [(2, None), (None, cores)], "who does not say how many workers leaves it to each machine"
    assert "known before" in err
    keys = "architecture_id, recipe_digest, epochs, seed"
    assert desk.rows(f"select {keys} from measurements group by {keys} having count(*) > 1") == []
    baseline = desk.rows("select reused, measurement_id from trials where number = 0 order by study_id")
    assert [reused for reused, _ in baseline] == [0, 1]
    assert len({measurement for _, measurement in baseline}) == 1


def assert_a_second_driver_is_refused(desk: Desk) -> None:
    status, _, err = desk.run(*SEARCH, "--trials", "60")
    assert (status, err) == (
        2,
        "error[E600]: another process is driving the study 'tiny'\n"
        "  = help: wait for it, or give this one another --name\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_what_is_finished_and_tells_how_to_go_on(desk: Desk, sent: int, status: int) -> None:
    process = desk.start(*SEARCH, "--trials", "60", "--workers", "2")
    wait_for_trials(process, 3)
    if sent == signal.SIGINT:
        assert_a_second_driver_is_refused(desk)
    os.killpg(process.pid, sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    kept = finished(desk)
    assert len(kept) >= 3
    told = err.strip().split("\n")
    assert told[-2:] == [
        "interrupted; every finished trial is kept. To go on:",
        "  ressearch search tiny.yaml --data digits --trials 60 --workers 2 --seed 0 --name tiny"
        " --store runs/ressearch.db",
    ]
    assert "Traceback" not in err
    assert alive_in_session(process.pid) == []

    if sent == signal.SIGINT:
        begun = len(kept) + len(desk.rows("select 1 from trials where state = 'running'"))
        again = told[-1].split()[1:]
        again[again.index("--trials") + 1] = str(begun)
        code, _, err = desk.run(*again)
        assert code == 0, err
        after = finished(desk)
        assert [row for row in after if row in kept] == kept
        assert len(after) == begun
        assert desk.rows("select state, count(*) from trials group by state") == [("complete", begun)]


@pytest.mark.slow
def test_a_search_by_rungs_is_interrupted_and_goes_on(desk: Desk) -> None:
    """SIGINT amid promotions; the same command ends with one in two of each rung on the next and no checkpoint left."""
    text = SPACE.replace("epochs: 1", "epochs: 4") + "early_terminate: {min_iter: 1, eta: 2}\n"
    (desk.path / "tiny.yaml").write_text(text, encoding="utf-8")
    process = desk.start(*SEARCH, "--trials", "13", "--workers", "2")
    assert process.stderr is not None
    for line in process.stderr:
        if " 2 stopped" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    kept = set(desk.rows("select id, accuracy from measurements"))
    stopped = {number for (number,) in desk.rows("select number from trials where state = 'stopped'")}
    folder = desk.path / "runs" / "ressearch.db.checkpoints" / "tiny"
    assert stopped <= {int(path.stem) for path in folder.glob("*.pt")}, "they go on from there"

    status, _, err = desk.run(*SEARCH, "--trials", "13", "--workers", "2")
    assert status == 0, err
    assert kept <= set(desk.rows("select id, accuracy from measurements"))
    assert desk.rows("select epochs, schedule, count(*) from measurements group by epochs") == [
        (1, 4, 13), (2, 4, 7), (4, 4, 4),
    ], "twelve proposed networks: twelve, six and three, and the baseline everywhere"  # fmt: skip
    assert desk.rows("select state, count(*) from trials group by state") == [("complete", 4), ("stopped", 9)]
    assert "4/13 done, 0 running, 9 stopped" in err
    assert not folder.parent.exists()
    status, out, _ = desk.run("best", "tiny")
    assert (status, "4 trials complete, 9 stopped, 0 failed, 0 open" in out) == (0, True)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    listed = subprocess.run(["pgrep", "-s", str(process.pid), "-f", "ray::Worker"], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(desk: Desk) -> None:
    process = desk.start(*SEARCH, "--trials", "5", "--workers", "1")
    wait_for_trials(process, 1)
    killed = workers_of(process)
    assert killed, "no worker found"
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert desk.rows("select state, count(*) from trials group by state") == [("complete", 5)]
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_trial_whose_workers_always_die_fails_and_the_study_ends(desk: Desk) -> None:
    (desk.path / "tiny.yaml").write_text(SPACE.replace("epochs: 1", "epochs: 2000"), encoding="utf-8")
    process = desk.start(*SEARCH, "--trials", "1", "--workers", "1")
    killed: set[int] = set()
    while process.poll() is None:
        for pid in set(workers_of(process)) - killed:
            time.sleep(0.5)  # let it begin
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.1)
    _, err = process.communicate()
    assert process.returncode == 5, err
    assert len(killed) >= 3
    ((state, error),) = desk.rows("select state, error from trials")
    assert state == "failed"
    assert str(error).startswith("3 workers died over this trial; the last said:\n")
    assert "Traceback" not in err


@pytest.mark.slow  # the worker's part of it has quick tests of its own
def test_a_trial_that_diverges_fails_alone_with_its_reason(desk: Desk) -> None:
    (desk.path / "tiny.yaml").write_text(SPACE.replace("lr: 0.1", "lr: 1.0e15"), encoding="utf-8")
    status, _, err = desk.run(*SEARCH, "--trials", "2", "--workers", "1")
    assert status == 5
    assert err.strip().endswith("2 trial(s) failed; their errors: ressearch best tiny --failed")
    errors = [str(error) for (error,) in desk.rows("select error from trials")]
    assert len(errors) == 2
    for error in errors:
        assert error.startswith("Traceback")
        assert "DivergedError: error[E701]: the training loss was nan after epoch 1" in error

    status, out, _ = desk.run("best", "tiny", "--failed")
    assert status == 0
    assert out.count("error[E701]: the training loss was nan after epoch 1") == 2
    status, out, _ = desk.run("best", "-f", "csv")
    assert (status, list(csv.reader(io.StringIO(out)))) == (0, [])
