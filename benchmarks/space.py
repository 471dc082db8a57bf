"""Networks per second, from decisions to a checked graph with its id and cost, beside asking torch for the same count.

    python benchmarks/space.py [--networks 40]

For each space, random networks are decoded, checked, identified and costed on one core; the same networks are then
built as torch modules on the meta device and counted with `FlopCounterMode`. Both are timed network by network in one
run, ours as the median of fifteen goes in a row (a search decodes thousands in a row), torch's of two; medians and
quartiles over the networks are printed, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import torch
from torch.utils.flop_counter import FlopCounterMode

from ressearch.network import Network
from ressearch.space import Candidate, SearchSpace

SPACES = Path(__file__).parent.parent / "search_spaces"


def ours(space: SearchSpace, decisions: dict[str, object]) -> Candidate:
    candidate = space.decode_stored(decisions)
    _ = candidate.architecture.id, candidate.cost
    return candidate


def torchs(candidate: Candidate) -> int:
    with torch.device("meta"):
        network = Network(candidate.architecture).eval()
        image = torch.zeros(1, *candidate.architecture.input_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return int(counter.get_total_flops())


def seconds(work: Callable[[], object], goes: int) -> float:
    times = []
    for _ in range(goes):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def spread(times: list[float]) -> str:
    low, _, high = quantiles(times, n=4)
    return f"{1e3 * median(times):9.2f} ms (quartiles {1e3 * low:.2f} to {1e3 * high:.2f})"


def measure(name: str, space: SearchSpace, networks: int) -> None:
    generator = random.Random(0)
    drawn = [dict(space.sample(generator).decisions) for _ in range(networks)]
    fast, slow = [], []
    for decisions in drawn:
        fast.append(seconds(lambda d=decisions: ours(space, d), 15))  # type: ignore[misc]
        candidate = ours(space, decisions)
        slow.append(seconds(lambda c=candidate: torchs(c), 2))  # type: ignore[misc]
    nodes = median(len(ours(space, decisions).architecture) for decisions in drawn)
    ratio = median(b / a for a, b in zip(fast, slow, strict=True))
    print(f"{name}: n = {networks}, median {nodes:.0f} nodes")
    print(f"  decode + check + id + cost {spread(fast)}  {1 / median(fast):8.0f} a second")
    print(f"  torch on meta + counter    {spread(slow)}  {1 / median(slow):8.0f} a second")
    print(f"  median ratio {ratio:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=40)
    networks = parser.parse_args().networks
    torch.set_num_threads(1)
    for file in ("mixed.yaml", "nested.yaml", "fashion.yaml", "ror-cifar.yaml"):
        measure(file, SearchSpace.load(SPACES / file), networks)
    space = SearchSpace.load(SPACES / "resnet-cifar.yaml")
    decisions = dict(space.baselines["resnet1202-b"].decisions)
    times = [seconds(lambda: space.decode_stored(decisions), 1) for _ in range(9)]
    print(f"ResNet-1202 decodes in {spread(times)}, n = 9")


if __name__ == "__main__":
    main()
