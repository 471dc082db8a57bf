"""`ressearch export` as a user calls it: a network that was found, retrained and kept, and the ways to get it wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import ressearch
from ressearch.cli import main
from ressearch.data import load_final_data, load_search_data
from ressearch.export import as_python, stored_subject
from ressearch.export.card import card
from ressearch.network import Network
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store
from tests.conftest import DEMO
from tests.exported import candidate_of
from tests.test_cli import run
from tests.test_study import drive

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = """
version: 1
name: tiny
input: {shape: [1, 8, 8], classes: 10}
train: {epochs: 1, batch_size: 64}
stages: [{width: {values: [8, 16]}, block: {use: basic}}]
baselines: {small: {width: 8}}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one network, which was retrained once and kept."""
    path = tmp_path_factory.mktemp("desk")
    digits, space = load_search_data("digits"), SearchSpace.parse(SPACE)
    with closing(Store.create(path / "runs" / "ressearch.db")) as store:
        drive(StudyBooks(space, digits, store, describe_study(space, digits, name="tiny", source="digits", seed=0), 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        words = ["retrain", id_of(path), "--epochs", "1", "--seeds", "1", "--keep", "--device", "cpu"]
        patch.setattr(sys, "argv", ["ressearch", *words])
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        main()
        torch.set_num_threads(threads)
    return path


class Called(NamedTuple):
    status: int
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture
def call(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command in this process, at the desk."""
    monkeypatch.chdir(desk)

    def called(*words: str) -> Called:
        monkeypatch.setattr(sys, "argv", ["ressearch", "export", *words])
        capsys.readouterr()
        status: Any = 0
        try:
            main()
        except SystemExit as left:
            status = left.code
        told = capsys.readouterr()
        return Called(int(status or 0), told.out, told.err)

    return called


def id_of(desk: Path) -> str:
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        return store.trials(store.study(None)[0])[0].architecture_id


def test_the_kept_weights_are_taken_and_what_is_written_is_told(desk: Path, call: Call) -> None:
    id = id_of(desk)
    ran = call(id[:8], "-f", "safetensors")
    assert ran.status == 0, ran.err
    assert ran.out == f"network_{id}.safetensors\n"
    first, second = ran.err.splitlines()
    assert first.startswith("weights: of the retraining of 1 epochs, seed 0: test accuracy ")
    assert second.startswith("checked: max difference 0")
    model = ressearch.create_model(desk / f"network_{id}.safetensors", pretrained=True)
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        [(_, artifact)] = store.artifacts(id)
        kept = torch.load(store.artifacts_folder / artifact.name, weights_only=True)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_how_images_were_normalised_is_told(desk: Path) -> None:
    """By hand, from all images of digits but the test images."""
    data = load_final_data("digits")
    pixels = data.train.images.double()
    with closing(Store.open(desk / "runs" / "ressearch.db")) as store:
        subject = stored_subject(store, id_of(desk))
    assert subject.pixels is not None
    assert subject.pixels.mean == pytest.approx([pixels.mean().item()])
    assert subject.pixels.std == pytest.approx([pixels.std().item()])
    assert f"Images: {subject.pixels}.\n" in as_python.title(subject, "net.pt")
    assert f"Images: {subject.pixels}.\n" in card(subject)


def test_fresh_weights_are_said_to_be_fresh(desk: Path, call: Call) -> None:
    id = id_of(desk)
    asked = call(id, "-f", "safetensors", "--out", "fresh.safetensors", "--weights", "none")
    assert asked.err.splitlines()[0] == "weights: freshly initialised from seed 0"
    assert len(asked.err.splitlines()) == 2
    unknown = call(id, "-f", "safetensors", "--out", "none.safetensors", "--seed", "9")
    assert unknown.status == 4
    assert unknown.err == (
        f"error[E801]: no weights of a retraining with seed 9 are kept of {id}\n"
        "  = help: kept are those of seed 0; --weights none draws new ones\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["python", "onnx", "pt2", "yaml", "dot", "hub"])
def test_every_format_from_a_store(form: str, desk: Path, call: Call) -> None:
    ran = call(id_of(desk), "-f", form, "--out", f"all-{form}{SUFFIX.get(form, f'.{form}')}")
    assert ran.status == 0, ran.err
    assert ran.out.startswith(f"all-{form}")


SUFFIX = {"python": ".py", "hub": ""}


def refused(call: Call, *words: str) -> tuple[int, str]:
    """Exit status and what is said."""
    status, out, err = call(*words)
    assert out == ""
    return status, err


def test_a_file_with_several_networks(desk: Path, call: Call) -> None:
    for what, said in ((str(DEMO), "names several networks"), (f"{DEMO}:resnet9", "names no network 'resnet9'")):
        status, err = refused(call, what, "-f", "dot")
        assert status == 2
        assert err.endswith(f"Error: Invalid value: {DEMO} {said}; write {DEMO}:NAME, one of resnet8, resnet14\n")
    named = call(f"{DEMO}:resnet8", "-f", "dot")
    assert named.status == 0
    assert named.err == "checked: 31 nodes, 33 edges\n"


class Malicious:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch pwned",)


def test_a_file_of_other_weights_and_one_that_would_run_something(desk: Path, call: Call) -> None:
    other = candidate_of("basic").architecture
    torch.save(Network(other).state_dict(), desk / "other.pt")
    id = id_of(desk)
    status, said = refused(call, id, "-f", "safetensors", "--out", "x.safetensors", "--weights", "other.pt")
    assert status == 4
    assert said.startswith(f"error[E801]: other.pt does not hold the weights of {id}: it lacks ")
    assert said.endswith("  = help: they are of another network; --weights none draws new ones\n")
    torch.save({"head.linear.bias": Malicious()}, desk / "bad.pt")
    for name in ("bad.pt", "missing.pt"):
        status, said = refused(call, id, "-f", "safetensors", "--out", "x.safetensors", "--weights", name)
        assert status == 4
        assert (
            said.splitlines()[0]
            == {
                "bad.pt": "error[E801]: bad.pt holds no weights that can be read",
                "missing.pt": "error[E801]: there is no file missing.pt",
            }[name]
        )
    assert not (desk / "pwned").exists()
    assert not (desk / "x.safetensors").exists()


@pytest.mark.slow
def test_as_a_program_of_its_own(desk: Path) -> None:
    status, out, err = run("export", id_of(desk), "-f", "dot", "--out", "own.dot", cwd=desk)
    assert (status, out, err) == (0, "own.dot\n", "checked: 12 nodes, 12 edges\n")
