"""Augmented batches against numpy, image by image, and what is drawn against its distribution.

The twin knows nothing of how a change is drawn: it makes every image that a recipe allows, and the one that came must
be among them. Where every pixel of an image is different, it also tells which it was.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ressearch.augmentation import Augmented
from ressearch.trial import Recipe

Pixels = np.ndarray[Any, Any]

# Quantiles 0.999 of chi-square (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4), by degrees of freedom.
CHI_SQUARE = {24: 51.179, 29: 58.301, 48: 84.037}


def random_images(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    """With no pixel of 0, so that a blank is seen."""
    pixels = np.random.default_rng(seed).integers(1, 256, (count, channels, height, width), dtype=np.uint8)
    return torch.from_numpy(pixels)


def numbered_images(count: int, height: int, width: int) -> Tensor:
    """Each pixel holds its own number from 1."""
    assert height * width < 256
    return torch.arange(1, height * width + 1, dtype=torch.uint8).view(1, 1, height, width).repeat(count, 1, 1, 1)


def begun(images: Tensor, recipe: Recipe, epoch: int = 0, draw: int = 0, seed: int = 0) -> Augmented:
    """Augmented images in an epoch whose changes are drawn from a generator with the seed `draw`."""
    augmented = Augmented(images, recipe, seed)
    augmented.begin(epoch, torch.Generator().manual_seed(draw))
    return augmented


def everything(augmented: Augmented) -> Tensor:
    return augmented.batch(torch.arange(len(augmented.images)))


# The twin


def moved(image: Pixels, crop: int, down: int, right: int) -> Pixels:
    """The image through a window of its size, `down` and `right` of the corner of its border of zeros."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (crop, crop), (crop, crop)))
    return padded[:, down : down + height, right : right + width]


def allowed(image: Pixels, recipe: Recipe, mirrored: tuple[bool, ...]) -> list[Pixels]:
    ends = range(2 * recipe.crop + 1)
    windows = [moved(image, recipe.crop, down, right) for down in ends for right in ends]
    return [window[:, :, ::-1] if mirror else window for window in windows for mirror in mirrored]


def with_hole(image: Pixels, side: int, row: int, column: int) -> Pixels:
    """Pixel by pixel: blank where the square around (row, column) is."""
    holed = image.copy()
    for down in range(side):
        for right in range(side):
            at = row - side // 2 + down, column - side // 2 + right
            if 0 <= at[0] < image.shape[1] and 0 <= at[1] < image.shape[2]:
                holed[:, at[0], at[1]] = 0
    return holed


def among(image: Pixels, candidates: list[Pixels]) -> bool:
    return any(np.array_equal(image, candidate) for candidate in candidates)


recipes = st.builds(Recipe, crop=st.integers(0, 3), flip=st.booleans(), cutout=st.integers(0, 5))
sizes = st.tuples(st.integers(1, 6), st.sampled_from([1, 3]), st.integers(1, 7), st.integers(1, 7))


@settings(max_examples=60)
@given(recipes, sizes, st.integers(0, 3), st.integers(0, 50), st.data())
def test_the_twin_agrees(recipe: Recipe, size: tuple[int, ...], epoch: int, seed: int, data: st.DataObject) -> None:
    count, channels, height, width = size
    images = random_images(count, channels, height, width, seed)
    index = torch.tensor(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=6)))
    augmented = begun(images, recipe, epoch, seed, seed)
    batch = augmented.batch(index)
    assert batch.dtype == torch.uint8
    assert batch.shape == (len(index), channels, height, width)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    strides = zip(batch.shape, batch.stride(), (height * width * channels, 1, width * channels, channels), strict=True)
    assert all(found == wanted for extent, found, wanted in strides if extent > 1)
    mirrored = (False, True) if recipe.flip else (False,)
    for seen, position in zip(batch.numpy(), index, strict=True):
        assert among(seen, allowed(images[position].numpy(), recipe, mirrored))
    assert torch.equal(augmented.images, images)
    floats = batch.float()
    blanked = augmented.blanked(floats, index).numpy()
    for seen, whole in zip(blanked, floats.numpy(), strict=True):
        centres = [(row, column) for row in range(height) for column in range(width)]
        assert among(seen, [with_hole(whole, recipe.cutout, *centre) for centre in centres])


