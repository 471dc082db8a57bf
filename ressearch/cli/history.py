"""The verb that tells all about one architecture in order of time: `history`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ressearch.cli.notes import note
from ressearch.cli.options import UNBOUNDED, console, format_option, opened_store, store_option

if TYPE_CHECKING:
    from ressearch.store import Event


@click.command()
@click.argument("id", metavar="ID")
@format_option("table", "json")
@store_option
def history(id: str, form: str, store: str | Path) -> None:
    """Print all that became known of an architecture, over all studies, in order of time.

    Trials with state, measurement or failure; rungs that they have left; retrainings and their weights; latencies;
    training-free scores. ID is the beginning of an id in the store.
    """
    opened = opened_store(store)
    architecture = opened.architecture(id)[0].id
    events = opened.events(architecture)
    if form == "json":
        click.echo(json.dumps({"id": architecture, "events": [_record(event) for event in events]}, indent=2))
        return
    from ressearch.view import events_table

    screen = console(sys.stdout)
    screen.width = UNBOUNDED
    screen.print(events_table(events), crop=False)
    note(f"architecture {architecture}: {len(events)} event(s)")


def _record(event: Event) -> dict[str, Any]:
    from ressearch.view import moment

    facts = dict(event.facts)
    if facts.get("finished") is not None:
        facts["finished"] = moment(facts["finished"])
    return {"at": moment(event.at), "what": event.what, "study": event.study, "number": event.number, **facts}
