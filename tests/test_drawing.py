"""Drawings: everything is drawn once and in a place of its own, whatever the graph; the same graph, the same bytes."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import combinations, product
from xml.etree import ElementTree

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from PIL import Image

from ressearch.architecture import Architecture, Node
from ressearch.cost import cost_of
from ressearch.drawing import layout_of, looks, png, raster, svg, text, vector
from ressearch.drawing.columns import columns_of
from ressearch.drawing.fold import folded
from ressearch.drawing.geometry import Box, Layout, Line, Panel, Point
from ressearch.drawing.items import Graph, Item, Run, graph_of
from ressearch.drawing.looks import LOOKS
from ressearch.errors import DrawingError, SpaceError
from ressearch.ops import OPS, Activation, Add, Concat, Conv, GlobalPool, Input, Linear, Norm
from ressearch.space import SearchSpace, at_random
from tests.conftest import ROOT, candidates, demo_space
from tests.spaces import spaces
from tests.test_architecture import renamed_and_reordered, small_graphs
from tests.test_known_networks import networks

SHIPPED = ("demo", "mixed", "nested", "nasbench-201", "rrdb", "fractalnet-cifar", "dpn-imagenet", "ror-cifar")
SPACES = {name: SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml") for name in SHIPPED}


@st.composite
def shipped(draw: st.DrawFn) -> Architecture:
    """A network of a space that comes with the package."""
    space = SPACES[draw(st.sampled_from(SHIPPED))]
    try:
        return space.decode(at_random(random.Random(draw(st.integers(0, 10_000))))).architecture
    except SpaceError:  # a cell in which nothing reaches the output
        reject()


@st.composite
def written(draw: st.DrawFn) -> Architecture:
    """A network of any space that the language can say."""
    space = draw(spaces())
    return space.decode(at_random(random.Random(draw(st.integers(0, 99))))).architecture


@st.composite
def repetitive(draw: st.DrawFn) -> Architecture:
    """A chain of few ops over and over, and skips from anywhere to anywhere behind or within it."""
    pattern = draw(st.lists(st.sampled_from([Conv(4, 3), Conv(4, 5), Activation()]), min_size=1, max_size=3))
    ops = pattern * draw(st.integers(3, 8))
    ends = draw(st.lists(st.integers(1, len(ops)), max_size=3))
    nodes = [Node("i", Input(4, 8, 8))]
    for at, op in enumerate(ops, 1):
        nodes.append(Node(f"n{len(nodes)}", op, (len(nodes) - 1,)))
        for _ in range(ends.count(at)):
            last = len(nodes) - 1
            nodes.append(Node(f"n{len(nodes)}", Add(), (last, draw(st.integers(0, last)))))
    return Architecture(tuple(nodes))


architectures = shipped() | small_graphs() | repetitive()
anything = given(architectures, st.booleans(), st.sampled_from([None, 1, 2, 3, 5]))


def test_every_op_has_a_look() -> None:
    assert set(LOOKS) == set(OPS.values())


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_words_and_lines_stand_out_by_lightness_alone() -> None:
    """Words by the stricter level of WCAG, 7 to 1; skips and small words by the other, 4.5 to 1."""
    colours = [one for one in vars(looks).values() if isinstance(one, looks.Colours)]
    assert len(colours) == 8
    for one in colours:
        assert contrast(vector.INK, one.fill) > 7
        assert contrast("#ffffff", one.fill) < 1.6
    assert contrast(vector.SKIP, "#ffffff") > 4.5
    assert contrast(vector.FAINT, "#ffffff") > 4.5
    assert contrast(vector.SKIP, vector.INK) > 2


# Everything is there


@settings(max_examples=40)
@given(architectures)
def test_unfolded_each_node_is_drawn_once(architecture: Architecture) -> None:
    boxes = layout_of(architecture, fold=False).boxes
    assert sorted(at for box in boxes for at in box.nodes) == list(range(len(architecture)))
    assert {box.times for box in boxes} == {1}


@settings(max_examples=40)
@given(architectures)
def test_folded_the_copies_multiply_out(architecture: Architecture) -> None:
    """Not only to the number of nodes: to each op with each output shape."""
    found: Counter[object] = Counter()
    for box in layout_of(architecture).boxes:
        for at in box.nodes:
            found[architecture.nodes[at].op, architecture.shapes[at]] += box.times
    assert found == Counter(zip((node.op for node in architecture.nodes), architecture.shapes, strict=True))


@settings(max_examples=25)
@given(written())
def test_so_they_do_whatever_the_space(architecture: Architecture) -> None:
    boxes = layout_of(architecture).boxes
    assert sum(box.times * len(box.nodes) for box in boxes) == len(architecture)


@settings(max_examples=40)
@anything
def test_each_edge_leads_from_one_box_to_another(architecture: Architecture, fold: bool, columns: int | None) -> None:
    """Its parts begin at the source's line and end at the target; broken ones go on where they were broken."""
    layout = layout_of(architecture, fold=fold, columns=columns)
    parts: dict[tuple[int, int], list[Line]] = {}
    for line in layout.lines:
        parts.setdefault((line.source, line.target), []).append(line)
    boxes = {box.item: box for box in layout.boxes}
    assert {edge for edge in parts if edge[0] not in boxes or edge[1] not in boxes} == set()
    for (_, target), lines in parts.items():
        assert any(touches(line.points[-1], boxes[target]) for line in lines)
    if not fold:
        items = graph_of(architecture).items
        assert set(parts) == {(source, at) for at, item in enumerate(items) for source in item.inputs}


