"""How good the networks are that each proposer finds, on two benchmarks all of whose networks were trained by others.

    python benchmarks/search_quality.py --data DIR [--seeds 30] [--jobs 2] [--out FILE.jsonl]

NAS-Bench-Macro (Su et al. 2021; 6,561 residual networks) and NAS-Bench-201 (Dong and Yang 2020; 15,625 cells), both on
CIFAR-10. DIR holds `nas-bench-macro/nas-bench-macro_cifar10.json` and `nas-bench-201/nb201_accuracy_cost.csv`. They are
ordinary search spaces (`search_spaces/nasbench-*.yaml`); accuracy is looked up, nothing is trained. A search is told
validation accuracy and judged by test accuracy; NAS-Bench-Macro has none for validation, so a search is told the first
of its three trainings and judged by the mean of the other two.

Judged are the networks that a search would name: its front by what it was told. The hypervolume is that under test
accuracy over the logarithm of the MACs, with the reference point (80 %, the benchmark's largest MACs), divided by that
of the true front. Beside it the test accuracy of the best network within four budgets (the 20th, 40th, 60th and 80th
percentile of the MACs), their mean in percent.

The proposers `evolution`, `nsga2`, `tpe` and `random` are ours (those of Optuna behind the filter for limits and
repeats), `optuna-*` are Optuna's samplers with two objectives, used directly: there a repeat is an evaluation.
`regularized` is the evolution of Real et al. 2019 (accuracy alone; population 50, samples of 10).

FILE (search_quality.jsonl beside this file unless said) gets a line for each search and is gone on with, so a benchmark
may be interrupted; `--seeds 0` prints the tables of what is in it.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import log, sqrt
from pathlib import Path
from statistics import mean, quantiles, stdev
from typing import Any

from ressearch.errors import SpaceError
from ressearch.ranking import Point, hypervolume, pareto_front
from ressearch.search.dialect import as_optuna
from ressearch.search.propose import Aim, Proposer
from ressearch.space import Candidate, Choice, Choose, SearchSpace
from ressearch.space.choices import members

SPACES = Path(__file__).parent.parent / "search_spaces"
MARKS = (25, 50, 100, 200, 500)
REFERENCE = 0.8


@dataclass(frozen=True)
class Entry:
    """One network of a benchmark: what a search is told, and by what it is judged; accuracies in [0, 1]."""

    told: float
    tested: float
    macs: int


class TableSpace(SearchSpace):
    """A space all of whose networks are decoded once and kept; every one has the same decisions."""

    def keep(self) -> None:
        choices: list[Choice] = []
        super().decode(lambda choice: choices.append(choice) or members(choice.domain)[-1])  # type: ignore[func-returns-value]
        kept: dict[tuple[Any, ...], Candidate | SpaceError] = {}
        for values in product(*(members(choice.domain) for choice in choices)):
            decided = dict(zip([choice.path for choice in choices], values, strict=True))
            try:
                kept[values] = super().decode(lambda choice, d=decided: d[choice.path])  # type: ignore[misc]
            except SpaceError as error:
                kept[values] = error
        self.__dict__.update(choices=choices, kept=kept)

    def decode(self, choose: Choose) -> Candidate:
        if "kept" not in self.__dict__:
            return super().decode(choose)
        found = self.__dict__["kept"][tuple(choose(choice) for choice in self.__dict__["choices"])]
        if isinstance(found, SpaceError):
            raise found
        return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Benchmark:
    """A space with the entry of each of its networks, by its decisions' values in the order of asking."""

    space: TableSpace
    entries: dict[tuple[Any, ...], Entry]

    def entry(self, decisions: Any) -> Entry:
        return self.entries[tuple(decisions.values())]


def load(name: str, folder: Path) -> Benchmark:
    space = TableSpace.load(SPACES / f"{name}.yaml")
    assert isinstance(space, TableSpace)
    space.keep()
    accuracies = dict(READERS[name](folder))
    least = min(c.cost.macs for c in space.__dict__["kept"].values() if isinstance(c, Candidate))
    entries = {}
    for values, candidate in space.__dict__["kept"].items():
        macs = candidate.cost.macs if isinstance(candidate, Candidate) else least
        entries[values] = Entry(*accuracies[values], macs)
    return Benchmark(space, entries)


def macro(folder: Path) -> Iterator[tuple[tuple[Any, ...], tuple[float, float]]]:
    table = json.loads((folder / "nas-bench-macro" / "nas-bench-macro_cifar10.json").read_text())
    words = ("skip", "mb3_k3", "mb6_k5")
    for key, row in table.items():
        first, *others = row["test_acc"]
        yield tuple(words[int(digit)] for digit in key), (first / 100, mean(others) / 100)


WORDS_201 = {
    "none": "none",
    "skip_connect": "identity",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avgpool3x3",
}


def cells(folder: Path) -> Iterator[tuple[tuple[Any, ...], tuple[float, float]]]:
    with (folder / "nas-bench-201" / "nb201_accuracy_cost.csv").open() as file:
        for row in csv.DictReader(file):
            nodes = [part.strip("|").split("|") for part in row["arch"].split("+")]
            values = tuple(WORDS_201[edge.partition("~")[0]] for node in nodes for edge in node)
            yield values, (float(row["c10_valid_200ep"]) / 100, float(row["c10_test_200ep"]) / 100)


