"""Deployments: rolling updates, recreation, undo, pause, scaling, conditions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.apps_v1 import Deployment, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment
from api.core_v1 import Pod
from controller_manager.deployment import progress, revisions
from controller_manager.deployment.controller import DeploymentController
from controller_manager.deployment.sizes import max_surge, max_unavailable, new_size, old_sizes, proportional
from controller_manager.pod_state import is_ready
from controller_manager.pod_template import template_hash
from controller_manager.replica_set import ReplicaSetController
from tests.controllers.cluster import Cluster, deployment, eventually, replica_set, template

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def complete(cluster: Cluster, name: str = "web") -> Deployment | None:
    live = await cluster.client.get(Deployment, name, "default")
    return live if progress.is_complete(live, live.status) else None


async def rollout(cluster: Cluster, image: str) -> None:
    containers = [{"name": "c", "image": image}]
    await cluster.client.patch(
        Deployment, "web", "default", {"spec": {"template": {"spec": {"containers": containers}}}}
    )


async def test_rolls_out_and_reports(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment())
    live = await eventually(lambda: complete(cluster))
    assert live.metadata.annotations[revisions.REVISION] == "1"
    conditions = {c.type: (c.status, c.reason) for c in live.status.conditions}
    assert conditions == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert live.status.unavailableReplicas == 0
    sets = (await cluster.client.list(ReplicaSet, "default")).items
    assert len(sets) == 1
    mark = sets[0].metadata.labels["pod-template-hash"]
    assert sets[0].metadata.name == f"web-{mark}"
    assert sets[0].spec.selector is not None
    assert sets[0].spec.selector.matchLabels == {"app": "web", "pod-template-hash": mark}
    assert sets[0].metadata.annotations[revisions.DESIRED] == "3"
    assert sets[0].metadata.annotations[revisions.MAXIMUM] == "4"
    assert f"Scaled up replica set web-{mark} from 0 to 3" in await cluster.event_messages("web")


async def test_an_update_never_drops_below_the_minimum_nor_exceeds_the_maximum(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    strategy = DeploymentStrategy(
        type="RollingUpdate", rollingUpdate=RollingUpdateDeployment(maxSurge=1, maxUnavailable=1)
    )
    await cluster.client.create(deployment(replicas=5, strategy=strategy))
    await eventually(lambda: complete(cluster))
    start = len(cluster.server.log)
    await rollout(cluster, "two")
    live = await eventually(lambda: complete(cluster))
    assert live.metadata.annotations[revisions.REVISION] == "2"
    pods: dict[str, Pod] = {}
    asked_for: dict[str, int] = {}
    for number, (_, kind, key, document) in enumerate(cluster.server.log):
        if key[0] == "replicasets.apps":
            asked_for[key[2]] = document["spec"]["replicas"]
        elif key[0] == "pods" and kind == "DELETED":
            del pods[key[2]]
        elif key[0] == "pods":
            pods[key[2]] = Pod.from_dict(document)
        if number >= start:
            assert sum(asked_for.values()) <= 6  # pods of one set may still go when those of another come
            alive = [p for p in pods.values() if p.metadata.deletionTimestamp is None]
            assert sum(map(is_ready, alive)) >= 4
    assert {p.spec.containers[0].image for p in await cluster.pods() if p.metadata.deletionTimestamp is None} == {"two"}


async def test_a_replica_set_that_is_not_seen_yet_is_counted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event of a ReplicaSet may come later than the next change of the template."""
    await cluster.nodes()
    controller, _ = await cluster.run(DeploymentController, ReplicaSetController)
    informer = cluster.informers.of(ReplicaSet)
    late: list[Any] = []
    with monkeypatch.context() as lagging:
        lagging.setattr(informer, "_apply", late.append)
        await cluster.client.create(deployment())
        await eventually(cluster.replica_sets)
        await rollout(cluster, "two")
        await eventually(lambda: controller.failures)
    for event in late:
        informer._apply(event)
    await eventually(lambda: complete(cluster))
    sets = (await cluster.client.list(ReplicaSet, "default")).items
    assert sorted(each.metadata.annotations[revisions.REVISION] for each in sets) == ["1", "2"]
    assert not any(revisions.REVISION_HISTORY in each.metadata.annotations for each in sets)


