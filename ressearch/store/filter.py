"""The language of `ressearch query`: comparisons, joined by and, or, not. Text in, frozen records out; no SQL here.

    filter     = all {"or" all}
    all        = one {"and" one}
    one        = "not" one | "(" filter ")" | comparison
    comparison = name ("=" | "!=" | "<" | "<=" | ">" | ">=") value
    value      = number | word | quoted text | "none"

A number may end in k, M or G, for accuracy in %. Quoted text stands between ' or ", a quote inside is written twice.
What is not known (none) fits no comparison but `= none`; `a != b` is `not a = b`, so it holds for what is not known.
Texts and kinds have no order: they are compared by = and != alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from types import MappingProxyType
from typing import TypeAlias

from ressearch.errors import FilterError

MOST_CHARACTERS = 2000
MOST_LEVELS = 20
"""Of parentheses and `not` inside each other: databases and Python follow them by recursion."""

KINDS = ("basic", "bottleneck", "dense", "nested", "residual")
"""Of blocks, see `ressearch.analysis`."""


class Values(Enum):
    """What a fact can be."""

    SHARE = auto()
    WHOLE = auto()
    REAL = auto()
    TEXT = auto()
    KIND = auto()


@dataclass(frozen=True)
class Fact:
    """Something that is known of a trial, under its name. `optional`: of some trials it is not known."""

    meaning: str
    values: Values
    optional: bool = False


FACTS = MappingProxyType(
    {
        "accuracy": Fact("accuracy on the validation images, 0.97 or 97%", Values.SHARE),
        "loss": Fact("loss on the validation images", Values.REAL, optional=True),
        "macs": Fact("multiply-adds of one image", Values.WHOLE),
        "flops": Fact("2 x macs", Values.WHOLE),
        "params": Fact("parameters", Values.WHOLE),
        "activations": Fact("elements of all outputs of convolution and linear layers", Values.WHOLE),
        "peak": Fact("elements that must be kept at once", Values.WHOLE),
        "depth": Fact("convolution and linear layers on the longest path", Values.WHOLE),
        "nesting": Fact("how many residual sums enclose each other at most", Values.WHOLE),
        "skips": Fact("inputs of sums and concatenations beyond the first", Values.WHOLE),
        "shortest_path": Fact("layers on the shortest path from image to scores", Values.WHOLE),
        "longest_path": Fact("layers on the longest path from image to scores", Values.WHOLE),
        "mean_path": Fact("layers on a path, on average over all paths", Values.REAL),
        "receptive_field": Fact("pixels along a side that the last map can depend on", Values.WHOLE),
        "seconds": Fact("wall clock of training and evaluation", Values.REAL),
        "seed": Fact("seed of the training", Values.WHOLE),
        "epochs": Fact("passes over the training images", Values.WHOLE),
        "device": Fact("what trained it", Values.TEXT),
        "precision": Fact("fp32 or bf16, or none", Values.TEXT, optional=True),
        "study": Fact("name of the study", Values.TEXT),
        "trial": Fact("number of the trial in its study", Values.WHOLE),
        "id": Fact("id of the architecture, all of it", Values.TEXT),
        "baseline": Fact("name of the baseline, none for what was proposed", Values.TEXT, optional=True),
        "proposer": Fact("what proposed it, none where nothing did or it was not noted", Values.TEXT, optional=True),
        "worker": Fact("what trained it last, host and process", Values.TEXT, optional=True),
        "kind": Fact(f"kind = dense: it has a block of this kind ({', '.join(KINDS)})", Values.KIND),
        **{f"kind.{kind}": Fact(f"how many {kind} blocks it has", Values.WHOLE) for kind in KINDS},
    }
)
"""All that can be asked for."""

COLUMNS = tuple(name for name in FACTS if name != "kind")
"""What has one value for a trial, so that it can be shown and sorted by."""


@dataclass(frozen=True)
class Comparison:
    """value: an exact number, a text, or None for `none`."""

    name: str
    operator: str
    value: Fraction | str | None


@dataclass(frozen=True)
class Not:
    """What does not fit the inner filter."""

    inner: Filter


@dataclass(frozen=True)
class And:
    """What fits all parts."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class Or:
    """What fits a part."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Comparison | Not | And | Or


def parse_filter(text: str) -> Filter | None:
    """A filter from its text; None, which all fits, from one that is blank. Raises FilterError."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"a filter of {len(text)} characters is too long: at most {MOST_CHARACTERS}")
    return _Parser(text).whole() if text.strip() else None


