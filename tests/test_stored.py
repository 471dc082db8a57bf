"""Checkpoints for others: each attempt writes its own, begins with the latest, and does without where there is none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.registry import _registry, known_implementations

from ressearch.errors import ClusterError
from ressearch.search.stored import StoredCheckpoints, carried, remove, shown
from ressearch.store import Store
from ressearch.store.lines import Line
from tests.storages import ObjectStore, PlainFiles
from tests.store_samples import STUDY, begin

BEGUN = 1_795_871_128.4196029
STORAGES = ("folder", "memory://checkpoints", "s3://bucket/of/mine/", "plain", "")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What is in the bucket of that name, in a store of objects of this process, which has no other."""
    monkeypatch.setitem(_registry, "s3", ObjectStore)
    monkeypatch.setitem(_registry, "plain", PlainFiles)
    objects: dict[str, object] = {}
    monkeypatch.setattr(ObjectStore, "buckets", {"bucket": objects})
    monkeypatch.setattr(ObjectStore, "denied", set())
    monkeypatch.setattr(ObjectStore, "asked", [])
    yield objects
    ObjectStore.clear_instance_cache()
    PlainFiles.clear_instance_cache()


@pytest.fixture(params=STORAGES, ids=["folder", "url", "bucket", "plain", "node"])
def checkpoints(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: dict[str, object]
) -> Iterator[StoredCheckpoints]:
    """In a shared folder, at URLs that only this process knows, and where a node keeps its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    places = {"folder": str(tmp_path / "shared"), "plain": f"plain://{tmp_path}/plain"}
    yield StoredCheckpoints(places.get(request.param, request.param), "mine", BEGUN)
    assert list(ObjectStore.buckets) == ["bucket"], "none was made, and none removed"
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


def test_an_attempt_begins_with_the_latest_and_overwrites_no_other(
    checkpoints: StoredCheckpoints, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = checkpoints.file(3), checkpoints.file(3)
    assert first != second
    assert read(first) is None
    write(first, "one epoch")
    assert read(second) == "one epoch"
    write(second, "two epochs")
    write(second, "three epochs")
    assert read(checkpoints.file(3)) == "three epochs"
    assert read(checkpoints.file(33)) is None, "another trial's"
    write(first, "a late word of a worker that was given up")
    assert read(first) is not None
    assert caplog.messages == []


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


def test_another_driver_knows_what_the_last_one_left(checkpoints: StoredCheckpoints, tmp_path: Path) -> None:
    for number in (1, 2):
        write(checkpoints.file(number), "text")
    another = StoredCheckpoints(checkpoints.storage, "mine", BEGUN)
    another.keep_only([1, 2])
    another.drop(1)
    if not checkpoints.on_nodes:
        assert [read(another.file(number)) for number in (1, 2)] == [None, "text"]
    another.keep_only([])
    another.tidy()
    another.tidy()
    if not checkpoints.on_nodes:
        assert read(another.file(2)) is None


def test_what_a_trial_left_is_removed_without_listing_all(bucket: dict[str, object], tmp_path: Path) -> None:
    checkpoints = StoredCheckpoints("s3://bucket", "mine", BEGUN)
    for number in (1, 2):
        write(checkpoints.file(number), "text")
    ObjectStore.asked.clear()
    checkpoints.drop(1)
    checkpoints.drop(1)
    checkpoints.drop(7)
    assert set(ObjectStore.asked) == {"remove"}
    assert len(bucket) == 1


def test_what_cannot_be_removed_does_not_keep_the_rest(
    bucket: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = StoredCheckpoints("s3://bucket", "mine", BEGUN)
    for number in range(3):
        write(checkpoints.file(number), "text")
    kept = min(bucket)
    monkeypatch.setattr(ObjectStore, "rm_file", refusing(kept))
    checkpoints.keep_only([])
    assert list(bucket) == [kept]


def refusing(kept: str) -> Callable[[ObjectStore, str], None]:
    remove_file = ObjectStore.rm_file

    def rm_file(store: ObjectStore, path: str) -> None:
        if path == kept:
            raise OSError("Please reduce your request rate")
        remove_file(store, path)

    return rm_file


def test_two_studies_do_not_meet_in_one_storage(tmp_path: Path) -> None:
    folders = {
        StoredCheckpoints(str(tmp_path), study, begun).folder
        for begun in (BEGUN, BEGUN + 1e-6)
        for study in ("one", "two")
    }
    assert len(folders) == 4


@pytest.mark.parametrize("storage", ["s3://bucket/x", "s3://bucket/x/", "/bucket/x/"])
def test_a_slash_at_the_end_is_nothing(tmp_path: Path, storage: str) -> None:
    folder = StoredCheckpoints(storage, "mine", BEGUN).folder
    assert "/bucket/x/mine-" in folder
    assert StoredCheckpoints("memory://", "mine", BEGUN).folder.startswith("memory:///mine-")


def test_a_study_finds_its_checkpoints_from_a_copy_of_its_store_at_another_place(tmp_path: Path) -> None:
    first, second = (Store.create(tmp_path / name) for name in ("a.db", "b.db"))
    begin(first, first.create_study(STUDY), 0)
    second.import_("copy", [Line("copy", place, json.loads(text)) for place, text in enumerate(first.export(), 1)])
    before, after = (StoredCheckpoints.of(str(tmp_path / "shared"), store, STUDY.name) for store in (first, second))
    write(before.file(0), "one epoch")
    after.keep_only([0])
    assert read(after.file(0)) == "one epoch"
    for store in (first, second):
        store.close()


def test_no_storage_can_end_a_training(tmp_path: Path, bucket: dict[str, object]) -> None:
    (tmp_path / "file").touch()
    place = StoredCheckpoints(str(tmp_path / "file"), "mine", BEGUN).file(0)
    assert read(place) is None
    write(place, "lost")
    remove(place.rpartition("/")[0])
    for nowhere in ("nowhere://at/all", "s3://missing/bucket"):
        with carried(f"{nowhere}/0.0123456789abcdef.pt") as carrier:
            carrier.file.touch()
            carrier.put()
            carrier.done()
    assert list(ObjectStore.buckets) == ["bucket"]


def test_half_a_checkpoint_is_none(
    tmp_path: Path, bucket: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection breaks while it is read."""
    place = StoredCheckpoints("s3://bucket", "mine", BEGUN).file(0)
    write(place, "an epoch")

    def broken(store: ObjectStore, rpath: str, lpath: str, *rest: object) -> None:
        Path(lpath).write_text("an ep")
        raise ConnectionResetError("Connection reset by peer")

    monkeypatch.setattr(ObjectStore, "get_file", broken)
    assert read(place) is None
    assert caplog.messages == [
        f"begins anew, since no checkpoint can be read from {place.rpartition('/')[0]}: Connection reset by peer"
    ]


