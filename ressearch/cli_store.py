"""The command line's part about the results store itself: where it is, opening it, `ressearch store`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.errors import StoreError

if TYPE_CHECKING:
    from ressearch.store import Store

DEFAULT_STORE = Path("runs/ressearch.db")


class StoreType(click.ParamType[str | Path]):
    """A path, or a URL as it was written. Neither is looked at yet: what is wrong with a URL is not to be repeated."""

    name = "path or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        """The path, or the text of the URL."""
        if isinstance(value, str) and "://" in value:
            return value
        path: Path = click.Path(dir_okay=False, path_type=Path).convert(value, param, ctx)
        return path


store_option = click.option(
    "--store",
    type=StoreType(),
    default=DEFAULT_STORE,
    show_default=True,
    envvar="RESSEARCH_STORE",
    help="Results store: an SQLite file, or postgresql://USER@HOST/DATABASE.",
)


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
    if store.upgraded is not None:
        click.echo(
            f"{store.name} was of version {store.upgraded.version} and is now of version {SCHEMA_VERSION}; "
            f"as it was it is kept in {store.upgraded.backup}",
            err=True,
        )
    return store


def migrated_first(path: str | Path) -> None:
    """Migrate the store that a search is to go on with, if it is of an older version."""
    from ressearch.store import SCHEMA_VERSION, version_of

    if version_of(path) not in (None, SCHEMA_VERSION):
        opened_store(path).close()


@click.group("store")
def store_group() -> None:
    """Look after the results store itself."""


@store_group.command()
@store_option
def migrate(store: str | Path) -> None:
    """Bring a store of an older version to the present one; a copy of it is kept beside it.

    Every verb that opens a store does so, and says so. This one does nothing else.
    """
    from ressearch.store import version_of

    if version_of(store) is None and Path(store).is_file():
        raise StoreError(f"{store} is empty", hint="`ressearch search FILE` makes a store of it")
    opened = opened_store(store)
    if opened.upgraded is None:
        click.echo(f"{opened.name} is of the present version", err=True)
