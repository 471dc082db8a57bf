"""What is written is read back: grammars through YAML, networks through JSON and through their decisions.

And what identity may see and what not: names and the order of sums never, a moved skip always, but where the moved
network is the same one. networkx judges.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ressearch.architecture import Architecture, Node, alive
from ressearch.ops import Add, label_of
from ressearch.space import Candidate, SearchSpace, at_random
from ressearch.space.grammar import Block, Grammar
from ressearch.space.schema import read_grammar
from ressearch.space.writer import WRITE, to_yaml
from tests.conftest import ROOT
from tests.spaces import spaces
from tests.test_architecture import renamed_and_reordered, same_by_networkx

SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))
SMALL = [SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml") for name in ("demo", "mixed", "nested", "fashion")]
PLACES = ("place", "var_places")

drawn_spaces = spaces(continuous=True)


seeds = st.integers(0, 10_000)


def drawn(space: SearchSpace, seed: int) -> Candidate:
    return space.decode(at_random(random.Random(seed)))


drawn_candidates = st.builds(drawn, drawn_spaces, seeds)


# Grammars through YAML


def without_places(value: Any) -> Any:
    """A grammar's values without their places, and its mappings as lists, for their order counts."""
    if is_dataclass(value) and not isinstance(value, type):
        settings_ = {f.name: without_places(getattr(value, f.name)) for f in fields(value) if f.name not in PLACES}
        return replace(value, **settings_, **{f.name: None for f in fields(value) if f.name in PLACES})
    if isinstance(value, Mapping):
        return [(key, without_places(item)) for key, item in value.items()]
    return tuple(map(without_places, value)) if isinstance(value, tuple) else value


def assert_reads_back(grammar: Grammar) -> str:
    text = to_yaml(grammar)
    again, wanted = without_places(read_grammar(text, "x.yaml")), without_places(grammar)
    assert again == wanted
    assert repr(again) == repr(wanted)  # 1, 1.0 and true are equal, but not the same
    return text


def of(text: str) -> Grammar:
    head = "version: 1\nname: test\ninput: {shape: [3, 8, 8], classes: 10}\n"
    stages = "" if "stages:" in text else "stages: [{width: 8, block: {op: conv3x3}}]\n"
    return read_grammar(head + stages + text, "x.yaml")


def test_every_block_can_be_written() -> None:
    assert set(WRITE) == set(Block.__args__)


@given(drawn_spaces)
def test_a_drawn_space_is_written_and_read_back(space: SearchSpace) -> None:
    text = assert_reads_back(space.grammar)
    assert to_yaml(read_grammar(text, "x.yaml")) == text


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_space_is_written_and_read_back(file: Any) -> None:
    assert_reads_back(read_grammar(file.read_text(encoding="utf-8"), file.name))


@given(st.text() | st.from_regex(r"[-+.0-9eExXobB_:~<=]{1,8}", fullmatch=True))
def test_any_string_stays_a_string(text: str) -> None:
    """Also one that looks like a number in YAML 1.2 alone, like `1e-3`, or in 1.1 alone, like `12:30` and `on`."""
    vars_ = {text: text, f"{text}.": "a"} if text else {"a": text}
    grammar = replace(of(""), vars=vars_, dataset=text or None)
    assert_reads_back(grammar)


@pytest.mark.parametrize(
    "text", ["on", "yes", "null", "~", "1e-3", "1e5", "0o17", "0x1f", "08", "5.", ".5", "12:30", "<<", "=", ".inf", "é"]
)
def test_words_of_either_yaml_stay_words(text: str) -> None:
    written = assert_reads_back(replace(of(""), vars={text: text, "x": text}))
    assert "!!" not in written


@given(st.floats(allow_nan=False) | st.integers(-(10**40), 10**40) | st.booleans())
def test_any_number_stays_the_same_number(number: float) -> None:
    assert_reads_back(replace(of(""), vars={"x": number}))


