"""What a cluster of many GPUs would ask of the one driver, reckoned from what was measured on one machine.

    python benchmarks/cluster_plan.py [--slots 1000] [--driver-ms 81] [--store STORE] [--study NAME]

Three tables: bytes that go to a worker and come back for a trial, as pickled; how busy the slots are over a study of so
many trials, at whose end they wait for the slowest, with the training times of the store's networks; the driver's load
and the checkpoints a second for trials of 1, 10 and 60 minutes. `--driver-ms` is what a trial costs its processor
(benchmarks/overhead.py), `--insert-ms` what it costs the store (benchmarks/store.py).
"""

from __future__ import annotations

import argparse
import heapq
import json
import pickle
import random
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median

from ressearch.search.worker import Worker
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Fidelity, Recipe

ROOT = Path(__file__).parent.parent
SPACES = ("demo", "mixed", "nested", "ror-cifar")
STUDIES = (1_000, 10_000, 100_000)
MINUTES = (1, 10, 60)
CHECKPOINT_BYTES_PER_PARAMETER = 8
"""Weights and momentum in fp32; what is beside them is some 50 KB."""


class _Idle(Worker):
    """A worker whose training takes no time, for the size of what it returns."""

    def step(self) -> dict[str, object]:
        self.job, self.config = None, {}
        return {"outcome": {"measurement": dict.fromkeys(("accuracy", "loss", "seconds", "cpu_seconds"), 0.123456789)}}


def sizes(name: str, n: int = 40) -> tuple[list[int], list[int]]:
    """Bytes of the jobs and of the results of n random networks of a space."""
    space, generator = SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml"), random.Random(0)
    jobs, results = [], []
    for _ in range(n):
        order = {
            "architecture": space.draw(generator).architecture.to_json(),
            "seed": 0,
            "device": "cuda",
            "threads": 1,
        }
        job = json.dumps(order | {"recipe": asdict(Recipe()), "fidelity": asdict(Fidelity(epochs=1))})
        jobs.append(len(job))
        results.append(len(pickle.dumps(_Idle(config={"job": job}).train())))  # type: ignore[no-untyped-call]
    return jobs, results


def durations(store: Path, study: str | None) -> list[float]:
    """Seconds that the trainings of a study took."""
    opened = Store.open(store)
    trials = opened.trials(opened.study(study)[0])
    return [trial.measurement.seconds for trial in trials if trial.measurement is not None]


def busy(slots: int, study: int, seconds: list[float], rounds: int = 10) -> float:
    """The share of time in which slots train, until the last of so many trials has ended."""
    generator, shares = random.Random(0), []
    for _ in range(rounds):
        trials = generator.choices(seconds, k=study)
        free = [0.0] * slots
        for trial in trials:
            heapq.heapreplace(free, free[0] + trial)
        shares.append(sum(trials) / (slots * max(free)))
    return mean(shares)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--driver-ms", type=float, default=81)
    parser.add_argument("--insert-ms", type=float, default=1)
    parser.add_argument("--parameters", type=float, default=1e6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--store", type=Path, default=Path("runs/ressearch.db"))
    parser.add_argument("--study", help="Of the store, if it has several.")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    print_sizes()
    print_busy(durations(given.store, given.study))
    print_load(given)


def print_sizes() -> None:
    print("| space | job, KB: median, most | result, KB: median, most |\n| --- | ---: | ---: |")
    for name in SPACES:
        jobs, results = sizes(name)
        print(f"| {name} |", " | ".join(f"{median(n) / 1e3:.1f}, {max(n) / 1e3:.1f}" for n in (jobs, results)), "|")


def print_busy(seconds: list[float]) -> None:
    print(f"\n{len(seconds)} trainings, the longest {max(seconds) / mean(seconds):.1f} times the mean")
    print("\n| slots |", " | ".join(f"{study:,} trials" for study in STUDIES), "|\n| ---: | ---: | ---: | ---: |")
    for slots in (16, 64, 250, 1_000):
        print(f"| {slots} |", " | ".join(f"{busy(slots, study, seconds):.2f}" for study in STUDIES), "|")


def print_load(given: argparse.Namespace) -> None:
    print("\n| trials of | trials a second | driver | store | checkpoints, MB a second |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for minutes in MINUTES:
        rate = given.slots / (60 * minutes)
        written = rate * given.epochs * given.parameters * CHECKPOINT_BYTES_PER_PARAMETER / 1e6
        loads = [f"{rate * ms / 10:.1f} %" for ms in (given.driver_ms, given.insert_ms)]
        print(f"| {minutes} min | {rate:.2f} |", " | ".join(loads), f"| {written:,.0f} |")


if __name__ == "__main__":
    main()
