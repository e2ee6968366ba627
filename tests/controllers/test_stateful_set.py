"""StatefulSets: each pod with a name and storage of its own, made, updated and ended in order.

Docstrings name, by their codename, the conformance tests of [sig-apps] that a test stands for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from api.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetCondition,
    StatefulSetOrdinals,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetUpdateStrategy,
)
from api.autoscaling_v1 import Scale, ScaleSpec
from api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, PodSpec, VolumeResourceRequirements
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.stateful_set.controller import StatefulSetController
from controller_manager.storage_protection import ClaimProtectionController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.workloads import (
    available_nodes,
    image_patch,
    images,
    messages,
    pods_of,
    revision_label,
    revisions_of,
    set_ready,
    stateful_set,
    workloads,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with workloads(server) as running:
        await running.run(StatefulSetController)
        yield running


async def live(cluster: Cluster, name: str = "db") -> StatefulSet:
    return await cluster.client.get(StatefulSet, name, "default")


async def settled(cluster: Cluster, replicas: int, name: str = "db") -> StatefulSet | None:
    """The StatefulSet once it is as it was asked to be, all pods of its newest revision."""
    found = await live(cluster, name)
    status = found.status
    counts = (status.replicas, status.availableReplicas, status.updatedReplicas, status.currentReplicas)
    done = status.observedGeneration == found.metadata.generation and status.currentRevision == status.updateRevision
    return found if done and set(counts) == {replicas} and len(await pods_of(cluster, name)) == replicas else None


async def patch(cluster: Cluster, spec: dict[str, Any]) -> None:
    await cluster.client.patch(StatefulSet, "db", "default", {"spec": spec})


async def set_image(cluster: Cluster, image: str) -> None:
    await cluster.client.patch(StatefulSet, "db", "default", image_patch(image), type="strategic")


async def test_pods_have_names_and_an_identity_of_their_own(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(stateful_set(ordinals=StatefulSetOrdinals(start=4)))
    found = await eventually(lambda: settled(cluster, 3))
    pods = await pods_of(cluster, "db")
    assert sorted(pods) == ["db-4", "db-5", "db-6"]
    pod = pods["db-5"]
    assert (pod.spec.hostname, pod.spec.subdomain) == ("db-5", "db")
    assert pod.metadata.labels == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "5",
        "statefulset.kubernetes.io/pod-name": "db-5",
        "controller-revision-hash": found.status.updateRevision,
    }
    reference = pod.metadata.ownerReferences[0]
    assert (reference.kind, reference.controller, reference.blockOwnerDeletion) == ("StatefulSet", True, True)
    assert found.status.collisionCount == 0
    assert ("SuccessfulCreate", "create Pod db-4 in StatefulSet db successful") in await messages(cluster, "db")
    await patch(cluster, {"ordinals": {"start": 5}})
    await eventually(lambda: settled(cluster, 3))
    assert sorted(await pods_of(cluster, "db")) == ["db-5", "db-6", "db-7"]


async def test_scales_in_order_and_halts_while_a_pod_is_unhealthy(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable
    order and halt if any stateful pod is unhealthy [Slow] [Conformance]'"""
    await cluster.nodes(broken=lambda pod: True)
    await cluster.client.create(stateful_set())
    for ordinal in range(3):
        name = f"db-{ordinal}"
        await eventually(partial(started, cluster, name))
        assert sorted(await pods_of(cluster, "db")) == [f"db-{n}" for n in range(ordinal + 1)]
        await set_ready(cluster, name, True)
    await eventually(lambda: settled(cluster, 3))
    names = ["db-0", "db-1", "db-2"]
    for name in names:
        await set_ready(cluster, name, False)
    await patch(cluster, {"replicas": 0})
    await eventually(lambda: observed(cluster))
    assert sorted(await images(cluster, "db")) == names
    for name in reversed(names):
        with contextlib.suppress(NotFound):  # the last one alone is in nobody's way, and goes as it is
            await set_ready(cluster, name, True)
    await eventually(lambda: settled(cluster, 0))
    deleted = [m for _, m in sorted(await messages(cluster, "db")) if m.startswith("delete")]
    assert deleted == [f"delete Pod db-{n} in StatefulSet db successful" for n in range(3)]


