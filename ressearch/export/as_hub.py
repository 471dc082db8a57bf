"""`hub`: a folder as model hubs have it: config, weights, model card, and the network as plain torch.

The weights are by the names of the Python file; the config says which of ours each is, so that `create_model` reads
the same file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ressearch import __version__
from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.errors import ExportError, WeightsError
from ressearch.export import as_python
from ressearch.export.as_safetensors import metadata, told_architecture
from ressearch.export.card import card
from ressearch.export.check import difference
from ressearch.export.packages import needed
from ressearch.export.subject import Subject
from ressearch.export.weights import fitting, read_state
from ressearch.network import Network

CONFIG, WEIGHTS, MODULE, CARD = "config.json", "model.safetensors", "network.py", "README.md"


def write(subject: Subject, path: Path) -> None:
    """Write the folder."""
    path.mkdir()
    made = as_python.source(subject, WEIGHTS)
    (path / MODULE).write_text(made.text, encoding="utf-8")
    told = {name: text for name, text in metadata(subject).items() if name != "architecture"}
    weights = needed("safetensors.torch").save(as_python.renamed(made, subject), metadata=told)
    (path / WEIGHTS).write_bytes(weights)
    (path / CONFIG).write_text(json.dumps(config(subject, made.names), indent=2) + "\n", encoding="utf-8")
    (path / CARD).write_text(card(subject), encoding="utf-8")


def config(subject: Subject, names: dict[str, str]) -> dict[str, Any]:
    """What `config.json` holds; parameters: our names of the weights -> those in the file."""
    architecture, cost = subject.architecture, cost_of(subject.architecture)
    return {
        "model_type": "ressearch",
        "architecture_id": architecture.id,
        "num_classes": architecture.output_shape[0],
        "input_shape": list(architecture.input_shape),
        "cost": {**asdict(cost), "flops": cost.flops},
        "recipe": None if subject.recipe is None else asdict(subject.recipe),
        "weights": subject.weights.origin,
        "pixels": None if subject.pixels is None else asdict(subject.pixels),
        "ressearch_version": __version__,
        "architecture": json.loads(architecture.to_json()),
        "parameters": names,
    }


def check(subject: Subject, path: Path) -> str:
    """Run the folder's Python file, and make the network from its config, and compare both."""
    own = difference(subject, lambda images: as_python.scores(path / MODULE, images))
    read = difference(subject, lambda images: scores(path, images))
    return str(max(own, read, key=lambda one: one.absolute))


def scores(path: Path, images: Sequence[Tensor]) -> list[Tensor]:
    """What the network of a folder's config gives."""
    architecture = architecture_of(path)
    network = Network(architecture)
    network.load_state_dict(state_of(path, architecture))
    network.eval()
    with torch.no_grad():
        return [network(batch) for batch in images]


def architecture_of(path: Path) -> Architecture:
    """The architecture that a folder's config tells. Raises ExportError if it tells none."""
    told = _config(path)
    graph = told.get("architecture")
    text = None if graph is None else json.dumps(graph)
    return told_architecture(text, told.get("architecture_id"), str(path / CONFIG))


def state_of(path: Path, architecture: Architecture) -> dict[str, Tensor]:
    """The weights in a folder by our names. Raises WeightsError if they are not those of the architecture."""
    names, file = _config(path).get("parameters"), path / WEIGHTS
    found = read_state(file)
    if not isinstance(names, dict) or set(names.values()) != set(found):
        raise WeightsError(f"{path / CONFIG} does not name the weights in {file}", hint="export the folder again")
    return fitting(architecture, {ours: found[theirs] for ours, theirs in names.items()}, str(file))


def _config(path: Path) -> dict[str, Any]:
    file = path / CONFIG
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        hint = "it should be a folder of `ressearch export ID -f hub`"
        raise ExportError(f"{file} cannot be read", hint=hint) from error
    return found if isinstance(found, dict) else {}
