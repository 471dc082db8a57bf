"""Who runs where beside the spine: each thing as near to it as what is already there permits."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

Span = tuple[int, int]
"""From which height to which, both included, in quarters of a row."""


@dataclass
class Lanes:
    """Room at the left of the spine of one column. Distances are from the spine's edge, to the left."""

    taken: list[tuple[float, float, Span]] = field(default_factory=list)

    def place(self, span: Span, width: float) -> float:
        """Take the nearest free room of this width; the distance of its near side."""
        near = 0.0
        for low, high, other in self.taken:
            if other[0] <= span[1] and span[0] <= other[1]:
                if near + width <= low + 1e-9:
                    break
                near = max(near, high)
        self.block(span, near, near + width)
        return near

    def block(self, span: Span, near: float, far: float) -> None:
        """Take this room."""
        insort(self.taken, (near, far, span))

    def reach(self, span: Span) -> float:
        """How far what lies wholly within the span reaches."""
        return max((far for _, far, (top, end) in self.taken if span[0] <= top and end <= span[1]), default=0.0)
