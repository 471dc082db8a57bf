"""One bad file per mistake, and the whole answer to it: code, address, place, line, caret and help."""

# ruff: noqa: E501  # messages stand here as they are printed

from __future__ import annotations

import random
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from ressearch.errors import NothingFitsError, SpaceError, SpaceFileError
from ressearch.space import SearchSpace

HEAD = """\
version: 1
name: mine
input: {shape: [3, 8, 8], classes: 10}
"""
OPERATIONS = (
    "conv1x1, conv3x3, conv5x5, conv7x7, dwconv3x3, dwconv5x5, dwconv7x7, "
    "sepconv3x3, sepconv5x5, sepconv7x7, maxpool2x2, maxpool3x3, avgpool2x2, avgpool3x3, "
    "conv, dwconv, sepconv, maxpool, avgpool, se, identity, none"
)
"""Stands as OPERATIONS in the messages below, which would be too long otherwise."""


class Case(NamedTuple):
    """A file (without its head, where that is fine) and the message that it has to get."""

    name: str
    text: str
    message: str


def block_text(text: str) -> str:
    return textwrap.dedent(text).removeprefix("\n")


def expected(message: str) -> str:
    return block_text(message).rstrip("\n").replace("OPERATIONS", OPERATIONS)


def refusal(text: str) -> str:
    with pytest.raises(SpaceError) as caught:
        SearchSpace.parse(text, "mine.yaml")
    return str(caught.value)


# The head is fine: the text starts on line 4