@pytest.mark.parametrize(
    "text",
    [
        "limits: {macs: {min: 1500, max: 150M}, params: {max: 2.5k}, depth: {}, activations: {min: 0}}",
        "stages: [{width: 8, depth: {min: 2, max: 9, step: 5}, block: {op: conv3x3}}]",
        "vars: {x: {min: 1, max: 9, step: 3}, y: {min: 1, max: 8, log: true}, z: {min: 1.0, max: 2, step: 0.25}}",
        "vars: {x: 1, y: 1.0, z: true, u: {values: [8]}, v: {min: 1.0e-5, max: 1.0, log: true}}",
        "train: {lr: 1, warmup: 0, weight_decay: 1e-5}",
        "train: {flip: true, crop: 4, cutout: 0, ema: 0, amp: false, decoupled: true}",
        "train: {epochs: 2, schedule: 8, resolution: 0.5}",
        "train: {epochs: 3, ema: 0.999, amp: true, decoupled: false, schedule: 3}",
        "parameters: {flip: {values: [true, false]}, crop: {values: [0, 2, 4]}, amp: {value: false}}",
        "parameters: {decoupled: {value: true}, cutout: {min: 0, max: 8}, ema: {values: [0, 0.5]}}",
        "parameters: {flip: {value: true}}",
        "search: {trials: 4, workers: 2, seed: 0, time_limit: 600, evaluator: mine.training:measure}",
        "search: {time_limit: 0, evaluator: mine:train}",
        "search: {proposer: tpe, objective: budget, max_macs: 1.5M}",
        "early_terminate: {}",
        "early_terminate: {type: hyperband, min_iter: 2, eta: 4}",
        "parameters: {lr: {distribution: log_uniform_values, min: 1e-3, max: 1}, momentum: {value: 0}}",
        "parameters: {batch_size: {min: 8, max: 64}, lr: {distribution: q_uniform, min: 1, max: 4}}",
        "parameters: {lr: {values: [1, 0.1]}, warmup: {min: 0.0, max: 0.5, q: 0.1}, momentum: {min: 0.1, max: 0.2}}",
        "blocks: {basic: {residual: {}, body: [{op: conv3x3}, {op: conv3x3}]}, nested: {op: conv1x1}}",
        "blocks: {b: {max_depth: 2, tie: stage, width: 4, stride: 2, seq: [{op: conv3x3, width: {ratio: 1}}]}}",
        "blocks: {b: {dense: {layers: 1, growth: 2, residual: {ratio: 0.5, of: input}}, body: [{op: conv3x3}]}}",
        "blocks: {b: {residual: {shortcut: {use: basic}, drop_path: 0}, body: [{op: se, reduction: 4}]}}",
        "blocks: {b: {graph: {nodes: {a: {op: se}}, optional_edges: [[in, a], [a, out]], merge: mean}}}",
        "stages: {repeat: 1, width: {start: 8, factor: 2.0}, block: {op: conv3x3}}\nbaselines: {one: {}}",
    ],
)
def test_corners_are_written_and_read_back(text: str) -> None:
    assert_reads_back(of(text))


def test_what_is_usual_is_left_out() -> None:
    text = "blocks: {basic: {residual: {shortcut: identity}, body: [{op: conv3x3}, {op: conv3x3}]}}"
    assert to_yaml(of(text)) == (
        "version: 1\nname: test\ninput:\n  shape: [3, 8, 8]\n  classes: 10\n"
        "stages:\n- width: 8\n  block: {op: conv3x3}\n"
    )


@pytest.mark.parametrize(
    ("train", "written"),
    [
        ("epochs: 3", "epochs: 3"),
        ("epochs: 3, schedule: 3", "epochs: 3"),
        ("epochs: 3, schedule: 0", "epochs: 3"),
        ("epochs: 3, schedule: 8", "epochs: 3, schedule: 8"),
        ("schedule: 9", "schedule: 9"),
        ("flip: true, crop: 0, amp: true", "flip: true"),
        ("amp: false, ema: 0.0, decoupled: false, cutout: 0", "amp: false"),
    ],
)
def test_of_train_what_is_usual_is_left_out(train: str, written: str) -> None:
    assert to_yaml(of(f"train: {{{train}}}")).endswith(f"block: {{op: conv3x3}}\ntrain: {{{written}}}\n")


@settings(max_examples=50)
@given(drawn_spaces, seeds)
def test_a_rewritten_space_makes_the_same_networks_of_the_same_decisions(space: SearchSpace, seed: int) -> None:
    candidate = drawn(space, seed)
    again = SearchSpace.parse(to_yaml(space.grammar)).decode_stored(candidate.decisions)
    assert again == candidate
    assert list(again.decisions) == list(candidate.decisions)
    assert again.architecture.id == candidate.architecture.id


# Networks through JSON and through their decisions


@settings(max_examples=50)
@given(drawn_candidates)
def test_a_network_is_written_and_read_back(candidate: Candidate) -> None:
    again = Architecture.from_json(candidate.architecture.to_json())
    assert again == candidate.architecture
    assert again.id == candidate.architecture.id


@settings(max_examples=50)
@given(drawn_spaces, seeds)
def test_decisions_make_the_same_network_again(space: SearchSpace, seed: int) -> None:
    candidate = drawn(space, seed)
    again = space.decode_stored(dict(reversed(candidate.decisions.items())))
    assert again == candidate
    assert again.architecture.id == candidate.architecture.id


# What identity sees


@settings(max_examples=50)
@given(drawn_candidates, st.randoms(use_true_random=False))
def test_renaming_all_nodes_keeps_the_id(candidate: Candidate, generator: random.Random) -> None:
    architecture = candidate.architecture
    names = generator.sample([f"node {at}" for at in range(len(architecture))], len(architecture))
    renamed = [node._replace(name=name) for node, name in zip(architecture.nodes, names, strict=True)]
    assert Architecture(tuple(renamed)).id == architecture.id


