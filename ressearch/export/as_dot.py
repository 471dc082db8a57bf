"""`dot`: the graph for Graphviz, one cluster a stage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ressearch.errors import MismatchError
from ressearch.export.check import GONE
from ressearch.export.subject import Subject
from ressearch.ops import describe, name_of

COLOURS = {
    "conv": "#c6dbef", "linear": "#c6dbef", "norm": "#e5e5e5", "activation": "#fdd0a2", "pool": "#c7e9c0",
    "global_pool": "#c7e9c0", "add": "#fcbba1", "concat": "#dadaeb", "multiply": "#fcbba1",
}  # fmt: skip
"""By the name of an op; others are white."""


def write(subject: Subject, path: Path) -> None:
    """Write the graph."""
    path.write_text("\n".join(_lines(subject)) + "\n", encoding="utf-8")


def _lines(subject: Subject) -> Iterator[str]:
    architecture = subject.architecture
    yield f'digraph "{architecture.id}" {{'
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=10];'
    for stage, group in groupby(range(len(architecture)), lambda at: _stage(architecture.nodes[at].name)):
        nodes = [f"    n{at} [{_label(subject, at)}];" for at in group]
        first = nodes[0].split()[0]
        yield from (
            [f"  subgraph cluster_{first} {{", f'    label="{_quoted(stage)}";', *nodes, "  }"] if stage else nodes
        )
    for at, node in enumerate(architecture.nodes):
        yield from (f"  n{source} -> n{at};" for source in node.inputs)
    yield "}"


def _stage(name: str) -> str:
    found = re.match(r"stages\.(\d+)\.", name)
    return f"stage {int(found[1]) + 1}" if found else name.partition(".")[0] if "." in name else ""


def _label(subject: Subject, at: int) -> str:
    node, shape = subject.architecture.nodes[at], subject.architecture.shapes[at]
    text = f"{describe(node.op)}\\n{' x '.join(map(str, shape))}"
    colour = COLOURS.get(name_of(node.op))
    return f'label="{_quoted(text)}", tooltip="{_quoted(node.name)}"' + (f', fillcolor="{colour}"' if colour else "")


def _quoted(text: str) -> str:
    return text.replace('"', '\\"')


def check(subject: Subject, path: Path) -> str:
    """Count and compare the nodes, and compare the edges."""
    text = path.read_text(encoding="utf-8")
    nodes = [int(at) for at in re.findall(r"^ *n(\d+) \[", text, re.MULTILINE)]
    edges = [(int(a), int(b)) for a, b in re.findall(r"^ *n(\d+) -> n(\d+);", text, re.MULTILINE)]
    architecture = subject.architecture
    wanted = [(source, at) for at, node in enumerate(architecture.nodes) for source in node.inputs]
    if nodes != list(range(len(architecture))) or sorted(edges) != sorted(wanted):
        raise MismatchError(f"what was written has {len(nodes)} nodes and {len(edges)} edges, the network "
                            f"{len(architecture)} and {len(wanted)}; {GONE}")  # fmt: skip
    return f"{len(nodes)} nodes, {len(edges)} edges"
