"""The engine against arithmetic by hand: its optimiser, the mean of its weights, resolution, rungs and precision."""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from math import ceil, cos, floor, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ressearch import training as training_module
from ressearch.architecture import Architecture, Node
from ressearch.data import Part, SearchData
from ressearch.device import peak_memory
from ressearch.errors import TrainingError
from ressearch.network import Network
from ressearch.ops import Activation, Add, Conv, GlobalPool, Input, Linear, Norm, Pool
from ressearch.training import Training, measure
from ressearch.trial import Fidelity, Measurement, Recipe

# The tests at the end need a GPU, and of all packages but this one torch, numpy and pytest (`--noconftest -m gpu`).

on_one_thread = pytest.mark.usefixtures("one_thread")

Weights = dict[str, Tensor]


def network_for(side: int, width: int = 4, classes: int = 3) -> Architecture:
    """A convolution and one residual block for square images of one channel."""
    return Architecture(
        (
            Node("image", Input(1, side, side)),
            Node("stem.conv", Conv(width, 3), (0,)),
            Node("stem.norm", Norm(), (1,)),
            Node("stem.act", Activation("relu"), (2,)),
            Node("block.conv", Conv(width, 3), (3,)),
            Node("block.norm", Norm(), (4,)),
            Node("block.add", Add(), (5, 3)),
            Node("head.pool", GlobalPool(), (6,)),
            Node("head.linear", Linear(classes), (7,)),
        )
    )


