"""Autoscalers: how many replicas a load asks for, and how fast they come and go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.autoscaling_v2 import CrossVersionObjectReference, HorizontalPodAutoscalerBehavior
from api.core_v1 import Pod
from api.errors import NotFound, ServiceUnavailable
from controller_manager.horizontal_pod_autoscaler.behavior import Bounds, History, tame
from controller_manager.horizontal_pod_autoscaler.metrics_client import MetricsClient, MetricsError, PodMetric
from controller_manager.horizontal_pod_autoscaler.replica_calculator import (
    Readiness,
    Situation,
    Tolerances,
    by_average,
    by_usage,
    by_utilization,
    by_value,
)
from controller_manager.scale import Scales

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = "2026-01-01T10:00:00Z"


def pod(name: str, *, ready: str = "True", started: str = LONG_AGO, phase: str = "Running", **spec: Any) -> Pod:
    spec.setdefault("containers", [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}])
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": started}]
    status = {"phase": phase, "startTime": started, "conditions": conditions}
    return Pod.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": spec, "status": status})


def situation(pods: list[Pod], replicas: int | None = None, **tolerances: float) -> Situation:
    count = len(pods) if replicas is None else replicas
    return Situation(pods, count, Tolerances(**tolerances), Readiness(), NOW)


def measured(**values: int) -> dict[str, PodMetric]:
    return {name: PodMetric(value, NOW) for name, value in values.items()}


PODS = [pod("a"), pod("b"), pod("c")]


@pytest.mark.parametrize(
    ("metrics", "target", "wanted"),
    [
        (measured(a=300, b=500, c=700), 30, (5, 50, 500)),
        (measured(a=100, b=100, c=100), 50, (1, 10, 100)),
        (measured(a=540, b=540, c=540), 50, (3, 54, 540)),  # within the tolerance
        (measured(a=1000, b=1000), 50, (4, 100, 1000)),  # the missing one counts as idle
        (measured(a=100, b=100), 50, (3, 10, 100)),  # and as busy, when replicas would go
        (measured(a=600, b=600), 50, (3, 60, 600)),  # the direction would turn
    ],
)
def test_replicas_for_a_share_of_the_requests(
    metrics: dict[str, PodMetric], target: int, wanted: tuple[int, int, int]
) -> None:
    assert by_utilization(situation(PODS), metrics, "cpu", target, "") == wanted


def test_pods_that_start_do_not_count_and_keep_others_from_growing_too_far() -> None:
    just_now = "2026-01-01T11:59:50Z"
    starting = [*PODS, pod("new", ready="False", started=just_now), pod("p", phase="Pending")]
    busy = measured(a=900, b=900, c=900, new=2000)
    assert by_utilization(situation(starting), busy, "cpu", 30, "")[0] == 9  # of 5 pods, two of which count as idle
    assert by_utilization(situation(starting), measured(a=60, b=60, c=60, new=9000), "cpu", 30, "")[0] == 1
    with pytest.raises(MetricsError, match="did not receive metrics for targeted pods"):
        by_utilization(situation([pod("new", ready="False", started=just_now)]), measured(new=5), "cpu", 30, "")


def test_pods_that_go_or_have_failed_are_left_out() -> None:
    going = pod("going")
    going.metadata.deletionTimestamp = NOW
    pods = [*PODS, going, pod("failed", phase="Failed")]
    assert by_usage(situation(pods), measured(a=100, b=100, c=100, going=9000, failed=9000), 50) == (6, 100)


def test_requests_that_are_not_said() -> None:
    bare = pod("bare", containers=[{"name": "c", "image": "i"}])
    for container, message in (("", "missing request for cpu in container c of Pod bare"),
                               ("x", "container x not found in Pod bare")):  # fmt: skip
        with pytest.raises(MetricsError, match=message):
            by_utilization(situation([bare]), measured(bare=1), "cpu", 50, container)
    sized = pod("sized", resources={"requests": {"cpu": "2"}}, containers=[{"name": "c", "image": "i"}])
    assert by_utilization(situation([sized]), measured(sized=1000), "cpu", 50, "") == (1, 50, 1000)
    with pytest.raises(MetricsError, match="missing pod-level request for memory in Pod sized"):
        by_utilization(situation([sized]), measured(sized=1000), "memory", 50, "")


def test_replicas_for_measures_of_the_whole() -> None:
    assert by_value(situation(PODS), 4000, 2000) == 6
    assert by_value(situation(PODS), 2100, 2000) == 3
    assert by_value(situation([], 0), 5000, 2000) == 3  # from nothing
    assert by_average(Tolerances(), 3, 9000, 1000) == (9, 3000)
    assert by_average(Tolerances(up=3.0), 3, 9000, 1000) == (3, 3000)
    assert by_value(situation(PODS), 2**63 - 1, 1) == 2**31 - 1


WINDOW = timedelta(minutes=5)


def test_without_a_behavior_replicas_double_at_most_and_go_late() -> None:
    history = History([(NOW - timedelta(minutes=4), 9)])
    assert tame(History(), None, Bounds(3, 1, 100), 50, NOW, WINDOW).replicas == 6
    assert tame(History(), None, Bounds(1, 1, 100), 50, NOW, WINDOW).limit[0] == "ScaleUpLimit"
    verdict = tame(history, None, Bounds(9, 1, 10), 2, NOW, WINDOW)
    assert (verdict.replicas, verdict.able[0], verdict.limited) == (9, "ScaleDownStabilized", False)
    verdict = tame(history, None, Bounds(9, 3, 10), 2, NOW + timedelta(minutes=2), WINDOW)
    assert (verdict.replicas, verdict.limited, verdict.limit[0]) == (3, True, "TooFewReplicas")
    assert tame(History(), None, Bounds(9, 3, 10), 12, NOW, WINDOW).limit[0] == "TooManyReplicas"


def behavior(up: dict[str, Any], down: dict[str, Any]) -> HorizontalPodAutoscalerBehavior:
    default = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max"}
    return HorizontalPodAutoscalerBehavior.from_dict({"scaleUp": {**default, **up}, "scaleDown": {**default, **down}})


FOUR_OR_DOUBLE = [
    {"type": "Pods", "value": 4, "periodSeconds": 60}, {"type": "Percent", "value": 100, "periodSeconds": 60},
]  # fmt: skip
TENTH = [{"type": "Percent", "value": 10, "periodSeconds": 60}]


@pytest.mark.parametrize(
    ("up", "down", "current", "desired", "wanted", "reason"),
    [
        ({"policies": FOUR_OR_DOUBLE}, {"policies": TENTH}, 3, 50, 7, "ScaleUpLimit"),
        ({"policies": FOUR_OR_DOUBLE, "selectPolicy": "Min"}, {"policies": TENTH}, 10, 50, 14, "ScaleUpLimit"),
        ({"policies": FOUR_OR_DOUBLE, "selectPolicy": "Disabled"}, {"policies": TENTH}, 10, 50, 10, "ScaleUpLimit"),
        ({"policies": FOUR_OR_DOUBLE}, {"policies": TENTH}, 30, 50, 40, "TooManyReplicas"),
        ({"policies": FOUR_OR_DOUBLE}, {"policies": TENTH}, 35, 5, 31, "ScaleDownLimit"),
        (
            {"policies": FOUR_OR_DOUBLE},
            {"policies": FOUR_OR_DOUBLE, "selectPolicy": "Min"},
            35,
            5,
            31,
            "ScaleDownLimit",
        ),
        ({"policies": FOUR_OR_DOUBLE}, {"policies": FOUR_OR_DOUBLE}, 35, 1, 2, "TooFewReplicas"),
        ({"policies": FOUR_OR_DOUBLE}, {"policies": FOUR_OR_DOUBLE}, 35, 20, 20, "DesiredWithinRange"),
    ],
)
def test_policies(
    up: dict[str, Any], down: dict[str, Any], current: int, desired: int, wanted: int, reason: str
) -> None:
    verdict = tame(History(), behavior(up, down), Bounds(current, 2, 40), desired, NOW, WINDOW)
    assert (verdict.replicas, verdict.limit[0]) == (wanted, reason)


def test_what_was_done_lately_counts_towards_a_policy() -> None:
    rules = behavior({"policies": FOUR_OR_DOUBLE}, {"policies": TENTH})
    history = History()
    history.note_scaling(rules, 4, 7, NOW)
    soon, later = NOW + timedelta(seconds=30), NOW + timedelta(seconds=61)
    assert tame(history, rules, Bounds(7, 1, 100), 90, soon, WINDOW).replicas == 8
    assert tame(history, rules, Bounds(8, 1, 100), 90, later, WINDOW).replicas == 16
    history.note_scaling(rules, 8, 16, later + timedelta(minutes=2))
    assert [number for _, number in history.ups] == [8]


def test_stabilization_takes_the_least_change_of_the_window() -> None:
    rules = behavior(
        {"policies": FOUR_OR_DOUBLE, "stabilizationWindowSeconds": 60},
        {"policies": FOUR_OR_DOUBLE, "stabilizationWindowSeconds": 120},
    )
    history = History([(NOW - timedelta(seconds=50), 6), (NOW - timedelta(seconds=100), 9)])
    verdict = tame(history, rules, Bounds(5, 1, 100), 12, NOW, WINDOW)
    assert (verdict.replicas, verdict.able[0]) == (6, "ScaleUpStabilized")
    verdict = tame(History([(NOW - timedelta(seconds=100), 9)]), rules, Bounds(10, 1, 100), 2, NOW, WINDOW)
    assert (verdict.replicas, verdict.able[0]) == (9, "ScaleDownStabilized")


class Answers:
    """A client whose answers are at hand."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def get_json(self, path: str) -> Any:
        self.asked.append(path)
        answer = next((each for part, each in self.answers.items() if part in path), None)
        if answer is None:
            raise NotFound(f"{path} not found")
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(answers: Answers) -> MetricsClient:
    return MetricsClient(answers, Scales(answers))  # type: ignore[arg-type]


