"""`Architecture`: what is refused, what round-trips, and what the identity sees."""

from __future__ import annotations

import random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ressearch.architecture import Architecture, Node, alive
from ressearch.errors import ArchitectureError
from ressearch.ops import Activation, Add, Concat, Conv, GlobalPool, Input, Linear, Norm, Op
from ressearch.space import Candidate
from tests.conftest import candidates, demo_space

IMAGE = Node("image", Input(4, 8, 8))


def chain(*ops: Op) -> Architecture:
    nodes = [IMAGE, *(Node(f"n{i}", op, (i,)) for i, op in enumerate(ops))]
    return Architecture(tuple(nodes))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "the first node must be the image (an input)"),
        ([Node("a", Norm(), (0,))], "the first node must be the image (an input)"),
        ([IMAGE, Node("b", Input(4, 8, 8))], "b: a second input; an architecture takes one image"),
        ([IMAGE, Node("a", Norm(), (1,))], "a: inputs must be earlier nodes, got positions (1,)"),
        ([IMAGE, Node("a", Norm(), (-1,))], "a: inputs must be earlier nodes, got positions (-1,)"),
        ([IMAGE, Node("image", Norm(), (0,))], "node name 'image' is used twice"),
        ([IMAGE, Node("", Norm(), (0,))], "node name '' is empty"),
        ([IMAGE, Node("dead", Norm(), (0,)), Node("a", Norm(), (0,))], "dead: reaches no output"),
        ([IMAGE, Node("a", Linear(3), (0,))], "a: linear takes a vector (features,), got shape (4, 8, 8)"),
        (
            [IMAGE, Node("a", Conv(8, 3), (0,)), Node("b", Add(), (0, 1))],
            "b: add needs inputs of one shape, got (4, 8, 8) and (8, 8, 8)",
        ),
    ],
)
def test_an_ill_typed_architecture_cannot_exist(nodes: list[Node], message: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        Architecture(tuple(nodes))
    assert caught.value.message == message


def test_alive_drops_what_reaches_no_output() -> None:
    nodes = [IMAGE, Node("dead", Norm(), (0,)), Node("a", Norm(), (0,)), Node("end", Activation(), (2,))]
    assert [(n.name, n.inputs) for n in alive(nodes, 3)] == [("image", ()), ("a", (0,)), ("end", (1,))]


@given(candidates(demo_space))
def test_json_round_trip(candidate: Candidate) -> None:
    architecture = candidate.architecture
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert again.id == architecture.id


@given(st.text() | st.sampled_from(["[]", "{}", '{"format":1}', '{"format":1,"nodes":[1]}', '{"format":2,"nodes":[]}']))
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text)


def test_json_errors_name_the_node() -> None:
    def refused(node: str) -> str:
        text = '{"format":1,"nodes":[{"name":"i","op":"input","channels":1,"height":8,"width":8,"inputs":[]},%s]}'
        with pytest.raises(ArchitectureError) as caught:
            Architecture.from_json(text % node)
        return caught.value.message

    assert refused('{"name":"a","op":"warp","inputs":["i"]}').startswith(
        "a: unknown op 'warp'; use one of input, conv,"
    )
    assert refused('{"name":"a","op":"norm","inputs":["j"]}') == "a: input 'j' is no earlier node"
    assert refused('{"name":"a","op":"norm","size":3,"inputs":["i"]}').startswith("a: wrong settings for norm: ")


def test_the_graph_for_networkx_is_the_same_and_frozen() -> None:
    architecture = Architecture((IMAGE, Node("a", Norm(), (0,)), Node("twice", Add(), (1, 1))))
    graph = architecture.graph
    assert sorted(graph.edges(data="place")) == [(0, 1, 0), (1, 2, 0), (1, 2, 1)]
    assert graph.nodes[1] == {"name": "a", "op": Norm(), "shape": (4, 8, 8)}
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        graph.add_node(9)


# Identity


