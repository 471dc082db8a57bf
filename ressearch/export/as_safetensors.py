"""`safetensors`: the weights by our names, and with them the graph, so that the file alone makes the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from ressearch import __version__
from ressearch.architecture import Architecture
from ressearch.errors import ArchitectureError, ExportError
from ressearch.export.check import difference
from ressearch.export.packages import needed
from ressearch.export.subject import Subject
from ressearch.export.weights import fitting, read_state
from ressearch.network import Network


def write(subject: Subject, path: Path) -> None:
    """Write the weights, with what is known of the network as metadata."""
    state = {name: value.detach().cpu().contiguous() for name, value in subject.weights.state.items()}
    path.write_bytes(needed("safetensors.torch").save(state, metadata=metadata(subject)))


def metadata(subject: Subject) -> dict[str, str]:
    """What stands beside the weights, each a text: the graph and the recipe are JSON."""
    return {
        "format": "pt",
        "ressearch": __version__,
        "id": subject.architecture.id,
        "architecture": subject.architecture.to_json(),
        "classes": str(subject.architecture.output_shape[0]),
        "recipe": json.dumps(None if subject.recipe is None else asdict(subject.recipe)),
        "weights": subject.weights.origin,
        "pixels": json.dumps(None if subject.pixels is None else asdict(subject.pixels)),
    }


def check(subject: Subject, path: Path) -> str:
    """Make the network from the file alone and compare."""
    return str(difference(subject, lambda images: scores(path, images)))


def scores(path: Path, images: Sequence[Tensor]) -> list[Tensor]:
    """What the network of a file gives."""
    architecture = architecture_of(path)
    network = Network(architecture)
    network.load_state_dict(fitting(architecture, read_state(path), str(path)))
    network.eval()
    with torch.no_grad():
        return [network(batch) for batch in images]


def architecture_of(path: Path) -> Architecture:
    """The architecture that a file's metadata tells. Raises ExportError if it tells none."""
    with needed("safetensors").safe_open(path, framework="pt") as file:
        told: Mapping[str, str] = file.metadata() or {}
    return told_architecture(told.get("architecture"), told.get("id"), str(path))


def told_architecture(text: str | None, id: str | None, name: str) -> Architecture:
    """The architecture that a file tells as JSON, if it is the one of the id beside it. Raises ExportError if not."""
    hint = "it should be of `ressearch export ID -f safetensors` or `-f hub`"
    if text is None:
        raise ExportError(f"{name} tells of no architecture", hint=hint)
    try:
        found = Architecture.from_json(text)
    except ArchitectureError as error:
        raise ExportError(f"the architecture in {name} cannot be read: {error.message}", hint=hint) from error
    if found.id != id:
        raise ExportError(f"the architecture in {name} has the id {found.id}, not {id} as it says", hint=hint)
    return found
