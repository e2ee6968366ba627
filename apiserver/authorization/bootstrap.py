"""Creates the built-in roles and bindings, and gives back to existing ones what they have lost.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.scheme import RBAC_V1, RESOURCES
from apiserver.authorization import bootstrap_policy
from apiserver.authorization.rules import rules_of, uncovered
from apiserver.built_in_objects import ensure
from apiserver.storage.watch_cache import WatchCache

_KEEP = "rbac.authorization.kubernetes.io/autoupdate"
_OBJECTS = {
    "clusterroles": bootstrap_policy.cluster_roles,
    "clusterrolebindings": bootstrap_policy.cluster_role_bindings,
    "roles": bootstrap_policy.roles,
    "rolebindings": bootstrap_policy.role_bindings,
}


async def ensure_roles(cache: WatchCache, now: datetime) -> None:
    resources = {resource.plural: resource for resource in RESOURCES if resource.group_version == RBAC_V1}
    for plural, objects in _OBJECTS.items():
        await ensure(cache, now, resources[plural], objects(), _owned, merge)


def _owned(document: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {f"f:{name}": {} for name in ("roleRef", "rules", "subjects") if document.get(name)}
    if "aggregationRule" in document:
        fields["f:aggregationRule"] = {".": {}, "f:clusterRoleSelectors": {}}
    return fields


def merge(existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Add the labels, annotations, rules, selectors and subjects that are missing; whether any were.

    What somebody added stays, and an object that says autoupdate: "false" stays as it is.
    """
    metadata = existing["metadata"]
    if (metadata.get("annotations") or {}).get(_KEEP) == "false":
        return False
    changed = False
    for part in ("labels", "annotations"):
        merged = {**(metadata.get(part) or {}), **wanted["metadata"][part]}
        if merged != metadata.get(part):
            metadata[part], changed = merged, True
    if "aggregationRule" in wanted:
        rule = existing.setdefault("aggregationRule", {"clusterRoleSelectors": []})
        changed |= _add(rule["clusterRoleSelectors"], wanted["aggregationRule"]["clusterRoleSelectors"])
    elif "rules" in wanted:
        missing = uncovered(rules_of(existing.get("rules")), rules_of(wanted["rules"]))
        if missing:
            existing["rules"] = (existing.get("rules") or []) + [rule.to_dict() for rule in missing]
            changed = True
    else:
        changed |= _add(existing.setdefault("subjects", []), wanted.get("subjects", []))
        if not existing["subjects"]:
            del existing["subjects"]
    return changed


def _add(existing: list[Any], wanted: list[Any]) -> bool:
    missing = [each for each in wanted if each not in existing]
    existing += missing
    return bool(missing)
