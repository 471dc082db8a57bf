"""What the command line says: answers on stdout, errors that tell the next step, and never a Python traceback."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ressearch.data import UNDERSTOOD, load_search_data
from ressearch.drawing import text
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from tests.conftest import DEMO
from tests.test_study import drive


def run(*words: str, cwd: Path) -> tuple[int, str, str]:
    result = subprocess.run([sys.executable, "-m", "ressearch", *words], cwd=cwd, capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store: twelve networks of the demo space with accuracies from a table."""
    path = tmp_path_factory.mktemp("desk")
    store = Store.create(path / "runs" / "ressearch.db")
    space, digits = SearchSpace.load(DEMO), load_search_data("digits")
    books = StudyBooks(space, digits, store, describe_study(space, digits, name="demo", source="digits", seed=0), 12)
    drive(books)
    store.close()
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not (tmp_path / "runs").exists(), "a command that failed left something behind"


def test_best_prints_front_ranking_and_floor(desk: Path) -> None:
    status, out, err = run("best", cwd=desk)
    assert (status, err) == (0, "")
    assert out.startswith(
        "study demo: digits, 6 epochs on 100% of the training images; 12 trials complete, 0 failed, 0 open"
    )
    assert "Pareto front: no network here is both more accurate and cheaper than another" in out
    assert "(baseline resnet8)" in out
    assert max(len(line) for line in out.splitlines()) <= 110


def test_the_formats_agree(desk: Path) -> None:
    _, out, _ = run("best", "demo", "-f", "json", cwd=desk)
    page = json.loads(out)
    status, out, err = run("best", "demo", "-f", "csv", cwd=desk)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert len(rows) == 12
    floor = float(next(row["accuracy"] for row in rows if row["baseline"] == "resnet8"))
    assert page["floor"] == {"accuracy": floor, "source": "baseline resnet8"}
    assert err == f"floor: accuracy >= {100 * floor:.2f} % (baseline resnet8)\n"

    on_front = [row for row in rows if row["on_front"] == "True"]
    assert {row["id"] for row in on_front} == {record["id"] for record in page["front"]}
    for row in rows:
        dominated = any(
            float(o["accuracy"]) >= float(row["accuracy"])
            and int(o["macs"]) <= int(row["macs"])
            and (o["accuracy"], o["macs"]) != (row["accuracy"], row["macs"])
            for o in rows
        )
        assert dominated == (row["on_front"] == "False")
        assert int(row["flops"]) == 2 * int(row["macs"])
        assert float(row["accuracy_per_mflop"]) == pytest.approx(
            float(row["accuracy"]) / (int(row["flops"]) / 1e6), abs=1e-6
        )
        assert (row["rank"] != "") == (float(row["accuracy"]) >= floor)
    ranked = sorted((row for row in rows if row["rank"]), key=lambda row: int(row["rank"]))
    assert [row["id"] for row in ranked][:10] == [record["id"] for record in page["ranking"]]
    efficiency = [float(row["accuracy_per_mflop"]) for row in ranked]
    assert efficiency == sorted(efficiency, reverse=True)


def test_the_floor_is_what_the_user_says(desk: Path) -> None:
    _, out, _ = run("best", "--min-accuracy", "0", "-f", "json", "--limit", "100", cwd=desk)
    page = json.loads(out)
    assert page["floor"] == {"accuracy": 0.0, "source": "--min-accuracy"}
    assert len(page["ranking"]) == 12
    status, out, err = run("best", "--min-accuracy", "100%", cwd=desk)
    assert (status, out) == (3, "")
    assert err.startswith(
        "error[E300]: no network of the study 'demo' has accuracy >= 100.00 %\n  = help: the nearest, "
    )


def test_show_prints_cost_trials_and_graph(desk: Path) -> None:
    baseline = SearchSpace.load(DEMO).baselines["resnet8"]
    id, cost = baseline.architecture.id, baseline.cost
    status, out, err = run("show", id[:6], cwd=desk)
    assert (status, err) == (0, "")
    assert out.startswith(f"architecture {id}: {len(baseline.architecture)} nodes, depth {cost.depth}\n")
    assert f"{cost.flops:,} FLOPs ({cost.macs:,} MACs), {cost.params:,} parameters" in out
    assert "baseline resnet8" in out
    assert out.endswith(f"{text(baseline.architecture)}\n")
    assert run("show", id, "--nodes", cwd=desk)[1].endswith(f"{baseline.architecture}\n")

    _, out, _ = run("show", id, "-f", "json", cwd=desk)
    page = json.loads(out)
    assert page["cost"]["macs"] == cost.macs
    assert page["architecture"] == json.loads(baseline.architecture.to_json())
    assert page["trials"][0]["decisions"] == dict(baseline.decisions)


