"""`ressearch store` export, import, check and prune as a user calls them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ressearch.cli import cli
from ressearch.errors import RessearchError
from ressearch.store import Store
from tests.drawn_stores import Step, contents, happen
from tests.test_artifacts import keep, retrained


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a store of two studies."""
    monkeypatch.chdir(tmp_path)
    with closing(Store.create("a.db")) as store:
        happen(store, [Step("one", 2, "complete later"), Step("one", 10, "failed"), Step("two", 0, "retrained")])
    return tmp_path


def run(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["store", *words], input=stdin)


def said(*words: str) -> str:
    error = run(*words).exception
    assert isinstance(error, RessearchError)
    return str(error)


def test_a_store_moves_by_a_file_and_by_a_pipe() -> None:
    assert run("export", "x.jsonl.gz", "--store", "a.db").output == ""
    lines = gzip.decompress(Path("x.jsonl.gz").read_bytes())
    piped = run("export", "-", "--store", "a.db")
    assert (piped.stdout.encode(), piped.stderr) == (lines, "")
    taken = run("import", "x.jsonl.gz", "--store", "runs/b.db")
    assert (taken.stdout, taken.stderr) == (
        "",
        "x.jsonl.gz: 2 of 2 recipes are new; 3 of 3 networks are new; 2 of 2 studies are new; 2 of 2 measurements are"
        " new; 1 of 1 retrainings are new; 3 of 3 trials are new\n",
    )
    again = run("import", "-", "--store", "runs/b.db", stdin=lines)
    assert again.stderr == taken.stderr.replace("x.jsonl.gz", "-").replace("2 of", "0 of").replace(
        "3 of", "0 of"
    ).replace("1 of", "0 of")
    with closing(Store.open("a.db")) as first, closing(Store.open("runs/b.db")) as second:
        assert contents(first) == contents(second)
    assert run("check", "--store", "runs/b.db", "--all").exit_code == 0


def test_one_study_under_another_name() -> None:
    run("export", "x.jsonl", "--store", "a.db", "--study", "one")
    assert run("import", "x.jsonl", "--store", "a.db", "--rename", "one=three").exit_code == 0
    with closing(Store.open("a.db")) as store:
        assert len(store.trials(store.study("three")[0])) == 2
    assert said("export", "-", "--store", "a.db", "--study", "none") == (
        "error[E500]: there is no study 'none'\n  = help: did you mean 'one'? `ressearch runs` lists all"
    )
    assert said("export", "x.jsonl", "--store", "none.db").startswith(
        "error[E500]: there is no results store at none.db"
    )
    assert said("import", "none.jsonl", "--store", "a.db") == (
        "error[E520]: cannot read none.jsonl: No such file or directory"
    )
    for words, told in (
        (("x.jsonl", "--rename", "one"), "expected OLD=NEW, got 'one'"),
        (("x.jsonl", "--rename", "one=/"), "letters, digits, '.', '_' and '-', beginning with a letter or digit"),
        (("x.jsonl", "x.jsonl", "--rename", "one=two"), "--rename is for one FILE"),
    ):
        refused = run("import", *words, "--store", "a.db")
        assert refused.exit_code == 2
        assert told in refused.stderr


def test_an_export_can_be_read_by_other_programs_line_by_line() -> None:
    command = [sys.executable, "-m", "ressearch", "store", "export", "-", "--store", "a.db"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kinds = [json.loads(line).get("kind") for line in done.stdout.splitlines()]
    assert kinds == [
        *(None, "recipe", "recipe", "architecture", "architecture", "architecture", "study", "study"),
        *("measurement", "measurement", "retraining", "trial", "trial", "trial", "end"),
    ]


def test_check_says_what_is_wrong_and_ends_with_4() -> None:
    assert run("check", "--store", "a.db").stdout == (
        "remark: 1 trial(s) of the study 'two' are running, and nobody drives it: "
        "`ressearch search` with its --name goes on with them\n"
    )
    with closing(sqlite3.connect("a.db")) as connection:
        connection.execute("UPDATE architectures SET nesting = 3")
        connection.commit()
    found = run("check", "--store", "a.db")
    assert found.exit_code == 4
    assert found.stdout.count(": restore a backup, or import an export into a new store\n") == 3


def test_prune_says_what_it_removes() -> None:
    with closing(Store.open("a.db")) as store:
        file = keep(store, retrained(store))
    told = run("export", "x.jsonl", "--store", "a.db")
    assert told.stderr == "the weights of 1 retraining(s) stay where they are\n"
    assert run("prune", "--store", "a.db").stderr == "0 file(s), 0 bytes removed\n"
    would = run("prune", "--keep-front", "--dry-run", "--store", "a.db")
    assert would.stdout == f"{file}: 7 bytes, its network is on no front\n"
    assert would.stderr == "1 file(s), 7 bytes would be removed\n"
    assert file.exists()
    done = run("prune", "--keep-front", "--store", "a.db")
    assert (done.stdout, done.stderr) == (would.stdout, "1 file(s), 7 bytes removed\n")
    assert not file.exists()
