"""PostgreSQL databases: connecting, whose the tables are, transactions, locks, and PostgreSQL's errors as ours.

Ours are the tables of the schema `ressearch`, so that a database may hold others beside them. What several drivers may
do at once is left to constraints and to single statements, see `Database.writing`, under READ COMMITTED: a statement
that met another's row waits for its end and looks again. So none has to be repeated, and drivers of different studies
wait for each other only over one and the same row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from ressearch.errors import StoreError, StudyError
from ressearch.store.database import Database, Upgrade, driven_by_another, under_way
from ressearch.store.driver import Driver, driver_of, this_driver
from ressearch.store.postgresql_errors import explained
from ressearch.store.schema import REVISION, SCHEMA_VERSION, metadata, studies, versions
from ressearch.store.sql import Answer

SCHEMA = "ressearch"
MARK = "results store of ressearch"
"""The comment on our table of versions: other programs have one of this name too."""
PATIENCE_SECONDS = 60
"""How long a study under way waits for a server that restarts."""
RELOCK = "150s"
"""More than it takes a server to notice that a connection is dead, whose lock we want back."""

PROGRAM = "ressearch"
CONNECTING = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "client_encoding": "utf8",
}
"""For libpq, where the URL does not say otherwise: a dead server is noticed within a minute."""
SESSION = {
    "search_path": SCHEMA,
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",  # so that a driver whose machine sleeps holds nobody up for long
    "tcp_keepalives_idle": "30",  # so that the server notices a machine that lost power, and gives its lock free
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # what is asked needs some ten thousand rows by their keys; as for spinning disks, all rows would be read instead
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""An acknowledged write is on the server's disk."""
TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
TRY_LOCK_HERE = text("SELECT pg_try_advisory_xact_lock(:key)")
HELD = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
SIGNED = (
    "SELECT application_name FROM pg_stat_activity WHERE pid = (SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    " AND objsubid = 1 AND granted AND (classid::bigint << 32) | objid::bigint = :key"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
UNLOCK = text("SELECT pg_advisory_unlock(:key)")


class PostgresDatabase(Database):
    """A store in a PostgreSQL database: many drivers, on many machines, at once.

    There is one connection at most, and it is the lock of the study that it drives: where the connection is lost, so
    is the lock, and a new connection must get it back before anything is written.
    """

    shared = True

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        place = {key: value for key, value in url.query.items() if key in ("host", "port")}
        shown = url.set(drivername="postgresql", query=place)
        self.name = URL.create(**{**shown._asdict(), "password": None}).render_as_string()
        self.secret = url.password is not None or any("password" in key for key in url.query)
        host, port = (url.host or place.get("host", ""), url.port or place.get("port", 5432))
        self._digest = sha256(f"{host}:{port}/{url.database}".encode()).hexdigest()[:16]
        self.checkpoints = Path("runs", "checkpoints", self._digest).resolve()
        self.artifacts = Path("runs", "artifacts", self._digest).resolve()
        self._driven: str | None = None

    def _engine(self) -> Engine:
        _require_psycopg()
        engine = create_engine(
            self._url,
            connect_args=self._connecting(),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            use_native_hstore=False,
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, record: Any) -> None:
            connection.autocommit = True
            for name, value in SESSION.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            connection.execute(DURABLE)
            if self._driven is not None:
                self._lock_again(connection, self._driven)
            connection.autocommit = False

        return engine

    def _connecting(self) -> dict[str, str]:
        """Under a name that tells who we are, of which a server keeps 63 bytes."""
        known = {**CONNECTING, "application_name": f"{PROGRAM} {this_driver().text()}"}
        return {key: value for key, value in known.items() if key not in self._url.query}

    def version(self) -> int | None:
        """As of every database."""
        try:
            with self.reading() as connection:
                return self._version(connection)
        finally:
            self.close()

    def open(self) -> Upgrade | None:
        """As of every database."""
        with self.closed_on_error():
            with self.reading() as connection:
                version = self._version(connection)
            if version is None:
                raise self.missing()
            return None if version == SCHEMA_VERSION else self._prepared()

    def create(self) -> Upgrade | None:
        """As of every database; the schema is made too. The database has to be there."""
        with self.closed_on_error():
            with self.reading() as connection:
                version = self._version(connection)
            return None if version == SCHEMA_VERSION else self._prepared()

    def _prepared(self) -> Upgrade | None:
        """Make the tables, or bring them to the present version, unless another process has just done so."""
        with self.writing() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("", "")})
            version = self._version(connection)
            if version is None:
                _make_tables(connection)
            elif version < SCHEMA_VERSION:
                self._migrate(connection, version)
                return Upgrade(version, None)
        return None

    def _migrate(self, connection: Connection, version: int) -> None:
        """In the connection's transaction: whatever goes wrong, the store stays as it was."""
        from ressearch.store.migrations import run_all

        for name in list(connection.scalars(select(studies.c.name))):
            if not connection.scalar(TRY_LOCK_HERE, {"key": _key("study", name)}):
                raise under_way(self.name, name)
        try:
            run_all(connection, version)
        except DatabaseError as error:
            raise StoreError(
                f"{self.name} cannot be migrated from schema {version} to {SCHEMA_VERSION}: "
                f"{str(error.orig).splitlines()[0]}",
                hint="it is unchanged; whoever made its tables may migrate it: `ressearch store migrate`",
            ) from error

    def _version(self, connection: Connection) -> int | None:
        """The version of the tables in our schema, which are a store and not newer than this program; None if none."""
        tables = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = :schema"
        if not connection.scalar(text(tables), {"schema": SCHEMA}):
            return None
        comment = text("SELECT obj_description(to_regclass(:table), 'pg_class')")
        if connection.scalar(comment, {"table": f"{SCHEMA}.{versions.name}"}) != MARK:
            raise StoreError(
                f"the schema {SCHEMA!r} of {self.name} holds tables, but not those of a results store",
                hint="give a --store in another database, or rename that schema",
            )
        return self.require_not_newer(int(connection.execute(versions.select()).scalar_one()))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As of every database."""
        with self._translated(), self._connected() as connection:
            options: Any = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            yield connection.execution_options(**options)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """As of every database."""
        with self._translated(), self._connected() as plain:
            connection = plain.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                yield connection

    def ask(self, statement: str, limit: int, seconds: float) -> Answer:
        """As of every database."""
        _require_psycopg()
        from ressearch.store import postgresql_sql

        _, connecting = self.engine.dialect.create_connect_args(self._url)
        return postgresql_sql.ask(self.name, {**connecting, **self._connecting()}, SESSION, (statement, limit, seconds))

    def _connected(self) -> Connection:
        """The connection, or a new one if it is dead. A study under way waits for a server that restarts."""
        deadline = time.monotonic() + (0 if self._driven is None else PATIENCE_SECONDS)
        while True:
            try:
                return self.engine.connect()
            except OperationalError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)

    @contextmanager
    def sole_driver(self, study: str) -> Iterator[None]:
        """As of every database, by an advisory lock that belongs to the connection."""
        key = {"key": _key("study", study)}
        with self.reading() as connection:
            if not connection.scalar(TRY_LOCK, key):
                raise driven_by_another(study)
        self._driven = study
        try:
            yield
        finally:
            self._driven = None
            with suppress(StoreError), self.reading() as connection:  # a server that is gone has forgotten the lock
                connection.execute(UNLOCK, key)

    @contextmanager
    def undisturbed(self, connection: Connection, study: str) -> Iterator[None]:
        """As of every database; until the transaction ends."""
        if not connection.scalar(TRY_LOCK_HERE, {"key": _key("study", study)}):
            raise driven_by_another(study)
        yield

    def driven(self, connection: Connection) -> Iterator[str]:
        """As of every database: studies whose locks others hold, on whatever machine."""
        held = set(connection.scalars(text(HELD)))
        yield from (name for name in connection.scalars(select(studies.c.name)).all() if _key("study", name) in held)

    def driver(self, connection: Connection, study: str) -> Driver | None:
        """As of every database, by the name under which the lock's owner is connected."""
        name = connection.scalar(text(SIGNED), {"key": _key("study", study)})
        return driver_of(str(name or "").removeprefix(PROGRAM).strip())

    def _lock_again(self, connection: Any, study: str) -> None:
        """Get back the lock that a lost connection held, and may still hold where the server has not noticed yet."""
        import psycopg

        try:
            connection.execute(f"SET lock_timeout = '{RELOCK}'")
            connection.execute("SELECT pg_advisory_lock(%s)", (_key("study", study),))
            connection.execute(f"SET lock_timeout = '{SESSION['lock_timeout']}'")
        except psycopg.errors.LockNotAvailable as error:
            connection.close()
            raise StudyError(
                f"the connection to {self.name} was lost, and another process drives the study {study!r} since",
                hint="every finished trial is kept; this process has nothing left to do",
            ) from error

    def _explained(self, error: DatabaseError) -> StoreError:
        return explained(self.name, error, under_way=self._driven is not None)


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StoreError(
            f"a store on PostgreSQL needs psycopg, which cannot be imported: {str(error).splitlines()[0]}",
            hint="pip install 'ressearch[postgresql]'",
        ) from error


def _key(kind: str, name: str) -> int:
    """The number of an advisory lock: those have no names, and all programs in a database share them."""
    digest = sha256(f"ressearch\0{kind}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _make_tables(connection: Connection) -> None:
    # not IF NOT EXISTS: that needs the right to make schemas even where an administrator has made ours
    if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": SCHEMA}) is None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text(f"COMMENT ON TABLE {SCHEMA}.{versions.name} IS '{MARK}'"))
    connection.execute(insert(versions).values(version_num=REVISION))