@settings(max_examples=50)
@given(drawn_candidates, st.randoms(use_true_random=False))
def test_reordering_the_inputs_of_sums_keeps_the_id(candidate: Candidate, generator: random.Random) -> None:
    def shuffled(node: Node) -> Node:
        inputs = generator.sample(node.inputs, len(node.inputs)) if isinstance(node.op, Add) else node.inputs
        return node._replace(inputs=tuple(inputs))

    architecture = candidate.architecture
    assert Architecture(tuple(map(shuffled, architecture.nodes))).id == architecture.id


def moves(architecture: Architecture) -> list[tuple[int, int, int]]:
    """Each way to move one input of a sum: the sum, the input's place, and another node of the shape before the sum."""
    return [
        (at, place, source)
        for at, node in enumerate(architecture.nodes)
        if isinstance(node.op, Add)
        for place in range(len(node.inputs))
        for source in range(at)
        if architecture.shapes[source] == architecture.shapes[at] and source != node.inputs[place]
    ]


def moved(architecture: Architecture, at: int, place: int, source: int) -> Architecture:
    nodes, inputs = list(architecture.nodes), list(architecture.nodes[at].inputs)
    inputs[place] = source
    nodes[at] = nodes[at]._replace(inputs=tuple(inputs))
    return Architecture(alive(nodes, len(nodes) - 1))


@settings(max_examples=60)
@given(drawn_candidates, st.randoms(use_true_random=False))
def test_moving_one_skip_changes_the_id_unless_the_network_stays_the_same(
    candidate: Candidate, generator: random.Random
) -> None:
    architecture = candidate.architecture
    options = moves(architecture)
    assume(options)
    other = moved(architecture, *generator.choice(options))
    assert (other.id == architecture.id) == isomorphic(other, architecture)


# No two networks share an id, and no network has two


def isomorphic(a: Architecture, b: Architecture) -> bool:
    """Whether two graphs are one, by networkx; those that an invariant tells apart are not put to it."""
    return invariant(a) == invariant(b) and (wiring(a) == wiring(b) or same_by_networkx(a, b))


def wiring(architecture: Architecture) -> list[tuple[str, tuple[int, ...]]]:
    """The graph as it is, but for names and the order of sums: graphs of one wiring are isomorphic."""
    return [
        (label_of(node.op), tuple(sorted(node.inputs)) if isinstance(node.op, Add) else node.inputs)
        for node in architecture.nodes
    ]


def invariant(architecture: Architecture) -> int:
    """Equal for isomorphic graphs: how many nodes of each expression feed how many edges."""
    expressions: list[int] = []
    for node in architecture.nodes:
        inputs = [expressions[source] for source in node.inputs]
        expressions.append(hash((label_of(node.op), *(sorted(inputs) if isinstance(node.op, Add) else inputs))))
    fed = Counter(source for node in architecture.nodes for source in node.inputs)
    return hash(frozenset(Counter((each, fed[at]) for at, each in enumerate(expressions)).items()))


def kinds(architecture: Architecture) -> frozenset[Any]:
    """Equal for isomorphic graphs, and weaker: how many nodes of each label take and feed how many edges."""
    fed = Counter(source for node in architecture.nodes for source in node.inputs)
    nodes = Counter((label_of(node.op), len(node.inputs), fed[at]) for at, node in enumerate(architecture.nodes))
    return frozenset(nodes.items())


def drawn_networks(count: int) -> Iterator[Architecture]:
    """So many networks, in turn from each of the small spaces, each followed by itself with one skip moved.

    After each tenth comes instead, unless it is large, itself with its nodes renamed and reordered.
    """
    generator = random.Random(11)
    for number in range(count // 2):
        architecture = SMALL[number % len(SMALL)].decode(at_random(generator)).architecture
        yield architecture
        options = moves(architecture)
        if options and (number % 10 or len(architecture) > 120):
            yield moved(architecture, *generator.choice(options))
        else:
            yield renamed_and_reordered(architecture, generator)


def assert_ids_are_networks(count: int) -> None:
    """Graphs of one id are isomorphic; graphs of several ids, alike in kinds and numbers of nodes, are not."""
    first: dict[str, Architecture] = {}
    ids: dict[frozenset[Any], set[str]] = defaultdict(set)
    for architecture in drawn_networks(count):
        known = first.setdefault(architecture.id, architecture)
        assert known is architecture or same_by_networkx(known, architecture)
        ids[kinds(architecture)].add(architecture.id)
    for group in ids.values():
        for one, other in combinations(sorted(group), 2):
            assert not same_by_networkx(first[one], first[other])
    assert count // 2 < len(first) < count


def test_a_thousand_networks_have_an_id_each() -> None:
    assert_ids_are_networks(1_000)


@pytest.mark.slow
def test_ten_thousand_networks_have_an_id_each() -> None:
    assert_ids_are_networks(10_000)
