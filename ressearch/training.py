"""(architecture, data, recipe, fidelity, seed) -> `Measurement`.

The training images are one tensor on the device; a batch is an index operation on it. On a GPU the whole step is one
CUDA graph, unless it is made in segments or compiled. The seed reaches the weights, the order of the images, their
augmentation and stochastic depth; on a CPU with one thread the same seed gives the same accuracy, bit for bit.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Callable
from math import ceil, cos, isfinite, pi, prod, sqrt
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ressearch.architecture import Architecture
from ressearch.augmentation import Augmented
from ressearch.capture import Captured
from ressearch.cost import cost_of
from ressearch.data import Part, SearchData
from ressearch.device import device_name, forget_peak, free_memory, make_current, peak_memory, precision
from ressearch.errors import ArchitectureError, DivergedError, TrainingError
from ressearch.network import Network
from ressearch.trial import Fidelity, Measurement, Recipe
from ressearch.whole import whole

_LOG = logging.getLogger(__name__)

EVALUATION_BATCH = 1_000

MEMORY_SHARE = 0.25
"""Of the free memory, that a training pass may keep for its backward pass before it is made in segments."""


def measure(
    architecture: Architecture,
    data: SearchData,
    recipe: Recipe,
    fidelity: Fidelity,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    compiled: bool = False,
    weights: Path | None = None,
    saved: Callable[[], None] = lambda: None,
) -> Measurement:
    """Train a network and measure it on the validation images.

    checkpoint: a file that is rewritten after each epoch; where there is one of the same training, it goes on from
    there, and ends as if it had never stopped (on a CPU with one thread bit for bit); that may be one of fewer epochs
    of the same schedule. compiled: by `torch.compile`, which takes longer than a short training.
    weights: a file for the weights that were measured, see `Training.write_weights`. saved: is called each time that
    the checkpoint was written.
    Raises DivergedError if a loss becomes NaN or infinite, naming the epoch, and TrainingError if the network does
    not fit the data, or the checkpoint is of another training or beyond these epochs.
    """
    forget_peak(device)
    training = Training(architecture, data, recipe, fidelity, seed, device, compiled)
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    if training.epochs_done > fidelity.epochs:
        message = f"{checkpoint} is at epoch {training.epochs_done}, beyond the {fidelity.epochs} that are asked for"
        raise TrainingError(message, hint="delete it to begin anew")
    while training.epochs_done < fidelity.epochs:
        loss = training.epoch()
        _LOG.info("%s: epoch %d of %d, loss %.4f", architecture.id, training.epochs_done, fidelity.epochs, loss)
        if checkpoint is not None:
            training.save(checkpoint)
            saved()
    measurement = training.measurement(data.validation)
    if weights is not None:
        training.write_weights(weights)
    return measurement


def require_fit(architecture: Architecture, data: SearchData) -> None:
    """Raise TrainingError if the network takes other images than the data has, or tells too few classes apart."""
    if architecture.input_shape != data.image_shape:
        wanted, given = ("x".join(map(str, shape)) for shape in (architecture.input_shape, data.image_shape))
        raise TrainingError(f"the network takes images of {wanted}, {data.name} has {given}")
    if architecture.output_shape[0] < data.classes:
        raise TrainingError(
            f"the network tells {architecture.output_shape[0]} classes apart, {data.name} has {data.classes}"
        )


class Training:
    """A network in training: its weights, its optimiser, and where in the schedule it is.

    Raises TrainingError if the network does not fit the data.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: SearchData,
        recipe: Recipe,
        fidelity: Fidelity,
        seed: int,
        device: str,
        compiled: bool = False,
    ) -> None:
        require_fit(architecture, data)
        make_current(device)
        torch.backends.cudnn.benchmark = True  # of GPUs alone: shapes do not change, so the fastest kernels are sought
        self.recipe, self.fidelity, self.device = recipe, fidelity, device
        self.precision = precision(device, recipe.amp)
        self.identity = _identity(architecture, data, recipe, fidelity, seed)
        part = self._at_resolution(data.train.first(fidelity.data_fraction, at_least=recipe.batch_size))
        mean, std = pixel_statistics(part)
        self.mean, self.std = mean.to(device), std.to(device)
        self.augmented, self.labels = Augmented(part.images.to(device), recipe, seed), part.labels.to(device)
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        architecture = _resized(architecture, *part.images.shape[2:])
        self.flops = 3 * cost_of(architecture).flops  # an image's forward pass, and a backward pass of twice as many
        segments = _segments(architecture, recipe.batch_size, device)
        self.network = Network(architecture, segments).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = _average(self.network, recipe)
        self.optimizer = _optimizer(self.network, recipe, device)
        self._scores = torch.compile(self.network) if compiled else self.network
        self._total = torch.zeros((), device=device)
        self._captured = Captured() if device.startswith("cuda") and segments == 1 and not compiled else None
        self.steps_per_epoch = max(1, len(self.labels) // recipe.batch_size)
        self.steps = self.steps_per_epoch * fidelity.schedule
        self.step = 0
        self.seconds = self.cpu_seconds = self.train_loss = 0.0

    @property
    def images(self) -> Tensor:
        """The training images as they are, uint8 (N, C, H, W) on the device."""
        return self.augmented.images

    @property
    def epochs_done(self) -> int:
        """Passes over the training images so far."""
        return self.step // self.steps_per_epoch

    def epoch(self) -> float:
        """One pass over the training images in a new order; the mean loss of its batches.

        What does not fill a batch is left out, so that every norm sees whole batches.
        """
        started = time.perf_counter(), time.process_time()
        self.network.train()
        order = torch.randperm(len(self.labels), generator=self.generator).to(self.device)
        self.augmented.begin(self.epochs_done, self.generator)
        self._total.zero_()
        size = self.recipe.batch_size
        for batch in order[: self.steps_per_epoch * size].split(size):
            self._set_rate(one_cycle(self.step / self.steps, self.recipe))
            self._advance(batch)
        self.train_loss = self._finite(float(self._total) / self.steps_per_epoch, "training")
        self.seconds += time.perf_counter() - started[0]
        self.cpu_seconds += time.process_time() - started[1]
        return self.train_loss

    def rehearse(self) -> float:
        """Take one step on the first images, at the first learning rate; the seconds that it took."""
        if self.step == 0:
            self.augmented.begin(0, self.generator)
        self.network.train()
        batch = torch.arange(min(self.recipe.batch_size, len(self.labels)), device=self.device)
        self._set_rate(one_cycle(0.0, self.recipe))
        began = time.perf_counter()
        self._advance(batch)
        float(self._total)  # a GPU is waited for
        return time.perf_counter() - began

    def measurement(self, part: Part) -> Measurement:
        """What this training came to, measured on a part of the data."""
        started = time.perf_counter(), time.process_time()
        accuracy, loss = self.evaluate(part)
        images = self.step * min(self.recipe.batch_size, len(self.labels))
        return Measurement(
            accuracy=accuracy,
            loss=loss,
            train_loss=self.train_loss,
            seconds=self.seconds + time.perf_counter() - started[0],
            cpu_seconds=self.cpu_seconds + time.process_time() - started[1],
            images_per_second=images / self.seconds,
            flops=self.flops * images,
            peak_memory=peak_memory(self.device),
            device=device_name(self.device),
            precision=self.precision,
        )

    def save(self, path: Path) -> None:
        """Write all that the rest of the training depends on; a file that is there already is replaced at once."""
        state = {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.generator.get_state(),
            "draws": torch.get_rng_state(),
            "average": None if self.average is None else self.average.state_dict(),
            "done": [self.step, self.seconds, self.cpu_seconds, self.train_loss],
        }
        if self.device.startswith("cuda"):
            state["device draws"] = torch.cuda.get_rng_state(self.device)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")  # left where it fails, which tells why a trial did
        torch.save(state, unfinished)
        unfinished.replace(path)

    def write_weights(self, path: Path) -> None:
        """Write the weights that are measured, as a `Network` of the architecture loads them, whole and for good.

        `torch.load(path, weights_only=True)` reads them: tensors by name, on the CPU.
        """
        network = self.network if self.average is None else self.average.module
        state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path, lasting=True) as unfinished, unfinished.open("wb") as file:
            torch.save(state, file)

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
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate  # a CUDA graph reads it where it was; it is set at every step
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.generator.set_state(state["order"])
        torch.set_rng_state(state["draws"])
        if self.device.startswith("cuda") and "device draws" in state:  # not so if it was begun on a CPU
            torch.cuda.set_rng_state(state["device draws"], self.device)
        self.step, self.seconds, self.cpu_seconds, self.train_loss = state["done"]

    @torch.no_grad()
    def evaluate(self, part: Part) -> tuple[float, float]:
        """Accuracy in [0, 1] and mean cross-entropy on a part of the data, of the averaged weights if there are any."""
        network = (self.network if self.average is None else self.average.module).eval()
        images = self._at_resolution(part).images
        correct, loss = 0, 0.0
        for batch, labels in zip(
            images.split(EVALUATION_BATCH), part.labels.to(self.device).split(EVALUATION_BATCH), strict=True
        ):
            pixels = batch.to(self.device).contiguous(memory_format=torch.channels_last)
            with self._autocast():
                scores = network(self._normalised(pixels)).float()
            correct += int((scores.argmax(dim=1) == labels).sum())
            loss += float(F.cross_entropy(scores, labels, reduction="sum"))
        return correct / len(part), self._finite(loss / len(part), "validation")

    def _advance(self, batch: Tensor) -> None:
        if self._captured is None:
            self._train_on(batch)
        else:
            self._captured(self._train_on, batch)
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step += 1

    def _train_on(self, batch: Tensor) -> None:
        """One step on the images at these positions; its loss is added to the epoch's total."""
        images = self.augmented.blanked(self._normalised(self.augmented.batch(batch)), batch)
        with self._autocast():
            scores = self._scores(images)
            loss = F.cross_entropy(scores, self.labels[batch], label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.recipe.decoupled:
            self._decay()
        self.optimizer.step()
        self._total += loss.detach()

    @torch.no_grad()
    def _decay(self) -> None:
        """Decoupled weight decay; the first group of the optimiser are the weights that decay."""
        group = self.optimizer.param_groups[0]
        for weight in group["params"]:
            weight.mul_(1 - group["lr"] * self.recipe.weight_decay)

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _autocast(self) -> torch.autocast:
        kind = "cuda" if self.device.startswith("cuda") else "cpu"
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images.float() - self.mean) / self.std

    def _at_resolution(self, part: Part) -> Part:
        """The images shrunk to the fidelity's share of their sides, each pixel the mean of those that it covers."""
        if self.fidelity.resolution == 1:
            return part
        height, width = (max(1, round(side * self.fidelity.resolution)) for side in part.images.shape[2:])
        shrunk = [
            F.adaptive_avg_pool2d(images.float(), (height, width)).round()
            for images in part.images.split(EVALUATION_BATCH)
        ]
        return Part(torch.cat(shrunk).to(torch.uint8), part.labels)

    def _finite(self, loss: float, which: str) -> float:
        if not isfinite(loss):
            epoch = -(-self.step // self.steps_per_epoch)
            raise DivergedError(f"the {which} loss was {loss} after epoch {epoch}", hint="lower train.lr")
        return loss


def _identity(architecture: Architecture, data: SearchData, recipe: Recipe, fidelity: Fidelity, seed: int) -> str:
    """What has to be equal for a training to go on from another's checkpoint; not how far it is to go."""
    seen = f"{fidelity.data_fraction} {fidelity.resolution} {fidelity.schedule}"
    return f"{architecture.to_json()} {recipe.digest(data.checksum)} {seen} {seed}"


def _resized(architecture: Architecture, height: int, width: int) -> Architecture:
    if (height, width) == architecture.input_shape[1:]:
        return architecture
    try:
        return architecture.resized(height, width)
    except ArchitectureError as error:
        message = f"the network cannot take images of {height}x{width}: {error.message}"
        raise TrainingError(message, hint="raise train.resolution") from error


def _segments(architecture: Architecture, batch: int, device: str) -> int:
    """In how many segments to make a training pass: one, unless all values of a batch would fill the memory."""
    held = 4 * batch * sum(prod(shape) for shape in architecture.shapes)
    free = free_memory(device)
    return 1 if free is None or held < MEMORY_SHARE * free else ceil(sqrt(len(architecture)))


def one_cycle(progress: float, recipe: Recipe) -> float:
    """The learning rate at a share of all steps: linear from a 25th to the peak during warm-up, then a cosine to 0.

    The form is that of Smith and Topin 2018 with torch's `OneCycleLR` defaults for the first rate and the cosine.
    """
    if progress < recipe.warmup:
        return recipe.lr * (1 + 24 * progress / recipe.warmup) / 25
    return recipe.lr * 0.5 * (1 + cos(pi * (progress - recipe.warmup) / (1 - recipe.warmup)))


def pixel_statistics(part: Part) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel of pixels from 0 to 255, shaped (1, C, 1, 1), to normalise images by."""
    pixels = part.images.float()
    mean = pixels.mean(dim=(0, 2, 3), keepdim=True)
    return mean, pixels.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-6)


def _optimizer(network: nn.Module, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; norms and biases (all vectors) are not decayed."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    decay = 0.0 if recipe.decoupled else recipe.weight_decay
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    # On a GPU the rate lies in its memory, where a graph finds what is new at each step.
    rate = torch.tensor(float(recipe.lr), device=device) if device.startswith("cuda") else recipe.lr
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def _average(network: Network, recipe: Recipe) -> AveragedModel | None:
    """The running mean of weights and statistics, if the recipe wants one."""
    if recipe.ema == 0:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
