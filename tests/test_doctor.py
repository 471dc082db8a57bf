"""`doctor`: each line is right about what was found, and a failure is one for the shell too."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ressearch.doctor import Check, Level, machine, results
from ressearch.doctor.versions import TESTED, judgement, packages
from ressearch.store import Store
from tests.command import Call, call
from tests.conftest import ROOT
from tests.store_samples import STUDY, begin

__all__ = ["call"]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pairs}


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    """Of all that is required, and of every extra but those for tests and benchmarks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [names for extra, names in project["optional-dependencies"].items() if extra not in ("test", "bench")]
    wanted = {
        canonicalize_name(Requirement(text).name) for names in (project["dependencies"], *extras) for text in names
    }
    assert wanted == TESTED.keys()
    assert {name: constraints()[name] for name in wanted} == TESTED


RAY = Requirement("ray[tune]>=2.60,<3")


@pytest.mark.parametrize(
    ("installed", "line"),
    [
        ("2.60.0", None),
        ("2.60.7+cpu", None),
        ("2.99", "warn  packages  ray 2.99 was not tested, 2.60.0 was: if something fails, pip install ray==2.60.0"),
        ("2.9", "fail  packages  ray 2.9 is not within <3,>=2.60: pip install 'ray[tune]<3,>=2.60'"),
        (None, "fail  packages  ray is not installed: pip install 'ray[tune]<3,>=2.60'"),
    ],
)
def test_a_package_is_held_against_what_is_required_and_tested(installed: str | None, line: str | None) -> None:
    found = judgement("ray", installed, RAY)
    assert (None if found is None else str(found)) == line
    assert judgement("ray", None, None) is None, "nobody needs it"


def test_packages_are_those_that_are_installed() -> None:
    first, *others = packages()
    listed = dict(re.findall(r"([a-z-]+) (\d[\w.+]*)", first.said))
    assert listed.keys() <= TESTED.keys()
    assert all(version(name) == found for name, found in listed.items())
    assert len(listed) + len(others) <= len(TESTED)


def test_a_warning_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="disk is warn, and nobody says what to do"):
        Check("disk", Level.WARN, "full")


def levels(found: list[Check]) -> list[str]:
    return [check.level.value for check in found]


def told(*checks: Check) -> str:
    return "\n".join(map(str, checks))


def test_room_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [fine] = machine.room_for(tmp_path / "not" / "there")
    free = shutil.disk_usage(tmp_path).free / 2**30
    assert str(fine).startswith("ok    disk      ")
    assert float(fine.said.split()[0]) == pytest.approx(free, abs=1)
    for bytes_free, level in ((2**29, "warn"), (2**20, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=bytes_free: SimpleNamespace(free=free))
        assert levels(list(machine.room_for(tmp_path))) == [level]


def test_rays_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    assert levels(list(machine.ray_folder())) == ["ok"]
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 60)
    [long] = machine.ray_folder()
    assert str(long) == (
        f"fail  ray       the path /tmp/{'x' * 60} is too long for Ray's sockets by 26 characters: "
        "set RAY_TMPDIR to a shorter one"
    )
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2, used=98, total=100))
    assert levels(list(machine.ray_folder())) == ["warn"]


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SHARED", tmp_path / "none")
    assert levels(list(machine.shared_memory())) == ["ok"]
    monkeypatch.setattr(machine, "SHARED", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=64 * 2**20))
    [little] = machine.shared_memory()
    assert str(little) == (
        f"warn  shm       0.1 GiB free in {tmp_path}: "
        "give the container more (docker run --shm-size=1g); Ray takes slower files until then"
    )


@pytest.mark.parametrize(("mode", "level"), [(None, "ok"), ("token", "ok"), ("TOKEN", "ok"), ("disabled", "warn")])
def test_rays_token(mode: str | None, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    assert levels(list(machine.authentication())) == [level]


def test_a_store_is_looked_at_and_stays_as_it_is(tmp_path: Path) -> None:
    new, old, broken, good = (tmp_path / name for name in ("new.db", "old.db", "broken.db", "good.db"))
    [none] = results.store(new)
    assert str(none) == f"ok    store     none yet at {new}; the first search makes it"
    shutil.copy(Path(__file__).parent / "stores" / "v1.db", old)
    before = old.read_bytes()
    [older] = results.store(old)
    assert str(older) == (
        f"warn  store     {old} is of version 1, not 3: "
        "the next verb that opens it migrates it, as `ressearch store migrate` does"
    )
    assert old.read_bytes() == before
    broken.write_bytes(b"no database" * 1_000)
    assert levels(list(results.store(broken))) == ["fail"]
    with closing(Store.create(good)) as store:
        begin(store, store.create_study(STUDY), 0)
    left, fine = results.store(good)
    assert str(left) == (
        "warn  store     1 trial(s) of the study 'demo' are running, and nobody drives it: "
        "`ressearch search` with its --name goes on with them"
    )
    assert str(fine).startswith(f"ok    store     {good}: of the present version, 1 study(s), whole at first sight; ")
    assert sorted(path.name for path in tmp_path.iterdir() if "good" not in path.name) == ["broken.db", "old.db"]


def test_a_store_that_lost_an_index_fails(tmp_path: Path) -> None:
    with closing(Store.create(tmp_path / "bad.db")) as store, store._database.writing() as connection:
        connection.exec_driver_sql("DROP INDEX trials_by_state")
    [lost] = results.store(tmp_path / "bad.db")
    assert str(lost).startswith("fail  store     trials_by_state of the table trials is not there: restore a backup")


def test_the_verb_tells_all_and_fails_if_anything_does(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    status, out, err = call("doctor", "--store", str(tmp_path / "new.db"))
    assert (status, err) == (0, "")
    names = [line[6:16].strip() for line in out.splitlines()]
    assert list(dict.fromkeys(names)) == ["python", "packages", "cpu", "gpu", "disk", "store", "ray", "shm", "ray auth"]
    assert {line[:6].strip() for line in out.splitlines()} <= {"ok", "warn"}
    (tmp_path / "text.db").write_text("no database " * 100)
    status, out, err = call("doctor", "-f", "json", "--store", str(tmp_path / "text.db"))
    assert (status, err) == (4, "")
    [failed] = [check for check in json.loads(out) if check["level"] == "fail"]
    assert (failed["name"], failed["step"]) == ("store", "is it an SQLite file, writable, and on a disk with space?")
    assert [path.name for path in tmp_path.iterdir()] == ["text.db"]


def test_a_check_that_goes_wrong_is_a_failure_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    from ressearch.doctor import checks

    found = [check for check in checks(tmp_path / "new.db") if check.level is Level.FAIL]
    assert told(*found[:1]) == "fail  doctor    a check failed: OSError: stale file handle: please report it"
    assert len(found) == 3, "disk, Ray's folder, and shared memory; the others are looked at"


@pytest.mark.slow
def test_ray_is_started_on_request(tmp_path: Path, call: Call) -> None:
    status, out, err = call("doctor", "--ray", "--store", str(tmp_path / "new.db"))
    assert (status, err) == (0, "")
    assert re.fullmatch(r"ok    ray       started, and did a task, in \d+\.\d s", out.splitlines()[-1])
