"""How fast the results store is when it is large: filling it, asking it, and how many bytes a trial takes.

    python benchmarks/store.py [--trials 1000000] [--architectures 200000] [--store sqlite postgresql] [--folder DIR]
    python benchmarks/store.py --store postgresql [--postgresql postgresql://USER@HOST/EMPTY_DATABASE]

Real networks are drawn from a shipped space, and trials of them are recorded study by study, 10,000 each, by
`Store.record`. What is measured is invented: only its size matters here. Then trials are recorded one by one, a
transaction each, with the disk's own time beside it (fdatasync of a block, as often), and questions are asked about
random studies with random limits. The plans of their statements are checked: none reads a whole table.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from sqlalchemy import Connection, event

from ressearch.space import Candidate, SearchSpace
from ressearch.store import Finished, Limits, Store
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Recipe, Study, Trial, TrialState

SPACE = Path(__file__).parent.parent / "search_spaces" / "fashion.yaml"
EACH = 10_000
RECIPES = [Recipe(lr=0.1), Recipe(lr=0.2)]
CHECKSUM = "0" * 16
LARGE = ("trials", "measurements", "architectures")
READ_WHOLE = [f"{how} {table}" for how in ("SCAN", "Seq Scan on") for table in LARGE]


def drawn(space: SearchSpace, count: int) -> list[Candidate]:
    generator, found = random.Random(0), dict[str, Candidate]()
    began = time.perf_counter()
    while len(found) < count:
        candidate = space.sample(generator)
        found[candidate.architecture.id] = candidate
    print(f"{count:,} networks drawn in {time.perf_counter() - began:.0f} s")
    return list(found.values())


def measured(candidate: Candidate, generator: random.Random) -> Measurement:
    """Invented: more accurate with more MACs, with noise, in steps of 10,000 images."""
    expected = 1 - 0.5 * (1 + candidate.cost.macs / 1e5) ** -0.3 + generator.gauss(0, 0.02)
    seconds = generator.uniform(20, 200)
    return Measurement(
        accuracy=round(min(max(expected, 0), 1), 4),
        loss=generator.random(),
        train_loss=generator.random(),
        seconds=seconds,
        cpu_seconds=seconds * generator.random(),
        images_per_second=60_000 / seconds,
        flops=candidate.cost.flops * 180_000,
        peak_memory=generator.randrange(2**28, 2**30),
        device="AMD EPYC 7B13",
        precision="fp32",
    )


def study_of(number: int, space: SearchSpace) -> Study:
    recipe = RECIPES[number % len(RECIPES)]
    return Study(
        name=f"study-{number}",
        space_name=space.name,
        space_text=space.text,
        space_digest=space.digest,
        data_source="fashion-mnist",
        data_checksum=CHECKSUM,
        recipe=recipe,
        recipe_digest=recipe.digest(CHECKSUM),
        fidelity=Fidelity(3),
        seed=number,
        versions={"torch": "2.13.0"},
    )


def finished_of(study: Study, number: int, candidate: Candidate, generator: random.Random) -> Finished:
    id = candidate.architecture.id
    trial = Trial(
        number=number,
        architecture_id=id,
        decisions=candidate.decisions,
        seed=study.seed,
        state=TrialState.COMPLETE,
        measurement=measured(candidate, generator),
        proposer="nsga2",
        worker="node-1/4242",
    )
    key = MeasurementKey(id, study.recipe_digest, study.fidelity, study.seed)
    return Finished(trial, key, study.recipe, (candidate.architecture, candidate.cost))


def fill(store: Store, space: SearchSpace, candidates: list[Candidate], trials: int) -> None:
    generator, rates = random.Random(1), list[float]()
    for number in range(max(1, trials // EACH)):
        study = study_of(number, space)
        study_id = store.create_study(study)
        chosen = generator.sample(candidates, min(EACH, len(candidates), trials))
        given = [finished_of(study, at, candidate, generator) for at, candidate in enumerate(chosen)]
        began = time.perf_counter()
        store.record(study_id, given)
        rates.append(len(given) / (time.perf_counter() - began))
    known = rates[len(rates) * 3 // 4 :]
    print(f"bulk: the first {rates[0]:,.0f} trials a second, new networks included; over all {median(rates):,.0f}")
    print(f"      in the last quarter {median(known):,.0f} ({min(known):,.0f} to {max(known):,.0f}, n = {len(known)})")


def record_one_by_one(store: Store, space: SearchSpace, candidates: list[Candidate], folder: Path, count: int) -> None:
    study = study_of(10**6, space)
    study_id, generator = store.create_study(study), random.Random(2)
    given = [finished_of(study, at, candidates[at % len(candidates)], generator) for at in range(count)]
    given = [replace(one, key=replace(one.key, seed=10**7 + at)) for at, one in enumerate(given)]
    times, syncs = [], list(synced(folder, count))
    for one in given:
        began = time.perf_counter()
        store.record(study_id, [one])
        times.append(time.perf_counter() - began)
    rate = count / sum(times)
    print(f"one by one: {rate:,.0f} trials a second; {told(times)}; fdatasync of 4 KiB alone: {told(syncs)}")
    store.record(study_id, [numbered(one, count + at) for at, one in enumerate(given)])  # known keys: all reused


def numbered(one: Finished, number: int) -> Finished:
    return replace(one, trial=replace(one.trial, number=number))


def synced(folder: Path, count: int) -> Iterator[float]:
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            yield time.perf_counter() - began


def told(times: list[float]) -> str:
    """In milliseconds."""
    cuts = quantiles(times, n=20)
    return f"p50 {1e3 * median(times):.2f} ms, p95 {1e3 * cuts[-1]:.2f} ms, n = {len(times)}"


def ask(store: Store, studies: list[int], candidates: list[Candidate], asked: int) -> None:
    generator = random.Random(3)
    macs = sorted(candidate.cost.macs for candidate in candidates)

    def limits() -> Limits:
        return Limits(max_macs=generator.choice(macs), min_accuracy=round(generator.uniform(0.6, 0.9), 2))

    def best() -> None:
        study_id, within = generator.choice(studies), limits()
        store.counts(study_id)
        assert within.min_accuracy is not None
        store.standing(study_id, within, within.min_accuracy)

    def any_id() -> str:
        return generator.choice(candidates).architecture.id

    questions: dict[str, tuple[int, Callable[[], object]]] = {
        "best of a study (counts, front, ranking, how many)": (asked, best),
        "global front": (max(5, asked // 20), lambda: store.front(generator.choice(studies), all_studies=True)),
        "global front within limits": (
            max(5, asked // 20),
            lambda: store.front(generator.choice(studies), limits(), all_studies=True),
        ),
        "history of a network": (asked, lambda: store.history(any_id())),
        "query of a study with a filter, 10 rows": (
            max(5, asked // 4),
            lambda: store.query(
                "accuracy > 0.8 and skips > 2", study=f"study-{generator.randrange(len(studies))}", limit=10
            ),
        ),
    }
    for name, (count, question) in questions.items():
        times = []
        with PlansOf(store) as whole:
            question()
        for _ in range(count):
            began = time.perf_counter()
            question()
            times.append(time.perf_counter() - began)
        print(f"{name}: {told(times)}; reads a whole table: {', '.join(whole) if whole else 'none'}")


class PlansOf:
    """The steps that read whole tables in the plans of the statements that are sent meanwhile."""

    def __init__(self, store: Store) -> None:
        self._database = store._database
        self._sent: list[tuple[str, Any]] = []
        self._whole: list[str] = []

    def _note(self, connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        if statement.startswith("SELECT"):
            self._sent.append((statement, parameters))

    def __enter__(self) -> list[str]:
        event.listen(self._database.engine, "before_cursor_execute", self._note)
        return self._whole

    def __exit__(self, *raised: object) -> None:
        event.remove(self._database.engine, "before_cursor_execute", self._note)
        with self._database.reading() as connection:
            for statement, parameters in self._sent:
                self._whole += [step for step in steps(connection, statement, parameters) if reads_whole(step)]


def reads_whole(step: str) -> bool:
    return any(words in step for words in READ_WHOLE)


def steps(connection: Connection, statement: str, parameters: Any) -> list[str]:
    how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    return [str(row[-1]) for row in connection.exec_driver_sql(f"{how} {statement}", parameters)]


def command(address: str, studies: int, count: int) -> None:
    """`ressearch best` as a process of its own."""
    times = []
    for at in range(count):
        words = [sys.executable, "-m", "ressearch", "best", f"study-{at % studies}", "--store", address]
        began = time.perf_counter()
        subprocess.run([*words, "--min-accuracy", "0.8"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    print(f"`ressearch best` as a command: {told(times)}")


def settle(store: Store) -> None:
    """What PostgreSQL's autovacuum does by itself in a while: without statistics it guesses its plans."""
    if store._database.engine.dialect.name == "postgresql":
        engine = store._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def size_of(store: Store) -> int:
    """Bytes of the whole store, after what is in SQLite's log has gone into its file."""
    with store._database.reading() as connection:
        if connection.dialect.name == "postgresql":
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(Path(store.name).stat().st_size)


