"""Clusters to fill templates in for, and what the manifests for KubeRay hold."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ressearch.deployment import Cluster, Versions, template
from tests.conftest import ROOT

PINNED = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
VERSIONS = Versions(PINNED["ray"], "3.11")
CLUSTERS = [Cluster(), Cluster(nodes=250, cpus=16, gpus=4, memory=128, storage="s3://bucket/folder", space="mine.yaml")]


def manifests(cluster: Cluster = CLUSTERS[0]) -> list[dict[str, Any]]:
    return list(yaml.load_all(template("kuberay", cluster, VERSIONS), yaml.CSafeLoader))


def ray_cluster(cluster: Cluster = CLUSTERS[0]) -> dict[str, Any]:
    return dict(manifests(cluster)[-1]["spec"]["rayClusterSpec"])


def pods(cluster: Cluster = CLUSTERS[0]) -> list[dict[str, Any]]:
    found = ray_cluster(cluster)
    return [group["template"] for group in (found["headGroupSpec"], *found["workerGroupSpecs"])]
