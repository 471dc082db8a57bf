"""The command as `main` runs it, in this process: a start of Python is a third of a second."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from ressearch.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs the command with some words; its exit status, and what it said on stdout and stderr."""

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ressearch", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return (status, *capsys.readouterr())

    return called
