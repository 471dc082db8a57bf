"""Text to a tree of located values: YAML read strictly, safely, and the 1.2 way.

Each value knows its line and column, so that every later message can point at it. Nothing in a file can run code (tags
are refused), aliases cannot blow up memory (their expansion is counted), and no mapping may hold a key twice.
Scalars follow the YAML 1.2 core schema: `1e-3` is a number; `on`, `yes` and `12:30` are strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from ressearch.errors import Place, Problem, SpaceError

MAX_CHARACTERS = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 60


@dataclass(frozen=True)
class Scalar:
    """A string, number, truth value or null."""

    value: str | int | float | bool | None
    place: Place
    size: int = 1
    depth: int = 1


@dataclass(frozen=True)
class Sequence:
    """A list of values."""

    items: tuple[Value, ...]
    place: Place
    size: int
    depth: int = 1


@dataclass(frozen=True)
class Mapping:
    """Keys with their values, in file order; `key_places` says where each key stands."""

    entries: dict[str, Value]
    key_places: dict[str, Place]
    place: Place
    size: int
    depth: int = 1


Value = Scalar | Sequence | Mapping


def parse(text: str, file: str) -> Value:
    """The one document of `text`. Raises SpaceError: not YAML, a duplicate key, a tag, or too large."""
    if len(text) > MAX_CHARACTERS:
        start = Place(file, 1, 1, text[:80].split("\n", 1)[0])
        raise SpaceError([Problem("E030", "", f"the file is over {MAX_CHARACTERS:,} characters long", start)])
    return _Parser(text, file).document()


def plain(value: Value) -> Any:
    """The value without its places, as `yaml.safe_load` would give it."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Sequence):
        return [plain(item) for item in value.items]
    return {key: plain(item) for key, item in value.entries.items()}