def renamed_and_reordered(architecture: Architecture, generator: random.Random) -> Architecture:
    """The same network: other names, another topological order, the inputs of sums shuffled."""
    nodes = architecture.nodes
    waiting = {at: set(node.inputs) for at, node in enumerate(nodes)}
    order: list[int] = []
    while waiting:
        ready = [at for at, inputs in waiting.items() if inputs <= set(order)]
        chosen = generator.choice(ready)
        order.append(chosen)
        del waiting[chosen]
    place = {old: new for new, old in enumerate(order)}
    made = []
    for old in order:
        inputs = [place[source] for source in nodes[old].inputs]
        if isinstance(nodes[old].op, Add):
            generator.shuffle(inputs)
        made.append(Node(f"x{len(made)}", nodes[old].op, tuple(inputs)))
    return Architecture(tuple(made))


@given(candidates(demo_space), st.randoms(use_true_random=False))
def test_names_and_order_do_not_enter_the_identity(candidate: Candidate, generator: random.Random) -> None:
    again = renamed_and_reordered(candidate.architecture, generator)
    assert again.id == candidate.architecture.id


def test_the_order_of_a_concatenation_does() -> None:
    def joined(*order: int) -> str:
        nodes = (IMAGE, Node("a", Conv(4, 1), (0,)), Node("b", Conv(4, 3), (0,)), Node("c", Concat(), order))
        return Architecture(nodes).id

    assert joined(1, 2) != joined(2, 1)


def test_one_layer_used_twice_is_not_two_layers() -> None:
    once = Architecture((IMAGE, Node("a", Conv(4, 3), (0,)), Node("s", Add(), (1, 1))))
    twice = Architecture((IMAGE, Node("a", Conv(4, 3), (0,)), Node("b", Conv(4, 3), (0,)), Node("s", Add(), (1, 2))))
    assert once.id != twice.id


def test_which_of_two_layers_is_shared_enters_the_identity() -> None:
    """One 3x3 read twice and two 5x5, or two 3x3 and one 5x5 read twice: the same sums of the same layers, unfolded."""

    def joined(shared: int, copied: int) -> Architecture:
        nodes = (
            IMAGE,
            Node("a", Conv(4, shared), (0,)),
            Node("b", Conv(4, copied), (0,)),
            Node("c", Conv(4, copied), (0,)),
        )
        inputs = (1, 1, 2, 3) if shared == 3 else (2, 3, 1, 1)
        return Architecture((*nodes, Node("all", Concat(), inputs)))

    one, other = joined(3, 5), joined(5, 3)
    assert len(one) == len(other)
    assert not same_by_networkx(one, other)
    assert one.id != other.id


def pairs_summed(pairs: list[tuple[int, int]]) -> Architecture:
    """Six equal convolutions of the image, summed in pairs, each sum activated, all summed."""
    nodes = [IMAGE, *(Node(f"c{i}", Conv(4, 3), (0,)) for i in range(6))]
    for i, (a, b) in enumerate(pairs):
        nodes.append(Node(f"s{i}", Add(), (a + 1, b + 1)))
        nodes.append(Node(f"r{i}", Activation(), (len(nodes) - 1,)))
    nodes.append(Node("end", Add(), tuple(8 + 2 * i for i in range(len(pairs)))))
    return Architecture(tuple(nodes))


def test_what_colour_refinement_confuses_is_told_apart() -> None:
    """A hexagon against two triangles: each convolution meets two others in both, so refinement sees no difference."""
    hexagon = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]
    triangles = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    assert pairs_summed(hexagon).id != pairs_summed(triangles).id
    relabelled = [(5, 3), (3, 1), (1, 0), (0, 2), (2, 4), (4, 5)]
    assert pairs_summed(hexagon).id == pairs_summed(relabelled).id


def same_by_networkx(a: Architecture, b: Architecture) -> bool:
    """An independent judge: isomorphism of labelled multigraphs; places count where order does."""

    def labelled(architecture: Architecture) -> nx.MultiDiGraph:
        graph = nx.MultiDiGraph()
        for at, node in enumerate(architecture.nodes):
            graph.add_node(at, label=repr(node.op))
            for place, source in enumerate(node.inputs):
                graph.add_edge(source, at, place=0 if isinstance(node.op, Add) else place)
        return graph

    def places(x: dict[int, dict[str, int]], y: dict[int, dict[str, int]]) -> bool:
        return sorted(e["place"] for e in x.values()) == sorted(e["place"] for e in y.values())

    return bool(nx.is_isomorphic(labelled(a), labelled(b), lambda x, y: x["label"] == y["label"], places))


