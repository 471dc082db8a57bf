"""The Slurm script at work: its signals with stand-ins for Slurm and Ray; then with real Ray nodes on this machine.

Slurm itself is not here. `srun` and `scontrol` are scripts that do, on this machine, what they do on a node each.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ressearch.deployment import Cluster, template
from ressearch.store import Store
from ressearch.store.lines import read_file
from ressearch.trial import TrialState
from tests.conftest import DEMO, ROOT

SRUN = """
echo "$*" >> "$SLURM_SUBMIT_DIR/srun.log"
while [ "$1" != ray ]; do shift; done
exec "$@"
"""
SCONTROL = """
case $1 in
    show) printf 'first\\nsecond\\n' ;;
    requeue) echo "$2" >> "$SLURM_SUBMIT_DIR/requeued" ;;
esac
"""
NO_RAY = '[ "$1" = health-check ] || exec sleep 60'
STORE = 'if [ "$1" = store ]; then echo "$*" >> "$SLURM_SUBMIT_DIR/store.log"; exit; fi\n'
SEARCH = f"""{STORE}echo "$*" > search.log
cat "$RAY_AUTH_TOKEN_PATH" > token
stat --format=%a "$RAY_AUTH_TOKEN_PATH" > mode
touch "$RESSEARCH_STORE"
trap 'kill $! ; exit 143' TERM
touch started
sleep "${{SEARCH_SECONDS:-60}}" & wait
exit 5
"""
ASK_BOTH_NODES = """#!/usr/bin/env python
import os, subprocess, sys, time, ray

address = sys.argv[sys.argv.index("--address") + 1]

def refused(**environment):
    script = f"import ray; ray.init(address={address!r}, log_to_driver=False)"
    strangers = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    told = subprocess.run([sys.executable, "-c", script], env=strangers | environment, capture_output=True, text=True)
    return told.returncode != 0 and "uthentic" in told.stderr

ray.init(address=address, log_to_driver=False)
end = time.monotonic() + 60
while len([node for node in ray.nodes() if node["Alive"]]) < 2 and time.monotonic() < end:
    time.sleep(0.2)

@ray.remote(num_cpus=2)
def where():
    time.sleep(2)
    return ray.get_runtime_context().get_node_id(), os.environ.get("RESSEARCH_STORE")

