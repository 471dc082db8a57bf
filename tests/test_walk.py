"""The README's commands, run as they stand there, one after the other, from a space to an exported network.

Of a command whose output the README shows, the output is held against it: numbers, ids and padding may be others.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.postgresql_server import running_server

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^    (?:\$ |\.venv/bin/)?(?=ressearch )(.*)$")
ID = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{6,16}\b")
SECONDS = 300


@dataclass(frozen=True)
class Command:
    """A command of the README, without comment, and the lines of output that it is shown with."""

    text: str
    shown: tuple[str, ...]


def commands_of(section: str) -> list[Command]:
    """The commands in the indented blocks of a section; output follows those that begin with `$`."""
    found: list[tuple[str, list[str]]] = []
    showing = False
    for line in section.splitlines():
        matched = COMMAND.match(line)
        if matched:
            found.append((re.sub(r"\s+#.*$", "", matched[1]), []))
            showing = line.startswith("    $ ")
        elif line.startswith("    ") and showing:
            found[-1][1].append(line[4:])
        elif line and not line.startswith("    "):
            showing = False
    return [Command(text, tuple(line for line in shown if line.strip())) for text, shown in found]


def section_of(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, f"the README has no section {title!r}"
    return found[1]


class Shell:
    """A folder in which commands run as in the checkout's root, with the README's ids in place of our own."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.ids = folder, dict[str, str]()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("RESSEARCH_")}
        self.environment |= {"PATH": f"{path}:{os.environ['PATH']}", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        self.environment |= {"COLUMNS": "160"}

    def run(self, text: str, *, status: int = 0) -> str:
        for readme, own in self.ids.items():
            text = text.replace(readme, own)
        done = subprocess.run(
            ["bash", "-c", text], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=SECONDS
        )
        assert done.returncode == status, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def check(self, command: Command) -> None:
        """That it succeeds, and that each line of the README's output has its like in the real one."""
        real = [shape(line) for line in self.run(command.text).splitlines()]
        for line in command.shown:
            if line.strip() != "...":
                assert shape(line) in real, f"{command.text}\n{line}\nis shaped like none of\n" + "\n".join(real)


def shape(line: str) -> str:
    """A line without what differs from machine to machine: ids, numbers, widths, rules of tables, ages."""
    line = ID.sub("ID", line)
    line = re.sub(r"\d[\d,.:]*", "N", line)
    line = re.sub(r"(baseline \S+)?$", "", line.rstrip())
    return re.sub(r"\s+|─+", " ", line).strip()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ressearch` and `python` of the environment that tests."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in (("ressearch", "-m ressearch"), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
        script.chmod(0o755)
    return folder


@pytest.fixture
def shell(tmp_path: Path, path: Path) -> Shell:
    (tmp_path / "search_spaces").symlink_to(ROOT / "search_spaces")
    return Shell(tmp_path, path)


@pytest.mark.slow
def test_the_walk_from_yaml_to_a_model(shell: Shell) -> None:
    section = section_of("From YAML to a model")
    space = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert space
    (shell.folder / "mine.yaml").write_text(space[1])
    commands = commands_of(section)
    assert len(commands) >= 7
    for command in commands:
        shown = ID.search(command.text)
        if shown and shown[0] not in shell.ids:
            shell.ids[shown[0]] = chosen(shell, "mine")[: len(shown[0])]
        shell.check(command)
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        whole = next(iter(shell.ids.values()))
        replaced = re.sub(ID, whole, code)
        (shell.folder / "use.py").write_text(replaced)
        shell.run("python use.py")


def chosen(shell: Shell, study: str) -> str:
    """The id at the knee of a study's front."""
    return shell.run(f"ressearch best {study} --by knee -f csv").splitlines()[1].split(",")[0]


@pytest.mark.slow
def test_every_command_that_is_listed_runs(shell: Shell) -> None:
    """Those of the section that lists the verbs, on a small study of the demo's space."""
    shell.run("ressearch search search_spaces/demo.yaml --trials 4 -q")
    (shell.folder / "my.yaml").write_text((ROOT / "search_spaces" / "demo.yaml").read_text())
    listed = [command.text for command in commands_of(section_of("Use it"))]
    known = next(match[0] for match in map(ID.search, listed) if match)
    shell.ids[known] = chosen(shell, "demo")[:6]
    assert len(listed) >= 25
    for text in listed:
        match text.split()[1:]:
            case ["dashboard", *_]:
                shell.run(f"{text} --no-serve --out dashboard.db")
            case ["retrain", *_]:
                shell.run(text.replace("--epochs 30 --seeds 3", "--epochs 1 --seeds 1"))
            case ["proxies", *_]:
                shell.run(text.replace("100", "2"))
            case ["doctor", *_]:
                shell.run(f"{text}; test $? = 0 -o $? = 4")
            case _:
                shell.run(text)


@pytest.mark.slow
def test_other_data_and_other_training(shell: Shell) -> None:
    """The commands of the sections on one's own training and on Fashion-MNIST, the latter with few images of noise."""
    write_idx(shell.folder / "DIR")
    (own,) = commands_of(section_of("Your own training"))
    shell.run(f"{own.text} --trials 2")
    (fashion,) = commands_of(section_of("Fashion-MNIST"))
    shell.run(fashion.text.replace("--trials 12", "--trials 2"))


@pytest.mark.slow
def test_a_teams_store(shell: Shell) -> None:
    """The commands of the section on PostgreSQL, against a server; that of Debian's own tools aside."""
    with running_server() as server:
        shell.environment["RESSEARCH_STORE"] = server.database()
        search, best = commands_of(section_of("A team's store: PostgreSQL"))
        shell.run(f"{search.text} --trials 2")
        assert "study mine: digits" in shell.run(best.text)


def write_idx(folder: Path) -> None:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for part, count in (("train", 600), ("t10k", 100)):
        images = generator.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte.gz", images), (f"{part}-labels-idx1-ubyte.gz", labels)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / name).write_bytes(gzip.compress(header + array.tobytes()))


def test_commands_are_found_with_their_outputs() -> None:
    section = (
        "Do this:\n\n    $ ressearch best mine   # the answer\n    id  accuracy\n\n    5f0e12  97.5 %\n\nor\n\n"
        "    .venv/bin/ressearch show 5f0e12\n    not output\n"
    )
    first, second = commands_of(section)
    assert first == Command("ressearch best mine", ("id  accuracy", "5f0e12  97.5 %"))
    assert second == Command("ressearch show 5f0e12", ())


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("59fdfb9969d3e03d   41.75 %  0.046", "8c779ab432b8f2c8 9 % 12.1", True),
        ("1,046 params", "no params", False),
        ("──────", "───", True),
        ("trial 3 of 24", "trials 3 of 24", False),
    ],
)
def test_lines_are_alike_but_for_numbers(one: str, other: str, alike: bool) -> None:
    assert (shape(one) == shape(other)) is alike
