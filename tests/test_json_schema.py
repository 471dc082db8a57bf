"""`ressearch schema`: a valid JSON Schema with exactly the keys that the reader knows, and never stricter than it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import resources
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ressearch.cli import cli
from ressearch.errors import SpaceError
from ressearch.explanations import EXPLANATIONS
from ressearch.space.blocks import KEYS
from ressearch.space.json_schema import json_schema
from ressearch.space.schema import read_grammar
from ressearch.space.source import parse, plain
from ressearch.trial import Fidelity, Recipe
from tests.conftest import ROOT
from tests.test_readme import readme_space
from tests.test_space_errors import BODIES, HEAD, Case, block_text

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
FOLDER = ROOT / "search_spaces"
SPACES = sorted(FOLDER.glob("*.yaml"))
STAGES = "stages: [{width: 8, block: {use: basic}}]\n"

BLOCKS = {
    "op": "{op: conv, kernel: 3, zebra: 1}",
    "seq": "{seq: [{op: conv3x3}], zebra: 1}",
    "residual": "{residual: {}, body: [{op: conv3x3}], zebra: 1}",
    "dense": "{dense: {layers: 2, growth: 4}, body: [{op: conv3x3}], zebra: 1}",
    "repeat": "{repeat: 2, block: {op: conv3x3}, zebra: 1}",
    "one_of": "{one_of: {a: {op: conv3x3}, b: {op: conv5x5}}, zebra: 1}",
    "use": "{use: basic, zebra: 1}",
    "graph": "{graph: {nodes: {a: {op: conv3x3}}, edges: [[in, a], [a, out]]}, zebra: 1}",
}
BLOCK_AT = {kind: f"$defs/block/oneOf/{number}" for number, kind in enumerate(KEYS)}
BEHIND_STAGES = {
    "": ("zebra: 1", ""),
    "limits": ("limits: {macs: {max: 1M}, zebra: 1}", "properties/limits"),
    "a limit": ("limits: {macs: {max: 1M, zebra: 1}}", "$defs/limit"),
    "parameters": ("parameters: {lr: {value: 0.1}, zebra: 1}", "properties/parameters"),
    "a parameter": ("parameters: {lr: {value: 0.1, zebra: 1}}", "properties/parameters/properties/lr"),
    "task": ("task: {dataset: digits, zebra: 1}", "properties/task"),
    "train": ("train: {lr: 0.1, zebra: 1}", "properties/train"),
    "early_terminate": ("early_terminate: {eta: 3, zebra: 1}", "properties/early_terminate"),
    "search": ("search: {trials: 3, zebra: 1}", "properties/search"),
}
AS_STAGES = {
    "stage": ("[{width: 8, block: {use: basic}, zebra: 1}]", "$defs/stage"),
    "stages once": ("{repeat: 2, width: {start: 8}, block: {use: basic}, zebra: 1}", "properties/stages/oneOf/1"),
    "growth": (
        "{repeat: 2, width: {start: 8, zebra: 1}, block: {use: basic}}",
        "properties/stages/oneOf/1/properties/width",
    ),
    "values": ("[{width: {values: [8, 16], zebra: 1}, block: {use: basic}}]", "$defs/whole/anyOf/1"),
    "interval": ("[{width: {min: 8, max: 16, zebra: 1}, block: {use: basic}}]", "$defs/whole/anyOf/2"),
    "variable": ("[{width: {var: n, zebra: 1}, block: {use: basic}}]", "$defs/whole/anyOf/3"),
}
AS_BLOCK = {
    **{f"block {kind}": (text, BLOCK_AT[kind]) for kind, text in BLOCKS.items()},
    "ratio": ("{op: conv3x3, width: {ratio: 0.5, zebra: 1}}", "$defs/width/anyOf/4"),
    "residual": ("{residual: {order: pre, zebra: 1}, body: [{op: conv3x3}]}", "$defs/residual"),
    "dense": ("{dense: {layers: 2, growth: 4, zebra: 1}, body: [{op: conv3x3}]}", "$defs/dense"),
    "graph": ("{graph: {nodes: {a: {op: conv3x3}}, edges: [[in, a], [a, out]], zebra: 1}}", "$defs/graph"),
}
VARS = "vars: {n: {values: [8, 16]}}\n"
LEVELS = {
    "input": (
        "version: 1\nname: mine\ninput: {shape: [3, 8, 8], classes: 10, zebra: 1}\n" + STAGES,
        "properties/input",
    ),
    **{name: (HEAD + STAGES + text, where) for name, (text, where) in BEHIND_STAGES.items()},
    **{name: (HEAD + VARS + f"stages: {text}\n", where) for name, (text, where) in AS_STAGES.items()},
    **{name: (HEAD + f"stages: [{{width: 8, block: {text}}}]\n", where) for name, (text, where) in AS_BLOCK.items()},
}
"""Every mapping with fixed keys: a file with a key `zebra` in it, and where it stands in the schema."""


def tree(text: str) -> Any:
    return plain(parse(text, "mine.yaml"))


def subschema(where: str) -> Any:
    found: Any = SCHEMA
    for step in where.split("/") if where else ():
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def codes(text: str) -> set[str]:
    """The codes of what the reader refuses in a text."""
    try:
        read_grammar(text, "mine.yaml")
    except SpaceError as error:
        return {problem.code for problem in error.problems}
    return set()


def known_keys(text: str) -> set[str]:
    """The keys that the reader says it knows where the text has `zebra`."""
    with pytest.raises(SpaceError) as caught:
        read_grammar(text, "mine.yaml")
    assert len(caught.value.problems) == 1
    found = re.fullmatch(r"(?:known keys|parameters are): (.*)", str(caught.value.problems[0].hint))
    assert found
    return set(found[1].split(", "))


def without_zebra(text: str) -> str:
    return text.replace(", zebra: 1", "").replace("zebra: 1", "")


# The schema itself


def test_it_is_a_schema_and_the_one_in_the_folder() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    printed = CliRunner().invoke(cli, ["schema"]).stdout
    assert json.loads(printed) == SCHEMA
    assert printed == (FOLDER / "schema.json").read_text(encoding="utf-8")


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas of mappings inside a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        yield from objects(inner)


def test_every_key_has_a_line_and_no_mapping_takes_others() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 40
    for schema in found:
        assert "properties" not in schema or schema["additionalProperties"] is False
        assert "additionalProperties" in schema
        for name, key in schema.get("properties", {}).items():
            assert 10 < len(key["description"]) <= 110, name
            assert "\n" not in key["description"]


@pytest.mark.parametrize("name", LEVELS)
def test_it_knows_the_keys_that_the_reader_knows(name: str) -> None:
    text, where = LEVELS[name]
    extra = {"values"} if name == "interval" else set()  # with it, it is another kind of choice
    assert set(subschema(where)["properties"]) == known_keys(text) - extra


@pytest.mark.parametrize("name", LEVELS)
def test_an_unknown_key_fails_at_every_level_and_nothing_else(name: str) -> None:
    text, _ = LEVELS[name]
    assert not VALIDATOR.is_valid(tree(text))
    assert VALIDATOR.is_valid(tree(without_zebra(text)))
    assert codes(without_zebra(text)) == set()


def test_a_named_block_takes_two_keys_more_than_a_block() -> None:
    for block, rule in zip(SCHEMA["$defs"]["block"]["oneOf"], SCHEMA["$defs"]["rule"]["oneOf"], strict=True):
        assert set(rule["properties"]) - set(block["properties"]) == {"max_depth", "tie"}
        assert rule["required"] == block["required"]
    for text in BLOCKS.values():
        named = HEAD + STAGES + f"blocks: {{mine: {text.replace('zebra: 1', 'max_depth: 2, tie: stage')}}}\n"
        assert VALIDATOR.is_valid(tree(named))
        assert codes(named) == set()
        assert not VALIDATOR.is_valid(tree(HEAD + f"stem: {text.replace('zebra: 1', 'tie: stage')}\n" + STAGES))


def test_its_bounds_are_those_of_the_records() -> None:
    """At each bound itself and a little beyond it, schema and record agree; truth values have none."""
    for record in (Recipe, Fidelity):
        for field in fields(record):
            schema = SCHEMA["properties"]["train"]["properties"][field.name]
            assert schema["default"] == field.default
            step = 1 if schema["type"] == "integer" else 1e-9
            bounds = [value for key, value in schema.items() if key.lower().endswith("imum")]
            assert bool(bounds) != (schema["type"] == "boolean")
            for value in [bound + change for bound in bounds for change in (-step, 0, step)]:
                assert_agreement(f"train: {{{one_epoch(field.name)}{field.name}: {value!r}}}")


def one_epoch(field: str) -> str:
    """That a schedule is not below its epochs is more than a schema can say."""
    return "epochs: 1, " if field == "schedule" else ""


def assert_agreement(text: str) -> None:
    assert VALIDATOR.is_valid(tree(HEAD + STAGES + text)) == (codes(HEAD + STAGES + text) == set()), text


LITERALS = ["true", "false", "0", "1", "2", "0.5", "-1", "1e-3", "zebra", "'true'", "null", "[true]", "{}"]


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("field", [field.name for record in (Recipe, Fidelity) for field in fields(record)])
def test_of_each_field_it_takes_the_kinds_that_the_reader_takes(field: str, literal: str) -> None:
    assert_agreement(f"train: {{{one_epoch(field)}{field}: {literal}}}")
    if field in {known.name for known in fields(Recipe)}:
        assert_agreement(f"parameters: {{{field}: {{value: {literal}}}}}")
        assert_agreement(f"parameters: {{{field}: {{values: [{literal}]}}}}")


@pytest.mark.parametrize("key", ["type", "min_iter", "eta"])
@pytest.mark.parametrize("literal", [*LITERALS, "hyperband"])
def test_of_rungs_it_takes_the_kinds_that_the_reader_takes(key: str, literal: str) -> None:
    assert_agreement(f"early_terminate: {{{key}: {literal}}}")


@pytest.mark.parametrize(
    "key",
    [
        *("trials", "workers", "seed", "time_limit", "evaluator", "proposer", "objective", "max_macs"),
        *("address", "cpus_per_trial", "gpus_per_trial", "storage"),
    ],
)
@pytest.mark.parametrize("literal", [*LITERALS, "''", "mine:train", "2.5", "tpe", "budget", "1.5M"])
def test_of_a_study_it_takes_the_kinds_that_the_reader_takes(key: str, literal: str) -> None:
    assert_agreement(f"search: {{{key}: {literal}}}")


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("train: {flip: true, crop: 2, cutout: 4, ema: 0.9, decoupled: true, amp: false}", True),
        ("train: {epochs: 2, schedule: 8, resolution: 0.5}", True),
        ("train: {flip: 1}", False),
        ("train: {amp: 'true'}", False),
        ("train: {crop: 2.5}", False),
        ("train: {ema: 1}", False),
        ("train: {resolution: 0}", False),
        ("parameters: {flip: {values: [true, false]}, crop: {values: [0, 2, 4]}}", True),
        ("parameters: {crop: {min: 0, max: 4}, ema: {min: 0.9, max: 0.99}}", True),
        ("parameters: {flip: {distribution: int_uniform, min: 0, max: 1}}", False),
        ("parameters: {flip: {values: [0, 1]}}", False),
        ("parameters: {crop: {values: [0.5]}}", False),
        ("parameters: {schedule: {value: 8}}", False),
        ("search: {time_limit: 60, evaluator: mine:train}", True),
        ("search: {time_limit: 1.5}", False),
        ("search: {evaluator: 3}", False),
    ],
)
def test_what_came_later_is_taken_and_refused_by_both(text: str, fine: bool) -> None:
    assert VALIDATOR.is_valid(tree(HEAD + STAGES + text)) == (codes(HEAD + STAGES + text) == set()) == fine


# Against files


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.name)
def test_every_shipped_file_is_valid_and_names_the_schema(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(VALIDATOR.iter_errors(tree(text))) == []
    first, second = text.splitlines()[:2]
    assert first == "# yaml-language-server: $schema=schema.json"
    assert second.startswith("# ")


def test_what_is_right_elsewhere_is_valid() -> None:
    assert VALIDATOR.is_valid(tree(readme_space()))
    standard = tree(resources.files("ressearch.space").joinpath("standard.yaml").read_text(encoding="utf-8"))
    assert VALIDATOR.is_valid({**tree(HEAD + STAGES), "blocks": standard})
    files = {
        code: e.right for code, e in EXPLANATIONS.items() if ": " in e.right and not e.right.startswith("ressearch")
    }
    assert len(files) > 20
    for code, text in files.items():
        assert VALIDATOR.is_valid({**tree(HEAD + STAGES), **tree(text)}), code


@pytest.mark.parametrize(
    ("block", "fine"), [("op: conv", False), ("op: conv, kernel: 3", True), ("op: conv3x3, kernel: 3", False)]
)
def test_a_kernel_stands_where_no_word_says_it(block: str, fine: bool) -> None:
    text = HEAD + f"stem: {{{block}}}\n" + STAGES
    assert VALIDATOR.is_valid(tree(text)) == (codes(text) == set()) == fine


def test_numbers_are_read_the_yaml_1_2_way() -> None:
    assert VALIDATOR.is_valid(tree(HEAD + STAGES + "train: {lr: 1e-3}"))
    assert not VALIDATOR.is_valid(tree(HEAD + STAGES + "train: {lr: 1e-3 }\nstem: {op: conv3x3, norm: on}"))


STRUCTURE = {"E003", "E004", "E005", "E006", "E011", "E012", "E015", "E016"}
"""Mistakes in keys, words and kinds of values: what a schema can see."""

BEYOND = {"a variable of the wrong kind"}
"""Such mistakes that it cannot see all the same: what a variable is used for stands elsewhere."""


@pytest.mark.parametrize("case", [case for case in BODIES if case.name not in BEYOND], ids=lambda case: case.name)
def test_of_the_bad_files_those_with_wrong_keys_words_or_kinds_fail(case: Case) -> None:
    if set(re.findall(r"error\[(E\d+)\]", case.message)) & STRUCTURE:
        assert not VALIDATOR.is_valid(tree(HEAD + block_text(case.text)))


# Against the reader, on files with one thing changed


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a tree."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


JUNK: list[Any] = ["zebra", -1, 0, 2.5, True, None, [], [1], {}, {"values": ["zebra"]}, {"min": 1, "max": 2}]


def variants(node: Any) -> Iterator[tuple[str, Any]]:
    """The tree with one entry left out, renamed, or replaced by junk."""
    for path in places(node):
        for junk in ["drop", "rename", *range(len(JUNK))]:
            changed = copy.deepcopy(node)
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            if isinstance(junk, int):
                parent[path[-1]] = JUNK[junk]
            elif isinstance(parent, dict):
                value = parent.pop(path[-1])
                parent |= {f"{path[-1]}x": value} if junk == "rename" else {}
            yield f"{'.'.join(map(str, path))}: {junk}", changed


FULL = """
version: 1
name: mine
input: {shape: [3, 8, 8], classes: 10}
vars: {n: {min: 1, max: 2}}
stages:
  - {width: {values: [8, 16]}, stride: 1, depth: {var: n}, block: {use: mine}}
