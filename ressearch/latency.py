"""How long a network's forward pass takes on a device: the median of timed batches."""

from __future__ import annotations

import time
from statistics import quantiles

import torch

from ressearch.architecture import Architecture
from ressearch.device import device_name, precision, require_device
from ressearch.network import Network
from ressearch.trial import Latency

WARM_UP = 5
"""Passes before the first timed one: kernels are chosen, memory is allocated, clocks rise."""


def time_passes(
    architecture: Architecture,
    device: str = "cpu",
    batch: int = 1,
    repeats: int = 50,
    threads: int | None = None,
    amp: bool = True,
) -> Latency:
    """Median and quartiles of `repeats` forward passes on batches of noise, in evaluation mode.

    The weights do not matter to the time and are random ones. threads: of the CPU, as many as torch has unless said;
    it keeps them. amp: bf16 where the device is fast at it. Raises DeviceError where there is no such device.
    """
    require_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    kind = precision(device, amp)
    network = Network(architecture).to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    images = torch.randn(batch, *architecture.input_shape).to(device, memory_format=torch.channels_last)
    autocast = torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=kind == "bf16")
    with torch.inference_mode(), autocast:
        times = [_seconds(network, images) for _ in range(WARM_UP + repeats)][WARM_UP:]
    low, median, high = quantiles(times, n=4, method="inclusive") if repeats > 1 else times * 3
    return Latency(
        architecture_id=architecture.id,
        device=device_name(device),
        precision=kind,
        batch=batch,
        threads=0 if images.is_cuda else torch.get_num_threads(),
        repeats=repeats,
        median_seconds=median,
        low_seconds=low,
        high_seconds=high,
    )


def _seconds(network: Network, images: torch.Tensor) -> float:
    _wait(images)
    started = time.perf_counter()
    network(images)
    _wait(images)
    return time.perf_counter() - started


def _wait(images: torch.Tensor) -> None:
    """A GPU is handed its work; the time that counts ends when it has done it."""
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
