"""Networks that between them hold every pattern and every op, small enough to be exported in a test."""

from __future__ import annotations

from functools import cache

from ressearch.export import Subject, Weights
from ressearch.export.subject import lively_state
from ressearch.space import Candidate, SearchSpace

HEAD = "version: 1\nname: {name}\ninput: {{shape: [3, 8, 8], classes: 5}}\nstem: {{op: conv3x3, width: 8}}\n"
TWO = "stages: [{width: 8, depth: 2, block: BLOCK}, {width: 16, depth: 2, block: BLOCK}]\n"
BODY = "body: [{op: conv3x3}, {op: conv3x3}]"
CELL = """{graph: {
  nodes: {a: {op: conv3x3}, b: {op: sepconv3x3}, c: {op: maxpool3x3}, d: {op: LAST}},
  edges: [[in, a], [in, b], [a, b], [a, c], [b, out], [c, out], [in, d], [d, out]]}}"""

PATTERNS = {
    "plain": "{seq: [{op: conv3x3}, {op: conv5x5, bias: true, act: gelu}]}",
    "basic": "{use: basic}",
    "pad": "{residual: {shortcut: pad}, BODY}",
    "bottleneck": "{use: bottleneck}",
    "dense": "{use: dense}",
    "dual-path": "{dense: {layers: 3, growth: 2, residual: 8}, body: [{op: conv1x1, width: 4}, {op: conv3x3}]}",
    "nested": "{residual: {shortcut: projection}, body: [{use: nested}, {use: basic}]}",
    "cell": CELL.replace("LAST", "conv1x1"),
    "none": CELL.replace("LAST", "none"),
    "concat": "{residual: {shortcut: projection, merge: concat, act: silu}, BODY}",
    "mean": "{residual: {shortcut: projection, merge: mean, order: pre}, BODY}",
    "scalar-gate": "{residual: {gate: scalar, drop_path: 0.3}, BODY}",
    "layer-scale": "{residual: {gate: layer_scale, drop_path: 0.3, act: relu6}, BODY}",
    "fixed-gate": "{residual: {gate: fixed, order: pre}, body: [{op: conv3x3, act: leaky_relu}, {op: conv3x3}]}",
    "zero-gamma": "{residual: {gate: zero_gamma}, BODY}",
    "zero-conv": "{residual: {gate: zero_gamma, order: pre}, BODY}",
    "excitation": "{residual: {gate: zero_gamma}, body: [{op: conv3x3}, {op: conv3x3}, {op: se, reduction: 4}]}",
    "grouped": "{residual: {}, body: [{op: conv1x1}, {op: dwconv3x3}, {op: conv3x3, groups: 4}, {op: avgpool3x3}]}",
}
"""Block by the name of its pattern; each network has two of it in a stage, in two stages."""


def space_of(pattern: str) -> SearchSpace:
    """A space of one network, of one pattern."""
    block = PATTERNS[pattern].replace("BODY", BODY)
    return SearchSpace.parse(HEAD.format(name=pattern) + TWO.replace("BLOCK", block))


def candidate_of(pattern: str) -> Candidate:
    """The network of a pattern."""
    return space_of(pattern).decode_stored({})


@cache
def subject_of(pattern: str) -> Subject:
    """It with weights as after some training."""
    space, candidate = space_of(pattern), candidate_of(pattern)
    weights = Weights(lively_state(candidate.architecture), "drawn for a test", trained=True)
    return Subject(candidate.architecture, weights, pattern, space, candidate.decisions, candidate.recipe)
