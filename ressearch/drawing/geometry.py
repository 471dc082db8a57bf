"""What a layout is made of: everything in its place, in pixels from the upper left corner."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An item: `nodes` are positions in the architecture; x and y are those of its middle."""

    item: int
    nodes: tuple[int, ...]
    times: int
    label: str
    round: bool
    row: int
    column: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Panel:
    """A block or a run, or its part in one column; `depth` panels enclose it. times: written on it if it is not 1."""

    begin: int
    end: int
    times: int
    tinted: bool
    depth: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A part of the edge between two items; `lane`: how far from the spine it runs, 0 for the spine itself."""

    source: int
    target: int
    points: tuple[Point, ...]
    dashed: bool
    lane: float


@dataclass(frozen=True)
class Note:
    """A word beside the spine, where a map's resolution changes; x is that of its beginning."""

    item: int
    words: str
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """A drawing's geometry. Panels come before those that they enclose."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    panels: tuple[Panel, ...]
    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
