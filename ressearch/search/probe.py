"""Whether Ray starts here at all, asked without a search."""

from __future__ import annotations

import time

import ray

from ressearch.search.cluster import Site, started
from ressearch.search.signals import caught_signals

PATIENCE_SECONDS = 60


def start_ray() -> float:
    """Start a Ray as a search does, let it do one task and end it; the seconds until the task was done."""
    began = time.monotonic()
    with caught_signals() as signals, started(Site(1), signals):
        ray.get(ray.remote(_answer).remote(), timeout=PATIENCE_SECONDS)
        return time.monotonic() - began


def _answer() -> int:
    return 42
