"""`onnx`: the network for onnxruntime and others, with norms folded into convolutions and an open number of images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ressearch.export.as_pt2 import program
from ressearch.export.check import difference
from ressearch.export.packages import needed
from ressearch.export.subject import Subject

PROVIDERS = ["CPUExecutionProvider"]


def write(subject: Subject, path: Path) -> None:
    """Write the model, weights inside; input `images` (N, C, H, W), output `scores` (N, classes)."""
    onnx = needed("onnx")
    with _quiet():
        made: Any = torch.onnx.export(
            program(subject),
            (),
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=({0: "batch"},),
            dynamo=True,
            verbose=False,
        )
        model = made.model_proto
    onnx.helper.set_model_props(model, {"id": subject.architecture.id, "weights": subject.weights.origin})
    model.producer_name = "ressearch"
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def check(subject: Subject, path: Path) -> str:
    """Run the model in onnxruntime and compare."""
    return str(difference(subject, lambda images: scores(path, images)))


def scores(path: Path, images: Sequence[Tensor]) -> list[Tensor]:
    """What onnxruntime makes of the model."""
    session = needed("onnxruntime").InferenceSession(str(path), providers=PROVIDERS)
    return [torch.from_numpy(session.run(["scores"], {"images": batch.numpy()})[0]) for batch in images]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that it does not need, and on deprecations of its own."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
