"""Quotas: what the objects of a namespace use is known, and given back when they go."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.apiextensions_v1 import CustomResourceDefinition
from api.apps_v1 import ReplicaSet
from api.clock import ManualClock
from api.core_v1 import (
    ConfigMap,
    Namespace,
    PersistentVolumeClaim,
    Pod,
    ReplicationController,
    ResourceQuota,
    Secret,
    Service,
    ServiceAccount,
)
from api.errors import Forbidden, StatusError
from api.meta_v1 import PartialObjectMetadata
from api.model import Model
from api.scheme import resource_of
from controller_manager.resource_quota import ResourceQuotaController, share
from controller_manager.storage_protection import ClaimProtectionController
from tests.client.real_server import RealServer, real_server
from tests.controllers.batch import until
from tests.controllers.cluster import Cluster, eventually, real_cluster
from tests.controllers.cluster import cluster as run_cluster

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def quota(hard: dict[str, str], name: str = "q", namespace: str = "", **spec: Any) -> ResourceQuota:
    metadata = {"name": name, "namespace": namespace}
    return ResourceQuota.from_dict({"metadata": metadata, "spec": {"hard": hard, **spec}})


def pod(name: str, requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    resources = {"requests": requests, "limits": requests} if requests else {}
    container = {"name": "c", "image": "i", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def test_a_pod_that_should_be_gone_or_has_ended_uses_nothing() -> None:
    limits = quota({"pods": "9", "requests.cpu": "9", "count/pods": "9"})
    document = pod("p", {"cpu": "2"})
    assert share(limits, "pods", Pod.from_dict(document), NOW) == {
        "pods": "1", "requests.cpu": "2", "count/pods": "1",
    }  # fmt: skip
    assert share(limits, "pods", Pod.from_dict({**document, "status": {"phase": "Failed"}}), NOW) == {"count/pods": "1"}
    going = Pod.from_dict(document)
    going.metadata.deletionTimestamp, going.metadata.deletionGracePeriodSeconds = NOW, 30
    assert share(limits, "pods", going, NOW + timedelta(seconds=29))["pods"] == "1"
    assert share(limits, "pods", going, NOW + timedelta(seconds=31)) == {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


class Namespaced:
    """A namespace of its own on the real server, with quotas kept."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.client, self.name = cluster, cluster.client, name

    async def make(self, kind: type[Model], document: dict[str, Any]) -> Any:
        metadata = {**document["metadata"], "namespace": self.name}
        return await self.client.create(kind.from_dict({**document, "metadata": metadata}))  # type: ignore[attr-defined]

    async def limit(self, hard: dict[str, str], name: str = "q", **spec: Any) -> None:
        """Make a quota; return when it is enforced."""
        await self.client.create(quota(hard, name, self.name, **spec))

        async def enforced() -> bool:
            return (await self.client.get(ResourceQuota, name, self.name)).status.hard == hard

        await eventually(enforced)

    async def used(self, name: str = "q") -> dict[str, str]:
        return (await self.client.get(ResourceQuota, name, self.name)).status.used

    async def uses(self, wanted: dict[str, str], name: str = "q") -> None:
        async def as_wanted() -> bool:
            return wanted.items() <= (await self.used(name)).items()

        await eventually(as_wanted)

    async def refused(self, kind: type[Model], document: dict[str, Any]) -> str:
        await self.cluster.settled()  # a count of what was heard of so far may be less than admission has added
        with pytest.raises(Forbidden) as refusal:
            await self.make(kind, document)
        return str(refusal.value)

    async def delete(self, kind: type[Model], name: str) -> None:
        await self.client.delete(kind, name, self.name, grace_period=0, propagation="Background")


@pytest.fixture
async def space(server: RealServer) -> AsyncIterator[Namespaced]:
    name = f"quota-{uuid.uuid4().hex[:8]}"
    async with real_cluster(server.config) as running:
        await running.run(ResourceQuotaController, ClaimProtectionController)
        await running.client.create(Namespace.from_dict({"metadata": {"name": name}}))
        made = Namespaced(running, name)
        await made.make(ServiceAccount, {"metadata": {"name": "default"}})
        yield made


async def test_a_quota_says_what_it_enforces_and_counts_quotas(space: Namespaced) -> None:
    """ "[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.
    [Conformance]" """
    await space.limit({"resourcequotas": "3", "count/configmaps": "2", "services": "1", "cpu": "1"})
    await space.uses({"resourcequotas": "1", "count/configmaps": "0", "services": "0", "cpu": "0"})


