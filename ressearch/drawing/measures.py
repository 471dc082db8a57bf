"""Sizes in the drawing, in pixels, and how high each row and the gap below it are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ressearch.drawing.frames import Frame
from ressearch.drawing.rows import Wiring

BOX_HEIGHT = 17.0
CIRCLE = 15.0
FONT, NOTE_FONT = 11.0, 9.5
LANE = 11.0
BESIDE = 12.0
"""Between boxes of neighbouring lanes."""
LEAD, EDGE, FORK = 4.0, 4.0, 6.0
"""Room below a row and above the next, at a frame's edge, at a fork."""
LEAST_GAP = 7.0
CORNER = 5.0
"""Radius of a line's corners."""
PAD = 5.0
MARGIN = 10.0
LINK = 5.0
"""Between lines that go from one column to the next."""
GUTTER = 14.0
BADGE, BADGE_HEIGHT = 24.0, 15.0
"""Room for how often a run repeats, at the right of a column."""


def text_width(text: str, font: float = FONT) -> float:
    """An upper estimate for common sans-serif fonts of this size."""
    narrow = sum(letter in " .·/il1tfrj" for letter in text)
    return font * (0.62 * (len(text) - narrow) + 0.4 * narrow)


@dataclass(frozen=True)
class Gap:
    """What lies between a row and the next, as distances from the row's lower edge.

    closings: lower edges of frames, the innermost first. below: where a column may end. openings: upper edges of
    frames, the outermost first. forks: where skips leave the row's item, before the openings and behind each.
    """

    closings: tuple[tuple[Frame, float], ...]
    below: float
    openings: tuple[tuple[Frame, float], ...]
    forks: tuple[float, ...]
    height: float


def gaps_of(wiring: Wiring, frames: Sequence[Frame]) -> list[Gap]:
    """The gap below each row."""
    rows = wiring.rows
    closing: dict[int, list[Frame]] = {}
    opening: dict[int, list[Frame]] = {}
    for frame in frames:  # outer ones first
        opening.setdefault(rows[frame.begin], []).append(frame)
        closing.setdefault(rows[frame.end], []).insert(0, frame)
    forked: dict[int, set[int]] = {}
    for way in wiring.ways:
        row = rows[way.source]
        forked.setdefault(row, set()).add(zone(opening.get(row, []), way.target))
    return [_gap(closing.get(row, []), opening.get(row, []), forked.get(row, set())) for row in range(max(rows) + 1)]


def zone(openings: Sequence[Frame], target: int) -> int:
    """In how many of the frames that open below a row the target of a skip lies."""
    return sum(target <= frame.end for frame in openings)


def _gap(closing: Sequence[Frame], opening: Sequence[Frame], forked: set[int]) -> Gap:
    y = LEAD if closing or opening or forked else LEAST_GAP / 2
    closings, openings, forks = [], [], []
    for frame in closing:
        closings.append((frame, y))
        y += EDGE
    below = y
    for level in range(len(opening) + 1):
        if level:
            y += EDGE if closing or level > 1 or 0 in forked else 0
            openings.append((opening[level - 1], y))
        if level in forked:
            y += FORK
        forks.append(y)
    return Gap(tuple(closings), below, tuple(openings), tuple(forks), max(LEAST_GAP, y + LEAD))
