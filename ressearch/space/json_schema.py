"""The language as a JSON Schema (draft 2020-12), from which editors complete, explain and check a file.

Its keys and words are those of the vocabularies that the reader uses. What stands here is what each key takes and a
line about it, so that a new key without one cannot go unnoticed. What the schema refuses, the reader refuses; the
reader refuses more: unknown names, recursions without an end, shapes that do not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from ressearch.space.blocks import (
    ACTIVATIONS,
    DENSE_KEYS,
    GRAPH_KEYS,
    KEYS,
    MAX_KERNEL,
    MAX_NESTING,
    RESIDUAL_KEYS,
    SCOPED,
)
from ressearch.space.early_terminate import TYPES
from ressearch.space.grammar import (
    OPERATIONS,
    WINDOWED,
    Dense,
    EarlyTerminate,
    Gate,
    Merge,
    OpBlock,
    Order,
    RatioOf,
    Residual,
    Shortcut,
    Stage,
    StrideAt,
    Tie,
)
from ressearch.space.parameters import DISTRIBUTIONS
from ressearch.space.schema import LIMITED, TOP
from ressearch.trial import EVALUATOR_NAME, OBJECTIVES, PROPOSERS, Fidelity, Recipe

Schema = dict[str, Any]
Keys = Mapping[str, tuple[str, Schema]]
"""Key -> a line about it, and the schema of its value."""


def json_schema() -> Schema:
    """The schema of a search space file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ressearch search space",
        "description": "A space of residual networks; `ressearch validate FILE` has the last word on a file.",
        **_object(_TOP, TOP, required=("version", "name", "input", "stages")),
        "$defs": {
            "block": _block("A block: exactly one of its kinds.", {}),
            "rule": _block("A named block, with what bounds its recursion and ties its copies.", _RULE),
            "residual": _object(_RESIDUAL, RESIDUAL_KEYS, defaults=_defaults(Residual)),
            "dense": _object(_DENSE, DENSE_KEYS, ("layers", "growth"), _defaults(Dense)),
            "graph": _object(_GRAPH, GRAPH_KEYS, ("nodes",)),
            "stage": _object(_STAGE, [f.name for f in fields(Stage)], ("width", "block"), _defaults(Stage)),
            "limit": _LIMIT,
            **_SETTINGS,
        },
    }


def json_schema_text() -> str:
    """The schema as `ressearch schema` prints it."""
    return json.dumps(json_schema(), indent=2)