async def started(cluster: Cluster, name: str) -> bool:
    pods = await pods_of(cluster, "db")
    return name in pods and pods[name].status.phase == "Running"


async def observed(cluster: Cluster) -> bool:
    found = await live(cluster)
    return found.status.observedGeneration == found.metadata.generation


async def test_parallel_management_does_not_wait_for_unhealthy_pods(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion
    even with unhealthy pods [Slow] [Conformance]'"""
    await cluster.nodes(broken=lambda pod: True)
    await cluster.client.create(stateful_set(podManagementPolicy="Parallel"))

    async def pods(count: int) -> bool:
        return len(await images(cluster, "db")) == count

    await eventually(lambda: pods(3))
    await patch(cluster, {"replicas": 5})
    await eventually(lambda: pods(5))
    await patch(cluster, {"replicas": 0})
    await eventually(lambda: pods(0))


async def test_replaces_pods_that_failed_or_ended(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset
    [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=2))
    await eventually(lambda: settled(cluster, 2))
    for phase, name in (("Failed", "db-1"), ("Succeeded", "db-0")):
        before = (await pods_of(cluster, "db"))[name].metadata.uid
        await set_ready(cluster, name, False, phase=phase)

        async def replaced(name: str = name, before: str = before) -> bool:
            pod = (await pods_of(cluster, "db")).get(name)
            return pod is not None and pod.metadata.uid != before

        await eventually(replaced)
        await eventually(lambda: settled(cluster, 2))


async def test_has_a_scale_subresource(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale
    subresource [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=1))
    await eventually(lambda: settled(cluster, 1))
    path = "/apis/apps/v1/namespaces/default/statefulsets/db/scale"
    scale = Scale.from_dict(await cluster.client.get_json(path))
    assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (1, 1, "app=db")
    scale.spec = ScaleSpec(replicas=2)
    answer = await cluster.client.raw("PUT", path, body=scale.encode())
    assert answer.status_code == 200
    await eventually(lambda: settled(cluster, 2))


async def test_can_be_listed_patched_and_deleted_as_a_collection(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a
    collection of StatefulSets [Conformance]'"""
    await cluster.nodes()
    await cluster.run(GarbageCollector)
    made = stateful_set(replicas=1)
    made.metadata.labels = {"suite": "collection"}
    await cluster.client.create(made)
    await eventually(lambda: settled(cluster, 1))
    assert [s.metadata.name for s in (await cluster.client.list(StatefulSet, label_selector="suite=collection")).items]
    await patch(cluster, {"replicas": 2, "template": {"spec": {"terminationGracePeriodSeconds": 5}}})
    await eventually(lambda: settled(cluster, 2))
    await cluster.client.delete_collection(StatefulSet, "default", label_selector="suite=collection")
    await eventually(lambda: no_pods(cluster))
    assert (await cluster.client.list(StatefulSet, label_selector="suite=collection")).items == []


async def no_pods(cluster: Cluster) -> bool:
    return not await pods_of(cluster, "db")


async def test_updates_in_phases_above_a_partition(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and
    phased rolling updates of template modifications [Conformance]'"""
    await cluster.nodes()
    strategy = StatefulSetUpdateStrategy(
        type="RollingUpdate", rollingUpdate=RollingUpdateStatefulSetStrategy(partition=3)
    )
    await cluster.client.create(stateful_set(updateStrategy=strategy))
    await eventually(lambda: settled(cluster, 3))
    await set_image(cluster, "two")

    async def updated(count: int) -> bool:
        status = (await live(cluster)).status
        return (status.updatedReplicas, status.currentReplicas, status.readyReplicas) == (count, 3 - count, 3)

    await eventually(lambda: updated(0))
    status = (await live(cluster)).status
    assert status.currentRevision != status.updateRevision
    await patch(cluster, {"updateStrategy": {"rollingUpdate": {"partition": 2}}})
    await eventually(lambda: updated(1))
    assert await images(cluster, "db") == {"db-0": "one", "db-1": "one", "db-2": "two"}
    uids = {name: pod.metadata.uid for name, pod in (await pods_of(cluster, "db")).items()}
    for name in ("db-0", "db-2"):
        await cluster.client.delete(Pod, name, "default", grace_period=0)

    async def restored() -> bool:
        pods = await pods_of(cluster, "db")
        return len(pods) == 3 and all(pods[name].metadata.uid != uids[name] for name in ("db-0", "db-2"))

    await eventually(restored)
    await eventually(lambda: updated(1))
    assert await images(cluster, "db") == {"db-0": "one", "db-1": "one", "db-2": "two"}
    await patch(cluster, {"updateStrategy": {"rollingUpdate": {"partition": 0}}})
    await eventually(lambda: settled(cluster, 3))
    assert set((await images(cluster, "db")).values()) == {"two"}


async def test_rolls_updates_out_one_by_one_and_back(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and
    roll backs of template modifications [Conformance]'"""
    broken: set[str] = set()
    await cluster.nodes(broken=lambda pod: pod.metadata.name in broken)
    await cluster.client.create(stateful_set())
    first = (await eventually(lambda: settled(cluster, 3))).status.currentRevision
    broken.add("db-1")
    await set_image(cluster, "two")

    async def halted() -> bool:
        pods = await pods_of(cluster, "db")
        return "db-1" in pods and pods["db-1"].status.phase == "Running" and revision_label(pods["db-1"]) != first

    await eventually(halted)
    assert await images(cluster, "db") == {"db-0": "one", "db-1": "two", "db-2": "two"}
    await set_ready(cluster, "db-1", True)
    broken.clear()
    second = (await eventually(lambda: settled(cluster, 3))).status
    assert second.currentRevision != first
    assert set((await images(cluster, "db")).values()) == {"two"}
    await set_image(cluster, "one")
    await eventually(lambda: settled(cluster, 3))
    assert (await live(cluster)).status.currentRevision == first
    await eventually(lambda: numbers_are(cluster, 2, 3))


async def numbers_are(cluster: Cluster, *wanted: int) -> bool:
    """Whether the revisions have these numbers, which the controller corrects once it has heard of all of them."""
    return await revisions_of(cluster, "db") == [*wanted]


async def test_never_stops_a_second_pod(cluster: Cluster) -> None:
    """Not even for a moment, although what the controller sees lags behind."""
    await cluster.nodes(3)
    await cluster.client.create(stateful_set(podManagementPolicy="Parallel"))
    await eventually(lambda: settled(cluster, 3))
    async with available_nodes(cluster, "db", by_name=True) as counts:
        for image in ("two", "three"):
            await set_image(cluster, image)
            await eventually(lambda: settled(cluster, 3))
    assert min(counts) == 2


async def test_a_broken_template_is_left_by_repairing_it_and_the_pod(cluster: Cluster) -> None:
    """In order, the broken pod holds everything up until somebody deletes it
    (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback)."""
    await cluster.nodes(broken=lambda pod: pod.spec.containers[0].image == "bad")
    await cluster.client.create(stateful_set(replicas=2))
    await eventually(lambda: settled(cluster, 2))
    await set_image(cluster, "bad")

    async def stuck() -> bool:
        pods = await pods_of(cluster, "db")
        return "db-1" in pods and pods["db-1"].spec.containers[0].image == "bad" and await started(cluster, "db-1")

    await eventually(stuck)
    await set_image(cluster, "good")
    await eventually(lambda: observed(cluster))
    assert await images(cluster, "db") == {"db-0": "one", "db-1": "bad"}
    await cluster.client.delete(Pod, "db-1", "default", grace_period=0)
    await eventually(lambda: settled(cluster, 2))
    assert set((await images(cluster, "db")).values()) == {"good"}


async def test_on_delete_waits_until_somebody_deletes_pods(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=2, updateStrategy=StatefulSetUpdateStrategy(type="OnDelete")))

    async def images_are(wanted: list[str]) -> bool:
        status = (await live(cluster)).status
        found = list((await images(cluster, "db")).values())
        return found == wanted and status.readyReplicas == 2 and await observed(cluster)

    await eventually(lambda: images_are(["one", "one"]))
    await set_image(cluster, "two")
    await eventually(lambda: images_are(["one", "one"]))
    await cluster.client.delete(Pod, "db-0", "default", grace_period=0)
    await eventually(lambda: images_are(["two", "one"]))

    async def counted() -> bool:
        status = (await live(cluster)).status
        return (status.updatedReplicas, status.currentReplicas, status.readyReplicas) == (1, 1, 2)

    await eventually(counted)


async def test_status_can_be_read_updated_and_patched(cluster: Cluster) -> None:
    """'[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status
    endpoints [Conformance]'"""
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=1))
    found = await eventually(lambda: settled(cluster, 1))
    found.status.conditions = [StatefulSetCondition(type="StatusUpdate", status="True", reason="E2E")]
    await cluster.client.update(found, subresource="status")
    body = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    await cluster.client.patch(StatefulSet, "db", "default", body, subresource="status")
    await patch(cluster, {"replicas": 2})
    await eventually(lambda: settled(cluster, 2))
    assert [c.type for c in (await live(cluster)).status.conditions] == ["StatusPatched"]


async def test_the_next_pod_waits_until_one_is_available(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=2, minReadySeconds=1))
    await eventually(lambda: settled(cluster, 2))
    pods = await pods_of(cluster, "db")
    ready = next(c for c in pods["db-0"].status.conditions if c.type == "Ready")
    assert ready.lastTransitionTime is not None
    assert pods["db-1"].metadata.creationTimestamp is not None
    assert (pods["db-1"].metadata.creationTimestamp - ready.lastTransitionTime).total_seconds() >= 1


