"""What tests of StatefulSets and DaemonSets have in common: a real API server, cleaned up after each test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.apps_v1 import ControllerRevision, DaemonSet, StatefulSet, StatefulSetSpec, StatefulSetStatus
from api.core_v1 import Event as CoreEvent
from api.core_v1 import Node, PersistentVolumeClaim, Pod, ServiceAccount
from api.errors import Conflict, NotFound
from api.meta_v1 import LabelSelector, ObjectMeta
from client.informer import Informer
from client.rest import RestClient
from controller_manager.pod_state import is_ready
from controller_manager.revision_history import REVISION_LABEL
from controller_manager.service_account import ServiceAccountController
from tests.client.real_server import RealServer
from tests.client.waiting import is_current
from tests.controllers.cluster import Cluster, eventually, real_cluster, template


@asynccontextmanager
async def workloads(server: RealServer) -> AsyncIterator[Cluster]:
    """A cluster in which pods can be made; nothing of the test stays in it."""
    async with real_cluster(server.config) as running:
        await running.run(ServiceAccountController)
        await eventually(lambda: _present(running.client))
        try:
            yield running
        finally:
            await running.come_to_rest()
            await running.stop()
            await clean_up(running.client)


async def _present(client: RestClient) -> bool:
    try:
        await client.get(ServiceAccount, "default", "default")
    except NotFound:
        return False
    return True


async def clean_up(client: RestClient) -> None:
    for kind in (StatefulSet, DaemonSet, ControllerRevision, CoreEvent):
        await client.delete_collection(kind, "default")
    await client.delete_collection(Pod, "default", grace_period=0)
    for claim in (await client.list(PersistentVolumeClaim, "default")).items:
        await client.patch(PersistentVolumeClaim, claim.metadata.name, "default", {"metadata": {"finalizers": None}})
    await client.delete_collection(PersistentVolumeClaim, "default")
    await client.delete_collection(Node)


def stateful_set(name: str = "db", replicas: int = 3, image: str = "one", **spec: Any) -> StatefulSet:
    return StatefulSet(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=StatefulSetSpec(
            replicas=replicas,
            serviceName=name,
            selector=LabelSelector(matchLabels={"app": name}),
            template=template(image, name),
            **spec,
        ),
        status=StatefulSetStatus(replicas=0, availableReplicas=0),
    )


def image_patch(image: str) -> dict[str, Any]:
    """A strategic merge patch that changes the template's image."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


async def pods_of(cluster: Cluster, app: str) -> dict[str, Pod]:
    """By name; those that are being deleted too."""
    return {p.metadata.name: p for p in (await cluster.client.list(Pod, "default", label_selector=f"app={app}")).items}


async def images(cluster: Cluster, app: str) -> dict[str, str]:
    """Of the pods that stay."""
    pods = await pods_of(cluster, app)
    return {n: p.spec.containers[0].image for n, p in sorted(pods.items()) if p.metadata.deletionTimestamp is None}


async def set_ready(cluster: Cluster, name: str, ready: bool, *, phase: str = "Running") -> None:
    """Play the kubelet, beside a pretended one, which comes first.  Return when the controllers have heard of it."""
    known = cluster.informers.of(Pod).store

    async def written() -> Pod | None:
        pod = await cluster.client.get(Pod, name, "default")
        found = next((each for each in pod.status.conditions if each.type == "Ready"), None)
        if found is None:
            return None
        pod.status.phase = phase
        found.status, found.lastTransitionTime = str(ready), cluster.clock.now().replace(microsecond=0)
        with contextlib.suppress(Conflict):
            return await cluster.client.update(pod, subresource="status")
        return None

    revision = int((await eventually(written)).metadata.resourceVersion)

    def heard_of() -> bool:
        seen = known.get(f"default/{name}")
        return seen is None or int(seen.metadata.resourceVersion) >= revision

    await eventually(heard_of)


async def revisions_of(cluster: Cluster, app: str) -> list[int]:
    """The numbers of a workload's revisions."""
    found = await cluster.client.list(ControllerRevision, "default", label_selector=f"app={app}")
    return sorted(revision.revision for revision in found.items)


async def messages(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    """(reason, message) of the events about an object."""
    await cluster.events.flush()
    events = (await cluster.client.list(CoreEvent, "default")).items
    return {(event.reason, event.message) for event in events if event.involvedObject.name == name}


def revision_label(pod: Pod) -> str:
    return pod.metadata.labels[REVISION_LABEL]


@asynccontextmanager
async def available_nodes(cluster: Cluster, app: str, *, by_name: bool = False) -> AsyncIterator[list[int]]:
    """Counts, at every change, how many nodes (or names) have a pod that is ready and stays."""
    informer = Informer(cluster.client, Pod, "default", f"app={app}")
    counts: list[int] = []

    def changed(old: Pod | None, new: Pod | None) -> None:
        working = [p for p in informer.store if p.metadata.deletionTimestamp is None and is_ready(p)]
        if informer.has_synced:
            counts.append(len({p.metadata.name if by_name else p.spec.nodeName for p in working}))

    informer.on_change(changed)
    task = asyncio.create_task(informer.run())
    await eventually(lambda: informer.has_synced)
    try:
        yield counts
        await eventually(lambda: is_current(informer, cluster.client), "the last change was counted")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