def touches(point: Point, box: Box) -> bool:
    """On the upper edge of a box, or at either side of a circle."""
    beside = abs(abs(point[0] - box.x) - box.width / 2) < 0.2 and abs(point[1] - box.y) < 0.2
    above = abs(point[0] - box.x) < 0.2 and abs(point[1] - (box.y - box.height / 2)) < 0.2
    return above or (box.round and beside)


def test_a_value_that_is_added_to_itself_has_an_edge_and_a_lane_each_time() -> None:
    nodes = (Node("i", Input(2, 4, 4)), Node("s", Add(), (0, 0, 0)), Node("p", GlobalPool(), (1,)))
    lanes = [line.lane for line in layout_of(Architecture(nodes)).lines if (line.source, line.target) == (0, 1)]
    assert len(lanes) == len(set(lanes)) == 3


# Everything is in its place


@settings(max_examples=40)
@anything
def test_boxes_lie_apart_and_on_the_page(architecture: Architecture, fold: bool, columns: int | None) -> None:
    layout = layout_of(architecture, fold=fold, columns=columns)
    boxes = sorted(layout.boxes, key=lambda box: box.y)
    for box in boxes:
        assert box.width / 2 < box.x < layout.width - box.width / 2
        assert box.height / 2 < box.y < layout.height - box.height / 2
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            if other.y - other.height / 2 > one.y + one.height / 2:
                break
            assert abs(one.x - other.x) > (one.width + other.width) / 2


@settings(max_examples=25)
@anything
def test_no_line_passes_through_a_box(architecture: Architecture, fold: bool, columns: int | None) -> None:
    layout = layout_of(architecture, fold=fold, columns=columns)
    for line in layout.lines:
        left, right, top, bottom = bounds(line.points)
        for box in layout.boxes:
            if box.item in (line.source, line.target) or abs(box.x - (left + right) / 2) > right - left + box.width:
                continue
            if box.y + box.height / 2 < top or box.y - box.height / 2 > bottom:
                continue
            assert not any(crosses(segment, box) for segment in segments(line))


def bounds(points: tuple[Point, ...]) -> tuple[float, float, float, float]:
    xs, ys = zip(*points, strict=True)
    return min(xs), max(xs), min(ys), max(ys)


Segment = tuple[float, float, float, float]


