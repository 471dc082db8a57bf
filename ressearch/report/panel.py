"""What a reader sees of one network: cost, measurement, wiring, decisions; and how those of all are packed."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from ressearch.report.figures import count_of_paths, curve_figure
from ressearch.report.findings import Findings, Network
from ressearch.report.front import title_of
from ressearch.report.markup import Markup, element
from ressearch.report.told import amount, counted, details, duration, pairs, table
from ressearch.trial import Retraining, Trial
from ressearch.view import percent, summary_line


def panel(network: Network, findings: Findings, drawing: Markup) -> Markup:
    """All of one network, with the drawing of its wiring or what stands for it."""
    curve = learning_curve(network.trials[0], findings)
    decisions = list(network.trials[0].decisions.items())
    parts = [
        element("h3", title_of(network)),
        drawing,
        pairs([*measured(network, findings), *costs(network), *wiring(network)]),
        [element("h4", "Learning curve"), curve_figure(curve)] if len(curve) > 1 else [],
        details(
            counted(len(decisions), "decision"),
            table(("choice", "decision"), [(path, _told(value)) for path, value in decisions], "Decisions"),
        )
        if decisions
        else [],
    ]
    return element("article", *parts)


def drawing_of(network: Network) -> Markup:
    """Its wiring, in a box that scrolls."""
    told = f"Wiring of network {network.id}"
    return element("div", Markup(network.drawing), class_="drawing", tabindex="0", role="region", aria_label=told)


LEFT_OUT = element("p", "Its drawing would make the page too large.", class_="note")
UNPACKED_LATER = element("p", "Its drawing is unpacked by the page's script; winners are drawn below.", class_="note")


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def measured(network: Network, findings: Findings) -> list[tuple[str, str]]:
    """What training and retraining gave."""
    trial = network.trials[0]
    seeds = findings.seeds.get(network.id, network.accuracies)
    known = [("architecture", network.id), ("validation accuracy", accuracy_over(seeds))]
    known += [("retrained, test accuracy", line) for line in retrained_lines(findings.retrained.get(network.id, ()))]
    if trial.measurement is not None:
        at = trial.measurement
        losses = [("loss", at.loss), ("training loss", at.train_loss)]
        known += [(name, f"{value:.4g}") for name, value in losses if value is not None]
        reused = ", known from the store" if trial.reused else ""
        known.append(
            ("training", f"{duration(at.seconds)} on {at.device}, {at.precision or 'precision unknown'}{reused}")
        )
    return [*known, ("trial", f"{trial.number}, seed {trial.seed}, {trial.proposer or trial.origin.value}")]


def accuracy_over(accuracies: Sequence[float]) -> str:
    """One accuracy as it is, several by their mean and spread; always with n."""
    return f"{percent(accuracies[0])} (n = 1)" if len(accuracies) == 1 else summary_line(accuracies)


def retrained_lines(retrainings: Sequence[Retraining]) -> list[str]:
    """Test accuracies, a line for each recipe, data set and number of epochs."""
    alike: dict[Any, list[float]] = {}
    for one in retrainings:
        key = (one.recipe, one.data_checksum, one.fidelity.epochs)
        alike.setdefault(key, []).append(one.measurement.accuracy)
    return [f"{accuracy_over(found)}, {epochs} epochs" for (_, _, epochs), found in alike.items()]


def costs(network: Network) -> list[tuple[str, str]]:
    """What arithmetic tells."""
    cost = network.cost
    return [
        ("MACs", f"{cost.macs:,} ({amount(cost.flops)} FLOPs)"),
        ("parameters", f"{cost.params:,}"),
        ("activations", f"{cost.activations:,}"),
        ("depth", f"{cost.depth} layers"),
    ]


def wiring(network: Network) -> list[tuple[str, str]]:
    """What the graph tells."""
    known = network.wiring
    blocks = ", ".join(f"{count} {kind}" for kind, count in known.kinds.items()) or "none"
    spread = f"{known.shortest} to {known.longest} layers, {known.mean_length:.1f} on average"
    return [
        ("blocks", blocks),
        ("skips", f"{counted(known.skips, 'skip')}, nesting {known.nesting}"),
        ("paths", f"{count_of_paths(known.paths)}, {spread}"),
    ]


def learning_curve(trial: Trial, findings: Findings) -> list[tuple[int, float]]:
    """Epochs and accuracy at each rung of a trial, and at its end."""
    rungs = [(fidelity.epochs, found.accuracy) for fidelity, found in findings.rungs.get(trial.number, ())]
    last = [(findings.study.fidelity.epochs, trial.measurement.accuracy)] if trial.measurement else []
    return sorted(dict([*rungs, *last]).items())


# Packing


def packed(panels: Mapping[int, str]) -> str:
    """Panels as gzip in base64: lines that occur often, and of each panel the numbers of those that it is made of.

    Places are told by their distance from the place before, so that alike blocks are alike wherever they stand: of 300
    nested networks of 180 nodes, 12 MB of drawings are a third of a megabyte then, and two without.
    """
    numbers: dict[str, int] = {}
    pages = {
        at: [numbers.setdefault(line, len(numbers)) for line in relative(text).split("\n")]
        for at, text in panels.items()
    }
    data = json.dumps({"lines": list(numbers), "pages": pages}, separators=(",", ":"))
    return base64.b64encode(gzip.compress(data.encode(), 9, mtime=0)).decode()


_PLACE = re.compile(r'( (?:c?[xy]|[xy][12])=")(-?[\d.]+)(?=")|( d=")([^"]*)(?=")')
_NUMBER = re.compile(r"-?[\d.]+")


def relative(text: str) -> str:
    """Every place of an SVG in hundredths of a pixel from the one before, along each axis; the page undoes it.

    In a path every other number is along the same axis, whatever it means. Numbers have two decimals at most and a
    letter or a space before them.
    """
    last = {"x": 0, "y": 0}

    def told(number: str, axis: str) -> str:
        value = round(float(number) * 100)
        step, last[axis] = value - last[axis], value
        return str(step)

    def place(found: re.Match[str]) -> str:
        if found[1]:
            return found[1] + told(found[2], "x" if "x" in found[1] else "y")
        axes = cycle("xy")
        return found[3] + _NUMBER.sub(lambda number: told(number[0], next(axes)), found[4])

    return _PLACE.sub(place, text)