def data_of(side: int, train: int = 48, validation: int = 30, seed: int = 0) -> SearchData:
    """Noise in which the class, of three, can be seen: it is the brightest third of the rows."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, train + validation)
    images = generator.integers(0, 160, (train + validation, 1, side, side))
    for image, label in zip(images, labels, strict=True):
        image[:, label * side // 3 : (label + 1) * side // 3] += 90
    pixels, classes = torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels)
    first, rest = Part(pixels[:train], classes[:train]), Part(pixels[train:], classes[train:])
    return SearchData("thirds", first, rest, 3)


TINY, SMALL = network_for(8), data_of(8)
QUICK = Recipe(batch_size=16)
WHOLE = Recipe(batch_size=48, warmup=0.0, amp=False)
"""All images are one batch, so that their order is of no account; in fp32 whatever the processor is fast at."""
EVERYTHING = Recipe(batch_size=16, crop=2, flip=True, cutout=3, ema=0.8, decoupled=True, label_smoothing=0.1)


def training_of(
    recipe: Recipe, epochs: int = 1, seed: int = 0, data: SearchData = SMALL, network: Architecture = TINY
) -> Training:
    return Training(network, data, recipe, Fidelity(epochs), seed, "cpu")


def weights(training: Training) -> Weights:
    return {name: value.clone() for name, value in training.network.state_dict().items()}


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def trained(recipe: Recipe, epochs: int = 1, seed: int = 0) -> Training:
    training = training_of(recipe, epochs, seed)
    for _ in range(epochs):
        training.epoch()
    return training


def told(measurement: Measurement) -> tuple[float, float, float]:
    return measurement.accuracy, measurement.loss, measurement.train_loss


# The optimiser


def by_hand(recipe: Recipe, steps: int) -> tuple[Network, list[float]]:
    """SGD with Nesterov momentum in double precision: the network after some steps on all images, and the losses."""
    network = Network(TINY)
    network.load_state_dict(weights(training_of(recipe, steps)))
    network.double().train()
    pixels = SMALL.train.images.double()
    images, labels = (pixels - pixels.mean()) / pixels.std(), SMALL.train.labels
    momenta = {name: torch.zeros_like(value) for name, value in network.named_parameters()}
    losses = []
    for step in range(steps):
        rate = recipe.lr * (1 + cos(pi * step / steps)) / 2
        log_shares = network(images).log_softmax(dim=1)
        right, all_ = log_shares[torch.arange(len(labels)), labels], log_shares.mean(dim=1)
        loss = -((1 - recipe.label_smoothing) * right + recipe.label_smoothing * all_).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        losses.append(loss.item())
        with torch.no_grad():
            for (name, value), gradient in zip(network.named_parameters(), gradients, strict=True):
                decay = recipe.weight_decay if value.ndim > 1 else 0.0
                slope = gradient if recipe.decoupled else gradient + decay * value
                momenta[name] = recipe.momentum * momenta[name] + slope
                shrunk = value * (1 - rate * decay) if recipe.decoupled else value
                value.copy_(shrunk - rate * (slope + recipe.momentum * momenta[name]))
    return network, losses


@on_one_thread
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_optimiser_is_nesterov_by_hand(decoupled: bool, momentum: float) -> None:
    recipe = replace(WHOLE, momentum=momentum, decoupled=decoupled, weight_decay=0.05, label_smoothing=0.1)
    expected, losses = by_hand(recipe, 6)
    training = training_of(recipe, 6)
    assert [training.epoch() for _ in range(6)] == pytest.approx(losses, rel=1e-4)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(weights(training)[name], value.to(weights(training)[name]), rtol=1e-3, atol=1e-4)
    other, _ = by_hand(replace(recipe, decoupled=not decoupled), 6)
    gaps = [(a - b).abs().max().item() for a, b in zip(expected.parameters(), other.parameters(), strict=True)]
    assert max(gaps) > 1e-2 if momentum else max(gaps) < 1e-12, "without momentum the two are one"


@on_one_thread
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_decoupled_decay_shrinks_once_whatever_the_momentum(momentum: float) -> None:
    """By lr times decay, here a tenth of the first weights; the rest of the step is that without decay."""
    free = replace(WHOLE, lr=0.2, momentum=momentum, weight_decay=0.0, decoupled=True)
    start = dict(training_of(free).network.named_parameters())
    without, decayed = trained(free), trained(replace(free, weight_decay=0.5))
    for name, value in decayed.network.named_parameters():
        shrunk = 0.1 * start[name] if value.ndim > 1 else torch.zeros_like(value)
        torch.testing.assert_close(value, without.network.get_parameter(name) - shrunk, rtol=0, atol=1e-6)


# The mean of the weights


@on_one_thread
def test_what_is_measured_is_a_chain_of_means() -> None:
    """From the first step on: mean = 0.75 mean + 0.25 weights, and so the running statistics."""
    training = training_of(replace(WHOLE, ema=0.75), 5)
    mean: Weights = {}
    for _ in range(5):
        training.epoch()
        now = {name: value.double() for name, value in weights(training).items()}
        mean = {name: 0.75 * mean[name] + 0.25 * now[name] for name in now} if mean else now
    twin = Network(TINY)
    twin.load_state_dict({name: value.float() for name, value in mean.items()})
    assert training.average is not None
    for name, value in training.average.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), mean[name], rtol=1e-5, atol=1e-6)
    assert float((now["stem.norm.running_var"] - mean["stem.norm.running_var"]).abs().max()) > 1e-3
    assert training.evaluate(SMALL.validation) == pytest.approx(scores(twin, SMALL), rel=1e-5)
    assert training.evaluate(SMALL.validation)[1] != pytest.approx(scores(training.network, SMALL)[1], rel=1e-3)


@on_one_thread
def test_without_a_mean_the_last_weights_are_measured_and_it_changes_no_training() -> None:
    exact = replace(QUICK, amp=False)
    usual, averaged = trained(exact, 2), trained(replace(exact, ema=0.9), 2)
    assert same(weights(usual), weights(averaged))
    assert usual.average is None
    assert usual.evaluate(SMALL.validation) == pytest.approx(scores(usual.network, SMALL), rel=1e-5)
    assert usual.evaluate(SMALL.validation) != averaged.evaluate(SMALL.validation)


def scores(network: torch.nn.Module, data: SearchData) -> tuple[float, float]:
    """Accuracy and mean cross-entropy on the validation images, in double precision."""
    twin = Network(TINY)
    twin.load_state_dict(network.state_dict())
    pixels = data.train.images.double()
    images = (data.validation.images.double() - pixels.mean()) / pixels.std()
    with torch.no_grad():
        log_shares = twin.double().eval()(images).log_softmax(dim=1)
    right = -log_shares[torch.arange(len(data.validation)), data.validation.labels]
    return (log_shares.argmax(dim=1) == data.validation.labels).double().mean().item(), right.mean().item()


# Resolution


def block_means(images: Any, height: int, width: int) -> Any:
    """Each pixel the rounded mean of those that it covers, wholly or in part."""
    shrunk = np.zeros((*images.shape[:2], height, width))
    for row in range(height):
        for column in range(width):
            rows = slice(floor(row * images.shape[2] / height), ceil((row + 1) * images.shape[2] / height))
            columns = slice(floor(column * images.shape[3] / width), ceil((column + 1) * images.shape[3] / width))
            shrunk[:, :, row, column] = images[:, :, rows, columns].mean(axis=(2, 3))
    return np.round(shrunk).astype(np.uint8)


@pytest.mark.parametrize(("share", "side"), [(0.5, 14), (0.25, 7), (0.3, 8), (1.0, 28), (0.01, 1)])
def test_images_and_network_are_shrunk(share: float, side: int) -> None:
    data = data_of(28)
    training = Training(network_for(28), data, QUICK, Fidelity(1, resolution=share), 0, "cpu")
    shrunk = torch.from_numpy(block_means(data.train.images.numpy(), side, side))
    assert torch.equal(training.images, shrunk)
    if share == 0.5:
        pairs = data.train.images.double().view(-1, 1, 14, 2, 14, 2).mean(dim=(3, 5))
        assert torch.equal(training.images, pairs.round().to(torch.uint8)), "28 to 14: means of 2 x 2"
    pixels = shrunk.double()
    assert float(training.mean) == pytest.approx(pixels.mean().item(), rel=1e-5)
    seen: list[tuple[int, ...]] = []
    stem = training.network.get_submodule("stem.conv")
    stem.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    training.epoch()
    training.evaluate(data.validation)
    assert seen == [(16, 1, side, side)] * 3 + [(30, 1, side, side)]


@pytest.mark.parametrize(("share", "side"), [(1.0, 12), (0.5, 6)])
def test_the_flops_of_a_training_are_arithmetic(share: float, side: int) -> None:
    """Two a multiply-add, three passes an image; of 48 images and batches of 20, 40 are trained on in an epoch."""
    macs = side**2 * 4 * 1 * 9 + side**2 * 4 * 4 * 9 + 4 * 3
    found = measure(network_for(12), data_of(12), Recipe(batch_size=20), Fidelity(3, resolution=share), seed=0)
    assert found.flops == 3 * 2 * macs * 3 * 40
    few = measure(network_for(12), data_of(12), Recipe(batch_size=64), Fidelity(2, resolution=share), seed=0)
    assert few.flops == 3 * 2 * macs * 2 * 48


def test_a_network_that_cannot_be_resized_says_so() -> None:
    """A convolution rounds half of five up, a pooling down; of eight both make four."""
    nodes = (
        Node("image", Input(1, 8, 8)),
        Node("wide", Conv(4, 1), (0,)),
        Node("conv", Conv(4, 3, 2), (1,)),
        Node("pool", Pool("max", 2, 2), (1,)),
        Node("sum", Add(), (2, 3)),
        Node("mean", GlobalPool(), (4,)),
        Node("linear", Linear(3), (5,)),
    )
    measure(Architecture(nodes), SMALL, QUICK, Fidelity(1, resolution=0.5), seed=0)
    with pytest.raises(TrainingError) as caught:
        measure(Architecture(nodes), SMALL, QUICK, Fidelity(1, resolution=0.6), seed=0)
    assert str(caught.value) == (
        "error[E700]: the network cannot take images of 5x5: sum: add needs inputs of one shape, "
        "got (4, 3, 3) and (4, 2, 2)\n  = help: raise train.resolution"
    )


# Rungs


@on_one_thread
@pytest.mark.parametrize("recipe", [QUICK, EVERYTHING], ids=["plain", "everything"])
def test_from_rung_to_rung_is_as_without_one(recipe: Recipe, tmp_path: Path) -> None:
    through = measure(TINY, SMALL, recipe, Fidelity(4, schedule=4), 0, checkpoint=tmp_path / "through")
    path = tmp_path / "rungs"
    low = measure(TINY, SMALL, recipe, Fidelity(2, schedule=4), 0, checkpoint=path)
    again = measure(TINY, SMALL, recipe, Fidelity(2, schedule=4), 0, checkpoint=path)
    high = measure(TINY, SMALL, recipe, Fidelity(4, schedule=4), 0, checkpoint=path)
    assert told(low) == told(again)
    assert told(low) != told(high) == told(through)
    assert high.flops == 2 * low.flops == through.flops
    ends = [torch.load(each, weights_only=True) for each in (path, tmp_path / "through")]
    assert same(ends[0]["network"], ends[1]["network"])
    assert told(low) != told(measure(TINY, SMALL, recipe, Fidelity(2), 0)), "that one's rate falls to 0"


def test_a_checkpoint_beyond_the_rung_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    measure(TINY, SMALL, QUICK, Fidelity(3, schedule=4), 0, checkpoint=path)
    with pytest.raises(TrainingError) as caught:
        measure(TINY, SMALL, QUICK, Fidelity(2, schedule=4), 0, checkpoint=path)
    assert str(caught.value) == (
        f"error[E700]: {path} is at epoch 3, beyond the 2 that are asked for\n  = help: delete it to begin anew"
    )


def test_a_rung_has_the_rates_of_the_long_schedule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twelve steps, of which three warm up from a 25th of the peak; a rung makes the first six, the next the rest."""
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noted(optimizer: torch.optim.SGD, *args: Any) -> Any:
        rates.extend({float(group["lr"]) for group in optimizer.param_groups})
        return step(optimizer, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", noted)
    recipe, expected = replace(QUICK, lr=0.25, warmup=0.25), [0.01, 0.09, 0.17]
    expected += [0.125 * (1 + cos(pi * k / 9)) for k in range(9)]
    for epochs in (2, 4):
        measure(TINY, SMALL, recipe, Fidelity(epochs, schedule=4), 0, checkpoint=tmp_path / "checkpoint")
        assert rates == pytest.approx(expected[: 3 * epochs], rel=1e-6)


# Precision


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool, bool], None]:
    """Say what the processor can: AVX-512 BF16, AMX."""

    def can(avx: bool, amx: bool) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)

    return can