async def test_adopts_its_orphans_and_releases_what_no_longer_matches(cluster: Cluster) -> None:
    await cluster.nodes()
    stranger = Pod(metadata=ObjectMeta(name="stranger", namespace="default", labels={"app": "db"}))
    made = await cluster.client.create(stateful_set(replicas=2))
    stranger.spec = PodSpec(containers=made.spec.template.spec.containers)
    await cluster.client.create(stranger)
    await eventually(lambda: has_pods(cluster, "db-0", "db-1", "stranger"))
    assert (await pods_of(cluster, "db"))["stranger"].metadata.ownerReferences == []
    uids = {name: pod.metadata.uid for name, pod in (await pods_of(cluster, "db")).items()}
    await cluster.run(GarbageCollector)
    await cluster.client.delete(StatefulSet, "db", "default", propagation="Orphan")

    async def orphaned() -> bool:
        found = await cluster.client.list(StatefulSet, "default")
        return not found.items and not any(p.metadata.ownerReferences for p in (await pods_of(cluster, "db")).values())

    await eventually(orphaned)
    again = await cluster.client.create(stateful_set(replicas=2))

    async def adopted() -> bool:
        pods = await pods_of(cluster, "db")
        owners = [r.uid for name in ("db-0", "db-1") for r in pods[name].metadata.ownerReferences]
        return owners == [again.metadata.uid] * 2

    await eventually(adopted)
    assert {name: pod.metadata.uid for name, pod in (await pods_of(cluster, "db")).items()} == uids
    assert await revisions_of(cluster, "db") == [1]
    await cluster.client.patch(Pod, "db-1", "default", {"metadata": {"labels": {"app": "other"}}})

    async def released() -> bool:
        return not (await cluster.client.get(Pod, "db-1", "default")).metadata.ownerReferences

    await eventually(released)