async def test_pods_use_and_give_back(space: Namespaced) -> None:
    """ "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod.
    [Conformance]" """
    await space.limit({"pods": "5", "cpu": "1", "memory": "500Mi", "requests.example.com/dongle": "3"})
    wanted = {"cpu": "500m", "memory": "252Mi", "example.com/dongle": "2"}
    await space.make(Pod, pod("p", wanted))
    full = {"pods": "1", "cpu": "500m", "memory": "252Mi", "requests.example.com/dongle": "2"}
    await space.uses(full)
    assert "exceeded quota: q" in await space.refused(Pod, pod("more", {"cpu": "600m", "memory": "1Mi"}))
    await space.uses(full)
    await space.delete(Pod, "p")
    await space.uses({"pods": "0", "cpu": "0", "memory": "0", "requests.example.com/dongle": "0"})


async def test_a_pod_on_a_node_that_is_deleted_without_grace_gives_back(space: Namespaced) -> None:
    """The last that is seen of it is that its time is over, as of a pod that is not counted any more."""
    await space.limit({"pods": "1"})
    await space.make(Pod, pod("p", nodeName="n"))
    await space.uses({"pods": "1"})
    await space.delete(Pod, "p")
    await space.uses({"pods": "0"})


async def test_a_pod_that_ends_gives_back(space: Namespaced) -> None:
    await space.limit({"pods": "1"})
    await space.make(Pod, pod("p"))
    await space.uses({"pods": "1"})
    await space.client.patch(Pod, "p", space.name, {"status": {"phase": "Succeeded"}}, subresource="status")
    await space.uses({"pods": "0"})


