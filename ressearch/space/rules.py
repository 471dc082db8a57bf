"""What holds between the rules of a grammar: every name is known, and every recursion ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ressearch.space.choices import Categorical, nearest
from ressearch.space.grammar import (
    Block,
    Grammar,
    Graph,
    OneOf,
    Ratio,
    Rule,
    Use,
    Var,
    blocks_in,
    children,
    circle,
    may_be_absent,
    roots,
)

if TYPE_CHECKING:
    from ressearch.space.reader import Reader

Depths = Mapping[str, int]
"""Rule -> how many times it is open around the block at hand."""


def check(grammar: Grammar, reader: Reader) -> None:
    """Report unknown blocks and variables, recursions that never end, and `none` where something must be."""
    if not _names_known(grammar, reader):
        return
    _check_absences(grammar, reader)
    cycle = _unbounded(grammar.rules)
    if cycle:
        rule = grammar.rules[cycle[0]]
        message = f"recursion without a bound: {' -> '.join([*cycle, cycle[0]])}"
        reader.report("E013", f"blocks.{rule.name}", rule.place, message, f"give {rule.name!r} a max_depth, e.g. 2")
        return
    recursion = Recursion(grammar.rules)
    for rule in grammar.rules.values():
        if not recursion.fits(rule.block, {rule.name: 1}):
            message = f"every way through {rule.name!r} needs more nesting than its max_depth allows"
            reader.report(
                "E013", f"blocks.{rule.name}", rule.place, message, "give it a one_of with a branch that ends"
            )


class Recursion:
    """How far the rules of a grammar may still nest; remembers what it has worked out."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._fits: dict[tuple[int, frozenset[tuple[str, int]]], bool] = {}
        self._branches: dict[tuple[int, frozenset[tuple[str, int]]], Categorical] = {}
        self._within: dict[str, list[str]] = {}

    def fits(self, block: Block, depths: Depths) -> bool:
        """Whether some way to complete the block keeps every rule within its max_depth."""
        key = id(block), frozenset(depths.items())
        if key not in self._fits:
            self._fits[key] = self._completes(block, depths)
        return self._fits[key]

    def branches(self, block: OneOf, depths: Depths) -> Categorical:
        """The names of the branches that can still be completed."""
        key = id(block), frozenset(depths.items())
        if key not in self._branches:
            fitting = [name for name, branch in block.branches.items() if self.fits(branch, depths)]
            self._branches[key] = Categorical(tuple(fitting))
        return self._branches[key]

    def opened(self, rule: Rule, depths: Depths) -> Depths | None:
        """The depths inside one more use of a rule, or None if its max_depth forbids it."""
        if rule.max_depth is None:
            return depths
        depth = depths.get(rule.name, 0) + 1
        return {**depths, rule.name: depth} if depth <= rule.max_depth else None

    def level(self, rule: Rule, depths: Depths) -> str:
        """Where tied copies of a rule stop sharing: those at other depths may not have the same choices.

        Empty for a rule that holds nothing recursive, which is the same at every depth.
        """
        if not depths:
            return ""
        if rule.name not in self._within:
            used = self._used_by(rule.name)
            self._within[rule.name] = sorted(name for name in used if self._rules[name].max_depth is not None)
        within = self._within[rule.name]
        if len(within) == 1:
            return f"@{depths[within[0]]}" if within[0] in depths else ""
        return "".join(f"@{name}{depths[name]}" for name in within if name in depths)

    def _completes(self, block: Block, depths: Depths) -> bool:
        if isinstance(block, Use):
            rule = self._rules[block.rule]
            deeper = self.opened(rule, depths)
            return deeper is not None and self.fits(rule.block, deeper)
        quantifier = any if isinstance(block, OneOf) else all
        return quantifier(self.fits(child, depths) for child in children(block))

    def _used_by(self, name: str) -> set[str]:
        """The rule and all rules that it uses, directly or through others."""
        found, waiting = set(), [name]
        while waiting:
            rule = waiting.pop()
            if rule not in found:
                found.add(rule)
                waiting += [block.rule for block in blocks_in(self._rules[rule].block) if isinstance(block, Use)]
        return found


def _names_known(grammar: Grammar, reader: Reader) -> bool:
    fine = True
    for path, root in roots(grammar):
        for block in blocks_in(root):
            if isinstance(block, Use) and block.rule not in grammar.rules:
                match = nearest(block.rule, list(grammar.rules))
                hint = f"did you mean {match!r}?" if match else f"known blocks: {', '.join(grammar.rules)}"
                reader.report("E010", path, block.place, f"there is no block {block.rule!r}", hint)
                fine = False
            fine &= _vars_known(grammar, reader, path, block)
    return fine and _stage_vars_known(grammar, reader)


def _check_absences(grammar: Grammar, reader: Reader) -> None:
    """Only a node of a graph may be `none`: everything else would hand nothing on."""
    for path, root in roots(grammar):
        within = list(blocks_in(root))
        nodes = {id(node) for graph in within if isinstance(graph, Graph) for node in graph.nodes.values()}
        for block in within:
            if may_be_absent(block, grammar.vars) and id(block) not in nodes:
                hint = "write identity where the input is to go on as it is"
                reader.report("E020", path, block.place, "only a node of a graph may be none", hint)


def _vars_known(grammar: Grammar, reader: Reader, path: str, block: Any) -> bool:
    settings = [getattr(block, field.name) for field in fields(block)]
    settings += [setting.ratio for setting in settings if isinstance(setting, Ratio)]
    unknown = [setting for setting in settings if isinstance(setting, Var) and setting.name not in grammar.vars]
    for var in unknown:
        match = nearest(var.name, list(grammar.vars))
        hint = f"did you mean {match!r}?" if match else "name it under 'vars:'"
        reader.report("E014", path, var.place, f"there is no variable {var.name!r}", hint)
    return not unknown


def _stage_vars_known(grammar: Grammar, reader: Reader) -> bool:
    stages: tuple[Any, ...] = grammar.stages if isinstance(grammar.stages, tuple) else (grammar.stages,)
    return not [i for i, stage in enumerate(stages) if not _vars_known(grammar, reader, f"stages.{i}", stage)]


def _unbounded(rules: Mapping[str, Rule]) -> list[str]:
    """A cycle of rules that use each other, none of which has a max_depth; empty if there is none."""
    edges: list[tuple[str, str]] = []
    for rule in rules.values():
        used = [block.rule for block in blocks_in(rule.block) if isinstance(block, Use)]
        if rule.max_depth is None:
            edges += [(rule.name, name) for name in used if rules[name].max_depth is None]
    return circle(edges)
