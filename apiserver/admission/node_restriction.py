"""NodeRestriction: a kubelet changes its own node, the pods bound to it, and what belongs to these.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from api.core_v1 import Node, Pod
from api.errors import not_found
from api.quoting import quoted
from apiserver.admission.plugin import AdmissionPlugin, AdmissionRequest
from apiserver.authorization.node import LEASES, node_of
from apiserver.authorization.node_graph import pod_references
from apiserver.registry.pod_annotations import MIRROR

_RESTRICTED_DOMAIN = "node-restriction.kubernetes.io"
_KUBERNETES_DOMAINS = ("kubernetes.io", "k8s.io")
_KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type", "kubernetes.io/os",
        "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
    }
)  # fmt: skip
_KUBELET_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_VOLUMES_OF_OBJECTS = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
_PROJECTIONS_OF_OBJECTS = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}
_AUDIENCE_VERB = "request-serviceaccounts-token-audience"


class NodeRestriction(AdmissionPlugin):
    name = "NodeRestriction"

    def mutate(self, request: AdmissionRequest) -> None:
        """Changes nothing, but a node hears of this before it hears what else is wrong."""
        if request.operation in ("CREATE", "UPDATE"):
            self._restrict(request)

    def validate(self, request: AdmissionRequest) -> None:
        if request.operation == "DELETE":
            self._restrict(request)

    @staticmethod
    def _restrict(request: AdmissionRequest) -> None:
        node = node_of(request.user, request.groups)
        if node is None:
            return
        if not node:
            raise request.forbidden(f"could not determine node from user {quoted(request.user)}")
        judge = _JUDGES.get(request.resource.group_resource)
        problem = judge(node, request) if judge is not None else None
        if problem is not None:
            raise request.forbidden(problem)


# --- pods


def _judge_pods(node: str, request: AdmissionRequest) -> str | None:
    match request.subresource:
        case "":
            return _judge_pod(node, request)
        case "status":
            return _judge_pod_status(node, request)
        case "eviction":
            pod = _pod(request, request.name)
            if pod.spec.nodeName != node:
                return f"node {node} can only evict pods with spec.nodeName set to itself"
            return None
    return f"unexpected pod subresource {quoted(request.subresource)}, only 'status' and 'eviction' are allowed"


def _pod(request: AdmissionRequest, name: str) -> Pod:
    """Raises NotFound."""
    found: Pod | None = request.context.peek(Pod, request.namespace, name)
    if found is None:
        raise not_found("", "pods", name)
    return found


def _judge_pod(node: str, request: AdmissionRequest) -> str | None:
    if request.operation == "DELETE":
        if request.old_object.spec.nodeName != node:
            return f"node {quoted(node)} can only delete pods with spec.nodeName set to itself"
        return None
    if request.operation != "CREATE":
        operation = quoted(request.operation)
        return f"unexpected operation {operation}, node {quoted(node)} can only create and delete mirror pods"
    pod, only = request.object, f"node {quoted(node)} can only create pods with"
    if MIRROR not in pod.metadata.annotations:
        return f"pod does not have {quoted(MIRROR)} annotation, node {quoted(node)} can only create mirror pods"
    if pod.spec.nodeName != node:
        return f"{only} spec.nodeName set to itself"
    return _owner_problem(node, request) or _reference_problem(node, pod)


def _owner_problem(node: str, request: AdmissionRequest) -> str | None:
    only, owners = f"node {quoted(node)} can only create pods with", request.object.metadata.ownerReferences
    if len(owners) > 1:
        return f"{only} a single owner reference set to itself"
    owner = owners[0] if owners else None
    if owner is None or (owner.apiVersion, owner.kind, owner.name) != ("v1", "Node", node):
        return f"{only} an owner reference set to itself"
    if not owner.controller:
        return f"{only} a controller owner reference set to itself"
    if owner.blockOwnerDeletion:
        return f"node {quoted(node)} must not set blockOwnerDeletion on an owner reference"
    found = request.context.peek(Node, "", node)
    if found is None:
        raise not_found("", "nodes", node)
    if owner.uid != found.metadata.uid:
        return f"node {node} UID mismatch: expected {owner.uid} got {found.metadata.uid}"
    return None


def _reference_problem(node: str, pod: Pod) -> str | None:
    """A pod that a node makes up must not lead it to other objects."""
    referenced = next(_referenced(pod.to_dict()), None)
    return referenced and f"node {quoted(node)} can not create pods that reference {referenced}"


def _referenced(pod: dict[str, Any]) -> Iterator[str]:
    """In the order in which they are reported."""
    spec, named = pod["spec"], {resource for resource, name in pod_references(pod) if name}
    yield from (resource for resource in ("serviceaccounts", "secrets", "configmaps") if resource in named)
    if spec.get("resourceClaims"):
        yield "resourceclaims"
    for volume in spec.get("volumes") or ():
        yield from (words for source, words in _VOLUMES_OF_OBJECTS.items() if source in volume)
        for projection in (volume.get("projected") or {}).get("sources") or ():
            yield from (words for source, words in _PROJECTIONS_OF_OBJECTS.items() if source in projection)


def _judge_pod_status(node: str, request: AdmissionRequest) -> str | None:
    new, old = request.object, request.old_object
    if old.spec.nodeName != node:
        return f"node {quoted(node)} can only update pod status for pods with spec.nodeName set to itself"
    if new.metadata.labels != old.metadata.labels:
        return f"node {quoted(node)} cannot update labels through pod status"
    if new.status.resourceClaimStatuses != old.status.resourceClaimStatuses:
        return f"node {quoted(node)} cannot update resource claim statues"
    if new.status.extendedResourceClaimStatus != old.status.extendedResourceClaimStatus:
        return f"node {quoted(node)} cannot update extended resource claim status"
    return None


# --- nodes


def _judge_node(node: str, request: AdmissionRequest) -> str | None:
    if request.name != node:
        return f"node {quoted(node)} is not allowed to modify node {quoted(request.name)}"
    new, old = request.object, request.old_object
    if request.operation == "CREATE":
        if new.spec.configSource is not None:
            return f"node {quoted(node)} is not allowed to create pods with a non-nil configSource"
        if refused := _refused_labels(new.metadata.labels, {}):
            return f"node {quoted(node)} is not allowed to set the following labels: {refused}"
    elif request.operation == "UPDATE":
        if new.spec.configSource is not None and new.spec.configSource != old.spec.configSource:
            return f"node {quoted(node)} is not allowed to update configSource to a new non-nil configSource"
        if new.spec.taints != old.spec.taints:
            return f"node {quoted(node)} is not allowed to modify taints"
        if refused := _refused_labels(new.metadata.labels, old.metadata.labels):
            return f"is not allowed to modify labels: {refused}"
        if new.metadata.ownerReferences != old.metadata.ownerReferences:
            return f"node {quoted(node)} is not allowed to modify ownerReferences"
    return None


def _refused_labels(new: Mapping[str, str], old: Mapping[str, str]) -> str:
    """Those among the changed labels by which a node could draw workloads to itself."""
    changed = (label for label in {**new, **old} if new.get(label) != old.get(label))
    return ", ".join(sorted(label for label in changed if not _is_for_kubelets(label)))


def _is_for_kubelets(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    if not slash:
        return True
    if _is_within(domain, (_RESTRICTED_DOMAIN,)):
        return False
    kubernetes_own = _is_within(domain, _KUBERNETES_DOMAINS)
    return not kubernetes_own or label in _KUBELET_LABELS or _is_within(domain, _KUBELET_DOMAINS)


def _is_within(domain: str, parents: Iterable[str]) -> bool:
    return any(domain == parent or domain.endswith("." + parent) for parent in parents)


# --- what belongs to them


def _judge_claim(node: str, request: AdmissionRequest) -> str | None:
    if request.subresource != "status":
        return "may only update PVC status"
    new, old = (_but_what_grows(claim) for claim in (request.object, request.old_object))
    if new == old:
        return None
    return f"node {quoted(node)} is not allowed to update fields other than status.quantity and status.conditions"


def _but_what_grows(claim: Any) -> dict[str, Any]:
    document: dict[str, Any] = claim.to_dict()
    metadata, status = document["metadata"], document.get("status") or {}
    for name in ("resourceVersion", "managedFields"):
        metadata.pop(name, None)
    for name in ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"):
        status.pop(name, None)
    return document


def _judge_token(node: str, request: AdmissionRequest) -> str | None:
    if request.operation != "CREATE" or request.subresource != "token":
        return None
    spec = request.object.spec
    bound = spec.boundObjectRef
    if bound is None or (bound.apiVersion, bound.kind) != ("v1", "Pod") or not bound.name:
        return "node requested token not bound to a pod"
    if not bound.uid:
        return "node requested token with a pod binding without a uid"
    pod = _pod(request, bound.name)
    if bound.uid != pod.metadata.uid:
        return (
            f"the UID in the bound object reference ({bound.uid}) does not match the UID in record. The object might "
            "have been deleted and then recreated"
        )
    if pod.spec.nodeName != node:
        return "node requested token bound to a pod scheduled on a different node"
    return _audience_problem(request, pod)


def _audience_problem(request: AdmissionRequest, pod: Pod) -> str | None:
    """A node may ask for the audiences of the pod's volumes, and for those that a role lets it ask for (KEP-4412)."""
    audiences = request.object.spec.audiences
    if len(audiences) > 1:
        return "node may only request 0 or 1 audiences"
    audience = audiences[0] if audiences else ""
    if audience in _volume_audiences(request, pod):
        return None
    if request.context.may(_AUDIENCE_VERB, "", audience, request.namespace, request.name):
        return None
    return (
        f"audience {quoted(audience)} not found in pod spec volume, {request.user} is not authorized to request tokens "
        "for this audience"
    )


