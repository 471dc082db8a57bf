"""The verb `report`: a page about a study."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import click

from ressearch.cli.options import NumberType, opened_store, store_option
from ressearch.whole import whole


@click.command()
@click.argument("study", required=False)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to; an earlier report there is replaced.  [default: the study's name with .html]",
)
@click.option("--force", is_flag=True, help="Replace FILE even if it is no report.")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option(
    "--max-macs", type=NumberType("count"), help="What the answer may cost, e.g. 60M.  [default: the search's]"
)
@click.option("--max-params", type=NumberType("count"), help="Parameters of the answer at most, e.g. 1M.")
@click.option("--min-accuracy", type=NumberType("share"), help="Least accuracy of the answer, e.g. 97%.")
@click.option("--no-gradients", is_flag=True, help="Leave out gradients before training: no torch, some seconds less.")
@store_option
def report(study: str | None, out: Path | None, opened: bool, force: bool, no_gradients: bool, **where: Any) -> None:
    """Write a page about STUDY: its front, its winners, what mattered, what failed, how to make it again.

    STUDY is the one begun last if none is named. The page is one HTML file that needs no network; its path is printed.
    """
    from ressearch.report import report as written
    from ressearch.store import Limits

    store = opened_store(where.pop("store"))
    name = store.study(study)[1].name
    limits = Limits(**where) if any(value is not None for value in where.values()) else None
    target = _target(name) if out is None else out
    if not force and not _is_ours(target):
        raise click.BadParameter(f"{target} exists and is no report; --force replaces it", param_hint="--out")
    text = written(store, name, limits, gradients=not no_gradients)
    _write(target, text)
    click.echo(str(target))
    if opened:
        webbrowser.open(target.resolve().as_uri())


def _target(name: str) -> Path:
    """In the working directory; what cannot be part of a file's name everywhere is a dash."""
    plain = "".join(one if one.isalnum() or one in "._-" else "-" for one in name).lstrip(".")
    return Path(f"{plain[:100] or 'report'}.html")


def _is_ours(target: Path) -> bool:
    """Whether there is nothing, or an earlier report."""
    try:
        with target.open("rb") as file:
            return _MARK in file.read(1_000)
    except OSError:
        return True  # nothing that could be lost; whether it can be written will be seen


_MARK = b'<meta name="generator" content="ressearch report">'


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{target} cannot be written: {error.strerror}", param_hint="--out") from error
