"""`proxies` as a user calls it, and what `best` and `show` say of training-free scores and of fidelities."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ressearch.cli import cli
from ressearch.data import load_search_data
from ressearch.errors import DataError, RessearchError, StoreError
from ressearch.proxies import proxies_of
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Proxies, Recipe, Retraining, TrialState
from tests.conftest import DEMO
from tests.store_samples import CHECKSUM, MEASURED, NET, RECIPE, STUDY, begin, network
from tests.test_cli import run
from tests.test_correlation import slow_kendall, slow_spearman
from tests.test_study import drive

pytestmark = pytest.mark.usefixtures("one_thread")

NEVER = "None of these scores is ever used as a filter: what is trained is what the search proposes.\n"
SCORES = ("naswot", "synflow", "grad_norm", "zen")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies in one store: twelve networks, none yet, and one network of an evaluator's."""
    path = tmp_path_factory.mktemp("desk")
    digits, demo = load_search_data("digits"), SearchSpace.load(DEMO)
    with closing(Store.create(path / "runs" / "ressearch.db")) as store:
        own = describe_study(demo, None, name="own", source="", seed=0, evaluator="mine:train@0123456789abcdef")
        drive(StudyBooks(demo, None, store, own, 1))
        for name, trials in (("none", 0), ("demo", 12)):
            study = describe_study(demo, digits, name=name, source="digits", seed=0)
            drive(StudyBooks(demo, digits, store, study, 12), trials)
    return path


@pytest.fixture
def opened(desk: Path) -> Iterator[Store]:
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        yield store


Ask = Callable[..., tuple[str, str]]


