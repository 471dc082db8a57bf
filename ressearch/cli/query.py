"""The verb that asks the store for what fits a filter: `query`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ressearch.cli.options import console, format_option, opened_store, store_option, write_csv

UNBOUNDED = 100_000

Records = list[dict[str, Any]]


def _print_names(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from ressearch.store.filter import FACTS

        for name, fact in FACTS.items():
            click.echo(f"{name:17}{fact.meaning}")
        context.exit()


@click.command()
@click.argument("filter", required=False, default="")
@click.option("--study", metavar="NAME", help="Ask one study; by default all in the store.")
@click.option("--columns", metavar="A,B,C", help="What to show, by name.")
@click.option("--sort", metavar="[-]NAME", default="-accuracy", show_default=True, help="After a -, greatest first.")
@click.option("--limit", type=click.IntRange(1), help="Rows at most.")
@click.option("--names", is_flag=True, is_eager=True, expose_value=False, callback=_print_names, help="List the names.")
@format_option("table", "json", "jsonl", "csv", "md")
@store_option
def query(
    filter: str, study: str | None, columns: str | None, sort: str, limit: int | None, form: str, store: str | Path
) -> None:
    """Print the finished trials that fit FILTER; all of them if there is none.

    FILTER holds comparisons, NAME OPERATOR VALUE, joined by and, or, not and parentheses:

    \b
        ressearch query "macs < 60M and nesting >= 2 and kind = dense and accuracy >= 97%"
        ressearch query "kind.dense >= 2 or not (baseline = none)" --sort flops
        ressearch query "device != 'NVIDIA H100' and loss != none" --columns id,loss,seconds

    Operators are = != < <= > >=. Numbers may end in k, M or G, an accuracy in %. A text with spaces is quoted; none is
    what is not known. --names lists the names.
    """  # noqa: D301  # click wants the character itself
    from ressearch.store.query import DEFAULT_COLUMNS

    names = list(DEFAULT_COLUMNS) if columns is None else list(dict.fromkeys(map(str.strip, columns.split(","))))
    found = opened_store(store).query(filter, study=study, columns=names, sort=sort, limit=limit)
    QUERY_FORMATS[form](found, names)


def _table(records: Records, names: Sequence[str]) -> None:
    from ressearch.view import query_table

    screen = console(sys.stdout)
    screen.width = UNBOUNDED  # a line too long for the terminal is broken there; else its numbers would be cut
    screen.print(query_table(records, names), crop=False)
    click.echo(f"{len(records)} trial(s)", err=True)


def _json(records: Records, names: Sequence[str]) -> None:
    click.echo(json.dumps(records, indent=2))


def _jsonl(records: Records, names: Sequence[str]) -> None:
    for record in records:
        click.echo(json.dumps(record))


def _md(records: Records, names: Sequence[str]) -> None:
    """A table of Markdown; a | in a text would end its cell."""
    from ressearch.view import cell

    lines = [names, ["---"] * len(names), *([cell(name, record[name]) for name in names] for record in records)]
    for line in lines:
        click.echo(f"| {' | '.join(word.replace('|', '&#124;') for word in line)} |")


QUERY_FORMATS: dict[str, Callable[[Records, Sequence[str]], None]] = {
    "table": _table,
    "json": _json,
    "jsonl": _jsonl,
    "csv": write_csv,
    "md": _md,
}
