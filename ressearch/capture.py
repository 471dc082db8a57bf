"""A training step as one CUDA graph: small networks are nothing but kernel launches, and a replay launches once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

WARM_UP = 3
"""Steps before the capture, so that libraries have chosen their kernels and the optimiser has its buffers."""


class Captured:
    """Does the first steps as they are, captures one, and replays it from then on."""

    def __init__(self) -> None:
        self._done = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Tensor | None = None

    def __call__(self, step: Callable[[Tensor], None], batch: Tensor) -> None:
        """One step on the images at these positions.

        step: the same each time. It reads the positions from its argument, whose length never changes, and everything
        else from memory that stays where it is; it may not wait for the GPU.
        """
        if self._graph is None and self._done < WARM_UP:
            self._done += 1
            _aside(step, batch)
            return
        if self._graph is None or self._batch is None:
            self._graph, self._batch = _captured(step, batch)
        self._batch.copy_(batch)
        self._graph.replay()


def _aside(step: Callable[[Tensor], None], batch: Tensor) -> None:
    """On a stream of its own, as torch asks of what comes before a capture."""
    stream = _stream(batch.device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step(batch)
    torch.cuda.current_stream().wait_stream(stream)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all trainings of a process: libraries keep memory for each stream that they have seen."""
    return torch.cuda.Stream(device)


def _captured(step: Callable[[Tensor], None], batch: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """The step's graph, and where it reads the positions. Nothing is computed while a graph is captured."""
    graph, positions = torch.cuda.CUDAGraph(), batch.clone()
    with torch.cuda.graph(graph, stream=_stream(batch.device)):
        step(positions)
    return graph, positions