def test_the_twin_tells_a_wrong_image() -> None:
    image = random_images(1, 3, 6, 5)[0].numpy()
    candidates = allowed(image, Recipe(crop=2), (False,))
    assert len(candidates) == 25
    assert among(image, candidates)
    assert not among(moved(image, 3, 6, 3), candidates), "moved by three"
    assert not among(image[:, :, ::-1], candidates), "mirrored"
    assert not among(image[:, ::-1], allowed(image, Recipe(crop=2), (False, True))), "upside down"
    assert not among(image[::-1], candidates), "channels in another order"
    assert not among(np.roll(image, 1, axis=2), candidates), "wrapped around"


@pytest.mark.parametrize("channels", [1, 3])
def test_without_augmentation_a_batch_is_the_images(channels: int) -> None:
    images = random_images(40, channels, 5, 7)
    augmented = begun(images, Recipe())
    index = torch.tensor([3, 0, 39, 3])
    assert torch.equal(augmented.batch(index), images[index])
    assert augmented.batch(index).is_contiguous(memory_format=torch.channels_last)
    floats = images[index].float()
    assert torch.equal(augmented.blanked(floats, index), floats)


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    images, recipe = random_images(30, 1, 6, 6), Recipe(crop=2, flip=True, cutout=3)
    augmented = begun(images, recipe)
    whole = augmented.blanked(everything(augmented).float(), torch.arange(30))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    parts = [augmented.blanked(augmented.batch(part).float(), part) for part in order.split(7)]
    assert torch.equal(torch.cat(parts), whole[order])


# Where an image is seen from: every pixel tells its number