async def test_undo_brings_back_the_old_replica_set_as_a_new_revision(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment())
    await eventually(lambda: complete(cluster))
    first = next(iter(await cluster.replica_sets()))
    await rollout(cluster, "two")
    await eventually(lambda: complete(cluster))
    await rollout(cluster, "one")
    live = await eventually(lambda: complete(cluster))
    assert live.metadata.annotations[revisions.REVISION] == "3"
    sets = await cluster.replica_sets()
    assert len(sets) == 2
    assert sets[first] == 3
    old = await cluster.client.get(ReplicaSet, first, "default")
    assert old.metadata.annotations[revisions.REVISION_HISTORY] == "1"


async def test_keeps_only_so_much_history(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment(replicas=1, revisionHistoryLimit=1))
    for image in ("two", "three", "four"):
        await eventually(lambda: complete(cluster))
        await rollout(cluster, image)
    await eventually(lambda: complete(cluster))

    async def two_left() -> bool:
        return len(await cluster.replica_sets()) == 2

    await eventually(two_left)


async def test_recreate_lets_all_old_pods_go_first(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment(strategy=DeploymentStrategy(type="Recreate")))
    await eventually(lambda: complete(cluster))
    start = len(cluster.server.log)
    await rollout(cluster, "two")
    await eventually(lambda: complete(cluster))
    images: dict[str, str] = {}
    for number, (_, kind, key, document) in enumerate(cluster.server.log):
        if key[0] == "pods":
            images[key[2]] = document["spec"]["containers"][0]["image"]
            if kind == "DELETED":
                del images[key[2]]
            if number >= start:
                assert len(set(images.values())) <= 1


async def test_a_paused_deployment_scales_but_does_not_roll(cluster: Cluster) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment())
    await eventually(lambda: complete(cluster))
    await cluster.client.patch(Deployment, "web", "default", {"spec": {"paused": True}})
    await rollout(cluster, "two")
    await cluster.client.patch(Deployment, "web", "default", {"spec": {"replicas": 4}})

    async def scaled() -> bool:
        live = await cluster.client.get(Deployment, "web", "default")
        return live.status.availableReplicas == 4 and live.status.observedGeneration == live.metadata.generation

    await eventually(scaled)
    live = await cluster.client.get(Deployment, "web", "default")
    assert live.status.updatedReplicas == 0
    assert any(c.reason == "DeploymentPaused" and c.status == "Unknown" for c in live.status.conditions)
    assert list((await cluster.replica_sets()).values()) == [4]
    await cluster.client.patch(Deployment, "web", "default", {"spec": {"paused": False}})
    await eventually(lambda: complete(cluster))
    assert sorted((await cluster.replica_sets()).values()) == [0, 4]


async def test_a_change_that_comes_while_a_pause_is_noted_is_not_said_to_be_observed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster.nodes()
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment())
    await eventually(lambda: complete(cluster))
    await cluster.settled()
    informer = cluster.informers.of(Deployment)
    hear, late = informer._apply, list[Any]()
    with monkeypatch.context() as lagging:
        lagging.setattr(informer, "_apply", late.append)
        await cluster.client.patch(Deployment, "web", "default", {"spec": {"paused": True}})
        await rollout(cluster, "two")
        await eventually(lambda: len(late) == 2)
        hear(late.pop(0))

        async def is_noted() -> bool:
            live = await cluster.client.get(Deployment, "web", "default")
            return any(c.reason == "DeploymentPaused" for c in live.status.conditions)

        await eventually(is_noted)
        await eventually(lambda: not cluster.is_busy)
    for event in late:
        hear(event)
    await cluster.settled()
    statuses = [each["status"] for _, _, key, each in cluster.server.log if key[0] == "deployments.apps"][1:]
    observed = [each.get("updatedReplicas", 0) for each in statuses if each.get("observedGeneration") == 3]
    assert set(observed) == {0}


async def test_a_stuck_update_passes_its_deadline_and_can_be_undone(cluster: Cluster) -> None:
    await cluster.nodes(broken=lambda pod: pod.spec.containers[0].image == "bad")
    await cluster.run(DeploymentController, ReplicaSetController)
    await cluster.client.create(deployment(progressDeadlineSeconds=1))
    await eventually(lambda: complete(cluster))
    await rollout(cluster, "bad")

    async def timed_out() -> bool:
        live = await cluster.client.get(Deployment, "web", "default")
        return any((c.status, c.reason) == ("False", "ProgressDeadlineExceeded") for c in live.status.conditions)

    await eventually(timed_out)
    assert sum(map(is_ready, await cluster.pods())) == 3
    await rollout(cluster, "one")
    await eventually(lambda: complete(cluster))
    assert sorted((await cluster.replica_sets()).values()) == [0, 3]


