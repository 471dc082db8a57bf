"""A store is exported and imported, on each database and from one to the other, and nothing is lost or doubled."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.errors import ExchangeError, RessearchError, StoreError, StudyError
from ressearch.store import Store, merging
from ressearch.store.lines import Line, read_file, write_file
from ressearch.store.merge import Imported
from ressearch.trial import TrialState
from tests.drawn_stores import ENDS, Step, advance, begin_one, contents, happen, steps
from tests.postgresql_server import Server
from tests.store_samples import BETTER, KEY, MEASURED, RECIPE, STUDY, begin

Fresh = Callable[[str], Store]
PAIRS = list(itertools.product(("sqlite-file", "postgresql"), repeat=2))


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory, where there is one: no test here cuts the power, and many make stores."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def fresh(request: pytest.FixtureRequest, memory: Path) -> Fresh:
    """Makes an empty store on a database; on PostgreSQL there are two, used by turns."""
    numbers = itertools.count()
    servers: list[tuple[Server, str]] = []

    def made(database: str) -> Store:
        if database == "sqlite-file":
            return Store.create(memory / f"{next(numbers)}.db")
        if not servers:
            server: Server = request.getfixturevalue("postgres")
            servers.extend((server, server.database()) for _ in range(2))
        servers.reverse()
        server, url = servers[0]
        server.execute("DROP SCHEMA IF EXISTS ressearch CASCADE", url.rpartition("/")[2])
        return Store.create(url)

    return made


def parsed(lines: Iterable[str]) -> list[Line]:
    return [Line("x.jsonl", number, json.loads(line)) for number, line in enumerate(lines, start=1)]


def take(store: Store, lines: Iterable[str], **renames: str) -> Imported:
    return store.import_("x.jsonl", parsed(lines), renames)


def refusal(store: Store, lines: Iterable[str], error: type[RessearchError] = ExchangeError, **renames: str) -> str:
    """What the import says, which must leave the store as it was."""
    before = contents(store)
    with pytest.raises(error) as caught:
        take(store, lines, **renames)
    assert contents(store) == before
    return str(caught.value)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_exported_is_imported_as_it_was(source: str, target: str, fresh: Fresh) -> None:
    """And once more, which changes nothing; the studies one by one make up the whole."""

    @settings(max_examples=12 if source == target == "sqlite-file" else 5)
    @given(what=steps(["one", "two"], st.integers(0, 1)))
    def holds(what: list[Step]) -> None:
        with closing(fresh(source)) as first, closing(fresh(target)) as second:
            happen(first, what)
            lines = list(first.export())
            assert take(second, lines).further == 0
            assert contents(second) == contents(first)
            assert list(second.export()) == lines
            assert set(take(second, lines).new.values()) <= {0}
            assert list(second.export()) == lines
            assert [str(finding) for finding in second.findings() if not finding.remark] == []

    holds()


def test_studies_one_by_one_make_up_the_whole(fresh: Fresh) -> None:
    @settings(max_examples=12)
    @given(what=steps(["one", "two"], st.integers(0, 1)))
    def holds(what: list[Step]) -> None:
        with closing(fresh("sqlite-file")) as first, closing(fresh("sqlite-file")) as second:
            happen(first, what)
            for name in sorted({step.study for step in what}):
                take(second, first.export(name))
            assert contents(second) == contents(first)

    holds()


def test_stores_that_went_on_apart_are_merged_in_either_order(fresh: Fresh) -> None:
    """From one beginning: what both have counts once, what one has alone is added; measured is other seeds each."""

    @settings(max_examples=12)
    @given(
        begun=steps(["one", "two"], st.just(0)),
        here=steps(["one", "mine"], st.just(1)),
        there=steps(["two", "yours"], st.just(2)),
    )
    def holds(begun: list[Step], here: list[Step], there: list[Step]) -> None:
        with closing(fresh("sqlite-file")) as first, closing(fresh("sqlite-file")) as second:
            happen(first, [Step("one", 2, "complete"), Step("two", 3, "stopped"), *begun])
            take(second, first.export())
            happen(first, here)
            happen(second, there)
            theirs = list(second.export())
            take(second, first.export())
            take(first, theirs)
            assert contents(first) == contents(second)
            assert {first.study(name)[1].name for name in ("one", "two")} == {"one", "two"}

    holds()


# Trials that both have


@pytest.fixture(scope="module")
def ways(fresh: Fresh) -> dict[str, list[str]]:
    """Exports of one store whose one trial came to each of its ends, in copies of it."""
    found = {}
    with closing(fresh("sqlite-file")) as begun:
        study_id = begun.create_study(STUDY)
        begin_one(begun, study_id, 0, Step("demo", 2, "running"))
        lines = list(begun.export())
    for end in ENDS:
        with closing(fresh("sqlite-file")) as copy:
            take(copy, lines)
            advance(copy, copy.study("demo")[0], 0, Step("demo", 2, end))
            found[end] = list(copy.export())
    return found


FURTHEST = ("running", "stopped", "promoted", "failed", "failed later", "complete", "complete later")
"""Each is further than those before it."""


@pytest.mark.parametrize("here", ENDS)
def test_of_a_trial_that_both_have_the_further_state_counts(
    here: str, fresh: Fresh, ways: dict[str, list[str]]
) -> None:
    for there in ENDS:
        with closing(fresh("sqlite-file")) as store:
            take(store, ways[here])
            found = take(store, ways[there])
            assert found.further == (FURTHEST.index(there) > FURTHEST.index(here)), (here, there)
            (trial,) = store.trials(1)
            furthest = max(here, there, key=FURTHEST.index)
            state = {"promoted": "running"}.get(furthest, furthest.split()[0])
            assert trial.state == state
            measured = {"stopped", "promoted", "failed later", "complete later"} & {here, there}
            last = state == "stopped"
            assert len(store.rungs(1).get(0, [])) == (1 if measured and not last else 0), (here, there)
            assert [str(finding) for finding in store.findings() if not finding.remark] == []
            assert set(take(store, ways[there]).new.values()) == {0}
            assert set(take(store, ways[here]).new.values()) == {0}


def test_a_trial_that_has_ended_elsewhere_ends_here_with_all_that_is_told_of_it(
    fresh: Fresh, ways: dict[str, list[str]]
) -> None:
    with closing(fresh("sqlite-file")) as store:
        take(store, ways["running"])
        take(store, ways["complete later"])
        assert list(store.export()) == ways["complete later"]


def test_the_first_measurement_of_a_key_counts(fresh: Fresh) -> None:
    """The other trial of it is one that reused it then."""
    with closing(fresh("sqlite-file")) as first, closing(fresh("sqlite-file")) as second:
        for store, name, measured in ((first, "one", MEASURED), (second, "two", BETTER)):
            begin(store, store.create_study(replace(STUDY, name=name)), 0)
            store.complete(1, 0, KEY, measured, RECIPE)
        found = take(first, second.export())
        assert (found.new["measurement"], found.new["trial"]) == (0, 1)
        assert first.known(KEY) == MEASURED
        (trial,) = first.trials(first.study("two")[0])
        assert (trial.measurement, trial.reused, trial.state) == (MEASURED, True, TrialState.COMPLETE)
        (trial,) = first.trials(first.study("one")[0])
        assert not trial.reused


def test_a_recipe_of_which_only_the_digest_was_known_is_told(fresh: Fresh) -> None:
    """Version 1 kept no more of some."""
    with closing(fresh("sqlite-file")) as first, closing(fresh("sqlite-file")) as second:
        happen(first, [Step("demo", 2, "complete")])
        lines = list(first.export())
        forgotten = [
            json.dumps(
                {name: value if name in ("kind", "digest", "evaluator") else None for name, value in line.items()}
            )
            if (line := json.loads(text)).get("kind") == "recipe"
            else text
            for text in lines
        ]
        take(second, forgotten)
        assert contents(second)["recipes"] != contents(first)["recipes"]
        take(second, lines)
        assert contents(second) == contents(first)
        take(second, forgotten)
        assert contents(second) == contents(first)


# Studies of one name


@pytest.mark.parametrize(
    ("change", "called"),
    [
        ({"space_digest": "1" * 16}, "search space"),
        ({"recipe": replace(RECIPE, lr=1.5)}, "recipe or data"),
        ({"data_checksum": "2" * 16}, "recipe or data"),
        ({"evaluator": "mine:train@0"}, "recipe or data"),
        ({"fidelity": replace(STUDY.fidelity, resolution=0.25)}, "resolution"),
        ({"seed": 8}, "seed"),
    ],
)
def test_another_study_of_the_name_is_refused_unless_renamed(fresh: Fresh, change: dict[str, Any], called: str) -> None:
    other = replace(STUDY, **change)
    other = replace(other, recipe_digest=other.recipe.digest(other.data_checksum, other.evaluator))
    with closing(fresh("sqlite-file")) as here, closing(fresh("sqlite-file")) as there:
        begin(here, here.create_study(STUDY), 0)
        begin(there, there.create_study(other), 0)
        assert refusal(here, there.export()) == (
            f"error[E520]: x.jsonl:4: the study 'demo' is another one in the store: it has another {called}\n"
            "  = help: import it under another name: --rename demo=NEW"
        )
        take(here, there.export(), demo="new")
        assert here.study("new")[1] == replace(other, name="new")
        assert here.study("demo")[1] == STUDY
        assert take(here, there.export(), demo="new").new["trial"] == 0


def test_trials_of_other_networks_are_refused_as_a_whole(fresh: Fresh) -> None:
    with closing(fresh("sqlite-file")) as here, closing(fresh("sqlite-file")) as there:
        happen(here, [Step("demo", 2, "complete"), Step("demo", 3, "complete")])
        happen(there, [Step("demo", 2, "complete"), Step("demo", 4, "complete"), Step("demo", 5, "failed")])
        mine, other = (store.trials(1)[1].architecture_id for store in (here, there))
        assert refusal(here, there.export()) == (
            f"error[E520]: x.jsonl:10: trial 1 of the study 'demo' is another one in the store (network {mine}, here"
            f" {other})\n  = help: import it under another name: --rename demo=NEW"
        )
        told = refusal(here, there.export(), demo="new", old="other")
        assert told == ("error[E520]: x.jsonl holds no study 'old' to rename\n  = help: studies in it: demo")
        take(here, there.export(), demo="new")
        assert len(here.trials(here.study("new")[0])) == 3


def test_decisions_tell_trials_of_one_network_apart(fresh: Fresh) -> None:
    with closing(fresh("sqlite-file")) as here, closing(fresh("sqlite-file")) as there:
        happen(here, [Step("demo", 2, "running", lr=0.1)])
        happen(there, [Step("demo", 2, "running", lr=0.3)])
        assert "trial 0 of the study 'demo' is another one in the store" in refusal(here, there.export())


# Damage


def sample(fresh: Fresh) -> list[str]:
    with closing(fresh("sqlite-file")) as store:
        happen(store, [Step("demo", 0, "complete later"), Step("demo", 1, "failed"), Step("demo", 2, "retrained")])
        happen(store, [Step("demo", 2, "timed"), Step("demo", 2, "scored"), Step("two", 0, "complete", lr=0.1)])
        return list(store.export())


@pytest.fixture(scope="module")
def whole(fresh: Fresh) -> list[str]:
    return sample(fresh)


def changed(lines: list[str], kind: str, /, **changes: Any) -> tuple[int, list[str]]:
    """The lines with the first of a kind changed, and the number of that line."""
    at = next(at for at, line in enumerate(lines) if json.loads(line).get("kind") == kind)
    record = json.loads(lines[at])
    record |= {name: value for name, value in changes.items() if value is not ...}
    for name in [name for name, value in changes.items() if value is ...]:
        del record[name]
    return at + 1, [*lines[:at], json.dumps(record), *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("trial", {"kind": "run"}, 'kind must be one of recipe, architecture, study, measurement, retraining, latency,'
         ' proxies, trial, got "run"'),
        ("trial", {"seed": ...}, "the trial has no seed"),
        ("trial", {"speed": 1}, "the trial has speed, which means nothing here"),
        ("trial", {"number": 1.5}, "number must be a whole number, got 1.5"),
        ("trial", {"number": True}, "number must be a whole number, got true"),
        ("trial", {"number": 2**63}, f"number must be a whole number, got {2**63}"),
        ("trial", {"decisions": "{}"}, 'decisions must be an object, got "{}"'),
        ("trial", {"worker": "\0"}, 'worker must be a text or null, got "\\u0000"'),
        ("trial", {"worker": "\ud800"}, 'worker must be a text or null, got "\\ud800"'),
        ("trial", {"study": "else"}, "study is 'else', of which no line before tells"),
        ("trial", {"measured": 3}, "measured must be a measurement's key or null, rungs a list of such keys"),
        ("trial", {"rungs": [{}]}, "the key of a measurement has no data_fraction, epochs, recipe_digest, resolution,"
         " schedule, seed"),
        ("trial", {"measured": None}, "the store refuses it: CHECK constraint failed: state_is_consistent"),
        ("trial", {"finished": None}, "the store refuses it: CHECK constraint failed: finished_is_timed"),
        ("trial", {"architecture_id": "0"}, "architecture_id is '0', of which no line before tells"),
        ("measurement", {"accuracy": 1.5}, "the store refuses it: CHECK constraint failed: accuracy_is_sensible"),
        ("measurement", {"accuracy": float("nan")}, "accuracy must be a number, got NaN"),
        ("measurement", {"recipe_digest": "0"}, "recipe_digest is '0', of which no line before tells"),
        ("measurement", {"seed": 77}, None),
        ("recipe", {"lr": 0.7}, None),
        ("recipe", {"lr": -0.7}, "no recipe: lr must be above 0, got -0.7"),
        ("architecture", {"macs": 1}, None),
        ("architecture", {"graph": {}}, 'no architecture: not an architecture: expected an object with "format": 1'),
        ("architecture", {"graph": {"format": 1, "nodes": [{"name": 1, "op": []}]}}, None),
        ("architecture", {"id": "0" * 16}, None),
        ("study", {"recipe_digest": "0"}, "recipe_digest is '0', of which no line before tells"),
        ("study", {"name": None}, "name must be a text, got null"),
        ("latency", {"repeats": 0}, "the store refuses it: CHECK constraint failed: repeats_is_sensible"),
        ("proxies", {"batch": 0}, "the store refuses it: CHECK constraint failed: batch_is_sensible"),
        ("retraining", {"seconds": "2"}, 'seconds must be a number, got "2"'),
        ("end", {"records": 3}, "expected 3 records, found 20"),
        ("end", {"kind": "trial"}, None),
    ],
)  # fmt: skip
def test_a_damaged_line_is_told_by_its_number_and_nothing_is_kept(
    fresh: Fresh, whole: list[str], kind: str, changes: dict[str, Any], told: str | None
) -> None:
    number, lines = changed(whole, kind, **changes)
    with closing(fresh("sqlite-file")) as store:
        happen(store, [Step("here", 5, "complete")])
        said = refusal(store, lines)
    if told is not None:
        hint = "\n  = help: nothing of the file is kept; export it again where it comes from"
        assert said == f"error[E520]: x.jsonl:{number}: {told}{hint}"
    assert said.startswith("error[E520]: x.jsonl:")


def test_a_graph_is_held_against_its_id_and_its_costs(fresh: Fresh, whole: list[str]) -> None:
    number, lines = changed(whole, "architecture", id="0" * 16)
    record = json.loads(whole[number - 1])
    with closing(fresh("sqlite-file")) as store:
        assert f"x.jsonl:{number}: id must be {record['id']}, that of the graph, got {'0' * 16}" in refusal(
            store, lines
        )
        number, lines = changed(whole, "architecture", peak=5)
        told = f"x.jsonl:{number}: peak of {record['id']} must be {record['peak']}, as the graph has it, got 5"
        assert told in refusal(store, lines)
        number, lines = changed(whole, "recipe", lr=0.7)
        assert f"x.jsonl:{number}: digest must be " in refusal(store, lines)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def mangled(data: st.DataObject, whole: list[str]) -> list[str]:
    """A line is gone, stands twice, is the last, or has another value somewhere."""
    lines = [json.loads(line) for line in whole]
    at = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "twice", "change", "cut"])):
        case "drop":
            del lines[at]
        case "twice":
            lines.insert(at, lines[at])
        case "cut":
            del lines[at + 1 :]
        case "change":
            lines[at][data.draw(st.sampled_from(sorted(lines[at])))] = data.draw(json_values)
    return list(map(json.dumps, lines))


def test_whatever_is_wrong_is_refused_and_what_is_taken_is_consistent(fresh: Fresh, whole: list[str]) -> None:
    @settings(max_examples=100)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        lines = mangled(data, whole)
        with closing(fresh("sqlite-file")) as store:
            try:
                take(store, lines)
            except ExchangeError:
                assert {name: rows for name, rows in contents(store).items() if rows} == {}
            assert [str(finding) for finding in store.findings() if not finding.remark] == []

    holds()


HINT = "\n  = help: nothing of the file is kept; export it again where it comes from"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"",
            'x.jsonl:1: expected {"format": "ressearch store", "version": 1, "schema": 3}, the first line of an export'
            "\n  = help: `ressearch store export`",
        ),
        (b"not\n", "x.jsonl:1: expected a JSON object: Expecting value: line 1 column 1 (char 0)" + HINT),
        (b"[1]\n", "x.jsonl:1: expected a JSON object, got [1]" + HINT),
        (b"\x1f\x8b\x08\x00", "x.jsonl:1: the compressed file is damaged: Compressed file ended before the"
         " end-of-stream marker was reached" + HINT),
        (
            b'{"format":"ressearch store","version":2,"schema":3}\n',
            "x.jsonl was written by a newer ressearch (version 2, this one reads up to 1)\n  = help: upgrade ressearch",
        ),
        (
            b'{"format":"ressearch store","version":1,"schema":4}\n',
            "x.jsonl was written by a newer ressearch (schema 4, this one reads up to 3)\n  = help: upgrade ressearch",
        ),
        (
            b'{"format":"ressearch store","version":1,"schema":3}\n',
            'x.jsonl:1: the file ends here; expected {"kind": "end", ...}, the last line of a whole export' + HINT,
        ),
        (
            b'{"format":"ressearch store","version":1,"schema":3}\n{"kind":"end","records":0}\n{}\n',
            "x.jsonl:3: expected nothing after the last line of an export" + HINT,
        ),
    ],
)  # fmt: skip
def test_what_is_no_whole_export_is_refused(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.jsonl").write_bytes(content)
    with closing(fresh("sqlite-file")) as store, pytest.raises(ExchangeError) as caught:
        store.import_("x.jsonl", read_file(Path("x.jsonl")))
    assert str(caught.value) == f"error[E520]: {told}"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path, name: str, whole: list[str]) -> None:
    file = tmp_path / name
    write_file(file, whole)
    assert [line.record for line in read_file(file)] == [json.loads(line) for line in whole]
    assert (file.read_bytes()[:2] == b"\x1f\x8b") == (name == "x.jsonl.gz")
    before = file.read_bytes()

    def interrupted() -> Iterator[str]:
        yield from whole[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(file, interrupted())
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(StoreError) as caught:
        write_file(tmp_path / "none" / name, whole)
    assert str(caught.value) == (
        f"error[E500]: cannot write {tmp_path}/none/{name}: No such file or directory\n  = help: give another FILE"
    )


# Beside others


def test_an_export_shows_the_state_in_which_it_began(store: Store, store_url: str) -> None:
    happen(store, [Step("demo", net, "complete") for net in (0, 1, 2)])
    before = list(store.export())
    exporting = store.export()
    begun = [next(exporting), next(exporting)]
    with closing(Store.open(store_url)) as other:
        happen(other, [Step("demo", 3, "complete"), Step("later", 2, "failed")])
    assert [*begun, *exporting] == before


def test_a_study_that_is_driven_is_not_changed(store: Store, store_url: str, whole: list[str]) -> None:
    """One that the file does not change is not in its way, nor is another study."""
    take(store, whole)
    happen(store, [Step("mine", 2, "running")])
    ahead = list(store.export())
    with store._database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM trials WHERE study_id = (SELECT id FROM studies WHERE name = 'mine')")
    with closing(Store.open(store_url)) as driver, driver.sole_driver("mine"):
        assert refusal(store, ahead, StudyError) == (
            "error[E600]: x.jsonl would change the study 'mine', and a search is at work on it\n"
            "  = help: import it when that has ended, or beside it: --rename mine=NEW"
        )
        take(store, whole)
        take(store, ahead, mine="copy")
        begin(driver, driver.study("mine")[0], 0)  # a driver is not kept from writing
    with closing(Store.open(store_url)) as driver, driver.sole_driver("demo"):
        assert "trial 0 of the study 'mine' is another one" in refusal(store, ahead)


def test_an_import_keeps_no_search_waiting_for_long(
    store: Store, store_url: str, whole: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "PATIENCE_SECONDS", -1)
    happen(store, [Step("mine", 2, "running")])
    with closing(Store.open(store_url)) as driver, driver.sole_driver("mine"):
        assert refusal(store, whole, StoreError) == (
            "error[E500]: the import would keep the search of the study 'mine' waiting for too long\n"
            "  = help: nothing is kept; import it when that search has ended"
        )
    take(store, whole)
