"""What is said on stderr beside the data: notes, which `--quiet` mutes, complaints, which it does not, and the log.

The log is what the rooms tell Python's `logging` of what they do; `--verbose` prints it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from click.core import ParameterSource

_HEARD = "ressearch.verbosity"
LOGGER = logging.getLogger("ressearch")
_DISPLAYS: list[Callable[[str], None]] = []
"""What is redrawn on the terminal at the moment, as something that prints above itself."""


def note(text: str) -> None:
    """A line for people who watch; with --quiet it is not said."""
    if not is_quiet():
        complain(text)


def complain(text: str) -> None:
    """What went wrong, or how to go on after it; said in any case."""
    if _DISPLAYS:
        _DISPLAYS[-1](text)
    else:
        click.echo(text, err=True)


@contextmanager
def said_by(display: Callable[[str], None]) -> Iterator[None]:
    """While something is redrawn on the terminal, let it print what is said, above itself."""
    _DISPLAYS.append(display)
    try:
        yield
    finally:
        _DISPLAYS.pop()


def is_quiet() -> bool:
    """Whether only data and complaints are wanted. Asked where the verb runs, not in a thread of its own."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_HEARD, (False, ""))[1] == "quiet"


def verbosity_options() -> list[click.Option]:
    """-q and -v, which stand before or after the verb."""
    options: list[tuple[str, str]] = [
        ("quiet", "Say nothing but data and errors."),
        ("verbose", "Say what is going on, with the time of day."),
    ]
    return [
        click.Option(
            [f"-{name[0]}", f"--{name}"],
            is_flag=True,
            expose_value=False,
            callback=_hear,
            envvar=f"RESSEARCH_{name.upper()}",
            help=told,
        )
        for name, told in options
    ]


def _hear(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    """Keep the one that was given; a flag goes before the environment."""
    if not given or parameter.name is None:
        return
    here = (context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE, parameter.name)
    before = context.meta.get(_HEARD, (False, parameter.name))
    if before[0] == here[0] and before[1] != here[1]:
        raise click.UsageError("--quiet and --verbose exclude each other")
    if here[0] >= before[0]:
        context.meta[_HEARD] = here
        _print_log(context, here[1] == "verbose")


class _Printer(logging.Handler):
    """Prints the log as complaints are printed."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


_PRINTER = _Printer()
_PRINTER.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))


def _print_log(context: click.Context, wanted: bool) -> None:
    """Print the log until the command ends, or no longer."""
    if not wanted:
        _mute()
    elif _PRINTER not in LOGGER.handlers:
        LOGGER.addHandler(_PRINTER)
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        context.find_root().call_on_close(_mute)


def _mute(*_: Any) -> None:
    LOGGER.removeHandler(_PRINTER)
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.propagate = True
