"""Training speed beside an ordinary PyTorch loop, on one network, machine and run.

    python benchmarks/training.py [--device cpu] [--threads 1] [--batch 128] [--batches 10] [--rounds 5]
    python benchmarks/training.py --device cuda --batch 512 --batches 40 --share 1 2 4 8

The ordinary loop is eager, in torch's default memory format, with a `DataLoader` over a data set that crops, flips and
normalises image by image, and SGD as torch has it by default; in fp32 on a CPU, under bf16 autocast on a GPU. Ours is
`ressearch.training.Training`, with the same augmentation. Rounds of both alternate; medians and quartiles of images per
second are printed, and the median of the ratios. Also: the share of our time that is not forward, backward or optimiser
(order, augmentation, batches and normalisation, timed by themselves), and the floating point operations per second
that we reach (three times the forward pass) beside a matrix product's. --share: so many trainings at once on one
device, each in a process of its own, and their images per second together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.data import Part, SearchData
from ressearch.network import Network
from ressearch.space import SearchSpace
from ressearch.training import Training
from ressearch.trial import Fidelity, Recipe

SPACES = Path(__file__).parent.parent / "search_spaces"
NETWORKS = {"ResNet-20": ("resnet-cifar.yaml", "resnet20-b"), "nested, two levels": ("nested.yaml", "two-levels")}
GEMM = 4096


class Images(Dataset[tuple[Tensor, int]]):
    """What a tutorial's data set does, image by image."""

    def __init__(self, part: Part) -> None:
        self.images, self.labels = part.images, part.labels.tolist()
        self.mean, self.std = torch.tensor(0.5).view(1, 1, 1), torch.tensor(0.29).view(1, 1, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = F.pad(self.images[index].float() / 255, (4, 4, 4, 4))
        top, left = torch.randint(0, 9, (2,)).tolist()
        image = image[:, top : top + 32, left : left + 32]
        image = image.flip(2) if torch.rand(()) < 0.5 else image
        return (image - self.mean) / self.std, self.labels[index]


def noise(images: int) -> SearchData:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 3, 32, 32), generator=generator, dtype=torch.uint8)
    part = Part(pixels, torch.arange(images) % 10)
    return SearchData("noise", part, part.first(0.1, 1), 10)


def synchronised(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(work: Callable[[], object], device: str) -> float:
    began = synchronised(device)
    work()
    return synchronised(device) - began


def ordinary(architecture: Architecture, data: SearchData, batch: int, device: str) -> Callable[[], object]:
    network = Network(architecture).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(Images(data.train), batch, shuffle=True, drop_last=True)

    def epoch() -> None:
        for images, labels in loader:
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.startswith("cuda")):
                loss = F.cross_entropy(network(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def preparation(training: Training) -> Callable[[], object]:
    """What an epoch does outside forward, backward and optimiser: order, augmentation, batches, normalisation."""
    generator, size = torch.Generator().manual_seed(0), training.recipe.batch_size

    def prepare() -> None:
        order = torch.randperm(len(training.labels), generator=generator).to(training.device)
        training.augmented.begin(0, generator)
        for batch in order.split(size):
            training.augmented.blanked(training._normalised(training.augmented.batch(batch)), batch)

    return prepare


def gemm_peak(device: str) -> float:
    """Floating point operations per second of a matrix product, in bf16 on a GPU."""
    kind = torch.bfloat16 if device.startswith("cuda") else torch.float32
    a, b = (torch.randn(GEMM, GEMM, device=device, dtype=kind) for _ in range(2))
    _ = a @ b
    return 2 * GEMM**3 / min(seconds(lambda: a @ b, device) for _ in range(5))


def spread(values: list[float]) -> str:
    low, _, high = quantiles(values, n=4)
    return f"{median(values):9.1f} (quartiles {low:.1f} to {high:.1f})"


def compare(name: str, architecture: Architecture, options: argparse.Namespace) -> None:
    device, batch, images = options.device, options.batch, options.batch * options.batches
    data = noise(images)
    training = ours_on(architecture, data, options)
    theirs, ours = ordinary(architecture, data, batch, device), training.epoch
    prepare = preparation(ours_on(architecture, data, options))
    for work in (theirs, ours, prepare):
        work()
    times = [[seconds(work, device) for work in (theirs, ours, prepare)] for _ in range(options.rounds)]
    print(f"{name}, batch {batch}, {options.rounds} rounds of {images} images")
    print(f"  ordinary loop   {spread([images / t[0] for t in times])} images a second")
    print(f"  ours            {spread([images / t[1] for t in times])} images a second")
    print(f"  median ratio    {median(t[0] / t[1] for t in times):9.2f}")
    print(f"  outside forward, backward, optimiser {100 * median(t[2] / t[1] for t in times):.1f} % of our time")
    reached = 3 * cost_of(architecture).flops * images / median(t[1] for t in times)
    print(f"  {reached / 1e9:.1f} GFLOP/s of a matrix product's {gemm_peak(device) / 1e9:.1f}")


def ours_on(architecture: Architecture, data: SearchData, options: argparse.Namespace) -> Training:
    recipe, fidelity = Recipe(batch_size=options.batch, crop=4, flip=True), Fidelity(epochs=100)
    return Training(architecture, data, recipe, fidelity, 0, options.device)


def trained_alone(number: int, options: argparse.Namespace, start: Barrier, times: Queue[tuple[float, float]]) -> None:
    """What one of several processes does: warm up, wait for the others, train for some rounds."""
    torch.set_num_threads(options.threads)
    training = ours_on(network_of("ResNet-20"), noise(options.batch * options.batches), options)
    training.epoch()
    start.wait()
    began = time.time()
    for _ in range(options.rounds):
        training.epoch()
    times.put((began, time.time()))


def share(count: int, options: argparse.Namespace) -> float:
    """Images per second of several trainings together."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(count)
    times: Queue[tuple[float, float]] = context.Queue()
    workers = [context.Process(target=trained_alone, args=(n, options, start, times)) for n in range(count)]
    for worker in workers:
        worker.start()
    spans = [times.get() for _ in workers]
    for worker in workers:
        worker.join()
    images: int = count * options.rounds * options.batch * options.batches
    return images / (max(end for _, end in spans) - min(began for began, _ in spans))


def network_of(name: str) -> Architecture:
    file, baseline = NETWORKS[name]
    return SearchSpace.load(SPACES / file).networks[baseline].architecture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=int, nargs="+", default=[], help="trainings at once, e.g. 1 2 4 8")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in NETWORKS:
        compare(name, network_of(name), options)
    for count in options.share:
        print(f"{count} at once, ResNet-20: {share(count, options):,.0f} images a second together")


if __name__ == "__main__":
    main()
