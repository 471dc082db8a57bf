"""A training pass in segments makes the same numbers, bit for bit, and keeps fewer bytes for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ressearch import network as network_module
from ressearch import training as training_module
from ressearch.architecture import Architecture
from ressearch.data import Part, SearchData
from ressearch.network import Network
from ressearch.ops import Slice
from ressearch.space import BySuffix
from ressearch.training import Training
from ressearch.trial import Fidelity, Recipe
from tests.test_known_networks import networks
from tests.test_space import space_of

pytestmark = pytest.mark.usefixtures("one_thread")

BATCH = 4
KINDS = ["resnet", "nested", "dense", "dropping"]


def of(text: str) -> Architecture:
    return space_of(text, shape=(3, 8, 8)).decode(BySuffix({})).architecture


@pytest.fixture(scope="module")
def architectures() -> dict[str, Architecture]:
    unit = "{residual: {}, body: [{op: conv3x3}, {op: conv3x3}]}"
    group = f"{{residual: {{}}, body: [{unit}, {{residual: {{}}, body: [{unit}, {unit}]}}]}}"
    return {
        "resnet": of(f"stages: [{{width: 8, depth: 2, block: {unit}}}, {{width: 12, depth: 2, block: {unit}}}]"),
        "nested": of(f"stages: [{{width: 8, block: {group}}}, {{width: 12, block: {group}}}]"),
        "dense": of(
            "stages: [{width: 8, block: {dense: {layers: 4, growth: 4}, body: [{op: conv1x1}, {op: conv3x3}]}},"
            " {width: 8, block: {dense: {layers: 3, growth: 4, residual: 8}, body: [{op: conv3x3}]}}]"
        ),
        "dropping": of("stages: [{width: 8, depth: 6, block: {residual: {drop_path: 0.5}, body: [{op: conv3x3}]}}]"),
    }


def images_for(architecture: Architecture, count: int = BATCH) -> Tensor:
    return torch.randn(count, *architecture.input_shape, generator=torch.Generator().manual_seed(1))


def passed(architecture: Architecture, segments: int, passes: int = 2) -> dict[str, Tensor]:
    """Scores, gradients and statistics after some training passes of a seeded network."""
    torch.manual_seed(0)
    network = Network(architecture, segments).train()
    found = {}
    for number in range(passes):
        images = images_for(architecture).requires_grad_()
        scores = network(images)
        F.cross_entropy(scores, torch.arange(BATCH)).backward()
        found |= {f"scores {number}": scores.detach(), f"images {number}": images.grad}
    found |= {f"gradient {name}": value.grad for name, value in network.named_parameters()}
    return found | network.state_dict() | {"draws": torch.get_rng_state()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_segments_make_the_same_numbers(architectures: dict[str, Architecture], kind: str) -> None:
    architecture = architectures[kind]
    usual = passed(architecture, 1)
    assert all(bool(value.isfinite().all()) for value in usual.values())
    assert {int(value) for name, value in usual.items() if name.endswith("num_batches_tracked")} == {2}
    for segments in (2, 5, ceil(sqrt(len(architecture))), len(architecture) - 1):
        assert_same(passed(architecture, segments), usual)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many inputs each segment had that was made to be made again."""
    made: list[int] = []
    checkpoint = network_module.checkpoint

    def noted(part: Callable[..., Any], *inputs: Tensor, **settings: Any) -> Any:
        made.append(len(inputs))
        return checkpoint(part, *inputs, **settings)

    monkeypatch.setattr(network_module, "checkpoint", noted)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_and_one_segment_make_nothing_twice(
    architectures: dict[str, Architecture], kind: str, parts: list[int]
) -> None:
    architecture = architectures[kind]
    torch.manual_seed(0)
    usual, segmented = Network(architecture), Network(architecture, 5)
    segmented.load_state_dict(usual.state_dict())
    images = images_for(architecture)
    assert torch.equal(usual.eval()(images), segmented.eval()(images))
    usual.train()(images)
    assert parts == []
    segmented.train()(images)
    assert len(parts) == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segments", [2, 5])
