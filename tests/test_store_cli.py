"""The command line with a store on PostgreSQL: the same answers, and never a password."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ressearch.store import Store, database_of
from tests.conftest import DEMO
from tests.postgresql_server import Server
from tests.store_samples import KEY, MEASURED, NET, RECIPE, STUDY, begin

Ask = Callable[..., tuple[int, str, str]]
BESIDE = ", with the store's URL in RESSEARCH_STORE"


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


def start(url: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "ressearch", *words],
        cwd=folder,
        env={**os.environ, "RESSEARCH_STORE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def answer(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    for text in (out, err):
        assert "secret" not in text
        assert "Traceback" not in text
        assert "ResourceWarning" not in text
    return process.returncode, out, err


@pytest.fixture
def ask(url: str, tmp_path: Path) -> Ask:
    """Runs the command with the store's URL in the environment."""
    return lambda *words: answer(start(url, tmp_path, *words))


def test_questions_are_answered_as_from_a_file(url: str, ask: Ask, tmp_path: Path) -> None:
    answers = []
    for store_url in (url, str(tmp_path / "results.db")):
        with closing(Store.create(store_url)) as store:
            study_id = store.create_study(STUDY)
            begin(store, study_id, 0)
            store.complete(study_id, 0, KEY, MEASURED, RECIPE)
        verbs = (("best", "-f", "json"), ("show", NET.id[:8]), ("query", "macs > 1", "-f", "csv"))
        answers.append([ask(*verb, "--store", store_url) for verb in verbs])
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]] == [0] * 3
    assert ask("best", "-f", "json") == answers[0][0]


def test_a_store_that_is_not_there_or_is_up_to_date(url: str, ask: Ask) -> None:
    name = database_of(url).name
    missing = f"error[E500]: there is no results store at {name}\n  = help: `ressearch search FILE` makes one\n"
    for verb in (("best",), ("store", "migrate")):
        assert ask(*verb) == (4, "", missing)
    Store.create(url).close()
    assert ask("store", "migrate") == (0, "", f"{name} is of the present version\n")


def test_questions_to_a_file_import_nothing_of_postgresql(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path / "results.db")) as store:
        begin(store, store.create_study(STUDY), 0)
    script = (
        "import sys\nfrom ressearch.cli import cli\n"
        "cli.main(['best', '--store', sys.argv[1]], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('psycopg', 'alembic', 'torch', 'ray')"
        " or name.startswith('sqlalchemy.dialects.postgresql')], file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "results.db")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == "[]\n"


@pytest.mark.slow
def test_a_search_is_interrupted_goes_on_and_shares_what_it_measured(url: str, ask: Ask, tmp_path: Path) -> None:
    settings = ("search", str(DEMO), "--workers", "1")
    first = start(url, tmp_path, *settings, "--trials", "30", "--name", "first")
    assert first.stderr
    for line in first.stderr:
        if line.startswith("2/30: "):
            break
    second = ask(*settings, "--trials", "30", "--name", "first")
    assert second == (
        2,
        "",
        "error[E600]: another process is driving the study 'first'\n"
        "  = help: wait for it, or give this one another --name\n",
    )
    os.killpg(first.pid, signal.SIGINT)
    status, _, err = answer(first)
    assert status == 130
    assert err.endswith(
        f"interrupted; every finished trial is kept. To go on{BESIDE}:\n"
        f"  ressearch search {DEMO} --data digits --trials 30 --workers 1 --seed 0 --name first\n"
    )
    with closing(Store.open(url)) as store:
        begun = len(store.trials(store.study("first")[0]))
    for name in ("first", "other"):
        status, _, err = ask(*settings, "--trials", str(begun), "--name", name)
        assert status == 0, err
        assert err.endswith(f"see the answer{BESIDE}: ressearch best {name}\n")
    assert re.search(rf"{begun}/{begun} done, 0 running, [1-9]\d* known before", err)
    with closing(Store.open(url)) as store:
        trials = store.trials(store.study("first")[0])
    assert [(trial.number, trial.state.value) for trial in trials] == [(n, "complete") for n in range(begun)]
    assert list((tmp_path / "runs" / "checkpoints").rglob("*.pt")) == []
