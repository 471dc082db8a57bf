"""How large gradients are from the first layer to the last before any training. Only this module needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import torch
from torch.nn import functional as F

from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.network import Network
from ressearch.ops import Conv

SEEDS = (0, 1, 2)
BATCHES = (64, 32, 16, 8, 4)
MOST_MACS = 4e9
"""Of a forward pass: half a second on one core. A batch is the largest that stays below it."""


def gradient_norms(architecture: Architecture) -> list[float]:
    """Norm of the gradient of each convolution's weights, in the order of the graph: medians over three seeds.

    It is 0 where a layer after it starts at zero. Images are normal noise and classes are drawn, so that no data set is
    needed: what is seen is the wiring's doing.
    """
    return [median(norms) for norms in zip(*(_norms(architecture, seed) for seed in SEEDS), strict=True)]


def _norms(architecture: Architecture, seed: int) -> Sequence[float]:
    """The state of torch's generator is left as it was."""
    macs = max(cost_of(architecture).macs, 1)
    batch = next((size for size in BATCHES if size * macs <= MOST_MACS), BATCHES[-1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(architecture).train()
        images = torch.randn(batch, *architecture.input_shape)
        labels = torch.randint(architecture.output_shape[0], (batch,))
        F.cross_entropy(network(images), labels).backward()
    weights = [network.get_parameter(f"{node.name}.weight") for node in architecture.nodes if isinstance(node.op, Conv)]
    return [0.0 if weight.grad is None else float(weight.grad.norm()) for weight in weights]
