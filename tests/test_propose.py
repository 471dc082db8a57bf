"""Proposals: reproducible, never twice, within the limits, and learning from the past."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log
from statistics import median

import numpy as np
import pytest

from ressearch.search.features import facts_of
from ressearch.search.population import CHOSEN_ANEW, TAUGHT, Member, Population
from ressearch.search.propose import STARTUP_TRIALS, Aim, Proposer
from ressearch.space import Decisions, SearchSpace
from ressearch.trial import OBJECTIVES, PROPOSERS
from tests.conftest import DEMO

SMALL = """
version: 1
name: small
input: {shape: [1, 8, 8], classes: 10}
stages: [{width: {values: [4, 8, 12]}, depth: {min: 1, max: 2}, block: {use: basic}}]
"""


def accuracy_by_table(macs: int) -> float:
    """Rises with MACs and saturates, as accuracy does."""
    return macs / (macs + 100_000)


def run(proposer: Proposer, count: int) -> list[tuple[str, Decisions, float]]:
    found = []
    for _ in range(count):
        proposal = proposer.propose()
        assert proposal is not None
        accuracy = accuracy_by_table(proposal.candidate.cost.macs)
        proposer.tell(proposal, accuracy)
        found.append((proposal.candidate.architecture.id, proposal.candidate.decisions, accuracy))
    return found


every_proposer = pytest.mark.parametrize("aim", [Aim(kind) for kind in PROPOSERS], ids=PROPOSERS)


@every_proposer
def test_the_same_seed_gives_the_same_proposals_and_another_seed_others(demo: SearchSpace, aim: Aim) -> None:
    first, same, other = (run(Proposer(demo, seed, aim=aim), 14) for seed in (3, 3, 4))
    assert first == same
    assert first != other


@every_proposer
def test_no_network_is_proposed_twice(demo: SearchSpace, aim: Aim) -> None:
    ids = [id for id, _, _ in run(Proposer(demo, 0, aim=aim), 30)]
    assert len(set(ids)) == 30


@every_proposer
def test_a_rebuilt_proposer_knows_the_past_and_does_not_repeat_its_draws(demo: SearchSpace, aim: Aim) -> None:
    """Whoever proposed the past."""
    before = run(Proposer(demo, 0), 12)
    rebuilt = Proposer(demo, 0, [(decisions, accuracy) for _, decisions, accuracy in before], aim=aim)
    known = {id for id, _, _ in before}
    after = [id for id, _, _ in run(rebuilt, 12)]
    assert not known & set(after)
    again = Proposer(demo, 0, [(decisions, accuracy) for _, decisions, accuracy in before], aim=aim)
    assert after == [id for id, _, _ in run(again, 12)]


@every_proposer
def test_a_space_that_is_used_up_ends(aim: Aim) -> None:
    """Three widths and two depths: six networks, each proposed once."""
    proposer = Proposer(SearchSpace.parse(SMALL), 0, aim=aim)
    assert len({id for id, _, _ in run(proposer, 6)}) == 6
    assert proposer.propose() is None


@every_proposer
@pytest.mark.parametrize("told", ["file", "aim"])
def test_limits_hold_for_every_proposal(demo: SearchSpace, aim: Aim, told: str) -> None:
    """Those of the file and --max-macs; baselines are trained whatever they cost."""
    text = DEMO.read_text(encoding="utf-8").replace("baselines:", "limits: {macs: {max: 400k}}\nbaselines:")
    if told == "file":
        proposer = Proposer(SearchSpace.parse(text), 0, aim=aim)
    else:
        proposer = Proposer(demo, 0, aim=Aim(aim.proposer, max_macs=400_000))
    assert proposer.take(demo.baselines["resnet14"].decisions).candidate.cost.macs > 400_000
    assert max(decoded(demo, decisions) for _, decisions, _ in run(proposer, 4)) <= 400_000


def decoded(space: SearchSpace, decisions: Decisions) -> int:
    return space.decode_stored(decisions).cost.macs


def test_a_narrower_limit_of_the_file_stays() -> None:
    text = DEMO.read_text(encoding="utf-8").replace("baselines:", "limits: {macs: {min: 10k, max: 90k}}\nbaselines:")
    limit = SearchSpace.parse(text).within(10**6).grammar.limits["macs"]
    assert (limit.low, limit.high) == (10_000, 90_000)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_is_looked_for(demo: SearchSpace, objective: str) -> None:
    """Only what comes behind the start differs; with one worker and the same past it is proposed again."""
    past = [(decisions, accuracy) for _, decisions, accuracy in run(Proposer(demo, 1), 12)]
    proposed = [run(Proposer(demo, 1, past, aim=Aim(objective=objective)), 3) for _ in range(2)]
    assert proposed[0] == proposed[1]


def test_accuracy_per_flop_looks_for_cheaper_networks_than_a_budget(demo: SearchSpace) -> None:
    past = [(decisions, accuracy) for _, decisions, accuracy in run(Proposer(demo, 1), 16)]
    macs = {}
    for objective in ("accuracy_per_flop", "budget"):
        found = run(Proposer(demo, 1, past, aim=Aim(objective=objective)), 5)
        macs[objective] = sorted(decoded(demo, decisions) for _, decisions, _ in found)
    assert macs["accuracy_per_flop"][2] < macs["budget"][2]


def test_results_from_elsewhere_steer_and_may_be_proposed(demo: SearchSpace) -> None:
    """They are not of this study: its front is its own, and their networks are not known to it."""
    past = [(decisions, accuracy) for _, decisions, accuracy in run(Proposer(demo, 1), 10)]
    elsewhere = [(decisions, 1 - accuracy) for _, decisions, accuracy in run(Proposer(demo, 2), 20)]
    alone, taught = (run(Proposer(demo, 1, past, found), 3) for found in ([], elsewhere))
    assert alone != taught
    proposer = Proposer(demo, 1, past, elsewhere)
    own = {tuple(decisions.items()) for decisions, _ in past}
    others = [demo.decode_stored(decisions) for decisions, _ in elsewhere if tuple(decisions.items()) not in own]
    assert not any(proposer.knows(candidate) for candidate in others)


def test_several_at_once_are_different(demo: SearchSpace) -> None:
    """Eight proposals before any is told, as eight workers ask for them."""
    past = [(decisions, accuracy) for _, decisions, accuracy in run(Proposer(demo, 1), 12)]
    proposer = Proposer(demo, 1, past)
    proposals = [proposer.propose() for _ in range(8)]
    assert len({p.candidate.architecture.id for p in proposals if p is not None}) == 8


@every_proposer
def test_failures_are_proposed_no_more(aim: Aim) -> None:
    proposer = Proposer(SearchSpace.parse(SMALL), 0, aim=aim)
    ids = set()
    while (proposal := proposer.propose()) is not None:
        ids.add(proposal.candidate.architecture.id)
        proposer.tell(proposal, None)
    assert len(ids) == 6


def test_taken_decisions_are_kept(demo: SearchSpace) -> None:
    wanted = demo.baselines["resnet14"]
    proposer = Proposer(demo, 0)
    proposal = proposer.take(wanted.decisions)
    assert proposal.candidate.architecture.id == wanted.architecture.id
    assert dict(proposal.candidate.decisions) == dict(wanted.decisions)
    assert proposer.knows(wanted)


@pytest.mark.parametrize("aim", [Aim("evolution"), Aim("tpe")], ids=["evolution", "tpe"])
def test_what_is_measured_steers_what_is_proposed(demo: SearchSpace, aim: Aim) -> None:
    """Equal draws at the start, others once a model is fed with other accuracies."""

    def ids(accuracy_of: Callable[[int], float]) -> list[str]:
        proposer, found = Proposer(demo, 0, aim=aim), []
        for _ in range(STARTUP_TRIALS + 6):
            proposal = proposer.propose()
            assert proposal is not None
            found.append(proposal.candidate.architecture.id)
            proposer.tell(proposal, accuracy_of(proposal.candidate.cost.macs))
        return found

    rising, falling = ids(accuracy_by_table), ids(lambda macs: 1 - accuracy_by_table(macs))
    assert rising[:STARTUP_TRIALS] == falling[:STARTUP_TRIALS]
    assert rising[STARTUP_TRIALS:] != falling[STARTUP_TRIALS:]


def test_limits_that_nothing_satisfies_end_the_proposals() -> None:
    space = SearchSpace.parse(SMALL.replace("stages:", "limits: {macs: {max: 1}}\nstages:"))
    assert Proposer(space, 0).propose() is None
    assert Proposer(SearchSpace.parse(SMALL), 0, aim=Aim(max_macs=1)).propose() is None


def test_the_learning_rate_is_learned_with_the_network() -> None:
    """Accuracy falls by a tenth with each factor of e from the best rate; random draws are off by more than one."""
    text = f"{SMALL}parameters: {{lr: {{distribution: log_uniform_values, min: 0.001, max: 1.0}}}}\n"
    space, off = SearchSpace.parse(text), {}
    for kind in ("evolution", "random"):
        proposer, off[kind] = Proposer(space, 0, aim=Aim(kind)), []
        for _ in range(40):
            proposal = proposer.propose()
            assert proposal is not None
            apart = abs(log(proposal.candidate.recipe.lr / 0.05))
            proposer.tell(proposal, max(0.0, accuracy_by_table(proposal.candidate.cost.macs) - 0.1 * apart))
            off[kind].append(apart)
    assert median(off["random"][20:]) > 1
    assert median(off["evolution"][20:]) < 0.3


def test_a_population_that_is_all_front_teaches_too(demo: SearchSpace) -> None:
    """Accuracy that rises with MACs without end puts every network on the front."""
    population, generator = Population(), random.Random(0)
    for macs in range(1, TAUGHT + 3 * CHOSEN_ANEW):
        candidate = demo.sample(generator)
        population.add(Member(demo, candidate.decisions, macs), macs / (macs + 1000))
    assert len(population.front) == len(population)
    assert TAUGHT // 2 < len(population.taught(generator)) <= TAUGHT + CHOSEN_ANEW


def test_a_network_that_has_taught_is_let_go_and_is_the_same_as_a_parent(demo: SearchSpace) -> None:
    candidate = demo.sample(random.Random(1))
    member, population = Member(demo, candidate.decisions, candidate.cost.macs), Population()
    facts = member.facts
    assert np.array_equal(facts, facts_of(candidate))
    population.add(member, 0.5)
    assert not {"candidate", "parent"} & member.__dict__.keys()
    assert member.facts is facts
    assert member.candidate.architecture.id == candidate.architecture.id
