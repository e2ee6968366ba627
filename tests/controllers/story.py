"""A story in which every controller has work to do, and what is left of it in the end."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from api.core_v1 import Pod
from api.scheme import RESOURCES
from client.rest import RestClient
from tests.conformance.api import Document, resource
from tests.conformance.objects import pod, pod_spec, template, workload
from tests.conformance.test_identity import signing_request
from tests.controllers.cluster import Cluster, eventually

NODES = ("node-0", "node-1", "node-2")
NAMESPACE = "story"
_PATIENCE = 120.0


class Nodes(Cluster):
    """Pretended nodes on which the pods of Jobs succeed."""

    async def _start(self, pod: Pod, *how: Any) -> None:
        await super()._start(pod, *how)
        if "batch.kubernetes.io/job-name" in pod.metadata.labels:
            body = {"status": {"phase": "Succeeded"}}
            meta = pod.metadata
            await self._persist(lambda: self.client.patch(Pod, meta.name, meta.namespace, body, subresource="status"))


def _node(name: str) -> Document:
    metadata = {"name": name, "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def _claim(name: str, **spec: Any) -> Document:
    amounts = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": amounts, **spec}}


def _token(name: str, **values: str) -> Document:
    data = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **values}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": f"bootstrap-token-{name}"}, "type": "bootstrap.kubernetes.io/token", "data": encoded}


def _using(name: str, volume: Document, **spec: Any) -> Document:
    return pod(name, {"app": "user"}, volumes=[{"name": "v", **volume}], **spec)


PORT = {"port": 80, "protocol": "TCP"}
REQUEST = {"name": "r", "exactly": {"deviceClassName": "gpu"}}
HERE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [NODES[0]]}]}
STAYS = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [HERE]}}}
JOB = {"spec": pod_spec(restartPolicy="Never", affinity=STAYS)}
METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}

BEGINNING: tuple[tuple[str, Document], ...] = (
    *(("nodes", _node(name)) for name in NODES),
    ("storageclasses", {"metadata": {"name": "local"}, "provisioner": "kubernetes.io/host-path"}),
    ("servicecidrs", {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.99.0.0/24"]}}),
    ("volumeattributesclasses", {
        "metadata": {"name": "gold"}, "driverName": "disk.example.com", "parameters": {"a": "b"}}),
    ("clusterroles", {"metadata": {"name": "part", "labels": {"sums": "up"}}, "rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    ("clusterroles", {"metadata": {"name": "whole"}, "aggregationRule": {"clusterRoleSelectors": [
        {"matchLabels": {"sums": "up"}}]}}),
    ("certificatesigningrequests", signing_request("wanted")),
    ("deployments", workload("web", 3)),
    ("replicationcontrollers", {"metadata": {"name": "old"}, "spec": {
        "replicas": 2, "selector": {"app": "old"}, "template": template("old")}}),
    ("statefulsets", workload("db", 2, serviceName="db", volumeClaimTemplates=[
        _claim("data", storageClassName="local")])),
    ("daemonsets", {"metadata": {"name": "agent"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}}, "template": template("agent")}}),
    ("jobs", {"metadata": {"name": "work"}, "spec": {
        "completions": 4, "parallelism": 2, "completionMode": "Indexed", "template": JOB}}),
    ("jobs", {"metadata": {"name": "brief"}, "spec": {"ttlSecondsAfterFinished": 0, "template": JOB}}),
    ("horizontalpodautoscalers", {"metadata": {"name": "old"}, "spec": {
        "minReplicas": 3, "maxReplicas": 5, "metrics": [METRIC],
        "scaleTargetRef": {"apiVersion": "v1", "kind": "ReplicationController", "name": "old"}}}),
    ("poddisruptionbudgets", {"metadata": {"name": "web"}, "spec": {
        "minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}}),
    ("services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [PORT]}}),
    ("services", {"metadata": {"name": "custom"}, "spec": {"ports": [PORT]}}),
    ("endpoints", {"metadata": {"name": "custom"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [PORT]}]}),
    ("resourcequotas", {"metadata": {"name": "all"}, "spec": {"hard": {"pods": "100", "count/jobs.batch": "9"}}}),
    ("secrets", {"metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "default"}},
                 "type": "kubernetes.io/service-account-token"}),
    ("persistentvolumeclaims", _claim("kept", storageClassName="local")),
    ("persistentvolumes", {"metadata": {"name": "disk"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "disks",
        "csi": {"driver": "disk.example.com", "volumeHandle": "h"}}}),
    ("persistentvolumeclaims", _claim("disk", storageClassName="disks")),
    ("pods", _using("disk-user", {"persistentVolumeClaim": {"claimName": "disk"}}, nodeName="node-0")),
    ("pods", _using("scratch-user", {"ephemeral": {"volumeClaimTemplate": {
        "spec": _claim("", storageClassName="local")["spec"]}}}, nodeName="node-0")),
    ("resourceclaimtemplates", {"metadata": {"name": "one"}, "spec": {"spec": {"devices": {"requests": [REQUEST]}}}}),
    ("pods", pod("device-user", {"app": "user"}, resourceClaims=[
        {"name": "gpu", "resourceClaimTemplateName": "one"}], nodeName="node-0")),
    ("pods", pod("lost", {"app": "lost"}, nodeName="nowhere")),
)  # fmt: skip


GOING = (
    ("namespaces", "doomed", ""),
    ("configmaps", "owned-2", NAMESPACE),
    ("persistentvolumeclaims", "kept", NAMESPACE),
    ("jobs", "brief", NAMESPACE),
    ("pods", "lost", NAMESPACE),
    ("secrets", "bootstrap-token-ending", "kube-system"),
)
"""What is gone in the end."""


class Story:
    """Told by somebody whom nobody kills."""

    def __init__(self, client: RestClient) -> None:
        self.client = client

    async def make(self, plural: str, document: Document, namespace: str = NAMESPACE) -> Document:
        kind = resource(plural)
        path = kind.path(namespace if kind.namespaced else "")
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **document}
        answer = await self.client.raw("POST", path, body=json.dumps(body).encode())
        assert answer.status_code == 201, answer.text
        made: Document = answer.json()
        return made

    async def change(self, plural: str, name: str, body: Document, part: str = "") -> None:
        kind = resource(plural)
        path = kind.path(NAMESPACE if kind.namespaced else "", name, part)
        how = "application/merge-patch+json"
        answer = await self.client.raw("PATCH", path, body=json.dumps(body).encode(), content_type=how)
        assert answer.status_code == 200, answer.text

    async def get(self, plural: str, name: str, namespace: str = NAMESPACE) -> Document:
        kind = resource(plural)
        answer = await self.client.raw("GET", kind.path(namespace if kind.namespaced else "", name))
        found: Document = answer.json() if answer.status_code == 200 else {}
        return found

    async def list(self, plural: str) -> list[Document]:
        found: list[Document] = (await self.client.get_json(resource(plural).path()))["items"]
        return found

    async def status(self, plural: str, name: str, **wanted: Any) -> bool:
        """Whether the status has these, and is that of the newest generation."""
        found = await self.get(plural, name)
        status: Document = found.get("status", {})
        seen = status.get("observedGeneration", 0) in (0, found.get("metadata", {}).get("generation"))
        return seen and wanted.items() <= status.items()

    async def until(self, condition: Any, what: str) -> None:
        await eventually(condition, what, _PATIENCE)

    async def none(self, left: Callable[[], Awaitable[set[str]]]) -> None:
        """Wait until nothing is left; says what was."""
        found: set[str] = set()

        async def nothing() -> bool:
            found.clear()
            found.update(await left())
            return not found

        try:
            await self.until(nothing, "nothing is left")
        except AssertionError:
            raise AssertionError(f"still there, or not yet: {sorted(found)}") from None

    # --- the story -------------------------------------------------------------------------------

    async def tell(self) -> None:
        for name in (NAMESPACE, "doomed"):
            await self.make("namespaces", {"metadata": {"name": name}})
        for name in (NAMESPACE, "doomed", "kube-public"):
            await self.until(lambda name=name: self.get("serviceaccounts", "default", name), f"an account in {name}")
        for plural, document in BEGINNING:
            await self.make(plural, document)
        await self.make(
            "configmaps", {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "{}"}}, "kube-public"
        )
        await self.make("secrets", _token("abcdef"), "kube-system")
        await self.make("secrets", _token("ending", expiration="2020-01-01T00:00:00Z"), "kube-system")
        await self.make("pods", pod("one"), "doomed")
        owner = await self.make("configmaps", {"metadata": {"name": "owner"}})
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        for number in range(3):
            await self.make("configmaps", {"metadata": {"name": f"owned-{number}", "ownerReferences": [reference]}})
        approved = {"type": "Approved", "status": "True", "reason": "Test"}
        await self.change("certificatesigningrequests", "wanted", {"status": {"conditions": [approved]}}, "approval")
        await self.none(self.unsettled)
        await self.all_change()
        await self.none(self.unsettled_anew)

    async def unsettled(self) -> set[str]:
        """What has not yet begun."""
        return await self._missing(
            ("deployments web", self.status("deployments", "web", availableReplicas=3, updatedReplicas=3, replicas=3)),
            ("replicationcontrollers old", self.status("replicationcontrollers", "old", availableReplicas=3)),
            ("statefulsets db", self.status("statefulsets", "db", availableReplicas=2)),
            ("daemonsets agent", self.status("daemonsets", "agent", numberAvailable=3)),
            ("jobs work", self.status("jobs", "work", succeeded=4)),
        )

    async def unsettled_anew(self) -> set[str]:
        """What has not yet followed the change, or is still there."""
        missing = await self._missing(
            ("deployments web", self.status("deployments", "web", availableReplicas=3, updatedReplicas=3, replicas=3)),
            ("replicationcontrollers old", self.status("replicationcontrollers", "old", availableReplicas=3)),
            ("statefulsets db", self.status("statefulsets", "db", availableReplicas=2, updatedReplicas=2)),
            ("daemonsets agent", self.status("daemonsets", "agent", numberAvailable=2, updatedNumberScheduled=2)),
            ("poddisruptionbudgets web", self.status("poddisruptionbudgets", "web", currentHealthy=3)),
            ("endpoints web", self._has_endpoints(3)),
        )
        for plural, name, namespace in GOING:
            if await self.get(plural, name, namespace):
                missing.add(f"{plural} {name}")
        return missing | {
            each["metadata"]["name"] for each in await self.list("pods") if each["spec"].get("nodeName") == NODES[2]
        }

    async def _has_endpoints(self, count: int) -> bool:
        """Whether the Service web has so many, and none of pods that go."""
        (subset,) = (await self.get("endpoints", "web")).get("subsets") or [{}]
        slices = [each for each in await self.list("endpointslices") if each["metadata"]["name"].startswith("web-")]
        endpoints = [each for slice in slices for each in slice["endpoints"] or []]
        ready = [each["conditions"]["ready"] for each in endpoints]
        return (
            len(subset.get("addresses", [])) == count and "notReadyAddresses" not in subset and ready == [True] * count
        )

    @staticmethod
    async def _missing(*wanted: tuple[str, Awaitable[bool]]) -> set[str]:
        return {name for name, is_there in wanted if not await is_there}

    async def all_change(self) -> None:
        two = {"spec": {"template": {"spec": pod_spec("two")}}}
        for plural, name in (("deployments", "web"), ("statefulsets", "db"), ("daemonsets", "agent")):
            await self.change(plural, name, two)
        await self.change("replicationcontrollers", "old", {"metadata": {"labels": {"changed": "yes"}}})
        for path in (
            resource("configmaps").path(NAMESPACE, "owner"),
            resource("namespaces").path("", "doomed"),
            resource("persistentvolumeclaims").path(NAMESPACE, "kept"),
        ):
            assert (await self.client.raw("DELETE", path)).status_code == 200
        taints = [{"key": "example.com/out", "effect": "NoExecute"}]
        await self.change("nodes", NODES[2], {"spec": {"taints": taints}})

    async def outcome(self) -> Counter[str]:
        """All objects there are, without what differs from telling to telling."""
        found: Counter[str] = Counter()
        left_out = {"events", "leases", "apiservices", "flowschemas", "prioritylevelconfigurations", "ipaddresses"}
        for plural in sorted({each.plural for each in RESOURCES if each.is_stored} - left_out):
            for document in await self.list(plural):
                meta = document["metadata"]
                of_server = meta.get("namespace") == "default"  # has the API server's own port
                of_controllers = plural == "serviceaccounts" and meta["namespace"] == "kube-system"
                if not of_server and not of_controllers:
                    found[plain(plural, document)] += 1
        return found


_SAME = (
    (re.compile(r"-----BEGIN [^\"]*"), "PEM"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+(/\d+)?\b"), "ADDRESS"),
    (re.compile(r'"[A-Za-z0-9+/=._-]{60,}"'), '"SECRET"'),
    (re.compile(r'"/[^"]*/volumes/'), '"/volumes/'),
    (re.compile(r'"nodeName": "[^"]*"(, )?'), ""),
    (re.compile(r'"annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "TIME"}, '), ""),
    (re.compile(r'"csi-[0-9a-f]{64}"'), '"ATTACHMENT"'),
)
_DRAWN = re.compile(r"\b(kube-api-access|device-user-gpu|web-[0-9a-z]{8,10}|old|agent|work-\d|web)-[a-z0-9]{5}\b")
"""Names of volumes that admission gives a pod, of claims made for it, and of pods."""


def plain(plural: str, document: Document) -> str:
    """As text, without names that were drawn, times, addresses and secrets, and what tells how a state was reached.

    What a controller knows only from what it did itself is lost with it: when an autoscaler scaled last and to what,
    and when the pods of a slice changed.
    """
    meta, status = document["metadata"], document.get("status", {})
    for key in ("resourceVersion", "managedFields", "creationTimestamp", "uid"):
        meta.pop(key, None)
    if "observedGeneration" in status:
        status["observedGeneration"] = status["observedGeneration"] == meta["generation"]
    for each in status.get("conditions", []):
        each.pop("observedGeneration", None)
    if "conditions" in status:  # what changed last stands last
        status["conditions"].sort(key=lambda each: str(each["type"]))
    meta.pop("generation", None)
    if plural == "persistentvolumes":
        document["spec"]["claimRef"].pop("resourceVersion", None)
    elif plural == "horizontalpodautoscalers":
        status.pop("desiredReplicas", None)
        status.pop("lastScaleTime", None)
    text = json.dumps({"kind": plural, **document}, sort_keys=True)
    if meta.get("generateName"):
        text = text.replace(meta["name"], meta["generateName"] + "NAME")
    for pattern, instead in _SAME:
        text = pattern.sub(instead, text)
    return re.sub(
        r"\b(kube-api-access|device-user-gpu|web-[0-9a-f]{8,10}|old|agent|work-\d|web)-[a-z0-9]{5}\b", r"\1-NAME", text
    )
