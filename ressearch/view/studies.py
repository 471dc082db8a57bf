"""Studies as they stand: all of a store, or one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ressearch.store import Latest, NodeUse, Overview, Status, WorkerUse
from ressearch.trial import TrialState
from ressearch.view.tables import cell, clock, moment, percent, plain_table

RUN_COLUMNS = ("study", "space", "data", "objective", "trials", "asked", "failed", "best", "front", "begun", "state")
_TEXTS = ("study", "space", "data", "objective", "begun", "state")


def record_of_run(one: Overview) -> dict[str, Any]:
    """A study as plain values; accuracy in [0, 1], `begun` in ISO 8601, UTC. trials: that have ended."""
    return {
        "study": one.name,
        "space": one.space,
        "data": one.data,
        "objective": one.objective,
        "trials": one.ended,
        "asked": one.asked,
        "failed": one.counts[TrialState.FAILED],
        "best": None if one.best is None else one.best[0],
        "front": one.front,
        "begun": moment(one.begun),
        "state": one.state.value,
    }


def runs_table(overviews: Sequence[Overview]) -> Table:
    """The studies of a store."""
    table = plain_table(*RUN_COLUMNS, left=_TEXTS)
    for one in overviews:
        table.add_row(*run_cells(one))
    return table


def run_cells(one: Overview) -> list[str]:
    """The values of `record_of_run` for people."""
    record = record_of_run(one)
    shown = {name: cell(name, value) for name, value in record.items()}
    shown["best"] = "" if one.best is None else percent(one.best[0])
    shown["begun"] = record["begun"].replace("T", " ").removesuffix("Z")
    return [shown[name] for name in RUN_COLUMNS]


def record_of_status(status: Status) -> dict[str, Any]:
    """How a study goes, as plain values; times in seconds, moments in ISO 8601, UTC."""
    one, latest = status.overview, status.latest
    counts = {state.value: one.counts[state] for state in TrialState}
    record: dict[str, Any] = {"study": one.name, "state": one.state.value, "driver": "alive" if one.driven else "none"}
    record |= {"space": one.space, "data": one.data, "objective": one.objective, "begun": moment(one.begun)}
    return {
        **record,
        "total": one.total,
        **counts,
        "reused": status.reused,
        "front": one.front,
        "best": None if one.best is None else {"accuracy": one.best[0], "id": one.best[1]},
        "trials_per_hour": status.trials_per_hour,
        "seconds_left": status.seconds_left,
        "last": None if latest is None else _record_of_latest(latest),
        "nodes": [asdict(node) for node in status.nodes],
        "workers": None if status.use is None else asdict(status.use),
    }


def _record_of_latest(latest: Latest) -> dict[str, Any]:
    at, state = moment(latest.at), latest.state.value
    return {"trial": latest.number, "id": latest.id, "state": state, "at": at, "accuracy": latest.accuracy}


def status_lines(status: Status) -> list[str]:
    """How a study goes, a fact a line."""
    one, latest = status.overview, status.latest
    facts: dict[str, str] = {"study": one.name, "space": one.space, "data": one.data}
    facts |= {"objective": one.objective} if one.objective else {}
    facts |= {"state": _STATES[one.state.value].format(name=one.name), "trials": _trials(status)}
    if one.best is not None:
        facts["front"] = f"{one.front} network(s), the best {percent(one.best[0])} ({one.best[1]})"
    if status.trials_per_hour is not None:
        left = "" if status.seconds_left is None else f", about {clock(status.seconds_left)} left"
        facts["pace"] = f"{status.trials_per_hour:.0f} trials an hour, {status.at_once} at once{left}"
    if latest is not None:
        facts["last"] = f"{_latest(latest)}, {clock(max(0.0, status.now - latest.at))} ago"
    facts |= {"workers": _workers(status.use)} if status.use else {}
    return [f"{name:11}{cell(name, fact)}" for name, fact in facts.items()] + _node_lines(status.nodes)


def _workers(use: WorkerUse) -> str:
    return f"{100 * use.trained:.0f} % of their time in training, {use.gap_seconds:.2f} s from a trial to the next"


_NODES = 12
"""As many are shown, those first on which the most trials run, so that a page stays one."""
_WIDTHS = {"node": 20, "device": 16}
"""Characters of a name at most; names of nodes often differ at their ends alone."""


def _node_lines(nodes: Sequence[NodeUse]) -> list[str]:
    """A table in less than 80 columns, after an empty line."""
    if not nodes:
        return []
    shown = sorted(nodes, key=lambda node: -node.running)[:_NODES]
    heads = {"node": "<", "running": ">", "ended": ">", "failed": ">", "memory": ">"}
    heads |= {"GPUs": ">"} if any(node.gpus is not None for node in shown) else {}
    heads["device"] = "<"
    rows = [dict(zip(heads, heads, strict=True)), *map(_node_cells, shown)]
    widths = {name: max(len(row[name]) for row in rows) for name in heads}
    lines = ["  ".join(f"{row[name]:{side}{widths[name]}}" for name, side in heads.items()).rstrip() for row in rows]
    more = len(nodes) - len(shown)
    return ["", *lines, *([f"and {more} more node(s); -f json tells of all"] if more else [])]


def _node_cells(node: NodeUse) -> dict[str, str]:
    memory = "" if node.peak_memory is None else f"{node.peak_memory / 2**30:.1f} GiB"
    counts = {"running": f"{node.running:,}", "ended": f"{node.ended:,}", "failed": f"{node.failed:,}"}
    gpus = "" if node.gpus is None else f"{node.gpus:g}"
    names = {"node": node.node, "device": ", ".join(node.devices)}
    return {
        **{name: _short(text, _WIDTHS[name]) for name, text in names.items()},
        **counts,
        "memory": memory,
        "GPUs": gpus,
    }


def _short(text: str, width: int) -> str:
    text = cell("", text)
    return text if len(text) <= width else f"{text[:8]}...{text[11 - width :]}"


_STATES = {
    "running": "running: a driver is alive",
    "interrupted": "interrupted: nobody drives it; `ressearch resume {name}` goes on with it",
    "finished": "finished: nobody drives it, and no trial is open",
}


def _trials(status: Status) -> str:
    one = status.overview
    of = "" if one.total is None else f" of {one.total}"
    states = (TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED, TrialState.RUNNING)
    counts = [f"{one.counts[state]} {state}" for state in states if one.counts[state]]
    reused = [f"{status.reused} known before"] if status.reused else []
    return f"{one.ended}{of} ended: {', '.join([*counts, *reused])}" if counts else f"0{of} ended"


def _latest(latest: Latest) -> str:
    if latest.state is TrialState.RUNNING:
        return f"trial {latest.number} ({latest.id}) began"
    measured = "" if latest.accuracy is None else f" with {percent(latest.accuracy)}"
    return f"trial {latest.number} ({latest.id}) {latest.state}{measured}"


def status_line(status: Status) -> str:
    """How a study goes, in one line; it changes only where the study does."""
    one, latest = status.overview, status.latest
    parts = [f"{one.name}: {one.state}", _trials(status), f"front {one.front}"]
    parts += [f"best {percent(one.best[0])}"] if one.best else []
    busy = [node for node in status.nodes if node.running]
    parts += [f"on {len(busy)} node(s)"] if busy else []
    parts += [f"workers {100 * status.use.trained:.0f} % in training"] if status.use else []
    parts += [f"last {_latest(latest)}"] if latest else []
    return ", ".join(parts)
