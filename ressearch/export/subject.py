"""What is exported: a network with its weights, and all that is known about how it was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ressearch.architecture import Architecture
from ressearch.export.weights import State, Weights
from ressearch.network import Network
from ressearch.trial import Latency, Recipe, Retraining, Trial

if TYPE_CHECKING:
    from ressearch.space import SearchSpace


@dataclass(frozen=True)
class Pixels:
    """How images were normalised in training: mean and standard deviation of each channel, pixels from 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        shown = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return "(pixel - mean) / std per channel, pixels from 0 to 255; mean {}; std {}".format(*shown)


@dataclass(frozen=True)
class Subject:
    """A network, its weights, and what the store or the file knows of it.

    name: what a file calls it, or empty. space, decisions: what builds it. recipe: by which it was found. trials: with
    the names of their studies. data: the source of its study's images. pixels: how those were normalised for the
    training that left the weights, where its images are at hand.
    """

    architecture: Architecture
    weights: Weights
    name: str = ""
    space: SearchSpace | None = None
    decisions: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    trials: Sequence[tuple[str, Trial]] = ()
    retrainings: Sequence[Retraining] = ()
    latencies: Sequence[Latency] = ()
    data: str = ""
    pixels: Pixels | None = None

    @property
    def stem(self) -> str:
        """How its files are called by default, before the suffix: a name that Python can import."""
        return f"network_{self.architecture.id}"

    def network(self) -> Network:
        """The network with its weights, for inference."""
        network = Network(self.architecture)
        network.load_state_dict(dict(self.weights.state))
        return network.eval()

    def lively(self) -> Subject:
        """The same with weights as after some training: no norm is the identity, no gate hides a branch."""
        return replace(self, weights=replace(self.weights, state=lively_state(self.architecture)))


def lively_state(architecture: Architecture) -> State:
    """Weights under which every part of a network has a say in its scores.

    Scales, shifts and gates are drawn away from 0 and 1; the running statistics are those of random images, changed a
    little, so that the values stay in a range in which a difference means something, however deep the network.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        network = Network(architecture)
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.rand_like(parameter) + 0.5)
            elif not parameter.any():  # a convolution that starts at zero
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")
        norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None  # a mean over all batches
        network.train()(torch.randn(4, *architecture.input_shape))
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean += 0.1 * torch.randn_like(norm.running_mean)
            norm.running_var.clamp_(min=1e-2).mul_(torch.rand_like(norm.running_var) + 0.5)
        return network.state_dict()
