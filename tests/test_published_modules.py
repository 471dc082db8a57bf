"""Networks of the literature, written once more by hand from the papers, give the numbers of `Network`.

The modules here are plain torch and know nothing of graphs or search spaces. Each takes the weights of our network
under a mapping of names that is spelled out, and loads them strictly: no weight without its place, no place without its
weight, every shape equal. Each can also be built with a deliberate fault, which the comparison must see.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ressearch.architecture import Architecture
from ressearch.network import Network
from ressearch.space import BySuffix, SearchSpace
from tests.conftest import ROOT

SPACES = ROOT / "search_spaces"
TOLERANCE = 1e-10
"""What separates equal networks at the most, in double precision, relative to the largest value of a tensor."""
FAULTY = 1e-3
"""What a fault moves the scores by at the least, relative to the largest of them."""


# The papers' networks ------------------------------------------------------------------------------------------------


class ConvNorm(nn.Sequential):
    """A convolution without bias, padded to keep the size at stride 1, then batch normalisation."""

    def __init__(self, source: int, width: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(source, width, kernel, stride=stride, padding=kernel // 2, bias=False)
        super().__init__(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width)))


class Bottleneck(nn.Module):
    """He et al. 2016, figure 5, right: 1x1, 3x3, 1x1, with the last ReLU after the addition.

    The stride is in the first 1x1 convolution (as published, "v1") or in the 3x3 (as since trained, "v1.5"). Where
    the shape changes the shortcut is a strided 1x1 convolution (option B).
    """

    def __init__(self, source: int, width: int, stride: int, version: str, fault: str) -> None:
        super().__init__()
        at_first, at_spatial = (stride, 1) if version == "v1" else (1, stride)
        self.reduce = ConvNorm(source, width, 1, at_first)
        self.spatial = ConvNorm(width, width, 3, at_spatial)
        self.expand = ConvNorm(width, 4 * width, 1)
        self.shortcut = ConvNorm(source, 4 * width, 1, stride) if source != 4 * width else nn.Identity()
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expand(F.relu(self.spatial(F.relu(self.reduce(x)))))
        z: Tensor = self.shortcut(x)
        if self.fault == "relu before the addition":
            return F.relu(y) + z
        return y + z if self.fault == "no relu after the addition" else F.relu(y + z)


class ResNet50(nn.Module):
    """He et al. 2016, "Deep residual learning for image recognition", table 1: 50 layers."""

    def __init__(self, version: str, fault: str = "") -> None:
        super().__init__()
        self.stem = ConvNorm(3, 64, 7, 2)
        self.conv2 = self.blocks(64, 64, 3, 1, version, fault)
        self.conv3 = self.blocks(256, 128, 4, 2, version, fault)
        self.conv4 = self.blocks(512, 256, 6, 2, version, fault)
        self.conv5 = self.blocks(1024, 512, 3, 2, version, fault)
        self.classifier = nn.Linear(2048, 1000)

    @staticmethod
    def blocks(source: int, width: int, count: int, stride: int, version: str, fault: str) -> nn.Sequential:
        first = Bottleneck(source, width, stride, version, fault)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1, version, fault) for _ in range(count - 1)))

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(images)), kernel_size=3, stride=2, padding=1)
        x = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        scores: Tensor = self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return scores


class NormReLUConv(nn.Sequential):
    """Batch normalisation, ReLU, then a convolution without bias that keeps the size."""

    def __init__(self, source: int, width: int, kernel: int) -> None:
        conv = nn.Conv2d(source, width, kernel, padding=kernel // 2, bias=False)
        super().__init__(OrderedDict(norm=nn.BatchNorm2d(source), relu=nn.ReLU(), conv=conv))


class DenseLayer(nn.Module):
    """Huang et al. 2017, "DenseNet-B": 1x1 to four times the growth, 3x3 to the growth, put behind what came in."""

    def __init__(self, source: int, growth: int, fault: str) -> None:
        super().__init__()
        self.squeeze = NormReLUConv(source, 4 * growth, 1)
        self.grow = NormReLUConv(4 * growth, growth, 3)
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        parts = [x, self.grow(self.squeeze(x))]
        return torch.cat(parts[::-1] if self.fault == "new features in front" else parts, dim=1)


class Transition(nn.Sequential):
    """Huang et al. 2017, section 3, with compression 0.5: norm, ReLU, 1x1 convolution, 2x2 average pooling."""

    def __init__(self, source: int, fault: str) -> None:
        pool = nn.MaxPool2d(2) if fault == "largest in transitions" else nn.AvgPool2d(2)
        super().__init__(OrderedDict(compress=NormReLUConv(source, source // 2, 1), pool=pool))


class DenseNet121(nn.Module):
    """Huang et al. 2017, "Densely connected convolutional networks", table 1: growth 32, blocks of 6, 12, 24, 16.

    As in the authors' code, norm and ReLU come between the stem's convolution and its pooling, and once more after
    the last block.
    """

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.stem = ConvNorm(3, 64, 7, 2)
        self.dense = nn.ModuleList(
            nn.Sequential(*(DenseLayer(source + 32 * at, 32, fault) for at in range(layers)))
            for source, layers in ((64, 6), (128, 12), (256, 24), (512, 16))
        )
        self.transitions = nn.ModuleList(Transition(width, fault) for width in (256, 512, 1024))
        self.norm = nn.BatchNorm2d(1024)
        self.classifier = nn.Linear(1024, 1000)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(images)), kernel_size=3, stride=2, padding=1)
        for dense, transition in zip(self.dense, self.transitions, strict=False):
            x = transition(dense(x))
        x = self.norm(self.dense[3](x))
        x = x if self.fault == "no relu before the head" else F.relu(x)
        scores: Tensor = self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return scores


class InnerBlock(nn.Module):
    """Zhang et al. 2017: a basic block up to its addition, shortcut of option B; its ReLU is left to the group."""

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(source, width, 3, stride)
        self.second = ConvNorm(width, width, 3)
        self.shortcut = ConvNorm(source, width, 1, stride) if source != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(x))) + self.shortcut(x)
        return y


class RoR3(nn.Module):
    """Zhang et al. 2017, "Residual networks of residual networks", three levels, post-activation, for CIFAR.

    The root shortcut leaves the stem and arrives after the third group; a middle one spans each group; each is a 1x1
    convolution with norm. Where shortcuts of several levels arrive, all are added before the one ReLU.
    """

    def __init__(self, blocks: int, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.stem = ConvNorm(3, 16, 3)
        self.group1 = self.group(16, 16, 1, blocks)
        self.group2 = self.group(16, 32, 2, blocks)
        self.group3 = self.group(32, 64, 2, blocks)
        self.middle1 = ConvNorm(16, 16, 1)
        self.middle2 = ConvNorm(16, 32, 1, 2)
        self.middle3 = ConvNorm(32, 64, 1, 2)
        self.root = ConvNorm(16, 64, 1, 4)
        self.classifier = nn.Linear(64, 10)

    @staticmethod
    def group(source: int, width: int, stride: int, blocks: int) -> nn.Sequential:
        rest = (InnerBlock(width, width, 1) for _ in range(blocks - 1))
        return nn.Sequential(InnerBlock(source, width, stride), *rest)

    def through(self, group: nn.Sequential, x: Tensor) -> Tensor:
        """All blocks of a group, the last without its ReLU."""
        y: Tensor = group[0](x)
        for at in range(1, len(group)):
            y = group[at](F.relu(y))
        return F.relu(y) if self.fault == "last block keeps its relu" else y

    def forward(self, images: Tensor) -> Tensor:
        x0 = F.relu(self.stem(images))
        x1 = F.relu(self.through(self.group1, x0) + self.middle1(x0))
        x2 = F.relu(self.through(self.group2, x1) + self.middle2(x1))
        y = self.through(self.group3, x2) + self.middle3(x2)
        y = F.relu(y) if self.fault == "relu between the last additions" else y
        x3 = F.relu(y + self.root(x1 if self.fault == "root leaves the first group" else x0))
        scores: Tensor = self.classifier(F.adaptive_avg_pool2d(x3, 1).flatten(1))
        return scores


# Where our weights belong in them ------------------------------------------------------------------------------------

Names = Mapping[str, str]
"""Pattern of the beginning of our name -> what stands there in the handwritten network (a template of `re.sub`)."""

BOTTLENECK_NAMES = {r"body\.0": "reduce", r"body\.1": "spatial", r"body\.2": "expand", "shortcut": "shortcut"}
RESNET_NAMES: Names = {
    r"stem\.0\.": "stem.",
    r"head\.linear\.": "classifier.",
    **{
        rf"stages\.{at}\.block\.(\d+)\.unit\.bottleneck\.{ours}\.": rf"conv{at + 2}.\1.{theirs}."
        for at in range(4)
        for ours, theirs in BOTTLENECK_NAMES.items()
    },
}

DENSE_LAYER = r"stages\.(\d)\.block\.0\.(?:0\.)?layers\.layer\.(\d+)\.0\.dense_layer\."
DENSENET_NAMES: Names = {
    r"stem\.0\.": "stem.",
    DENSE_LAYER + r"0\.": r"dense.\1.\2.squeeze.",
    DENSE_LAYER + r"1\.": r"dense.\1.\2.grow.",
    r"stages\.(\d)\.block\.0\.1\.transition\.0\.": r"transitions.\1.compress.",
    r"head\.norm\.": "norm.",
    r"head\.linear\.": "classifier.",
}

ROR_GROUP = r"stages\.0\.block\.0\.root\.body\.{}\.group\."
ROR_NAMES: Names = {
    r"stem\.": "stem.",
    r"stages\.0\.block\.0\.root\.shortcut\.": "root.",
    r"head\.linear\.": "classifier.",
    **{ROR_GROUP.format(at) + r"shortcut\.": f"middle{at + 1}." for at in range(3)},
    **{
        ROR_GROUP.format(at) + rf"body\.0\.(\d+)\.unit\.{ours}\.": rf"group{at + 1}.\1.{theirs}."
        for at in range(3)
        for ours, theirs in {r"body\.0": "first", r"body\.1": "second", "shortcut": "shortcut"}.items()
    },
}


def renamed(names: Names, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values of our network under the names of the handwritten one; each name is met by exactly one pattern."""
    result: dict[str, Tensor] = {}
    for name, value in values.items():
        (new,) = (re.sub(f"^{old}", new, name) for old, new in names.items() if re.match(old, name))
        result[new] = value
    assert len(result) == len(values)
    return result


