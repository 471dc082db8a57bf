"""What a search needs, looked at before it is missed: packages, processors, disks, the store, Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ressearch.doctor import machine, results, versions
from ressearch.doctor.check import Check, Level

__all__ = ["Check", "Level", "checks"]


def checks(store: str | Path, ray: bool = False) -> Iterator[Check]:
    """All checks, one by one; what goes wrong in one is a failure of that one. ray: start one, which takes seconds."""
    looks: list[Callable[[], Iterator[Check]]] = [
        versions.python,
        versions.packages,
        machine.processors,
        machine.graphics,
        lambda: machine.room_for(results.folder(store)),
        lambda: results.store(store),
        machine.ray_folder,
        machine.shared_memory,
        machine.authentication,
        *([machine.ray_starts] if ray else []),
    ]
    for look in looks:
        yield from _guarded(look)


def _guarded(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except ImportError as error:
        yield Check("doctor", Level.FAIL, f"a check needs what is not installed: {error}", "see the packages above")
    except Exception as error:
        yield Check("doctor", Level.FAIL, f"a check failed: {type(error).__name__}: {error}", "please report it")
