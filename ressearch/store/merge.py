"""Importing what `ressearch.store.exchange` wrote: one merge in one transaction, so all of a file or nothing of it.

What the store has already counts: the first measurement of a key, the first study of a name. So importing a file twice
changes nothing. Of a trial that both have, the further state counts, see `ressearch.store.trial_merge`.

An architecture that is new is checked: its id and its cost must be those of its graph, and the facts of its wiring are
computed anew. A search may be at work on the store meanwhile, but not on a study that the file would change, and not
for longer than it waits for its turn to write.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby, islice
from typing import Any

from sqlalchemy import insert, select, update

from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.errors import ArchitectureError, ExchangeError
from ressearch.store import rows
from ressearch.store.database import Database
from ressearch.store.exchange import COLUMNS, COPIED, FORMAT, HEAD, KEY, NAME, ROWS_AT_ONCE
from ressearch.store.lines import Line
from ressearch.store.merging import KnownStudy, Merging, row_of
from ressearch.store.schema import SCHEMA_VERSION, architectures, block_kinds, latencies, recipes, studies
from ressearch.store.trial_merge import merge_trials
from ressearch.trial import Fidelity, Recipe


@dataclass(frozen=True)
class Imported:
    """What a file brought: kind of record -> how many it holds, how many of them the store did not have.

    further: trials that the store had, and that are further in the file.
    """

    records: Mapping[str, int]
    new: Mapping[str, int]
    further: int


def merged(database: Database, name: str, lines: Iterable[Line], renames: Mapping[str, str]) -> Imported:
    """Take the lines of a file into a store; name: how messages call it. renames: study in the file -> in the store.

    Raises ExchangeError for a damaged line, by file and number, and for a study that is another one in the store,
    StudyError for one that a search is at work on; nothing of the file is kept then.
    """
    records: Counter[str] = Counter()
    with database.writing() as connection, Merging(database, connection, renames) as merging:
        for kind, batch in _batches(_after_head(name, iter(lines))):
            _MERGE[kind](merging, batch)
            records[kind] += len(batch)
            merging.hurry()
        _require_renamed(name, merging)
    new = {kind: merging.new[kind] for kind in COLUMNS if records[kind]}
    return Imported(dict(records), new, merging.new["further"])


def _batches(lines: Iterable[tuple[str, Line]]) -> Iterator[tuple[str, list[Line]]]:
    for kind, group in groupby(lines, key=lambda pair: pair[0]):
        while batch := [line for _, line in islice(group, ROWS_AT_ONCE)]:
            yield kind, batch


def _after_head(name: str, lines: Iterator[Line]) -> Iterator[tuple[str, Line]]:
    """The records with their kinds. Raises ExchangeError if it is not a whole export that we can read."""
    line = next(lines, Line(name, 1, {}))
    _require_ours(line)
    for count, line in enumerate(lines):
        kind = line.record.pop("kind", None)
        if kind == "end":
            _require_whole(line, count, lines)
            return
        if not isinstance(kind, str) or kind not in COLUMNS:
            raise line.wrong(f"kind must be one of {', '.join(COLUMNS)}, got {json.dumps(kind)[:60]}")
        yield kind, line
    raise line.wrong('the file ends here; expected {"kind": "end", ...}, the last line of a whole export')


def _require_ours(line: Line) -> None:
    head = line.record
    if head.get("format") != NAME or not all(type(head.get(key)) is int for key in ("version", "schema")):
        raise line.wrong(f"expected {json.dumps(HEAD)}, the first line of an export", hint="`ressearch store export`")
    for key, most in (("version", FORMAT), ("schema", SCHEMA_VERSION)):
        if head[key] > most:
            raise ExchangeError(
                f"{line.file} was written by a newer ressearch ({key} {head[key]}, this one reads up to {most})",
                hint="upgrade ressearch",
            )


def _require_whole(line: Line, count: int, rest: Iterator[Line]) -> None:
    if line.record.get("records") != count:
        raise line.wrong(f"expected {line.record.get('records')} records, found {count}")
    if (more := next(rest, None)) is not None:
        raise more.wrong("expected nothing after the last line of an export")


def _require_renamed(name: str, merging: Merging) -> None:
    unknown = sorted(merging.renames.keys() - merging.studies.keys())
    if unknown:
        there = ", ".join(list(merging.studies)[-20:]) or "none"
        raise ExchangeError(f"{name} holds no study {unknown[0]!r} to rename", hint=f"studies in it: {there}")


# Recipes


def _merge_recipes(merging: Merging, batch: Sequence[Line]) -> None:
    found = [_recipe(line) for line in batch]
    merging.recipes.update(row["digest"] for row in found)
    if merging.insert_new("recipe", batch, found) < len(batch):
        _tell_unknown(merging, [row for row in found if row["batch_size"] is not None])


def _tell_unknown(merging: Merging, told: Sequence[Mapping[str, Any]]) -> None:
    """What recipes say of which the store has only the digest."""
    unknown = set(merging.connection.scalars(select(recipes.c.digest).where(recipes.c.batch_size.is_(None))))
    for row in told:
        if row["digest"] in unknown:
            merging.connection.execute(update(recipes).where(recipes.c.digest == row["digest"]).values(**row))


def _recipe(line: Line) -> dict[str, Any]:
    row = row_of(line, "recipe")
    if row["batch_size"] is None:
        return row
    try:
        recipe = Recipe(**{field.name: row[field.name] for field in fields(Recipe)})
        digest = recipe.digest(row["data_checksum"], row["evaluator"])
    except (ValueError, TypeError) as error:
        raise line.wrong(f"no recipe: {error}") from error
    if digest != row["digest"]:
        raise line.wrong(f"digest must be {digest}, that of this recipe, got {row['digest']}")
    return row


# Architectures


def _merge_architectures(merging: Merging, batch: Sequence[Line]) -> None:
    found = [(line, row_of(line, "architecture")) for line in batch]
    merging.costs |= {row["id"]: _copied(row) for _, row in found}
    query = select(architectures.c.id, *(architectures.c[name] for name in COPIED))
    known = query.where(architectures.c.id.in_([row["id"] for _, row in found]))
    there = {row.id: _copied(row._asdict()) for row in merging.connection.execute(known)}
    merging.costs |= there
    new = [(line, *_checked_architecture(line, row)) for line, row in found if row["id"] not in there]
    merging.insert_new("architecture", [line for line, _, _ in new], [row for _, row, _ in new])
    kinds = [kind for _, _, of_one in new for kind in of_one]
    if kinds:
        merging.connection.execute(merging.unless_there(block_kinds), kinds)


def _copied(row: Mapping[str, Any]) -> dict[str, int]:
    """What stands beside measurements too."""
    return {name: row[name] for name in COPIED}


def _checked_architecture(line: Line, row: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of an architecture and of its kinds of blocks."""
    id, graph = row["id"], row["graph"]
    try:
        architecture = Architecture.from_json(graph)
        cost, wiring = asdict(cost_of(architecture)), analyse(architecture)
    except ArchitectureError as error:
        raise line.wrong(f"no architecture: {error.message}") from error
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise line.wrong(f"no architecture: {error}") from error
    if architecture.id != id:
        raise line.wrong(f"id must be {architecture.id}, that of the graph, got {id}")
    for name, value in cost.items():
        if row[name] != value:
            raise line.wrong(f"{name} of {id} must be {value}, as the graph has it, got {row[name]}")
    kinds = [{"architecture_id": id, "kind": kind, "count": count} for kind, count in wiring.kinds.items()]
    return {"id": id, "graph": graph, **cost, **rows.row_of_analysis(wiring)}, kinds


