"""What a worker makes of a job, without Ray: kinds of failure, checkpoints that are of no use, the time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ressearch.errors import DivergedError, TrainingError
from ressearch.evaluator import load_evaluator
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.time_limit import limited, overrun
from ressearch.search.worker import Worker, failure_of, outcome_of, pause, with_checkpoint
from ressearch.space import SearchSpace
from ressearch.training import measure
from ressearch.trial import Failure, Fidelity, Measurement, Recipe
from tests.test_search import SPACE

pytestmark = pytest.mark.usefixtures("one_thread")

BASELINE = SearchSpace.parse(SPACE).baselines["plain_resnet"]


def job(**changes: Any) -> dict[str, Any]:
    """As the queue writes it: nothing but what JSON holds."""
    plain = {
        "architecture": BASELINE.architecture.to_json(),
        "recipe": asdict(Recipe()),
        "fidelity": asdict(Fidelity(epochs=2)),
        "seed": 0,
        "device": "cpu",
        "source": "digits",
        "evaluator": "",
        "checkpoint": None,
        "time_limit": 0,
        "report": "unused",
        "on_cluster": False,
        "threads": 1,
        "checksum": "",
    }
    return dict(json.loads(json.dumps(plain | changes)))


def told(outcome: dict[str, Any]) -> tuple[str, str]:
    assert set(outcome) == {"failure", "error"}
    return outcome["failure"], outcome["error"].strip().splitlines()[-1]


def test_a_measurement_comes_back_as_plain_values() -> None:
    outcome = outcome_of(job())
    assert set(outcome) == {"measurement"}
    assert json.loads(json.dumps(outcome)) == outcome
    assert 0 < Measurement(**outcome["measurement"]).accuracy <= 1


def test_divergence_and_errors_come_back_with_their_kind_and_traceback() -> None:
    outcome = outcome_of(job(recipe=asdict(Recipe(lr=1e15))))
    assert outcome["failure"] == "diverged"
    assert outcome["error"].startswith("Traceback")
    kind, _ = told(outcome_of(job(source="/nowhere")))
    assert kind == "error"
    assert "/nowhere" in outcome_of(job(source="/nowhere"))["error"]


MINE = "def evaluate(network, *, recipe, fidelity, seed, device):\n    {body}\n"


def test_code_that_changed_during_the_search_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "changed_training.py").write_text(MINE.format(body="return 0.5"), encoding="utf-8")
    outcome = outcome_of(job(evaluator=f"changed_training:evaluate@{16 * '0'}"))
    assert outcome["failure"] == "error"
    assert outcome["error"].endswith(
        "ressearch.errors.EvaluatorError: error[E600]: the code of changed_training:evaluate was changed during the"
        " search\n  = help: begin another study with it\n"
    )


@pytest.mark.gpu
def test_after_a_lack_of_gpu_memory_all_of_it_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    body = "held = [torch.zeros(2**28, device='cuda') for _ in range(10**6)]\n    return len(held)"
    (tmp_path / "greedy_training.py").write_text("import torch\n" + MINE.format(body=body), encoding="utf-8")
    identity = load_evaluator("greedy_training:evaluate").identity
    for _ in range(2):  # a worker goes on after it
        assert outcome_of(job(evaluator=identity))["failure"] == "out of memory"
        assert torch.cuda.memory_reserved() == 0
    assert set(outcome_of(job())) == {"measurement"}


def of_torch() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DivergedError("nan"), Failure.DIVERGED),
        (MemoryError(), Failure.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), Failure.OUT_OF_MEMORY),
        (of_torch(), Failure.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), Failure.OUT_OF_MEMORY),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), Failure.ERROR),
        (TrainingError("the network takes other images"), Failure.ERROR),
        (SystemExit(1), Failure.ERROR),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_error_has_its_kind(error: BaseException, kind: Failure) -> None:
    assert failure_of(error) is kind


def measurement(file: Path | None) -> Measurement:
    data = pytest.importorskip("ressearch.data").load_search_data("digits")
    return measure(BASELINE.architecture, data, Recipe(), Fidelity(epochs=2), 0, checkpoint=file)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "incomplete"])
def test_a_checkpoint_of_no_use_is_dropped_and_the_training_begins_anew(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "0.pt"
    whole = measurement(file)
    state = torch.load(file, weights_only=True)
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "foreign":
        torch.save(state | {"identity": "another"}, file)
    else:
        torch.save({"identity": state["identity"]}, file)
    outcome = outcome_of(job(checkpoint=str(file)))
    again = Measurement(**outcome["measurement"])
    assert (again.accuracy, again.loss, again.train_loss) == (whole.accuracy, whole.loss, whole.train_loss)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_written_does_not_fail_the_trial(tmp_path: Path) -> None:
    """/dev/full is a disk without space; torch writes through the link that has the half-written file's name."""
    file = tmp_path / "0.pt"
    (tmp_path / f"0.pt.{os.getpid()}").symlink_to("/dev/full")
    assert set(outcome_of(job(checkpoint=str(file)))) == {"measurement"}
    assert list(tmp_path.iterdir()) == []


