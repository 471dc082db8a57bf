"""Whether what was written computes what the network does: random images through both, compared in fp32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ressearch.architecture import Architecture
from ressearch.errors import MismatchError
from ressearch.export.subject import Subject

TOLERANCE = 1e-5
"""Of the greatest difference of two scores; where scores are beyond 1, of its share in the greatest of them."""

BATCHES = (2, 5)
"""Numbers of images: two, so that a fixed batch would show."""

Scores = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""What a file that was written gives for batches of images."""


@dataclass(frozen=True)
class Difference:
    """The greatest absolute difference between two networks' scores; scale: the greatest score, at least 1."""

    absolute: float
    scale: float

    @property
    def fine(self) -> bool:
        """Whether it is within the tolerance; NaN is not."""
        return self.absolute < TOLERANCE * self.scale

    def __str__(self) -> str:
        beyond = f" of scores up to {self.scale:.3g}" if self.scale > 1 else ""
        return f"max difference {self.absolute:.2g}{beyond}"


def batches(architecture: Architecture) -> list[Tensor]:
    """Random images, the same at every call."""
    generator = torch.Generator().manual_seed(11)
    return [torch.randn(count, *architecture.input_shape, generator=generator) for count in BATCHES]


def difference(subject: Subject, scores: Scores) -> Difference:
    """How far what was written is from the network. Raises MismatchError if that is too far, or of another shape."""
    images, network = batches(subject.architecture), subject.network()
    with torch.no_grad():
        wanted = [network(batch) for batch in images]
    found = scores(images)
    shapes = [tuple(one.shape) for one in wanted], [tuple(one.shape) for one in found]
    if shapes[0] != shapes[1]:
        raise MismatchError(f"what was written makes scores of shape {shapes[1]}, the network of {shapes[0]}; {GONE}")
    gaps = [(one - other).abs().max().item() for one, other in zip(wanted, found, strict=True)]
    scale = max(1.0, *(one.abs().max().item() for one in wanted))
    # max() of NaN depends on the order; the sum does not forget it
    measured = Difference(max(gaps) if sum(gaps) == sum(gaps) else float("nan"), scale)
    if not measured.fine:
        raise MismatchError(f"what was written does not compute what the network does: {measured}; {GONE}", hint=REPORT)
    return measured


GONE = "no file is left"
REPORT = "please report it with the id and the versions; `ressearch explain E802` says more"