def segments(line: Line) -> Iterator[Segment]:
    """Left, top, right and bottom of each straight part; all are horizontal or vertical."""
    for (x1, y1), (x2, y2) in zip(line.points, line.points[1:], strict=False):
        assert x1 == x2 or y1 == y2
        yield min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def crosses(segment: Segment, box: Box) -> bool:
    left, top, right, bottom = segment
    across = left < box.x + box.width / 2 and right > box.x - box.width / 2
    return across and top < box.y + box.height / 2 and bottom > box.y - box.height / 2


@settings(max_examples=40)
@anything
def test_no_two_skips_share_a_lane(architecture: Architecture, fold: bool, columns: int | None) -> None:
    """Lines run together only where they leave one item or enter one; the same source's may share a lane if many do."""
    layout = layout_of(architecture, fold=fold, columns=columns)
    pieces: dict[tuple[str, float], list[tuple[float, float, Line]]] = {}
    for line in layout.lines:
        if not line.dashed:
            for left, top, right, bottom in segments(line):
                way, place, low, high = ("|", left, top, bottom) if left == right else ("-", top, left, right)
                pieces.setdefault((way, place), []).append((low, high, line))
    for (way, _), together in pieces.items():
        for (low, high, one), (least, most, other) in combinations(sorted(together, key=lambda piece: piece[:2]), 2):
            if min(high, most) - max(low, least) > 0.3:
                alike = one.source == other.source or (way == "-" and one.target == other.target)
                assert alike, (one, other)


@pytest.mark.parametrize("layers", [4, 6])
def test_in_a_small_dense_block_each_skip_has_a_lane_of_its_own(layers: int) -> None:
    layout = layout_of(dense(layers))
    lanes = [(line.points[2][0], line.points[2][1], line.points[3][1]) for line in layout.lines if line.lane]
    assert len(lanes) == layers * (layers + 1) // 2
    for (x, top, bottom), (other, least, most) in combinations(lanes, 2):
        assert x != other or bottom < least or most < top


def dense(layers: int) -> Architecture:
    """One dense block, every layer of which reads all before it."""
    nodes = [Node("i", Input(3, 8, 8)), Node("stem", Conv(8, 3), (0,))]
    values = [1]
    for layer in range(layers):
        nodes.append(Node(f"conv{layer}", Conv(4, 3), (len(nodes) - 1,)))
        values.append(len(nodes) - 1)
        nodes.append(Node(f"concat{layer}", Concat(), tuple(values)))
    nodes += [Node("pool", GlobalPool(), (len(nodes) - 1,)), Node("linear", Linear(10), (len(nodes),))]
    return Architecture(tuple(nodes))


@settings(max_examples=40)
@anything
def test_panels_enclose_each_other_or_lie_apart(architecture: Architecture, fold: bool, columns: int | None) -> None:
    layout = layout_of(architecture, fold=fold, columns=columns)
    for one, other in combinations(layout.panels, 2):
        assert apart(one, other) or within(other, one), (one, other)
    for panel, box in product(layout.panels, layout.boxes):
        if panel.begin < box.item <= panel.end and surely(panel, box, layout):
            assert inside(box, panel)


def surely(panel: Panel, box: Box, layout: Layout) -> bool:
    """Whether a box of a panel's items is in the column of this part of it."""
    return panel.x <= box.x <= panel.x + panel.width and panel.y <= box.y <= panel.y + panel.height


def apart(one: Panel, other: Panel) -> bool:
    across = one.x + one.width <= other.x or other.x + other.width <= one.x
    return across or one.y + one.height <= other.y + 0.2 or other.y + other.height <= one.y + 0.2


def within(inner: Panel, outer: Panel) -> bool:
    """The sides strictly; a part that a column's end cuts off reaches as far as the outer one."""
    across = outer.x < inner.x and inner.x + inner.width < outer.x + outer.width
    return across and outer.y <= inner.y and inner.y + inner.height <= outer.y + outer.height


def inside(box: Box, panel: Panel) -> bool:
    across = panel.x < box.x - box.width / 2 and box.x + box.width / 2 < panel.x + panel.width
    return across and panel.y < box.y - box.height / 2 and box.y + box.height / 2 < panel.y + panel.height