def where(images: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Rows and columns by which numbered images were moved, from 0 to 2 crop, told by the pixel in the middle."""
    _, _, height, width = images.shape
    middle = images[:, 0, height // 2, width // 2].long() - 1
    assert bool((middle >= 0).all())
    return middle // width - height // 2 + crop, middle % width - width // 2 + crop


def chi_square(observed: Tensor, expected: float) -> float:
    return float(((observed.double() - expected) ** 2 / expected).sum())


@pytest.mark.parametrize(("crop", "count"), [(2, 5_000), (3, 9_800)])
def test_every_offset_is_as_likely(crop: int, count: int) -> None:
    cells = (2 * crop + 1) ** 2
    augmented = begun(numbered_images(count, 13, 17), Recipe(crop=crop))
    rows, columns = where(everything(augmented), crop)
    assert min(int(rows.min()), int(columns.min())) == 0
    assert max(int(rows.max()), int(columns.max())) == 2 * crop
    observed = torch.bincount(rows * (2 * crop + 1) + columns, minlength=cells)
    assert 5 < chi_square(observed, count / cells) < CHI_SQUARE[cells - 1], "too even would be no draw either"


def test_offsets_are_drawn_anew_in_each_epoch() -> None:
    augmented, generator = Augmented(numbered_images(2_000, 9, 9), Recipe(crop=2), 0), torch.Generator().manual_seed(0)
    places = []
    for epoch in range(2):
        augmented.begin(epoch, generator)
        rows, columns = where(everything(augmented), 2)
        places.append(5 * rows + columns)
    assert 0.02 < float((places[0] == places[1]).float().mean()) < 0.06  # one in 25, standard deviation 0.0044


# Mirrored


def mirrored(augmented: Augmented) -> Tensor:
    """Which of some images that are not symmetrical come mirrored; the others must come as they are."""
    seen, usual = everything(augmented), augmented.images
    turned = (seen == usual.flip(3)).flatten(1).all(dim=1)
    assert bool((turned ^ (seen == usual).flatten(1).all(dim=1)).all())
    return turned


def test_two_epochs_in_a_row_show_every_image_both_ways() -> None:
    """Of 2,000 images half come mirrored at first; the standard deviation is 22."""
    augmented = Augmented(random_images(2_000, 1, 3, 4), Recipe(flip=True), seed=0)
    generator = torch.Generator().manual_seed(0)
    epochs = []
    for epoch in range(5):
        augmented.begin(epoch, generator)
        epochs.append(mirrored(augmented))
    assert 900 < int(epochs[0].sum()) < 1_100
    for before, after in pairwise(epochs):
        assert torch.equal(after, ~before)
    assert torch.equal(epochs[0], epochs[4])


def test_which_half_is_mirrored_is_the_seeds_choice() -> None:
    images = random_images(2_000, 1, 3, 4)
    first, again, other = (mirrored(begun(images, Recipe(flip=True), seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert 900 < int((first ^ other).sum()) < 1_100


def test_mirroring_is_independent_of_moving() -> None:
    """Of 6,000 images a sixth each are moved in one of three ways and mirrored or not; the standard deviation is 29."""
    augmented = begun(numbered_images(6_000, 9, 9), Recipe(crop=1, flip=True))
    seen = everything(augmented)
    turned = (seen[:, 0, 4, 4] > seen[:, 0, 4, 5]).long()
    rows, columns = where(seen, 1)
    for moves in (rows, columns):
        assert torch.bincount(3 * turned + moves, minlength=6).tolist() == pytest.approx([1_000] * 6, abs=120)


# Blanked


def test_a_square_of_one_pixel_lies_anywhere_as_likely() -> None:
    index = torch.arange(6_000)
    augmented = begun(random_images(6_000, 3, 5, 6), Recipe(cutout=1))
    blank = augmented.blanked(torch.ones(6_000, 3, 5, 6), index) == 0
    assert torch.equal(blank[:, :1].expand(-1, 3, -1, -1), blank), "in all channels alike"
    assert bool((blank[:, 0].flatten(1).sum(dim=1) == 1).all())
    assert 5 < chi_square(blank[:, 0].sum(dim=0), 200) < CHI_SQUARE[29]


@pytest.mark.parametrize("side", [2, 3, 4, 5, 16])
def test_how_often_a_pixel_is_blank(side: int) -> None:
    """As often as a centre, any pixel of the image, has it in its square, which the border cuts off."""
    height, width, count = 6, 9, 8_000
    augmented = begun(random_images(count, 1, height, width), Recipe(cutout=side))
    blank = augmented.blanked(torch.ones(count, 1, height, width), torch.arange(count))[:, 0] == 0
    image = np.ones((1, height, width))
    holes = [with_hole(image, side, row, column)[0] == 0 for row in range(height) for column in range(width)]
    share = np.mean(holes, axis=0)
    deviation = np.sqrt(share * (1 - share) / count)
    assert bool((np.abs(blank.double().mean(dim=0).numpy() - share) <= 4.5 * deviation).all())
    assert {hole.tobytes() for hole in blank.numpy()} == {hole.tobytes() for hole in holes}


def test_a_blank_is_the_mean_of_normalised_images_and_leaves_the_batch_alone() -> None:
    augmented = begun(random_images(8, 1, 4, 4), Recipe(cutout=2))
    images = torch.full((8, 1, 4, 4), -2.5)
    blanked = augmented.blanked(images, torch.arange(8))
    assert set(blanked.unique().tolist()) == {-2.5, 0.0}
    assert images.unique().tolist() == [-2.5]


# What a seed fixes

ALL = Recipe(crop=2, flip=True, cutout=3)


def epoch_of(images: Tensor, draw: int, epoch: int = 0, seed: int = 0, recipe: Recipe = ALL) -> Tensor:
    augmented = begun(images, recipe, epoch, draw, seed)
    return augmented.blanked(everything(augmented).float(), torch.arange(len(images)))


def test_a_seed_fixes_an_epoch_and_another_another() -> None:
    images = random_images(50, 3, 8, 8)
    assert torch.equal(epoch_of(images, 7), epoch_of(images, 7))
    assert not torch.equal(epoch_of(images, 7), epoch_of(images, 8))
    assert not torch.equal(epoch_of(images, 7), epoch_of(images, 7, epoch=1))
    assert not torch.equal(epoch_of(images, 7), epoch_of(images, 7, seed=1))


@pytest.mark.parametrize("recipe", [Recipe(crop=2), Recipe(cutout=3)])
def test_the_generator_alone_decides_where(recipe: Recipe) -> None:
    images = random_images(50, 1, 8, 8)
    torch.manual_seed(5)
    one = epoch_of(images, 7, recipe=recipe)
    torch.manual_seed(6)
    assert torch.equal(one, epoch_of(images, 7, epoch=3, seed=4, recipe=recipe))
    assert not torch.equal(one, epoch_of(images, 8, recipe=recipe))


def test_what_is_drawn_stays_in_one_place() -> None:
    """A CUDA graph reads it there in each epoch."""
    augmented, generator = Augmented(random_images(9, 1, 4, 4), ALL, 0), torch.Generator().manual_seed(0)
    places = []
    for epoch in range(3):
        augmented.begin(epoch, generator)
        places.append([drawn.data_ptr() for drawn in augmented._drawn if drawn is not None])
    assert len(set(places[0])) == 3
    assert places[0] == places[1] == places[2]


def test_before_the_first_epoch_the_images_are_as_they_came() -> None:
    images = torch.arange(2 * 3 * 5 * 7, dtype=torch.uint8).reshape(2, 3, 5, 7)
    augmented = Augmented(images, Recipe(crop=2, flip=True, cutout=3), seed=0)
    assert torch.equal(augmented.batch(torch.tensor([1, 0])), images.flip(0))
