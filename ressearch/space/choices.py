"""Open decisions: what may be chosen, under which address, and who chooses.

`decode` asks a *chooser* for each open decision that it meets and never learns who answers: a random generator, an
Optuna trial, Hypothesis, a stored dictionary.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, isclose, log
from types import MappingProxyType
from typing import Any

from ressearch.errors import DecisionError
from ressearch.trial import PARAMETERS

Decisions = Mapping[str, Any]
"""Path of a choice -> the value chosen: what Optuna calls `trial.params`."""


@dataclass(frozen=True)
class Categorical:
    """One of some values (words, numbers or truth values)."""

    values: tuple[str | int | float | bool, ...]

    def __contains__(self, value: object) -> bool:
        return any(value == option and type(value) is type(option) for option in self.values)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, both included, in steps; `log` draws orders of magnitude evenly."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" + (f" in steps of {self.step}" if self.step > 1 else "")


@dataclass(frozen=True)
class Real:
    """A real number from `low` to `high`, perhaps in steps; `log` draws orders of magnitude evenly."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        if self.step is None:
            return self.low <= value <= self.high
        steps = (value - self.low) / self.step
        return -1e-6 < steps < count(self) - 1 + 1e-6 and isclose(steps, round(steps), abs_tol=1e-6)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (f" in steps of {self.step:g}" if self.step else "")


Domain = Categorical | Integer | Real