# How schemas are put together


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(
    keys: Keys,
    names: Iterable[str] | None = None,
    required: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Schema:
    """A mapping of the keys that are named (all, if none are) and of no others."""
    found: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for name in keys if names is None else names:
        description, schema = _with_default(keys[name], (defaults or {}).get(name))
        found["properties"][name] = {"description": description, **schema}
    return {**found, "required": list(required)} if required else found


def _with_default(key: tuple[str, Schema], default: Any) -> tuple[str, Schema]:
    return key if default is None else (key[0], {**key[1], "default": default})


def _defaults(record: type[Any]) -> dict[str, Any]:
    return {f.name: f.default for f in fields(record) if f.default is not MISSING}


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": items}


def _named(schema: Schema, taken: str) -> Schema:
    """A mapping from names of blocks, none of which is taken already."""
    return {
        "type": "object",
        "patternProperties": {f"^(?!({taken})$)[A-Za-z_][A-Za-z0-9_-]*$": schema},
        "additionalProperties": False,
    }


def _words(vocabulary: Any) -> Schema:
    return {"enum": list(get_args(vocabulary) or vocabulary)}


def _block(description: str, extra: Keys) -> Schema:
    kinds = [
        {"title": f"{kind} block", **_object({**_BLOCKS[kind], **_SCOPE, **extra}, required=_required(kind))}
        for kind in KEYS
    ]
    kinds[list(KEYS).index("op")] |= _kernel_where_it_belongs()
    return {"description": description, "oneOf": kinds}


def _kernel_where_it_belongs() -> Schema:
    """`kernel` beside a word that has a window without a size, and not beside one with its size."""
    sized = [word for word, operation in OPERATIONS.items() if operation.kernel]
    return {
        "allOf": [
            {"if": {"properties": {"op": {"enum": list(WINDOWED)}}}, "then": {"required": ["kernel"]}},
            {"if": {"properties": {"op": {"enum": sized}}}, "then": {"properties": {"kernel": False}}},
        ]
    }


def _required(kind: str) -> tuple[str, ...]:
    return ("op",) if kind == "op" else KEYS[kind]


def _setting(literal: Schema, variable: bool = True) -> Schema:
    """A literal, or a choice among such, or a variable."""
    values = {**_list_of(literal), "uniqueItems": True}
    choices = [_object({"values": ("What may be chosen, each once.", values)}, required=["values"])]
    if {"integer", "number"} & {*_types(literal)}:
        choices.append(_interval(literal))
    if variable:
        choices.append(_object({"var": ("The name of a decision under vars:.", _TEXT)}, required=["var"]))
    return {"anyOf": [literal, *choices]}


def _types(literal: Schema) -> list[str]:
    found = literal.get("type", [])
    return [found] if isinstance(found, str) else list(found)


def _interval(literal: Schema) -> Schema:
    bound = literal if isinstance(literal["type"], str) else _NUMBER
    step = _WHOLE if literal["type"] == "integer" else _POSITIVE
    return _object(
        {
            "min": ("The least that may be chosen.", bound),
            "max": ("The most that may be chosen, itself included.", bound),
            "step": ("The distance between neighbouring values.", step),
            "log": ("Whether orders of magnitude are drawn evenly; excludes step.", _TRUTH),
        },
        required=["min", "max"],
    )


# Literals

_WHOLE: Schema = {"type": "integer", "minimum": 1}
_NUMBER: Schema = {"type": "number"}
_POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
_TRUTH: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string", "minLength": 1}
_LITERAL: Schema = {"type": ["string", "number", "boolean"]}
_QUANTITY: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^[0-9]{1,15}(\.[0-9]{1,9})?[kMG]?$"},
    ]
}
_RATIO = _object(
    {
        "ratio": ("The width as a share of another.", _ref("positive")),
        "of": ("Whether that is the stage's width, or that of the map which comes in.", _words(RatioOf)),
    },
    required=["ratio"],
    defaults={"of": "stage"},
)

_SETTINGS: dict[str, Schema] = {
    "whole": _setting(_WHOLE),
    "number": _setting(_NUMBER),
    "positive": _setting(_POSITIVE),
    "probability": _setting({"type": "number", "minimum": 0, "exclusiveMaximum": 1}),
    "kernel": _setting({**_WHOLE, "maximum": MAX_KERNEL}),
    "truth": _setting(_TRUTH),
    "variable": _setting(_LITERAL, variable=False),
    "width": {"anyOf": [*_setting(_WHOLE)["anyOf"], _RATIO]},
    "operation": _setting(_words(OPERATIONS)),
    "activation": _setting(_words(ACTIVATIONS)),
    "order": _setting(_words(Order)),
    "merge": _setting(_words(Merge)),
    "gate": _setting(_words(Gate)),
    "stride_at": _setting(_words(StrideAt)),
    "shortcut": {"anyOf": [*_setting(_words(Shortcut))["anyOf"], _ref("block")]},
}
"""What a key may take where each value may be a decision, by a name under `$defs`."""

# Blocks

_ORDER = "post: convolution, norm, activation. pre: norm, activation, convolution. Inherited unless said."
_MERGE = "How values become one: their sum, their concatenation or their mean."
_BODY = ("The blocks inside, one after another.", _list_of(_ref("block")))
_TRANSITION = "Whether a 1x1 convolution brings the concatenation back to the stage's width."

