"""What every verb does alike: -q and -v, the environment, colours, and words that are nearly right."""

from __future__ import annotations

import ast
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import ressearch.cli
from ressearch.cli import cli
from tests.command import Call, call
from tests.test_studies_cli import file

__all__ = ["call", "file"]

CLI = Path(ressearch.cli.__file__).parent


def verbs(command: click.Command = cli, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb, and how it is called."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from verbs(inner, (*words, name))
    else:
        yield words, command


VERBS = dict(verbs())


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_option_of_every_verb_stands_in_the_environment_too(words: tuple[str, ...]) -> None:
    """But those that ask for something else, as --help does."""
    for option in VERBS[words].params:
        if isinstance(option, click.Option) and not option.is_eager:
            flag = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
            shared = {"STORE": "RESSEARCH_STORE", "QUIET": "RESSEARCH_QUIET", "VERBOSE": "RESSEARCH_VERBOSE"}
            names = [option.envvar] if isinstance(option.envvar, str) else [*(option.envvar or ())]
            assert names[0] == shared.get(flag, "_".join(["RESSEARCH", *words, flag]).upper())
            assert names[1:] == (["RAY_ADDRESS"] if flag == "ADDRESS" else [])


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_says_so(words: tuple[str, ...], call: Call) -> None:
    status, out, err = call(*words, "--help")
    assert (status, err) == (0, "")
    told = " ".join(re.sub(r"(?<=[a-z]-)\n +", "", out).split())
    assert "-q, --quiet Say nothing but data and errors." in told
    found = re.search(r"in the environment: for (--?[a-z-]+), in (RESSEARCH_[A-Z_]+), and so on\.", told)
    options = [option for option in VERBS[words].params if isinstance(option, click.Option) and not option.is_eager]
    assert (found is not None) == (len(options) > 2)
    assert not found or found[2] in (
        f"RESSEARCH_{'_'.join(words)}_{found[1].lstrip('-')}".upper().replace("-", "_"),
        "RESSEARCH_STORE",
    )


def test_no_verb_speaks_to_stderr_past_notes() -> None:
    """Else --quiet would not reach what it says; `complain` is for what has to be said in any case."""
    for source in CLI.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if source.name != "notes.py" and isinstance(node, ast.Call) and ast.unparse(node.func) == "click.echo":
                assert not any(keyword.arg == "err" for keyword in node.keywords), source.name


def test_quiet_stands_before_or_after_the_verb_and_leaves_data_and_errors(
    file: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("query", "macs > 0", "--columns", "id", "--store", str(file))
    loud = call(*words)
    assert loud[2] == "3 trial(s)\n"
    quiet = (0, loud[1], "")
    assert call("-q", *words) == call(*words, "-q") == call(*words, "--quiet") == call("-q", *words, "-q") == quiet
    status, _, err = call("-q", "query", "macs >", "--store", str(file))
    assert (status, err.startswith("error[E510]: ")) == (2, True)
    monkeypatch.setenv("RESSEARCH_QUIET", "1")
    assert call(*words) == quiet
    assert call("-v", *words)[2].endswith(loud[2]), "a flag goes before the environment"
    assert call("store", "check", "-q", "--store", str(file))[2] == ""


@pytest.mark.parametrize("words", [("-q", "runs", "-v"), ("-v", "-q", "runs"), ("runs", "-q", "-v")])
def test_quiet_and_verbose_exclude_each_other(words: tuple[str, ...], call: Call) -> None:
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert err.endswith("Error: --quiet and --verbose exclude each other\n")


def test_verbose_prints_the_log_with_the_time_and_only_while_the_verb_runs(file: Path, call: Call) -> None:
    status, out, err = call("runs", "-v", "--store", str(file))
    assert status == 0
    assert re.fullmatch(rf"\d\d:\d\d:\d\d opened the store {file}\n", err)
    assert call("runs", "--store", str(file)) == (0, out, "")
    assert call("-v", "runs", "-v", "--store", str(file))[2].count("opened") == 1


def test_a_wrong_value_in_the_environment_is_told_with_its_name(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESSEARCH_BEST_LIMIT", "0")
    status, out, err = call("best")
    assert (status, out) == (2, "")
    assert err.endswith("Error: Invalid value for '--limit' in RESSEARCH_BEST_LIMIT: 0 is not in the range x>=1.\n")


def test_a_word_that_is_nearly_right_is_guessed(call: Call) -> None:
    assert call("serach")[2].endswith("Error: No such command 'serach'. Did you mean 'search'?\n")
    assert call("store", "chek")[2].endswith("Error: No such command 'chek'. Did you mean 'check'?\n")
    assert call("best", "--formt", "csv")[2].endswith("Error: No such option '--formt'. Did you mean '--format'?\n")


COLOUR = re.compile(r"\x1b\[[\d;]*?(3[0-7]|9[0-7]|38;[\d;]+)m")
ESCAPE = "\x1b"


def on_a_terminal(*words: str, **environment: str) -> str:
    """What the command prints to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen([sys.executable, "-m", "ressearch", *words], env=environment, stdout=theirs)
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65_536):
            said += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return said.decode()


def test_no_color_and_force_color_are_honoured(file: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    words = ("best", "first", "--store", str(file))
    assert ESCAPE not in call(*words)[1]
    assert not COLOUR.search(on_a_terminal(*words, NO_COLOR="1"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in call(*words)[1]


def test_a_search_that_is_forced_to_colour_still_prints_lines_to_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    from ressearch.cli.notes import note
    from ressearch.cli.search import _live

    monkeypatch.setenv("FORCE_COLOR", "1")
    with _live() as (_, say):
        assert say is note


def test_what_is_said_beside_a_live_display_stands_on_a_line_of_its_own() -> None:
    script = (
        "from ressearch.cli.notes import complain; from ressearch.cli.search import _redrawn\n"
        "with _redrawn() as (_, say): say('how far it is'); complain('12:00:00 [red]said[/red]'); say('farther')"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.wait() == 0
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    lines = [line.rpartition("\x1b[2K")[2].strip() for line in shown.split("\r\n")]
    assert [line for line in lines if line and ESCAPE not in line] == ["12:00:00 [red]said[/red]", "farther"]
