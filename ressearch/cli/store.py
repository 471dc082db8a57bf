"""`ressearch store`: looking after the results store itself."""

from __future__ import annotations

from pathlib import Path

import click

from ressearch.cli.options import opened_store, store_option
from ressearch.errors import StoreError


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
