"""What figures share: their frame, their axes, labels that keep out of each other's way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ressearch.report.markup import Child, Markup, element
from ressearch.report.palette import INK, QUIET, RULE
from ressearch.report.scale import Scale

CHARACTER = 6.4
"""Width in pixels, about, of a letter of a label."""
LINE = 13.0


@dataclass(frozen=True)
class Frame:
    """The size of a figure and the margins around its field, in pixels."""

    width: int
    height: int
    left: int = 50
    right: int = 12
    top: int = 12
    bottom: int = 42

    @property
    def across(self) -> tuple[float, float]:
        """Where the horizontal axis begins and ends."""
        return self.left, self.width - self.right

    @property
    def up(self) -> tuple[float, float]:
        """Where the vertical axis begins, at the bottom, and ends."""
        return self.height - self.bottom, self.top


@dataclass(frozen=True)
class Axis:
    """A scale, what it measures, and how its values are written."""

    scale: Scale
    title: str
    told: Callable[[float], str]
    apart: float = 46


def figure(frame: Frame, title: str, *children: Child, role: str = "img", class_: str | None = None) -> Markup:
    """An SVG element that is as wide as there is room for, at most a little more than its own size."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {frame.width} {frame.height}",
        role=role,
        aria_label=title,
        class_=class_,
        style=f"max-width:{round(frame.width * 1.15)}px",
    )


def axes(frame: Frame, x: Axis, y: Axis) -> Markup:
    """Rules, values and titles of both axes."""
    bottom, top = frame.up
    left, right = frame.across
    down = [_tick(x.scale.at(v), bottom + 16, x.told(v), "middle") for v in x.scale.ticks(x.apart)]
    along = [_tick(left - 7, y.scale.at(v) + 4, y.told(v), "end") for v in y.scale.ticks(y.apart)]
    vertical = [_rule(x.scale.at(v), top, x.scale.at(v), bottom) for v in x.scale.ticks(x.apart)]
    level = [_rule(left, y.scale.at(v), right, y.scale.at(v)) for v in y.scale.ticks(y.apart)]
    middle = (bottom + top) / 2
    titles = [
        element("text", x.title, x=(left + right) / 2, y=frame.height - 6.0, text_anchor="middle", class_="title"),
        element(
            "text", y.title, text_anchor="middle", class_="title", transform=f"translate(11 {middle:g}) rotate(-90)"
        ),
    ]
    return element("g", *vertical, *level, *down, *along, *titles, aria_hidden="true", fill=QUIET)


def _rule(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=RULE)


def _tick(x: float, y: float, text: str, anchor: str) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def polyline(points: Sequence[tuple[float, float]], colour: str, dash: str | None = None, width: float = 2.0) -> Markup:
    """A line through points."""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", d=path, fill="none", stroke=colour, stroke_width=width, stroke_dasharray=dash)


def stairs(points: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Corners of the line that keeps its height until the next point, and after the last up to the end."""
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return [*corners, (end, corners[-1][1])] if corners else []


Box = tuple[float, float, float, float]


@dataclass
class Labels:
    """Places labels beside points of a frame so that none covers another."""

    frame: Frame
    taken: list[Box] = field(default_factory=list)

    def keep_free(self, x: float, y: float, r: float = 5.0) -> None:
        """No label may cover this place."""
        self.taken.append((x - r, y - r, x + r, y + r))

    def beside(self, x: float, y: float, text: str, colour: str = INK, class_: str | None = None) -> Markup | None:
        """The label where there is room for it; None where there is none."""
        wide, gap = CHARACTER * len(text), 12.0
        places = [(x + gap, y, "start"), (x - gap - wide, y, "end")]
        places += [(x - wide / 2, y + dy, "middle") for dy in (-15.0, 17.0)]
        places += [(x + gap - 2, y + dy, "start") for dy in (12.0, -12.0)]
        places += [(x - gap - wide + 2, y + dy, "end") for dy in (12.0, -12.0)]
        for left, middle, _ in places:
            box = (left, middle - LINE / 2, left + wide, middle + LINE / 2)
            if self._free(box):
                self.taken.append(box)
                return element("text", text, x=left, y=middle + 4, fill=colour, class_=class_ or "label")
        return None

    def _free(self, box: Box) -> bool:
        (left, right), (bottom, top) = self.frame.across, self.frame.up
        inside = left <= box[0] and box[2] <= right and top <= box[1] and box[3] <= bottom
        apart = (box[2] < o[0] or o[2] < box[0] or box[3] < o[1] or o[3] < box[1] for o in self.taken)
        return inside and all(apart)
