"""ResNet-20 on Fashion-MNIST by test accuracy: what a few epochs reach, and whether bf16 costs any of it.

    python benchmarks/precision.py DIRECTORY [--precisions fp32 bf16] [--epochs 3] [--images 60000] [--seeds 3]

DIRECTORY holds the IDX files. Each network is trained from scratch on the training and validation images, with the
same seeds in each precision, and measured on the 10,000 test images: mean, standard deviation over seeds, and, for two
precisions, the difference of the means with its standard error (of differences by seed).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch

from ressearch.data import SearchData, load_final_data
from ressearch.space import SearchSpace
from ressearch.training import Training
from ressearch.trial import Fidelity, Recipe

RESNETS = Path(__file__).parent.parent / "search_spaces" / "resnet-cifar.yaml"
RECIPE = Recipe(batch_size=128, flip=True)


def accuracy(data: SearchData, precision: str, seed: int, options: argparse.Namespace) -> tuple[float, float]:
    """Test accuracy, and seconds of training."""
    text = RESNETS.read_text(encoding="utf-8").replace("[3, 32, 32]", "[1, 28, 28]")
    architecture = SearchSpace.parse(text).networks["resnet20-b"].architecture
    training = Training(architecture, data, RECIPE, Fidelity(options.epochs), seed, options.device)
    training.precision = precision  # whatever the device is fast at
    for _ in range(options.epochs):
        training.epoch()
    return training.evaluate(data.validation)[0], training.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load_final_data(options.directory)
    data = replace(data, train=data.train.first(options.images / len(data.train), 1))
    found: dict[str, list[float]] = {precision: [] for precision in options.precisions}
    for seed in range(options.seeds):
        for precision in options.precisions:
            reached, seconds = accuracy(data, precision, seed, options)
            found[precision].append(reached)
            print(f"seed {seed}, {precision}: {100 * reached:.2f} % in {seconds:.0f} s", flush=True)
    for precision, values in found.items():
        spread = f" (standard deviation {100 * stdev(values):.2f})" if len(values) > 1 else ""
        print(f"{precision}: mean {100 * mean(values):.2f} %{spread}, {options.epochs} epochs of {len(data.train):,}")
    if len(found) == 2 and options.seeds > 1:
        one, other = found.values()
        differences = [b - a for a, b in zip(one, other, strict=True)]
        error = stdev(differences) / len(differences) ** 0.5
        print(f"difference {100 * mean(differences):+.2f} points, standard error {100 * error:.2f}")


if __name__ == "__main__":
    main()