@settings(max_examples=30)
@anything
def test_a_skip_around_a_block_runs_around_its_panel(
    architecture: Architecture, fold: bool, columns: int | None
) -> None:
    layout = layout_of(architecture, fold=fold, columns=columns)
    for panel, line in product(layout.panels, layout.lines):
        if line.source <= panel.begin and line.target > panel.end and not line.dashed:
            assert not any(enters(segment, panel) for segment in segments(line)), (panel, line)


def enters(segment: Segment, panel: Panel) -> bool:
    left, top, right, bottom = segment
    across = left < panel.x + panel.width - 0.2 and right > panel.x - 3
    return across and top < panel.y + panel.height - 0.2 and bottom > panel.y + 0.2


def test_of_crossing_skips_neither_is_enclosed_by_what_the_other_leaves() -> None:
    """The first sum's block is left by the second skip, so only the second has a panel, which encloses both."""
    nodes = [Node("i", Input(4, 8, 8)), *(Node(f"c{k}", Conv(4, 3), (k - 1,)) for k in (1, 2))]
    nodes += [Node("s1", Add(), (0, 2)), Node("c3", Conv(4, 3), (3,)), Node("s2", Add(), (1, 4))]
    assert [(panel.begin, panel.end) for panel in layout_of(Architecture(tuple(nodes))).panels] == [(0, 5)]


# Folding


def unfolded(graph: Graph) -> Architecture:
    """Every copy written out again, inner runs first; the twin of `folded`."""
    items, runs = list(graph.items), list(graph.runs)
    while runs:
        run = min(runs, key=lambda run: run.last - run.first)
        runs.remove(run)
        size, extra = run.last - run.first + 1, (run.last - run.first + 1) * (run.times - 1)
        copies = [
            replace(item, inputs=tuple(source + number * size for source in item.inputs))
            for number in range(run.times)
            for item in items[run.first : run.last + 1]
        ]
        after = [
            replace(item, inputs=tuple(source + extra * (source >= run.last) for source in item.inputs))
            for item in items[run.last + 1 :]
        ]
        items = [*items[: run.first], *copies, *after]
        runs = [
            replace(o, first=o.first + extra * (o.first > run.last), last=o.last + extra * (o.last >= run.last))
            for o in runs
        ]
    return built(items)


def built(items: list[Item]) -> Architecture:
    nodes: list[Node] = []
    ends: list[int] = []
    for item in items:
        inputs = [ends[source] for source in item.inputs]
        if item.places:
            inputs = [source for _, source in sorted(zip(item.places, inputs, strict=True))]
        for op in item.ops:
            nodes.append(Node(f"n{len(nodes)}", op, tuple(inputs)))
            inputs = [len(nodes) - 1]
        ends.append(len(nodes) - 1)
    return Architecture(tuple(nodes))


@settings(max_examples=100)
@given(repetitive() | small_graphs() | written())
def test_what_is_folded_unfolds_to_the_same_network(architecture: Architecture) -> None:
    assert unfolded(folded(graph_of(architecture), architecture)).id == architecture.id


@pytest.mark.parametrize(
    ("file", "name"),
    [("resnet-cifar", "resnet110-b"), ("nasbench-201", "conv3x3"), ("ror-cifar", "ror3-n8-a"), ("rrdb", "rrdb16")],
)
def test_so_do_known_networks(file: str, name: str) -> None:
    architecture = networks(f"{file}.yaml")[name].architecture
    graph = folded(graph_of(architecture), architecture)
    assert graph.runs
    assert unfolded(graph).id == architecture.id


def test_only_what_is_closed_is_folded() -> None:
    chain = [Node(f"c{at}", Conv(4, 3), (at,)) for at in range(8)]
    assert [run.times for run in runs_of(*chain)] == [8]
    left_early = Node("s", Add(), (8, 3))
    assert [run.times for run in runs_of(*chain, left_early)] == [5]
    apart = [Node(f"c{at}", Conv(4, 2 * at + 1), (at,)) for at in range(5)]
    assert runs_of(*apart, *(Node(f"s{at}", Add(), (at, at - 4)) for at in range(5, 10))) == ()
    two_back = [Node("c0", Conv(4, 3), (0,)), Node("s0", Add(), (1, 0))]
    for at in range(2, 12, 2):
        two_back += [Node(f"c{at}", Conv(4, 3), (at,)), Node(f"s{at}", Add(), (at + 1, at - 2))]
    assert runs_of(*two_back) == ()


