"""A grammar back to a file: what `to_yaml` writes reads back to an equal grammar, but for places.

Defaults are left out, and so are standard blocks that the file has not replaced. Numbers keep their kind: 2 is not 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import yaml

from ressearch.space.choices import Categorical, Domain, Integer, Real
from ressearch.space.grammar import (
    Block,
    Dense,
    EarlyTerminate,
    Edge,
    Grammar,
    Graph,
    Limit,
    OneOf,
    OpBlock,
    Ratio,
    Repeat,
    Residual,
    Rule,
    Scope,
    Seq,
    Stage,
    Stages,
    Use,
    Var,
)
from ressearch.space.schema import standard_rules
from ressearch.trial import Fidelity, Recipe

Data = dict[str, Any]
"""Plain mappings, lists, strings and numbers, as a file holds them."""


def to_yaml(grammar: Grammar) -> str:
    """The text of a file that describes the grammar."""
    return yaml.dump(_grammar(grammar), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)


class _Dumper(yaml.SafeDumper):
    """PyYAML writes for readers of YAML 1.1; this makes readers of 1.2 see the same. It writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def string(self, text: str) -> yaml.ScalarNode:
        """A string, quoted unless it begins as a word does: 1.1 takes `1e-3` for a word, 1.2 for a number."""
        begins_word = text[:1].isalpha() or text[:1] == "_"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if begins_word else "'")


_Dumper.add_representer(str, _Dumper.string)


# The file


def _grammar(grammar: Grammar) -> Data:
    entries = {
        "version": 1,
        "name": grammar.name,
        "input": {"shape": list(grammar.input_shape), "classes": grammar.classes},
        "vars": {name: _setting(value) for name, value in grammar.vars.items()},
        "stem": None if grammar.stem == Seq((), grammar.stem.place) else _block(grammar.stem),
        "stages": _stages(grammar.stages),
        "head": None if grammar.head is None else _block(grammar.head),
        "blocks": _rules(grammar.rules),
        "baselines": {baseline.name: dict(baseline.wanted) for baseline in grammar.baselines},
        "limits": {name: _limit(limit) for name, limit in grammar.limits.items()},
        "parameters": {name: _parameter(value) for name, value in grammar.parameters.items()},
        "task": None if grammar.dataset is None else {"dataset": grammar.dataset},
        "train": _train(grammar.recipe) | _train(grammar.fidelity),
        "early_terminate": None if grammar.early_terminate is None else _early_terminate(grammar.early_terminate),
        "search": dict(grammar.search),
    }
    return {key: value for key, value in entries.items() if value is not None and value != {}}


def _early_terminate(early: EarlyTerminate) -> Data:
    """In full: an empty mapping means something here."""
    return {"type": "hyperband", **asdict(early)}


def _stages(stages: tuple[Stage, ...] | Stages) -> list[Data] | Data:
    if isinstance(stages, tuple):
        return [_stage(stage, 2 if number else 1) for number, stage in enumerate(stages)]
    width = {"start": _setting(stages.start), **_unless(factor=(stages.factor, 2))}
    return {
        "repeat": _setting(stages.count),
        "width": width,
        **_unless(depth=(stages.depth, 1)),
        "block": _block(stages.block),
    }


def _stage(stage: Stage, usual_stride: int) -> Data:
    written = _unless(stride=(stage.stride, usual_stride), depth=(stage.depth, 1))
    return {"width": _setting(stage.width), **written, "block": _block(stage.block)}


def _rules(rules: Mapping[str, Rule]) -> Data:
    written = {name: _rule(rule) for name, rule in rules.items()}
    standard = {name: _rule(rule) for name, rule in standard_rules().items()}
    return {name: rule for name, rule in written.items() if not (name in standard and _same(rule, standard[name]))}


def _rule(rule: Rule) -> Data:
    return {**_unless(max_depth=(rule.max_depth, None), tie=(rule.tie, "none")), **_block(rule.block)}


def _limit(limit: Limit) -> Data:
    bounds = {"min": limit.low, "max": limit.high}
    return {key: _quantity(bound) for key, bound in bounds.items() if bound is not None}


def _quantity(number: int) -> int | str:
    suffixes = {"G": 10**9, "M": 10**6, "k": 10**3}
    exact = [f"{number // unit}{suffix}" for suffix, unit in suffixes.items() if number and number % unit == 0]
    return exact[0] if exact else number


