"""What a study has come to, against sorting all of its trials again."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ressearch.ranking import Point, pareto_front
from ressearch.search.tally import Tally

points = st.tuples(st.sampled_from([0.0, 0.5, 0.75, 1.0]), st.integers(1, 4))
trials = st.lists(st.tuples(st.none() | points, st.booleans()), max_size=12)


@given(trials)
@example([((0.5, 2), False), ((0.5, 1), True), ((0.5, 1), False), (None, False)])
def test_it_is_what_all_trials_come_to(found: list[tuple[Point | None, bool]]) -> None:
    tally = Tally()
    assert (len(tally), tally.best, len(tally.front)) == (0, None, 0)
    for number, (point, reused) in enumerate(found):
        tally.add(f"network {number}", point, reused=reused)
        so_far = list(enumerate(found[: number + 1]))
        measured = [(one, f"network {at}") for at, (one, _) in so_far if one is not None]
        best = max(measured, key=lambda item: (item[0][0], -item[0][1]), default=None)
        assert tally.best == (None if best is None else (best[0][0], best[1]))
        assert (tally.done, tally.failed, len(tally)) == (len(measured), number + 1 - len(measured), number + 1)
        assert tally.reused == sum(known for _, (_, known) in so_far)
        assert len(tally.front) == len(pareto_front([one for one, _ in measured]))
