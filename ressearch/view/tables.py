"""What all that is shown has in common: tables, lines, numbers and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text


def plain_table(*columns: str, left: Sequence[str]) -> Table:
    """A table without rows; columns are to the right, but those in `left`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    return table


def whole_line(text: str) -> Text:
    """A line that is left whole where it does not fit, so that it can be searched for and piped."""
    return Text(text, no_wrap=True, overflow="ignore")


def percent(accuracy: float) -> str:
    """An accuracy in [0, 1] as a percentage."""
    return f"{100 * accuracy:.2f} %"


def cell(name: str, value: Any) -> str:
    """A value of a query for people; control characters of a text would disturb their terminal."""
    match value:
        case None:
            return ""
        case float():
            return percent(value) if name == "accuracy" else f"{value:.4g}"
        case int():
            return str(value) if name in ("seed", "trial") else f"{value:,}"
    return "".join(character if character.isprintable() else " " for character in value)


def moment(seconds: float) -> str:
    """A time as ISO 8601 has it, in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(seconds: float) -> str:
    """A duration: 1:02:05, or 0:41."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