@on_one_thread
def test_bf16_is_where_it_is_fast_and_wanted(processor: Callable[[bool, bool], None]) -> None:
    processor(False, False)
    usual = measure(TINY, SMALL, QUICK, Fidelity(1), 0)
    unwanted = measure(TINY, SMALL, replace(QUICK, amp=False), Fidelity(1), 0)
    assert (usual.precision, unwanted.precision) == ("fp32", "fp32")
    assert told(usual) == told(unwanted)
    for able in [(True, False), (False, True), (True, True)]:
        processor(*able)
        fast = measure(TINY, SMALL, QUICK, Fidelity(1), 0)
        off = measure(TINY, SMALL, replace(QUICK, amp=False), Fidelity(1), 0)
        assert (fast.precision, off.precision) == ("bf16", "fp32")
        assert told(off) == told(usual)
        assert told(fast) != told(usual)
        assert fast.train_loss == pytest.approx(usual.train_loss, rel=0.05)


@on_one_thread
def test_bf16_is_for_convolutions_alone(processor: Callable[[bool, bool], None]) -> None:
    """Weights, their mean, statistics and the loss stay in fp32; one with 8 bits of precision would be coarse."""
    processor(True, False)
    training = training_of(replace(EVERYTHING, batch_size=48), 3)
    kinds: list[torch.dtype] = []
    for name in ("stem.conv", "head.linear"):
        layer = training.network.get_submodule(name)
        layer.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    losses = [training.epoch() for _ in range(3)]
    assert kinds == [torch.bfloat16] * 6
    assert losses[2] < losses[0]
    assert any(float(torch.tensor(loss).bfloat16()) != loss for loss in losses)
    assert training.average is not None
    held = [*training.network.state_dict().values(), *training.average.state_dict().values()]
    assert {value.dtype for value in held} == {torch.float32, torch.int64}
    momenta = [state["momentum_buffer"].dtype for state in training.optimizer.state.values()]
    assert set(momenta) == {torch.float32}