BODIES = [
    Case(
        "unknown key",
        """
        stages: [{width: 8, block: {use: basic}}]
        limit: {macs: {max: 1M}}
        """,
        """
        error[E003]: limit: unknown key 'limit'
         --> mine.yaml:5:1
          |
        5 | limit: {macs: {max: 1M}}
          | ^
          = help: did you mean 'limits'?
        """,
    ),
    Case(
        "unknown key like no other",
        """
        stages: [{width: 8, block: {use: basic}}]
        zebra: 1
        """,
        """
        error[E003]: zebra: unknown key 'zebra'
         --> mine.yaml:5:1
          |
        5 | zebra: 1
          | ^
          = help: known keys: version, name, input, stem, vars, stages, head, blocks, baselines, limits, parameters, task, train, early_terminate, search
        """,
    ),
    Case(
        "missing key",
        """
        stages:
          - width: 8
            depth: 2
        """,
        """
        error[E004]: stages.0: 'block' is missing
         --> mine.yaml:5:5
          |
        5 |   - width: 8
          |     ^
        """,
    ),
    Case(
        "missing keys",
        """
        stages: [{}]
        """,
        """
        error[E004]: stages.0: 'width' and 'block' are missing
         --> mine.yaml:4:10
          |
        4 | stages: [{}]
          |          ^
        """,
    ),
    Case(
        "another tool's list",
        """
        stages: [{width: {choices: [8, 16]}, block: {use: basic}}]
        """,
        """
        error[E006]: stages.0.width.choices: 'choices' is another tool's word
         --> mine.yaml:4:19
          |
        4 | stages: [{width: {choices: [8, 16]}, block: {use: basic}}]
          |                   ^
          = help: write 'values:'
        """,
    ),
    Case(
        "another tool's bounds",
        """
        stages: [{width: {low: 8, high: 16}, block: {use: basic}}]
        """,
        """
        error[E006]: stages.0.width.low: 'low' is another tool's word
         --> mine.yaml:4:19
          |
        4 | stages: [{width: {low: 8, high: 16}, block: {use: basic}}]
          |                   ^
          = help: write 'min:'

        error[E006]: stages.0.width.high: 'high' is another tool's word
         --> mine.yaml:4:27
          |
        4 | stages: [{width: {low: 8, high: 16}, block: {use: basic}}]
          |                           ^
          = help: write 'max:'
        """,
    ),
    Case(
        "swapped bounds",
        """
        stages: [{width: {min: 16, max: 8}, block: {use: basic}}]
        """,
        """
        error[E007]: stages.0.width: min 16 is not below max 8
         --> mine.yaml:4:18
          |
        4 | stages: [{width: {min: 16, max: 8}, block: {use: basic}}]
          |                  ^
          = help: write min: 8, max: 16
        """,
    ),
    Case(
        "equal bounds",
        """
        stages: [{width: {min: 8, max: 8}, block: {use: basic}}]
        """,
        """
        error[E007]: stages.0.width: min 8 is not below max 8
         --> mine.yaml:4:18
          |
        4 | stages: [{width: {min: 8, max: 8}, block: {use: basic}}]
          |                  ^
          = help: write 8 itself; it is no choice
        """,
    ),
    Case(
        "log of zero",
        """
        vars: {n: {min: 0, max: 4, log: true}}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E008]: vars.n: log: true needs min above 0, got 0
         --> mine.yaml:4:11
          |
        4 | vars: {n: {min: 0, max: 4, log: true}}
          |           ^
        """,
    ),
    Case(
        "log in steps",
        """
        stages: [{width: {min: 8, max: 64, step: 8, log: true}, block: {use: basic}}]
        """,
        """
        error[E008]: stages.0.width: step and log: true exclude each other
         --> mine.yaml:4:18
          |
        4 | stages: [{width: {min: 8, max: 64, step: 8, log: true}, block: {use: basic}}]
          |                  ^
          = help: leave one of them out
        """,
    ),
    Case(
        "a step longer than the interval",
        """
        vars: {r: {min: 0.5, max: 1.5, step: 2}}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E007]: vars.r: step 2 is above max - min, 1
         --> mine.yaml:4:11
          |
        4 | vars: {r: {min: 0.5, max: 1.5, step: 2}}
          |           ^
        """,
    ),
    Case(
        "bounds that are words",
        """
        vars: {r: {min: a, max: b}}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: vars.r: min and max need numbers; list words under 'values:'
         --> mine.yaml:4:11
          |
        4 | vars: {r: {min: a, max: b}}
          |           ^
        """,
    ),
    Case(
        "the same value twice",
        """
        stages: [{width: {values: [8, 16, 8]}, block: {use: basic}}]
        """,
        """
        error[E007]: stages.0.width.values.2: 8 stands here twice
         --> mine.yaml:4:35
          |
        4 | stages: [{width: {values: [8, 16, 8]}, block: {use: basic}}]
          |                                   ^
        """,
    ),
    Case(
        "no values",
        """
        stages: [{width: {values: []}, block: {use: basic}}]
        """,
        """
        error[E005]: stages.0.width.values: expected a list with at least one entry, got an empty list
         --> mine.yaml:4:27
          |
        4 | stages: [{width: {values: []}, block: {use: basic}}]
          |                           ^
        """,
    ),
    Case(
        "a list is not a choice",
        """
        stages: [{width: [8, 16], block: {use: basic}}]
        """,
        """
        error[E005]: stages.0.width: expected a whole number from 1, got a list
         --> mine.yaml:4:18
          |
        4 | stages: [{width: [8, 16], block: {use: basic}}]
          |                  ^
          = help: a choice between them is {values: [..]}
        """,
    ),
    Case(
        "a value of the wrong kind",
        """
        stages: [{width: 8, depth: {values: [1, two]}, block: {use: basic}}]
        """,
        """
        error[E005]: stages.0.depth.values.1: expected a whole number from 1, got 'two'
         --> mine.yaml:4:41
          |
        4 | stages: [{width: 8, depth: {values: [1, two]}, block: {use: basic}}]
          |                                         ^
        """,
    ),
    Case(
        "unknown block",
        """
        stages: [{width: 8, block: {use: botleneck}}]
        """,
        """
        error[E010]: stages.0.block: there is no block 'botleneck'
         --> mine.yaml:4:34
          |
        4 | stages: [{width: 8, block: {use: botleneck}}]
          |                                  ^
          = help: did you mean 'bottleneck'?
        """,
    ),
    Case(
        "unknown operation",
        """
        stages: [{width: 8, block: {use: basic}}]
        blocks:
          basic: {residual: {shortcut: projection}, body: [{op: conv3x3}, {op: conv3}]}
        """,
        """
        error[E012]: blocks.basic.body.1.op: 'conv3' is not an operation; use one of OPERATIONS
         --> mine.yaml:6:72
          |
        6 |   basic: {residual: {shortcut: projection}, body: [{op: conv3x3}, {op: conv3}]}
          |                                                                        ^
          = help: did you mean 'conv3x3'?
        """,
    ),
    Case(
        "unknown operation among values",
        """
        stages: [{width: 8, block: {op: {values: [conv3x3, gru]}}}]
        """,
        """
        error[E012]: stages.0.block.op.values.1: 'gru' is not an operation; use one of OPERATIONS
         --> mine.yaml:4:52
          |
        4 | stages: [{width: 8, block: {op: {values: [conv3x3, gru]}}}]
          |                                                    ^
        """,
    ),
    Case(
        "unknown activation",
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
        "unknown shortcut",
        """
        stages: [{width: 8, block: {residual: {shortcut: projecton}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E015]: stages.0.block.residual.shortcut: 'projecton' is not a shortcut; use one of identity, projection, pad, none
         --> mine.yaml:4:50
          |
        4 | stages: [{width: 8, block: {residual: {shortcut: projecton}, body: [{op: conv3x3}]}}]
          |                                                  ^
          = help: did you mean 'projection'?
        """,
    ),
    Case(
        "unknown order",
        """
        stages: [{width: 8, block: {residual: {order: before}, body: [{op: conv3x3}]}}]
        """,
        """
        error[E011]: stages.0.block.residual.order: 'before' is not an order; use one of post, pre
         --> mine.yaml:4:47
          |
        4 | stages: [{width: 8, block: {residual: {order: before}, body: [{op: conv3x3}]}}]
          |                                               ^
        """,
    ),
    Case(
        "unknown way to tie",
        """
        stages: [{width: 8, block: {use: basic}}]
        blocks: {mine: {tie: always, seq: [{op: conv3x3}]}}
        """,
        """
        error[E011]: blocks.mine.tie: 'always' is not a way to tie; use one of none, stage, network
         --> mine.yaml:5:22
          |
        5 | blocks: {mine: {tie: always, seq: [{op: conv3x3}]}}
          |                      ^
        """,
    ),
    Case(
        "a block of no kind",
        """
        stages: [{width: 8, block: {body: [{op: conv3x3}]}}]
        """,
        """
        error[E016]: stages.0.block: a block is exactly one of op, seq, residual, dense, repeat, one_of, use, graph; this has none of them
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {body: [{op: conv3x3}]}}]
          |                            ^
        """,
    ),
    Case(
        "a block of two kinds",
        """
        stages: [{width: 8, block: {op: conv3x3, use: basic}}]
        """,
        """
        error[E016]: stages.0.block: a block is exactly one of op, seq, residual, dense, repeat, one_of, use, graph; this has op and use
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: conv3x3, use: basic}}]
          |                            ^
        """,
    ),
    Case(
        "a block that is a word",
        """
        stages: [{width: 8, block: basic}]
        """,
        """
        error[E005]: stages.0.block: expected a mapping, got 'basic'
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: basic}]
          |                            ^
        """,
    ),
    Case(
        "a body without blocks",
        """
        stages: [{width: 8, block: {residual: {}, body: []}}]
        """,
        """
        error[E005]: stages.0.block.body: expected a list with at least one entry, got an empty list
         --> mine.yaml:4:49
          |
        4 | stages: [{width: 8, block: {residual: {}, body: []}}]
          |                                                 ^
        """,
    ),
    Case(
        "a block's name with a dot",
        """
        stages: [{width: 8, block: {use: basic}}]
        blocks: {my.block: {op: conv3x3}}
        """,
        """
        error[E005]: blocks: a block's name starts with a letter and has no dots, got 'my.block'
         --> mine.yaml:5:10
          |
        5 | blocks: {my.block: {op: conv3x3}}
          |          ^
        """,
    ),
    Case(
        "recursion without a bound",
        """
        stages: [{width: 8, block: {use: a}}]
        blocks:
          a: {residual: {}, body: [{use: b}]}
          b: {one_of: {deeper: {use: a}, end: {op: conv3x3}}}
        """,
        """
        error[E013]: blocks.a: recursion without a bound: a -> b -> a
         --> mine.yaml:6:6
          |
        6 |   a: {residual: {}, body: [{use: b}]}
          |      ^
          = help: give 'a' a max_depth, e.g. 2
        """,
    ),
    Case(
        "recursion that cannot end",
        """
        stages: [{width: 8, block: {use: a}}]
        blocks:
          a: {max_depth: 3, residual: {}, body: [{op: conv3x3}, {use: a}]}
        """,
        """
        error[E013]: blocks.a: every way through 'a' needs more nesting than its max_depth allows
         --> mine.yaml:6:6
          |
        6 |   a: {max_depth: 3, residual: {}, body: [{op: conv3x3}, {use: a}]}
          |      ^
          = help: give it a one_of with a branch that ends
        """,
    ),
    Case(
        "unknown variable",
        """
        vars: {depth: {min: 1, max: 3}}
        stages: [{width: 8, depth: {var: dept}, block: {use: basic}}]
        """,
        """
        error[E014]: stages.0: there is no variable 'dept'
         --> mine.yaml:5:34
          |
        5 | stages: [{width: 8, depth: {var: dept}, block: {use: basic}}]
          |                                  ^
          = help: did you mean 'depth'?
        """,
    ),
    Case(
        "unknown variable in a ratio",
        """
        stages: [{width: 8, block: {op: conv3x3, width: {ratio: {var: r}}}}]
        """,
        """
        error[E014]: stages.0.block: there is no variable 'r'
         --> mine.yaml:4:63
          |
        4 | stages: [{width: 8, block: {op: conv3x3, width: {ratio: {var: r}}}}]
          |                                                               ^
          = help: name it under 'vars:'
        """,
    ),
    Case(
        "a variable of the wrong kind",
        """
        vars: {n: {values: [one, two]}}
        stages:
          - {width: 8, depth: {var: n}, block: {use: basic}}
          - {width: 8, depth: {var: n}, block: {use: basic}}
        """,
        """
        error[E005]: vars.n.values.0: expected a whole number from 1, got 'one'
         --> mine.yaml:4:21
          |
        4 | vars: {n: {values: [one, two]}}
          |                     ^

        error[E005]: vars.n.values.1: expected a whole number from 1, got 'two'
         --> mine.yaml:4:26
          |
        4 | vars: {n: {values: [one, two]}}
          |                          ^
        """,
    ),
    Case(
        "a variable for a variable",
        """
        vars: {m: 2, n: {var: m}}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: vars.n: a variable cannot stand for another variable
         --> mine.yaml:4:17
          |
        4 | vars: {m: 2, n: {var: m}}
          |                 ^
        """,
    ),
    Case(
        "identity between different shapes",
        """
        stages:
          - width: 8
            block: {residual: {shortcut: identity}, body: [{op: conv3x3}, {op: conv1x1, width: 12}]}
        """,
        """
        error[E017]: stages.0.block.0: an identity shortcut between different shapes: the body ends in 12x8x8, the stage asks for 8x8x8
         --> mine.yaml:6:12
          |
        6 |     block: {residual: {shortcut: identity}, body: [{op: conv3x3}, {op: conv1x1, width: 12}]}
          |            ^
          = help: end the body in the stage's width, or use shortcut: projection
        """,
    ),
    Case(
        "a pool that would shrink by one",
        """
        stages: [{width: 8, block: {op: maxpool2x2}}]
        """,
        """
        error[E017]: stages.0.block.0: an even window keeps no map's size: 2x2 at stride 1
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: maxpool2x2}}]
          |                            ^
          = help: write stride: 2, or use an odd window
        """,
    ),
    Case(
        "groups that do not divide",
        """
        stages: [{width: 8, block: {op: conv3x3, groups: 3}}]
        """,
        """
        error[E017]: stages.0.block.0: conv: groups must divide both widths, got groups 3, input width 3, width 8
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {op: conv3x3, groups: 3}}]
          |                            ^
        """,
    ),
    Case(
        "baseline: value not permitted",
        """
        stages: [{width: 8, depth: {min: 1, max: 3}, block: {use: basic}}]
        baselines: {deep: {depth: 4}}
        """,
        """
        error[E019]: baselines.deep: not in the space: stages.0.depth cannot be 4
         --> mine.yaml:5:19
          |
        5 | baselines: {deep: {depth: 4}}
          |                   ^
          = help: choose one of: 1 to 3
        """,
    ),
    Case(
        "baseline: a choice left open",
        """
        stages: [{width: {values: [8, 16]}, depth: {min: 1, max: 3}, block: {use: basic}}]
        baselines: {half: {depth: 2}}
        """,
        """
        error[E019]: baselines.half: not in the space: leaves stages.0.width open
         --> mine.yaml:5:19
          |
        5 | baselines: {half: {depth: 2}}
          |                   ^
          = help: choose one of: 8, 16
        """,
    ),
    Case(
        "baseline: a key that addresses nothing",
        """
        stages: [{width: 8, depth: {min: 1, max: 3}, block: {use: basic}}]
        baselines: {odd: {depth: 2, stages.0.dept: 3}}
        """,
        """
        error[E019]: baselines.odd: not in the space: 'stages.0.dept' addresses no choice of this network
         --> mine.yaml:5:18
          |
        5 | baselines: {odd: {depth: 2, stages.0.dept: 3}}
          |                  ^
          = help: did you mean 'stages.0.depth'?
        """,
    ),
    Case(
        "baselines, all of them",
        """
        stages: [{width: 8, depth: {min: 1, max: 3}, block: {use: basic}}]
        baselines:
          deep: {depth: 4}
          fine: {depth: 2}
          open: {}
        """,
        """
        error[E019]: baselines.deep: not in the space: stages.0.depth cannot be 4
         --> mine.yaml:6:9
          |
        6 |   deep: {depth: 4}
          |         ^
          = help: choose one of: 1 to 3

        error[E019]: baselines.open: not in the space: leaves stages.0.depth open
         --> mine.yaml:8:9
          |
        8 |   open: {}
          |         ^
          = help: choose one of: 1 to 3
        """,
    ),
    Case(
        "limits: not a quantity",
        """
        stages: [{width: 8, block: {use: basic}}]
        limits: {macs: {max: 150 M}}
        """,
        """
        error[E005]: limits.macs.max: expected a number such as 150M (suffixes k, M, G), got '150 M'
         --> mine.yaml:5:22
          |
        5 | limits: {macs: {max: 150 M}}
          |                      ^
        """,
    ),
    Case(
        "limits: unknown quantity",
        """
        stages: [{width: 8, block: {use: basic}}]
        limits: {mac: {max: 150M}}
        """,
        """
        error[E003]: limits.mac: unknown key 'mac'
         --> mine.yaml:5:10
          |
        5 | limits: {mac: {max: 150M}}
          |          ^
          = help: did you mean 'macs'?
        """,
    ),
    Case(
        "limits: swapped",
        """
        stages: [{width: 8, block: {use: basic}}]
        limits: {params: {min: 2k, max: 1.5k}}
        """,
        """
        error[E007]: limits.params: min 2000 is above max 1500
         --> mine.yaml:5:18
          |
        5 | limits: {params: {min: 2k, max: 1.5k}}
          |                  ^
          = help: write min: 1500, max: 2000
        """,
    ),
    Case(
        "train: impossible value",
        """
        stages: [{width: 8, block: {use: basic}}]
        train: {epochs: 3, lr: -0.1}
        """,
        """
        error[E005]: train.lr: lr must be above 0, got -0.1
         --> mine.yaml:5:24
          |
        5 | train: {epochs: 3, lr: -0.1}
          |                        ^
        """,
    ),
    Case(
        "train: wrong kind",
        """
        stages: [{width: 8, block: {use: basic}}]
        train: {epochs: 2.5}
        """,
        """
        error[E005]: train.epochs: expected a whole number from 1, got 2.5
         --> mine.yaml:5:17
          |
        5 | train: {epochs: 2.5}
          |                 ^
        """,
    ),
    Case(
        "train: unknown key",
        """
        stages: [{width: 8, block: {use: basic}}]
        train: {epoch: 3}
        """,
        """
        error[E003]: train.epoch: unknown key 'epoch'
         --> mine.yaml:5:9
          |
        5 | train: {epoch: 3}
          |         ^
          = help: did you mean 'epochs'?
        """,
    ),
    Case(
        "train: no mapping",
        """
        stages: [{width: 8, block: {use: basic}}]
        train: fast
        """,
        """
        error[E005]: train: expected a mapping, got 'fast'
         --> mine.yaml:5:8
          |
        5 | train: fast
          |        ^
        """,
    ),
    Case(
        "search: wrong kind",
        """
        stages: [{width: 8, block: {use: basic}}]
        search: {workers: 0}
        """,
        """
        error[E005]: search.workers: expected a whole number from 1, got 0
         --> mine.yaml:5:19
          |
        5 | search: {workers: 0}
          |                   ^
        """,
    ),
    Case(
        "early_terminate: words of others",
        """
        stages: [{width: 8, block: {use: basic}}]
        early_terminate: {type: envelope, grace_period: 1, max_iter: 9}
        """,
        """
        error[E005]: early_terminate.type: 'envelope' is not a way to terminate trials early; use one of hyperband
         --> mine.yaml:5:25
          |
        5 | early_terminate: {type: envelope, grace_period: 1, max_iter: 9}
          |                         ^

        error[E006]: early_terminate.grace_period: 'grace_period' is another tool's word
         --> mine.yaml:5:35
          |
        5 | early_terminate: {type: envelope, grace_period: 1, max_iter: 9}
          |                                   ^
          = help: write 'min_iter:'

        error[E006]: early_terminate.max_iter: 'max_iter' is another tool's word
         --> mine.yaml:5:52
          |
        5 | early_terminate: {type: envelope, grace_period: 1, max_iter: 9}
          |                                                    ^
          = help: leave it out: the last rung is at train.epochs
        """,
    ),
    Case(
        "early_terminate: no rung below the last",
        """
        stages: [{width: 8, block: {use: basic}}]
        train: {epochs: 3}
        early_terminate: {min_iter: 3}
        """,
        """
        error[E007]: early_terminate.min_iter: the first rung, at 3 epochs, is not below the last, at 3 (train.epochs)
         --> mine.yaml:6:18
          |
        6 | early_terminate: {min_iter: 3}
          |                  ^
          = help: lower min_iter, or raise train.epochs
        """,
    ),
    Case(
        "task: no data set",
        """
        stages: [{width: 8, block: {use: basic}}]
        task: {}
        """,
        """
        error[E004]: task: 'dataset' is missing
         --> mine.yaml:5:7
          |
        5 | task: {}
          |       ^
        """,
    ),
    Case(
        "a broken block breaks nothing else",
        """
        stages: [{width: 8, block: {use: mine}}]
        blocks:
          mine: {max_depth: 2, one_of: {deeper: {seq: [{use: mine}]}, end: {op: conv3}}}
        """,
        """
        error[E012]: blocks.mine.one_of.end.op: 'conv3' is not an operation; use one of OPERATIONS
         --> mine.yaml:6:73
          |
        6 |   mine: {max_depth: 2, one_of: {deeper: {seq: [{use: mine}]}, end: {op: conv3}}}
          |                                                                         ^
          = help: did you mean 'conv3x3'?
        """,
    ),
    Case(
        "several mistakes in one block",
        """
        stages:
          - width: {min: 9, max: 1}
            depth: none
            block: {dense: {layers: 0, growth: x}, body: [{op: conv1, groups: 0}]}
        """,
        """
        error[E007]: stages.0.width: min 9 is not below max 1
         --> mine.yaml:5:12
          |
        5 |   - width: {min: 9, max: 1}
          |            ^
          = help: write min: 1, max: 9

        error[E005]: stages.0.depth: expected a whole number from 1, got 'none'
         --> mine.yaml:6:12
          |
        6 |     depth: none
          |            ^

        error[E005]: stages.0.block.dense.layers: expected a whole number from 1, got 0
         --> mine.yaml:7:29
          |
        7 |     block: {dense: {layers: 0, growth: x}, body: [{op: conv1, groups: 0}]}
          |                             ^

        error[E005]: stages.0.block.dense.growth: expected a whole number from 1, got 'x'
         --> mine.yaml:7:40
          |
        7 |     block: {dense: {layers: 0, growth: x}, body: [{op: conv1, groups: 0}]}
          |                                        ^

        error[E012]: stages.0.block.body.0.op: 'conv1' is not an operation; use one of OPERATIONS
         --> mine.yaml:7:56
          |
        7 |     block: {dense: {layers: 0, growth: x}, body: [{op: conv1, groups: 0}]}
          |                                                        ^
          = help: did you mean 'conv1x1'?

        error[E005]: stages.0.block.body.0.groups: expected a whole number from 1, got 0
         --> mine.yaml:7:71
          |
        7 |     block: {dense: {layers: 0, growth: x}, body: [{op: conv1, groups: 0}]}
          |                                                                       ^
        """,
    ),
]


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
def test_a_mistake_below_the_head(case: Case) -> None:
    assert refusal(HEAD + block_text(case.text)) == expected(case.message)


