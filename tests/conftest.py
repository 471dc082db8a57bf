"""What several test modules share: the demo space, networks drawn from it by Hypothesis, and stores."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ressearch.space import Candidate, Categorical, Choice, Integer, Real, SearchSpace
from ressearch.space.choices import members
from ressearch.store import Store
from tests.store_samples import STUDY

if TYPE_CHECKING:
    from tests.postgresql_server import Server

# A job that a shell began with `&` ignores Ctrl-C, and so would the commands that it runs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


LONGEST = ("test_search.py", "test_faults.py", "test_cli_networks.py", "test_query.py", "test_cli.py")
"""Files that one process is busy with for long; begun last, they would leave the other one idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the rest as they were found."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


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


# Stores. Whoever asks for `store_url`, or for what is made of it, is run on every database.


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server, started by the first test that needs one."""
    from tests.postgresql_server import running_server  # not at the top: most tests need no psycopg

    with running_server() as server:
        yield server


DATABASES = ("sqlite-file", "postgresql")
NewStore = Callable[[], str]


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Of which kind the stores are."""
    return str(request.param)


@pytest.fixture(scope="session")
def new_store(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewStore:
    """Says where no store is yet, somewhere else each time."""
    if database == "sqlite-file":
        return lambda: str(tmp_path_factory.mktemp("store") / "results.db")
    server: Server = request.getfixturevalue("postgres")
    return server.database


@pytest.fixture
def store_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where no store is yet, for one test."""
    if database == "sqlite-file":
        return str(tmp_path / "results.db")
    server: Server = request.getfixturevalue("postgres")
    return server.emptied()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store, empty."""
    with closing(Store.create(store_url)) as opened:
        yield opened


@pytest.fixture
def study_id(store: Store) -> int:
    """The row of a study in it."""
    return store.create_study(STUDY)
