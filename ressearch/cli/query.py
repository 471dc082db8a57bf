"""The verb that asks the store for what fits a filter: `query`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.notes import note
from ressearch.cli.options import (
    UNBOUNDED,
    console,
    format_option,
    opened_store,
    store_option,
    write_csv,
    write_markdown,
)

if TYPE_CHECKING:
    from ressearch.store import Store

Records = list[dict[str, Any]]


def _print_names(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from ressearch.store.filter import FACTS

        for name, fact in FACTS.items():
            click.echo(f"{name:17}{fact.meaning}")
        context.exit()


def _print_tables(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from ressearch.store.sql import tables

        for table, columns in tables():
            click.echo(table)
            for name, told in columns:
                click.echo(f"  {name:18}{told}")
        context.exit()


@click.command()
@click.argument("filter", required=False, default="")
@click.option("--study", metavar="NAME", help="Ask one study; by default all in the store.")
@click.option("--columns", metavar="A,B,C", help="What to show, by name.")
@click.option("--sort", metavar="[-]NAME", help="After a -, greatest first.  [default: -accuracy]")
@click.option("--limit", type=click.IntRange(1), help="Rows at most.  [default: all; 100,000 of --sql]")
@click.option("--sql", metavar="SELECT", help="Ask in the database's SQL, for which the store is opened for reading.")
@click.option("--time-limit", type=click.IntRange(1), help="Seconds that --sql may take.  [default: 30]")
@click.option("--names", is_flag=True, is_eager=True, expose_value=False, callback=_print_names, help="List the names.")
@click.option(
    *("--tables", "tables"),
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_tables,
    help="List the tables and columns for --sql.",
)
@format_option("table", "json", "jsonl", "csv", "md")
@store_option
def query(
    filter: str, limit: int | None, sql: str | None, time_limit: int | None, form: str, store: str | Path, **words: Any
) -> None:
    """Print the finished trials that fit FILTER; all of them if there is none.

    FILTER holds comparisons, NAME OPERATOR VALUE, joined by and, or, not and parentheses:

    \b
        ressearch query "macs < 60M and nesting >= 2 and kind = dense and accuracy >= 97%"
        ressearch query "kind.dense >= 2 or not (baseline = none)" --sort flops
        ressearch query "device != 'NVIDIA H100' and loss != none" --columns id,loss,seconds

    Operators are = != < <= > >=. Numbers may end in k, M or G, an accuracy in %. A text with spaces is quoted; none is
    what is not known. --names lists the names.

    What filters cannot ask, --sql can: one SELECT, which reads and cannot write. --tables lists what there is to read.

    \b
        ressearch query --sql "SELECT device, avg(seconds) FROM measurements GROUP BY device"
    """  # noqa: D301  # click wants the character itself
    if sql is None and time_limit is not None:
        raise click.UsageError("--time-limit is for --sql alone")
    if sql is None:
        _by_filter(opened_store(store), form, filter=filter, limit=limit, **words)
        return
    given = ["FILTER"] * bool(filter) + [f"--{name}" for name, value in words.items() if value is not None]
    if given:
        raise click.UsageError(f"--sql says it all: leave out {', '.join(given)}")
    _by_sql(opened_store(store), form, sql, limit, time_limit)


def _by_filter(store: Store, form: str, columns: str | None, sort: str | None, **asked: Any) -> None:
    from ressearch.store.query import DEFAULT_COLUMNS, DEFAULT_SORT

    names = list(DEFAULT_COLUMNS) if columns is None else list(dict.fromkeys(map(str.strip, columns.split(","))))
    found = store.query(columns=names, sort=DEFAULT_SORT if sort is None else sort, **asked)
    QUERY_FORMATS[form](found, names)
    if form == "table":
        note(f"{len(found)} trial(s)")


def _by_sql(store: Store, form: str, statement: str, limit: int | None, seconds: int | None) -> None:
    from ressearch.store.sql import MOST_ROWS, SECONDS

    found = store.sql(statement, limit=limit or MOST_ROWS, seconds=seconds or SECONDS)
    QUERY_FORMATS[form](found.records, found.columns)
    if found.more and limit is None:
        note(f"these are the first {MOST_ROWS:,} rows; --limit grants more")
    elif form == "table":
        note(f"{len(found.rows)} row(s)")


def _table(records: Records, names: Sequence[str]) -> None:
    from ressearch.view import query_table

    screen = console(sys.stdout)
    screen.width = UNBOUNDED
    screen.print(query_table(records, names), crop=False)


def _json(records: Records, names: Sequence[str]) -> None:
    click.echo(json.dumps(records, indent=2))


def _jsonl(records: Records, names: Sequence[str]) -> None:
    for record in records:
        click.echo(json.dumps(record))


def _md(records: Records, names: Sequence[str]) -> None:
    from ressearch.view import cell

    write_markdown(names, [[cell(name, record[name]) for name in names] for record in records])


QUERY_FORMATS: dict[str, Callable[[Records, Sequence[str]], None]] = {
    "table": _table,
    "json": _json,
    "jsonl": _jsonl,
    "csv": write_csv,
    "md": _md,
}