READERS = {"nasbench-macro": macro, "nasbench-201": cells}

# Searches: the entries that they evaluate, in order


def proposed(kind: str, benchmark: Benchmark, seed: int) -> Iterator[Entry]:
    proposer = Proposer(benchmark.space, seed, aim=Aim(kind))
    while (proposal := proposer.propose()) is not None:
        entry = benchmark.entry(proposal.candidate.decisions)
        proposer.tell(proposal, entry.told)
        yield entry


def by_optuna(kind: str, benchmark: Benchmark, seed: int) -> Iterator[Entry]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {"nsga2": optuna.samplers.NSGAIISampler, "tpe": optuna.samplers.TPESampler}
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=samplers[kind](seed=seed))
    while True:
        trial = study.ask()
        choose = as_optuna(trial)
        values = tuple(choose(choice) for choice in benchmark.space.__dict__["choices"])
        entry = benchmark.entries[values]
        study.tell(trial, [entry.told, float(entry.macs)])
        yield entry


def regularized(benchmark: Benchmark, seed: int, population: int = 50, sample: int = 10) -> Iterator[Entry]:
    generator = random.Random(seed)
    choices = benchmark.space.__dict__["choices"]
    alive: deque[tuple[tuple[Any, ...], Entry]] = deque(maxlen=population)
    while True:
        if len(alive) < population:
            values = [generator.choice(members(choice.domain)) for choice in choices]
        else:
            values = list(max(generator.sample(list(alive), sample), key=lambda item: item[1].told)[0])
            at = generator.randrange(len(values))
            values[at] = generator.choice([v for v in members(choices[at].domain) if v != values[at]])
        entry = benchmark.entries[tuple(values)]
        alive.append((tuple(values), entry))
        yield entry


SEARCHES: dict[str, Callable[[Benchmark, int], Iterator[Entry]]] = {
    **{kind: partial(proposed, kind) for kind in ("evolution", "nsga2", "tpe", "random")},
    **{f"optuna-{kind}": partial(by_optuna, kind) for kind in ("nsga2", "tpe")},
    "regularized": regularized,
}

# Judgement


class Judge:
    """Hypervolume relative to the true front's, and mean accuracy within the budgets."""

    def __init__(self, benchmark: Benchmark) -> None:
        entries = list(benchmark.entries.values())
        macs = [entry.macs for entry in entries]
        self.reference = (REFERENCE, log(max(macs)))
        self.budgets = quantiles(macs, n=5, method="inclusive")
        self.whole = self._volume(entries)

    def _volume(self, entries: Sequence[Entry]) -> float:
        return hypervolume([(entry.tested, log(entry.macs)) for entry in entries], self.reference)

    def __call__(self, evaluated: Sequence[Entry]) -> dict[str, float]:
        told: list[Point] = [(entry.told, entry.macs) for entry in evaluated]
        front = [evaluated[i] for i in pareto_front(told)]
        return {"hypervolume": self._volume(front) / self.whole, "accuracy": mean(self._best(front))}

    def _best(self, front: Sequence[Entry]) -> Iterator[float]:
        for budget in self.budgets:
            within = [entry for entry in front if entry.macs <= budget]
            yield within[-1].tested if within else 0.0


LOADED: dict[str, Benchmark] = {}


def one(task: tuple[str, str, int]) -> dict[str, Any]:
    """One search of the most marks, judged at each."""
    name, search, seed = task
    warnings.simplefilter("ignore")
    benchmark = LOADED[name]
    judge, evaluated = Judge(benchmark), []
    marks = {}
    for entry in SEARCHES[search](benchmark, seed):
        evaluated.append(entry)
        if len(evaluated) in MARKS:
            marks[str(len(evaluated))] = judge(evaluated)
        if len(evaluated) == MARKS[-1]:
            break
    return {"benchmark": name, "search": search, "seed": seed, "marks": marks}


def report(rows: Sequence[dict[str, Any]]) -> None:
    for name, figure in product(READERS, ("hypervolume", "accuracy")):
        print(f"\n{name}: {figure} after {', '.join(map(str, MARKS))} evaluations, mean (standard error)")
        for search in SEARCHES:
            found = [row["marks"] for row in rows if row["benchmark"] == name and row["search"] == search]
            if found:
                columns = [_mean([marks[str(mark)][figure] for marks in found]) for mark in MARKS]
                print(f"{search:14} n = {len(found):2}  " + "  ".join(columns))


def _mean(values: Sequence[float]) -> str:
    error = stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{mean(values):.4f} ({error:.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    parser.add_argument("--benchmarks", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {(row["benchmark"], row["search"], row["seed"]) for row in rows}
    tasks = [(b, s, seed) for seed in range(given.seeds) for b in given.benchmarks for s in given.searches]
    tasks = [task for task in tasks if task not in done]
    LOADED.update({name: load(name, given.data) for name in given.benchmarks if any(t[0] == name for t in tasks)})
    with multiprocessing.get_context("fork").Pool(given.jobs) as pool, given.out.open("a") as file:
        for row in pool.imap_unordered(one, tasks):
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
    report(rows)


if __name__ == "__main__":
    main()
