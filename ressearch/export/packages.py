"""Packages that only exports need, imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ressearch.errors import WeightsError


def needed(module: str) -> Any:
    """The module. Raises WeightsError, which says how to install it, if its package is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        hint = "pip install 'ressearch[export]'"
        raise WeightsError(f"the package {package} is missing, which this export needs", hint=hint) from error
