"""A study for notebooks and scripts: `ressearch.Study`.

It is called as what it stands for, and so is the record of a study that a search tells to the store,
`ressearch.trial.Study`. Users meet this one alone: it is a name and a place, holds nothing, and asks the store anew
each time. The record is in its `record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ressearch import trial
from ressearch.drawing import svg
from ressearch.errors import NothingFitsError
from ressearch.place import usual_store
from ressearch.ranking import accuracy_per_mflop, knee
from ressearch.store import Result, Store

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

    from ressearch.architecture import Architecture

COST = ("macs", "params", "activations", "peak", "depth")
_NUMBER = 'style="text-align: right"'


class Networks(list[Result]):
    """Finished trials, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        heads = ("id", "accuracy", "MFLOPs", "params", "depth", "acc/MFLOP", "")
        head = "".join(f"<th>{name}</th>" for name in heads)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, self))}</tbody></table>"


def _row(result: Result) -> str:
    numbers = (
        f"{100 * result.accuracy:.2f} %",
        f"{2 * result.macs / 1e6:.3f}",
        f"{result.params:,}",
        str(result.depth),
        f"{accuracy_per_mflop((result.accuracy, result.macs)):.3f}" if result.macs else "",
    )
    cells = "".join(f"<td {_NUMBER}>{number}</td>" for number in numbers)
    baseline = f"baseline {escape(result.baseline)}" if result.baseline else ""
    return f"<tr><td><code>{escape(result.id)}</code></td>{cells}<td>{baseline}</td></tr>"


class Study:
    """A study by name, or the one begun last, in a store: a path, a URL, or one that is open.

    store: by default what RESSEARCH_STORE says, else `runs/ressearch.db`. Raises StoreError, here and wherever the
    store is asked, if there is no such store or study.
    """

    def __init__(self, name: str | None = None, *, store: str | Path | Store | None = None) -> None:
        self._store = store if store is not None else usual_store()
        with self._opened() as opened:
            self.name = opened.study(name)[1].name

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        """The store, given back where it is ours."""
        if isinstance(self._store, Store):
            yield self._store
            return
        opened = Store.open(self._store)
        try:
            yield opened
        finally:
            opened.close()

    @property
    def record(self) -> trial.Study:
        """What the study is: space, data, recipe, fidelity, seed, versions."""
        with self._opened() as opened:
            return opened.study(self.name)[1]

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each trial: its network's cost, what it measured, and each decision under the path of its choice.

        `flops` are those of the training, as measured; a forward pass takes twice the MACs.
        """
        with self._opened() as opened:
            frame = opened.frames.trials(self.name)
            networks = opened.networks(opened.study(self.name)[0])
        known = [networks[id] for id in frame["architecture_id"]]
        columns = {name: [getattr(one.cost, name) for one in known] for name in COST}
        columns |= {name: [getattr(one, name) for one in known] for name in ("nesting", "skips")}
        for at, (name, values) in enumerate(columns.items(), start=frame.columns.get_loc("architecture_id") + 1):
            frame.insert(at, name, values)
            frame[name] = frame[name].astype("Int64")
        return frame

    def best(self, by: str = "pareto", **where: Any) -> Networks:
        """The best networks, as `Store.best` has them: `by`, `max_macs`, `max_params`, `min_accuracy`, `limit`."""
        with self._opened() as opened:
            return Networks(opened.best(self.name, by=by, **where))

    @property
    def front(self) -> Networks:
        """The Pareto front by rising MACs; nothing where no trial is complete."""
        try:
            return self.best()
        except NothingFitsError:
            return Networks()

    def architecture(self, prefix: str) -> Architecture:
        """The network whose id begins so; a notebook shows its drawing."""
        with self._opened() as opened:
            return opened.architecture(prefix)[0]

    def __repr__(self) -> str:
        return f"Study({self.name!r})"

    def _repr_html_(self) -> str:
        with self._opened() as opened:
            study_id, record = opened.study(self.name)
            counts = opened.counts(study_id)
        trials = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count) or "none"
        data = record.data_source or record.evaluator
        text = f"study {self.name}: {data}, {record.fidelity.epochs} epochs; trials: {trials}"
        front = self.front
        return f"<div><p>{escape(text)}</p>{front._repr_html_()}{self._drawing(front)}</div>"

    def _drawing(self, front: Sequence[Result]) -> str:
        """The network at the knee of the front."""
        at = knee([(result.accuracy, result.macs) for result in front])
        if at is None:
            return ""
        id = front[at].id
        return f"<p>At the knee: <code>{escape(id)}</code></p>{svg(self.architecture(id))}"