# What a measurement says


@on_one_thread
def test_processor_time_is_that_of_training_and_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """And waiting is none: an evaluation that sleeps takes seconds, but no seconds of a processor."""
    training = training_of(QUICK, 6, data=data_of(8, train=1_600))
    evaluate = Training.evaluate

    def slowly(self: Training, part: Part) -> tuple[float, float]:
        time.sleep(0.5)
        return evaluate(self, part)

    monkeypatch.setattr(Training, "evaluate", slowly)
    before = time.process_time(), time.perf_counter()
    for _ in range(6):
        training.epoch()
    found = training.measurement(SMALL.validation)
    cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
    assert 0.9 * cpu - 0.02 < found.cpu_seconds <= cpu
    assert 0.9 * wall - 0.02 < found.seconds <= wall
    assert found.seconds - found.cpu_seconds > 0.49
    assert found.cpu_seconds <= found.seconds * (os.cpu_count() or 1)
    assert found.images_per_second == pytest.approx(6 * 1_600 / training.seconds)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system cannot forget a peak")
def test_peak_memory_is_of_this_training() -> None:
    measure(TINY, SMALL, QUICK, Fidelity(1), 0)  # what is loaded at first use is loaded
    gc.collect()
    usual = measure(TINY, SMALL, QUICK, Fidelity(1), 0).peak_memory
    big = torch.ones(300 * 2**20, dtype=torch.uint8)
    del big
    assert peak_memory("cpu") > usual + 250 * 2**20, "the peak is there to be forgotten"
    found = measure(TINY, SMALL, QUICK, Fidelity(1), 0).peak_memory
    assert abs(found - usual) < 50 * 2**20
    held = torch.ones(300 * 2**20, dtype=torch.uint8)
    assert measure(TINY, SMALL, QUICK, Fidelity(1), 0).peak_memory > usual + 250 * 2**20
    assert int(held[0]) == 1


