"""The page: well-formed, small, without any request, sensible whatever a study holds, harmless whatever was typed."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ressearch.cli import cli
from ressearch.network import Network as Module
from ressearch.report import page as page_room
from ressearch.report import report
from ressearch.report.findings import findings
from ressearch.report.gradients import gradient_norms
from ressearch.report.markup import VOID, element, json_text
from ressearch.report.origin import command
from ressearch.report.panel import packed, relative
from ressearch.space import SearchSpace
from ressearch.store import Limits, Store
from ressearch.trial import Failure, Fidelity, Recipe, Retraining
from tests.conftest import demo_space
from tests.report_samples import STUDY, climbed, drawn, failed, filled, finished
from tests.store_samples import CHECKSUM, MEASURED, ROOT

LIMIT = 1_000_000


class Page(HTMLParser):
    """What a page holds; every element is closed where it should be, or it is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, tag: str | None = None) -> str:
        return "".join(text for inside, text in self.texts if inside == tag or (tag is None and inside != "script"))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def unpacked(text: str) -> dict[int, str]:
    """The panels of a page, as its script restores them."""
    data = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', text)
    assert data is not None
    known = json.loads(gzip.decompress(base64.b64decode(data[1])))
    return {
        int(number): restored("\n".join(known["lines"][at] for at in lines)) for number, lines in known["pages"].items()
    }


