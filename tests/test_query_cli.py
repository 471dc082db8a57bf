"""`ressearch query`: the same answer in every format."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ressearch.cli import cli
from ressearch.errors import FilterError
from ressearch.store import Store
from ressearch.store.filter import COLUMNS as COLUMN_NAMES
from ressearch.store.filter import FACTS
from tests.conftest import ROOT
from tests.store_samples import BETTER, MEASURED, RECIPE, STUDY, begin, key_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store:
        study_id = store.create_study(STUDY)
        net = begin(store, study_id, 0, 1000, baseline="a|b\x1b[1m")
        store.complete(study_id, 0, key_of(net), replace(MEASURED, loss=None), RECIPE)
        net = begin(store, study_id, 1, 5)
        store.complete(study_id, 1, key_of(net), BETTER, RECIPE)
    return path


def ask(path: Path, *words: str) -> tuple[str, str]:
    result = CliRunner().invoke(cli, ["query", *words, "--store", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout, result.stderr


COLUMNS = ("--columns", "trial, accuracy,macs,loss,baseline")


def test_the_formats_agree(path: Path) -> None:
    out, err = ask(path, *COLUMNS, "-f", "json")
    assert err == ""
    records = json.loads(out)
    assert records == [
        {"trial": 1, "accuracy": 0.75, "macs": 5, "loss": 1.5, "baseline": None},
        {"trial": 0, "accuracy": 0.5, "macs": 1000, "loss": None, "baseline": "a|b\x1b[1m"},
    ]
    out, _ = ask(path, *COLUMNS, "-f", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == records
    out, _ = ask(path, *COLUMNS, "-f", "csv")
    assert list(csv.DictReader(io.StringIO(out))) == [
        {name: "" if value is None else str(value) for name, value in record.items()} for record in records
    ]
    out, _ = ask(path, *COLUMNS, "-f", "md")
    assert out == (
        "| trial | accuracy | macs | loss | baseline |\n| --- | --- | --- | --- | --- |\n"
        "| 1 | 75.00 % | 5 | 1.5 |  |\n| 0 | 50.00 % | 1,000 |  | a&#124;b [1m |\n"
    )
    out, err = ask(path, *COLUMNS)
    assert [line.split() for line in out.splitlines() if line.strip()][2:] == [
        ["1", "75.00", "%", "5", "1.5"],
        ["0", "50.00", "%", "1,000", "a|b", "[1m"],
    ]
    assert err == "2 trial(s)\n"


def test_filter_sort_limit_and_study(path: Path) -> None:
    for words, expected in (
        (("macs >= 1k",), [0]),
        (("--sort", "macs"), [1, 0]),
        (("--sort", "-macs"), [0, 1]),
        (("--sort", "-loss"), [1, 0]),
        (("--sort", "loss", "--limit", "1"), [1]),
        (("not baseline = none", "--study", "demo"), [0]),
    ):
        out, _ = ask(path, *words, "-f", "json")
        assert [record["trial"] for record in json.loads(out)] == expected


def test_a_table_of_all_columns_is_whole(path: Path) -> None:
    out, _ = ask(path, "--columns", ",".join(COLUMN_NAMES))
    assert out.split()[: len(COLUMN_NAMES)] == list(COLUMN_NAMES)
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert "another" in out


def test_where_nothing_fits_there_is_a_head_alone(path: Path) -> None:
    nothing = ("macs = 1", "--columns", "id,macs", "-f")
    assert ask(path, *nothing, "json")[0] == "[]\n"
    assert ask(path, *nothing, "jsonl")[0] == ""
    assert ask(path, *nothing, "csv")[0] == "id,macs\n"
    assert ask(path, *nothing, "md")[0] == "| id | macs |\n| --- | --- |\n"
    assert ask(path, *nothing, "table")[1] == "0 trial(s)\n"


def test_the_names_are_listed_with_their_meanings(path: Path) -> None:
    lines = ask(path, "--names")[0].splitlines()
    assert [line.split()[0] for line in lines] == list(FACTS)
    assert max(map(len, lines)) <= 110


def test_a_mistake_is_our_error(path: Path) -> None:
    for words in (("parms < 5",), ("--columns", "id,nam"), ("--columns", ""), ("--sort", "kind")):
        with pytest.raises(FilterError):
            ask(path, *words)


def test_the_readme_has_filters_that_can_be_asked(path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for text in ("macs < 1M and accuracy >= 97%", "kind.dense >= 2", "macs < 1M"):
        assert text in readme
        ask(path, text)
    text = "loss < 0.2 and not (kind = bottleneck or baseline != none)"
    assert f"`{text}`" in readme
    ask(path, text)
