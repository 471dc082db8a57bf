"""The language of filters: how it is read, and whole messages about what cannot be."""

from __future__ import annotations

import pytest

from ressearch.errors import FilterError
from ressearch.store.filter import FACTS, MOST_CHARACTERS, And, Comparison, Not, Or, parse_filter


def test_and_binds_stronger_than_or_and_not_strongest() -> None:
    seed, epochs, depth = (parse_filter(f"{name} = 1") for name in ("seed", "epochs", "depth"))
    assert seed is not None
    assert epochs is not None
    assert depth is not None
    assert parse_filter("seed=1 OR not epochs = 1 And depth=1k") == Or(
        (seed, And((Not(epochs), Comparison("depth", "=", 1000 * depth.value))))  # type: ignore[union-attr, operator]
    )
    assert parse_filter("((seed=1)or(epochs=1))and depth=1") == And((Or((seed, epochs)), depth))
    assert parse_filter(" \n") is None


# Messages

QUOTE = "quote a text that is 'and', 'or' or 'not'"
OPERATORS = "use one of =, !=, <, <=, >, >="
NUMBERS = "numbers are written like 12, 0.5, 1e-3, 60k, 60M, 1.5G or, for accuracy, 97%"
NAMES = "for example: macs < 60M and kind = dense"


@pytest.mark.parametrize(
    ("text", "marks", "message", "hint"),
    [
        ("parms < 5M", "^^^^^", "there is no name 'parms'", "did you mean 'params'?"),
        ("zebra < 5M", "^^^^^", "there is no name 'zebra'", f"use one of {', '.join(FACTS)}"),
        ("macs < 5M or", "            ^", "expected a name, 'not' or '(', not the end", NAMES),
        ("60M > macs", "^^^", "there is no name '60M'", f"use one of {', '.join(FACTS)}"),
        ("and", "^^^", "expected a name, 'not' or '(', not 'and'", NAMES),
        ("macs", "    ^", "expected an operator after 'macs', not the end", OPERATORS),
        ("macs == 5", "     ^^", "there is no operator '=='", "did you mean '='?"),
        ("macs =! 5", "     ^^", "there is no operator '=!'", OPERATORS),
        ("study < demo", "      ^", "'study' has no order", "compare it by = or !="),
        ("kind > dense", "     ^", "'kind' has no order", "compare it by = or !="),
        ("loss > none", "       ^^^^", "'none' has no order", "compare it by = or !="),
        ("macs = none", "       ^^^^", "'macs' is known of every finished trial", None),
        ("macs < ", "      ^", "expected a value for 'macs', not the end", QUOTE),
        ("study = or", "        ^^", "expected a value for 'study', not 'or'", QUOTE),
        ("macs < 5m", "       ^^", "'macs' is a number, which '5m' is not", NUMBERS),
        ("macs < '5'", "       ^^^", "'macs' is a number, which '5' is not", NUMBERS),
        ("macs < 5%", "       ^^", "% is for accuracy alone", None),
        ("accuracy > 97", "           ^^", "'accuracy' is from 0 to 1, which '97' is not", "write 97% or 0.97"),
        ("kind = dens", "       ^^^^", "there is no kind of block 'dens'", "did you mean 'dense'?"),
        ("(macs < 5", "         ^", "expected 'and', 'or' or ')', not the end", None),
        ("macs < 5 )", "         ^", "expected 'and', 'or' or the end, not ')'", None),
        ("macs < 5 seed = 1", "         ^^^^", "expected 'and', 'or' or the end, not 'seed'", None),
        ("device = 'cpu", "         ^^^^", "a quote that is not closed", None),
        ("device =\n'\0'", "          ^", "a character that no text can hold", None),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_with_its_place(text: str, marks: str, message: str, hint: str | None) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    shown = text.replace("\n", " ").replace("\0", " ")
    told = f"error[E510]: {message}\n  |\n  | {shown}\n  | {marks}"
    assert str(caught.value) == (told if hint is None else f"{told}\n  = help: {hint}")


def test_what_is_too_long_or_too_deep_is_refused() -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter("x" * (MOST_CHARACTERS + 1))
    assert str(caught.value) == "error[E510]: a filter of 2001 characters is too long: at most 2000"
    for opened in ("(", "not ", "not("):
        with pytest.raises(FilterError, match="more than 20 levels of parentheses and 'not'"):
            parse_filter(opened * 400 + "seed = 1")


def test_a_mistake_far_inside_is_shown_with_what_is_around_it() -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter("seed = 1 or " * 100 + "x = 1" + " or seed = 1" * 40)
    lines = str(caught.value).splitlines()
    assert max(map(len, lines[:4])) <= 124
    assert lines[2][lines[3].index("^")] == "x"