HEADS = [
    Case(
        "a sum of different shapes",
        """
        version: 1
        name: mine
        input: {shape: [3, 9, 9], classes: 10}
        stages: [{width: 8, block: {residual: {shortcut: projection}, body: [{op: maxpool2x2, stride: 2}]}}]
        """,
        """
        error[E017]: stages.0.block.0: add needs inputs of one shape, got (8, 4, 4) and (8, 3, 3)
         --> mine.yaml:4:28
          |
        4 | stages: [{width: 8, block: {residual: {shortcut: projection}, body: [{op: maxpool2x2, stride: 2}]}}]
          |                            ^
        """,
    ),
    Case(
        "wrong input shape",
        """
        version: 1
        name: mine
        input: {shape: [8, 8], classes: 10}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: input.shape: expected [channels, height, width], got 2 numbers
         --> mine.yaml:3:16
          |
        3 | input: {shape: [8, 8], classes: 10}
          |                ^
        """,
    ),
    Case(
        "wrong input sizes",
        """
        version: 1
        name: mine
        input: {shape: [3, 8, 0], classes: 1}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: input.shape.2: expected a whole number from 1, got 0
         --> mine.yaml:3:23
          |
        3 | input: {shape: [3, 8, 0], classes: 1}
          |                       ^

        error[E005]: input.classes: expected a whole number from 2, got 1
         --> mine.yaml:3:36
          |
        3 | input: {shape: [3, 8, 0], classes: 1}
          |                                    ^
        """,
    ),
    Case(
        "wrong version",
        """
        version: 2
        name: mine
        input: {shape: [3, 8, 8], classes: 10}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: version: expected 1, the language version, got 2
         --> mine.yaml:1:10
          |
        1 | version: 2
          |          ^
        """,
    ),
    Case(
        "a version that is no number",
        """
        version: true
        name: mine
        input: {shape: [3, 8, 8], classes: 10}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: version: expected 1, the language version, got True
         --> mine.yaml:1:10
          |
        1 | version: true
          |          ^
        """,
    ),
    Case(
        "wrong name",
        """
        version: 1
        name: my space
        input: {shape: [3, 8, 8], classes: 10}
        stages: [{width: 8, block: {use: basic}}]
        """,
        """
        error[E005]: name: expected letters, digits, '.', '_' and '-', got 'my space'
         --> mine.yaml:2:7
          |
        2 | name: my space
          |       ^
        """,
    ),
    Case(
        "no mapping at all",
        """
        - version: 1
        """,
        """
        error[E005]: expected a mapping, got a list
         --> mine.yaml:1:1
          |
        1 | - version: 1
          | ^
        """,
    ),
]


