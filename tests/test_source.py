"""YAML reading: the 1.2 way, strict, safe against hostile files, and every value knows its place."""

from __future__ import annotations

import json
import math
import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ressearch.errors import Problem, SpaceError
from ressearch.space.source import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, Mapping, Scalar, Sequence, parse, plain


def read(text: str) -> Any:
    return plain(parse(text, "space.yaml"))


def message(text: str) -> str:
    with pytest.raises(SpaceError) as caught:
        parse(text, "space.yaml")
    return str(caught.value)


# Scalars of the YAML 1.2 core schema (yaml.org/spec/1.2.2, section 10.3.2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("+.5", 0.5),
        ("-1.", -1.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("-17", -17),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("-.inf", -math.inf),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2001-12-14", "2001-12-14"),
        ("150M", "150M"),
        ("'1'", "1"),
        ('"true"', "true"),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ("|\n  1\n", "1\n"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = read(f"key: {text}")["key"]
    assert (found, type(found)) == (value, type(value))


def test_nan_is_a_number() -> None:
    assert math.isnan(read("[.nan]")[0])


def test_collections() -> None:
    text = "list:\n- 1\n- [a, {b: c}]\nempty: {}\n'': [[]]\n"
    assert read(text) == {"list": [1, ["a", {"b": "c"}]], "empty": {}, "": [[]]}


def test_an_alias_repeats_its_anchor() -> None:
    assert read("a: &x {k: [1]}\nb: *x\nc: &x 2\nd: *x") == {"a": {"k": [1]}, "b": {"k": [1]}, "c": 2, "d": 2}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert read('{"<<": 1}') == {"<<": 1}


def test_each_value_knows_its_place() -> None:
    tree = parse("top:\n  - one\n  - {two: 2}\n", "space.yaml")
    assert isinstance(tree, Mapping)
    top = tree.entries["top"]
    assert isinstance(top, Sequence)
    one, inner = top.items
    assert isinstance(one, Scalar)
    assert isinstance(inner, Mapping)
    assert (one.place.file, one.place.line, one.place.column, one.place.text) == ("space.yaml", 2, 5, "  - one")
    assert (inner.key_places["two"].line, inner.key_places["two"].column) == (3, 6)
    assert (inner.entries["two"].place.line, inner.entries["two"].place.column) == (3, 11)


# Refusals, each with its whole message

REFUSED = {
    "empty": (
        "",
        """
        error[E001]: the file is empty
         --> space.yaml:1:1
          |
        1 |\x20
          | ^""",
    ),
    "only a comment": (
        "# nothing yet\n",
        """
        error[E001]: the file is empty
         --> space.yaml:1:1
          |
        1 | # nothing yet
          | ^""",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        """
        error[E001]: a second document in the file
         --> space.yaml:3:1
          |
        3 | b: 2
          | ^
          = help: keep one search space per file""",
    ),
    "duplicate keys, all of them": (
        "a: 1\nb: {c: 1, c: 2}\n'a': 3\n",
        """
        error[E002]: the key 'c' stands here twice
         --> space.yaml:2:11
          |
        2 | b: {c: 1, c: 2}
          |           ^
          = help: first on line 2

        error[E002]: the key 'a' stands here twice
         --> space.yaml:3:1
          |
        3 | 'a': 3
          | ^
          = help: first on line 1""",
    ),
    "a tag that would run code": (
        "a: !!python/object/apply:os.system ['true']\n",
        """
        error[E003]: the tag '!!python/object/apply:os.system' is not allowed
         --> space.yaml:1:4
          |
        1 | a: !!python/object/apply:os.system ['true']
          |    ^
          = help: write the value itself; a search space is plain data and runs no code""",
    ),
    "a tagged key": (
        "{!mine a: 1}",
        """
        error[E003]: the tag '!mine' is not allowed
         --> space.yaml:1:2
          |
        1 | {!mine a: 1}
          |  ^
          = help: write the value itself; a search space is plain data and runs no code""",
    ),
    "a directive": (
        "%TAG ! tag:example.com,2000:\n---\na: 1\n",
        """
        error[E003]: YAML directives are not allowed
         --> space.yaml:1:1
          |
        1 | %TAG ! tag:example.com,2000:
          | ^""",
    ),
    "a merge key": (
        "a: &a {k: 1}\nb:\n  <<: *a\n",
        """
        error[E003]: merge keys (<<) are not YAML 1.2
         --> space.yaml:3:3
          |
        3 |   <<: *a
          |   ^
          = help: repeat the keys, or name a block and `use` it""",
    ),
    "a list as a key": (
        "? [a]\n: 1\n",
        """
        error[E001]: a key must be a plain word
         --> space.yaml:1:3
          |
        1 | ? [a]
          |   ^""",
    ),
    "a tab": (
        "a:\n\tb: 1\n",
        """
        error[E001]: this is not YAML: found character '\\t' that cannot start any token
         --> space.yaml:2:1
          |
        2 |  b: 1
          | ^
          = help: YAML indents with spaces; replace the tab""",
    ),
    "an open bracket": (
        "a: [1,\nb: 2\n",
        """
        error[E001]: this is not YAML: expected ',' or ']', but got '<stream end>'
         --> space.yaml:3:1
          |
        3 |\x20
          | ^""",
    ),
    "a control character": (
        "a: 1\nb: 2\x00\n",
        """
        error[E001]: this is not YAML: unacceptable character #x0000: special characters are not allowed
         --> space.yaml:2:5
          |
        2 | b: 2\x00
          |     ^""",
    ),
    "an escape beyond Unicode": (
        'a: 1\nb: "\\UFFFFFFFF"\n',
        """
        error[E001]: this is not YAML: a number in an escape or a directive is too large
         --> space.yaml:2:2
          |
        2 | b: "\\UFFFFFFFF"
          |  ^""",
    ),
    "half a surrogate pair": (
        'a: "\\ud83d"\n',
        """
        error[E001]: this is not YAML: half of a surrogate pair
         --> space.yaml:1:4
          |
        1 | a: "\\ud83d"
          |    ^""",
    ),
    "an alias of an unknown anchor": (
        "a: &a 1\nb: *c\n",
        """
        error[E001]: the alias *c stands for nothing that is complete above it
         --> space.yaml:2:4
          |
        2 | b: *c
          |    ^""",
    ),
    "an alias of what contains it": (
        "a: &a [*a]\n",
        """
        error[E001]: the alias *a stands for nothing that is complete above it
         --> space.yaml:1:8
          |
        1 | a: &a [*a]
          |        ^""",
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_refusal(text: str, expected: str) -> None:
    assert message(text) == textwrap.dedent(expected).strip("\n")


# Hostile files


def test_aliases_cannot_blow_up_memory() -> None:
    """Nine levels of nine: 9 ** 9 = 387,420,489 values if the aliases were expanded."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert message("\n".join(levels)).startswith("error[E030]: more than 50,000 values once its aliases are expanded\n")


def test_the_number_of_values_is_limited() -> None:
    assert len(read(f"[{'1,' * (MAX_VALUES - 1)}]")) == MAX_VALUES - 1
    assert message(f"[{'1,' * MAX_VALUES}]").startswith("error[E030]: more than 50,000 values")


@pytest.mark.parametrize("text", ["[" * 10_000, "[" * 10_000 + "]" * 10_000, "{a: " * 10_000, "- " * 10_000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert message(text).startswith("error[E030]: nested more than 60 deep\n --> space.yaml:1:")


def test_nesting_up_to_the_limit_is_read() -> None:
    read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert message("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).startswith("error[E030]: nested more than 60 deep")


def aliased(levels: int) -> str:
    """Each line is nested one deeper than the line above it, without a bracket more."""
    return "\n".join(["- &a0 []", *(f"- &a{i} [*a{i - 1}]" for i in range(1, levels))])


def test_aliases_cannot_nest_deeper_than_the_text_may() -> None:
    read(aliased(MAX_DEPTH - 1))  # and the list around them
    assert message(aliased(MAX_DEPTH)) == textwrap.dedent(
        """\
        error[E030]: nested more than 60 deep once its aliases are expanded
          --> space.yaml:60:9
           |
        60 | - &a59 [*a58]
           |         ^"""
    )


def test_a_file_over_the_size_limit_is_not_even_parsed() -> None:
    start = "name: demo\n"
    read(start + "#" * (MAX_CHARACTERS - len(start)))
    assert message(start + "[" * MAX_CHARACTERS) == textwrap.dedent(
        """\
        error[E030]: the file is over 1,000,000 characters long
         --> space.yaml:1:1
          |
        1 | name: demo
          | ^"""
    )


TOKENS = [
    *"{}[]:,-?&*!|>'\"%@`#~ab01\n\t ",
    *("- ", "? ", ": ", "a: ", "---\n", "...\n", "&a ", "*a", "!!int ", "<<: ", "  "),
    *("%YAML 1.1\n", "\\U", "\\ud800", "0x", "\ufeff", "\u2028", "\x85", "\x00"),
]


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        parse(text, "any.yaml")
    except SpaceError as error:
        return error.problems or pytest.fail("refused without a problem")
    return ()


@given(st.one_of(st.text(), st.lists(st.sampled_from(TOKENS)).map("".join)))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    lines = [*text.splitlines(), ""]
    for problem in problems_of(text):
        assert problem.place.text == lines[problem.place.line - 1]
        assert 1 <= problem.place.column <= len(problem.place.text) + 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@given(JSON, st.sampled_from([None, 2]))
def test_json_is_yaml(data: Any, indent: int | None) -> None:
    """JSON is a subset of YAML 1.2 (yaml.org/spec/1.2.2, section 1.2); `repr` tells 1 from 1.0 and True."""
    assert repr(read(json.dumps(data, indent=indent))) == repr(data)
