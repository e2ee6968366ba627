"""Claims of generic ephemeral volumes, and classes of attributes that are in use."""

from __future__ import annotations

from typing import Any

from api.core_v1 import PersistentVolumeClaim, Pod
from api.errors import NotFound
from api.storage_v1 import VolumeAttributesClass
from controller_manager.ephemeral_volume import EphemeralVolumeController
from controller_manager.volume_attributes_class import VAC_PROTECTION, VolumeAttributesClassProtectionController
from tests.controllers.cluster import Cluster, eventually


def with_scratch(name: str = "web") -> Pod:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    return Pod.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


async def claims(cluster: Cluster) -> dict[str, PersistentVolumeClaim]:
    return {c.metadata.name: c for c in (await cluster.client.list(PersistentVolumeClaim, "default")).items}


async def test_a_pod_gets_its_claim_and_gets_it_again(cluster: Cluster) -> None:
    await cluster.run(EphemeralVolumeController)
    pod = await cluster.client.create(with_scratch())

    async def made() -> PersistentVolumeClaim | None:
        return (await claims(cluster)).get("web-scratch")

    claim = await eventually(made)
    assert claim.metadata.labels == {"a": "b"}
    assert claim.spec.resources.requests == {"storage": "1Gi"}
    owner = claim.metadata.ownerReferences[0]
    assert (owner.kind, owner.uid, owner.controller) == ("Pod", pod.metadata.uid, True)
    await cluster.client.delete(PersistentVolumeClaim, "web-scratch", "default")
    again = await eventually(made)
    assert again.metadata.uid != claim.metadata.uid


async def test_a_claim_of_the_same_name_is_not_taken_for_the_pods(cluster: Cluster) -> None:
    metadata = {"name": "web-scratch", "namespace": "default"}
    await cluster.client.create(PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": {}}))
    await cluster.run(EphemeralVolumeController)
    await cluster.client.create(with_scratch())
    message = "ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)"

    async def told() -> bool:
        return message in await cluster.event_messages("web")

    await eventually(told)
    assert (await claims(cluster))["web-scratch"].metadata.ownerReferences == []


async def test_a_class_of_attributes_goes_when_nobody_has_it(cluster: Cluster) -> None:
    client = cluster.client
    (controller,) = await cluster.run(VolumeAttributesClassProtectionController)
    for name in ("used", "free"):
        metadata = {"name": name, "finalizers": [VAC_PROTECTION]}
        made = VolumeAttributesClass.from_dict({"metadata": metadata, "driverName": "d"})
        await client.create(made)
    claim: dict[str, Any] = {"volumeAttributesClassName": "used"}
    body = {"metadata": {"name": "c", "namespace": "default"}, "spec": claim}
    await client.create(PersistentVolumeClaim.from_dict(body))
    await eventually(lambda: controller.claims.get("default/c"))

    async def gone(name: str) -> bool:
        try:
            await client.get(VolumeAttributesClass, name)
        except NotFound:
            return True
        return False

    for name in ("used", "free"):
        await client.delete(VolumeAttributesClass, name)
    await eventually(lambda: gone("free"))
    assert not await gone("used")
    await client.delete(PersistentVolumeClaim, "c", "default")
    await eventually(lambda: gone("used"))
