"""What a search needs of the machine: processors, memory, room on disks, and a Ray that starts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ressearch.doctor.check import Check, Level

GIB = 2**30
LITTLE, TOO_LITTLE = GIB, GIB // 10
"""Free bytes below which there may be trouble, and will be."""
RAY_FULL = 0.95
"""Share of a disk that may be used before Ray writes nothing more to it (`local_fs_capacity_threshold`)."""
LONGEST_SOCKET = 107
SOCKET = "ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
"""How far below its folder Ray makes sockets, whose paths the kernel limits."""
SHARED = Path("/dev/shm")
SHARED_BYTES = 100 * 2**20
"""What Ray puts there for a search."""
DRIVER = Path("/proc/driver/nvidia/version")


def processors() -> Iterator[Check]:
    """The CPU and its memory, and whether it is fast at bf16."""
    from ressearch.device import count_of, free_memory, precision  # not at the top: torch may be what is missing

    memory = free_memory("cpu")
    told = "" if memory is None else f", {memory / GIB:.1f} GiB of memory free"
    said = f"{count_of('cpu')} core(s){told}"
    if precision("cpu", True) == "bf16":
        yield Check("cpu", Level.OK, f"{said}; has instructions for bf16")
    else:
        yield Check("cpu", Level.OK, f"{said}; no instructions for bf16 (AVX-512 BF16, AMX), so it trains in fp32")


def graphics() -> Iterator[Check]:
    """GPUs that torch sees."""
    from ressearch.device import gpus

    names, cuda, warned = gpus()
    if names:
        yield Check("gpu", Level.OK, f"{', '.join(names)} (CUDA {cuda})")
    elif DRIVER.exists() or warned:
        why = warned or f"there is a driver for NVIDIA GPUs, but torch {f'for CUDA {cuda}' if cuda else 'without CUDA'}"
        step = "install the torch that fits the driver, see pytorch.org; until then trials run on the CPU"
        yield Check("gpu", Level.WARN, f"{why} sees none" if not warned else why, step)
    else:
        yield Check("gpu", Level.OK, "none; trials run on the CPU")


def room_for(folder: Path, name: str = "disk") -> Iterator[Check]:
    """Whether a folder, which need not be there yet, can be written to, and how much."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / GIB:.1f} GiB free where {folder} lies"
    if not os.access(there, os.W_OK | os.X_OK):
        yield Check(name, Level.FAIL, f"{there} cannot be written to", "give another place, or change whose it is")
    elif free < LITTLE:
        yield Check(
            name, Level.FAIL if free < TOO_LITTLE else Level.WARN, said, "remove something, or use another disk"
        )
    else:
        yield Check(name, Level.OK, said)


def ray_folder() -> Iterator[Check]:
    """Where Ray keeps its own temporary files."""
    folder = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or tempfile.gettempdir())
    length = len(str(folder / SOCKET))
    usage = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists()))
    step = "set RAY_TMPDIR to a folder with more room"
    if length > LONGEST_SOCKET:
        said = f"the path {folder} is too long for Ray's sockets by {length - LONGEST_SOCKET} characters"
        yield Check("ray", Level.FAIL, said, "set RAY_TMPDIR to a shorter one")
    elif usage.used / max(1, usage.used + usage.free) > RAY_FULL:
        said = f"the disk of {folder} is more than {RAY_FULL:.0%} full, and Ray writes nothing more to such a one"
        yield Check("ray", Level.WARN, said, step)
    else:
        yield from room_for(folder, "ray")


def shared_memory() -> Iterator[Check]:
    """Where Ray's processes pass objects to each other."""
    if not SHARED.is_dir():
        yield Check("shm", Level.OK, f"there is no {SHARED} here, and Ray does without")
        return
    free = shutil.disk_usage(SHARED).free
    said = f"{free / GIB:.1f} GiB free in {SHARED}"
    if free < SHARED_BYTES:
        step = "give the container more (docker run --shm-size=1g); Ray takes slower files until then"
        yield Check("shm", Level.WARN, said, step)
    else:
        yield Check("shm", Level.OK, said)


def authentication() -> Iterator[Check]:
    """Who may talk to the Ray of a search: it listens on ports of this machine."""
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode is not None and mode.lower() != "token":
        said = f"RAY_AUTH_MODE={mode}: whoever reaches the ports of a search's Ray can run code as you"
        yield Check("ray auth", Level.WARN, said, "unset RAY_AUTH_MODE")
    else:
        yield Check("ray auth", Level.OK, "each search has a random token, which only its own processes know")


def ray_starts() -> Iterator[Check]:
    """Start a Ray as a search does, and let it do something."""
    from ressearch.search.probe import start_ray

    try:
        seconds = start_ray()
    except Exception as error:
        last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        step = "see the logs in the folder of Ray's temporary files, session_latest/logs"
        yield Check("ray", Level.FAIL, f"it does not start: {last}", step)
    else:
        yield Check("ray", Level.OK, f"started, and did a task, in {seconds:.1f} s")
