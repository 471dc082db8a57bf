"""SELECT statements of users: they answer, they change nothing whatever they say, and mistakes are told with place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ressearch.cli import cli
from ressearch.errors import FilterError, StoreError
from ressearch.store import Store
from ressearch.store.schema import metadata
from ressearch.store.sql import MOST_CHARACTERS, plain, tables
from tests.store_samples import BETTER, MEASURED, RECIPE, STUDY, begin, key_of


@pytest.fixture(scope="module")
def desk(new_store: Callable[[], str]) -> Iterator[Store]:
    """A store of two trials, which nothing here may change."""
    with closing(Store.create(new_store())) as store:
        study_id = store.create_study(STUDY)
        for number, measured in enumerate((MEASURED, BETTER)):
            net = begin(store, study_id, number, 10 + number)
            store.complete(study_id, number, key_of(net), measured, RECIPE)
        yield store


def dump(store: Store) -> dict[str, list[Any]]:
    with store._database.reading() as connection:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables}


def refusal(store: Store, statement: str) -> str:
    with pytest.raises(FilterError) as caught:
        store.sql(statement)
    assert caught.value.exit_status == 2
    return str(caught.value)


HELP = (
    "\n  = help: only reading is possible here: one SELECT, with WITH before it if need be; --tables lists the tables"
)


# Answers


def test_an_answer_has_columns_and_plain_values(desk: Store) -> None:
    found = desk.sql("SELECT number, number, 1.5, NULL, 'x' AS word FROM trials ORDER BY number DESC;")
    assert found.columns[:2] == ("number", "number_2")
    assert found.columns[-1] == "word"
    assert found.rows == ((1, 1, 1.5, None, "x"), (0, 0, 1.5, None, "x"))
    assert not found.more
    assert [list(record.values()) for record in found.records] == [list(row) for row in found.rows]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT count(*) FROM trials t JOIN measurements m ON m.id = t.measurement_id WHERE m.accuracy > 0.6", 1),
        ("WITH best AS (SELECT max(accuracy) AS a FROM measurements) SELECT a FROM best", 0.75),
        ("  -- a comment\n /* and; another */ SELECT 3", 3),
        ("VALUES (7)", 7),
        ("SELECT count(*) FROM studies WHERE name LIKE '%em%' AND name NOT LIKE '%s'", 1),
        ("SELECT sum(macs) FROM measurements", 21),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT sum(i) FROM n", 45),
        ("SELECT rank() OVER (ORDER BY accuracy DESC) FROM measurements LIMIT 1", 1),
        ("SELECT CASE WHEN random() IS NULL THEN 1 ELSE 2 END", 2),
        ("SELECT 'INSERT; DELETE; set' || '''' || 'x'", "INSERT; DELETE; set'x"),
    ],
)
def test_any_select_is_answered(desk: Store, statement: str, expected: Any) -> None:
    assert desk.sql(statement).rows[0] == (expected,)


def test_each_database_speaks_its_own_sql(desk: Store, database: str) -> None:
    if database == "sqlite-file":
        assert desk.sql("SELECT value FROM trials, json_each(decisions) LIMIT 1").rows == ((8,),)
        assert desk.sql("SELECT x'00ff', 9e999, CAST(x'ff' AS TEXT)").rows == (("00ff", "inf", "\ufffd"),)
        assert desk.sql("SELECT reused FROM trials LIMIT 1").rows == ((0,),)
        return
    assert desk.sql("SELECT decisions::json ->> 'stem.width' FROM trials LIMIT 1").rows == (("8",),)
    kinds = "SELECT true, 2.50, 3.0, 'NaN'::numeric, '\\x00ff'::bytea, 'infinity'::date, ARRAY[1, 2], 1e40::numeric"
    assert desk.sql(kinds).rows == ((True, 2.5, 3, "NaN", "00ff", "infinity", "[1, 2]", "1" + "0" * 40),)


def test_a_limit_tells_that_there_is_more(desk: Store) -> None:
    assert [desk.sql("SELECT id FROM trials", limit=limit).more for limit in (1, 2, 3)] == [True, False, False]
    assert len(desk.sql("SELECT id FROM trials", limit=1).rows) == 1
    with pytest.raises(ValueError, match=r"^limit is at least 1, not 0$"):
        desk.sql("SELECT 1", limit=0)


def test_an_answer_that_never_ends_is_given_up(desk: Store) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StoreError) as caught:
        desk.sql(endless, seconds=0.2)
    assert str(caught.value) == (
        f"error[E500]: {desk.name}: no answer within 0.2 seconds\n"
        "  = help: ask for less, or grant more: --time-limit SECONDS"
    )
    assert desk.sql("SELECT 1").rows == ((1,),)


def test_values_of_every_type_can_be_written_as_json() -> None:
    values = [None, True, 2, 2.5, "x", Decimal("2.50"), Decimal(3), Decimal("NaN"), Decimal("1e5000"), b"\0\xff"]
    values += [memoryview(b"a"), float("inf"), float("nan"), [1, 2], {"a": 1}]
    told = [plain(value) for value in values]
    assert told[:8] == [None, True, 2, 2.5, "x", 2.5, 3, "NaN"]
    assert told[8:] == ["1E+5000", "00ff", "61", "inf", "nan", "[1, 2]", "{'a': 1}"]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


# Writing, in every way that we know

WRITES = [
    "DELETE FROM trials",
    "INSERT INTO block_kinds VALUES ('x', 'dense', 1)",
    "UPDATE measurements SET accuracy = 1",
    "REPLACE INTO block_kinds VALUES ('x', 'dense', 1)",
    "MERGE INTO trials USING studies ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE trials",
    "DROP TABLE IF EXISTS trials CASCADE",
    "ALTER TABLE trials ADD COLUMN x INTEGER",
    "ALTER TABLE trials RENAME TO lost",
    "CREATE TABLE x (a INTEGER)",
    "CREATE TEMP TABLE x (a INTEGER)",
    "CREATE TABLE x AS SELECT * FROM trials",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TEMP VIEW trials AS SELECT 1",
    "CREATE INDEX x ON trials (seed)",
    "CREATE TRIGGER x AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION dblink",
    "CREATE SCHEMA x",
    "CREATE ROLE x SUPERUSER",
    "TRUNCATE trials",
    "VACUUM",
    "VACUUM INTO '{file}'",
    "REINDEX",
    "ANALYZE",
    "ATTACH DATABASE '{file}' AS x",
    "DETACH DATABASE main",
    "PRAGMA user_version = 99",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = ON",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "BEGIN IMMEDIATE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "SET default_transaction_read_only = off",
    "SET TRANSACTION READ WRITE",
    "SET search_path = public",
    "SET ROLE postgres",
    "RESET ALL",
    "DISCARD ALL",
    "GRANT ALL ON trials TO PUBLIC",
    "REVOKE ALL ON trials FROM tester",
    "COMMENT ON TABLE trials IS 'x'",
    "COPY trials TO '{file}'",
    "COPY trials FROM '{file}'",
    "COPY (SELECT 1) TO PROGRAM 'touch {file}'",
    "COPY trials FROM PROGRAM 'touch {file}'",
    "DO $$ BEGIN DELETE FROM trials; END $$",
    "CALL x()",
    "PREPARE x AS DELETE FROM trials",
    "EXECUTE x",
    "EXPLAIN ANALYZE DELETE FROM trials",
    "LISTEN x",
    "NOTIFY x",
    "LOCK TABLE trials",
    "LOAD 'x'",
    "CHECKPOINT",
    "WITH gone AS (DELETE FROM trials RETURNING id) SELECT * FROM gone",
    "WITH new AS (INSERT INTO block_kinds VALUES ('x', 'dense', 1) RETURNING *) SELECT * FROM new",
    "WITH x AS (SELECT 1) DELETE FROM trials",
    "WITH x AS (SELECT 1) INSERT INTO block_kinds SELECT id, 'dense', 1 FROM architectures",
    "WITH x AS (SELECT 1) UPDATE trials SET seed = 1",
    "SELECT * INTO x FROM trials",
    "SELECT * FROM trials FOR UPDATE",
    "SELECT 1; DELETE FROM trials",
    "SELECT 1; COMMIT; DELETE FROM trials",
    "SELECT 1 FROM (DELETE FROM trials RETURNING id) x",
    "SELECT 1 -- \n; DELETE FROM trials",
    "(DELETE FROM trials)",
    "/* SELECT */ DELETE FROM trials",
    "/* /* */ SELECT 1 */ DELETE FROM trials",
    "\ufeffDELETE FROM trials",
    "SELECT load_extension('x')",
    "SELECT writefile('{file}', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM sqlite_dbpage",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false)",
    "SELECT \"set_config\"('search_path', 'public', false)",
    "SELECT U&\"set\\005fconfig\"('search_path', 'public', false)",
    "SELECT SET_CONFIG /* x */ ('search_path', 'public', false)",
    "SELECT setval('ressearch.trials_id_seq', 1)",
    "SELECT nextval('ressearch.trials_id_seq')",
    "SELECT lo_create(4711)",
    "SELECT lo_from_bytea(4711, 'x')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '{file}')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_stat_file('/etc/passwd')",
    "SELECT dblink_exec('dbname=postgres', 'DELETE FROM ressearch.trials')",
    "SELECT * FROM dblink('dbname=postgres', 'DELETE FROM ressearch.trials') AS t(a text)",
    "SELECT query_to_xml('DELETE FROM ressearch.trials', true, true, '')",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_sleep(60)",
    "SELECT pg_switch_wal()",
    "SELECT pg_promote()",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT setseed(0.5)",
    "SELECT (SELECT count(*) FROM trials) WHERE lo_unlink(1) = 1",
]


@pytest.mark.parametrize("statement", WRITES)
def test_nothing_is_written(desk: Store, tmp_path: Path, statement: str) -> None:
    before, file = dump(desk), tmp_path / "leak"
    said = refusal(desk, statement.replace("{file}", str(file)))
    assert said.startswith("error[E510]: ")
    assert dump(desk) == before
    assert not file.exists()
    assert sorted(os.listdir(tmp_path)) == []


def test_every_fence_of_sqlite_is_enough_alone(desk: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if database != "sqlite-file":
        pytest.skip("of SQLite")
    from ressearch.store import sqlite_sql

    before = dump(desk)
    monkeypatch.setattr(sqlite_sql, "require_select", lambda statement: None)
    for statement in ("DELETE FROM trials", "DROP TABLE trials", "ATTACH ':memory:' AS x", "PRAGMA user_version = 9"):
        assert refusal(desk, statement).startswith("error[E510]: refused: ")
    monkeypatch.setattr(sqlite_sql._Fence, "__call__", lambda self, *asked: 0)
    assert refusal(desk, "DELETE FROM trials") == f"error[E510]: refused: attempt to write a readonly database{HELP}"
    assert dump(desk) == before


def test_every_fence_of_postgresql_is_enough_alone(desk: Store, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if database != "postgresql":
        pytest.skip("of PostgreSQL")
    from ressearch.store import postgresql_sql

    before = dump(desk)
    monkeypatch.setattr(postgresql_sql, "require_select", lambda statement: None)
    for statement in (
        "DELETE FROM trials",
        "COMMIT",
        "SELECT 1; COMMIT; DELETE FROM trials",
        "COPY trials TO '/tmp/x'",
    ):
        assert refusal(desk, statement).startswith("error[E510]: ")
    monkeypatch.setattr(postgresql_sql, "_require_harmless", lambda connection, statement: None)
    for statement in (
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('trials_id_seq')",
        "SELECT * FROM trials FOR UPDATE",
    ):
        refusal(desk, statement)
    assert dump(desk) == before


def test_functions_of_others_are_judged_as_they_are_declared(desk: Store, database: str) -> None:
    if database != "postgresql":
        pytest.skip("of PostgreSQL")
    make = "CREATE FUNCTION public.{} RETURNS int LANGUAGE sql {} AS 'SELECT 7'"
    with desk._database.writing() as connection:
        for name, kind in (("calm()", "STABLE"), ("wild()", "VOLATILE"), ('"odd "" one"()', "VOLATILE")):
            connection.exec_driver_sql(make.format(name, kind))
    assert desk.sql("SELECT public.calm()").rows == ((7,),)
    assert refusal(desk, "SELECT public.Wild()") == (
        "error[E510]: refused: wild does more than compute\n  |\n  | SELECT public.Wild()\n"
        f"  |               ^^^^{HELP}"
    )
    assert refusal(desk, 'SELECT public."odd "" one"()').startswith('error[E510]: refused: odd " one does more than')


# Mistakes


def test_mistakes_are_told_with_place_and_hint(desk: Store, database: str) -> None:
    sqlite = database == "sqlite-file"
    said = "no such column: acuracy" if sqlite else 'column "acuracy" does not exist'
    hint = (
        "did you mean 'accuracy'?" if sqlite else 'Perhaps you meant to reference the column "measurements.accuracy".'
    )
    assert refusal(desk, "SELECT acuracy FROM measurements") == (
        f"error[E510]: {said}\n  |\n  | SELECT acuracy FROM measurements\n  |        ^^^^^^^\n  = help: {hint}"
    )
    said = "no such table: trial" if sqlite else 'relation "trial" does not exist'
    assert refusal(desk, "SELECT *\n\tFROM trial") == (
        f"error[E510]: {said}\n  |\n  | SELECT *  FROM trial\n  |                ^^^^^\n"
        "  = help: did you mean 'trials'?"
    )
    said = 'near "FRO": syntax error' if sqlite else 'syntax error at or near "FRO"'
    assert refusal(desk, "SELECT 'FRO' x FRO trials") == (
        f"error[E510]: {said}\n  |\n  | SELECT 'FRO' x FRO trials\n  |                ^^^"
    )
    said = 'near ")": syntax error' if sqlite else 'syntax error at or near ")"'
    assert refusal(desk, "SELECT count(*)) FROM trials") == (
        f"error[E510]: {said}\n  |\n  | SELECT count(*)) FROM trials\n  |                ^"
    )
    said = "incomplete input" if sqlite else "syntax error at end of input"
    assert refusal(desk, "SELECT id FROM") == f"error[E510]: {said}\n  |\n  | SELECT id FROM\n  |               ^"
    said = (
        "Incorrect number of bindings supplied. The current statement uses 1, and there are 0 supplied."
        if sqlite
        else "a statement may have no parameters ($1)"
    )
    assert refusal(desk, "SELECT $1") == f"error[E510]: {said}"


def test_what_is_no_select_is_told_without_asking(desk: Store) -> None:
    assert refusal(desk, " delete from trials") == (
        f"error[E510]: expected SELECT, not 'delete'\n  |\n  |  delete from trials\n  |  ^^^^^^{HELP}"
    )
    for empty in ("", "  ", "-- SELECT 1", "/* */"):
        assert refusal(desk, empty) == f"error[E510]: there is no statement{HELP}"
    assert refusal(desk, "SELECT 'a\0b'").startswith("error[E510]: a character that no text can hold\n")
    assert refusal(desk, "SELECT '\ud800'").startswith("error[E510]: a character that no text can hold\n")
    assert refusal(desk, "SELECT" + " " * MOST_CHARACTERS) == (
        f"error[E510]: a statement of {MOST_CHARACTERS + 6} characters is too long: at most {MOST_CHARACTERS}"
    )


WORDS = [
    *("SELECT", "FROM", "WHERE", "trials", "measurements", "id", "accuracy", "*", ",", "(", ")", "=", "1", "'x'", "'"),
    *('"', ";", "--", "/*", "*/", "AS", "WITH", "x", "UNION", "JOIN", "ON", "GROUP BY", "ORDER BY", "LIMIT", "?", "%s"),
    *("DELETE FROM trials", "UPDATE trials SET seed = 0", "DROP TABLE trials", "INSERT INTO", "COMMIT", "RETURNING id"),
    *("COPY trials TO PROGRAM 'true'", "ATTACH ':memory:' AS y", "PRAGMA user_version = 3", "VACUUM", "nextval", "::"),
    *(
        "set_config('a.b', 'c', false)",
        "lo_create(1)",
        "pg_read_file('x')",
        "load_extension('x')",
        "INTO y",
        "$1",
        ":a",
    ),
    *(
        "FOR UPDATE",
        "$$",
        "E'\\x'",
        "U&'\\0041'",
        "VALUES (1)",
        "NULL",
        "9e999",
        "x'ff'",
        "json_each('[1]')",
        "\\",
        "@",
    ),
]
fragments = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=9).map(" ".join)


def test_whatever_is_typed_is_answered_or_refused_and_changes_nothing(desk: Store) -> None:
    @settings(max_examples=150)
    @given(text=fragments | fragments.map(lambda text: f"SELECT {text}") | st.text())
    @example(text="SELECT * FROM trials, trials AS x")
    @example(text="SELECT ?, $1, :a")
    @example(text="SELECT $1")
    @example(text="SELECT '%' || '%s' || '{}' || ':x'")
    def answered_or_refused(text: str) -> None:
        with suppress(FilterError):
            found = desk.sql(text, limit=5, seconds=10)
            json.dumps(found.records, allow_nan=False)

    before = dump(desk)
    answered_or_refused()
    assert dump(desk) == before


# The command line


def ask(store: Store, *words: str) -> tuple[str, str]:
    url = str(store._database.engine.url.render_as_string(hide_password=False))
    url = url if url.startswith("postgresql") else store.name
    result = CliRunner().invoke(cli, ["query", *words, "--store", url], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


ASKED = ("--sql", "SELECT seed, accuracy, loss AS l, NULL AS n FROM measurements ORDER BY id")


def test_the_formats_agree(desk: Store) -> None:
    records = [{"seed": 7, "accuracy": 0.5, "l": 1.5, "n": None}, {"seed": 7, "accuracy": 0.75, "l": 1.5, "n": None}]
    assert json.loads(ask(desk, *ASKED, "-f", "json")[0]) == records
    lines = ask(desk, *ASKED, "-f", "jsonl")[0].splitlines()
    assert [json.loads(line) for line in lines] == records
    assert ask(desk, *ASKED, "-f", "csv")[0] == "seed,accuracy,l,n\n7,0.5,1.5,\n7,0.75,1.5,\n"
    out, _ = ask(desk, *ASKED, "-f", "md")
    assert out.splitlines()[2] == "| 7 | 50.00 % | 1.5 |  |"
    out, err = ask(desk, *ASKED)
    assert [line.split() for line in out.splitlines() if line.strip()][2] == ["7", "50.00", "%", "1.5"]
    assert err == "2 row(s)\n"
    assert ask(desk, *ASKED, "-f", "csv", "--limit", "1")[0].splitlines()[1:] == ["7,0.5,1.5,"]
    assert ask(desk, "--sql", "SELECT id FROM trials WHERE 1 = 0", "-f", "csv")[0] == "id\n"


def test_more_rows_than_are_held_are_told(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ressearch.store.sql.MOST_ROWS", 1)
    assert ask(desk, *ASKED)[1] == "these are the first 1 rows; --limit grants more\n"


def test_the_tables_are_listed_with_their_columns() -> None:
    out = CliRunner().invoke(cli, ["query", "--tables"]).stdout
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [table for table, _ in tables()]
    assert "  measurement_id    int or NULL, see measurements.id" in lines
    assert "  created           float, seconds since 1970, UTC" in lines
    assert max(map(len, lines)) <= 110