def test_blocks_that_join_in_another_order_are_not_the_same() -> None:
    def chain(*orders: tuple[int, int]) -> list[Node]:
        nodes: list[Node] = [Node("c", Conv(8, 1), (0,))]
        for order in orders:
            at = len(nodes)
            nodes += [Node(f"a{at}", Conv(4, 3), (at,)), Node(f"b{at}", Conv(4, 5), (at,))]
            nodes += [Node(f"j{at}", Concat(), (at + 1 + order[0], at + 1 + order[1]))]
        return nodes

    assert [run.times for run in runs_of(*chain(*[(0, 1)] * 6))] == [6]
    assert [run.times for run in runs_of(*chain(*[(0, 1)] * 3, *[(1, 0)] * 3))] == [3, 3]


def runs_of(*blocks: Node) -> tuple[Run, ...]:
    nodes = (Node("i", Input(4, 8, 8)), *blocks)
    architecture = Architecture((*nodes, Node("pool", GlobalPool(), (len(nodes) - 1,))))
    return folded(graph_of(architecture), architecture).runs


# Known networks


def runs(file: str, name: str) -> list[int]:
    return [panel.times for panel in layout_of(networks(f"{file}.yaml")[name].architecture).panels if panel.times > 1]


@pytest.mark.parametrize(
    ("file", "name", "times"),
    [
        ("resnet-cifar", "resnet110-a", [18, 17, 17]),
        ("resnet-cifar", "resnet110-b", [18, 17, 17]),
        ("resnet-cifar", "plain56", [19, 17, 17]),
        ("preresnet-cifar", "preresnet110-b", [17, 17, 17]),
        ("resnet-imagenet", "resnet50-v1.5", [2, 3, 5, 2]),
        ("nasbench-201", "conv3x3", [5, 5, 5]),
        ("ror-cifar", "ror3-n18-b", [17, 16, 16]),
        ("rrdb", "rrdb16", [16, 3]),
        ("densenet-imagenet", "densenet121", []),
    ],
)
def test_what_repeats_in_known_networks(file: str, name: str, times: list[int]) -> None:
    """A stage's first block differs where it changes width or resolution, its last one where a wider skip ends."""
    assert sorted(runs(file, name)) == sorted(times)


@pytest.mark.parametrize(("name", "levels"), [("ror1-n18-b", 1), ("ror2-n18-b", 2), ("ror3-n18-b", 3)])
def test_panels_are_nested_as_deep_as_the_residuals(name: str, levels: int) -> None:
    panels = layout_of(networks("ror-cifar.yaml")[name].architecture, fold=False).panels
    assert max(panel.depth for panel in panels) + 1 == levels


def test_a_page_of_450_nodes_fits_a_screen() -> None:
    for file, name in (
        ("resnet-cifar", "resnet110-b"),
        ("ror-cifar", "ror3-n18-b"),
        ("preresnet-cifar", "preresnet110-b"),
    ):
        layout = layout_of(networks(f"{file}.yaml")[name].architecture, fold=False)
        assert 1.3 < layout.width / layout.height < 1.9
        assert layout.width < 2200
        assert layout.height < 1400


def test_what_stands_on_a_shortcut_is_drawn_beside_the_body() -> None:
    layout = layout_of(networks("resnet-imagenet.yaml")["resnet18-b"].architecture)
    spine = {box.column: box.x for box in layout.boxes if box.label.startswith("conv3×3") or box.label == "relu"}
    beside = [box.label for box in layout.boxes if box.x < spine[box.column]]
    assert beside == ["conv1×1 128 /2", "bn", "conv1×1 256 /2", "bn", "conv1×1 512 /2", "bn"]


