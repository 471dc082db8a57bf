"""The same trials on one and on two nodes of one core each: how much of the second core is gained.

    python -m benchmarks.scaling [--trials 64] [--milliseconds 500] [--nodes 1 2]

Each trial sleeps for so long in place of a training, so that the nodes, which are processes of this machine, do not
wait for each other's cores. Efficiency is the time of all trials, by the number of nodes, over the time from the
beginning of the first to the end of the last. A worker waits from the end of a trial to the first step of its next;
between them its outcome goes to the driver and into the store, and the next proposal comes back. From the repository's
root.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from tests.ray_cluster import RayCluster, ray_cluster

ROOT = Path(__file__).parent.parent
LOG, MILLISECONDS = "RESSEARCH_SCALING_LOG", "RESSEARCH_SCALING_MILLISECONDS"
Span = tuple[str, float, float]
"""The worker of a trial, its beginning and its end."""


def evaluate(network: object, *, recipe: object, fidelity: object, seed: int, device: str) -> float:
    """A number for every network after so many milliseconds; when it began and ended is written to a file."""
    began = time.monotonic()
    time.sleep(float(os.environ[MILLISECONDS]) / 1e3)
    with Path(os.environ[LOG]).open("a") as file:
        file.write(f"{os.getpid()} {began} {time.monotonic()}\n")
    parameters = sum(weight.numel() for weight in network.parameters())  # type: ignore[attr-defined]
    return float(parameters / (parameters + 20_000))


def searched(cluster: RayCluster, folder: Path, arguments: argparse.Namespace) -> list[Span]:
    words = ["search", str(ROOT / "search_spaces" / "mixed.yaml"), "--evaluator", "benchmarks.scaling:evaluate"]
    words += ["--trials", str(arguments.trials), "--address", cluster.address, "--no-early-terminate"]
    subprocess.run(
        [sys.executable, "-m", "ressearch", *words, "--store", str(folder / "results.db"), "-q"],
        check=True, cwd=ROOT, env=cluster.environment | {"HOME": str(folder)},
    )  # fmt: skip
    lines = (line.split() for line in (folder / "log").read_text().splitlines())
    return sorted(((worker, float(began), float(end)) for worker, began, end in lines), key=lambda span: span[1])


def waits(trials: list[Span]) -> list[float]:
    """Seconds between the end of a trial and the beginning of its worker's next."""
    ended: dict[str, float] = {}
    found = []
    for worker, began, end in trials:
        if worker in ended:
            found.append(began - ended[worker])
        ended[worker] = end
    return found


def row(count: int, trials: list[Span], waited: list[float]) -> str:
    wall = max(end for *_, end in trials) - min(began for _, began, _ in trials)
    worked = sum(end - began for _, began, end in trials)
    low, _, high = (1e3 * quartile for quartile in quantiles(waited, n=4))
    wait = f"{1e3 * median(waited):.0f} ({low:.0f} to {high:.0f}, most {1e3 * max(waited):.0f})"
    return f"| {count} | {len(trials)} | {wall:.1f} | {worked / count / wall:.3f} | {wait} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--milliseconds", type=float, default=500)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    print("| nodes | trials | wall, s | efficiency | a worker waits, ms |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for count in arguments.nodes:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {LOG: str(Path(folder) / "log"), MILLISECONDS: str(arguments.milliseconds)}
            with ray_cluster(count) as cluster:
                time.sleep(2)
                trials = searched(cluster, Path(folder), arguments)
            print(row(count, trials, waits(trials)), flush=True)


if __name__ == "__main__":
    main()
