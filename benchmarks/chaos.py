"""A search on a cluster of this machine, of which something is killed again and again.

    python benchmarks/chaos.py [--rounds 50] [--trials 8] [--nodes 2] [--seed 0]

One study grows by `--trials` a round. While it does, one of three is killed with SIGKILL at a random moment: a worker
process, a node's raylet (another node joins in its place), or the search itself, which is then begun again by the same
command. After each round the store is asked whether everything is accounted for. From the repository's root; Ray's
health checks are quicker than usual, so that a dead node is given up after seconds.
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

from tests.ray_cluster import QUICK, Node, RayCluster, ray_cluster

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
LONGEST_SECONDS = 300.0


@dataclass
class Outcome:
    """Of a round: what was killed, how long it took, what was wrong afterwards."""

    kind: str
    seconds: float = 0.0
    interrupted: int = 0
    faults: list[str] = field(default_factory=list)


class Chaos:
    """A study on a cluster, and chance."""

    def __init__(self, cluster: RayCluster, folder: Path, seed: int, nodes: int) -> None:
        self.cluster, self.folder, self.size = cluster, folder, nodes
        self.random = random.Random(seed)
        self.measured: dict[object, tuple[object, ...]] = {}
        (folder / "chaos.yaml").write_text(SPACE, encoding="utf-8")

    def rows(self, query: str) -> list[tuple[object, ...]]:
        path = self.folder / "runs" / "ressearch.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as connection, suppress(sqlite3.OperationalError):
            return connection.execute(query).fetchall()
        return []

    def ended(self) -> int:
        return len(self.rows("select 1 from trials where state = 'complete'"))

    def begin(self, trials: int) -> subprocess.Popen[str]:
        words = ["search", "chaos.yaml", "--trials", str(trials), "--proposer", "random", "--seed", "0"]
        words += ["--storage", str(self.folder / "shared"), "--address", self.cluster.address]
        return subprocess.Popen(
            [sys.executable, "-m", "ressearch", *words],
            cwd=self.folder, env=self.cluster.environment | {"HOME": str(self.folder)}, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def round(self, trials: int) -> Outcome:
        """Some more trials of the study, and one death during them."""
        while len(self.cluster.nodes) <= self.size:
            self.cluster.joined()
        outcome = Outcome(self.random.choice(sorted(KILLS)))
        before, began = self.ended(), time.monotonic()
        moment = before + self.random.uniform(0, trials - 1)
        process = self.begin(before + trials)
        self._await(process, lambda: self.ended() >= moment)
        time.sleep(self.random.uniform(0, 0.5))
        outcome.interrupted = len(self.rows("select 1 from trials where state = 'running'"))
        KILLS[outcome.kind](self, process)
        if self._await(process, lambda: False) == -signal.SIGKILL:
            process = self.begin(before + trials)
            self._await(process, lambda: False)
        said = process.communicate()[1]
        outcome.seconds = time.monotonic() - began
        outcome.faults = self.faults(before + trials, process.returncode, said)
        return outcome

    def _await(self, process: subprocess.Popen[str], reached: Callable[[], bool]) -> int | None:
        """Until something is reached or the process has ended; its exit status in that case."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while process.poll() is None and not reached():
            if time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGABRT)
            time.sleep(0.02)
        return process.returncode

    def faults(self, trials: int, status: int, said: str) -> list[str]:
        """What is not as it was promised."""
        found = [] if status == 0 else [f"exit status {status}: {said[-2000:]}"]
        states = self.rows("select state, count(*) from trials group by state")
        if states != [("complete", trials)]:
            found.append(f"trials: {states} of {trials}")
        if twice := self.rows(f"select {KEY} from measurements group by {KEY} having count(*) > 1"):
            found.append(f"measured twice: {twice}")
        now = {row[0]: row for row in self.rows("select id, architecture_id, accuracy, loss from measurements")}
        if lost := [id for id, row in self.measured.items() if now.get(id) != row]:
            found.append(f"lost or changed: {lost}")
        self.measured = now
        left = self.folder / "shared"
        if files := [path for path in left.rglob("*.pt*") if path.is_file()]:
            found.append(f"checkpoints left: {files}")
        return found


def kill_worker(chaos: Chaos, search: subprocess.Popen[str]) -> None:
    workers = [pid for node in chaos.cluster.nodes for pid in node.workers()]
    if workers:
        with suppress(ProcessLookupError):
            os.kill(chaos.random.choice(workers), signal.SIGKILL)


def kill_node(chaos: Chaos, search: subprocess.Popen[str]) -> None:
    node: Node = chaos.random.choice(chaos.cluster.nodes[1:])
    node.kill()
    node.process.wait()
    chaos.cluster.remove(node)


def kill_driver(chaos: Chaos, search: subprocess.Popen[str]) -> None:
    search.send_signal(signal.SIGKILL)


KILLS: dict[str, Callable[[Chaos, subprocess.Popen[str]], None]] = {
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
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the cluster goes and the table is printed
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder, ray_cluster(0, QUICK) as cluster:
        chaos = Chaos(cluster, Path(folder), arguments.seed, arguments.nodes)
        try:
            for number in range(arguments.rounds):
                outcomes.append(chaos.round(arguments.trials))
                last = outcomes[-1]
                told = f"{number + 1}: {last.kind}, {last.interrupted} under way, {last.seconds:.0f} s"
                print(told, *last.faults, sep="\n  ", file=sys.stderr, flush=True)
        finally:
            print_table(outcomes)
    sys.exit(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    main()
