"""What admission plugins add, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Namespace, Node, Pod
from api.errors import Forbidden, NotFound
from api.meta_v1 import ObjectMeta
from api.model import Model
from api.scheme import resource_of
from apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.priority import Priority
from apiserver.admission.runtime_class import RuntimeClass
from apiserver.admission.service_account import TOKEN_PATH, ServiceAccountPlugin
from apiserver.admission.table import plugins
from apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition
from tests.registry.builders import NOW, account, context, namespace, pod


def request(obj: Any, *existing: Model, operation: str = "CREATE", old: Any = None) -> AdmissionRequest:
    subject = obj if obj is not None else old
    return AdmissionRequest(
        operation=operation,
        resource=resource_of(type(subject)),
        subresource="",
        namespace=subject.metadata.namespace,
        name=subject.metadata.name,
        object=obj,
        old_object=old,
        user="someone",
        groups=(),
        dry_run=False,
        context=context(*existing),
    )


def test_nothing_is_created_in_a_namespace_that_is_not_there() -> None:
    with pytest.raises(NotFound, match='namespaces "n" not found'):
        NamespaceLifecycle().mutate(request(pod()))
    NamespaceLifecycle().mutate(request(pod(), namespace()))


def test_nothing_is_created_in_a_namespace_that_is_going() -> None:
    going = namespace(phase="Terminating")
    going.metadata.deletionTimestamp = NOW
    with pytest.raises(Forbidden) as error:
        NamespaceLifecycle().mutate(request(pod(), going))
    assert error.value.message == (
        'pods "p" is forbidden: unable to create new content in namespace n because it is being terminated'
    )
    assert error.value.details is not None
    assert error.value.details.causes[0].reason == "NamespaceTerminating"
    NamespaceLifecycle().mutate(request(pod(), going, operation="UPDATE"))


def test_the_clusters_own_namespaces_stay() -> None:
    kept = Namespace(metadata=ObjectMeta(name="kube-system"))
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        NamespaceLifecycle().validate(request(None, operation="DELETE", old=kept))
    NamespaceLifecycle().validate(request(None, operation="DELETE", old=namespace("mine")))


def test_a_pod_gets_the_default_account_and_its_token() -> None:
    obj = pod(initContainers=[{"name": "i", "image": "i"}])
    ServiceAccountPlugin().mutate(request(obj, account(imagePullSecrets=[{"name": "pull"}])))
    assert obj.spec.serviceAccountName == obj.spec.serviceAccount == "default"
    assert [secret.name for secret in obj.spec.imagePullSecrets] == ["pull"]
    (volume,) = obj.spec.volumes
    assert volume.name.startswith("kube-api-access-")
    for container in (*obj.spec.containers, *obj.spec.initContainers):
        (mount,) = container.volumeMounts
        assert (mount.name, mount.mountPath, mount.readOnly) == (volume.name, TOKEN_PATH, True)


@pytest.mark.parametrize(
    ("spec", "fields", "mounted"),
    [
        ({}, {"automountServiceAccountToken": False}, False),
        ({"automountServiceAccountToken": True}, {"automountServiceAccountToken": False}, True),
        ({"automountServiceAccountToken": False}, {}, False),
    ],
)
def test_pod_and_account_may_do_without(spec: dict[str, Any], fields: dict[str, Any], mounted: bool) -> None:
    obj = pod(**spec)
    ServiceAccountPlugin().mutate(request(obj, account(**fields)))
    assert bool(obj.spec.volumes) == mounted


def test_no_tokens_where_there_is_nobody_to_issue_them() -> None:
    obj = pod()
    ServiceAccountPlugin(mount_tokens=False).mutate(request(obj, account()))
    assert obj.spec.volumes == []


def test_an_account_must_exist() -> None:
    with pytest.raises(Forbidden) as error:
        ServiceAccountPlugin().mutate(request(pod(serviceAccountName="absent")))
    assert error.value.message == (
        'pods "p" is forbidden: error looking up service account n/absent: serviceaccount "absent" not found'
    )


def test_mirror_pods_have_no_account() -> None:
    obj = pod(serviceAccountName="default")
    obj.metadata.annotations = {"kubernetes.io/config.mirror": "x"}
    with pytest.raises(Forbidden, match="a mirror pod may not reference service accounts"):
        ServiceAccountPlugin().mutate(request(obj, account()))


def test_priorities() -> None:
    plain, critical = pod(), pod(priorityClassName="system-node-critical")
    Priority().mutate(request(plain))
    Priority().mutate(request(critical))
    assert (plain.spec.priority, plain.spec.preemptionPolicy) == (0, "PreemptLowerPriority")
    assert critical.spec.priority == 2_000_001_000
    with pytest.raises(Forbidden, match="no PriorityClass with name absent was found"):
        Priority().mutate(request(pod(priorityClassName="absent")))
    with pytest.raises(Forbidden, match=r"the integer value of priority \(7\) must not be provided in pod spec"):
        Priority().mutate(request(pod(priority=7)))


def test_an_update_keeps_the_priority() -> None:
    obj = pod()
    Priority().mutate(request(obj, operation="UPDATE", old=pod(priority=5, preemptionPolicy="Never")))
    assert (obj.spec.priority, obj.spec.preemptionPolicy) == (5, "Never")


def taints_tolerated(obj: Pod) -> list[tuple[str, int | None]]:
    DefaultTolerationSeconds().mutate(request(obj))
    return [(toleration.key, toleration.tolerationSeconds) for toleration in obj.spec.tolerations]


def test_lost_nodes_are_tolerated_for_five_minutes() -> None:
    both = [("node.kubernetes.io/not-ready", 300), ("node.kubernetes.io/unreachable", 300)]
    assert taints_tolerated(pod()) == both
    assert taints_tolerated(pod(tolerations=[{"operator": "Exists"}])) == [("", None)]
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    assert taints_tolerated(pod(tolerations=[own])) == [("node.kubernetes.io/not-ready", 5), both[1]]


def test_flags_say_for_how_long() -> None:
    obj = pod()
    DefaultTolerationSeconds.configured({"not_ready": 1, "unreachable": 2}).mutate(request(obj))
    assert [each.tolerationSeconds for each in obj.spec.tolerations] == [1, 2]


def test_a_new_node_takes_no_pods_yet() -> None:
    obj = Node.from_dict({"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}})
    TaintNodesByCondition().mutate(request(obj))
    assert [(taint.key, taint.effect) for taint in obj.spec.taints] == [
        ("k", "PreferNoSchedule"),
        ("node.kubernetes.io/not-ready", "NoSchedule"),
    ]


def test_runtime_classes_are_not_there() -> None:
    with pytest.raises(Forbidden, match='pod rejected: RuntimeClass "gvisor" not found'):
        RuntimeClass().validate(request(pod(runtimeClassName="gvisor")))
    RuntimeClass().validate(request(pod()))


def test_plugins_leave_other_kinds_and_subresources_alone() -> None:
    """Bound pods are written through a subresource: nothing may be added there."""
    obj = pod()
    before = obj.encode()
    part = request(obj, namespace(), operation="UPDATE", old=pod())
    part.subresource = "status"
    for plugin in plugins():
        plugin.mutate(part)
        plugin.validate(part)
    assert obj.encode() == before


def test_accounts_that_list_what_their_pods_may_mount() -> None:
    strict = account(secrets=[{"name": "own"}], imagePullSecrets=[{"name": "pull"}])
    strict.metadata.annotations = {"kubernetes.io/enforce-mountable-secrets": "true"}
    own = {"volumes": [{"name": "v", "secret": {"secretName": "own"}}], "imagePullSecrets": [{"name": "pull"}]}
    other = {"secretKeyRef": {"name": "other", "key": "k"}}
    plugin = ServiceAccountPlugin()
    plugin.validate(request(pod(serviceAccountName="default", **own), strict))
    for spec, words in (
        ({"volumes": [{"name": "v", "secret": {"secretName": "other"}}]}, 'volume with secret.secretName="other"'),
        (
            {"containers": [{"name": "c", "image": "i", "env": [{"name": "E", "valueFrom": other}]}]},
            'container c with envVar E referencing secret.secretName="other"',
        ),
        (
            {"initContainers": [{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "other"}}]}]},
            'init container i with envFrom referencing secret.secretName="other"',
        ),
        ({"imagePullSecrets": [{"name": "other"}]}, r'imagePullSecrets\[0\].name="other"'),
    ):
        with pytest.raises(Forbidden, match=f"{words} is not allowed because service account default does not"):
            plugin.validate(request(pod(serviceAccountName="default", **spec), strict))


def test_mirror_pods_name_no_secrets() -> None:
    obj = pod(containers=[{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]}])
    obj.metadata.annotations = {"kubernetes.io/config.mirror": "x"}
    with pytest.raises(Forbidden, match="a mirror pod may not reference secrets"):
        ServiceAccountPlugin().validate(request(obj))
