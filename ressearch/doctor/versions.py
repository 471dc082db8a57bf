"""The versions of packages, against those that the tests ran on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ressearch.doctor.check import Check, Level

TESTED = {
    "alembic": "1.20.1",
    "click": "8.5.1",
    "filelock": "4.2.11",
    "fsspec": "2026.9.0",
    "networkx": "3.6.1",
    "numpy": "2.4.6",
    "optuna": "5.0.0",
    "packaging": "26.3",
    "pyyaml": "6.0.3",
    "ray": "2.60.0",
    "rich": "15.0.0",
    "sqlalchemy": "2.1.9",
    "torch": "2.13.0",
    "onnx": "1.23.2",
    "onnxruntime": "1.32.0",
    "onnxscript": "0.7.2",
    "optuna-dashboard": "0.21.0",
    "pillow": "13.0.0",
    "psycopg": "3.3.9",
    "resvg-py": "0.5.0",
    "safetensors": "0.8.0",
}
"""As in constraints.txt, which is not installed with the package; a test holds them against each other."""
OLDEST_PYTHON = (3, 11)


def python() -> Iterator[Check]:
    """The interpreter."""
    said = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        yield Check("python", Level.FAIL, said, f"make the environment with Python {'.'.join(map(str, OLDEST_PYTHON))}")
    else:
        yield Check("python", Level.OK, said)


def packages() -> Iterator[Check]:
    """A line for all that are as tested, and one for each that is not."""
    needed = _needed()
    judged = {name: judgement(name, _installed(name), needed.get(name)) for name in TESTED}
    fine = [name for name, found in judged.items() if found is None and _installed(name)]
    yield Check("packages", Level.OK, f"as tested: {', '.join(f'{name} {_installed(name)}' for name in fine)}")
    yield from (found for found in judged.values() if found)


def judgement(name: str, installed: str | None, needed: Requirement | None) -> Check | None:
    """What is to be said of a package; None of one that is fine, or missing and not needed."""
    if installed is None:
        missing = Check("packages", Level.FAIL, f"{name} is not installed", f"pip install '{needed}'")
        return missing if needed is not None else None
    if needed is not None and not needed.specifier.contains(installed, prereleases=True):
        said = f"{name} {installed} is not within {needed.specifier}"
        return Check("packages", Level.FAIL, said, f"pip install '{needed}'")
    tested = TESTED[name]
    if Version(installed).release[:2] != Version(tested).release[:2]:
        said = f"{name} {installed} was not tested, {tested} was"
        return Check("packages", Level.WARN, said, f"if something fails, pip install {name}=={tested}")
    return None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _needed() -> dict[str, Requirement]:
    """What the package requires in any case, by name; nothing where it runs without being installed."""
    try:
        every = [Requirement(text) for text in requires("ressearch") or []]
    except PackageNotFoundError:
        return {}
    return {canonicalize_name(one.name): one for one in every if one.marker is None or one.marker.evaluate()}
