"""`ressearch.Study` in a notebook: tables, drawings, and nothing of others that a browser would run."""

from __future__ import annotations

from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ressearch
from ressearch.errors import StoreError
from ressearch.space import SearchSpace
from ressearch.store import Store
from tests.drawn_stores import Step, happen, net_of
from tests.store_samples import MEASURED, RECIPE, STUDY, begin, key_of

HOSTILE = "<script>alert('1')</script>&\""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with closing(Store.create(path)) as store:
        happen(store, [Step("one", 0, "complete"), Step("one", 1, "failed"), Step("one", 5, "stopped")])
        study_id = store.create_study(STUDY)
        net = begin(store, study_id, 0, 10, baseline=HOSTILE)
        store.complete(study_id, 0, key_of(net), MEASURED, RECIPE)
    return path


class Tags(HTMLParser):
    """The tags of a text that are open, checked to be closed in turn, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_table_has_costs_measurements_and_decisions(path: Path) -> None:
    frame = ressearch.Study("one", store=path).to_dataframe()
    nets = [net_of(number) for number in (0, 1, 5)]
    assert list(frame["architecture_id"]) == [net.id for net in nets]
    with closing(Store.open(path)) as store:
        costs = [store.architecture(net.id)[1] for net in nets]
    for name in ("macs", "params", "activations", "peak", "depth"):
        assert list(frame[name]) == [getattr(cost, name) for cost in costs]
        assert str(frame.dtypes[name]) == "Int64"
    assert list(frame["skips"]) == [3, 6, 0]
    assert list(frame["state"]) == ["complete", "failed", "stopped"]
    assert list(frame["lr"]) == [0.3, 0.3, 0.3]
    assert list(frame.columns[:3]) == ["number", "architecture_id", "macs"]


def test_it_is_found_by_name_or_is_the_last_one_in_the_usual_place(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESSEARCH_STORE", str(path))
    assert repr(ressearch.Study()) == "Study('demo')"
    assert ressearch.Study("one").record.name == "one"
    with closing(Store.open(path)) as store:
        assert ressearch.Study("one", store=store).best(by="accuracy")[0].id == net_of(0).id
        assert store.study("one")  # which is still open
    with pytest.raises(StoreError, match="there is no study 'two'"):
        ressearch.Study("two")
    monkeypatch.delenv("RESSEARCH_STORE")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"runs/ressearch\.db"):
        ressearch.Study()


def test_its_page_shows_the_front_and_the_network_at_the_knee(path: Path) -> None:
    study = ressearch.Study("one", store=path)
    page = Tags(study._repr_html_())
    assert {"table", "svg", "code"} <= page.seen
    text = " ".join(page.words)
    assert "study one: /data/fashion mnist, 3 epochs; trials: 1 stopped, 1 complete, 1 failed" in text
    assert "At the knee:" in text
    assert net_of(0).id in text
    assert "99.00 %" not in text
    assert "50.00 %" in text


def test_texts_of_others_are_only_texts(path: Path) -> None:
    html = ressearch.Study("demo", store=path)._repr_html_()
    page = Tags(html)
    assert "script" not in page.seen
    assert f"baseline {HOSTILE}" in "".join(page.words)


def test_without_a_complete_trial_there_is_no_front(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path / "results.db")) as store:
        store.create_study(STUDY)
    study = ressearch.Study(store=tmp_path / "results.db")
    assert study.front == []
    page = Tags(study._repr_html_())
    assert "trials: none" in page.words[0]
    assert "svg" not in page.seen
    assert study.to_dataframe().shape[0] == 0


def test_a_network_is_shown_by_its_drawing(path: Path, demo: SearchSpace) -> None:
    network = ressearch.Study("one", store=path).architecture(net_of(0).id[:6])
    assert network == demo.baselines["resnet8"].architecture
    assert network._repr_svg_() == ressearch.svg(network)
    Tags(network._repr_svg_())


def test_the_top_of_the_package_has_what_it_says() -> None:
    assert set(ressearch.__all__) <= set(dir(ressearch))
    for name in ressearch.__all__:
        assert getattr(ressearch, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'ressearch' has no attribute 'Studdy'"):
        ressearch.Studdy  # noqa: B018
