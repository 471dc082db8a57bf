"""A comparison as rows of text, for a terminal and for Markdown, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from ressearch.comparing.measured import Accuracies, Compared, Verdict, decided, label, verdicts
from ressearch.comparing.wiring import BlockChange, by_block, differences
from ressearch.ranking import summary
from ressearch.trial import Latency
from ressearch.view import percent

FACTS: dict[str, Callable[[Compared], str]] = {
    "id": lambda one: one.architecture.id,
    "FLOPs": lambda one: f"{one.cost.flops:,}",
    "parameters": lambda one: f"{one.cost.params:,}",
    "activations": lambda one: f"{one.cost.activations:,}",
    "peak": lambda one: f"{one.cost.peak:,}",
    "depth": lambda one: f"{one.cost.depth:,}",
    "nesting": lambda one: f"{one.wiring.nesting:,}",
    "skips": lambda one: f"{one.wiring.skips:,}",
    "blocks": lambda one: ", ".join(f"{count} {kind}" for kind, count in one.wiring.kinds.items()) or "none",
}
"""What the wiring tells, by the head of its row."""


@dataclass(frozen=True)
class Against:
    """How a network stands to the first: what can be told of both, and how the one becomes the other."""

    name: str
    first: str
    verdicts: list[Verdict]
    changes: list[BlockChange]
    decisions: dict[str, dict[str, tuple[object, object]]]

    @classmethod
    def of(cls, first: Compared, other: Compared) -> Against:
        """Two networks."""
        changes = by_block(differences(first.architecture, other.architecture))
        return cls(other.name, first.name, verdicts(first, other), changes, decided(first, other))


# Rows


def fact_rows(networks: Sequence[Compared]) -> list[list[str]]:
    """A row for each fact, its head first, then a cell for each network."""
    rows = [[head, *(tell(one) for one in networks)] for head, tell in FACTS.items()]
    return rows + _measured_rows(networks)


def _measured_rows(networks: Sequence[Compared]) -> list[list[str]]:
    """What is comparable is in one row; `other recipe` where the same words mean what is not."""
    keys = dict.fromkeys((one.what, one.key) for network in networks for one in network.accuracies)
    rows = []
    for key in keys:
        found = [next((a for a in n.accuracies if (a.what, a.key) == key), None) for n in networks]
        known = [one for one in found if one is not None]
        studies = ", ".join(dict.fromkeys(name for one in known for name in one.studies))
        head = label(known[0]) + (f" ({studies})" if studies else "")
        rows.append([head, *("" if one is None else accuracy_cell(one) for one in found)])
    conditions = dict.fromkeys(_conditions(one) for network in networks for one in network.latencies)
    for words in conditions:
        timed = [next((one for one in n.latencies if _conditions(one) == words), None) for n in networks]
        rows.append([f"latency, {words}", *("" if one is None else _milliseconds(one) for one in timed)])
    return rows


def _conditions(one: Latency) -> str:
    return f"{one.device}, {one.threads} thread(s), {one.precision}, batch {one.batch}"


def _milliseconds(one: Latency) -> str:
    low, high = 1e3 * one.low_seconds, 1e3 * one.high_seconds
    return f"{1e3 * one.median_seconds:.3f} ms ({low:.3f} to {high:.3f})"


def accuracy_cell(one: Accuracies) -> str:
    """Mean, standard deviation and number of seeds."""
    over = one.summary
    spread = "" if over.deviation is None else f" ± {100 * over.deviation:.2f}"
    return f"{100 * over.mean:.2f}{spread} % (n = {over.seeds})"


# Lines


def verdict_line(one: Verdict, against: Against) -> str:
    """One respect in words; of two that cannot be told apart, that."""
    unit = UNITS.get(one.what.partition(",")[0], _count)
    said = f"{one.what}: {unit(one.first)} and {unit(one.other)}"
    if one.low is not None and one.high is not None:
        points = f"{100 * one.difference:+.2f} points, 95 %: {100 * one.low:+.2f} to {100 * one.high:+.2f}"
        said = f"{said} ({points})"
    if one.better is not None:
        return f"{said}: {one.better} is better"
    return f"{said}: {'equal' if one.why is None else f'not told apart, {one.why}'}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


UNITS: dict[str, Callable[[float], str]] = {
    "search accuracy": percent,
    "retrained accuracy": percent,
    "latency": lambda seconds: f"{1e3 * seconds:.3f} ms",
}
"""How a value is told, by the first words of what it is of; a count unless it is here."""


def change_rows(changes: Sequence[BlockChange]) -> list[list[str]]:
    """A row for each block that differs, or for neighbouring ones that do alike."""
    rows = []
    for change in changes:
        where = change.first if change.blocks == 1 else f"{change.first} to {change.last}"
        each = ", each" if change.blocks > 1 else ""
        what = ", ".join(phrase if times == 1 else f"{phrase} ({times} times)" for phrase, times in change.phrases)
        rows.append([f"{where}{each}", what])
    return rows


def decision_rows(decisions: dict[str, dict[str, tuple[object, object]]]) -> list[list[str]]:
    """A row for each decision that differs."""
    return [
        [study, path, *("" if value is None else str(value) for value in pair)]
        for study, differing in decisions.items()
        for path, pair in differing.items()
    ]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a | in a text would end its cell."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


# Plain values


def record_of(network: Compared) -> dict[str, Any]:
    """All that is known of a network."""
    wiring = {name: getattr(network.wiring, name) for name in ("nesting", "skips", "shortest", "longest")}
    return {
        "name": network.name,
        "id": network.architecture.id,
        "flops": network.cost.flops,
        **asdict(network.cost),
        **wiring,
        "blocks": dict(network.wiring.kinds),
        "accuracies": [
            {**asdict(one), "of_seed": {str(seed): value for seed, value in one.of_seed.items()}}
            | asdict(summary(list(one.of_seed.values())))
            for one in network.accuracies
        ],
        "latencies": [asdict(one) for one in network.latencies],
    }


def against_record(first: Compared, other: Compared) -> dict[str, Any]:
    """How a network stands to the first, every op that differs on its own."""
    changed = differences(first.architecture, other.architecture)
    differing = {
        study: {path: dict(zip_longest(("first", "other"), pair)) for path, pair in paths.items()}
        for study, paths in decided(first, other).items()
    }
    return {
        "first": first.name,
        "other": other.name,
        "verdicts": [asdict(one) | {"difference": one.difference} for one in verdicts(first, other)],
        "changes": [asdict(change) | {"block": change.block} for change in changed],
        "decisions": differing,
    }