_OP: Keys = {
    "op": ("One operation; a word without a size, such as conv, takes its window from kernel.", _ref("operation")),
    "kernel": ("The side of the window, where the word of op does not say it.", _ref("kernel")),
    "width": ("Channels of the result, or {ratio: ..}; the width around the block unless said.", _ref("width")),
    "stride": ("The stride of this operation, whatever the stage asks for.", _WHOLE),
    "groups": ("Groups of channels that a convolution keeps apart.", _ref("whole")),
    "group_width": ("Channels of one group; instead of groups.", _ref("whole")),
    "norm": ("Whether there is a batch norm.", _ref("truth")),
    "act": ("The activation.", _ref("activation")),
    "bias": ("Whether convolutions have a bias.", _ref("truth")),
    "order": (_ORDER, _ref("order")),
    "reduction": ("Of se: the width divided by that of its squeeze.", _ref("whole")),
}
_RESIDUAL: Keys = {
    "shortcut": ("A word or any block. identity learns nothing; where shapes differ, it projects.", _ref("shortcut")),
    "merge": (_MERGE, _ref("merge")),
    "order": (_ORDER, _ref("order")),
    "stride_at": ("What carries the stride: the first operation with a window, or the very first.", _ref("stride_at")),
    "gate": ("What the body is multiplied by; all but none and fixed start at (nearly) nothing.", _ref("gate")),
    "gate_init": ("Where the gate starts, if not at its usual value.", _ref("number")),
    "drop_path": ("Stochastic depth: the probability that the last such body is dropped.", _ref("probability")),
    "act": ("The activation behind the sum, in post order.", _ref("activation")),
    "transition": (_TRANSITION, _TRUTH),
}
_DENSE: Keys = {
    "layers": ("How many layers; each sees the concatenation of all before it.", _ref("whole")),
    "growth": ("Channels that each layer adds to the concatenation.", _ref("whole")),
    "residual": ("Channels of each layer that are added to a running sum (dual paths).", _ref("width")),
    "order": (_ORDER.replace("Inherited", "pre"), _ref("order")),
    "transition": (_TRANSITION, _TRUTH),
}
_EDGE: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}
_GRAPH: Keys = {
    "nodes": ("The blocks of the graph by name.", {**_named(_ref("block"), "training|in|out"), "minProperties": 1}),
    "edges": ("Pairs [from, to] of nodes; in is the block's input, out its output.", _list_of(_EDGE)),
    "optional_edges": ("Edges each of which is a decision.", _list_of(_EDGE)),
    "merge": (_MERGE, _ref("merge")),
}
_BRANCHES: Schema = {**_named(_ref("block"), "training"), "minProperties": 1}
_BLOCKS: dict[str, Keys] = {
    "op": {key: _with_default(_OP[key], _defaults(OpBlock).get(key)) for key in KEYS["op"]},
    "seq": {"seq": ("Blocks one after another.", _list_of(_ref("block")))},
    "residual": {
        "residual": (
            "y = merge(gate * body(x), shortcut(x)); {} is the usual identity shortcut.",
            _ref("residual"),
        ),
        "body": _BODY,
    },
    "dense": {
        "dense": (
            "Every layer, a copy of body, sees the concatenation of all before it.",
            _ref("dense"),
        ),
        "body": _BODY,
    },
    "repeat": {
        "repeat": ("How many copies of block stand one after another.", _ref("whole")),
        "block": ("The block that is repeated.", _ref("block")),
    },
    "one_of": {"one_of": ("A decision between blocks, by name.", _BRANCHES)},
    "use": {"use": ("The name of a block of blocks:, or of a standard one.", _TEXT)},
    "graph": {"graph": ("A free graph of blocks without cycles.", _ref("graph"))},
}
_SCOPE: Keys = {key: _OP[key] for key in SCOPED}
_RULE: Keys = {
    "max_depth": ("How often the block may stand inside itself.", {**_WHOLE, "maximum": MAX_NESTING}),
    "tie": ("How far copies share their decisions.", {**_words(Tie), "default": "none"}),
}

# Stages

