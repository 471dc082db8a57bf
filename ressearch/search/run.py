"""A study from beginning to end: data, store, books, workers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ressearch.data import load_search_data
from ressearch.errors import StudyError
from ressearch.search.distribute import distribute
from ressearch.search.queue import Watch
from ressearch.search.study import Progress, StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store


def run_study(
    space: SearchSpace, *, source: str, store: Path, name: str, trials: int, workers: int, seed: int, watch: Watch
) -> Progress:
    """Begin the study `name`, or go on with it, until it has so many trials; how it ended.

    source: data set by name, or its path. watch: is called with the progress after each change.
    Raises NothingFitsError, DataError, StoreError or StudyError before anything is trained, and Interrupted on SIGINT
    and SIGTERM.
    """
    if space.grammar.limits:
        space.sample(random.Random(seed))  # raises where nothing is within the limits, before anything starts
    data = load_search_data(source)
    study = describe_study(space, data, name=name, source=source, seed=seed)
    opened = Store.create(store)
    try:
        with _sole_driver(store, name):
            books = StudyBooks(space, data, opened, study, trials)
            distribute(books, source, workers, watch)
            return books.progress()
    finally:
        opened.close()


@contextmanager
def _sole_driver(store: Path, name: str) -> Iterator[None]:
    """Refuses a second process that drives the same study; the lock ends with the process, however it ends."""
    try:
        with FileLock(f"{store.resolve()}.{name}.lock", timeout=0):
            yield
    except Timeout as error:
        hint = "wait for it, or give this one another --name"
        raise StudyError(f"another process is driving the study {name!r}", hint=hint) from error
