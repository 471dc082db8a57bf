"""The page as a whole: its parts in order, and what of each network finds room in it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from ressearch.agreements import agreements
from ressearch.correlation import Agreement
from ressearch.report.answer import answer
from ressearch.report.features import importances
from ressearch.report.findings import Findings, Network, findings
from ressearch.report.front import chosen
from ressearch.report.markup import Markup, element, joined
from ressearch.report.numbers import course
from ressearch.report.origin import origin
from ressearch.report.panel import LEFT_OUT, UNPACKED_LATER, drawing_of, packed, panel
from ressearch.report.published import Published, published_for
from ressearch.report.sections import fidelities, front, losses, mattered, progress
from ressearch.report.told import counted, paragraph, section
from ressearch.report.winners import Norms, side_by_side, winners
from ressearch.store import Asked, Limits, Store
from ressearch.trial import TrialState

MOST_BYTES = 990_000
"""Of the page; drawings of the networks farthest below the front are left out where they would make it larger."""


def report(store: Store, study: str | None = None, limits: Limits | None = None, *, gradients: bool = True) -> str:
    """The page on a study, by name or the one begun last.

    limits: of the answer; without them those of the study's search. gradients: whether to look at gradients before
    training, which takes torch and some seconds. Raises StoreError if there is no such study.
    """
    found = findings(store, study, limits)
    norms: Norms = {}
    if gradients and found.networks:
        from ressearch.report.gradients import gradient_norms  # torch takes seconds to start

        norms = {network.id: gradient_norms(network.architecture) for network in winners(found)}
    asked = Asked(store, *store.study(found.study.name), found.limits, all_studies=False)
    return page(found, norms, agreements(asked))


def page(found: Findings, norms: Norms, agreeing: Mapping[str, Agreement]) -> str:
    """The page of what was found; norms: gradients of the winners, nothing where they were not asked for."""
    title = f"{found.study.name}: {counted(len(found.networks), 'network')}"
    body = joined([_header(found), element("main", *_parts(found, norms, agreeing))])
    whole = _filled({"title": element("title", title), "body": body, "style": _file("report.css")})
    room = MOST_BYTES - len(whole.encode()) - len(_file("report.js"))
    return whole.replace("{{data}}", _data(found, room)).replace("{{script}}", _file("report.js"))


def _filled(parts: Mapping[str, str]) -> str:
    """The template with its parts in place, but for the data and the script."""
    text = _file("report.html")
    for name, part in parts.items():
        before, after = text.split(f"{{{{{name}}}}}")
        text = f"{before}{part}{after}"
    return text


def _file(name: str) -> str:
    return files("ressearch.report").joinpath(name).read_text(encoding="utf-8")


def _header(found: Findings) -> Markup:
    study = found.study
    fidelity = study.fidelity
    trained = f"{study.data_source or study.evaluator}, {counted(fidelity.epochs, 'epoch')}"
    part = "" if fidelity.data_fraction == 1 else f" on {fidelity.data_fraction:.0%} of the training images"
    states = ", ".join(f"{found.count(state)} {state.value}" for state in TrialState if found.count(state))
    about = f"{trained}{part}; space {study.space_name}; {counted(len(found.trials), 'trial')}"
    return element("header", element("h1", study.name), paragraph(f"{about}{f': {states}' if states else ''}"))


def _parts(found: Findings, norms: Norms, agreeing: Mapping[str, Agreement]) -> list[Markup]:
    parts = [section("answer", "Which networks are worth their FLOPs", *answer(found))]
    if found.networks:
        parts += _measured(found, norms, agreeing)
    return [
        *parts,
        section("losses", "What was lost and saved", *losses(found)),
        section("origin", "How to make it again", *origin(found)),
    ]


def _measured(found: Findings, norms: Norms, agreeing: Mapping[str, Agreement]) -> list[Markup]:
    first = found.answer or found.front[-1]
    figure = front(found, _published(found))
    about = panel(first, found, UNPACKED_LATER)
    aside = element(
        "aside",
        about,
        id="network",
        data_first=found.position(first),
        aria_live="polite",
        aria_label="The chosen network",
    )
    return [
        section("front", "Accuracy against cost", element("div", figure, aside, class_="beside")),
        section("winners", "Winners side by side", *side_by_side(winners(found), norms)),
        section("progress", "How the front grew", progress(course(found))),
        section("mattered", "What mattered", mattered(importances(found.networks), len(found.networks))),
        section("fidelities", "Can cheap measurements be trusted?", fidelities(agreeing)),
    ]


def _published(found: Findings) -> list[Published]:
    network = found.networks[0].architecture
    return published_for(found.study, network.input_shape, network.output_shape[0])


# Panels


def _data(found: Findings, room: int) -> str:
    """All panels, as many of them with their drawings as there is room for, those near the front first."""
    networks = sorted(chosen(found), key=lambda one: _below(one, found))
    drawn = len(networks)
    while True:
        drawings = [drawing_of(one) if at < drawn else LEFT_OUT for at, one in enumerate(networks)]
        panels = {found.position(one): panel(one, found, it) for one, it in zip(networks, drawings, strict=True)}
        data = packed(panels)
        if len(data) <= room or drawn == 0:
            return data
        drawn = min(drawn - 1, int(drawn * max(room, 0) / len(data)))


def _below(network: Network, found: Findings) -> float:
    """How far a network is below the front, in accuracy; the front and the baselines are 0."""
    if network.baseline:
        return 0.0
    return max(one.accuracy for one in found.front if one.cost.macs <= network.cost.macs) - network.accuracy
