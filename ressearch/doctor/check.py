"""What a check of the machine comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Fine, something that may surprise, or something without which a search will not run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what to do about it, where there is something to do."""

    name: str
    level: Level
    said: str
    step: str = ""

    def __post_init__(self) -> None:
        if self.level is not Level.OK and not self.step:
            raise ValueError(f"{self.name} is {self.level}, and nobody says what to do")

    def __str__(self) -> str:
        return f"{self.level:6}{self.name:10}{self.said}" + (f": {self.step}" if self.step else "")