def test_the_saboteurs_are_caught(
    architectures: dict[str, Architecture], kind: str, segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms that learn of the same batch twice, and draws that are others the second time."""
    usual = passed(architectures[kind], 1)
    checkpoint = network_module.checkpoint

    def careless(part: Callable[..., Any], *inputs: Tensor, **settings: Any) -> Any:
        return checkpoint(part, *inputs, use_reentrant=False, preserve_rng_state=False)

    monkeypatch.setattr(network_module, "checkpoint", careless)
    found = passed(architectures[kind], segments)
    wrong = {name.split(".")[-1] for name in usual if not torch.equal(found[name], usual[name])}
    statistics = {"running_mean", "running_var", "num_batches_tracked"}
    assert wrong > statistics | {"weight", "draws"} if kind == "dropping" else wrong == statistics


# Memory


def kept_bytes(architecture: Architecture, segments: int) -> int:
    """Of values that are kept for the backward pass, each counted once, weights not."""
    torch.manual_seed(0)
    network = Network(architecture, segments).train()
    weights = {value.untyped_storage().data_ptr() for value in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(value: Tensor) -> Tensor:
        if value.untyped_storage().data_ptr() not in weights:
            kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        scores = network(images_for(architecture))
    total = sum(value.untyped_storage().nbytes() for value in kept.values())
    scores.sum().backward()
    return total


def read_by_others(architecture: Architecture, segments: int) -> int:
    """Bytes of the values that pass from one segment to another, the images among them; a slice holds the whole."""
    total = len(architecture) - 1
    ends = [total * number // segments for number in range(1, segments + 1)]
    home = [0, *(next(k for k, end in enumerate(ends, start=1) if at <= end) for at in range(1, total + 1))]
    passing = {s for at, node in enumerate(architecture.nodes) for s in node.inputs if home[s] != home[at]}
    return sum(4 * BATCH * prod(architecture.shapes[held]) for held in {whole(architecture, s) for s in passing})


def whole(architecture: Architecture, at: int) -> int:
    node = architecture.nodes[at]
    return whole(architecture, node.inputs[0]) if isinstance(node.op, Slice) else at


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_passes_between_segments_is_kept(architectures: dict[str, Architecture], kind: str) -> None:
    architecture = architectures[kind]
    usual = kept_bytes(architecture, 1)
    every = sum(4 * BATCH * prod(shape) for shape in architecture.shapes)
    assert usual > every / 3
    for segments in (2, 5, ceil(sqrt(len(architecture)))):
        kept = kept_bytes(architecture, segments)
        assert kept == read_by_others(architecture, segments)
        assert kept < 0.75 * usual


def test_a_deep_network_in_segments_keeps_little() -> None:
    """ResNet-110, on images of 8 x 8, in 20 segments: less than a sixth of what it keeps in one."""
    architecture = networks("resnet-cifar.yaml")["resnet110-a"].architecture.resized(8, 8)
    assert 6 * kept_bytes(architecture, 20) < kept_bytes(architecture, 1)


# In a training

RECIPE = Recipe(batch_size=16, crop=1, flip=True, cutout=2, ema=0.8, decoupled=True)


def noise() -> SearchData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(60) % 10
    return SearchData("noise", Part(images[:40], labels[:40]), Part(images[40:], labels[40:]), 10)


def trained(architecture: Architecture) -> dict[str, Tensor]:
    training = Training(architecture, noise(), RECIPE, Fidelity(2), 0, "cpu")
    losses = torch.tensor([training.epoch(), training.epoch(), *training.evaluate(noise().validation)])
    assert training.average is not None
    means = {f"mean {name}": value for name, value in training.average.state_dict().items()}
    return training.network.state_dict() | means | {"losses": losses}


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_has_little_memory_is_the_same_training(
    architectures: dict[str, Architecture], kind: str, bf16: bool, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    usual = trained(architectures[kind])
    assert parts == []
    monkeypatch.setattr(training_module, "MEMORY_SHARE", 0)
    assert_same(trained(architectures[kind]), usual)
    assert len(parts) == 4 * ceil(sqrt(len(architectures[kind])))


def test_segments_come_when_a_batch_fills_its_share_of_free_memory(
    architectures: dict[str, Architecture], parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = architectures["resnet"]
    held = 4 * RECIPE.batch_size * sum(prod(shape) for shape in architecture.shapes)
    for free, segmented in [(4 * held + 4, False), (4 * held - 4, True), (None, False)]:
        monkeypatch.setattr(training_module, "free_memory", lambda device, free=free: free)
        parts.clear()
        Training(architecture, noise(), RECIPE, Fidelity(1), 0, "cpu").epoch()
        assert bool(parts) == segmented