nodes, stores = zip(*ray.get([where.remote(), where.remote()]))
with_none, with_another = refused(RAY_AUTH_MODE="disabled"), refused(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
open("found", "w").write(f"{len(set(nodes))} {set(stores)} {with_none} {with_another}")
"""


@dataclass
class Job:
    """A job in a folder of its own, with all that it starts in a process group of its own."""

    folder: Path
    tools: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    cluster: Cluster = field(default_factory=lambda: Cluster(cpus=2))

    def start(self) -> subprocess.Popen[bytes]:
        binaries = self.folder / ".venv" / "bin"
        binaries.mkdir(parents=True, exist_ok=True)
        for name, text in self.tools.items():
            file = binaries / name
            file.write_text(text if text.startswith("#!") else f"#!/usr/bin/env bash\n{text}")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        script = self.folder / "job.sh"
        script.write_text(template("slurm", self.cluster))
        slurm = {"SUBMIT_DIR": str(self.folder), "JOB_NODELIST": "[first,second]", "CPUS_PER_TASK": "3"}
        known = {f"SLURM_{name}": value for name, value in slurm.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RESSEARCH_"))}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                ["bash", str(script)],
                env=kept
                | known
                | {"PATH": path, "SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NAME": "mine"}
                | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text().strip()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    tools = {
        "srun": SRUN,
        "scontrol": SCONTROL,
        "hostname": "echo 127.0.0.1 10.0.0.9",
        "ray": NO_RAY,
        "ressearch": SEARCH,
    }
    return Job(tmp_path, tools)


@pytest.fixture
def running(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    process = job.start()
    yield process
    ended(process)


def ended(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(file: Path) -> None:
    wait_until(file.exists, f"{file.name} did not come")


def wait_until(happened: Callable[[], bool], message: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def test_each_node_is_a_step_and_the_search_hears_of_the_head(job: Job, running: subprocess.Popen[bytes]) -> None:
    wait_for(job.folder / "started")
    port = 20000 + os.getpid() % 10000
    worker, head = sorted(job.read("srun.log").splitlines(), key=lambda line: "--head" in line)  # both start at once
    step = "--nodes=1 --ntasks=1 --overlap --nodelist={} --cpus-per-task=3 ray start --block --num-cpus=2 --num-gpus=0"
    assert head.startswith(f"{step.format('first')} --head --node-ip-address=127.0.0.1 --port={port}")
    assert "--dashboard-host=127.0.0.1" in head
    assert worker == f"{step.format('second')} --address=127.0.0.1:{port}"
    assert job.read("search.log").endswith(f"--storage /shared/ressearch --address 127.0.0.1:{port}")


def test_the_token_is_new_and_the_owners_alone_and_goes_with_the_job(
    job: Job, running: subprocess.Popen[bytes]
) -> None:
    wait_for(job.folder / "started")
    running.terminate()
    running.wait(timeout=20)
    assert len(job.read("token")) == 64
    assert job.read("mode") == "600"
    assert not list((job.folder / "runs").glob("ray-token-*"))


@pytest.mark.parametrize(("sent", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_a_signal_ends_the_search_and_only_the_end_of_time_asks_for_another_run(
    job: Job, running: subprocess.Popen[bytes], sent: signal.Signals, requeued: bool
) -> None:
    wait_for(job.folder / "started")
    running.send_signal(sent)
    assert running.wait(timeout=20) == 143
    assert (job.folder / "requeued").exists() == requeued
    assert job.read("store.log") == f"store export {job.folder}/runs/mine.jsonl.gz"


def test_the_status_of_a_search_that_ends_is_that_of_the_job(job: Job) -> None:
    job.environment["SEARCH_SECONDS"] = "0.1"
    process = job.start()
    assert process.wait(timeout=20) == 5
    assert not (job.folder / "requeued").exists()
    ended(process)


def test_a_run_begins_from_the_copy_of_the_one_before(job: Job) -> None:
    job.environment["SEARCH_SECONDS"] = "0.1"
    copy = job.folder / "runs" / "mine.jsonl.gz"
    copy.parent.mkdir()
    copy.touch()
    process = job.start()
    process.wait(timeout=20)
    assert job.read("store.log").splitlines() == [f"store import {copy}", f"store export {copy}"]
    ended(process)


def test_with_a_database_no_copy_is_made(job: Job) -> None:
    job.environment |= {"SEARCH_SECONDS": "0.1", "RESSEARCH_STORE": str(job.folder / "elsewhere")}
    process = job.start()
    process.wait(timeout=20)
    assert (job.folder / "elsewhere").exists()
    assert not (job.folder / "store.log").exists()
    ended(process)


def test_a_head_that_does_not_start_ends_the_job(job: Job) -> None:
    job.tools |= {"ray": "exit 1", "sleep": "exit 0"}
    job.environment["RESSEARCH_STORE"] = "elsewhere"
    process = job.start()
    assert process.wait(timeout=30) == 1
    assert (job.folder / "output").read_text().endswith("Ray did not start on first; its messages are above\n")
    assert not (job.folder / "search.log").exists()
    ended(process)


@pytest.mark.cluster
def test_two_real_ray_nodes_with_token_authentication(job: Job, tmp_path: Path) -> None:
    del job.tools["ray"]
    job.tools["ressearch"] = ASK_BOTH_NODES
    job.environment["RESSEARCH_STORE"] = "elsewhere"
    job.environment["HOME"] = str(tmp_path)  # no token of this machine's user
    process = job.start()
    assert process.wait(timeout=180) == 0, job.read("output")
    assert job.read("found") == "2 {None} True True"
    ended(process)


@pytest.mark.cluster
def test_a_search_whose_time_is_over_goes_on_in_its_next_run(job: Job) -> None:
    del job.tools["ray"]
    job.tools["ressearch"] = 'exec python -m ressearch "$@"'
    job.environment |= {"HOME": str(job.folder), "PYTHONPATH": str(ROOT)}
    job.cluster = Cluster(cpus=1, space=str(DEMO), storage=str(job.folder / "checkpoints"))
    first = job.start()
    wait_until(lambda: "6/24" in job.read("output"), "six trials were to end", 180)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(timeout=60) == 143, job.read("output")
    assert (job.folder / "requeued").exists()
    ended(first)
    trials = trials_of(job, "half.db")
    done = {number for number, state in trials.items() if state is TrialState.COMPLETE}
    assert 6 <= len(done) < 24

    job.environment["SLURM_JOB_ID"] = "4712"  # another port, while the first run's nodes are still ending
    second = job.start()
    assert second.wait(timeout=240) == 0, job.read("output")
    ended(second)
    assert set(trials_of(job, "whole.db").values()) == {TrialState.COMPLETE}
    told = job.read("output")
    assert len(trials_of(job, "whole.db")) == 24
    assert not [number for number in done if f": trial {number}," in told]  # none was trained again
    assert not list((job.folder / "checkpoints").rglob("*.pt*"))  # the second run knew the first one's for its own


def trials_of(job: Job, name: str) -> dict[int, TrialState]:
    """By number, from the copy of the store that the job left."""
    store = Store.create(job.folder / name)
    store.import_("copy", read_file(job.folder / "runs" / "mine.jsonl.gz"))
    found = {trial.number: trial.state for trial in store.trials(store.study(None)[0])}
    store.close()
    return found
