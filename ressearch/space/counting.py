"""How many ways there are to decide everything, and one of them drawn evenly: arithmetic, without building a network.

A block is translated to `Ways`: a product over its parts, a sum over the branches of a choice. What is shared (a
variable, the inside of a tied rule) is decided once however often it is met, so it is not a factor where it stands.
There it is a *symbol*, and ways are counted per set of symbols that they meet; the symbols are resolved in the end.
A variable whose value says what else is asked (how many copies, which branch) has one symbol per value, and ways that
give it two values do not exist.

Drawing goes the same way backwards: first the set of symbols, by the number of ways that meet it, then each part given
its set. (That is the recursive method of Nijenhuis and Wilf for decomposable structures, with sets for what is shared.)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ressearch.space.choices import Choice, Domain, Real, at_random, count, members

Table = Mapping[frozenset["Symbol"], int]
"""Set of symbols that some ways meet -> number of these ways."""

NOTHING: frozenset[Symbol] = frozenset()

MAX_DIGITS = 4_000
"""Of a count; Python refuses to print much longer ones."""


class TooManyError(Exception):
    """A count is too long to be worth having."""


class Symbol(NamedTuple):
    """Something decided once: a variable (with its value, if that matters elsewhere) or the inside of a tied rule."""

    path: str
    tied: bool
    value: Any = None


def union(a: frozenset[Symbol], b: frozenset[Symbol]) -> frozenset[Symbol] | None:
    """Both sets together, or None if they give a variable two values."""
    both = a | b
    if len({symbol.path for symbol in both}) < len(both):
        return None
    return both


def pick(weights: Mapping[Any, int], generator: random.Random) -> Any:
    """A key, drawn in proportion to its weight; exact for weights of any size."""
    at = generator.randrange(sum(weights.values()))
    for key, weight in weights.items():
        at -= weight
        if at < 0:
            return key
    raise AssertionError("weights changed while one was picked")


class Ways:
    """The ways to decide a part of a space; this one has nothing to decide."""

    @property
    def table(self) -> Table:
        """The ways by what they meet."""
        return {NOTHING: 1}

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """Write one of the ways that meet just the given symbols to `found`, each as likely as any other."""


NO_CHOICE = Ways()


class Open(Ways):
    """A decision on which nothing else depends."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    @property
    def table(self) -> Table:
        """As many as the domain has members."""
        return {NOTHING: count(self.domain)}

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """A member of the domain."""
        found[path] = drawn(self.domain, path, generator)


def drawn(domain: Domain, path: str, generator: random.Random) -> Any:
    """A member of a domain, each as likely; of the continuum as `at_random` has it."""
    if isinstance(domain, Real) and domain.step is None:
        return at_random(generator)(Choice(path, domain))
    return generator.choice(members(domain))


class Decided(Ways):
    """One value of a decision on which something depends."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """The value."""
        found[path] = self.value


class Shared(Ways):
    """What is decided once, wherever it stands; drawn by `Resolved`."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol

    @property
    def table(self) -> Table:
        """One way, which meets the symbol."""
        return {frozenset([self.symbol]): 1}


class At(Ways):
    """Ways one step down the path."""

    def __init__(self, step: str, inner: Ways) -> None:
        self.step, self.inner = step, inner

    @property
    def table(self) -> Table:
        """That of the inner ways."""
        return self.inner.table

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """What the inner ways draw, one step down."""
        self.inner.draw(generator, given, f"{path}.{self.step}" if path else self.step, found)


class Both(Ways):
    """Every way of one part with every way of another."""

    def __init__(self, first: Ways, last: Ways) -> None:
        self.first, self.last = first, last

    @cached_property
    def table(self) -> Table:
        """The product."""
        found: dict[frozenset[Symbol], int] = {}
        for a, many in self.first.table.items():
            for b, others in self.last.table.items():
                both = union(a, b)
                if both is not None:
                    found[both] = found.get(both, 0) + many * others
        if max(found.values(), default=0).bit_length() > 3.33 * MAX_DIGITS:
            raise TooManyError
        return found

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """A way of each part; a loop, since long repeats are long chains."""
        part: Ways = self
        while isinstance(part, Both):
            first, last = part.first.table, part.last.table
            weights = {(a, b): first[a] * last[b] for a in first for b in last if union(a, b) == given}
            given, beside = pick(weights, generator)
            part.last.draw(generator, beside, path, found)
            part = part.first
        part.draw(generator, given, path, found)


