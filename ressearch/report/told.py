"""Numbers as people read them, tables, and figures with what is said below them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ressearch.report.markup import Child, Markup, element

Cell = str | int | float | None

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount(value: float) -> str:
    """Three digits and a unit: 40.6M."""
    for size, unit in _UNITS:
        if abs(value) >= 0.9995 * size:
            return f"{_three(value / size)}{unit}"
    return _three(value)


def _three(value: float) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rough(share: float) -> str:
    """A share as a percentage with as few decimals as it has; for axes."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def signed(value: float | None) -> str:
    """A coefficient with its sign."""
    return "" if value is None else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """In the unit that fits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 trial`, `2 trials`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], caption: str) -> Markup:
    """A table whose cells are texts or markup; wider ones scroll in their own box."""
    titles = element("tr", *(element("th", name, scope="col") for name in head))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    inner = element("table", element("caption", caption), element("thead", titles), element("tbody", *body))
    return element("div", inner, class_="wide", tabindex="0", role="region", aria_label=caption)


def csv_text(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Lines with a header; numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([head, *rows])
    return out.getvalue()


def download(name: str, title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    """A link that holds its file."""
    link = f"data:text/csv;charset=utf-8,{quote(csv_text(head, rows), safe=' ,.-_:/')}".replace(" ", "%20")
    return element("a", f"{title} as CSV", href=link, download=f"{name}.csv", class_="download")


def shown(picture: Child, reading: Child, *below: Child, beside: bool = False) -> Markup:
    """A figure with the sentence that helps to read it, and more below; beside the picture where there is room."""
    caption = element("figcaption", element("p", reading), *below)
    return element("figure", picture, caption, class_="captioned" if beside else None)


def section(id: str, title: str, *children: Child) -> Markup:
    """A part of the page under its heading."""
    return element("section", element("h2", title, id=f"{id}-title"), *children, id=id, aria_labelledby=f"{id}-title")


def paragraph(*children: Child, **attributes: Any) -> Markup:
    """A paragraph."""
    return element("p", *children, **attributes)


def details(title: Child, *children: Child) -> Markup:
    """Something to unfold."""
    return element("details", element("summary", title), *children)


def pairs(known: Sequence[tuple[str, Child]]) -> Markup:
    """Names and what they are."""
    return element("dl", *((element("dt", name), element("dd", value)) for name, value in known))
