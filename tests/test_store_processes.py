"""What is acknowledged survives kill -9, and several processes at once never contradict each other."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ressearch.errors import StudyError
from ressearch.store import Store
from ressearch.store.lines import Line
from ressearch.trial import MeasurementKey, TrialState
from tests.drawn_stores import Step, contents, happen
from tests.store_samples import CHECKSUM, MEASURED, RECIPE, ROOT, STUDY, begin, network, together

KILLS = int(os.environ.get("RESSEARCH_KILLS", "20"))
"""Of the slow loop, on each database."""


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process with its input and output as pipes; killed at the end if it is still there."""
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as started:
        try:
            yield started
        finally:
            started.kill()


# Kills

WRITER = """
import sys
from tests.store_samples import MEASURED, NET, RECIPE, STUDY, MeasurementKey, begin, replace
from ressearch.store import Store

store = Store.create(sys.argv[1])
study_id = (store.find_study("demo") or (None,))[0] or store.create_study(STUDY)
number = len(store.trials(study_id))
while True:
    begin(store, study_id, number)
    key = MeasurementKey(NET.id, STUDY.recipe_digest, STUDY.fidelity, number)
    store.complete(study_id, number, key, replace(MEASURED, loss=float(number)), RECIPE)
    print(number, flush=True)
    number += 1
"""


def killed_after(lines: int, seconds: float, url: str) -> list[int]:
    """The trials that a writer acknowledged until it was killed; it goes on writing while they are counted."""
    with process(WRITER, url) as writer:
        assert writer.stdout is not None
        told = list(itertools.islice(writer.stdout, lines))
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout
        assert writer.wait() == -signal.SIGKILL
    return [int(line) for line in told if line.endswith("\n")]


def kill_writers(url: str, moments: list[tuple[int, float]]) -> list[int]:
    """Kill a writer at each of the moments; all trials that they acknowledged, of which none may be lost."""
    acknowledged: list[int] = []
    for kill, (lines, seconds) in enumerate(moments, start=1):
        acknowledged += killed_after(lines, seconds, url)
        with closing(Store.open(url)) as store:
            trials = store.trials(store.study("demo")[0])
            require_whole(store)
        kept = {trial.number: trial.measurement for trial in trials if trial.state is TrialState.COMPLETE}
        for number in acknowledged:
            assert kept[number] == replace(MEASURED, loss=float(number))
        assert len(trials) - len(acknowledged) <= kill  # what was under way, once per kill
    return acknowledged


def require_whole(store: Store) -> None:
    """No half of a transaction is there, and `store check` finds nothing."""
    assert [str(finding) for finding in store.findings(True) if not finding.remark] == []


def test_kill_9_loses_no_acknowledged_measurement(store_url: str) -> None:
    assert len(kill_writers(store_url, [(1, 0), (15, 0)])) >= 16


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_no_acknowledged_measurement(store_url: str) -> None:
    drawn = random.Random(0)
    assert len(kill_writers(store_url, [(1, drawn.uniform(0, 0.25)) for _ in range(KILLS)])) >= KILLS


IMPORTER = """
import sys
from ressearch.store import Store
from ressearch.store.lines import read_stream

store = Store.create(sys.argv[1])
print("begins", flush=True)
store.import_("stdin", read_stream("stdin", sys.stdin.buffer))
print("done", flush=True)
"""


def test_kill_9_while_importing_leaves_the_store_as_it_was(store_url: str, tmp_path: Path) -> None:
    """Killed when most of the file has been read; the same file is taken afterwards."""
    with closing(Store.create(tmp_path / "other.db")) as other:
        happen(other, [Step("other", 2, "complete later")])
        *begin, trial, end = other.export()
    lines = [*begin, *(json.dumps(json.loads(trial) | {"number": number}) for number in range(3_000))]
    lines.append(json.dumps(json.loads(end) | {"records": len(lines) - 1}))
    with closing(Store.create(store_url)) as store:
        happen(store, [Step("demo", 2, "complete later"), Step("demo", 4, "running")])
        before = contents(store)
    with process(IMPORTER, store_url) as importer:
        assert turn([importer]) == ["begins\n"]
        assert importer.stdin
        text = "\n".join(map(str.strip, lines[:-1]))
        assert len(text) > 20 * 65_536  # far more than a pipe holds: when it is written, most of it has been read
        importer.stdin.write(text)
        importer.stdin.flush()
        importer.kill()
        importer.wait()
    with closing(Store.open(store_url)) as store:
        assert contents(store) == before
        require_whole(store)
        numbered = [Line("x", number, json.loads(line)) for number, line in enumerate(lines, start=1)]
        assert store.import_("x", numbered).new["trial"] == 3_000
        require_whole(store)


# Several at once