@pytest.mark.parametrize("case", HEADS, ids=lambda case: case.name)
def test_a_mistake_in_the_head(case: Case) -> None:
    assert refusal(block_text(case.text)) == expected(case.message)


def test_all_mistakes_of_a_file_come_in_one_answer_in_file_order() -> None:
    text = """
        version: 1
        nam: mine
        input: {shape: [3, 32, 32], classes: 10}
        stages:
          - {width: {min: 64, max: 16}, block: {use: mine}}
          - {width: 32, depth: {choices: [1, 2]}, block: {use: yours}}
        blocks:
          mine: {residual: {shortcut: idenity}, body: [{op: conv3}, {op: conv3x3, strides: 2}]}
        baselines: {small: {depth: [1]}}
        limits: {macs: {max: 1T}}
        train: {lr: 0, momentum: 1}
        """
    message = """
        error[E004]: 'name' is missing
         --> mine.yaml:1:1
          |
        1 | version: 1
          | ^

        error[E003]: nam: unknown key 'nam'
         --> mine.yaml:2:1
          |
        2 | nam: mine
          | ^
          = help: did you mean 'name'?

        error[E007]: stages.0.width: min 64 is not below max 16
         --> mine.yaml:5:13
          |
        5 |   - {width: {min: 64, max: 16}, block: {use: mine}}
          |             ^
          = help: write min: 16, max: 64

        error[E006]: stages.1.depth.choices: 'choices' is another tool's word
         --> mine.yaml:6:25
          |
        6 |   - {width: 32, depth: {choices: [1, 2]}, block: {use: yours}}
          |                         ^
          = help: write 'values:'

        error[E010]: stages.1.block: there is no block 'yours'
         --> mine.yaml:6:56
          |
        6 |   - {width: 32, depth: {choices: [1, 2]}, block: {use: yours}}
          |                                                        ^
          = help: known blocks: basic, bottleneck, dense_layer, dense, nested, mine

        error[E015]: blocks.mine.residual.shortcut: 'idenity' is not a shortcut; use one of identity, projection, pad, none
         --> mine.yaml:8:31
          |
        8 |   mine: {residual: {shortcut: idenity}, body: [{op: conv3}, {op: conv3x3, strides: 2}]}
          |                               ^
          = help: did you mean 'identity'?

        error[E012]: blocks.mine.body.0.op: 'conv3' is not an operation; use one of OPERATIONS
         --> mine.yaml:8:53
          |
        8 |   mine: {residual: {shortcut: idenity}, body: [{op: conv3}, {op: conv3x3, strides: 2}]}
          |                                                     ^
          = help: did you mean 'conv3x3'?

        error[E003]: blocks.mine.body.1.strides: unknown key 'strides'
         --> mine.yaml:8:75
          |
        8 |   mine: {residual: {shortcut: idenity}, body: [{op: conv3}, {op: conv3x3, strides: 2}]}
          |                                                                           ^
          = help: did you mean 'stride'?

        error[E005]: baselines.small.depth: expected a word, a number or a choice, got a list
         --> mine.yaml:9:28
          |
        9 | baselines: {small: {depth: [1]}}
          |                            ^

        error[E005]: limits.macs.max: expected a number such as 150M (suffixes k, M, G), got '1T'
          --> mine.yaml:10:22
           |
        10 | limits: {macs: {max: 1T}}
           |                      ^

        error[E005]: train.lr: lr must be above 0, got 0
          --> mine.yaml:11:13
           |
        11 | train: {lr: 0, momentum: 1}
           |             ^

        error[E005]: train.momentum: momentum must be in [0, 1), got 1
          --> mine.yaml:11:26
           |
        11 | train: {lr: 0, momentum: 1}
           |                          ^
        """
    assert refusal(block_text(text)) == expected(message)


