"""A training step as one CUDA graph: small networks are nothing but kernel launches, and a replay launches once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Steps before the capture, so that libraries have chosen their kernels and the optimiser has its buffers."""


class Captured:
    """Does the first steps as they are, captures one, and replays it from then on.

    step: reads the batch's positions from its argument, whose length never changes, and everything else from memory
    that stays where it is; it may not wait for the GPU.
    """

    def __init__(self, step: Callable[[Tensor], None]) -> None:
        self._step, self._done = step, 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Tensor | None = None

    def __call__(self, batch: Tensor) -> None:
        """One step on the images at these positions."""
        if self._graph is None and self._done < WARM_UP:
            self._done += 1
            self._aside(batch)
            return
        if self._graph is None or self._batch is None:
            self._graph, self._batch = self._captured(batch)
        self._batch.copy_(batch)
        self._graph.replay()

    def _aside(self, batch: Tensor) -> None:
        """On a stream of its own, as torch asks of what comes before a capture."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(batch)
        torch.cuda.current_stream().wait_stream(stream)

    def _captured(self, batch: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Nothing is computed while a graph is captured."""
        graph, static = torch.cuda.CUDAGraph(), batch.clone()
        with torch.cuda.graph(graph):
            self._step(static)
        return graph, static
