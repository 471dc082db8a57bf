"""What is told of a worker that died of a signal: where its log is, and what it last wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from ressearch.search.places import LINES, ending
from tests.test_search import Desk

DUMP = """\
:job_id:01000000
:actor_name:Worker
*** SIGSEGV received at time=1795870799 on cpu 1 ***
PC: @     0x7f390d785ad8  (unknown)  (unknown)

    @     0x7f390d65a050  (unknown)  (unknown)
Fatal Python error: Segmentation fault

Stack (most recent call first):
  File "crash.py", line 4 in evaluate

Extension modules: msgpack._cmsgpack, numpy.linalg._umath_linalg (total: 2)
"""


def test_what_says_nothing_is_left_out() -> None:
    assert ending(DUMP.splitlines()) == [
        "*** SIGSEGV received at time=1795870799 on cpu 1 ***",
        "Fatal Python error: Segmentation fault",
        "Stack (most recent call first):",
        '  File "crash.py", line 4 in evaluate',
    ]
    deep = [f"  File 'deep.py', line {number} in call" for number in range(100)]
    dumped = ending(["said before", "Fatal Python error: Aborted", "Stack (most recent call first):", *deep])
    assert dumped == ["Fatal Python error: Aborted", "Stack (most recent call first):", *deep[: LINES - 2]]
    assert ending(f"line {number}" for number in range(100)) == [f"line {number}" for number in range(100 - LINES, 100)]


CRASH = """
import ctypes

def evaluate(network, *, recipe, fidelity, seed, device):
    ctypes.string_at(0)
"""


@pytest.mark.slow
def test_a_crash_in_native_code_is_told_with_the_line_that_called_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (desk.path / "crash.py").write_text(CRASH, encoding="utf-8")
    words = ("search", "tiny.yaml", "--evaluator", "crash:evaluate", "--trials", "1", "--workers", "1")
    status, out, err = desk.run(*words)
    assert (status, out) == (5, ""), err
    status, out, _ = desk.run("best", "tiny", "--failed")
    assert status == 0
    [told] = [line for line in out.splitlines() if line.startswith("its log, ")]
    file = Path(told.removeprefix("its log, ").partition(" on ")[0])
    assert "Fatal Python error: Segmentation fault" in file.read_text(encoding="utf-8", errors="replace")
    ((worker,),) = desk.rows("select worker from trials")
    assert told == f"its log, {file} on {str(worker).partition('/')[0]}, ends:"
    assert file.name.endswith(f"-{str(worker).partition('/')[2]}.err"), "the last that died over it"
    assert f'  File "{desk.path}/crash.py", line 5 in evaluate\n' in out
    assert "Extension modules" not in out
