"""The verb `draw`: an architecture as a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from ressearch.cli.completion import complete_id_or_file
from ressearch.cli.named import named_network
from ressearch.cli.options import opened_store, store_option
from ressearch.errors import DrawingError
from ressearch.whole import whole

Form = Callable[..., "str | bytes"]

STDOUT = "-"

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
    architecture = named_network(what, lambda: opened_store(store))
    if not outputs:
        click.echo((text if sys.stdout.isatty() else svg)(architecture, fold=not whole))
    drawn = [(file, _bytes(form(architecture, fold=not whole))) for file, form in outputs]
    for file, data in drawn:
        _write(file, data)


def _bytes(drawn: str | bytes) -> bytes:
    return f"{drawn}\n".encode() if isinstance(drawn, str) else drawn


# Writing


def _may_write(file: str, force: bool) -> None:
    if file != STDOUT and not force and Path(file).exists():
        raise DrawingError(f"{file} is there already", hint="--force writes over it")


def _write(file: str, data: bytes) -> None:
    if file == STDOUT:
        click.echo(data, nl=False)
        return
    try:
        with whole(Path(file)) as unfinished:
            unfinished.write_bytes(data)
    except OSError as error:
        raise DrawingError(f"cannot write {file}: {error.strerror}") from error