def measure(address: str, folder: Path, candidates: list[Candidate], space: SearchSpace, flags: Any) -> None:
    store = Store.create(address)
    fill(store, space, candidates, flags.trials)
    settle(store)
    studies = list(range(1, max(1, flags.trials // EACH) + 1))
    size = size_of(store)
    trials = sum(sum(store.counts(study).values()) for study in studies)
    print(f"{trials:,} trials in {len(studies)} studies, {size / 1e6:,.0f} MB: {size / trials:,.0f} bytes a trial")
    record_one_by_one(store, space, candidates, folder, flags.asked * 5)
    ask(store, studies, candidates, flags.asked)
    command(address, len(studies), max(10, flags.asked // 20))
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--architectures", type=int, default=200_000)
    parser.add_argument("--asked", type=int, default=200, help="how often the questions to a study are asked")
    parser.add_argument("--folder", type=Path, help="where the SQLite file is made; by default a temporary folder")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), nargs="+", default=["sqlite"])
    parser.add_argument("--postgresql", metavar="URL", help="an empty database of a server that runs")
    parser.add_argument("--keep", action="store_true", help="leave the SQLite file in the folder")
    flags = parser.parse_args()
    space = SearchSpace.load(SPACE)
    candidates = drawn(space, flags.architectures)
    for kind in flags.store:
        folder = Path(tempfile.mkdtemp(prefix="ressearch-store-", dir=flags.folder))
        try:
            with address_of(kind, flags.postgresql, folder) as address:
                print(f"\n{kind}", flush=True)
                measure(address, folder, candidates, space, flags)
        finally:
            if not flags.keep:
                shutil.rmtree(folder)


@contextmanager
def address_of(kind: str, given: str | None, folder: Path) -> Iterator[str]:
    """Of an SQLite file, of the database that is given, or of one in a server of our own, which does not skip fsync."""
    if kind == "sqlite":
        yield str(folder / "results.db")
    elif given:
        yield given
    else:
        sys.path.insert(0, str(Path(__file__).parent.parent))
        from tests.postgresql_server import running_server

        with running_server(fsync="on", shared_buffers="512MB", max_wal_size="4GB") as server:
            yield server.database()


if __name__ == "__main__":
    main()
