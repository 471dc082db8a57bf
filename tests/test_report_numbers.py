"""The numbers of a report against slow and obvious twins."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations
from math import log
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.correlation import agreement, partial, ranked, spearman
from ressearch.ranking import Point, hypervolume, pareto_front
from ressearch.report.axes import stairs
from ressearch.report.features import FEATURES, importances
from ressearch.report.findings import Findings, Network, findings
from ressearch.report.numbers import course, exclusive, expected, savings, share_of, thinned
from ressearch.report.published import published, published_for
from ressearch.report.scale import Scale, linear, logarithmic, of_accuracy
from ressearch.space import SearchSpace
from ressearch.store import Limits, Store
from ressearch.trial import Failure
from tests.conftest import demo_space
from tests.report_samples import STUDY, climbed, drawn, failed, filled
from tests.store_samples import ROOT

accuracies = st.floats(0.1, 0.9).map(lambda x: round(x, 2))
points = st.tuples(accuracies, st.integers(1, 1000).map(float))
BOX = ((0.0, 1000.0), (1.0, 1.0))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    store = Store.create(tmp_path_factory.mktemp("report") / "results.db")
    study_id = filled(store, 24, baselines=("resnet8", "resnet14"))
    failed(store, study_id, 24, "Traceback\nValueError: no", Failure.ERROR)
    climbed(store, study_id, 25, drawn(demo_space, 32)[24:], stay=2)
    return findings(store, "sample")


# Hypervolume


@given(st.lists(st.none() | points, min_size=1, max_size=5))
def test_shuffled_is_the_mean_over_all_orders(given: list[Point | None]) -> None:
    slow = [
        mean(share_of([p for p in order[:k] if p is not None], *BOX) for order in permutations(given))
        for k in range(1, len(given) + 1)
    ]
    assert expected(given, *BOX) == pytest.approx(slow, abs=1e-9)


@given(st.lists(points, min_size=1, max_size=60))
def test_shuffled_ends_where_every_order_ends(given: list[Point]) -> None:
    assert expected(given, *BOX)[-1] == pytest.approx(share_of(given, *BOX))


@given(st.lists(points, max_size=20))
def test_a_share_is_the_hypervolume_over_logarithms_by_that_of_the_box(given: list[Point]) -> None:
    whole = hypervolume([(1.0, 0.0)], (0.0, log(1000)))
    assert share_of(given, *BOX) == pytest.approx(hypervolume([(a, log(m)) for a, m in given], (0, log(1000))) / whole)


def test_the_course_is_the_hypervolume_of_what_had_ended(found: Findings) -> None:
    told = course(found)
    assert told is not None
    known = {network.id: network for network in found.networks}
    ended = list(found.trials)
    for at, step in enumerate(told.steps, 1):
        done = [known[t.architecture_id].point for t in ended[:at] if t.measurement and t.architecture_id in known]
        assert step.volume == pytest.approx(share_of(done, told.reference, told.ideal))
    assert told.shuffled[-1] == pytest.approx(told.steps[-1].volume)
    assert len(told.steps) == len(told.shuffled) == 33
    assert len(told.drawn_at_random) == sum(trial.proposer == "random" for trial in found.trials)


def test_hours_are_those_of_every_training(found: Findings) -> None:
    told = course(found)
    assert told is not None
    spent = sum(t.measurement.seconds for t in found.trials if t.measurement is not None and not t.reused)
    assert told.steps[-1].hours == pytest.approx(spent / 3600)


@given(st.lists(st.integers(), max_size=50), st.integers(2, 20))
def test_thinned_keeps_both_ends_and_the_order(given: list[int], most: int) -> None:
    told = thinned(list(enumerate(given)), most)
    assert len(told) == min(most, len(given))
    assert told == sorted(set(told))
    assert told[:1] + told[-1:] == [*enumerate(given)][:1] + [*enumerate(given)][-1:]


def test_equal_networks_span_no_box(found: Findings) -> None:
    assert course(replace(found, networks=found.networks[:1])) is None
    assert course(replace(found, networks=[])) is None


@given(st.lists(points, min_size=1, max_size=12))
def test_what_a_point_alone_dominates(given: list[Point]) -> None:
    front = [given[i] for i in pareto_front(given)]
    losses = exclusive(front)
    assert len(losses) == len(front)
    assert all(loss >= -1e-12 for loss in losses)
    if len(set(front)) > 2 and len(set(front)) == len(front):
        assert all(loss > 0 for loss in losses[1:-1])


# MACs saved


def test_savings_against_a_slow_twin(found: Findings) -> None:
    told = {saving.baseline.baseline: saving for saving in savings(found.networks)}
    assert set(told) == {"resnet8", "resnet14"}
    others = [network for network in found.networks if network.baseline is None]
    for saving in told.values():
        cheapest = None
        for network in others:
            fine = network.accuracy >= saving.baseline.accuracy
            if fine and (cheapest is None or network.cost.macs < cheapest.cost.macs):
                cheapest = network
        assert saving.network is cheapest
        assert saving.share == (None if cheapest is None else 1 - cheapest.cost.macs / saving.baseline.cost.macs)
        assert saving.nearest is not None
        assert saving.nearest.accuracy == max(network.accuracy for network in others)


def test_no_other_network_saves_nothing(found: Findings) -> None:
    alone = [network for network in found.networks if network.baseline]
    assert [(saving.network, saving.share, saving.nearest) for saving in savings(alone)] == [(None, None, None)] * 2


# The answer


def test_without_limits_the_answer_is_the_knee(found: Findings) -> None:
    assert found.answer is found.knee is not None


def test_within_limits_the_answer_is_the_most_accurate(found: Findings) -> None:
    most = sorted(network.cost.macs for network in found.networks)[10]
    answer = replace(found, limits=Limits(max_macs=most)).answer
    assert answer is not None
    assert answer.accuracy == max(network.accuracy for network in found.networks if network.cost.macs <= most)
    assert replace(found, limits=Limits(max_macs=1)).answer is None


def test_the_budget_of_the_search_is_that_of_the_answer(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "results.db")
    filled(store, 3, replace(STUDY, search={"max_macs": 10**6}))
    assert findings(store).limits == Limits(max_macs=10**6)


def test_a_network_that_was_measured_twice_counts_with_its_mean(found: Findings) -> None:
    network = replace(found.networks[0], accuracies=[0.5, 0.7])
    assert network.accuracy == pytest.approx(0.6)
    assert network.point == (pytest.approx(0.6), network.cost.macs)


# Lines and scales


@given(st.lists(points, min_size=1, max_size=20), st.floats(1, 1000))
def test_the_staircase_is_the_best_that_so_many_macs_buy(given: list[Point], at: float) -> None:
    front = [given[i] for i in pareto_front(given)]
    corners = stairs([(macs, accuracy) for accuracy, macs in front], 1001.0)
    able = [accuracy for accuracy, macs in given if macs <= at]
    heights = [y for (x, y), (after, _) in pairwise(corners) if x <= at < after]
    assert heights[-1:] == ([max(able)] if able else [])


numbers = st.floats(1e-3, 1e9)


@given(st.sampled_from([linear, logarithmic]), numbers, numbers, st.floats(20, 80))
def test_ticks_lie_on_the_scale_and_apart(make: object, one: float, other: float, apart: float) -> None:
    scale = make(min(one, other), max(one, other), 0.0, 300.0)  # type: ignore[operator]
    _check_ticks(scale, apart)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(20, 80))
def test_accuracies_have_ticks_too(given: list[float], apart: float) -> None:
    scale = of_accuracy(given, 300.0, 0.0)
    _check_ticks(scale, apart)
    places = [scale.at(value) for value in sorted(given)]
    assert places == sorted(places, reverse=True)
    assert all(-1e-6 <= place <= 300 + 1e-6 for place in places)


def _check_ticks(scale: Scale, apart: float) -> None:
    ticks = scale.ticks(apart)
    assert all(scale.low <= tick <= scale.high for tick in ticks)
    places = sorted(scale.at(tick) for tick in ticks)
    assert all(after - before >= apart - 1e-6 for before, after in pairwise(places))


def test_each_halving_of_the_error_is_equally_far() -> None:
    scale = of_accuracy([0.2, 0.99], 300.0, 0.0)
    steps = [scale.at(a) - scale.at(b) for a, b in ((0.5, 0.75), (0.75, 0.875), (0.96, 0.98))]
    assert steps == pytest.approx([steps[0]] * 3)


# What mattered


values = st.lists(st.tuples(*[st.integers(0, 9).map(float)] * 3), min_size=5, max_size=30)


@given(values)
def test_partial_correlation_is_that_of_what_the_third_leaves(rows: list[tuple[float, float, float]]) -> None:
    one, other, given = (np.array(column) for column in zip(*rows, strict=True))
    told = partial(*(ranked(column) for column in (one, other, given))).value
    ranks = [_ranks(column) for column in (one, other, given)]
    if any(len(set(rank)) == 1 for rank in ranks):
        assert told is None
        return
    left = [_residual(rank, ranks[2]) for rank in ranks[:2]]
    if min(np.abs(rest).max() for rest in left) < 1e-6:
        assert told is None
    else:
        assert told == pytest.approx(float(np.corrcoef(*left)[0, 1]), abs=1e-6)


def _ranks(column: np.ndarray) -> np.ndarray:
    return np.array([np.mean(np.flatnonzero(np.sort(column) == value)) for value in column])


def _residual(rank: np.ndarray, given: np.ndarray) -> np.ndarray:
    design = np.stack([np.ones(len(given)), given], axis=1)
    return np.asarray(rank - design @ np.linalg.lstsq(design, rank, rcond=None)[0])


@given(values)
def test_spearman_alone_is_that_of_agreement(rows: list[tuple[float, float, float]]) -> None:
    one, other, _ = zip(*rows, strict=True)
    told, truth = spearman(ranked(one), ranked(other)), agreement(one, other).spearman
    assert [told.value, told.low, told.high] == pytest.approx([truth.value, truth.low, truth.high])


def test_features_that_never_change_say_nothing(found: Findings) -> None:
    told = importances(found.networks)
    assert {one.feature for one in told} == set(FEATURES)
    flat = [network for network in found.networks if network.wiring.nesting < 2]
    assert {one.feature for one in importances(flat)} <= set(FEATURES) - {"share nested"}
    assert [one.given_macs is None for one in told if one.feature == "MACs"] == [True]
    strengths = [abs(one.alone.value or 0) for one in told]
    assert strengths == sorted(strengths, reverse=True)
    assert importances(found.networks[:7]) == []


def test_shares_of_kinds_are_shares(found: Findings) -> None:
    for network in found.networks:
        shares = [FEATURES[f"share {kind}"](network) for kind in ("basic", "bottleneck", "dense", "nested")]
        assert 0 <= sum(shares) <= 1 + 1e-9


# Published networks


SHIPPED = {
    "resnet-cifar": {f"resnet{depth}-a": f"ResNet-{depth}" for depth in (20, 32, 44, 56, 110)},
    "densenet-cifar": {"densenet40-k12": "DenseNet-40 k12", "densenet-bc100-k12": "DenseNet-BC-100 k12"},
    "wide-resnet-cifar": {"wrn-28-10": "WRN-28-10"},
    "ror-preact-cifar": {"ror3-wrn40-2": "RoR-3-WRN40-2"},
    "preresnet-cifar": {"preresnet110-a": "PreResNet-110", "preresnet164-spatial": "PreResNet-164"},
}
"""Search space -> its baseline -> the name in the table."""


def test_published_costs_are_those_of_the_networks_that_ship() -> None:
    known = {one.name: one for one in published() if one.data == "CIFAR-10"}
    for file, names in SHIPPED.items():
        baselines = SearchSpace.load(ROOT / "search_spaces" / f"{file}.yaml").baselines
        for name, told in names.items():
            cost = baselines[name].cost
            assert (cost.macs, cost.params) == (known[told].macs, known[told].params), name


def test_ninety_more_classes_cost_a_shift_each_beside_their_macs() -> None:
    ten = {one.name: one for one in published() if one.data == "CIFAR-10"}
    for one in published():
        if one.data == "CIFAR-100":
            more = one.params - ten[one.name].params, one.macs - ten[one.name].macs
            assert (more[0] - more[1], more[1] % 90) == (90, 0), one.name


def test_published_networks_stand_beside_their_own_data_alone() -> None:
    cifar = replace(STUDY, data_source="/data/cifar-10-batches-py")
    assert {one.data for one in published_for(cifar, (3, 32, 32), 10)} == {"CIFAR-10"}
    hundred = replace(STUDY, data_source="/data/cifar-100-python")
    assert {one.data for one in published_for(hundred, (3, 32, 32), 100)} == {"CIFAR-100"}
    assert published_for(hundred, (3, 32, 32), 10) == []
    assert published_for(cifar, (3, 28, 28), 10) == []
    assert published_for(replace(STUDY, data_source="svhn"), (3, 32, 32), 10) == []


def test_every_published_network_has_its_source() -> None:
    assert all(one.source and 0 < one.error < 100 and one.macs > one.params for one in published())


def test_kinds(found: Findings) -> None:
    for network in found.networks:
        assert network.kind == _kind(network)


def _kind(network: Network) -> str:
    kinds = network.wiring.kinds
    if kinds.get("nested"):
        return "nested"
    return max(kinds, key=lambda kind: kinds[kind]) if kinds else "plain"
