"""The APIServices of what this server serves itself: made once it serves, one for each group version."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING

from api.meta_v1 import ObjectMeta
from api.scheme import GroupVersion, Resource
from apiserver.storage.watch_cache import WatchCache, key_prefix

if TYPE_CHECKING:
    from api.apiregistration_v1 import APIService

_SERVICES = key_prefix("apiservices.apiregistration.k8s.io")
LABEL = "kube-aggregator.kubernetes.io/automanaged"
# The order of the groups in discovery, and that of the versions of one group.
_PRIORITIES = {
    ("", "v1"): (18000, 1),
    ("apps", "v1"): (17800, 15),
    ("events.k8s.io", "v1"): (17750, 15),
    ("authentication.k8s.io", "v1"): (17700, 15),
    ("authorization.k8s.io", "v1"): (17600, 15),
    ("autoscaling", "v2"): (17500, 30),
    ("autoscaling", "v1"): (17500, 15),
    ("batch", "v1"): (17400, 15),
    ("certificates.k8s.io", "v1"): (17300, 15),
    ("networking.k8s.io", "v1"): (17200, 15),
    ("policy", "v1"): (17100, 15),
    ("rbac.authorization.k8s.io", "v1"): (17000, 15),
    ("storage.k8s.io", "v1"): (16800, 15),
    ("admissionregistration.k8s.io", "v1"): (16700, 15),
    ("apiextensions.k8s.io", "v1"): (16700, 15),
    ("scheduling.k8s.io", "v1"): (16600, 15),
    ("coordination.k8s.io", "v1"): (16500, 15),
    ("node.k8s.io", "v1"): (16300, 15),
    ("discovery.k8s.io", "v1"): (16200, 15),
    ("resource.k8s.io", "v1"): (16200, 20),
    ("flowcontrol.apiserver.k8s.io", "v1"): (16100, 21),
}


def missing_services(cache: WatchCache, resources: Iterable[Resource]) -> list[APIService]:
    """Those that are not there yet; where all exist, which is so from the second start on, nothing is loaded."""
    versions = local_versions(resources)
    return [local_api_service(name, versions[name]) for name in versions if cache.get(_SERVICES + name) is None]


def local_versions(resources: Iterable[Resource]) -> dict[str, GroupVersion]:
    """What this server serves itself and says so, by the names of the APIServices."""
    versions = dict.fromkeys(resource.group_version for resource in resources)
    return {f"{v.version}.{v.group}": v for v in versions if (v.group, v.version) in _PRIORITIES}


def local_api_service(name: str, version: GroupVersion) -> APIService:
    from api.apiregistration_v1 import APIService, APIServiceSpec  # seldom needed

    of_group, of_version = _PRIORITIES[version.group, version.version]
    return APIService(
        metadata=ObjectMeta(name=name, labels={LABEL: "onstart"}),
        spec=APIServiceSpec(
            group=version.group,
            version=version.version,
            groupPriorityMinimum=of_group,
            versionPriority=of_version,
        ),
    )


async def has_remote(cache: WatchCache) -> bool:
    """Return when an APIService leaves its group version to another server; False when the watches end before."""
    async with aclosing(cache.watch(_SERVICES, "", cache.revision)) as changes:
        known = cache.list(_SERVICES)
        while not any(entry.document["spec"].get("service") for entry in known):
            batch = await changes.next_batch()
            if not batch:
                return False
            known = [change.entry for change in batch]
    return True
