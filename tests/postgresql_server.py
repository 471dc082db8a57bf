"""A PostgreSQL server for the tests: a real one, with a password, on a free port.

It is the one that the package pgserver carries, or the system's where there is no such package.

pgserver's own way to start it is not used: as root it adds a user to the system, and opens every directory on the way
to its data to everybody. Here everything is in a folder of its own, which belongs to `nobody` where root runs the
tests, since PostgreSQL does not run as root.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import psycopg

USER, PASSWORD = "tester", "secret%2Fword"
"""The password as a URL writes it; it holds a slash."""
START_SECONDS = 60
WATCHED = '"$@" & pid=$!; read -r _; kill -INT $pid; wait $pid'
"""Ends the server when its input ends, which it does when the tests end, however they do."""


class Server:
    """A server that runs; `database` makes a new one in it."""

    def __init__(self, folder: Path, identity: dict[str, Any], **settings: str) -> None:
        self.folder, self.data, self._identity, self._settings = folder, folder / "data", identity, settings
        self._binaries = _usable_binaries(folder, identity)
        self._numbers = itertools.count()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        password = folder / "password"
        password.write_text(PASSWORD.replace("%2F", "/"))
        password.chmod(0o644)
        self._run(
            *("initdb", "-D", str(self.data), "-U", USER, "--auth=scram-sha-256", "--no-locale", "-E", "UTF8"),
            *("--no-sync", f"--pwfile={password}"),
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", **self._identity)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Run it in the background, and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",  # no test cuts the power
            "shared_buffers": "16MB",
            "max_connections": 40,
            "log_min_messages": "fatal",
            **self._settings,
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self.data), *flags]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", WATCHED, "sh", *command],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/", **self._identity,
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.libpq("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                ended = self._process.poll() is not None or not self._process.stdin
                if ended or time.monotonic() > deadline:
                    log = (self.folder / "log").read_text()
                    raise AssertionError(f"PostgreSQL does not start: {error}\n{log}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        """End it, connections and all."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def libpq(self, database: str, user: str = USER, password: str = PASSWORD) -> str:
        """The URL of a database, for any program."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement outside of any transaction; the rows that it gives."""
        with psycopg.connect(self.libpq(database), autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"store_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.libpq(name)

    def emptied(self) -> str:
        """The URL of the database that tests have one after the other: faster than a new one for each."""
        self.execute("DROP SCHEMA IF EXISTS ressearch CASCADE")
        return self.libpq("postgres")


def _usable_binaries(folder: Path, identity: dict[str, Any]) -> Path:
    """Where PostgreSQL's programs are for the user that runs them: copied, if that one cannot get to where they are."""
    binaries = _binaries()
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, cwd="/", **identity)
        return binaries
    except (PermissionError, subprocess.CalledProcessError):
        return _copied(binaries, folder / "copy")


def _copied(binaries: Path, folder: Path) -> Path:
    """The programs elsewhere, with the libraries that they look for at `../../../pgserver.libs`."""
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, folder / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / binaries.parent.name / "bin"


def _binaries() -> Path:
    """Those of pgserver, which is not imported: that alone makes folders and warns. Without it, the system's."""
    try:
        return Path(str(distribution("pgserver").locate_file("pgserver/pginstall/bin")))
    except PackageNotFoundError:
        command = ["pg_config", "--bindir"]
        return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """A server of one's own. settings: of its configuration, in place of those of the tests."""
    with tempfile.TemporaryDirectory(prefix="ressearch-postgresql-") as name:
        folder, identity = Path(name), {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        server = Server(folder, identity, **settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
