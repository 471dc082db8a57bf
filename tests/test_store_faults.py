"""A full disk: it is told, what was acknowledged is kept, and the study goes on when there is space again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ressearch.store import Store
from ressearch.trial import TrialState
from tests.postgresql_server import Server, running_server
from tests.store_samples import ROOT
from tests.test_store_processes import require_whole

WRITER = """
import random, resource, signal, sys
from ressearch.errors import StoreError
from ressearch.store import Store
from tests.store_samples import MEASURED, RECIPE, STUDY, begin, key_of, replace
from ressearch.trial import Failure, TrialState

url, most, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = Store.create(url)
study_id = (store.find_study("demo") or (None,))[0] or store.create_study(STUDY)
if size:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
begun = store.trials(study_id)
number = len(begun)
if begun and begun[-1].state is TrialState.RUNNING:
    store.fail(study_id, begun[-1].number, "it was interrupted", Failure.ERROR)
try:
    for number in range(number, number + most):
        net = begin(store, study_id, number)
        long = replace(MEASURED, loss=float(number), device=random.Random(number).randbytes(20_000).hex())
        store.complete(study_id, number, replace(key_of(net), seed=number), long, RECIPE)
        print(number, flush=True)
except StoreError as error:
    print(error, file=sys.stderr)
    sys.exit(4)
"""


def written(url: str, most: int, size: int = 0) -> tuple[list[int], str]:
    """The trials that a writer acknowledged, and what it said when it could not go on. size: of its files at most."""
    command = [sys.executable, "-c", WRITER, url, str(most), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == (4 if done.stderr else 0), done.stderr
    return [int(line) for line in done.stdout.splitlines()], done.stderr


@dataclass(frozen=True)
class Full:
    """A disk that is nearly full. told: how the error begins, after the store's name; size: see `written`."""

    folder: Path
    told: str
    size: int
    make_space: Callable[[], object]


@contextmanager
def mounted(folder: Path) -> Iterator[Path | None]:
    """A small file system in memory at a new folder; None where none may be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "ressearch-test", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    """Where nothing can be mounted, the largest size of a file takes the place of the disk's."""
    with mounted(tmp_path / "disk") as folder:
        if folder is None:
            yield Full(tmp_path, "disk I/O error", 400_000, bool)
            return
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(23 * 1024**2 + 512 * 1024))
        yield Full(folder, "database or disk is full", 0, ballast.unlink)


def test_a_full_disk_is_told_and_the_study_goes_on_when_there_is_space(full: Full) -> None:
    url = str(full.folder / "results.db")
    acknowledged, said = written(url, 1_000, full.size)
    assert said == (
        f"error[E500]: {url}: {full.told}\n  = help: is it an SQLite file, writable, and on a disk with space?\n"
    )
    assert acknowledged
    full.make_space()
    goes_on(url, acknowledged)


def test_of_files_that_may_not_grow_too(tmp_path: Path) -> None:
    """As under a quota or a limit on the process: it is no full disk that SQLite sees then."""
    url = str(tmp_path / "results.db")
    acknowledged, said = written(url, 1_000, 400_000)
    assert said.startswith(f"error[E500]: {url}: disk I/O error\n")
    goes_on(url, acknowledged)


@pytest.fixture
def quiet() -> Iterator[Server]:
    """A server of one's own that writes nothing unasked, so that its disk is as full as it is made."""
    with running_server(autovacuum="off", checkpoint_timeout="1d") as server:
        yield server


def test_a_server_with_a_full_disk_tells_and_the_study_goes_on(quiet: Server) -> None:
    """Its tables are on the small file system, its log is not: PostgreSQL stops where that has no space."""
    with mounted(quiet.folder / "disk") as folder:
        if folder is None:
            pytest.skip("nothing may be mounted here; the tests of a full disk under a file have run")
        space = folder / "tables"
        space.mkdir()
        shutil.chown(space, "nobody")
        quiet.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        quiet.execute("CREATE DATABASE small TABLESPACE small")
        try:
            fills_up(quiet, folder)
        finally:
            quiet.execute("DROP DATABASE small")
            quiet.execute("DROP TABLESPACE small")


def fills_up(server: Server, folder: Path) -> None:
    url = server.libpq("small")
    acknowledged, said = written(url, 5)  # so that no table is empty
    assert (len(acknowledged), said) == (5, "")
    with closing(Store.open(url)) as store:  # a first connection after its tables were made writes files of the server
        require_whole(store)
    server.execute("CHECKPOINT")
    ballast = folder / "ballast"
    free = os.statvfs(folder)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 400_000))
    more, said = written(url, 5_000)
    acknowledged += more
    assert "No space left on device" in said
    assert said.endswith("= help: make space on the server's disk, then run the same command again\n")
    ballast.unlink()
    goes_on(url, acknowledged)


def goes_on(url: str, acknowledged: list[int]) -> None:
    """What was acknowledged is there, and a new driver writes on."""
    with closing(Store.open(url)) as store:
        require_whole(store)
    more, said = written(url, 20)
    assert (len(more), said) == (20, "")
    with closing(Store.open(url)) as store:
        require_whole(store)
        trials = store.trials(store.study("demo")[0])
        kept = {trial.number: trial.measurement.loss for trial in trials if trial.measurement is not None}
        assert [trial.state for trial in trials].count(TrialState.RUNNING) == 0
    assert kept == {number: float(number) for number in [*acknowledged, *more]}