def test_only_what_a_checkpoint_may_have_caused_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "0.pt"
    for error, with_file, calls in (
        (TrainingError("damaged"), True, 2),
        (TrainingError("ill-fitting"), False, 1),
        (DivergedError("nan"), True, 1),
        (MemoryError(), True, 1),
    ):
        if with_file:
            file.touch()
        seen: list[Path | None] = []

        def train(checkpoint: Path | None, error: Exception = error, seen: list[Path | None] = seen) -> Measurement:
            seen.append(checkpoint)
            raise error

        with pytest.raises(type(error)):
            with_checkpoint(train, str(file))
        assert seen == [file, None][:calls]
        file.unlink(missing_ok=True)


def test_checkpoints_lie_beside_the_store_and_go_with_their_trials(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path / "results.db", "mine")
    files = [found.file(number) for number in (1, 2, 11)]
    assert files[0] == tmp_path / "results.db.checkpoints" / "mine" / "1.pt"
    for file in files:
        assert file is not None
        file.touch()
        file.with_name(f"{file.name}.4711").touch()
    found.drop(1)
    assert sorted(p.name for p in files[0].parent.iterdir()) == ["11.pt", "11.pt.4711", "2.pt", "2.pt.4711"]
    found.keep_only([11])
    assert sorted(p.name for p in files[0].parent.iterdir()) == ["11.pt", "11.pt.4711"]
    stranger = files[0].with_name("11.pth")
    stranger.touch()
    found.keep_only([])
    assert list(files[0].parent.iterdir()) == [stranger], "what is not ours is left alone"
    stranger.unlink()
    found.keep_only([])
    assert files[0].parent.is_dir(), "a worker that has been told of it may be about to write"
    found.tidy()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "results.db.checkpoints").touch()
    assert found.file(1) is None


def hung(tmp_path: Path, line: str) -> str | None:
    """What is said of a process whose work is `line`, in a file of the worker's name."""
    worker = Path(sys.modules["ressearch.search.worker"].__file__ or "")
    script = textwrap.dedent(f"""
        import ctypes, os, sys, time
        from pathlib import Path
        from ressearch.search.time_limit import limited
        def work():
            {line}
        exec(compile("def trial(work):\\n    work()", {str(worker)!r}, "exec"))
        with limited(0.5, Path(sys.argv[1])):
            trial(work)
        print("done")
    """)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "report")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) in {(1, ""), (0, "done\n")}, result.stderr
    return overrun(0.5, tmp_path / "report")


@pytest.mark.parametrize(
    "line",
    ["time.sleep(60)", "open(sys.argv[1] + '.fifo')", "ctypes.PyDLL(None).sleep(60)"],
    ids=["sleep", "a file that never comes", "C code that holds the interpreter's lock"],
)
def test_whatever_hangs_is_ended_and_the_place_is_told(tmp_path: Path, line: str) -> None:
    os.mkfifo(tmp_path / "report.fifo")
    said = hung(tmp_path, line)
    assert said is not None
    first, *frames = said.splitlines()
    assert first == "not done after 0.5 s, the time limit of a trial (--time-limit); most recent call last:"
    assert [frame.split(", ", 1)[1] for frame in frames] == ["line 2 in trial", "line 6 in work"]


def test_what_ends_in_time_leaves_no_report(tmp_path: Path) -> None:
    assert hung(tmp_path, "pass") is None
    with limited(0, tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
    assert overrun(1, tmp_path / "none") is None


def test_the_measurement_does_not_depend_on_the_checkpoint(tmp_path: Path) -> None:
    without, with_one = measurement(None), measurement(tmp_path / "0.pt")
    timeless = {"seconds": 0.0, "cpu_seconds": 0.0, "images_per_second": 0.0, "peak_memory": 0}
    assert replace(without, **timeless) == replace(with_one, **timeless)


def test_who_waits_longer_speaks_up_less_often_and_waits_hardly_longer_for_it() -> None:
    """Of an hour's wait, at every moment: two seconds later at most, a tenth of the wait or the shortest pause."""
    waited, words = 0.0, 0
    while waited < 3_600:
        assert pause(waited) <= min(2.0, max(0.02, 0.1001 * waited))
        waited, words = waited + pause(waited), words + 1
        if waited < 10:
            most = words
    assert most < 60, "of ten seconds, 500 at the shortest pause"
    assert words < 1_900


def test_a_worker_waits_from_the_end_of_its_job_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the job took, and whatever it waited for the one before."""
    slept: list[float] = []
    monkeypatch.setattr("ressearch.search.worker.time.sleep", slept.append)
    worker = object.__new__(Worker)  # without Ray, which makes the real ones
    for _ in range(2):
        worker.reset_config({"job": json.dumps(job())})
        assert "measurement" in worker.step()["outcome"]
        worker.idle_since -= 1e-3
        assert worker.step() == {}
        worker.idle_since -= 5
        assert worker.step() == {}
    assert slept == pytest.approx([0.02, 0.5, 0.02, 0.5], abs=0.1)
    assert slept[::2] == [0.02, 0.02]
