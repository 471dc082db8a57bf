"""The command line's part about the results store itself: where it is, opening it, `ressearch store`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.errors import StoreError

if TYPE_CHECKING:
    from ressearch.store import Store

DEFAULT_STORE = Path("runs/ressearch.db")

store_option = click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_STORE,
    show_default=True,
    envvar="RESSEARCH_STORE",
    help="Results store, an SQLite file.",
)


def opened_store(path: Path) -> Store:
    """The store at a path; on stderr is said if it was migrated for that."""
    from ressearch.store import SCHEMA_VERSION, Store

    store = Store.open(path)
    if store.upgraded is not None:
        click.echo(
            f"{path} was of version {store.upgraded.version} and is now of version {SCHEMA_VERSION}; "
            f"as it was it is kept in {store.upgraded.backup}",
            err=True,
        )
    return store


def migrated_first(path: Path) -> None:
    """Migrate the store that a search is to go on with, if it is of an older version."""
    from ressearch.store import SCHEMA_VERSION, version_of

    if version_of(path) not in (None, SCHEMA_VERSION):
        opened_store(path).close()


@click.group("store")
def store_group() -> None:
    """Look after the results store itself."""


@store_group.command()
@store_option
def migrate(store: Path) -> None:
    """Bring a store of an older version to the present one; a copy of it is kept beside it.

    Every verb that opens a store does so, and says so. This one does nothing else.
    """
    from ressearch.store import version_of

    if version_of(store) is None and store.is_file():
        raise StoreError(f"{store} is empty", hint="`ressearch search FILE` makes a store of it")
    opened = opened_store(store)
    opened.close()
    if opened.upgraded is None:
        click.echo(f"{store} is of the present version", err=True)
