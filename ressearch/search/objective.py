"""What a search is after: which of the networks that may be trained next has the most to gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ressearch.ranking import Point, elasticity
from ressearch.search.features import Vector
from ressearch.search.gains import (
    expected_excess,
    expected_excess_above,
    expected_hypervolume_gain,
)

BEYOND = 0.05
"""How far beyond the largest network known, in log MACs, the hypervolume reaches, so that there is a gain there too."""


@dataclass(frozen=True)
class Objective:
    """One of `ressearch.trial.OBJECTIVES`.

    pareto: the hypervolume below accuracy and log MACs. accuracy_per_flop: accuracy by FLOPs, of networks with at least
    the floor's accuracy; without a floor the emptiest network wins. budget: accuracy within the limits. tradeoff:
    accuracy times MACs to the power of -w (Tan et al. 2019), w the elasticity of the front that is known so far.
    """

    kind: str = "pareto"
    floor: float = 0.0

    def gains(self, mean: Vector, deviation: Vector, macs: Vector, known: Sequence[Point]) -> Vector:
        """Expected gain of networks whose accuracy is normally distributed, over what is known."""
        best = max((accuracy for accuracy, _ in known), default=0.0)
        if self.kind == "budget":
            return expected_excess(mean, deviation, best)
        if self.kind == "accuracy_per_flop":
            able = [accuracy / m for accuracy, m in known if accuracy >= self.floor]
            threshold = max(able, default=0.0) * macs
            return expected_excess_above(mean, deviation, threshold, self.floor) / macs
        if self.kind == "tradeoff":
            weight = elasticity(known)
            threshold = max((a * m**-weight for a, m in known), default=0.0) * macs**weight
            return expected_excess(mean, deviation, threshold) * macs**-weight
        front = [(accuracy, float(np.log(m))) for accuracy, m in known]
        most = max([*(cost for _, cost in front), *np.log(macs)]) + BEYOND
        return expected_hypervolume_gain(mean, deviation, np.log(macs), front, most)