# Studies


_SAME = {
    "space_digest": "search space",
    "recipe_digest": "recipe or data",
    **{field.name: field.name for field in fields(Fidelity)},
    "seed": "seed",
}
"""What makes two studies of one name the same, and how it is called."""


def _merge_studies(merging: Merging, batch: Sequence[Line]) -> None:
    for line in batch:
        row = row_of(line, "study")
        merging.require_known(line, "recipe_digest", merging.recipes)
        told = row["name"]
        row["name"] = name = merging.renames.get(told, told)
        there = merging.connection.execute(select(studies).where(studies.c.name == name)).one_or_none()
        if there is None:
            merging.new["study"] += merging.execute(insert(studies), [line], [row])
        else:
            _require_same(line, row, there._asdict())
        id = merging.connection.scalars(select(studies.c.id).where(studies.c.name == name)).one()
        merging.studies[told] = KnownStudy(id, name, old=there is not None)


def _require_same(line: Line, row: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    for column, called in _SAME.items():
        if row[column] != there[column]:
            name = row["name"]
            raise line.wrong(
                f"the study {name!r} is another one in the store: it has another {called}",
                hint=f"import it under another name: --rename {line.record['name']}=NEW",
            )


# Measurements, and what else is known of a network


def _merge_measurements(merging: Merging, batch: Sequence[Line]) -> None:
    found = [_measurement(merging, line, "measurement") for line in batch]
    whole = [row | merging.costs[row["architecture_id"]] for row in found]
    if merging.insert_new("measurement", batch, whole) == len(batch):
        return
    keys = [(tuple(row[name] for name in KEY), row["created"]) for row in found]
    first = merging.measured(key for key, _ in keys)
    merging.lost |= {key for key, created in keys if first[key][1] != created}


def _merge_retrainings(merging: Merging, batch: Sequence[Line]) -> None:
    merging.insert_new("retraining", batch, [_measurement(merging, line, "retraining") for line in batch])


def _measurement(merging: Merging, line: Line, kind: str) -> dict[str, Any]:
    row = row_of(line, kind)
    merging.require_known(line, "architecture_id", merging.costs)
    merging.require_known(line, "recipe_digest", merging.recipes)
    return row


def _merge_proxies(merging: Merging, batch: Sequence[Line]) -> None:
    merging.insert_new("proxies", batch, [_of_network(merging, line, "proxies") for line in batch])


def _merge_latencies(merging: Merging, batch: Sequence[Line]) -> None:
    """Nothing but all that is in it tells a latency from another."""
    found = {tuple(_of_network(merging, line, "latency").items()): line for line in batch}
    names = COLUMNS["latency"][1]
    query = select(*(latencies.c[name] for name in names)).where(
        latencies.c.architecture_id.in_({line.record["architecture_id"] for line in batch})
    )
    there = {tuple(zip(names, row, strict=True)) for row in merging.connection.execute(query)}
    new = [row for row in found if row not in there]
    merging.new["latency"] += merging.execute(
        insert(latencies), [found[row] for row in new], [dict(row) for row in new]
    )


def _of_network(merging: Merging, line: Line, kind: str) -> dict[str, Any]:
    row = row_of(line, kind)
    merging.require_known(line, "architecture_id", merging.costs)
    return row


_MERGE: dict[str, Callable[[Merging, Sequence[Line]], None]] = {
    "recipe": _merge_recipes,
    "architecture": _merge_architectures,
    "study": _merge_studies,
    "measurement": _merge_measurements,
    "retraining": _merge_retrainings,
    "latency": _merge_latencies,
    "proxies": _merge_proxies,
    "trial": merge_trials,
}
