"""`ressearch resume`: a study goes on from the store alone, as its own command would have gone on with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from ressearch.data import load_search_data
from ressearch.search.propose import Aim
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure
from tests.command import Call, call
from tests.test_search import SPACE, Desk, finished, wait_for_trials
from tests.test_study import drive

__all__ = ["call"]

FLAGS = ("--trials", "6", "--workers", "1", "--seed", "3", "--time-limit", "60", "--device", "cpu", "--max-macs", "1M")
STORE = ("--store", "runs/ressearch.db")


def study_of(path: Path, name: str, trials: int, *, jobs: int | None = None, source: str = "digits") -> None:
    """A study in the store of a directory, driven without training, up to so many jobs."""
    space, data = SearchSpace.parse(SPACE), load_search_data(source)
    search = {"trials": trials, "workers": 1, "time_limit": 60, "device": "cpu", **asdict(Aim())}
    with closing(Store.create(path / "runs" / "ressearch.db")) as store:
        study = describe_study(space, data, name=name, source=source, seed=0, search=search)
        drive(StudyBooks(space, data, store, study, trials), jobs)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory without any space file, and a store with a study of which two of two trials have ended."""
    monkeypatch.chdir(tmp_path)
    study_of(tmp_path, "tiny", 2)
    return tmp_path


def test_where_nothing_is_left_it_says_how_to_go_further(desk: Path, call: Call) -> None:
    """Without its file, without Ray; a failed trial still makes the status of the search."""
    status, out, err = call("resume")
    assert (status, out) == (0, "")
    first, second, last = err.splitlines()
    assert first == "nothing was left to do; to go further, ask for more trials: ressearch resume tiny --trials 4"
    assert second.startswith("study tiny: 2/2 done, 0 running, front ")
    assert last == "see the answer with: ressearch best tiny"
    assert call("resume", "tiny", "--trials", "1", *STORE)[2].splitlines()[0] == first


def test_an_unknown_study_is_told_with_those_near(desk: Path, call: Call) -> None:
    assert call("resume", "tny") == (
        4, "", "error[E500]: there is no study 'tny'\n  = help: did you mean 'tiny'? `ressearch runs` lists all\n",
    )  # fmt: skip
    assert call("resume", "--store", "none.db")[0] == 4
    assert not Path("none.db").exists()


def test_a_study_that_runs_is_left_alone(desk: Path, call: Call) -> None:
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store, store.sole_driver("tiny"):
        driver = store.driven()["tiny"]
        assert call("resume", "tiny") == (
            2, "",
            f"error[E600]: the study 'tiny' runs already, driven by {driver}\n"
            "  = help: `ressearch status tiny --watch` looks on, `ressearch stop tiny` ends it\n",
        )  # fmt: skip


def test_data_that_lay_elsewhere_are_asked_for(desk: Path, call: Call) -> None:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 255, (200, 8, 8), np.uint8), np.arange(200, dtype=np.uint8) % 10
    np.savez("mine.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    study_of(desk, "own", 1, source="mine.npz")
    assert call("resume", "own")[0] == 0
    Path("mine.npz").rename("moved.npz")
    assert call("resume", "own") == (
        4, "",
        "error[E400]: the data set of the study 'own' is not here: mine.npz\n"
        "  = help: say with --data where its images lie now\n",
    )  # fmt: skip
    assert call("resume", "own", "--data", "moved.npz")[0] == 0
    status, _, err = call("resume", "own", "--data", "digits")
    assert (status, err.splitlines()[0]) == (2, "error[E600]: the study 'own' was begun with another data")


def test_a_study_that_is_extended_is_known_to_go_further(desk: Path, call: Call) -> None:
    """Begun for two trials, asked for five, of which one more is done."""
    study_of(desk, "tiny", 5, jobs=1)
    [one] = json.loads(call("runs", "-f", "json")[1])
    assert (one["asked"], one["trials"]) == (5, 3)
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        assert (store.study("tiny")[1].search or {})["trials"] == 5


@pytest.mark.slow
def test_a_resumed_search_equals_one_that_its_own_command_goes_on_with(tmp_path: Path) -> None:
    """Interrupted after three trials, and gone on with twice from the same store: by `search`, and by `resume`."""
    (tmp_path / "one").mkdir()
    one = Desk(tmp_path / "one")
    words = ("search", "tiny.yaml", *FLAGS, "--trials", "9")
    process = one.start(*words)
    wait_for_trials(process, 3)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    shutil.copytree(one.path, tmp_path / "two")
    two = Desk(tmp_path / "two")
    (two.path / "tiny.yaml").unlink()
    status, out, err = one.run(*words)
    assert (status, out) == (0, ""), err
    status, out, err = two.run("resume", "tiny")
    assert (status, out) == (0, ""), err
    assert len(finished(one)) == 9
    assert finished(two) == finished(one)
    assert two.rows("select name, seed, search from studies") == one.rows("select name, seed, search from studies")


@pytest.mark.slow
def test_an_interrupted_resume_tells_how_to_go_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    study_of(tmp_path, "tiny", 2)
    process = desk.start("resume", "tiny", "--trials", "60", "--workers", "1")
    wait_for_trials(process, 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().endswith("  ressearch resume tiny --trials 60 --workers 1 --store runs/ressearch.db")
    assert Failure.WORKER_DIED.value not in err
