"""Stores of version 2, in a file and on PostgreSQL, are brought to the present version with all that is in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ressearch.data import load_search_data
from ressearch.errors import StoreError
from ressearch.search.study import StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import SCHEMA_VERSION, Store, Upgrade, database_of, version_of
from ressearch.store.postgresql import _key
from ressearch.trial import MeasurementKey, TrialState
from tests.postgresql_server import USER, Server
from tests.store_samples import MEASURED
from tests.test_study import drive

STORES = Path(__file__).parent / "stores"
"""Made by version 2: searches with a baseline, a failure and `parameters:`, one that was interrupted, retrainings of
two seeds and a latency; in v2.sql by pg_dump."""

STUDIES = {"tiny": (0, 4, 0), "hot": (0, 0, 1), "tuned": (0, 4, 0), "again": (1, 2, 0)}
"""Name -> trials running, complete, failed."""
FRONT = {"83e1932538984ddf": (0.22, 35_152, 1_382, 6)}
"""The baseline's accuracy in `tiny`, MACs, parameters, depth."""


@pytest.fixture
def old(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of version 2 is, on each database."""
    if database == "sqlite-file":
        return str(shutil.copy(STORES / "v2.db", tmp_path / "results.db"))
    server: Server = request.getfixturevalue("postgres")
    return restored(server)


def restored(server: Server, dump: str = "") -> str:
    """A database made of a dump, by default of the one of version 2."""
    url = server.database()
    command = [str(server._binaries / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"]
    said = dump or (STORES / "v2.sql").read_text()
    done = subprocess.run(command, input=said, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return url


@pytest.mark.parametrize("how", [Store.open, Store.create])
def test_everything_of_version_2_is_found(old: str, how: Callable[[str], Store]) -> None:
    assert version_of(old) == 2
    with closing(how(old)) as store:
        backup = Path(f"{old}.v2.bak") if Path(old).is_file() else None
        assert store.upgraded == Upgrade(2, backup)
        for name, counts in STUDIES.items():
            study_id, study = store.study(name)
            kept = store.counts(study_id)
            assert (kept[TrialState.RUNNING], kept[TrialState.COMPLETE], kept[TrialState.FAILED]) == counts
            assert study.search is None
            assert {(t.proposer, t.worker, str(t.attributes)) for t in store.trials(study_id)} == {(None, None, "{}")}
            for trial in store.trials(study_id):
                if trial.measurement is not None and name != "tuned":
                    key = MeasurementKey(trial.architecture_id, study.recipe_digest, study.fidelity, trial.seed)
                    assert store.known(key) == trial.measurement
        (baseline,) = [result for result in store.results(1) if result.baseline]
        assert {baseline.id: (baseline.accuracy, baseline.macs, baseline.params, baseline.depth)} == FRONT
        assert [one.seed for one in store.retrainings(baseline.id)] == [0, 1]
        assert len(store.latencies(baseline.id)) == 1
    with closing(Store.open(old)) as store:
        assert store.upgraded is None


def test_a_study_of_version_2_goes_on(old: str) -> None:
    digits = load_search_data("digits")
    with closing(Store.create(old)) as store:
        space = SearchSpace.parse(store.study("again")[1].space_text)
        study = describe_study(space, digits, name="again", source="digits", seed=1)
        books = StudyBooks(space, digits, store, study, 4)
        assert [job.number for job in drive(books)] == [2, 3]
        costs = {row.id: row for row in store.results(store.study("again")[0])}
        assert len(costs) == 4


def test_costs_stand_beside_every_measurement(old: str) -> None:
    with closing(Store.open(old)) as store, store._database.reading() as connection:
        differ = (
            "SELECT count(*) FROM measurements m JOIN architectures a ON a.id = m.architecture_id"
            " WHERE NOT (a.macs = m.macs AND a.params = m.params AND a.depth = m.depth)"
        )
        assert connection.scalar(text(differ)) == 0
        assert connection.scalar(text("SELECT count(*) FROM measurements")) == 10


# PostgreSQL alone; what can happen to files is in test_migrations

DESCRIBED = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'ressearch'::regnamespace ORDER BY 1, 2",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'ressearch' ORDER BY 1",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'ressearch' ORDER BY 1, 2",
)


def test_the_steps_make_what_a_new_store_has(postgres: Server) -> None:
    """Compared as PostgreSQL reads them in: it tells a constraint in other words once that was dumped."""
    stores = [restored(postgres), postgres.database()]
    for url in stores:
        Store.create(url).close()
    again = [restored(postgres, dumped(postgres, url)) for url in stores]
    for query in DESCRIBED:
        of_both = [postgres.execute(query, url.rpartition("/")[2]) for url in again]
        assert of_both[0] == of_both[1] != []


def dumped(server: Server, url: str) -> str:
    command = [str(server._binaries / "pg_dump"), "--inserts", "-n", "ressearch", url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    return str(caught.value)


def test_a_search_of_the_older_version_is_not_disturbed(postgres: Server) -> None:
    url = restored(postgres)
    before, name = dumped(postgres, url), database_of(url).name
    other = database_of(url)
    with other.reading() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key("study", "tuned")})
        assert refusal(url) == (
            f"error[E500]: {name} is of an older version, and a search of that version is at work on it: "
            "the study 'tuned'\n  = help: it is migrated when that search has ended"
        )
    other.close()
    assert dumped(postgres, url) == before
    Store.open(url).close()


def test_who_may_not_change_the_tables_leaves_them_as_they_were(postgres: Server) -> None:
    url = restored(postgres)
    database = url.rpartition("/")[2]
    before = dumped(postgres, url)
    postgres.execute("CREATE USER guest PASSWORD 'guest'")
    try:
        postgres.execute("GRANT USAGE ON SCHEMA ressearch TO guest", database)
        postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA ressearch TO guest", database)
        guest = postgres.libpq(database, user="guest", password="guest")
        assert refusal(guest) == (
            f"error[E500]: {database_of(guest).name} cannot be migrated from schema 2 to {SCHEMA_VERSION}: "
            "must be owner of table architectures\n"
            "  = help: it is unchanged; whoever made its tables may migrate it: `ressearch store migrate`"
        )
    finally:
        postgres.execute("DROP OWNED BY guest", database)
        postgres.execute("DROP USER guest")
    assert USER in url
    assert dumped(postgres, url) == before.replace("guest", USER)


def test_several_may_open_it_at_once(postgres: Server) -> None:
    from tests.store_samples import together

    url = restored(postgres)
    found: list[Any] = []

    def open_and_look() -> None:
        with closing(Store.open(url)) as store:
            assert len(store.results(1)) == 4
            found.append(store.upgraded)

    assert together(*[open_and_look] * 4) == []
    assert sorted(map(str, found)) == sorted(map(str, [None, None, None, Upgrade(2, None)]))


def test_what_is_told_of_a_trial_is_kept(old: str) -> None:
    """The columns that are new take what they are for."""
    with closing(Store.open(old)) as store:
        study_id = store.study("again")[0]
        (open_one,) = [trial for trial in store.trials(study_id) if trial.state is TrialState.RUNNING]
        study = store.study("again")[1]
        key = MeasurementKey(open_one.architecture_id, study.recipe_digest, study.fidelity, open_one.seed)
        store.complete(study_id, open_one.number, key, MEASURED, study.recipe, worker="here/1")
        assert store.trials(study_id)[open_one.number].worker == "here/1"
        assert json.loads(json.dumps(store.trials(study_id)[open_one.number].attributes)) == {}
