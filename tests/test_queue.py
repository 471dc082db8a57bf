"""Jobs and outcomes between books and workers, without Ray: what a dead worker means, and what a worker is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ressearch.data import SearchData, load_search_data
from ressearch.errors import ClusterError
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.distribute import gpu_share
from ressearch.search.queue import MAX_LOSSES, Escape, Queue, Terms
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


def test_a_lost_node_is_hardly_the_trial_s_fault(bench: Bench) -> None:
    """Nine of them, and two workers, may go; each has a bound of its own."""
    for number in range(MAX_LOSSES - 1):
        bench.queue.take(str(number))
        bench.queue.bury(str(number), "the node died", with_node=True)
    for name in ("a", "b"):
        bench.queue.take(name)
        bench.queue.bury(name, "killed")
    assert bench.trial().failure is None
    bench.queue.take("last")
    bench.queue.bury("last", "the node died", with_node=True)
    assert bench.trial().error == "10 nodes were lost under this trial; the last said:\nthe node died"
    assert bench.trial().failure is Failure.WORKER_DIED


def test_what_comes_late_is_counted_and_dropped(bench: Bench) -> None:
    bench.queue.take("zombie")
    outcome = {"measurement": asdict(measured(bench.queue.jobs["zombie"])), "worker": "a/1"}
    bench.queue.bury("zombie", "the node died", with_node=True)
    bench.queue.close("zombie", outcome)
    assert (bench.queue.late, bench.trial().measurement) == (1, None)
    bench.queue.take("other")
    bench.queue.close("other", {**outcome, "worker": "b/1"})
    assert (bench.queue.late, bench.trial().worker) == (1, "b/1")


def test_a_node_without_the_data_ends_the_search_and_no_trial(bench: Bench) -> None:
    bench.queue.take("a")
    with pytest.raises(Escape) as caught:
        bench.queue.close("a", {"lacking": "b: no such file"})
    assert isinstance(caught.value.__cause__, ClusterError)
    assert str(caught.value.__cause__) == (
        "error[E610]: a node of the cluster lacks the data set: b: no such file\n"
        "  = help: put it at the same path on every node; it is too large for the nodes' object stores"
    )
    assert bench.trial().failure is None


def test_a_done_worker_is_handed_to_a_job_that_gets_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.queue.take("a")
    bench.queue.started("a")
    bench.queue.take("b")
    assert not bench.queue.wants_worker(), "b's own is starting"
    monkeypatch.setattr("ressearch.search.queue.START_SECONDS", 0.0)
    bench.queue.starting["b"] = 0.0
    assert not bench.queue.ready()
    assert bench.queue.wants_worker(), "b's has no place to start"


def test_on_another_machine_the_time_limit_is_known_by_the_clock(bench: Bench) -> None:
    bench.queue.terms = replace(bench.queue.terms, on_cluster=True, time_limit=1)
    order = json.loads(bench.queue.take("a") or "")
    assert (order["report"], order["on_cluster"]) == ("", True)
    bench.queue.started("a")
    bench.queue.bury("a", "killed")
    assert bench.trial().failure is None, "too early for that"
    bench.queue.take("b")
    bench.queue.started("b")
    bench.queue.begun["b"] -= 1
    bench.queue.bury("b", "exit code 1")
    assert bench.trial().failure is Failure.TIME_LIMIT
    assert bench.trial().error == (
        "not done after 1 s, the time limit of a trial (--time-limit); where it hung is in its worker's log. "
        "Ray said:\nexit code 1"
    )


@pytest.mark.parametrize(
    ("gpus", "workers", "share"), [(1, 1, 1.0), (1, 4, 0.25), (2, 3, 0.5), (2, 8, 0.25), (8, 2, 1.0), (3, 7, 1 / 3)]
)
def test_workers_share_the_gpus(gpus: int, workers: int, share: float) -> None:
    assert gpu_share(gpus, workers) == pytest.approx(share)
    assert workers <= gpus * round(1 / share), "or some would never start"


def test_who_trains_a_trial_is_known_while_it_is_trained(bench: Bench) -> None:
    bench.queue.take("a")
    assert bench.trial().worker is None
    bench.queue.started("a", "here/1")
    assert bench.trial().worker == "here/1"
    bench.queue.bury("a", "killed")
    assert bench.trial().worker is None, "nobody's, until it is taken again"
    for name in ("b", "c"):
        bench.queue.take(name)
        bench.queue.started(name, f"here/{name}")
        bench.queue.bury(name, "killed")
    assert (bench.trial().worker, bench.trial().failure) == ("here/c", Failure.WORKER_DIED), (
        "the last that died over it"
    )
    bench.queue.started("c", "late/1")
    assert bench.trial().worker == "here/c"


def test_a_study_that_goes_on_has_no_workers_yet(bench: Bench, demo: SearchSpace, digits: SearchData) -> None:
    bench.queue.take("a")
    bench.queue.started("a", "here/1")
    StudyBooks(demo, digits, bench.store, bench.queue.books.study, 2)
    assert bench.trial().worker is None