_STAGE: Keys = {
    "width": ("Channels of the stage's maps.", _ref("whole")),
    "stride": ("Of the stage's first block: 1 in the first stage and 2 in others unless said.", _WHOLE),
    "depth": ("How many copies of block.", _ref("whole")),
    "block": ("What the stage is made of.", _ref("block")),
}
_GROWING = _object(
    {
        "start": ("Width of the first stage.", _ref("whole")),
        "factor": ("Width of a stage by that of the one before.", {**_ref("positive"), "default": 2}),
    },
    required=["start"],
)
_STAGES_ONCE = _object(
    {
        "repeat": ("How many stages.", _ref("whole")),
        "width": ("How the width grows from stage to stage.", _GROWING),
        "depth": ("How many copies of block in each stage.", {**_ref("whole"), "default": 1}),
        "block": ("What every stage is made of.", _ref("block")),
    },
    required=["repeat", "width", "block"],
)

# Baselines, limits, and the defaults of a study

_LIMITS: Keys = {
    "macs": ("Multiply-adds of one image; a FLOP count is twice that.", {}),
    "params": ("Parameters that are learned.", {}),
    "activations": ("Values in the results of convolutions and linear layers, for one image.", {}),
    "depth": ("Convolutions and linear layers on the longest path.", {}),
}
_LIMIT = _object(
    {
        "min": ("At least so much; a number, perhaps with k, M or G.", _QUANTITY),
        "max": ("At most so much; a number, perhaps with k, M or G.", _QUANTITY),
    }
)
_SHARE: Schema = {"minimum": 0, "exclusiveMaximum": 1}
_TRAIN: Keys = {
    "batch_size": ("Images of one step.", {"minimum": 2}),
    "lr": ("Peak learning rate of the one-cycle schedule.", {"exclusiveMinimum": 0}),
    "momentum": ("Nesterov momentum of SGD.", _SHARE),
    "weight_decay": ("On convolution and linear weights only.", {"minimum": 0}),
    "decoupled": ("Weight decay is taken from the weights directly, not added to the gradient.", {}),
    "crop": ("Pixels by which a training image is moved at random; 0 for none.", {"minimum": 0}),
    "flip": ("Training images are mirrored, every other time each; not for digits.", {}),
    "cutout": ("Side in pixels of the square that is blanked in a training image; 0 for none.", {"minimum": 0}),
    "ema": ("Decay per step of the running mean of the weights that is measured; 0 for none.", _SHARE),
    "amp": ("bf16 where the device is fast at it.", {}),
    "label_smoothing": ("Share of the target that is spread over all classes.", _SHARE),
    "warmup": ("Share of the steps before the peak of the learning rate.", _SHARE),
    "epochs": ("Passes over the training images.", {"minimum": 1}),
    "data_fraction": ("Share of the training images that is used.", {"exclusiveMinimum": 0, "maximum": 1}),
    "resolution": ("Share of the images' sides to which they are shrunk.", {"exclusiveMinimum": 0, "maximum": 1}),
    "schedule": ("Epochs for which the learning rate is laid out; 0 means `epochs`.", {"minimum": 0}),
}


_JSON_TYPES: dict[Any, str] = {"int": "integer", "float": "number", "bool": "boolean"}


def _trained(record: type[Any]) -> dict[str, tuple[str, Schema]]:
    """Each field of a record with its line, type and bounds."""
    found = {}
    for f in fields(record):
        description, bounds = _TRAIN[f.name]
        found[f.name] = (description, {"type": _JSON_TYPES[f.type], **bounds})
    return found


def _parameter(literal: Schema) -> Schema:
    """What one field of the recipe may be, in the words of a Weights & Biases sweep."""
    found = _object(
        {
            "distribution": ("How values are drawn; told by the other keys unless said.", _words(DISTRIBUTIONS)),
            "value": ("The one value.", literal),
            "values": ("What may be chosen.", _list_of(literal)),
            "min": ("The least that may be chosen.", literal),
            "max": ("The most that may be chosen.", literal),
            "q": ("Of q_uniform: the distance between neighbouring values.", _POSITIVE),
        }
    )
    needs = {"constant": ["value"], "categorical": ["values"]}
    drawn = [word for word in DISTRIBUTIONS if word not in needs]
    ways = [([word], keys) for word, keys in needs.items()] + [(drawn, ["min", "max"])]
    named = [{"properties": {"distribution": {"enum": words}}, "required": keys} for words, keys in ways]
    return {**found, "anyOf": named}


