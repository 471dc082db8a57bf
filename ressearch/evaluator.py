"""Your own training in place of ours: `ressearch search FILE --evaluator package.module:function`.

The function takes what `Evaluator` says and returns the validation accuracy. It is found by its name, in the working
directory too, and known by the digest of its source file, so that a changed one never passes for the one that measured
before. What that file imports is not looked at.
"""

from __future__ import annotations

import importlib
import inspect
import os
import random
import re
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ressearch.architecture import Architecture
from ressearch.device import device_name, forget_peak, peak_memory
from ressearch.errors import DivergedError, EvaluatorError, TrainingError
from ressearch.network import Network
from ressearch.trial import EVALUATOR_NAME, Fidelity, Measurement, Recipe

SIGNATURE = "(network, *, recipe, fidelity, seed, device)"
FIGURES = ("accuracy", "loss", "train_loss", "images_per_second")
EXPECTED = f"the validation accuracy in [0, 1], or a mapping with accuracy and, if known, {', '.join(FIGURES[1:])}"


class Evaluator(Protocol):
    """A function that trains a network and says how good it is."""

    def __call__(
        self, network: nn.Module, *, recipe: Recipe, fidelity: Fidelity, seed: int, device: str
    ) -> float | Mapping[str, float]:
        """The accuracy of the network on validation data, in [0, 1], after training it.

        network: untrained, its weights drawn by the seed, on the device; its typed graph is `network.architecture`. It
        takes images (N, C, H, W) of the space's `input: shape` and returns scores (N, classes). recipe, fidelity: what
        the file says under `train:` (and `parameters:`, which may differ from trial to trial); what does not suit your
        training can be left unused. seed: torch, numpy and random are seeded with it already. device: as torch calls
        it, cpu or cuda.

        Returns the accuracy, or a mapping with `accuracy` and, if known, `loss` (validation), `train_loss` and
        `images_per_second` (trained images by training time). A NaN among the first three means that the training
        diverged. What it raises fails this trial, and the search goes on. It runs in a worker process, over and over,
        and its time and memory are measured from outside.
        """


@dataclass(frozen=True)
class LoadedEvaluator:
    """An evaluator and who it is. identity: `module:function@digest`, of the source files that hold it."""

    name: str
    identity: str
    function: Evaluator


