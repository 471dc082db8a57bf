"""Training against closed forms and itself: what a seed fixes, what the schedule is, what may reach a weight."""

from __future__ import annotations

from dataclasses import replace
from math import cos, log, pi

import pytest
import torch
from torch import Tensor

from ressearch import training as training_module
from ressearch.architecture import Architecture
from ressearch.data import Part, SearchData, load_search_data
from ressearch.errors import DivergedError, TrainingError
from ressearch.space import BySuffix, SearchSpace
from ressearch.training import Training, measure, one_cycle
from ressearch.trial import Fidelity, Measurement, Recipe

QUICK = Recipe(batch_size=32, amp=False)
"""In fp32 whatever the processor is fast at."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny(demo: SearchSpace) -> Architecture:
    """2,170 parameters: a stem, one basic block and a head."""
    return demo.decode(BySuffix({"stages.repeat": 1, "start": 8, "depth": 1, "one_of": "basic"})).architecture


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


def few(data: SearchData, images: int) -> SearchData:
    return replace(data, train=Part(data.train.images[:images], data.train.labels[:images]))


def trained(
    architecture: Architecture, data: SearchData, recipe: Recipe = QUICK, epochs: int = 1, seed: int = 0
) -> Training:
    training = Training(architecture, data, recipe, Fidelity(epochs), seed, "cpu")
    for _ in range(epochs):
        training.epoch()
    return training


def weights(training: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def told(measurement: Measurement) -> tuple[float, float, float]:
    return measurement.accuracy, measurement.loss, measurement.train_loss


# What a seed fixes


def test_the_same_seed_gives_the_same_measurement_bit_for_bit(tiny: Architecture, digits: SearchData) -> None:
    once = measure(tiny, digits, QUICK, Fidelity(2), seed=3)
    torch.manual_seed(99)  # what others drew before is of no account
    torch.rand(7)
    again = measure(tiny, digits, QUICK, Fidelity(2), seed=3)
    assert told(once) == told(again)
    assert told(once) != told(measure(tiny, digits, QUICK, Fidelity(2), seed=4))


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tiny: Architecture, digits: SearchData) -> None:
    once = weights(trained(tiny, digits, seed=3))
    assert same(once, weights(trained(tiny, digits, seed=3)))
    assert not same(once, weights(trained(tiny, digits, seed=4)))


def test_the_seed_reaches_the_first_weights_and_the_order_of_the_images(tiny: Architecture, digits: SearchData) -> None:
    one, other = (Training(tiny, digits, QUICK, Fidelity(1), seed, "cpu") for seed in (0, 1))
    assert not torch.equal(
        one.network.get_parameter("stem.conv.weight"), other.network.get_parameter("stem.conv.weight")
    )
    other.network.load_state_dict(one.network.state_dict())
    one.epoch()
    other.epoch()
    assert not same(weights(one), weights(other))


# The schedule


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, 0.5 / 25),
        (0.05, 0.5 / 25 + 0.25 * (0.5 - 0.5 / 25)),
        (0.1, 0.26),
        (0.2, 0.5),
        (0.4, 0.5 * (1 + 2**-0.5) / 2),  # a quarter of the cosine: 45 degrees
        (0.6, 0.25),
        (0.8, 0.5 * (1 - 2**-0.5) / 2),
        (1.0, 0.0),
    ],
)
def test_one_cycle_at_known_places(progress: float, expected: float) -> None:
    assert one_cycle(progress, Recipe(lr=0.5, warmup=0.2)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_one_cycle_without_warm_up_is_a_cosine() -> None:
    recipe = Recipe(lr=0.3, warmup=0.0)
    for step in range(50):
        assert one_cycle(step / 50, recipe) == pytest.approx(0.15 * (1 + cos(pi * step / 50)), rel=1e-12)


@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("strategy", ["linear", "cos"])
def test_one_cycle_is_torchs_one_cycle_lr(strategy: str, warmup: float) -> None:
    """Torch reaches the peak one step early and the end at its last step; its steps are mapped to shares of ours.

    Torch anneals both phases alike, so its linear form is compared during warm-up and its cosine after it.
    """
    total, peak = 200, 0.4
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total, pct_start=warmup, anneal_strategy=strategy, cycle_momentum=False, final_div_factor=1e12
    )
    top = warmup * total - 1
    compared = 0
    for step in range(total):
        rising = step <= top
        progress = warmup * step / top if rising else warmup + (1 - warmup) * (step - top) / (total - 1 - top)
        if rising == (strategy == "linear"):
            expected = one_cycle(min(progress, 1.0), Recipe(lr=peak, warmup=warmup))
            assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-9, abs=1e-12)
            compared += 1
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    assert compared == round(warmup * total if strategy == "linear" else (1 - warmup) * total)


def test_the_optimiser_is_given_the_schedules_rate_at_every_step(
    tiny: Architecture, digits: SearchData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[list[float]] = []
    step = torch.optim.SGD.step

    def noted(optimizer: torch.optim.SGD, *args: object) -> object:
        rates.append([group["lr"] for group in optimizer.param_groups])
        return step(optimizer, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", noted)
    trained(tiny, few(digits, 100), Recipe(batch_size=20, lr=0.25, warmup=0.2), epochs=2)
    warm, cosine = [0.01, 0.13], [0.125 * (1 + cos(pi * k / 8)) for k in range(8)]
    assert rates == [[pytest.approx(rate)] * 2 for rate in warm + cosine]


def test_an_epoch_is_of_whole_batches(tiny: Architecture, digits: SearchData) -> None:
    training = trained(tiny, few(digits, 100), Recipe(batch_size=32), epochs=2)
    assert training.step == training.steps == 6
    assert int(training.network.get_buffer("stem.norm.num_batches_tracked")) == 6


def test_fewer_images_than_a_batch_are_one_batch(tiny: Architecture, digits: SearchData) -> None:
    assert trained(tiny, few(digits, 20), Recipe(batch_size=32), epochs=2).step == 2


@pytest.mark.parametrize(("fraction", "images"), [(1.0, 1_097), (0.5, 548), (0.001, 64)])
def test_the_data_fraction_takes_the_first_images(
    tiny: Architecture, digits: SearchData, fraction: float, images: int
) -> None:
    training = Training(tiny, digits, Recipe(batch_size=64), Fidelity(1, fraction), 0, "cpu")
    assert torch.equal(training.images, digits.train.images[:images])
    assert torch.equal(training.labels, digits.train.labels[:images])


# One step, by hand


def test_weight_decay_is_on_matrices_and_convolutions_only(tiny: Architecture, digits: SearchData) -> None:
    """After one step of SGD with Nesterov momentum m, decay d has moved a weight w by lr (1 + m) d w, and no other."""
    lr, momentum, decay = 0.05, 0.9, 0.5
    data = few(digits, 32)
    plain = Recipe(batch_size=32, lr=lr, momentum=momentum, weight_decay=0.0, warmup=0.0)
    start = weights(Training(tiny, data, plain, Fidelity(1), 0, "cpu"))
    without, decayed = trained(tiny, data, plain), trained(tiny, data, replace(plain, weight_decay=decay))
    kinds = set()
    for name, parameter in without.network.named_parameters():
        decays = name.endswith(("conv.weight", "linear.weight"))
        expected = parameter - lr * (1 + momentum) * decay * start[name] if decays else parameter
        torch.testing.assert_close(decayed.network.get_parameter(name), expected, rtol=0, atol=2e-6 if decays else 0)
        kinds.add((decays, name.rsplit(".", 2)[1] + "." + name.rsplit(".", 1)[1]))
    assert kinds == {
        (True, "conv.weight"),
        (True, "linear.weight"),
        (False, "norm.weight"),
        (False, "norm.bias"),
        (False, "linear.bias"),
    }


def test_the_loss_of_an_epoch_is_the_mean_cross_entropy_of_its_batches(tiny: Architecture, digits: SearchData) -> None:
    data = few(digits, 32)
    recipe = replace(QUICK, label_smoothing=0.1)
    training = Training(tiny, data, recipe, Fidelity(1), 0, "cpu")
    pixels = data.train.images.double()
    normalised = ((pixels - pixels.mean()) / pixels.std()).float()
    with torch.no_grad():
        log_shares = training.network.train()(normalised).double().log_softmax(dim=1)
    training = Training(tiny, data, recipe, Fidelity(1), 0, "cpu")
    right = -log_shares[torch.arange(32), data.train.labels]
    expected = (0.9 * right + 0.1 * -log_shares.mean(dim=1)).mean()
    assert training.epoch() == pytest.approx(float(expected), rel=1e-5)


# Evaluation


@pytest.mark.parametrize("size", [1, 7, 400, 1_000])
def test_evaluation_is_independent_of_the_batch_size(
    tiny: Architecture, digits: SearchData, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trained(tiny, digits, epochs=2)
    pixels = digits.train.images.double()
    normalised = ((digits.validation.images.double() - pixels.mean()) / pixels.std()).float()
    with torch.no_grad():
        shares = training.network.eval()(normalised).double().softmax(dim=1)
    right = shares[torch.arange(400), digits.validation.labels]
    monkeypatch.setattr(training_module, "EVALUATION_BATCH", size)
    accuracy, loss = training.evaluate(digits.validation)
    assert accuracy == float((shares.argmax(dim=1) == digits.validation.labels).double().mean())
    assert loss == pytest.approx(float(-right.log().mean()), rel=1e-5)


def test_what_counts_is_measured_on_the_validation_images(tiny: Architecture, digits: SearchData) -> None:
    found = measure(tiny, digits, QUICK, Fidelity(2), seed=0)
    training = trained(tiny, digits, epochs=2)
    assert (found.accuracy, found.loss) == training.evaluate(digits.validation)
    assert (found.accuracy, found.loss) != training.evaluate(digits.train)


def test_evaluation_changes_nothing(tiny: Architecture, digits: SearchData) -> None:
    training = trained(tiny, digits)
    before = weights(training)
    assert training.evaluate(digits.validation) == training.evaluate(digits.validation)
    assert same(before, weights(training))


def test_validation_images_reach_neither_the_weights_nor_the_normalisation(
    tiny: Architecture, digits: SearchData
) -> None:
    inverted = Part(255 - digits.validation.images, 9 - digits.validation.labels)
    usual, other = trained(tiny, digits), trained(tiny, replace(digits, validation=inverted))
    assert same(weights(usual), weights(other))
    assert torch.equal(usual.mean, other.mean)
    assert float(usual.mean) == pytest.approx(float(digits.train.images.double().mean()), rel=1e-6)
    assert float(usual.std) == pytest.approx(float(digits.train.images.double().std()), rel=1e-6)


# Does it learn?


def test_it_learns_what_there_is_to_learn_and_nothing_from_shuffled_labels(
    tiny: Architecture, digits: SearchData
) -> None:
    order = torch.randperm(len(digits.train), generator=torch.Generator().manual_seed(0))
    shuffled = replace(digits, train=Part(digits.train.images, digits.train.labels[order]))
    real = measure(tiny, digits, QUICK, Fidelity(5), seed=0)
    noise = measure(tiny, shuffled, QUICK, Fidelity(5), seed=0)
    assert real.accuracy > 0.6
    assert real.loss < log(10) / 1.5
    assert real.train_loss < log(10) / 1.5
    assert 0.02 < noise.accuracy < 0.25
    assert noise.loss > log(10) - 0.1


def test_a_measurement_says_what_was_measured(tiny: Architecture, digits: SearchData) -> None:
    found = measure(tiny, digits, Recipe(batch_size=64), Fidelity(2, 0.5), seed=0)
    trained_for = 2 * (548 // 64 * 64) / found.images_per_second  # whole batches only
    assert 0 < trained_for < found.seconds
    assert trained_for > found.seconds / 100
    assert found.peak_memory > 50 * 2**20  # the process has torch in it; kilobytes taken for bytes would be less
    assert found.device == "cpu"


# Complaints


@pytest.mark.parametrize(("lr", "batch_size"), [(1e6, 64), (1e12, 32)])
def test_divergence_names_the_epoch(tiny: Architecture, digits: SearchData, lr: float, batch_size: int) -> None:
    with pytest.raises(DivergedError) as caught:
        measure(tiny, digits, Recipe(lr=lr, batch_size=batch_size), Fidelity(3), seed=0)
    assert str(caught.value) == ("error[E701]: the training loss was nan after epoch 1\n  = help: lower train.lr")


def test_divergence_in_a_later_epoch_names_that_one(tiny: Architecture, digits: SearchData) -> None:
    training = Training(tiny, digits, QUICK, Fidelity(4), 0, "cpu")
    training.epoch()
    training.epoch()
    with torch.no_grad():
        training.network.get_parameter("head.linear.weight").fill_(float("nan"))
    with pytest.raises(DivergedError) as validation:
        training.evaluate(digits.validation)
    with pytest.raises(DivergedError) as train:
        training.epoch()
    assert validation.value.message == "the validation loss was nan after epoch 2"
    assert train.value.message == "the training loss was nan after epoch 3"


def test_images_of_another_shape_are_refused(tiny: Architecture, digits: SearchData) -> None:
    colour = replace(digits, name="colours", train=Part(digits.train.images.repeat(1, 3, 2, 1), digits.train.labels))
    with pytest.raises(TrainingError) as caught:
        measure(tiny, colour, QUICK, Fidelity(1), seed=0)
    assert str(caught.value) == "error[E700]: the network takes images of 1x8x8, colours has 3x16x8"


def test_more_classes_than_the_network_has_are_refused(tiny: Architecture, digits: SearchData) -> None:
    with pytest.raises(TrainingError) as caught:
        measure(tiny, replace(digits, classes=11), QUICK, Fidelity(1), seed=0)
    assert str(caught.value) == "error[E700]: the network tells 10 classes apart, digits has 11"


# CUDA


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_gpu_learns_what_a_cpu_learns(tiny: Architecture, digits: SearchData) -> None:
    found = measure(tiny, digits, QUICK, Fidelity(5), seed=0, device="cuda")
    beside = measure(tiny, digits, QUICK, Fidelity(5), seed=0)
    assert found.device == torch.cuda.get_device_name("cuda")
    assert found.accuracy == pytest.approx(beside.accuracy, abs=0.1)
    assert found.peak_memory > digits.train.images.numel()
    assert 0 < 5 * len(digits.train) / found.images_per_second < found.seconds
