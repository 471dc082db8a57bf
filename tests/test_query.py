"""Filters: the database's answer is that of Python's own `and`, `or`, `not` over the rows, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from ressearch.analysis import analyse
from ressearch.architecture import Architecture, Node
from ressearch.cost import cost_of
from ressearch.errors import FilterError
from ressearch.ops import Add, Concat, Conv, GlobalPool, Input, Linear
from ressearch.store import Store
from ressearch.store.filter import (
    COLUMNS,
    FACTS,
    KINDS,
    MOST_CHARACTERS,
    MOST_LEVELS,
    Values,
    parse_filter,
    require_column,
)
from ressearch.store.schema import architectures, block_kinds, measurements, metadata, trials
from ressearch.trial import Failure, MeasurementKey
from tests.store_samples import BETTER, MEASURED, RECIPE, STUDY, begin, complaint, key_of, running

MOST = 2**63 - 1
Row = dict[str, Any]

# Rows: what a query has to answer from, as plain dictionaries by the names of the language

texts = st.sampled_from(["cpu", "NVIDIA H100", "it's", 'a "b"', "none", "and", "50%", "Größe", "a|b", ""]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=4
)
counts = st.integers(0, 4) | st.sampled_from([999, 1000, 60_000_000, 2**53, 2**53 + 1, MOST - 1, MOST])
reals = st.sampled_from([0.0, 0.5, 1.0, 2.5, 5e-324, 1.7e308]) | st.floats(0, 100)
shares = st.sampled_from([0.0, 0.5, 0.97, 0.971, 1.0]) | st.floats(0, 1)


@st.composite
def raw_rows(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for number in range(draw(st.integers(1, 5))):
        row: Row = {"trial": number, "id": f"net {number}", "study": draw(st.sampled_from(["demo", "other"]))}
        row |= {name: draw(counts) for name in ("macs", "params", "activations", "peak", "depth", "nesting", "skips")}
        row |= {name: draw(counts) for name in ("receptive_field", "seed")} | {"epochs": draw(st.integers(1, 3))}
        shortest = draw(st.integers(0, 3))
        longest = shortest + draw(st.integers(0, 3))
        row |= {"shortest_path": shortest, "longest_path": longest, "mean_path": (shortest + longest) / 2}
        row |= {"accuracy": draw(shares), "loss": draw(st.none() | reals), "seconds": draw(reals)}
        row |= {"device": draw(texts), "precision": draw(st.sampled_from(["fp32", "bf16", None]))}
        row |= {name: draw(st.none() | texts) for name in ("baseline", "proposer", "worker")} | {
            "flops": 2 * row["macs"]
        }
        row |= {f"kind.{kind}": draw(st.integers(0, 2)) for kind in KINDS}
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Desk:
    """A store whose rows are replaced for each example."""

    store: Store
    studies: dict[str, int]

    def lay(self, rows: Sequence[Row]) -> None:
        with self.store._database.writing() as connection:
            for table in (trials, measurements, block_kinds, architectures):
                connection.execute(delete(table))
            for at, row in reversed(list(enumerate(rows))):
                self._insert(connection, at + 1, row)

    def _insert(self, connection: Any, key: int, row: Row) -> None:
        here = {column.name: row[column.name] for column in architectures.c if column.name in row}
        connection.execute(insert(architectures).values(**here, graph="{}", log10_paths=0.0))
        for kind in KINDS:
            if row[f"kind.{kind}"]:
                found = {"architecture_id": row["id"], "kind": kind, "count": row[f"kind.{kind}"]}
                connection.execute(insert(block_kinds).values(**found))
        measured = {
            name: row[name] for name in ("accuracy", "loss", "seconds", "device", "precision", "seed", "epochs")
        }
        measured |= {"id": key, "architecture_id": row["id"], "recipe_digest": STUDY.recipe_digest, "created": 0.0}
        measured |= {name: row[name] for name in ("macs", "params", "depth")}
        measured |= {"data_fraction": 1.0, "resolution": 1.0, "schedule": 3, "cpu_seconds": 0.0, "peak_memory": 0}
        connection.execute(insert(measurements).values(**measured))
        trial = {"id": key, "study_id": self.studies[row["study"]], "number": row["trial"], "seed": row["seed"]}
        trial |= {"architecture_id": row["id"], "baseline": row["baseline"], "decisions": "{}", "reused": False}
        trial |= {"origin": "proposed" if row["baseline"] is None else "baseline", "started": 0.0}
        trial |= {name: row.get(name) for name in ("proposer", "worker")}
        for state, more in (
            ("complete", {"measurement_id": key, "finished": 1.0}),
            ("running", {}),
            ("failed", {"error": "", "failure": "error", "finished": 1.0}),
        ):
            connection.execute(insert(trials).values(**trial, state=state, **more))
            trial |= {"id": trial["id"] + 100, "number": trial["number"] + 100}


@pytest.fixture(scope="module")
def desk(new_store: Callable[[], str]) -> Iterator[Desk]:
    with closing(Store.create(new_store())) as store:
        studies = {name: store.create_study(replace(STUDY, name=name)) for name in ("demo", "other")}
        yield Desk(store, studies)


# Filters: a comparison is its text and what it is of a row; they are joined by a text that Python understands too

Held = Callable[[Row], bool]
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def held(name: str, operator: str, value: Any) -> Held:
    """What is not known fits nothing, and `!=` is the opposite of `=`."""
    if operator == "!=":
        equal = held(name, "=", value)
        return lambda row: not equal(row)
    if value is None:
        return lambda row: row[name] is None
    return lambda row: row[name] is not None and ORDERS[operator](row[name], value)


def quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from("'\"").map(lambda quote: quote + text.replace(quote, 2 * quote) + quote)


@st.composite
def wholes(draw: st.DrawFn) -> tuple[str, float]:
    number = draw(counts | st.integers(-3, 10) | st.sampled_from([2 * MOST, -(10**30), 10**30]))
    unit, factor = draw(st.sampled_from([("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9)]))
    half = draw(st.booleans())
    if half and 0 <= number < 1000:
        return f"{number}.5{unit}", number * factor + factor / 2
    return f"{number}{unit}", number * factor


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Held]:
    name = draw(st.sampled_from(sorted(FACTS)))
    fact, operator = FACTS[name], draw(st.sampled_from(["=", "!=", *ORDERS]))
    plain = operator if operator in ("=", "!=") else "="
    if fact.optional and draw(st.booleans()):
        return f"{name} {plain} {draw(st.sampled_from(['none', 'NONE']))}", held(name, plain, None)
    if fact.values is Values.KIND:
        kind = draw(st.sampled_from(KINDS))
        return f"kind{plain}{kind}", held(f"kind.{kind}", "=" if plain == "!=" else ">", 0)
    if fact.values is Values.TEXT:
        value = draw(texts | st.sampled_from(["demo", "fp32", "net 1"]))
        return f"{name} {plain}{draw(quoted(value))}", held(name, plain, value)
    if fact.values is Values.WHOLE:
        text, number = draw(wholes())
        return f"{name}{operator}{text}", held(name, operator, number)
    if fact.values is Values.SHARE and draw(st.booleans()):
        percent = draw(st.sampled_from(["0", "50", "97", "97.1", "100"]))
        return f"{name} {operator} {percent}%", held(name, operator, float(f"{percent}e-2"))
    value = draw(shares if fact.values is Values.SHARE else reals)
    return f"{name} {operator}\t{value!r}", held(name, operator, value)


skeletons = st.recursive(
    st.just("@"),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" and ".join),
        st.lists(inner, min_size=2, max_size=3).map(" or ".join),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=5,
).filter(lambda text: text.count("(") + text.count("not") <= MOST_LEVELS)


def filled(skeleton: str, parts: Sequence[str]) -> str:
    found = iter(parts)
    return "".join(next(found) if character == "@" else character for character in skeleton)


@settings(max_examples=100)
@given(data=st.data(), rows=raw_rows(), skeleton=skeletons)
def test_the_database_answers_as_python_does(desk: Desk, data: st.DataObject, rows: list[Row], skeleton: str) -> None:
    parts = [data.draw(comparisons()) for _ in range(skeleton.count("@"))]
    text = filled(skeleton, [part for part, _ in parts])
    desk.lay(rows)
    study = data.draw(st.sampled_from([None, "demo", "other"]))
    key = data.draw(st.sampled_from(COLUMNS))
    down, limit = data.draw(st.booleans()), data.draw(st.none() | st.integers(0, 4))
    fits = [
        row
        for row in rows
        if study in (None, row["study"]) and eval(filled(skeleton, [str(holds(row)) for _, holds in parts]))
    ]
    known = sorted((row for row in fits if row[key] is not None), key=lambda row: in_order(row[key]), reverse=down)
    ordered = settled(known, key) + [row for row in fits if row[key] is None]
    found = desk.store.query(text, study=study, columns=COLUMNS, sort=f"-{key}" if down else key, limit=limit)
    assert found == [{name: row[name] for name in COLUMNS} for row in ordered[:limit]]


def in_order(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def settled(rows: list[Row], key: str) -> list[Row]:
    """Equal ones in the order of their trials, also where all was turned round."""
    places = {value: at for at, value in reversed(list(enumerate(row[key] for row in rows)))}
    return sorted(rows, key=lambda row: (places[row[key]], row["trial"]))


# The same without chance: each name, operator and kind of value, each order


def fixed_rows() -> list[Row]:
    """Each value in more than one row, among them what is not known and the greatest counts."""
    rows = []
    for at in range(8):
        row: Row = {"trial": at, "id": f"net {at}", "study": ("demo", "other")[at % 2], "mean_path": (1.0, 1.5)[at % 2]}
        names = ("macs", "params", "activations", "peak", "depth", "nesting", "skips", "receptive_field", "seed")
        row |= {name: (0, 1, 2, 1000, MOST - 1, MOST)[(at + turn) % 6] for turn, name in enumerate(names)}
        row |= {"epochs": at % 3 + 1, "shortest_path": at % 2, "longest_path": 2, "flops": 2 * row["macs"]}
        row |= {"accuracy": (0.0, 0.5, 0.971)[at % 3], "loss": (None, 0.5, 2.0)[at % 3], "seconds": (0.5, 2.0)[at % 2]}
        row |= {"device": ("Z", "a", "\xe9")[at % 3], "precision": (None, "fp32", "bf16")[at // 3]}
        row |= {"proposer": ("tpe", None)[at % 2], "worker": (None, "host 1", "a")[at % 3]}
        row |= {"baseline": (None, "it's")[at % 2], **{f"kind.{kind}": at % 3 for kind in KINDS}}
        rows.append(row)
    return rows


VALUES: dict[Values, list[tuple[str, Any]]] = {
    Values.SHARE: [("0", 0), ("50%", 0.5), ("0.971", 0.971), ("97.1%", 0.971), ("1", 1)],
    Values.REAL: [("0.5", 0.5), ("1.5", 1.5), ("2", 2), ("-1", -1), ("1e999", float("inf"))],
    Values.TEXT: [(text, text.strip("'").replace("''", "'")) for text in ("demo", "Z", "\xe9", "fp32", "'it''s'", "A")],
    Values.WHOLE: [
        *((str(n), n) for n in (-1, 0, 1, 2, MOST - 1, MOST, MOST + 1, 2 * MOST, -(10**30))),
        *(("1k", 1000), ("0.001M", 1000), ("0.5", 0.5), ("1.5", 1.5), ("-0.5", -0.5), ("1e30", 10**30)),
    ],
}  # fmt: skip


def every_comparison() -> Iterator[tuple[str, Held]]:
    for name, fact in FACTS.items():
        operators = ["=", "!="] if fact.values in (Values.TEXT, Values.KIND) else ["!=", *ORDERS]
        for operator in operators:
            for text, value in VALUES.get(fact.values, []):
                yield f"{name} {operator} {text}", held(name, operator, value)
        for operator in ("=", "!=") if fact.optional else ():
            yield f"{name} {operator} none", held(name, operator, None)
    for kind in KINDS:
        yield f"kind = {kind}", held(f"kind.{kind}", ">", 0)
        yield f"kind != {kind}", held(f"kind.{kind}", "=", 0)


def test_every_comparison_and_its_opposite_is_answered_as_by_python(desk: Desk) -> None:
    rows = fixed_rows()
    desk.lay(rows)
    asked = list(every_comparison())
    assert {text.split()[0] for text, _ in asked} == set(FACTS)
    for text, holds in asked:
        fits = [row["trial"] for row in rows if holds(row)]
        rest = [row["trial"] for row in rows if not holds(row)]
        for question, expected in ((text, fits), (f"not {text}", rest)):
            found = desk.store.query(question, columns=["trial"], sort="trial")
            assert [row["trial"] for row in found] == expected, question


@pytest.mark.parametrize("key", COLUMNS)
def test_every_order_is_that_of_python_with_the_unknown_last(desk: Desk, key: str) -> None:
    rows = fixed_rows()
    desk.lay(rows)
    for down in (False, True):
        known = sorted((row for row in rows if row[key] is not None), key=lambda row: in_order(row[key]), reverse=down)
        ordered = settled(known, key) + [row for row in rows if row[key] is None]
        found = desk.store.query(columns=COLUMNS, sort=f"-{key}" if down else key)
        assert found == [{name: row[name] for name in COLUMNS} for row in ordered]


# Texts that nobody checked


def dump(store: Store) -> dict[str, list[Any]]:
    with store._database.reading() as connection:
        tables = metadata.sorted_tables
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in tables}


KNOWN = [
    "and",
    "or",
    "not",
    "(",
    ")",
    "=",
    "!=",
    "<",
    ">=",
    "none",
    "60M",
    "97%",
    "'x'",
    '"',
    "1e999",
    "NaN",
    "inf",
    "١",
]
HOSTILE = ["'; DROP TABLE trials; --", "1 OR 1=1", "--", ";", "%s", ":x", "?", "{}", "\\", "\0", "\ud800", "\n"]
words = st.sampled_from([*FACTS, *KNOWN, *HOSTILE])


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A filter in which a part was lost, or something put."""
    skeleton = draw(skeletons)
    text = filled(skeleton, [draw(comparisons())[0] for _ in range(skeleton.count("@"))])
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text[:start] + draw(st.just("") | words) + text[draw(st.sampled_from([start, end])) :]