def require_column(name: str) -> str:
    """The name, which is one of `COLUMNS`. Raises FilterError."""
    if name == "kind":
        hint = f"use one of {', '.join(f'kind.{kind}' for kind in KINDS)}"
        raise FilterError("'kind' has no one value to show or to sort by", name, 0, len(name), hint=hint)
    if name not in COLUMNS:
        raise _unknown("name", name, COLUMNS, name, 0)
    return name


_OTHERWHERE = {"pattern": "kind", "block": "kind", "architecture": "id", "time": "seconds", "acc": "accuracy"}
"""How others call what has another name here."""


def _unknown(what: str, word: str, known: Collection[str], text: str, start: int) -> FilterError:
    meant = _OTHERWHERE.get(word.lower())
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    matches = [meant] if meant in known else near
    hint = f"did you mean {matches[0]!r}?" if matches else f"use one of {', '.join(known)}"
    return FilterError(f"there is no {what} {_short(word)}", text, start, start + len(word), hint=hint)


def _short(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:40]}...")


# Tokens


@dataclass(frozen=True)
class _Token:
    """sort: word, quoted, operator, bracket or end; `word` is what it says, without quotes."""

    sort: str
    word: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word if it is one of the language's own, else empty."""
        lowered = self.word.lower()
        return lowered if self.sort == "word" and lowered in ("and", "or", "not") else ""

    def __str__(self) -> str:
        return "the end" if self.sort == "end" else _short(self.word)


_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[^\s'"()=!<>]+)|(?P<operator>[=!<>]+)|(?P<bracket>[()])"""
    r"""|'(?P<single>(?:[^']|'')*)'|"(?P<double>(?:[^"]|"")*)")"""
)
_NOWHERE = re.compile("[\0\ud800-\udfff]")
"""Characters that no text in a store holds, and that databases refuse or cut at."""


def _tokens(text: str) -> Iterator[_Token]:
    strange = _NOWHERE.search(text)
    if strange:
        raise FilterError("a character that no text can hold", text, strange.start(), strange.end())
    at, last = 0, len(text.rstrip())
    while at < last:
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise FilterError("a quote that is not closed", text, start, last)
        yield _token(found)
        at = found.end()
    yield _Token("end", "", last, last + 1)


def _token(found: re.Match[str]) -> _Token:
    sort = str(found.lastgroup)
    word, (start, end) = found[sort], found.span(sort)
    if sort in ("single", "double"):
        quote = "'" if sort == "single" else '"'
        return _Token("quoted", word.replace(2 * quote, quote), start - 1, end + 1)
    return _Token(sort, word, start, end)