RIVAL = """
import json, random, sys
from dataclasses import replace
from ressearch.errors import StoreError, StudyError
from ressearch.store import Store
from ressearch.trial import Failure, Retraining
from tests.store_samples import CHECKSUM, KEY, MEASURED, RECIPE, STUDY, begin, key_of, network

url, rival, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mine = replace(MEASURED, loss=float(rival))
print("ready", flush=True)
sys.stdin.readline()
store = Store.create(url)
try:
    store.create_study(STUDY)
    made = True
except StudyError:
    made = False
shared = store.study("demo")[0]
study_id = store.create_study(replace(STUDY, name=f"rival {rival}"))
order = random.Random(rival).sample(range(keys), keys)
counted, finished, retrained = {}, [], {}
for number in order:
    net = begin(store, study_id, number, number + 1)
    recipe = replace(RECIPE, batch_size=2 + number)
    key = replace(key_of(net), recipe_digest=recipe.digest(CHECKSUM))
    counted[number] = store.complete(study_id, number, key, mine, recipe).loss
    one = Retraining(net.id, recipe, CHECKSUM, KEY.fidelity, 0, mine)
    retrained[number] = store.record_retraining(one).measurement.loss
print("begin", flush=True)
sys.stdin.readline()
for number in order:
    try:
        store.fail(shared, number, f"rival {rival}", Failure.ERROR)
        finished.append(number)
    except StoreError as error:
        assert error.message == f"trial {number} is not running: its result cannot be recorded", error.message
print(json.dumps([made, counted, retrained, finished]), flush=True)
"""
RIVALS, KEYS = 4, 12


def test_of_several_processes_at_once_the_first_wins(store_url: str) -> None:
    """They make the store and the study at once, measure the same, and finish the same trials, in different orders."""
    with (
        process(RIVAL, store_url, "0", str(KEYS)) as first,
        process(RIVAL, store_url, "1", str(KEYS)) as second,
        process(RIVAL, store_url, "2", str(KEYS)) as third,
        process(RIVAL, store_url, "3", str(KEYS)) as fourth,
    ):
        rivals = [first, second, third, fourth]
        assert set(turn(rivals)) == {"ready\n"}
        go(rivals)
        assert set(turn(rivals)) == {"begin\n"}
        with closing(Store.open(store_url)) as store:
            shared = store.study("demo")[0]
            for number in range(KEYS):
                begin(store, shared, number, classes=number + 1)
        go(rivals)
        told = [json.loads(line) for line in turn(rivals)]
    made, counted, retrained, finished = zip(*told, strict=True)
    assert sorted(made) == [False, False, False, True]
    for said in (counted, retrained):
        assert [one == said[0] for one in said] == [True] * RIVALS
        assert len(said[0]) == KEYS
    assert Counter(number for numbers in finished for number in numbers) == Counter(range(KEYS))
    with closing(Store.open(store_url)) as store:
        require_whole(store)
        trials = {rival: store.trials(store.study(f"rival {rival}")[0]) for rival in range(RIVALS)}
        for number in range(KEYS):
            (first_one,) = [rival for rival in range(RIVALS) if not trials[rival][number].reused]
            assert counted[0][str(number)] == first_one
        failed_by = {trial.number: trial.error for trial in store.trials(store.study("demo")[0])}
    assert failed_by == {number: f"rival {rival}" for rival in range(RIVALS) for number in finished[rival]}


def turn(processes: list[subprocess.Popen[str]]) -> list[str]:
    """The next line of each."""
    return [started.stdout.readline() for started in processes if started.stdout]


def go(processes: list[subprocess.Popen[str]]) -> None:
    for started in processes:
        assert started.stdin
        started.stdin.write("\n")
        started.stdin.flush()


DRIVER = """
import sys
from ressearch.store import Store

with Store.open(sys.argv[1]).sole_driver("demo"):
    print("driving", flush=True)
    sys.stdin.readline()
"""


def refusal(store: Store, study: str) -> str | None:
    try:
        with store.sole_driver(study):
            return None
    except StudyError as error:
        return str(error)


TAKEN = (
    "error[E600]: another process is driving the study 'demo'\n  = help: wait for it, or give this one another --name"
)


@pytest.mark.parametrize("end", ["killed", "done"])
def test_a_study_has_one_driver_until_that_ends(store: Store, store_url: str, end: str) -> None:
    with process(DRIVER, store_url) as driver:
        assert turn([driver]) == ["driving\n"]
        asked = time.monotonic()
        assert refusal(store, "demo") == TAKEN
        assert time.monotonic() - asked < 5  # refused, not waited
        assert refusal(store, "Demo") is None
        store.create_study(STUDY)  # a driver hinders nobody from writing
        if end == "killed":
            driver.kill()
        else:
            go([driver])
        driver.wait()
    deadline = time.monotonic() + 10  # a server hears of it a moment later
    while refusal(store, "demo") is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert refusal(store, "demo") is None


def test_a_second_store_of_the_same_process_is_another_driver(store: Store, store_url: str) -> None:
    with closing(Store.open(store_url)) as other, store.sole_driver("demo"):
        assert refusal(other, "demo") == TAKEN
        with other.sole_driver("another"):
            pass
    with closing(Store.open(store_url)) as other:
        assert refusal(other, "demo") is None


# Readers and writers in one process


