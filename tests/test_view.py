"""What a person sees while a study runs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ressearch.search.study import Ended, Progress
from ressearch.trial import Failure, TrialState
from ressearch.view import ended_lines, progress_line, progress_view

RUNNING = Progress(24, 10, 2, 1, 3, 5, (0.985, "8be4311036852a2a"), False, 3_725.4)


def test_progress_in_one_line() -> None:
    assert progress_line(RUNNING) == (
        "11/24 done, 2 running, 1 failed, 3 known before, front 5, best 98.50 % (8be4311036852a2a), 1:02:05 left"
    )


def test_nothing_is_said_of_what_is_not_there() -> None:
    begun = Progress(24, 0, 2, 0, 0, 0, None, False, None)
    assert progress_line(begun) == "0/24 done, 2 running, front 0"


def test_on_a_terminal_the_bar_stands_above_the_whole_line() -> None:
    stream = io.StringIO()
    Console(file=stream, width=120).print(progress_view(RUNNING))
    bar, line = (row.rstrip() for row in stream.getvalue().splitlines())
    assert set(bar) <= set("━╸╺ ")
    assert line == progress_line(RUNNING)


ENDED = Ended(12, "b5d6980a2efd148c", 107_584, TrialState.COMPLETE, 6, "evolution", 0.985, 2.34, on_front=True)


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (ENDED, "98.50 %, 107,584 MACs, 2.3 s, evolution, on the front of 5, 1:02:05 left"),
        (
            replace(ENDED, on_front=False),
            "98.50 %, 107,584 MACs, 2.3 s, evolution, behind the front of 5, 1:02:05 left",
        ),
        (
            replace(ENDED, reused=True),
            "98.50 %, 107,584 MACs, known before, evolution, on the front of 5, 1:02:05 left",
        ),
        (
            replace(ENDED, state=TrialState.STOPPED, epochs=2, on_front=False),
            "98.50 % after 2 epoch(s), stopped, 107,584 MACs, 2.3 s, evolution, 1:02:05 left",
        ),
        (
            Ended(12, ENDED.id, 107_584, TrialState.FAILED, 6, "baseline a\x1b[31mb", failure=Failure.DIVERGED),
            "failed: diverged, 107,584 MACs, baseline a [31mb, 1:02:05 left",
        ),
    ],
    ids=["on-front", "behind", "reused", "stopped", "failed"],
)
def test_a_line_for_a_trial_that_ended(ended: Ended, line: str) -> None:
    [told] = ended_lines(replace(RUNNING, ended=(ended,)), 0)
    assert told == f"11/24: trial 12, b5d6980a2efd148c, {line}"
    assert told.isprintable()


def test_each_trial_has_one_line_and_counts_on() -> None:
    several = replace(RUNNING, seconds_left=None, ended=tuple(replace(ENDED, number=number) for number in range(4)))
    begins = [line[:14] for line in ended_lines(several, 1)]
    assert begins == ["9/24: trial 1,", "10/24: trial 2", "11/24: trial 3"]
    assert ended_lines(several, 4) == []
    assert "3 stopped" in ended_lines(replace(several, stopped=3), 3)[0]
