"""Colours and shapes: those of Okabe and Ito, which colour-blind readers tell apart; a shape says the same again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import cos, pi, sin

from ressearch.report.markup import Markup, element, number

INK, QUIET, RULE = "#1a1a1a", "#595959", "#e2e2e2"
FRONT, CALM, THIRD = "#D55E00", "#0072B2", "#007a58"
"""Vermilion and blue of the palette, and its green a little darker, for lines."""

Shape = Callable[[float], str]
"""Half its width -> the path around the origin."""


def _polygon(*angles: float, stretch: float = 1.0) -> Shape:
    """Corners at these angles, in degrees, clockwise from the right."""

    def path(r: float) -> str:
        corners = [(r * stretch * cos(a * pi / 180), r * stretch * sin(a * pi / 180)) for a in angles]
        return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in corners) + "Z"

    return path


def _circle(r: float) -> str:
    half = f"a{number(r)} {number(r)} 0 1 0"
    return f"M{number(-r)} 0{half} {number(2 * r)} 0{half} {number(-2 * r)} 0Z"


def _star(r: float) -> str:
    corners = [(at * pi / 5 - pi / 2, r * (1.5 if at % 2 == 0 else 0.62)) for at in range(10)]
    return "M" + "L".join(f"{number(far * cos(a))} {number(far * sin(a))}" for a, far in corners) + "Z"


def _cross(r: float) -> str:
    thin, far = r * 0.36, r * 1.05
    points = [(thin, 0), (far, far - thin), (far - thin, far), (0, thin)]
    turns = [(x, y) for x, y in points] + [(-y, x) for x, y in points] + [(-x, -y) for x, y in points]
    turns += [(y, -x) for x, y in points]
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in turns) + "Z"


KINDS: Mapping[str, tuple[str, Shape]] = {
    "basic": ("#0072B2", _circle),
    "bottleneck": ("#E69F00", _polygon(45, 135, 225, 315, stretch=1.25)),
    "residual": ("#56B4E9", _polygon(-90, 30, 150, stretch=1.35)),
    "dense": ("#009E73", _polygon(0, 90, 180, 270, stretch=1.35)),
    "nested": ("#CC79A7", _polygon(90, 210, 330, stretch=1.35)),
    "plain": ("#4d4d4d", _cross),
}
"""Kind of block -> its colour and shape."""


def mark(kind: str, r: float, **attributes: str) -> Markup:
    """The mark of a kind around the origin."""
    colour, shape = KINDS[kind]
    return element("path", d=shape(r), fill=colour, **attributes)


def star(r: float) -> Markup:
    """The mark of a baseline around the origin."""
    return element("path", d=_star(r), fill=INK, stroke="#fff", stroke_width="1")
