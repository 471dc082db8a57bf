"""Searches on a cluster, and the account that is asked of each: what several test modules share."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster_diary import EVALUATOR, Diary
from tests.ray_cluster import EAGER, RayCluster
from tests.test_search import Desk

TRIALS = 40
WORDS = ("search", "tiny.yaml", "--trials", str(TRIALS), "--proposer", "random", "--seed", "0")
NOTED = (*WORDS, "--evaluator", EVALUATOR)
"""The same, each training written down."""
FOUND = (
    "select t.architecture_id, accuracy, loss, epochs from trials t join measurements m on m.id = measurement_id"
    " order by 1"
)
LONGEST_SECONDS = 900.0
"""That a search may take that takes half a minute on an idle machine."""
Found = list[tuple[object, ...]]


class PatientDesk(Desk):
    """A desk that waits as long as a busy machine needs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.environment |= EAGER

    def run(self, *words: str) -> tuple[int, str, str]:
        with watched(self.start(*words)) as process:
            out, err = process.communicate()
        return process.returncode, out, err


class ClusterDesk(PatientDesk):
    """A desk whose searches run on a cluster."""

    def __init__(self, path: Path, cluster: RayCluster) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.cluster = cluster
        self.environment = cluster.environment | {"HOME": str(path / "home"), "RAY_ADDRESS": cluster.address}
        self.diary = Diary(cluster.diary)

    def found(self) -> Found:
        return self.rows(FOUND)

    def networks(self) -> set[str]:
        """Those that the store has a measurement of."""
        return {str(row[0]) for row in self.found()}

    def assert_accounted(self, undisturbed: Found, trials: int = TRIALS, *, resumed: bool = False) -> None:
        """resumed: by another driver, whose random proposals begin anew; what both measured is equal."""
        states = dict(self.rows("select state, count(*) from trials group by state"))
        assert states == {"complete": trials}, self.rows("select number, state, error from trials")
        keys = "architecture_id, recipe_digest, epochs, schedule, data_fraction, resolution, seed"
        assert self.rows(f"select {keys} from measurements group by {keys} having count(*) > 1") == []
        assert self.rows("select count(*) from measurements") == [(trials,)]
        found = {row[0]: row for row in self.found()}
        known = {row[0]: row for row in undisturbed}
        assert resumed or found.keys() == known.keys()
        assert [id for id in found.keys() & known.keys() if found[id] != known[id]] == []

    def worked(self) -> set[str]:
        """The worker processes that measured something."""
        return {str(worker) for (worker,) in self.rows("select distinct worker from trials")}


def told(process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many trials have ended."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(f"{count}/"):
            return
    raise AssertionError(f"ended before {count} trials with {process.wait()}:\n{''.join(said)}")


@contextmanager
def watched(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A command, which ends with the block or after `LONGEST_SECONDS`, so that whoever reads what it says goes on."""

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(LONGEST_SECONDS, end)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        end()
        process.communicate()


@contextmanager
def searching(desk: ClusterDesk, *words: str, search: tuple[str, ...] = WORDS) -> Iterator[subprocess.Popen[str]]:
    """A search under way, which ends with the block at the latest."""
    with watched(desk.start(*search, *words)) as process:
        yield process


def finished(process: subprocess.Popen[str], status: int = 0) -> str:
    """What a search said until its end."""
    out, err = process.communicate()
    assert (process.returncode, out) == (status, ""), err
    assert "Traceback" not in err
    return err
