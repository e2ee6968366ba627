"""Autoscalers on the real API server, with measures that a test makes up."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.apps_v1 import Deployment
from api.autoscaling_v2 import HorizontalPodAutoscaler
from api.core_v1 import Event, Namespace, Pod, ServiceAccount
from controller_manager.horizontal_pod_autoscaler.controller import HorizontalPodAutoscalerController
from controller_manager.horizontal_pod_autoscaler.metrics_client import MetricsError, PodMetric
from tests.client.real_server import RealServer, real_server
from tests.client.waiting import is_current
from tests.controllers.cluster import Cluster, eventually, real_cluster

CONTAINER = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}
HALF = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


class Measures:
    """Stands for the metrics APIs."""

    def __init__(self, cluster: Cluster) -> None:
        self._clock = cluster.clock
        self.use: dict[str, int] | str = {}
        self.queue: list[int] | str = "no metrics returned from external metrics API"

    async def resource(self, resource: str, namespace: str, selector: str, container: str = "") -> Any:
        if isinstance(self.use, str):
            raise MetricsError(self.use)
        return {name: PodMetric(value, self._clock.now()) for name, value in self.use.items()}

    async def external(self, metric: str, namespace: str, selector: str) -> list[int]:
        if isinstance(self.queue, str):
            raise MetricsError(self.queue)
        return self.queue


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


class Scaled:
    """A Deployment `web` with pods that run, in a namespace of its own, and an autoscaler `h` of it."""

    def __init__(self, cluster: Cluster, measures: Measures, controller: Any) -> None:
        self.cluster, self.client, self.measures, self.controller = cluster, cluster.client, measures, controller
        self.namespace = f"scaled-{uuid.uuid4().hex[:8]}"

    async def prepare(self, replicas: int) -> None:
        client, namespace = self.client, self.namespace
        await client.create(Namespace.from_dict({"metadata": {"name": namespace}}))
        await client.create(ServiceAccount.from_dict({"metadata": {"name": "default", "namespace": namespace}}))
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        await client.create(Deployment.from_dict({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}))
        for number in range(replicas):
            metadata = {"name": f"p{number}", "namespace": namespace, "labels": {"app": "web"}}
            await client.create(Pod.from_dict({"metadata": metadata, "spec": {"containers": [CONTAINER]}}))
            long_ago = "2020-01-01T00:00:00Z"
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": long_ago}]
            status = {"phase": "Running", "startTime": long_ago, "conditions": conditions}
            await client.patch(Pod, f"p{number}", namespace, {"status": status}, subresource="status")

        async def seen() -> bool:
            pods = self.controller.pods.in_namespace(namespace)
            return len(pods) == replicas and all(pod.status.phase == "Running" for pod in pods)

        await eventually(seen)

    async def autoscale(self, name: str = "h", target: str = "web", **spec: Any) -> None:
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
        full = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 10, "metrics": [HALF], **spec}
        metadata = {"name": name, "namespace": self.namespace}
        await self.client.create(HorizontalPodAutoscaler.from_dict({"metadata": metadata, "spec": full}))

    async def conditions(self, name: str = "h") -> dict[str, tuple[str, str, str]]:
        found = await self.client.get(HorizontalPodAutoscaler, name, self.namespace)
        return {each.type: (each.status, each.reason, each.message) for each in found.status.conditions}

    async def says(self, kind: str, reason: str, name: str = "h") -> tuple[str, str, str]:
        """The condition, once it has this reason."""

        async def said() -> tuple[str, str, str] | None:
            found = (await self.conditions(name)).get(kind)
            return found if found is not None and found[1] == reason else None

        return await eventually(said)  # type: ignore[no-any-return]

    async def replicas(self) -> int | None:
        return (await self.client.get(Deployment, "web", self.namespace)).spec.replicas

    async def becomes(self, wanted: int) -> None:
        async def became() -> bool:
            return await self.replicas() == wanted

        await eventually(became)

    async def has_scaled(self) -> HorizontalPodAutoscaler | None:
        """The autoscaler, once it says when it has scaled."""
        found = await self.client.get(HorizontalPodAutoscaler, "h", self.namespace)
        return found if found.status.lastScaleTime is not None else None

    async def told(self, *event: str) -> None:
        """Wait for an event with this reason and message."""

        async def is_there() -> bool:
            return event in await self.events()

        await eventually(is_there, f"the event {event}")

    async def events(self) -> set[tuple[str, str]]:
        await self.cluster.events.flush()
        return {(each.reason, each.message) for each in (await self.client.list(Event, self.namespace)).items}


@pytest.fixture
async def scaled(server: RealServer) -> AsyncIterator[Scaled]:
    async with real_cluster(server.config) as running:
        measures = Measures(running)
        (controller,) = await running.run(lambda *common: HorizontalPodAutoscalerController(*common, sync_period=0.05))
        controller.metrics = measures
        yield Scaled(running, measures, controller)


async def test_a_workload_grows_with_its_load(scaled: Scaled) -> None:
    await scaled.prepare(2)
    scaled.measures.use = {"p0": 1000, "p1": 1000}
    await scaled.autoscale()
    await scaled.becomes(4)
    reason = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    await scaled.told("SuccessfulRescale", reason)
    assert (await scaled.says("ScalingActive", "ValidMetricFound"))[2] == (
        "the HPA was able to successfully calculate a replica count from "
        "cpu resource utilization (percentage of request)"
    )

    (metric,) = (await eventually(scaled.has_scaled)).status.currentMetrics or []
    assert metric.to_dict() == {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageUtilization": 100, "averageValue": "1"}},
    }


async def test_when_it_scaled_last_is_not_forgotten_by_a_cache_that_is_behind(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scaled.prepare(2)
    scaled.measures.use = "wait"
    await scaled.autoscale()
    await scaled.says("ScalingActive", "FailedGetResourceMetric")
    informer, late = scaled.cluster.informers.of(HorizontalPodAutoscaler), list[Any]()
    await eventually(lambda: is_current(informer, scaled.client), "it knows its own status")
    with monkeypatch.context() as lagging:
        lagging.setattr(informer, "_apply", late.append)
        scaled.measures.use = {"p0": 1000, "p1": 1000}
        await scaled.becomes(4)
        tried = scaled.controller.failures
        await eventually(lambda: scaled.controller.failures > tried + 2)
    for event in late:
        informer._apply(event)
    await eventually(scaled.has_scaled)


async def test_replicas_stay_within_bounds_and_go_only_after_the_window(scaled: Scaled) -> None:
    await scaled.prepare(3)
    scaled.measures.use = {"p0": 10, "p1": 10, "p2": 10}
    await scaled.autoscale()
    assert (await scaled.says("AbleToScale", "ScaleDownStabilized"))[0] == "True"
    assert await scaled.replicas() == 3
    policies = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
    rules = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": policies}}, "minReplicas": 2}
    await scaled.client.patch(HorizontalPodAutoscaler, "h", scaled.namespace, {"spec": rules})
    await scaled.becomes(2)
    await scaled.told("SuccessfulRescale", "New size: 2; reason: All metrics below target")
    await scaled.client.patch(
        HorizontalPodAutoscaler, "h", scaled.namespace, {"spec": {"minReplicas": 5, "maxReplicas": 5}}
    )
    await scaled.becomes(5)
    reason = "New size: 5; reason: Current number of replicas below Spec.MinReplicas"
    await scaled.told("SuccessfulRescale", reason)


async def test_without_measures_nothing_changes_and_people_are_told(scaled: Scaled) -> None:
    await scaled.prepare(2)
    scaled.measures.use = "no metrics returned from resource metrics API"
    await scaled.autoscale()
    cause = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: "
        "no metrics returned from resource metrics API"
    )
    assert await scaled.says("ScalingActive", "FailedGetResourceMetric") == (
        "False", "FailedGetResourceMetric", f"the HPA was unable to compute the replica count: {cause}",
    )  # fmt: skip
    events = await scaled.events()
    assert ("FailedGetResourceMetric", cause) in events
    first = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {cause}"
    assert ("FailedComputeMetricsReplicas", first) in events
    assert await scaled.replicas() == 2


async def test_one_measure_is_enough_to_grow_but_not_to_shrink(scaled: Scaled) -> None:
    await scaled.prepare(2)
    target = {"type": "AverageValue", "averageValue": "1"}
    queue = {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}}
    scaled.measures.use = {"p0": 1, "p1": 1}
    await scaled.autoscale(metrics=[HALF, queue], maxReplicas=4)
    message = (await scaled.says("ScalingActive", "FailedGetExternalMetric"))[2]
    assert message == (
        "the HPA was unable to compute the replica count: unable to get external metric "
        f"{scaled.namespace}/queue/nil: no metrics returned from external metrics API"
    )
    scaled.measures.use = {"p0": 1500, "p1": 1500}
    await scaled.becomes(4)


async def test_a_target_that_is_not_there_or_has_no_replicas(scaled: Scaled) -> None:
    await scaled.prepare(0)
    await scaled.autoscale("none", target="missing")
    assert (await scaled.says("AbleToScale", "FailedGetScale", "none"))[2] == (
        'the HPA controller was unable to get the target\'s current scale: deployments.apps "missing" not found'
    )
    await scaled.autoscale("unknown", scaleTargetRef={"apiVersion": "example.com/v1", "kind": "Herd", "name": "h"})
    message = (await scaled.says("AbleToScale", "FailedGetScale", "unknown"))[2]
    assert message.endswith('no matches for kind "Herd" in group "example.com"')
    await scaled.autoscale()
    assert await scaled.says("ScalingActive", "ScalingDisabled") == (
        "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero",
    )  # fmt: skip


async def test_two_autoscalers_of_the_same_pods_do_nothing(scaled: Scaled) -> None:
    await scaled.prepare(1)
    scaled.measures.use = {"p0": 5000}
    scaled.controller.metrics.use = "wait"
    await scaled.autoscale("a")
    await scaled.says("ScalingActive", "FailedGetResourceMetric", "a")
    await scaled.autoscale("b")
    for name in ("a", "b"):
        message = (await scaled.says("ScalingActive", "AmbiguousSelector", name))[2]
        listed = f"[{{a {scaled.namespace}}} {{b {scaled.namespace}}}]"
        assert message == f"pods by selector app=web are controlled by multiple HPAs: {listed}"


async def test_a_controller_that_starts_anew_scales_no_further(server: RealServer, scaled: Scaled) -> None:
    await scaled.prepare(2)
    scaled.measures.use = {"p0": 1000, "p1": 1000}
    await scaled.autoscale(maxReplicas=4)
    await scaled.becomes(4)
    for _ in range(3):
        async with real_cluster(server.config) as another:
            (controller,) = await another.run(
                lambda *common: HorizontalPodAutoscalerController(*common, sync_period=0.02)
            )
            controller.metrics = scaled.measures
            before = controller.reconciles
            await eventually(lambda c=controller, b=before: asyncio.sleep(0, c.reconciles > b + 3))
    assert await scaled.replicas() == 4