def restored(text: str) -> str:
    """Steps from place to place are places again."""
    last = [0, 0]

    def place(step: str, axis: int) -> str:
        last[axis] += int(step)
        return f"{last[axis] / 100:g}" if abs(last[axis]) < 10**7 else str(last[axis] / 100)

    def attribute(found: re.Match[str]) -> str:
        parts = re.split(r"(-?\d+)", found[2])
        path = found[1].strip() == 'd="'
        axes = [(at // 2) % 2 if path else int("y" in found[1]) for at in range(len(parts))]
        told = [place(part, axes[at]) if at % 2 else part for at, part in enumerate(parts)]
        return found[1] + "".join(told) + '"'

    return re.sub(r'( (?:c?[xy]|[xy][12]|d)=")([^"]*)"', attribute, text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def sample(folder: Path) -> Path:
    """A store with a study in which everything happened."""
    file = folder / "sample.db"
    store = Store.create(file)
    study_id = filled(store, 24, baselines=("resnet8",))
    failed(store, study_id, 24, "Traceback (most recent call last)\nValueError: <b>no</b>")
    failed(store, study_id, 25, "killed", Failure.WORKER_DIED)
    climbed(store, study_id, 26, drawn(demo_space, 34)[24:], stay=2)
    front = findings(store).front
    for at, network in enumerate(front[:5]):
        for seed in range(1 + at % 2 * 2):
            measured = replace(MEASURED, accuracy=0.9 + 0.01 * at + 0.001 * seed)
            store.record_retraining(Retraining(network.id, Recipe(), CHECKSUM, Fidelity(30), seed, measured))
    store.close()
    return file


@pytest.fixture(scope="module")
def text(sample: Path) -> str:
    return report(Store.open(sample), "sample", gradients=False)


def test_the_page_is_well_formed_and_titled(text: str) -> None:
    read = Page(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert read.text("title").startswith("sample: 32 networks")
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [a["aria-labelledby"] for _, a in read.elements if "aria-labelledby" in a]
    assert set(labelled) <= set(ids)
    for panel in unpacked(text).values():
        Page(panel)


def test_nothing_is_fetched(text: str) -> None:
    whole = "\n".join([re.sub(r'id="data">[^<]*<', 'id="data"><', text), *unpacked(text).values()])
    assert set(re.findall(r"""https?://[^"'<\s)]*""", whole)) <= {"http://www.w3.org/2000/svg"}
    targets = re.findall(r'\b(?:src|href|action|poster|data|srcset|xlink:href)="([^"]*)"', whole)
    assert {target.partition(",")[0] for target in targets} <= {"#network", "data:text/csv;charset=utf-8"}
    assert not re.search(r"url\(|@import|<link|<iframe|<object|<embed|fetch\(|XMLHttpRequest|import\(", whole)


def test_all_is_said(text: str) -> None:
    said = Page(text).text()
    for part in (
        "Which networks are worth their FLOPs",
        "knee of the front",
        "n = 1",
        "resnet8",
        "error: 1 trial",
        "worker died: 1 trial",
        "2 trials stopped early",
        "accuracy after 3 against 9 epochs",
        "search against retrained accuracy, 30 epochs",
        "mean 91.10 % over 3 seed(s), standard deviation 0.10",
        "ressearch search space.yaml --data digits --seed 7 --name sample --trials 40 --workers 2 --proposer evolution",
        f"digest {demo_space.digest}",
        f"checksum {CHECKSUM}",
        "0123abc",
        "torch 2.13.0",
        "ValueError: <b>no</b>",
    ):
        assert part in said, part
    assert demo_space.text in said


def test_a_search_of_as_many_workers_as_cores_is_made_again_with_as_many() -> None:
    """What is proposed depends on how many ran at once, wherever it is made again."""
    assert STUDY.search is not None
    search = {name: value for name, value in STUDY.search.items() if name != "workers"}
    assert command(replace(STUDY, search={**search, "cores": 2})) == command(
        replace(STUDY, search={**search, "workers": 2})
    )
    assert " --workers 2 " in command(replace(STUDY, search={**search, "cores": 2}))


def test_a_point_for_each_network_in_both_figures_and_a_panel(sample: Path, text: str) -> None:
    networks = findings(Store.open(sample)).networks
    points = [a["data-network"] for tag, a in Page(text).elements if tag == "g" and "data-network" in a]
    assert sorted(points) == sorted(2 * [str(at) for at in range(len(networks))])
    panels = unpacked(text)
    for at, network in enumerate(networks):
        assert network.id in panels[at]
        assert f"{network.cost.macs:,}" in panels[at]
        assert "Wiring of network" in panels[at]
    assert sum("Learning curve" in panel for panel in panels.values()) == 8


def test_the_data_of_the_front_are_its_networks(sample: Path, text: str) -> None:
    link = next(a for a in Page(text).all("a") if a.get("download") == "front.csv")
    rows = list(csv.DictReader(io.StringIO(unquote(link["href"].partition(",")[2]))))
    networks = findings(Store.open(sample)).networks
    told = [(row["id"], float(row["accuracy"]), int(row["macs"]), row["baseline"]) for row in rows]
    assert told == [(one.id, one.accuracy, one.cost.macs, one.baseline or "") for one in networks]
    on_front = {row["id"] for row in rows if row["on_front"] == "1"}
    assert on_front == {one.id for one in findings(Store.open(sample)).front}


def test_the_same_store_gives_the_same_page(sample: Path, text: str) -> None:
    assert report(Store.open(sample), gradients=False) == text


# Size


@pytest.mark.slow
def test_three_hundred_networks_are_below_a_megabyte(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    filled(store, 300)
    text = report(store, gradients=False)
    assert len(text.encode()) < LIMIT
    panels = unpacked(text)
    assert len(panels) == 300
    assert all("Wiring of network" in panel for panel in panels.values())


@pytest.mark.slow
@pytest.mark.parametrize("file", ["fashion", "nested"])
def test_three_hundred_large_networks_are_below_a_megabyte(file: str, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study_id = store.create_study(STUDY)
    store.record(study_id, finished(drawn(SearchSpace.load(ROOT / "search_spaces" / f"{file}.yaml"), 300)))
    text = report(store)
    assert len(text.encode()) < LIMIT
    assert sum("Wiring of network" in panel for panel in unpacked(text).values()) == 300


def test_drawings_far_below_the_front_give_way(sample: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = len(text.encode()) - 8_000
    monkeypatch.setattr(page_room, "MOST_BYTES", room)
    found = findings(Store.open(sample))
    small = report(Store.open(sample), gradients=False)
    assert len(small.encode()) <= room
    panels = unpacked(small)
    left_out = {at for at, panel in panels.items() if "would make the page too large" in panel}
    assert left_out
    assert len(panels) == len(found.networks)
    assert not left_out & {found.position(one) for one in found.front}


# Packing


@pytest.mark.parametrize("name", ["demo", "fashion", "rrdb"])
def test_packed_drawings_are_restored(name: str, folder: Path) -> None:
    from ressearch.drawing import svg

    space = SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")
    for candidate in drawn(space, 3):
        drawing = svg(candidate.architecture)
        assert restored(relative(drawing)) == drawing


def test_packing_is_deterministic() -> None:
    assert packed({0: '<rect x="1.5" y="2"/>\n<p>'}) == packed({0: '<rect x="1.5" y="2"/>\n<p>'})


# Studies of all kinds


def test_an_empty_study(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    store.create_study(STUDY)
    said = Page(report(store)).text()
    assert "No trial of this study has begun yet." in said
    assert "How to make it again" in said


def test_all_failed(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study_id = store.create_study(STUDY)
    for number in range(8):
        failed(store, study_id, number, f"RuntimeError: {number}", Failure.OUT_OF_MEMORY)
    said = Page(report(store)).text()
    assert "No trial of this study is complete yet. All trials failed, see below." in said
    assert "out of memory: 8 trials" in said
    assert "3 more: `best --failed` lists them." in said


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_trials_and_no_baseline(count: int, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    filled(store, count, replace(STUDY, space_text="version: 1\n"))
    said = Page(report(store, gradients=count == 1)).text()
    assert "The file names no baselines" in said
    assert "It takes 8 measured networks" in said
    assert ("It takes two networks" in said) == (count == 1)
    assert ("how strongly each layer feels the loss" in said) == (count == 1)


def test_baselines_alone(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    filled(store, 2, baselines=("one", "two"))
    assert "nothing but baselines was measured" in Page(report(store, gradients=False)).text()


def test_a_study_of_an_evaluator(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study = replace(STUDY, data_source="", data_checksum="", evaluator="mine.train:run@0123", search=None)
    filled(store, 9, replace(study, recipe_digest=study.recipe.digest("", study.evaluator)))
    said = Page(report(store, gradients=False)).text()
    assert "--evaluator mine.train:run --seed 7" in said
    assert "of the evaluator" in said
    assert "not known: the study is older than such records" in said


def test_limits_that_nothing_is_within(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    filled(store, 9)
    said = Page(report(store, limits=Limits(max_macs=1), gradients=False)).text()
    assert "no network fits" in said
    assert "within 1 MACs; those nearest are in the figure below." in said


def test_perfect_and_hopeless_networks(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study_id = store.create_study(STUDY)
    given = finished(drawn(demo_space, 12))
    edges = [replace(one.trial, measurement=replace(MEASURED, accuracy=float(at % 2))) for at, one in enumerate(given)]
    store.record(study_id, [replace(one, trial=trial) for one, trial in zip(given, edges, strict=True)])
    Page(report(store, gradients=False))


def test_published_networks_stand_beside_a_study_of_their_data(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study_id = store.create_study(replace(STUDY, data_source="/data/cifar-10"))
    candidates = drawn(SearchSpace.load(ROOT / "search_spaces" / "resnet-cifar.yaml"), 30)
    store.record(study_id, finished(sorted(candidates, key=lambda one: len(one.architecture))[:3]))
    said = Page(report(store, gradients=False)).text()
    assert "other people's recipes" in said
    assert "He et al. 2016, Deep Residual Learning, table 6" in said


# What was typed


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\x1b"


def test_nothing_that_was_typed_becomes_markup(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    study = replace(
        STUDY,
        name=HOSTILE,
        space_name=HOSTILE,
        space_text=HOSTILE,
        data_source=HOSTILE,
        versions={HOSTILE: HOSTILE},
        commit=HOSTILE,
        search={HOSTILE: HOSTILE, "proposer": HOSTILE},
    )
    study_id = store.create_study(study)
    given = finished(drawn(demo_space, 9), study, baselines=(HOSTILE,))
    trials = [replace(one.trial, decisions={HOSTILE: HOSTILE}, proposer=HOSTILE, worker=HOSTILE) for one in given]
    measured = [replace(t, measurement=replace(t.measurement, device=HOSTILE)) for t in trials if t.measurement]
    store.record(study_id, [replace(one, trial=trial) for one, trial in zip(given, measured, strict=True)])
    failed(store, study_id, 9, HOSTILE)
    text = report(store, gradients=False)
    shown = HOSTILE.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    read = Page(text)
    assert read.text("h1") == shown
    for one in [read, *map(Page, unpacked(text).values())]:
        assert not one.all("img")
        assert not [name for _, attributes in one.elements for name in attributes if name.startswith("on")]
    assert len(read.all("script")) == 2


@given(st.text())
def test_every_text_is_told_as_it_is(text: str) -> None:
    read = Page(element("p", text, title=text))
    plain = "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)
    assert read.text("p") == plain
    assert read.all("p") == [{"title": plain}]


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_a_script_ends_no_script(value: object) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert not set("<>&") & set(text)


# Gradients


def test_gradients_are_those_of_every_convolution_in_order(one_thread: None) -> None:
    import torch
    from torch.nn import functional as F

    architecture = demo_space.baselines["resnet8"].architecture
    before = torch.get_rng_state()
    told = gradient_norms(architecture)
    assert torch.equal(before, torch.get_rng_state())
    slow = []
    for seed in range(3):
        torch.manual_seed(seed)
        network = Module(architecture).train()
        images, labels = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))
        loss = F.cross_entropy(network(images), labels)
        weights = {name: w for name, w in network.named_parameters() if w.ndim == 4}
        grads = torch.autograd.grad(loss, list(weights.values()))
        slow.append(
            {name.removesuffix(".weight"): float(grad.norm()) for name, grad in zip(weights, grads, strict=True)}
        )
    names = [node.name for node in architecture.nodes if node.name in slow[0]]
    assert told == pytest.approx([sorted(norms[name] for norms in slow)[1] for name in names])
    torch.set_rng_state(before)


# The verb


def test_the_verb_writes_a_file_and_says_where(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page.html"
    result = CliRunner().invoke(
        cli, ["report", "--store", str(sample), "--out", str(out), "--max-macs", "1M", "--no-gradients"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert "best within 1M MACs" in out.read_text(encoding="utf-8")
    assert [file.name for file in out.parent.iterdir()] == ["page.html"]


def test_the_verb_needs_a_place_that_can_be_written(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "page.html"
    result = CliRunner().invoke(cli, ["report", "--no-gradients", "--store", str(sample), "--out", str(out)])
    assert result.exit_code == 2
    assert f"Error: Invalid value for --out: {out} cannot be written: File exists" in result.stderr


def test_the_verb_replaces_reports_alone(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    command = ["report", "--no-gradients", "--store", str(sample), "--out", str(out)]
    out.write_text("my notes")
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 2
    assert f"Error: Invalid value for --out: {out} exists and is no report; --force replaces it" in refused.stderr
    assert out.read_text() == "my notes"
    for more in (["--force"], []):
        assert CliRunner().invoke(cli, [*command, *more]).exit_code == 0
        assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_verb_needs_a_study(sample: Path) -> None:
    result = CliRunner().invoke(cli, ["report", "other", "--store", str(sample)])
    assert str(result.exception) == "error[E500]: there is no study 'other'\n  = help: studies here: sample"


def test_without_gradients_there_is_no_torch(sample: Path) -> None:
    script = (
        "import sys; from ressearch.store import Store; from ressearch.report import report; "
        f"report(Store.open({str(sample)!r}), gradients=False); print('torch' in sys.modules, 'ray' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"
