"""What a server serves, as it says itself, with an object of each kind to begin with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.malformed.sending import APPLY, Sender

Object = dict[str, Any]

_LABELS = {"app": "fuzz"}
_CONTAINERS = {"containers": [{"name": "main", "image": "nginx"}]}
_TEMPLATE = {"metadata": {"labels": _LABELS}, "spec": _CONTAINERS}
_WORKLOAD = {"spec": {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}}
_JOB = {"template": {"spec": {**_CONTAINERS, "restartPolicy": "Never"}}}
_REFERENCE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
_RULE = {"apiGroups": ["x"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}
_HOOK = {
    "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
    "clientConfig": {"url": "https://127.0.0.1:1/"},
    "rules": [_RULE],
}  # fmt: skip

# What an object of a kind must have besides a name; of kinds that are not here, a name is enough or none is made.
_REQUIRED: dict[str, Object] = {
    "CronJob": {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": _JOB}}},
    "ClusterRoleBinding": {"roleRef": _REFERENCE},
    "ControllerRevision": {"revision": 1, "data": {"a": 1}},
    "CSIDriver": {"spec": {"attachRequired": False}},
    "CSINode": {"spec": {"drivers": []}},
    "CSIStorageCapacity": {"storageClassName": "x"},
    "DaemonSet": _WORKLOAD,
    "Deployment": _WORKLOAD,
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]},
    "Event": {"involvedObject": {"namespace": "{namespace}", "name": "x", "kind": "Pod"}, "reason": "x"},
    "FlowSchema": {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 2, "scaleTargetRef": _TARGET}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}},
    "IngressClass": {"spec": {"controller": "example.com/x"}},
    "Job": {"spec": _JOB},
    "LimitRange": {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "64"}}]}},
    "MutatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {"resourceRules": [_RULE]}, "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}],
        },
    },
    "MutatingAdmissionPolicyBinding": {"spec": {"policyName": "x"}},
    "MutatingWebhookConfiguration": {"webhooks": [_HOOK]},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "PersistentVolume": {
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}},
    },
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    "Pod": {"spec": _CONTAINERS},
    "PodTemplate": {"template": _TEMPLATE},
    "PriorityClass": {"value": 1},
    "PriorityLevelConfiguration": {
        "spec": {
            "type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}},
        },
    },
    "ReplicaSet": _WORKLOAD,
    "ReplicationController": {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    "ResourceClaim": {"spec": {"devices": {}}},
    "ResourceClaimTemplate": {"spec": {"spec": {"devices": {}}}},
    "ResourceSlice": {
        "spec": {
            "driver": "x.example.com", "nodeName": "n", "devices": [],
            "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
        },
    },
    "RoleBinding": {"roleRef": _REFERENCE},
    "RuntimeClass": {"handler": "x"},
    "Service": {"spec": {"selector": _LABELS, "ports": [{"port": 80}]}},
    "ServiceCIDR": {"spec": {"cidrs": ["10.200.0.0/24"]}},
    "StatefulSet": {"spec": {**_WORKLOAD["spec"], "serviceName": "x"}},
    "StorageClass": {"provisioner": "example.com/x"},
    "ValidatingAdmissionPolicy": {
        "spec": {"matchConstraints": {"resourceRules": [_RULE]}, "validations": [{"expression": "true"}]},
    },
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "x", "validationActions": ["Deny"]}},
    "ValidatingWebhookConfiguration": {"webhooks": [_HOOK]},
    "VolumeAttachment": {
        "spec": {"attacher": "x.example.com", "nodeName": "n", "source": {"persistentVolumeName": "x"}},
    },
    "VolumeAttributesClass": {"driverName": "x.example.com", "parameters": {"a": "b"}},
    "events.k8s.io/v1/events": {
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/x", "reportingInstance": "x",
        "action": "x", "reason": "x", "type": "Normal", "regarding": {"namespace": "{namespace}"},
    },
}  # fmt: skip

# Objects by which the server itself is told what to do: by chance it would be told to do nothing more.
_POWERFUL = (
    "admissionregistration.k8s.io", "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io", "v1/limitranges",
    "v1/resourcequotas", "networking.k8s.io/v1/servicecidrs",
)  # fmt: skip
NAMED_BY_CONTENT = frozenset({"APIService", "CertificateSigningRequest", "CustomResourceDefinition", "IPAddress"})
"""Kinds of which there are objects with particular names or bytes only: none is made here."""


@dataclass(frozen=True)
class Resource:
    """`path` is the collection's, in the namespace of the tests where it has one; `subresources` are their names."""

    path: str
    plural: str
    kind: str
    api_version: str
    namespace: str
    verbs: frozenset[str]
    subresources: dict[str, frozenset[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.api_version}/{self.plural}"

    def item(self, name: str, subresource: str = "") -> str:
        return f"{self.path}/{name}" + (f"/{subresource}" if subresource else "")

    def valid(self, name: str) -> Object:
        """An object with what its kind requires, as far as that is known here."""
        metadata = {"name": name, "labels": {"a": "b"}, "annotations": {"a": "b"}}
        if self.namespace:
            metadata["namespace"] = self.namespace
        required = _REQUIRED.get(str(self), _REQUIRED.get(self.kind, {}))
        text = json.dumps(required).replace("{namespace}", self.namespace)
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **json.loads(text)}

    def targets(self, name: str) -> list[tuple[str, str]]:
        """Method and path of every way to write: the object, its subresources, the collection."""
        dry = "?dryRun=All" if self.powerful else ""
        return [(method, path + dry) for method, path in self._targets(name)]

    @property
    def powerful(self) -> bool:
        return str(self).startswith(_POWERFUL)

    def _targets(self, name: str) -> list[tuple[str, str]]:
        found = [("POST", self.path)] if "create" in self.verbs else []
        for subresource, verbs in {"": self.verbs, **self.subresources}.items():
            for verb, method in (("update", "PUT"), ("patch", "PATCH"), ("create", "POST")):
                if verb in verbs and (subresource or verb != "create"):
                    found.append((method, self.item(name, subresource)))
        if "delete" in self.verbs:
            found.append(("DELETE", self.item("none")))
        return found


