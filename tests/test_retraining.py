"""Retraining: which images are trained on, which are measured, what is left behind, and the spread over seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ressearch.data import SearchData, load_final_data, load_search_data, load_test_data
from ressearch.ranking import summary
from ressearch.retraining import checkpoint_name, retrain
from ressearch.training import Training
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


@pytest.mark.parametrize("seed", [3, 5])
def test_it_is_a_training_from_scratch_on_test_images(final: SearchData, seed: int) -> None:
    found = retrain(RESNET, final, RECIPE, 1, seed)
    assert (found.architecture_id, found.recipe, found.fidelity) == (RESNET.id, RECIPE, Fidelity(1))
    assert (found.data_checksum, found.seed) == (final.checksum, seed)
    training = Training(RESNET, final, RECIPE, Fidelity(1), seed, "cpu")
    training.epoch()
    assert (found.measurement.accuracy, found.measurement.loss) == training.evaluate(load_test_data("digits"))


def test_a_checkpoint_is_of_one_retraining_alone(final: SearchData) -> None:
    other = demo_space.baselines["resnet14"].architecture
    names = {checkpoint_name(RESNET, final, RECIPE, 3, 0), checkpoint_name(other, final, RECIPE, 3, 0)}
    names |= {checkpoint_name(RESNET, load_search_data("digits"), RECIPE, 3, 0)}
    names |= {checkpoint_name(RESNET, final, replace(RECIPE, lr=0.2), 3, 0)}
    names |= {checkpoint_name(RESNET, final, RECIPE, 4, 0), checkpoint_name(RESNET, final, RECIPE, 3, 1)}
    assert len(names) == 6


def test_the_spread_is_the_samples() -> None:
    found = summary([0.5, 0.75, 1.0])
    assert (found.seeds, found.mean, found.deviation, found.least, found.most) == (3, 0.75, 0.25, 0.5, 1.0)
    assert summary([0.5]).deviation is None
