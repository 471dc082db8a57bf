"""The keys of a search space file: located values to a `Grammar`, every mistake of the file in one answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from ressearch.errors import SpaceError
from ressearch.space import rules
from ressearch.space.grammar import (
    OPERATIONS,
    Baseline,
    Block,
    Dense,
    Grammar,
    Limit,
    OneOf,
    OpBlock,
    Order,
    Ratio,
    RatioOf,
    Repeat,
    Residual,
    Rule,
    Scope,
    Seq,
    Setting,
    Shortcut,
    Stage,
    Stages,
    StrideAt,
    Tie,
    Use,
    Width,
)
from ressearch.space.reader import Parse, Reader, kind_of, number, positive, setting, string, truth, whole, word
from ressearch.space.source import Mapping, Scalar, Value, parse, plain
from ressearch.trial import Fidelity, Recipe

TOP = (
    "version", "name", "input", "stem", "vars", "stages", "blocks", "baselines", "limits", "task", "train", "search",
)  # fmt: skip
_NO_INPUT: tuple[tuple[int, ...], int] = ((1, 1, 1), 2)
SCOPED = ("width", "stride")
"""What may stand beside any block: what it is to make instead of what is around it."""

MAX_NESTING = 32
LIMITED = ("macs", "params", "activations", "depth")
ACTIVATIONS = ("relu", "silu", "gelu", "none")


def read_grammar(text: str, file: str) -> Grammar:
    """The grammar that a file describes. Raises SpaceError with every problem found."""
    reader = Reader()
    grammar = reader.attempt(_grammar, parse(text, file), "")
    if grammar is None or reader.problems:
        raise SpaceError(reader.problems)
    return grammar


@cache
def standard_rules() -> MappingProxyType[str, Rule]:
    """The blocks that every file may use, read from `standard.yaml` beside this module."""
    text = resources.files("ressearch.space").joinpath("standard.yaml").read_text(encoding="utf-8")
    reader = Reader()
    found = reader.attempt(_rules, parse(text, "standard.yaml"), "blocks")
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
        stem=reader.optional(top, "stem", path, _block, _nothing(top)),
        stages=reader.optional(top, "stages", path, _stages, ()),
        rules={**standard_rules(), **reader.optional(top, "blocks", path, _rules, {})},
        place=top.place,
        vars=variables,
        baselines=reader.optional(top, "baselines", path, _baselines, ()),
        limits=reader.optional(top, "limits", path, _limits, {}),
        dataset=reader.optional(top, "task", path, _task, None),
        recipe=Recipe(**_train(reader, top, Recipe)),
        fidelity=Fidelity(**_train(reader, top, Fidelity)),
        search=reader.optional(top, "search", path, _search, {}),
    )
    rules.check(grammar, reader)
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
        found.append(stage or Stage(1, _nothing(item), 1))
    return tuple(found)


def _stage(default_stride: int) -> Parse[Stage]:
    def parse(reader: Reader, value: Value, path: str) -> Stage:
        stage = reader.fields(value, path, ["width", "stride", "depth", "block"], ["width", "block"])
        return Stage(
            width=reader.optional(stage, "width", path, setting(whole()), 1),
            block=reader.optional(stage, "block", path, _block, _nothing(stage)),
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
        block=reader.optional(value, "block", path, _block, _nothing(value)),
        depth=reader.optional(value, "depth", path, setting(whole()), 1),
    )


def _nothing(value: Value) -> Seq:
    """Stands for what cannot be read, so that the mistakes around it are found as well; no network is made of it."""
    return Seq((), value.place)


# Blocks


def _block(reader: Reader, value: Value, path: str) -> Block:
    mapping = reader.mapping(value, path)
    kinds = [key for key in BLOCKS if key in mapping.entries]
    if len(kinds) != 1:
        found = f"has {' and '.join(kinds)}" if kinds else "has none of them"
        message = f"a block is exactly one of {', '.join(BLOCKS)}; this {found}"
        reader.refuse("E016", path, mapping.place, message)
    scoping = set(SCOPED) & set(mapping.entries)
    parse = _scope if scoping and kinds[0] != "op" else BLOCKS[kinds[0]]
    return parse(reader, mapping, path)


def _scope(reader: Reader, value: Mapping, path: str) -> Scope:
    return Scope(
        block=_block(reader, _without(value, set(SCOPED)), path),
        place=value.place,
        width=reader.optional(value, "width", path, _width, None),
        stride=reader.optional(value, "stride", path, whole(), None),
    )


def _without(mapping: Mapping, keys: set[str]) -> Mapping:
    return replace(mapping, entries={key: item for key, item in mapping.entries.items() if key not in keys})


def _op(reader: Reader, value: Mapping, path: str) -> OpBlock:
    reader.fields(value, path, ["op", "width", "stride", "groups", "norm", "act", "order"])
    return OpBlock(
        op=reader.optional(value, "op", path, setting(word(OPERATIONS, "E012", "an operation")), "identity"),
        place=value.place,
        width=reader.optional(value, "width", path, _width, None),
        stride=reader.optional(value, "stride", path, whole(), None),
        groups=reader.optional(value, "groups", path, setting(whole()), 1),
        norm=reader.optional(value, "norm", path, truth, True),
        act=reader.optional(value, "act", path, word(ACTIVATIONS, "E011", "an activation"), "relu"),
        order=reader.optional(value, "order", path, _order, None),
    )


def _width(reader: Reader, value: Value, path: str) -> Width:
    if isinstance(value, Mapping) and "ratio" in value.entries:
        entries = reader.fields(value, path, ["ratio", "of"]).entries
        of = reader.optional(value, "of", path, word(RatioOf, "E011", "what a ratio is of"), "stage")
        return Ratio(setting(positive)(reader, entries["ratio"], f"{path}.ratio"), of)  # type: ignore[arg-type]
    return setting(whole())(reader, value, path)


def _seq(reader: Reader, value: Mapping, path: str) -> Seq:
    reader.fields(value, path, ["seq", *SCOPED])
    return _items(reader, value.entries["seq"], f"{path}.seq")


def _items(reader: Reader, value: Value, path: str) -> Seq:
    items = reader.sequence(value, path).items
    found = [reader.attempt(_block, item, f"{path}.{i}") for i, item in enumerate(items)]
    return Seq(tuple(block for block in found if block is not None), value.place)


def _residual(reader: Reader, value: Mapping, path: str) -> Residual:
    reader.fields(value, path, ["residual", "body", *SCOPED], ["body"])
    path_in = f"{path}.residual"
    options = reader.fields(value.entries["residual"], path_in, ["shortcut", "order", "stride_at"])
    return Residual(
        body=reader.optional(value, "body", path, _items, _nothing(value)),
        place=value.place,
        shortcut=reader.optional(options, "shortcut", path_in, _shortcut, "identity"),
        order=reader.optional(options, "order", path_in, _order, None),
        stride_at=reader.optional(options, "stride_at", path_in, setting(word(StrideAt, "E011", "a place")), None),
    )


def _shortcut(reader: Reader, value: Value, path: str) -> Setting[str]:
    return setting(word(Shortcut, "E015", "a shortcut"))(reader, value, path)


def _order(reader: Reader, value: Value, path: str) -> Setting[str]:
    return setting(word(Order, "E011", "an order"))(reader, value, path)


def _dense(reader: Reader, value: Mapping, path: str) -> Dense:
    reader.fields(value, path, ["dense", "body", *SCOPED], ["body"])
    path_in = f"{path}.dense"
    options = reader.fields(
        value.entries["dense"], path_in, ["layers", "growth", "order", "transition"], ["layers", "growth"]
    )
    return Dense(
        body=reader.optional(value, "body", path, _items, _nothing(value)),
        place=value.place,
        layers=reader.optional(options, "layers", path_in, setting(whole()), 1),
        growth=reader.optional(options, "growth", path_in, setting(whole()), 1),
        order=reader.optional(options, "order", path_in, _order, "pre"),
        transition=reader.optional(options, "transition", path_in, truth, True),
    )


def _repeat(reader: Reader, value: Mapping, path: str) -> Repeat:
    reader.fields(value, path, ["repeat", "block", *SCOPED], ["block"])
    count = reader.optional(value, "repeat", path, setting(whole()), 1)
    return Repeat(count, reader.optional(value, "block", path, _block, _nothing(value)), value.place)


def _one_of(reader: Reader, value: Mapping, path: str) -> OneOf:
    reader.fields(value, path, ["one_of", *SCOPED])
    branches = reader.mapping(value.entries["one_of"], f"{path}.one_of")
    if not branches.entries:
        reader.refuse("E005", f"{path}.one_of", branches.place, "expected at least one named block")
    found = {}
    for name, item in branches.entries.items():
        _rule_name(reader, branches, name, f"{path}.one_of")
        found[name] = reader.attempt(_block, item, f"{path}.one_of.{name}") or _nothing(item)
    return OneOf(found, value.place)


def _use(reader: Reader, value: Mapping, path: str) -> Use:
    reader.fields(value, path, ["use", *SCOPED])
    return Use(string(reader, value.entries["use"], f"{path}.use"), value.entries["use"].place)


BLOCKS: dict[str, Callable[[Reader, Mapping, str], Block]] = {
    "op": _op,
    "seq": _seq,
    "residual": _residual,
    "dense": _dense,
    "repeat": _repeat,
    "one_of": _one_of,
    "use": _use,
}
"""Each kind of block by the key that makes it one."""


def _rules(reader: Reader, value: Value, path: str) -> dict[str, Rule]:
    found = {}
    mapping = reader.mapping(value, path)
    for name, item in mapping.entries.items():
        _rule_name(reader, mapping, name, path)
        rule = reader.attempt(_rule(name), item, f"{path}.{name}")
        found[name] = rule or Rule(name, _nothing(item), item.place)
    return found


def _rule_name(reader: Reader, mapping: Mapping, name: str, path: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        place = mapping.key_places[name]
        reader.report("E005", path, place, f"a block's name starts with a letter and has no dots, got {name!r}")
    if name == "training":  # the one name that a torch module sets on itself
        reader.report("E005", path, mapping.key_places[name], "a block cannot be called 'training'")


def _rule(name: str) -> Parse[Rule]:
    def parse(reader: Reader, value: Value, path: str) -> Rule:
        mapping = reader.mapping(value, path)
        return Rule(
            name=name,
            block=_block(reader, _without(mapping, {"max_depth", "tie"}), path),
            place=mapping.place,
            max_depth=reader.optional(mapping, "max_depth", path, whole(1, MAX_NESTING), None),
            tie=reader.optional(mapping, "tie", path, word(Tie, "E011", "a way to tie"), "none"),  # type: ignore[arg-type]
        )

    return parse


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
    bounds = reader.fields(value, path, ["min", "max"])
    low = reader.optional(bounds, "min", path, _quantity, None)
    high = reader.optional(bounds, "max", path, _quantity, None)
    if low is not None and high is not None and low > high:
        reader.refuse("E007", path, value.place, f"min {low} is above max {high}", f"write min: {high}, max: {low}")
    return Limit(low, high)


def _quantity(reader: Reader, value: Value, path: str) -> int | None:
    text = str(plain(value))
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kMG]?)", text)
    if not match:
        reader.refuse("E005", path, value.place, f"expected a number such as 150M (suffixes k, M, G), got {text!r}")
    return round(float(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match[2]])


def _task(reader: Reader, value: Value, path: str) -> str | None:
    task = reader.fields(value, path, ["dataset"], ["dataset"])
    return reader.optional(task, "dataset", path, string, "")


def _train(reader: Reader, top: Mapping, record: type[Any]) -> dict[str, Any]:
    """The fields of one record that `train:` sets; each is tried alone, so that its message has its place."""
    train = reader.optional(top, "train", "", _train_keys, None)
    if train is None:
        return {}
    found = {}
    for f in fields(record):
        parse: Parse[Any] = whole() if f.type == "int" else number
        value = reader.optional(train, f.name, "train", parse, f.default)
        try:
            record(**{f.name: value})
            found[f.name] = value
        except ValueError as error:
            reader.report("E005", f"train.{f.name}", train.entries[f.name].place, str(error))
    return found


def _train_keys(reader: Reader, value: Value, path: str) -> Mapping:
    return reader.fields(value, path, [f.name for record in (Recipe, Fidelity) for f in fields(record)])


def _search(reader: Reader, value: Value, path: str) -> dict[str, int]:
    known = {"trials": whole(), "workers": whole(), "seed": whole(0)}
    mapping = reader.fields(value, path, known)
    return {key: reader.optional(mapping, key, path, known[key], 1) for key in known if key in mapping.entries}