# The grammar, a method a line


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def whole(self) -> Filter:
        found = self._filter(0)
        if self._next.sort != "end":
            raise self._expected("'and', 'or' or the end")
        return found

    def _filter(self, level: int) -> Filter:
        parts = [self._all(level)]
        while self._next.keyword == "or":
            self._take()
            parts.append(self._all(level))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, level: int) -> Filter:
        parts = [self._one(level)]
        while self._next.keyword == "and":
            self._take()
            parts.append(self._one(level))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, level: int) -> Filter:
        token = self._next
        if level > MOST_LEVELS:
            raise self._error(token, f"more than {MOST_LEVELS} levels of parentheses and 'not'")
        if token.keyword == "not":
            self._take()
            return Not(self._one(level + 1))
        if token.word == "(" and token.sort == "bracket":
            return self._in_brackets(level + 1)
        return self._comparison()

    def _in_brackets(self, level: int) -> Filter:
        self._take()
        found = self._filter(level)
        if self._next.sort != "bracket" or self._next.word != ")":
            raise self._expected("'and', 'or' or ')'")
        self._take()
        return found

    def _comparison(self) -> Comparison:
        name = self._name()
        operator = self._operator(name)
        if self._next.sort not in ("word", "quoted") or self._next.keyword:
            raise self._expected(f"a value for {name!r}", "quote a text that is 'and', 'or' or 'not'")
        token = self._take()
        return Comparison(name, operator, self._value(name, operator, token))

    def _name(self) -> str:
        token = self._next
        if token.sort != "word" or token.keyword:
            raise self._expected("a name, 'not' or '('", "for example: macs < 60M and kind = dense")
        if token.word not in FACTS:
            raise _unknown("name", token.word, FACTS, self._text, token.start)
        return self._take().word

    def _operator(self, name: str) -> str:
        token = self._next
        if token.sort != "operator":
            raise self._expected(f"an operator after {name!r}", "use one of =, !=, <, <=, >, >=")
        if token.word not in ("=", "!=", "<", "<=", ">", ">="):
            meant = {"==": "=", "=<": "<=", "=>": ">=", "<>": "!=", "!": "!="}.get(token.word)
            hint = f"did you mean {meant!r}?" if meant else "use one of =, !=, <, <=, >, >="
            raise self._error(token, f"there is no operator {_short(token.word)}", hint)
        if token.word[0] in "<>" and FACTS[name].values in (Values.TEXT, Values.KIND):
            raise self._error(token, f"{name!r} has no order", "compare it by = or !=")
        return self._take().word

    def _value(self, name: str, operator: str, token: _Token) -> Fraction | str | None:
        fact = FACTS[name]
        if token.sort == "word" and token.word.lower() == "none":
            self._require_optional(name, operator, token)
            return None
        if fact.values is Values.KIND and token.word not in KINDS:
            raise _unknown("kind of block", token.word, KINDS, self._text, token.start + (token.sort == "quoted"))
        if fact.values in (Values.TEXT, Values.KIND):
            return token.word
        return self._number(name, token)

    def _require_optional(self, name: str, operator: str, token: _Token) -> None:
        if not FACTS[name].optional:
            raise self._error(token, f"{name!r} is known of every finished trial")
        if operator not in ("=", "!="):
            raise self._error(token, "'none' has no order", "compare it by = or !=")

    def _number(self, name: str, token: _Token) -> Fraction:
        found = read_number(token.word) if token.sort == "word" else None
        if found is None:
            hint = "numbers are written like 12, 0.5, 1e-3, 60k, 60M, 1.5G or, for accuracy, 97%"
            raise self._error(token, f"{name!r} is a number, which {_short(token.word)} is not", hint)
        number, unit = found
        if FACTS[name].values is not Values.SHARE:
            if unit == "%":
                raise self._error(token, "% is for accuracy alone")
        elif not 0 <= number <= 1:
            hint = "write 97% or 0.97"
            raise self._error(token, f"{name!r} is from 0 to 1, which {_short(token.word)} is not", hint)
        return number

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expected(self, what: str, hint: str | None = None) -> FilterError:
        return self._error(self._next, f"expected {what}, not {self._next}", hint)

    def _error(self, token: _Token, message: str, hint: str | None = None) -> FilterError:
        return FilterError(message, self._text, token.start, token.end, hint=hint)


# Three digits are enough for every double; exact numbers of more would take memory without bounds.
_NUMBER = re.compile(r"(?P<digits>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)(?P<unit>[kMG%]?)")
_UNITS = {"": Fraction(1), "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9), "%": Fraction(1, 100)}


def read_number(word: str) -> tuple[Fraction, str] | None:
    """A number as people write it, 12, 0.5, 1e-3, 60M or 97%, and its unit; None if it is not one."""
    found = _NUMBER.fullmatch(word)
    return (Fraction(found["digits"]) * _UNITS[found["unit"]], found["unit"]) if found else None
