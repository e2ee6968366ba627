"""PodDisruptionBudgets: what may be evicted now, and what an eviction costs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.apiextensions_v1 import CustomResourceDefinition
from api.apps_v1 import ReplicaSet, StatefulSet
from api.clock import ManualClock
from api.core_v1 import Pod, ServiceAccount
from api.errors import AlreadyExists
from api.meta_v1 import ObjectMeta
from api.policy_v1 import Eviction, PodDisruptionBudget
from client.rest import RestClient
from controller_manager.deployment.controller import DeploymentController
from controller_manager.disruption_budgets import DELETION_TIMEOUT, DisruptionController, is_healthy, still_disrupted
from controller_manager.replica_set import ReplicaSetController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, deployment, eventually, real_cluster, replica_set
from tests.controllers.workloads import set_ready

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def budget(name: str = "b", **spec: Any) -> PodDisruptionBudget:
    spec.setdefault("selector", {"matchLabels": {"app": "web"}})
    return PodDisruptionBudget.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def pod(called: str = "p", ready: str = "True", /, **owner: Any) -> Pod:
    metadata: dict[str, Any] = {"name": called, "namespace": "default", "labels": {"app": "web"}}
    if owner:
        metadata["ownerReferences"] = [{"controller": True, **owner}]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    return Pod.from_dict({"metadata": metadata, "spec": spec, "status": status})


def test_a_pod_marked_for_eviction_is_not_healthy_until_the_mark_has_expired() -> None:
    marked = {"p": NOW - DELETION_TIMEOUT + timedelta(seconds=1), "late": NOW - timedelta(minutes=3), "gone": NOW}
    disrupted, late = still_disrupted([pod("p"), pod("late")], marked, NOW)
    assert [*disrupted] == ["p"]
    assert [each.metadata.name for each in late] == ["late"]
    assert [is_healthy(each, disrupted, NOW) for each in (pod("p"), pod("late"), pod("late", "False"))] == [
        False, True, False,
    ]  # fmt: skip


async def status(cluster: Cluster, name: str = "b") -> tuple[int, int, int, int]:
    """(expected, desired, healthy, allowed)"""
    found = (await cluster.client.get(PodDisruptionBudget, name, "default")).status
    return found.expectedPods, found.desiredHealthy, found.currentHealthy, found.disruptionsAllowed


async def has(cluster: Cluster, *wanted: int, name: str = "b") -> bool:
    return await status(cluster, name) == wanted


async def allowed(cluster: Cluster, name: str = "b") -> tuple[str, str, str] | None:
    found = (await cluster.client.get(PodDisruptionBudget, name, "default")).status.conditions
    return next(((c.status, c.reason, c.message) for c in found if c.type == "DisruptionAllowed"), None)


async def test_counts_pods_without_controllers_only_for_a_number(cluster: Cluster) -> None:
    await cluster.run(DisruptionController)
    for name in ("a", "b"):
        await cluster.client.create(pod(name))
    await cluster.client.create(budget(minAvailable=1))
    await eventually(lambda: has(cluster, 2, 1, 2, 1))
    assert await allowed(cluster) == ("True", "SufficientPods", "")
    await cluster.client.create(budget("share", maxUnavailable=1))

    async def warned() -> bool:
        return any("found to be unmanaged" in message for message in await cluster.event_messages("share"))

    await eventually(warned)
    await eventually(lambda: allowed(cluster, "share"))
    assert await status(cluster, "share") == (0, 0, 2, 0)
    assert await allowed(cluster, "share") == ("False", "InsufficientPods", "")


async def test_a_budget_without_pods_allows_nothing(cluster: Cluster) -> None:
    await cluster.run(DisruptionController)
    await cluster.client.create(budget(minAvailable=0))
    await eventually(lambda: allowed(cluster))
    assert await status(cluster) == (0, 0, 0, 0)
    assert "No matching pods found" in await cluster.event_messages("b")


async def test_follows_the_deployment_behind_the_replica_sets(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController, DisruptionController)
    await cluster.client.create(deployment(replicas=5))
    await cluster.client.create(budget(minAvailable="50%"))
    await eventually(lambda: has(cluster, 5, 3, 5, 2))
    await cluster.client.patch(PodDisruptionBudget, "b", "default", {"spec": {"minAvailable": "80%"}})
    await eventually(lambda: has(cluster, 5, 4, 5, 1))


async def test_nothing_may_go_while_the_owner_is_unknown(cluster: Cluster) -> None:
    await cluster.run(DisruptionController)
    await cluster.client.create(pod(apiVersion="apps/v1", kind="ReplicaSet", name="gone", uid="u"))
    await cluster.client.create(budget(maxUnavailable=1))

    async def unknown() -> bool:
        return await allowed(cluster) == ("False", "SyncFailed", 'found no controllers for pod "p"')

    await eventually(unknown)
    await cluster.client.create(budget("jobs", maxUnavailable=1, selector={"matchLabels": {"app": "job"}}))
    worker = pod("worker", apiVersion="batch/v1", kind="Job", name="j", uid="u")
    worker.metadata.labels = {"app": "job"}
    await cluster.client.create(worker)

    async def failed() -> bool:
        return await allowed(cluster, "jobs") == (
            "False", "SyncFailed", "jobs.batch does not implement the scale subresource",
        )  # fmt: skip

    await eventually(failed)


async def test_an_eviction_that_came_to_nothing_costs_nothing_in_the_end() -> None:
    from tests.controllers.cluster import cluster as run_cluster

    clock = ManualClock()
    async with run_cluster(clock) as cluster:
        await cluster.client.create(pod())
        made = budget(minAvailable=0)
        made.metadata.generation = 1
        await cluster.client.create(made)
        await cluster.client.patch(
            PodDisruptionBudget, "b", "default",
            {"status": {"disruptedPods": {"p": f"{clock.now():%FT%TZ}"}}}, subresource="status",
        )  # fmt: skip
        await cluster.run(DisruptionController)
        await eventually(lambda: has(cluster, 1, 0, 0, 0))
        await eventually(lambda: asyncio.sleep(0, clock.sleepers > 0))
        await clock.advance(121)
        await eventually(lambda: has(cluster, 1, 0, 1, 1))
        live = await cluster.client.get(PodDisruptionBudget, "b", "default")
        assert live.status.disruptedPods == {}
        message = "Pod was expected by PDB default/default to be deleted but it wasn't"
        assert message in await cluster.event_messages("p")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def real(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        with contextlib.suppress(AlreadyExists):
            account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
            await running.client.create(account)
        yield running
        await running.come_to_rest()
        await running.stop()
        for kind in (PodDisruptionBudget, ReplicaSet, StatefulSet, Pod):
            await running.client.delete_collection(kind, "default", grace_period=0)


async def evict(client: RestClient, name: str) -> bool:
    """Whether it was allowed; asks once, while the client's own methods come again when the answer says so."""
    request = Eviction(apiVersion="policy/v1", kind="Eviction", metadata=ObjectMeta(name=name, namespace="default"))
    answer = await client.raw("POST", f"/api/v1/namespaces/default/pods/{name}/eviction", body=request.encode())
    assert answer.status_code in (201, 429), answer.text
    return answer.status_code == 201


