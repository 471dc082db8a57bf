"""What a user of Ray Tune and Optuna would write in an afternoon: no space file, no store, no graph.

python benchmarks/naive_tune.py --data DIR --minutes 10 [--seed 0] [--out FILE.jsonl]

DIR holds Fashion-MNIST's four IDX files. A line a finished trial: time of day in seconds, validation accuracy, MACs.
"""

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
import torch
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from torch import nn
from torch.nn import functional as F

BEGAN = time.monotonic()
EPOCHS, BATCH, HELD_OUT = 2, 128, 5_000
TESTED = range(60_000 - HELD_OUT, 60_000, 1_000)


def load(data: str) -> tuple[torch.Tensor, torch.Tensor]:
    folder = Path(data)
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.tensor(images).float() / 255, torch.tensor(labels).long()


class Block(nn.Module):
    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        same = stride == 1 and before == width
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def resnet(depths: list[int], width: int) -> tuple[nn.Module, int]:
    """The network and its MACs, counted along the way."""
    layers: list[nn.Module] = [nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    macs, before, size = 28 * 28 * 9 * width, width, 28
    for stage, depth in enumerate(depths):
        after = width * 2**stage
        for number in range(depth):
            stride = 2 if stage and number == 0 else 1
            size //= stride
            layers.append(Block(before, after, stride))
            macs += size * size * 9 * (before * after + after * after)
            macs += size * size * before * after if stride != 1 or before != after else 0
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)), macs + before * 10


def train(config: dict, data: str, count: int) -> None:  # type: ignore[type-arg]
    torch.manual_seed(0)
    images, labels = load(data)
    x, y = images[:count], labels[:count]
    network, macs = resnet([config["depth1"], config["depth2"], config["depth3"]], config["width"])
    optimizer = torch.optim.SGD(network.parameters(), config["lr"], 0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config["lr"], total_steps=EPOCHS * (count // BATCH))
    for _ in range(EPOCHS):
        for batch in torch.randperm(count)[: count // BATCH * BATCH].split(BATCH):
            loss = F.cross_entropy(network(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        right = sum(int((network(images[i : i + 1000]).argmax(1) == labels[i : i + 1000]).sum()) for i in TESTED)
    tune.report({"accuracy": right / HELD_OUT, "macs": macs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=16_500)
    parser.add_argument("--out", type=Path, default=Path("naive.jsonl"))
    arguments = parser.parse_args()
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    depths = {f"depth{stage}": tune.randint(1, 4) for stage in (1, 2, 3)}
    space = {**depths, "width": tune.choice([4, 8, 12, 16]), "lr": tune.loguniform(1e-2, 0.5)}
    search = OptunaSearch(metric=["accuracy", "macs"], mode=["max", "min"], seed=arguments.seed)
    seconds = 60 * arguments.minutes - (time.monotonic() - BEGAN)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results = tune.Tuner(
            tune.with_parameters(train, data=str(Path(arguments.data).resolve()), count=arguments.images),
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=search, num_samples=-1, time_budget_s=seconds, max_concurrent_trials=2
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        ended = [results[i].metrics for i in range(len(results))]
        found = [metrics for metrics in ended if metrics and "accuracy" in metrics]
    lines = [json.dumps([m["timestamp"], m["accuracy"], m["macs"]]) for m in found]
    arguments.out.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
