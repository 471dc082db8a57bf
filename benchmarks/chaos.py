"""A search on a cluster of this machine, of which something is killed again and again.

    python -m benchmarks.chaos [--rounds 50] [--trials 5] [--nodes 2] [--seed 0]

One study of `--rounds` times `--trials`. In each round, when about as many more trials have ended, one of three is
killed with SIGKILL at a random moment: a worker process, a node's raylet (another node joins in its place while the
search goes on), or the search itself, which is then begun again by the same command. A round is over when a trial has
ended after the death. The store is asked after each round, and at the end, whether everything is accounted for. From
the repository's root; Ray's health checks are quicker than usual, so that a dead node is given up after seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.ray_cluster import QUICK, Node, RayCluster, descendants, name_of, ray_cluster, wait_for

SPACE = """
version: 1
name: chaos
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 3}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
task: {dataset: digits}
train: {epochs: 4, batch_size: 64, lr: 0.1}
"""
KEY = "architecture_id, recipe_digest, epochs, schedule, data_fraction, resolution, seed"
LONGEST_SECONDS = 600.0
"""Without a trial that ends, until the search counts as hanging."""


@dataclass
class Outcome:
    """Of a round: what was killed, how long it took, what was wrong afterwards."""

    kind: str
    seconds: float = 0.0
    interrupted: int = 0
    faults: list[str] = field(default_factory=list)


class Chaos:
    """A study on a cluster, and chance."""

    def __init__(self, cluster: RayCluster, folder: Path, seed: int, nodes: int, trials: int) -> None:
        self.cluster, self.folder, self.size, self.trials = cluster, folder, nodes, trials
        self.random = random.Random(seed)
        self.measured: dict[object, tuple[object, ...]] = {}
        (folder / "chaos.yaml").write_text(SPACE, encoding="utf-8")
        for _ in range(nodes):
            self.tend()
            wait_for(lambda: len(up(self)) == len(cluster.nodes) - 1, "a node did not come up", LONGEST_SECONDS)
        self.search = self.begun()

    def tend(self) -> None:
        """Start a node where one is missing, and forget one that did not come up."""
        for node in self.cluster.nodes[1:]:
            if node.process.poll() is not None:
                self.cluster.remove(node)
        if len(self.cluster.nodes) <= self.size:
            self.cluster.node()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        path = self.folder / "runs" / "ressearch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as connection, suppress(sqlite3.OperationalError):
            return connection.execute(query).fetchall()
        return []

    def ended(self) -> int:
        return len(self.rows("select 1 from trials where state = 'complete'"))

    def begun(self) -> subprocess.Popen[bytes]:
        words = ["search", "chaos.yaml", "--trials", str(self.trials), "--proposer", "random", "--seed", "0"]
        words += ["--storage", str(self.folder / "shared"), "--address", self.cluster.address]
        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "ressearch", *words],
                cwd=self.folder, env=self.cluster.environment | {"HOME": str(self.folder)},
                stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
            )  # fmt: skip

    def round(self, moment: float) -> Outcome:
        """A death after so many trials, and how it goes on until another trial has ended."""
        outcome, began = Outcome(self.random.choice(sorted(KILLS))), time.monotonic()
        self.await_ended(moment)
        time.sleep(self.random.uniform(0, 0.5))
        before = self.ended()
        if self.search.poll() is not None:
            outcome.faults = [f"the search ended after {before} trials"]
            return outcome
        outcome.interrupted = len(self.rows("select 1 from trials where state = 'running'"))
        KILLS[outcome.kind](self)
        self.await_ended(before + 1)
        outcome.seconds = time.monotonic() - began
        outcome.faults = self.faults()
        return outcome

    def await_ended(self, trials: float) -> None:
        """Until so many trials have ended, or the search has."""
        deadline, at = time.monotonic() + LONGEST_SECONDS, self.ended()
        while self.search.poll() is None and (now := self.ended()) < trials:
            if now > at:
                deadline, at = time.monotonic() + LONGEST_SECONDS, now
            if time.monotonic() > deadline:
                os.killpg(self.search.pid, signal.SIGABRT)
            self.tend()
            time.sleep(0.02)

    def last_faults(self) -> list[str]:
        """What is wrong when the search has ended by itself."""
        self.await_ended(float("inf"))
        found, states = self.faults(), self.rows("select state, count(*) from trials group by state")
        if self.search.returncode != 0:
            said = (self.folder / "said").read_text(encoding="utf-8")
            found.append(f"exit status {self.search.returncode}: {said[-2000:]}")
        if states != [("complete", self.trials)]:
            found.append(f"trials: {states} of {self.trials}")
        left = self.folder / "shared"
        if files := [path for path in left.rglob("*.pt*") if path.is_file()]:
            found.append(f"checkpoints left: {files}")
        return found

    def faults(self) -> list[str]:
        """What is not as it was promised, whenever one asks."""
        found = []
        if failed := self.rows("select number, error from trials where state = 'failed'"):
            found.append(f"failed: {failed}")
        if twice := self.rows(f"select {KEY} from measurements group by {KEY} having count(*) > 1"):
            found.append(f"measured twice: {twice}")
        now = {row[0]: row for row in self.rows("select id, architecture_id, accuracy, loss from measurements")}
        if lost := [id for id, row in self.measured.items() if now.get(id) != row]:
            found.append(f"lost or changed: {lost}")
        self.measured = now
        return found


def up(chaos: Chaos) -> list[Node]:
    """The nodes that have a raylet, without the head."""
    return [
        node
        for node in chaos.cluster.nodes[1:]
        if any(name_of(pid) == "raylet" for pid in descendants(node.process.pid))
    ]


def some(chaos: Chaos, found: Callable[[], list[Any]]) -> Any:
    """One of what there is, as soon as there is any."""
    wait_for(found, "there is nothing to kill", LONGEST_SECONDS)
    return chaos.random.choice(found())


def kill_worker(chaos: Chaos) -> None:
    pid = some(chaos, lambda: [pid for node in up(chaos) for pid in node.workers()])
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_node(chaos: Chaos) -> None:
    node = some(chaos, lambda: up(chaos))
    node.kill()
    node.process.wait()
    chaos.cluster.remove(node)
    chaos.tend()


def kill_driver(chaos: Chaos) -> None:
    chaos.search.kill()
    chaos.search.wait()
    chaos.search = chaos.begun()


KILLS: dict[str, Callable[[Chaos], None]] = {
    "driver": kill_driver,
    "node": kill_node,
    "worker": kill_worker,
}


def print_table(outcomes: list[Outcome]) -> None:
    print("| killed | rounds | trials under way, mean | seconds a round, median (most) | faults |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for kind in sorted(KILLS):
        of = [outcome for outcome in outcomes if outcome.kind == kind]
        if of:
            seconds = [outcome.seconds for outcome in of]
            under_way = sum(outcome.interrupted for outcome in of) / len(of)
            faults = sum(bool(outcome.faults) for outcome in of)
            print(f"| {kind} | {len(of)} | {under_way:.1f} | {median(seconds):.0f} ({max(seconds):.0f}) | {faults} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the cluster goes and the table is printed
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes: list[Outcome] = []
    trials = arguments.rounds * arguments.trials
    with tempfile.TemporaryDirectory() as folder, ray_cluster(0, QUICK) as cluster:
        chaos = Chaos(cluster, Path(folder), arguments.seed, arguments.nodes, trials)
        try:
            for number in range(arguments.rounds):
                moment = number * arguments.trials + chaos.random.uniform(0, arguments.trials - 1)
                outcomes.append(last := chaos.round(moment))
                told = f"{number + 1}: {last.kind}, {last.interrupted} under way, {last.seconds:.0f} s"
                print(told, *last.faults, sep="\n  ", file=sys.stderr, flush=True)
            faults = chaos.last_faults()
        finally:
            print_table(outcomes)
    print(f"\n{trials} trials;", *(faults or ["nothing wrong at the end"]), sep="\n")
    sys.exit(bool(faults) or any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    main()
