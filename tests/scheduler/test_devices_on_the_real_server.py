"""Devices on the real API server: drivers' slices in, claims with devices out, each component with its own rights."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.core_v1 import Node, Pod, ServiceAccount
from api.errors import NotFound
from api.model import Model
from api.resource_v1 import DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice
from client.rest import RestClient
from tests.client.component_process import ComponentProcess
from tests.client.real_server import RealServer, real_server
from tests.client.waiting import eventually
from tests.scheduler.device_world import DRIVER, exactly, make_claim, make_class, make_slice
from tests.scheduler.test_on_the_real_server import add_nodes, add_pod, messages
from tests.scheduler.world import make_node, make_pod


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server"), "--authorization-mode", "Node,RBAC") as running:
        yield running


def kubeconfig(server: RealServer, component: str) -> Path:
    return server.kubeconfig.parent / "kubeconfigs" / f"{component}.kubeconfig"


@pytest.fixture(scope="module")
def manager(server: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComponentProcess]:
    flags = ["--use-service-account-credentials", "--leader-elect=false"]
    flags += ["--controllers", "resource-claim-controller,serviceaccount,garbage-collector-controller"]
    log = tmp_path_factory.mktemp("manager") / "log"
    with ComponentProcess("controller_manager", kubeconfig(server, "controller-manager"), log, *flags) as process:
        yield process


@pytest.fixture
async def client(server: RealServer, manager: ComponentProcess) -> AsyncIterator[RestClient]:
    async with RestClient(server.config) as connected:

        async def has_account() -> bool:
            return bool((await connected.list(ServiceAccount, "default")).items)

        await eventually(has_account, "pods can be made")
        yield connected
        await connected.delete_collection(Pod, "default", grace_period=0)
        for kind in (ResourceClaim, ResourceClaimTemplate):
            await connected.delete_collection(kind, "default")
        for kind in (Node, ResourceSlice, DeviceClass):
            await connected.delete_collection(kind)

        async def no_claims() -> bool:
            return not (await connected.list(ResourceClaim, "default")).items

        await eventually(no_claims)


@pytest.fixture
def scheduler(server: RealServer, tmp_path: Path) -> ComponentProcess:
    log = tmp_path / "scheduler.log"
    return ComponentProcess("scheduler", kubeconfig(server, "scheduler"), log, "--leader-elect=false")


def with_template(name: str) -> Pod:
    return make_pod(name, cpu="10m", resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "gpu"}])


async def add_cards(client: RestClient, *nodes: str, devices: int) -> None:
    """Nodes with devices, their class, and a template for claims to one device."""
    await add_nodes(client, *(make_node(name) for name in nodes))
    await client.create(make_class())
    for name in nodes:
        await client.create(make_slice(name, *(f"{name}-{i}" for i in range(devices)), node=name))
    document = {
        "metadata": {"name": "gpu", "namespace": "default"},
        "spec": {"spec": {"devices": {"requests": [exactly()]}}},
    }
    await client.create(ResourceClaimTemplate.from_dict(document))


async def placed(client: RestClient) -> list[Pod]:
    return [pod for pod in (await client.list(Pod, "default")).items if pod.spec.nodeName]


async def given(client: RestClient) -> list[str]:
    """The devices that claims have, with repetitions should there be any."""
    claims = (await client.list(ResourceClaim, "default")).items
    allocations = [claim.status.allocation for claim in claims if claim.status.allocation is not None]
    return sorted(result.device for each in allocations for result in each.devices.results)


async def test_claims_are_made_filled_used_and_freed(client: RestClient, scheduler: ComponentProcess) -> None:
    await add_cards(client, "a", "b", devices=1)
    with scheduler:
        for name in ("p0", "p1", "p2"):
            await add_pod(client, with_template(name))

        async def two() -> bool:
            return len(await placed(client)) == 2

        await eventually(two)
        assert await given(client) == ["a-0", "b-0"]
        [waiting] = [pod for pod in (await client.list(Pod, "default")).items if not pod.spec.nodeName]

        async def says_why() -> bool:
            said = await messages(client, waiting.metadata.name)
            return any(reason == "FailedScheduling" and "2 cannot allocate all claims" in text for reason, text in said)

        await eventually(says_why)
        for claim in (await client.list(ResourceClaim, "default")).items:
            if claim.status.allocation is not None:
                assert claim.metadata.finalizers == ["resource.kubernetes.io/delete-protection"]
                assert len(claim.status.reservedFor) == 1
        first = (await placed(client))[0].metadata.name
        await client.delete(Pod, first, "default", grace_period=0)

        async def next_one() -> bool:
            return {pod.metadata.name for pod in await placed(client)} == {"p0", "p1", "p2"} - {first}

        await eventually(next_one)
        assert len(await given(client)) == 2
    assert "Traceback" not in scheduler.log.read_text()


async def test_a_claim_that_json_cannot_repeat_gets_devices(client: RestClient, scheduler: ComponentProcess) -> None:
    """Whoever writes blanks into opaque parameters, as Python's `json` does, has made a spec that no client of JSON can
    write again: it goes without its finalizer."""
    await add_cards(client, "a", devices=1)
    opaque = {"opaque": {"driver": DRIVER, "parameters": {"memory": "1Gi", "cores": 2}}}
    claim = make_claim("spaced", config=[opaque]).to_dict()
    del claim["metadata"]["uid"]
    path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
    assert (await client.raw("POST", path, body=json.dumps(claim).encode())).status_code == 201
    with scheduler:
        wish = [{"name": "gpu", "resourceClaimName": "spaced"}]
        await add_pod(client, make_pod("p", cpu="10m", resourceClaims=wish))

        async def is_placed() -> bool:
            return bool(await placed(client))

        await eventually(is_placed)
    made = await client.get(ResourceClaim, "spaced", "default")
    assert not made.metadata.finalizers
    assert [user.name for user in made.status.reservedFor] == ["p"]
    assert made.status.allocation is not None
    assert [each.opaque.to_dict() for each in made.status.allocation.devices.config if each.opaque] == [
        opaque["opaque"]
    ]
    assert "claim default/spaced gets devices without the finalizer" in scheduler.log.read_text()


async def test_a_burst_of_pods_with_a_scheduler_that_is_killed(client: RestClient, scheduler: ComponentProcess) -> None:
    """Every device is given once, and every pod that has a node has its device."""
    count = 24
    await add_cards(client, *(f"n{i}" for i in range(4)), devices=count // 4)
    await asyncio.gather(*(add_pod(client, with_template(f"p{i}")) for i in range(count)))
    with scheduler:
        for enough in (3, 10, 16):

            async def enough_are_placed(enough: int = enough) -> bool:
                return len(await placed(client)) >= enough

            await eventually(enough_are_placed, seconds=180)
            scheduler.end(signal.SIGKILL)
            scheduler.start()

        async def all_are_placed() -> bool:
            return len(await placed(client)) == count

        await eventually(all_are_placed, seconds=180)
    assert await given(client) == sorted(f"n{i}-{j}" for i in range(4) for j in range(count // 4))
    claims = {claim.metadata.name: claim for claim in (await client.list(ResourceClaim, "default")).items}
    for pod in await placed(client):
        [status] = pod.status.resourceClaimStatuses
        claim = claims[status.resourceClaimName or ""]
        assert [user.uid for user in claim.status.reservedFor] == [pod.metadata.uid]
        assert claim.status.allocation is not None
        assert claim.status.allocation.devices.results[0].pool == pod.spec.nodeName


async def test_an_extended_resource_gets_a_claim_that_goes_with_the_pod(
    client: RestClient, scheduler: ComponentProcess
) -> None:
    await add_nodes(client, make_node("a"))
    await client.create(make_class(extendedResourceName="example.com/gpu"))
    await client.create(make_slice("s", "x", "y", node="a"))
    with scheduler:
        pod = make_pod("p", cpu="10m")
        pod.spec.containers[0].resources.limits = {"example.com/gpu": "2"}
        await add_pod(client, pod)

        async def has_node() -> bool:
            return bool((await client.get(Pod, "p", "default")).spec.nodeName)

        await eventually(has_node)
        status = (await client.get(Pod, "p", "default")).status.extendedResourceClaimStatus
        assert status is not None
        assert [(m.containerName, m.resourceName) for m in status.requestMappings] == [("c", "example.com/gpu")]
        claim = await client.get(ResourceClaim, status.resourceClaimName, "default")
        assert await given(client) == ["x", "y"]
        assert [user.name for user in claim.status.reservedFor] == ["p"]
        await client.delete(Pod, "p", "default", grace_period=0)

        async def gone() -> bool:
            return not (await client.list(ResourceClaim, "default")).items

        await eventually(gone)
    assert "Traceback" not in scheduler.log.read_text()


SAMPLES: dict[type[Model], Any] = {
    DeviceClass: lambda name: make_class(name),
    ResourceSlice: lambda name: make_slice(name, "d", node="n"),
    ResourceClaim: make_claim,
    ResourceClaimTemplate: lambda name: ResourceClaimTemplate.from_dict(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"spec": {"devices": {"requests": [exactly()]}}},
        }
    ),
}


@pytest.mark.parametrize("kind", SAMPLES)
async def test_kinds_of_devices_are_made_read_changed_and_deleted(client: RestClient, kind: type[Any]) -> None:
    """
    "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance]"
    "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]"
    "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance]"
    "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance]"
    """
    sample = SAMPLES[kind]("sample")
    namespace = sample.metadata.namespace
    sample.metadata.uid, sample.metadata.labels = "", {"test": "crud"}
    made = await client.create(sample)
    found = await client.list(kind, namespace, label_selector="test=crud")
    assert [each.metadata.uid for each in found.items] == [made.metadata.uid]
    events = client.watch(kind, namespace, resource_version=found.metadata.resourceVersion, label_selector="test=crud")
    made.metadata.annotations = {"updated": "yes"}
    updated = await client.update(made)
    patched = await client.patch(kind, "sample", namespace, {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched.metadata.annotations == {"updated": "yes", "patched": "yes"}
    assert await client.get(kind, "sample", namespace) == patched
    await client.delete(kind, "sample", namespace)
    with pytest.raises(NotFound):
        await client.get(kind, "sample", namespace)
    seen = []
    async with contextlib.aclosing(events), asyncio.timeout(60):
        async for event in events:
            seen.append(event.type)
            if event.type == "DELETED":
                break
    assert seen == ["MODIFIED", "MODIFIED", "DELETED"]
    assert updated.metadata.uid == made.metadata.uid
    other = SAMPLES[kind]("other")
    other.metadata.uid, other.metadata.labels = "", {"test": "crud"}
    await client.create(other)
    await client.delete_collection(kind, namespace, label_selector="test=crud")
    assert not (await client.list(kind, namespace, label_selector="test=crud")).items


async def test_the_status_of_a_claim_is_its_own_resource(client: RestClient) -> None:
    """ "[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance]" """
    made = make_claim("c")
    made.metadata.uid = ""
    made = await client.create(made)
    document = made.to_dict()
    result = {"request": "r", "driver": "d.example.com", "pool": "p", "device": "d"}
    document["status"] = {"allocation": {"devices": {"results": [result]}}}
    changed = await client.update(ResourceClaim.from_dict(document), subresource="status")
    assert changed.status.allocation is not None
    patch = {"status": {"allocation": None}}
    freed = await client.patch(ResourceClaim, "c", "default", patch, subresource="status")
    assert freed.status.allocation is None
