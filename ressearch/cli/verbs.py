"""What every verb has, whoever wrote it: -q and -v, its options in the environment, completion of names and ids."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.core import ParameterSource

from ressearch.cli.completion import complete_id, complete_study
from ressearch.cli.notes import verbosity_options

PREFIX = "RESSEARCH"
COMPLETERS = {"id": complete_id, "study": complete_study}
"""By the name of an argument or an option."""


def equip(command: click.Command, words: Sequence[str] = ()) -> None:
    """Give a command, and those below it, what all have. words: how it is called, from the first verb on."""
    _complete(command)
    options = [option for option in command.params if isinstance(option, click.Option) and not option.is_eager]
    for option in options:
        option.envvar = option.envvar or variable_of(option, words)
    if words and options:
        shown = next((option for option in options if option.envvar == variable_of(option, words)), options[0])
        command.epilog = (
            f"An option that is not given is looked for in the environment: for {_flag(shown)}, in {shown.envvar}, and "
            "so on."
        )
    command.params += verbosity_options()
    for name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        equip(inner, (*words, name))


def variable_of(option: click.Option, words: Sequence[str]) -> str:
    """The environment variable of an option: RESSEARCH_SEARCH_TRIALS for `search --trials`."""
    return "_".join((PREFIX, *words, _flag(option).lstrip("-"))).upper().replace("-", "_")


def _flag(option: click.Option) -> str:
    return max(option.opts, key=len)


def name_variable(error: click.ClickException) -> None:
    """Let an error that a wrong value raises tell that the value stands in the environment."""
    if not isinstance(error, click.BadParameter) or error.param is None or error.ctx is None:
        return
    if error.ctx.get_parameter_source(error.param.name or "") is ParameterSource.ENVIRONMENT:
        error.param_hint = f"{error.param.get_error_hint(error.ctx)} in {error.param.envvar}"


def _complete(command: click.Command) -> None:
    for parameter in command.params:
        if parameter.name in COMPLETERS and parameter._custom_shell_complete is None:
            parameter._custom_shell_complete = COMPLETERS[parameter.name]
