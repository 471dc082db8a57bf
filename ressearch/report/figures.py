"""All figures but that of the front: the course of the hypervolume, paths, gradients, coefficients, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ressearch.correlation import Coefficient
from ressearch.report.axes import Axis, Frame, axes, figure, polyline, stairs
from ressearch.report.markup import Markup, element
from ressearch.report.numbers import Course, thinned
from ressearch.report.palette import CALM, FRONT, INK, THIRD
from ressearch.report.scale import linear, logarithmic
from ressearch.report.told import amount, rough

SMALL = Frame(360, 260, left=62)
FLAT = Frame(320, 170, left=60, right=10, bottom=38)
LINES = {
    "this study": (FRONT, None),
    "its trials, shuffled": (CALM, "7 4"),
    "its random proposals": (THIRD, "2 4"),
}
"""Line of the hypervolume -> colour and dashes."""


def _unit(hours: float) -> tuple[float, str]:
    """How many of a unit an hour has, and the unit in which so many hours are told."""
    if hours < 0.1:
        return 3600.0, "seconds"
    return (60.0, "minutes") if hours < 3 else (1.0, "hours")


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


MOST = 300
"""Corners of a smooth line."""


def _grew(found: Course, at: int) -> bool:
    return found.steps[at].volume > found.steps[at - 1].volume


def course_figure(found: Course, *, hours: bool) -> Markup:
    """Hypervolume over trials, or over hours of training."""
    size, unit = _unit(found.steps[-1].hours) if hours else (1.0, "")
    total = found.steps[-1].hours * size if hours else len(found.steps)
    x = Axis(linear(0, total or 1, *SMALL.across), f"{unit} of training" if hours else "trials that ended", _whole)
    y = Axis(linear(0, 1, *SMALL.up), "hypervolume, share of the box", rough, apart=24)
    each = total / len(found.steps)
    steps = [(step.hours * size if hours else at, step.volume) for at, step in enumerate(found.steps, 1)]
    lines = {
        "this study": [step for at, step in enumerate(steps) if at in (0, len(steps) - 1) or _grew(found, at)],
        "its trials, shuffled": thinned([(at * each, volume) for at, volume in enumerate(found.shuffled, 1)], MOST),
        "its random proposals": thinned(
            [(at * each, volume) for at, volume in enumerate(found.drawn_at_random, 1)], MOST
        ),
    }
    drawn = []
    for name, points in lines.items():
        at = [(x.scale.at(across), y.scale.at(up)) for across, up in points]
        drawn.append(polyline(stairs(at, at[-1][0]) if name == "this study" else at, *LINES[name]) if at else "")
    title = f"Hypervolume over {f'{unit} of training' if hours else 'trials'}"
    return figure(SMALL, title, axes(SMALL, x, y), drawn[1:], drawn[0])


def spectrum_figure(lengths: Mapping[int, float], longest: int, most: float) -> Markup:
    """Shares of paths by length, on axes up to the longest path and the greatest share that is to be compared."""
    x = Axis(linear(0, longest + 1, *FLAT.across), "convolutions on a path", _whole, apart=30)
    y = Axis(linear(0, most, *FLAT.up), "share of paths", rough, apart=24)
    wide = max((x.scale.at(1) - x.scale.at(0)) * 0.8, 1.0)
    bars = [
        element(
            "rect",
            x=x.scale.at(length) - wide / 2,
            y=y.scale.at(share),
            width=wide,
            height=max(FLAT.up[0] - y.scale.at(share), 0.5),
            fill=CALM,
        )
        for length, share in lengths.items()
    ]
    return figure(FLAT, "Shares of paths by their length", axes(FLAT, x, y), *bars)


MANY_LAYERS = 30


def gradient_figure(norms: Sequence[float], layers: int, low: float, high: float) -> Markup:
    """Norms of gradients by layer, on axes that are to be compared; a norm of 0 has no place on them."""
    x = Axis(linear(1, max(layers, 2), *FLAT.across), "convolution, from the image on", _whole, apart=30)
    y = Axis(logarithmic(low, high, *FLAT.up), "gradient norm", _power, apart=24)
    places = [(x.scale.at(at), y.scale.at(norm)) for at, norm in enumerate(norms, 1) if norm > 0]
    many = layers > MANY_LAYERS
    dots = [element("circle", cx=across, cy=up, r=1.7 if many else 2.6, fill=CALM) for across, up in places]
    line = polyline(places, CALM, width=0.5 if many else 1.2) if places else ""
    return figure(FLAT, "Norm of the gradient of each convolution's weights", axes(FLAT, x, y), line, *dots)


def _power(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e4 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


ROW = 24
DOTS = ((INK, "all networks"), (FRONT, "at equal MACs"))
"""Colour and meaning of the coefficients of a row, in their order; the first is a disc, the second a diamond."""


def coefficient_figure(rows: Sequence[tuple[str, Sequence[Coefficient | None]]], title: str) -> Markup:
    """Rank correlations with their intervals, a row each."""
    frame = Frame(360, 58 + ROW * len(rows), left=122, right=14, bottom=42)
    x = Axis(linear(-1, 1, *frame.across), "rank correlation (Spearman)", lambda v: f"{v:+g}" if v else "0", apart=40)
    rules = Axis(linear(0, 1, *frame.up), "", lambda v: "", apart=1e9)
    zero = x.scale.at(0)
    line = element("line", x1=zero, x2=zero, y1=frame.up[0], y2=frame.top, stroke=INK, stroke_width="1")
    return figure(frame, title, axes(frame, x, rules), line, *(_row(frame, x, at, *row) for at, row in enumerate(rows)))


def _row(frame: Frame, x: Axis, at: int, name: str, found: Sequence[Coefficient | None]) -> Markup:
    middle = frame.top + ROW * (at + 0.5)
    label = element("text", name, x=frame.left - 8.0, y=middle + 4, text_anchor="end", class_="label")
    shift = 5.0 if sum(one is not None for one in found) > 1 else 0.0
    marks = [
        _interval(one, x, middle + shift * (2 * place - 1), place) for place, one in enumerate(found) if one is not None
    ]
    return element("g", label, *marks)


def _interval(found: Coefficient, x: Axis, y: float, place: int) -> Markup:
    if found.value is None:
        return element("g")
    at, colour = x.scale.at(found.value), DOTS[place][0]
    low, high = (x.scale.at(end) if end is not None else at for end in (found.low, found.high))
    line = element("line", x1=low, x2=high, y1=y, y2=y, stroke=colour, stroke_width=1.6)
    shape = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z" if place == 0 else "M0-5L5 0L0 5L-5 0Z"
    return element("g", line, element("path", d=shape, fill=colour, transform=f"translate({at:.1f} {y:.1f})"))


def curve_figure(points: Sequence[tuple[int, float]]) -> Markup:
    """Accuracy over epochs."""
    frame = Frame(320, 170, left=56, bottom=38)
    low, high = min(a for _, a in points), max(a for _, a in points)
    around = (high - low) * 0.1 or 0.01
    x = Axis(linear(0, points[-1][0], *frame.across), "epochs", _whole, apart=30)
    y = Axis(linear(low - around, high + around, *frame.up), "accuracy", rough, apart=24)
    places = [(x.scale.at(epochs), y.scale.at(accuracy)) for epochs, accuracy in points]
    dots = [element("circle", cx=across, cy=up, r=3.0, fill=CALM) for across, up in places]
    told = ", ".join(f"{rough(accuracy)} after {epochs}" for epochs, accuracy in points)
    return figure(frame, f"Learning curve: {told} epochs", axes(frame, x, y), polyline(places, CALM), *dots)


def count_of_paths(count: int) -> str:
    """Small numbers in full, large ones by their power of ten."""
    return amount(count) if count < 10**12 else f"about 10^{len(str(count)) - 1}"
