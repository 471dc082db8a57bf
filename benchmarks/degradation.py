"""What residual connections do: plain against residual networks of equal cost, from 20 to 110 layers.

    python benchmarks/degradation.py --data DIR [--depths 20 56 110] [--seeds 3] [--out FOLDER]
    python benchmarks/degradation.py --from benchmarks/degradation.jsonl [--out FOLDER]

The networks are those of He et al. 2016 for CIFAR, narrower and for smaller images so that one CPU thread is enough:
basic blocks with shortcuts of option A, which cost nothing, so that a plain and a residual network of one depth have
the same parameters and MACs. The training error is measured in evaluation mode on all images that were trained on; the
training loss is the mean of the last epoch's batches, so it is free of the norms' running statistics. Gradients are
those of each convolution's weights, on the first batch of training images, before and after the training.

Writes `degradation.jsonl` (a line of settings, then one a training) and `degradation.svg` to --out, the latter if
matplotlib is there (`pip install 'ressearch[bench]'`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ressearch.data import Part, SearchData, load_search_data
from ressearch.network import Network
from ressearch.space import BySuffix, Candidate, SearchSpace
from ressearch.training import Training
from ressearch.trial import Fidelity, Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHORTCUTS = {"plain": "none", "residual": "pad"}
"""By the kind of the network: what a block has beside its two convolutions."""

SPACE = """
version: 1
name: degradation
input: {{shape: {shape}, classes: {classes}}}
stem: {{op: conv3x3, width: {width}}}
vars: {{n: {{min: 1, max: 200}}}}
stages: {{repeat: 3, width: {{start: {width}, factor: 2}}, depth: {{var: n}}, block: {{use: unit}}}}
blocks:
  unit:
    tie: network
    residual: {{shortcut: {{values: [none, pad]}}, gate: {{values: [none, zero_gamma]}}}}
    body: [{{op: conv3x3}}, {{op: conv3x3}}]
"""


@dataclass(frozen=True)
class Run:
    """One training. before, after: norms of the gradients of the convolutions' weights, from the first to the last."""

    kind: str
    depth: int
    seed: int
    params: int
    macs: int
    training_error: float
    training_loss: float
    evaluated_loss: float
    validation_accuracy: float
    seconds: float
    before: list[float]
    after: list[float]


