"""How long a proposal takes after 100, 1,000 and 10,000 past trials, and how long it takes to go on with such a study.

    python benchmarks/proposals.py [--proposals 60] [--proposers evolution nsga2] [--past 100 1000 10000]

Past trials are random networks of a space with a made-up accuracy (saturating in the MACs, with noise). Then networks
are proposed and told one after another, on one core. Printed are the median and the longest time of a proposal, wall
clock and processor time, and the time in which the study was rebuilt.
"""

from __future__ import annotations

import argparse
import random
import time
from math import log
from pathlib import Path
from statistics import median

from ressearch.search.propose import Aim, Proposer
from ressearch.space import Candidate, SearchSpace
from ressearch.trial import PROPOSERS

SPACES = Path(__file__).parent.parent / "search_spaces"


def accuracy_of(candidate: Candidate, generator: random.Random) -> float:
    return 0.95 - 2 / log(candidate.cost.macs) + 0.01 * generator.random()


def measure(name: str, proposer: str, count: int, proposals: int) -> None:
    space, generator = SearchSpace.load(SPACES / name), random.Random(0)
    drawn = [space.draw(generator) for _ in range(count)]
    past = [(dict(candidate.decisions), accuracy_of(candidate, generator)) for candidate in drawn]
    began = time.perf_counter()
    asked = Proposer(space, 0, past, aim=Aim(proposer))
    rebuilt = time.perf_counter() - began
    walls, cpus = [], []
    for _ in range(proposals):
        wall, cpu = time.perf_counter(), time.process_time()
        proposal = asked.propose()
        walls.append(1e3 * (time.perf_counter() - wall))
        cpus.append(1e3 * (time.process_time() - cpu))
        if proposal is None:
            break
        asked.tell(proposal, accuracy_of(proposal.candidate, generator))
    print(
        f"{name:12} {proposer:10} {count:6} past  median {median(walls):7.1f} ms ({median(cpus):.1f} of a processor)  "
        f"longest {max(walls):7.1f} ms  rebuilt in {rebuilt:.1f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=60)
    parser.add_argument("--proposers", nargs="+", choices=PROPOSERS, default=["evolution", "nsga2"])
    parser.add_argument("--past", nargs="+", type=int, default=[100, 1_000, 10_000])
    given = parser.parse_args()
    for name in ("demo.yaml", "mixed.yaml"):
        for proposer in given.proposers:
            for count in given.past:
                measure(name, proposer, count, given.proposals)


if __name__ == "__main__":
    main()
