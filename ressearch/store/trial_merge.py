"""The trials of an imported file. Of one that both have, the further state counts, whichever of the two has it.

A trial goes on from running to stopped at a rung, to running up to the next; it ends as failed or complete, and a
measurement is worth more than a failure. Nothing that was measured is lost: what does not count as the trial's last
measurement stands among its rungs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ressearch.errors import ExchangeError
from ressearch.store.exchange import KEY
from ressearch.store.lines import Line
from ressearch.store.merging import KEY_RULES, Key, KnownStudy, Merging, checked, row_of
from ressearch.store.schema import rungs, trials

IDENTITY = ("architecture_id", "seed", "origin", "baseline")
"""Beside its decisions, what a trial is from its beginning."""
_ENDS = {"failed": 1, "complete": 2}


@dataclass(frozen=True)
class _Trial:
    """A trial in the file or in the store: its columns, and rows of what it measured before the last."""

    row: dict[str, Any]
    passed: set[int]

    @property
    def progress(self) -> tuple[int, int, bool]:
        last = self.row["measurement_id"]
        return _ENDS.get(self.row["state"], 0), len(self.measured), last is None and self.row["state"] == "running"

    @property
    def measured(self) -> set[int]:
        return self.passed | ({self.row["measurement_id"]} - {None})


@dataclass
class _Changes:
    """What a batch of lines does to a study, each with its line."""

    begun: list[tuple[Line, _Trial]] = field(default_factory=list)
    further: list[tuple[Line, dict[str, Any]]] = field(default_factory=list)
    passed: list[tuple[Line, dict[str, int]]] = field(default_factory=list)


def merge_trials(merging: Merging, batch: Sequence[Line]) -> None:
    """Take lines of trials into the store."""
    for line in batch:
        if not isinstance(line.record.get("study"), str):
            raise line.wrong("study must be a text, the name of the trial's study")
        merging.require_known(line, "study", merging.studies)
    for name, group in groupby(batch, key=lambda line: str(line.record["study"])):
        lines = list(group)
        study = merging.studies[name]
        found = _in_file(merging, study, lines)
        _require_order(merging, found)
        _write(merging, study, _changes(study, found, _in_store(merging, study, found)))


def _in_file(merging: Merging, study: KnownStudy, lines: Iterable[Line]) -> list[tuple[Line, _Trial]]:
    told = [(line, row_of(line, "trial"), *_keys(line)) for line in lines]
    measured = merging.measured(key for _, _, last, passed in told for key in [*passed, *([last] if last else [])])
    found = []
    for line, row, last, passed in told:
        merging.require_known(line, "architecture_id", merging.costs)
        if not {*passed, *([last] if last else [])} <= measured.keys():
            raise line.wrong("it refers to a measurement of which no line before tells")
        row["measurement_id"] = measured[last][0] if last else None
        row["study_id"], row["reused"] = study.id, row["reused"] or last in merging.lost
        found.append((line, _Trial(row, {measured[key][0] for key in passed})))
    return found


def _keys(line: Line) -> tuple[Key | None, list[Key]]:
    """The keys of what a trial measured last, and before."""
    last, passed = line.record["measured"], line.record["rungs"]
    if (
        not isinstance(last, dict | None)
        or not isinstance(passed, list)
        or not all(isinstance(p, dict) for p in passed)
    ):
        raise line.wrong("measured must be a measurement's key or null, rungs a list of such keys")
    return _key(line, last) if last is not None else None, [_key(line, one) for one in passed]


def _key(line: Line, told: dict[str, Any]) -> Key:
    key = checked(line, told, KEY_RULES, "key of a measurement")
    return (line.record["architecture_id"], *(key[name] for name in KEY[1:]))


def _require_order(merging: Merging, found: Iterable[tuple[Line, _Trial]]) -> None:
    for line, trial in found:
        study, number = line.record["study"], trial.row["number"]
        if number <= merging.last_number.get(study, -1):
            raise line.wrong(f"expected the trials of {study!r} by their numbers, each once; {number} comes too late")
        merging.last_number[study] = number


def _in_store(
    merging: Merging, study: KnownStudy, found: Sequence[tuple[Line, _Trial]]
) -> dict[int, tuple[int, _Trial]]:
    """Trials of these numbers that the store has: number -> (row, trial)."""
    if not study.old:
        return {}
    first, last = (found[at][1].row["number"] for at in (0, -1))
    these = (trials.c.study_id == study.id) & trials.c.number.between(first, last)
    passed: dict[int, set[int]] = {}
    for rung in merging.connection.execute(select(rungs).join(trials).where(these)):
        passed.setdefault(rung.trial_id, set()).add(rung.measurement_id)
    there = merging.connection.execute(select(trials).where(these))
    return {row.number: (row.id, _Trial(row._asdict(), passed.get(row.id, set()))) for row in there}


def _changes(study: KnownStudy, found: Iterable[tuple[Line, _Trial]], there: dict[int, tuple[int, _Trial]]) -> _Changes:
    changes = _Changes()
    for line, trial in found:
        if (known := there.get(trial.row["number"])) is None:
            changes.begun.append((line, trial))
            continue
        id, present = known
        _require_same(study, line, trial.row, present.row)
        ahead = trial.progress > present.progress
        if ahead:
            changes.further.append((line, {"this": id, **trial.row}))
        last = (trial if ahead else present).row["measurement_id"]
        passed = trial.measured | present.measured
        changes.passed += [
            (line, {"trial_id": id, "measurement_id": one}) for one in sorted(passed - present.passed - {last})
        ]
    return changes


def _require_same(study: KnownStudy, line: Line, row: dict[str, Any], there: dict[str, Any]) -> None:
    alike = all(row[name] == there[name] for name in IDENTITY)
    if not alike or line.record["decisions"] != json.loads(there["decisions"]):
        raise ExchangeError(
            f"{line.file}:{line.number}: trial {row['number']} of the study {study.name!r} is another one in the store"
            f" (network {there['architecture_id']}, here {row['architecture_id']})",
            hint=f"import it under another name: --rename {line.record['study']}=NEW",
        )


def _write(merging: Merging, study: KnownStudy, changes: _Changes) -> None:
    if not (changes.begun or changes.further or changes.passed):
        return
    merging.will_change(study, (changes.begun or changes.further or changes.passed)[0][0])
    begun, rows = [line for line, _ in changes.begun], [trial.row for _, trial in changes.begun]
    merging.new["trial"] += merging.execute(insert(trials), begun, rows)
    changes.passed += _passed_by_new(merging, study, changes.begun)
    if changes.further:
        statement = update(trials).where(trials.c.id == bindparam("this"))
        lines, rows = zip(*changes.further, strict=True)
        merging.new["further"] += merging.execute(statement, lines, rows)
    if changes.passed:
        lines, passed = zip(*changes.passed, strict=True)
        merging.execute(merging.unless_there(rungs), lines, passed)


def _passed_by_new(
    merging: Merging, study: KnownStudy, begun: Sequence[tuple[Line, _Trial]]
) -> list[tuple[Line, dict[str, int]]]:
    """Rows of rungs of trials that have just been inserted."""
    passing = {trial.row["number"]: (line, trial.passed) for line, trial in begun if trial.passed}
    if not passing:
        return []
    query = select(trials.c.number, trials.c.id).where(trials.c.study_id == study.id, trials.c.number.in_(passing))
    return [
        (passing[row.number][0], {"trial_id": row.id, "measurement_id": one})
        for row in merging.connection.execute(query)
        for one in sorted(passing[row.number][1])
    ]
