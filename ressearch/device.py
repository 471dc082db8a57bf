"""What a device is, what it is fast at, and what its memory holds."""

from __future__ import annotations

import os
import resource
import sys
import warnings
from pathlib import Path

import torch

from ressearch.errors import DeviceError

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""Written to `clear_refs`, makes Linux count the peak of a process's memory anew (proc(5))."""


def require_device(device: str) -> None:
    """Raise DeviceError where there is no such device."""
    kind, colon, number = device.partition(":")
    count = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(kind)
    if count is None:
        raise DeviceError(f"{device!r} is no device", hint="use cpu, cuda or cuda:N")
    if (colon and not number.isdecimal()) or int(number or 0) >= count:
        raise DeviceError(f"there is no {device} here: torch {torch.__version__} sees {count} of them")


def chosen_device(device: str) -> str:
    """What `auto` means here: a GPU if there is one. Any other is looked for, as `require_device` does."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_device(device)
    return device


def gpus() -> tuple[list[str], str | None, str]:
    """The models of the GPUs that torch sees, the version of CUDA that it is built for, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        usable = torch.cuda.is_available()
    warned = str(caught[0].message).splitlines()[0] if caught else ""
    return names if usable else [], torch.version.cuda, warned


def count_of(device: str) -> int:
    """How many of them are here: GPUs, or cores of the CPU."""
    return torch.cuda.device_count() if device.startswith("cuda") else os.cpu_count() or 1


def device_name(device: str) -> str:
    """The model of a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"


def precision(device: str, amp: bool) -> str:
    """`bf16` where it is wanted and the device has instructions for it, else `fp32`.

    A CPU without them (AVX-512 BF16 or AMX) computes bf16 convolutions in software, ten times slower than fp32.
    """
    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if amp and fast else "fp32"


def make_current(device: str) -> None:
    """Of several GPUs, let this be the one that streams and graphs are made on; a CPU needs nothing."""
    if device.startswith("cuda"):
        torch.cuda.init()
        if (index := torch.device(device).index) is not None:
            torch.cuda.set_device(index)


def forget_peak(device: str) -> None:
    """Begin to count anew what `peak_memory` tells, as far as the device can."""
    make_current(device)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif os.access(_CLEAR, os.W_OK):
        _CLEAR.write_text(_FORGET_PEAK, encoding="ascii")


def peak_memory(device: str) -> int:
    """Bytes: the most that the allocator held on a GPU, the most that the process held on a CPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory(device: str) -> int | None:
    """Bytes that are free, None where nobody tells; on a GPU with what torch keeps for the next to ask."""
    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024
