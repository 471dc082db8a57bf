"""A user's own training: how it is found, what it may return, and how each mistake is answered."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ressearch.architecture import Architecture
from ressearch.errors import DivergedError, EvaluatorError, TrainingError
from ressearch.evaluator import Evaluator, LoadedEvaluator, load_evaluator, measure_with
from ressearch.trial import Fidelity, Measurement, Recipe
from tests.conftest import ROOT, demo_space
from tests.test_search import SPACE

RECIPE, FIDELITY = Recipe(lr=0.3), Fidelity(epochs=2)
NETWORK = demo_space.baselines["resnet8"].architecture
EXPECTED = (
    "\n  = help: it returns the validation accuracy in [0, 1], or a mapping with accuracy and, if known,"
    " loss, train_loss, images_per_second"
)
SIGNATURE = "\n  = help: an evaluator is a function `def {name}(network, *, recipe, fidelity, seed, device)`"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def answering(answer: Any) -> LoadedEvaluator:
    return LoadedEvaluator("mine:evaluate", "mine:evaluate@0", lambda network, **settings: answer)


def measured(evaluator: LoadedEvaluator) -> Measurement:
    return measure_with(evaluator, NETWORK, RECIPE, FIDELITY, seed=3)


def refusal(name: str) -> str:
    with pytest.raises(EvaluatorError) as caught:
        load_evaluator(name)
    return str(caught.value)


def test_it_is_given_a_fresh_seeded_network_and_all_settings(here: Path) -> None:
    seen: list[dict[str, Any]] = []

    def evaluate(network: nn.Module, **settings: Any) -> float:
        weights = torch.cat([p.detach().flatten() for p in network.parameters()])
        drawn = (torch.rand(1).item(), np.random.random())
        seen.append({"architecture": network.architecture, "weights": weights, "drawn": drawn, **settings})
        return 0.5

    for _ in range(2):
        measured(LoadedEvaluator("mine:evaluate", "", evaluate))
        torch.rand(3)
    first, second = seen
    assert isinstance(first["architecture"], Architecture)
    assert first["architecture"].id == NETWORK.id
    assert (first["recipe"], first["fidelity"], first["seed"], first["device"]) == (RECIPE, FIDELITY, 3, "cpu")
    assert torch.equal(first["weights"], second["weights"])
    assert first["drawn"] == second["drawn"]


@pytest.mark.parametrize("answer", [0.75, np.float32(0.75), torch.tensor(0.75), {"accuracy": 0.75}])
def test_what_nobody_said_stays_open(answer: Any) -> None:
    found = measured(answering(answer))
    assert found.accuracy == 0.75
    assert (found.loss, found.train_loss, found.images_per_second, found.flops, found.precision) == (None,) * 5
    assert found.device == "cpu"
    assert found.peak_memory > 10**7


def test_what_was_said_is_kept_and_time_is_measured() -> None:
    def evaluate(network: nn.Module, **settings: Any) -> dict[str, float]:
        time.sleep(0.05)
        return {"accuracy": 1, "loss": 0.5, "train_loss": 0.25, "images_per_second": 100}

    found = measured(LoadedEvaluator("mine:evaluate", "", evaluate))
    assert (found.accuracy, found.loss, found.train_loss, found.images_per_second) == (1.0, 0.5, 0.25, 100.0)
    assert found.seconds >= 0.05
    assert found.cpu_seconds < found.seconds


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "nothing for accuracy"),
        ("0.5", "a str for accuracy"),
        (True, "a bool for accuracy"),
        (torch.zeros(2), "a Tensor for accuracy"),
        ((0.5, 1.0), "a tuple for accuracy"),
        (87.5, "an accuracy of 87.5"),
        (-0.1, "an accuracy of -0.1"),
        ({}, "a mapping without accuracy"),
        ({"loss": 1.0}, "a mapping without accuracy"),
        ({"accuracy": 0.5, "f1": 0.5}, "a mapping with 'f1', which means nothing here"),
        ({"accuracy": 0.5, "loss": None}, "nothing for loss"),
        ({"accuracy": 0.5, "images_per_second": nan}, "nan for images_per_second"),
        ({"accuracy": 0.5, "images_per_second": -1}, "-1 for images_per_second"),
    ],
)
def test_a_wrong_answer_names_the_function_and_what_was_expected(answer: Any, told: str) -> None:
    with pytest.raises(TrainingError) as caught:
        measured(answering(answer))
    assert not isinstance(caught.value, DivergedError)
    assert str(caught.value) == f"error[E700]: mine:evaluate returned {told}{EXPECTED}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [(nan, "nan for accuracy"), ({"accuracy": 0.1, "loss": inf}, "inf for loss")],
)
def test_a_figure_that_is_no_number_is_divergence(answer: Any, told: str) -> None:
    with pytest.raises(DivergedError) as caught:
        measured(answering(answer))
    hint = "\n  = help: lower train.lr, or look into your training"
    assert str(caught.value) == f"error[E701]: mine:evaluate returned {told}{hint}"


def test_it_is_found_in_the_working_directory_and_known_by_its_source(here: Path) -> None:
    source = "def evaluate(network, *, recipe, fidelity, seed, device):\n    return 0.5\n"
    (here / "training").mkdir()
    (here / "training" / "mine.py").write_text(source, encoding="utf-8")
    first = load_evaluator("training.mine:evaluate")
    function: Evaluator = first.function
    assert function(nn.Identity(), recipe=RECIPE, fidelity=FIDELITY, seed=0, device="cpu") == 0.5
    assert first.name == "training.mine:evaluate"
    assert first.identity.startswith("training.mine:evaluate@")
    assert load_evaluator("training.mine:evaluate").identity == first.identity
    (here / "training" / "mine.py").write_text(source.replace("0.5", "0.6"), encoding="utf-8")
    assert load_evaluator("training.mine:evaluate").identity != first.identity


def test_a_function_from_elsewhere_is_known_by_both_sources(here: Path) -> None:
    (here / "inner.py").write_text("def evaluate(network, **settings):\n    return 0.5\n", encoding="utf-8")
    (here / "outer.py").write_text("from inner import evaluate\n", encoding="utf-8")
    first = load_evaluator("outer:evaluate").identity
    (here / "inner.py").write_text("def evaluate(network, **settings):\n    return 0.6\n", encoding="utf-8")
    assert load_evaluator("outer:evaluate").identity != first


@pytest.mark.parametrize("name", ["mine", "mine.py:evaluate()", ":evaluate", "mine:", "a/b:c", "my-training:evaluate"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    told = f"error[E600]: {name!r} names no evaluator\n  = help: write package.module:function"
    assert refusal(name) == told


def test_what_is_not_there_is_named(here: Path) -> None:
    (here / "mine.py").write_text("import os\ndef evaluate(): ...\ndef other(): ...\nmodel = 3\n", encoding="utf-8")
    (here / "empty.py").write_text("", encoding="utf-8")
    where = f"\n  = help: it is looked for in {here} and among the installed packages"
    assert refusal("nowhere:evaluate") == f"error[E600]: there is no module 'nowhere'{where}"
    assert refusal("no.where:evaluate") == f"error[E600]: there is no module 'no'{where}"
    assert refusal("mine:train") == (
        f"error[E600]: the module mine ({here}/mine.py) has no train\n  = help: its functions: evaluate, other"
    )
    assert refusal("empty:train") == (
        f"error[E600]: the module empty ({here}/empty.py) has no train\n  = help: it defines no function"
    )
    assert refusal("mine:model") == (
        "error[E600]: model in mine is no function but int" + SIGNATURE.format(name="model")
    )
    assert refusal("mine:evaluate") == (
        "error[E600]: mine:evaluate cannot be called as an evaluator: too many positional arguments"
        + SIGNATURE.format(name="evaluate")
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero ({here}/broken.py, line 2)"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3 ({here}/broken.py, line 2)"),
        ("import nowhere_at_all\n", "ModuleNotFoundError: No module named 'nowhere_at_all' ({here}/broken.py, line 1)"),
        ("def f(:\n", "SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_where(here: Path, source: str, told: str) -> None:
    (here / "broken.py").write_text(source, encoding="utf-8")
    hint = f'\n  = help: `{Path(sys.executable).name} -c "import broken"` shows the whole of it'
    assert refusal("broken:f") == f"error[E600]: importing broken ended in {told.format(here=here)}{hint}"


def test_a_module_without_a_file_is_refused() -> None:
    assert refusal("builtins:min") == (
        "error[E600]: builtins has no source file that can be read (no file)\n"
        "  = help: changed code is known by its source; put the function into a file"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--evaluator", "nowhere:evaluate"],
            "error[E600]: there is no module 'nowhere'\n"
            "  = help: it is looked for in {here} and among the installed packages\n",
        ),
        (
            ["--evaluator", "mine:evaluate", "--data", "digits"],
            "Usage: python -m ressearch search [OPTIONS] FILE\nTry 'python -m ressearch search --help' for help.\n\n"
            "Error: --data and --evaluator exclude each other: an evaluator brings its own data\n",
        ),
    ],
)
def test_the_command_says_so_before_anything_starts(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "tiny.yaml").write_text(SPACE, encoding="utf-8")
    command = [sys.executable, "-m", "ressearch", "search", "tiny.yaml", *words]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message.format(here=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_the_example_is_in_the_readme() -> None:
    command = "ressearch search search_spaces/demo.yaml --evaluator search_spaces.my_training:evaluate"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / "search_spaces" / "my_training.py").read_text(encoding="utf-8")
