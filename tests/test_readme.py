"""What the documents say, held against what the program does."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from ressearch.cli import cli
from ressearch.errors import SpaceError
from ressearch.space import SearchSpace
from ressearch.space.blocks import BLOCKS
from ressearch.space.grammar import OPERATIONS
from ressearch.space.schema import TOP, standard_rules
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "search_spaces" / "README.md").read_text(encoding="utf-8")
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))


def readme_space() -> str:
    found = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


def test_the_example_space_loads_and_holds_its_baseline() -> None:
    space = SearchSpace.parse(readme_space())
    assert space.baselines["resnet6"].cost.macs < 3_000_000
    assert space.grammar.dataset == "digits"


def test_the_example_error_is_the_real_one() -> None:
    broken = readme_space().replace("{op: conv3x3}]\n      nested", "{op: conv3}]\n      nested")
    with pytest.raises(SpaceError) as caught:
        SearchSpace.parse(broken, "mine.yaml")
    real = str(caught.value).replace(", ".join(list(OPERATIONS)[2:]), "...")
    assert textwrap.indent(real, "    ") in README


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
def test_every_space_loads_is_listed_and_opens_with_a_comment(path: Path) -> None:
    space = SearchSpace.load(path)
    assert space.baselines
    assert f"({path.name})" in LANGUAGE
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_table_of_known_networks_is_exact() -> None:
    """Each row's parameters and MACs are those of a network that its file names."""
    rows = re.findall(r"^\| .+? \| ([a-z-]+) \| ([\d,]+) \| ([\d,]+) \|", LANGUAGE, re.MULTILINE)
    assert len(rows) >= 18
    for file, params, macs in rows:
        costs = [c.cost for c in SearchSpace.load(ROOT / "search_spaces" / f"{file}.yaml").networks.values()]
        assert (int(params.replace(",", "")), int(macs.replace(",", ""))) in {(c.params, c.macs) for c in costs}


def test_every_key_and_word_of_the_language_is_documented() -> None:
    words = {*TOP, *BLOCKS, *standard_rules(), "max_depth", "tie", "shortcut", "order", "stride_at", "ratio", "log"}
    assert {word for word in words if f"`{word}" not in LANGUAGE and f"{word}" not in LANGUAGE} == set()
    kinds = {operation.kind for operation in OPERATIONS.values()}
    assert {kind for kind in kinds if f"`{kind}" not in LANGUAGE} == set()


def test_every_verb_is_in_the_readme() -> None:
    assert {verb for verb in cli.commands if f"ressearch {verb}" not in README} == set()


def test_the_readme_names_the_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile
