"""`pt2`: the program that torch.export makes of the network, for any number of images."""

from __future__ import annotations

import keyword
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ressearch.architecture import Architecture
from ressearch.export.check import difference
from ressearch.export.subject import Subject
from ressearch.network import Network


def program(subject: Subject) -> ExportedProgram:
    """The network as one graph of torch operations, with an open number of images."""
    images = torch.randn(2, *subject.architecture.input_shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on how it does it
        return torch.export.export(traceable(subject), (images,), dynamic_shapes=({0: Dim("batch", min=1)},))


def traceable(subject: Subject) -> Network:
    """The network under names that torch.export can say in Python: a graph's end `in`, or a block `half`, it cannot."""
    nodes = subject.architecture.nodes
    for length in count(1):
        names = {node.name: ".".join(_sayable(part, length) for part in node.name.split(".")) for node in nodes}
        if len(set(names.values())) == len(names):
            break
    network = Network(Architecture(tuple(node._replace(name=names[node.name]) for node in nodes)))
    state = subject.weights.state.items()
    split = ((*name.rpartition("."), value) for name, value in state)
    network.load_state_dict({f"{names[layer]}.{kind}": value for layer, _, kind, value in split})
    return network.eval()


TAKEN = frozenset(dir(nn.Module()))


def _sayable(part: str, length: int) -> str:
    return f"{part}{'_' * length}" if part in TAKEN or keyword.iskeyword(part) else part


def write(subject: Subject, path: Path) -> None:
    """Write the program with its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program(subject), path)


def check(subject: Subject, path: Path) -> str:
    """Load the program and compare."""
    return str(difference(subject, lambda images: scores(path, images)))


def scores(path: Path, images: Sequence[Tensor]) -> list[Tensor]:
    """What the program gives."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        network = torch.export.load(path).module()
        return [network(batch) for batch in images]
