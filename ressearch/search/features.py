"""What the surrogate sees of a network: facts of its graph, which decisions made it, and the recipe it is trained by.

Facts let networks of quite different decisions be compared (a deep chain of basic blocks and a nested one may be alike
in MACs, depth and paths); decisions tell apart what the facts cannot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.ops import Activation, Conv, Pool
from ressearch.space import Candidate
from ressearch.trial import PARAMETERS, Recipe

Vector = NDArray[np.float64]

Token = tuple[str, Any]
"""The path of a decision about the graph and what was decided; a number with a fraction by its first digit."""

KINDS = ("basic", "bottleneck", "residual", "dense", "nested")
THIRDS = 3

BY_RATIO = ("batch_size", "lr", "weight_decay")
"""Fields of a recipe of which the ratio of two matters, not their difference."""
FROM_ONE = ("momentum", "ema")
"""Fields of which the distance from 1 matters, again by its ratio: how long a running mean remembers."""
LEAST = 1e-6
"""What a field without decay counts as, which has no logarithm."""


def facts_of(candidate: Candidate) -> Vector:
    """Facts of the graph as numbers: costs, wiring, kinds of blocks and operations, and where the layers stand."""
    architecture, cost = candidate.architecture, candidate.cost
    wiring = analyse(architecture)
    sizes = [log(cost.macs), log(max(cost.params, 1)), log(max(cost.activations, 1)), log(cost.peak)]
    paths = [log(wiring.paths), wiring.shortest, wiring.longest, wiring.mean_length]
    skips = [wiring.skips, wiring.nesting, log(wiring.receptive_field)]
    kinds = [wiring.kinds.get(kind, 0) for kind in KINDS]
    return np.array([*sizes, *paths, *skips, *kinds, *_operations(architecture), *_heights(architecture)], dtype=float)


def numbers_of(recipe: Recipe) -> Vector:
    """The fields of a recipe as numbers, each on a scale where equal steps matter about equally."""
    return np.array([_on_scale(name, float(value)) for name, value in asdict(recipe).items()])


def _on_scale(name: str, value: float) -> float:
    if name in BY_RATIO:
        return log(max(value, LEAST))
    return log(1 - value) if name in FROM_ONE else value


def tokens_of(decisions: Mapping[str, Any]) -> tuple[Token, ...]:
    """What was decided of the graph, as a set that two networks can have more or less in common, in its own order."""
    about = ((path, value) for path, value in decisions.items() if not path.startswith(PARAMETERS))
    return tuple((path, f"{value:.0e}" if isinstance(value, float) else value) for path, value in about)


def _operations(architecture: Architecture) -> list[float]:
    found: Counter[str] = Counter()
    for node in architecture.nodes:
        if isinstance(node.op, Conv):
            found["depthwise" if node.op.groups > 1 else "point" if node.op.kernel == 1 else "window"] += 1
            found["side"] += node.op.kernel - 1
        elif isinstance(node.op, Pool | Activation):
            found[type(node.op).__name__] += 1
    return [found[word] for word in ("depthwise", "point", "window", "side", "Pool", "Activation")]


def _heights(architecture: Architecture) -> list[float]:
    """Convolutions on maps of the full height, of half of it, and of less, and the greatest width of each."""
    counts, widths = [0] * THIRDS, [1] * THIRDS
    full = architecture.input_shape[1]
    for node, shape in zip(architecture.nodes, architecture.shapes, strict=True):
        if isinstance(node.op, Conv):
            at = min(THIRDS - 1, round(log(full / shape[1], 2)))
            counts[at] += 1
            widths[at] = max(widths[at], shape[0])
    return [*counts, *map(log, widths)]