def count(domain: Domain) -> int:
    """Members of a domain; 1 for the continuum."""
    match domain:
        case Categorical(values):
            return len(values)
        case Integer(low, high, step, _):
            return (high - low) // step + 1
        case Real(low, high, _, step):
            return 1 if step is None else int((_decimal(high) - _decimal(low)) // _decimal(step)) + 1


def _decimal(number: float) -> Decimal:
    """The number as it is written, so that steps of 0.1 are exact."""
    return Decimal(str(number))


def members(domain: Domain) -> Sequence[Any]:
    """The members of a domain in order; of the continuum only where it begins."""
    match domain:
        case Categorical(values):
            return values
        case Integer(low, high, step, _):
            return range(low, high + 1, step)
        case Real(low, _, _, step):
            return [float(_decimal(low) + _decimal(step or 0) * k) for k in range(count(domain))]


@dataclass(frozen=True)
class Choice:
    """An open decision: its address (`stages.1.block.0.cell.one_of`) and what may be chosen."""

    path: str
    domain: Domain


Choose = Callable[[Choice], Any]
"""A chooser: gives a member of the choice's domain."""


def at_random(generator: random.Random) -> Choose:
    """A chooser that draws each decision uniformly (in the logarithm where the choice says `log`)."""

    def choose(choice: Choice) -> Any:
        return _DRAWS[type(choice.domain)](choice.domain, generator)

    return choose


def _draw_integer(domain: Integer, generator: random.Random) -> int:
    if domain.log:
        drawn = int(exp(generator.uniform(log(domain.low), log(domain.high + 1))))
        return min(domain.high, max(domain.low, drawn))
    return generator.randrange(domain.low, domain.high + 1, domain.step)


def _draw_real(domain: Real, generator: random.Random) -> float:
    if domain.step is not None:
        drawn: float = generator.choice(members(domain))
        return drawn
    if domain.log:
        return min(domain.high, max(domain.low, exp(generator.uniform(log(domain.low), log(domain.high)))))
    return generator.uniform(domain.low, domain.high)


_DRAWS: dict[type, Callable[[Any, random.Random], Any]] = {
    Categorical: lambda domain, generator: generator.choice(domain.values),
    Integer: _draw_integer,
    Real: _draw_real,
}


def near(domain: Domain, value: Any, generator: random.Random) -> list[Any]:
    """What a decision may be changed to: another word, the next number below or above, one nearby on the continuum."""
    if isinstance(domain, Real) and domain.step is None:
        return [_nearby(domain, value, generator)]
    if isinstance(domain, Categorical):
        return [option for option in domain.values if option != value or type(option) is not type(value)]
    options = members(domain)
    at = min(range(len(options)), key=lambda k: abs(options[k] - value))
    return [options[k] for k in (at - 1, at + 1) if 0 <= k < len(options)]


def _nearby(domain: Real, value: float, generator: random.Random) -> float:
    low, high, at = (log(x) if domain.log else x for x in (domain.low, domain.high, value))
    at = min(high, max(low, at + generator.gauss(0, _STRIDE * (high - low))))
    return min(domain.high, max(domain.low, exp(at))) if domain.log else at


_STRIDE = 0.1
"""How far a number on the continuum is moved, as a share of its range."""


def as_stored(decisions: Decisions) -> Choose:
    """A chooser that answers from a complete set of decisions. It raises DecisionError where one is missing."""

    def choose(choice: Choice) -> Any:
        if choice.path not in decisions:
            raise DecisionError(f"no decision for {choice.path}", hint=f"choose one of: {choice.domain}")
        return decisions[choice.path]

    return choose


def as_stored_or(decisions: Decisions, otherwise: Choose) -> Choose:
    """A chooser that keeps the decisions which are permitted where they are asked for; another decides the rest."""

    def choose(choice: Choice) -> Any:
        stored = decisions.get(choice.path)
        return stored if stored is not None and stored in choice.domain else otherwise(choice)

    return choose


def in_order() -> Iterator[Choose]:
    """A chooser for each combination of decisions, the last decision fastest; each is for one `decode`.

    Choices whose path begins with `parameters.` are no part of a network and take their first value.
    """
    choose = _Odometer()
    yield choose
    while choose.advance():
        yield choose


class _Odometer:
    """A chooser with a digit for each choice that it met."""

    def __init__(self) -> None:
        self._digits: list[int] = []
        self._sizes: list[int] = []
        self._asked = 0

    def __call__(self, choice: Choice) -> Any:
        """The value at the current digit."""
        options = members(choice.domain)
        if choice.path.startswith(PARAMETERS):
            return options[0]
        if self._asked == len(self._digits):
            self._digits.append(0)
            self._sizes.append(len(options))
        self._asked += 1
        return options[self._digits[self._asked - 1]]

    def advance(self) -> bool:
        """Count up by one; what is asked behind the digit that moved begins at its first value again."""
        del self._digits[self._asked :], self._sizes[self._asked :]
        while self._digits and self._digits[-1] == self._sizes[-1] - 1:
            self._digits.pop()
            self._sizes.pop()
        self._asked = 0
        if not self._digits:
            return False
        self._digits[-1] += 1
        return True


class BySuffix:
    """A chooser for baselines: each key addresses all choices whose path ends in it; the longest key wins.

    `one_of: basic` decides every `one_of`; `stages.2.block.0.cell.one_of: nested` just one. A choice that no key
    addresses takes what `otherwise` says for its path, if that is permitted; else DecisionError is raised. `unused`
    names the keys that addressed no choice.
    """

    def __init__(self, wanted: Mapping[str, Any], otherwise: Decisions = MappingProxyType({})) -> None:
        self.wanted = dict(wanted)
        self.otherwise = otherwise
        self.seen: list[str] = []
        self._used: set[str] = set()

    def __call__(self, choice: Choice) -> Any:
        """The value of the longest key that the choice's path ends in."""
        self.seen.append(choice.path)
        dotted = f".{choice.path}"
        keys = [key for key in self.wanted if dotted.endswith(f".{key}")]
        default = self.otherwise.get(choice.path, 0)
        if not keys and choice.path in self.otherwise:
            fitting = [value for value in (default, float(default), round(default)) if value in choice.domain]
            if fitting and fitting[0] == default:
                return fitting[0]
        if not keys:
            misspelt = next((key for key in self.wanted if self._is_like(key, choice.path)), None)
            hint = f"choose one of: {choice.domain}" + (f"; is {misspelt!r} misspelt?" if misspelt else "")
            raise DecisionError(f"leaves {choice.path} open", hint=hint)
        key = max(keys, key=len)
        self._used.add(key)
        return self.wanted[key]

    def _is_like(self, key: str, path: str) -> bool:
        """Whether the key could be meant to be the end of a path, and is the end of no other."""
        parts = path.split(".")
        ends = [".".join(parts[start:]) for start in range(len(parts))]
        return key not in self._used and bool(difflib.get_close_matches(key, ends, n=1, cutoff=0.75))

    def unused(self) -> dict[str, str | None]:
        """Keys that addressed no choice, each with the nearest address that exists."""
        return {key: nearest(key, self._addresses()) for key in self.wanted if key not in self._used}

    def _addresses(self) -> list[str]:
        parts = [path.split(".") for path in self.seen]
        return sorted({".".join(part[start:]) for part in parts for start in range(len(part))})


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that `word` begins or is most like, if there is one."""
    begun = [option for option in known if len(word) > 2 and option.startswith(word)]
    if begun:
        return min(begun, key=len)
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return matches[0] if matches else None
