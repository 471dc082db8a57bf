"""Checkpoints for others: each attempt writes its own, begins with the latest, and does without where there is none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ressearch.errors import ClusterError
from ressearch.search.stored import StoredCheckpoints, carried, remove

STORAGES = ("folder", "memory://checkpoints", "")


@pytest.fixture(params=STORAGES, ids=["folder", "url", "node"])
def checkpoints(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoredCheckpoints]:
    """In a shared folder, at a URL that only this process knows, and where a node keeps its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    storage = str(tmp_path / "shared") if request.param == "folder" else request.param
    yield StoredCheckpoints(storage, tmp_path / "results.db", "mine")
    memory = fsspec.filesystem("memory")
    if memory.exists("/checkpoints"):
        memory.rm("/checkpoints", recursive=True)


def write(place: str, text: str) -> None:
    with carried(place) as carrier:
        carrier.file.write_text(text)
        carrier.put()


def read(place: str) -> str | None:
    with carried(place) as carrier:
        return carrier.file.read_text() if carrier.file.exists() else None


def test_an_attempt_begins_with_the_latest_and_overwrites_no_other(checkpoints: StoredCheckpoints) -> None:
    first, second = checkpoints.file(3), checkpoints.file(3)
    assert first != second
    assert read(first) is None
    write(first, "one epoch")
    assert read(second) == "one epoch"
    write(second, "two epochs")
    assert read(checkpoints.file(3)) == "two epochs"
    assert read(checkpoints.file(33)) is None, "another trial's"
    write(first, "a late word of a worker that was given up")
    assert read(first) is not None
    with carried(second) as carrier:
        carrier.put()  # whole, from here, or not at all


def test_a_trial_s_checkpoints_go_with_it(checkpoints: StoredCheckpoints) -> None:
    for number in (1, 1, 2, 3):
        write(checkpoints.file(number), "text")
    if checkpoints.on_nodes:
        with carried(checkpoints.file(1)) as carrier:
            carrier.done()
    checkpoints.drop(1)
    assert [read(checkpoints.file(number)) for number in (1, 2, 3)] == [None, "text", "text"]
    checkpoints.keep_only([3])
    if not checkpoints.on_nodes:  # of which the driver knows nothing
        assert [read(checkpoints.file(number)) for number in (2, 3)] == [None, "text"]
    remove(checkpoints.folder)
    assert read(checkpoints.file(3)) is None


def test_two_studies_do_not_meet_in_one_storage(tmp_path: Path) -> None:
    folders = {
        StoredCheckpoints(str(tmp_path), tmp_path / store, study).folder
        for store in ("a.db", "b.db")
        for study in ("one", "two")
    }
    assert len(folders) == 4


def test_no_storage_can_end_a_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = StoredCheckpoints(str(tmp_path / "file"), tmp_path / "results.db", "mine").file(0)
    assert read(place) is None
    write(place, "lost")
    remove(place.rpartition("/")[0])
    with carried("nowhere://at/all/0.0123456789abcdef.pt") as carrier:
        carrier.file.touch()
        carrier.put()
        carrier.done()


def test_a_storage_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ClusterError) as caught:
        StoredCheckpoints(str(tmp_path / "file"), tmp_path / "results.db", "mine").require_writable()
    assert str(caught.value).startswith(f"error[E610]: cannot write to the storage {tmp_path}/file: ")
    assert str(caught.value).endswith("\n  = help: give another --storage")
    good = StoredCheckpoints(str(tmp_path / "shared"), tmp_path / "results.db", "mine")
    good.require_writable()
    assert [path for _, _, files in os.walk(tmp_path / "shared") for path in files] == []
