"""What the diary of the clusters' trainings lets pass and what it does not, without a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster_diary import DIARY, Diary, Training, train

GONE = 2**22 + 1
"""No process has so high a number."""


def written(path: Path, *lines: str) -> Diary:
    diary = Diary(path)
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return diary


def test_what_was_cut_short_may_be_trained_again(tmp_path: Path) -> None:
    diary = written(tmp_path / "diary", "began a 1", "began b 2", "ended b 2", "began a 2", "ended a 2")
    diary.assert_trained_once({"a", "b"}, {"b"}, most=1)
    assert diary.trainings() == [Training("a", 1, False), Training("b", 2, True), Training("a", 2, True)]


@pytest.mark.parametrize(
    ("lines", "stored", "acknowledged", "wrong"),
    [
        (["began a 1", "ended a 1", "began a 2", "ended a 2"], {"a"}, {"a"}, "trained again after the store had it"),
        (["began a 1", "began a 2", "began a 3", "ended a 3"], {"a"}, set(), "more than 1 trained again"),
        (["began a 1", "ended a 1", "began b 1", "ended b 1"], {"a"}, set(), "trained but not stored"),
        (["began a 1", "ended a 1"], {"a", "b"}, set(), "stored but not trained"),
        (["began a 1"], {"a"}, set(), "stored without having been trained to the end"),
    ],
)
def test_what_is_caught(tmp_path: Path, lines: list[str], stored: set[str], acknowledged: set[str], wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong):
        written(tmp_path / "diary", *lines).assert_trained_once(stored, acknowledged, most=1)


def test_earlier_searches_do_not_count(tmp_path: Path) -> None:
    written(tmp_path / "diary", "began a 1", "ended b 1")
    assert written(tmp_path / "diary", "ended a 1", "began b 1").trainings() == [Training("b", 1, False)]


def test_who_is_in_the_midst_of_a_training(tmp_path: Path) -> None:
    own = os.getpid()
    assert written(tmp_path / "1", f"began a {own}", f"began b {GONE}").under_way() == {own}
    assert written(tmp_path / "2", f"began a {own}", f"ended a {own}").under_way() == set()


def test_it_trains_as_a_search_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Whatever has been drawn before it begins: the seed is set anew."""
    import torch

    from ressearch.data import load_search_data
    from ressearch.network import Network
    from ressearch.space import SearchSpace
    from ressearch.training import measure
    from ressearch.trial import Fidelity, Recipe
    from tests.test_search import SPACE

    monkeypatch.setenv(DIARY, str(tmp_path / "diary"))
    architecture = SearchSpace.parse(SPACE).baselines["plain_resnet"].architecture
    recipe, fidelity = Recipe(batch_size=64, lr=0.1), Fidelity(epochs=1)
    expected = measure(architecture, load_search_data("digits"), recipe, fidelity, seed=0)
    torch.rand(3)
    diary = Diary(tmp_path / "diary")
    found = train(Network(architecture), recipe=recipe, fidelity=fidelity, seed=0, device="cpu")
    assert (found["accuracy"], found["loss"]) == (expected.accuracy, expected.loss)
    assert diary.trainings() == [Training(architecture.id, os.getpid(), True)]
