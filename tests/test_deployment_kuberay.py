"""The manifests for KubeRay: against the fields of their kinds, and against what a search needs there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest

from ressearch.deployment import Cluster, template
from tests.deployed import CLUSTERS, PINNED, VERSIONS, manifests, pods, ray_cluster
from tests.kuberay_schema import RAY_CLUSTER, SINCE_1_6, WITH_KUBERAY
from tests.kubernetes_schema import POD_TEMPLATE, Schema


def validator(manifest: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(WITH_KUBERAY[manifest["apiVersion"], manifest["kind"]])


def unshared(cluster: Cluster = CLUSTERS[0]) -> list[dict[str, Any]]:
    """The manifests, without what YAML lets two places share."""
    return list(json.loads(json.dumps(manifests(cluster))))


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values but the outermost."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inner:
        yield (*before, key)
        yield from places(held, (*before, key))


def is_fixed(path: tuple[Any, ...]) -> bool:
    """Whether the mapping at this path has names of its own; those of labels, resources and parameters are free."""
    return not {"labels", "matchLabels", "requests", "limits", "rayStartParams"} & {*path[-1:]}


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


OTHER_TYPE = {dict: [], list: {}, str: 1.5, int: "1", bool: "true"}


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_every_manifest_has_the_fields_of_its_kind(cluster: Cluster) -> None:
    for manifest in manifests(cluster):
        validator(manifest).validate(manifest)
    for pod in pods(cluster):
        jsonschema.validate(pod, POD_TEMPLATE)


def test_a_misspelt_field_is_seen_wherever_it_stands() -> None:
    for manifest in unshared():
        known = validator(manifest)
        fixed = [path for path in ((), *places(manifest)) if isinstance(at(manifest, path), dict) and is_fixed(path)]
        assert len(fixed) > 3
        for path in fixed:
            damaged = deepcopy(manifest)
            at(damaged, path)["misspelt"] = 1
            assert not known.is_valid(damaged), path


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_a_value_of_another_type_is_seen_wherever_it_stands(cluster: Cluster) -> None:
    for manifest in unshared(cluster):
        known = validator(manifest)
        for path in places(manifest):
            damaged = deepcopy(manifest)
            at(damaged, path[:-1])[path[-1]] = OTHER_TYPE[type(at(manifest, path))]
            assert not known.is_valid(damaged), path


def test_a_manifest_needs_no_operator_beyond_the_one_that_it_names() -> None:
    assert "needs the KubeRay operator 1.5.1 or later" in template("kuberay", versions=VERSIONS)
    for manifest in manifests():
        assert not SINCE_1_6 & {key for path in places(manifest) for key in path}


PODS = {"template": pods()[0]}
GROUP = {"groupName": "a", "minReplicas": 0, "maxReplicas": 1, **PODS}
RULE = {"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}
STRATEGY = "deletionStrategy"


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"submissionMode": "HTTPMode"}, {"submissionMode": "Http"}),
        ({"managedBy": "ray.io/kuberay-operator"}, {"managedBy": "me"}),
        ({"preRunningDeadlineSeconds": 1}, {"preRunningDeadlineSeconds": 0}),
        ({"backoffLimit": 2**31 - 1}, {"backoffLimit": 2**31}),
        ({"entrypointNumCpus": 0.5}, {"entrypointNumCpus": "0.5"}),
        ({"submitterPodTemplate": PODS["template"]}, {"submitterPodTemplate": {"spec": {"containers": [{}]}}}),
        ({STRATEGY: {"deletionRules": [RULE]}}, {STRATEGY: {"deletionRules": []}}),
        ({STRATEGY: {"onSuccess": {}, "onFailure": {}}}, {STRATEGY: {"onSuccess": {}}}),
        ({STRATEGY: {"deletionRules": [RULE]}}, {STRATEGY: {"deletionRules": [RULE], "onSuccess": {}}}),
        ({"entrypoint": "a"}, {STRATEGY: {"deletionRules": [RULE | {"condition": {"ttlSeconds": 1}}]}}),
    ],
)
def test_what_the_operator_says_of_a_jobs_other_fields(good: Schema, bad: Schema) -> None:
    job = manifests()[-1]
    assert validator(job).is_valid(job | {"spec": job["spec"] | good})
    assert not validator(job).is_valid(job | {"spec": job["spec"] | bad})


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"authOptions": {}}, {"authOptions": {"mode": "none"}}),
        ({"upgradeStrategy": {"type": "None"}}, {"upgradeStrategy": {"type": "Rolling"}}),
        ({"workerGroupSpecs": [GROUP]}, {"workerGroupSpecs": [{**GROUP, "groupName": None}]}),
        ({"workerGroupSpecs": []}, {"workerGroupSpecs": [PODS]}),
        ({"workerGroupSpecs": [GROUP | {"numOfHosts": 2}]}, {"workerGroupSpecs": [GROUP | {"numOfHosts": "2"}]}),
        ({"headGroupSpec": PODS | {"labels": {"a": "b"}}}, {"headGroupSpec": PODS | {"labels": {"a": 1}}}),
        ({"headGroupSpec": PODS}, {"headGroupSpec": {"rayStartParams": {}}}),
        (
            {"headGroupSpec": PODS | {"rayStartParams": {"a": "0"}}},
            {"headGroupSpec": PODS | {"rayStartParams": {"a": 0}}},
        ),
        ({"autoscalerOptions": {"version": "v2"}}, {"autoscalerOptions": {"version": 2}}),
        ({"gcsFaultToleranceOptions": {"redisAddress": "a"}}, {"gcsFaultToleranceOptions": {}}),
    ],
)
def test_what_the_operator_says_of_a_clusters_other_fields(good: Schema, bad: Schema) -> None:
    known = jsonschema.Draft202012Validator(RAY_CLUSTER)
    assert known.is_valid(ray_cluster() | good)
    assert not known.is_valid(ray_cluster() | bad)


def test_the_operator_turns_authentication_on() -> None:
    assert ray_cluster()["authOptions"] == {"mode": "token"}
    assert ray_cluster()["rayVersion"] == PINNED["ray"]


def test_what_a_pod_mounts_and_asks_for_is_there() -> None:
    made = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests()}
    for pod in pods():
        volumes = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]}
        assert {("PersistentVolumeClaim", claim) for claim in volumes.values()} <= made
        assert {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]} == set(volumes)
    store = pods()[0]["spec"]["containers"][0]["env"][-1]["valueFrom"]["secretKeyRef"]
    command = "kubectl create secret generic {name} --from-literal={key}=".format(**store)
    assert command in template("kuberay", versions=VERSIONS)


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_pods_are_bounded_and_may_do_little(cluster: Cluster) -> None:
    for pod in pods(cluster):
        (container,) = pod["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert not pod["spec"]["automountServiceAccountToken"]
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_network_policy_covers_all_pods_and_lets_others_reach_the_dashboard_only() -> None:
    policy = next(manifest for manifest in manifests() if manifest["kind"] == "NetworkPolicy")["spec"]
    labels = policy["podSelector"]["matchLabels"]
    assert all(labels.items() <= pod["metadata"]["labels"].items() for pod in pods())
    inside, outside = policy["ingress"]
    assert inside == {"from": [{"podSelector": {"matchLabels": labels}}]}
    assert outside["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert all(peer["podSelector"] for peer in outside["from"])  # an empty one is all pods


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_a_worker_has_what_its_trials_ask_for(cluster: Cluster) -> None:
    command = shlex.split(manifests(cluster)[-1]["spec"]["entrypoint"])
    flags = dict(zip(command[3::2], command[4::2], strict=True))
    (group,) = ray_cluster(cluster)["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    at_once = cluster.gpus or cluster.cpus
    assert group["replicas"] == cluster.nodes
    assert int(limits["cpu"]) == at_once * int(flags["--cpus-per-trial"])
    assert int(limits["nvidia.com/gpu"]) == cluster.gpus == cluster.gpus * int(flags.get("--gpus-per-trial", 1))
