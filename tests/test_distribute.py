"""What Tune keeps of trials that have ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_search import SPACE

SEARCH = """
import gc
from ressearch.search.run import run_study
from ressearch.space import SearchSpace
from ray.tune.experiment import Trial

TRIALS = 60
kept = []

def watch(progress):
    if progress.done % 10 == 0:
        kept.append(sum(isinstance(found, Trial) for found in gc.get_objects()))

run_study(
    SearchSpace.load("tiny.yaml"), source="", store="results.db", name="mine", trials=TRIALS, workers=2, seed=0,
    watch=watch, evaluator="instant:evaluate",
)
print(len(kept), max(kept))
"""


@pytest.mark.slow
def test_tune_forgets_what_has_ended(tmp_path: Path) -> None:
    """Else it would keep all 60, and long searches would have to begin another Tuner now and then."""
    (tmp_path / "tiny.yaml").write_text(SPACE, encoding="utf-8")
    (tmp_path / "instant.py").write_text("def evaluate(network, **settings):\n    return 0.5\n", encoding="utf-8")
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    result = subprocess.run(
        [sys.executable, "-c", SEARCH], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr
    times, most = map(int, result.stdout.split())
    assert times >= 6
    assert 2 <= most <= 8
