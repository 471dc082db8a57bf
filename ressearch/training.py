"""(architecture, data, recipe, fidelity, seed) -> `Measurement`.

The training images are one tensor in memory; a batch is an index operation on it. The seed reaches the weights and
the order of the images; on a CPU with one thread the same seed gives the same accuracy, bit for bit.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
import time
from math import cos, pi
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ressearch.architecture import Architecture
from ressearch.data import Part, SearchData
from ressearch.errors import DivergedError, TrainingError
from ressearch.network import Network
from ressearch.trial import Fidelity, Measurement, Recipe

EVALUATION_BATCH = 1_000


def measure(
    architecture: Architecture,
    data: SearchData,
    recipe: Recipe,
    fidelity: Fidelity,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> Measurement:
    """Train a network and measure it on the validation images.

    checkpoint: a file that is rewritten after each epoch; where there is one of the same training, it goes on from
    there, and ends as if it had never stopped (on a CPU with one thread bit for bit).
    Raises DivergedError if a loss becomes NaN or infinite, naming the epoch, and TrainingError if the network does
    not fit the data or the checkpoint is of another training.
    """
    _require_fit(architecture, data)
    training = Training(architecture, data, recipe, fidelity, seed, device)
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    while training.epochs_done < fidelity.epochs:
        training.epoch()
        if checkpoint is not None:
            training.save(checkpoint)
    started = time.perf_counter()
    accuracy, loss = training.evaluate(data.validation)
    return Measurement(
        accuracy=accuracy,
        loss=loss,
        train_loss=training.train_loss,
        seconds=training.seconds + time.perf_counter() - started,
        cpu_seconds=time.process_time(),
        images_per_second=training.step * recipe.batch_size / training.seconds,
        flops=0,
        peak_memory=_peak_memory(device),
        device=_device_name(device),
        precision="fp32",
    )


def _require_fit(architecture: Architecture, data: SearchData) -> None:
    if architecture.input_shape != data.image_shape:
        wanted, given = ("x".join(map(str, shape)) for shape in (architecture.input_shape, data.image_shape))
        raise TrainingError(f"the network takes images of {wanted}, {data.name} has {given}")
    if architecture.output_shape[0] < data.classes:
        raise TrainingError(
            f"the network tells {architecture.output_shape[0]} classes apart, {data.name} has {data.classes}"
        )


class Training:
    """A network in training: its weights, its optimiser, and where in the schedule it is."""

    def __init__(
        self, architecture: Architecture, data: SearchData, recipe: Recipe, fidelity: Fidelity, seed: int, device: str
    ) -> None:
        self.recipe, self.device = recipe, device
        self.identity = _identity(architecture, data, recipe, fidelity, seed)
        part = data.train.first(fidelity.data_fraction, at_least=recipe.batch_size)
        mean, std = _statistics(part)
        self.mean, self.std = mean.to(device), std.to(device)
        self.images, self.labels = part.images.to(device), part.labels.to(device)
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.network = Network(architecture).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(self.network, recipe)
        self.steps_per_epoch = max(1, len(self.labels) // recipe.batch_size)
        self.steps = self.steps_per_epoch * fidelity.epochs
        self.step = 0
        self.seconds = self.train_loss = 0.0

    @property
    def epochs_done(self) -> int:
        """Passes over the training images so far."""
        return self.step // self.steps_per_epoch

    def epoch(self) -> float:
        """One pass over the training images in a new order; the mean loss of its batches.

        What does not fill a batch is left out, so that every norm sees whole batches.
        """
        started = time.perf_counter()
        self.network.train()
        order = torch.randperm(len(self.labels), generator=self.generator).to(self.device)
        total = torch.zeros((), device=self.device)
        size = self.recipe.batch_size
        for batch in order[: self.steps_per_epoch * size].split(size):
            total += self._train_on(batch)
        self.train_loss = self._finite(float(total) / self.steps_per_epoch, "training")
        self.seconds += time.perf_counter() - started
        return self.train_loss

    def save(self, path: Path) -> None:
        """Write all that the rest of the training depends on; a file that is there already is replaced at once."""
        state = {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.generator.get_state(),
            "draws": torch.get_rng_state(),
            "done": [self.step, self.seconds, self.train_loss],
        }
        if self.device.startswith("cuda"):
            state["device draws"] = torch.cuda.get_rng_state(self.device)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def restore(self, path: Path) -> None:
        """Go on where `save` was called. Raises TrainingError if the file is no checkpoint of this very training."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            found = state["identity"]
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(f"{path} is no checkpoint: {error}", hint="delete it to begin anew") from error
        if found != self.identity:
            raise TrainingError(f"{path} is the checkpoint of another training", hint="delete it to begin anew")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["order"])
        torch.set_rng_state(state["draws"])
        if self.device.startswith("cuda"):
            torch.cuda.set_rng_state(state["device draws"], self.device)
        self.step, self.seconds, self.train_loss = state["done"]

    @torch.no_grad()
    def evaluate(self, part: Part) -> tuple[float, float]:
        """Accuracy in [0, 1] and mean cross-entropy on a part of the data."""
        self.network.eval()
        correct, loss = 0, 0.0
        for images, labels in zip(
            part.images.split(EVALUATION_BATCH), part.labels.to(self.device).split(EVALUATION_BATCH), strict=True
        ):
            scores = self.network(self._prepared(images.to(self.device)))
            correct += int((scores.argmax(dim=1) == labels).sum())
            loss += float(F.cross_entropy(scores, labels, reduction="sum"))
        return correct / len(part), self._finite(loss / len(part), "validation")

    def _train_on(self, batch: Tensor) -> Tensor:
        rate = one_cycle(self.step / self.steps, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        scores = self.network(self._prepared(self.images[batch]))
        loss = F.cross_entropy(scores, self.labels[batch], label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def _prepared(self, images: Tensor) -> Tensor:
        return ((images.float() - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def _finite(self, loss: float, which: str) -> float:
        if not abs(loss) < float("inf"):
            epoch = -(-self.step // self.steps_per_epoch)
            raise DivergedError(f"the {which} loss was {loss} after epoch {epoch}", hint="lower train.lr")
        return loss


def _identity(architecture: Architecture, data: SearchData, recipe: Recipe, fidelity: Fidelity, seed: int) -> str:
    """What has to be equal for a training to go on from another's checkpoint."""
    return f"{architecture.to_json()} {recipe.digest(data.checksum)} {fidelity} {seed}"


def one_cycle(progress: float, recipe: Recipe) -> float:
    """The learning rate at a share of all steps: linear from a 25th to the peak during warm-up, then a cosine to 0.

    The form is that of Smith and Topin 2018 with torch's `OneCycleLR` defaults for the first rate and the cosine.
    """
    if progress < recipe.warmup:
        return recipe.lr * (1 + 24 * progress / recipe.warmup) / 25
    return recipe.lr * 0.5 * (1 + cos(pi * (progress - recipe.warmup) / (1 - recipe.warmup)))


def _statistics(part: Part) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, shaped (1, C, 1, 1)."""
    pixels = part.images.float()
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    return mean, pixels.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-6)


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; norms and biases (all vectors) are not decayed."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def _peak_memory(device: str) -> int:
    """Bytes: the most that the allocator held on a GPU, the most that the process held on a CPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
