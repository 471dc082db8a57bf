"""PostgreSQL: whose the tables are, who may do what, and servers that go away. No message holds a password."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import text

from ressearch.errors import StoreError, StudyError
from ressearch.store import SCHEMA_VERSION, Store, database_of, version_of
from ressearch.trial import TrialState
from tests.postgresql_server import PASSWORD, Server, running_server
from tests.store_samples import KEY, MEASURED, NET, RECIPE, STUDY, begin, complaint, running

SECRETS = (PASSWORD, PASSWORD.replace("%2F", "/"), "wrong password")


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


def name_of(url: str) -> str:
    """As messages call it."""
    return database_of(url).name


def told(how: Callable[[str], object], url: str) -> str:
    """The whole message; not even its traceback repeats a password."""
    with pytest.raises(StoreError) as caught:
        how(url)
    traced = "".join(traceback.format_exception(caught.value))
    assert [secret for secret in SECRETS if secret in traced] == []
    return str(caught.value)


# Not let in

PASSWORD_HINT = "check the user and the password of the URL (special characters as %XX), or put it into ~/.pgpass"


@pytest.mark.parametrize("how", [Store.open, Store.create, version_of])
def test_who_is_not_let_in_is_told_why(postgres: Server, how: Callable[[str], object]) -> None:
    server = f'connection to server at "127.0.0.1", port {postgres.port} failed'
    url = postgres.libpq("postgres", password="wrong password")
    assert told(how, url) == (
        f"error[E500]: cannot connect to postgresql://tester@127.0.0.1:{postgres.port}/postgres: {server}: "
        f'FATAL:  password authentication failed for user "tester"\n  = help: {PASSWORD_HINT}'
    )
    assert told(how, postgres.libpq("nowhere")) == (
        f"error[E500]: cannot connect to postgresql://tester@127.0.0.1:{postgres.port}/nowhere: {server}: "
        'FATAL:  database "nowhere" does not exist\n'
        "  = help: make it first: createdb -h HOST -U USER DATABASE"
    )
    closed = postgres.libpq("postgres").replace(str(postgres.port), "1")
    assert told(how, closed) == (
        "error[E500]: cannot connect to postgresql://tester@127.0.0.1:1/postgres: "
        'connection to server at "127.0.0.1", port 1 failed: Connection refused\n'
        "  = help: is the server running, and are host and port of the URL right?"
    )


def test_without_psycopg_the_command_that_installs_it_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert complaint(Store.open, url) == (
        "error[E500]: a store on PostgreSQL needs psycopg, which cannot be imported: "
        "import of psycopg halted; None in sys.modules\n  = help: pip install 'ressearch[postgresql]'"
    )


def test_rights_that_are_missing_are_told(postgres: Server, url: str) -> None:
    """A user who may only read asks all questions; one who may nothing is told what is needed."""
    database = url.rpartition("/")[2]
    reader = postgres.libpq(database, user="reader")
    if not postgres.execute("SELECT FROM pg_roles WHERE rolname = 'reader'"):
        postgres.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD.replace('%2F', '/')}'")
    hint = "the user needs rights: CREATE in the database to make a store, on its schema 'ressearch' to use one"
    assert told(Store.create, reader) == (
        f"error[E500]: {name_of(reader)}: permission denied for database {database}\n  = help: {hint}"
    )
    with closing(Store.create(url)) as store:
        begin(store, store.create_study(STUDY), 0)
    assert told(Store.open, reader) == (
        f"error[E500]: {name_of(reader)}: permission denied for schema ressearch\n  = help: {hint}"
    )
    postgres.execute("GRANT USAGE ON SCHEMA ressearch TO reader", database)
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA ressearch TO reader", database)
    with closing(Store.open(reader)) as store:
        assert store.trials(store.study(None)[0]) == [running(0)]
        assert complaint(begin, store, 1, 1) == (
            f"error[E500]: {name_of(reader)}: permission denied for table trials\n  = help: {hint}"
        )


def test_a_schema_that_an_administrator_made_is_used(postgres: Server, url: str) -> None:
    """So that the right to make schemas is not needed."""
    database = url.rpartition("/")[2]
    if not postgres.execute("SELECT FROM pg_roles WHERE rolname = 'owner'"):
        postgres.execute(f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD.replace('%2F', '/')}'")
    postgres.execute("CREATE SCHEMA ressearch AUTHORIZATION owner", database)
    with closing(Store.create(postgres.libpq(database, user="owner"))) as store:
        store.create_study(STUDY)


# Whose the tables are


def test_others_tables_in_the_same_database_stay(postgres: Server, url: str) -> None:
    database = url.rpartition("/")[2]
    postgres.execute("CREATE TABLE trials (name text); INSERT INTO trials VALUES ('Mia')", database)
    postgres.execute("CREATE TABLE alembic_version (version_num text)", database)
    assert version_of(url) is None
    with closing(Store.create(url)) as store:
        begin(store, store.create_study(STUDY), 0)
    assert version_of(url) == SCHEMA_VERSION
    assert postgres.execute("SELECT name FROM public.trials", database) == [("Mia",)]
    assert postgres.execute("SELECT count(*) FROM public.alembic_version", database) == [(0,)]


FOREIGN = (
    "CREATE TABLE ressearch.cats (name text)",
    "CREATE TABLE ressearch.alembic_version (version_num text); INSERT INTO ressearch.alembic_version VALUES ('0002')",
)


@pytest.mark.parametrize("how", [Store.open, Store.create, version_of])
@pytest.mark.parametrize("statement", FOREIGN, ids=["cats", "another program's versions"])
def test_a_schema_of_our_name_that_is_not_ours_stays(
    postgres: Server, url: str, statement: str, how: Callable[[str], object]
) -> None:
    database = url.rpartition("/")[2]
    postgres.execute(f"CREATE SCHEMA ressearch; {statement}", database)
    assert told(how, url) == (
        f"error[E500]: the schema 'ressearch' of {name_of(url)} holds tables, but not those of a results store\n"
        "  = help: give a --store in another database, or rename that schema"
    )
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'ressearch'"
    assert postgres.execute(tables, database) == [(1,)]


@pytest.mark.parametrize("how", [Store.open, Store.create, version_of])
def test_a_newer_version_is_refused(postgres: Server, url: str, how: Callable[[str], object]) -> None:
    Store.create(url).close()
    database = url.rpartition("/")[2]
    newer = SCHEMA_VERSION + 1
    postgres.execute(f"UPDATE ressearch.alembic_version SET version_num = '{newer:04}'", database)
    assert told(how, url) == (
        f"error[E500]: {name_of(url)} was written by a newer ressearch "
        f"(schema {newer}, this one reads up to {SCHEMA_VERSION})\n"
        "  = help: upgrade ressearch, or give another --store"
    )


# The session


def test_a_write_is_on_the_disk_before_it_is_acknowledged(postgres: Server, url: str) -> None:
    """Whatever the database's own setting, except where that asks for more."""
    database = url.rpartition("/")[2]
    for setting, kept in (("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")):
        postgres.execute(f"ALTER DATABASE {database} SET synchronous_commit = {setting}")
        with closing(Store.create(url)) as store, store._database.writing() as connection:
            assert connection.scalar(text("SHOW synchronous_commit")) == kept