def load_evaluator(name: str) -> LoadedEvaluator:
    """The evaluator of a name `package.module:function`.

    The working directory is searched first, as `python -m` does. Raises EvaluatorError if there is none, or none that
    could be called as `Evaluator` says.
    """
    if not re.fullmatch(EVALUATOR_NAME, name):
        raise EvaluatorError(f"{name!r} names no evaluator", hint="write package.module:function")
    module_name, _, function_name = name.partition(":")
    module = _imported(module_name)
    function = getattr(module, function_name, None)
    if function is None:
        own = [n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
        hint = f"its functions: {', '.join(own)}" if own else "it defines no function"
        raise EvaluatorError(f"the module {module_name} ({_file(module)}) has no {function_name}", hint=hint)
    _require_callable(name, function)
    return LoadedEvaluator(name, f"{name}@{_digest(module, function)}", function)


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _not_importable(name, error) from error


def _not_importable(name: str, error: BaseException) -> EvaluatorError:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and f"{name}.".startswith(f"{missing}."):
        hint = f"it is looked for in {Path.cwd()} and among the installed packages"
        return EvaluatorError(f"there is no module {missing!r}", hint=hint)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    hint = f'`{Path(sys.executable).name} -c "import {name}"` shows the whole of it'
    return EvaluatorError(f"importing {name} ended in {type(error).__name__}: {error}{place}", hint=hint)


def _require_callable(name: str, function: Any) -> None:
    module, _, short = name.partition(":")
    hint = f"an evaluator is a function `def {short}{SIGNATURE}`"
    if not callable(function):
        raise EvaluatorError(f"{short} in {module} is no function but {type(function).__name__}", hint=hint)
    try:
        inspect.signature(function).bind(None, recipe=None, fidelity=None, seed=0, device="")
    except ValueError:  # of a function that is not written in Python
        return
    except TypeError as error:
        raise EvaluatorError(f"{name} cannot be called as an evaluator: {error}", hint=hint) from error


def _digest(module: ModuleType, function: Evaluator) -> str:
    """Of the module that was named and, if it took the function from elsewhere, of the one that defines it."""
    home = sys.modules.get(getattr(function, "__module__", ""), module)
    files = sorted({_file(module), _file(home)})
    digest = sha256()
    for file in files:
        try:
            digest.update(Path(file).read_bytes())
        except OSError as error:
            hint = "changed code is known by its source; put the function into a file"
            raise EvaluatorError(
                f"{module.__name__} has no source file that can be read ({file})", hint=hint
            ) from error
    return digest.hexdigest()[:16]


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "no file"


def measure_with(
    evaluator: LoadedEvaluator,
    architecture: Architecture,
    recipe: Recipe,
    fidelity: Fidelity,
    seed: int,
    device: str = "cpu",
) -> Measurement:
    """Let an evaluator train a network, and measure what it takes.

    cpu_seconds holds the evaluator's processes too, such as those of a DataLoader, if they have ended. What the
    evaluator alone knows and does not say is None. Raises DivergedError for an accuracy or loss of NaN or infinity, and
    TrainingError for what is no answer.
    """
    network = _fresh_network(architecture, seed, device)
    forget_peak(device)
    started, used = time.perf_counter(), _processor_seconds()
    answer = evaluator.function(network, recipe=recipe, fidelity=fidelity, seed=seed, device=device)
    seconds, cpu_seconds = time.perf_counter() - started, _processor_seconds() - used
    figures = _figures(evaluator.name, answer)
    trained_on = str(next(network.parameters()).device)  # the evaluator may have moved it
    return Measurement(
        accuracy=figures["accuracy"],
        loss=figures.get("loss"),
        train_loss=figures.get("train_loss"),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        images_per_second=figures.get("images_per_second"),
        flops=None,
        peak_memory=peak_memory(trained_on),
        device=device_name(trained_on),
        precision=None,
    )


def _fresh_network(architecture: Architecture, seed: int, device: str) -> nn.Module:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return Network(architecture).to(device)


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _figures(name: str, answer: Any) -> dict[str, float]:
    """What an evaluator returned, by name; raises where it is not what was agreed."""
    given = answer if isinstance(answer, Mapping) else {"accuracy": answer}
    if unknown := [key for key in given if key not in FIGURES]:
        raise _wrong(name, f"a mapping with {', '.join(map(repr, unknown))}, which means nothing here")
    if "accuracy" not in given:
        raise _wrong(name, "a mapping without accuracy")
    figures = {key: _number(name, key, value) for key, value in given.items()}
    if not 0 <= figures["accuracy"] <= 1:
        raise _wrong(name, f"an accuracy of {figures['accuracy']:g}")
    if figures.get("images_per_second", 0) < 0:
        raise _wrong(name, f"{figures['images_per_second']:g} for images_per_second")
    return figures


def _number(name: str, key: str, value: Any) -> float:
    """A figure as a float; a tensor of one element is taken for what it holds."""
    number = value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value
    if isinstance(number, bool) or not isinstance(number, Real):
        what = "nothing" if value is None else f"a {type(value).__name__}"
        raise _wrong(name, f"{what} for {key}")
    if isfinite(number):
        return float(number)
    if key == "images_per_second":
        raise _wrong(name, f"{number} for {key}")
    raise DivergedError(f"{name} returned {number} for {key}", hint="lower train.lr, or look into your training")


def _wrong(name: str, what: str) -> TrainingError:
    return TrainingError(f"{name} returned {what}", hint=f"it returns {EXPECTED}")
