"""`ressearch explain`: every code that can be raised is explained, and its examples show what they say."""

from __future__ import annotations

import ast
import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ressearch
from ressearch.architecture import Architecture, Node, alive
from ressearch.cli import cli
from ressearch.errors import ArchitectureError, DecisionError, NothingFitsError, SpaceError
from ressearch.explanations import EXPLANATIONS
from ressearch.ops import GlobalPool, Input, Linear
from ressearch.space import SearchSpace
from tests.conftest import demo_space

PACKAGE = Path(ressearch.__file__).parent
HEAD = "version: 1\nname: mine\ninput: {shape: [3, 32, 32], classes: 10}\n"
STAGES = "stages: [{width: 16, block: {use: basic}}]\n"

BARE = {"E000", "E030", "E700", "E702", "E802", "E900"}
"""Codes whose mistake has no short example."""

COMMANDS = {"E031", "E400", "E500", "E510", "E520", "E600", "E610", "E800", "E801", "E810", "E820", "E830"}
PYTHON = {"E100": DecisionError, "E200": ArchitectureError}
FILES = sorted(set(EXPLANATIONS) - BARE - COMMANDS - set(PYTHON))
REFUSED = [code for code in FILES if code.startswith("E0")]


def codes_in(file: Path) -> set[str]:
    """The codes that stand in a file as whole strings."""
    constants = [
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
    ]
    return {node.value for node in constants if re.fullmatch(r"[EW]\d{3}", str(node.value))}


def parsed(example: str) -> SearchSpace:
    """The space of an example, which has no head, and no stages if they do not matter."""
    stages = "" if re.search("^stages:", example, re.MULTILINE) else STAGES
    return SearchSpace.parse(HEAD + stages + example)


def test_every_code_is_explained_and_no_other() -> None:
    raised = set().union(*(codes_in(file) for file in PACKAGE.rglob("*.py") if file.name != "explanations.py"))
    assert set(EXPLANATIONS) == raised
    assert list(EXPLANATIONS) == sorted(EXPLANATIONS)


def test_a_title_is_a_line_and_an_example_has_its_correction() -> None:
    for code, explanation in EXPLANATIONS.items():
        assert explanation.text.endswith("."), code
        assert len(f"{code}  {explanation.title}") <= 90
        assert (explanation.wrong == "") == (explanation.right == "") == (code in BARE)
        lines = f"{explanation.wrong}\n{explanation.right}".splitlines()
        assert all(len(line) <= 110 for line in lines), code


@pytest.mark.parametrize("code", REFUSED)
def test_a_wrong_file_is_refused_with_its_code_alone(code: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parsed(EXPLANATIONS[code].wrong).size()
    assert {problem.code for problem in caught.value.problems} == {code}


@pytest.mark.parametrize("code", FILES)
def test_a_right_file_loads_without_a_remark(code: str) -> None:
    assert parsed(EXPLANATIONS[code].right).remarks == []


@pytest.mark.parametrize("code", [code for code in FILES if code.startswith("W")])
def test_a_file_with_a_remark_loads_and_gets_it(code: str) -> None:
    assert [remark.code for remark in parsed(EXPLANATIONS[code].wrong).remarks] == [code]


def test_limits_that_fit_nothing() -> None:
    with pytest.raises(NothingFitsError):
        parsed(EXPLANATIONS["E300"].wrong).sample(random.Random(0))
    assert parsed(EXPLANATIONS["E300"].right).sample(random.Random(0))


@pytest.mark.parametrize("code", sorted(PYTHON))
def test_a_line_of_python_does_what_it_says(code: str) -> None:
    nodes = [Node("image", Input(1, 8, 8)), Node("lost", GlobalPool(), (0,)), Node("pool", GlobalPool(), (0,))]
    nodes.append(Node("linear", Linear(10), (2,)))
    names: dict[str, Any] = {"Architecture": Architecture, "alive": alive, "nodes": nodes, "output": 3}
    names |= {"space": demo_space, "random": random}
    with pytest.raises(PYTHON[code]):
        eval(EXPLANATIONS[code].wrong, names)
    assert eval(EXPLANATIONS[code].right, names)


@pytest.mark.parametrize("code", sorted(COMMANDS))
def test_a_command_is_one(code: str) -> None:
    for example in (EXPLANATIONS[code].wrong, EXPLANATIONS[code].right):
        program, verb, *words = shlex.split(example)
        assert program == "ressearch"
        cli.commands[verb].make_context(verb, words)


# The verb


def test_explain_prints_a_page_whatever_the_case() -> None:
    low, high = (CliRunner().invoke(cli, ["explain", code]) for code in ("e007", "E007"))
    assert low.exit_code == 0
    assert low.output == high.output
    assert low.output.startswith("E007: a choice or a limit that holds nothing")
    assert "Wrong:\n\n    stages: [{width: {min: 64, max: 16}" in low.output
    assert "Right:\n\n    stages: [{width: {min: 16, max: 64}" in low.output


def test_explain_alone_lists_every_code_on_a_line() -> None:
    result = CliRunner().invoke(cli, ["explain"])
    assert [line.split()[0] for line in result.output.splitlines()] == list(EXPLANATIONS)


@pytest.mark.parametrize(
    ("code", "near"), [("E0017", "E017"), ("e9", "E900"), ("W003", "W002"), ("zebra", "`ressearch explain` lists all")]
)
def test_an_unknown_code_is_an_error_that_names_the_nearest(code: str, near: str) -> None:
    result = CliRunner().invoke(cli, ["explain", code])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"there is no code {code!r}" in result.stderr
    assert near in result.stderr
