"""Claims to devices: made for pods, reserved, freed, and taken from pods whose devices are tainted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import Pod
from api.errors import InternalError, NotFound
from api.resource_v1 import ResourceClaim, ResourceClaimTemplate, ResourceSlice
from controller_manager.device_taint_eviction import DeviceTaintEvictionController, eviction_times
from controller_manager.resource_claim import FINALIZER, ResourceClaimController, claims_of, is_over
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster

REQUEST = {"name": "r", "exactly": {"deviceClassName": "gpu"}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def user(name: str = "web", wish: dict[str, Any] | None = None, **spec: Any) -> Pod:
    wishes = [{"name": "gpu", **(wish or {"resourceClaimTemplateName": "one"})}]
    body = {"containers": [{"name": "c", "image": "i"}], "resourceClaims": wishes, **spec}
    metadata = {"name": name, "namespace": "default"}
    return Pod.from_dict({"metadata": metadata, "spec": body, "status": {"phase": "Pending"}})


def template() -> ResourceClaimTemplate:
    spec = {"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {"requests": [REQUEST]}}}
    return ResourceClaimTemplate.from_dict({"metadata": {"name": "one", "namespace": "default"}, "spec": spec})


def claim(
    pods: dict[str, str] | None = None, *, tolerations: Any = (), finalizers: Any = (FINALIZER,)
) -> ResourceClaim:
    """A claim called "shared" that has a device; `pods` are the uids of its consumers by their names."""
    result = {"request": "r", "driver": "d", "pool": "p", "device": "gpu-0", "tolerations": list(tolerations)}
    consumers = [{"resource": "pods", "name": name, "uid": uid} for name, uid in (pods or {}).items()]
    return ResourceClaim.from_dict(
        {
            "metadata": {"name": "shared", "namespace": "default", "finalizers": list(finalizers)},
            "spec": {"devices": {"requests": [{"name": "r"}]}},
            "status": {"allocation": {"devices": {"results": [result]}}, "reservedFor": consumers},
        }
    )


async def claims(cluster: Cluster) -> list[ResourceClaim]:
    return (await cluster.client.list(ResourceClaim, "default")).items


async def shared(cluster: Cluster) -> ResourceClaim:
    return await cluster.client.get(ResourceClaim, "shared", "default")


async def test_a_claim_is_made_from_a_template_and_noted_in_the_pod(cluster: Cluster) -> None:
    await cluster.run(ResourceClaimController)
    await cluster.client.create(template())
    pod = await cluster.client.create(user())

    async def noted() -> list[str]:
        return [*claims_of(await cluster.client.get(Pod, "web", "default"))]

    keys = await eventually(noted)
    (made,) = await claims(cluster)
    assert keys == [f"default/{made.metadata.name}"]
    assert made.metadata.generateName == "web-gpu-"
    assert made.metadata.labels == {"a": "b"}
    assert made.metadata.annotations == {"resource.kubernetes.io/pod-claim-name": "gpu"}
    assert made.metadata.ownerReferences[0].uid == pod.metadata.uid


async def test_a_pod_may_come_before_its_template(cluster: Cluster) -> None:
    await cluster.run(ResourceClaimController)
    await cluster.client.create(user())
    message = (
        'PodResourceClaim gpu: resource claim template "one": resourceclaimtemplate.resource.k8s.io "one" not found'
    )

    async def told() -> bool:
        return message in await cluster.event_messages("web")

    await eventually(told)
    await cluster.client.create(template())
    await eventually(lambda: claims(cluster))


async def test_a_controller_that_dies_after_making_a_claim_makes_no_second_one(cluster: Cluster) -> None:
    await cluster.client.create(template())
    cluster.server.refuse = lambda method, path: (
        InternalError("killed") if method == "PATCH" and path.endswith("/status") else None
    )
    await cluster.run(ResourceClaimController)
    await cluster.client.create(user())
    await eventually(lambda: claims(cluster))
    await cluster.settled()  # the next one shares what this one has heard of
    for task in cluster.tasks:
        task.cancel()
    await asyncio.gather(*cluster.tasks, return_exceptions=True)
    cluster.server.refuse = lambda method, path: None
    await cluster.run(ResourceClaimController)

    async def noted() -> list[str]:
        return [*claims_of(await cluster.client.get(Pod, "web", "default"))]

    assert await eventually(noted) == [f"default/{made.metadata.name}" for made in await claims(cluster)]


async def test_a_pod_put_on_a_node_by_hand_has_its_claim_reserved(cluster: Cluster) -> None:
    await cluster.run(ResourceClaimController)
    await cluster.client.create(claim())
    pod = await cluster.client.create(user(wish={"resourceClaimName": "shared"}, nodeName="n"))

    async def reserved() -> bool:
        return [each.uid for each in (await shared(cluster)).status.reservedFor] == [pod.metadata.uid]

    await eventually(reserved)


async def test_devices_are_given_back_when_their_last_pod_is_over(cluster: Cluster) -> None:
    await cluster.run(ResourceClaimController)
    pods = {}
    for name in ("first", "second"):
        made = await cluster.client.create(user(name, {"resourceClaimName": "shared"}, nodeName="n"))
        pods[name] = made.metadata.uid
    await cluster.client.create(claim(pods))

    async def consumers(*names: str) -> bool:
        return [each.name for each in (await shared(cluster)).status.reservedFor] == [*names]

    await cluster.client.delete(Pod, "first", "default")
    await eventually(lambda: consumers("second"))
    assert (await shared(cluster)).status.allocation is not None
    await cluster.client.patch(Pod, "second", "default", {"status": {"phase": "Succeeded"}}, subresource="status")
    await eventually(lambda: consumers())

    async def free() -> bool:
        found = await shared(cluster)
        return found.status.allocation is None and not found.metadata.finalizers

    await eventually(free)


async def test_a_reservation_of_an_earlier_pod_of_the_name_is_not_valid(cluster: Cluster) -> None:
    await cluster.client.create(user("web", {"resourceClaimName": "shared"}))
    await cluster.client.create(claim({"web": "uid of an earlier one"}))
    await cluster.run(ResourceClaimController)

    async def freed() -> bool:
        return not (await shared(cluster)).status.reservedFor

    await eventually(freed)


async def test_a_claim_made_for_a_pod_goes_when_that_is_over(cluster: Cluster) -> None:
    await cluster.run(ResourceClaimController)
    await cluster.client.create(template())
    await cluster.client.create(user())
    await eventually(lambda: claims(cluster))

    async def noted() -> list[str]:
        return [*claims_of(await cluster.client.get(Pod, "web", "default"))]

    await eventually(noted)
    await cluster.client.patch(Pod, "web", "default", {"status": {"phase": "Failed"}}, subresource="status")

    async def gone() -> bool:
        return not await claims(cluster)

    await eventually(gone)


def test_when_a_pod_will_not_run() -> None:
    assert not is_over(user())
    deleted = user()
    deleted.metadata.deletionTimestamp = NOW
    assert is_over(deleted)
    deleted.spec.nodeName = "n"
    assert not is_over(deleted)


# --- taints of devices -----------------------------------------------------------------------------


def slice_with(*taints: dict[str, Any], generation: int = 1, name: str = "s") -> ResourceSlice:
    devices = [{"name": "gpu-0", "taints": list(taints)}, {"name": "gpu-1"}]
    spec = {"driver": "d", "pool": {"name": "p", "generation": generation, "resourceSliceCount": 1}, "devices": devices}
    return ResourceSlice.from_dict({"metadata": {"name": name}, "spec": spec})


BROKEN = {"key": "broken", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("taint", "tolerations", "seconds"),
    [
        (BROKEN, [], 0),
        (BROKEN, [{"key": "other", "operator": "Exists"}], 0),
        (BROKEN, [{"key": "broken", "operator": "Exists"}], None),
        (BROKEN, [{"operator": "Exists", "tolerationSeconds": 30}], 30),
        (BROKEN | {"effect": "NoSchedule"}, [], None),
    ],
)
def test_when_users_of_a_tainted_device_have_to_go(taint: Any, tolerations: Any, seconds: int | None) -> None:
    found = [*eviction_times(claim(tolerations=tolerations), [slice_with(taint)], NOW)]
    assert found == ([] if seconds is None else [NOW + timedelta(seconds=seconds)])


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    slices = [slice_with(BROKEN), slice_with(generation=2, name="t")]
    assert [*eviction_times(claim(), slices, NOW)] == []


async def test_a_pod_is_evicted_from_a_device_after_the_time_it_tolerates() -> None:
    clock = ManualClock(NOW)
    async with run_cluster(clock) as cluster:
        client = cluster.client
        await cluster.run(DeviceTaintEvictionController)
        pod = await client.create(user(wish={"resourceClaimName": "shared"}, nodeName="n"))
        tolerations = [{"operator": "Exists", "tolerationSeconds": 30}]
        await client.create(claim({"web": pod.metadata.uid}, tolerations=tolerations))
        await client.create(slice_with())
        await client.patch(ResourceSlice, "s", "", {"spec": slice_with(BROKEN).to_dict()["spec"]})
        await eventually(lambda: clock.sleepers)

        async def gone() -> bool:
            await clock.advance(1)
            try:
                await client.get(Pod, "web", "default")
            except NotFound:
                return True
            return False

        await eventually(gone)
        assert clock.now() >= NOW + timedelta(seconds=30)
        assert "Marking for deletion" in await cluster.event_messages("web")
