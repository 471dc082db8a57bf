"""HTML and SVG as text in which nothing that a user typed can become markup.

`element` escapes every text that it is given, unless it is `Markup`: made by `element` itself, or by `svg` of drawings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

VOID = ("meta", "link", "br", "hr", "img", "input")
"""Elements of HTML that have no end."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | Iterable["Child"]


def element(name: str, *children: Child, **attributes: Any) -> Markup:
    """`<name attributes>children</name>`.

    An attribute loses one underscore at its end and has dashes for the others (`class_`, `aria_label`); it is left out
    where it is None or False and has no value where it is True. Numbers are written with at most two decimals.
    """
    told = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(children)}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Children one after the other, texts among them escaped."""
    return Markup("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    return escape(_visible(child)) if isinstance(child, str) else joined(child)


def _attribute(name: str, value: Any) -> str:
    if value is False:
        return ""
    told = "" if value is True else f'="{escape(_visible(number(value) if isinstance(value, float) else str(value)))}"'
    return f" {name.removesuffix('_').replace('_', '-') if name != 'viewBox' else name}{told}"


def _visible(text: str) -> str:
    """Control characters may not stand in HTML or XML, and half a surrogate pair cannot be written as UTF-8."""
    fine = (one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)
    return "".join(fine)


def number(value: float) -> str:
    """With at most two decimals: more than an eye can see of a place in a figure."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != 0 else "0"


def json_text(value: Any) -> Markup:
    """JSON that can stand in a script element: nothing in it ends that element."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
