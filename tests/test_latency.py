"""Latency: what is timed, on what, and that the median is one of a real pass."""

from __future__ import annotations

import time
from statistics import median

import pytest
import torch

from ressearch import latency as latency_module
from ressearch.device import require_device
from ressearch.errors import DeviceError
from ressearch.latency import WARM_UP, time_passes
from ressearch.network import Network
from tests.conftest import demo_space

pytestmark = pytest.mark.usefixtures("one_thread")
RESNET = demo_space.baselines["resnet8"].architecture


def test_it_is_the_median_of_the_passes_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass is made to take a known time; those of the warm-up are the longest and must not count."""
    durations = iter([9.0] * WARM_UP + [5.0, 1.0, 4.0, 2.0, 3.0])
    monkeypatch.setattr(latency_module, "_seconds", lambda network, images: next(durations))
    found = time_passes(RESNET, repeats=5)
    assert (found.low_seconds, found.median_seconds, found.high_seconds) == (2.0, 3.0, 4.0)
    assert (found.architecture_id, found.device, found.batch, found.threads) == (RESNET.id, "cpu", 1, 1)
    assert found.repeats == 5


def test_one_pass_is_its_own_quartiles() -> None:
    found = time_passes(RESNET, repeats=1)
    assert 0 < found.low_seconds == found.median_seconds == found.high_seconds


def test_what_is_timed_is_a_pass_of_the_network_in_evaluation_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[tuple[int, ...], bool, bool]] = []
    forward = Network.forward

    def noted(network: Network, images: torch.Tensor) -> torch.Tensor:
        seen.append((tuple(images.shape), network.training, torch.is_grad_enabled()))
        time.sleep(0.01)
        return forward(network, images)

    monkeypatch.setattr(Network, "forward", noted)
    found = time_passes(RESNET, batch=7, repeats=3)
    assert seen == [((7, *RESNET.input_shape), False, False)] * (WARM_UP + 3)
    assert found.low_seconds > 0.01


def test_a_larger_batch_takes_longer() -> None:
    """2,048 images against 1: several hundred times the work; twice is asked for, of the best of several medians."""
    small, large = (
        min(time_passes(RESNET, batch=size, repeats=9).median_seconds for _ in range(3)) for size in (1, 2_048)
    )
    assert large > 2 * small


def test_it_agrees_with_a_clock_around_the_same_passes() -> None:
    network = Network(RESNET).eval()
    images = torch.randn(64, *RESNET.input_shape)
    outside = []
    with torch.inference_mode():
        for _ in range(20):
            started = time.perf_counter()
            network(images)
            outside.append(time.perf_counter() - started)
    found = time_passes(RESNET, batch=64, repeats=20)
    assert median(outside) / 10 < found.median_seconds < median(outside) * 10


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("tpu", "error[E702]: 'tpu' is no device\n  = help: use cpu, cuda or cuda:N"),
        ("cpu:x", f"error[E702]: there is no cpu:x here: torch {torch.__version__} sees 1 of them"),
        ("cuda:999", f"error[E702]: there is no cuda:999 here: torch {torch.__version__} sees {{}} of them"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        require_device(device)
    assert str(caught.value) == message.format(torch.cuda.device_count())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_gpu_is_waited_for() -> None:
    """A pass that is only handed over takes the same time whatever the batch; one that is waited for does not."""
    small, large = (time_passes(RESNET, "cuda", batch=size, repeats=20).median_seconds for size in (1, 65_536))
    assert large > 3 * small
    assert time_passes(RESNET, "cuda").threads == 0
