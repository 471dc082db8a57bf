"""What `--store` may say: a path or a URL; and which file systems an SQLite file may not be on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ressearch.search.checkpoints import Checkpoints
from ressearch.store import Store, database_of, version_of
from ressearch.store.postgresql import PostgresDatabase
from ressearch.store.sqlite import SqliteFile
from tests.store_samples import complaint

FORMS = "give the path of an SQLite file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
SPELLED = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters of a password as %XX"


@pytest.mark.parametrize(
    ("store", "path"),
    [
        ("runs/a.db", "runs/a.db"),
        (Path("runs/a.db"), "runs/a.db"),
        ("sqlite:///runs/a.db", "runs/a.db"),
        ("sqlite:////data/a b%20?c.db", "/data/a b%20?c.db"),
        ("postgresql:a.db", "postgresql:a.db"),
        ("C:/a.db", "C:/a.db"),
    ],
)
def test_a_path_means_a_file(store: str | Path, path: str) -> None:
    database = database_of(store)
    assert isinstance(database, SqliteFile)
    assert (database.path, database.name, database.secret) == (Path(path), path, False)
    assert database.checkpoints == Path(f"{path}.checkpoints").resolve()


@pytest.mark.parametrize(
    ("store", "name", "secret"),
    [
        ("postgresql://me:pass@host:5433/results", "postgresql://me@host:5433/results", True),
        ("postgresql+psycopg://me:p%2Fa%40ss@host/results", "postgresql://me@host/results", True),
        ("postgres://me@host/results?sslmode=require", "postgresql://me@host/results", False),
        ("postgresql://host/results?user=me&password=pass", "postgresql://host/results", True),
        ("postgresql://host/results?sslpassword=pass", "postgresql://host/results", True),
        ("postgresql:///results?host=/run/postgresql", "postgresql:///results?host=%2Frun%2Fpostgresql", False),
    ],
)
def test_a_url_means_a_database_and_is_shown_without_its_password(store: str, name: str, secret: bool) -> None:
    database = database_of(store)
    assert isinstance(database, PostgresDatabase)
    assert (database.name, database.secret) == (name, secret)
    assert "pass" not in name


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("mysql://me:pass@host/results", f"a store cannot be at a URL of mysql://\n  = help: {FORMS}"),
        ("postgresql+asyncpg://h/d", f"a store cannot be at a URL of postgresql+asyncpg://\n  = help: {FORMS}"),
        ("postgresql://me:pass@host", f"the URL of the store names no database\n  = help: {FORMS}"),
        ("postgresql://me:pass@host/", f"the URL of the store names no database\n  = help: {FORMS}"),
        ("postgresql://me:pass@host:port/results", f"the URL of the store cannot be read\n  = help: {SPELLED}"),
        ("sqlite://", "the URL of an SQLite store names no file\n  = help: write sqlite:///PATH, or the path alone"),
        ("sqlite:///", "the URL of an SQLite store names no file\n  = help: write sqlite:///PATH, or the path alone"),
    ],
)
@pytest.mark.parametrize("how", [Store.open, Store.create, version_of])
def test_a_url_that_means_nothing(how: Callable[[str], object], store: str, message: str) -> None:
    assert complaint(how, store) == f"error[E500]: {message}"


def test_a_file_is_the_same_by_path_and_by_url(tmp_path: Path) -> None:
    Store.create(f"sqlite:///{tmp_path}/results.db").close()
    Store.open(tmp_path / "results.db").close()
    Store.open(str(tmp_path / "results.db")).close()


def test_checkpoints_of_a_database_are_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for whoever asks, and for each database others."""
    monkeypatch.chdir(tmp_path)
    urls = (
        *("postgresql://me:pass@host/results", "postgresql+psycopg://you:word@host:5432/results"),
        *("postgresql://me@host/results?sslmode=require", "postgresql://me@host:5433/results"),
        *("postgresql://me@host/others", "postgresql://me@other/results"),
    )
    folders = [database_of(url).checkpoints for url in urls]
    assert {folder.parent for folder in folders} == {tmp_path / "runs" / "checkpoints"}
    assert folders[0] == folders[1] == folders[2]
    assert len(set(folders)) == 4
    assert Checkpoints(urls[0], "demo").file(3) == folders[0] / "demo" / "3.pt"


# File systems

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/sda rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:41 / /home rw,relatime shared:1 master:2 - nfs4 server:/home rw,vers=4.2
31 30 254:1 / /home/me/disk rw,relatime - xfs /dev/sdb rw
32 22 0:42 / /mnt/my\040share rw - cifs //server/share rw
33 22 0:43 / /mnt/ssh rw - fuse.sshfs me@host:/ rw
34 22 0:44 / /mnt/bind rw - fuse.bindfs /data rw
35 22 0:45 / /mnt/disk rw - ext4 /dev/sdc rw
36 35 0:46 / /mnt/disk rw - lustre server:/scratch rw
37 22 0:47 / /mnt/c rw - 9p C: rw
38 22 0:48 / /mnt/usb rw - fuseblk /dev/sdd rw
39 22 0:49 / /mnt/auto rw - autofs auto rw
a line that nobody understands
"""


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS)
    monkeypatch.setattr("ressearch.store.mounts.MOUNTINFO", file)
    return file


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/home/me/results.db", "nfs4", "/home"),
        ("/home/me/disk/../results.db", "nfs4", "/home"),
        ("/mnt/my share/results.db", "cifs", "/mnt/my share"),
        ("/mnt/ssh/results.db", "fuse.sshfs", "/mnt/ssh"),
        ("/mnt/disk/results.db", "lustre", "/mnt/disk"),
        ("/mnt/c/results.db", "9p", "/mnt/c"),
    ],
)
@pytest.mark.parametrize("how", [Store.open, Store.create, version_of])
def test_a_network_file_system_is_refused(
    mounts: Path, how: Callable[[str], object], path: str, kind: str, point: str
) -> None:
    assert complaint(how, path) == (
        f"error[E500]: {path} is on a network file system ({kind} at {point}), "
        "where SQLite may lose or damage results\n"
        "  = help: give a --store on a local disk, or a PostgreSQL database: "
        "--store postgresql://USER@HOST/DATABASE"
    )
    assert not Path(path).exists()


@pytest.mark.parametrize(
    "path",
    ["/home/me/disk/a.db", "/homes/a.db", "/mnt/bind/a.db", "/mnt/usb/a.db", "/mnt/auto/a.db", "/mnt/sshx/a.db"],
)
def test_a_disk_is_taken(mounts: Path, path: str) -> None:
    assert version_of(path) is None


def test_a_link_to_a_network_file_system_is_refused(mounts: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/home/me")
    message = complaint(Store.create, link / "results.db")
    assert f"{link}/results.db is on a network file system (nfs4 at /home)" in message


def test_the_root_of_a_sandbox_is_taken(mounts: Path) -> None:
    mounts.write_text("22 1 0:1 / / rw - 9p none rw\n")
    assert version_of("/nowhere/results.db") is None


def test_where_mounts_are_not_listed_nothing_is_refused(mounts: Path, tmp_path: Path) -> None:
    mounts.unlink()
    Store.create(tmp_path / "results.db").close()
