"""What can go wrong, as a tree of exceptions, and how it is told to a person.

    RessearchError
    ├── SpaceError          a search space file is wrong; holds every problem found in it
    ├── SpaceFileError      a search space file cannot be read
    ├── DecisionError       a decision is missing, or not among what the space permits
    ├── ArchitectureError   a graph is ill-typed
    ├── NothingFitsError    no network satisfies what was asked for
    ├── DataError           a data set is unknown, missing or damaged
    ├── StoreError          the results store cannot be used, or does not hold what was asked for
    ├── FilterError         a question to the store cannot be read
    ├── ExchangeError       a file of exported records cannot be imported
    ├── StudyError          a study cannot start or go on
    │   └── EvaluatorError  the training that a user brings cannot be found or called
    ├── ClusterError        a Ray cluster cannot be reached or used
    ├── DeviceError         there is no such device
    ├── DashboardError      the dashboard cannot be opened, or a copy of a study cannot be written
    ├── DrawingError        a drawing cannot be made or written
    ├── ExportError         a network cannot be exported, or an export cannot be read
    │   ├── WeightsError    its weights, or a package for it, are missing or damaged
    │   └── MismatchError   what was written does not compute what the network does
    ├── TemplateError       a file for a cluster cannot be made of what was asked for
    └── TrainingError       a trial failed
        └── DivergedError   its loss became NaN or infinite

Every error carries a code (stable, so that it can be looked up), says what was wrong and where,
and, where there is one, the next step. The command line prints `str(error)` and exits with `exit_status`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """What the command line exits with."""

    FINE = 0
    ERROR = 1
    INVALID = 2
    NOTHING_FITS = 3
    MISSING = 4
    FAILED_TRIALS = 5
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_STATUSES = {
    ExitStatus.FINE: "fine",
    ExitStatus.ERROR: "an error of another kind",
    ExitStatus.INVALID: "wrong flag or invalid file",
    ExitStatus.NOTHING_FITS: "nothing fits the limits",
    ExitStatus.MISSING: "data, store or something of the machine is missing, or a check found something",
    ExitStatus.FAILED_TRIALS: "finished with failed trials",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C",
    ExitStatus.TERMINATED: "ended by SIGTERM",
}
"""What each of them means, as `ressearch --help` says it."""


class RessearchError(Exception):
    """Base of all errors of this package.

    `hint` is the next step for the reader; `exit_status` is the command line's, see `EXIT_STATUSES`.
    """

    code: ClassVar[str] = "E900"
    exit_status: ClassVar[int] = ExitStatus.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"error[{self.code}]: {self.message}"
        return f"{text}\n  = help: {self.hint}" if self.hint else text


@dataclass(frozen=True, order=True)
class Place:
    """A position in a text file: 1-based line and column, and the line itself for display."""

    file: str
    line: int
    column: int
    text: str


@dataclass(frozen=True)
class Problem:
    """One mistake in a search space file: `path` is its address in the YAML tree. Codes with a W are only warnings."""

    code: str
    path: str
    message: str
    place: Place
    hint: str | None = None

    def __str__(self) -> str:
        place, margin = self.place, " " * len(str(self.place.line))
        subject = f"{self.path}: {self.message}" if self.path else self.message
        text, column = _window(place)
        lines = [
            f"{'warning' if self.code.startswith('W') else 'error'}[{self.code}]: {subject}",
            f"{margin}--> {place.file}:{place.line}:{place.column}",
            f"{margin} |",
            f"{place.line} | {text}",
            f"{margin} | {' ' * (column - 1)}^",
        ]
        if self.hint:
            lines.append(f"{margin} = help: {self.hint}")
        return "\n".join(lines)


def _window(place: Place, width: int = 120) -> tuple[str, int]:
    """The part of the line around the column, so that a very long line stays readable."""
    start = max(0, place.column - 1 - width // 2) if len(place.text) > width else 0
    text = place.text[start : start + width].replace("\t", " ")
    return text, place.column - start


class SpaceError(RessearchError):
    """A search space file is wrong. `problems` holds every mistake that was found, in file order."""

    code = "E000"
    exit_status = ExitStatus.INVALID

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n\n".join(map(str, self.problems)))

    def __str__(self) -> str:
        return self.message


class SpaceFileError(RessearchError):
    """A search space file does not exist or cannot be read."""

    code = "E031"
    exit_status = ExitStatus.INVALID


class DecisionError(RessearchError):
    """A decision is missing, or not among what the search space permits."""

    code = "E100"
    exit_status = ExitStatus.INVALID


class ArchitectureError(RessearchError):
    """A graph is ill-typed: a shape does not fit, a name is used twice, a node reaches no output."""

    code = "E200"
    exit_status = ExitStatus.INVALID


class NothingFitsError(RessearchError):
    """No network satisfies the limits or the filter that was asked for."""

    code = "E300"
    exit_status = ExitStatus.NOTHING_FITS


class DataError(RessearchError):
    """A data set is unknown, missing, empty, truncated or of the wrong kind."""

    code = "E400"
    exit_status = ExitStatus.MISSING


class StoreError(RessearchError):
    """The results store cannot be opened, is of another version, or does not hold what was asked for."""

    code = "E500"
    exit_status = ExitStatus.MISSING


class FilterError(RessearchError):
    """The text of a filter, a column or a key to sort by says nothing; `text[start:end]` is where."""

    code = "E510"
    exit_status = ExitStatus.INVALID

    def __init__(self, message: str, text: str = "", start: int = 0, end: int = 0, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.text, self.start, self.end = text, start, end

    def __str__(self) -> str:
        head, *rest = super().__str__().split("\n  = help: ", 1)
        plain = "".join(character if character.isprintable() else " " for character in self.text)
        shown, column = _window(Place("", 1, self.start + 1, plain))
        marks = "^" * max(1, min(self.end - self.start, len(shown) - column + 1))
        place = ["  |", f"  | {shown}", f"  | {' ' * (column - 1)}{marks}"] if self.text else []
        return "\n".join([head, *place, *(f"  = help: {hint}" for hint in rest)])


class ExchangeError(RessearchError):
    """A file of exported records cannot be imported: it is damaged, of a newer version, or contradicts the store."""

    code = "E520"
    exit_status = ExitStatus.INVALID


class StudyError(RessearchError):
    """A study cannot start or go on, e.g. because it exists with another search space."""

    code = "E600"
    exit_status = ExitStatus.INVALID


class EvaluatorError(StudyError):
    """The training that a user brings cannot be found, imported or called."""


class ClusterError(RessearchError):
    """A Ray cluster cannot be reached, does not let us in, or cannot hold a trial."""

    code = "E610"
    exit_status = ExitStatus.MISSING


class DeviceError(RessearchError):
    """There is no such device on this machine."""

    code = "E702"
    exit_status = ExitStatus.MISSING


class DrawingError(RessearchError):
    """A drawing cannot be made or written: a package or a font is missing, or there is no place for it."""

    code = "E820"
    exit_status = ExitStatus.MISSING


class DashboardError(RessearchError):
    """The dashboard is not installed or cannot listen, or a copy of a study has no place."""

    code = "E810"
    exit_status = ExitStatus.MISSING


class TemplateError(RessearchError):
    """A file that starts a search on a cluster cannot be made: no such kind, or a value that does not fit into it."""

    code = "E830"
    exit_status = ExitStatus.INVALID


class TrainingError(RessearchError):
    """A trial failed; the study goes on without it."""

    code = "E700"


class DivergedError(TrainingError):
    """A loss became NaN or infinite."""

    code = "E701"


class ExportError(RessearchError):
    """A network cannot be exported, or a file that was exported cannot be read."""

    code = "E800"
    exit_status = ExitStatus.INVALID


class WeightsError(ExportError):
    """Weights are missing, damaged or of another network, or a package is missing that an export needs."""

    code = "E801"
    exit_status = ExitStatus.MISSING


class MismatchError(ExportError):
    """What was written does not compute what the network does; it has been removed."""

    code = "E802"
    exit_status = ExitStatus.ERROR
