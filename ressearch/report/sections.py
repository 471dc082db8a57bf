"""The parts of a report below its answer, each from findings to markup; one that has nothing to say is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ressearch.correlation import Agreement
from ressearch.report.answer import link
from ressearch.report.features import LEAST, MOST, Importance
from ressearch.report.figures import DOTS, LINES, coefficient_figure, course_figure
from ressearch.report.findings import Findings, Network
from ressearch.report.front import MOST as MOST_POINTS
from ressearch.report.front import NARROW, WIDE, chosen, front_figure, near
from ressearch.report.markup import Child, Markup, element
from ressearch.report.numbers import Course, seconds_of, thinned
from ressearch.report.palette import KINDS, mark, star
from ressearch.report.published import Published
from ressearch.report.told import (
    Cell,
    amount,
    counted,
    details,
    download,
    duration,
    paragraph,
    shown,
    signed,
    table,
)
from ressearch.trial import Failure, Trial, TrialState
from ressearch.view import percent

# The front


def front(findings: Findings, known: Sequence[Published]) -> Markup:
    """The figure, its key, the front as a table, published networks with their sources."""
    close = near(findings, known)
    pictures = [
        front_figure(findings, close, frame, name) for frame, name in ((WIDE, "wide-only"), (NARROW, "narrow-only"))
    ]
    below = [
        element("ul", *_key(findings, bool(close)), class_="key"),
        paragraph(download("front", "These networks", CSV_HEAD, [csv_row(one, findings) for one in chosen(findings)])),
        details(f"The front as a table ({counted(len(findings.front), 'network')})", _front_table(findings)),
        _published_table(known, close),
    ]
    return shown(pictures, _front_reading(findings, bool(close)), *below)


def _front_reading(findings: Findings, close: bool) -> str:
    many = len(findings.networks)
    thinned = f" Of {many:,} networks {MOST_POINTS:,} are drawn." if many > MOST_POINTS else ""
    others = (
        " Hollow points are published networks: other people's recipes, much longer training, test images; they say "
        "what is possible, not what this study would have measured."
    )
    return (
        "Up and to the left is better; no network lies above the line, the Pareto front. On the vertical axis each "
        f"halving of the error is equally far.{thinned}{others if close else ''} Choose a point, by mouse or with "
        "Tab, the arrow keys and Enter, to see that network."
    )


def _key(findings: Findings, close: bool) -> list[Markup]:
    kinds = [kind for kind in KINDS if any(one.kind == kind and not one.baseline for one in findings.networks)]
    marks = [(mark(kind, 5), f"mostly {kind}" if kind not in ("nested", "plain") else kind) for kind in kinds]
    if findings.baselines:
        marks.append((star(6), "baseline"))
    if close:
        marks.append((element("circle", r=4.0, class_="published"), "published, other recipe"))
    return [element("li", _swatch(drawn), name) for drawn, name in marks]


def _swatch(drawn: Markup) -> Markup:
    return element("svg", drawn, viewBox="-9 -9 18 18", width="18", height="18", aria_hidden="true")


def _front_table(findings: Findings) -> Markup:
    head = ("network", "accuracy", "n", "MACs", "FLOPs", "parameters", "depth", "blocks", "baseline")
    return table(head, [_front_row(one, findings) for one in findings.front], "Pareto front, by rising MACs")


def _front_row(one: Network, findings: Findings) -> list[Child]:
    cost = one.cost
    costs = (f"{cost.macs:,}", f"{cost.flops:,}", f"{cost.params:,}", str(cost.depth))
    return [link(one, findings), percent(one.accuracy), str(len(one.accuracies)), *costs, one.kind, one.baseline or ""]


CSV_HEAD = ("id", "trial", "accuracy", "n", "macs", "flops", "params", "depth", "kind", "baseline", "on_front")


def csv_row(one: Network, findings: Findings) -> list[Cell]:
    """A network in the file of the front."""
    cost = one.cost
    costs = (cost.macs, cost.flops, cost.params, cost.depth)
    on_front = int(any(one is member for member in findings.front))
    return [one.id, one.number, one.accuracy, len(one.accuracies), *costs, one.kind, one.baseline, on_front]


def _published_table(known: Sequence[Published], close: Sequence[Published]) -> Child:
    if not known:
        return ""
    head = ("network", "test accuracy", "MACs", "parameters", "in the figure", "source")
    rows = [
        (
            one.name,
            percent(one.accuracy),
            amount(one.macs),
            amount(one.params),
            "yes" if one in close else "no",
            one.source,
        )
        for one in known
    ]
    caption = f"Published on {known[0].data}: errors by their sources, costs counted as everywhere here"
    return details(f"Published networks ({len(known)})", table(head, rows, caption))


# The course of the study


def progress(found: Course | None) -> Child:
    """Hypervolume over trials and over hours."""
    if found is None:
        return paragraph("It takes two networks that differ in accuracy and in MACs to span an area.")
    figures = element("div", course_figure(found, hours=False), course_figure(found, hours=True), class_="pair")
    (floor, most), (top, least) = found.reference, found.ideal
    lines = [name for name in LINES if name != "its random proposals" or found.drawn_at_random]
    head = ("trial", "hours", "hypervolume", "shuffled")
    rows: list[list[Cell]] = [
        [step.trial, step.hours, step.volume, mean] for step, mean in zip(found.steps, found.shuffled, strict=True)
    ]
    box = f"from {percent(floor)} to {percent(top)} and from {amount(least)} to {amount(most)} MACs (log scale)"
    text = (
        f"The area under the front as it grew, as a share of the box {box}; the reference point is the box's lower "
        "right corner. Shuffled is what the same trials give on average in random order, computed exactly. It asks "
        "whether the search found its good networks early; it is no random search, since most of these trials were "
        "proposed by one that learns, so a curve that is no better than it does not say that proposing was "
        f"useless.{_RANDOM if found.drawn_at_random else ''} Over time, averages take all trials to be equally long."
    )
    key = element("ul", *(element("li", _line(name), name) for name in lines), class_="key")
    return shown(
        figures, text, key, paragraph(download("hypervolume", "Both curves", head, thinned(rows, MOST_POINTS)))
    )


_RANDOM = " The dotted line is the average of the proposals that were drawn at random, as far as there are any."


def _line(name: str) -> Markup:
    colour, dash = LINES[name]
    stroke = element("path", d="M0 5H26", stroke=colour, stroke_width="2.5", stroke_dasharray=dash)
    return element("svg", stroke, viewBox="0 0 26 10", width="26", height="10", aria_hidden="true")


# What mattered


def mattered(found: Sequence[Importance], networks: int) -> Child:
    """Features by how far accuracy goes with them."""
    if not found:
        return paragraph(f"It takes {LEAST} measured networks that differ to say anything here.")
    figure = coefficient_figure(
        [(one.feature, (one.alone, one.given_macs)) for one in found], "What accuracy goes with"
    )
    looked = f" {MOST} of {networks:,} networks, chosen at random, are looked at." if networks > MOST else ""
    text = (
        "How far accuracy rises (right) or falls (left) with a fact of the network, by ranks; lines are 95 % "
        "bootstrap intervals, and one that crosses 0 says nothing. Discs: over all networks. Diamonds: among "
        "networks of the same MACs (partial correlation). It is what went together in this study, not what causes "
        f"what.{looked}"
    )
    rows = [
        [one.feature, *_ends(one.alone), *(_ends(one.given_macs) if one.given_macs else (None, None, None))]
        for one in found
    ]
    ends = [f"{kind}{end}" for kind in ("spearman", "partial_given_macs") for end in ("", "_low", "_high")]
    told = [
        (one.feature, _told(_ends(one.alone)), _told(_ends(one.given_macs)) if one.given_macs else "") for one in found
    ]
    names = ("feature", *(name for _, name in DOTS))
    return shown(
        figure,
        text,
        paragraph(download("features", "Coefficients", ("feature", *ends), rows)),
        details("As a table", table(names, told, "Rank correlation with accuracy and its 95 % interval")),
        beside=True,
    )


def _ends(found: object) -> tuple[float | None, float | None, float | None]:
    return tuple(getattr(found, name) for name in ("value", "low", "high"))


def _told(ends: tuple[float | None, float | None, float | None]) -> str:
    value, low, high = ends
    if value is None:
        return "not defined"
    return signed(value) if low is None else f"{signed(value)} ({signed(low)} to {signed(high)})"


def fidelities(found: Mapping[str, Agreement]) -> Child:
    """How far cheap measurements order networks as dear ones do."""
    if not found:
        return paragraph(
            "Every network was measured at one fidelity, and fewer than five were retrained: there is nothing to "
            "compare."
        )
    figure = coefficient_figure(
        [(f"{at}", (one.spearman,)) for at, one in enumerate(found.values(), 1)], "Agreement of fidelities"
    )
    rows: list[list[Child]] = [
        [str(at), name, str(one.n), _told(_ends(one.spearman)), _told(_ends(one.kendall))]
        for at, (name, one) in enumerate(found.items(), 1)
    ]
    text = (
        "Whether a cheap measurement puts networks in the order of a dear one: 1 is the same order, 0 none. Networks "
        "that went on to a higher rung are the better ones of their rung, which makes agreement look lower than it "
        "is."
    )
    numbers = [[name, one.n, *_ends(one.spearman), *_ends(one.kendall)] for name, one in found.items()]
    head = ("compared", "n", *(f"{kind}{end}" for kind in ("spearman", "kendall") for end in ("", "_low", "_high")))
    words = ("", "compared", "n", "Spearman (95 %)", "Kendall (95 %)")
    below = (table(words, rows, "Rank correlations"), paragraph(download("fidelities", "Coefficients", head, numbers)))
    return shown(figure, text, *below, beside=True)


# Losses and savings


def losses(findings: Findings) -> list[Child]:
    """What failed, by kind; what was known before; what was stopped early."""
    failed = [trial for trial in findings.trials if trial.error is not None]
    reused = [trial for trial in findings.trials if trial.reused and trial.measurement is not None]
    saved = sum(trial.measurement.seconds for trial in reused if trial.measurement is not None)
    stopped = [trial for trial in findings.trials if trial.state is TrialState.STOPPED]
    running = findings.count(TrialState.RUNNING)
    known = f", which saved {duration(saved)} of training" if reused else ""
    spent = sum(seconds_of(trial, findings) for trial in stopped)
    lines = [
        f"{counted(len(reused), 'trial')} of networks known already, under the same recipe{known}."
        if reused
        else "No trial met a network that was known already.",
        f"{counted(len(stopped), 'trial')} stopped early, after {duration(spent)} in all." if stopped else "",
        f"{counted(running, 'trial')} not ended when this page was made." if running else "",
        f"{counted(len(failed), 'trial')} failed{':' if failed else '.'}",
    ]
    return [element("ul", *(element("li", line) for line in lines if line)), *_failures(failed)]


def _failures(failed: Sequence[Trial]) -> list[Markup]:
    groups = [(kind, [trial for trial in failed if trial.failure is kind]) for kind in Failure]
    return [_group(kind, trials) for kind, trials in groups if trials]


MOST_ERRORS = 5
ERROR_LENGTH = 4_000


def _group(kind: Failure, trials: Sequence[Trial]) -> Markup:
    alike: dict[str, list[Trial]] = {}
    for trial in trials:
        alike.setdefault(_last_line(trial), []).append(trial)
    rows = [(line, str(len(found)), _numbers(found)) for line, found in alike.items()]
    texts = [details(f"Trial {trial.number} in full", element("pre", _end(trial))) for trial in trials[:MOST_ERRORS]]
    more = (
        [paragraph(f"{len(trials) - MOST_ERRORS} more: `best --failed` lists them.")]
        if len(trials) > MOST_ERRORS
        else []
    )
    caption = f"{kind.value}: {counted(len(trials), 'trial')}"
    return details(caption, table(("last line of the error", "trials", "numbers"), rows[:50], caption), *texts, *more)


def _last_line(trial: Trial) -> str:
    lines = (trial.error or "").strip().splitlines() or [""]
    return lines[-1].strip()[:300]


def _end(trial: Trial) -> str:
    """What went wrong stands at the end of a traceback."""
    text = (trial.error or "").rstrip()
    return text if len(text) <= ERROR_LENGTH else f"…{text[-ERROR_LENGTH:]}"


def _numbers(trials: Sequence[Trial], most: int = 12) -> str:
    told = ", ".join(str(trial.number) for trial in trials[:most])
    return f"{told}, …" if len(trials) > most else told
