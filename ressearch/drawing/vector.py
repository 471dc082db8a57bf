"""`Architecture -> SVG`: one element that stands alone, or beside others in a page of HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot
from xml.sax.saxutils import escape

from ressearch.architecture import Architecture
from ressearch.cost import cost_of, layer_costs_of
from ressearch.drawing.geometry import Box, Layout, Line, Note, Panel, Point
from ressearch.drawing.layout import layout_of
from ressearch.drawing.looks import look_of, shape_words
from ressearch.drawing.measures import BADGE_HEIGHT, CORNER, FONT, NOTE_FONT, text_width
from ressearch.ops import describe

INK = "#1c2430"
FAINT = "#5b6675"
SKIP = "#c0392b"
PANEL, PANEL_EDGE, BADGE_FILL = "#7c83d6", "#a9aee3", "#ffffff"


def svg(architecture: Architecture, *, fold: bool = True) -> str:
    """The drawing of an architecture as one `<svg>` element, the same for architectures of one id.

    It has no ids and refers to nothing, so that many fit in one page. fold: draw one copy of what repeats.
    """
    page, costs = layout_of(architecture, fold=fold), layer_costs_of(architecture)
    parts = [
        _head(page),
        f"<title>{escape(_title(architecture))}</title>",
        f'<rect width="{page.width:g}" height="{page.height:g}" fill="#ffffff"/>',
        *_group(f'stroke="{PANEL_EDGE}" fill="{PANEL}" fill-opacity="0.11"', map(_panel, page.panels)),
        *_group(f'fill="none" stroke="{INK}" stroke-width="1.2"', _paths(page.lines, spine=True)),
        *_group(f'fill="none" stroke="{SKIP}" stroke-width="1.5"', _paths(page.lines, spine=False)),
        *_group('stroke-width="1"', (_box(architecture, box, costs) for box in page.boxes)),
        *_group(f'font-size="{NOTE_FONT:g}" text-anchor="start" fill="{FAINT}"', map(_note, page.notes)),
        *_group(f'font-weight="bold" stroke="{PANEL_EDGE}" fill="{BADGE_FILL}"', _badges(page.panels)),
        "</svg>",
    ]
    return "\n".join(parts)


def _head(page: Layout) -> str:
    size = f'width="{page.width:g}" height="{page.height:g}" viewBox="0 0 {page.width:g} {page.height:g}"'
    font = f"font-family=\"Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif\" font-size=\"{FONT:g}\""
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font} text-anchor="middle">'


def _title(architecture: Architecture) -> str:
    cost = cost_of(architecture)
    return (
        f"Architecture {architecture.id}: {len(architecture)} nodes, depth {cost.depth}, "
        f"{cost.params:,} parameters, {cost.macs:,} MACs"
    )


def _group(attributes: str, parts: Iterator[str]) -> list[str]:
    return [f"<g {attributes}>", *parts, "</g>"]


def _panel(panel: Panel) -> str:
    style = "" if panel.tinted else ' fill="none" stroke-dasharray="3 2"'
    place = f'x="{panel.x:g}" y="{panel.y:g}" width="{panel.width:g}" height="{panel.height:g}"'
    return f'<rect {place} rx="6"{style}/>'


def _note(note: Note) -> str:
    return f'<text x="{note.x:g}" y="{note.y + 3.5:g}">{escape(note.words)}</text>'


def _badges(panels: Sequence[Panel]) -> Iterator[str]:
    """At the lower right corner of each run, above that of a run around it that ends there too."""
    taken: set[tuple[float, float]] = set()
    for panel in panels:
        if panel.times > 1:
            words = f"×{panel.times}"
            width, x, y = text_width(words) + 8, panel.x + panel.width - 6, panel.y + panel.height
            while any(abs(x - left) < 60 and abs(y - middle) < BADGE_HEIGHT for left, middle in taken):
                y -= 1
            taken.add((x, y))
            place = f'x="{x:g}" y="{y - BADGE_HEIGHT / 2:g}" width="{width:g}" height="{BADGE_HEIGHT:g}"'
            yield f'<rect {place} rx="{BADGE_HEIGHT / 2:g}"/>'
            yield f'<text x="{x + width / 2:g}" y="{y + 4:g}" stroke="none" fill="{INK}">{words}</text>'


def _paths(lines: Sequence[Line], *, spine: bool) -> Iterator[str]:
    for line in lines:
        if (line.lane == 0) == spine:
            fade = f' stroke-opacity="{max(0.6, 1 - line.lane / 450):.2f}"' if line.lane > 20 else ""
            dashes = ' stroke-dasharray="4 3"' if line.dashed else ""
            yield f'<path d="{rounded(line.points)}"{fade}{dashes}/>'


def rounded(points: Sequence[Point]) -> str:
    """The path through points with rounded corners."""
    words = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        if radius > 0:
            enter, leave = _towards(corner, before, radius), _towards(corner, after, radius)
            words.append(f"L{enter[0]:g} {enter[1]:g}Q{corner[0]:g} {corner[1]:g} {leave[0]:g} {leave[1]:g}")
    words.append(f"L{points[-1][0]:g} {points[-1][1]:g}")
    return "".join(words)


def _distance(one: Point, other: Point) -> float:
    return hypot(one[0] - other[0], one[1] - other[1])


def _towards(start: Point, end: Point, length: float) -> Point:
    share = length / (_distance(start, end) or 1)
    return round(start[0] + (end[0] - start[0]) * share, 1), round(start[1] + (end[1] - start[1]) * share, 1)


def _box(architecture: Architecture, box: Box, costs: Sequence[tuple[int, int]]) -> str:
    op = architecture.nodes[box.nodes[0]].op
    colours = look_of(op).colours(op)
    style = f'fill="{colours.fill}" stroke="{colours.stroke}"'
    if box.round:
        shape = f'<circle cx="{box.x:g}" cy="{box.y:g}" r="{box.height / 2:g}" {style}/>'
    else:
        place = f'x="{box.x - box.width / 2:g}" y="{box.y - box.height / 2:g}"'
        shape = f'<rect {place} width="{box.width:g}" height="{box.height:g}" rx="4" {style}/>'
    words = f'<text x="{box.x:g}" y="{box.y + 4:g}" fill="{INK}">{escape(box.label)}</text>'
    return f"<g><title>{escape(_tooltip(architecture, box, costs))}</title>{shape}{words}</g>"


def _tooltip(architecture: Architecture, box: Box, costs: Sequence[tuple[int, int]]) -> str:
    """Op, output shape, MACs and parameters, of each node."""
    lines = [
        f"{describe(architecture.nodes[at].op)} → {shape_words(architecture.shapes[at])}"
        + (f", {costs[at][0]:,} MACs" if costs[at][0] else "")
        + (f", {costs[at][1]:,} parameters" if costs[at][1] else "")
        for at in box.nodes
    ]
    return "\n".join([*lines, *([f"{box.times} times"] if box.times > 1 else [])])
