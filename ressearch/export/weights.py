"""Weights for a network: of a retraining that the store kept, of a file, or drawn anew. Only tensors are unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ressearch.architecture import Architecture
from ressearch.errors import WeightsError
from ressearch.export.packages import needed
from ressearch.network import Network
from ressearch.trial import Artifact, Retraining

if TYPE_CHECKING:
    from ressearch.store import Store

State = Mapping[str, Tensor]
"""What `Network.state_dict` gives: tensors by our names."""


@dataclass(frozen=True)
class Weights:
    """A state dictionary of a network, and where it is from, as the end of a sentence; trained: not drawn anew.

    chosen_of: so many retrainings whose weights are kept, of which it is the best on the test images.
    """

    state: State
    origin: str
    trained: bool
    retraining: Retraining | None = None
    chosen_of: int = 1


def fresh_weights(architecture: Architecture, seed: int = 0) -> Weights:
    """Weights as a training begins with them, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Weights(Network(architecture).state_dict(), f"freshly initialised from seed {seed}", trained=False)


def file_weights(architecture: Architecture, file: Path) -> Weights:
    """The weights of a `.safetensors` file or of one that torch wrote. Raises WeightsError if it holds others."""
    return Weights(fitting(architecture, read_state(file), str(file)), f"of {file}", trained=True)


def kept_weights(store: Store, architecture: Architecture, seed: int | None = None) -> Weights | None:
    """The weights of a retraining that the store kept: that of most epochs, then of the highest test accuracy.

    seed: only of trainings with this seed. None if none is kept. Raises WeightsError if the file is gone or was
    changed since.
    """
    kept = [(one, artifact) for one, artifact in store.artifacts(architecture.id) if seed in (None, one.seed)]
    if not kept:
        return None
    retraining, artifact = max(kept, key=lambda pair: (pair[0].fidelity.epochs, pair[0].measurement.accuracy))
    state = read_state(_intact(store, architecture, artifact))
    accuracy = f"test accuracy {100 * retraining.measurement.accuracy:.2f} %"
    origin = f"of the retraining of {retraining.fidelity.epochs} epochs, seed {retraining.seed}: {accuracy}"
    return Weights(fitting(architecture, state, artifact.name), origin, True, retraining, len(kept))


def _intact(store: Store, architecture: Architecture, artifact: Artifact) -> Path:
    """The file of an artifact, if its bytes are those that were recorded."""
    from ressearch.store.artifacts import artifact_of

    file = store.artifacts_folder / artifact.name
    again = f"`ressearch retrain {architecture.id} --epochs N --keep` makes them anew, --weights none does without"
    if not file.is_file():
        raise WeightsError(f"the weights {file} are gone", hint=again)
    if artifact_of(file) != artifact:
        raise WeightsError(f"the weights {file} are not those that were recorded: another sha256", hint=again)
    return file


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises WeightsError if it cannot be read, or holds anything but tensors."""
    try:
        if file.suffix == ".safetensors":
            return dict(needed("safetensors.torch").load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {file}") from error
    except WeightsError:
        raise
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"{file} holds no weights that can be read", hint=_READABLE) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise WeightsError(f"{file} holds no weights that can be read", hint=_READABLE) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"{file} holds more than tensors by name", hint=_READABLE)
    return found


_READABLE = "give a state dictionary: torch.save(network.state_dict(), FILE), or a .safetensors file"


def fitting(architecture: Architecture, state: State, name: str) -> dict[str, Tensor]:
    """The tensors in the order of the network's own. Raises WeightsError if they are not those of the architecture."""
    wanted = shapes_of(architecture)
    missing, foreign = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or foreign:
        found = f"it lacks {_some(missing)}" if missing else f"it holds {_some(foreign)} as well"
        raise WeightsError(f"{name} does not hold the weights of {architecture.id}: {found}", hint=_OTHERS)
    for key, shape in wanted.items():
        if tuple(state[key].shape) != shape:
            shown = " x ".join(map(str, state[key].shape)), " x ".join(map(str, shape))
            message = f"{name} does not hold the weights of {architecture.id}: {key} is {shown[0]}, not {shown[1]}"
            raise WeightsError(message, hint=_OTHERS)
    return {key: state[key] for key in wanted}


_OTHERS = "they are of another network; --weights none draws new ones"


def shapes_of(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a network's state dictionary; none is made for it."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in Network(architecture).state_dict().items()}


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