@pytest.mark.parametrize("recipe", [QUICK, EVERYTHING], ids=["plain", "everything"])
def test_what_a_training_holds_is_free_as_soon_as_it_is_over(recipe: Recipe) -> None:
    """Without waiting for the collector of cycles, or the next training's memory would be beside this one's."""
    gc.collect()
    gc.disable()
    try:
        training = trained(recipe)
        alive = weakref.ref(training), weakref.ref(training.network)
        del training
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


# What a seed reaches


@on_one_thread
@pytest.mark.parametrize("change", [{"crop": 3}, {"flip": True}, {"cutout": 5}], ids=lambda change: next(iter(change)))
def test_the_seed_reaches_the_augmentation(change: dict[str, Any]) -> None:
    """All images are one batch, so that without a change of them two orders of them have one loss."""

    def losses(recipe: Recipe) -> list[float]:
        trainings = [training_of(recipe, seed=seed) for seed in (0, 1)]
        trainings[1].network.load_state_dict(weights(trainings[0]))
        return [training.epoch() for training in trainings]

    assert losses(WHOLE)[1] == pytest.approx(losses(WHOLE)[0], rel=1e-5)
    changed = losses(replace(WHOLE, **change))
    assert changed == losses(replace(WHOLE, **change))
    assert abs(changed[1] - changed[0]) > 1e-3