fuzzed = st.text() | spoiled() | st.lists(words | st.text(max_size=3), max_size=14).map(" ".join)


def test_any_text_is_answered_or_refused_and_changes_nothing(desk: Desk) -> None:
    @settings(max_examples=250)
    @given(text=fuzzed, sort=st.just("-accuracy") | fuzzed, column=st.just("id") | fuzzed)
    @example(text="device = '; DROP TABLE trials; --'", sort="-accuracy", column="id")
    @example(text="seed < 1e999", sort="-accuracy", column="id")
    @example(text="seconds < 1e999", sort="--accuracy", column="")
    @example(text="seconds < 1e-999 or seconds > -9e999", sort="accuracy", column="kind.dense")
    def answered_or_refused(text: str, sort: str, column: str) -> None:
        for asked in ({"filter": text}, {"sort": sort}, {"columns": [column]}):
            with suppress(FilterError):
                desk.store.query(**asked)  # type: ignore[arg-type]

    desk.lay([sample_row(), sample_row(trial=1, id="other")])
    before = dump(desk.store)
    answered_or_refused()
    assert dump(desk.store) == before


@given(text=fuzzed)
def test_what_is_refused_can_be_printed(text: str) -> None:
    for read in (parse_filter, require_column):
        try:
            read(text)
        except FilterError as error:
            told = str(error)
            lines = told.encode().decode().split("\n")
            fine = told.startswith("error[E510]: ") and error.exit_status == 2 and len(lines) <= 5
            if not fine or any(not line.isprintable() for line in lines):
                raise AssertionError(told) from error