# Columns


def test_columns_break_where_least_is_cut() -> None:
    """Against all ways to break a few rows."""
    generator = random.Random(0)
    for _ in range(40):
        heights = [generator.choice([10.0, 20.0]) for _ in range(12)]
        cuts = [generator.choice([0, 0, 1, 3, 8]) for _ in heights]
        found = columns_of(heights, cuts, 3)
        assert [first for first, _ in found] == [0, *(last + 1 for _, last in found[:-1])]
        assert found[-1][1] == 11
        best = min(cost_of_breaks(heights, cuts, breaks) for breaks in combinations(range(1, 12), 2))
        assert cost_of_breaks(heights, cuts, tuple(first for first, _ in found[1:])) == pytest.approx(best)


def cost_of_breaks(heights: list[float], cuts: list[int], breaks: tuple[int, ...]) -> float:
    """The last column may be low; one that is more than 35 % too high is not made, unless it has one row."""
    mean, total = sum(heights) / 3, 0.03 * sum(cuts[at - 1] for at in breaks)
    parts = list(zip((0, *breaks), (*breaks, len(heights)), strict=True))
    for first, end in parts:
        height = sum(heights[first:end]) / mean - 1
        if height > 0.35 + 1e-9 and end - first > 1:
            return float("inf")
        total += height**2 if height > 0 or end < len(heights) else 0.0
    return total


# SVG


@settings(max_examples=40)
@given(architectures, st.booleans())
def test_it_is_well_formed_and_stands_alone(architecture: Architecture, fold: bool) -> None:
    drawn = svg(architecture, fold=fold)
    root = ElementTree.fromstring(drawn)
    names = {name.rpartition("}")[2] for element in root.iter() for name in element.attrib}
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "viewBox" in names
    assert not names & {"id", "href", "class", "style"}
    assert "url(" not in drawn
    titles = root.findall(".//{*}title")
    assert len(titles) == 1 + len(layout_of(architecture, fold=fold).boxes)
    assert titles[0].text is not None
    assert titles[0].text.startswith(f"Architecture {architecture.id}: {len(architecture)} nodes, ")
    assert root[0] is titles[0]


def test_tooltips_add_up_to_the_cost() -> None:
    """Op, output shape, MACs and parameters of each node."""
    architecture = demo_space.baselines["resnet8"].architecture
    root = ElementTree.fromstring(svg(architecture, fold=False))
    lines = [line for title in root.findall(".//{*}g/{*}title") for line in (title.text or "").splitlines()]
    assert len(lines) == len(architecture)
    cost, total = cost_of(architecture), Counter[str]()
    for line in lines:
        for part in line.split(", ")[1:]:
            number, unit = part.split(" ")
            total[unit] += int(number.replace(",", ""))
    assert total == {"MACs": cost.macs, "parameters": cost.params}
    assert lines[1] == "conv3x3 16 → 16×8×8, 9,216 MACs, 144 parameters"


@settings(max_examples=50)
@given(candidates(demo_space).map(lambda c: c.architecture) | small_graphs(), st.randoms(use_true_random=False))
def test_names_and_order_do_not_enter_the_drawing(architecture: Architecture, generator: random.Random) -> None:
    again = renamed_and_reordered(architecture, generator)
    for fold in (True, False):
        assert svg(again, fold=fold) == svg(architecture, fold=fold)
        assert text(again, fold=fold) == text(architecture, fold=fold)


def test_norm_and_activation_are_one_only_where_nothing_else_reads_the_norm() -> None:
    nodes = (Node("i", Input(2, 4, 4)), Node("n", Norm(), (0,)), Node("a", Activation(), (1,)))
    ends = (Node("s", Add(), (1, 2)), Node("p", GlobalPool(), (3,)))
    assert [box.label for box in layout_of(Architecture((*nodes, *ends))).boxes][1:3] == ["bn", "relu"]
    alone = (*nodes, Node("p", GlobalPool(), (2,)))
    assert [box.label for box in layout_of(Architecture(alone)).boxes][1:2] == ["bn·relu"]