@pytest.mark.parametrize(
    ("kind", "document", "used"),
    [
        (ConfigMap, {"metadata": {"name": "x"}}, {"configmaps": "1"}),
        (Secret, {"metadata": {"name": "x"}}, {"secrets": "1"}),
        (
            Service,
            {"metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}},
            {"services": "1", "services.nodeports": "1", "services.loadbalancers": "0"},
        ),
        (
            PersistentVolumeClaim,
            {
                "metadata": {"name": "x"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "gold",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            },
            {
                "persistentvolumeclaims": "1", "requests.storage": "1Gi",
                "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
            },
        ),
        (
            ReplicationController,
            {"metadata": {"name": "x"}, "spec": {"replicas": 0, "selector": {"a": "b"}, "template": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}},
            {"replicationcontrollers": "1"},
        ),
        (
            ReplicaSet,
            {"metadata": {"name": "x"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}},
            {"count/replicasets.apps": "1"},
        ),
    ],
    ids=["configMap", "secret", "service", "claim", "controller", "replicaSet"],
)  # fmt: skip
async def test_objects_use_and_give_back(
    space: Namespaced, kind: type[Model], document: dict[str, Any], used: dict[str, str]
) -> None:
    """ "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap.
    [Conformance]",
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret. [Conformance]",
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service. [Conformance]",
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller.
    [Conformance]",
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set.
    [Conformance]" """
    hard = {name: "10Gi" if "storage" in name and "claims" not in name else "2" for name in used}
    await space.limit(hard)
    before = await space.used()
    await space.make(kind, document)
    await space.uses(used)
    await space.delete(kind, "x")
    await space.uses(before)


async def test_scopes_of_pods(space: Namespaced) -> None:
    """ "[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes. [Conformance]",
    "[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope. [Conformance]" """
    for scope in ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating"):
        await space.limit({"pods": "5"}, scope.lower(), scopes=[scope])
    await space.make(Pod, pod("best"))
    await space.make(Pod, pod("sized", {"cpu": "1", "memory": "1Mi"}, activeDeadlineSeconds=3600))
    for name in ("besteffort", "notbesteffort", "terminating", "notterminating"):
        await space.uses({"pods": "1"}, name)
    await space.delete(Pod, "best")
    await space.uses({"pods": "0"}, "besteffort")
    await space.uses({"pods": "0"}, "notterminating")
    await space.cluster.settled()
    await space.uses({"pods": "1"}, "terminating")


async def test_what_was_there_before_the_quota_counts_and_changes_of_it_are_enforced(space: Namespaced) -> None:
    """ "[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota. [Conformance]",
    "[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status [Conformance]",
    "[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota [Conformance]" """
    for number in range(3):
        await space.make(ConfigMap, {"metadata": {"name": f"c{number}"}})
    await space.limit({"configmaps": "2"})
    await space.uses({"configmaps": "3"})
    assert "exceeded quota" in await space.refused(ConfigMap, {"metadata": {"name": "c3"}})
    await space.client.patch(ResourceQuota, "q", space.name, {"spec": {"hard": {"configmaps": "4"}}})

    async def enforced() -> bool:
        return (await space.client.get(ResourceQuota, "q", space.name)).status.hard == {"configmaps": "4"}

    await eventually(enforced)
    await space.make(ConfigMap, {"metadata": {"name": "c3"}})
    wrong = {"status": {"hard": {"configmaps": "9"}}}
    await space.client.patch(ResourceQuota, "q", space.name, wrong, subresource="status")
    await eventually(enforced)
    await space.client.delete(ResourceQuota, "q", space.name)
    await space.make(ConfigMap, {"metadata": {"name": "c4"}})


async def test_custom_resources_are_counted_as_they_come_and_go(space: Namespaced) -> None:
    """ "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a custom resource" """
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "herds", "singular": "herd", "kind": "Herd", "listKind": "HerdList"}
    spec = {"group": "quota.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = {"metadata": {"name": "herds.quota.example.com"}, "spec": spec}
    await space.client.create(CustomResourceDefinition.from_dict(definition))
    path = f"/apis/quota.example.com/v1/namespaces/{space.name}/herds"

    async def make(name: str) -> int:
        body = b'{"apiVersion":"quota.example.com/v1","kind":"Herd","metadata":{"name":"%s"}}' % name.encode()
        return (await space.client.raw("POST", path, body=body)).status_code

    async def served() -> bool:
        return await make("a") in (201, 409)

    await eventually(served)
    await space.limit({"count/herds.quota.example.com": "2"})
    await space.uses({"count/herds.quota.example.com": "1"})
    assert await make("b") == 201
    await space.cluster.settled()
    await space.uses({"count/herds.quota.example.com": "2"})
    assert await make("c") == 403
    await space.client.raw("DELETE", f"{path}/a")
    await space.uses({"count/herds.quota.example.com": "1"})


async def test_controllers_that_end_in_the_middle_leave_nothing_counted_wrong(
    server: RealServer, space: Namespaced
) -> None:
    await space.limit({"configmaps": "100", "pods": "100"})

    async def work() -> None:
        for number in range(30):
            await space.make(ConfigMap, {"metadata": {"name": f"c{number}"}})
            await space.make(Pod, pod(f"p{number}"))
            if number % 3:
                await space.delete(ConfigMap, f"c{number}")
                await space.delete(Pod, f"p{number}")

    working = asyncio.create_task(work())
    while not working.done():
        async with real_cluster(server.config) as another:
            await another.run(ResourceQuotaController)
            await asyncio.wait([working], timeout=0.05)
    await working
    async with real_cluster(server.config) as last:
        await last.run(ResourceQuotaController)  # one that died may have had the last word, with what it saw before
        await space.uses({"configmaps": "10", "pods": "10"})


async def test_a_count_does_not_undo_what_admission_has_added(space: Namespaced) -> None:
    await space.limit({"secrets": "20"})
    results = await asyncio.gather(
        *(space.make(Secret, {"metadata": {"name": f"s{number}"}}) for number in range(40)), return_exceptions=True
    )
    assert sum(isinstance(each, StatusError) for each in results) == 20
    await space.uses({"secrets": "20"})


async def test_what_admission_has_added_stands_until_something_is_given_back() -> None:
    async with run_cluster(ManualClock(NOW)) as cluster:
        await cluster.run(ResourceQuotaController)
        space = Namespaced(cluster, "default")
        await cluster.client.create(quota({"secrets": "20"}, namespace=space.name))

        async def says(used: str) -> bool:
            return await space.used() == {"secrets": used}

        await until(cluster, lambda: says("0"))
        added = {"status": {"used": {"secrets": "3"}}}  # one of these is heard of, the others are not stored yet
        await cluster.client.patch(ResourceQuota, "q", space.name, added, subresource="status")
        await space.make(Secret, {"metadata": {"name": "s"}})
        before = cluster.clock.monotonic()

        async def counted_again() -> bool:
            return cluster.clock.monotonic() > before + 3

        await until(cluster, counted_again)
        assert await says("3")
        await space.delete(Secret, "s")
        await until(cluster, lambda: says("0"))


async def test_what_came_and_went_before_the_quota_is_heard_of_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with run_cluster(ManualClock(NOW)) as cluster:
        await cluster.run(lambda *common: ResourceQuotaController(*common, sync_period=1e6))
        space = Namespaced(cluster, "default")
        await cluster.client.create(quota({"secrets": "20"}, namespace=space.name))

        async def says(used: str) -> bool:
            return await space.used() == {"secrets": used}

        await until(cluster, lambda: says("0"))
        await cluster.settled()
        quotas, heard = cluster.informers.of(ResourceQuota), list[Any]()
        put, late = quotas._put, list[ResourceQuota]()
        monkeypatch.setattr(quotas, "_put", late.append)
        secrets = cluster.informers.of(PartialObjectMetadata, resource=resource_of(Secret))
        secrets.on_change(lambda old, new: heard.append(new))
        added = {"status": {"used": {"secrets": "1"}}}
        await cluster.client.patch(ResourceQuota, "q", space.name, added, subresource="status")
        await space.make(Secret, {"metadata": {"name": "s"}})
        await space.delete(Secret, "s")
        await eventually(lambda: late and heard and heard[-1] is None)
        assert isinstance(cluster.clock, ManualClock)
        await cluster.clock.advance(2)
        await eventually(lambda: not cluster.is_busy)
        monkeypatch.undo()
        for each in late:
            put(each)
        await until(cluster, lambda: says("0"))
