"""What each error code means, at more length than a message can say it: `ressearch explain CODE`.

Examples are a whole search space file or a part of one; where the mistake is not in a file, they are a command or a
line of Python. A few codes have none.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

WIDTH = 90


@dataclass(frozen=True)
class Explanation:
    """One code: what is wrong and why it matters, an example of it, and the example put right."""

    title: str
    text: str
    wrong: str = ""
    right: str = ""


def listing() -> str:
    """All codes, a line each."""
    return "\n".join(f"{code}  {explanation.title}" for code, explanation in EXPLANATIONS.items())


def page(code: str) -> str:
    """All about one code. Raises KeyError if there is no such code."""
    found = EXPLANATIONS[normal(code)]
    parts = [f"{normal(code)}: {found.title}", textwrap.fill(found.text, WIDTH)]
    for head, example in (("Wrong:", found.wrong), ("Right:", found.right)):
        if example:
            parts += [head, textwrap.indent(example, "    ")]
    return "\n\n".join(parts)


def normal(code: str) -> str:
    """The code as the table has it, however it was typed."""
    return code.strip().upper()


def nearest(code: str) -> list[str]:
    """Up to three codes that look most like a word that is none."""
    return difflib.get_close_matches(normal(code), EXPLANATIONS, n=3, cutoff=0.5)


_EXPLANATIONS = {
    "E000": Explanation(
        "a search space file is wrong",
        "Stands for all mistakes of one file together. Each of them is printed with its own code, line and column; "
        "look those codes up instead.",
    ),
    "E001": Explanation(
        "the file is not YAML",
        "The text cannot be read as one YAML document, so nothing in it has a meaning yet: a bracket or quote that is "
        "never closed, a tab as indentation, an alias without its anchor, a second document, an empty file. The place "
        "is where reading stopped; the cause is there or a little above.",
        "stages: [{width: 16, block: {use: basic}]",
        "stages: [{width: 16, block: {use: basic}}]",
    ),
    "E002": Explanation(
        "a key stands twice in one mapping",
        "YAML readers usually keep the last of two equal keys and say nothing, so that half of what you wrote is lost. "
        "Here it is an error. Keep one of the two.",
        "train: {epochs: 4, lr: 0.1, epochs: 8}",
        "train: {epochs: 8, lr: 0.1}",
    ),
    "E003": Explanation(
        "a key or a notation that means nothing here",
        "A key that is not known at this place would be ignored, and the search would run over another space than you "
        "think. Most are typing errors, or a key one level too high or too low. Two keys that say the same thing "
        "(groups and group_width) and YAML's tags, directives and merge keys (<<) are refused with this code as well.",
        "limit: {macs: {max: 10M}}",
        "limits: {macs: {max: 10M}}",
    ),
    "E004": Explanation(
        "a key is missing",
        "The mapping lacks a key for which there is no sensible default. A stage needs width and block, a dense block "
        "layers and growth, a choice by bounds both min and max.",
        "stages: [{width: 16, depth: 2}]",
        "stages: [{width: 16, depth: 2, block: {use: basic}}]",
    ),
    "E005": Explanation(
        "a value of the wrong kind",
        "The key is right, but it cannot take this value: a word where a number must be, a number out of its range, a "
        "list where one value must be, a name with characters that addresses cannot hold. A list is never a choice; "
        "write a choice as {values: [..]} or {min: .., max: ..}.",
        "stages: [{width: [16, 32], block: {use: basic}}]",
        "stages: [{width: {values: [16, 32]}, block: {use: basic}}]",
    ),
    "E006": Explanation(
        "a key in another tool's words",
        "Optuna, Ray Tune, NNI and others call the parts of a choice by other names. Here a choice has values, or min "
        "and max, perhaps with step or log. The message says which word to write.",
        "stages: [{width: {choices: [16, 32]}, block: {use: basic}}]",
        "stages: [{width: {values: [16, 32]}, block: {use: basic}}]",
    ),
    "E007": Explanation(
        "a choice or a limit that holds nothing, or one thing twice",
        "min is not below max, a step is longer than the whole interval, or a value stands twice in a list and would "
        "be drawn twice as often as the others. If there is but one value, write that value itself: it is no decision.",
        "stages: [{width: {min: 64, max: 16}, block: {use: basic}}]",
        "stages: [{width: {min: 16, max: 64}, block: {use: basic}}]",
    ),
    "E008": Explanation(
        "a logarithmic choice that cannot be drawn",
        "On a logarithmic scale each order of magnitude is equally likely; zero is infinitely many orders away, so min "
        "must be above 0. And equal steps are not equal on that scale, so step and log: true exclude each other.",
        "parameters: {weight_decay: {distribution: log_uniform_values, min: 0, max: 1e-2}}",
        "parameters: {weight_decay: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}}",
    ),
    "E010": Explanation(
        "a block that does not exist",
        "use: names a block that stands neither under blocks: nor among the standard ones (basic, bottleneck, "
        "dense_layer, dense, nested).",
        "stages: [{width: 64, block: {use: botleneck}}]",
        "stages: [{width: 64, block: {use: bottleneck}}]",
    ),
    "E011": Explanation(
        "a word that is not among those the key takes",
        "Keys such as act, order, merge, gate, tie, distribution and proposer take one of a few words; the message "
        "lists them. Other libraries may have other names for the same thing (swish is silu).",
        "stages: [{width: 16, block: {op: conv3x3, act: swish}}]",
        "stages: [{width: 16, block: {op: conv3x3, act: silu}}]",
    ),
    "E012": Explanation(
        "an operation that does not exist",
        "op: takes one of a closed list of operations, so that the cost of every network is known exactly. A size is "
        "written out, as in conv3x3, or given beside a word without one: {op: conv, kernel: 3}.",
        "stages: [{width: 16, block: {op: conv3}}]",
        "stages: [{width: 16, block: {op: conv3x3}}]",
    ),
    "E013": Explanation(
        "a recursion that does not end",
        "A block that stands inside itself, directly or through others, would make an infinite network. Give it a "
        "max_depth, and a one_of with a branch that does not lead back to it.",
        "stages: [{width: 16, block: {use: cell}}]\n"
        "blocks:\n"
        "  cell:\n"
        "    one_of: {flat: {use: basic}, nested: {residual: {}, body: [{use: cell}, {use: cell}]}}",
        "stages: [{width: 16, block: {use: cell}}]\n"
        "blocks:\n"
        "  cell:\n"
        "    max_depth: 2\n"
        "    one_of: {flat: {use: basic}, nested: {residual: {}, body: [{use: cell}, {use: cell}]}}",
    ),
    "E014": Explanation(
        "a variable that does not exist",
        "{var: name} stands for a decision that vars: gives this name to; there is none.",
        "vars: {n: {min: 1, max: 9}}\nstages: [{width: 16, depth: {var: m}, block: {use: basic}}]",
        "vars: {n: {min: 1, max: 9}}\nstages: [{width: 16, depth: {var: n}, block: {use: basic}}]",
    ),
    "E015": Explanation(
        "a shortcut that does not exist",
        "shortcut: takes identity (nothing to learn; a projection where the stage changes the shape), pad (zeros for "
        "the new channels), projection (a 1x1 convolution everywhere), none (a plain network), or any block.",
        "stages: [{width: 16, block: {residual: {shortcut: conv1x1}, body: [{op: conv3x3}]}}]",
        "stages: [{width: 16, block: {residual: {shortcut: {op: conv1x1}}, body: [{op: conv3x3}]}}]",
    ),
    "E016": Explanation(
        "a block of no kind, or of two",
        "Exactly one of op, seq, residual, dense, repeat, one_of, use and graph says what kind of block it is. With "
        "two, their order would be unclear; put them into a seq.",
        "stages: [{width: 16, block: {op: conv3x3, use: basic}}]",
        "stages: [{width: 16, block: {seq: [{op: conv3x3}, {use: basic}]}}]",
    ),
    "E017": Explanation(
        "shapes that do not fit",
        "The file reads well, but some choice of its decisions builds a network whose tensors cannot be joined: a sum "
        "of different widths, groups that do not divide the channels, a window that shrinks the map where its size "
        "must stay. The message names block and shapes. Here the body ends in 12 channels and the stage has 16.",
        "stages:\n"
        "  - width: 16\n"
        "    block: {residual: {shortcut: identity}, body: [{op: conv3x3}, {op: conv1x1, width: 12}]}",
        "stages:\n"
        "  - width: 16\n"
        "    block: {residual: {shortcut: identity}, body: [{op: conv3x3, width: 12}, {op: conv1x1}]}",
    ),
    "E018": Explanation(
        "edges that make no graph",
        "The edges of a graph block must lead from in to out without a cycle, name nodes that exist, stand once each, "
        "and take every node along: a node on no way from in to out could never have an effect.",
        "stages:\n"
        "  - width: 16\n"
        "    block:\n"
        "      graph:\n"
        "        nodes: {a: {op: conv3x3}, b: {op: conv1x1}}\n"
        "        edges: [[in, a], [a, out], [in, b]]",
        "stages:\n"
        "  - width: 16\n"
        "    block:\n"
        "      graph:\n"
        "        nodes: {a: {op: conv3x3}, b: {op: conv1x1}}\n"
        "        edges: [[in, a], [a, out], [in, b], [b, out]]",
    ),
    "E019": Explanation(
        "a baseline that is not in the space",
        "A baseline names one network of the space: every open choice gets a value that it permits. One is left open, "
        "has a value outside of its bounds, or a key addresses no choice. The search could never find a "
        "network outside of the space, so it would be no fair comparison.",
        "stages: [{width: 16, depth: {min: 1, max: 3}, block: {use: basic}}]\nbaselines: {deep: {depth: 4}}",
        "stages: [{width: 16, depth: {min: 1, max: 4}, block: {use: basic}}]\nbaselines: {deep: {depth: 4}}",
    ),
    "E020": Explanation(
        "nothing where something must be",
        "op: none is a node of a graph that is not there; its edges go with it. Anywhere else the operation would hand "
        "nothing on, so it is refused there; identity hands on what comes in. And a graph of which so many nodes are "
        "none that nothing reaches its output is no network: a search passes it over, a baseline must not be one.",
        "stages: [{width: 16, block: {seq: [{op: {values: [none, conv3x3]}}]}}]",
        "stages:\n"
        "  - width: 16\n"
        "    block:\n"
        "      graph:\n"
        "        nodes: {a: {op: {values: [none, conv3x3]}}, b: {op: conv1x1}}\n"
        "        edges: [[in, a], [a, out], [in, b], [b, out]]",
    ),
    "E030": Explanation(
        "the file is too large",
        "A file may hold a million characters and 50,000 values (aliases count as often as they are used), nested 60 "
        "deep, so that reading one takes little time and memory. Name what repeats under blocks: and use it, or write "
        "repeat:.",
    ),
    "E031": Explanation(
        "the file cannot be read",
        "There is no such file, it is a directory, or you may not read it. Paths are relative to the directory in "
        "which the command runs.",
        "ressearch validate demo.yaml",
        "ressearch validate search_spaces/demo.yaml",
    ),
    "E032": Explanation(
        "a network of too many nodes",
        "Some choice of the decisions builds a network of more than 50,000 nodes (ResNet-1202 has about 6,000). That "
        "is nearly always a depth, repeat or max_depth that multiplies with another.",
        "stages: [{width: 16, depth: 20000, block: {use: basic}}]",
        "stages: [{width: 16, depth: 20, block: {use: basic}}]",
    ),
    "E033": Explanation(
        "too many networks to count",
        "The number of ways to decide a network has more than 4,000 digits. Nothing is wrong with such a space, it can "
        "be searched; but it has no size to print, and nothing can be drawn evenly from it.",
        "stages: [{width: 16, block: {use: tree}}]\n"
        "blocks:\n"
        "  tree: {max_depth: 20, one_of: {leaf: {use: basic}, both: {seq: [{use: tree}, {use: tree}]}}}",
        "stages: [{width: 16, block: {use: tree}}]\n"
        "blocks:\n"
        "  tree: {max_depth: 4, one_of: {leaf: {use: basic}, both: {seq: [{use: tree}, {use: tree}]}}}",
    ),
    "E100": Explanation(
        "a decision is missing or not permitted",
        "A network was asked for by its decisions, and one of them is absent or has a value that the space does not "
        "permit. Decisions belong to the file that they were made with; after a change of the file they may not fit.",
        "space.decode_stored({})",
        "space.decode_stored(space.sample(random.Random(0)).decisions)",
    ),
    "E200": Explanation(
        "a graph is ill-typed",
        "An architecture that was built in Python or read from JSON is not a network: shapes that do not fit, a name "
        "used twice, a node that reaches no output, settings that an operation does not have. One that can be built "
        "can also be trained, so it is refused at once.",
        "Architecture(nodes)",
        "Architecture(alive(nodes, output))",
    ),
    "E300": Explanation(
        "no network fits what was asked for",
        "No network that was drawn from the space is within its limits, or a file names no network where one is "
        "needed. Limits that almost nothing satisfies leave a search nothing to choose from: widen them, or offer "
        "other widths and depths. `ressearch best` says so too of its own limits, and which network comes nearest.",
        "stages: [{width: 16, block: {use: basic}}]\nlimits: {macs: {max: 1k}}",
        "stages: [{width: 16, block: {use: basic}}]\nlimits: {macs: {max: 10M}}",
    ),
    "E400": Explanation(
        "data is missing or damaged",
        "The data set is neither bundled (digits) nor in a layout that is understood (IDX files, CIFAR, an .npz file, "
        "a directory of images for each class), or a file of it is truncated, empty or of another kind. Nothing is "
        "downloaded. No network was trained.",
        "ressearch search my.yaml --data mnist",
        "ressearch search my.yaml --data /data/mnist",
    ),
    "E500": Explanation(
        "the results store does not hold what was asked for, or cannot be used",
        "There is no store at the path, it has no such study or architecture, an id is not unique so far, or the file "
        "is damaged, not ours or written by a newer version. A file that cannot be used is left as it is. Without "
        "--store it is runs/ressearch.db below the directory in which the command runs.",
        "ressearch best demo --store results.db",
        "ressearch best demo --store runs/ressearch.db",
    ),
    "E510": Explanation(
        "a question to the store cannot be read",
        "A filter is made of comparisons, NAME OPERATOR VALUE, joined by and, or, not and parentheses. Operators are "
        "=, !=, <, <=, >, >=; texts and kinds of blocks have = and != alone. Numbers may end in k, M or G, an accuracy "
        "in %; a text with spaces is quoted, and `none` is what is not known. `ressearch query --names` lists the "
        "names, which serve --columns and --sort too. After --sql stands one SELECT; --tables lists the tables.",
        "ressearch query 'parms < 5M and accuracy >= 97'",
        "ressearch query 'params < 5M and accuracy >= 97%'",
    ),
    "E520": Explanation(
        "a file of exported records cannot be imported",
        "A line of it is damaged, the file was cut off, a newer version wrote it, or it holds a study that is another "
        "one in this store under the same name: begun with another space, recipe, data or seed, or with other networks "
        "as its trials. The message names the line. Nothing of the file is kept, and the store is as it was. Export it "
        "again, or give its study another name.",
        "ressearch store import results.jsonl",
        "ressearch store import results.jsonl --rename demo=demo-2",
    ),
    "E600": Explanation(
        "a study cannot start or go on",
        "A study goes on only with the space, data, recipe and seed that it was begun with, driven by one process at a "
        "time: its trials would not be comparable otherwise. The images must have the size and the classes that the "
        "space says, and an --evaluator must be a function that can be imported and called. Give a changed space "
        "another --name.",
        "ressearch search changed.yaml --name demo",
        "ressearch search changed.yaml --name demo-2",
    ),
    "E610": Explanation(
        "a Ray cluster that cannot be used",
        "`--address`, or RAY_ADDRESS, names a cluster that was started with `ray start`. The search runs on one of its "
        "nodes, under the same versions of Python and Ray, with the cluster's token (RAY_AUTH_MODE=token and "
        "RAY_AUTH_TOKEN, the same on every node). Some node must have the CPUs and GPUs of one trial, and all that "
        "run trials must have ressearch installed. Without an address a search starts a Ray of its own.",
        "ressearch search search_spaces/demo.yaml --address ray://127.0.0.1:10001",
        "ressearch search search_spaces/demo.yaml --address auto",
    ),
    "E700": Explanation(
        "a trial failed",
        "One network could not be trained, for example because the images have another size than it takes. The study "
        "goes on without it. `ressearch best STUDY --failed` lists the failed trials with their errors.",
    ),
    "E701": Explanation(
        "a training diverged",
        "The loss became NaN or infinite, so the network has no accuracy. Usually the learning rate is too high for a "
        "deep network without norms or gates. The study goes on without the trial.",
        "train: {lr: 10}",
        "train: {lr: 0.1}",
    ),
    "E702": Explanation(
        "a device that is not there",
        "`--device` names what trains or is timed: cpu, cuda (the first GPU), or cuda:N. A GPU is there if torch was "
        "built for CUDA and sees it: `python -c 'import torch; print(torch.cuda.device_count())'` tells.",
    ),
    "E800": Explanation(
        "a network cannot be exported",
        "The file or folder is there already and `--force` was not said, its name does not suit the format, or what "
        "was exported cannot be read by `ressearch.create_model`. The message tells.",
        "ressearch export search_spaces/demo.yaml:resnet8 -f python --out net.pt",
        "ressearch export search_spaces/demo.yaml:resnet8 -f python --out net.py",
    ),
    "E801": Explanation(
        "weights or packages that an export needs are missing or damaged",
        "Weights are kept by `ressearch retrain ID --epochs N --keep`, in a folder beside the store; their bytes must "
        "be those that were recorded. A file given with `--weights` must hold the tensors of this very network. "
        "ONNX and safetensors need packages of their own: `pip install 'ressearch[export]'`.",
        "ressearch export b5d698 -f onnx --weights of_another_network.pt",
        "ressearch export b5d698 -f onnx --weights none",
    ),
    "E802": Explanation(
        "an exported file does not compute what the network does",
        "Every file is read back before the command says that it is done, and compared with the network on random "
        "images; this one differed by more than 1e-5, and was removed. It is a fault of ressearch or of a package that "
        "it exports with, so please report it with the id and the versions.",
    ),
    "E810": Explanation(
        "the dashboard cannot be opened, or a copy cannot be written",
        "`ressearch dashboard` shows a copy of a study in optuna-dashboard, which is a package of its own: pip install "
        "'ressearch[dashboard]'. It listens on one port of this machine, and another program may have that already. "
        "Files that are there are not written over unless --force says so.",
        "ressearch dashboard --port 80",
        "ressearch dashboard --port 0",
    ),
    "E820": Explanation(
        "a drawing cannot be made or written",
        "A PNG is rendered by resvg-py, which is a package of its own, pip install 'ressearch[png]', and with the "
        "fonts of this machine; an SVG needs neither. Files that are there are not written over unless --force says "
        "so, and the directory must be there.",
        "ressearch draw search_spaces/demo.yaml:resnet8 --svg no/such/directory/resnet8.svg",
        "ressearch draw search_spaces/demo.yaml:resnet8 --svg resnet8.svg",
    ),
    "E830": Explanation(
        "no file for such a cluster",
        "`ressearch cluster template KIND` prints a file that starts a search on a cluster; `--list` names the kinds. "
        "What its options take is written into shell scripts and YAML, so it has to be one plain word; storage must "
        "have the same name on every node, so it is a folder that begins with / or a URL.",
        "ressearch cluster template slurm --storage runs/checkpoints",
        "ressearch cluster template slurm --storage /shared/ressearch",
    ),
    "E900": Explanation(
        "an error without a code of its own",
        "The base of all other errors; no message should carry it. If one does, it is a fault of ressearch.",
    ),
    "W001": Explanation(
        "branches of a one_of that always build the same graph",
        "Whatever else is decided, these branches make the same network. The file is valid, but the search draws the "
        "network once for each branch and spends proposals on telling apart what is equal. Drop one of the branches, "
        "or make it what it was meant to be.",
        "stages:\n  - width: 16\n    block: {one_of: {one: {op: conv3x3}, other: {seq: [{op: conv3x3}]}}}",
        "stages:\n"
        "  - width: 16\n"
        "    block: {one_of: {one: {op: conv3x3}, other: {seq: [{op: conv3x3}, {op: conv3x3}]}}}",
    ),
    "W002": Explanation(
        "a name that nothing uses",
        "A block under blocks: or a variable under vars: that no part of the space refers to. It changes nothing; "
        "often it is left over, or the place that was to use it has another name.",
        "stages: [{width: 16, block: {use: basic}}]\nblocks: {spare: {op: conv3x3}}",
        "stages: [{width: 16, block: {use: spare}}]\nblocks: {spare: {op: conv3x3}}",
    ),
}

EXPLANATIONS: Mapping[str, Explanation] = MappingProxyType(_EXPLANATIONS)
"""Every code that a message can carry, in order."""
