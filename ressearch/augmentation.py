"""Random changes of training images: moved, mirrored, partly blanked, on whole batches and on the images' device.

What happens to each image is drawn for an epoch at once, by a generator on the CPU, so that a seed means the same on
every device. A batch is then one index operation on the images: no Python per image, nothing drawn between.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ressearch.trial import Recipe


class Augmented:
    """Training images uint8 (N, C, H, W) whose batches come changed as a recipe says.

    crop: an image is seen through a window of its size that is moved by up to so many pixels each way; beyond the
    border are zeros. flip: each image is mirrored in the even epochs or in the odd ones, by the toss of a coin
    (Jordan 2024), so that two epochs see each image both ways. cutout: a square around a random pixel, cut off at the
    border, is blanked (DeVries and Taylor 2017).
    """

    def __init__(self, images: Tensor, recipe: Recipe, seed: int) -> None:
        self.crop, self.cutout = recipe.crop, recipe.cutout
        _, _, self.height, self.width = images.shape
        # Channels last in memory, as the network wants them.
        self._pixels = F.pad(images, (recipe.crop,) * 4).permute(0, 2, 3, 1).contiguous()
        self._mirrored = None
        if recipe.flip:
            generator = torch.Generator().manual_seed(seed)
            self._mirrored = torch.randint(0, 2, (len(images),), generator=generator).bool()
        self._drawn: list[Tensor | None] = [None, None, None]

    @property
    def images(self) -> Tensor:
        """All images as they are, uint8 (N, C, H, W)."""
        inner = slice(self.crop, self.crop + self.height), slice(self.crop, self.crop + self.width)
        return self._pixels[:, inner[0], inner[1]].permute(0, 3, 1, 2)

    def begin(self, epoch: int, generator: torch.Generator) -> None:
        """Draw what happens to each image in an epoch (counted from 0)."""
        moved = self._draw(2, 2 * self.crop + 1, 2 * self.crop + 1, generator) if self.crop else None
        holes = self._draw(2, self.height, self.width, generator) if self.cutout else None
        mirrored = None if self._mirrored is None else self._mirrored ^ bool(epoch % 2)
        self._keep(moved, holes, mirrored)

    def _draw(self, columns: int, high: int, wide: int, generator: torch.Generator) -> Tensor:
        ends = torch.tensor([[high, wide]])
        return (torch.rand(len(self._pixels), columns, generator=generator) * ends).long()

    def _keep(self, *drawn: Tensor | None) -> None:
        """Into the same memory each time, since a CUDA graph reads it there."""
        for at, new in enumerate(drawn):
            kept = self._drawn[at]
            if new is None or kept is None:
                self._drawn[at] = None if new is None else new.to(self._pixels.device)
            else:
                kept.copy_(new)

    def batch(self, index: Tensor) -> Tensor:
        """The images at these positions, uint8 (n, C, H, W) in channels-last memory, moved and mirrored.

        Before the first `begin` they are as they came.
        """
        moved, _, mirrored = self._drawn
        if not self.crop and mirrored is None:
            return self._pixels[index].permute(0, 3, 1, 2)
        rows = torch.arange(self.height, device=index.device).expand(len(index), -1)
        columns = torch.arange(self.width, device=index.device).expand(len(index), -1)
        if mirrored is not None:
            columns = torch.where(mirrored[index, None], self.width - 1 - columns, columns)
        down, right = (self.crop, self.crop) if moved is None else moved[index].T[:, :, None]
        rows, columns = rows + down, columns + right
        return self._pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def blanked(self, images: Tensor, index: Tensor) -> Tensor:
        """Normalised images (n, C, H, W) of these positions with their squares at 0, the mean of all images."""
        holes = self._drawn[1]
        if holes is None:
            return images
        rows, columns = (self._hole(holes[index, side], size) for side, size in enumerate((self.height, self.width)))
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)

    def _hole(self, centre: Tensor, size: int) -> Tensor:
        """Which of `size` rows (or columns) lie in the square, (n, size)."""
        first = (centre - self.cutout // 2)[:, None]
        places = torch.arange(size, device=centre.device)
        return (places >= first) & (places < first + self.cutout)
