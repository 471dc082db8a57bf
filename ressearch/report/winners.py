"""Members of the front side by side: wiring, lengths of paths, gradients before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ressearch.report.figures import gradient_figure, spectrum_figure
from ressearch.report.findings import Findings, Network
from ressearch.report.front import title_of
from ressearch.report.markup import Child, Markup, element
from ressearch.report.numbers import exclusive
from ressearch.report.panel import drawing_of
from ressearch.report.told import amount, download, paragraph, shown
from ressearch.view import percent

MOST = 4

Norms = Mapping[str, Sequence[float]]
"""Of networks by their ids, see `ressearch.report.gradients`."""


def winners(findings: Findings) -> list[Network]:
    """At most four members of the front, by rising MACs.

    The answer and the most accurate one, and of the others those without which the front would lose the most area.
    """
    front = findings.front
    if len(front) <= MOST:
        return front
    losses = exclusive([network.point for network in front])
    first = [network.id for network in (findings.answer, front[-1]) if network is not None]
    order = sorted(range(len(front)), key=lambda at: (front[at].id not in first, -losses[at]))
    return [front[at] for at in sorted(order[:MOST])]


def side_by_side(chosen: Sequence[Network], norms: Norms) -> list[Child]:
    """A column for each, with axes that can be compared."""
    shares = {network.id: spectrum_of(network) for network in chosen}
    longest = max(max(found) for found in shares.values())
    most = max(max(found.values()) for found in shares.values())
    known = [norm for found in norms.values() for norm in found if norm > 0]
    layers = max((len(found) for found in norms.values()), default=0)
    columns = []
    for network in chosen:
        gradients = _gradients(norms.get(network.id, ()), layers, known)
        paths = spectrum_figure(shares[network.id], longest, most)
        columns.append(element("article", _head(network), drawing_of(network), paths, gradients, class_="winner"))
    rows = [(network.id, length, share) for network in chosen for length, share in shares[network.id].items()]
    links: list[Child] = [download("paths", "Paths", ("id", "convolutions", "share_of_paths"), rows)]
    if norms:
        of_norms = [(id, at, norm) for id, found in norms.items() for at, norm in enumerate(found, 1)]
        links.append(download("gradients", "Gradients", ("id", "convolution", "gradient_norm"), of_norms))
    return [shown(element("div", *columns, class_="winners"), _reading(bool(norms)), paragraph(*links))]


def _reading(with_norms: bool) -> str:
    paths = (
        "The bars count the ways from the image to the class scores by how many convolutions lie on them: bars on "
        "the left are what skips make possible."
    )
    gradients = (
        " The line below is how strongly each layer feels the loss before any training (weights' gradient norm, "
        "median of three seeds, noise as images): level is easy to train, steep is not. A layer behind a gate that "
        "begins at zero has none and is left out."
    )
    return f"{paths}{gradients if with_norms else ''} All columns share their axes; choose a drawing to enlarge it."


def _head(network: Network) -> Markup:
    name = f"baseline {network.baseline}" if network.baseline else network.kind
    cost = f"{amount(network.cost.macs)} MACs, {amount(network.cost.params)} parameters, depth {network.cost.depth}"
    return element(
        "header",
        element(
            "h3",
            f"{percent(network.accuracy)} ",
            element("small", f"#{network.number} {name}"),
            title=title_of(network),
        ),
        element("p", cost),
    )


def spectrum_of(network: Network) -> dict[int, float]:
    """Length of a path -> the share of all paths that are so long; counts may be larger than a float can be."""
    return {length: count / network.wiring.paths for length, count in network.wiring.spectrum.items()}


def _gradients(norms: Sequence[float], layers: int, known: Sequence[float]) -> Child:
    if not norms or not known:
        return ""
    return gradient_figure(norms, layers, min(known) / 1.3, max(known) * 1.3)
