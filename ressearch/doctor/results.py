"""The results store, without changing it: nothing is made, and nothing is migrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ressearch.doctor.check import Check, Level
from ressearch.errors import StoreError

if TYPE_CHECKING:
    from ressearch.store import Store


def store(where: str | Path) -> Iterator[Check]:
    """Whether it opens, of which version it is, and whether anything in it is inconsistent at first sight."""
    from ressearch.store import SCHEMA_VERSION, Store, database_of, version_of  # not at the top: see `machine`

    try:
        name, version = database_of(where).name, version_of(where)
        if version is None:
            yield Check("store", Level.OK, f"none yet at {name}; the first search makes it")
        elif version < SCHEMA_VERSION:
            step = "the next verb that opens it migrates it, as `ressearch store migrate` does"
            yield Check("store", Level.WARN, f"{name} is of version {version}, not {SCHEMA_VERSION}", step)
        else:
            with closing(Store.open(where)) as opened:
                yield from _opened(opened)
    except StoreError as error:
        yield Check("store", Level.FAIL, error.message, error.hint or "`ressearch store check` says more")


def _opened(opened: Store) -> Iterator[Check]:
    found = list(opened.findings(quick=True))
    yield from (Check("store", Level.WARN if f.remark else Level.FAIL, f.what, f.step) for f in found)
    if all(finding.remark for finding in found):
        count = len(opened.overviews())
        said = f"{opened.name}: of the present version, {count} study(s), whole at first sight"
        yield Check("store", Level.OK, f"{said}; `ressearch store check` looks at all")


def folder(where: str | Path) -> Path:
    """Where this machine keeps files for a store: beside an SQLite file, or in `runs`."""
    from ressearch.store import database_of

    try:
        return database_of(where).artifacts.parent
    except StoreError:
        return Path("runs").resolve()
