"""Stores as Hypothesis draws them, and all that is in one, read without what is tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import text

from ressearch.architecture import Architecture
from ressearch.cost import cost_of
from ressearch.store import Store
from ressearch.trial import Failure, Fidelity, Latency, MeasurementKey, Origin, Proxies, Recipe, Retraining, TrialState
from tests.conftest import demo_space
from tests.store_samples import CHECKSUM, MEASURED, RECIPE, STUDY, network, running

RESNETS = [demo_space.baselines[name].architecture for name in ("resnet8", "resnet14")]
ENDS = ("running", "stopped", "promoted", "failed", "complete", "failed later", "complete later")
"""How far a trial came; later: after a rung."""
RUNG, LAST = Fidelity(3, 0.25, 0.5, 9), Fidelity(9, 0.25, 0.5, 9)


@dataclass(frozen=True)
class Step:
    """A trial of a study, on one of a few networks, up to some end; or what else is known of a network."""

    study: str
    net: int
    end: str
    seed: int = 0
    lr: float = 0.3
    accuracy: float = 0.5


def steps(studies: Sequence[str], seeds: st.SearchStrategy[int]) -> st.SearchStrategy[list[Step]]:
    """What happens in a store; studies: their names."""
    ends = st.sampled_from([*ENDS, "retrained", "timed", "scored"])
    nets, rates, accuracies = st.integers(0, 5), st.sampled_from([0.1, 0.3]), st.floats(0, 1)
    step = st.builds(Step, st.sampled_from(studies), nets, ends, seeds, rates, accuracies)
    return st.lists(step, max_size=12)


def net_of(number: int) -> Architecture:
    return RESNETS[number] if number < len(RESNETS) else network(number)


def happen(store: Store, what: Iterable[Step]) -> None:
    """Let all of it happen, each study with its own numbers of trials."""
    for step in what:
        found = store.find_study(step.study)
        study_id = found[0] if found else store.create_study(replace(STUDY, name=step.study, search={"trials": 4}))
        number = len(store.trials(study_id))
        begin_one(store, study_id, number, step)
        if step.end in ENDS:
            advance(store, study_id, number, step)
        else:
            _tell(store, step)


def begin_one(store: Store, study_id: int, number: int, step: Step) -> None:
    net = net_of(step.net)
    origin = Origin.BASELINE if step.net == 0 else Origin.PROPOSED
    trial = replace(running(number, net), seed=step.seed, origin=origin, baseline="one" if step.net == 0 else None)
    trial = replace(trial, decisions={"lr": step.lr, "é": [1, None]}, attributes={"x": 1.0}, proposer="tpe")
    store.begin(study_id, trial, net, cost_of(net))


def advance(store: Store, study_id: int, number: int, step: Step) -> None:
    recipe = replace(RECIPE, lr=step.lr)
    measured = replace(MEASURED, accuracy=step.accuracy)
    for fidelity in (RUNG, LAST):
        key = MeasurementKey(net_of(step.net).id, recipe.digest(CHECKSUM), fidelity, step.seed)
        match step.end, fidelity is LAST:
            case (("stopped" | "promoted" | "failed later" | "complete later"), False):
                store.complete(study_id, number, key, measured, recipe, worker="here:1", state=TrialState.STOPPED)
                if step.end != "stopped":
                    store.promote(study_id, number)
            case (("complete" | "complete later"), True):
                store.complete(study_id, number, key, measured, recipe, worker="here:2")
            case (("failed" | "failed later"), True):
                store.fail(study_id, number, "it\nfailed", Failure.ERROR, worker="here:3")


def _tell(store: Store, step: Step) -> None:
    net, recipe = net_of(step.net), Recipe(lr=step.lr)
    measured = replace(MEASURED, accuracy=step.accuracy)
    match step.end:
        case "retrained":
            store.record_retraining(Retraining(net.id, recipe, CHECKSUM, Fidelity(2), step.seed, measured))
        case "timed":
            store.record_latency(Latency(net.id, "cpu", "fp32", 1, 2, 5, 0.2, 0.1, 0.3))
        case "scored":
            store.record_proxies(Proxies(net.id, CHECKSUM, 8, step.seed, step.accuracy, None, 0.1, -0.1, 2.0))


TABLES = ("recipes", "studies", "architectures", "block_kinds", "measurements", "retrainings", "latencies", "proxies")
_KEY = "m.architecture_id, m.recipe_digest, m.epochs, m.data_fraction, m.resolution, m.schedule, m.seed"


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order of its own, what it refers to in place of numbers of rows."""
    queries = {table: f"SELECT * FROM {table}" for table in TABLES} | {
        "trials": f"SELECT s.name, t.*, {_KEY} FROM trials t JOIN studies s ON s.id = t.study_id"
        " LEFT JOIN measurements m ON m.id = t.measurement_id",
        "rungs": f"SELECT s.name, t.number, {_KEY} FROM rungs r JOIN trials t ON t.id = r.trial_id"
        " JOIN studies s ON s.id = t.study_id JOIN measurements m ON m.id = r.measurement_id",
    }
    with store._database.reading() as connection:
        found = {}
        for name, query in queries.items():
            rows = connection.execute(text(query)).mappings().all()
            without = {"measurement_id", "study_id"} | (set() if name == "architectures" else {"id"})
            told = [tuple((key, _same(value)) for key, value in row.items() if key not in without) for row in rows]
            found[name] = sorted(told, key=repr)
    return found


def _same(value: Any) -> Any:
    """SQLite has no booleans."""
    return int(value) if isinstance(value, bool) else value