def _train(record: Recipe | Fidelity) -> Data:
    usual = asdict(type(record)())
    if isinstance(record, Fidelity):
        usual["schedule"] = record.epochs
    return {name: value for name, value in asdict(record).items() if not _same(value, usual[name])}


def _parameter(value: Any) -> Data:
    """A field of the recipe, with the distribution that it is drawn from."""
    match value:
        case Categorical(values):
            return {"distribution": "categorical", "values": list(values)}
        case Integer(low, high):
            return {"distribution": "int_uniform", "min": low, "max": high}
        case Real(low, high, step=None, log=log):
            return {"distribution": "log_uniform_values" if log else "uniform", "min": low, "max": high}
        case Real(low, high, step=step):
            return {"distribution": "q_uniform", "min": low, "max": high, "q": step}
        case _:
            return {"distribution": "constant", "value": value}


# Settings


def _setting(value: Any) -> Any:
    """A literal as it is; a variable, a ratio or a choice as a mapping."""
    match value:
        case Var(name):
            return {"var": name}
        case Ratio(ratio, of):
            return {"ratio": _setting(ratio), **_unless(of=(of, "stage"))}
        case _:
            return _domain(value) if isinstance(value, Domain) else value


def _domain(domain: Domain) -> Data:
    match domain:
        case Categorical(values):
            return {"values": list(values)}
        case Integer(low, high, step, log):
            return {"min": low, "max": high, **_unless(step=(step, 1), log=(log, False))}
        case Real(low, high, log, step):
            return {"min": low, "max": high, **_unless(step=(step, None), log=(log, False))}


def _unless(**settings: tuple[Any, Any]) -> Data:
    """The settings, each given with its default, that differ from it."""
    return {key: _setting(value) for key, (value, usual) in settings.items() if not _same(value, usual)}


def _same(value: Any, other: Any) -> bool:
    """Whether two values are written alike; 1, 1.0 and true are equal, but not the same."""
    return repr(value) == repr(other)


# Blocks


def _block(block: Block) -> Data:
    return WRITE[type(block)](block)


def _options(block: Block, *names: str) -> Data:
    """The fields of these names whose values are not the defaults."""
    usual = {field.name: field.default for field in fields(block)}
    return _unless(**{name: (getattr(block, name), usual[name]) for name in names})


def _op(block: OpBlock) -> Data:
    names = [field.name for field in fields(block) if field.name not in ("op", "place")]
    return {"op": _setting(block.op), **_options(block, *names)}


def _seq(block: Seq) -> Data:
    return {"seq": _items(block)}


def _items(body: Seq) -> list[Data]:
    return [_block(item) for item in body.items]


def _residual(block: Residual) -> Data:
    shortcut = (
        {"shortcut": _block(block.shortcut)} if isinstance(block.shortcut, Block) else _options(block, "shortcut")
    )
    names = [field.name for field in fields(block) if field.name not in ("body", "place", "shortcut")]
    return {"residual": {**shortcut, **_options(block, *names)}, "body": _items(block.body)}


def _dense(block: Dense) -> Data:
    counts = {"layers": _setting(block.layers), "growth": _setting(block.growth)}
    return {"dense": {**counts, **_options(block, "residual", "order", "transition")}, "body": _items(block.body)}


def _repeat(block: Repeat) -> Data:
    return {"repeat": _setting(block.count), "block": _block(block.block)}


def _one_of(block: OneOf) -> Data:
    return {"one_of": {name: _block(branch) for name, branch in block.branches.items()}}


def _use(block: Use) -> Data:
    return {"use": block.rule}


def _graph(block: Graph) -> Data:
    edges = {
        "edges": [_edge(edge) for edge in block.edges if not edge.optional],
        "optional_edges": [_edge(edge) for edge in block.edges if edge.optional],
    }
    nodes = {name: _block(node) for name, node in block.nodes.items()}
    written = {key: some for key, some in edges.items() if some}
    return {"graph": {"nodes": nodes, **written, **_options(block, "merge")}}


def _edge(edge: Edge) -> list[str]:
    return [edge.source, edge.target]


def _scope(block: Scope) -> Data:
    return {**_block(block.block), **_unless(width=(block.width, None), stride=(block.stride, None))}


WRITE: dict[type[Block], Callable[[Any], Data]] = {
    OpBlock: _op,
    Seq: _seq,
    Residual: _residual,
    Dense: _dense,
    Repeat: _repeat,
    OneOf: _one_of,
    Use: _use,
    Graph: _graph,
    Scope: _scope,
}
"""Each kind of block to the mapping that makes it."""