@on_one_thread
def test_augmentation_is_new_in_each_epoch_and_off_in_evaluation() -> None:
    training = training_of(EVERYTHING, 2)
    seen: list[Tensor] = []
    stem = training.network.get_submodule("stem.conv")
    stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    training.epoch()
    training.epoch()
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    usual = (SMALL.train.images.float() - training.mean) / training.std
    assert not torch.equal(first.sort(dim=0).values, second.sort(dim=0).values)
    assert sum(any(torch.equal(image, one) for one in usual) for image in first) < 5
    plain = training_of(QUICK)
    plain.network.get_submodule("stem.conv").register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].clone())
    )
    seen.clear()
    plain.epoch()
    torch.testing.assert_close(torch.cat(seen).sort(dim=0).values, usual.sort(dim=0).values)
    seen.clear()
    plain.evaluate(SMALL.validation)
    torch.testing.assert_close(seen[0], (SMALL.validation.images.float() - plain.mean) / plain.std)


@on_one_thread
def test_the_epochs_of_a_training_show_every_image_both_ways_in_turn() -> None:
    training = training_of(replace(WHOLE, flip=True), 3)
    epochs: list[Tensor] = []
    stem = training.network.get_submodule("stem.conv")
    stem.register_forward_pre_hook(lambda module, inputs: epochs.append(inputs[0].clone()))
    for _ in range(3):
        training.epoch()
    first, second, third = ({image.numpy().tobytes() for image in epoch} for epoch in epochs)
    other_way = {image.flip(2).numpy().tobytes() for image in epochs[0]}
    assert len(first) == 48
    assert first == third
    assert second == other_way
    assert not first & second


# A GPU


def gpu(test: Any) -> Any:
    without = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
    return pytest.mark.gpu(without(test))


APART = 4e-3
"""Weights that differ by more have been trained differently: saboteurs move them by 0.014, a rounding of the first
weights to the precision of TF32 by 0.0016."""
EXACT = replace(EVERYTHING, amp=False, lr=0.05)


def on_gpu(recipe: Recipe, passes: int = 4) -> Training:
    """So many of four epochs, of three steps each."""
    training = Training(TINY, SMALL, recipe, Fidelity(4), 0, "cuda")
    for _ in range(passes):
        training.epoch()
    return training


