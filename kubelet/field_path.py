"""What a pod may learn about itself: `fieldRef` and `resourceFieldRef`.

See https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING

from api import quantity
from api.core_v1 import Container, Pod, ResourceFieldSelector

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class FieldPathError(ValueError):
    """The path names nothing that a pod may refer to."""


def field_value(pod: Pod, path: str, pod_ips: tuple[str, ...] = (), host_ips: tuple[str, ...] = ()) -> str:
    """The text a `fieldRef` path stands for; labels and annotations as lines of `key="value"`.

    The addresses are parameters since a container is made before the pod's status has them.
    Raises FieldPathError.
    """
    meta = pod.metadata
    found = _SUBSCRIPT.match(path)
    if found:
        table = meta.labels if found[1] == "labels" else meta.annotations
        return table.get(found[2], "")
    match path:
        case "metadata.name":
            return meta.name
        case "metadata.namespace":
            return meta.namespace
        case "metadata.uid":
            return meta.uid
        case "metadata.labels":
            return lines(meta.labels)
        case "metadata.annotations":
            return lines(meta.annotations)
        case "spec.nodeName":
            return pod.spec.nodeName
        case "spec.serviceAccountName":
            return pod.spec.serviceAccountName
        case "status.hostIP":
            return host_ips[0] if host_ips else pod.status.hostIP
        case "status.hostIPs":
            return ",".join(host_ips or [item.ip for item in pod.status.hostIPs])
        case "status.podIP":
            return pod_ips[0] if pod_ips else pod.status.podIP
        case "status.podIPs":
            return ",".join(pod_ips or [item.ip for item in pod.status.podIPs])
    raise FieldPathError(f"unsupported fieldPath: {path}")


def lines(table: Mapping[str, str]) -> str:
    """Labels or annotations as a downward API file shows them, sorted by key."""
    return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(table.items()))


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text) + '"'


def resource_value(
    pod: Pod, selector: ResourceFieldSelector, allocatable: Mapping[str, str], container: Container | None = None
) -> str:
    """The whole number a `resourceFieldRef` stands for, in units of its divisor, rounded up.

    A limit that is not set is what the node can give.  Raises FieldPathError.
    """
    if selector.containerName:
        container = next(
            (c for c in [*pod.spec.containers, *pod.spec.initContainers] if c.name == selector.containerName), None
        )
    if container is None:
        raise FieldPathError(f"container {selector.containerName} not found")
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not name:
        raise FieldPathError(f"unsupported container resource : {selector.resource}")
    table = container.resources.limits if kind == "limits" else container.resources.requests
    value = table.get(name)
    if value is None:
        value = allocatable.get(name, "0") if kind == "limits" else "0"
    divisor = quantity.parse(selector.divisor or "1") or quantity.parse("1")
    return str(int((quantity.parse(value) / divisor).to_integral_value(ROUND_CEILING)))
