"""The verb `draw`: an architecture as a picture."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.completion import complete_id_or_file
from ressearch.cli.options import opened_store, store_option
from ressearch.cli.spaces import networks_of
from ressearch.errors import DrawingError

if TYPE_CHECKING:
    from ressearch.architecture import Architecture

Form = Callable[..., "str | bytes"]

STDOUT = "-"
NETWORKS_LISTED = 20

file_type = click.Path(dir_okay=False, allow_dash=True)


@click.command()
@click.argument("what", metavar="ID|FILE[:NAME]", shell_complete=complete_id_or_file)
@click.option("--svg", "svg_file", type=file_type, metavar="OUT", help="Write an SVG file; - is stdout.")
@click.option("--png", "png_file", type=file_type, metavar="OUT", help="Write a PNG file; needs ressearch[png].")
@click.option("--whole", is_flag=True, help="Draw every copy of what repeats.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@store_option
def draw(what: str, svg_file: str | None, png_file: str | None, whole: bool, force: bool, store: str | Path) -> None:
    """Draw an architecture: its operations from top to bottom, its skips beside them.

    ID is the beginning of an id in the store; FILE is a search space, of whose named networks NAME chooses one, and
    must if there are several. Of blocks that repeat one is drawn, with their number; --whole draws all. With neither
    --svg nor --png the drawing goes to stdout: as text if that is a terminal, else as SVG.
    """
    from ressearch.drawing import png, svg, text

    forms: list[tuple[str | None, Form]] = [(svg_file, svg), (png_file, png)]
    outputs = [(file, form) for file, form in forms if file is not None]
    for file, _ in outputs:
        _may_write(file, force)
    architecture = _chosen(what, store)
    if not outputs:
        click.echo((text if sys.stdout.isatty() else svg)(architecture, fold=not whole))
    drawn = [(file, _bytes(form(architecture, fold=not whole))) for file, form in outputs]
    for file, data in drawn:
        _write(file, data)


def _bytes(drawn: str | bytes) -> bytes:
    return f"{drawn}\n".encode() if isinstance(drawn, str) else drawn


def _chosen(what: str, store: str | Path) -> Architecture:
    """The architecture that is meant. Raises BadParameter if a file names several and none is said, or not the said."""
    parts = re.fullmatch(r"(.*\.ya?ml)(?::(.*))?", what)
    if parts is None:
        return opened_store(store).architecture(what)[0]
    file, name = parts[1], parts[2]
    networks = networks_of(Path(file))
    if name is None and len(networks) == 1:
        (name,) = networks
    if name not in networks:
        said = "names several networks" if name is None else f"names no network {name!r}"
        listed = ", ".join([*networks][:NETWORKS_LISTED] + ["..."] * (len(networks) > NETWORKS_LISTED))
        raise click.BadParameter(f"{file} {said}; write {file}:NAME, one of {listed}", param_hint="WHAT")
    return networks[name].architecture


# Writing


def _may_write(file: str, force: bool) -> None:
    if file != STDOUT and not force and Path(file).exists():
        raise DrawingError(f"{file} is there already", hint="--force writes over it")


def _write(file: str, data: bytes) -> None:
    """All of it or nothing: what is half written has another name."""
    if file == STDOUT:
        click.echo(data, nl=False)
        return
    target = Path(file)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
        try:
            with os.fdopen(handle, "wb") as half:
                half.write(data)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise DrawingError(f"cannot write {file}: {error.strerror}") from error


def _umask() -> int:
    """The process's own, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