def trained(architecture: Architecture) -> Network:
    """Our network in double precision with every norm away from the identity, as after some training."""
    torch.manual_seed(20)
    network = Network(architecture).double()
    ranges = {"weight": (0.5, 1.5), "bias": (-0.5, 0.5), "running_mean": (-0.5, 0.5), "running_var": (0.5, 2.0)}
    for name, value in network.state_dict().items():
        if value.ndim == 1:
            value.uniform_(*ranges[name.rpartition(".")[2]])
    return network.eval()


def with_weights_of(network: Network, names: Names, twin: nn.Module) -> nn.Module:
    """The handwritten network with a copy of our network's parameters and running statistics."""
    twin.double().load_state_dict(renamed(names, network.state_dict()), strict=True)
    return twin.train(network.training)


def images(count: int, height: int, width: int) -> Tensor:
    return torch.randn(count, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(21))


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


def check(network: Network, names: Names, batch: Tensor, right: nn.Module, wrong: Mapping[str, nn.Module]) -> None:
    """Our scores are those of the right network, and not those of any wrong one with the same weights."""
    with torch.no_grad():
        scores = network(batch)
        assert scores.isfinite().all()
        assert distance(scores, with_weights_of(network, names, right)(batch)) < TOLERANCE
        for fault, twin in wrong.items():
            assert distance(scores, with_weights_of(network, names, twin)(batch)) > FAULTY, fault


