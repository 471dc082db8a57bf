"""A dozen facts of a network that its accuracy may depend on, and how much it does in a study.

Spearman's correlation says how far a fact and accuracy rise together; since nearly everything rises with MACs, the
partial correlation says what of it is left among networks of the same MACs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ressearch.correlation import Coefficient, partial, ranked, spearman
from ressearch.ops import Conv
from ressearch.report.findings import Network


def _share(kind: str) -> Callable[[Network], float]:
    def share(network: Network) -> float:
        kinds = network.wiring.kinds
        return kinds.get(kind, 0) / (sum(kinds.values()) or 1)

    return share


def _widest(network: Network) -> float:
    nodes = zip(network.architecture.nodes, network.architecture.shapes, strict=True)
    return max((shape[0] for node, shape in nodes if isinstance(node.op, Conv)), default=0)


def _pooled(network: Network) -> float:
    """By what factor the sides of the image shrink on the way to the last map."""
    maps = [shape for shape in network.architecture.shapes if len(shape) == 3]
    return maps[0][1] / maps[-1][1]


FEATURES: Mapping[str, Callable[[Network], float]] = {
    "MACs": lambda network: network.cost.macs,
    "parameters": lambda network: network.cost.params,
    "depth": lambda network: network.cost.depth,
    "widest layer": _widest,
    "nesting": lambda network: network.wiring.nesting,
    "skips": lambda network: network.wiring.skips,
    "mean path": lambda network: network.wiring.mean_length,
    "receptive field": lambda network: network.wiring.receptive_field,
    "downsampling": _pooled,
    "share basic": _share("basic"),
    "share bottleneck": _share("bottleneck"),
    "share dense": _share("dense"),
    "share nested": _share("nested"),
}
"""Name -> the fact as a number."""


@dataclass(frozen=True)
class Importance:
    """How accuracy goes with a feature: over all networks, and given MACs (None for MACs themselves)."""

    feature: str
    alone: Coefficient
    given_macs: Coefficient | None


MOST = 600
"""Networks that are looked at, chosen at random of more: time grows with the square of their number."""

LEAST = 8
"""Networks from which anything is said."""


def importances(networks: Sequence[Network]) -> list[Importance]:
    """Of every feature that is not the same everywhere, the strongest first; nothing of too few networks."""
    if len(networks) < LEAST:
        return []
    chosen = networks if len(networks) <= MOST else random.Random(0).sample(list(networks), MOST)
    accuracies, macs = ranked([one.accuracy for one in chosen]), ranked([one.cost.macs for one in chosen])
    found = []
    for name, fact in FEATURES.items():
        values = ranked([fact(one) for one in chosen])
        alone = spearman(values, accuracies)
        if alone.value is not None:
            found.append(Importance(name, alone, None if name == "MACs" else partial(values, accuracies, macs)))
    return sorted(found, key=_strength, reverse=True)


def _strength(found: Importance) -> float:
    return abs(found.alone.value or 0.0)
