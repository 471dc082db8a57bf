"""The page in Chromium: silent, alone, answering to mouse and keyboard, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ressearch.report import report
from ressearch.report.findings import Findings, findings
from ressearch.report.panel import drawing_of
from ressearch.store import Store
from tests.browser import launched
from tests.conftest import demo_space
from tests.report_samples import climbed, drawn, failed, filled

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    store = Store.create(tmp_path_factory.mktemp("browser") / "results.db")
    study_id = filled(store, 24, baselines=("resnet8",))
    failed(store, study_id, 24, "ValueError: " + "very " * 200 + "long")
    climbed(store, study_id, 25, drawn(demo_space, 34)[24:])
    return findings(store)


@pytest.fixture(scope="module")
def file(found: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.html"
    store = tmp_path_factory.getbasetemp()
    opened = Store.open(next(store.glob("browser*/results.db")))
    file.write_text(report(opened), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any, file: Path) -> Iterator[Any]:
    """The page, opened; at the end nothing may have been complained about or asked for."""
    opened = chromium.new_page(viewport={"width": 1280, "height": 900})
    said: list[str] = []
    opened.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: said.append(f"error: {error}"))
    opened.on("request", lambda request: said.append(f"request: {request.url}"))
    opened.goto(file.as_uri())
    opened.wait_for_selector("#network .drawing svg")
    yield opened
    assert said == [f"request: {file.as_uri()}"]
    opened.close()


def shown(page: Any, number: int) -> Any:
    """The panel, as soon as it shows a network."""
    page.wait_for_selector(f'#network[data-shown="{number}"]')
    return page.locator("#network")


def point(page: Any, number: int) -> Any:
    return page.locator(f'.wide-only .points [data-network="{number}"]')


def test_at_first_the_answer_is_shown(page: Any, found: Findings) -> None:
    assert found.answer is not None
    assert found.answer.id in shown(page, found.position(found.answer)).inner_text()
    assert page.evaluate("scrollY") == 0


def test_a_click_on_a_point_shows_its_wiring(page: Any, found: Findings) -> None:
    drawings = set()
    for network in (found.networks[3], found.baselines[0], found.networks[-1]):
        number = found.position(network)
        point(page, number).dispatch_event("click")
        panel = shown(page, number)
        assert network.id in panel.inner_text()
        assert f"{network.cost.macs:,}" in panel.inner_text()
        after = panel.locator("svg").first.evaluate("one => one.outerHTML")
        drawings.add(after)
        same = page.evaluate(
            "([html, after]) => { const box = document.createElement('div'); box.innerHTML = html;"
            " return box.querySelector('svg').outerHTML === after }",
            [str(drawing_of(network)), after],
        )
        assert same  # packed and restored, to the last digit
        assert "chosen" in (point(page, number).get_attribute("class") or "")
    assert len(drawings) == 3
    assert page.locator(".wide-only .chosen").count() == 1


def test_a_real_click_reaches_the_front(page: Any, found: Findings) -> None:
    number = found.position(found.front[0])
    point(page, number).click()
    assert found.front[0].id in shown(page, number).inner_text()


def test_rungs_have_a_learning_curve(page: Any, found: Findings) -> None:
    climbed_one = next(one for one in found.networks if one.number in found.rungs)
    point(page, found.position(climbed_one)).dispatch_event("click")
    panel = shown(page, found.position(climbed_one))
    assert "Learning curve" in panel.inner_text()
    label = panel.locator("svg").last.get_attribute("aria-label")
    assert label.startswith("Learning curve: ")
    assert label.endswith(" after 9 epochs")


def test_tab_arrows_and_enter(page: Any, found: Findings) -> None:
    reachable = {one.id for one in found.front} | {one.id for one in found.baselines}
    assert page.locator('.wide-only .points [tabindex="0"]').count() == len(reachable)
    page.locator('.wide-only .points [tabindex="0"]').first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.points [data-network]')")
    page.keyboard.press("ArrowRight")
    number = int(page.evaluate("document.activeElement.dataset.network"))
    macs = sorted(one.cost.macs for one in found.networks)
    assert macs.index(found.networks[number].cost.macs) >= 1
    page.keyboard.press("Enter")
    assert found.networks[number].id in shown(page, number).inner_text()


def test_links_show_networks_too(page: Any, found: Findings) -> None:
    link = page.locator(".card a[data-network]").nth(1)
    number = int(link.get_attribute("data-network"))
    link.click()
    assert found.networks[number].id in shown(page, number).inner_text()


def test_a_drawing_can_be_enlarged(page: Any) -> None:
    page.locator("#network .drawing").focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open] svg").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_data_can_be_taken_home(page: Any) -> None:
    for link in page.locator("a.download").all():
        with page.expect_download() as download:
            link.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "," in text.splitlines()[0]
        assert download.value.suggested_filename.endswith(".csv")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_a_tap_brings_the_network_into_view(page: Any, found: Findings) -> None:
    page.set_viewport_size(PHONE)
    number = found.position(found.front[-1])
    narrow = page.locator(f'.narrow-only .points [data-network="{number}"]')
    assert narrow.is_visible()
    assert not point(page, number).is_visible()
    narrow.dispatch_event("click")
    assert found.front[-1].id in shown(page, number).inner_text()
    assert page.locator("#network").evaluate("one => one.getBoundingClientRect().top < innerHeight")


def test_letters_are_large_enough_to_read(page: Any) -> None:
    page.set_viewport_size(PHONE)
    sizes = page.evaluate(
        "[...document.querySelectorAll('figure svg text')].filter(one => one.closest('.drawing') === null"
        " && one.getClientRects().length).map(one => 12 * one.ownerSVGElement.getScreenCTM().a)"
    )
    assert min(sizes) >= 10


def test_on_paper_all_is_unfolded_and_nothing_hidden(page: Any) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("svg.wide-only").is_visible()
    assert not page.locator("a.download").first.is_visible()
    assert page.locator("pre").last.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert len(page.pdf()) > 10_000


def test_it_reads_without_javascript(chromium: Any, file: Path, found: Findings) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert found.answer is not None
    assert found.answer.id in page.locator("#network").inner_text()
    assert page.locator(".winner .drawing svg").count() == min(4, len(found.front))
    context.close()