@pytest.fixture
def ask(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """The verb called in this process, since torch takes longer to start than the scores do; stdout and stderr."""
    monkeypatch.chdir(desk)

    def asked(*words: str) -> tuple[str, str]:
        cli.main(["proxies", *words], standalone_mode=False)
        return capsys.readouterr()

    return asked


@pytest.fixture
def page(ask: Ask) -> Any:
    """What it says of all networks."""
    return json.loads(ask("demo", "-f", "json")[0])


def test_scores_are_computed_once_and_stored(ask: Ask, opened: Store) -> None:
    words = ("demo", "--batch", "16", "--seed", "3", "-f", "json")
    first, second = ask(*words)[0], ask(*words)[0]
    assert first == second, "to the seconds that it took: nothing is computed again"
    page = json.loads(first)
    assert (page["study"], page["batch"], page["seed"], page["note"]) == ("demo", 16, 3, NEVER.strip())
    results = {result.id: result for result in opened.results(opened.study("demo")[0])}
    assert {network["id"] for network in page["networks"]} == set(results)
    assert len(results) == 12
    for found in page["networks"]:
        [stored] = [one for one in opened.proxies(found["id"]) if (one.batch, one.seed) == (16, 3)]
        for name in (*SCORES, "seconds"):
            assert found[name] == getattr(stored, name)
        for name in ("accuracy", "params", "macs"):
            assert found[name] == getattr(results[found["id"]], name)
    again = proxies_of(opened.architecture(stored.architecture_id)[0], load_search_data("digits"), 16, 3)
    assert replace(again, seconds=stored.seconds) == stored


def test_each_score_is_correlated_with_the_accuracy(page: Any) -> None:
    assert list(page["correlations"]) == ["params", "macs", *SCORES]
    accuracies = [network["accuracy"] for network in page["networks"]]
    for name, found in page["correlations"].items():
        scores = [network[name] for network in page["networks"]]
        assert found["n"] == 12
        assert found["spearman"]["value"] == pytest.approx(slow_spearman(scores, accuracies))
        assert found["kendall"]["value"] == pytest.approx(slow_kendall(scores, accuracies))
        assert found["spearman"]["low"] < found["spearman"]["value"] < found["spearman"]["high"]


def test_the_table_says_that_nothing_is_filtered(desk: Path, page: Any) -> None:
    status, out, err = run("proxies", "demo", cwd=desk)
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == [
        "study demo: rank correlation with the accuracy of 12 networks, 95 % bootstrap intervals",
        "scores without training: of 64 training images, seed 0",
    ]
    assert out.splitlines(keepends=True)[-1] == NEVER
    rows = [" ".join(line.split()) for line in out.splitlines()]
    for name, one in page["correlations"].items():
        told = " ".join("{value:.2f} {low:.2f} to {high:.2f}".format(**one[kind]) for kind in ("spearman", "kendall"))
        assert f"{name} 12 {told}" in rows


def test_csv_has_a_line_for_each_network(ask: Ask, page: Any) -> None:
    out, err = ask("demo", "-f", "csv")
    assert err == NEVER
    assert list(csv.DictReader(io.StringIO(out))) == [{k: str(v) for k, v in one.items()} for one in page["networks"]]


def test_a_limit_draws_networks_by_the_seed(ask: Ask) -> None:
    pages = [
        json.loads(ask("demo", "--limit", limit, "--seed", seed, "-f", "json")[0])
        for limit, seed in (("3", "5"), ("6", "5"), ("3", "6"))
    ]
    few, more, others = ({network["id"] for network in page["networks"]} for page in pages)
    assert (len(few), len(more), len(others)) == (3, 6, 3)
    assert few < more
    assert few != others
    assert [page["correlations"]["macs"]["spearman"]["low"] is None for page in pages] == [True, False, True]


def test_a_study_with_its_own_training_is_scored_on_data_that_is_given(ask: Ask) -> None:
    with pytest.raises(DataError) as caught:
        ask("own")
    assert str(caught.value) == (
        "error[E400]: the study 'own' brought its own training\n  = help: give --data to go by images of ours"
    )
    out, err = ask("own", "--data", "digits")
    assert err == "", "its network is known from the other study"
    assert [" ".join(line.split()) for line in out.splitlines()][-3] == "zen 1", "one network has no order"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("none",),
            "error[E500]: no trial of the study 'none' is finished\n  = help: `ressearch search` goes on with it",
        ),
        (
            ("demo", "--batch", "2000"),
            "error[E400]: digits has 1,097 training images, fewer than the 2,000 of a batch\n  = help: lower --batch",
        ),
        (("demo", "--data", "nowhere"), "error[E400]: there is no data set, directory or file 'nowhere'\n"),
        (("demo", "--device", "tpu"), "error[E702]: 'tpu' is no device\n  = help: use cpu, cuda or cuda:N"),
    ],
)
def test_what_cannot_be_is_refused(ask: Ask, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(RessearchError) as caught:
        ask(*words)
    assert caught.value.exit_status == 4
    assert message in str(caught.value)


def test_an_interrupt_keeps_what_was_computed(desk: Path, opened: Store) -> None:
    ids = sorted({result.id for result in opened.results(opened.study("demo")[0])})

    def computed() -> int:
        return sum(one.batch == 1_000 for id in ids for one in opened.proxies(id))

    command = [sys.executable, "-m", "ressearch", "proxies", "demo", "--batch", "1000"]
    process = subprocess.Popen(command, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not computed():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == ("scores of 12 network(s)\n\ninterrupted; what is computed is kept, and the same command goes on\n")
    assert 1 <= computed() < 12


# What the store keeps


FOUND = Proxies(NET.id, CHECKSUM, 64, 0, naswot=1.5, synflow=-2.0, grad_norm=None, zen=0.0, seconds=0.25)


def test_the_first_scores_of_a_key_count(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    begin(store, study_id, 1, classes=11)
    others = [
        replace(FOUND, seed=1),
        replace(FOUND, batch=32),
        replace(FOUND, data_checksum="2" * 16),
        replace(FOUND, architecture_id=network(11).id),
    ]
    assert store.record_proxies(FOUND) == FOUND
    assert store.record_proxies(replace(FOUND, zen=9.0)) == FOUND
    assert [store.record_proxies(one) for one in others] == others
    assert store.proxies(NET.id) == [FOUND, *others[:3]]
    with pytest.raises(StoreError) as caught:
        store.record_proxies(replace(FOUND, architecture_id="unknown"))
    assert str(caught.value) == (
        "error[E500]: there is no architecture unknown in the store\n  = help: `ressearch best` lists ids"
    )


def test_retrained_accuracies_are_those_of_finished_networks(store: Store, study_id: int) -> None:
    """Means by epochs and data, worked out by hand; of a network that is still running, none."""
    for number in range(3):
        begin(store, study_id, number, classes=10 + number)
    for number in range(2):
        key = MeasurementKey(network(10 + number).id, STUDY.recipe_digest, STUDY.fidelity, STUDY.seed)
        store.complete(study_id, number, key, MEASURED, RECIPE)
    for classes, epochs, seed, data, accuracy in [
        (10, 30, 0, "a", 0.5), (10, 30, 1, "a", 0.75), (10, 60, 0, "a", 1.0), (10, 30, 0, "b", 0.25),
        (11, 30, 0, "a", 0.125), (12, 30, 0, "a", 0.0),
    ]:  # fmt: skip
        measured = replace(MEASURED, accuracy=accuracy)
        store.record_retraining(Retraining(network(classes).id, RECIPE, data, Fidelity(epochs), seed, measured))
    one, other = network(10).id, network(11).id
    assert store.retrained_accuracies(study_id) == {
        (30, "a"): {one: 0.625, other: 0.125},
        (30, "b"): {one: 0.25},
        (60, "a"): {one: 1.0},
    }
    another = store.create_study(replace(STUDY, name="another"))
    assert store.retrained_accuracies(another) == {}


# What others tell


def test_show_tells_of_them(desk: Path, opened: Store) -> None:
    id = opened.results(opened.study("own")[0])[0].id
    opened.record_proxies(replace(FOUND, architecture_id=id, naswot=480.25))
    status, out, _ = run("show", id, cwd=desk)
    assert status == 0
    line = "untrained, batch 64, seed 0: naswot 480.2, synflow -2, grad_norm not defined, zen 0\n"
    assert line in out
    page = json.loads(run("show", id, "-f", "json", cwd=desk)[1])
    assert asdict(replace(FOUND, architecture_id=id, naswot=480.25)) in page["proxies"]


def measured(accuracy: float) -> Measurement:
    return replace(MEASURED, accuracy=accuracy)


SEARCHED = (0.5, 0.6, 0.7, 0.8, 0.9, 0.4)
TESTED = (0.6, 0.5, 0.7, 0.9, 0.8)
AT_RUNG = (0.3, 0.2, 0.1, 0.4, 0.5)


@pytest.fixture
def promoted(tmp_path: Path) -> Path:
    """Six trials that left a rung of 2 epochs, of which the last is still running; five were retrained."""
    study = replace(STUDY, fidelity=Fidelity(epochs=8))
    with closing(Store.create(tmp_path / "results.db")) as store:
        study_id = store.create_study(study)
        for number, (last, first) in enumerate(zip(SEARCHED, (*AT_RUNG, 0.9), strict=True)):
            id = begin(store, study_id, number, classes=10 + number).id
            low = MeasurementKey(id, study.recipe_digest, Fidelity(epochs=2, schedule=8), 7)
            store.complete(study_id, number, low, measured(first), RECIPE, state=TrialState.STOPPED)
            store.promote(study_id, number)
            if number < 5:
                store.complete(study_id, number, replace(low, fidelity=study.fidelity), measured(last), RECIPE)
                tested = Retraining(id, Recipe(), "data", Fidelity(30), 0, measured(TESTED[number]))
                store.record_retraining(tested)
        store.record_retraining(Retraining(id, Recipe(), "data", Fidelity(40), 0, measured(0.5)))
    return tmp_path


def test_best_tells_how_far_fidelities_agree(promoted: Path) -> None:
    """By hand: 1 - 6 sum d^2 / (n (n^2 - 1)); of one network retrained for 40 epochs nothing is said."""
    status, out, err = run("best", "--store", "results.db", cwd=promoted)
    assert (status, err) == (0, "")
    lines = out.splitlines()[-2:]
    assert lines[0].startswith("accuracy after 2 against 8 epochs: Spearman 0.60 (")
    assert lines[1].startswith("search against retrained accuracy, 30 epochs: Spearman 0.80 (")
    assert all(line.endswith(", n = 5)") for line in lines)
    page = json.loads(run("best", "--store", "results.db", "-f", "json", cwd=promoted)[1])
    found = page["agreements"]
    assert list(found) == [line.partition(":")[0] for line in lines]
    for (name, one), line in zip(found.items(), lines, strict=True):
        coefficient = one["spearman"]
        text = "Spearman {value:.2f} ({low:.2f} to {high:.2f}, n = 5)".format(**coefficient)
        assert line == f"{name}: {text}"


def test_best_says_nothing_of_few_networks(desk: Path) -> None:
    assert "Spearman" not in run("best", "demo", cwd=desk)[1]
    assert json.loads(run("best", "demo", "-f", "json", cwd=desk)[1])["agreements"] == {}
