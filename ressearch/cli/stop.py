"""`ressearch stop`: end a search that runs in another terminal, in order."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.notes import note
from ressearch.cli.options import opened_store, store_option
from ressearch.errors import StudyError

if TYPE_CHECKING:
    from ressearch.store import Store

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 60.0


@click.command()
@click.argument("study", required=False)
@store_option
def stop(study: str | None, store: str | Path) -> None:
    """End the search that drives STUDY, or the only one that runs on the store, as Ctrl-C does in its terminal.

    Every finished trial is kept, and the search says how to go on. It exits with status 143. A search on another
    machine has to be stopped there.
    """
    opened = opened_store(store)
    name = study or _only(opened)
    driven = opened.driven()
    if name not in driven:
        opened.study(name)  # raises where there is none
        raise StudyError(f"no search drives the study {name!r}", hint="ressearch runs lists the studies of the store")
    driver = driven[name]
    if driver is None:
        raise StudyError(f"who drives the study {name!r} is not known", hint="press Ctrl-C in its terminal")
    if not driver.is_here:
        message = f"the study {name!r} is driven by {driver}, and this machine cannot stop it"
        raise StudyError(message, hint=f"on {driver.host}: kill -TERM {driver.pid}")
    os.kill(driver.pid, signal.SIGTERM)
    _wait(opened, name)
    note(f"the search of {name} has ended; every finished trial is kept")


def _only(store: Store) -> str:
    driven = sorted(store.driven())
    if not driven:
        raise StudyError("no search runs on this store", hint="ressearch runs lists its studies")
    if len(driven) > 1:
        raise StudyError(f"several searches run on this store: {', '.join(driven)}", hint="name the one to stop")
    return driven[0]


def _wait(store: Store, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while name in store.driven():
        if time.monotonic() > deadline:
            raise StudyError(f"the search of {name} was told to stop and has not ended after {PATIENCE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)