NO_STORE = "error[E500]: there is no results store at runs/ressearch.db\n  = help: `ressearch search FILE` makes one\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("best",), 4, NO_STORE),
        (("show", "abc"), 4, NO_STORE),
        (("search", "no.yaml"), 2, "error[E031]: cannot read the search space no.yaml: No such file or directory\n"),
        (
            ("search", str(DEMO), "--data", "minst"),
            4,
            f"error[E400]: there is no data set, directory or file 'minst'\n  = help: {UNDERSTOOD}\n",
        ),
        (
            ("search", str(DEMO), "--data", "."),
            4,
            f"error[E400]: . is an empty directory\n  = help: {UNDERSTOOD}\n",
        ),
    ],
    ids=["best", "show", "no-file", "no-data", "empty-directory"],
)  # fmt: skip
def test_errors_say_what_to_do(empty: Path, words: tuple[str, ...], status: int, message: str) -> None:
    assert run(*words, cwd=empty) == (status, "", message)


def test_a_bad_file_shows_the_place(empty: Path) -> None:
    (empty / "bad.yaml").write_text("version: 1\nname: bad\ninput: {shape: [1, 8, 8], classes: 10}\nstage: []\n")
    status, out, err = run("search", "bad.yaml", cwd=empty)
    assert (status, out) == (2, "")
    assert err == (
        "error[E004]: 'stages' is missing\n"
        " --> bad.yaml:1:1\n"
        "  |\n"
        "1 | version: 1\n"
        "  | ^\n"
        "\n"
        "error[E003]: stage: unknown key 'stage'\n"
        " --> bad.yaml:4:1\n"
        "  |\n"
        "4 | stage: []\n"
        "  | ^\n"
        "  = help: did you mean 'stages'?\n"
    )


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("serach",), "No such command 'serach'"),
        (("best", "--min-accuracy", "97"), "'97' is not an accuracy: write 97% or 0.97"),
        (("best", "--max-macs", "60 M"), "'60 M' is not a count: write 60000000, 60M, 400k or 1.5G"),
        (("best", "--max-params", "-1"), "'-1' is not a count"),
        (("best", "--by", "flops"), "'flops' is not one of 'pareto', 'efficiency', 'knee', 'accuracy'"),
        (("query", "macs < 1", "--sql", "SELECT 1", "--sort", "id"), "--sql says it all: leave out FILTER, --sort"),
        (("query", "--time-limit", "3"), "--time-limit is for --sql alone"),
        (("search", str(DEMO), "--trials", "0"), "0 is not in the range x>=1"),
        (("search", str(DEMO), "--proposer", "gp"), "'gp' is not one of 'evolution', 'nsga2', 'tpe', 'random'"),
        (("search", str(DEMO), "--max-macs", "many"), "'many' is not a count"),
        (("search", str(DEMO), "--objective", "budget"), "needs --max-macs, or limits: {macs: {max: ...}} in the file"),
        (
            ("search", str(DEMO), "--objective", "tradeoff", "--proposer", "tpe"),
            "the objective tradeoff needs the proposer evolution; others look for the front",
        ),
        (("best", "-f", "xml"), "'xml' is not one of 'table', 'json', 'csv'"),
    ],
)
def test_wrong_flags_are_usage_errors(empty: Path, words: tuple[str, ...], part: str) -> None:
    status, out, err = run(*words, cwd=empty)
    assert (status, out) == (2, "")
    assert part in err


def test_unknown_names_list_what_there_is(desk: Path) -> None:
    assert run("best", "dmo", cwd=desk) == (
        4,
        "",
        "error[E500]: there is no study 'dmo'\n  = help: did you mean 'demo'? `ressearch runs` lists all\n",
    )
    assert run("show", "zz", cwd=desk) == (
        4,
        "",
        "error[E500]: no architecture has an id that begins with 'zz'\n  = help: `ressearch best` lists ids\n",
    )


