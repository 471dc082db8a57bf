"""All fields of a RayJob (`ray.io/v1`) as of KubeRay 1.6.2; its pods are as `kubernetes_schema` has them.

KubeRay generates its CRD from the Go types `RayJobSpec`, `RayClusterSpec` and those that they hold, in
ray-operator/apis/ray/v1. The tables here were written by hand from two things: its API reference of release 1.6.2,
which lists every field, and those types, which say what the reference does not: what is required, and the width of
numbers. No text of the CRD is copied. What the CRD says in CEL is said here in JSON Schema, but for what only an update
can break (`managedBy` never changes). Left out: `status`, which the operator writes; what Kubernetes itself defines
beyond pods (`headService`, the autoscaler's container) is an object or a list of any.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.kubernetes_schema import COUNT, FLAG, MANIFESTS, POD_TEMPLATE, Schema, manifest, one_of, record, several

ANY_STRING: Schema = {"type": "string"}
STRINGS: Schema = {"type": "object", "additionalProperties": ANY_STRING}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": OBJECT}

SINCE_1_6 = frozenset({"enableK8sTokenAuth", "secretName", "preRunningDeadlineSeconds"})
"""Not in the types of 1.5, whose CRD drops them without a word."""

MANAGED_BY = one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")
DELETION = one_of("DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone")
DELETION_STRATEGY: Schema = record(
    onSuccess=record(policy=DELETION),
    onFailure=record(policy=DELETION),
    deletionRules=several(
        record(
            "policy condition",
            policy=DELETION,
            condition=record(
                jobStatus=one_of("SUCCEEDED", "FAILED"), jobDeploymentStatus=one_of("Failed"), ttlSeconds=COUNT
            )
            | {"oneOf": [{"required": ["jobStatus"]}, {"required": ["jobDeploymentStatus"]}]},
        )
    ),
) | {
    "oneOf": [
        {"required": ["onSuccess", "onFailure"], "properties": {"deletionRules": False}},
        {"required": ["deletionRules"], "properties": {"onSuccess": False, "onFailure": False}},
    ]
}

AUTOSCALER = record(
    resources=OBJECT,
    image=ANY_STRING,
    imagePullPolicy=ANY_STRING,
    securityContext=OBJECT,
    idleTimeoutSeconds=INTEGER,
    upscalingMode=one_of("Default", "Aggressive", "Conservative"),
    version=one_of("v1", "v2"),
    env=OBJECTS,
    envFrom=OBJECTS,
    volumeMounts=OBJECTS,
)

CREDENTIAL = record(value=ANY_STRING, valueFrom=OBJECT)

HEAD_GROUP = record(
    "template",
    template=POD_TEMPLATE,
    headService=OBJECT,
    enableIngress=FLAG,
    resources=STRINGS,
    labels=STRINGS,
    rayStartParams=STRINGS,
    serviceType=ANY_STRING,
)

WORKER_GROUP = record(
    "groupName minReplicas maxReplicas template",
    suspend=FLAG,
    groupName=ANY_STRING,
    replicas=INTEGER,
    minReplicas=INTEGER,
    maxReplicas=INTEGER,
    idleTimeoutSeconds=INTEGER,
    resources=STRINGS,
    labels=STRINGS,
    rayStartParams=STRINGS,
    template=POD_TEMPLATE,
    scaleStrategy=record(workersToDelete={"type": "array", "items": ANY_STRING}),
    numOfHosts=INTEGER,
)

RAY_CLUSTER = record(
    "headGroupSpec",
    upgradeStrategy=record(type=one_of("Recreate", "None")),
    authOptions=record(mode=one_of("disabled", "token"), enableK8sTokenAuth=FLAG, secretName=ANY_STRING),
    suspend=FLAG,
    managedBy=MANAGED_BY,
    autoscalerOptions=AUTOSCALER,
    headServiceAnnotations=STRINGS,
    enableInTreeAutoscaling=FLAG,
    gcsFaultToleranceOptions=record(
        "redisAddress",
        redisUsername=CREDENTIAL,
        redisPassword=CREDENTIAL,
        externalStorageNamespace=ANY_STRING,
        redisAddress=ANY_STRING,
    ),
    headGroupSpec=HEAD_GROUP,
    rayVersion=ANY_STRING,
    workerGroupSpecs={"type": "array", "items": WORKER_GROUP},
)

RAY_JOB = record(
    activeDeadlineSeconds=INTEGER,
    backoffLimit=INTEGER,
    rayClusterSpec=RAY_CLUSTER,
    submitterPodTemplate=POD_TEMPLATE,
    metadata=STRINGS,
    clusterSelector=STRINGS,
    submitterConfig=record(backoffLimit=INTEGER),
    managedBy=MANAGED_BY,
    deletionStrategy=DELETION_STRATEGY,
    entrypoint=ANY_STRING,
    runtimeEnvYAML=ANY_STRING,
    jobId=ANY_STRING,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    entrypointResources=ANY_STRING,
    entrypointNumCpus=NUMBER,
    entrypointNumGpus=NUMBER,
    ttlSecondsAfterFinished=INTEGER,
    preRunningDeadlineSeconds=INTEGER | {"minimum": 1},
    shutdownAfterJobFinishes=FLAG,
    suspend=FLAG,
)

WITH_KUBERAY: Mapping[tuple[str, str], Schema] = {
    **MANIFESTS,
    ("ray.io/v1", "RayJob"): manifest("ray.io/v1", "RayJob", RAY_JOB),
}
