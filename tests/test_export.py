"""The formats: each reads back as the network, each kind of damage is found, and nothing is left of what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ressearch.errors import ExportError, MismatchError, WeightsError
from ressearch.export import FORMATS, Subject, as_hub, as_onnx, as_pt2, as_python, export, fresh_weights, packages
from ressearch.export.check import Difference, difference
from ressearch.export.subject import lively_state
from ressearch.network import Network
from ressearch.space import SearchSpace
from tests.exported import PATTERNS, subject_of

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ["safetensors", "yaml", "dot"]
"""Formats that are written and checked in no time."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Subject, Path]]:
    """A network in a format, written once for all who look at it."""
    folder, subject = tmp_path_factory.mktemp("exported"), subject_of("basic")

    def made(form: str) -> tuple[Subject, Path]:
        path = folder / f"net{FORMATS[form].suffix}"
        if not path.exists():
            export(subject, form, path)
        return subject, path

    return made


def found_in(checked: str) -> float:
    """The difference that a check tells of."""
    return float(checked.removeprefix("max difference ").split()[0])


@pytest.mark.parametrize("form", QUICK)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_in_the_quick_formats(form: str, pattern: str, tmp_path: Path) -> None:
    out = tmp_path / f"net.{form}"
    exported = export(subject_of(pattern), form, out)
    assert exported.paths == (out,)
    if FORMATS[form].weighs:
        assert found_in(exported.checked) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("form", ["python", "onnx", "pt2", "hub"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_in_the_slow_formats(form: str, pattern: str, tmp_path: Path) -> None:
    exported = export(subject_of(pattern), form, tmp_path / f"net{FORMATS[form].suffix}")
    assert found_in(exported.checked) < 1e-5


def test_a_format_is_a_row() -> None:
    from ressearch.cli.export import FORMATS as OFFERED

    assert tuple(FORMATS) == OFFERED


def test_fresh_weights_are_checked_by_others_as_well(tmp_path: Path) -> None:
    """Where a gate starts at nothing, fresh weights say nothing about the branch behind it."""
    subject = subject_of("zero-gamma")
    fresh = replace(subject, weights=fresh_weights(subject.architecture, 3))
    lines = export(fresh, "safetensors", tmp_path / "net.safetensors").checked.split("; ")
    assert lines[0].startswith("max difference 0")
    assert lines[1].startswith("with weights drawn for the check max difference ")
    torch.manual_seed(3)
    drawn = Network(subject.architecture).state_dict()
    assert all(torch.equal(value, fresh.weights.state[name]) for name, value in drawn.items())


def test_weights_drawn_for_a_check_leave_nothing_out() -> None:
    """Each tensor has a say: another value of it gives other scores; without this a check could miss a branch."""
    for pattern in ("zero-conv", "layer-scale", "excitation"):
        architecture = subject_of(pattern).architecture
        state, network = lively_state(architecture), Network(architecture).eval()
        images = torch.randn(4, *architecture.input_shape)
        network.load_state_dict(state)
        with torch.no_grad():
            before = network(images)
            for name, value in state.items():
                if value.is_floating_point() and not name.endswith("conv.bias"):
                    network.load_state_dict({**state, name: value * 1.5 + 0.1})
                    assert (network(images) - before).abs().max() > 1e-4, (pattern, name)


# Saboteurs: what is written is damaged, and the check finds it


def caught(form: str, subject: Subject, path: Path) -> str:
    with pytest.raises(MismatchError) as error:
        FORMATS[form].check(subject, path)
    return error.value.message


Written = Callable[[str], tuple[Subject, Path]]


def test_a_changed_weight_of_a_safetensors_file(written: Written, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    subject, path = written("safetensors")
    state = load_file(path)
    state["stages.1.block.0.basic.body.0.conv.weight"][0, 0, 0, 0] += 0.1
    with safe_open(path, "pt") as file:
        save_file(state, tmp_path / "net.safetensors", file.metadata())
    message = caught("safetensors", subject, tmp_path / "net.safetensors")
    assert message.startswith("what was written does not compute what the network does: max difference ")
    assert message.endswith("; no file is left")


@pytest.mark.slow
@pytest.mark.parametrize("weight", [False, True], ids=["edge", "weight"])
def test_a_changed_edge_and_a_changed_weight_of_a_python_file(weight: bool, written: Written, tmp_path: Path) -> None:
    subject, path = written("python")
    text, state = path.read_text(), torch.load(path.with_suffix(".pt"), weights_only=True)
    if weight:
        state["stage2.0.norm1.running_mean"][0] += 0.1
    else:
        text = text.replace("return F.relu(y + x)", "return F.relu(y + y)")
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "net.py").write_text(text)
    assert "max difference" in caught("python", subject, tmp_path / "net.py")


def test_a_python_file_that_needs_us(written: Written, tmp_path: Path) -> None:
    subject, path = written("python")
    (tmp_path / "net.py").write_text(path.read_text().replace("import torch\n", "import ressearch\n", 1))
    message = caught("python", subject, tmp_path / "net.py")
    assert message == (
        "what was written does not run: ModuleNotFoundError: import of ressearch halted; None in sys.modules; "
        "no file is left"
    )


def test_a_space_of_another_network(written: Written, tmp_path: Path) -> None:
    subject, path = written("yaml")
    (tmp_path / "net.yaml").write_text(path.read_text().replace("width: 16", "width: 24"))
    other = next(iter(SearchSpace.load(tmp_path / "net.yaml").networks.values())).architecture.id
    assert caught("yaml", subject, tmp_path / "net.yaml") == (
        f"what was written builds {other}, not {subject.architecture.id}; no file is left"
    )


def test_a_drawing_with_an_edge_less(written: Written, tmp_path: Path) -> None:
    subject, path = written("dot")
    (tmp_path / "net.dot").write_text(path.read_text().replace("  n3 -> n4;\n", ""))
    nodes, edges = len(subject.architecture), sum(len(node.inputs) for node in subject.architecture.nodes)
    assert caught("dot", subject, tmp_path / "net.dot") == (
        f"what was written has {nodes} nodes and {edges - 1} edges, the network {nodes} and {edges}; no file is left"
    )


def test_an_onnx_file_at_two_batch_sizes_and_with_a_changed_weight(written: Written, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    subject, path = written("onnx")
    images = [torch.randn(count, *subject.architecture.input_shape) for count in (1, 7)]
    with torch.no_grad():
        for own, other in zip(map(subject.network(), images), as_onnx.scores(path, images), strict=True):
            torch.testing.assert_close(own, other, rtol=0, atol=1e-5)
    model = onnx.load(path)
    assert [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        3,
        8,
        8,
    ]
    assert {one.key: one.value for one in model.metadata_props}["id"] == subject.architecture.id
    weight = next(one for one in model.graph.initializer if one.name.endswith("conv.weight"))
    changed = numpy_helper.to_array(weight).copy()
    changed.flat[0] += 0.1
    weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
    onnx.save_model(model, tmp_path / "net.onnx")
    assert "max difference" in caught("onnx", subject, tmp_path / "net.onnx")


def test_a_program_of_other_weights(written: Written) -> None:
    subject, path = written("pt2")
    assert found_in(FORMATS["pt2"].check(subject, path)) < 1e-5
    other = replace(subject, weights=fresh_weights(subject.architecture, 1))
    assert "max difference" in caught("pt2", other, path)


def test_a_hub_folder_and_names_that_were_exchanged(tmp_path: Path) -> None:
    """Its Python file is run by the slow suite alone."""
    subject, path = subject_of("basic"), tmp_path / "hub"
    as_hub.write(subject, path)
    assert difference(subject, lambda images: as_hub.scores(path, images)).absolute < 1e-5
    assert sorted(file.name for file in path.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "network.py",
    ]
    config = json.loads((path / "config.json").read_text())
    assert (config["architecture_id"], config["num_classes"]) == (subject.architecture.id, 5)
    card = (path / "README.md").read_text()
    assert f"# Network {subject.architecture.id} (basic)" in card
    assert "FLOPs an image (2 x MACs; convolutions and linear layers)" in card
    names = config["parameters"]
    one, other = (f"stages.0.block.{number}.basic.body.0.norm.running_mean" for number in (0, 1))
    names[one], names[other] = names[other], names[one]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes())
    with pytest.raises(MismatchError, match="max difference"):
        difference(subject, lambda images: as_hub.scores(tmp_path, images))


def test_scores_that_are_nan_or_of_another_shape() -> None:
    subject = subject_of("plain")
    assert not Difference(float("nan"), 1.0).fine
    with pytest.raises(MismatchError, match=r"max difference nan"):
        difference(subject, lambda images: [torch.full((len(batch), 5), float("nan")) for batch in images])
    with pytest.raises(MismatchError) as error:
        difference(subject, lambda images: [torch.zeros(len(batch), 4) for batch in images])
    assert error.value.message == (
        "what was written makes scores of shape [(2, 4), (5, 4)], the network of [(2, 5), (5, 5)]; no file is left"
    )


# All or nothing


def test_nothing_is_left_of_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that forgets to write one norm as it is."""
    row = FORMATS["safetensors"]

    def forgetful(subject: Subject, path: Path) -> None:
        name = "stages.0.block.0.basic.body.0.norm.weight"
        state = {**subject.weights.state, name: torch.ones_like(subject.weights.state[name])}
        row.write(replace(subject, weights=replace(subject.weights, state=state)), path)

    monkeypatch.setitem(FORMATS, "safetensors", replace(row, write=forgetful))
    (tmp_path / "kept.safetensors").write_text("as it was")
    with pytest.raises(MismatchError) as error:
        export(subject_of("basic"), "safetensors", tmp_path / "net.safetensors")
    assert str(error.value).splitlines()[1] == (
        "  = help: please report it with the id and the versions; `ressearch explain E802` says more"
    )
    with pytest.raises(MismatchError):
        export(subject_of("basic"), "safetensors", tmp_path / "kept.safetensors", force=True)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.safetensors"]
    assert (tmp_path / "kept.safetensors").read_text() == "as it was"


@pytest.mark.parametrize("form", ["yaml", pytest.param("hub", marks=pytest.mark.slow)])
def test_what_is_there_is_replaced_only_when_asked(form: str, written: Written, tmp_path: Path) -> None:
    subject, out = subject_of("basic"), tmp_path / f"there{FORMATS[form].suffix}"
    if form == "hub":
        out.mkdir()
        (out / "mine.txt").touch()
    else:
        out.write_text("mine")
    with pytest.raises(ExportError) as error:
        export(subject, form, out)
    assert str(error.value) == (
        f"error[E800]: {out} is there already\n  = help: --force replaces it, --out names another"
    )
    export(subject, form, out, force=True)
    assert not (out / "mine.txt").exists()
    assert out.is_dir() == (form == "hub")
    assert [one.name for one in tmp_path.iterdir()] == [out.name]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError) as error:
        export(subject_of("basic"), "dot", tmp_path / "file" / "net.dot")
    assert str(error.value) == (
        f"error[E800]: cannot write {tmp_path}/file/net.dot: File exists\n  = help: give another --out"
    )


def test_a_name_that_says_another_format(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as error:
        export(subject_of("basic"), "python", Path("net.pt"))
    assert str(error.value) == (
        "error[E800]: net.pt does not end in .py, as -f python does\n  = help: give another --out"
    )


def test_a_network_of_no_known_space(tmp_path: Path) -> None:
    subject = replace(subject_of("basic"), space=None)
    with pytest.raises(ExportError) as error:
        export(subject, "yaml", tmp_path / "net.yaml")
    assert str(error.value) == (
        f"error[E800]: no search space is known that makes {subject.architecture.id}\n"
        "  = help: only networks of a study or of a file can be written as one"
    )


def test_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(WeightsError) as error:
        export(subject_of("basic"), "onnx", tmp_path / "net.onnx")
    assert str(error.value) == (
        "error[E801]: the package onnxscript is missing, which this export needs\n"
        "  = help: pip install 'ressearch[export]'"
    )
    assert packages.needed("json") is json


def test_the_files_are_readable_by_others(written: Written) -> None:
    """Not only by who wrote them, as files of a temporary folder are."""
    for form in QUICK:
        assert written(form)[1].stat().st_mode & 0o444 == 0o444


@pytest.mark.slow
def test_the_file_runs_as_a_script(written: Written) -> None:
    subject, path = written("python")
    ran = subprocess.run([sys.executable, path.name], cwd=path.parent, capture_output=True, text=True, check=True)
    params = sum(one.numel() for one in Network(subject.architecture).parameters())
    assert ran.stdout.splitlines()[0] == f"{params:,} parameters"
    assert as_python.title(subject, "net.pt").splitlines()[0] in path.read_text()


def test_names_that_python_or_torch_has_taken() -> None:
    """torch.export writes Python that says them: `in` is a keyword, and every module has a `half`."""
    text = (
        "version: 1\nname: names\ninput: {shape: [3, 8, 8], classes: 5}\n"
        "stages: [{width: 4, block: {graph: {nodes: {half: {op: conv1x1}, class: {op: conv3x3}, half_: {op: conv1x1}}, "
        "edges: [[in, half], [half, class], [class, half_], [half_, out], [in, out]]}}}]\n"
    )
    space = SearchSpace.parse(text)
    candidate = space.decode_stored({})
    subject = replace(
        subject_of("basic"),
        architecture=candidate.architecture,
        weights=replace(subject_of("basic").weights, state=lively_state(candidate.architecture)),
    )
    program = as_pt2.program(subject).module()
    assert difference(subject, lambda images: [program(batch) for batch in images]).absolute < 1e-5
