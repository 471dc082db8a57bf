"""The verb that sets networks beside each other: `compare`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.named import file_and_name, named_network
from ressearch.cli.options import UNBOUNDED, console, format_option, opened_store, store_option

if TYPE_CHECKING:
    from ressearch.architecture import Architecture
    from ressearch.comparing import Compared
    from ressearch.store import Store


@click.command()
@click.argument("words", metavar="A B [C]...", nargs=-1, required=True)
@format_option("table", "json", "md")
@store_option
def compare(words: tuple[str, ...], form: str, store: str | Path) -> None:
    """Print networks side by side: what they cost and measured, and how the first becomes each of the others.

    A network is the beginning of an id in the store, or FILE:NAME, a network that a search space names.

    Accuracies are of one recipe, data set and number of epochs a row, with mean, standard deviation and number of
    seeds. A network is called better where the 95 % interval of the difference of means (Welch) leaves out 0, which
    takes two seeds of each: `retrain` gives them. Of latencies the quartiles must not overlap.
    """
    if len(words) < 2:
        raise click.UsageError("give two networks or more")
    opened = _store_if_any(words, store)

    def store_of_ids() -> Store:
        assert opened is not None  # since not all words are of files
        return opened

    networks = [named_network(word, store_of_ids) for word in words]
    names = _names(words, networks)

    from ressearch.comparing import compared

    found = [compared(name, network, opened) for name, network in zip(names, networks, strict=True)]
    FORMATS[form](found)


def _store_if_any(words: Sequence[str], path: str | Path) -> Store | None:
    """The store; none is needed where all networks are of files."""
    from ressearch.store import version_of

    if all(file_and_name(word) for word in words) and version_of(path) is None:
        return None
    return opened_store(path)


def _names(words: Sequence[str], networks: Sequence[Architecture]) -> list[str]:
    """What the networks are called: by name or id, or, where that is the same of two, as they were given."""
    files = [file_and_name(word) for word in words]
    short = [of[1] or of[0].stem if of else net.id for of, net in zip(files, networks, strict=True)]
    names = [name if short.count(name) == 1 else word for name, word in zip(short, words, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.UsageError(f"{twice} is given twice")
    return names


def _table(networks: Sequence[Compared]) -> None:
    from rich import box
    from rich.table import Table

    from ressearch.comparing.page import Against, change_rows, decision_rows, fact_rows, verdict_line

    screen = console(sys.stdout)
    screen.width = UNBOUNDED

    def show(head: Sequence[str], rows: Sequence[Sequence[str]], right: bool = False) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(head))
        for at, name in enumerate(head):
            table.add_column(name, justify="right" if right and at else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        screen.print(table, crop=False)

    show(["", *(one.name for one in networks)], fact_rows(networks), right=True)
    for other in networks[1:]:
        against = Against.of(networks[0], other)
        click.echo(f"{against.first} and {against.name}")
        for verdict in against.verdicts:
            click.echo(f"  {verdict_line(verdict, against)}")
        click.echo("\nwiring: " + ("what becomes of the first" if against.changes else "the same network"))
        if against.changes:
            show(["", ""], change_rows(against.changes))
        if any(against.decisions.values()):
            show(["study", "decision", against.first, against.name], decision_rows(against.decisions))


def _markdown(networks: Sequence[Compared]) -> None:
    from ressearch.comparing.page import (
        Against,
        change_rows,
        decision_rows,
        fact_rows,
        markdown_table,
        verdict_line,
    )

    click.echo(markdown_table(["", *(one.name for one in networks)], fact_rows(networks)))
    for other in networks[1:]:
        against = Against.of(networks[0], other)
        click.echo(f"\n## {against.first} and {against.name}\n")
        for verdict in against.verdicts:
            click.echo(f"- {verdict_line(verdict, against)}")
        if against.changes:
            click.echo("\n" + markdown_table(["where", "what becomes of the first"], change_rows(against.changes)))
        if any(against.decisions.values()):
            head = ["study", "decision", against.first, against.name]
            click.echo("\n" + markdown_table(head, decision_rows(against.decisions)))


def _json(networks: Sequence[Compared]) -> None:
    from ressearch.comparing.page import against_record, record_of

    against = [against_record(networks[0], other) for other in networks[1:]]
    click.echo(json.dumps({"networks": [record_of(one) for one in networks], "against": against}, indent=2))


FORMATS: dict[str, Callable[[Sequence[Compared]], None]] = {"table": _table, "json": _json, "md": _markdown}
