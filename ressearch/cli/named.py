"""How a verb names a network: by the beginning of its id in the store, or by FILE:NAME, as a search space names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.spaces import networks_of

if TYPE_CHECKING:
    from ressearch.architecture import Architecture
    from ressearch.store import Store

LISTED = 20


def file_and_name(word: str) -> tuple[Path, str] | None:
    """The parts of FILE:NAME, or of FILE alone with no name; None of an id."""
    parts = re.fullmatch(r"(.*\.ya?ml)(?::(.*))?", word)
    return None if parts is None else (Path(parts[1]), parts[2] or "")


def named_network(word: str, store: Callable[[], Store]) -> Architecture:
    """The architecture that is meant; the store is opened for an id alone.

    Raises BadParameter if a file names several and none is said, or not the one that is said.
    """
    parts = file_and_name(word)
    return store().architecture(word)[0] if parts is None else network_of_file(*parts)


def network_of_file(file: Path, name: str) -> Architecture:
    """The network that a file names so, or its only one where no name is said. Raises as `chosen_name` does."""
    networks = networks_of(file)
    return networks[chosen_name(file, name, networks)].architecture


def chosen_name(file: Path, name: str, networks: Collection[str]) -> str:
    """The name that is said, or the only one that there is. Raises BadParameter if there is none such."""
    if not name and len(networks) == 1:
        (name,) = networks
    if name not in networks:
        said = f"names no network {name!r}" if name else "names several networks"
        listed = ", ".join([*networks][:LISTED] + ["..."] * (len(networks) > LISTED))
        raise click.BadParameter(f"{file} {said}; write {file}:NAME, one of {listed}")
    return name
