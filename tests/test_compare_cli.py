"""`ressearch compare`: the same answer in every format, and what is said where there is none."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ressearch.cli import cli
from ressearch.errors import StoreError
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Fidelity, Latency, Origin, Retraining, Trial
from tests.conftest import DEMO
from tests.store_samples import CHECKSUM, KEY, MEASURED, RECIPE, STUDY

SMALL, LARGE = f"{DEMO}:resnet8", f"{DEMO}:resnet14"


@pytest.fixture
def path(tmp_path: Path, demo: SearchSpace) -> Path:
    """Both baselines of the demo in one study; retrained with three seeds each, far apart."""
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store:
        study_id = store.create_study(STUDY)
        for number, (name, candidate) in enumerate(demo.baselines.items()):
            net = candidate.architecture
            trial = Trial(number, net.id, dict(candidate.decisions), 0, Origin.BASELINE, name)
            store.begin(study_id, trial, net, candidate.cost)
            accuracy = 0.5 + number / 10
            measured = replace(MEASURED, accuracy=accuracy)
            store.complete(study_id, number, replace(KEY, architecture_id=net.id, seed=0), measured, RECIPE)
            for seed in range(3):
                measured = replace(MEASURED, accuracy=accuracy + seed / 100)
                store.record_retraining(Retraining(net.id, RECIPE, CHECKSUM, Fidelity(30), seed, measured))
            for median in (9.0, 0.002):  # the last one counts
                store.record_latency(Latency(net.id, "cpu", "fp32", 1, 2, 50, median, median / 2, median * 2))
    return path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *words, "--store", str(path)], catch_exceptions=False)


def test_markdown_tells_all(path: Path, demo: SearchSpace) -> None:
    small, large = (candidate.architecture.id for candidate in demo.baselines.values())
    result = run(path, small[:8], large[:8], "-f", "md")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        result.stdout
        == f"""\
|  | {small} | {large} |
| --- | --- | --- |
| id | {small} | {large} |
| FLOPs | 1,527,040 | 3,296,512 |
| parameters | 77,754 | 174,970 |
| activations | 5,386 | 8,970 |
| peak | 3,072 | 3,072 |
| depth | 8 | 14 |
| nesting | 1 | 1 |
| skips | 3 | 6 |
| blocks | 3 basic | 6 basic |
| search accuracy, 3 epochs (demo) | 50.00 % (n = 1) | 60.00 % (n = 1) |
| retrained accuracy, 30 epochs | 51.00 ± 1.00 % (n = 3) | 61.00 ± 1.00 % (n = 3) |
| latency, cpu, 2 thread(s), fp32, batch 1 | 2.000 ms (1.000 to 4.000) | 2.000 ms (1.000 to 4.000) |

## {small} and {large}

- macs: 763,520 and 1,648,256: {small} is better
- params: 77,754 and 174,970: {small} is better
- activations: 5,386 and 8,970: {small} is better
- peak: 3,072 and 3,072: equal
- search accuracy, 3 epochs: 50.00 % and 60.00 %: not told apart, 1 and 1 seed(s) tell no spread
- retrained accuracy, 30 epochs: 51.00 % and 61.00 % (+10.00 points, 95 %: +7.73 to +12.27): {large} is better
- latency, cpu, fp32, batch 1: 2.000 ms and 2.000 ms: not told apart, quartiles overlap

| where | what becomes of the first |
| --- | --- |
| stages.0.block.1 | + conv3x3 16 (2 times), + norm (2 times), + relu (2 times), + add |
| stages.1.block.1 | + conv3x3 32 (2 times), + norm (2 times), + relu (2 times), + add |
| stages.2.block.1 | + conv3x3 64 (2 times), + norm (2 times), + relu (2 times), + add |

| study | decision | {small} | {large} |
| --- | --- | --- | --- |
| demo | stages.0.depth | 1 | 2 |
| demo | stages.1.depth | 1 | 2 |
| demo | stages.2.depth | 1 | 2 |
| demo | stages.0.block.1.cell.one_of |  | basic |
| demo | stages.1.block.1.cell.one_of |  | basic |
| demo | stages.2.block.1.cell.one_of |  | basic |
"""
    )


def test_the_table_says_the_same_as_markdown(path: Path) -> None:
    def words(text: str) -> list[str]:
        lines = [line.strip("|-─ ") for line in text.splitlines()]
        return " ".join(lines).replace("|", " ").replace("##", " ").split()

    table, markdown = (words(run(path, SMALL, LARGE, "-f", form).stdout) for form in ("table", "md"))
    heads = ["wiring:", "what", "becomes", "of", "the", "first"]
    assert [word for word in table if word not in heads] == [
        word for word in markdown if word not in (*heads, "where", "-")
    ]


def test_json_holds_every_op(path: Path, demo: SearchSpace) -> None:
    told = json.loads(run(path, SMALL, LARGE, "-f", "json").stdout)
    first, other = told["networks"]
    assert (first["name"], other["name"]) == ("resnet8", "resnet14")
    assert (first["flops"], first["skips"], first["blocks"]) == (1_527_040, 3, {"basic": 3})
    retrained = other["accuracies"][1]
    assert (retrained["what"], retrained["of_seed"], retrained["seeds"]) == (
        "retrained",
        {"0": 0.6, "1": 0.61, "2": 0.62},
        3,
    )
    (against,) = told["against"]
    added = [change for change in against["changes"] if change["what"] == "added"]
    assert (
        len(against["changes"])
        == len(added)
        == len(demo.baselines["resnet14"].architecture) - len(demo.baselines["resnet8"].architecture)
    )
    assert added[0] == {
        "what": "added",
        "name_before": None,
        "name_after": "stages.0.block.1.cell.basic.basic.body.0.conv",
        "before": None,
        "after": "conv3x3 16",
        "level": 1,
        "block": "stages.0.block.1",
    }
    assert against["decisions"]["demo"]["stages.0.depth"] == {"first": 1, "other": 2}


def test_networks_of_files_need_no_store(tmp_path: Path) -> None:
    result = run(tmp_path / "none.db", SMALL, LARGE, SMALL.replace("resnet8", "resnet14"), "-f", "md")
    assert result.exit_code == 2
    assert f"Error: {LARGE} is given twice\n" in result.stderr
    assert "| FLOPs | 1,527,040 | 3,296,512 |" in run(tmp_path / "none.db", SMALL, LARGE, "-f", "md").stdout
    assert not (tmp_path / "none.db").exists()


def test_three_networks_are_each_held_against_the_first(path: Path, demo: SearchSpace) -> None:
    id = demo.baselines["resnet14"].architecture.id
    told = json.loads(run(path, SMALL, LARGE, id, "-f", "json").stdout)
    assert [(one["first"], one["other"]) for one in told["against"]] == [("resnet8", "resnet14"), ("resnet8", id)]
    same = run(path, id, LARGE)
    assert "wiring: the same network" in same.stdout


def test_what_is_not_there_is_told(path: Path, tmp_path: Path) -> None:
    assert "Error: give two networks or more\n" in run(path, "8c77").stderr
    with pytest.raises(StoreError, match="no architecture has an id that begins with 'zz'"):
        run(path, SMALL, "zz")
    for word, said in ((f"{DEMO}:resnet9", "names no network 'resnet9'"), (str(DEMO), "names several networks")):
        told = run(path, SMALL, word)
        assert told.exit_code == 2
        assert told.stderr.endswith(
            f"Error: Invalid value: {DEMO} {said}; write {DEMO}:NAME, one of resnet8, resnet14\n"
        )
    with pytest.raises(StoreError):
        run(tmp_path / "none.db", SMALL, "8c77")
