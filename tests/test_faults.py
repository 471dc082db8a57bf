"""Trials that fail, hang or are killed, with real Ray processes: the study goes on, and says what happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from ressearch.data import load_search_data
from ressearch.space import SearchSpace
from ressearch.training import measure
from ressearch.trial import Fidelity, Recipe
from tests.conftest import ROOT
from tests.test_search import SPACE, Desk, workers_of

MISCHIEF = """
import ctypes, os, pathlib, torch

def evaluate(network, *, recipe, fidelity, seed, device):
    calls = pathlib.Path("calls")
    with calls.open("a") as file:
        file.write(".")
    return [hold, diverge, exhaust, fail, answer_nothing, be_good][len(calls.read_text()) - 1]()

def hold():
    ctypes.PyDLL(None).sleep(600)  # keeps the interpreter's lock

def diverge():
    return float("nan")

def exhaust():
    return torch.empty(2**60, dtype=torch.uint8)

def fail():
    raise KeyError("labels")

def answer_nothing():
    pass

def be_good():
    return {"accuracy": 0.5, "loss": 2.0}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.slow
def test_each_failure_is_told_by_its_kind_and_the_study_goes_on(desk: Desk) -> None:
    """Six trials of which five fail in their own way, one by hanging in C code; none is tried again."""
    (desk.path / "mischief.py").write_text(MISCHIEF, encoding="utf-8")
    words = ("search", "tiny.yaml", "--evaluator", "mischief:evaluate", "--trials", "6", "--workers", "1")
    status, out, err = desk.run(*words, "--time-limit", "5")
    assert (status, out) == (5, ""), err
    assert (desk.path / "calls").read_text() == "......", "a trial was tried again"
    assert err.strip().endswith("5 trial(s) failed; their errors: ressearch best tiny --failed")
    found = desk.rows("select number, state, failure from trials order by number")
    kinds = ["time limit", "diverged", "out of memory", "error", "error"]
    assert found == [*((number, "failed", kind) for number, kind in enumerate(kinds)), (5, "complete", None)]
    (measured,) = desk.rows("select accuracy, loss, train_loss, flops, images_per_second from measurements")
    assert measured == (0.5, 2.0, None, None, None)

    status, out, _ = desk.run("best", "tiny", "--failed")
    assert status == 0
    headings = [line for line in out.splitlines() if line.endswith(" trial(s)")]
    assert headings == [
        "diverged: 1 trial(s)", "out of memory: 1 trial(s)", "time limit: 1 trial(s)", "error: 2 trial(s)",
    ]  # fmt: skip
    assert "not done after 5 s, the time limit of a trial (--time-limit); most recent call last:\n" in out
    assert f'  File "{desk.path}/mischief.py", line 11 in hold\n' in out
    assert "error[E701]: mischief:evaluate returned nan for accuracy" in out
    assert "DefaultCPUAllocator" in out
    assert "KeyError: 'labels'" in out
    assert "error[E700]: mischief:evaluate returned nothing for accuracy" in out

    (desk.path / "mischief.py").write_text(MISCHIEF + "# changed\n", encoding="utf-8")
    assert desk.run(*words) == (
        2,
        "",
        "error[E600]: the study 'tiny' was begun with other code in mischief:evaluate\n"
        "  = help: give this one another --name, or go on with what it was begun with\n",
    )
    assert desk.run("search", "tiny.yaml", "--trials", "6")[2].startswith(
        "error[E600]: the study 'tiny' was begun with the evaluator mischief:evaluate\n"
    )


@pytest.mark.slow
def test_the_example_of_an_own_training_runs(desk: Desk) -> None:
    (desk.path / "search_spaces").mkdir()
    for name in ("demo.yaml", "my_training.py"):
        shutil.copy(ROOT / "search_spaces" / name, desk.path / "search_spaces")
    documented = "search search_spaces/demo.yaml --evaluator search_spaces.my_training:evaluate --name mine"
    status, _, err = desk.run(*documented.split(), "--trials", "1")
    assert status == 0, err
    found = desk.rows("select accuracy > 0.9, loss > 0, train_loss > 0, flops, device from measurements")
    assert found == [(1, 1, 1, None, "cpu")]
    ((evaluator, source),) = desk.rows(
        "select evaluator, data_source from studies join recipes on recipe_digest = digest"
    )
    assert str(evaluator).startswith("search_spaces.my_training:evaluate@")
    assert source == ""


