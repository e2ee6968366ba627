"""Which objects belong to a node: what the pods that are bound to it name, and the volumes behind their claims.

Pods and volumes are kept in an index that takes in what has changed in the watch cache whenever it is asked: an answer
looks at one object, whatever the number of pods, and is as current as the cache.  Until somebody asks, nothing is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apiserver.registry.pod_annotations import MIRROR
from apiserver.storage.entry import CacheEvent, Entry
from apiserver.storage.subscription import Subscription
from apiserver.storage.watch_cache import WatchCache

Reference = tuple[str, str, str]
"""Resource, namespace and name of an object that a node may need."""

CLAIMS = "persistentvolumeclaims"
_PODS, _VOLUMES = "/pods/", "/persistentvolumes/"
_CLAIM_STATUSES = (b'"resourceClaimStatuses"', b'"extendedResourceClaimStatus"')


@dataclass(frozen=True, slots=True)
class _BoundPod:
    node: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class _BoundVolume:
    claim: Reference
    secrets: tuple[Reference, ...]


class NodeGraph:
    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._subscriptions: list[Subscription] = []
        self._pods: dict[str, _BoundPod] = {}  # by key
        self._volumes: dict[str, _BoundVolume] = {}  # by key
        self._nodes_of: dict[Reference, Counter[str]] = {}  # how many pods of each node name an object
        self._volumes_with: dict[Reference, set[str]] = {}  # keys of the volumes that need a Secret

    def uses(self, node: str, reference: Reference) -> bool:
        """Whether pods of a node name an object, or a volume that they claim does."""
        self._catch_up()
        return self._names(node, reference) or any(
            self._names(node, self._volumes[key].claim) for key in self._volumes_with.get(reference, ())
        )

    def uses_volume(self, node: str, name: str) -> bool:
        """Whether pods of a node claim a PersistentVolume."""
        self._catch_up()
        volume = self._volumes.get(_VOLUMES + name)
        return volume is not None and self._names(node, volume.claim)

    def runs(self, node: str, namespace: str, name: str) -> bool:
        """Whether a pod is bound to a node."""
        pod = self._cache.get(f"{_PODS}{namespace}/{name}")
        return pod is not None and pod.fields.get("spec.nodeName") == node

    def is_for(self, node: str, key: str) -> bool:
        """Whether an object that names its node in its spec, stored under this key, names this one."""
        found = self._cache.get(key)
        return found is not None and (found.document.get("spec") or {}).get("nodeName") == node

    def _names(self, node: str, reference: Reference) -> bool:
        nodes = self._nodes_of.get(reference)
        return nodes is not None and node in nodes

    # --- keeping up

    def _catch_up(self) -> None:
        if not self._subscriptions or any(subscription.closed for subscription in self._subscriptions):
            self._load()
        pods, volumes = self._subscriptions
        if pods.pending:
            for event in pods.take():
                self._take_in_pod(event)
        if volumes.pending:
            for event in volumes.take():
                self._drop_volume(event.entry.key)
                if event.type != "DELETED":
                    self._put_volume(event.entry)

    def _load(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._pods, self._volumes, self._nodes_of, self._volumes_with = {}, {}, {}, {}
        for prefix, put in ((_PODS, self._put_pod), (_VOLUMES, self._put_volume)):
            for entry in self._cache.list(prefix):
                put(entry)
        self._subscriptions = [self._cache.watch(prefix, "", self._cache.revision) for prefix in (_PODS, _VOLUMES)]

    def _take_in_pod(self, event: CacheEvent) -> None:
        entry, known = event.entry, self._pods.get(event.entry.key)
        same = event.type == "MODIFIED" and known is not None and known.node == entry.fields.get("spec.nodeName")
        if same and not any(word in entry.members for word in _CLAIM_STATUSES):
            return  # what a bound pod names does not change, but for the claims that are made for it
        self._drop_pod(entry.key)
        if event.type != "DELETED":
            self._put_pod(entry)

    def _put_pod(self, entry: Entry) -> None:
        node = entry.fields.get("spec.nodeName")
        if not node:
            return
        document = entry.document
        # A mirror pod is made by a node: it must not give that node a right to anything.
        is_mirror = MIRROR in (document["metadata"].get("annotations") or ())
        named = () if is_mirror else {(*found,) for found in pod_references(document) if found[1]}
        references = tuple((resource, entry.namespace, name) for resource, name in named)
        self._pods[entry.key] = _BoundPod(node, references)
        for reference in references:
            self._nodes_of.setdefault(reference, Counter())[node] += 1

    def _drop_pod(self, key: str) -> None:
        pod = self._pods.pop(key, None)
        for reference in pod.references if pod is not None else ():
            nodes = self._nodes_of[reference]
            assert pod is not None
            nodes[pod.node] -= 1
            if not nodes[pod.node]:
                del nodes[pod.node]
            if not nodes:
                del self._nodes_of[reference]

    def _put_volume(self, entry: Entry) -> None:
        spec = entry.document.get("spec") or {}
        claim = spec.get("claimRef")
        if not claim:
            return
        namespace = claim.get("namespace", "")
        secrets = tuple(("secrets", *found) for found in volume_secrets(spec, namespace))
        self._volumes[entry.key] = _BoundVolume((CLAIMS, namespace, claim.get("name", "")), secrets)
        for secret in secrets:
            self._volumes_with.setdefault(secret, set()).add(entry.key)

    def _drop_volume(self, key: str) -> None:
        volume = self._volumes.pop(key, None)
        for secret in volume.secrets if volume is not None else ():
            keys = self._volumes_with[secret]
            keys.discard(key)
            if not keys:
                del self._volumes_with[secret]


def pod_references(pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a pod (as JSON) names in its namespace: resource and name, which may be empty."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    yield "serviceaccounts", spec.get("serviceAccountName") or ""
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", secret.get("name", "")
    yield from _named_in(spec)
    for volume in spec.get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield CLAIMS, claim.get("claimName", "")
        elif "ephemeral" in volume:
            yield CLAIMS, f"{pod['metadata']['name']}-{volume['name']}"
    made = {each["name"]: each.get("resourceClaimName") for each in status.get("resourceClaimStatuses") or ()}
    for claim in spec.get("resourceClaims") or ():
        yield "resourceclaims", claim.get("resourceClaimName") or made.get(claim["name"]) or ""
    yield "resourceclaims", (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName") or ""


def _named_in(value: Any) -> Iterator[tuple[str, str]]:
    """Volumes, variables and drivers say it in many places, but always in the same words."""
    if isinstance(value, list):
        for item in value:
            yield from _named_in(item)
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, dict):
                if key in ("secret", "azureFile"):
                    yield "secrets", member.get("secretName") or member.get("name") or ""
                elif key in ("secretRef", "secretKeyRef") or key.endswith("SecretRef"):
                    yield "secrets", member.get("name") or ""
                elif key in ("configMap", "configMapRef", "configMapKeyRef"):
                    yield "configmaps", member.get("name") or ""
            yield from _named_in(member)


_KUBELETS_OWN = ("nodeStageSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
_WITH_SECRET: dict[str, Callable[[dict[str, Any]], list[dict[str, Any] | None]]] = {
    "csi": lambda source: [source.get(name) for name in _KUBELETS_OWN],
    "azureFile": lambda source: [{"name": source.get("secretName"), "namespace": source.get("secretNamespace")}],
    **dict.fromkeys(
        ("cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"),
        lambda source: [source.get("secretRef")],
    ),
}


def volume_secrets(spec: dict[str, Any], claim_namespace: str) -> Iterator[tuple[str, str]]:
    """Namespace and name of each Secret that a kubelet needs for a PersistentVolume; what only controllers need (of
    CSI drivers) is not among them."""
    for kind, references in _WITH_SECRET.items():
        for reference in references(spec[kind]) if spec.get(kind) else ():
            if reference and reference.get("name"):
                yield reference.get("namespace") or claim_namespace, reference["name"]