# Refusals


def refusal(storage: str) -> str:
    with pytest.raises(ClusterError) as caught:
        StoredCheckpoints(storage, "mine", BEGUN).require_writable()
    return str(caught.value)


def test_a_storage_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(str(tmp_path / "file"))
    assert said.startswith(f"error[E610]: cannot write to the storage {tmp_path}/file: ")
    assert said.endswith("\n  = help: give another --storage")
    good = StoredCheckpoints(str(tmp_path / "shared"), "mine", BEGUN)
    good.require_writable()
    assert [path for _, _, files in os.walk(tmp_path / "shared") for path in files] == []


def test_a_good_one_is_left_as_it_was(checkpoints: StoredCheckpoints, bucket: dict[str, object]) -> None:
    checkpoints.require_writable()
    assert not bucket
    assert read(checkpoints.file(0)) is None


def test_a_bucket_that_is_not_there_is_not_made(tmp_path: Path, bucket: dict[str, object]) -> None:
    assert refusal("s3://buckte/mine") == (
        "error[E610]: cannot write to the storage s3://buckte/mine: The specified bucket does not exist\n"
        "  = help: make it first, or give another --storage"
    )
    assert list(ObjectStore.buckets) == ["bucket"]


@pytest.mark.parametrize(
    ("deed", "words"), [("write", "write to"), ("list", "list"), ("read", "read from"), ("remove", "remove from")]
)
def test_a_bucket_needs_four_rights(tmp_path: Path, bucket: dict[str, object], deed: str, words: str) -> None:
    ObjectStore.denied.add(deed)
    assert refusal("s3://bucket/mine") == (
        f"error[E610]: cannot {words} the storage s3://bucket/mine: Access Denied\n"
        "  = help: let the search and every node write, list, read and remove there, or give another --storage"
    )


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"class": "no_such_package.FileSystem", "err": "Install nosuch to access No Such Storage"}
    monkeypatch.setitem(known_implementations, "nosuch", missing)
    assert refusal("nosuch://bucket") == (
        "error[E610]: cannot write to the storage nosuch://bucket: Install nosuch to access No Such Storage\n"
        "  = help: install that on every node of the cluster and here, or give another --storage"
    )


def test_a_protocol_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    assert refusal("nowhere://bucket") == (
        "error[E610]: cannot write to the storage nowhere://bucket: Protocol not known: nowhere\n"
        "  = help: give another --storage"
    )


def test_credentials_that_are_missing_are_asked_for(
    tmp_path: Path, bucket: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoCredentialsError(Exception):
        """As botocore's, which comes from Exception alone."""

    def refusing(store: ObjectStore, path: str, value: bytes) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    monkeypatch.setattr(ObjectStore, "pipe_file", refusing)
    assert refusal("s3://bucket") == (
        "error[E610]: cannot write to the storage s3://bucket: Unable to locate credentials\n"
        "  = help: give them to the search and, in the environment of `ray start`, to every node"
    )


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("smb://me:secret@host/share/mine-1", "smb://host/share/mine-1"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("/shared/me@here", "/shared/me@here"),
    ],
)
def test_a_password_is_not_repeated(place: str, told: str) -> None:
    assert shown(place) == told
