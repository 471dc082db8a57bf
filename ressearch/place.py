"""Where the results store is when nobody says."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_STORE = Path("runs/ressearch.db")
STORE_VARIABLE = "RESSEARCH_STORE"


def usual_store() -> str | Path:
    """What RESSEARCH_STORE says, else the file of the working directory."""
    return os.environ.get(STORE_VARIABLE) or DEFAULT_STORE
