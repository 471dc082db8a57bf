"""The model card of an exported folder: what the network is, how good it is, what it costs, and how it was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from statistics import mean, stdev

from ressearch import __version__
from ressearch.analysis import analyse
from ressearch.cost import cost_of
from ressearch.export.subject import Subject
from ressearch.trial import Recipe, Retraining

UNKNOWN_PIXELS = "each channel normalised to mean 0 and deviation 1 over the training images, which are not at hand"


def card(subject: Subject) -> str:
    """The text of README.md, its head in YAML as hubs read it."""
    return "\n".join(
        [*_head(), *_opening(subject), *_accuracy(subject), *_cost(subject), *_found(subject), *_use(subject)]
    )


def _head() -> Iterator[str]:
    yield from ["---", "library_name: pytorch", "pipeline_tag: image-classification"]
    yield from ["tags: [image-classification, neural-architecture-search, ressearch]", "---", ""]


def _opening(subject: Subject) -> Iterator[str]:
    architecture, facts = subject.architecture, analyse(subject.architecture)
    kinds = ", ".join(f"{count} {kind}" for kind, count in facts.kinds.items()) or "none"
    named = f" ({subject.name})" if subject.name else ""
    shape = " x ".join(map(str, architecture.input_shape))
    yield from [f"# Network {architecture.id}{named}", ""]
    yield f"An image classifier for {shape} images and {architecture.output_shape[0]} classes. Blocks: {kinds}."
    yield f"Its weights are {subject.weights.origin}."
    if subject.weights.chosen_of > 1:
        yield f"They are the best of {subject.weights.chosen_of} on the test images; expect the mean below."
    if not subject.weights.trained:
        yield "**They are not trained**: the accuracies below are of other weights of the same network."
    yield ""


def _accuracy(subject: Subject) -> Iterator[str]:
    yield from ["## Accuracy", ""]
    rows = [*_searched(subject), *_retrained(subject)]
    if not rows:
        yield from ["It was never measured.", ""]
        return
    yield from ["| measured on | data | epochs | accuracy |", "|---|---|---|---|", *rows, ""]
    if subject.retrainings:
        yield from ["Test accuracy is of trainings from scratch on all but the test images, the mean over seeds.", ""]


def _searched(subject: Subject) -> Iterator[str]:
    for study, trial in subject.trials:
        if trial.measurement is not None:
            shown = f"{100 * trial.measurement.accuracy:.2f} %"
            yield f"| validation images, study {study} | {subject.data or 'not known'} | as searched | {shown} |"


def _retrained(subject: Subject) -> Iterator[str]:
    alike: dict[tuple[str, int, Recipe], list[Retraining]] = defaultdict(list)
    for one in subject.retrainings:
        alike[(one.data_checksum, one.fidelity.epochs, one.recipe)].append(one)
    for (checksum, epochs, _), found in alike.items():
        accuracies = [100 * one.measurement.accuracy for one in found]
        spread = f" ± {stdev(accuracies):.2f}" if len(found) > 1 else ""
        seeds = f"{len(found)} seed{'s' if len(found) > 1 else ''}"
        yield f"| test images, {seeds} | checksum {checksum[:12]} | {epochs} | {mean(accuracies):.2f}{spread} % |"


def _cost(subject: Subject) -> Iterator[str]:
    cost = cost_of(subject.architecture)
    yield from ["## Cost", "", "| quantity | value |", "|---|---|"]
    yield f"| FLOPs an image (2 x MACs; convolutions and linear layers) | {cost.flops:,} |"
    yield f"| parameters | {cost.params:,} |"
    yield f"| depth in convolution and linear layers | {cost.depth} |"
    for one in subject.latencies:
        yield f"| latency, {one.device}, {one.precision}, batch {one.batch} | {1000 * one.median_seconds:.3g} ms |"
    yield ""


def _found(subject: Subject) -> Iterator[str]:
    yield from ["## How it was found", ""]
    if subject.space is not None:
        yield f"It is a network of the search space {subject.space.name!r}."
    studies = sorted({study for study, _ in subject.trials})
    proposers = sorted({trial.proposer for _, trial in subject.trials if trial.proposer})
    baselines = sorted({trial.baseline for _, trial in subject.trials if trial.baseline})
    if studies:
        how = (
            f"proposed by {', '.join(proposers)}"
            if proposers
            else "a known network, the baseline " + ", ".join(baselines)
        )
        yield f"Studies that measured it: {', '.join(studies)}; {how if proposers or baselines else 'proposed'}."
    if subject.recipe is not None:
        settings = ", ".join(f"{name} {value}" for name, value in asdict(subject.recipe).items())
        yield f"Recipe (SGD with Nesterov momentum, one-cycle learning rate): {settings}."
    if subject.weights.retraining is not None:
        measured = subject.weights.retraining.measurement
        yield f"These weights were trained on {measured.device} in {measured.seconds:.0f} s."
    yield from [f"Found and exported by ressearch {__version__}.", ""]


def _use(subject: Subject) -> Iterator[str]:
    shape = ", ".join(map(str, subject.architecture.input_shape))
    yield from ["## Use", "", "`network.py` needs torch and nothing else:", ""]
    yield from ["```python", "import torch", "from network import load", ""]
    yield from ["network = load()  # reads model.safetensors beside it", f"scores = network(torch.rand(1, {shape}))"]
    yield from ["```", "", "With ressearch, for other classes or channels:", "", "```python", "import ressearch", ""]
    yield 'network = ressearch.create_model("FOLDER", pretrained=True, num_classes=5)'
    yield from ["```", "", f"Images: {subject.pixels or UNKNOWN_PIXELS}.", ""]
