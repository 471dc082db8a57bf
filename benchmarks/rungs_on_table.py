"""Early termination against full fidelity at equal epochs on NAS-Bench-201, whose trainings are a table.

    python benchmarks/rungs_on_table.py nb201_accuracy_cost.csv [--budgets 16 40 100] [--repeats 60]

The table has a row a network: `c10_valid_12ep` and `c10_valid_200ep`, validation accuracies in percent, and
`mflops_naslib_counter`. A budget of n is n trainings of 200 epochs of networks drawn at random, or as many epochs by
the rungs 12 and 200 (the 12 epochs had a schedule of their own, so that these rungs agree less than ours). Hypervolume
of accuracy above a half and log MACs, as a share of all that there is room for; mean and standard deviation. Behind it,
in how many of the repeats the front has a network in each third of the range of log MACs of what was drawn.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable
from math import log
from pathlib import Path
from statistics import mean, stdev

from ressearch.ranking import Point, hypervolume, pareto_front
from ressearch.search.rungs import Ladder, Mark

EPOCHS, FLOOR = (12, 200), 0.5
Row = tuple[float, float, int]
"""Accuracy after 12 and after 200 epochs, and MACs."""
Found = tuple[list[Row], list[Row]]
"""What was trained to the end, and what was begun."""


def rows_of(file: Path) -> list[Row]:
    with file.open() as text:
        columns = ("c10_valid_12ep", "c10_valid_200ep", "mflops_naslib_counter")
        found = [[float(row[column]) for column in columns] for row in csv.DictReader(text)]
    return [(early / 100, late / 100, round(macs * 1e6)) for early, late, macs in found]


def by_rungs(rows: list[Row], generator: random.Random, budget: float, eta: int) -> Found:
    """The networks that are trained for 200 epochs, by the ladder, where epochs are saved that a checkpoint holds.

    Behind them all that were begun.
    """
    ladder, drawn = Ladder(EPOCHS, eta), generator.sample(rows, len(rows))
    done: list[Row] = []
    begun, spent = 0, 0.0
    while True:
        promoted = ladder.next()
        spent += EPOCHS[0] if promoted is None else EPOCHS[1] - EPOCHS[0]
        if spent > budget * EPOCHS[1]:
            return done, drawn[:begun]
        if promoted is None:
            ladder.measured(begun, 0, Mark(drawn[begun][0], drawn[begun][2]))
            begun += 1
        else:
            ladder.promoted(promoted)
            ladder.measured(promoted, 1, Mark(drawn[promoted][1], drawn[promoted][2]))
            done.append(drawn[promoted])


def in_each_third(found: list[Row], drawn: list[Row]) -> bool:
    """Whether the front has a network in each third of the range of log MACs of what was drawn."""
    costs = [log(macs) for *_, macs in drawn]
    low, third = min(costs), (max(costs) - min(costs)) / 3
    front = pareto_front([(late, macs) for _, late, macs in found])
    return {min(2, int((log(found[at][2]) - low) / third)) for at in front} == {0, 1, 2}


def cell(column: list[Found], share: Callable[[list[Row]], float]) -> str:
    shares = [share(found) for found, _ in column]
    whole = sum(in_each_third(*one) for one in column)
    return f"{mean(shares):.4f} ± {stdev(shares):.4f}, {whole} of {len(column)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--budgets", type=int, nargs="+", default=[16, 40, 100])
    parser.add_argument("--repeats", type=int, default=60)
    arguments = parser.parse_args()
    rows = rows_of(arguments.table)
    costs = [log(macs) for *_, macs in rows]
    reference: Point = (FLOOR, max(costs) + 0.01)
    room = (1 - FLOOR) * (max(costs) - min(costs))

    def share(found: list[Row]) -> float:
        return hypervolume([(late, log(macs)) for _, late, macs in found], reference) / room

    print("| budget, trainings | all epochs | rungs, eta 3 | rungs, eta 8 |\n| ---: | ---: | ---: | ---: |")
    for budget in arguments.budgets:
        seeds = range(arguments.repeats)
        drawn = [random.Random(seed).sample(rows, budget) for seed in seeds]
        columns = [[(one, one) for one in drawn]]
        columns += [[by_rungs(rows, random.Random(seed), budget, eta) for seed in seeds] for eta in (3, 8)]
        print(f"| {budget} | {' | '.join(cell(column, share) for column in columns)} |", flush=True)


if __name__ == "__main__":
    main()
