"""Which of a StatefulSet's pods are next in an update, and who owns its claims."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.apps_v1 import (
    ControllerRevision,
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetUpdateStrategy,
)
from api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, PodCondition
from api.meta_v1 import ObjectMeta, OwnerReference
from controller_manager.pod_template import controller_reference
from controller_manager.revision_history import patch_of
from controller_manager.stateful_set.claims import conflicting, owners
from controller_manager.stateful_set.identity import claims_of, new_pod, parent_and_ordinal, with_identity
from controller_manager.stateful_set.rollout import Rollout, sort_out, to_update
from tests.controllers.workloads import stateful_set

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rollout(pods: str, *, partition: int = 0, unavailable: int | str | None = None, policy: str = "") -> Rollout:
    """A rollout of pods given by a letter each: o(ld), n(ew), capital when it is not healthy, x when it is gone."""
    strategy = RollingUpdateStatefulSetStrategy(partition=partition, maxUnavailable=unavailable)
    update = StatefulSetUpdateStrategy(type="RollingUpdate", rollingUpdate=strategy)
    made = stateful_set(replicas=len(pods), podManagementPolicy=policy or "OrderedReady", updateStrategy=update)
    present = [pod_of(made, ordinal, letter) for ordinal, letter in enumerate(pods) if letter != "x"]
    return sort_out(made, present, revision("old"), revision("new"))


def revision(name: str) -> ControllerRevision:
    data = patch_of(stateful_set(image=name).spec.template)
    return ControllerRevision(metadata=ObjectMeta(name=name), data=data, revision=1)


def pod_of(made: StatefulSet, ordinal: int, letter: str) -> Pod:
    pod = new_pod(made, ordinal, made.spec.template, {"o": "old", "n": "new"}[letter.lower()])
    pod.metadata.uid = f"uid-{ordinal}"
    pod.status.phase = "Running"
    since = NOW - timedelta(minutes=1)
    pod.status.conditions = [PodCondition(type="Ready", status=str(letter.islower()), lastTransitionTime=since)]
    return pod


@pytest.mark.parametrize(
    ("pods", "more", "names"),
    [
        ("ooo", {}, [2]),
        ("oon", {}, [1]),
        ("ooN", {}, []),  # waits for the pod above
        ("Oon", {}, [1]),  # what is below does not matter yet
        ("ooO", {}, [2]),  # a broken old pod is replaced in its turn
        ("nnn", {}, []),
        ("ooo", {"partition": 2}, [2]),
        ("oon", {"partition": 2}, []),
        ("ooo", {"partition": 3}, []),
        ("ooo", {"partition": 7}, []),
        ("oooo", {"unavailable": 2}, [3, 2]),
        ("ooon", {"unavailable": 2}, [2, 1]),
        ("ooOo", {"unavailable": 2}, [3]),
        ("oooN", {"unavailable": 2}, [2]),
        ("ooNN", {"unavailable": 2}, []),
        ("oooo", {"unavailable": "50%"}, [3, 2]),
        ("oooo", {"unavailable": "10%"}, [3]),  # at least one
        ("oOOo", {"unavailable": 2, "policy": "Parallel"}, [2, 1]),  # no use anyway, so they cost nothing
        ("oOoo", {"unavailable": 2, "policy": "Parallel"}, [1, 3]),
        ("oooo", {"unavailable": 3, "partition": 2}, [3, 2]),
    ],
)
def test_picks_the_pods_to_update(pods: str, more: dict[str, int], names: list[int]) -> None:
    chosen = to_update(rollout(pods, **more), NOW)  # type: ignore[arg-type]
    assert [parent_and_ordinal(pod.metadata.name)[1] for pod in chosen] == names


def test_missing_pods_are_made_at_the_revision_that_the_partition_asks_for() -> None:
    made = rollout("xox", partition=1)
    assert [pod.metadata.labels["controller-revision-hash"] for pod in made.replicas] == ["old", "old", "new"]
    assert [pod.spec.containers[0].image for pod in made.replicas] == ["old", "one", "new"]
    assert [bool(pod.metadata.uid) for pod in made.replicas] == [False, True, False]


def test_pods_that_are_not_wanted_go_from_the_highest() -> None:
    few = stateful_set(replicas=1)
    pods = [pod_of(few, ordinal, "o") for ordinal in (0, 2, 11, 1)]
    made = sort_out(few, pods, revision("old"), revision("old"))
    assert [pod.metadata.name for pod in made.condemned] == ["db-11", "db-2", "db-1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("db-0", ("db", 0)), ("db-1-12", ("db-1", 12)), ("db", ("", -1)), ("db-x", ("", -1)), ("db-01", ("db", 1))],
)
def test_a_name_says_whose_pod_it_is(name: str, expected: tuple[str, int]) -> None:
    assert parent_and_ordinal(name) == expected


def test_an_adopted_pod_gets_the_labels_and_volumes_it_lacks() -> None:
    made = stateful_set(volumeClaimTemplates=[PersistentVolumeClaim(metadata=ObjectMeta(name="data"))])
    whole = pod_of(made, 1, "o")
    assert with_identity(made, whole) is whole
    bare = whole.copy_deep()
    bare.metadata.labels, bare.spec.volumes = {"app": "db"}, []
    fixed = with_identity(made, bare)
    assert fixed.metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert [v.persistentVolumeClaim.claimName for v in fixed.spec.volumes if v.persistentVolumeClaim] == ["data-db-1"]
    assert bare.spec.volumes == []


def claim_case(scaled: str, deleted: str, ordinal: int) -> tuple[PersistentVolumeClaim, StatefulSet, Pod]:
    policy = StatefulSetPersistentVolumeClaimRetentionPolicy(whenScaled=scaled, whenDeleted=deleted)
    template = PersistentVolumeClaim(metadata=ObjectMeta(name="data"), spec=PersistentVolumeClaimSpec())
    made = stateful_set(replicas=1, volumeClaimTemplates=[template], persistentVolumeClaimRetentionPolicy=policy)
    made.metadata.uid = "set"
    return claims_of(made, ordinal)["data"], made, pod_of(made, ordinal, "o")


@pytest.mark.parametrize(
    ("scaled", "deleted", "ordinal", "kinds"),
    [
        ("Retain", "Retain", 0, []),
        ("Retain", "Retain", 1, []),
        ("Retain", "Delete", 0, ["StatefulSet"]),
        ("Retain", "Delete", 1, ["StatefulSet"]),
        ("Delete", "Retain", 0, []),
        ("Delete", "Retain", 1, ["Pod"]),
        ("Delete", "Delete", 0, ["StatefulSet"]),
        ("Delete", "Delete", 1, ["Pod"]),
    ],
)
def test_claims_belong_to_whom_the_policy_says(scaled: str, deleted: str, ordinal: int, kinds: list[str]) -> None:
    claim, made, pod = claim_case(scaled, deleted, ordinal)
    other = OwnerReference(apiVersion="v1", kind="ConfigMap", name="x", uid="x")
    claim.metadata.ownerReferences = [other, controller_reference(made), controller_reference(pod)]
    assert [reference.kind for reference in owners(claim, made, pod)] == ["ConfigMap", *kinds]


def test_claims_of_others_are_left_alone() -> None:
    claim, made, pod = claim_case("Delete", "Delete", 0)
    manager = OwnerReference(apiVersion="v1", kind="ConfigMap", name="x", uid="x", controller=True)
    claim.metadata.ownerReferences = [manager, controller_reference(made)]
    assert conflicting(claim, made, pod)
    assert owners(claim, made, pod) == [manager]
    former = controller_reference(made).model_copy(update={"uid": "before"})
    claim.metadata.ownerReferences = [former]
    assert owners(claim, made, pod) == [former]
