"""The figure of the front: every measured network by MACs and accuracy."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ressearch.report.axes import Axis, Frame, Labels, axes, figure, polyline, stairs
from ressearch.report.findings import Findings, Network
from ressearch.report.markup import Markup, element, joined
from ressearch.report.palette import FRONT, INK, QUIET, mark, star
from ressearch.report.published import Published
from ressearch.report.scale import logarithmic, of_accuracy
from ressearch.report.told import amount, rough
from ressearch.view import percent

WIDE = Frame(760, 470, left=70, right=16)
NARROW = Frame(360, 380, left=64, right=8)
"""Of a desktop and of a phone."""

REACH = 4.0
"""Published networks stand in the figure up to so many times the most MACs of the study, or down from its least."""

MOST = 1_000
"""Networks in the figure; of more, the front, the baselines and others chosen at random."""


def near(findings: Findings, known: Sequence[Published]) -> list[Published]:
    """The published networks that have a place in the figure."""
    macs = [network.cost.macs for network in findings.networks]
    return [one for one in known if min(macs) / REACH <= one.macs <= max(macs) * REACH] if macs else []


def chosen(findings: Findings) -> list[Network]:
    """The networks in the figure, in the order of their first trials."""
    special = {network.id for network in (*findings.front, *findings.baselines)}
    special |= {findings.answer.id} if findings.answer else set()
    others = [network for network in findings.networks if network.id not in special]
    room = max(MOST - len(special), 0)
    kept = special | {one.id for one in (others if len(others) <= room else random.Random(0).sample(others, room))}
    return [network for network in findings.networks if network.id in kept]


def front_figure(findings: Findings, known: Sequence[Published], frame: Frame, class_: str) -> Markup:
    """Points, staircase, knee, budget, baselines, and published networks that are near."""
    shown = chosen(findings)
    x, y = _scales(shown, known, frame)
    labels = Labels(frame)
    for network in findings.front:
        labels.keep_free(x.scale.at(network.cost.macs), y.scale.at(network.accuracy))
    return figure(
        frame,
        "Accuracy over multiply-adds of every measured network; each point can be chosen",
        axes(frame, x, y),
        _budget(findings, frame, x),
        _staircase(findings, frame, x, y),
        _knee(findings, x, y, labels),
        _points([one for one in shown if not _special(one, findings)], findings, x, y),
        [_published(one, x, y) for one in known],
        _points([one for one in shown if _special(one, findings)], findings, x, y),
        _labels(findings, known, x, y, labels),
        role="group",
        class_=class_,
    )


def _scales(shown: Sequence[Network], known: Sequence[Published], frame: Frame) -> tuple[Axis, Axis]:
    macs = [max(one, 1) for one in (*(network.cost.macs for network in shown), *(one.macs for one in known))]
    accuracies = [*(network.accuracy for network in shown), *(one.accuracy for one in known)]
    x = logarithmic(min(macs) / 1.15, max(macs) * 1.25, *frame.across)
    return (
        Axis(x, "multiply-adds (MACs) per image, log scale", amount, apart=50),
        Axis(of_accuracy(accuracies, *frame.up), "validation accuracy (error halves evenly)", rough, apart=26),
    )


def _staircase(findings: Findings, frame: Frame, x: Axis, y: Axis) -> Markup:
    corners = [(x.scale.at(one.cost.macs), y.scale.at(one.accuracy)) for one in findings.front]
    return polyline(stairs(corners, frame.across[1]), FRONT)


def _budget(findings: Findings, frame: Frame, x: Axis) -> Markup:
    most = findings.limits.max_macs
    if most is None or not x.scale.low <= most <= x.scale.high:
        return joined([])
    at, (bottom, top) = x.scale.at(most), frame.up
    line = element("line", x1=at, x2=at, y1=bottom, y2=top, stroke=INK, stroke_dasharray="2 4")
    return joined([line, element("text", "budget", x=at - 4, y=top + 10, text_anchor="end", fill=QUIET)])


def _knee(findings: Findings, x: Axis, y: Axis, labels: Labels) -> Markup:
    if findings.knee is None:
        return joined([])
    at, height = x.scale.at(findings.knee.cost.macs), y.scale.at(findings.knee.accuracy)
    ring = element("circle", cx=at, cy=height, r=11.0, fill="none", stroke=FRONT, stroke_width=2.0)
    labels.keep_free(at, height, 11)
    return joined([ring, labels.beside(at + 4, height - 6, "knee", FRONT, "label strong") or ""])


def _special(network: Network, findings: Findings) -> bool:
    """Whether it lies above other points, and can be reached by Tab."""
    return network.baseline is not None or any(network is one for one in findings.front)


def _points(networks: Sequence[Network], findings: Findings, x: Axis, y: Axis) -> Markup:
    ordered = sorted(networks, key=lambda one: one.baseline is not None)
    return element("g", *(_point(network, findings, x, y) for network in ordered), class_="points")


def _point(network: Network, findings: Findings, x: Axis, y: Axis) -> Markup:
    """A mark that can be clicked on; by keyboard, those of the front and the baselines in turn, others by arrows."""
    on_front = any(network is one for one in findings.front)
    drawn = star(6.5) if network.baseline else mark(network.kind, 5.5 if on_front else 4.0, **_EDGES[on_front])
    return element(
        "g",
        element("title", title_of(network)),
        drawn,
        transform=f"translate({x.scale.at(max(network.cost.macs, 1)):.1f} {y.scale.at(network.accuracy):.1f})",
        data_network=findings.position(network),
        role="button",
        tabindex="0" if _special(network, findings) else "-1",
    )


_EDGES = {
    True: {"stroke": INK, "stroke_width": "1.5"},
    False: {"stroke": "#fff", "stroke_width": "0.6", "opacity": "0.85"},
}


def title_of(network: Network) -> str:
    """A network in one line."""
    name = f"baseline {network.baseline}" if network.baseline else network.kind
    return f"#{network.number} {name}: {percent(network.accuracy)} at {amount(network.cost.macs)} MACs"


def _published(one: Published, x: Axis, y: Axis) -> Markup:
    place = {"cx": x.scale.at(one.macs), "cy": y.scale.at(one.accuracy)}
    return element("circle", element("title", f"{one.name}: {one.source}"), **place, r=4.0, class_="published")


def _labels(findings: Findings, known: Sequence[Published], x: Axis, y: Axis, labels: Labels) -> list[Markup]:
    """The baselines' names first, since they matter more."""
    names = [(one.point, one.baseline or "", INK, "label strong") for one in findings.baselines]
    names += [((one.accuracy, one.macs), one.name, QUIET, "label published-name") for one in known]
    places = [(x.scale.at(max(macs, 1)), y.scale.at(accuracy)) for (accuracy, macs), *_ in names]
    for at, height in places:
        labels.keep_free(at, height, 6)
    made = [
        labels.beside(*place, _short(name), ink, class_)
        for place, (_, name, ink, class_) in zip(places, names, strict=True)
    ]
    return [label for label in made if label is not None]


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
