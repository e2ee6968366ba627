"""Discovery: which groups, versions and resources this server has.

Both forms: one document per group version, and the aggregated one that current clients ask for first
(https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from api.scheme import GroupVersion, Resource

Groups = dict[str, dict[str, list[dict[str, Any]]]]
"""The described resources by group and version, in the order in which they are listed."""


class CustomResources(Protocol):
    """What is served besides, as `API` has it."""

    @property
    def custom(self) -> Mapping[tuple[str, str, str], Any]: ...
    @property
    def custom_changes(self) -> int: ...


class Discovery:
    """The documents, made once; `resources` is all that is built in, `api` has the endpoints that come and go."""

    def __init__(self, resources: Iterable[Resource], server_address: str, api: CustomResources | None = None) -> None:
        self._server_address = server_address
        self._api, self._changes = api, 0
        self._built_in: Groups = {}
        _add(self._built_in, resources)
        self._with_custom = self._built_in

    @property
    def _groups(self) -> Groups:
        api = self._api
        if api is not None and api.custom_changes != self._changes:
            from apiserver.custom_resources.version_order import version_rank

            self._changes = api.custom_changes
            self._with_custom = {group: dict(versions) for group, versions in self._built_in.items()}
            resources = [endpoint.discovered for endpoint in api.custom.values()]
            # As APIServices of one priority: by the first of their names, and versions by age and maturity.
            first: dict[str, str] = {}
            for resource in resources:
                name = f"{resource.group_version.version}.{resource.group}"
                first[resource.group] = min(name, first.get(resource.group, name))
            resources.sort(key=lambda r: (first[r.group], version_rank(r.group_version.version), r.plural))
            _add(self._with_custom, resources)
        return self._with_custom

    # --- the documents -------------------------------------------------------------------------

    def core_versions(self) -> dict[str, Any]:
        """`/api`."""
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._server_address}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}

    def groups(self) -> list[str]:
        return [group for group in self._groups if group]

    def _group(self, group: str) -> dict[str, Any]:
        versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in self._groups[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def group_list(self) -> dict[str, Any]:
        """`/apis`."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(g) for g in self.groups()]}

    def is_custom(self, group: str) -> bool:
        """Whether definitions alone make a group."""
        return group not in self._built_in and group in self._groups

    def _named(self, group: str, version: str) -> tuple[str, str]:
        """The group version that the aggregated form says of kinds."""
        return (group, version) if self.is_custom(group) else ("", "")

    def group(self, group: str) -> dict[str, Any] | None:
        """`/apis/GROUP`, or None when there is no such group."""
        if not group or group not in self._groups:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}

    def resource_list(self, group: str, version: str) -> dict[str, Any] | None:
        """`/api/v1` and `/apis/GROUP/VERSION`, or None when there is no such version."""
        resources = self._groups.get(group, {}).get(version)
        if resources is None:
            return None
        document: dict[str, Any] = {"kind": "APIResourceList"}
        if group:
            document["apiVersion"] = "v1"
        return {
            **document,
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": resources,
        }

    def aggregated(self, core: bool, version: str) -> dict[str, Any]:
        """`/api` or `/apis` in aggregated form; `version` is that of the apidiscovery.k8s.io format."""
        names: Sequence[str] = [""] if core else self.groups()
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": v,
                        "resources": list(aggregated_resources(resources, *self._named(group, v))),
                        "freshness": "Current",
                    }
                    for v, resources in self._groups.get(group, {}).items()
                ],
            }
            for group in names
        ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }


def _add(groups: Groups, resources: Iterable[Resource]) -> None:
    for resource in resources:
        version = resource.group_version
        versions = groups.setdefault(version.group, {})
        listed = [*versions.get(version.version, ()), *_described(resource)]
        versions[version.version] = sorted(listed, key=lambda each: each["name"].partition("/")[0])


def _described(resource: Resource) -> Iterator[dict[str, Any]]:
    """The resource and its subresources (APIResource)."""
    described: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        described["shortNames"] = list(resource.short_names)
    if resource.categories:
        described["categories"] = list(resource.categories)
    if resource.is_stored:
        described["storageVersionHash"] = _version_hash(resource.stored_in or resource.group_version, resource.kind)
    yield described
    for part in resource.parts:
        entry: dict[str, Any] = {"name": f"{resource.plural}/{part.name}", "singularName": ""}
        entry["namespaced"] = resource.namespaced
        if part.group_version is not None:
            entry |= {"group": part.group_version.group, "version": part.group_version.version}
        yield {**entry, "kind": part.kind or resource.kind, "verbs": list(part.verbs)}


def _version_hash(stored_in: GroupVersion, kind: str) -> str:
    """What clients compare to learn that objects should be written again (`APIResource.storageVersionHash`)."""
    digest = hashlib.sha256(f"{stored_in.group}/{stored_in.version}/{kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def aggregated_resources(
    resources: list[dict[str, Any]], group: str = "", version: str = ""
) -> Iterable[dict[str, Any]]:
    """The resources of a group version as the aggregated form has them, from those of its own document.

    `group` and `version` are said of each resource's kind: only those of custom resources are.
    """
    own = {"group": group, "version": version}
    parts: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        owner, slash, part = resource["name"].partition("/")
        if slash:
            # A kind of the resource's own group version is told by its name alone, unless it is custom.
            kind = {name: resource.get(name, value) for name, value in own.items()} | {"kind": resource["kind"]}
            parts.setdefault(owner, []).append({"subresource": part, "responseKind": kind, "verbs": resource["verbs"]})
    for resource in resources:
        if "/" in resource["name"]:
            continue
        item = {
            "resource": resource["name"],
            "responseKind": {**own, "kind": resource["kind"]},
            "scope": "Namespaced" if resource["namespaced"] else "Cluster",
            "singularResource": resource["singularName"],
            "verbs": resource["verbs"],
        }
        for key in ("shortNames", "categories"):
            if key in resource:
                item[key] = resource[key]
        if resource["name"] in parts:
            item["subresources"] = parts[resource["name"]]
        yield item


def etag(document: Any) -> str:
    """A validator for a document: clients that send it back in If-None-Match are answered 304."""
    return '"' + hashlib.sha512(orjson.dumps(document)).hexdigest().upper() + '"'
