"""Discovery of remote servers, and the documents of this one with theirs put in.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pydantic

from api.apidiscovery_v2 import APIGroupDiscoveryList, APIVersionDiscovery
from api.meta_v1 import APIResourceList
from api.model import Model
from api.scheme import APIREGISTRATION_V1, GroupVersion
from apiserver.aggregation.remote import Remote, Unanswered
from apiserver.custom_resources.version_order import version_rank
from apiserver.discovery import aggregated_resources
from apiserver.endpoint import API

M = TypeVar("M", bound=Model)
Document = dict[str, Any]
Priorities = Mapping[GroupVersion, tuple[int, int]]
"""Of a group, as one of its versions says, and of the version in it."""

ACCEPT = ",".join(f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1"))
_DEFAULT = (1000, 15)
_FIRST = 20001  # more than an APIService may ask for


async def discover(api: API, remote: Remote) -> dict[GroupVersion, Document]:
    """What a server serves, by group version, in aggregated form.  Raises Unanswered, NotFound, ServiceUnavailable."""
    status, headers, body = await remote.ask(api, "/apis", f"{ACCEPT},application/json")
    if status == 200 and "as=APIGroupDiscoveryList" in headers.get("content-type", "").replace(" ", ""):
        return {
            GroupVersion(group.metadata.name, version.version): version.to_dict()
            for group in _read(APIGroupDiscoveryList, body).items
            for version in group.versions
        }
    where = remote.group_version
    path = f"/api/{where}" if remote.path == "/api" else remote.path
    status, headers, body = await remote.ask(api, path, "application/json")
    if status != 200:
        raise Unanswered(f"failed to download discovery for {path}: {status}")
    listed = [each.to_dict() for each in _read(APIResourceList, body).resources]
    found = {"version": where.version, "resources": list(aggregated_resources(listed))}
    return {where: APIVersionDiscovery.from_dict(found).to_dict()}


def _read(model: type[M], body: bytes) -> M:
    """Nonsense goes no further than here: a client would understand none of the whole document.  Raises Unanswered."""
    try:
        return model.decode(body)
    except pydantic.ValidationError as error:
        raise Unanswered(f"the answer is no {model.__name__}: {error.error_count()} mistakes") from None


def entry_of(remote: Remote) -> Document:
    """The remote's group version for the aggregated document: without resources as long as it does not answer."""
    found: Document = {"version": remote.group_version.version}
    if remote.versions is None:
        return {**found, "freshness": "Stale"}
    return {**found, **remote.versions.get(remote.group_version, {}), "freshness": "Current"}


def merged_aggregated(document: Document, remotes: Iterable[Remote], priorities: Priorities) -> Document:
    """The aggregated document of this server's groups with those of remote servers."""
    groups = {
        each["metadata"].get("name", ""): {v["version"]: v for v in each["versions"]} for each in document["items"]
    }
    for remote in remotes:
        where = remote.group_version
        groups.setdefault(where.group, {})[where.version] = entry_of(remote)
    items = [
        {
            "metadata": {"name": group},
            "versions": [groups[group][v] for v in _ordered(group, groups[group], priorities)],
        }
        for group in _ordered_groups(groups, priorities, by_service=False)
    ]
    return {**document, "items": items}


def merged_group_list(document: Document, remotes: Iterable[Remote], priorities: Priorities) -> Document:
    """`/apis` with the groups of remote servers, reachable or not."""
    groups = {each["name"]: {version["version"] for version in each["versions"]} for each in document["groups"]}
    for remote in remotes:
        groups.setdefault(remote.group_version.group, set()).add(remote.group_version.version)
    listed = [
        _group(group, groups[group], priorities) for group in _ordered_groups(groups, priorities, by_service=True)
    ]
    return {**document, "groups": listed}


def merged_group(
    name: str, local: Document | None, remotes: Iterable[Remote], priorities: Priorities
) -> Document | None:
    """`/apis/GROUP`; None when nobody serves the group."""
    versions = {version["version"] for version in local["versions"]} if local is not None else set()
    versions |= {remote.group_version.version for remote in remotes if remote.group_version.group == name}
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions, priorities)} if versions else None


def _group(name: str, versions: Iterable[str], priorities: Priorities) -> Document:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in _ordered(name, versions, priorities)]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _ordered_groups(groups: Mapping[str, Iterable[str]], priorities: Priorities, *, by_service: bool) -> list[str]:
    """The group whose versions ask for the highest priority first; between equals the alphabet decides: that of the
    groups, or that of their APIServices."""

    def key(group: str) -> tuple[int, str]:
        if group == APIREGISTRATION_V1.group:
            return -_FIRST, group
        return min(
            (-priorities.get(GroupVersion(group, version), _DEFAULT)[0], f"{version}.{group}" if by_service else group)
            for version in groups[group]
        )

    return sorted(groups, key=key)


def _ordered(group: str, versions: Iterable[str], priorities: Priorities) -> list[str]:
    """The version of the highest priority first; between equals v2 goes before v1, that before v1beta1."""
    return sorted(versions, key=lambda v: (-priorities.get(GroupVersion(group, v), _DEFAULT)[1], version_rank(v)))