blocks:
  mine:
    max_depth: 2
    tie: stage
    one_of:
      a: {op: conv, kernel: 3, width: {ratio: 0.5, of: input}, groups: 1, act: silu, norm: true}
      b: {residual: {shortcut: {op: conv1x1}, merge: mean, gate: scalar, drop_path: 0.1}, body: [{op: conv3x3}]}
      c: {repeat: 2, block: {dense: {layers: 1, growth: 4, transition: true}, body: [{use: basic, width: 8}]}}
      d: {graph: {nodes: {p: {op: conv3x3}}, edges: [[in, p]], optional_edges: [[p, out]], merge: add}}
baselines: {one: {n: 1}}
limits: {macs: {min: 1, max: 1M}}
parameters: {lr: {distribution: uniform, min: 0.1, max: 0.5}, flip: {values: [true, false]}, crop: {values: [2, 4]}}
task: {dataset: digits}
train: {epochs: 2, lr: 0.1, schedule: 9, decoupled: true, cutout: 2, ema: 0.5}
early_terminate: {type: hyperband, min_iter: 1, eta: 3}
search: {trials: 3, seed: 0, time_limit: 60, evaluator: mine:train}
"""


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_it_refuses_what_the_reader_refuses_for_its_keys_words_or_kinds_and_nothing_else(every: int) -> None:
    """But for the kind of a variable, which shows only where the variable is used."""
    for name, changed in list(variants(tree(FULL)))[::every]:
        refused = codes(json.dumps(changed))
        if not VALIDATOR.is_valid(changed):
            assert refused, name
        elif not name.startswith("vars.n"):
            assert not refused & STRUCTURE, name
