"""`ressearch draw`: which network is meant, where the drawing goes, and that no half of it is ever left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ressearch.cli import cli
from ressearch.drawing import png, svg, text
from ressearch.errors import DrawingError, NothingFitsError, RessearchError, StoreError
from ressearch.space import SearchSpace
from ressearch.store import Store
from tests.conftest import DEMO, ROOT
from tests.store_samples import NET, STUDY, begin

ONE = "version: 1\nname: one\ninput: {shape: [3, 8, 8], classes: 10}\nstages: [{width: 8, block: {use: basic}}]\n"
RESNET8 = SearchSpace.load(DEMO).baselines["resnet8"].architecture


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory; whatever a test does, no file of another name than it asked for is left."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def draw(*words: str) -> Result:
    return CliRunner().invoke(cli, ["draw", *words])


def refused(*words: str) -> RessearchError:
    result = draw(*words)
    assert isinstance(result.exception, RessearchError), result.output
    assert result.stdout == ""
    return result.exception


def test_a_network_of_a_file_goes_to_stdout_as_svg(desk: Path) -> None:
    result = draw(f"{DEMO}:resnet8")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{svg(RESNET8)}\n", "")
    assert draw(f"{DEMO}:resnet8", "--whole").stdout == f"{svg(RESNET8, fold=False)}\n"


def test_a_file_that_names_one_network_needs_no_name(desk: Path) -> None:
    (desk / "one.yaml").write_text(ONE)
    assert draw("one.yaml").stdout == f"{svg(SearchSpace.load('one.yaml').networks['one'].architecture)}\n"


def test_to_a_terminal_it_goes_as_text(desk: Path) -> None:
    """A real one: the other end of a pseudo-terminal."""
    import pty
    import subprocess
    import sys

    main, other = pty.openpty()
    try:
        command = [sys.executable, "-m", "ressearch", "draw", f"{DEMO}:resnet8"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, stdout=other, env=environment, check=True)
        os.close(other)
        written = b""
        while written.count(b"\n") < len(text(RESNET8).splitlines()):
            written += os.read(main, 65_536)
    finally:
        os.close(main)
    assert written.decode().replace("\r\n", "\n") == f"{text(RESNET8)}\n"


def test_an_id_of_the_store(desk: Path) -> None:
    with closing(Store.create(desk / "results.db")) as store:
        begin(store, store.create_study(STUDY), 0)
    assert draw(NET.id[:6], "--store", "results.db").stdout == f"{svg(NET)}\n"
    error = refused("zz", "--store", "results.db")
    assert isinstance(error, StoreError)
    assert error.message == "no architecture has an id that begins with 'zz'"


def test_files_of_both_forms_at_once(desk: Path) -> None:
    result = draw(f"{DEMO}:resnet8", "--svg", "a.svg", "--png", "a.png")
    assert (result.exit_code, result.output) == (0, "")
    assert (desk / "a.svg").read_text(encoding="utf-8") == f"{svg(RESNET8)}\n"
    assert (desk / "a.png").read_bytes() == png(RESNET8)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((desk / "a.svg").stat().st_mode) == 0o666 & ~mask


def test_a_png_to_stdout_is_that_alone(desk: Path) -> None:
    result = draw(f"{DEMO}:resnet8", "--png", "-")
    assert (result.exit_code, result.stderr) == (0, ""), result.exception
    assert result.stdout_bytes == png(RESNET8)


# Refusals


def test_several_networks_are_a_choice(desk: Path) -> None:
    for what, said in ((f"{DEMO}", "names several networks"), (f"{DEMO}:resnet9", "names no network 'resnet9'")):
        result = draw(what)
        assert (result.exit_code, result.stdout) == (2, "")
        expected = f"Error: Invalid value: {DEMO} {said}; write {DEMO}:NAME, one of resnet8, resnet14\n"
        assert result.stderr.endswith(expected)


def test_a_file_that_names_no_network(desk: Path) -> None:
    (desk / "open.yaml").write_text(ONE.replace("width: 8", "width: {values: [4, 8]}"))
    error = refused("open.yaml")
    assert isinstance(error, NothingFitsError)
    assert error.message == "open.yaml names no network: it leaves choices open and has no baselines"


def test_what_is_there_is_not_written_over_unasked(desk: Path) -> None:
    (desk / "a.svg").write_text("mine")
    error = refused(f"{DEMO}:resnet8", "--svg", "a.svg", "--png", "a.png")
    assert str(error) == "error[E820]: a.svg is there already\n  = help: --force writes over it"
    assert (desk / "a.svg").read_text() == "mine"
    assert not (desk / "a.png").exists()
    assert draw(f"{DEMO}:resnet8", "--svg", "a.svg", "--force").exit_code == 0
    assert (desk / "a.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_directory_that_is_not_there(desk: Path) -> None:
    error = refused(f"{DEMO}:resnet8", "--svg", "no/such/a.svg")
    assert isinstance(error, DrawingError)
    assert str(error) == "error[E820]: cannot write no/such/a.svg: No such file or directory"
    assert error.exit_status == 4


def test_a_full_disk_leaves_what_was_there(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk / "a.svg").write_text("mine")

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    error = refused(f"{DEMO}:resnet8", "--svg", "a.svg", "--force")
    assert error.message == "cannot write a.svg: No space left on device"
    assert (desk / "a.svg").read_text() == "mine"
    assert sorted(file.name for file in desk.iterdir()) == ["a.svg"]