@st.composite
def small_graphs(draw: st.DrawFn) -> Architecture:
    """Free graphs over few equal ops, so that twins and near-twins are frequent."""
    nodes = [IMAGE]
    for i in range(draw(st.integers(2, 7))):
        op = draw(st.sampled_from([Add(), Add(), Conv(4, 3), Conv(4, 5), Activation()]))
        count = 2 if isinstance(op, Add) else 1
        inputs = tuple(draw(st.integers(0, i)) for _ in range(count))
        nodes.append(Node(f"n{i}", op, inputs))
    used = {source for node in nodes for source in node.inputs}
    ends = [at for at in range(len(nodes)) if at not in used]
    if len(ends) > 1:
        nodes.append(Node("end", Add(), tuple(ends)))
    return Architecture(alive(nodes, len(nodes) - 1))


@settings(max_examples=400)
@given(small_graphs(), small_graphs(), st.randoms(use_true_random=False))
def test_ids_agree_exactly_when_graphs_are_isomorphic(
    a: Architecture, b: Architecture, generator: random.Random
) -> None:
    assert (a.id == b.id) == same_by_networkx(a, b)
    assert renamed_and_reordered(a, generator).id == a.id


def test_many_small_graphs_without_a_collision() -> None:
    """As many ids as there are classes of isomorphic graphs among 2,000, judged pair by pair within buckets."""
    generator = random.Random(7)
    by_id: dict[str, Architecture] = {}
    buckets: dict[tuple[int, ...], list[Architecture]] = {}
    for _ in range(2_000):
        nodes = [IMAGE]
        for i in range(5):
            op = generator.choice([Add(), Conv(4, 3), Conv(4, 5)])
            nodes.append(Node(f"n{i}", op, tuple(generator.randrange(i + 1) for _ in range(2 if op == Add() else 1))))
        graph = Architecture(alive(nodes, 5))
        by_id.setdefault(graph.id, graph)
    for graph in by_id.values():
        signature = (len(graph), sum(len(node.inputs) for node in graph.nodes))
        for other in buckets.setdefault(signature, []):
            assert not same_by_networkx(graph, other)
        buckets[signature].append(graph)
    assert len(by_id) > 50


def test_moving_one_skip_of_a_long_chain_changes_the_id() -> None:
    """Thirty equal units with one skip: Weisfeiler-Lehman hashes with default iterations confuse these."""

    def with_skip(start: int) -> str:
        nodes = [IMAGE]
        for i in range(30):
            nodes.append(Node(f"c{i}", Conv(4, 3), (len(nodes) - 1,)))
            if i == start + 2:
                nodes.append(Node("s", Add(), (start + 1, len(nodes) - 1)))
        return Architecture(tuple(nodes)).id

    ids = [with_skip(start) for start in range(27)]
    assert len(set(ids)) == 27


def test_the_identity_is_pinned() -> None:
    """A change of these ids orphans every stored measurement: raise IDENTITY_VERSION and say how stores migrate."""
    assert chain(Conv(4, 3), Norm(), Activation(), GlobalPool(), Linear(10)).id == "3165ef9ff3ed831a"
    assert {name: c.architecture.id for name, c in demo_space.baselines.items()} == {
        "resnet8": "8c779ab432b8f2c8",
        "resnet14": "d53120cc0c01a7ad",
    }


def test_many_twins_are_quick() -> None:
    """Forty blocks of two equal branches, and sixteen equal branches at once: no exponential search."""
    nodes = [IMAGE]
    for i in range(40):
        x = len(nodes) - 1
        nodes += [
            Node(f"a{i}", Conv(4, 3), (x,)),
            Node(f"b{i}", Conv(4, 3), (x,)),
            Node(f"s{i}", Add(), (x + 1, x + 2)),
        ]
    wide = [IMAGE, *(Node(f"c{i}", Conv(4, 3), (0,)) for i in range(16)), Node("s", Add(), tuple(range(1, 17)))]
    assert Architecture(tuple(nodes)).id != Architecture(tuple(wide)).id