def test_every_verb_has_help(tmp_path: Path) -> None:
    for words in (
        (),
        ("search",),
        ("best",),
        ("query",),
        ("show",),
        ("history",),
        ("validate",),
        ("cost",),
        ("sample",),
        ("store",),
        ("store", "migrate"),
    ):
        status, out, err = run(*words, "--help", cwd=tmp_path)
        assert (status, err) == (0, "")
        assert out.startswith("Usage: ")


def test_questions_start_without_torch_and_ray(desk: Path) -> None:
    script = (
        "import sys; from ressearch.cli import cli\n"
        "for words in (['best'], ['best', '--by', 'knee', '--all'], ['show', '8c77'], ['draw', '8c77'], "
        "['history', '8c77', '-f', 'json'], ['query', '-f', 'md'], ['query', '--sql', 'SELECT 1', '-f', 'md']):\n"
        "    cli(words, standalone_mode=False)\n"
        "print(sorted({'torch', 'ray', 'optuna', 'pandas', 'yaml', 'alembic'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=desk, capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"


def test_a_reader_that_goes_away_is_no_error(desk: Path) -> None:
    command = f"{sys.executable} -m ressearch best -f csv | head -n 1"
    result = subprocess.run(["bash", "-c", command], cwd=desk, capture_output=True, text=True)
    assert result.stdout.startswith("id,accuracy")
    assert result.stderr.startswith("floor: accuracy >= ")
    assert len(result.stderr.splitlines()) == 1


def test_costs_of_named_networks_are_printed_in_three_formats(tmp_path: Path) -> None:
    status, out, err = run("cost", str(DEMO), "-f", "json", cwd=tmp_path)
    assert (status, err) == (0, "")
    expected = SearchSpace.load(DEMO).baselines
    records = {record["name"]: record for record in json.loads(out)}
    assert set(records) == set(expected)
    for name, candidate in expected.items():
        cost = candidate.cost
        assert records[name] == {
            "name": name, "id": candidate.architecture.id, "flops": 2 * cost.macs, "macs": cost.macs,
            "params": cost.params, "activations": cost.activations, "peak": cost.peak, "depth": cost.depth,
        }  # fmt: skip
    _, out, _ = run("cost", str(DEMO), "-f", "csv", cwd=tmp_path)
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == [r["id"] for r in records.values()]
    _, out, _ = run("cost", str(DEMO), cwd=tmp_path)
    assert f"{records['resnet8']['flops'] / 1e6:,.3f}" in out


def test_a_file_that_leaves_nothing_open_names_itself(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "version: 1\nname: one\ninput: {shape: [3, 8, 8], classes: 10}\nstages: [{width: 8, block: {op: conv3x3}}]\n"
    )
    _, out, _ = run("cost", "one.yaml", "-f", "json", cwd=tmp_path)
    (record,) = json.loads(out)
    assert (record["name"], record["macs"]) == ("one", 3 * 8 * 9 * 64 + 8 * 10)
    status, out, _ = run("show", "one.yaml", cwd=tmp_path)
    assert status == 0
    assert out.startswith(f"one, architecture {record['id']}\n ")
    assert "○  image 3×8×8  3×8×8\n" in out
    _, out, _ = run("show", "one.yaml", "--nodes", cwd=tmp_path)
    assert out.startswith(f"one, architecture {record['id']}\ninput ")


def test_an_open_file_without_baselines_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "open.yaml").write_text(
        "version: 1\nname: open\ninput: {shape: [3, 8, 8], classes: 10}\n"
        "stages: [{width: {values: [4, 8]}, block: {op: conv3x3}}]\n"
    )
    assert run("cost", "open.yaml", cwd=tmp_path) == (
        3,
        "",
        "error[E300]: open.yaml names no network: it leaves choices open and has no baselines\n"
        "  = help: `ressearch sample open.yaml` draws some\n",
    )


def test_samples_are_reproducible_and_carry_their_decisions(tmp_path: Path) -> None:
    words = ("sample", str(DEMO), "-n", "4", "--seed", "7", "-f", "json")
    _, out, _ = run(*words, cwd=tmp_path)
    assert run(*words, cwd=tmp_path)[1] == out
    space = SearchSpace.load(DEMO)
    records = json.loads(out)
    assert len(records) == 4
    for record in records:
        candidate = space.decode_stored(record["decisions"])
        assert (candidate.architecture.id, candidate.cost.macs) == (record["id"], record["macs"])