_PARAMETERS = _object(
    {name: (description, _parameter(literal)) for name, (description, literal) in _trained(Recipe).items()}
)
_INPUT = _object(
    {
        "shape": ("[channels, height, width]", {"type": "array", "items": _WHOLE, "minItems": 3, "maxItems": 3}),
        "classes": ("How many classes a network tells apart.", {"type": "integer", "minimum": 2}),
    },
    required=["shape", "classes"],
)
_TASK = _object({"dataset": ("Data set by name, or a directory of IDX files.", _TEXT)}, required=["dataset"])
_SEARCH = _object(
    {
        "trials": ("Trials of the study in total.", _WHOLE),
        "workers": ("Trials that run at once.", _WHOLE),
        "seed": ("Seed of the proposals and of every training.", {"type": "integer", "minimum": 0}),
        "time_limit": ("Seconds that one trial may take; 0 for no limit.", {"type": "integer", "minimum": 0}),
        "evaluator": (
            "package.module:function that trains and measures in place of ours.",
            {"type": "string", "pattern": f"^{EVALUATOR_NAME}$"},
        ),
        "proposer": ("Who proposes networks.", {**_words(PROPOSERS), "default": PROPOSERS[0]}),
        "objective": ("What the search is after.", {**_words(OBJECTIVES), "default": OBJECTIVES[0]}),
        "max_macs": ("The most multiply-adds of a proposal; a number, perhaps with k, M or G.", _QUANTITY),
        "address": ("The Ray cluster to search on: auto, HOST:PORT, or local for none.", _TEXT),
        "cpus_per_trial": ("Processors that a trial holds.", _POSITIVE),
        "gpus_per_trial": ("GPUs that a trial holds; may be a part of one.", _POSITIVE),
        "storage": ("A folder that all nodes share, or a URL, for the checkpoints of a cluster.", _TEXT),
    }
)
_EARLY_TERMINATE = _object(
    {
        "type": ("How trials are terminated early.", _words(TYPES)),
        "min_iter": ("Epochs of the first rung.", _WHOLE),
        "eta": (
            "One trial in so many goes on, to a rung of so many times the epochs.",
            {"type": "integer", "minimum": 2},
        ),
    },
    defaults={"type": TYPES[0], **_defaults(EarlyTerminate)},
)
_TOP: Keys = {
    "version": ("The version of the language.", {"const": 1}),
    "name": (
        "Name of the space, and of a study over it unless said.",
        {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    ),
    "input": ("The images that the networks take.", _INPUT),
    "stem": ("The block before the first stage.", _ref("block")),
    "vars": (
        "Decisions by name, for use in several places as {var: name}.",
        {"type": "object", "additionalProperties": _ref("variable")},
    ),
    "stages": (
        "Blocks at one resolution each: a list of stages, or all of them written once.",
        {"oneOf": [_list_of(_ref("stage")), _STAGES_ONCE]},
    ),
    "head": ("The block behind the last stage; a mean over the map and a linear layer follow.", _ref("block")),
    "blocks": ("Blocks by name; one of a standard block's name replaces it.", _named(_ref("rule"), "training")),
    "baselines": (
        "Known networks of the space, trained first: the address of each choice with its value.",
        {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _LITERAL}},
    ),
    "limits": (
        "Hard bounds on what a network may cost.",
        _object({key: (description, _ref("limit")) for key, (description, _) in _LIMITS.items()}, LIMITED),
    ),
    "parameters": ("Fields of the recipe that are decisions of each trial.", _PARAMETERS),
    "task": ("What the networks are for.", _TASK),
    "train": (
        "The recipe, and how cheaply a network is measured.",
        _object({**_trained(Recipe), **_trained(Fidelity)}, defaults={**_defaults(Recipe), **_defaults(Fidelity)}),
    ),
    "early_terminate": (
        "Trials are compared after few epochs, and the best of comparable cost go on; the last rung is train.epochs.",
        _EARLY_TERMINATE,
    ),
    "search": ("Defaults of a study; flags of `ressearch search` come first.", _SEARCH),
}
