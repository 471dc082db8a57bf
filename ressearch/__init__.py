"""Finds residual networks that are worth their FLOPs.

What a notebook or a script begins with is here by name, and is imported when it is first used:

    from ressearch import Study

    Study("demo").to_dataframe()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ressearch.architecture import Architecture
    from ressearch.drawing import svg
    from ressearch.export.create import create_model
    from ressearch.notebook import Study
    from ressearch.space import SearchSpace
    from ressearch.store import Store

__version__ = "0.1.0"

__all__ = ["Architecture", "SearchSpace", "Store", "Study", "create_model", "svg"]

_HOMES = {
    "Architecture": "ressearch.architecture",
    "SearchSpace": "ressearch.space",
    "Store": "ressearch.store",
    "Study": "ressearch.notebook",
    "create_model": "ressearch.export.create",
    "svg": "ressearch.drawing",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