def test_a_hostile_text_is_only_a_text(desk: Desk) -> None:
    hostile = "x'; DROP TABLE trials; --"
    desk.lay([sample_row(device=hostile), sample_row(trial=1, id="other")])
    before = dump(desk.store)
    quote = hostile.replace("'", "''")
    assert [row["trial"] for row in desk.store.query(f"device = '{quote}'")] == [0]
    assert [row["trial"] for row in desk.store.query(f"device != '{quote}'")] == [1]
    assert dump(desk.store) == before


def sample_row(**changes: Any) -> Row:
    row: Row = {name: 1 for name, fact in FACTS.items() if fact.values is Values.WHOLE}
    row |= {"trial": 0, "id": "one", "study": "demo", "device": "cpu", "precision": None, "baseline": None}
    row |= {"accuracy": 0.5, "loss": None, "seconds": 1.0, "mean_path": 1.0, "flops": 2}
    row |= {"proposer": None, "worker": None}
    return row | changes


# The language


def test_every_name_is_explained_and_can_be_compared(desk: Desk) -> None:
    desk.lay([sample_row()])
    example_of = {Values.SHARE: "50%", Values.TEXT: "no-such-text", Values.KIND: "dense"}
    for name, fact in FACTS.items():
        assert fact.meaning
        found = desk.store.query(f"{name} = {example_of.get(fact.values, '1e9')}")
        assert len(found) == (name in ("accuracy", "kind"))
        if fact.values not in (Values.TEXT, Values.KIND):
            assert desk.store.query(f"{name} <= 1 or {name} > 1 or {name} = 0") or fact.optional


