"""The keys of a search space file: located values to a `Grammar`, every mistake of the file in one answer."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from ressearch.errors import SpaceError
from ressearch.space.blocks import block, nothing, rules
from ressearch.space.build import too_deep
from ressearch.space.early_terminate import early_terminate, require_a_rung
from ressearch.space.grammar import Baseline, Grammar, Limit, Rule, Setting, Stage, Stages
from ressearch.space.parameters import parameters
from ressearch.space.reader import Parse, Reader, kind_of, number, positive, setting, string, truth, whole, word
from ressearch.space.rules import check
from ressearch.space.source import Mapping, Scalar, Value, parse, plain
from ressearch.trial import EVALUATOR_NAME, OBJECTIVES, PROPOSERS, Fidelity, Recipe

TOP = (
    "version", "name", "input", "stem", "vars", "stages", "head", "blocks", "baselines", "limits", "parameters",
    "task", "train", "early_terminate", "search",
)  # fmt: skip
_NO_INPUT: tuple[tuple[int, ...], int] = ((1, 1, 1), 2)
LIMITED = ("macs", "params", "activations", "depth")


def read_grammar(text: str, file: str) -> Grammar:
    """The grammar that a file describes. Raises SpaceError with every problem found."""
    reader = Reader()
    value = parse(text, file)
    try:
        grammar = reader.attempt(_grammar, value, "")
    except RecursionError:
        raise too_deep(value.place) from None
    if grammar is None or reader.problems:
        raise SpaceError(reader.problems)
    return grammar


@cache
def standard_rules() -> MappingProxyType[str, Rule]:
    """The blocks that every file may use, read from `standard.yaml` beside this module."""
    text = resources.files("ressearch.space").joinpath("standard.yaml").read_text(encoding="utf-8")
    reader = Reader()
    found = reader.attempt(rules, parse(text, "standard.yaml"), "blocks")
    if found is None or reader.problems:
        raise SpaceError(reader.problems)
    return MappingProxyType(found)


def _grammar(reader: Reader, value: Value, path: str) -> Grammar:
    top = reader.fields(value, path, TOP)
    reader.lacks(top, path, ["version", "name", "input", "stages"])
    reader.optional(top, "version", path, _version, None)
    variables = reader.optional(top, "vars", path, _vars, {})
    shape, classes = reader.optional(top, "input", path, _input, _NO_INPUT)
    grammar = Grammar(
        name=reader.optional(top, "name", path, _name, "unnamed"),
        input_shape=shape,
        classes=classes,
        stem=reader.optional(top, "stem", path, block, nothing(top)),
        stages=reader.optional(top, "stages", path, _stages, ()),
        head=reader.optional(top, "head", path, block, None),
        rules={**standard_rules(), **reader.optional(top, "blocks", path, rules, {})},
        place=top.place,
        vars=variables,
        var_places={name: value.place for name, value in reader.variables.items()},
        baselines=reader.optional(top, "baselines", path, _baselines, ()),
        limits=reader.optional(top, "limits", path, _limits, {}),
        parameters=reader.optional(top, "parameters", path, parameters, {}),
        dataset=reader.optional(top, "task", path, _task, None),
        recipe=Recipe(**_train(reader, top, Recipe)),
        fidelity=Fidelity(**_train(reader, top, Fidelity)),
        search=reader.optional(top, "search", path, _search, {}),
        early_terminate=reader.optional(top, "early_terminate", path, early_terminate, None),
    )
    require_a_rung(reader, top, grammar.early_terminate, grammar.fidelity.epochs)
    check(grammar, reader)
    return grammar


def _version(reader: Reader, value: Value, path: str) -> None:
    if plain(value) is True or plain(value) != 1:
        reader.report("E005", path, value.place, f"expected 1, the language version, got {kind_of(value)}")


def _name(reader: Reader, value: Value, path: str) -> str:
    name = string(reader, value, path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        reader.refuse("E005", path, value.place, f"expected letters, digits, '.', '_' and '-', got {name!r}")
    return name


def _input(reader: Reader, value: Value, path: str) -> tuple[tuple[int, ...], int]:
    entries = reader.fields(value, path, ["shape", "classes"], ["shape", "classes"]).entries
    shape = reader.sequence(entries["shape"], f"{path}.shape")
    sizes = [reader.attempt(whole(), item, f"{path}.shape.{i}") for i, item in enumerate(shape.items)]
    classes = reader.attempt(whole(2), entries["classes"], f"{path}.classes")
    if len(sizes) != 3:
        message = f"expected [channels, height, width], got {len(sizes)} numbers"
        reader.refuse("E005", f"{path}.shape", shape.place, message)
    return tuple(size or 1 for size in sizes), classes or 2


# Stages


def _stages(reader: Reader, value: Value, path: str) -> tuple[Stage, ...] | Stages:
    if isinstance(value, Mapping):
        return _stages_once(reader, value, path)
    found = []
    for i, item in enumerate(reader.sequence(value, path).items):
        stage = reader.attempt(_stage(default_stride=2 if i else 1), item, f"{path}.{i}")
        found.append(stage or Stage(1, nothing(item), 1))
    return tuple(found)


def _stage(default_stride: int) -> Parse[Stage]:
    def parse(reader: Reader, value: Value, path: str) -> Stage:
        stage = reader.fields(value, path, ["width", "stride", "depth", "block"], ["width", "block"])
        return Stage(
            width=reader.optional(stage, "width", path, setting(whole()), 1),
            block=reader.optional(stage, "block", path, block, nothing(stage)),
            stride=reader.optional(stage, "stride", path, whole(), default_stride),
            depth=reader.optional(stage, "depth", path, setting(whole()), 1),
        )

    return parse


def _stages_once(reader: Reader, value: Mapping, path: str) -> Stages:
    reader.fields(value, path, ["repeat", "width", "depth", "block"], ["repeat", "width", "block"])
    width_path = f"{path}.width"
    width = reader.fields(value.entries["width"], width_path, ["start", "factor"], ["start"])
    return Stages(
        count=reader.optional(value, "repeat", path, setting(whole()), 1),
        start=reader.optional(width, "start", width_path, setting(whole()), 1),
        factor=reader.optional(width, "factor", width_path, setting(positive), 2),
        block=reader.optional(value, "block", path, block, nothing(value)),
        depth=reader.optional(value, "depth", path, setting(whole()), 1),
    )


# Variables, baselines, limits, and the defaults of a study


def _vars(reader: Reader, value: Value, path: str) -> dict[str, Any]:
    mapping = reader.mapping(value, path)
    found = {}
    for name, item in mapping.entries.items():
        found[name] = reader.attempt(_variable, item, f"{path}.{name}")
        if found[name] is not None:
            reader.variables[name] = item
    return found


def _variable(reader: Reader, value: Value, path: str) -> Setting[Any]:
    if isinstance(value, Mapping) and "var" in value.entries:
        reader.refuse("E005", path, value.place, "a variable cannot stand for another variable")
    return setting(_any_literal)(reader, value, path)


def _any_literal(reader: Reader, value: Value, path: str) -> Any:
    if not isinstance(value, Scalar) or value.value is None:
        reader.refuse("E005", path, value.place, f"expected a word, a number or a choice, got {kind_of(value)}")
    return value.value


def _baselines(reader: Reader, value: Value, path: str) -> tuple[Baseline, ...]:
    found = []
    for name, item in reader.mapping(value, path).entries.items():
        wanted = reader.attempt(_wanted, item, f"{path}.{name}")
        found.append(Baseline(name, wanted or {}, item.place))
    return tuple(found)


def _wanted(reader: Reader, value: Value, path: str) -> dict[str, Any]:
    entries = reader.mapping(value, path).entries
    return {key: reader.attempt(_any_literal, entry, f"{path}.{key}") for key, entry in entries.items()}


def _limits(reader: Reader, value: Value, path: str) -> dict[str, Limit]:
    mapping = reader.fields(value, path, LIMITED)
    return {
        key: reader.attempt(_limit, item, f"{path}.{key}") or Limit(None, None)
        for key, item in mapping.entries.items()
        if key in LIMITED
    }


def _limit(reader: Reader, value: Value, path: str) -> Limit:
    if isinstance(value, Scalar):
        hint = f"write {{max: {value.value}}}"
        reader.refuse("E005", path, value.place, f"expected a mapping, got {kind_of(value)}", hint)
    bounds = reader.fields(value, path, ["min", "max"])
    low = reader.optional(bounds, "min", path, _quantity, None)
    high = reader.optional(bounds, "max", path, _quantity, None)
    if low is not None and high is not None and low > high:
        reader.refuse("E007", path, value.place, f"min {low} is above max {high}", f"write min: {high}, max: {low}")
    return Limit(low, high)


def _quantity(reader: Reader, value: Value, path: str) -> int | None:
    text = str(plain(value))
    found = quantity(text)
    if found is None:
        reader.refuse("E005", path, value.place, f"expected a number such as 150M (suffixes k, M, G), got {text!r}")
    return found


def quantity(text: str) -> int | None:
    """The number that a text such as 1.5M stands for; None if it is none."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kMG]?)", text)
    return round(float(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match[2]]) if match else None


