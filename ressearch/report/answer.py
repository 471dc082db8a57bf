"""The head of a report: which network, how much cheaper than the baselines, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from ressearch.report.findings import Findings, Network
from ressearch.report.markup import Child, Markup, element
from ressearch.report.numbers import Saving, savings, seconds_of
from ressearch.report.panel import accuracy_over, retrained_lines
from ressearch.report.told import amount, counted, duration, paragraph, table
from ressearch.store import Limits
from ressearch.trial import TrialState
from ressearch.view import percent


def link(network: Network, findings: Findings, text: str | None = None) -> Markup:
    """A link that shows a network beside the figure of the front."""
    return element("a", text or network.id[:8], href="#network", data_network=findings.position(network), class_="id")


def answer(findings: Findings) -> list[Child]:
    """Cards, sentences on the baselines, and how far to trust them."""
    if not findings.networks:
        return [paragraph(_nothing(findings), class_="lead")]
    found = savings(findings.networks)
    return [
        element("div", *_cards(findings, found), class_="cards"),
        [_no_baseline(findings)] if not found else [element("ul", *(_saving(one, findings) for one in found))],
        _trust(findings),
    ]


def _nothing(findings: Findings) -> str:
    if not findings.trials:
        return "No trial of this study has begun yet."
    failed = findings.count(TrialState.FAILED)
    why = " All trials failed, see below." if failed == len(findings.trials) else ""
    return f"No trial of this study is complete yet.{why}"


def _cards(findings: Findings, found: list[Saving]) -> list[Markup]:
    cards = []
    limited = findings.limits != Limits()
    if findings.answer is None:
        where = f"within {within(findings.limits)}; those nearest are in the figure below."
        cards.append(_card("no network fits", "none", where))
    else:
        title = f"best within {within(findings.limits)}" if limited else "knee of the front"
        cards.append(_network_card(title, findings.answer, findings))
    best = findings.front[-1]
    if best is not findings.answer:
        cards.append(_network_card("most accurate", best, findings))
    cards += _saved_card(found, findings)
    seconds = sum(seconds_of(trial, findings) for trial in findings.trials)
    return [*cards, _card("measured", counted(len(findings.networks), "network"), f"{duration(seconds)} of training")]


def _saved_card(found: Sequence[Saving], findings: Findings) -> list[Markup]:
    """Against the most accurate baseline that another network reaches with fewer MACs, the hardest to reach."""
    reached = [one for one in found if one.share is not None and one.share > 0]
    if not reached:
        return []
    best = max(reached, key=lambda one: one.baseline.accuracy)
    beside = ("at the accuracy of ", best.baseline.baseline or "", ": ", link(best.network or best.baseline, findings))
    of = f" ({len(reached)} of {counted(len(found), 'baseline')} reached)" if len(found) > 1 else ""
    return [_card("MACs saved", f"{100 * (best.share or 0.0):.0f} %", (*beside, of))]


def within(limits: Limits) -> str:
    """Limits in words: 60M MACs and at least 97.00 %."""
    parts = [f"{amount(limits.max_macs)} MACs"] if limits.max_macs is not None else []
    parts += [f"{amount(limits.max_params)} parameters"] if limits.max_params is not None else []
    parts += [f"at least {percent(limits.min_accuracy)}"] if limits.min_accuracy is not None else []
    return " and ".join(parts)


def _network_card(title: str, network: Network, findings: Findings) -> Markup:
    name = f"baseline {network.baseline}" if network.baseline else network.kind
    beside = (f"{amount(network.cost.macs)} MACs, {amount(network.cost.params)} parameters, {name}: ",)
    return _card(title, percent(network.accuracy), (*beside, link(network, findings)))


def _card(title: str, figure: str, beside: Child) -> Markup:
    return element("div", element("h3", title), element("p", figure, class_="big"), element("p", beside), class_="card")


def _saving(saving: Saving, findings: Findings) -> Markup:
    """A sentence on one baseline."""
    baseline = saving.baseline
    costs = f" ({percent(baseline.accuracy)}, {amount(baseline.cost.macs)} MACs): "
    begin = (element("b", baseline.baseline or ""), costs)
    if saving.network is not None and saving.share is not None:
        change = f"{abs(saving.share):.1%} {'fewer' if saving.share >= 0 else 'more'} MACs".replace("%", " %")
        has = f" is at least as accurate ({percent(saving.network.accuracy)}) with {change}."
        return element("li", *begin, link(saving.network, findings), has)
    if saving.nearest is None:
        return element("li", *begin, "nothing but baselines was measured.")
    near = saving.nearest
    points = (
        f"{100 * (baseline.accuracy - near.accuracy):.2f} points below, at {near.cost.macs / baseline.cost.macs:.0%}"
    )
    has = f" with {percent(near.accuracy)}: {points.replace('%', ' %')} of its MACs."
    return element("li", *begin, "no other network is as accurate; the nearest is ", link(near, findings), has)


def _no_baseline(findings: Findings) -> Markup:
    named = "baselines:" in findings.study.space_text
    why = "None of its baselines is complete yet" if named else "The file names no baselines"
    return paragraph(f"{why}, so nothing here says what a known network would have cost at the same accuracy.")


def _trust(findings: Findings) -> Markup:
    """What one training says, and what is known from more."""
    several = {id: found for id, found in findings.seeds.items() if len(found) > 1}
    rows = [
        (link(one, findings), one.baseline or "", accuracy_over(findings.seeds[one.id]), "; ".join(lines) or "not yet")
        for one in dict.fromkeys([*findings.front, *findings.baselines])
        if (lines := retrained_lines(findings.retrained.get(one.id, ()))) or one.id in several
    ]
    once = (
        f"Every validation accuracy is of one training, with seed {findings.study.seed}, n = 1: networks "
        "that lie close together may change places with another seed, and the best of many is a little lucky."
    )
    advice = (
        " `ressearch retrain` trains a network again with several seeds and tests it on images that nobody chose by."
    )
    more = "" if rows else advice.replace("`", "")
    noted = paragraph(element("b", "How sure is this? "), once if not several else _SEVERAL, more, class_="note")
    if not rows:
        return noted
    head = ("network", "baseline", "validation, over seeds", "retrained, on test images")
    return element("div", noted, table(head, rows, "Networks that were trained more than once"))


_SEVERAL = (
    "Where a network was trained with several seeds, its accuracy is given with n and spread below; all others are "
    "of one training (n = 1), and those that lie close together may change places with another seed."
)
