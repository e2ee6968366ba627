"""Controllers of pods: StatefulSets, DaemonSets, ReplicationControllers, what they are made from and kept by."""

from __future__ import annotations

from typing import Any

import pytest

from api.apps_v1 import ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet, StatefulSetStatus
from api.core_v1 import PodTemplate, ReplicationController
from api.errors import BadRequest
from api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from apiserver.registry.controller_revisions import ControllerRevisions
from apiserver.registry.daemon_sets import TEMPLATE_GENERATION, DaemonSets
from apiserver.registry.deployments import Deployments
from apiserver.registry.pod_disruption_budgets import PodDisruptionBudgets
from apiserver.registry.pod_templates import PodTemplates
from apiserver.registry.replica_sets import ReplicaSets
from apiserver.registry.replication_controllers import ReplicationControllers
from apiserver.registry.stateful_sets import StatefulSets
from tests.registry.builders import NOW, complaints, context, created, update_complaints

V1BETA1 = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
MISMATCH = 'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'
UPDATES = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
    "forbidden"
)


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def _workload(model: Any, spec: dict[str, Any]) -> Any:
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": template(), **spec}
    return model.from_dict({"metadata": {"name": "a", "namespace": "n"}, "spec": spec})


def stateful_set(**spec: Any) -> StatefulSet:
    found: StatefulSet = _workload(StatefulSet, spec)
    return found


def daemon_set(**spec: Any) -> DaemonSet:
    found: DaemonSet = _workload(DaemonSet, spec)
    return found


def claim(name: str = "data", **spec: Any) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"metadata": {"name": name}, "spec": spec}


# --- StatefulSets --------------------------------------------------------------------------------


def test_what_a_stateful_set_leaves_out() -> None:
    found = created(StatefulSets(), stateful_set(volumeClaimTemplates=[claim()])).to_dict()
    assert found["metadata"]["generation"] == 1
    assert found["status"] == {"replicas": 0, "availableReplicas": 0}
    assert {name: value for name, value in found["spec"].items() if name not in ("template", "selector")} == {
        "replicas": 1,
        "serviceName": "",
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "revisionHistoryLimit": 10,
        "volumeClaimTemplates": [
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": {**claim()["spec"], "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"},
            }
        ],
    }


def test_a_stateful_set_does_without_what_is_off_in_kubernetes() -> None:
    found = created(StatefulSets(), stateful_set(updateStrategy={"rollingUpdate": {"maxUnavailable": 2}}))
    assert found.spec.updateStrategy.to_dict() == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def test_what_a_stateful_set_is_warned_of() -> None:
    odd = claim(resources={"requests": {"storage": "1500m"}})
    made = created(StatefulSets(), stateful_set(volumeClaimTemplates=[odd], revisionHistoryLimit=-1))
    fraction = 'resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'
    revisions = (
        "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
    )
    assert list(StatefulSets().warnings(made, None)) == [f"spec.volumeClaimTemplates[0].{fraction}", revisions]
    assert list(StatefulSets().warnings(made, made)) == [f"spec.volumeClaimTemplates[0].Spec.{fraction}", revisions]


MOUNTING = [{"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"template": template(containers=MOUNTING), "volumeClaimTemplates": [claim()]}, []),
        (
            {"template": template(containers=MOUNTING)},
            ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'],
        ),
        (
            {"template": template(volumes=[{"name": "data", "emptyDir": {}}]), "volumeClaimTemplates": [claim()]},
            [],
        ),
        ({"selector": {"matchLabels": {"app": "b"}}}, [MISMATCH]),
        ({"selector": None}, ["spec.selector: Required value", MISMATCH]),
        (
            {"selector": {}},
            ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
        ),
        ({"updateStrategy": {"type": "OnDelete"}}, []),
        (
            {"updateStrategy": {"rollingUpdate": {"partition": -1}}},
            ["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            {"podManagementPolicy": "Any", "serviceName": "A"},
            ["spec.podManagementPolicy", "spec.serviceName"],
        ),
        (
            {"template": template(restartPolicy="Never", activeDeadlineSeconds=1)},
            [
                'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
                "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not "
                "Supported",
            ],
        ),
        (
            {"volumeClaimTemplates": [claim(accessModes=[])]},
            ["spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"],
        ),
    ],
)
def test_rules_of_stateful_sets(spec: dict[str, Any], expected: list[str]) -> None:
    found = complaints(StatefulSets(), stateful_set(**spec))
    assert [text if text in expected else text.split(":")[0] for text in found] == expected


def _replicas(obj: StatefulSet) -> None:
    obj.spec.replicas = 5
    obj.spec.minReadySeconds = 3


def _service(obj: StatefulSet) -> None:
    obj.spec.serviceName = "other"


def _claims(obj: StatefulSet) -> None:
    obj.spec.volumeClaimTemplates = []


@pytest.mark.parametrize(("change", "expected"), [(_replicas, []), (_service, [UPDATES]), (_claims, [UPDATES])])
def test_what_may_change_of_a_stateful_set(change: Any, expected: list[str]) -> None:
    assert update_complaints(StatefulSets(), stateful_set(volumeClaimTemplates=[claim()]), change) == expected


def test_a_template_that_was_wrong_before_may_stay() -> None:
    wrong = stateful_set(selector={"matchLabels": {"app": "b"}})
    assert update_complaints(StatefulSets(), wrong, _replicas) == []


def test_counts_of_a_stateful_set() -> None:
    def with_status(**status: Any) -> StatefulSet:
        found = stateful_set()
        found.status = StatefulSetStatus.from_dict(status)
        return found

    rules = StatefulSets().subresources[0]
    new = with_status(replicas=1, readyReplicas=2, availableReplicas=3)
    assert [str(error) for error in rules.validate_update(new, with_status(replicas=0, collisionCount=1))] == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.readyReplicas",
        "status.collisionCount: Invalid value: 0: cannot be decremented",
    ]
    assert StatefulSets().cells(new, NOW)[:2] == ["a", "2/None"]


