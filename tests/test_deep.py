"""Networks of a thousand layers: they build, and one training step reaches the first layer."""

from __future__ import annotations

from math import isfinite, isnan

import pytest
import torch
from torch.nn import functional as F

from ressearch.architecture import Architecture
from ressearch.network import Network
from ressearch.space import SearchSpace
from tests.conftest import ROOT
from tests.test_known_networks import networks

pytestmark = pytest.mark.slow


def gradient_at_the_first_layer(architecture: Architecture) -> float:
    """Norm of the first convolution's gradient after one backward pass at initialisation, two images."""
    torch.manual_seed(0)
    network = Network(architecture).train()
    images = torch.randn(2, *architecture.input_shape, generator=torch.Generator().manual_seed(1))
    F.cross_entropy(network(images), torch.tensor([0, 1])).backward()
    first = next(iter(network.parameters()))
    assert first.grad is not None
    return float(first.grad.norm())


@pytest.mark.parametrize(
    ("file", "name"), [("preresnet-cifar.yaml", "preresnet1001-spatial"), ("resnet-cifar.yaml", "resnet1202-b")]
)
def test_the_deepest_known_networks_take_a_step(file: str, name: str) -> None:
    """Seen with torch 2.13 on a CPU: 1.9e4 for PreResNet-1001, 8.5e4 for ResNet-1202 (PreResNet-110: 17)."""
    gradient = gradient_at_the_first_layer(networks(file)[name].architecture)
    assert isfinite(gradient)
    assert gradient > 0


def test_without_shortcuts_there_is_no_gradient_to_follow() -> None:
    """The plain twin of PreResNet-1001: gradients grow from layer to layer, overflow, and end as NaN."""
    text = (ROOT / "search_spaces" / "preresnet-cifar.yaml").read_text(encoding="utf-8")
    plain = SearchSpace.parse(text.replace("[pad, identity, projection]", "[pad, identity, none]"))
    decisions = dict(plain.baselines["preresnet1001-spatial"].decisions)
    decisions["blocks.unit.bottleneck.residual.shortcut"] = "none"
    gradient = gradient_at_the_first_layer(plain.decode_stored(decisions).architecture)
    assert isnan(gradient) or gradient > 1e8
