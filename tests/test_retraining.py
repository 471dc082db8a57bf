"""Retraining: which images are trained on, which are measured, what is left behind, and the spread over seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ressearch.data import SearchData, load_final_data, load_search_data, load_test_data
from ressearch.ranking import summary
from ressearch.retraining import retrain
from ressearch.training import Training, measure
from ressearch.trial import Fidelity, Recipe
from tests.conftest import demo_space

pytestmark = pytest.mark.usefixtures("one_thread")
RESNET = demo_space.baselines["resnet8"].architecture
RECIPE = Recipe(batch_size=64)


@pytest.fixture(scope="module")
def final() -> SearchData:
    return load_final_data("digits")


def test_it_has_all_images_but_the_test_images(final: SearchData) -> None:
    search, test = load_search_data("digits"), load_test_data("digits")
    assert torch.equal(final.validation.images, test.images)
    assert torch.equal(final.validation.labels, test.labels)
    assert torch.equal(final.train.images, torch.cat([search.train.images, search.validation.images]))
    assert torch.equal(final.train.labels, torch.cat([search.train.labels, search.validation.labels]))
    assert final.checksum != search.checksum
    assert len(final.train) + len(final.validation) == 1_797


def test_each_seed_is_one_training_from_scratch_on_test_images(final: SearchData) -> None:
    found = list(retrain(RESNET, final, RECIPE, 1, [3, 5]))
    assert [one.seed for one in found] == [3, 5]
    for one in found:
        assert (one.architecture_id, one.recipe, one.fidelity) == (RESNET.id, RECIPE, Fidelity(1))
        assert one.data_checksum == final.checksum
        training = Training(RESNET, final, RECIPE, Fidelity(1), one.seed, "cpu")
        training.epoch()
        assert (one.measurement.accuracy, one.measurement.loss) == training.evaluate(load_test_data("digits"))


def test_an_interrupted_one_goes_on_and_leaves_nothing(final: SearchData, tmp_path: Path) -> None:
    few = replace(final, train=final.train.first(0.1, 64))
    through = measure(RESNET, few, RECIPE, Fidelity(3), seed=0)
    stopped = Training(RESNET, few, RECIPE, Fidelity(3), 0, "cpu")
    stopped.epoch()
    stopped.save(tmp_path / f"{RESNET.id}-{RECIPE.digest(few.checksum)}-3-0")
    steps = 0

    def counted(training: Training) -> float:
        nonlocal steps
        steps += 1
        return epoch(training)

    epoch = Training.epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "epoch", counted)
        [found] = retrain(RESNET, few, RECIPE, 3, [0], checkpoints=tmp_path)
    assert steps == 2
    assert (found.measurement.accuracy, found.measurement.loss) == (through.accuracy, through.loss)
    assert not tmp_path.exists()


def test_the_spread_is_the_samples() -> None:
    found = summary([0.5, 0.75, 1.0])
    assert (found.seeds, found.mean, found.deviation, found.least, found.most) == (3, 0.75, 0.25, 0.5, 1.0)
    assert summary([0.5]).deviation is None