def test_transactions_are_isolated_as_they_must_be_whatever_the_default(postgres: Server, url: str) -> None:
    postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = 'serializable'")
    with closing(Store.create(url)) as store:
        for _ in range(2):
            with store._database.writing() as connection:
                assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
                assert connection.scalar(text("SHOW transaction_read_only")) == "off"
            with store._database.reading() as connection:
                assert connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
                assert connection.scalar(text("SHOW transaction_read_only")) == "on"


def test_text_that_postgresql_cannot_hold_is_refused_in_words(url: str) -> None:
    with closing(Store.create(url)) as store:
        study_id = store.create_study(STUDY)
        assert complaint(begin, store, study_id, 0, 10, "a\0b") == (
            f"error[E500]: {name_of(url)}: PostgreSQL text fields cannot contain NUL (0x00) bytes\n"
            "  = help: the server's log may tell more"
        )
        assert store.trials(study_id) == []


# Servers that go away


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server that a test may stop."""
    with running_server() as server:
        yield server


def end_connections(server: Server, url: str) -> None:
    """As an administrator does, or a firewall."""
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}'"
    assert all(row[0] for row in server.execute(ended.format(url.rpartition("/")[2])))


def test_a_transaction_whose_connection_ends_is_undone_and_told(postgres: Server, url: str) -> None:
    with closing(Store.create(url)) as store:
        study_id = store.create_study(STUDY)

        def rename() -> None:
            with store._database.writing() as connection:
                connection.execute(text("UPDATE studies SET name = 'other'"))
                end_connections(postgres, url)
                connection.execute(text("UPDATE studies SET name = 'another'"))

        assert complaint(rename) == (
            f"error[E500]: lost the connection to {name_of(url)}: terminating connection due to administrator command\n"
            "  = help: every finished trial is kept; when the server is back, the same command goes on"
        )
        assert store.study(None) == (study_id, STUDY)


def test_a_server_that_is_gone_is_told(mortal: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ressearch.store.postgresql.PATIENCE_SECONDS", 1)
    url = mortal.database()
    with closing(Store.create(url)) as store, store.sole_driver("demo"):
        study_id = store.create_study(STUDY)
        mortal.stop()
        assert complaint(begin, store, study_id, 0) == (
            f"error[E500]: lost the connection to {name_of(url)}: "
            f'connection to server at "127.0.0.1", port {mortal.port} failed: Connection refused\n'
            "  = help: every finished trial is kept; when the server is back, the same command goes on"
        )


def test_a_study_goes_on_over_a_restart_of_its_server(mortal: Server) -> None:
    url = mortal.database()
    with closing(Store.create(url)) as store, store.sole_driver("demo"):
        study_id = store.create_study(STUDY)
        begin(store, study_id, 0)
        mortal.stop()
        back = threading.Timer(1, mortal.start)
        back.start()
        store.complete(study_id, 0, KEY, MEASURED, RECIPE)
        back.join()
        assert store.counts(study_id)[TrialState.COMPLETE] == 1
        with closing(Store.open(url)) as other, pytest.raises(StudyError) as caught, other.sole_driver("demo"):
            pass  # the lock was taken again
        assert caught.value.message == "another process is driving the study 'demo'"


def test_a_driver_whose_lock_another_has_got_writes_no_more(
    postgres: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ressearch.store.postgresql.RELOCK", "200ms")
    with closing(Store.create(url)) as store, closing(Store.open(url)) as other, store.sole_driver("demo"):
        study_id = store.create_study(STUDY)
        end_connections(postgres, url)
        with other.sole_driver("demo"):
            with pytest.raises(StudyError) as caught:
                begin(store, study_id, 0)
            assert str(caught.value) == (
                f"error[E600]: the connection to {name_of(url)} was lost, and another process drives the study 'demo' "
                "since\n  = help: every finished trial is kept; this process has nothing left to do"
            )
            assert other.trials(study_id) == []


def test_who_waits_for_a_lock_for_long_is_told(postgres: Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["ressearch.store.postgresql"].SESSION, "lock_timeout", "200ms")
    with closing(Store.create(url)) as store, closing(Store.open(url)) as other:
        study_id = store.create_study(STUDY)
        begin(store, study_id, 0)
        with other._database.writing() as connection:
            connection.execute(text("LOCK TABLE trials"))
            began = time.monotonic()
            assert complaint(begin, store, study_id, 1) == (
                f"error[E500]: {name_of(url)}: canceling statement due to lock timeout\n"
                "  = help: another program has held a lock in this database for long; see pg_stat_activity"
            )
            assert time.monotonic() - began < 20
        begin(store, study_id, 1)


def test_ids_of_rows_do_not_matter(url: str) -> None:
    """A sequence skips numbers, e.g. those of what was known already."""
    with closing(Store.create(url)) as store:
        study_id = store.create_study(STUDY)
        for number in range(3):
            begin(store, study_id, number)
            assert store.complete(study_id, number, KEY, MEASURED, RECIPE) == MEASURED
        found: Any = store.history(NET.id)
        assert [trial.reused for _, trial in found] == [False, True, True]
