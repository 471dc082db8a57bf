"""`Architecture -> Layout`: where everything is. Pure geometry; what it looks like is written elsewhere."""

from __future__ import annotations

from math import log

from ressearch.architecture import Architecture
from ressearch.drawing.fold import folded
from ressearch.drawing.geometry import Layout
from ressearch.drawing.items import graph_of
from ressearch.drawing.page import Page
from ressearch.drawing.plan import ASPECT, Plan


def layout_of(architecture: Architecture, *, fold: bool = True, columns: int | None = None) -> Layout:
    """The layout of an architecture, in so many columns, or in as many as make the page about 16:10."""
    graph = graph_of(architecture)
    if fold:
        graph = folded(graph, architecture)
    plan = Plan(graph, architecture)
    if columns is not None:
        return Page(plan, columns).layout()
    pages = [Page(plan, number) for number in plan.guesses()]
    return min(pages, key=lambda page: abs(log(page.width / page.height / ASPECT))).layout()
