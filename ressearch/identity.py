"""The identity of a graph: a digest of a canonical form, computed before any training.

Two graphs get the same digest if and only if (up to a collision of a 128-bit hash) one becomes the other by renaming
nodes and reordering the inputs of sums. Reordering a concatenation gives another network, hence another digest.

How. The digest of each node is taken in topological order from its operation and the digests of its inputs (sorted
where order does not matter): it stands for what the node computes. If all nodes differ in that, equal parts of two
graphs cannot differ in what they share, and the digest of the output, with the number of nodes, is the certificate.
That is the case for nearly every network.

Otherwise it matters who feeds whom. A node is *shared* if it feeds two or more edges; all others are private to their
one consumer. If no node computes the same as a shared one, then wherever that is computed it is the shared node, and
everything else stands there once for each use: the digest of the output with those of the shared nodes is the
certificate.

Otherwise shared nodes are referred to by a *colour*, first their digest. If no two have the same, their order is known,
and the certificate is the expression of each (a private part is fully described by the expression it forms) with the
others numbered.

If some have the same, they are twins: shared nodes that compute the same and may differ in what they feed. They are
told apart by colour refinement over their contexts, and what that leaves tied by individualising one node of a tied
group after another and keeping the smallest certificate. A group member is skipped if its first certificate equals
that of a member tried before: equal certificates exhibit an automorphism that maps one to the other. (Refinement
alone, which is what Weisfeiler-Lehman hashes do, would confuse graphs such as two triangles and a hexagon.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

IDENTITY_VERSION = 2
"""Part of every digest; to be raised whenever the canonical form changes."""

Wiring = Sequence[tuple[bytes, bool, tuple[int, ...]]]
"""Per node, in topological order with the output last: its operation's `word`, whether its inputs commute, positions of
its inputs."""

_Colours = Mapping[int, bytes]


def digest(wiring: Wiring) -> str:
    """The canonical digest of a graph without dead nodes: 16 hexadecimal digits."""
    expressions = _expressions(wiring)
    unlike = len(set(expressions)) == len(expressions)
    certificate = [expressions[-1]] if unlike else _Wired(wiring).certified(expressions)
    return _hash([_VERSION, _number(len(wiring)), *certificate]).hex()[:16]


def _expressions(wiring: Wiring) -> list[bytes]:
    """The digest of what each node computes, as if nothing were shared: `_Wired.expressions` without colours."""
    found: list[bytes] = []
    for label, commutes, inputs in wiring:
        if len(inputs) == 1:
            text = label + found[inputs[0]]
        else:
            parts = [found[source] for source in inputs]
            text = label + b"".join(sorted(parts) if commutes else parts)
        found.append(blake2b(text, digest_size=16).digest())
    return found


def _hash(parts: Iterable[bytes]) -> bytes:
    """16 bytes from parts of 16 bytes each, so that none can be mistaken for another by shifting."""
    return blake2b(b"".join(parts), digest_size=16).digest()


def _number(number: int) -> bytes:
    return number.to_bytes(16, "big")


def word(text: str) -> bytes:
    """16 bytes for a text, which are the same for equal texts and for no others."""
    return blake2b(text.encode(), digest_size=16).digest()


_VERSION = word(f"ressearch {IDENTITY_VERSION}")


class _Wired:
    def __init__(self, wiring: Wiring) -> None:
        self.labels = [label for label, _, _ in wiring]
        self.commutes = [commutes for _, commutes, _ in wiring]
        self.inputs = [inputs for _, _, inputs in wiring]
        self.shared: list[int] = []

    def certified(self, expressions: Sequence[bytes]) -> list[bytes]:
        """The certificate where some nodes compute the same: who feeds whom is written down."""
        fan_out = Counter(source for inputs in self.inputs for source in inputs)
        output = len(self.labels) - 1
        self.shared = [node for node in range(len(self.labels)) if fan_out[node] > 1 or node == output]
        often = Counter(expressions)
        if all(often[expressions[node]] == 1 for node in self.shared):
            return [expressions[-1], *sorted(expressions[node] for node in self.shared)]
        colours = {node: expressions[node] for node in self.shared}
        if len(set(colours.values())) < len(colours):
            colours = self._twins_numbered(self._refined(colours))
        return self.smallest_certificate(colours)

    def _twins_numbered(self, colours: _Colours) -> dict[int, bytes]:
        """Colours that tell twins apart, which of them is which being all the same.

        Twins are nodes of one colour that read the same and are read by the same, in places that commute: exchanging
        two of them, with what is private to each, changes nothing.
        """
        readers: dict[int, list[bytes]] = {node: [] for node in self.shared}
        for at, inputs in enumerate(self.inputs):
            for place, source in enumerate(inputs):
                if source in readers:
                    readers[source].append(_number(at) + _number(0 if self.commutes[at] else place + 1))
        alone = self.expressions({node: _number(node) for node in self.shared})
        seen: Counter[bytes] = Counter()
        found = {}
        for node in self.shared:
            twin = _hash([colours[node], alone[node], *sorted(readers[node])])
            found[node] = _hash([colours[node], _number(seen[twin])])
            seen[twin] += 1
        return found

    def smallest_certificate(self, colours: _Colours) -> list[bytes]:
        colours = self._refined(colours)
        tied = _first_tie(colours)
        if tied is None:
            return self.certificate(colours)
        found: list[list[bytes]] = []
        tried: list[tuple[list[bytes], int]] = []
        for node in tied:
            first = self._first_certificate(_individualised(colours, node), node)
            if first not in tried:
                tried.append(first)
                found.append(self.smallest_certificate(_individualised(colours, node)))
        return min(found)

    def _first_certificate(self, colours: _Colours, node: int) -> tuple[list[bytes], int]:
        """A certificate, and the number that the node has in it."""
        colours = self._refined(colours)
        while (tied := _first_tie(colours)) is not None:
            colours = self._refined(_individualised(colours, tied[0]))
        return self.certificate(colours), sum(colour < colours[node] for colour in colours.values())

    def certificate(self, colours: _Colours) -> list[bytes]:
        """The graph written down with its shared nodes numbered in the order of their (distinct) colours."""
        order = sorted(colours, key=colours.__getitem__)
        expressions = self.expressions({node: _number(number) for number, node in enumerate(order)})
        return [expressions[node] for node in order]

    def _refined(self, colours: _Colours) -> _Colours:
        """Recolour by expression and contexts until no further group of equal colours splits."""
        while True:
            expressions = self.expressions(colours)
            contexts = self._contexts(colours, expressions)
            finer = {n: _hash([colours[n], expressions[n], *sorted(contexts[n])]) for n in self.shared}
            if len(set(finer.values())) == len(set(colours.values())):
                return finer
            colours = finer

    def expressions(self, colours: _Colours) -> list[bytes]:
        """The digest of what each node computes, as if nothing were shared but what has a colour."""
        found: list[bytes] = []
        for label, commutes, inputs in zip(self.labels, self.commutes, self.inputs, strict=True):
            parts = [(colours and colours.get(source)) or found[source] for source in inputs]
            if commutes:
                parts.sort()
            found.append(blake2b(label + b"".join(parts), digest_size=16).digest())
        return found

    def _contexts(self, colours: _Colours, expressions: Sequence[bytes]) -> list[list[bytes]]:
        """Per node, one digest per edge that leaves it: which place it holds in the consumer's own context."""
        contexts: list[list[bytes]] = [[] for _ in self.labels]
        for node in reversed(range(len(self.labels))):
            above = colours.get(node) or contexts[node][0]
            parts = [colours.get(source) or expressions[source] for source in self.inputs[node]]
            for place, source in enumerate(self.inputs[node]):
                others = parts[:place] + parts[place + 1 :]
                where = sorted(others) if self.commutes[node] else [_number(place), *others]
                contexts[source].append(_hash([above, self.labels[node], *where]))
        return contexts


def _first_tie(colours: _Colours) -> list[int] | None:
    count = Counter(colours.values())
    ties = [colour for colour, nodes in count.items() if nodes > 1]
    return [node for node in colours if colours[node] == min(ties)] if ties else None


def _individualised(colours: _Colours, node: int) -> dict[int, bytes]:
    return {**colours, node: _hash([word("individual"), colours[node]])}
