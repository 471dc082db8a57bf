"""What Kubernetes 1.31 takes of the fields that our manifests use.

Written after its API reference. Names, types, required fields and closed choices are theirs; fields that we do not use
are left out, so a misspelt name is refused. A field that a manifest is to use for the first time is added here, from
the same source. What KubeRay adds is in `kuberay_schema.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$"}
QUANTITY: Schema = {"type": "string", "pattern": "^[0-9]+(m|Mi|Gi)?$"}
QUANTITIES: Schema = {"type": "object", "additionalProperties": QUANTITY}
LABELS: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^([a-z0-9.-]+/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"},
    "additionalProperties": {"type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"},
}


def record(required: str = "", **fields: Schema) -> Schema:
    """A mapping with these fields and no others; `required` names those that must be there."""
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def several(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def manifest(version: str, kind: str, spec: Schema) -> Schema:
    metadata = record("name", name=NAME, labels=LABELS)
    return record(
        "apiVersion kind metadata spec",
        apiVersion={"const": version},
        kind={"const": kind},
        metadata=metadata,
        spec=spec,
    )


CONTAINER = record(
    "name image",
    name=NAME,
    image=TEXT,
    env=several(
        record(
            "name",
            name=TEXT,
            value={"type": "string"},
            valueFrom=record("secretKeyRef", secretKeyRef=record("name key", name=NAME, key=TEXT)),
        )
    ),
    resources=record(limits=QUANTITIES, requests=QUANTITIES),
    securityContext=record(allowPrivilegeEscalation=FLAG, capabilities=record(drop=several(TEXT))),
    volumeMounts=several(record("name mountPath", name=NAME, mountPath={"type": "string", "pattern": "^/"})),
)

POD_TEMPLATE = record(
    "spec",
    metadata=record(labels=LABELS),
    spec=record(
        "containers",
        automountServiceAccountToken=FLAG,
        securityContext=record(runAsNonRoot=FLAG, runAsUser=COUNT, runAsGroup=COUNT, fsGroup=COUNT),
        containers=several(CONTAINER),
        volumes=several(record("name", name=NAME, persistentVolumeClaim=record("claimName", claimName=NAME))),
    ),
)

CLAIM = record(
    "accessModes resources",
    accessModes=several(one_of("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")),
    resources=record("requests", requests=QUANTITIES),
)

SELECTOR = record(
    matchLabels=LABELS,
    matchExpressions=several(
        record(
            "key operator",
            key=TEXT,
            operator=one_of("In", "NotIn", "Exists", "DoesNotExist"),
            values=several(TEXT),
        )
    ),
)

POLICY = record(
    "podSelector",
    podSelector=SELECTOR,
    policyTypes=several(one_of("Ingress", "Egress")),
    ingress=several(
        record(
            **{"from": several(record(podSelector=SELECTOR, namespaceSelector=SELECTOR))},
            ports=several(record(protocol=one_of("TCP", "UDP", "SCTP"), port=COUNT)),
        )
    ),
)

MANIFESTS: Mapping[tuple[str, str], Schema] = {
    (version, kind): manifest(version, kind, spec)
    for version, kind, spec in [
        ("v1", "PersistentVolumeClaim", CLAIM),
        ("networking.k8s.io/v1", "NetworkPolicy", POLICY),
    ]
}