# Text


def test_text_has_a_line_for_each_item_and_all_costs() -> None:
    for file, name in (("nested", "two-levels"), ("densenet-imagenet", "densenet121"), ("mixed", "cells")):
        architecture = networks(f"{file}.yaml")[name].architecture
        lines = text(architecture, fold=False).splitlines()
        assert len(lines) == 1 + len(layout_of(architecture, fold=False).boxes)
        numbers = [
            int(word.replace(",", "")) for line in lines[1:] for word in line[lines[0].index("output") + 10 :].split()
        ]
        assert sum(numbers) == cost_of(architecture).macs + cost_of(architecture).params


PROJECTED = """\
                   output   MACs  parameters
○    image 3×8×8   3×8×8
○─╮  conv3×3 4     4×8×8   6,912         108
○ │  conv3×3       4×8×8   9,216         144  ╮
○ │  bn·relu       4×8×8                   8  │
○ │  conv3×3       4×8×8   9,216         144  │
+─┤  add           4×8×8                      ╯ ×3
○ │  conv3×3 8 /2  8×4×4   4,608         288
○ │  bn·relu       8×4×4                  16
○ │  conv3×3       8×4×4   9,216         576
│ ○  conv1×1 8 /2  8×4×4     512          32
+─╯  add           8×4×4
○    global pool   8
○    linear 10     10         80          90"""


def test_text_of_blocks_with_a_projection() -> None:
    nodes = [Node("i", Input(3, 8, 8)), Node("stem", Conv(4, 3), (0,))]
    for _ in range(3):
        _block(nodes, 4, 1)
    _block(nodes, 8, 2)
    nodes += [Node("pool", GlobalPool(), (len(nodes) - 1,)), Node("linear", Linear(10), (len(nodes),))]
    assert text(Architecture(tuple(nodes))) == PROJECTED


def _block(nodes: list[Node], width: int, stride: int) -> None:
    source = end = len(nodes) - 1
    for op in (Conv(width, 3, stride), Norm(), Activation(), Conv(width, 3)):
        nodes.append(Node(f"n{len(nodes)}", op, (end,)))
        end = len(nodes) - 1
    if stride > 1:
        nodes.append(Node(f"n{len(nodes)}", Conv(width, 1, stride), (source,)))
        source = len(nodes) - 1
    nodes.append(Node(f"n{len(nodes)}", Add(), (end, source)))


# PNG


def test_a_png_shows_what_the_svg_says_labels_included() -> None:
    """In the first box there is dark ink on a light fill, beside it there is none."""
    architecture = demo_space.baselines["resnet8"].architecture
    layout = layout_of(architecture)
    with Image.open(BytesIO(png(architecture, scale=2))) as image:
        assert image.size == pytest.approx((layout.width * 2, layout.height * 2), abs=1)
        grey = image.convert("L")
        box = layout.boxes[0]
        edges = [2 * (box.x - box.width / 2 + 4), 2 * (box.y - 6), 2 * (box.x + box.width / 2 - 4), 2 * (box.y + 6)]
        dark, light = grey.crop(tuple(map(round, edges))).getextrema()
        assert dark < 90
        assert light > 220
        assert grey.getpixel((4, 4)) == 255


def test_a_png_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    raster._writes.cache_clear()
    with pytest.raises(DrawingError) as caught:
        png(dense(2))
    assert str(caught.value) == (
        "error[E820]: a PNG needs resvg-py\n  = help: pip install 'ressearch[png]'; an SVG needs no package"
    )


def test_a_png_without_fonts_is_refused_rather_than_left_without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The renderer itself leaves words out without a word."""
    import resvg_py

    monkeypatch.setattr(
        raster, "_rendered", lambda drawing, zoom: resvg_py.svg_to_bytes(drawing, skip_system_fonts=True)
    )
    raster._writes.cache_clear()
    with pytest.raises(DrawingError) as caught:
        png(dense(2))
    raster._writes.cache_clear()
    assert caught.value.message == "there is no font to write a PNG's labels with"