async def test_blocks_an_eviction_until_the_budget_allows_it(real: Cluster) -> None:
    """ "[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it [Conformance]",
    "[sig-apps] DisruptionController should observe PodDisruptionBudget status updated [Conformance]"
    """
    client = real.client
    made: set[str] = set()
    await real.nodes(broken=lambda pod: bool(made) and pod.metadata.name not in made)
    await real.run(ReplicaSetController, DisruptionController)
    await client.create(replica_set(replicas=3))
    await client.create(budget(minAvailable=3))
    await eventually(lambda: has(real, 3, 3, 3, 0))
    made |= {each.metadata.name for each in await real.pods()}
    assert not await evict(client, min(made))
    await client.patch(PodDisruptionBudget, "b", "default", {"spec": {"minAvailable": 2}})
    await eventually(lambda: has(real, 3, 2, 3, 1))
    outcomes = await asyncio.gather(*(evict(client, name) for name in made))
    assert outcomes.count(True) == 1  # the next is not ready before the last of them was answered

    async def replacement() -> str:
        return "".join({each.metadata.name for each in await real.pods()} - made)

    await set_ready(real, await eventually(replacement), True)
    await eventually(lambda: has(real, 3, 2, 3, 1))


async def test_the_status_is_the_controllers_whatever_others_write(real: Cluster) -> None:
    """ "[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance]",
    "[sig-apps] DisruptionController should update/patch PodDisruptionBudget status [Conformance]",
    "[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection
    of PodDisruptionBudgets [Conformance]" """
    client = real.client
    await real.run(DisruptionController)
    for name in ("b", "c"):
        await client.create(budget(name, minAvailable="1%"))
        await eventually(lambda name=name: allowed(real, name))
    live = await client.get(PodDisruptionBudget, "b", "default")
    live.status.disruptedPods = {"p": NOW}
    updated = await client.update(live, subresource="status")
    assert updated.status.disruptedPods == {"p": NOW}
    body = {"status": {"disruptedPods": {"q": "2026-01-01T00:00:00Z"}}}
    await client.patch(PodDisruptionBudget, "b", "default", body, subresource="status")

    async def put_right() -> bool:
        return not (await client.get(PodDisruptionBudget, "b", "default")).status.disruptedPods

    await eventually(put_right)
    assert {each.metadata.name for each in (await client.list(PodDisruptionBudget)).items} == {"b", "c"}
    await client.delete_collection(PodDisruptionBudget, "default")
    assert (await client.list(PodDisruptionBudget)).items == []