def network_of(kind: str, depth: int, data: SearchData, width: int, gate: str = "none") -> Candidate:
    """A network of 6n+2 layers."""
    if (depth - 2) % 6 or depth < 8:
        raise SystemExit(f"a depth is 6n+2, as 20, 56 and 110 are, not {depth}")
    space = SearchSpace.parse(SPACE.format(shape=list(data.image_shape), classes=data.classes, width=width))
    return space.decode(BySuffix({"vars.n": (depth - 2) // 6, "shortcut": SHORTCUTS[kind], "gate": gate}))


def shrunk(part: Part, factor: int) -> Part:
    """Images of which each pixel is the mean of factor x factor."""
    return part if factor == 1 else Part(F.avg_pool2d(part.images.float(), factor).round().byte(), part.labels)


def data_of(source: str, images: int, shrink: int) -> SearchData:
    """The first training images and all validation images of a data set, shrunk."""
    data = load_search_data(source)
    first = Part(data.train.images[:images], data.train.labels[:images])
    return replace(data, train=shrunk(first, shrink), validation=shrunk(data.validation, shrink))


def gradient_norms(network: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Norm of the gradient of each convolution's weights on one batch, in training mode; the network stays as it is."""
    copy = deepcopy(network).train()
    copy.zero_grad(set_to_none=True)
    F.cross_entropy(copy(images), labels).backward()
    return [float(p.grad.norm()) for p in copy.parameters() if p.ndim == 4 and p.grad is not None]


def identity_difference(depth: int, data: SearchData, width: int) -> float:
    """The most that any score of a residual network changes by leaving out all blocks whose branch begins at zero."""
    images = data.train.images[:64].float() / 255
    torch.manual_seed(0)
    whole = Network(network_of("residual", depth, data, width, gate="zero_gamma").architecture)
    smallest = Network(network_of("residual", 8, data, width, gate="zero_gamma").architecture)
    kept = smallest.state_dict().keys()
    smallest.load_state_dict({name: value for name, value in whole.state_dict().items() if name in kept})
    with torch.no_grad():
        return max(
            float((whole.train(mode)(images) - smallest.train(mode)(images)).abs().max()) for mode in (False, True)
        )


def trained(kind: str, depth: int, seed: int, data: SearchData, options: argparse.Namespace) -> Run:
    candidate = network_of(kind, depth, data, options.width)
    recipe, fidelity = Recipe(batch_size=options.batch, lr=options.lr), Fidelity(epochs=options.epochs)
    training = Training(candidate.architecture, data, recipe, fidelity, seed, options.device)
    images, labels = training._normalised(training.images[: options.batch]), training.labels[: options.batch]
    before = gradient_norms(training.network, images, labels)
    for _ in range(options.epochs):
        training.epoch()
    accuracy, loss = training.evaluate(data.train)
    return Run(
        kind=kind,
        depth=depth,
        seed=seed,
        params=candidate.cost.params,
        macs=candidate.cost.macs,
        training_error=1 - accuracy,
        training_loss=training.train_loss,
        evaluated_loss=loss,
        validation_accuracy=training.evaluate(data.validation)[0],
        seconds=training.seconds,
        before=before,
        after=gradient_norms(training.network, images, labels),
    )


def settings(options: argparse.Namespace, data: SearchData) -> dict[str, Any]:
    """What a reader has to know of the machine and of the task."""
    kept = ("images", "shrink", "epochs", "batch", "lr", "width", "threads", "device")
    return {
        **{name: getattr(options, name) for name in kept},
        "data": data.name,
        "shape": list(data.image_shape),
        "validation": len(data.validation),
        "processor": processor(options.device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "identity_difference": identity_difference(max(options.depths), data, options.width),
    }


def processor(device: str) -> str:
    """The name that `lscpu` or CUDA gives."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def measured(options: argparse.Namespace, file: Path) -> tuple[dict[str, Any], list[Run]]:
    """All trainings, seed by seed, each written as soon as it is done."""
    data = data_of(options.data, options.images, options.shrink)
    options.images = len(data.train)
    about, runs = settings(options, data), []
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lines:
        print(json.dumps(about), file=lines, flush=True)
        for seed in range(options.seeds):
            for depth in options.depths:
                for kind in SHORTCUTS:
                    run = trained(kind, depth, seed, data, options)
                    runs.append(run)
                    print(json.dumps(rounded(asdict(run))), file=lines, flush=True)
                    print(
                        f"seed {seed}, {kind}-{depth}: training error {100 * run.training_error:.2f} %, "
                        f"{run.seconds:.0f} s",
                        file=sys.stderr,
                    )
    return about, runs


def rounded(value: Any) -> Any:
    """Five significant digits: more than the seeds leave of a number, and a file that is small."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def remembered(file: Path) -> tuple[dict[str, Any], list[Run]]:
    about, *runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return about, [Run(**run) for run in runs]


def groups(runs: list[Run]) -> dict[tuple[int, str], list[Run]]:
    """The runs of each depth and kind; they differ in the seed."""
    keys = sorted({(run.depth, run.kind) for run in runs})
    return {key: [run for run in runs if (run.depth, run.kind) == key] for key in keys}


def spread(values: list[float], digits: int) -> str:
    """Mean ± standard deviation of the sample, if it has one."""
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{deviation}"


def table(runs: list[Run]) -> str:
    measures = ["training error", "training loss", "validation accuracy", "time"]
    rows = [["layers", "network", "n", "parameters", "MACs", *measures], ["---:", "---", *["---:"] * 7]]
    for (depth, kind), same in groups(runs).items():
        rows.append(
            [
                f"{depth}",
                kind,
                f"{len(same)}",
                f"{same[0].params:,}",
                f"{same[0].macs:,}",
                f"{spread([100 * run.training_error for run in same], 1)} %",
                spread([run.training_loss for run in same], 3),
                f"{spread([100 * run.validation_accuracy for run in same], 1)} %",
                f"{mean(run.seconds for run in same):.0f} s",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def gradients(runs: list[Run]) -> str:
    """How much larger the gradient of the first convolution is than the last one's, and its size: medians."""
    lines = []
    for (depth, kind), same in groups(runs).items():
        for moment in ("before", "after"):
            norms = [getattr(run, moment) for run in same]
            first, ratio = median(n[0] for n in norms), median(n[0] / n[-1] for n in norms)
            lines.append(f"  {kind}-{depth:<4} {moment:6} training: {first:9.3g}, {ratio:9.3g} times the last one's")
    return "\n".join(["gradient norm of the first convolution's weights, medians over the seeds", *lines])


COLOURS = {"plain": "#D55E00", "residual": "#0072B2"}
"""Vermilion and blue of Okabe and Ito's palette, which colour-blind readers tell apart."""

MARKERS = {"plain": "s", "residual": "o"}
DASHES = {"plain": "--", "residual": "-"}


def draw(runs: list[Run], file: Path) -> None:
    """Training error over depth, and gradient norms of the deepest networks at initialisation."""
    import matplotlib  # here alone: everything else runs without it
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "0", "axes.titlesize": 10, "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(9, 3.6), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        draw_errors(left, runs)
        draw_gradients(right, runs)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None})


def draw_errors(axes: Axes, runs: list[Run]) -> None:
    depths = sorted({run.depth for run in runs})
    for kind in SHORTCUTS:
        errors = [[100 * run.training_error for run in groups(runs)[depth, kind]] for depth in depths]
        means = [mean(values) for values in errors]
        around = [[mean(v) - min(v) for v in errors], [max(v) - mean(v) for v in errors]]
        axes.errorbar(
            depths, means, around, color=COLOURS[kind], marker=MARKERS[kind], linestyle=DASHES[kind], label=kind,
            capsize=4,
        )  # fmt: skip
    axes.set(xlabel="layers", ylabel="training error, %", xticks=depths)
    axes.set_title("after training, mean and range of the seeds")
    axes.legend()


def draw_gradients(axes: Axes, runs: list[Run]) -> None:
    depth = max(run.depth for run in runs)
    for kind in SHORTCUTS:
        norms = [run.before for run in groups(runs)[depth, kind]]
        layers = range(1, len(norms[0]) + 1)
        by_layer = list(zip(*norms, strict=True))
        axes.fill_between(
            layers, [min(v) for v in by_layer], [max(v) for v in by_layer], color=COLOURS[kind], alpha=0.25, linewidth=0
        )
        axes.plot(
            layers, [median(v) for v in by_layer], color=COLOURS[kind], marker=MARKERS[kind], linestyle=DASHES[kind],
            label=f"{kind}-{depth}", markersize=4, markevery=9,
        )  # fmt: skip
    axes.set(xlabel="convolution, counted from the image", ylabel="norm of its weights' gradient", yscale="log")
    axes.set_title("at initialisation, median and range of the seeds")
    axes.minorticks_off()
    axes.legend()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("RESSEARCH_FASHION_MNIST"), help="or RESSEARCH_FASHION_MNIST")
    parser.add_argument("--depths", type=int, nargs="+", default=[20, 56, 110])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--shrink", type=int, default=2, help="factor by which images are made smaller")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs"), metavar="FOLDER")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="draw these results; train nothing")
    options = parser.parse_args()
    if options.source is None and not options.data:
        parser.error("--data or RESSEARCH_FASHION_MNIST has to name a data set")
    return options


def main() -> None:
    options = parsed()
    torch.set_num_threads(options.threads)
    if options.source is None:
        about, runs = measured(options, options.out / "degradation.jsonl")
    else:
        about, runs = remembered(options.source)
    print(json.dumps(about), table(runs), gradients(runs), sep="\n\n")
    try:
        draw(runs, options.out / "degradation.svg")
    except ModuleNotFoundError:
        print("no matplotlib, no plot: pip install 'ressearch[bench]'", file=sys.stderr)


if __name__ == "__main__":
    main()
