"""Jobs and outcomes between books and workers, without Ray: what a dead worker means, and what a worker is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from ressearch.data import SearchData, load_search_data
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.distribute import gpu_share
from ressearch.search.queue import Queue, Terms
from ressearch.search.study import Progress, StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure, Measurement, Trial
from tests.test_study import measured


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


class Bench:
    """A queue over a real store, and what it said."""

    def __init__(self, path: Path, space: SearchSpace, digits: SearchData | None, evaluator: str = "") -> None:
        self.path, self.store = path, Store.create(path / "results.db")
        study = describe_study(space, digits, name="s", source="digits", seed=0, evaluator=evaluator)
        books = StudyBooks(space, digits, self.store, study, 2)
        self.seen: list[Progress] = []
        terms = Terms("digits", 60, Checkpoints(path / "results.db", "s"))
        self.queue = Queue(books, terms, path, self.seen.append)

    def trial(self) -> Trial:
        return self.store.trials(self.store.study("s")[0])[0]

    def checkpoint(self) -> Path:
        return self.path / "results.db.checkpoints" / "s" / "0.pt"


@pytest.fixture
def bench(tmp_path: Path, demo: SearchSpace, digits: SearchData) -> Iterator[Bench]:
    found = Bench(tmp_path, demo, digits)
    yield found
    found.store.close()


def test_a_worker_is_told_all_it_needs_in_plain_values(bench: Bench) -> None:
    order = json.loads(bench.queue.take("a") or "")
    assert (order["source"], order["evaluator"], order["seed"], order["time_limit"]) == ("digits", "", 0, 60)
    assert order["checkpoint"] == str(bench.checkpoint())
    assert Path(order["report"]).parent == bench.path


def test_one_epoch_and_an_own_training_have_no_checkpoint(
    tmp_path: Path, demo: SearchSpace, digits: SearchData
) -> None:
    short = SearchSpace.parse(demo.text.replace("epochs: 6", "epochs: 1"))
    for name, space, data, evaluator in (("one", short, digits, ""), ("two", demo, None, "mine:evaluate@0")):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, space, data, evaluator)
        assert json.loads(bench.queue.take("a") or "")["checkpoint"] is None
        assert not bench.checkpoint().parent.parent.exists()
        bench.store.close()


def test_the_checkpoint_stays_while_the_trial_goes_on_and_goes_with_it(bench: Bench) -> None:
    bench.queue.take("a")
    bench.checkpoint().touch()
    bench.queue.bury("a", "killed")
    assert bench.checkpoint().exists()
    order = json.loads(bench.queue.take("b") or "")
    assert order["checkpoint"] == str(bench.checkpoint())
    bench.queue.close("b", {"measurement": asdict(measured(bench.queue.jobs["b"]))})
    assert isinstance(bench.trial().measurement, Measurement)
    assert list(bench.checkpoint().parent.iterdir()) == []


def test_three_deaths_are_a_failure_of_the_last_one_s_kind(bench: Bench) -> None:
    for name, kind in (("a", Failure.WORKER_DIED), ("b", Failure.WORKER_DIED), ("c", Failure.OUT_OF_MEMORY)):
        bench.queue.take(name)
        bench.queue.bury(name, f"reason {name}", kind)
    trial = bench.trial()
    assert trial.error == "3 workers died over this trial; the last said:\nreason c"
    assert trial.failure is Failure.OUT_OF_MEMORY


def test_a_death_at_the_time_limit_is_not_tried_again(bench: Bench) -> None:
    report = Path(json.loads(bench.queue.take("a") or "")["report"])
    report.write_text('Timeout (0:01:00)!\nThread 0x1 (most recent call first):\n  File "x.py", line 1 in f\n')
    bench.queue.bury("a", "killed")
    trial = bench.trial()
    assert trial.failure is Failure.TIME_LIMIT
    assert (trial.error or "").startswith(
        "not done after 60 s, the time limit of a trial (--time-limit); most recent call last:\nTimeout (0:01:00)!\n"
    )
    assert bench.seen[-1].failed == 1


def test_a_report_that_was_begun_says_nothing(bench: Bench) -> None:
    report = Path(json.loads(bench.queue.take("a") or "")["report"])
    report.touch()
    bench.queue.bury("a", "killed")
    assert bench.trial().failure is None
    assert bench.queue.lost or bench.queue.next


@pytest.mark.parametrize(
    ("gpus", "workers", "share"), [(1, 1, 1.0), (1, 4, 0.25), (2, 3, 0.5), (2, 8, 0.25), (8, 2, 1.0), (3, 7, 1 / 3)]
)
def test_workers_share_the_gpus(gpus: int, workers: int, share: float) -> None:
    assert gpu_share(gpus, workers) == pytest.approx(share)
    assert workers <= gpus * round(1 / share), "or some would never start"
