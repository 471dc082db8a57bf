"""Weights that are kept: they are those that were measured, and they go when nothing refers to them, not before."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.data import load_final_data
from ressearch.network import Network
from ressearch.ranking import pareto_front
from ressearch.retraining import retrain
from ressearch.store import Store
from ressearch.store.artifacts import GRACE_SECONDS, Removal, artifact_of
from ressearch.training import Training
from ressearch.trial import Artifact, Fidelity, MeasurementKey, Recipe, Retraining
from tests.conftest import demo_space
from tests.store_samples import CHECKSUM, KEY, MEASURED, NET, RECIPE, STUDY, begin, complaint, key_of, network

LONG_AGO = time.time() - 2 * GRACE_SECONDS


@pytest.fixture(autouse=True)
def in_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # of a store on PostgreSQL files are in runs/ of the directory


def retrained(store: Store, classes: int = 10, seed: int = 0) -> MeasurementKey:
    one = Retraining(network(classes).id, RECIPE, CHECKSUM, Fidelity(2), seed, MEASURED)
    store.record_retraining(one)
    return MeasurementKey(one.architecture_id, RECIPE.digest(CHECKSUM), one.fidelity, seed)


def keep(store: Store, key: MeasurementKey, content: bytes = b"weights") -> Path:
    folder = store._database.artifacts
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key.architecture_id}-{key.seed}.pt"
    file.write_bytes(content)
    os.utime(file, (LONG_AGO, LONG_AGO))
    store.record_artifact(key, artifact_of(file))
    return file


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_weights_that_are_kept_are_those_that_were_measured(tmp_path: Path, ema: float) -> None:
    data, architecture = load_final_data("digits"), demo_space.baselines["resnet8"].architecture
    recipe = Recipe(batch_size=64, ema=ema, amp=False)
    file = tmp_path / "new folder" / "weights.pt"
    found = retrain(architecture, data, recipe, 1, 3, weights=file)
    assert list(file.parent.iterdir()) == [file]
    state = torch.load(file, weights_only=True)
    assert set(state) == set(Network(architecture).state_dict())
    fresh = Training(architecture, data, replace(recipe, ema=0.0), Fidelity(1), 5, "cpu")
    fresh.network.load_state_dict(state)
    assert fresh.evaluate(data.validation) == (found.measurement.accuracy, found.measurement.loss)


def test_weights_are_of_a_retraining_and_later_ones_replace_them(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    artifact = Artifact("a.pt", "0" * 64, 7)
    nothing = replace(KEY, fidelity=Fidelity(2))
    told = f"error[E500]: no such retraining of {NET.id} is in the store\n  = help: record it first"
    assert complaint(store.record_artifact, nothing, artifact) == told
    first, second = retrained(store), retrained(store, seed=1)
    store.record_artifact(first, artifact)
    store.record_artifact(second, replace(artifact, name="b.pt"))
    store.record_artifact(first, replace(artifact, bytes=8))
    assert [(one.seed, kept) for one, kept in store.artifacts(NET.id)] == [
        (0, replace(artifact, bytes=8)),
        (1, replace(artifact, name="b.pt")),
    ]
    assert store.artifacts("0" * 16) == []
    assert store.artifacts() == store.artifacts(NET.id)


def test_pruning_takes_what_nothing_refers_to_and_nothing_else(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    assert store.prune() == []
    kept, gone = keep(store, retrained(store)), keep(store, retrained(store, seed=1))
    gone.unlink()
    left = kept.with_name("left.pt.123")
    left.write_bytes(b"12345")
    under_way = kept.with_name("under_way.pt")
    under_way.write_bytes(b"")
    os.utime(left, (LONG_AGO, LONG_AGO))
    told = [
        *([] if store._database.shared else [Removal(gone, 0, "gone, and forgotten now")]),
        Removal(left, 5, "of no retraining in the store"),
    ]
    assert store.prune(dry_run=True) == told
    assert left.exists()
    assert len(store.artifacts()) == 2
    assert store.prune() == told
    assert sorted(kept.parent.iterdir()) == sorted([kept, under_way])
    assert [one.seed for one, _ in store.artifacts()] == ([0, 1] if store._database.shared else [0])
    assert store.prune() == []
    assert str(told[-1]) == f"{left}: 5 bytes, of no retraining in the store"


def test_old_weights_are_removed_when_that_is_asked(store: Store, study_id: int) -> None:
    begin(store, study_id, 0)
    old, new = keep(store, retrained(store)), keep(store, retrained(store, seed=1))
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE artifacts SET created = created - 864000 WHERE id = 1")
    assert store.prune(older_than=11) == []
    assert store.prune(older_than=9) == [Removal(old, 7, "old")]
    assert [one.seed for one, _ in store.artifacts()] == [1]
    assert list(new.parent.iterdir()) == [new]


def test_weights_of_networks_on_a_front_are_kept(store: Store) -> None:
    """Which those are is what `pareto_front` says, study by study."""
    points = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.integers(2, 5), st.booleans()), max_size=6)

    @settings(max_examples=10)
    @given(studies=st.lists(points, min_size=1, max_size=2))
    def holds(studies: list[list[tuple[float, int, bool]]]) -> None:
        emptied(store)
        wanted = set()
        for which, trials in enumerate(studies):
            study_id = store.create_study(replace(STUDY, name=f"study {which}"))
            for number, (accuracy, classes, failed) in enumerate(trials):
                tried(store, study_id, number, classes, None if failed else accuracy)
            results = store.results(study_id)
            wanted |= {results[at].id for at in pareto_front([(r.accuracy, r.macs) for r in results])}
        tried_ones = {classes for trials in studies for _, classes, _ in trials}
        for classes in tried_ones:
            keep(store, retrained(store, classes))
        store.prune(off_front=True, older_than=1)
        assert len(store.artifacts()) == len(tried_ones)
        store.prune(off_front=True)
        assert {one.architecture_id for one, _ in store.artifacts()} == wanted

    holds()


def emptied(store: Store) -> None:
    with store._database.writing() as connection:
        for table in ("artifacts", "retrainings", "trials", "measurements", "studies"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def tried(store: Store, study_id: int, number: int, classes: int, accuracy: float | None) -> None:
    """A finished trial, each with a seed of its own."""
    from ressearch.trial import Failure

    net = begin(store, study_id, number, classes)
    if accuracy is None:
        store.fail(study_id, number, "it failed", Failure.ERROR)
    else:
        key = replace(key_of(net), seed=100 * study_id + number)
        store.complete(study_id, number, key, replace(MEASURED, accuracy=accuracy), RECIPE)


def test_nobody_else_is_told_of_weights(store: Store, study_id: int, tmp_path: Path) -> None:
    """They stay where they are, and so does what tells of them."""
    begin(store, study_id, 0)
    keep(store, retrained(store))
    lines = list(store.export())
    assert not any(".pt" in line for line in lines)
    from tests.test_exchange import take

    with closing(Store.create(tmp_path / "other.db")) as other:
        assert take(other, lines).new["retraining"] == 1
        assert other.artifacts() == []