def _task(reader: Reader, value: Value, path: str) -> str | None:
    task = reader.fields(value, path, ["dataset"], ["dataset"])
    return reader.optional(task, "dataset", path, string, "")


def _train(reader: Reader, top: Mapping, record: type[Any]) -> dict[str, Any]:
    """The fields of one record that `train:` sets; they are tried one by one, so that each message has its place."""
    train = reader.optional(top, "train", "", _train_keys, None)
    if train is None:
        return {}
    found: dict[str, Any] = {}
    for f in fields(record):
        value = reader.optional(train, f.name, "train", _literal_like(f.default), f.default)
        try:
            record(**found, **{f.name: value})
            found[f.name] = value
        except ValueError as error:
            reader.report("E005", f"train.{f.name}", train.entries[f.name].place, str(error))
    return found


def _literal_like(default: Any) -> Parse[Any]:
    """How a value is read that is of a default's type; whole numbers begin at 1, but at 0 where that is the default."""
    if type(default) is int:
        return whole(min(default, 1))
    return truth if type(default) is bool else number


def _train_keys(reader: Reader, value: Value, path: str) -> Mapping:
    return reader.fields(value, path, [f.name for record in (Recipe, Fidelity) for f in fields(record)])


def _evaluator(reader: Reader, value: Value, path: str) -> str:
    name = string(reader, value, path)
    if not re.fullmatch(EVALUATOR_NAME, name):
        reader.refuse("E005", path, value.place, f"expected package.module:function, got {name!r}")
    return name


def _search(reader: Reader, value: Value, path: str) -> dict[str, Any]:
    known: dict[str, Parse[Any]] = {"trials": whole(), "workers": whole(), "seed": whole(0)}
    known |= {
        "time_limit": whole(0),
        "evaluator": _evaluator,
        "max_macs": _quantity,
        "address": string,
        "storage": string,
    }
    known |= {"cpus_per_trial": positive, "gpus_per_trial": positive}
    known |= {"proposer": word(PROPOSERS, "E011", "a proposer"), "objective": word(OBJECTIVES, "E011", "an objective")}
    mapping = reader.fields(value, path, known)
    return {key: reader.optional(mapping, key, path, known[key], 1) for key in known if key in mapping.entries}
