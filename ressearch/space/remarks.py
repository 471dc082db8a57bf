"""What is allowed in a search space but hardly meant: branches that build the same, names that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from itertools import combinations, product
from typing import Any

from ressearch.errors import Problem, SpaceError
from ressearch.space.choices import in_order
from ressearch.space.decode import decode
from ressearch.space.grammar import (
    Block,
    Grammar,
    OneOf,
    Ratio,
    Residual,
    Seq,
    Stage,
    Use,
    Var,
    blocks_in,
    roots,
)
from ressearch.space.outline import Outline

MOST_WAYS = 24
"""Branches with more ways to be decided are compared as they are written, not by what they build."""

SITUATIONS = tuple(product(((16, 1), (512, 2)), (None, ("post", "spatial"), ("pre", "first"))))
"""Where two branches are compared: on a map of width 16, keeping its shape and changing it; alone, and as the body of a
residual of either order."""


def remarks(grammar: Grammar, own: frozenset[str]) -> list[Problem]:
    """What is worth a second look; `own` are the names of the rules that the file itself defines."""
    found = [*_same_branches(grammar), *_unused(grammar, own)]
    return sorted(found, key=lambda problem: problem.place)


def _same_branches(grammar: Grammar) -> Iterator[Problem]:
    for path, root in roots(grammar):
        for block in blocks_in(root):
            if isinstance(block, OneOf):
                yield from _pairs(grammar, path, block)


def _pairs(grammar: Grammar, path: str, block: OneOf) -> Iterator[Problem]:
    built = {name: _built(grammar, branch) for name, branch in block.branches.items()}
    for a, b in combinations(block.branches, 2):
        written = block.branches[a] == block.branches[b]
        if written or (built[a] is not None and built[a] == built[b]):
            message = f"the branches {a!r} and {b!r} always build the same graph"
            yield Problem("W001", path, message, block.branches[b].place, "leave one of them out")


def _built(grammar: Grammar, branch: Block) -> list[set[str]] | None:
    """The networks that a branch makes in each situation, or None where they are too many or cannot be built."""
    found = []
    for (width, stride), residual in SITUATIONS:
        stage = Stage(width, _within(branch, residual), stride)
        alone = replace(grammar, input_shape=(16, 32, 32), stem=Seq((), branch.place), stages=(stage,), head=None)
        with suppress(SpaceError):
            outline = Outline(alone)
            if not outline.continuous and outline.resolved.size <= MOST_WAYS:
                found.append(_ids(alone))
    return found if len(found) == len(SITUATIONS) else None


def _within(branch: Block, residual: tuple[str, str] | None) -> Block:
    if residual is None:
        return branch
    order, stride_at = residual
    return Residual(Seq((branch,), branch.place), branch.place, "none", order=order, stride_at=stride_at)


def _ids(grammar: Grammar) -> set[str]:
    return {decode(grammar, choose)[0].id for choose in in_order()}


def _unused(grammar: Grammar, own: frozenset[str]) -> Iterator[Problem]:
    blocks = [block for path, root in roots(grammar) if not path.startswith("blocks.") for block in blocks_in(root)]
    used: set[str] = set()
    for block in blocks:  # which grows by what is used
        if isinstance(block, Use) and block.rule not in used:
            used.add(block.rule)
            blocks += blocks_in(grammar.rules[block.rule].block)
    for name in sorted(own - used):
        yield Problem("W002", f"blocks.{name}", f"no block uses {name!r}", grammar.rules[name].place, "leave it out")
    stages: tuple[Any, ...] = grammar.stages if isinstance(grammar.stages, tuple) else (grammar.stages,)
    named = {var.name for owner in (*stages, *blocks) for var in _variables(owner)}
    for name in sorted(set(grammar.vars) - named):
        yield Problem("W002", f"vars.{name}", f"no setting uses {name!r}", grammar.var_places[name], "leave it out")


def _variables(owner: Any) -> Iterator[Var]:
    for field in fields(owner):
        value = getattr(owner, field.name)
        value = value.ratio if isinstance(value, Ratio) else value
        if isinstance(value, Var):
            yield value
