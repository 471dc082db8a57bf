"""One bad file per mistake in operations and residuals, and the whole answer to it."""

# ruff: noqa: E501  # messages stand here as they are printed

from __future__ import annotations

import pytest

from tests.test_space_errors import HEAD, Case, block_text, expected, refusal

CASES = [
    Case(
        "missing kernel",
        """
        stages: [{width: 8, block: {op: conv}}]
        """,
        """
        error[E004]: stages.0.block: 'kernel' is missing: 'conv' says none
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: conv}}]
          |                            ^
          = help: add kernel: 3
        """,
    ),
    Case(
        "missing kernel in choice",
        """
        stages: [{width: 8, block: {op: {values: [conv3x3, maxpool]}}}]
        """,
        """
        error[E004]: stages.0.block: 'kernel' is missing: 'maxpool' says none
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: {values: [conv3x3, maxpool]}}}]
          |                            ^
          = help: add kernel: 3
        """,
    ),
    Case(
        "kernel beside",
        """
        stages: [{width: 8, block: {op: conv3x3, kernel: 5}}]
        """,
        """
        error[E003]: stages.0.block.kernel: 'conv3x3' says its kernel itself
         --> mine.yaml:4:42
          |
        4 | stages: [{width: 8, block: {op: conv3x3, kernel: 5}}]
          |                                          ^
          = help: write op: conv, or leave 'kernel' out
        """,
    ),
    Case(
        "even kernel",
        """
        stages: [{width: 8, block: {op: conv, kernel: 4}}]
        """,
        """
        error[E017]: stages.0.block.0: an even window keeps no map's size: 4x4 at stride 1
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: conv, kernel: 4}}]
          |                            ^
          = help: write stride: 4, or use an odd window
        """,
    ),
    Case(
        "group_width beside groups",
        """
        stages: [{width: 8, block: {op: conv3x3, groups: 2, group_width: 4}}]
        """,
        """
        error[E003]: stages.0.block.groups: 'groups' and 'group_width' say the same thing
         --> mine.yaml:4:42
          |
        4 | stages: [{width: 8, block: {op: conv3x3, groups: 2, group_width: 4}}]
          |                                          ^
          = help: leave one of them out
        """,
    ),
    Case(
        "group_width that does not divide",
        """
        stages: [{width: 8, block: {op: conv3x3, group_width: 3}}]
        """,
        """
        error[E017]: stages.0.block.0: group_width 3 does not divide the width 8
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: conv3x3, group_width: 3}}]
          |                            ^
        """,
    ),
    Case(
        "reduction of 0",
        """
        stages: [{width: 8, block: {op: se, reduction: 0}}]
        """,
        """
        error[E005]: stages.0.block.reduction: expected a whole number from 1, got 0
         --> mine.yaml:4:48
          |
        4 | stages: [{width: 8, block: {op: se, reduction: 0}}]
          |                                                ^
        """,
    ),
    Case(
        "unknown act",
        """
        stages: [{width: 8, block: {op: conv3x3, act: swish}}]
        """,
        """
        error[E011]: stages.0.block.act: 'swish' is not an activation; use one of relu, relu6, leaky_relu, silu, gelu, none
         --> mine.yaml:4:47
          |
        4 | stages: [{width: 8, block: {op: conv3x3, act: swish}}]
          |                                               ^
          = help: did you mean 'silu'?
        """,
    ),
    Case(
        "norm",
        """
        stages: [{width: 8, block: {op: conv3x3, norm: batch}}]
        """,
        """
        error[E005]: stages.0.block.norm: expected true or false, got 'batch'
         --> mine.yaml:4:48
          |
        4 | stages: [{width: 8, block: {op: conv3x3, norm: batch}}]
          |                                                ^
        """,
    ),
    Case(
        "drop_path of 1.5",
        """
        stages: [{width: 8, block: {residual: {drop_path: 1.5}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E005]: stages.0.block.residual.drop_path: expected a probability from 0 to below 1, got 1.5
         --> mine.yaml:4:51
          |
        4 | stages: [{width: 8, block: {residual: {drop_path: 1.5}, body: [{op: conv3x3}]}}]
          |                                                   ^
        """,
    ),
    Case(
        "drop_path of 1",
        """
        stages: [{width: 8, block: {residual: {drop_path: {values: [0, 1]}}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E005]: stages.0.block.residual.drop_path.values.1: expected a probability from 0 to below 1, got 1
         --> mine.yaml:4:64
          |
        4 | stages: [{width: 8, block: {residual: {drop_path: {values: [0, 1]}}, body: [{op: conv3x3}]}}]
          |                                                                ^
        """,
    ),
    Case(
        "negative drop_path",
        """
        stages: [{width: 8, block: {residual: {drop_path: -0.1}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E005]: stages.0.block.residual.drop_path: expected a probability from 0 to below 1, got -0.1
         --> mine.yaml:4:51
          |
        4 | stages: [{width: 8, block: {residual: {drop_path: -0.1}, body: [{op: conv3x3}]}}]
          |                                                   ^
        """,
    ),
    Case(
        "unknown gate",
        """
        stages: [{width: 8, block: {residual: {gate: zero_gama}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E011]: stages.0.block.residual.gate: 'zero_gama' is not a gate; use one of none, zero_gamma, scalar, layer_scale, fixed
         --> mine.yaml:4:46
          |
        4 | stages: [{width: 8, block: {residual: {gate: zero_gama}, body: [{op: conv3x3}]}}]
          |                                              ^
          = help: did you mean 'zero_gamma'?
        """,
    ),
    Case(
        "unknown gate like no other",
        """
        stages: [{width: 8, block: {residual: {gate: rezero}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E011]: stages.0.block.residual.gate: 'rezero' is not a gate; use one of none, zero_gamma, scalar, layer_scale, fixed
         --> mine.yaml:4:46
          |
        4 | stages: [{width: 8, block: {residual: {gate: rezero}, body: [{op: conv3x3}]}}]
          |                                              ^
          = help: did you mean 'scalar'?
        """,
    ),
    Case(
        "unknown merge",
        """
        stages: [{width: 8, block: {residual: {merge: cat}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E011]: stages.0.block.residual.merge: 'cat' is not a merge; use one of add, concat, mean
         --> mine.yaml:4:47
          |
        4 | stages: [{width: 8, block: {residual: {merge: cat}, body: [{op: conv3x3}]}}]
          |                                               ^
          = help: did you mean 'concat'?
        """,
    ),
    Case(
        "gate_init",
        """
        stages: [{width: 8, block: {residual: {gate: scalar, gate_init: big}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E005]: stages.0.block.residual.gate_init: expected a number, got 'big'
         --> mine.yaml:4:65
          |
        4 | stages: [{width: 8, block: {residual: {gate: scalar, gate_init: big}, body: [{op: conv3x3}]}}]
          |                                                                 ^
        """,
    ),
    Case(
        "shortcut block that is two",
        """
        stages: [{width: 8, block: {residual: {shortcut: {op: conv1x1, seq: [{op: conv3x3}]}}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E016]: stages.0.block.residual.shortcut: a block is exactly one of op, seq, residual, dense, repeat, one_of, use, graph; this has op and seq
         --> mine.yaml:4:50
          |
        4 | stages: [{width: 8, block: {residual: {shortcut: {op: conv1x1, seq: [{op: conv3x3}]}}, body: [{op: conv3x3}]}}]
          |                                                  ^
        """,
    ),
    Case(
        "shortcut block with mistake",
        """
        stages: [{width: 8, block: {residual: {shortcut: {op: conv1}}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E012]: stages.0.block.residual.shortcut.op: 'conv1' is not an operation; use one of OPERATIONS
         --> mine.yaml:4:55
          |
        4 | stages: [{width: 8, block: {residual: {shortcut: {op: conv1}}, body: [{op: conv3x3}]}}]
          |                                                       ^
          = help: did you mean 'conv1x1'?
        """,
    ),
    Case(
        "unknown head",
        """
        stages: [{width: 8, block: {op: conv3x3}}]
        head: {op: conv1}
        """,
        """
        error[E012]: head.op: 'conv1' is not an operation; use one of OPERATIONS
         --> mine.yaml:5:12
          |
        5 | head: {op: conv1}
          |            ^
          = help: did you mean 'conv1x1'?
        """,
    ),
    Case(
        "dual path residual",
        """
        stages: [{width: 8, block: {dense: {layers: 2, growth: 2, residual: 0}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E005]: stages.0.block.dense.residual: expected a whole number from 1, got 0
         --> mine.yaml:4:69
          |
        4 | stages: [{width: 8, block: {dense: {layers: 2, growth: 2, residual: 0}, body: [{op: conv3x3}]}}]
          |                                                                     ^
        """,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_mistake_in_a_block(case: Case) -> None:
    assert refusal(HEAD + block_text(case.text)) == expected(case.message)
