"""What a person sees while a study runs."""

from __future__ import annotations

import io

from rich.console import Console

from ressearch.search.study import Progress
from ressearch.view import progress_line, progress_view

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