@dataclass
class Observer:
    """Notes each epoch that a checkpoint file ever told of; the file is replaced as a whole, so every look is sound."""

    file: Path
    epochs: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        seen = 0
        while not self.stopped.wait(0.005):
            try:
                if seen == (seen := self.file.stat().st_mtime_ns):
                    continue
                step = torch.load(self.file, weights_only=True)["done"][0]
            except FileNotFoundError:
                continue
            if not self.epochs or self.epochs[-1] != step // STEPS:
                self.epochs.append(step // STEPS)

    def wait(self, reached: Callable[[list[int]], bool], process: subprocess.Popen[str]) -> None:
        while not reached(self.epochs):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)


def end_session(session: int) -> None:
    """What is left of a Ray whose driver was killed."""
    listed = subprocess.run(["pgrep", "-s", str(session)], capture_output=True, text=True).stdout
    for pid in map(int, listed.split()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


EPOCHS, STEPS = 150, 1097 // 64
LONG = SPACE.replace("epochs: 1", f"epochs: {EPOCHS}")


@pytest.fixture
def observer(desk: Desk) -> Iterator[Observer]:
    observer = Observer(desk.path / "runs" / "ressearch.db.checkpoints" / "tiny" / "0.pt")
    thread = threading.Thread(target=observer.look)
    thread.start()
    yield observer
    observer.stopped.set()
    thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_trial_goes_on_from_its_last_epoch_when_worker_and_driver_are_killed(desk: Desk, observer: Observer) -> None:
    """The epochs that the checkpoint tells of never go back, and the end is that of an undisturbed training."""
    (desk.path / "tiny.yaml").write_text(LONG, encoding="utf-8")
    words = ("search", "tiny.yaml", "--trials", "1", "--workers", "1")
    process = desk.start(*words)
    observer.wait(lambda epochs: bool(epochs) and epochs[-1] >= 8, process)
    (worker,) = workers_of(process)
    os.kill(worker, signal.SIGKILL)
    killed_at = len(observer.epochs)
    observer.wait(lambda epochs: len(epochs) > killed_at + 3 and epochs[-1] >= 20, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    while workers_of(process):  # they end at once; the rest of that Ray stays a minute, and may
        time.sleep(0.05)
    assert observer.epochs[-1] < EPOCHS, "killed too late to show anything"

    status, _, err = desk.run(*words)
    end_session(process.pid)
    assert status == 0, err
    assert observer.epochs == sorted(set(observer.epochs)), "an epoch was trained twice"
    assert sorted(path.name for path in (desk.path / "runs").iterdir() if "checkpoints" in path.name) == []
    network = SearchSpace.parse(LONG).baselines["plain_resnet"].architecture
    recipe, fidelity = Recipe(batch_size=64, lr=0.1), Fidelity(epochs=EPOCHS)
    undisturbed = measure(network, load_search_data("digits"), recipe, fidelity, seed=0)
    found = desk.rows("select accuracy, loss, train_loss from measurements")
    assert found == [(undisturbed.accuracy, undisturbed.loss, undisturbed.train_loss)]


@pytest.mark.slow
def test_a_trial_that_rays_memory_monitor_ends_again_and_again_is_out_of_memory(desk: Desk) -> None:
    """Ray is told that next to no memory is there, so it ends whatever works."""
    limits = {"RAY_memory_usage_threshold": "0.0001", "RAY_memory_monitor_refresh_ms": "500"}
    desk.environment |= limits
    (desk.path / "tiny.yaml").write_text(SPACE.replace("epochs: 1", "epochs: 2000"), encoding="utf-8")
    status, _, err = desk.run("search", "tiny.yaml", "--trials", "1", "--workers", "1")
    assert status == 5, err
    ((failure, error),) = desk.rows("select failure, error from trials")
    assert failure == "out of memory"
    first, *reason = str(error).splitlines()
    assert first == "3 workers died over this trial; the last said:"
    assert "killed due to the node running low on memory" in reason[0]
    assert len(reason) == 2, "who else runs on this machine is nobody's business"


@pytest.mark.slow
def test_a_data_set_that_hangs_is_a_failed_trial(desk: Desk) -> None:
    """A file becomes a pipe that nobody writes to, after the driver has read it and before the worker does."""
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        for label in range(10):
            folder = desk.path / "images" / part / str(label)
            folder.mkdir(parents=True)
            for number in range(20):
                image.new("L", (8, 8), 20 * label + number).save(folder / f"{number}.png")
    words = ("search", "tiny.yaml", "--data", "images", "--trials", "1", "--workers", "1", "--time-limit", "4")
    process = desk.start(*words)
    assert process.stderr is not None
    assert process.stderr.readline() == "starting 1 worker\n"
    file = desk.path / "images" / "train" / "0" / "0.png"
    file.unlink()
    os.mkfifo(file)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    ((failure, error),) = desk.rows("select failure, error from trials")
    assert failure == "time limit"
    assert "ressearch/data/folder.py" in str(error)
