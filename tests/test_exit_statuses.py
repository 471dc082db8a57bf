"""One table of exit statuses, and each of them from the command as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ressearch.data import load_search_data
from ressearch.errors import EXIT_STATUSES, ExitStatus, RessearchError
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from tests.command import Call, call
from tests.conftest import ROOT
from tests.test_search import SPACE
from tests.test_study import drive

__all__ = ["call"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a space file, and a store with one finished network of it."""
    path = tmp_path_factory.mktemp("desk")
    (path / "tiny.yaml").write_text(SPACE, encoding="utf-8")
    space, digits = SearchSpace.load(path / "tiny.yaml"), load_search_data("digits")
    with closing(Store.create(path / "runs" / "ressearch.db")) as store:
        study = describe_study(space, digits, name="tiny", source="digits", seed=0)
        drive(StudyBooks(space, digits, store, study, 1))
    images, labels = np.zeros((40, 9, 9), np.uint8), np.arange(40, dtype=np.uint8) % 10
    np.savez(path / "large.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    return path


def start(desk: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ressearch", *words],
        cwd=desk, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


RETRAIN = ("--epochs", "1", "--seeds", "1", "--device", "cpu")

COMMANDS = {
    ExitStatus.FINE: (("best",), "Pareto front", ""),
    ExitStatus.ERROR: (("retrain", "ID", *RETRAIN, "--data", "large.npz"), "", "error[E700]: the network takes images"),
    ExitStatus.INVALID: (("search", "none.yaml"), "", "error[E031]: "),
    ExitStatus.NOTHING_FITS: (("best", "--max-macs", "1"), "", "error[E300]: "),
    ExitStatus.MISSING: (("best", "--store", "none.db"), "", "error[E500]: "),
    ExitStatus.FAILED_TRIALS: (("retrain", "ID", *RETRAIN, "--set", "lr=1e30", "-q"), "", "seed 0 failed: "),
}


SLOW = {ExitStatus.ERROR: [pytest.mark.slow]}


@pytest.mark.parametrize("status", [pytest.param(one, marks=SLOW.get(one, []), id=one.name) for one in COMMANDS])
def test_a_command_for_each_status(desk: Path, status: ExitStatus) -> None:
    words, out, err = COMMANDS[status]
    id = SearchSpace.load(desk / "tiny.yaml").baselines["plain_resnet"].architecture.id
    process = start(desk, *(id if word == "ID" else word for word in words))
    said = process.communicate(timeout=120)
    assert (process.returncode, out in said[0], err in said[1]) == (status, True, True), said


def test_ctrl_c_interrupts(desk: Path) -> None:
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store, store.sole_driver("tiny"):
        process = start(desk, "status", "--watch")
        assert process.stdout is not None
        assert process.stdout.readline().startswith("tiny: running, ")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (ExitStatus.INTERRUPTED, "")


def test_the_table_has_them_all(call: Call) -> None:
    """SIGTERM, which only a search outlives, has a test beside the searches."""
    assert COMMANDS.keys() | {ExitStatus.INTERRUPTED, ExitStatus.TERMINATED} == set(ExitStatus)
    assert EXIT_STATUSES.keys() == set(ExitStatus)
    assert (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED) == (128 + signal.SIGINT, 128 + signal.SIGTERM)
    told = " ".join(call("--help")[1].split())
    assert "Exit status: 0 fine, 1 an error of another kind, 2 wrong flag or invalid file, 3 nothing fits" in told


def kinds(base: type[RessearchError] = RessearchError) -> list[type[RessearchError]]:
    return [base, *(kind for below in base.__subclasses__() for kind in kinds(below))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_the_table(kind: type[RessearchError]) -> None:
    assert isinstance(kind.exit_status, ExitStatus)
    assert kind.exit_status is not ExitStatus.FINE
