"""Searches on a cluster, and the account that is asked of each: what several test modules share."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.ray_cluster import RayCluster
from tests.test_search import Desk

TRIALS = 24
WORDS = ("search", "tiny.yaml", "--trials", str(TRIALS), "--proposer", "random", "--seed", "0")
FOUND = (
    "select t.architecture_id, accuracy, loss, epochs from trials t join measurements m on m.id = measurement_id"
    " order by 1"
)
Found = list[tuple[object, ...]]


class ClusterDesk(Desk):
    """A desk whose searches run on a cluster."""

    def __init__(self, path: Path, cluster: RayCluster) -> None:
        path.mkdir(exist_ok=True)
        super().__init__(path)
        self.cluster = cluster
        self.environment = cluster.environment | {"HOME": str(path / "home"), "RAY_ADDRESS": cluster.address}

    def found(self) -> Found:
        return self.rows(FOUND)

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
    for line in process.stderr:
        if line.startswith(f"{count}/"):
            return
    raise AssertionError(f"ended early with {process.wait()}")


@contextmanager
def searching(desk: ClusterDesk, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A search under way, which ends with the block at the latest."""
    process = desk.start(*WORDS, *words)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(process: subprocess.Popen[str], status: int = 0) -> str:
    """What a search said until its end."""
    out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (status, ""), err
    assert "Traceback" not in err
    return err
