"""The built-in resources, with the subresources they have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from api.scheme import RESOURCES, Resource

VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


def _endpoint(resource: Resource) -> Any:
    parts = ["status"] if "status" in resource.model.model_fields else []
    if resource.plural in ("deployments", "replicasets"):
        parts.append("scale")
    verbs = VERBS - {"deletecollection"} if resource.plural == "namespaces" else VERBS
    subresources = tuple(SimpleNamespace(name=name) for name in parts)
    return SimpleNamespace(strategy=SimpleNamespace(resource=resource, verbs=verbs, subresources=subresources))


ENDPOINTS = [_endpoint(resource) for resource in RESOURCES]