def write_trials(url: str, name: str, count: int, pause: Callable[[int], object] = bool) -> None:
    with closing(Store.create(url)) as store:
        study_id = store.create_study(replace(STUDY, name=name))
        for number in range(count):
            pause(number)
            begin(store, study_id, number, classes=number + 1)
            recipe = replace(RECIPE, batch_size=2 + zlib.crc32(name.encode()))
            key = MeasurementKey(network(number + 1).id, recipe.digest(CHECKSUM), STUDY.fidelity, 0)
            store.complete(study_id, number, key, MEASURED, recipe)


def test_a_reader_beside_a_writer_is_never_locked_out(store: Store, store_url: str) -> None:
    begun_reading, written = threading.Event(), threading.Event()
    seen: list[int] = []

    def write() -> None:
        try:
            write_trials(store_url, "written", 60, pause=lambda number: number == 30 and begun_reading.wait(60))
        finally:
            written.set()

    def read() -> None:
        with closing(Store.open(store_url)) as reader:
            last = False
            while not last:
                last = written.is_set()
                found = reader.find_study("written")
                results = reader.results(found[0]) if found else []
                assert [result.number for result in results] == list(range(len(results)))
                seen.append(len(results))
                begun_reading.set()

    assert together(write, read) == []
    assert seen == sorted(seen)
    assert seen[0] <= 30
    assert seen[-1] == 60


SECONDS = float(os.environ.get("RESSEARCH_SECONDS", "60"))
"""Of the slow test of eight readers."""
READERS = 8

READER = """
import sys
from contextlib import closing
from ressearch.store import Store
from ressearch.trial import TrialState

looks, last = 0, 0
print("reads", flush=True)
with closing(Store.open(sys.argv[1])) as store:
    while True:
        over = store.find_study("end")  # asked first: what is looked at after it is all that was written
        study_id = store.study("demo")[0]
        results, trials, counts = store.results(study_id), store.trials(study_id), store.counts(study_id)
        known = store.query("accuracy >= 0", study="demo", columns=["trial", "loss"], sort="trial")
        assert [result.number for result in results] == list(range(len(results)))
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        assert [trial.measurement.loss for trial in complete] == [float(n) for n in range(len(complete))]
        assert {trial.state for trial in trials[len(complete):]} <= {TrialState.RUNNING}
        assert len(trials) - len(complete) <= 1
        assert [(row["trial"], row["loss"]) for row in known] == [(n, float(n)) for n in range(len(known))]
        assert last <= len(results) <= len(complete) <= counts[TrialState.COMPLETE] <= len(known)
        looks, last = looks + 1, len(results)
        if last >= int(sys.argv[2]) or over:
            break
print(looks, last, flush=True)
"""


def readers_beside_a_writer(url: str, trials: int, seconds: float) -> tuple[int, list[tuple[int, int]]]:
    """Trials that a writer finished, and for each of eight readers how often it looked and what it saw at last."""
    with ExitStack() as stack:
        writer = stack.enter_context(process(WRITER, url))
        assert turn([writer]) == ["0\n"]
        readers = [stack.enter_context(process(READER, url, str(trials))) for _ in range(READERS)]
        assert turn(readers) == ["reads\n"] * READERS
        if seconds:
            told = [0, *written_for(writer, seconds)]
            writer.kill()
            with closing(Store.open(url)) as store:
                store.create_study(replace(STUDY, name="end"))
        else:
            told = [0, *map(int, itertools.islice(writer.stdout or [], trials))]
        ended = [tuple(map(int, line.split())) for line in turn(readers)]
        assert [reader.wait() for reader in readers] == [0] * READERS
    return len(told), [(looks, last) for looks, last in ended]


def written_for(writer: subprocess.Popen[str], seconds: float) -> Iterator[int]:
    deadline = time.monotonic() + seconds
    for line in writer.stdout or []:
        yield int(line)
        if time.monotonic() > deadline:
            return


def test_eight_readers_beside_a_writer_are_never_locked_out_nor_told_wrong(store_url: str) -> None:
    _, ended = readers_beside_a_writer(store_url, 15, 0)
    assert all(looks >= 1 and last >= 15 for looks, last in ended)


@pytest.mark.slow
def test_eight_readers_beside_a_writer_for_long(store_url: str) -> None:
    written, ended = readers_beside_a_writer(store_url, 10**9, SECONDS)
    assert all(written <= last + 1 for _, last in ended)


def test_writers_wait_for_each_other(store: Store, store_url: str) -> None:
    names = ("one", "two", "three")
    assert together(*(lambda name=name: write_trials(store_url, name, 40) for name in names)) == []  # type: ignore[misc]
    for name in names:
        assert store.counts(store.study(name)[0])[TrialState.COMPLETE] == 40


def test_a_store_may_be_made_by_several_at_once(store_url: str) -> None:
    assert together(*(lambda name=f"study {n}": write_trials(store_url, name, 1) for n in range(6))) == []  # type: ignore[misc]
    with closing(Store.open(store_url)) as store:
        assert all(len(store.trials(store.study(f"study {n}")[0])) == 1 for n in range(6))
