"""What several test modules share: the demo space and networks drawn from it by Hypothesis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ressearch.space import Candidate, Categorical, Choice, Integer, Real, SearchSpace
from ressearch.space.choices import members

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "search_spaces" / "demo.yaml"

# Shared machines are slow now and then: what is too slow is seen in the suite's total, not in single examples.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def candidates(space: SearchSpace) -> st.SearchStrategy[Candidate]:
    """Networks of a space, each decision drawn by Hypothesis, so that a failing one shrinks."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Candidate:
        def choose(choice: Choice) -> object:
            match choice.domain:
                case Categorical(values):
                    return draw(st.sampled_from(values), label=choice.path)
                case Integer(low, high, step, _):
                    return draw(st.integers(0, (high - low) // step), label=choice.path) * step + low
                case Real(_, _, _, step) if step is not None:
                    return draw(st.sampled_from(members(choice.domain)), label=choice.path)
                case real:
                    return draw(st.floats(real.low, real.high), label=choice.path)

        return space.decode(choose)

    return drawn()


demo_space = SearchSpace.load(DEMO)


@pytest.fixture(scope="session")
def demo() -> SearchSpace:
    return demo_space


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: bit for bit the same each time."""
    import torch  # not at the top: most tests here need none

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
