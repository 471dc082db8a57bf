"""The options of `search`, many of which `resume` has too: there, who does not give one leaves it as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from ressearch.cli.completion import complete_study
from ressearch.cli.options import NumberType, checked_name
from ressearch.trial import OBJECTIVES, PROPOSERS


@dataclass(frozen=True)
class Option:
    """A setting of a search as the command line has it. usual: what is said of its default, or nothing."""

    flags: tuple[str, ...]
    help: str
    usual: str = ""
    more: dict[str, Any] = field(default_factory=dict)


OPTIONS = {
    "source": Option(
        ("--data", "source"), "Data set by name (digits), an .npz file, or a directory: IDX, CIFAR, images."
    ),
    "trials": Option(("--trials",), "Trials of the study in total.", more={"type": click.IntRange(1)}),
    "workers": Option(("--workers",), "Trials that run at once.", "number of cores", {"type": click.IntRange(1)}),
    "seed": Option(
        ("--seed",), "Seed of the proposals and of every training.", more={"type": click.IntRange(0, 10**9)}
    ),
    "name": Option(
        ("--name",),
        "Name of the study; an existing one goes on.",
        "the file's name:",
        {"callback": checked_name, "shell_complete": complete_study},
    ),
    "evaluator": Option(
        ("--evaluator",), "Your own training; it brings its own data, see README.", more={"metavar": "MODULE:FUNCTION"}
    ),
    "time_limit": Option(
        ("--time-limit",), "Seconds that a trial may take, 0 for any.", "3600", {"type": click.IntRange(0, 10**7)}
    ),
    "device": Option(
        ("--device",), "What trains.", "auto, a GPU if there is one", {"type": click.Choice(["auto", "cpu", "cuda"])}
    ),
    "proposer": Option(("--proposer",), "Who proposes networks.", PROPOSERS[0], {"type": click.Choice(PROPOSERS)}),
    "objective": Option(("--objective",), "What for.", "pareto, the front", {"type": click.Choice(OBJECTIVES)}),
    "max_macs": Option(("--max-macs",), "The most MACs of a proposal, e.g. 150M.", more={"type": NumberType("count")}),
    "early_terminate": Option(
        ("--early-terminate/--no-early-terminate",),
        "Whether to go by early_terminate: in the file, or train every network for all epochs.",
        "as the file says",
        {"default": None},
    ),
    "address": Option(("--address",), "Ray cluster to search on: auto, HOST:PORT, or local for none.", "local"),
    "cpus_per_trial": Option(
        ("--cpus-per-trial",), "CPUs that a trial holds.", "1", {"type": click.FloatRange(0, min_open=True)}
    ),
    "gpus_per_trial": Option(
        ("--gpus-per-trial",),
        "GPUs that a trial holds, e.g. 0.25.",
        "as --device says",
        {"type": click.FloatRange(0)},
    ),
    "storage": Option(
        ("--storage",), "Where a cluster's nodes share checkpoints; else each keeps its own.",
        more={"metavar": "FOLDER|URL"},
    ),
}  # fmt: skip
"""By the name of the setting, in the order in which help tells of them."""

FIXED = ("seed", "name", "evaluator")
"""What a study cannot go on with another of."""


def search_options(verb: str, names: Sequence[str], *, usual: bool = True) -> Callable[[Any], Any]:
    """The options of these names for a verb; usual: whether help tells their defaults."""

    def decorate(command: Any) -> Any:
        for name in reversed(names):
            option = OPTIONS[name]
            told = f"{option.help}  [default: {option.usual}]" if option.usual and usual else option.help
            more = option.more | ({"envvar": [f"RESSEARCH_{verb}_ADDRESS", "RAY_ADDRESS"]} if name == "address" else {})
            command = click.option(*option.flags, help=told, **more)(command)
        return command

    return decorate
