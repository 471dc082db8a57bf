"""Proposals: reproducible, never twice, within the limits, and learning from the past."""

from __future__ import annotations

from collections.abc import Callable

from ressearch.search.propose import STARTUP_TRIALS, Proposer
from ressearch.space import Decisions, SearchSpace
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


def test_the_same_seed_gives_the_same_proposals_and_another_seed_others(demo: SearchSpace) -> None:
    first, same, other = (run(Proposer(demo, seed), 14) for seed in (3, 3, 4))
    assert first == same
    assert first != other


def test_no_network_is_proposed_twice(demo: SearchSpace) -> None:
    ids = [id for id, _, _ in run(Proposer(demo, 0), 30)]
    assert len(set(ids)) == 30


def test_a_rebuilt_proposer_knows_the_past_and_does_not_repeat_its_draws(demo: SearchSpace) -> None:
    before = run(Proposer(demo, 0), 12)
    rebuilt = Proposer(demo, 0, [(decisions, accuracy) for _, decisions, accuracy in before])
    known = {id for id, _, _ in before}
    after = [id for id, _, _ in run(rebuilt, 12)]
    assert not known & set(after)
    again = Proposer(demo, 0, [(decisions, accuracy) for _, decisions, accuracy in before])
    assert after == [id for id, _, _ in run(again, 12)]


def test_a_space_that_is_used_up_ends() -> None:
    """Three widths and two depths: six networks, each proposed once."""
    proposer = Proposer(SearchSpace.parse(SMALL), 0)
    assert len({id for id, _, _ in run(proposer, 6)}) == 6
    assert proposer.propose() is None


def test_limits_hold_for_every_proposal() -> None:
    text = DEMO.read_text(encoding="utf-8").replace("baselines:", "limits: {macs: {max: 400k}}\nbaselines:")
    space = SearchSpace.parse(text)
    proposer = Proposer(space, 0)
    macs = []
    for _ in range(12):
        proposal = proposer.propose()
        assert proposal is not None
        macs.append(proposal.candidate.cost.macs)
        proposer.tell(proposal, accuracy_by_table(macs[-1]))
    assert max(macs) <= 400_000


def test_failures_are_proposed_no_more() -> None:
    proposer = Proposer(SearchSpace.parse(SMALL), 0)
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


def test_what_is_measured_steers_what_is_proposed(demo: SearchSpace) -> None:
    """Equal draws while Optuna starts up at random, others once its model is fed with other accuracies."""

    def ids(accuracy_of: Callable[[int], float]) -> list[str]:
        proposer, found = Proposer(demo, 0), []
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