async def test_a_controller_that_ends_in_the_middle_allows_no_more_than_it_should(
    server: RealServer, real: Cluster
) -> None:
    """Evictions go on while controllers come and go: never are fewer pods ready than the budget says."""
    client = real.client
    await real.nodes()
    await real.run(ReplicaSetController)
    await client.create(replica_set(replicas=4))
    await client.create(budget(minAvailable=3))
    fewest: list[int] = []

    async def all_replaced(before: set[str]) -> bool:
        pods = [each for each in await real.pods() if each.metadata.deletionTimestamp is None]
        ready = [each for each in pods if any(c.type == "Ready" and c.status == "True" for c in each.status.conditions)]
        fewest.append(len(ready))
        names = {each.metadata.name for each in pods}
        for name in names & before:
            if await evict(client, name):
                break
        return len(ready) == 4 and not names & before

    await eventually(lambda: enough_pods(real, 4))
    before = {each.metadata.name for each in await real.pods()}

    async def one_more_life() -> bool:
        async with real_cluster(server.config) as another:
            await another.run(DisruptionController)
            return any([await all_replaced(before) for _ in range(5)])

    await eventually(one_more_life, seconds=240)
    assert min(fewest) >= 3
    async with real_cluster(server.config) as another:
        await another.run(DisruptionController)
        await eventually(lambda: has(real, 4, 3, 4, 1))


async def enough_pods(cluster: Cluster, count: int) -> bool:
    return sum(each.status.phase == "Running" for each in await cluster.pods()) == count


async def test_asks_the_scale_of_whatever_owns_the_pods(real: Cluster) -> None:
    """A custom resource with a scale, and a built-in kind that nothing here watches."""
    client = real.client
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        "subresources": {"scale": scale},
    }  # fmt: skip
    names = {"plural": "herds", "singular": "herd", "kind": "Herd", "listKind": "HerdList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await client.create(CustomResourceDefinition.from_dict({"metadata": {"name": "herds.example.com"}, "spec": spec}))
    path = "/apis/example.com/v1/namespaces/default/herds"
    body = b'{"apiVersion":"example.com/v1","kind":"Herd","metadata":{"name":"h"},"spec":{"replicas":4}}'

    async def created() -> str | None:
        answer = await client.raw("POST", path, body=body)
        return answer.json()["metadata"]["uid"] if answer.status_code == 201 else None

    uid = await eventually(created)
    await real.run(DisruptionController)
    await client.create(pod(apiVersion="example.com/v1", kind="Herd", name="h", uid=uid))
    await client.create(budget(maxUnavailable="30%"))
    await eventually(lambda: has(real, 4, 2, 0, 0))
    template = {"metadata": {"labels": {"app": "set"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    selector = {"matchLabels": {"app": "set"}}
    wanted = {"serviceName": "", "replicas": 2, "selector": selector, "template": template}
    made = await client.create(
        StatefulSet.from_dict({"metadata": {"name": "s", "namespace": "default"}, "spec": wanted})
    )
    member = pod("s-0", apiVersion="apps/v1", kind="StatefulSet", name="s", uid=made.metadata.uid)
    member.metadata.labels = {"app": "set"}
    await client.create(member)
    await client.create(budget("set", selector=selector, maxUnavailable=1))
    await eventually(lambda: has(real, 2, 1, 0, 0, name="set"))


async def test_a_pod_that_was_not_evicted_after_all_is_no_target_any_more() -> None:
    """The condition, set by the API server before it deletes, is taken back after two minutes."""
    from tests.controllers.cluster import cluster as run_cluster

    clock = ManualClock()
    async with run_cluster(clock) as cluster:
        target = pod()
        target.status.conditions[0].type = "DisruptionTarget"
        target.status.conditions[0].reason = "EvictionByEvictionAPI"
        target.status.conditions[0].lastTransitionTime = clock.now()
        await cluster.client.create(target)
        (controller,) = await cluster.run(DisruptionController)
        patched: list[Any] = []

        async def patch(*args: Any, **options: Any) -> None:
            patched.append(args[3]["status"])

        controller.client = type("Client", (), {"patch": staticmethod(patch)})()
        await eventually(lambda: asyncio.sleep(0, clock.sleepers > 0))
        await clock.advance(60)
        assert patched == []
        await clock.advance(62)
        await eventually(lambda: asyncio.sleep(0, bool(patched)))
        (condition,) = patched[0]["conditions"]
        assert (condition["type"], condition["status"]) == ("DisruptionTarget", "False")
