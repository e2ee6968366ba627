"""What nobody gets without a quota: resources that are scarce by the configuration of ResourceQuota.

https://kubernetes.io/docs/concepts/policy/resource-quotas/#limit-priority-class-consumption-by-default
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.quota_usage import in_scope, is_tracked, scopes_of
from apiserver.admission.configuration import expect_kind, strings
from apiserver.configuration_file import ConfigurationError

if TYPE_CHECKING:
    from api.core_v1 import ResourceQuota, ScopedResourceSelectorRequirement

_VERSIONS = ("apiserver.config.k8s.io/v1", "resourcequota.admission.k8s.io/v1beta1")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True)
class Limited:
    """`resource` is named as in `Resource.group_resource`; scarce is what it uses under a name that contains one of
    `contains`, and to be in one of `scopes`."""

    resource: str
    contains: tuple[str, ...] = ()
    scopes: tuple[ScopedResourceSelectorRequirement, ...] = ()


def parse(document: Mapping[str, Any]) -> list[Limited]:
    """Reads a ResourceQuotaConfiguration.  Raises ConfigurationError."""
    from api.core_v1 import ScopedResourceSelectorRequirement

    kind = "Configuration" if str(document.get("apiVersion", "")).startswith("resourcequota") else ""
    expect_kind(document, kind or "ResourceQuotaConfiguration", _VERSIONS)
    found = []
    for index, entry in enumerate(document.get("limitedResources") or ()):
        path = f"limitedResources[{index}]"
        if not entry.get("resource"):
            raise ConfigurationError(f"ResourceQuota: {path}.resource is missing")
        scopes = []
        for scope in entry.get("matchScopes") or ():
            if scope.get("operator") not in _OPERATORS:
                raise ConfigurationError(f"ResourceQuota: {path}.matchScopes: operator: one of {', '.join(_OPERATORS)}")
            scopes.append(ScopedResourceSelectorRequirement.from_dict(scope))
        group = entry.get("apiGroup") or ""
        name = f"{entry['resource']}.{group}" if group else entry["resource"]
        found.append(Limited(name, tuple(strings(entry, "matchContains")), tuple(scopes)))
    return found


def uncovered(
    limits: Sequence[Limited],
    resource: str,
    obj: Any,
    usage: Mapping[str, str],
    quotas: Sequence[ResourceQuota],
    concerned: Sequence[ResourceQuota],
) -> str:
    """What an object uses although no quota lets it, in Kubernetes' words; empty when there is none such.

    `concerned` are those of the namespace's `quotas` that the object counts for.
    """
    limits = [limit for limit in limits if limit.resource == resource]
    limited = {name for limit in limits for name in usage if any(part in name for part in limit.contains)}
    covered = {name for quota in concerned for name in quota.status.hard if is_tracked(resource, name)}
    if missing := sorted(limited - covered):
        return f"insufficient quota to consume: {','.join(missing)}"
    matched = {scope.scopeName for quota in quotas for scope in scopes_of(quota) if in_scope(resource, scope, obj)}
    shown = [
        f"{{{scope.scopeName} {scope.operator} [{' '.join(scope.values)}]}}"
        for limit in limits
        for scope in limit.scopes
        if in_scope(resource, scope, obj) and scope.scopeName not in matched
    ]
    return f"insufficient quota to match these scopes: [{' '.join(shown)}]" if shown else ""
