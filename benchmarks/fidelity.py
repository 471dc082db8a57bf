"""Early termination against full fidelity at equal compute, on real trainings.

    python benchmarks/fidelity.py [--trials 16] [--seeds 3] [--epochs 9]                     # digits, the demo's space
    python benchmarks/fidelity.py --data DIR [--images 6000] [--shrink 2] [--trials 10]      # part of Fashion-MNIST

A seed: --trials networks are trained for all epochs, which takes so many floating point operations; with as many, the
same study is made with rungs, for as many candidates as that pays for. An operation that a checkpoint saved counts
once. Both go through the books and the worker's code, in this process and on one thread. Hypervolume: of validation
accuracy above a half and log MACs below the most that a network of either study has, as a share of the area above a
half and between the least and the most. Thirds: how many networks of the final front are in each third of the range of
log MACs of all candidates of both studies.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch.nn import functional as F

from ressearch.data import load_search_data
from ressearch.ranking import Point, hypervolume, pareto_front
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.queue import Queue, Terms
from ressearch.search.study import StudyBooks, describe_study
from ressearch.search.worker import outcome_of
from ressearch.space import SearchSpace
from ressearch.store import Store

SPACES = Path(__file__).parent.parent / "search_spaces"
FLOOR = 0.5
MANY = 10_000


@dataclass(frozen=True)
class Searched:
    """What a study came to: (accuracy, log MACs) of complete trials, log MACs of all candidates, what it took."""

    points: list[Point]
    candidates: list[float]
    flops: float
    seconds: float

    @property
    def front(self) -> list[float]:
        return [self.points[i][1] for i in pareto_front(self.points)]


def space_of(source: str, epochs: int, eta: int, fraction: float) -> SearchSpace:
    data = load_search_data(source)
    text = (SPACES / ("demo.yaml" if source == "digits" else "fashion.yaml")).read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("input:", "train:", "task:"))]
    shape = f"input: {{shape: {list(data.image_shape)}, classes: {data.classes}}}"
    train = f"train: {{epochs: {epochs}, batch_size: 64, lr: 0.1, data_fraction: {fraction}}}"
    return SearchSpace.parse("\n".join([*kept, shape, train, f"early_terminate: {{eta: {eta}}}", ""]))


def searched(space: SearchSpace, source: str, seed: int, trials: int, budget: float | None) -> Searched:
    """A study of so many trials, or with rungs and of as many as the operations allow; what exceeds them is dropped."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, closing(Store.create(Path(folder) / "results.db")) as store:
        data = load_search_data(source)
        study = describe_study(space, data, name="study", source=source, seed=seed)
        books = StudyBooks(space, data, store, study, trials, early_terminate=budget is not None)
        terms = Terms(source, 0, Checkpoints(Path(folder) / "results.db", "study"))
        spent = _worked(Queue(books, terms, Path(folder), lambda progress: None), budget)
        points = [(result.accuracy, log(result.macs)) for result in store.results(1)]
        candidates = [log(macs) for macs in store.macs(1).values()]
    return Searched(points, candidates, spent, time.monotonic() - began)


def _worked(queue: Queue, budget: float | None) -> float:
    """Do a queue's jobs one by one; the operations that were spent."""
    spent: dict[int, float] = {}
    while (order := queue.take("here")) is not None:
        outcome = outcome_of(json.loads(order))
        number = queue.jobs["here"].number
        flops = (outcome.get("measurement") or {"flops": 0.0})["flops"]
        if budget is not None and sum(spent.values()) + flops - spent.get(number, 0.0) > budget:
            break
        spent[number] = flops
        queue.close("here", outcome)
    return sum(spent.values())


def thirds(found: Searched, low: float, high: float) -> list[int]:
    """How many networks of the front are in each third of a range."""
    counts = [0, 0, 0]
    for macs in found.front:
        counts[min(2, int(3 * (macs - low) / (high - low)))] += 1
    return counts


def compared(seed: int, whole: Searched, rungs: Searched) -> tuple[float, float]:
    """Print a seed's two rows; the hypervolumes, of all epochs and of rungs."""
    everything = [*whole.candidates, *rungs.candidates]
    low, high = min(everything), max(everything)
    found = []
    for name, one in (("all epochs", whole), ("rungs", rungs)):
        volume = hypervolume(one.points, (FLOOR, high)) / ((1 - FLOOR) * (high - low))
        best = max(accuracy for accuracy, _ in one.points)
        counts = " / ".join(map(str, thirds(one, low, high)))
        taken = f"{one.flops / 1e9:.1f} | {one.seconds:.0f} s"
        tried = f"{len(one.candidates)} | {len(one.points)}"
        print(f"| {seed} | {name} | {tried} | {taken} | {100 * best:.2f} % | {counts} | {volume:.4f} |", flush=True)
        found.append(volume)
    return found[0], found[1]


def subset(directory: str, images: int, shrink: int, folder: Path) -> str:
    """The first images of a data set of grey images, shrunk, as an .npz file; a search holds a fifth back."""
    train = load_search_data(directory).train.first(1.0, 1)
    pixels = F.avg_pool2d(train.images[:images].float(), shrink).round().byte()[:, 0].numpy()
    labels = train.labels[:images].numpy()
    file = folder / "subset.npz"
    np.savez(file, x_train=pixels, y_train=labels, x_test=pixels[:10], y_test=labels[:10])
    return str(file)


def spread(values: list[float]) -> str:
    deviation = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    return f"{mean(values):.4f}{deviation} (n = {len(values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--shrink", type=int, default=2)
    parser.add_argument("--fraction", type=float, default=1.0, help="Share of the training images.")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--eta", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    volumes = []
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.data
        if source != "digits":
            source = subset(source, arguments.images, arguments.shrink, Path(folder))
        space = space_of(source, arguments.epochs, arguments.eta, arguments.fraction)
        print(
            "| seed | study | candidates | complete | GFLOPs | time | best accuracy | front by thirds | hypervolume |"
        )
        print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
        for seed in range(arguments.seeds):
            whole = searched(space, source, seed, arguments.trials, None)
            volumes.append(compared(seed, whole, searched(space, source, seed, MANY, whole.flops)))
    print(f"\nhypervolume, all epochs: {spread([whole for whole, _ in volumes])}")
    print(f"hypervolume, rungs: {spread([rungs for _, rungs in volumes])}")
    print(f"difference by seed: {spread([rungs - whole for whole, rungs in volumes])}")


if __name__ == "__main__":
    main()
