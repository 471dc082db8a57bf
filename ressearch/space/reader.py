"""Reads located values field by field and collects every mistake instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NoReturn, TypeVar, get_args

from ressearch.errors import Place, Problem
from ressearch.space.choices import Categorical, Domain, Integer, Real, members, nearest
from ressearch.space.grammar import Setting, Var
from ressearch.space.source import Mapping, Scalar, Sequence, Value

T = TypeVar("T")
D = TypeVar("D")
Parse = Callable[["Reader", Value, str], T]

FOREIGN = {
    "choices": "values", "choice": "values", "categories": "values", "options": "values", "_value": "values",
    "low": "min", "lower": "min", "lb": "min", "high": "max", "upper": "max", "ub": "max", "q": "step",
    "learning_rate": "lr", "max_lr": "lr", "wd": "weight_decay", "bs": "batch_size", "se_ratio": "reduction",
    "kernel_size": "kernel", "channels": "width", "num_classes": "classes",
    "min_epochs": "min_iter", "min_resource": "min_iter", "grace_period": "min_iter", "reduction_factor": "eta",
}  # fmt: skip
"""Keys of Optuna, NNI, Ray Tune, NePS, timm and torch, and ours for each."""

SYNONYMS = {
    "rezero": "scalar", "skipinit": "scalar", "layerscale": "layer_scale", "zero_init": "zero_gamma", "swish": "silu",
    "skip": "identity", "sum": "add", "cat": "concat", "preact": "pre", "preactivation": "pre", "conv2d": "conv",
}  # fmt: skip
"""What others call the words of our values."""


class Invalid(Exception):  # noqa: N818  # control flow inside the reader, never seen outside of it
    """The value cannot be read; the problem is on record already."""


class Reader:
    """Turns located values into settings; `problems` holds what was wrong, `variables` what `vars:` names."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.variables: dict[str, Value] = {}

    def report(self, code: str, path: str, place: Place, message: str, hint: str | None = None) -> None:
        """Record a mistake, once, and go on."""
        problem = Problem(code, path, message, place, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def refuse(self, code: str, path: str, place: Place, message: str, hint: str | None = None) -> NoReturn:
        """Record a mistake that makes the value at hand unreadable."""
        self.report(code, path, place, message, hint)
        raise Invalid

    def attempt(self, parse: Parse[T], value: Value, path: str) -> T | None:
        """The parsed value, or None if it is invalid (which is on record then)."""
        try:
            return parse(self, value, path)
        except Invalid:
            return None

    def fields(self, value: Value, path: str, known: Collection[str], required: Collection[str] = ()) -> Mapping:
        """A mapping whose keys are all known and which holds the required ones; other keys are reported."""
        mapping = self.mapping(value, path)
        for key in mapping.entries:
            if key not in known:
                self.unknown_key(mapping, key, path, known)
        if self.lacks(mapping, path, required):
            raise Invalid
        return mapping

    def lacks(self, mapping: Mapping, path: str, required: Collection[str]) -> bool:
        """Whether required keys are missing, which is on record then."""
        missing = [key for key in required if key not in mapping.entries]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            self.report("E004", path, mapping.place, f"{_quoted(missing)} {verb} missing")
        return bool(missing)

    def unknown_key(self, mapping: Mapping, key: str, path: str, known: Collection[str]) -> None:
        """Report a key that means nothing here."""
        place = mapping.key_places[key]
        if key in FOREIGN and FOREIGN[key] in known:
            hint = f"write '{FOREIGN[key]}:'"
            self.report("E006", _join(path, key), place, f"{key!r} is another tool's word", hint)
            return
        match = nearest(key, list(known))
        hint = f"did you mean {match!r}?" if match else f"known keys: {', '.join(known)}"
        self.report("E003", _join(path, key), place, f"unknown key {key!r}", hint)

    def mapping(self, value: Value, path: str) -> Mapping:
        """A mapping, or a report that one was expected."""
        if not isinstance(value, Mapping):
            self.refuse("E005", path, value.place, f"expected a mapping, got {kind_of(value)}")
        return value

    def sequence(self, value: Value, path: str) -> Sequence:
        """A non-empty list, or a report that one was expected."""
        if not isinstance(value, Sequence) or not value.items:
            self.refuse("E005", path, value.place, f"expected a list with at least one entry, got {kind_of(value)}")
        return value

    def optional(self, mapping: Mapping, key: str, path: str, parse: Parse[T], default: D) -> T | D:
        """The parsed entry, or the default where there is none (or an invalid one, which is on record then)."""
        if key not in mapping.entries:
            return default
        found = self.attempt(parse, mapping.entries[key], _join(path, key))
        return default if found is None else found


def kind_of(value: Value) -> str:
    """The value's kind in words, for messages."""
    if isinstance(value, Scalar):
        return "nothing" if value.value is None else f"{value.value!r}"
    if isinstance(value, Sequence):
        return "a list" if value.items else "an empty list"
    return "a mapping"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _quoted(words: Collection[str]) -> str:
    return " and ".join(repr(word) for word in words)


# Literals


def whole(low: int = 1, high: int = 10**9) -> Parse[int]:
    """A whole number from `low` to `high`."""

    def parse(reader: Reader, value: Value, path: str) -> int:
        number = value.value if isinstance(value, Scalar) else None
        if type(number) is not int or number < low or number > high:
            bounds = f"from {low}" if high == 10**9 else f"from {low} to {high}"
            hint = "a choice between them is {values: [..]}" if isinstance(value, Sequence) else None
            reader.refuse("E005", path, value.place, f"expected a whole number {bounds}, got {kind_of(value)}", hint)
        return number

    return parse


def positive(reader: Reader, value: Value, path: str) -> float:
    """A number above zero."""
    found = number(reader, value, path)
    if found <= 0:
        reader.refuse("E005", path, value.place, f"expected a number above 0, got {kind_of(value)}")
    return found


def number(reader: Reader, value: Value, path: str) -> float:
    """A finite number."""
    found = value.value if isinstance(value, Scalar) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e18:
        reader.refuse("E005", path, value.place, f"expected a number, got {kind_of(value)}")
    return found


def truth(reader: Reader, value: Value, path: str) -> bool:
    """`true` or `false`."""
    found = value.value if isinstance(value, Scalar) else None
    if not isinstance(found, bool):
        reader.refuse("E005", path, value.place, f"expected true or false, got {kind_of(value)}")
    return found


def string(reader: Reader, value: Value, path: str) -> str:
    """A non-empty string."""
    found = value.value if isinstance(value, Scalar) else None
    if not isinstance(found, str) or not found:
        reader.refuse("E005", path, value.place, f"expected a string, got {kind_of(value)}")
    return found


def word(known: Any, code: str, noun: str) -> Parse[str]:
    """One of some words: a collection of them, or a `Literal` type."""
    words = list(get_args(known) or known)

    def parse(reader: Reader, value: Value, path: str) -> str:
        found = value.value if isinstance(value, Scalar) else None
        if found not in words:
            other = SYNONYMS.get(str(found).lower())
            match = other if other in words else nearest(str(found), words)
            hint = f"did you mean {match!r}?" if match else None
            message = f"{kind_of(value)} is not {noun}; use one of {', '.join(words)}"
            reader.refuse(code, path, value.place, message, hint)
        return str(found)

    return parse


# Settings: a literal, a choice, or a variable


def setting(literal: Parse[T]) -> Parse[Setting[T]]:
    """A literal, `{values: ..}`, `{min: .., max: ..}` or `{var: name}`; each value must be a fine literal."""

    def parse(reader: Reader, value: Value, path: str) -> Setting[T]:
        if not isinstance(value, Mapping):
            return literal(reader, value, path)
        if "var" in value.entries:
            return _variable(reader, value, path, literal)
        if "values" in value.entries:
            return _categorical(reader, value, path, literal)
        return _interval(reader, value, path, literal)

    return parse


def _variable(reader: Reader, value: Mapping, path: str, literal: Parse[Any]) -> Var:
    named = reader.fields(value, path, ["var"]).entries["var"]
    name = string(reader, named, f"{path}.var")
    if name in reader.variables:
        setting(literal)(reader, reader.variables[name], f"vars.{name}")
    return Var(name, named.place)


def _categorical(reader: Reader, value: Mapping, path: str, literal: Parse[Any]) -> Domain:
    entries = reader.fields(value, path, ["values"]).entries
    items = reader.sequence(entries["values"], f"{path}.values").items
    found = [reader.attempt(literal, item, f"{path}.values.{i}") for i, item in enumerate(items)]
    return different(reader, items, found, f"{path}.values")


def different(reader: Reader, items: tuple[Value, ...], found: list[Any], path: str) -> Categorical:
    """The values that could be read; one that stands there twice is reported."""
    for i, item in enumerate(items):
        if found[i] is not None and found[i] in found[:i]:
            reader.report("E007", f"{path}.{i}", item.place, f"{found[i]!r} stands here twice")
    return Categorical(tuple(option for option in found if option is not None))


def _interval(reader: Reader, value: Mapping, path: str, literal: Parse[Any]) -> Domain:
    foreign = [key for key in value.entries if key in FOREIGN]
    known = ["values", "min", "max", "step", "log"]
    entries = reader.fields(value, path, known, () if foreign else ["min", "max"]).entries
    if foreign:
        raise Invalid
    low = reader.attempt(literal, entries["min"], f"{path}.min")
    high = reader.attempt(literal, entries["max"], f"{path}.max")
    if low is None or high is None:
        raise Invalid
    if isinstance(low, str | bool) or isinstance(high, str | bool):
        reader.refuse("E005", path, value.place, "min and max need numbers; list words under 'values:'")
    if low >= high:
        hint = f"write min: {high}, max: {low}" if low > high else f"write {low} itself; it is no choice"
        reader.refuse("E007", path, value.place, f"min {low} is not below max {high}", hint)
    log = reader.optional(value, "log", path, truth, False)
    if log and low <= 0:
        reader.refuse("E008", path, value.place, f"log: true needs min above 0, got {low}")
    if isinstance(low, int) and isinstance(high, int):
        return _stepped(reader, value, path, Integer(low, high, log=log))
    return _real(reader, value, path, Real(float(low), float(high), log))


def _real(reader: Reader, value: Mapping, path: str, every: Real) -> Real:
    step = reader.optional(value, "step", path, positive, None)
    if step is None:
        return every
    if every.log:
        reader.refuse("E008", path, value.place, "step and log: true exclude each other", "leave one of them out")
    if step > every.high - every.low:
        reader.refuse("E007", path, value.place, f"step {step:g} is above max - min, {every.high - every.low:g}")
    return in_steps(every.low, every.high, step)


def in_steps(low: float, high: float, step: float) -> Real:
    """The real numbers from `low` in steps, the highest of them at or below `high`."""
    stepped = Real(float(low), float(high), step=float(step))
    return Real(stepped.low, members(stepped)[-1], step=stepped.step)


def _stepped(reader: Reader, value: Mapping, path: str, every: Integer) -> Integer:
    step = reader.optional(value, "step", path, whole(), 1)
    if step > every.high - every.low:
        reader.refuse("E007", path, value.place, f"step {step} is above max - min, {every.high - every.low}")
    if every.log and step > 1:
        reader.refuse("E008", path, value.place, "step and log: true exclude each other", "leave one of them out")
    return Integer(every.low, every.low + (every.high - every.low) // step * step, step, every.log)