async def has_pods(cluster: Cluster, *names: str) -> bool:
    return sorted(await pods_of(cluster, "db")) == sorted(names)


async def test_keeps_as_many_revisions_as_asked_for(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=1, revisionHistoryLimit=2))
    await eventually(lambda: settled(cluster, 1))
    for image in ("two", "three", "four", "five"):
        await set_image(cluster, image)

        async def current(image: str = image) -> bool:
            return await images(cluster, "db") == {"db-0": image} and await settled(cluster, 1) is not None

        await eventually(current)
    await eventually(lambda: numbers_are(cluster, 3, 4, 5))


def claim_template() -> PersistentVolumeClaim:
    spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"])
    spec.resources = VolumeResourceRequirements(requests={"storage": "1Gi"})
    return PersistentVolumeClaim(metadata=ObjectMeta(name="data", labels={"of": "db"}), spec=spec)


async def claims(cluster: Cluster) -> dict[str, list[str]]:
    """The kinds of the owners, by the claim's name."""
    found = (await cluster.client.list(PersistentVolumeClaim, "default")).items
    return {claim.metadata.name: [r.kind for r in claim.metadata.ownerReferences] for claim in found}


async def claims_are(cluster: Cluster, wanted: dict[str, list[str]]) -> bool:
    return await claims(cluster) == wanted


