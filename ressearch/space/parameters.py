"""`parameters:` the recipe's fields as decisions of each trial, in the words of a Weights & Biases sweep.

A parameter is `{value: ..}`, `{values: [..]}`, or `{min: .., max: ..}` with a `distribution`. As there, bounds that
are whole numbers mean `int_uniform` and others `uniform` unless said.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from ressearch.space.choices import Categorical, Integer, Real, members, nearest
from ressearch.space.reader import FOREIGN, Invalid, Reader, different, in_steps, kind_of, number, string
from ressearch.space.source import Mapping, Scalar, Sequence, Value, plain
from ressearch.trial import Fidelity, Recipe

DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "q_uniform": ("min", "max", "q"),
    "log_uniform_values": ("min", "max"),
}
"""Of the sweep distributions of Weights & Biases those whose meaning is the same here, with the keys of each."""

WHOLE = ("constant", "categorical", "int_uniform")
"""Distributions that give whole numbers, if whole numbers stand in them."""

LISTED = ("constant", "categorical")
"""Distributions that give what stands in them."""

_TAKES: dict[type, tuple[str, Collection[str]]] = {int: ("whole numbers", WHOLE), bool: ("true or false", LISTED)}

_KEYS = ("distribution", "value", "values", "min", "max", "q")


def parameters(reader: Reader, value: Value, path: str) -> dict[str, Any]:
    """Field of the recipe -> a literal or a domain."""
    mapping = reader.mapping(value, path)
    known = [f.name for f in fields(Recipe)]
    found = {}
    for name, item in mapping.entries.items():
        if name in known:
            found[name] = reader.attempt(_parameter(name), item, f"{path}.{name}")
        else:
            _unknown(reader, mapping, name, known, path)
    return {name: parameter for name, parameter in found.items() if parameter is not None}


def _unknown(reader: Reader, mapping: Mapping, name: str, known: list[str], path: str) -> None:
    match = FOREIGN.get(name) if FOREIGN.get(name) in known else nearest(name, known)
    hint = f"did you mean {match!r}?" if match else f"parameters are: {', '.join(known)}"
    if name in {f.name for f in fields(Fidelity)}:
        hint = f"{name!r} says how cheaply a network is measured; write it under train:"
    reader.report("E003", f"{path}.{name}", mapping.key_places[name], f"{name!r} is no training parameter", hint)


def _parameter(name: str) -> Any:
    def parse(reader: Reader, value: Value, path: str) -> Any:
        if isinstance(value, Scalar):
            hint = f"write {{value: {value.value}}}"
            reader.refuse("E005", path, value.place, f"expected a mapping, got {kind_of(value)}", hint)
        entries = reader.fields(value, path, _KEYS).entries
        mapping = reader.mapping(value, path)
        kind = _distribution(reader, mapping, path)
        takes, kinds = _TAKES.get(type(getattr(Recipe(), name)), ("", DISTRIBUTIONS))
        if kind not in kinds:
            hint = f"use one of {', '.join(kinds)}"
            reader.refuse("E005", path, value.place, f"{name} takes {takes}, {kind} gives others", hint)
        found = _READ[kind](reader, mapping, path)
        for key in entries:
            if key in _KEYS and key not in ("distribution", *DISTRIBUTIONS[kind]):
                message = f"{key!r} means nothing to {kind}"
                reader.report("E003", f"{path}.{key}", mapping.key_places[key], message, "leave it out")
        for key in ("value", "values", "min", "max"):
            if key in entries:
                _check_values(reader, name, entries[key], f"{path}.{key}")
        return found

    return parse


def _distribution(reader: Reader, mapping: Mapping, path: str) -> str:
    entries = mapping.entries
    if "distribution" in entries:
        kind = string(reader, entries["distribution"], f"{path}.distribution")
        if kind not in DISTRIBUTIONS:
            place = entries["distribution"].place
            message = f"{kind!r} is not a distribution; use one of {', '.join(DISTRIBUTIONS)}"
            reader.refuse("E011", f"{path}.distribution", place, message, _advice(kind))
        return kind
    if "value" in entries or "values" in entries:
        return "constant" if "value" in entries else "categorical"
    if reader.lacks(mapping, path, ["min", "max"]):
        raise Invalid
    bounds = [plain(entries["min"]), plain(entries["max"])]
    if "q" in entries:
        return "q_uniform"
    return "int_uniform" if all(type(bound) is int for bound in bounds) else "uniform"


def _advice(kind: str) -> str | None:
    if kind == "log_uniform":
        return "its min and max are exponents of e; write log_uniform_values with the values themselves"
    match = nearest(kind, list(DISTRIBUTIONS))
    return f"did you mean {match!r}?" if match else None


def _constant(reader: Reader, mapping: Mapping, path: str) -> Any:
    if reader.lacks(mapping, path, ["value"]):
        raise Invalid
    return _literal(reader, mapping.entries["value"], f"{path}.value")


def _literal(reader: Reader, value: Value, path: str) -> Any:
    """A number, or true or false; whether the field takes it is checked with the record."""
    return plain(value) if type(plain(value)) is bool else number(reader, value, path)


def _categorical(reader: Reader, mapping: Mapping, path: str) -> Categorical:
    if reader.lacks(mapping, path, ["values"]):
        raise Invalid
    items = reader.sequence(mapping.entries["values"], f"{path}.values").items
    found = [_literal(reader, item, f"{path}.values.{i}") for i, item in enumerate(items)]
    return different(reader, items, found, f"{path}.values")


def _bounds(reader: Reader, mapping: Mapping, path: str) -> tuple[float, float]:
    if reader.lacks(mapping, path, ["min", "max"]):
        raise Invalid
    low, high = (number(reader, mapping.entries[key], f"{path}.{key}") for key in ("min", "max"))
    if low >= high:
        hint = f"write min: {high}, max: {low}" if low > high else "write value: instead of min and max"
        reader.refuse("E007", path, mapping.place, f"min {low} is not below max {high}", hint)
    return low, high


def _integer(reader: Reader, mapping: Mapping, path: str) -> Integer:
    low, high = _bounds(reader, mapping, path)
    if low != int(low) or high != int(high):
        reader.refuse("E005", path, mapping.place, "int_uniform needs whole numbers for min and max")
    return Integer(int(low), int(high))


def _real(reader: Reader, mapping: Mapping, path: str) -> Real:
    low, high = _bounds(reader, mapping, path)
    return Real(float(low), float(high))


def _log_real(reader: Reader, mapping: Mapping, path: str) -> Real:
    low, high = _bounds(reader, mapping, path)
    if low <= 0:
        reader.refuse("E008", path, mapping.place, f"log_uniform_values needs min above 0, got {low}")
    return Real(float(low), float(high), log=True)


def _stepped(reader: Reader, mapping: Mapping, path: str) -> Real:
    low, high = _bounds(reader, mapping, path)
    step = reader.optional(mapping, "q", path, number, 1.0)
    if not 0 < step <= high - low:
        reader.refuse("E005", path, mapping.place, f"q must be above 0 and at most max - min, got {step}")
    multiples = in_steps(0, max(abs(low), abs(high)) + step, step)  # as there, what is drawn are multiples of q
    fitting = [value for value in members(multiples) if low <= value <= high]
    return Real(fitting[0], fitting[-1], step=float(step))


_READ = {
    "constant": _constant,
    "categorical": _categorical,
    "int_uniform": _integer,
    "uniform": _real,
    "q_uniform": _stepped,
    "log_uniform_values": _log_real,
}


def _check_values(reader: Reader, name: str, value: Value, path: str) -> None:
    """Each bound and each value must be one that a recipe can have."""
    for i, item in enumerate(value.items if isinstance(value, Sequence) else [value]):
        try:
            Recipe(**{name: plain(item)})
        except (ValueError, TypeError) as error:
            where = f"{path}.{i}" if isinstance(value, Sequence) else path
            reader.report("E005", where, item.place, str(error))
