"""`yaml`: a search space file that holds this one network and no choice."""

from __future__ import annotations

from pathlib import Path

from ressearch.errors import ExportError, MismatchError
from ressearch.export.check import GONE
from ressearch.export.subject import Subject
from ressearch.space import SearchSpace


def write(subject: Subject, path: Path) -> None:
    """Write the space. Raises ExportError if nobody knows what decided the network."""
    from ressearch.space.literal import literal

    if subject.space is None:
        message = f"no search space is known that makes {subject.architecture.id}"
        raise ExportError(message, hint="only networks of a study or of a file can be written as one")
    name = subject.name or subject.architecture.id
    head = f"# The network {subject.architecture.id} of the space {subject.space.name!r}, with nothing left open.\n"
    path.write_text(head + literal(subject.space, subject.decisions, name).to_yaml(), encoding="utf-8")


def check(subject: Subject, path: Path) -> str:
    """Load the space and compare identities."""
    networks = SearchSpace.load(path).networks
    found = [candidate.architecture.id for candidate in networks.values()]
    if found != [subject.architecture.id]:
        shown = ", ".join(found) or "no network"
        raise MismatchError(f"what was written builds {shown}, not {subject.architecture.id}; {GONE}")
    return f"builds {found[0]}"
