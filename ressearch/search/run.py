"""A study from beginning to end: data, store, books, workers."""

from __future__ import annotations

import logging
import os
import random
import threading
from contextlib import closing
from dataclasses import asdict
from math import floor
from pathlib import Path
from typing import Any

import torch

from ressearch.data import BUNDLED, SearchData, load_search_data
from ressearch.device import chosen_device
from ressearch.errors import DeviceError
from ressearch.evaluator import load_evaluator
from ressearch.search.checkpoints import Checkpoints
from ressearch.search.cluster import Site
from ressearch.search.distribute import distribute, gpu_share
from ressearch.search.propose import Aim
from ressearch.search.queue import Say, Terms, Watch
from ressearch.search.stored import StoredCheckpoints
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
    workers: int | None,
    seed: int,
    watch: Watch,
    say: Say = lambda text: None,
    evaluator: str = "",
    time_limit: int = 0,
    device: str = "cpu",
    aim: Aim | None = None,
    early_terminate: bool = True,
    address: str = "",
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
    storage: str = "",
) -> Progress:
    """Begin the study `name`, or go on with it, until it has so many trials; how it ended.

    source: data set by name, or its path. store: path of an SQLite file, or URL. watch: is called with the progress
    after each change; say: with a line of text on what takes a while. evaluator: `module:function` that trains in place
    of us and brings its own data, so that no source is read; or empty. time_limit: seconds that a trial may take, 0 for
    any. device: cpu, cuda (the trials share its GPUs evenly), or auto. aim: who proposes and what for. early_terminate:
    as the space says; false: every trial is trained for all epochs. address: of a Ray cluster to search on, empty for
    this machine. workers: None for as many as the cluster holds, or this machine has cores. cpus_per_trial,
    gpus_per_trial: what a trial holds; None: a share of this machine's GPUs, or one of a cluster's if they are asked
    for. storage: a folder that all nodes of the cluster share, or a URL, for checkpoints.
    Raises ClusterError, DeviceError, NothingFitsError, EvaluatorError, DataError, StoreError or StudyError before
    anything is trained, and Interrupted on SIGINT and SIGTERM.
    """
    asked = device
    site, device = site_of(address, workers, device, cpus_per_trial, gpus_per_trial)
    bounded = space.within(aim.max_macs) if aim and aim.max_macs is not None else space
    if bounded.grammar.limits:
        bounded.sample(random.Random(seed))  # raises where nothing is within the limits, before anything starts
    identity = load_evaluator(evaluator).identity if evaluator else ""
    data = None if evaluator else _loaded(source, say)
    source = "" if evaluator else source
    search = {"trials": trials, "time_limit": time_limit, "device": asked, **asdict(aim or Aim())}
    search |= _place_of(site, workers)
    search["early_terminate"] = early_terminate and space.grammar.early_terminate is not None
    study = describe_study(space, data, name=name, source=source, seed=seed, evaluator=identity, search=search)
    with closing(Store.create(store)) as opened, opened.sole_driver(name):
        books = StudyBooks(space, data, opened, study, trials, aim, early_terminate)
        known = books.progress()
        so_far = (opened.name, name, known.done + known.failed + known.stopped, known.total)
        _LOG.info("store %s: the study %s has %d of %d trials; trains on %s", *so_far, device)
        checkpoints = _checkpoints(opened, store, name, site, storage)
        if address and source and source not in BUNDLED:
            source = str(Path(source).resolve())  # wherever a worker is at home
        terms = Terms(source, time_limit, checkpoints, device, max(1, int(site.cpus)), bool(site.address))
        _train(books, terms, site, data, watch, say)
        return books.progress()


def _place_of(site: Site, workers: int | None) -> dict[str, Any]:
    """What is remembered of where a study was begun; of workers that nobody counted, the cores that there were."""
    found: dict[str, Any] = {"workers": workers}
    if site.address:
        found["cpus_per_trial"] = site.cpus
    elif workers is None:
        found["cores"] = site.workers
    if site.address or site.gpus:
        found["gpus_per_trial"] = site.gpus
    return {name: value for name, value in found.items() if value is not None}


def site_of(address: str, workers: int | None, device: str, cpus: float, gpus: float | None) -> tuple[Site, str]:
    """Where trials run, and on what. The GPUs that count are those of the nodes; the driver's has perhaps none."""
    if address:
        gpus = float(device == "cuda") if gpus is None else gpus
        return Site(workers, address, cpus, gpus), "cuda" if device != "cpu" and gpus else "cpu"
    device, workers = chosen_device(device), workers or os.cpu_count() or 1
    if gpus and device == "cpu":
        raise DeviceError(f"a trial is to hold {gpus:g} GPU(s), and there is none here, or --device says cpu")
    if device == "cpu":
        return Site(workers, "", cpus), device
    count = torch.cuda.device_count()
    gpus = gpus or gpu_share(count, workers)
    return Site(max(1, min(workers, floor(count / gpus + 1e-9))), "", cpus, gpus), device


def _checkpoints(
    opened: Store, store: str | Path, name: str, site: Site, storage: str
) -> Checkpoints | StoredCheckpoints:
    if not site.address:
        return Checkpoints(store, name)
    stored = StoredCheckpoints.of(storage, opened, name)
    stored.require_writable()
    return stored


def _train(books: StudyBooks, terms: Terms, site: Site, data: SearchData | None, watch: Watch, say: Say) -> None:
    """Train what the books ask for; the checkpoints of what may go on are kept meanwhile, and after an interrupt."""
    terms.checkpoints.keep_only(books.resumable)
    try:
        distribute(books, terms, site, data, watch, say)
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