class _Parser:
    """Builds the tree from PyYAML's events; recursion is bounded by MAX_DEPTH, expansion by MAX_VALUES."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.lines = file, text.splitlines() or [""]
        self.text = text
        self.anchors: dict[str, Value] = {}
        self.problems: list[Problem] = []
        self.depth = self.read = 0
        self.mark: Any = None

    def document(self) -> Value:
        events = self.events()
        first = next(events, None)
        if first is None:
            raise SpaceError([Problem("E001", "", "the file is empty", Place(self.file, 1, 1, self.lines[0]))])
        value = self.value(first, events)
        extra = next(events, None)
        if extra is not None:
            self.refuse("E001", extra, "a second document in the file", "keep one search space per file")
        if self.problems:
            raise SpaceError(self.problems)
        return value

    def events(self) -> Iterator[Event]:
        """The events that carry values; those of streams and documents are left out."""
        try:
            for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
                self.read, self.mark = self.read + 1, event.end_mark
                if self.read > 4 * MAX_VALUES:
                    self.refuse("E030", event, f"more than {MAX_VALUES:,} values")
                if isinstance(event, _VALUES + _ENDS):
                    yield event
                elif isinstance(event, DocumentStartEvent) and event.tags:
                    self.refuse("E003", event, "YAML directives are not allowed")
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: an escape beyond Unicode
            raise SpaceError([self.syntax_problem(error)]) from error

    def value(self, event: Event, events: Iterator[Event]) -> Value:
        if isinstance(event, AliasEvent):
            return self.alias(event)
        self.refuse_tag(event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse("E030", event, f"nested more than {MAX_DEPTH} deep")
        value = _BUILDERS[type(event)](self, event, events)
        self.depth -= 1
        if value.size > MAX_VALUES:
            self.refuse("E030", event, f"more than {MAX_VALUES:,} values once its aliases are expanded")
        anchor = getattr(event, "anchor", None)
        if anchor:
            self.anchors[anchor] = value
        return value

    def alias(self, event: AliasEvent) -> Value:
        name = str(event.anchor)
        if name not in self.anchors:
            self.refuse("E001", event, f"the alias *{name} stands for nothing that is complete above it")
        value = self.anchors[name]
        if self.depth + value.depth > MAX_DEPTH:
            self.refuse("E030", event, f"nested more than {MAX_DEPTH} deep once its aliases are expanded")
        return value

    def scalar(self, event: ScalarEvent, events: Iterator[Event]) -> Scalar:
        return Scalar(_resolve(event.value) if event.style is None else self.quoted(event), self.place(event))

    def quoted(self, event: ScalarEvent) -> str:
        """The text of a scalar; PyYAML leaves a surrogate pair, which JSON writes as two escapes, in two halves."""
        try:
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.refuse("E001", event, "this is not YAML: half of a surrogate pair")

    def sequence(self, event: SequenceStartEvent, events: Iterator[Event]) -> Sequence:
        items = []
        while not isinstance(following := next(events), SequenceEndEvent):
            items.append(self.value(following, events))
        return Sequence(tuple(items), self.place(event), 1 + sum(item.size for item in items), 1 + _deepest(items))

    def mapping(self, event: MappingStartEvent, events: Iterator[Event]) -> Mapping:
        entries: dict[str, Value] = {}
        places: dict[str, Place] = {}
        while not isinstance(following := next(events), MappingEndEvent):
            key = self.key(following, places)
            places.setdefault(key, self.place(following))
            entries[key] = self.value(next(events), events)
        size = 1 + sum(item.size for item in entries.values())
        return Mapping(entries, places, self.place(event), size, 1 + _deepest(entries.values()))

    def key(self, event: Event, known: dict[str, Place]) -> str:
        if not isinstance(event, ScalarEvent):
            self.refuse("E001", event, "a key must be a plain word")
        self.refuse_tag(event)
        if event.value == "<<" and event.style is None:
            self.refuse(
                "E003", event, "merge keys (<<) are not YAML 1.2", "repeat the keys, or name a block and `use` it"
            )
        key = self.quoted(event)
        if key in known:
            message, hint = f"the key {key!r} stands here twice", f"first on line {known[key].line}"
            self.problems.append(Problem("E002", "", message, self.place(event), hint))
        return key

    def refuse(self, code: str, event: Event, message: str, hint: str | None = None) -> NoReturn:
        raise SpaceError([*self.problems, Problem(code, "", message, self.place(event), hint)])

    def refuse_tag(self, event: Event) -> None:
        if getattr(event, "tag", None):
            hint = "write the value itself; a search space is plain data and runs no code"
            self.refuse("E003", event, f"the tag {_tag_name(event)!r} is not allowed", hint)

    def place(self, event: Event) -> Place:
        mark: Any = event.start_mark
        return self.at(mark.line, mark.column)

    def at(self, line: int, column: int) -> Place:
        text = self.lines[line] if line < len(self.lines) else ""
        return Place(self.file, line + 1, column + 1, text)

    def position(self, error: Exception) -> tuple[int, int]:
        """Line and column, from 0, of the character that an error names by its position in the text."""
        lines = (self.text[: getattr(error, "position", 0)] + "?").splitlines()
        return len(lines) - 1, len(lines[-1]) - 1

    def syntax_problem(self, error: Exception) -> Problem:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        if not isinstance(error, yaml.YAMLError):
            mark, message = self.mark, "a number in an escape or a directive is too large"
        place = self.at(mark.line, mark.column) if mark else self.at(*self.position(error))
        tab = "\t" in place.text[: place.column]
        hint = "YAML indents with spaces; replace the tab" if tab else None
        return Problem("E001", "", f"this is not YAML: {message}", place, hint)


def _deepest(values: Iterable[Value]) -> int:
    return max((value.depth for value in values), default=0)


def _tag_name(event: Event) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")


_VALUES = (AliasEvent, ScalarEvent, SequenceStartEvent, MappingStartEvent)
_ENDS = (SequenceEndEvent, MappingEndEvent)
_BUILDERS: dict[type[Event], Callable[[_Parser, Any, Iterator[Event]], Value]] = {
    ScalarEvent: _Parser.scalar,
    SequenceStartEvent: _Parser.sequence,
    MappingStartEvent: _Parser.mapping,
}

_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: truth
    for truth, words in ((True, ("true", "True", "TRUE")), (False, ("false", "False", "FALSE")))
    for word in words
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}|0x[0-9a-fA-F]{1,200}|0o[0-7]{1,200}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def _resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar under the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