# What goes wrong outside of the text


def test_limits_that_no_sample_satisfies() -> None:
    """The one network has 3 x 8 x 9 (stem) + 2 x 8 x 8 x 9 MACs per pixel and 80 in its head: 87,632."""
    stem = "stem: {op: conv3x3, width: 8}\n"
    stages = "stages: [{width: 8, block: {use: basic}}]\n"
    space = SearchSpace.parse(HEAD + stem + stages + "limits: {macs: {max: 80k}}\n")
    with pytest.raises(NothingFitsError) as caught:
        space.sample(random.Random(0))
    assert (3 * 8 * 9 + 2 * 8 * 8 * 9) * 8 * 8 + 8 * 10 == 87_632
    assert str(caught.value) == (
        "error[E300]: found no network of 'mine' within its limits, neither in 256 draws nor near them\n"
        "  = help: the nearest has 87,632 macs; widen the limits"
    )
    assert caught.value.exit_status == 3


def test_a_missing_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    with pytest.raises(SpaceFileError) as caught:
        SearchSpace.load(missing)
    assert str(caught.value) == f"error[E031]: cannot read the search space {missing}: No such file or directory"
    assert caught.value.exit_status == 2


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpaceFileError, match=r"cannot read the search space .*: Is a directory$"):
        SearchSpace.load(tmp_path)


def test_a_message_names_the_file_that_was_loaded(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(HEAD + "stages: [{width: 8, block: {use: basi}}]\n")
    with pytest.raises(SpaceError) as caught:
        SearchSpace.load(path)
    assert f" --> {path}:4:34\n" in str(caught.value)
    assert caught.value.exit_status == 2