def use(name: str, **usage: str) -> dict[str, Any]:
    containers = [{"name": each, "usage": {"cpu": amount}} for each, amount in usage.items()]
    metadata = {"name": name, "namespace": "default"}
    return {"metadata": metadata, "timestamp": LONG_AGO, "window": "30s", "containers": containers}


async def test_the_use_of_resources() -> None:
    answers = Answers(pods={"items": [use("a", x="250m", y="1"), use("b", x="1u", y="0"), use("gone")]})
    found = await client(answers).resource("cpu", "default", "app=web")
    assert {name: metric.value for name, metric in found.items()} == {"a": 1250, "b": 1}
    assert found["a"].window == timedelta(seconds=30)
    assert answers.asked == ["/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb"]
    with pytest.raises(MetricsError, match="container x not present in metrics for pod default/gone"):
        await client(answers).resource("cpu", "default", "app=web", "x")
    for answer, message in (
        ({"items": []}, "no metrics returned from resource metrics API"),
        (ServiceUnavailable("not now"), "unable to fetch metrics from resource metrics API: not now"),
    ):
        with pytest.raises(MetricsError, match=message):
            await client(Answers(pods=answer)).resource("cpu", "default", "")


async def test_custom_and_external_metrics() -> None:
    group = {"versions": [{"groupVersion": f"custom.metrics.k8s.io/{v}"} for v in ("v1beta1", "v1beta2")]}
    item = {"describedObject": {"name": "a"}, "timestamp": LONG_AGO, "windowSeconds": 10, "value": "1500m"}
    listed = {"items": [item]}
    answers = Answers(**{"namespaces/": listed, "custom.metrics.k8s.io": group})
    metrics = client(answers)
    assert (await metrics.of_pods("hits", "default", "app=web", ""))["a"].value == 1500
    about = CrossVersionObjectReference(apiVersion="networking.k8s.io/v1", kind="Ingress", name="in")
    assert await metrics.of_object("hits", "default", about, "verb=GET") == 1500
    space = CrossVersionObjectReference(apiVersion="v1", kind="Namespace", name="default")
    assert await metrics.of_object("hits", "default", space, "") == 1500
    assert await metrics.external("queue", "default", "q=1") == [1500]
    root = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default"
    assert [path for path in answers.asked if "namespaces" in path] == [
        f"{root}/pods/*/hits?labelSelector=app%3Dweb",
        f"{root}/ingresses.networking.k8s.io/in/hits?metricLabelSelector=verb%3DGET",
        f"{root}/metrics/hits",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue?labelSelector=q%3D1",
    ]
    with pytest.raises(MetricsError, match=r"no custom metrics API \(custom.metrics.k8s.io\) registered"):
        await client(Answers()).of_pods("hits", "default", "", "")
