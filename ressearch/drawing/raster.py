"""`Architecture -> PNG`, by way of its SVG."""

from __future__ import annotations

from functools import cache

from ressearch.architecture import Architecture
from ressearch.drawing.vector import svg
from ressearch.errors import DrawingError

PROBE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" font-family="sans-serif" font-size="16">{}</svg>'
)


def png(architecture: Architecture, *, fold: bool = True, scale: float = 2.0) -> bytes:
    """The drawing of an architecture as a PNG file's bytes; `scale`: pixels of it for one of the SVG.

    Raises DrawingError if the package that renders it is not installed, or finds no font to write with.
    """
    if not _writes():
        raise DrawingError(
            "there is no font to write a PNG's labels with",
            hint="install one, e.g. the package fonts-dejavu-core or fonts-liberation; an SVG needs none",
        )
    return _rendered(svg(architecture, fold=fold), scale)


@cache
def _writes() -> bool:
    """Whether text is rendered: without any font it is left out, and nothing is said."""
    return _rendered(PROBE.format('<text x="2" y="16">M</text>'), 1.0) != _rendered(PROBE.format(""), 1.0)


def _rendered(drawing: str, scale: float) -> bytes:
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise DrawingError(
            "a PNG needs resvg-py", hint="pip install 'ressearch[png]'; an SVG needs no package"
        ) from error
    return bytes(svg_to_bytes(svg_string=drawing, zoom=scale))
