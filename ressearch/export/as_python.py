"""`python`: one file of plain torch, and its weights beside it. Read back in a fresh interpreter without ressearch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ressearch.cost import cost_of
from ressearch.errors import MismatchError
from ressearch.export.check import GONE, difference
from ressearch.export.python import Source, source_of
from ressearch.export.subject import Subject

SECONDS = 600


def source(subject: Subject, weights: str) -> Source:
    """The text of the file for a subject, whose weights are in a file of this name beside it."""
    return source_of(subject.architecture, title(subject, weights), weights)


def title(subject: Subject, weights: str) -> str:
    """The docstring of the file."""
    cost = cost_of(subject.architecture)
    named = f" ({subject.name})" if subject.name else ""
    return (
        f"Network {subject.architecture.id}{named}, found by ressearch: "
        f"{cost.params:,} parameters, {cost.flops:,} FLOPs an image (2 x MACs).\n\n"
        f"Plain torch; needs nothing else. `load()` gives the network with the weights of {weights}:\n"
        f"{subject.weights.origin}.\n" + (f"Images: {subject.pixels}.\n" if subject.pixels else "")
    )


def write(subject: Subject, path: Path) -> None:
    """Write the file, and the weights as tensors by the names that its network has."""
    weights = path.with_suffix(".pt")
    made = source(subject, weights.name)
    path.write_text(made.text, encoding="utf-8")
    torch.save(renamed(made, subject), weights)


def renamed(made: Source, subject: Subject) -> dict[str, Tensor]:
    """The weights by the names of the file's own network. Raises MismatchError if the file does not have each once."""
    state = subject.weights.state
    if set(made.names) != set(state) or len(set(made.names.values())) != len(made.names):
        raise MismatchError(f"what was written does not name every weight once; {GONE}")
    return {made.names[name]: value.detach().cpu().contiguous() for name, value in state.items()}


def check(subject: Subject, path: Path) -> str:
    """Run the file and compare."""
    return str(difference(subject, lambda images: scores(path, images)))


SCRIPT = """
import runpy, sys
sys.modules["ressearch"] = None
file, images, scores = sys.argv[1:]
network = runpy.run_path(file, run_name="exported")["load"]()
import torch
with torch.no_grad():
    torch.save([network(batch) for batch in torch.load(images, weights_only=True)], scores)
"""


def scores(path: Path, images: Sequence[Tensor]) -> list[Tensor]:
    """What the file's network gives, loaded by its own `load()` in a Python in which ressearch cannot be imported."""
    with TemporaryDirectory() as folder:
        asked, told = Path(folder) / "images.pt", Path(folder) / "scores.pt"
        torch.save(list(images), asked)
        command = [sys.executable, "-P", "-c", SCRIPT, str(path), str(asked), str(told)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise MismatchError(f"what was written does not run: {last}; {GONE}")
        found: list[Tensor] = torch.load(told, weights_only=True)
        return found
