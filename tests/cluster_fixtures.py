"""A plugin of pytest, named by the modules that ask for its fixtures: what is made here is made once for all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster_desk import FOUND, WORDS, Found, PatientDesk
from tests.cluster_places import PLACES, Place


@pytest.fixture(scope="session")
def standing_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param]() as place:
        yield place


@pytest.fixture
def place(standing_place: Place) -> Place:
    """Of the kind that the test asks for, whatever an earlier test has made of it."""
    standing_place.restore()
    return standing_place


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What a search on one machine finds that nothing happens to."""
    desk = PatientDesk(tmp_path_factory.mktemp("undisturbed"))
    status, _, err = desk.run(*WORDS, "--workers", "2")
    assert status == 0, err
    return desk.rows(FOUND)
