"""optuna-dashboard in a browser, over a study of ours."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ressearch.dashboard import Dashboard, Server, Snapshot
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure, Trial, TrialState
from tests.browser import launched
from tests.conftest import DEMO
from tests.store_samples import MEASURED, RECIPE, STUDY, key_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:Some regimes for parameter"),  # Optuna's, of few trials, to who asks the page
]

HOSTILE = "<img src=x onerror=alert(1)> ``` [x](javascript:alert(1))"


@pytest.fixture
def url(tmp_path: Path, demo: SearchSpace) -> Iterator[str]:
    """A study with a trial of each state: complete, failed, stopped, running."""
    with closing(Store.create(tmp_path / "results.db")) as store:
        study_id = store.create_study(replace(STUDY, space_text=DEMO.read_text(encoding="utf-8")))
        generator = random.Random(0)
        for number in range(6):
            candidate = demo.draw(generator)
            trial = Trial(number, candidate.architecture.id, dict(candidate.decisions), 0)
            store.begin(study_id, trial, candidate.architecture, candidate.cost)
            key, measured = key_of(candidate.architecture), replace(MEASURED, accuracy=0.5 + number / 100)
            if number == 3:
                store.fail(study_id, number, HOSTILE, Failure.ERROR)
            elif number < 5:
                state = TrialState.STOPPED if number == 4 else TrialState.COMPLETE
                store.complete(study_id, number, key, measured, RECIPE, state=state)
        server = Server(Dashboard(lambda: Snapshot.of(store, None), lambda: store.courses(study_id)), 0)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server.url
        server.close()
        thread.join()


def test_the_study_its_metrics_and_a_trials_drawing_are_seen(url: str, tmp_path: Path) -> None:
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(url)
        page.get_by_text("Pareto Front").first.wait_for()
        assert page.get_by_text("demo (id=0)").count() == 1
        for metric in ("accuracy", "MACs"):
            assert page.get_by_text(metric, exact=True).count() >= 1
        page.screenshot(path=tmp_path / "study.png")
        page.goto(f"{url}/trials?numbers=1")
        drawing = page.get_by_role("img", name="wiring of")
        drawing.first.wait_for()
        page.wait_for_function("document.querySelector('img[alt^=\"wiring of\"]').naturalWidth > 100")
        for word in ("Note", "architecture", "nesting", "accuracy 51.00 %"):
            assert page.get_by_text(word).count() >= 1
        page.screenshot(path=tmp_path / "trial.png")
        for state, count in (("Complete", 3), ("Fail", 1), ("Pruned", 1), ("Running", 1)):
            assert page.get_by_text(state, exact=True).count() >= count
        page.goto(f"{url}/trials?numbers=3")
        page.get_by_text("onerror=alert(1)").first.wait_for()
        page.screenshot(path=tmp_path / "failed.png")
        assert complaints == []
        browser.close()
