"""The Node authorizer: what kubelets may do, and what they may read only for the pods they run.

See https://kubernetes.io/docs/reference/access-authn-authz/node/.  Its rules are those of the cluster role system:node,
but for what `_JUDGES` names: there it depends on the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from api.quoting import quoted
from api.selectors import FieldMatcher, SelectorError
from apiserver.authorization.authorizer import CANNOT_LIST
from apiserver.authorization.node_graph import CLAIMS, NodeGraph
from apiserver.authorization.rules import Rule
from apiserver.request import RequestInfo, User
from apiserver.storage.watch_cache import WatchCache

NODES = "system:nodes"
LEASES = "kube-node-lease"
_UNLISTED = f"node authorizer {CANNOT_LIST}"  # it depends on the pods
_PREFIX = "system:node:"
_READ = ("get", "list", "watch")
_OWN = ("get", "create", "update", "patch", "delete")


def node_of(name: str, groups: Iterable[str]) -> str | None:
    """The node that a user speaks for: None for who is no node, empty for a node without a name."""
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) and NODES in groups else None


class NodeAuthorizer:
    def __init__(self, rules: Sequence[Rule], cache: WatchCache) -> None:
        self._rules = rules
        self._graph = NodeGraph(cache)

    def allows(self, user: User, info: RequestInfo) -> bool:
        node = node_of(user.name, user.groups)
        return node is not None and self._problem(node, info) is None

    def reason(self, user: User, info: RequestInfo) -> str:
        node = node_of(user.name, user.groups)
        if node is None:
            return ""
        return self._problem(node, info) or "" if node else f"unknown node for user {quoted(user.name)}"

    def rules(self, user: User, namespace: str) -> Iterable[Rule]:
        return ()

    def unlisted(self, user: User, namespace: str) -> str:
        return "" if node_of(user.name, user.groups) is None else _UNLISTED

    def _problem(self, node: str, info: RequestInfo) -> str | None:
        """Why a node may not do something, empty where there is nothing to say about it; None when it may."""
        if not node:
            return ""
        judge = _JUDGES.get((info.group, info.resource)) if info.is_resource else None
        if judge is not None:
            return judge(self._graph, node, info)
        return None if any(rule.allows(info) for rule in self._rules) else ""


def _judge_readable(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    """Secrets and ConfigMaps."""
    if info.verb not in _READ:
        return "can only read resources of this type"
    if info.subresource:
        return "cannot read subresource"
    if not info.namespace:
        return "can only read namespaced object of this type"
    return _related(node, info, graph.uses(node, (info.resource, info.namespace, info.object_name)))


def _judge_claim(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.subresource == "status":
        if info.verb not in ("update", "patch"):
            return "can only get/update/patch this type"
    elif problem := _only_get(info):
        return problem
    return _related(node, info, graph.uses(node, (CLAIMS, info.namespace, info.name)))


def _judge_volume(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    return _only_get(info) or _related(node, info, graph.uses_volume(node, info.name))


def _judge_device_claim(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    return _only_get(info) or _related(node, info, graph.uses(node, ("resourceclaims", info.namespace, info.name)))


def _judge_attachment(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    return _only_get(info) or _related(node, info, graph.is_for(node, f"/volumeattachments.storage.k8s.io/{info.name}"))


def _judge_account(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.verb == "get" and not info.subresource:
        problem = None
    elif info.verb != "create" or not info.name:
        problem = "can only create tokens for individual service accounts"
    else:
        problem = None if info.subresource == "token" else "can only create token subresource of serviceaccount"
    return problem or _related(node, info, graph.uses(node, ("serviceaccounts", info.namespace, info.name)))


def _judge_lease(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.verb not in _OWN:
        return "can only get, create, update, patch, or delete a node lease"
    if info.namespace != LEASES:
        return f'can only access leases in the "{LEASES}" system namespace'
    if info.verb != "create" and info.name != node:  # what a new one is called, admission sees to
        return "can only access node lease with the same name as the requesting node"
    return None


def _judge_csi_node(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.verb not in _OWN:
        return "can only get, create, update, patch, or delete a CSINode"
    if info.subresource:
        return "cannot authorize CSINode subresources"
    if info.verb != "create" and info.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return None


def _judge_slice(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.subresource:
        return "cannot authorize ResourceSlice subresources"
    if info.verb == "create":  # for which node, admission sees to
        return None
    if info.verb in ("get", "update", "patch", "delete"):
        return _related(node, info, graph.is_for(node, f"/resourceslices.resource.k8s.io/{info.name}"))
    if info.verb in ("list", "watch", "deletecollection"):
        if _selects(info, "spec.nodeName", node):
            return None
        return "can only list/watch/deletecollection resourceslices with nodeName field selector"
    return (
        "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, "
        "deletecollection"
    )


def _judge_node(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    if info.subresource:
        return None if info.subresource == "status" and info.verb in ("update", "patch") else ""
    if info.verb in ("create", "update", "patch"):  # of which node, admission sees to
        return None
    if info.verb not in _READ:
        return ""
    if info.object_name == node:  # there need not be one yet
        return None
    if not info.object_name:
        return f"node '{node}' cannot read all nodes, only its own Node object"
    return f"node '{node}' cannot read '{info.object_name}', only its own Node object"


def _judge_pod(graph: NodeGraph, node: str, info: RequestInfo) -> str | None:
    match info.subresource, info.verb:
        case "", "get":
            return _related(node, info, graph.runs(node, info.namespace, info.name))
        case "", "list" | "watch":
            if _selects(info, "spec.nodeName", node):
                return None
            if not info.object_name:
                return "can only list/watch pods with spec.nodeName field selector"
            return _related(node, info, graph.runs(node, info.namespace, info.object_name))
        case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
            return None  # of which pods, admission sees to
    return ""


_JUDGES: Mapping[tuple[str, str], Callable[[NodeGraph, str, RequestInfo], str | None]] = {
    ("", "secrets"): _judge_readable,
    ("", "configmaps"): _judge_readable,
    ("", CLAIMS): _judge_claim,
    ("", "persistentvolumes"): _judge_volume,
    ("", "serviceaccounts"): _judge_account,
    ("", "nodes"): _judge_node,
    ("", "pods"): _judge_pod,
    ("coordination.k8s.io", "leases"): _judge_lease,
    ("resource.k8s.io", "resourceclaims"): _judge_device_claim,
    ("resource.k8s.io", "resourceslices"): _judge_slice,
    ("storage.k8s.io", "csinodes"): _judge_csi_node,
    ("storage.k8s.io", "volumeattachments"): _judge_attachment,
}


def _only_get(info: RequestInfo) -> str | None:
    if info.verb != "get":
        return "can only get individual resources of this type"
    return "cannot get subresource" if info.subresource else None


def _related(node: str, info: RequestInfo, related: bool) -> str | None:
    if not info.object_name:
        return "No Object name found"
    return None if related else f"no relationship found between node '{node}' and this object"


def _selects(info: RequestInfo, field: str, value: str) -> bool:
    """Whether a request is for those objects alone that have a value in a field."""
    try:
        terms = FieldMatcher.parse(info.field_selector).terms
    except SelectorError:
        return False
    return any(term.field == field and term.value == value and not term.negated for term in terms)
