"""Names out of an SQLite store for completion at the keyboard, which waits: without SQLAlchemy, and without migrating.

All other SQL is in `store`; this needs two columns that each version of the store has, and a twentieth of the time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

MOST = 200
"""More than anybody reads."""

_STUDIES = "SELECT name FROM studies WHERE substr(name, 1, length(:begin)) = :begin ORDER BY id DESC LIMIT :most"
_IDS = "SELECT id FROM architectures WHERE id >= :begin AND id < :begin || 'g' ORDER BY id LIMIT :most"


def study_names(store: str | Path, begin: str) -> list[str]:
    """The studies whose names begin so, the last first; none where nothing can be read."""
    return _peek(store, _STUDIES, begin)


def architecture_ids(store: str | Path, begin: str) -> list[str]:
    """The ids that begin so, in their order; none where nothing can be read."""
    return _peek(store, _IDS, begin)


def _peek(store: str | Path, query: str, begin: str) -> list[str]:
    if "://" in str(store) or not Path(store).is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True, timeout=0.5)) as connection:
            return [name for (name,) in connection.execute(query, {"begin": begin, "most": MOST})]
    except sqlite3.Error:
        return []
