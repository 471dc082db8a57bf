"""What a search is told, and where each setting comes from: a flag, the environment, the file, or what is usual.

One that is resumed goes by what its study was begun with before it goes by the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ressearch.place import DEFAULT_STORE
from ressearch.trial import OBJECTIVES, PROPOSERS

if TYPE_CHECKING:
    from ressearch.space import SearchSpace
    from ressearch.trial import Study

TIME_LIMIT = 3_600
AIMS = ("proposer", "objective", "max_macs")
PLACES = ("address", "cpus_per_trial", "gpus_per_trial", "storage")


class Source(StrEnum):
    """Where a setting comes from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    STUDY = "study"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """A value, and where it comes from."""

    value: Any
    source: Source

    @property
    def is_given(self) -> bool:
        """Whether the command line or the environment says it."""
        return self.source in (Source.FLAG, Source.ENVIRONMENT)

    @property
    def is_usual(self) -> bool:
        """Whether nothing says it, the study and the file included."""
        return self.source is Source.DEFAULT


Settings = Mapping[str, Setting]

_GIVEN = {ParameterSource.COMMANDLINE: Source.FLAG, ParameterSource.ENVIRONMENT: Source.ENVIRONMENT}


def given(context: click.Context, names: Mapping[str, Any]) -> dict[str, Setting]:
    """Of some options and their values, those that the command line or the environment gives."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return {name: Setting(names[name], _GIVEN[source]) for name, source in sources.items() if source in _GIVEN}


def settled(space: SearchSpace, told: Settings, begun: Settings | None = None) -> dict[str, Setting]:
    """Every setting of a search: what was given, else what the file says, else what is usual.

    begun: what a study was begun with that goes on; that goes before the file.

    `source` is the data set, which `evaluator` replaces: the one from the stronger source holds, in a file the
    evaluator. Raises UsageError for what does not go together.
    """
    usual = {name: Setting(value, Source.DEFAULT) for name, value in _usual().items()}
    settings = _trained(usual | _of_file(space) | dict(begun or {}) | dict(told), told)
    if told.get("early_terminate", Setting(False, Source.DEFAULT)).value and space.grammar.early_terminate is None:
        raise click.UsageError("--early-terminate needs early_terminate: in the file, which says how")
    settings = _placed(settings)
    _check_aim(space, settings)
    if not settings["source"].value and not settings["evaluator"].value:
        raise click.UsageError("no data set: give --data, or write task: {dataset: ...} in the file")
    return settings


def _usual() -> dict[str, Any]:
    usual = {"source": "", "evaluator": "", "trials": 24, "workers": os.cpu_count() or 1, "seed": 0}
    usual |= {"time_limit": TIME_LIMIT, "device": "auto", "proposer": PROPOSERS[0], "objective": OBJECTIVES[0]}
    usual |= {"address": "", "cpus_per_trial": 1.0, "gpus_per_trial": None, "storage": ""}
    return usual | {"max_macs": None, "early_terminate": False, "store": DEFAULT_STORE}


def _of_file(space: SearchSpace) -> dict[str, Setting]:
    grammar = space.grammar
    found = {"name": space.name, **grammar.search}
    found |= {"source": grammar.dataset} if grammar.dataset else {}
    found |= {"early_terminate": True} if grammar.early_terminate else {}
    return {name: Setting(value, Source.FILE) for name, value in found.items()}


def of_study(space: SearchSpace, study: Study, told: Settings) -> dict[str, Setting]:
    """What a study was begun with, as far as the store knows it; what belongs to the place only where that is alike."""
    search = dict(study.search or {})
    there, here = begun_on_cluster(study), (_of_file(space) | dict(told)).get("address")
    alike = there == (here is not None and here.value not in ("", "local"))
    known = ("trials", "time_limit", "device", "early_terminate", *AIMS, *(("workers",) if alike else ()))
    known += ("cpus_per_trial", "gpus_per_trial") if there and alike else ()
    values = {name: search[name] for name in known if name in search} | {"name": study.name, "seed": study.seed}
    values |= {"source": study.data_source, "evaluator": study.evaluator.partition("@")[0]}
    return {name: Setting(value, Source.STUDY) for name, value in values.items()}


def require_use_of_storage(settings: Settings) -> None:
    """Raise UsageError where a storage is given that nobody would use."""
    if settings["storage"].is_given and not settings["address"].value:
        raise click.UsageError("--storage is for the checkpoints of a cluster: give --address too")


def sayable(settings: Settings) -> Settings:
    """Those of which a command for people to read may be made: no storage whose URL holds a password."""
    from ressearch.search.stored import has_password

    return {name: one for name, one in settings.items() if name != "storage" or not has_password(str(one.value))}


def begun_on_cluster(study: Study) -> bool:
    """Whether a study's first search was on a Ray cluster: what its trials hold is kept of those alone."""
    return "cpus_per_trial" in (study.search or {})


def _trained(settings: dict[str, Setting], told: Settings) -> dict[str, Setting]:
    """Either a data set or an evaluator, of which the other is empty."""
    data, evaluator = settings["source"], settings["evaluator"]
    if data.is_given and evaluator.is_given and data.source == evaluator.source:
        raise click.UsageError("--data and --evaluator exclude each other: an evaluator brings its own data")
    order = list(Source)
    data_holds = bool(data.value) and order.index(data.source) < order.index(evaluator.source)
    weaker = "evaluator" if data_holds or not evaluator.value else "source"
    return settings | {weaker: Setting("", settings[weaker].source if not settings[weaker].value else Source.DEFAULT)}


def _placed(settings: dict[str, Setting]) -> dict[str, Setting]:
    """A search on a cluster has as many workers as it holds, if nobody says how many."""
    address, workers = settings["address"], settings["workers"]
    if address.value in ("", "local"):
        return settings | {"address": Setting("", address.source)}
    return settings | ({"workers": Setting(None, Source.DEFAULT)} if workers.is_usual else {})


def _check_aim(space: SearchSpace, settings: Settings) -> None:
    objective, limit = settings["objective"].value, space.grammar.limits.get("macs")
    if objective != OBJECTIVES[0] and settings["proposer"].value != PROPOSERS[0]:
        raise click.UsageError(
            f"the objective {objective} needs the proposer {PROPOSERS[0]}; others look for the front"
        )
    if objective == "budget" and settings["max_macs"].value is None and (limit is None or limit.high is None):
        raise click.UsageError("the objective budget needs --max-macs, or limits: {macs: {max: ...}} in the file")


def recipe_settings(space: SearchSpace) -> dict[str, Setting]:
    """How networks are trained: each key of `train:`, from the file where it stands there."""
    from ressearch.space.source import parse, plain

    written = plain(parse(space.text, space.name)).get("train") or {}
    values = {**asdict(space.grammar.recipe), **asdict(space.grammar.fidelity)}
    found = {name: Setting(value, Source.FILE if name in written else Source.DEFAULT) for name, value in values.items()}
    return found | {name: Setting("decided by each trial", Source.FILE) for name in space.grammar.parameters}
