"""Files and folders that are there whole, or as they were before."""

from __future__ import annotations

from pathlib import Path

import pytest

from ressearch.whole import whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("lasting", [False, True])
def test_a_file_takes_its_place_when_all_is_written(tmp_path: Path, lasting: bool) -> None:
    path = tmp_path / f"{'ü' * 120}.txt"  # 244 bytes: no room for a suffix
    path.write_text("before")
    with whole(path, lasting=lasting) as unfinished:
        unfinished.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("folder", [False, True])
def test_what_fails_leaves_everything_as_it_was(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "found"
    path.mkdir()
    (path / "kept").write_text("before")

    def write() -> None:
        with whole(path) as unfinished:
            if folder:
                unfinished.mkdir()
                (unfinished / "other").write_text("half")
            else:
                unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names(tmp_path) == ["found"]
    assert names(path) == ["kept"]


def test_a_folder_is_replaced_by_a_folder_and_never_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "found"
    path.mkdir()
    (path / "kept").write_text("before")
    with pytest.raises(OSError, match="directory"), whole(path) as unfinished:
        unfinished.write_text("a file")
    assert names(path) == ["kept"]
    with whole(path) as unfinished:
        unfinished.mkdir()
        (unfinished / "new").write_text("after")
    assert names(path) == ["new"]
    assert names(tmp_path) == ["found"]


def test_a_file_that_lasts_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, named = tmp_path / "found", []
    monkeypatch.setattr("ressearch.whole.os.fsync", lambda file: named.append(path.exists()))
    for lasting in (False, True):
        path.unlink(missing_ok=True)
        with whole(path, lasting=lasting) as unfinished:
            unfinished.write_text("")
    assert named == [False]


def test_a_folder_that_could_not_be_replaced_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "found"
    path.mkdir()
    (path / "kept").write_text("before")

    def refused(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(PermissionError), whole(path) as unfinished:
        unfinished.mkdir()
    assert names(tmp_path) == ["found"]
    assert names(path) == ["kept"]


def test_where_nothing_can_be_written_the_error_is_the_systems(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole(tmp_path / "none" / "file") as unfinished:
        unfinished.write_text("")