def distance(one: Training, other: Training) -> float:
    pairs = zip(one.network.parameters(), other.network.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


@gpu
@pytest.mark.parametrize("recipe", [replace(QUICK, amp=False, lr=0.05), EXACT], ids=["plain", "everything"])
def test_a_graph_trains_as_single_kernels_do(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve steps, nine of them replayed, at twelve rates; cuDNN may add in another order in each."""
    graph = on_gpu(recipe)
    assert graph.step == 12
    with monkeypatch.context() as patched:
        patched.setattr(training_module, "Captured", lambda: lambda step, batch: step(batch))
        eager = on_gpu(recipe)
        other = on_gpu(replace(recipe, lr=0.06))
    assert distance(graph, eager) < APART < distance(graph, other)
    assert graph.train_loss == pytest.approx(eager.train_loss, rel=1e-2)
    assert graph.evaluate(SMALL.validation)[1] == pytest.approx(eager.evaluate(SMALL.validation)[1], rel=1e-2)


@gpu
def test_a_graph_with_one_rate_is_told_from_one_with_the_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The saboteur of the test above: rates that stay where they were when the graph was captured."""
    usual = on_gpu(EXACT)
    set_rate = Training._set_rate

    def until_captured(self: Training, rate: float) -> None:
        if self.step <= 3:
            set_rate(self, rate)

    monkeypatch.setattr(Training, "_set_rate", until_captured)
    assert distance(usual, on_gpu(EXACT)) > APART


@gpu
def test_a_graph_with_one_epochs_changes_is_told_from_one_with_those_of_each() -> None:
    """Another saboteur: images are moved, mirrored and blanked in the third and fourth epoch as in the second."""
    usual, stale = on_gpu(EXACT), on_gpu(EXACT, 2)
    begin = stale.augmented.begin

    def as_before(epoch: int, generator: torch.Generator) -> None:
        before = [drawn.clone() for drawn in stale.augmented._drawn if drawn is not None]
        begin(epoch, generator)
        for drawn, old in zip(stale.augmented._drawn, before, strict=True):
            assert drawn is not None
            drawn.copy_(old)

    stale.augmented.begin = as_before  # type: ignore[method-assign]
    stale.epoch()
    stale.epoch()
    assert distance(usual, stale) > APART


@gpu
def test_a_training_on_a_gpu_goes_on(tmp_path: Path) -> None:
    through = on_gpu(EXACT)
    on_gpu(EXACT, 2).save(tmp_path / "checkpoint")
    resumed = on_gpu(EXACT, 0)
    resumed.restore(tmp_path / "checkpoint")
    assert resumed.epochs_done == 2
    resumed.epoch()
    resumed.epoch()
    assert distance(through, resumed) < APART
    rates = [[float(group["lr"]) for group in each.optimizer.param_groups] for each in (through, resumed)]
    assert rates[0] == rates[1]
    assert resumed.train_loss == pytest.approx(through.train_loss, rel=1e-2)


@gpu
def test_a_rung_on_a_gpu_goes_on(tmp_path: Path) -> None:
    low = measure(TINY, SMALL, EXACT, Fidelity(2, schedule=4), 0, "cuda", tmp_path / "checkpoint")
    high = measure(TINY, SMALL, EXACT, Fidelity(4, schedule=4), 0, "cuda", tmp_path / "checkpoint")
    through = measure(TINY, SMALL, EXACT, Fidelity(4), 0, "cuda")
    assert high.loss == pytest.approx(through.loss, rel=1e-2)
    assert high.flops == 2 * low.flops


@gpu
def test_the_peak_on_a_gpu_is_of_this_training() -> None:
    """Nor does the one before leave anything; what libraries keep for themselves is far below a quarter of it."""
    big = measure(network_for(96, 128), data_of(96), QUICK, Fidelity(2), 0, "cuda").peak_memory
    small = measure(TINY, SMALL, QUICK, Fidelity(2), 0, "cuda").peak_memory
    assert big > 3 * 16 * 128 * 96 * 96 * 4, "three values of a batch at least"
    assert small < big / 4


@gpu
def test_a_gpu_with_bf16_uses_it_where_it_is_wanted() -> None:
    wanted, unwanted = (measure(TINY, SMALL, replace(QUICK, amp=amp), Fidelity(4), 0, "cuda") for amp in (True, False))
    assert wanted.precision == ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32")
    assert unwanted.precision == "fp32"
    assert wanted.device == unwanted.device == torch.cuda.get_device_name("cuda")
    assert wanted.train_loss == pytest.approx(unwanted.train_loss, rel=0.1)
    assert (wanted.train_loss == unwanted.train_loss) == (wanted.precision == "fp32")


@gpu
def test_a_gpu_is_near_the_processor() -> None:
    """The same weights, order, augmentation and rates: three steps in fp32 end nearly alike."""
    on_both = [Training(TINY, SMALL, EXACT, Fidelity(1), 0, device) for device in ("cuda", "cpu")]
    on_both[0].network.load_state_dict(weights(on_both[1]))
    losses = [training.epoch() for training in on_both]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    pairs = zip(on_both[0].network.parameters(), on_both[1].network.parameters(), strict=True)
    assert max((a.cpu() - b).abs().max().item() for a, b in pairs) < 5e-3
