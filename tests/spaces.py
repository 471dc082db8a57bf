"""Whole search spaces drawn by Hypothesis: every combinator inside each, small enough that candidates decode at once.

A drawn space is well typed by construction. `strict` blocks keep the contract of blocks: they make the width and the
resolution that is asked of them; others (a width of their own, a concatenation left as it is) only stand where nobody
relies on it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from hypothesis import strategies as st

from ressearch.space import SearchSpace, at_random
from ressearch.space.decode import decode
from ressearch.space.schema import read_grammar

Data = Any
"""Plain mappings and lists, as `yaml.safe_load` gives them."""

WORDS = [
    "conv1x1", "conv3x3", "conv5x5", "dwconv3x3", "sepconv3x3", "maxpool3x3", "avgpool3x3", "identity", "se",
]  # fmt: skip

POOLS: dict[str, list[Any]] = {
    "op": WORDS,
    "bare": ["conv", "dwconv", "sepconv", "maxpool", "avgpool"],
    "kernel": [1, 3, 5],
    "width": [4, 6, 8, 12, 16],
    "ratio": [0.5, 1, 1.0, 1.5, 2.0],
    "count": [1, 2, 3],
    "growth": [2, 3, 4],
    "groups": [1, 2, 4],
    "reduction": [2, 4, 16],
    "flag": [True, False],
    "act": ["relu", "relu6", "leaky_relu", "silu", "gelu", "none"],
    "order": ["post", "pre"],
    "merge": ["add", "mean", "concat"],
    "shortcut": ["identity", "projection", "pad", "none"],
    "stride_at": ["first", "spatial"],
    "gate": ["none", "zero_gamma", "scalar", "layer_scale", "fixed"],
    "gate_init": [0, 0.1, 1.0e-6, 1],
    "drop_path": [0, 0.0, 0.1, 0.5],
    "factor": [1, 1.5, 2.0],
}
"""What a setting of each kind may be; all that is drawn for one kind may share one variable."""

INTERVALS: dict[str, list[dict[str, Any]]] = {
    "width": [{"min": 4, "max": 12, "step": 4}, {"min": 4, "max": 6}, {"min": 4, "max": 5, "log": True}],
    "ratio": [{"min": 0.5, "max": 1.0, "step": 0.25}],
    "count": [{"min": 1, "max": 2}, {"min": 1, "max": 3, "step": 2}, {"min": 1, "max": 2, "log": True}],
    "growth": [{"min": 2, "max": 4}],
    "reduction": [{"min": 2, "max": 8, "step": 3}],
    "gate_init": [{"min": 0.0, "max": 0.2, "step": 0.1}],
    "drop_path": [{"min": 0, "max": 0.4, "step": 0.2}],
    "factor": [{"min": 1.0, "max": 2.0, "step": 0.5}],
}
CONTINUOUS: dict[str, list[dict[str, Any]]] = {
    "ratio": [{"min": 0.5, "max": 1.5}, {"min": 0.5, "max": 2, "log": True}],
    "gate_init": [{"min": 1.0e-6, "max": 1.0e-3, "log": True}],
    "drop_path": [{"min": 0.0, "max": 0.5}],
    "factor": [{"min": 1.0, "max": 2.0}],
}
OPTIONS = {
    "op": {"norm": "flag", "act": "act", "bias": "flag", "order": "order", "reduction": "reduction"},
    "residual": {
        "merge": "merge", "order": "order", "stride_at": "stride_at", "gate": "gate", "gate_init": "gate_init",
        "drop_path": "drop_path", "act": "act",
    },
    "graph": {"merge": "merge"},
}  # fmt: skip
"""Block -> its optional settings -> what kind each is."""

TRAINED: list[dict[str, Any]] = [
    {},
    {"data_fraction": 0.5},
    {"epochs": 2, "schedule": 8, "resolution": 0.5},
    {"epochs": 2, "schedule": 2},
    {"epochs": 3, "schedule": 0, "resolution": 1},
    {"flip": True, "crop": 2, "cutout": 4, "amp": True},
    {"decoupled": True, "ema": 0.99, "amp": False, "crop": 0},
]
"""What `train:` may say beside the rate."""
SEARCHED: list[dict[str, Any]] = [
    {},
    {"time_limit": 0},
    {"time_limit": 60, "evaluator": "mine:train"},
    {"proposer": "nsga2", "objective": "tradeoff", "max_macs": "2M"},
]

STANDARD = ["basic", "bottleneck", "dense_layer", "dense", "nested"]
USERS = {"basic": ["nested"]}
"""Standard blocks by the standard block that they use: one that replaces it may not use them."""


def spaces(bound: int = 2_000, continuous: bool = False) -> st.SearchStrategy[SearchSpace]:
    """Search spaces of 1 to some `bound` decision vectors; `continuous` lets them have real numbers without steps."""
    return space_texts(bound, continuous).map(SearchSpace.parse)


@st.composite
def space_texts(draw: st.DrawFn, bound: int = 2_000, continuous: bool = False) -> str:
    """The YAML texts of such spaces."""
    data = _Sketch(draw, continuous).file()
    while size(data) > bound:
        _close(data, draw(st.integers(0, len(list(_open(data))) - 1), label="closed"))
    if draw(st.booleans(), label="baseline"):
        data["baselines"] = {"known": _point(data, draw(st.integers(0, 99)))}
    return yaml.safe_dump(data, sort_keys=False)


def _point(data: Data, seed: int) -> dict[str, Any]:
    """The decisions of one candidate, as a baseline has them."""
    return decode(read_grammar(yaml.safe_dump(data), "drawn.yaml"), at_random(random.Random(seed)))[1]


# Drawing


@dataclass
class _Sketch:
    """A file in the making: the variables and rules that its blocks have asked for."""

    draw: st.DrawFn
    continuous: bool
    variables: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    usable: list[str] = field(default_factory=lambda: list(STANDARD))

    def one(self, options: list[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def sometimes(self) -> bool:
        return bool(self.one([False, False, False, True]))

    def file(self) -> Data:
        for name in self.one([[], ["unit"], ["unit", "cell"], ["basic", "cell"]]):
            self.usable = [rule for rule in self.usable if rule not in (name, *USERS.get(name, []))]
            self.rules[name] = self.rule(name)
            self.usable = [*self.usable, *USERS.get(name, []), name, name, name]
        data = {
            "version": 1,
            "name": self.one(["drawn", "1.5", "null", "a-b_c.d"]),
            "input": {"shape": self.one([[1, 8, 8], [3, 8, 8], [2, 8, 4], [1, 7, 5]]), "classes": self.one([2, 10])},
            **({"stem": self.block(1, strict=False)} if self.sometimes() else {}),
            "stages": self.stages(),
            **({"head": self.block(1, strict=False)} if self.sometimes() else {}),
        }
        return {**data, **self.study(), "vars": self.variables, "blocks": self.rules}

    # Settings

    def setting(self, kind: str) -> Any:
        """A literal, a choice, or a variable of this kind, which is made when it is first asked for."""
        form = self.one(["literal", "literal", "open", "var"])
        if form != "var":
            return self.one(POOLS[kind]) if form == "literal" else self.choice(kind)
        name = self.one([kind, f"{kind}-2"])
        if name not in self.variables:
            self.variables[name] = self.one(POOLS[kind]) if self.sometimes() else self.choice(kind)
        return {"var": name}

    def choice(self, kind: str) -> Data:
        intervals = INTERVALS.get(kind, []) + (CONTINUOUS.get(kind, []) if self.continuous else [])
        if intervals and self.draw(st.booleans()):
            return dict(self.one(intervals))
        values = st.lists(st.sampled_from(POOLS[kind]), min_size=1, max_size=3, unique_by=lambda v: v)
        return {"values": self.draw(values)}

    def width(self) -> Any:
        if self.draw(st.booleans()):
            return self.setting("width")
        return {"ratio": self.setting("ratio"), **self.one([{}, {"of": "stage"}, {"of": "input"}])}

    def options(self, block: str) -> Data:
        chosen = self.draw(st.lists(st.sampled_from(sorted(OPTIONS[block])), max_size=2, unique=True))
        return {key: self.setting(OPTIONS[block][key]) for key in chosen}

    # Stages and rules

    def stages(self) -> Data:
        if self.draw(st.booleans()):
            width = {"start": self.setting("width"), **({"factor": self.setting("factor")} if self.sometimes() else {})}
            return {"repeat": self.setting("count"), "width": width, **self.depth(), "block": self.block(2, False)}
        return [self.stage() for _ in range(self.one([1, 2, 3]))]

    def stage(self) -> Data:
        stride = self.one([{}, {"stride": 1}, {"stride": 2}])
        block = self.block(2, strict=False)
        if self.sometimes() and "stride" not in block:
            block["stride"] = self.one([1, 2])
        return {"width": self.setting("width"), **stride, **self.depth(), "block": block}

    def depth(self) -> Data:
        return {"depth": self.setting("count")} if self.draw(st.booleans()) else {}

    def rule(self, name: str) -> Data:
        tie = self.one([{}, {"tie": "none"}, {"tie": "stage"}, {"tie": "network"}])
        if self.draw(st.booleans()):
            return {**tie, **self.block(1)}
        inside = {"residual": self.options("residual"), "body": self.one([1, 2]) * [{"use": name}]}
        again = self.one([{"use": name}, inside, {"seq": [self.block(0), {"use": name}]}])
        return {**tie, "max_depth": self.one([1, 2]), "one_of": {"end": self.block(1), "again": again}}

    # Blocks

    def block(self, depth: int, strict: bool = True) -> Data:
        kinds = [self.op, self.op, self.use]
        if depth > 0:
            kinds += [self.seq, self.residual, self.dense, self.repeat, self.one_of, self.graph]
        block = self.one(kinds)(depth - 1, strict)
        if not strict and self.sometimes() and "width" not in block:
            block["width"] = self.width()
        return block

    def op(self, depth: int, strict: bool) -> Data:
        if self.sometimes():
            return self.grouped()
        if self.sometimes():
            return {"op": self.setting("bare"), "kernel": self.setting("kernel"), **self.options("op")}
        return {"op": self.setting("op"), **self.options("op")}

    def grouped(self) -> Data:
        """Grouped convolutions, whose groups must divide their widths; strict by their last convolution."""
        groups = {self.one(["groups", "group_width"]): self.setting("groups")}
        return {"seq": [{"op": "conv1x1", "width": 8}, {"op": "conv3x3", "width": 8, **groups}, {"op": "conv1x1"}]}

    def use(self, depth: int, strict: bool) -> Data:
        return {"use": self.one(self.usable)}

    def seq(self, depth: int, strict: bool) -> Data:
        return {"seq": self.items(depth, strict)}

    def items(self, depth: int, strict: bool = True) -> list[Data]:
        """The last one is strict if all are; a stride of 1 beside an item only says that others carry the stride."""
        items = [self.block(depth, strict=False) for _ in range(self.one([0, 0, 1, 2]))]
        items.append(self.block(depth, strict))
        if self.sometimes():
            items[0].setdefault("stride", 1)
        return items

    def residual(self, depth: int, strict: bool) -> Data:
        options = self.options("residual")
        if self.sometimes():
            options["shortcut"] = self.block(depth)
        elif self.draw(st.booleans()):
            options["shortcut"] = self.setting("shortcut")
        return {"residual": {**options, **self.transition(strict)}, "body": self.items(depth)}

    def transition(self, strict: bool) -> Data:
        return {"transition": self.one([False, True])} if not strict and self.sometimes() else {}

    def dense(self, depth: int, strict: bool) -> Data:
        counts = {"layers": self.setting("count"), "growth": self.setting("growth")}
        options = {"order": self.setting("order")} if self.sometimes() else {}
        if self.sometimes():
            options["residual"] = self.width()
        return {"dense": {**counts, **options, **self.transition(strict)}, "body": self.items(depth)}

    def repeat(self, depth: int, strict: bool) -> Data:
        return {"repeat": self.setting("count"), "block": self.block(depth, strict)}

    def one_of(self, depth: int, strict: bool) -> Data:
        names = self.one([["one"], ["left", "right"], ["x", "true", "y"]])
        return {"one_of": {name: self.block(depth, strict) for name in names}}

    # Graphs

    def graph(self, depth: int, strict: bool) -> Data:
        names = ["a", "b", "c"][: self.one([1, 2, 3])]
        edges = self.edges(names)
        optional = [edge for edge in edges if self.sometimes()]
        kept = {"edges": [e for e in edges if e not in optional], "optional_edges": optional}
        nodes = {name: self.block(depth) for name in names}
        return {"graph": {"nodes": nodes, **{k: v for k, v in kept.items() if v}, **self.options("graph")}}

    def edges(self, names: list[str]) -> list[list[str]]:
        """Each node has an edge from one before it and one to one after it; a few more."""
        ends = ["in", *names, "out"]
        edges = []
        for at in range(1, len(ends) - 1):
            edges += [[self.one(ends[:at]), ends[at]], [ends[at], self.one(ends[at + 1 :])]]
        if self.draw(st.booleans()):
            edges.append(["in", "out"])
        return [edge for at, edge in enumerate(edges) if edge not in edges[:at]]

    # The study

    def study(self) -> Data:
        """What stands beside the network: limits that all keep, the recipe, and its open numbers."""
        entries = {
            "limits": {"macs": {"max": "1.5G"}, "depth": {"min": 1, "max": 100_000}, "params": {}},
            "parameters": {"momentum": {"value": 0.5}, "lr": self.one(self.distributions()), **self.changes()},
            "task": {"dataset": self.one(["digits", "no", "12"])},
            "train": {"lr": self.one([1, 0.1, 1.0e-5]), "batch_size": 32, "warmup": 0, **self.one(TRAINED)},
            "search": {"trials": 3, "seed": 0, **self.one(SEARCHED)},
        }
        return {key: value for key, value in entries.items() if self.sometimes()}

    def changes(self) -> Data:
        """What may be open of the changes of images and weights: truth values and whole numbers."""
        options = [
            {},
            {"flip": {"values": [True, False]}},
            {"flip": {"value": True}, "crop": {"values": [0, 2, 4]}},
            {"crop": {"min": 0, "max": 2}, "decoupled": {"values": [False, True]}},
            {"cutout": {"value": 4}, "ema": {"values": [0, 0.99]}, "amp": {"value": False}},
        ]
        return dict(self.one(options))

    def distributions(self) -> list[Data]:
        stepped = [
            {"values": [0.1, 1, 0.01]},
            {"min": 1, "max": 3},
            {"distribution": "q_uniform", "min": 1, "max": 3},
            {"min": 0.1, "max": 0.5, "q": 0.2},
        ]
        every = [{"min": 0.1, "max": 0.5}, {"distribution": "log_uniform_values", "min": 1.0e-3, "max": 1}]
        return stepped + (every if self.continuous else [])


# How many decision vectors a file has, roughly (ties are not seen: from above)


def size(data: Data) -> float:
    """About as many decision vectors as the file has: exact for independent choices, from above for shared ones."""
    counter = _Counter(data)
    parts = [data["stages"], data.get("stem"), data.get("head"), data.get("parameters"), list(data["vars"].values())]
    return math.prod(counter.count(part) for part in parts)


CONTINUUM = 4
"""What a choice without steps counts."""


@dataclass
class _Counter:
    file: Data

    def count(self, data: Data, depth: int = 3) -> float:
        """Ways to decide all that is open in some data; `depth` bounds how far rules are followed."""
        if isinstance(data, list):
            return math.prod(self.count(item, depth) for item in data)
        if not isinstance(data, dict):
            return 1
        kind = next((kind for kind in COUNT if kind in data), None)
        return COUNT[kind](self, data, depth) if kind else self.product(data, depth)

    def product(self, data: Data, depth: int, *without: str) -> float:
        return math.prod(self.count(value, depth) for key, value in data.items() if key not in without)

    def copies(self, data: Data, key: str, one: float) -> float:
        return min(sum(one**n for n in self.numbers(data.get(key, 1))), 1e12)

    def numbers(self, setting: Any) -> list[int]:
        """The values of a count."""
        if not isinstance(setting, dict):
            return [setting]
        if "var" in setting:
            return self.numbers(self.file["vars"][setting["var"]])
        return setting.get("values") or list(range(setting["min"], setting["max"] + 1, setting.get("step", 1)))

    def interval(self, data: Data, depth: int) -> float:
        step = data.get("step", data.get("q", 1 if isinstance(data["max"], int) else None))
        return CONTINUUM if step is None else math.floor((data["max"] - data["min"]) / step + 1e-9) + 1

    def edges(self, data: Data, depth: int) -> float:
        return self.product(data, depth, "optional_edges") * 2 ** len(data["optional_edges"])

    def dense(self, data: Data, depth: int) -> float:
        rest = self.product(data["dense"], depth, "layers") * self.product(data, depth, "dense", "body")
        return rest * self.copies(data["dense"], "layers", self.count(data["body"], depth))

    def repeat(self, data: Data, depth: int) -> float:
        one = self.copies(data, "depth", self.count(data["block"], depth))
        return self.product(data, depth, "repeat", "depth", "block") * self.copies(data, "repeat", one)

    def use(self, data: Data, depth: int) -> float:
        rule = self.file["blocks"].get(data["use"], 1)
        return self.product(data, depth, "use") * (self.count(rule, depth - 1) if depth else 1)


def _one_of(counter: _Counter, data: Data, depth: int) -> float:
    branches = data["one_of"].values()
    return counter.product(data, depth, "one_of") * sum(counter.count(branch, depth) for branch in branches)


COUNT: dict[str, Callable[[_Counter, Data, int], float]] = {
    "values": lambda counter, data, depth: len(data["values"]),
    "min": _Counter.interval,
    "one_of": _one_of,
    "optional_edges": _Counter.edges,
    "dense": _Counter.dense,
    "repeat": _Counter.repeat,
    "depth": _Counter.repeat,
    "use": _Counter.use,
}
"""How to count the mappings that hold one of these keys."""


# Closing decisions


def _open(data: Data, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that is open in a file and can be closed."""
    if path and path[0] in ("baselines", "limits"):
        return
    if isinstance(data, dict):
        if _closable(data):
            yield path
        for key, value in data.items():
            yield from _open(value, (*path, key))
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _open(value, (*path, at))


def _closable(data: Data) -> bool:
    return bool(
        len(data.get("values", [])) > 1
        or ("min" in data and "max" in data)
        or len(data.get("one_of", {})) > 1
        or "optional_edges" in data
    )


def _close(data: Data, number: int) -> None:
    """Decide one of the open choices of a file: the first value, the first branch, every edge."""
    at = data
    for key in list(_open(data))[number]:
        at = at[key]
    if "one_of" in at:
        at["one_of"] = dict([next(iter(at["one_of"].items()))])
    elif "optional_edges" in at:
        at["edges"] = at.get("edges", []) + at.pop("optional_edges")
    elif "values" in at:
        del at["values"][1:]
    else:
        at["values"] = [at["min"]]
        for key in ("min", "max", "step", "log", "q", "distribution"):
            at.pop(key, None)