async def test_adopts_a_replica_set_that_matches(cluster: Cluster) -> None:
    await cluster.run(DeploymentController)
    orphan = replica_set("orphan", 2)
    orphan.metadata.labels = {"app": "web"}
    await cluster.client.create(orphan)
    await eventually(lambda: cluster.informers.of(ReplicaSet).store.get("default/orphan"))
    await cluster.client.create(deployment("web", 1))

    async def adopted() -> bool:
        live = await cluster.client.get(ReplicaSet, "orphan", "default")
        return bool(live.metadata.ownerReferences)

    await eventually(adopted)
    await cluster.settled()
    assert (await cluster.replica_sets()).keys() == {"orphan"}, "its template is the present one"


# --- arithmetic ----------------------------------------------------------------------------------


def rolling(replicas: int, surge: Any, unavailable: Any) -> Deployment:
    limits = RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    return deployment(replicas=replicas, strategy=DeploymentStrategy(type="RollingUpdate", rollingUpdate=limits))


def sized(name: str, size: int, available: int, maximum: int | None = None) -> ReplicaSet:
    made = replica_set(name, size)
    made.status.availableReplicas = available
    if maximum is not None:
        made.metadata.annotations[revisions.MAXIMUM] = str(maximum)
    return made


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (3, "25%", "25%", (1, 0)),
        (1, "25%", "25%", (1, 0)),
        (10, 0, 0, (0, 1)),
        (10, "0%", "5%", (0, 1)),
        (4, 2, "100%", (2, 4)),
        (2, 0, 5, (0, 2)),
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_surge_rounds_up_and_unavailability_down(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    asked = rolling(replicas, surge, unavailable)
    assert (max_surge(asked), max_unavailable(asked)) == expected


def test_the_new_grows_into_the_room_there_is() -> None:
    asked = rolling(10, 2, 0)
    new = sized("new", 0, 0)
    assert new_size(asked, [sized("old", 10, 10), new], new) == 2
    assert new_size(asked, [sized("old", 12, 12), new], new) == 0


def test_broken_old_pods_go_before_working_ones() -> None:
    asked = rolling(10, 0, 2)
    old = [sized("a", 4, 4), sized("b", 6, 3)]
    assert old_sizes(asked, old, sized("new", 0, 0)) == {"b": 4}
    assert old_sizes(asked, [sized("a", 10, 8)], sized("new", 0, 0)) == {"a": 8}
    assert old_sizes(asked, [sized("a", 8, 8)], sized("new", 2, 0)) == {}


def test_pods_that_are_about_to_be_deleted_are_not_counted_on() -> None:
    asked = rolling(5, 0, 1)
    assert old_sizes(asked, [sized("a", 4, 5)], sized("new", 2, 2)) == {"a": 2}


def test_scaling_in_the_middle_of_an_update_is_shared_by_size() -> None:
    asked = rolling(15, 3, 2)
    result = proportional(asked, [sized("old", 8, 8, maximum=13), sized("new", 5, 0, maximum=13)])
    assert result == {"old": 11, "new": 7}
    assert sum(result.values()) == 18
    assert proportional(rolling(0, 1, 0), [sized("old", 3, 3), sized("new", 2, 2)]) == {"old": 0, "new": 0}


def test_the_hash_depends_on_content_only() -> None:
    one, other = template("one"), template("one")
    other.metadata.labels = dict(reversed([*other.metadata.labels.items(), ("x", "y")]))
    one.metadata.labels["x"] = "y"
    assert template_hash(one) == template_hash(other)
    assert template_hash(one) != template_hash(one, 1)
    assert template_hash(one) != template_hash(template("two"))
    assert set(template_hash(one)) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_conditions_keep_their_transition_time_until_the_status_changes() -> None:
    later = NOW + timedelta(seconds=9)
    first = progress.with_condition([], "Progressing", "True", "A", "a", NOW)
    same = progress.with_condition(first, "Progressing", "True", "A", "other words", later)
    assert same == first
    renamed = progress.with_condition(first, "Progressing", "True", "B", "b", later)
    assert (renamed[0].lastTransitionTime, renamed[0].lastUpdateTime) == (NOW, later)
    changed = progress.with_condition(renamed, "Progressing", "False", "B", "b", later)
    assert changed[0].lastTransitionTime == later
