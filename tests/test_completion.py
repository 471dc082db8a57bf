"""Completion at the keyboard: a real bash, the script as it is printed, and names out of a store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from ressearch.cli import cli
from ressearch.cli.completion import VARIABLE
from ressearch.explanations import EXPLANATIONS
from ressearch.peek import MOST, architecture_ids, study_names
from ressearch.store import Store
from tests.command import Call, call
from tests.store_samples import network
from tests.test_studies_cli import file

__all__ = ["call", "file"]

IDS = sorted(network(classes).id for classes in (10, 11, 12, 13, 20))


@pytest.fixture
def bash(tmp_path: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A bash that has the script, and in whose path the command is."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "ressearch"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ressearch "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "RESSEARCH_STORE": str(file)}
    with subprocess.Popen(
        ["bash", "--norc", "--noprofile"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    ) as shell:
        assert shell.stdin is not None
        shell.stdin.write('eval "$(ressearch completion bash)"\n')
        yield shell
        shell.stdin.close()
        shell.terminate()


def completed(bash: subprocess.Popen[str], *words: str) -> list[str]:
    """What the bash would offer for the last word."""
    assert bash.stdin is not None
    assert bash.stdout is not None
    quoted = " ".join(f"'{word}'" for word in words)
    bash.stdin.write(
        f"COMPREPLY=(); COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        "_ressearch_completion ressearch 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\" END\n"
    )
    bash.stdin.flush()
    return list(iter(lambda: str(bash.stdout and bash.stdout.readline()).rstrip("\n"), "END"))


def test_bash_completes_verbs_options_studies_and_ids(bash: subprocess.Popen[str]) -> None:
    assert completed(bash, "ressearch", "st") == ["status", "stop", "store"]
    assert completed(bash, "ressearch", "search", "--tr") == ["--trials"]
    assert completed(bash, "ressearch", "best", "") == ["second", "first"]
    assert completed(bash, "ressearch", "show", IDS[0][:8]) == [IDS[0]]


def offered(*words: str) -> list[str]:
    """What is offered for the last word, asked in this process."""
    answer = BashComplete(cli, {}, "ressearch", VARIABLE)
    return [f"{item.type}:{item.value}" for item in answer.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    "words",
    [("status", "f"), ("proxies", "f"), ("query", "--study", "f"), ("store", "export", "x", "--study", "f")],
    ids=lambda words: words[0],
)
def test_studies_are_completed_wherever_one_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RESSEARCH_STORE", str(file))
    assert offered(*words) == ["plain:first"]


@pytest.mark.parametrize("verb", ["show", "history", "retrain", "latency"])
def test_ids_are_completed_wherever_one_is_named(file: Path, verb: str) -> None:
    assert offered(verb, "--store", str(file), "") == [f"plain:{id}" for id in IDS]
    assert offered(verb, "--store", str(file), IDS[2][:6]) == [f"plain:{IDS[2]}"]


def test_what_is_no_name_is_completed_too(file: Path) -> None:
    assert offered("show", "--store", str(file), "sp") == ["file:sp"]
    assert offered("search", "") == ["file:"]
    assert offered("best", "--store", "ru") == ["file:ru"]
    assert offered("best", "--by", "k") == ["plain:knee"]
    assert offered("explain", "e01") == [f"plain:{code}" for code in EXPLANATIONS if code.startswith("E01")]


def test_where_nothing_can_be_read_nothing_is_offered(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    for store in (tmp_path / "none.db", tmp_path, tmp_path / "text.db", "postgresql://nobody@nowhere/nothing"):
        assert study_names(store, "") == architecture_ids(store, "") == []
    assert list(tmp_path.iterdir()) == [tmp_path / "text.db"]


def test_a_store_of_any_version_is_peeked_into_and_stays_as_it_is(tmp_path: Path) -> None:
    for version in (1, 2):
        old = tmp_path / f"v{version}.db"
        shutil.copy(Path(__file__).parent / "stores" / old.name, old)
        before = old.read_bytes()
        assert "tiny" in study_names(old, "t")
        assert architecture_ids(old, "83e1932538984d") == ["83e1932538984ddf"]
        assert old.read_bytes() == before


def test_no_more_is_offered_than_anybody_reads(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path / "many.db")) as store, store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        columns = [
            column["name"] for column in connection.exec_driver_sql("PRAGMA table_info(architectures)").mappings()
        ]
        places = ", ".join("?" for _ in columns[1:])
        row = f"INSERT INTO architectures VALUES (printf('%016x', ?), {places})"
        for number in range(MOST + 5):
            connection.exec_driver_sql(row, (number, *["{}"] * (len(columns) - 1)))
    assert len(architecture_ids(tmp_path / "many.db", "0")) == MOST


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_the_command_by_its_variable(shell: str, call: Call) -> None:
    status, out, err = call("completion", shell)
    assert (status, err) == (0, "")
    assert f"{VARIABLE}={shell}_complete" in out
    assert call("completion", "tcsh")[0] == 2


def test_completion_starts_nothing_heavy(file: Path) -> None:
    script = (
        "import sys\nfrom ressearch.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import json; print(json.dumps(sorted({'torch', 'ray', 'sqlalchemy', 'rich', 'yaml'} & set(sys.modules))))"
    )
    environment = {**os.environ, "RESSEARCH_STORE": str(file), VARIABLE: "bash_complete"}
    environment |= {"COMP_WORDS": "ressearch best f", "COMP_CWORD": "2"}
    command = [sys.executable, "-c", script]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == "plain,first"
    assert json.loads(out.splitlines()[1]) == []
