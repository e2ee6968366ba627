"""Which resources a server has (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api.errors import StatusError
from api.scheme import GroupVersion, Resource
from client.rest import RestClient

_TYPE = "meta_v1.PartialObjectMetadata"

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True)
class ServedResource:
    """A collection and what can be done with it.  `resource` reads it as PartialObjectMetadata."""

    resource: Resource
    verbs: frozenset[str]

    @property
    def identity(self) -> tuple[str, str]:
        """(group, plural): the same in every version of the group."""
        return self.resource.group, self.resource.plural


@dataclass
class Discovery:
    """Everything served, in the preferred version of each group, and why a group could not be asked."""

    resources: list[ServedResource] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def with_verbs(self, *verbs: str) -> list[ServedResource]:
        return [served for served in self.resources if served.verbs.issuperset(verbs)]

    def kind(self, api_version: str, kind: str) -> Resource | None:
        """Where objects of a kind are served: in that very version, else in another of its group."""
        group = GroupVersion.parse(api_version).group
        found = [s.resource for s in self.resources if s.resource.group == group and s.resource.kind == kind]
        return next((r for r in found if r.api_version == api_version), found[0] if found else None)


async def discover(client: RestClient) -> Discovery:
    """Ask the server: two requests if it can tell all at once, else one for each group and version.

    A group that fails is noted, not raised; raises StatusError or Unreachable when the server cannot even say which
    groups there are.
    """
    result = Discovery()
    seen: set[tuple[str, str]] = set()
    for path in ("/api", "/apis"):
        document = await client.get_json(path, accept=_AGGREGATED)
        if document.get("kind") == "APIGroupDiscoveryList":
            found = _aggregated(document, result.failures)
        else:
            found = [
                entry for version in _versions(path, document) for entry in await _version(client, version, result)
            ]
        for served in found:
            if served.identity not in seen:
                seen.add(served.identity)
                result.resources.append(served)
    return result


def _aggregated(document: dict[str, Any], failures: dict[str, str]) -> list[ServedResource]:
    """Groups with their versions, the preferred first, and each version's resources."""
    result = []
    for group in document.get("items") or ():
        name = group.get("metadata", {}).get("name", "")
        for version in group.get("versions") or ():
            where = GroupVersion(name, version["version"])
            if version.get("freshness") == "Stale":
                failures[str(where)] = f"stale GroupVersion discovery: {where}"
            for entry in version.get("resources") or ():
                resource = Resource(
                    where,
                    entry["resource"],
                    _TYPE,
                    namespaced=entry.get("scope") == "Namespaced",
                    singular=entry.get("singularResource", ""),
                    kind=entry["responseKind"]["kind"],
                    short_names=tuple(entry.get("shortNames") or ()),
                    categories=tuple(entry.get("categories") or ()),
                )
                result.append(ServedResource(resource, frozenset(entry.get("verbs") or ())))
    return result


def _versions(path: str, document: dict[str, Any]) -> list[str]:
    """The paths of all group versions, in each group the preferred first."""
    if path == "/api":
        return [f"/api/{version}" for version in document.get("versions", ())]
    result = []
    for group in document.get("groups", ()):
        preferred = group.get("preferredVersion", {}).get("groupVersion")
        versions = sorted((v["groupVersion"] for v in group["versions"]), key=lambda version: version != preferred)
        result += [f"/apis/{version}" for version in versions]
    return result


async def _version(client: RestClient, path: str, result: Discovery) -> list[ServedResource]:
    try:
        document = await client.get_json(path)
    except StatusError as error:
        result.failures[path.removeprefix("/apis/").removeprefix("/api/")] = str(error)
        return []
    served = [_served(document["groupVersion"], entry) for entry in document.get("resources") or ()]
    return [entry for entry in served if entry is not None]


def _served(group_version: str, entry: dict[str, Any]) -> ServedResource | None:
    if "/" in entry["name"]:
        return None  # a subresource
    resource = Resource(
        GroupVersion.parse(group_version),
        entry["name"],
        _TYPE,
        namespaced=entry["namespaced"],
        singular=entry.get("singularName", ""),
        kind=entry["kind"],
        short_names=tuple(entry.get("shortNames") or ()),
        categories=tuple(entry.get("categories") or ()),
    )
    return ServedResource(resource, frozenset(entry.get("verbs") or ()))
