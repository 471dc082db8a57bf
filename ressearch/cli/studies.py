"""The verbs that look at studies from another terminal: `status` and `runs`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
    from ressearch.store import Overview, Status, Store

LOOK_SECONDS = 1.0
SHARE = 4
"""A look at a large study takes long; so many times as long nothing is asked of the store then."""


@click.command()
@click.argument("study", required=False)
@click.option("--watch", is_flag=True, help="Go on looking until the study ends.")
@format_option("table", "json")
@store_option
def status(study: str | None, watch: bool, form: str, store: str | Path) -> None:
    """Print how STUDY goes: what has ended, what runs where, how fast, and whether anybody drives it.

    STUDY is the one begun last if none is named. All is read from the store, so that any terminal may ask, on any
    machine that the store is open to. Of workers is told what they did between the end of a trial and the end of their
    next: the share of that time in training, and how long until the first batch, the median; of nodes how many trials
    run there and ended there, and the most memory of a measurement. With --watch a terminal is redrawn every second;
    elsewhere a line is printed whenever something has changed, with -f json one object a line. Ctrl-C ends it, and
    leaves the search alone.
    """
    opened = opened_store(store)
    study_id = opened.study(study)[0]
    if not watch:
        FORMATS[form](opened.status(study_id))
    elif form == "table" and sys.stdout.isatty():
        _redraw(_looks(opened, study_id))
    else:
        _print_changes(_looks(opened, study_id), LINES[form])


def _looks(store: Store, study_id: int) -> Iterator[Status]:
    """How a study goes, again and again until nobody drives it."""
    from ressearch.store import StudyState

    while True:
        began = time.monotonic()
        found = store.status(study_id)
        yield found
        if found.overview.state is not StudyState.RUNNING:
            return
        time.sleep(max(LOOK_SECONDS, SHARE * (time.monotonic() - began)))


def _redraw(looks: Iterable[Status]) -> None:
    from rich.live import Live
    from rich.text import Text

    from ressearch.view import status_lines

    with Live(console=console(sys.stdout), auto_refresh=False) as live:
        for look in looks:
            live.update(Text("\n".join(status_lines(look))), refresh=True)


def _print_changes(looks: Iterable[Status], line: Callable[[Status], str]) -> None:
    from ressearch.view import status_line

    said = ""
    for look in looks:
        if status_line(look) != said:
            said = status_line(look)
            click.echo(line(look))


def _json_line(found: Status) -> str:
    from ressearch.view import record_of_status

    return json.dumps(record_of_status(found))


def _line(found: Status) -> str:
    from ressearch.view import status_line

    return status_line(found)


LINES: dict[str, Callable[[Status], str]] = {"table": _line, "json": _json_line}


def _status_table(found: Status) -> None:
    from ressearch.view import status_lines

    click.echo("\n".join(status_lines(found)))


def _status_json(found: Status) -> None:
    from ressearch.view import record_of_status

    click.echo(json.dumps(record_of_status(found), indent=2))


FORMATS: dict[str, Callable[[Status], None]] = {"table": _status_table, "json": _status_json}


@click.command()
@format_option("table", "json", "csv", "md")
@store_option
def runs(form: str, store: str | Path) -> None:
    """Print the studies in the store, the last begun first.

    Trials are those that have ended, of as many as were asked for last; the front is that of accuracy and MACs. A
    study is running while a process drives it, interrupted while trials are open that nobody trains, and else finished.
    """
    overviews = opened_store(store).overviews()
    RUN_FORMATS[form](overviews)
    if not overviews:
        note("the store holds no study yet")


def _runs_table(overviews: Sequence[Overview]) -> None:
    from ressearch.view import runs_table

    screen = console(sys.stdout)
    screen.width = UNBOUNDED
    screen.print(runs_table(overviews), crop=False)


def _runs_json(overviews: Sequence[Overview]) -> None:
    from ressearch.view import record_of_run

    click.echo(json.dumps([record_of_run(one) for one in overviews], indent=2))


def _runs_csv(overviews: Sequence[Overview]) -> None:
    from ressearch.view import RUN_COLUMNS, record_of_run

    write_csv([record_of_run(one) for one in overviews], RUN_COLUMNS)


def _runs_md(overviews: Sequence[Overview]) -> None:
    from ressearch.view import RUN_COLUMNS, run_cells

    write_markdown(RUN_COLUMNS, [run_cells(one) for one in overviews])


RUN_FORMATS: dict[str, Callable[[Sequence[Overview]], None]] = {
    "table": _runs_table,
    "json": _runs_json,
    "csv": _runs_csv,
    "md": _runs_md,
}
