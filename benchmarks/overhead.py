"""What a search takes beside its trainings: trials that are over in a millisecond, by the whole way through Ray Tune.

    python benchmarks/overhead.py [--trials 10000] [--workers 2] [--milliseconds 1] [--space FILE] [--early-terminate]

Of the first and of the last tenth of the trials: processor time of the driver per trial, wall clock per trial (of all
workers together), how long a worker waits between two trials (median and quartiles), and the driver's memory. From the
repository's root, since the workers import this file as `benchmarks.overhead`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from ressearch.search.run import run_study
from ressearch.search.study import Progress
from ressearch.space import SearchSpace

ROOT = Path(__file__).parent.parent
LOG, MILLISECONDS = "RESSEARCH_OVERHEAD_LOG", "RESSEARCH_OVERHEAD_MILLISECONDS"


def evaluate(network: object, *, recipe: object, fidelity: object, seed: int, device: str) -> float:
    """A number for every network after so many milliseconds; when it began and ended is written to a file."""
    began = time.monotonic()
    time.sleep(float(os.environ[MILLISECONDS]) / 1e3)
    parameters = sum(weight.numel() for weight in network.parameters())  # type: ignore[attr-defined]
    with Path(os.environ[LOG]).open("a") as file:
        file.write(f"{os.getpid()} {began} {time.monotonic()}\n")
    return float(parameters / (parameters + 20_000))


@dataclass(frozen=True)
class Moment:
    """The driver when a trial has ended: clock and processor time in seconds, memory in bytes."""

    clock: float
    processor: float
    memory: int


def moment() -> Moment:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Moment(time.monotonic(), time.process_time(), pages * os.sysconf("SC_PAGE_SIZE"))


def searched(arguments: argparse.Namespace, folder: Path) -> list[Moment]:
    """A moment before the first trial has ended, and one after each."""
    moments = [moment()]

    def watch(progress: Progress) -> None:
        if progress.done + progress.failed + progress.stopped >= len(moments):
            moments.append(moment())

    run_study(
        SearchSpace.load(arguments.space),
        source="",
        store=folder / "results.db",
        name="overhead",
        trials=arguments.trials,
        workers=arguments.workers,
        seed=0,
        watch=watch,
        evaluator="benchmarks.overhead:evaluate",
        early_terminate=arguments.early_terminate,
    )
    return moments


def waits(log: Path) -> list[float]:
    """Seconds between the end of a trial and the beginning of the worker's next, in the order of the beginnings."""
    ended: dict[str, float] = {}
    found = []
    for worker, began, end in sorted(
        (line.split() for line in log.read_text().splitlines()), key=lambda w: float(w[1])
    ):
        if worker in ended:
            found.append(float(began) - ended[worker])
        ended[worker] = float(end)
    return found


def row(name: str, moments: list[Moment], waited: list[float]) -> str:
    trials = len(moments) - 1
    processor = 1e3 * (moments[-1].processor - moments[0].processor) / trials
    clock = 1e3 * (moments[-1].clock - moments[0].clock) / trials
    low, _, high = (1e3 * quartile for quartile in quantiles(waited, n=4))
    wait = f"{1e3 * median(waited):.0f} ({low:.0f} to {high:.0f})"
    return f"| {name} | {trials} | {processor:.1f} | {clock:.1f} | {wait} | {moments[-1].memory / 2**20:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--milliseconds", type=float, default=1)
    parser.add_argument("--space", type=Path, default=ROOT / "search_spaces" / "mixed.yaml")
    parser.add_argument("--early-terminate", action="store_true", help="By rungs, if the space asks for them.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        os.environ |= {LOG: str(log), MILLISECONDS: str(arguments.milliseconds)}
        moments = searched(arguments, Path(folder))
        waited = waits(log)
    tenth, tenth_waited = max(2, (len(moments) - 1) // 10), max(2, len(waited) // 10)
    first = moments[1 : tenth + 2]  # after the first trial, whose wall clock is that of Ray's start
    print("| trials | n | driver, ms | wall, ms | a worker waits, ms | driver, MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print(row("first tenth", first, waited[:tenth_waited]))
    print(row("last tenth", moments[-tenth - 1 :], waited[-tenth_waited:]))


if __name__ == "__main__":
    main()