def _volume_audiences(request: AdmissionRequest, pod: Pod) -> Iterator[str]:
    drivers = set()
    for volume in pod.spec.volumes:
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.serviceAccountToken is not None:
                yield source.serviceAccountToken.audience
        if volume.csi is not None:
            drivers.add(volume.csi.driver)
        elif volume.persistentVolumeClaim is not None:
            drivers.add(_driver_of(request, volume.persistentVolumeClaim.claimName))
        elif volume.ephemeral is not None:
            drivers.add(_driver_of(request, f"{pod.metadata.name}-{volume.name}"))
    if drivers:
        from api.storage_v1 import CSIDriver

        for driver in filter(None, drivers):
            found = request.context.peek(CSIDriver, "", driver)
            yield from (each.audience for each in (found.spec.tokenRequests if found is not None else ()))


def _driver_of(request: AdmissionRequest, claim_name: str) -> str:
    """The CSI driver of the volume that a claim is bound to; empty where there is none."""
    from api.core_v1 import PersistentVolume, PersistentVolumeClaim

    claim = request.context.peek(PersistentVolumeClaim, request.namespace, claim_name)
    volume = (
        request.context.peek(PersistentVolume, "", claim.spec.volumeName) if claim and claim.spec.volumeName else None
    )
    return volume.spec.csi.driver if volume is not None and volume.spec.csi is not None else ""