@pytest.mark.parametrize(("strategy", "model"), [(Deployments(), Deployment), (ReplicaSets(), ReplicaSet)])
def test_pods_that_end_are_counted(strategy: Any, model: Any) -> None:
    obj = _workload(model, {})
    obj.status.replicas, obj.status.terminatingReplicas = 1, -1
    assert [str(error) for error in strategy.subresources[0].validate_update(obj, obj)] == [
        "status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0"
    ]


def test_counts_of_a_replication_controller() -> None:
    obj = ReplicationController.from_dict({"status": {"replicas": 1, "readyReplicas": 2}})
    assert [str(error) for error in ReplicationControllers().subresources[0].validate_update(obj, obj)] == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


# --- DaemonSets ----------------------------------------------------------------------------------


def test_a_daemon_set_counts_its_templates() -> None:
    strategy = DaemonSets()
    old = created(strategy, daemon_set())
    assert (old.metadata.generation, old.metadata.annotations) == (1, {TEMPLATE_GENERATION: "1"})
    new = old.copy_deep()
    new.spec.minReadySeconds = 1
    strategy.prepare_for_update(new, old, context())
    assert (new.metadata.generation, new.metadata.annotations) == (2, {TEMPLATE_GENERATION: "1"})
    newer = new.copy_deep()
    newer.spec.template.spec.containers[0].image = "other"
    newer.metadata.annotations = {TEMPLATE_GENERATION: "77"}  # is not what the client says
    strategy.prepare_for_update(newer, new, context())
    assert (newer.metadata.generation, newer.metadata.annotations) == (3, {TEMPLATE_GENERATION: "2"})
    reported = newer.copy_deep()
    reported.metadata.annotations = {}
    strategy.subresources[0].prepare_for_update(reported, newer)
    assert reported.metadata.annotations == {TEMPLATE_GENERATION: "2"}
    newer.metadata.annotations = {TEMPLATE_GENERATION: "many"}
    with pytest.raises(BadRequest, match='parsing "many": invalid syntax'):
        strategy.default(newer)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"selector": {"matchLabels": {"app": "b"}}}, [MISMATCH]),
        (
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
            ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "10%"}}}, []),
        (
            {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}},
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is "
                "non-zero"
            ],
        ),
        (
            {"updateStrategy": {"type": "Never"}},
            [
                'spec.updateStrategy: Unsupported value: {"Type":"Never","RollingUpdate":null}: supported values: '
                '"RollingUpdate", "OnDelete"'
            ],
        ),
    ],
)
def test_rules_of_daemon_sets(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(DaemonSets(), daemon_set(**spec)) == expected


def test_every_change_of_a_spec_warns_of_its_template() -> None:
    """As in Kubernetes, also when the template is not what changed; a change of labels says nothing."""
    old = created(DaemonSets(), daemon_set(template=template(nodeSelector={"beta.kubernetes.io/os": "linux"})))
    new = old.copy_deep()
    assert list(DaemonSets().warnings(new, old)) == []
    new.metadata.generation = (old.metadata.generation or 0) + 1
    (warning,) = DaemonSets().warnings(new, old)
    assert warning.startswith("spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14")


def test_a_daemon_set_keeps_its_selector() -> None:
    def change(obj: DaemonSet) -> None:
        assert obj.spec.selector is not None
        obj.spec.selector.matchLabels = {"app": "a", "more": "b"}
        obj.spec.template.metadata.labels["more"] = "b"

    assert update_complaints(DaemonSets(), daemon_set(), change) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"a","more":"b"}}: field is immutable'
    ]


def test_an_update_of_a_daemon_set_tells_every_cause_once() -> None:
    def change(obj: DaemonSet) -> None:
        obj.spec.template.spec.restartPolicy = "Never"

    path = "spec.template.spec.restartPolicy"
    assert update_complaints(DaemonSets(), daemon_set(), change) == [
        f'{path}: Unsupported value: "Never": supported values: "Always"'
    ]


# --- ReplicationControllers and PodTemplates -----------------------------------------------------


def replication_controller(**spec: Any) -> ReplicationController:
    metadata = {"name": "a", "namespace": "n"}
    return ReplicationController.from_dict({"metadata": metadata, "spec": {"template": template(), **spec}})