class AnyOf(Ways):
    """A way of one part or of another."""

    def __init__(self, parts: Iterable[Ways]) -> None:
        self.parts = tuple(parts)

    @cached_property
    def table(self) -> Table:
        """The sum."""
        found: dict[frozenset[Symbol], int] = {}
        for part in self.parts:
            for symbols, many in part.table.items():
                found[symbols] = found.get(symbols, 0) + many
        return found

    def draw(self, generator: random.Random, given: frozenset[Symbol], path: str, found: dict[str, Any]) -> None:
        """A way of one of the parts."""
        weights = {number: part.table.get(given, 0) for number, part in enumerate(self.parts)}
        self.parts[pick(weights, generator)].draw(generator, given, path, found)


def all_of(parts: Iterable[Ways]) -> Ways:
    """The product of any number of parts."""
    result = NO_CHOICE
    for part in parts:
        result = part if result is NO_CHOICE else result if part is NO_CHOICE else Both(result, part)
    return result


def copies(step: Callable[[int], str], block: Ways, most: int) -> list[Ways]:
    """No copy of a block, one, two, up to `most`; each prolongs the one before."""
    found = [NO_CHOICE]
    for number in range(most):
        found.append(all_of([found[-1], At(step(number), block)]))
        _ = found[-1].table  # from the shortest chain on, so that no long one recurses to it
    return found


class Resolved:
    """Ways together with what their symbols stand for: the tied rules' ways, and the variables' domains."""

    def __init__(self, root: Ways, tied: Mapping[Symbol, Ways], domains: Mapping[str, Domain]) -> None:
        self._root, self._tied, self._domains = root, tied, domains
        self._heights: dict[Symbol, int] = {}
        self._totals: dict[frozenset[Symbol], int] = {}

    @cached_property
    def size(self) -> int:
        """Number of ways in all."""
        return sum(many * self._total(symbols) for symbols, many in self._root.table.items())

    def draw(self, generator: random.Random) -> dict[str, Any]:
        """Path -> value of one way, each as likely as any other."""
        found: dict[str, Any] = {}
        table = self._root.table
        symbols = pick({key: many * self._total(key) for key, many in table.items()}, generator)
        self._root.draw(generator, symbols, "", found)
        while (outer := self._outermost(symbols)) is not None:
            inner = pick(self._opened(symbols, outer), generator)
            self._tied[outer].draw(generator, inner, outer.path, found)
            symbols = (symbols - {outer}) | inner
        for path, _, value in symbols:
            found[path] = drawn(self._domains[path], path, generator) if value is None else value
        return found

    def _total(self, symbols: frozenset[Symbol]) -> int:
        """Number of ways to decide what the symbols stand for."""
        if symbols not in self._totals:
            outer = self._outermost(symbols)
            if outer is not None:
                self._totals[symbols] = sum(self._opened(symbols, outer).values())
            else:
                open_variables = [s.path for s in symbols if s.value is None]
                total = 1
                for path in open_variables:
                    total *= count(self._domains[path])
                self._totals[symbols] = total
        return self._totals[symbols]

    def _opened(self, symbols: frozenset[Symbol], outer: Symbol) -> dict[frozenset[Symbol], int]:
        """What a tied rule's inside meets -> number of ways of all symbols then."""
        rest = symbols - {outer}
        found = {}
        for inner, many in self._tied[outer].table.items():
            both = union(rest, inner)
            if both is not None:
                found[inner] = many * self._total(both)
        return found

    def _outermost(self, symbols: frozenset[Symbol]) -> Symbol | None:
        """A tied rule that no other of the set contains, or None if only variables are left."""
        ties = [symbol for symbol in symbols if symbol.tied]
        return max(ties, key=lambda symbol: (self._height(symbol), symbol.path), default=None)

    def _height(self, symbol: Symbol) -> int:
        if symbol not in self._heights:
            inside = {inner for symbols in self._tied[symbol].table for inner in symbols if inner.tied}
            self._heights[symbol] = 1 + max(map(self._height, inside), default=0)
        return self._heights[symbol]