def _judge_lease(node: str, request: AdmissionRequest) -> str | None:
    if request.namespace != LEASES:
        return f'can only access leases in the "{LEASES}" system namespace'
    return None if request.name == node else "can only access node lease with the same name as the requesting node"


def _judge_csi_node(node: str, request: AdmissionRequest) -> str | None:
    return None if request.name == node else "can only access CSINode with the same name as the requesting node"


def _judge_slice(node: str, request: AdmissionRequest) -> str | None:
    if request.operation == "CREATE" and request.object.spec.nodeName != node:
        return "can only create ResourceSlice with the same NodeName as the requesting node"
    if request.operation == "DELETE" and request.old_object.spec.nodeName != node:
        return "can only delete ResourceSlice with the same NodeName as the requesting node"
    return None


def _judge_signing_request(node: str, request: AdmissionRequest) -> str | None:
    if request.operation != "CREATE" or request.object.spec.signerName not in _KUBELET_SIGNERS:
        return None
    from apiserver.registry.pem import common_name, request_problem

    encoded = request.object.spec.request
    if problem := request_problem(encoded):
        return f"unable to parse csr: {problem}"
    return None if common_name(encoded) == request.user else f"can only create a node CSR with CN={request.user}"


_JUDGES: Mapping[str, Callable[[str, AdmissionRequest], str | None]] = {
    "pods": _judge_pods,
    "nodes": _judge_node,
    "persistentvolumeclaims": _judge_claim,
    "serviceaccounts": _judge_token,
    "leases.coordination.k8s.io": _judge_lease,
    "csinodes.storage.k8s.io": _judge_csi_node,
    "resourceslices.resource.k8s.io": _judge_slice,
    "certificatesigningrequests.certificates.k8s.io": _judge_signing_request,
}