def test_a_replication_controller_takes_labels_from_its_template() -> None:
    found = created(ReplicationControllers(), replication_controller())
    assert (found.metadata.labels, found.spec.selector, found.spec.replicas) == ({"app": "a"}, {"app": "a"}, 1)
    named = created(ReplicationControllers(), replication_controller(selector={"app": "b"}, replicas=0))
    assert (named.spec.selector, named.spec.replicas) == ({"app": "b"}, 0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"selector": {"app": "b"}}, [MISMATCH]),
        ({"template": None}, ["spec.selector: Required value", "spec.template: Required value"]),
        (
            {"template": template(restartPolicy="Never"), "replicas": -1},
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
            ],
        ),
    ],
)
def test_rules_of_replication_controllers(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(ReplicationControllers(), replication_controller(**spec)) == expected


def test_pod_templates_are_held_to_the_rules_of_pods() -> None:
    found = PodTemplate.from_dict({"metadata": {"name": "a"}, "template": {"spec": {"containers": []}}})
    assert complaints(PodTemplates(), found) == ["template.spec.containers: Required value"]
    found.template.spec = PodTemplate.from_dict({"template": template()}).template.spec
    assert complaints(PodTemplates(), found) == []
    assert found.template.spec.restartPolicy == "Always"


# --- ControllerRevisions -------------------------------------------------------------------------


def revision(**fields: Any) -> ControllerRevision:
    fields = {"metadata": {"name": "a", "namespace": "n"}, "revision": 1, "data": {"k": "v"}, **fields}
    return ControllerRevision.from_dict(fields)


def test_a_revision_is_not_rewritten() -> None:
    def renumber(obj: ControllerRevision) -> None:
        obj.revision = 7

    def rewrite(obj: ControllerRevision) -> None:
        obj.data = {"k": "w"}

    assert update_complaints(ControllerRevisions(), revision(), renumber) == []
    assert update_complaints(ControllerRevisions(), revision(), rewrite) == [
        'data: Invalid value: {"k":"w"}: field is immutable'
    ]
    assert complaints(ControllerRevisions(), revision(data=None, revision=-1)) == [
        "data: Required value: data is mandatory",
        "revision: Invalid value: -1: must be greater than or equal to 0",
    ]


@pytest.mark.parametrize("data", [5, "text", [1], True, {}])
def test_a_revision_holds_anything(data: Any) -> None:
    assert complaints(ControllerRevisions(), revision(data=data)) == []
    assert revision(data=data).to_dict()["data"] == data


def test_whose_revision_it_is() -> None:
    owned = revision()
    assert ControllerRevisions().cells(owned, NOW)[1:3] == ["<none>", 1]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "S", "uid": "u", "controller": True}
    owned = revision(metadata={"name": "a", "ownerReferences": [owner]})
    assert ControllerRevisions().cells(owned, NOW)[1] == "statefulset.apps/s"


# --- PodDisruptionBudgets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 1}, []),
        ({"maxUnavailable": "50%"}, []),
        (
            {"minAvailable": "101%"},
            ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%'],
        ),
        ({"maxUnavailable": -1}, ["spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"unhealthyPodEvictionPolicy": "Never"},
            [
                'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", '
                '"IfHealthyBudget"'
            ],
        ),
    ],
)
def test_rules_of_budgets(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(PodDisruptionBudgets(), PodDisruptionBudget.from_dict({"spec": spec})) == expected


def test_a_budget_has_one_limit() -> None:
    both = PodDisruptionBudget.from_dict({"spec": {"minAvailable": 1, "maxUnavailable": 1}})
    shown = '{"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}'
    assert complaints(PodDisruptionBudgets(), both) == [
        f"spec: Invalid value: {shown}: minAvailable and maxUnavailable cannot be both set"
    ]


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ({"matchExpressions": [{"key": V1BETA1, "operator": "Exists"}]}, 1),
        ({"matchExpressions": [{"key": V1BETA1, "operator": "DoesNotExist"}]}, 0),
        ({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": V1BETA1, "operator": "Exists"}]}, 0),
    ],
)
def test_how_v1beta1_selected_nothing_is_kept_to_itself(selector: dict[str, Any], kept: int) -> None:
    found = created(PodDisruptionBudgets(), PodDisruptionBudget.from_dict({"spec": {"selector": selector}}))
    assert len(found.spec.selector.matchExpressions) == kept


def test_what_may_be_said_of_a_budget() -> None:
    budget = PodDisruptionBudget.from_dict({})
    counts = {"currentHealthy": -1, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    condition = {"type": "DisruptionAllowed", "status": "Perhaps", "reason": "R", "lastTransitionTime": None}
    budget.status = PodDisruptionBudgetStatus.from_dict({**counts, "conditions": [condition]})
    found = [str(error) for error in PodDisruptionBudgets().subresources[0].validate_update(budget, budget)]
    assert [text.split(":")[0] for text in found] == [
        "status.conditions[0].status",
        "status.conditions[0].lastTransitionTime",
        "status.currentHealthy",
    ]
