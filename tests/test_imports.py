"""Who may know whom: a room imports only from rooms before it, and starting a question is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ressearch

PACKAGE = Path(ressearch.__file__).parent

ROOMS = [
    "errors", "place", "whole", "peek", "ops", "identity", "architecture", "cost", "analysis", "trial", "space",
    "device", "network", "data", "augmentation", "capture", "training", "rehearsal", "retraining", "latency",
    "proxies", "evaluator", "ranking", "store", "correlation", "agreements", "drawing", "notebook", "search",
    "dashboard", "view", "report", "export", "comparing", "doctor", "deployment",
    "explanations", "cli", "__main__",
]  # fmt: skip
"""In the order in which data flows; the order of imports."""

HEAVY = {
    "ray": {"search"},
    "optuna": {"search", "dashboard"},  # the dashboard's copy of a study is one of Optuna's
    "optuna_dashboard": {"dashboard"},
    "tensorboardX": {"dashboard"},
    "torch": {
        "device",
        "network",
        "data",
        "augmentation",
        "capture",
        "training",
        "rehearsal",
        "latency",
        "proxies",
        "evaluator",
        "search",
        "report",
        "export",
    },
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "psycopg": {"store"},
    "PIL": {"data"},
    "pandas": {"store"},
    "resvg_py": {"drawing"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "onnxscript": {"export"},
    "safetensors": {"export"},
}
"""Packages that only some rooms may import."""


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path, *, typing: bool) -> set[str]:
    """Modules that a file imports, anywhere in it; those for annotations alone only if asked for."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = set()
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                skipped |= {id(inner) for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


def test_every_room_has_its_place() -> None:
    assert {room_of(file) for file in FILES} == set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_before_it(file: Path) -> None:
    own = ROOMS.index(room_of(file))
    known = {name.split(".")[1] for name in imported(file, typing=True) if name.startswith("ressearch.")}
    for room in known & set(ROOMS):
        assert ROOMS.index(room) <= own, f"{room_of(file)} imports {room}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_rooms(file: Path) -> None:
    packages = {name.split(".")[0] for name in imported(file, typing=False)}
    for package, rooms in HEAVY.items():
        assert package not in packages or room_of(file) in rooms


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_stay_readable(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("ressearch", ["click", "sqlalchemy", "networkx", "yaml", "ressearch.errors"]),
        ("ressearch.dashboard", ["torch", "ray", "optuna_dashboard", "tensorboardX"]),
        ("ressearch.notebook", ["torch", "ray", "optuna", "networkx", "pandas", "alembic"]),
        ("ressearch.cli", ["torch", "ray", "optuna", "sqlalchemy", "rich.live", "networkx"]),
        ("ressearch.explanations", ["torch", "click", "yaml", "networkx"]),
        ("ressearch.deployment", ["torch", "ray", "click", "yaml"]),
        ("ressearch.view", ["torch", "ray", "optuna", "networkx", "alembic"]),
        (
            "ressearch.store",
            ["torch", "ray", "optuna", "networkx", "numpy", "yaml", "alembic", "mako", "filelock", "psycopg", "pandas"],
        ),
        ("ressearch.report", ["torch", "ray", "optuna", "alembic"]),
        ("ressearch.space", ["torch", "ray", "optuna", "sqlalchemy"]),
        ("ressearch.peek", ["sqlalchemy", "click"]),
        ("ressearch.doctor", ["torch", "ray", "sqlalchemy"]),
        ("ressearch.cost", ["torch", "networkx", "numpy"]),
        ("ressearch.drawing", ["torch", "networkx", "numpy", "yaml", "sqlalchemy", "resvg_py"]),
        ("ressearch", ["torch", "networkx", "numpy", "ressearch.export"]),
    ],
)
def test_starting_is_light(module: str, absent: list[str]) -> None:
    script = f"import sys, {module}; print(*[name for name in {absent} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
