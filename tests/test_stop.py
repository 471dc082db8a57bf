"""`ressearch stop`: who drives a study is found and asked to end, on this machine, and named where it is elsewhere."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from ressearch.store import Store
from ressearch.store.driver import Driver, driver_of
from tests.command import Call, call
from tests.store_samples import STUDY
from tests.test_search import Desk, wait_for_trials

__all__ = ["call"]


def test_whoever_drives_is_known_while_it_drives(store: Store, store_url: str) -> None:
    name = STUDY.name
    store.create_study(STUDY)
    with closing(Store.open(store_url)) as driver:
        with driver.sole_driver(name):
            assert store.driven() == {name: Driver(socket.gethostname(), os.getpid())}
        assert store.driven() == {}


@pytest.mark.parametrize("text", ["", "/", "a", "a/", "/3", "a/b"])
def test_what_says_nothing_names_nobody(text: str) -> None:
    assert driver_of(text) is None
    assert driver_of(Driver("a", 3).text()) == Driver("a", 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(Store.create(tmp_path / "results.db")) as store:
        store.create_study(STUDY)
    return tmp_path / "results.db"


def test_where_nobody_drives(path: Path, call: Call) -> None:
    assert call("stop", "--store", str(path)) == (
        2, "", "error[E600]: no search runs on this store\n  = help: ressearch runs lists its studies\n",
    )  # fmt: skip
    assert call("stop", STUDY.name, "--store", str(path)) == (
        2, "",
        f"error[E600]: no search drives the study {STUDY.name!r}\n"
        "  = help: ressearch runs lists the studies of the store\n",
    )  # fmt: skip
    assert "there is no study 'none'" in call("stop", "none", "--store", str(path))[2]


def test_a_driver_on_another_machine_is_named(path: Path, call: Call) -> None:
    with closing(Store.open(path)) as store, store.sole_driver(STUDY.name):
        path.with_name(f"{path.name}.{STUDY.name}.driver").write_text("elsewhere/7")
        assert call("stop", "--store", str(path)) == (
            2, "",
            f"error[E600]: the study {STUDY.name!r} is driven by process 7 on elsewhere, and this machine cannot stop "
            "it\n  = help: on elsewhere: kill -TERM 7\n",
        )  # fmt: skip


@pytest.mark.slow
def test_a_search_ends_in_order(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    process = desk.start("search", "tiny.yaml", "--trials", "60", "--workers", "1")
    wait_for_trials(process, 2)
    status, out, err = desk.run("stop")
    assert (status, out) == (0, ""), err
    assert err == "the search of tiny has ended; every finished trial is kept\n"
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted; every finished trial is kept. To go on:\n" in err
    assert sorted(path.name for path in (desk.path / "runs").glob("*.driver")) == []
