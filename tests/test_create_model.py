"""`ressearch.create_model` from a store, a folder and a file, in the manner of timm."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ressearch
from ressearch.cost import cost_of
from ressearch.errors import ExportError, StoreError, WeightsError
from ressearch.export import Subject, export, kept_weights, stored_subject
from ressearch.export.create import adapted_stem
from ressearch.export.subject import lively_state
from ressearch.store import Store
from ressearch.store.artifacts import artifact_of
from ressearch.trial import Fidelity, Measurement, MeasurementKey, Recipe, Retraining
from tests.exported import candidate_of, subject_of

pytestmark = pytest.mark.usefixtures("one_thread")

MEASURED = Measurement(0.9, 0.3, 0.2, 1.0, 1.0, 10.0, 1, 1, "cpu", "fp32")


@pytest.fixture(scope="module")
def basic() -> Subject:
    return subject_of("basic")


@pytest.fixture
def store(tmp_path: Path, basic: Subject) -> Path:
    """A store with three retrainings whose weights are kept, the last the shortest."""
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as opened:
        _begun(opened, basic)
        for seed, (epochs, accuracy) in enumerate([(30, 0.91), (30, 0.93), (2, 0.99)]):
            _kept(opened, basic, seed, epochs, accuracy)
    return path


def _begun(store: Store, subject: Subject) -> None:
    from ressearch.data import load_search_data
    from ressearch.search.study import describe_study
    from ressearch.trial import Trial

    assert subject.space is not None
    study = describe_study(subject.space, load_search_data("digits"), name="basics", source="digits", seed=0)
    number = store.create_study(study)
    store.begin(number, Trial(0, subject.architecture.id, {}, 0), subject.architecture, cost_of(subject.architecture))


def _kept(store: Store, subject: Subject, seed: int, epochs: int, accuracy: float) -> None:
    measured = replace(MEASURED, accuracy=accuracy)
    one = Retraining(subject.architecture.id, Recipe(), "data", Fidelity(epochs), seed, measured)
    store.record_retraining(one)
    store.artifacts_folder.mkdir(exist_ok=True)
    file = store.artifacts_folder / f"{seed}.pt"
    torch.save({**lively_state(subject.architecture), "head.linear.bias": torch.full((5,), float(seed))}, file)
    key = MeasurementKey(one.architecture_id, one.recipe.digest("data"), one.fidelity, seed)
    store.record_artifact(key, artifact_of(file))


def images(count: int = 4, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, 8, 8, generator=torch.Generator().manual_seed(2))


# From a store


def test_the_longest_and_then_the_most_accurate_retraining_is_taken(store: Path, basic: Subject) -> None:
    with closing(Store.open(store)) as opened:
        weights = kept_weights(opened, basic.architecture)
        chosen = kept_weights(opened, basic.architecture, seed=2)
        assert kept_weights(opened, basic.architecture, seed=9) is None
    assert weights is not None
    assert weights.origin == "of the retraining of 30 epochs, seed 1: test accuracy 93.00 %"
    assert weights.chosen_of == 3
    assert chosen is not None
    assert chosen.origin == "of the retraining of 2 epochs, seed 2: test accuracy 99.00 %"
    model = ressearch.create_model(basic.architecture.id[:8], pretrained=True, store=store)
    assert model.state_dict()["head.linear.bias"].tolist() == [1.0] * 5
    assert model.training


def test_a_model_without_weights_is_drawn_from_torchs_generator(store: Path, basic: Subject) -> None:
    torch.manual_seed(5)
    one = ressearch.create_model(basic.architecture.id, store=store).state_dict()
    torch.manual_seed(5)
    same = ressearch.create_model(basic.architecture.id, store=store).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)


def test_the_store_of_the_environment(store: Path, basic: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESSEARCH_STORE", str(store))
    assert ressearch.create_model(basic.architecture.id).architecture == basic.architecture
    with pytest.raises(StoreError) as error:
        ressearch.create_model("ffff")
    assert error.value.message == "no architecture has an id that begins with 'ffff'"


def test_weights_that_were_changed_or_are_gone(store: Path, basic: Subject) -> None:
    id, file = basic.architecture.id, store.with_name("results.db.artifacts") / "1.pt"
    with closing(Store.open(store)) as opened:
        file = opened.artifacts_folder / "1.pt"
    again = f"`ressearch retrain {id} --epochs N --keep` makes them anew, --weights none does without"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError) as error:
        ressearch.create_model(id, pretrained=True, store=store)
    assert str(error.value) == (
        f"error[E801]: the weights {file} are not those that were recorded: another sha256\n  = help: {again}"
    )
    file.unlink()
    with pytest.raises(WeightsError) as error:
        ressearch.create_model(id, pretrained=True, store=store)
    assert str(error.value) == f"error[E801]: the weights {file} are gone\n  = help: {again}"


def test_a_network_whose_weights_nobody_kept(tmp_path: Path, basic: Subject) -> None:
    with closing(Store.create(tmp_path / "results.db")) as opened:
        _begun(opened, basic)
        subject = stored_subject(opened, basic.architecture.id, seed=3)
    assert (subject.weights.trained, subject.weights.origin) == (False, "freshly initialised from seed 3")
    assert subject.space is not None
    assert subject.recipe == Recipe()
    with pytest.raises(WeightsError) as error:
        ressearch.create_model(basic.architecture.id, pretrained=True, store=tmp_path / "results.db")
    assert str(error.value) == (
        f"error[E801]: no trained weights are kept of {basic.architecture.id}\n"
        f"  = help: `ressearch retrain {basic.architecture.id} --epochs N --keep` makes some"
    )


# From what was exported


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, basic: Subject) -> Path:
    path = tmp_path_factory.mktemp("exported") / "net.safetensors"
    export(basic, "safetensors", path)
    return path


def test_a_file_needs_no_store(file: Path, basic: Subject) -> None:
    model = ressearch.create_model(file, pretrained=True).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(images()), basic.network()(images()), rtol=0, atol=0)


def test_another_number_of_classes_begins_with_a_new_head_on_the_same_body(file: Path, basic: Subject) -> None:
    model = ressearch.create_model(file, pretrained=True, num_classes=7)
    own, state = model.state_dict(), basic.weights.state
    changed = {name for name, value in own.items() if value.shape != state[name].shape or not value.equal(state[name])}
    assert changed == {"head.linear.weight", "head.linear.bias"}
    assert model.eval()(images()).shape == (4, 7)


def test_a_grey_image_scores_as_the_same_in_three_channels(file: Path, basic: Subject) -> None:
    """And six channels, the three of them twice, as the three."""
    grey, network = images(channels=1), basic.network()
    with torch.no_grad():
        one = ressearch.create_model(file, pretrained=True, in_chans=1).eval()(grey)
        torch.testing.assert_close(one, network(grey.expand(-1, 3, -1, -1)), rtol=1e-5, atol=1e-5)
        six = ressearch.create_model(file, pretrained=True, in_chans=6).eval()(images().repeat(1, 2, 1, 1))
        torch.testing.assert_close(six, network(images()), rtol=1e-5, atol=1e-5)


def test_stem_weights_for_more_and_for_fewer_channels() -> None:
    """Written out by hand for weights 1, 2, 3 of three channels."""
    weight = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    assert adapted_stem(weight[:, :1], 3).flatten().tolist() == pytest.approx([1 / 3] * 3)
    assert adapted_stem(weight, 1).flatten().tolist() == [6.0]
    assert adapted_stem(weight, 2).flatten().tolist() == [1.5, 3.0]
    assert adapted_stem(weight, 5).flatten().tolist() == pytest.approx([0.6, 1.2, 1.8, 0.6, 1.2])


def test_numbers_that_do_not_fit(file: Path, basic: Subject, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as error:
        ressearch.create_model(file, num_classes=0)
    assert error.value.message == "num_classes must be a whole number from 1, got 0"
    direct = candidate_of("dense").architecture
    wide = replace(basic, architecture=direct, weights=replace(basic.weights, state=lively_state(direct)))
    export(wide, "safetensors", tmp_path / "dense.safetensors")
    assert ressearch.create_model(tmp_path / "dense.safetensors", pretrained=True, in_chans=4) is not None


def test_a_file_that_tells_of_no_network(tmp_path: Path, basic: Subject) -> None:
    from safetensors.torch import save_file

    state = {name: value.contiguous() for name, value in basic.weights.state.items()}
    path, hint = tmp_path / "net.safetensors", "it should be of `ressearch export ID -f safetensors` or `-f hub`"
    save_file(state, path)
    with pytest.raises(ExportError) as error:
        ressearch.create_model(path)
    assert str(error.value) == f"error[E800]: {path} tells of no architecture\n  = help: {hint}"
    save_file(state, path, {"id": "0" * 16, "architecture": basic.architecture.to_json()})
    with pytest.raises(ExportError) as error:
        ressearch.create_model(path)
    assert error.value.message == (
        f"the architecture in {path} has the id {basic.architecture.id}, not {'0' * 16} as it says"
    )
    save_file(state, path, {"id": "0" * 16, "architecture": "{}"})
    with pytest.raises(ExportError, match="cannot be read: not an architecture"):
        ressearch.create_model(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError) as error:
        ressearch.create_model(tmp_path / "folder")
    assert str(error.value) == (
        f"error[E800]: {tmp_path}/folder/config.json cannot be read\n"
        "  = help: it should be a folder of `ressearch export ID -f hub`"
    )
    (tmp_path / "folder" / "config.json").write_text(json.dumps([]))
    with pytest.raises(ExportError, match="tells of no architecture"):
        ressearch.create_model(tmp_path / "folder")


def test_a_name_that_the_package_does_not_have() -> None:
    with pytest.raises(AttributeError) as error:
        _ = ressearch.create_models
    assert str(error.value) == "module 'ressearch' has no attribute 'create_models'"


@pytest.mark.slow
def test_importing_the_package_starts_nothing_heavy() -> None:
    script = (
        "import sys, ressearch; assert 'torch' not in sys.modules; assert callable(ressearch.create_model);"
        "assert 'torch' in sys.modules; assert 'ray' not in sys.modules; assert 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
