"""`create_model`: a network of the store, or of an exported file or folder, as a torch module for one's own use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from ressearch.architecture import Architecture
from ressearch.errors import ArchitectureError, ExportError, WeightsError
from ressearch.export import as_hub, as_safetensors
from ressearch.export.weights import fitting, kept_weights, read_state
from ressearch.network import Network
from ressearch.ops import Conv, Input, Linear
from ressearch.place import usual_store


def create_model(
    model: str | Path,
    *,
    pretrained: bool = False,
    num_classes: int | None = None,
    in_chans: int | None = None,
    store: str | Path | None = None,
) -> Network:
    """A network by the beginning of its id in the store, or from a folder or `.safetensors` file of `ressearch export`.

    pretrained: with the weights of the file, or those that `ressearch retrain --keep` left beside the store; else they
    are drawn from torch's generator. num_classes: another number gives a new head, drawn as well. in_chans: another
    number of channels; the weights that read the image are summed for one channel, else repeated and scaled so that
    their sum stays. store: a path or URL, by default that of RESSEARCH_STORE, or `runs/ressearch.db`. The module is
    in training mode, as torch makes them.

    Raises StoreError for an unknown id, ExportError for a file that tells of no network or a number that does not fit,
    and WeightsError where there are no weights.
    """
    architecture, state = _known(model, pretrained, store)
    network = Network(_adapted(architecture, num_classes, in_chans))
    if state is not None:
        network.load_state_dict(_carried(network, architecture, state))
    return network


def _known(
    model: str | Path, pretrained: bool, store: str | Path | None
) -> tuple[Architecture, Mapping[str, Tensor] | None]:
    path = Path(model)
    if path.is_dir():
        architecture = as_hub.architecture_of(path)
        return architecture, as_hub.state_of(path, architecture) if pretrained else None
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise ExportError(f"there is no file {path}")
        architecture = as_safetensors.architecture_of(path)
        return architecture, fitting(architecture, read_state(path), str(path)) if pretrained else None
    return _stored(str(model), pretrained, store)


def _stored(id: str, pretrained: bool, store: str | Path | None) -> tuple[Architecture, Mapping[str, Tensor] | None]:
    from ressearch.store import Store

    with closing(Store.open(store or usual_store())) as opened:
        architecture, _ = opened.architecture(id)
        if not pretrained:
            return architecture, None
        weights = kept_weights(opened, architecture)
        if weights is None:
            message = f"no trained weights are kept of {architecture.id}"
            raise WeightsError(message, hint=f"`ressearch retrain {architecture.id} --epochs N --keep` makes some")
        return architecture, weights.state


def _adapted(architecture: Architecture, num_classes: int | None, in_chans: int | None) -> Architecture:
    """The same graph with another number of classes or channels. Raises ExportError if it does not fit."""
    nodes = list(architecture.nodes)
    for name, number in (("num_classes", num_classes), ("in_chans", in_chans)):
        if number is not None and (type(number) is not int or number < 1):
            raise ExportError(f"{name} must be a whole number from 1, got {number!r}")
    if num_classes is not None:
        nodes[-1] = nodes[-1]._replace(op=Linear(num_classes))
    if in_chans is not None:
        nodes[0] = nodes[0]._replace(op=Input(in_chans, *architecture.input_shape[1:]))
    try:
        return Architecture(tuple(nodes))
    except ArchitectureError as error:
        message = f"{architecture.id} takes no images of {in_chans} channels: {error.message}"
        raise ExportError(message) from error


def _carried(network: Network, origin: Architecture, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights for a network that may have another head or other channels than the one that they are of."""
    head = origin.nodes[-1].name
    stems = {
        node.name for node in origin.nodes if 0 in node.inputs and isinstance(node.op, Conv) and node.op.groups == 1
    }
    carried = {}
    for name, own in network.state_dict().items():
        layer, value = name.rpartition(".")[0], state[name]
        if value.shape == own.shape:
            carried[name] = value
        elif layer == head:
            carried[name] = own
        elif layer in stems and value.shape[0] == own.shape[0]:
            carried[name] = adapted_stem(value, own.shape[1])
        else:
            message = (
                f"the weights of {name} do not carry over to images of {network.architecture.input_shape[0]} channels"
            )
            hint = "leave in_chans out, or pretrained"
            raise WeightsError(message, hint=hint)
    return carried


def adapted_stem(weight: Tensor, channels: int) -> Tensor:
    """Weights (width, C, k, k) of a convolution on images, for another number of channels.

    Their sum for one, since a grey image is the same in all channels; else repeated in turn and scaled by C / channels,
    so that equal channels give what they gave.
    """
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    turns = torch.arange(channels) % before
    return weight[:, turns] * (before / channels)
