"""pandas tables: the rows of the answers, under types that hold what is not known."""

from __future__ import annotations

from dataclasses import asdict, replace

import pandas
import pytest

from ressearch.cost import cost_of
from ressearch.errors import FilterError
from ressearch.store import Store
from ressearch.store.filter import COLUMNS, FACTS, Values
from ressearch.trial import Failure
from tests.store_samples import MEASURED, NET, RECIPE, STUDY, begin, key_of, network, running


@pytest.fixture
def filled(store: Store) -> Store:
    """A trial that is complete, one that failed, one of a baseline with more FLOPs than 64 bits hold."""
    study_id = store.create_study(STUDY)
    net = begin(store, study_id, 0, 10)
    store.complete(study_id, 0, key_of(net), replace(MEASURED, loss=None, precision=None), RECIPE, worker="host 1")
    other = network(11)
    trial = replace(running(1, other), decisions={"stem.width": 16, "stages.0.op": "conv3x3", "lr": 0.5})
    store.begin(study_id, trial, other, cost_of(other))
    store.fail(study_id, 1, "Kaboom", Failure.ERROR)
    begin(store, study_id, 2, 12, baseline="resnet8")
    store.complete(study_id, 2, key_of(network(12)), replace(MEASURED, flops=2**70), RECIPE)
    return store


def known(frame: pandas.DataFrame) -> list[dict[str, object]]:
    """Rows as dictionaries, None for what is not known."""
    whole = frame.astype(object).where(frame.notna(), None)
    return [dict(row) for row in whole.to_dict("records")]


def test_a_query_has_the_rows_of_the_answer(filled: Store) -> None:
    frame = filled.frames.query(columns=COLUMNS, sort="macs")
    assert known(frame) == filled.query(columns=COLUMNS, sort="macs")
    dtypes = {name: str(kind) for name, kind in frame.dtypes.items()}
    of = {Values.WHOLE: "Int64", Values.REAL: "float64", Values.SHARE: "float64", Values.TEXT: "string"}
    assert dtypes == {name: of[FACTS[name].values] for name in COLUMNS}
    assert len(filled.frames.query("macs > 10", study="demo", limit=1)) == 1
    with pytest.raises(FilterError):
        filled.frames.query("mcas > 10")


def test_results_have_a_row_for_each_finished_trial(filled: Store) -> None:
    frame = filled.frames.results()
    study_id = filled.study("demo")[0]
    assert known(frame) == [asdict(result) for result in filled.results(study_id)]
    assert str(frame.dtypes["macs"]) == "Int64"
    assert str(frame.dtypes["baseline"]) == "string"


def test_trials_have_their_measurements_and_decisions(filled: Store) -> None:
    frame = filled.frames.trials("demo")
    rows = known(frame)
    assert [row["state"] for row in rows] == ["complete", "failed", "complete"]
    assert [row["failure"] for row in rows] == [None, "error", None]
    assert [row["accuracy"] for row in rows] == [0.5, None, 0.5]
    assert [row["flops"] for row in rows] == [6e6, None, float(2**70)]
    assert [row["stem.width"] for row in rows] == [8, 16, 8]
    assert [row["stages.0.op"] for row in rows] == [None, "conv3x3", None]
    assert [row["worker"] for row in rows] == ["host 1", None, None]
    kinds = {name: str(frame.dtypes[name]) for name in ("stem.width", "stages.0.op", "lr", "reused", "peak_memory")}
    assert kinds == {"stem.width": "Int64", "stages.0.op": "string", "lr": "float64", "reused": "boolean",
                     "peak_memory": "Int64"}  # fmt: skip
    assert rows[0]["architecture_id"] == NET.id


def test_an_answer_in_sql_has_the_types_of_its_values(filled: Store) -> None:
    frame = filled.frames.sql("SELECT number, measurement_id, baseline, number + 0.5 AS x, NULL AS n FROM trials")
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Int64", "string", "float64", "object"]
    assert frame["measurement_id"].isna().sum() == 1
    assert filled.frames.sql("SELECT number FROM trials WHERE 1 = 0").shape == (0, 1)


def test_a_study_without_trials_has_columns_all_the_same(store: Store) -> None:
    store.create_study(STUDY)
    assert store.frames.results().shape[0] == store.frames.trials().shape[0] == store.frames.query().shape[0] == 0
    assert "accuracy" in store.frames.trials().columns