def served(sender: Sender, namespace: str) -> list[Resource]:
    """By discovery, in a fixed order.  Streams (exec, attach, proxy …) are left out."""
    groups = {"v1": "/api/v1"}
    for group in sender.get("/apis")["groups"]:
        groups |= {each["groupVersion"]: f"/apis/{each['groupVersion']}" for each in group["versions"]}
    found: dict[str, Resource] = {}
    for api_version, root in sorted(groups.items()):
        listed = sorted(sender.get(root)["resources"], key=lambda each: str(each["name"]))
        for each in listed:
            plural, _, subresource = each["name"].partition("/")
            verbs = frozenset(each["verbs"])
            if subresource:
                if verbs & {"update", "patch", "create"} and verbs != {"get", "create"} and "proxy" not in subresource:
                    found[f"{api_version}/{plural}"].subresources[subresource] = verbs
                continue
            where = f"{root}/namespaces/{namespace}/{plural}" if each["namespaced"] else f"{root}/{plural}"
            within = namespace if each["namespaced"] else ""
            found[f"{api_version}/{plural}"] = Resource(where, plural, each["kind"], api_version, within, verbs)
    return list(found.values())


def stored(sender: Sender, resource: Resource, name: str) -> Object | None:
    """The object of that name, made if need be; None when this kind cannot be made here."""
    if not {"create", "get"} <= resource.verbs:
        return None
    status, body = sender.send("GET", resource.item(name))
    if status == 404:
        document = json.dumps(resource.valid(name)).encode()
        path = f"{resource.item(name)}?fieldManager=seed&force=true" + ("&dryRun=All" if resource.powerful else "")
        status, body = sender.send("PATCH", path, document, APPLY)
    return json.loads(body) if status in (200, 201) else None
