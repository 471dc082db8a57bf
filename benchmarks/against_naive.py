"""The whole of ressearch against what a user would write with Ray Tune and Optuna alone, for the same time on 2 cores.

    python benchmarks/against_naive.py --data DIR [--minutes 10] [--seeds 3] [--images 16500] [--out FILE.jsonl]

The other side is `naive_tune.py`: a ResNet whose depths, width and learning rate are parameters, on Fashion-MNIST, with
OptunaSearch on accuracy and MACs. Ours is `ressearch search search_spaces/fashion.yaml` with a learning rate to choose
from the same range, and, with `--early-terminate`, a rung after the first epoch. Both train two epochs on --images of
55,000 images and measure 5,000 others; both begin with the start of the interpreter. They take turns, and which is
first changes from seed to seed. A line a search is written to --out: seconds, accuracy and MACs of its trials; searches
that are there already are not made again. Hypervolume: of accuracy above a half and log MACs below the most of any
search, after a quarter, a half, three quarters and all of the time.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from math import log
from pathlib import Path
from statistics import mean, stdev

from ressearch.ranking import hypervolume

ROOT = Path(__file__).parent.parent
FLOOR = 0.5
IMAGES = 55_000
RATE = "parameters: {lr: {distribution: log_uniform_values, min: 0.01, max: 0.5}}\n"
RUNGS = "early_terminate: {min_iter: 1, eta: 2}\n"
Timed = list[tuple[float, float, int]]
"""Seconds from the start, accuracy and MACs of each trial."""


def naive(arguments: argparse.Namespace, seed: int, folder: Path) -> Timed:
    out, began = folder / "naive.jsonl", time.time()
    words = ["--data", arguments.data, "--minutes", str(arguments.minutes), "--seed", str(seed), "--out", str(out)]
    words += ["--images", str(arguments.images)]
    command = [sys.executable, str(ROOT / "benchmarks" / "naive_tune.py"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    return sorted((clock - began, accuracy, macs) for clock, accuracy, macs in found)


def ours(arguments: argparse.Namespace, seed: int, folder: Path) -> Timed:
    """A search that is interrupted when the time is over."""
    space, store, began = folder / "fashion.yaml", folder / "results.db", time.time()
    text = (ROOT / "search_spaces" / "fashion.yaml").read_text(encoding="utf-8")
    text = re.sub(r"data_fraction: [\d.]+", f"data_fraction: {arguments.images / IMAGES}", text)
    space.write_text(text + RATE + (RUNGS if arguments.early_terminate else ""), encoding="utf-8")
    words = ["--data", arguments.data, "--seed", str(seed), "--workers", "2", "--trials", "100000"]
    words += ["--store", str(store)]
    command = [sys.executable, "-m", "ressearch", "search", str(space), *words]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        process.wait(60 * arguments.minutes)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    with closing(sqlite3.connect(store)) as connection:
        query = "select finished, accuracy, m.macs from trials join measurements m on m.id = measurement_id"
        rows = connection.execute(f"{query} where state = 'complete' order by finished").fetchall()
    return [(finished - began, accuracy, macs) for finished, accuracy, macs in rows]


SIDES: dict[str, Callable[[argparse.Namespace, int, Path], Timed]] = {"naive": naive, "ours": ours}


def searches(arguments: argparse.Namespace) -> dict[tuple[int, str], Timed]:
    """All searches, those of the file and those that it lacks, which are made and written to it."""
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    known = {(line["seed"], line["side"]): line["trials"] for line in map(json.loads, lines)}
    for seed in range(arguments.seeds):
        for side in sorted(SIDES, reverse=bool(seed % 2)):
            if (seed, side) not in known:
                with tempfile.TemporaryDirectory() as folder:
                    trials = SIDES[side](arguments, seed, Path(folder))
                known[seed, side] = trials
                with arguments.out.open("a") as file:
                    line = {"seed": seed, "side": side, "minutes": arguments.minutes, "trials": trials}
                    file.write(f"{json.dumps(line)}\n")
    return known


def volume(trials: Timed, until: float, most: float) -> float:
    return hypervolume([(accuracy, log(macs)) for at, accuracy, macs in trials if at <= until], (FLOOR, most))


def reached(trials: Timed, goal: float, most: float) -> float | None:
    """Seconds after which a hypervolume is reached."""
    return next((at for at, _, _ in trials if volume(trials, at, most) >= goal), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=16_500)
    parser.add_argument("--out", type=Path, default=Path("against_naive.jsonl"))
    parser.add_argument("--early-terminate", action="store_true")
    arguments = parser.parse_args()
    arguments.data = str(Path(arguments.data).resolve())
    found, seconds = searches(arguments), 60 * arguments.minutes
    most = log(1 + max((macs for trials in found.values() for _, _, macs in trials), default=1))
    print(
        "| seed | side | trials | best accuracy | hypervolume at 1/4 | 1/2 | 3/4 | end | ours reach naive's end after |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (seed, side), trials in sorted(found.items()):
        volumes = " | ".join(f"{volume(trials, seconds * part / 4, most):.3f}" for part in (1, 2, 3, 4))
        best = f"{100 * max((accuracy for _, accuracy, _ in trials), default=0):.2f} %"
        after = ""
        if side == "ours":
            at = reached(trials, volume(found[seed, "naive"], seconds, most), most)
            after = "never" if at is None else f"{at:.0f} s"
        print(f"| {seed} | {side} | {len(trials)} | {best} | {volumes} | {after} |")
    gaps = [
        volume(found[seed, "ours"], seconds, most) - volume(found[seed, "naive"], seconds, most)
        for seed in range(arguments.seeds)
    ]
    deviation = f" ± {stdev(gaps):.3f}" if len(gaps) > 1 else ""
    print(f"\nhypervolume at the end, ours minus naive: {mean(gaps):.3f}{deviation} (n = {len(gaps)})")


if __name__ == "__main__":
    main()
