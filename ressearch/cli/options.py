"""What the verbs share: options, how data is written, how the store is opened."""

from __future__ import annotations

import csv
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ressearch.cli.notes import LOGGER, note
from ressearch.errors import DataError, ExitStatus
from ressearch.place import DEFAULT_STORE, STORE_VARIABLE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console

    from ressearch.space import SearchSpace
    from ressearch.store import Store
    from ressearch.trial import Study


PLAIN_WIDTH = 110
UNBOUNDED = 100_000
"""Of tables whose lines the terminal is to break where they are too long: rich would cut their numbers."""
INTERRUPTED = ExitStatus.INTERRUPTED
FAILED_TRIALS = ExitStatus.FAILED_TRIALS


class StoreType(click.ParamType[str | Path]):
    """A path, or a URL as it was written. Neither is looked at yet: what is wrong with a URL is not to be repeated."""

    name = "path or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        """The path, or the text of the URL."""
        if isinstance(value, str) and "://" in value:
            return value
        path: Path = click.Path(dir_okay=False, path_type=Path).convert(value, param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """A file; what begins like a URL is nobody's to guess."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


class NumberType(click.ParamType[Any]):
    """A number as filters write it: 60M, 1.5G, 400k; a share may be 97% or 0.97."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """The number: whole, or in [0, 1] if it is a share."""
        from ressearch.store.filter import read_number

        number, unit = read_number(str(value)) or (None, "")
        if self.name == "share":
            if number is None or unit not in ("", "%") or not 0 <= number <= 1:
                self.fail(f"{str(value)!r} is not an accuracy: write 97% or 0.97", param, ctx)
            return float(number)
        if number is None or unit == "%" or number < 0:
            self.fail(f"{str(value)!r} is not a count: write 60000000, 60M, 400k or 1.5G", param, ctx)
        return int(number)


store_option = click.option(
    "--store",
    type=StoreType(),
    default=DEFAULT_STORE,
    show_default=True,
    envvar=STORE_VARIABLE,
    show_envvar=True,
    help="Results store: an SQLite file, or postgresql://USER@HOST/DATABASE.",
)

device_option = click.option(
    "--device", default="auto", show_default=True, help="auto (a GPU if there is one), cpu, cuda, or cuda:N."
)


def format_option(*formats: str) -> Callable[[Any], Any]:
    """`-f`, how data is written to stdout; the first format is the default."""
    return click.option("-f", "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True)


def checked_name(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """The name of a study is part of a lock file's name."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise click.BadParameter("letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return name


def store_flag(store: str | Path) -> tuple[list[str], str]:
    """What a command that is shown says of the store, and what it must not say: a URL with a password is not repeated.

    The second tells what to do beside the command, for the end of a sentence, or is empty.
    """
    from ressearch.store import database_of

    if database_of(store).secret:
        return [], ", with the store's URL in RESSEARCH_STORE"
    return ["--store", str(store)], ""


def opened_store(path: str | Path) -> Store:
    """The store at a path or URL, closed when the verb ends; on stderr is said if it was migrated for that."""
    from ressearch.store import SCHEMA_VERSION, Store

    store = Store.open(path)
    click.get_current_context().call_on_close(store.close)
    LOGGER.info("opened the store %s", store.name)
    if store.upgraded is not None:
        kept = store.upgraded.backup
        note(
            f"{store.name} was of version {store.upgraded.version} and is now of version {SCHEMA_VERSION}"
            + (f"; as it was it is kept in {kept}" if kept else "")
        )
    return store


def migrated_first(path: str | Path) -> None:
    """Migrate the store that a search is to go on with, if it is of an older version."""
    from ressearch.store import SCHEMA_VERSION, version_of

    if version_of(path) not in (None, SCHEMA_VERSION):
        opened_store(path).close()


def program() -> str:
    """How the reader can call this command: by its name where that is on the path, else as they did."""
    called = sys.argv[0]
    return called if Path(called).name == "ressearch" and not shutil.which("ressearch") else "ressearch"


def data_source(study: Study, other: str | None) -> str:
    """The data set that is meant: another one, if it is said, or the study's, if it still is what the study has seen.

    Raises DataError if it is not, or if the study has none.
    """
    from ressearch.data import load_search_data

    if other is not None:
        return other
    if not study.data_source:
        raise DataError(
            f"the study {study.name!r} brought its own training", hint="give --data to go by images of ours"
        )
    if load_search_data(study.data_source).checksum != study.data_checksum:
        message = f"{study.data_source} does not hold the images that the study {study.name!r} has seen"
        raise DataError(message, hint="give --data with the right ones, or with others on purpose")
    return study.data_source


def print_remarks(space: SearchSpace) -> None:
    """Warnings about a file that is valid."""
    for remark in space.remarks:
        note(f"{remark}\n")


def write_csv(records: list[dict[str, Any]], names: Sequence[str] = ()) -> None:
    """Records of the same keys, with a header; where there are none, of the names alone."""
    if records or names:
        writer = csv.DictWriter(sys.stdout, names or records[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def write_markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of Markdown; a | in a text would end its cell."""
    for line in (names, ["---"] * len(names), *rows):
        click.echo(f"| {' | '.join(word.replace('|', '&#124;') for word in line)} |")


def console(stream: TextIO) -> Console:
    """A console as wide as the terminal, or wide enough for every table where there is none."""
    from rich.console import Console

    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False)
