"""When trials ran, and the networks of a study at once, on every database."""

from __future__ import annotations

import time

from ressearch.cost import cost_of
from ressearch.store import Course, Store
from tests.drawn_stores import LAST, RUNG, Step, happen, net_of


def test_courses_and_networks_are_those_of_the_study(store: Store) -> None:
    begun = time.time()
    happen(store, [Step("one", 0, "complete later"), Step("one", 1, "stopped"), Step("two", 2, "complete")])
    happen(store, [Step("one", 0, "failed"), Step("one", 5, "running")])
    study_id = store.study("one")[0]
    courses = store.courses(study_id)
    assert [course.epochs for course in courses.values()] == [LAST.epochs, RUNG.epochs, None, None]
    assert list(courses) == [0, 1, 2, 3]
    for number, course in courses.items():
        assert begun <= course.started <= time.time()
        assert (course.finished is None) == (number == 3)
        assert course.finished is None or course.started <= course.finished <= time.time()
    networks = store.networks(study_id)
    assert list(networks) == sorted(net_of(number).id for number in (0, 1, 5))
    for id, network in networks.items():
        assert network.architecture.id == network.id == id
        assert network.cost == cost_of(network.architecture)
        assert (network.architecture, network.cost) == store.architecture(id)
    assert store.networks(store.study("two")[0]).keys() == {net_of(2).id}
    assert store.courses(study_id + 7) == {}
    assert all(type(course) is Course for course in courses.values())
