"""`search --dry-run`: what a search would be like, and that nothing comes of asking."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ressearch.data import load_search_data
from ressearch.errors import NothingFitsError
from ressearch.rehearsal import share_trained, survey, timing
from ressearch.space import SearchSpace
from ressearch.training import Training
from ressearch.trial import Fidelity
from tests.command import Call, call
from tests.conftest import DEMO
from tests.test_search import SPACE

__all__ = ["call"]

LIMITED = SPACE.replace("task:", "limits: {macs: {max: 60k}}\ntask:")


def test_a_dry_run_says_what_a_search_would_do_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(LIMITED, encoding="utf-8")
    script = (
        "import sys; from ressearch.cli import cli\n"
        "cli(['search', 'tiny.yaml', '--dry-run', '--trials', '9', '--device', 'cpu'], standalone_mode=False)\n"
        "print(sorted({'ray', 'optuna'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
    settings, facts = result.stdout.split("\n\n")
    told = dict(re.fullmatch(r"(.{22})(.{30})(\w+)", line).groups()[:2] for line in settings.splitlines())  # type: ignore[union-attr]
    found = {name.strip(): value.strip() for name, value in told.items()}
    assert (found["trials"], found["data"], found["evaluator"], found["train.epochs"]) == ("9", "digits", "-", "1")
    patterns = [
        r"space   [\d,]+ ways to decide a network",
        r"MACs    [\d,]+ to [\d,]+ in 20 samples, median [\d,]+",
        r"limits  \d+% of the networks drawn are beyond them, and are not proposed",
        r"time    about \d+:\d\d, beside the start of the workers, if the store knows none of it",
        r"        [\d.]+ ms a step, [\d.]+ s a trial: [0-9a-f]{16}, the median, on cpu",
        r"nothing was trained, stored or started",
    ]
    for pattern, line in zip(patterns, facts.splitlines(), strict=True):
        assert re.fullmatch(pattern, line), line


def test_json_holds_every_setting_and_its_source(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESSEARCH_SEARCH_SEED", "5")
    words = ("search", str(DEMO), "--dry-run", "-f", "json", "--evaluator", "mine:train", "--max-macs", "100k")
    status, out, err = call(*words)
    page = json.loads(out)
    assert (status, err, page["time"]) == (0, "", None)
    settings = page["settings"]
    assert settings["evaluator"] == {"value": "mine:train", "from": "flag"}
    assert settings["seed"] == {"value": 5, "from": "environment"}
    assert settings["trials"] == {"value": 24, "from": "file"}
    assert settings["store"] == {"value": "runs/ressearch.db", "from": "default"}
    assert page["train"]["lr"] == {"value": 0.1, "from": "file"}
    assert page["ways"] == SearchSpace.load(DEMO).size()
    assert page["macs"]["least"] <= page["macs"]["median"] <= page["macs"]["most"] <= 100_000
    assert page["refused"] > 0.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["table", "json"])
def test_no_password_is_shown(form: str, call: Call) -> None:
    places = ("--storage", "sftp://me:secret@host/a", "--store", "postgresql://me:secret@host/db")
    status, out, err = call("search", str(DEMO), "--dry-run", "-f", form, "--address", "a:1", *places)
    assert (status, err) == (0, "")
    assert "secret" not in out
    assert "sftp://host/a" in out
    assert "postgresql://me@host/db" in out


def test_a_format_is_for_a_dry_run(call: Call) -> None:
    status, _, err = call("search", str(DEMO), "-f", "json")
    assert (status, err.splitlines()[-1]) == (2, "Error: --format is for --dry-run alone")


def test_images_that_do_not_fit_are_told_of(tmp_path: Path, call: Call) -> None:
    (tmp_path / "other.yaml").write_text(SPACE.replace("[1, 8, 8]", "[1, 9, 9]"), encoding="utf-8")
    status, out, err = call("search", str(tmp_path / "other.yaml"), "--dry-run")
    assert (status, out) == (2, "")
    assert err.startswith(
        "error[E600]: the space 'tiny' is for images of 1x9x9 in 10 classes, digits has 1x8x8 in 10\n"
    )


def test_a_survey_is_of_networks_within_the_limits() -> None:
    """And the share that is refused is that of the whole space, which is counted here."""
    space = SearchSpace.parse(LIMITED)
    found = survey(space, 0)
    assert found.least <= found.median.cost.macs <= found.most <= 60_000
    assert found.ways == space.size()
    generator = random.Random(1)
    drawn = [space.permits(space.draw(generator).cost) for _ in range(2_000)]
    assert found.refused == pytest.approx(drawn.count(False) / len(drawn), abs=0.12)
    assert survey(SearchSpace.parse(SPACE), 0).refused is None
    with pytest.raises(NothingFitsError):
        survey(space.within(10), 0)


@pytest.mark.usefixtures("one_thread")
def test_the_time_of_a_trial_is_that_of_its_steps() -> None:
    """And of the order of magnitude that a training takes, on a machine that others share."""
    space, data = SearchSpace.parse(SPACE), load_search_data("digits")
    median, fidelity = survey(space, 0).median, space.grammar.fidelity
    found = timing(median, data, fidelity, 0, "cpu")
    assert (found.id, found.macs) == (median.architecture.id, median.cost.macs)
    training = Training(median.architecture, data, median.recipe, fidelity, 0, "cpu")
    training.epoch()
    measured = training.measurement(data.validation)
    evaluation = found.trial_seconds - found.step_seconds * training.steps_per_epoch
    longer = timing(median, data, Fidelity(8), 0, "cpu")
    assert longer.trial_seconds > longer.step_seconds * training.steps_per_epoch * 8
    assert 0 < evaluation < 10
    assert measured.cpu_seconds / 20 < found.trial_seconds < 20 * max(measured.seconds, 0.1)


def test_rungs_train_a_share() -> None:
    """Of 9 epochs with rungs at 1 and 3: one epoch of all, two of a third, six of a ninth."""
    space = SearchSpace.parse(SPACE.replace("epochs: 1", "epochs: 9") + "early_terminate: {eta: 3}\n")
    assert share_trained(space) == pytest.approx((1 + 2 / 3 + 6 / 9) / 9)
    assert share_trained(SearchSpace.parse(SPACE)) == 1
