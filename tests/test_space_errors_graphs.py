"""One bad graph per mistake, and the whole answer to it."""

from __future__ import annotations

import pytest

from tests.test_space_errors import HEAD, Case, block_text, expected, refusal

CASES = [
    Case(
        "a cycle",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, left], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph: a cycle: left -> right -> left
         --> mine.yaml:9:42
          |
        9 |       edges: [[in, left], [left, right], [right, left], [right, out]]
          |                                          ^
          = help: a graph's edges must lead from in to out
        """,
    ),
    Case(
        "a cycle through an optional edge",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
              optional_edges: [[right, left]]
        """,
        """
        error[E018]: blocks.cell.graph: a cycle: left -> right -> left
          --> mine.yaml:10:24
           |
        10 |       optional_edges: [[right, left]]
           |                        ^
           = help: a graph's edges must lead from in to out
        """,
    ),
    Case(
        "an edge to itself",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out], [left, left]]
        """,
        """
        error[E018]: blocks.cell.graph: a cycle: left -> left
         --> mine.yaml:9:56
          |
        9 |       edges: [[in, left], [left, right], [right, out], [left, left]]
          |                                                        ^
          = help: a graph's edges must lead from in to out
        """,
    ),
    Case(
        "an edge to a misspelt node",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, rigth], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph.edges.1.1: an edge cannot go to 'rigth'
         --> mine.yaml:9:34
          |
        9 |       edges: [[in, left], [left, rigth], [right, out]]
          |                                  ^
          = help: did you mean 'right'?
        """,
    ),
    Case(
        "an edge from a misspelt node",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [in, right], [lef, right], [left, out], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph.edges.2.0: an edge cannot come from 'lef'
         --> mine.yaml:9:41
          |
        9 |       edges: [[in, left], [in, right], [lef, right], [left, out], [right, out]]
          |                                         ^
          = help: did you mean 'left'?
        """,
    ),
    Case(
        "an edge to a node like no other",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, zebra], [left, right], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph.edges.1.1: an edge cannot go to 'zebra'
         --> mine.yaml:9:34
          |
        9 |       edges: [[in, left], [left, zebra], [left, right], [right, out]]
          |                                  ^
          = help: an edge goes from in or a node to a node or out
        """,
    ),
    Case(
        "an edge into in",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, in], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph.edges.2.1: an edge cannot go to 'in'
         --> mine.yaml:9:50
          |
        9 |       edges: [[in, left], [left, right], [right, in], [right, out]]
          |                                                  ^
          = help: an edge goes from in or a node to a node or out
        """,
    ),
    Case(
        "an edge out of out",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [out, right], [right, out]]
        """,
        """
        error[E018]: blocks.cell.graph.edges.2.0: an edge cannot come from 'out'
         --> mine.yaml:9:43
          |
        9 |       edges: [[in, left], [left, right], [out, right], [right, out]]
          |                                           ^
          = help: an edge goes from in or a node to a node or out
        """,
    ),
    Case(
        "an edge twice",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out], [left, right]]
        """,
        """
        error[E018]: blocks.cell.graph: the edge left->right stands here twice
         --> mine.yaml:9:56
          |
        9 |       edges: [[in, left], [left, right], [right, out], [left, right]]
          |                                                        ^
        """,
    ),
    Case(
        "an edge twice, once optional",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
              optional_edges: [[left, right]]
        """,
        """
        error[E018]: blocks.cell.graph: the edge left->right stands here twice
          --> mine.yaml:10:24
           |
        10 |       optional_edges: [[left, right]]
           |                        ^
        """,
    ),
    Case(
        "a node on no way",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, out], [in, right]]
        """,
        """
        error[E018]: blocks.cell.graph.nodes.right: no way from in to out leads through 'right'
         --> mine.yaml:8:43
          |
        8 |       nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
          |                                           ^
        """,
    ),
    Case(
        "a node called in",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {in: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, right], [right, out]]
        """,
        """
        error[E005]: blocks.cell.graph.nodes: a node cannot be called 'in': the graph's own ends are
         --> mine.yaml:8:15
          |
        8 |       nodes: {in: {op: conv3x3}, right: {op: conv1x1}}
          |               ^
        """,
    ),
    Case(
        "a node called out",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {right: {op: conv1x1}, out: {op: conv3x3}}
              edges: [[in, right], [right, out]]
        """,
        """
        error[E005]: blocks.cell.graph.nodes: a node cannot be called 'out': the graph's own ends are
         --> mine.yaml:8:37
          |
        8 |       nodes: {right: {op: conv1x1}, out: {op: conv3x3}}
          |                                     ^
        """,
    ),
    Case(
        "an edge of three",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left, right], [in, left], [left, right], [right, out]]
        """,
        """
        error[E005]: blocks.cell.graph.edges.0: expected [from, to], got a list of another length
         --> mine.yaml:9:15
          |
        9 |       edges: [[in, left, right], [in, left], [left, right], [right, out]]
          |               ^
        """,
    ),
    Case(
        "an edge of numbers",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, 1], [in, left], [left, right], [right, out]]
        """,
        """
        error[E005]: blocks.cell.graph.edges.0.1: expected a string, got 1
         --> mine.yaml:9:20
          |
        9 |       edges: [[in, 1], [in, left], [left, right], [right, out]]
          |                    ^
        """,
    ),
    Case(
        "no nodes",
        """
        stages: [{width: 8, block: {graph: {edges: [[in, out]]}}}]
        """,
        """
        error[E004]: stages.0.block.graph: 'nodes' is missing
         --> mine.yaml:4:36
          |
        4 | stages: [{width: 8, block: {graph: {edges: [[in, out]]}}}]
          |                                    ^
        """,
    ),
    Case(
        "empty nodes",
        """
        stages: [{width: 8, block: {graph: {nodes: {}, edges: [[in, out]]}}}]
        """,
        """
        error[E005]: stages.0.block.graph.nodes: expected at least one named block
         --> mine.yaml:4:44
          |
        4 | stages: [{width: 8, block: {graph: {nodes: {}, edges: [[in, out]]}}}]
          |                                            ^
        """,
    ),
    Case(
        "a misspelt key of a graph",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
              optional: [[in, out]]
        """,
        """
        error[E003]: blocks.cell.graph.optional: unknown key 'optional'
          --> mine.yaml:10:7
           |
        10 |       optional: [[in, out]]
           |       ^
           = help: did you mean 'optional_edges'?
        """,
    ),
    Case(
        "an unknown block inside a graph",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {use: basik}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
        """,
        """
        error[E010]: blocks.cell: there is no block 'basik'
         --> mine.yaml:8:27
          |
        8 |       nodes: {left: {use: basik}, right: {op: conv1x1}}
          |                           ^
          = help: did you mean 'basic'?
        """,
    ),
    Case(
        "unbounded recursion through a graph",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {use: cell}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
        """,
        """
        error[E013]: blocks.cell: recursion without a bound: cell -> cell
         --> mine.yaml:7:5
          |
        7 |     graph:
          |     ^
          = help: give 'cell' a max_depth, e.g. 2
        """,
    ),
    Case(
        "merge of a graph",
        """
        stages: [{width: 8, block: {use: cell}}]
        blocks:
          cell:
            graph:
              nodes: {left: {op: conv3x3}, right: {op: conv1x1}}
              edges: [[in, left], [left, right], [right, out]]
              merge: sum
        """,
        """
        error[E011]: blocks.cell.graph.merge: 'sum' is not a merge; use one of add, concat, mean
          --> mine.yaml:10:14
           |
        10 |       merge: sum
           |              ^
           = help: did you mean 'add'?
        """,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_mistake_in_a_graph(case: Case) -> None:
    assert refusal(HEAD + block_text(case.text)) == expected(case.message)
