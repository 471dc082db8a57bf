"""The time limit of a trial: kept by a thread of C in the worker, read by the driver from what it leaves behind.

A worker that hangs in C code, or in reading a file that never comes, cannot end itself in Python. `faulthandler` needs
neither the interpreter nor its lock: it writes where every thread is and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = f'"{Path(__file__).with_name("worker.py")}"'
"""Whose frames are the beginning of a trial; what is above them is the place where it hung."""

BEGINNING = "Timeout ("
"""With which faulthandler begins its report; so a file that begins otherwise tells of no time limit."""


@contextmanager
def limited(seconds: float, report: Path | None) -> Iterator[None]:
    """End this process when the work inside takes longer, and leave in `report` where it was; 0 for no limit.

    report: None to say it on stderr, which on a cluster is the worker's log.
    """
    if not seconds:
        yield
        return
    with os.fdopen(os.dup(2), "w") if report is None else report.open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def overrun(seconds: float, report: Path) -> str | None:
    """What to say of a trial that `limited` ended, with the place where it was; None if it died of something else."""
    try:
        text = report.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if not text.startswith(BEGINNING):
        return None
    told = f"not done after {seconds:g} s, the time limit of a trial (--time-limit); most recent call last:"
    return "\n".join([told, *_place(text)])


def _place(text: str) -> list[str]:
    """The frames of the trial from the worker's own on, outermost first; every thread's if none is known."""
    for thread in text.split("\n\n"):
        frames = [line for line in thread.splitlines() if line.startswith("  File ")]
        own = [position for position, frame in enumerate(frames) if WORKER in frame]
        if own:
            return frames[own[0] :: -1]
    return text.splitlines()