async def test_each_pod_has_claims_of_its_own_which_outlive_it(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.client.create(stateful_set(replicas=2, volumeClaimTemplates=[claim_template()]))
    await eventually(lambda: settled(cluster, 2))
    claim = await cluster.client.get(PersistentVolumeClaim, "data-db-1", "default")
    assert claim.metadata.labels == {"of": "db", "app": "db"}
    volume = (await pods_of(cluster, "db"))["db-1"].spec.volumes[0]
    assert volume.name == "data"
    assert volume.persistentVolumeClaim is not None
    assert volume.persistentVolumeClaim.claimName == "data-db-1"
    created = ("SuccessfulCreate", "create Claim data-db-1 Pod db-1 in StatefulSet db success")
    assert created in await messages(cluster, "db")
    await patch(cluster, {"replicas": 0})
    await eventually(lambda: settled(cluster, 0))
    assert await claims(cluster) == {"data-db-0": [], "data-db-1": []}
    await patch(cluster, {"replicas": 2})
    await eventually(lambda: settled(cluster, 2))
    assert (await cluster.client.get(PersistentVolumeClaim, "data-db-1", "default")).metadata.uid == claim.metadata.uid


async def test_claims_go_as_the_retention_policy_says(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(GarbageCollector, ClaimProtectionController)
    policy = StatefulSetPersistentVolumeClaimRetentionPolicy(whenDeleted="Retain", whenScaled="Delete")
    made = stateful_set(
        replicas=2, volumeClaimTemplates=[claim_template()], persistentVolumeClaimRetentionPolicy=policy
    )
    await cluster.client.create(made)
    await eventually(lambda: settled(cluster, 2))
    assert await claims(cluster) == {"data-db-0": [], "data-db-1": []}
    await patch(cluster, {"replicas": 1})
    await eventually(lambda: claims_are(cluster, {"data-db-0": []}))
    await patch(cluster, {"replicas": 2})
    await eventually(lambda: settled(cluster, 2))
    await patch(cluster, {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}})
    await eventually(lambda: claims_are(cluster, {"data-db-0": ["StatefulSet"], "data-db-1": ["StatefulSet"]}))
    await patch(cluster, {"replicas": 1})
    await eventually(lambda: settled(cluster, 1))
    assert await claims(cluster) == {"data-db-0": ["StatefulSet"], "data-db-1": ["StatefulSet"]}
    await cluster.client.delete(StatefulSet, "db", "default", propagation="Background")
    await eventually(lambda: claims_are(cluster, {}))


async def test_says_when_a_pod_cannot_be_made(cluster: Cluster) -> None:
    made = stateful_set(replicas=1)
    made.spec.template.spec.serviceAccountName = "nobody"
    await cluster.client.create(made)

    async def failing() -> bool:
        wanted = "create Pod db-0 in StatefulSet db failed error: "
        found = await messages(cluster, "db")
        return any(r == "FailedCreate" and m.startswith(wanted) and '"nobody" not found' in m for r, m in found)

    await eventually(failing)
    assert (await live(cluster)).status.replicas == 0
