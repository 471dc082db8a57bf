"""How far a search is, for people who watch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ressearch.trial import TrialState
from ressearch.view.tables import cell, clock, percent

if TYPE_CHECKING:
    from ressearch.search.study import Ended, Progress


def progress_line(progress: Progress) -> str:
    """How far a study is, in one line."""
    parts = [f"{progress.done + progress.failed}/{progress.total} done", f"{progress.running} running"]
    if progress.stopped:
        parts.append(f"{progress.stopped} stopped")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.reused:
        parts.append(f"{progress.reused} known before")
    parts.append(f"front {progress.front}")
    if progress.best:
        parts.append(f"best {percent(progress.best[0])} ({progress.best[1]})")
    return ", ".join([*parts, *_left(progress)])


def ended_lines(progress: Progress, told: int) -> list[str]:
    """A line for each trial that ended since `told` of them had, see `Progress.ended`."""
    new = progress.ended[told:]
    settled = progress.done + progress.failed + progress.stopped
    firsts = range(settled - len(new) + 1, settled + 1)
    return [
        f"{max(0, count)}/{progress.total}: {_ended(one, progress)}" for count, one in zip(firsts, new, strict=True)
    ]


def _ended(one: Ended, progress: Progress) -> str:
    parts = [f"trial {one.number}", one.id, _outcome(one), f"{one.macs:,} MACs"]
    if one.seconds is not None:
        parts.append("known before" if one.reused else f"{one.seconds:.1f} s")
    parts += [cell("by", one.by)] if one.by else []
    if one.state is TrialState.COMPLETE:
        parts.append(f"{'on' if one.on_front else 'behind'} the front of {progress.front}")
    parts += [f"{progress.stopped} stopped"] if progress.stopped else []
    return ", ".join([*parts, *_left(progress)])


def _outcome(one: Ended) -> str:
    if one.accuracy is None:
        return f"failed: {one.failure}"
    stopped = f" after {one.epochs} epoch(s), stopped" if one.state is TrialState.STOPPED else ""
    return f"{percent(one.accuracy)}{stopped}"


def _left(progress: Progress) -> list[str]:
    return [] if progress.seconds_left is None else [f"{clock(progress.seconds_left)} left"]


def progress_view(progress: Progress) -> RenderableType:
    """How far a study is, with a bar."""
    page = Table.grid()
    page.add_row(
        ProgressBar(total=progress.total, completed=progress.done + progress.failed + progress.stopped, width=60)
    )
    page.add_row(Text(progress_line(progress)))
    return page