# They agree ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "other"), [("v1", "v1.5"), ("v1.5", "v1")])
def test_resnet50(version: str, other: str) -> None:
    candidate = SearchSpace.load(SPACES / "resnet-imagenet.yaml").networks[f"resnet50-{version}"]
    faults = ("relu before the addition", "no relu after the addition")
    wrong = {fault: ResNet50(version, fault) for fault in faults} | {other: ResNet50(other)}
    check(trained(candidate.architecture), RESNET_NAMES, images(2, 64, 96), ResNet50(version), wrong)


def test_densenet121() -> None:
    candidate = SearchSpace.load(SPACES / "densenet-imagenet.yaml").networks["densenet121"]
    faults = ("new features in front", "largest in transitions", "no relu before the head")
    wrong = {fault: DenseNet121(fault) for fault in faults}
    check(trained(candidate.architecture), DENSENET_NAMES, images(2, 64, 96), DenseNet121(), wrong)


ROR_FAULTS = ("last block keeps its relu", "relu between the last additions", "root leaves the first group")


@pytest.fixture
def ror3() -> Network:
    """RoR-3 with three blocks a group: ror3-n8-b of the file, but for n."""
    outer = {"vars.middle": "projection", "root.residual.shortcut": "projection"}
    chosen = BySuffix({"vars.n": 3, **outer, "unit.residual.shortcut": "identity"})
    return trained(SearchSpace.load(SPACES / "ror-cifar.yaml").decode(chosen).architecture)


def test_ror3(ror3: Network) -> None:
    check(ror3, ROR_NAMES, images(4, 32, 32), RoR3(3), {fault: RoR3(3, fault) for fault in ROR_FAULTS})


def one_step(network: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Scores by the batch's statistics, gradients of the loss by name, and the buffers afterwards."""
    scores = network.train()(batch)
    F.cross_entropy(scores, torch.arange(len(batch)) % 10).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(network.parameters()))
    return scores, gradients, dict(network.named_buffers())


def test_ror3_in_training(ror3: Network) -> None:
    batch = images(6, 32, 32)
    twins = {fault: with_weights_of(ror3, ROR_NAMES, RoR3(3, fault)) for fault in ("", *ROR_FAULTS)}
    scores, gradients, buffers = one_step(ror3, batch)
    gradients, buffers = renamed(ROR_NAMES, gradients), renamed(ROR_NAMES, buffers)
    their_scores, their_gradients, their_buffers = one_step(twins.pop(""), batch)
    assert distance(scores, their_scores) < TOLERANCE
    for mine, other in ((gradients, their_gradients), (buffers, their_buffers)):
        assert mine.keys() == other.keys()
        assert all(distance(mine[name], other[name]) < TOLERANCE for name in mine)

    for fault, twin in twins.items():
        their_scores, their_gradients, _ = one_step(twin, batch)
        assert distance(scores, their_scores) > FAULTY, fault
        assert distance(gradients["stem.conv.weight"], their_gradients["stem.conv.weight"]) > FAULTY, fault
