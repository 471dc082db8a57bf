"""The verb `proxies`: what networks score without training, held against what they measured with it."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ressearch.cli.notes import complain, is_quiet, note
from ressearch.cli.options import (
    INTERRUPTED,
    console,
    data_source,
    device_option,
    format_option,
    opened_store,
    store_option,
    write_csv,
)
from ressearch.errors import StoreError

if TYPE_CHECKING:
    from ressearch.data import SearchData
    from ressearch.store import Store
    from ressearch.trial import Proxies
    from ressearch.view import Comparison

NEVER_A_FILTER = "None of these scores is ever used as a filter: what is trained is what the search proposes."


@click.command()
@click.argument("study", required=False)
@click.option("--limit", type=click.IntRange(1), help="Networks at most, drawn by the seed.  [default: all]")
@click.option(
    "--batch", type=click.IntRange(2), default=64, show_default=True, help="Training images that are looked at."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights, images and intervals.")
@click.option("--data", "source", help="Data set, instead of the study's.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the CPU.")
@device_option
@format_option("table", "json", "csv")
@store_option
def proxies(
    study: str | None,
    limit: int | None,
    batch: int,
    seed: int,
    source: str | None,
    threads: int,
    device: str,
    form: str,
    store: str | Path,
) -> None:
    """Score STUDY's networks without training them, and say how well that would have ranked them.

    STUDY is the one begun last if none is named. The scores (NASWOT, SynFlow, gradient norm, Zen) are computed for
    finished networks that lack them and are kept in the store. Each one's rank correlation with the accuracy that was
    measured stands beside those of parameters and MACs, which cost nothing. None of them is ever used as a filter.
    Interrupted, the same command goes on.
    """
    from ressearch.data import load_search_data
    from ressearch.device import chosen_device
    from ressearch.view import comparison

    device, opened = chosen_device(device), opened_store(store)
    study_id, record = opened.study(study)
    results = opened.results(study_id)
    chosen = _drawn(sorted({result.id for result in results}), limit, seed)
    if not chosen:
        raise StoreError(
            f"no trial of the study {record.name!r} is finished", hint="`ressearch search` goes on with it"
        )
    data = load_search_data(data_source(record, source))
    try:
        found = _scored(opened, chosen, data, batch, seed, device, threads)
    except KeyboardInterrupt:
        complain("\ninterrupted; what is computed is kept, and the same command goes on")
        sys.exit(INTERRUPTED)
    FORMATS[form](comparison(record, results, found))


def _drawn(ids: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """So many of the networks; more of them, by the same seed, hold the fewer."""
    return random.Random(seed).sample(ids, len(ids))[:limit]


def _scored(
    store: Store, ids: Sequence[str], data: SearchData, batch: int, seed: int, device: str, threads: int
) -> list[Proxies]:
    """The scores of networks, those that the store lacks computed and stored one by one."""
    from ressearch.proxies import proxies_of

    known = {id: _known(store, id, data.checksum, batch, seed) for id in ids}
    lacking = [id for id in ids if known[id] is None]
    for id in _told(lacking):
        found = proxies_of(store.architecture(id)[0], data, batch, seed, device, threads)
        known[id] = store.record_proxies(found)
    return [found for found in known.values() if found is not None]


def _told(ids: Sequence[str]) -> Iterator[str]:
    """One by one, with a bar where somebody is looking."""
    if is_quiet():
        yield from ids
    elif ids:
        with click.progressbar(ids, label=f"scores of {len(ids)} network(s)", file=sys.stderr) as bar:
            yield from bar


def _known(store: Store, id: str, data_checksum: str, batch: int, seed: int) -> Proxies | None:
    key = (data_checksum, batch, seed)
    return next((one for one in store.proxies(id) if (one.data_checksum, one.batch, one.seed) == key), None)


def _table(found: Comparison) -> None:
    from ressearch.view import comparison_page

    console(sys.stdout).print(comparison_page(found), crop=False)
    click.echo(NEVER_A_FILTER)


def _json(found: Comparison) -> None:
    page = {
        "study": found.study.name,
        "batch": found.batch,
        "seed": found.seed,
        "note": NEVER_A_FILTER,
        "correlations": {name: asdict(one) for name, one in found.agreements.items()},
        "networks": found.networks,
    }
    click.echo(json.dumps(page, indent=2))


def _csv(found: Comparison) -> None:
    """Every network that was scored, one a line."""
    note(NEVER_A_FILTER)
    write_csv(found.networks)


FORMATS: dict[str, Callable[[Comparison], None]] = {"table": _table, "json": _json, "csv": _csv}