def test_the_longest_and_the_deepest_filter_are_answered(desk: Desk) -> None:
    desk.lay([sample_row()])
    wide = " or ".join(["loss=1"] * (MOST_CHARACTERS // 10))
    assert desk.store.query(wide) == []
    kinds = " or ".join(["kind=dense"] * (MOST_CHARACTERS // 14))
    assert len(desk.store.query(kinds)) == 1
    for opened, closed in (("(", ")"), ("not ", ""), ("not (seed = 2 or ", ")")):
        levels = MOST_LEVELS // 2 if "seed" in opened else MOST_LEVELS
        assert len(desk.store.query(opened * levels + "seed = 1" + closed * levels)) == 1


def test_a_float_is_compared_as_it_is_stored(desk: Desk) -> None:
    desk.lay([sample_row(accuracy=0.971)])
    for text in ("accuracy = 97.1%", "accuracy >= 97.1%", "accuracy <= 0.971", "not accuracy > 97.10%"):
        assert len(desk.store.query(text)) == 1


def test_what_a_search_wrote_is_found(store: Store, study_id: int) -> None:
    other = store.create_study(replace(STUDY, name="other"))
    plain = begin(store, study_id, 0, 10, baseline="resnet8")
    block = Architecture(
        (
            Node("image", Input(4, 8, 8)),
            Node("one", Conv(4, 3), (0,)),
            Node("two", Conv(4, 3), (1,)),
            Node("sum", Add(), (0, 2)),
            Node("both", Concat(), (3, 1)),
            Node("pool", GlobalPool(), (4,)),
            Node("scores", Linear(10), (5,)),
        )
    )
    store.begin(other, running(0, block), block, cost_of(block))
    begin(store, other, 1, 11)
    begin(store, other, 2, 12)
    store.complete(study_id, 0, key_of(plain), MEASURED, RECIPE)
    key = MeasurementKey(block.id, STUDY.recipe_digest, STUDY.fidelity, STUDY.seed)
    store.complete(other, 0, key, BETTER, RECIPE, worker="host 1")
    store.fail(other, 1, "Kaboom", Failure.ERROR)
    wiring, cost = analyse(block), cost_of(block)
    assert [row["id"] for row in store.query()] == [block.id, plain.id]
    assert [row["study"] for row in store.query(study="demo")] == ["demo"]
    (found,) = store.query("kind = basic and kind.dense >= 1 and device = another", columns=COLUMNS)
    assert found == {
        "accuracy": 0.75, "loss": 1.5, "seconds": 2.0, "device": "another", "precision": "fp32", "epochs": 3,
        "macs": cost.macs, "flops": cost.flops, "params": cost.params, "activations": cost.activations,
        "peak": cost.peak, "depth": cost.depth, "nesting": wiring.nesting, "skips": wiring.skips,
        "shortest_path": wiring.shortest, "longest_path": wiring.longest, "mean_path": wiring.mean_length,
        "receptive_field": wiring.receptive_field, "seed": 7, "study": "other", "trial": 0, "id": block.id,
        "baseline": None, "proposer": None, "worker": "host 1",
        **{f"kind.{kind}": wiring.kinds.get(kind, 0) for kind in KINDS},
    }  # fmt: skip
    assert complaint(lambda: store.query(study="no")) == (
        "error[E500]: there is no study 'no'\n  = help: studies here: demo, other"
    )
    with pytest.raises(ValueError, match=r"^limit is at least 0, not -1$"):
        store.query(limit=-1)


def test_columns_and_keys_are_refused_alike(desk: Desk) -> None:
    assert complaint_of(desk, sort="-acuracy") == (
        "error[E510]: there is no name 'acuracy'\n  |\n  | acuracy\n  | ^^^^^^^\n  = help: did you mean 'accuracy'?"
    )
    assert complaint_of(desk, columns=["kind"]) == (
        "error[E510]: 'kind' has no one value to show or to sort by\n  |\n  | kind\n  | ^^^^\n"
        "  = help: use one of kind.basic, kind.bottleneck, kind.dense, kind.nested, kind.residual"
    )


def complaint_of(desk: Desk, **asked: Any) -> str:
    with pytest.raises(FilterError) as caught:
        desk.store.query(**asked)
    return str(caught.value)
