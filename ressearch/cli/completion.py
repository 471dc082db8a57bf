"""`ressearch completion`: what a shell needs to complete verbs, options, studies and ids at the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE = "_RESSEARCH_COMPLETE"
"""By which a shell asks the program itself; a program by any other name (`python -m ressearch`) answers too."""

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a script that lets a shell complete verbs, options, studies and ids.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script for SHELL, which then completes verbs, options, files, and studies and ids of the store.

    \b
    bash   eval "$(ressearch completion bash)"  in ~/.bashrc
    zsh    eval "$(ressearch completion zsh)"  in ~/.zshrc, after compinit
    fish   ressearch completion fish > ~/.config/fish/completions/ressearch.fish

    The store is the one of --store or RESSEARCH_STORE, or the usual one. One on PostgreSQL is not asked.
    """  # noqa: D301  # click wants the character itself
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "ressearch", VARIABLE).source())


def complete_study(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
    """Names of studies in the store, the last first."""
    from click.shell_completion import CompletionItem

    from ressearch.peek import study_names

    return [CompletionItem(name) for name in study_names(_store(context), begin)]


def complete_id(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
    """Ids of architectures in the store."""
    from click.shell_completion import CompletionItem

    from ressearch.peek import architecture_ids

    return [CompletionItem(id) for id in architecture_ids(_store(context), begin)]


def complete_id_or_file(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
    """Ids, or files where no id begins so."""
    from click.shell_completion import CompletionItem

    return complete_id(context, parameter, begin) or [CompletionItem(begin, type="file")]


def complete_code(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
    """Codes of errors."""
    from click.shell_completion import CompletionItem

    from ressearch.explanations import EXPLANATIONS

    return [CompletionItem(code) for code in EXPLANATIONS if code.startswith(begin.upper())]


def _store(context: click.Context) -> str | Path:
    from ressearch.place import DEFAULT_STORE

    found: str | Path | None = context.params.get("store")
    return found or DEFAULT_STORE