def test_validate_goes_through_all_files(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\nversion: 1\n")
    status, out, err = run("validate", str(DEMO), "bad.yaml", "none.yaml", cwd=tmp_path)
    assert status == 2
    assert out == f"{DEMO}: fine, names 2 network(s)\n"
    assert err.startswith("error[E002]: the key 'version' stands here twice\n --> bad.yaml:2:1\n")
    assert "error[E031]: cannot read the search space none.yaml: No such file or directory" in err


def test_limits_that_nothing_satisfies_end_a_search_before_it_begins(empty: Path) -> None:
    text = DEMO.read_text(encoding="utf-8").replace("baselines:", "limits: {macs: {max: 1k}}\nbaselines:")
    (empty / "tight.yaml").write_text(text, encoding="utf-8")
    status, out, err = run("search", "tight.yaml", cwd=empty)
    assert (status, out) == (3, "")
    assert err.startswith(
        "error[E300]: found no network of 'demo' within its limits, neither in 256 draws nor near them\n"
        "  = help: the nearest has"
    )


def test_the_next_step_is_named_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ressearch.cli.options import program

    monkeypatch.setattr(sys, "argv", [".venv/bin/ressearch", "search"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == ".venv/bin/ressearch"
    (tmp_path / "ressearch").write_text("#!/bin/sh\n")
    (tmp_path / "ressearch").chmod(0o755)
    assert program() == "ressearch"
    monkeypatch.setattr(sys, "argv", ["/somewhere/ressearch/__main__.py"])
    assert program() == "ressearch"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory with a store of version 1."""
    (tmp_path / "runs").mkdir()
    shutil.copy(Path(__file__).parent / "stores" / "v1.db", tmp_path / "runs" / "ressearch.db")
    return tmp_path


MIGRATED = (
    "runs/ressearch.db was of version 1 and is now of version 3; "
    "as it was it is kept in runs/ressearch.db.v1.bak\n"
)  # fmt: skip


def test_a_store_of_an_older_version_answers_and_says_that_it_was_migrated(old: Path) -> None:
    status, out, err = run("best", "tiny", "-f", "json", cwd=old)
    assert (status, err) == (0, MIGRATED)
    front = {record["id"]: record["accuracy"] for record in json.loads(out)["front"]}
    assert front["83e1932538984ddf"] == 0.215
    assert run("best", "tiny", "-f", "json", cwd=old) == (0, out, "")
    status, out, err = run("show", "83e1", cwd=old)
    assert (status, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines() if "baseline plain_resnet" in line] == [
        ["tiny", "0", "complete"],
        ["tuned", "0", "complete"],
        ["again", "0", "complete"],
    ]
    status, out, err = run("best", "hot", "--failed", cwd=old)
    assert (status, err) == (0, "")
    assert "DivergedError" in out


def test_a_store_is_migrated_on_request(old: Path) -> None:
    assert run("store", "migrate", cwd=old) == (0, "", MIGRATED)
    assert run("store", "migrate", cwd=old) == (0, "", "runs/ressearch.db is of the present version\n")
    assert sorted(file.name for file in (old / "runs").iterdir()) == ["ressearch.db", "ressearch.db.v1.bak"]


@pytest.mark.slow
def test_a_search_says_that_it_migrated_the_store(old: Path) -> None:
    with closing(sqlite3.connect(old / "runs" / "ressearch.db")) as connection:
        ((text,),) = connection.execute("SELECT space_text FROM studies WHERE name = 'tiny'")
    (old / "tiny.yaml").write_text(text, encoding="utf-8")
    begun = "error[E600]: the study 'tiny' was begun with another seed\n"
    hint = "  = help: give this one another --name, or go on with what it was begun with\n"
    assert run("search", "tiny.yaml", "--seed", "5", cwd=old) == (2, "", MIGRATED + begun + hint)
    assert run("search", "tiny.yaml", "--seed", "5", cwd=old) == (2, "", begun + hint)


def test_there_must_be_a_store_to_migrate(empty: Path) -> None:
    assert run("store", "migrate", cwd=empty) == (4, "", NO_STORE)
    (empty / "empty.db").touch()
    assert run("store", "migrate", "--store", "empty.db", cwd=empty) == (
        4,
        "",
        "error[E500]: empty.db is empty\n  = help: `ressearch search FILE` makes a store of it\n",
    )
