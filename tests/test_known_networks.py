"""Known networks, written in the language: equal to independent counts to the last digit.

`known_costs.json` holds counts that were made without this package (see its `convention`); each is met twice, by
arithmetic on the graph and by the torch module on the meta device.
"""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ressearch.cost import macs_of
from ressearch.network import Network
from ressearch.space import Candidate, SearchSpace
from tests.conftest import ROOT

KNOWN = json.loads((ROOT / "tests" / "known_costs.json").read_text(encoding="utf-8"))["files"]
NETWORKS = [(file, name) for file, rows in KNOWN.items() for name in rows]
BUILT = [(file, name) for file, name in NETWORKS if KNOWN[file][name]["macs"] < 3_000_000_000 and "1202" not in name]


@cache
def networks(file: str) -> dict[str, Candidate]:
    return SearchSpace.load(ROOT / "search_spaces" / file).networks


def test_every_named_network_has_an_independent_count() -> None:
    assert len(NETWORKS) >= 100
    for file, rows in KNOWN.items():
        assert set(networks(file)) == set(rows)


@pytest.mark.parametrize(("file", "name"), NETWORKS, ids=lambda word: word.removesuffix(".yaml"))
def test_the_cost_is_the_published_one(file: str, name: str) -> None:
    cost = networks(file)[name].cost
    assert (cost.params, cost.macs) == (KNOWN[file][name]["params"], KNOWN[file][name]["macs"])


def counted_by_torch(candidate: Candidate) -> tuple[int, int]:
    with torch.device("meta"):
        network = Network(candidate.architecture).eval()
        image = torch.zeros(1, *candidate.architecture.input_shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2


@pytest.mark.parametrize(("file", "name"), BUILT, ids=lambda word: word.removesuffix(".yaml"))
def test_torch_holds_and_counts_the_published_number(file: str, name: str) -> None:
    published = KNOWN[file][name]["params"], KNOWN[file][name]["macs"]
    assert counted_by_torch(networks(file)[name]) == published


@pytest.mark.slow
@pytest.mark.parametrize(("file", "name"), sorted(set(NETWORKS) - set(BUILT)), ids=lambda w: w.removesuffix(".yaml"))
def test_torch_holds_and_counts_the_large_ones(file: str, name: str) -> None:
    published = KNOWN[file][name]["params"], KNOWN[file][name]["macs"]
    assert counted_by_torch(networks(file)[name]) == published


def test_different_networks_have_different_ids() -> None:
    """But for plain-20 and the like, which are one network under two names nowhere in these files."""
    ids = [candidate.architecture.id for file in KNOWN for candidate in networks(file).values()]
    same = {name for file in KNOWN for name, c in networks(file).items() if ids.count(c.architecture.id) > 1}
    assert same == {"resnet110-b", "ror1-n18-b"}, "RoR-1 is the ordinary residual network"


def test_a_block_alone_costs_what_was_counted() -> None:
    """ESRGAN's residual-in-residual dense block (64 channels, growth 32, bias, 32x32 map), stem and head left out."""
    architecture = networks("rrdb.yaml")["rrdb1"].architecture
    inside = [".rrdb." in node.name for node in architecture.nodes]
    macs = sum(count for count, within in zip(macs_of(architecture), inside, strict=True) if within)
    with torch.device("meta"):
        network = Network(architecture)
    params = sum(p.numel() for name, p in network.named_parameters() if ".rrdb." in name)
    assert (params, macs) == (719_424, 736_100_352)
