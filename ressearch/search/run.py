"""A study from beginning to end: data, store, books, workers."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from ressearch.data import SearchData, load_search_data
from ressearch.device import chosen_device
from ressearch.evaluator import load_evaluator
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.distribute import distribute
from ressearch.search.propose import Aim
from ressearch.search.queue import Say, Terms, Watch
from ressearch.search.study import Progress, StudyBooks, describe_study
from ressearch.space import SearchSpace
from ressearch.store import Store

PATIENCE_SECONDS = 10.0

_LOG = logging.getLogger(__name__)


def run_study(
    space: SearchSpace,
    *,
    source: str,
    store: str | Path,
    name: str,
    trials: int,
    workers: int,
    seed: int,
    watch: Watch,
    say: Say = lambda text: None,
    evaluator: str = "",
    time_limit: int = 0,
    device: str = "cpu",
    aim: Aim | None = None,
    early_terminate: bool = True,
) -> Progress:
    """Begin the study `name`, or go on with it, until it has so many trials; how it ended.

    source: data set by name, or its path. store: path of an SQLite file, or URL. watch: is called with the progress
    after each change; say: with a line of text on what takes a while. evaluator: `module:function` that trains in place
    of us and brings its own data, so that no source is read; or empty. time_limit: seconds that a trial may take, 0 for
    any. device: cpu, cuda (the trials share its GPUs evenly), or auto. aim: who proposes and what for. early_terminate:
    as the space says; false: every trial is trained for all epochs.
    Raises DeviceError, NothingFitsError, EvaluatorError, DataError, StoreError or StudyError before anything is
    trained, and Interrupted on SIGINT and SIGTERM.
    """
    device = chosen_device(device)
    bounded = space.within(aim.max_macs) if aim and aim.max_macs is not None else space
    if bounded.grammar.limits:
        bounded.sample(random.Random(seed))  # raises where nothing is within the limits, before anything starts
    identity = load_evaluator(evaluator).identity if evaluator else ""
    data = None if evaluator else _loaded(source, say)
    source = "" if evaluator else source
    search = {"trials": trials, "workers": workers, "time_limit": time_limit, "device": device, **asdict(aim or Aim())}
    search["early_terminate"] = early_terminate and space.grammar.early_terminate is not None
    study = describe_study(space, data, name=name, source=source, seed=seed, evaluator=identity, search=search)
    with closing(Store.create(store)) as opened, opened.sole_driver(name):
        books = StudyBooks(space, data, opened, study, trials, aim, early_terminate)
        known = books.progress()
        so_far = (opened.name, name, known.done + known.failed + known.stopped, known.total)
        _LOG.info("store %s: the study %s has %d of %d trials; trains on %s", *so_far, device)
        _train(books, Terms(source, time_limit, Checkpoints(store, name), device), workers, watch, say)
        return books.progress()


def _train(books: StudyBooks, terms: Terms, workers: int, watch: Watch, say: Say) -> None:
    """Train what the books ask for; the checkpoints of what may go on are kept meanwhile, and after an interrupt."""
    terms.checkpoints.keep_only(books.resumable)
    try:
        distribute(books, terms, workers, watch, say)
        terms.checkpoints.keep_only([])
    finally:
        terms.checkpoints.tidy()


def _loaded(source: str, say: Say) -> SearchData:
    """The data set. No time limit holds for the driver, who cannot tell a slow disk from a dead one: it says so."""
    told = f"still reading the data set {source} after {PATIENCE_SECONDS:g} s; Ctrl-C ends the search"
    timer = threading.Timer(PATIENCE_SECONDS, say, [told])
    timer.daemon = True
    timer.start()
    try:
        return load_search_data(source)
    finally:
        timer.cancel()
