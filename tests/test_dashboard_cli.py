"""`ressearch dashboard`: what it writes and where it does not, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ressearch.cli import cli
from ressearch.errors import DashboardError, StoreError
from ressearch.store import Store
from tests.drawn_stores import Step, happen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store:
        happen(store, [Step("one", 0, "complete")])
    return path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["dashboard", *words, "--store", str(path)], catch_exceptions=False)


def complaint(path: Path, *words: str) -> str:
    with pytest.raises(DashboardError) as caught:
        run(path, *words)
    assert caught.value.exit_status == 4
    return str(caught.value)


def test_it_says_how_to_look_at_what_it_wrote(path: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "copy?.db", tmp_path / "events"
    words = ("one", "--out", str(out), "--tensorboard", str(folder), "--no-serve")
    result = run(path, *words)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        f"1 trial(s) in {out}; to look at it: optuna-dashboard sqlite:///{out} --artifact-dir {out}.drawings\n"
        f"1 run(s) in {folder}; to look at them: tensorboard --logdir {folder}\n"
    )
    assert run(path, *words, "--force").exit_code == 0


def test_nothing_is_written_over_unasked(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    mine.write_text("mine", encoding="utf-8")
    no_serve = ("--no-serve", "--out")
    assert complaint(path, *no_serve, str(mine)) == (
        f"error[E810]: {mine} is there already\n  = help: --force writes over it"
    )
    assert complaint(path, *no_serve, str(tmp_path), "--force") == (
        f"error[E810]: {tmp_path} is there already\n  = help: give the name of a file"
    )
    runs = tmp_path / "runs"
    (runs / "trial-00000").mkdir(parents=True)
    assert complaint(path, "--no-serve", "--tensorboard", str(runs)) == (
        f"error[E810]: {runs} holds runs already\n  = help: --force writes over it"
    )
    (runs / "thesis.tex").touch()
    assert complaint(path, "--no-serve", "--tensorboard", str(runs), "--force") == (
        f"error[E810]: {runs} holds thesis.tex, which is no run of a trial\n  = help: give a folder of its own"
    )
    assert mine.read_text(encoding="utf-8") == "mine"


def test_what_leaves_nothing_to_do_or_to_show_is_refused(path: Path) -> None:
    result = run(path, "--no-serve")
    assert result.exit_code == 2
    assert "Error: --no-serve leaves nothing to do: give --out or --tensorboard\n" in result.stderr
    with pytest.raises(StoreError, match="there is no study 'two'"):
        run(path, "two", "--no-serve", "--out", "never.db")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_ctrl_c_is_how_it_ends(path: Path, number: int, status: int) -> None:
    command = [sys.executable, "-m", "ressearch", "dashboard", "--port", "0"]
    environment = os.environ | {"RESSEARCH_STORE": str(path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        assert line.startswith("study one: http://127.0.0.1:")
        assert line.endswith("/dashboard/studies/0 (Ctrl-C ends it)\n")
        with urllib.request.urlopen(line.split()[2], timeout=30) as page:
            assert b"<title>Optuna Dashboard</title>" in page.read()
        run.send_signal(number)
        assert run.communicate(timeout=30) == ("", "")
        assert run.returncode == status
