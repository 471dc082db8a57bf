r"""Drawings of architectures: `svg` for pages and papers, `text` for terminals, `png` for what reads neither.

    Architecture -> items -> fold -> rows and ways -> plan -> page (a `Layout`) -> svg -> png
                                                  \-> text

Everything but `png` is pure Python on the graph alone.
"""

from ressearch.drawing.layout import layout_of
from ressearch.drawing.raster import png
from ressearch.drawing.vector import svg
from ressearch.drawing.written import text

__all__ = ["layout_of", "png", "svg", "text"]
