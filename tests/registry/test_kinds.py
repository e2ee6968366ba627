"""What is special about the other kinds."""

from __future__ import annotations

from typing import Any

import pytest

from api import core_v1, events_v1
from api.apps_v1 import Deployment
from api.coordination_v1 import Lease
from api.core_v1 import ConfigMap, Endpoints, Event, Namespace, Node, Secret
from api.discovery_v1 import EndpointSlice
from api.scheme import RESOURCES
from apiserver import bootstrap
from apiserver.registry import object_meta
from apiserver.registry.config_maps import ConfigMaps
from apiserver.registry.deployments import Deployments
from apiserver.registry.endpoint_slices import EndpointSlices
from apiserver.registry.endpoints import EndpointsStrategy
from apiserver.registry.events import CoreEvents, Events
from apiserver.registry.leases import Leases
from apiserver.registry.namespaces import Finalize, Namespaces
from apiserver.registry.nodes import Nodes, NodeStatus
from apiserver.registry.secrets import Secrets
from apiserver.registry.table import STRATEGIES, Registry
from tests.registry.builders import NOW, complaints, context, created, update_complaints

UNDESCRIBED = {"runtimeclasses": {"Handler"}}
"""Columns that Kubernetes does not describe."""
KINDS = [type(strategy) for strategy in Registry()]


def test_every_resource_that_is_read_has_its_strategy() -> None:
    assert {strategy.resource for strategy in Registry()} == {r for r in RESOURCES if "get" in r.verbs}
    assert sum(map(len, STRATEGIES.values())) == len(list(Registry().resources))


def test_the_table_knows_which_kinds_have_fields_to_select_by() -> None:
    registry = Registry()
    having = {strategy.resource for strategy in registry if strategy.selectable_field_names()}
    assert having == {resource for resource in registry.resources if registry.has_selectable_fields(resource)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_strategy_has_the_subresources_that_are_listed_of_it(kind: Any) -> None:
    listed = {part.name for part in kind.resource.parts if part.is_view}
    assert {part.name for part in kind.subresources} == listed
    for part in kind.resource.parts:
        if part.is_view:
            assert [p.verbs for p in kind.subresources if p.name == part.name] == [part.verbs]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_can_be_shown_empty(kind: Any) -> None:
    """A bookmark in a watch for tables is an empty object's row."""
    strategy = kind()
    obj = strategy.resource.model.from_dict({})
    assert len(strategy.cells(obj, NOW)) == len(strategy.columns)
    undescribed = {column.name for column in strategy.columns if not column.description}
    assert undescribed == UNDESCRIBED.get(strategy.resource.plural, set())
    assert strategy.selectable_field_names() >= set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_defaults_are_idempotent(kind: Any) -> None:
    strategy = kind()
    once = strategy.resource.model.from_dict({})
    strategy.default(once)
    twice = once.copy_deep()
    strategy.default(twice)
    assert twice == once


def test_what_every_cluster_begins_with_is_valid() -> None:
    registry = Registry()
    found = list(bootstrap.objects("127.0.0.1", 6443, "127.64.0.0/16"))
    for obj in found:
        strategy = next(s for s in registry if s.resource.model is type(obj))
        created(strategy, obj)
        assert list(strategy.validate(obj)) == []
        meta: Any = obj.metadata
        assert list(object_meta.validate_create(meta, strategy.resource.namespaced, strategy.validate_name)) == []
    assert [obj.metadata.name for obj in found if isinstance(obj, Namespace)] == list(bootstrap.NAMESPACES)
    services = [obj for obj in found if isinstance(obj, core_v1.Service)]
    assert [service.spec.clusterIP for service in services] == ["127.64.0.1"]


def config_map(**fields: Any) -> ConfigMap:
    return ConfigMap.from_dict({"metadata": {"name": "a", "namespace": "n"}, **fields})


def test_config_maps() -> None:
    assert complaints(ConfigMaps(), config_map(data={"k": "v"}, binaryData={"b": "YQ=="})) == []
    assert complaints(ConfigMaps(), config_map(data={"k": "v"}, binaryData={"k": "YQ=="})) == [
        'data[k]: Invalid value: "k": duplicate of key present in binaryData'
    ]
    assert complaints(ConfigMaps(), config_map(data={"k": "x" * (1 << 20), "l": "x"})) == [
        "[]: Too long: may not be more than 1048576 bytes"
    ]


def test_what_is_immutable_stays() -> None:
    def change(obj: ConfigMap) -> None:
        obj.immutable, obj.data = None, {"k": "w"}

    assert update_complaints(ConfigMaps(), config_map(data={"k": "v"}, immutable=True), change) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def secret(**fields: Any) -> Secret:
    return Secret.from_dict({"metadata": {"name": "a", "namespace": "n"}, **fields})


def test_string_data_becomes_data() -> None:
    found = created(Secrets(), secret(data={"k": "dg=="}, stringData={"k": "other", "m": ""}))
    assert found.to_dict() == {
        "metadata": {"name": "a", "namespace": "n"},
        "data": {"k": "b3RoZXI=", "m": ""},
        "type": "Opaque",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "kubernetes.io/tls"}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        (
            {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{not json"}},
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": '
                "invalid character 'n' looking for beginning of object key string"
            ],
        ),
        (
            {"type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": "nope"}},
            [
                'data[.dockercfg]: Invalid value: "<secret contents redacted>": '
                "invalid character 'o' in literal null (expecting 'u')"
            ],
        ),
        (
            {"type": "kubernetes.io/basic-auth"},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ({"type": "kubernetes.io/ssh-auth"}, ["data[ssh-privatekey]: Required value"]),
    ],
)
def test_secrets_hold_what_their_type_says(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(Secrets(), secret(**fields)) == expected


def test_a_secret_keeps_its_type() -> None:
    def change(obj: Secret) -> None:
        obj.type = "example.com/t"

    assert update_complaints(Secrets(), secret(), change) == [
        'type: Invalid value: "example.com/t": field is immutable'
    ]


def test_a_useless_certificate_is_warned_of() -> None:
    tls = created(Secrets(), secret(type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""}))
    assert list(Secrets().warnings(tls, None)) == ["tls: failed to find any PEM data in certificate input"]


def node(**fields: Any) -> Node:
    return Node.from_dict({"metadata": {"name": "n1"}, **fields})


def test_node_addresses_ranges() -> None:
    assert created(Nodes(), node(spec={"podCIDR": "10.1.0.0/24"})).spec.podCIDRs == ["10.1.0.0/24"]
    assert complaints(Nodes(), node(spec={"podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]})) == [
        'spec.podCIDRs: Invalid value: ["10.1.0.0/24","10.2.0.0/24"]: '
        "may specify no more than one CIDR for each IP family"
    ]


def test_taints_are_unique() -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "value": "c", "effect": "NoSchedule"}]
    assert complaints(Nodes(), node(spec={"taints": taints})) == [
        'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"c","Effect":"NoSchedule","TimeAdded":null}: '
        "taints must be unique by key and effect pair"
    ]


def test_a_node_offers_all_it_has_unless_it_says_otherwise() -> None:
    old = created(Nodes(), node())
    new = old.copy_deep()
    new.status.capacity = {"cpu": "4"}
    new.spec.unschedulable = True
    NodeStatus().prepare_for_update(new, old)
    assert new.status.allocatable == {"cpu": "4"}
    assert not new.spec.unschedulable


def test_the_line_of_a_node() -> None:
    obj = node(
        spec={"unschedulable": True},
        status={
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.9"}],
        },
    )
    obj.metadata.labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}
    found = Nodes().cells(obj, NOW)
    assert found[1:3] == ["Ready,SchedulingDisabled", "edge,worker"]
    assert found[5:7] == ["192.0.2.9", "<none>"]


def test_a_namespace_is_kept_until_it_is_empty() -> None:
    obj = created(Namespaces(), Namespace.from_dict({"metadata": {"name": "n"}}))
    assert obj.metadata.labels == {"kubernetes.io/metadata.name": "n"}
    assert (obj.spec.finalizers, obj.status.phase) == (["kubernetes"], "Active")
    changed = obj.copy_deep()
    changed.spec.finalizers = []
    Namespaces().prepare_for_update(changed, obj, context())
    assert Namespaces().pending_finalizers(changed) == ["kubernetes"]
    changed.spec.finalizers = []
    Finalize().prepare_for_update(changed, obj)
    assert Namespaces().pending_finalizers(changed) == []
    Namespaces().prepare_for_delete(obj)
    assert obj.status.phase == "Terminating"


def test_a_namespace_is_labelled_with_its_name() -> None:
    key, strategy = "kubernetes.io/metadata.name", Namespaces()
    generated = Namespace.from_dict({"metadata": {"generateName": "n-", "name": "n-x"}})
    strategy.default(generated)
    assert key not in generated.metadata.labels, "the client does not own what it cannot know"
    strategy.prepare_for_create(generated, context())
    assert generated.metadata.labels == {key: "n-x"}
    changed = generated.copy_deep()
    changed.metadata.labels = {key: "other", "a": "b"}
    strategy.prepare_for_update(changed, generated, context())
    assert changed.metadata.labels == {key: "n-x", "a": "b"}


def deployment(**spec: Any) -> Deployment:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    full = {"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec}
    return Deployment.from_dict({"metadata": {"name": "d", "namespace": "n"}, "spec": full})


def test_deployment_defaults() -> None:
    spec = created(Deployments(), deployment()).spec
    assert (spec.replicas, spec.revisionHistoryLimit, spec.progressDeadlineSeconds) == (1, 10, 600)
    assert spec.strategy.to_dict() == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        (
            {"selector": {"matchLabels": {"app": "b"}}},
            ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            [
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ],
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ],
        ),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
        ),
    ],
)
def test_deployment_rules(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(Deployments(), deployment(**fields)) == expected


def test_a_deployments_generation_counts_annotations() -> None:
    old = created(Deployments(), deployment())
    new = old.copy_deep()
    new.metadata.labels = {"a": "b"}
    Deployments().prepare_for_update(new, old, context())
    assert new.metadata.generation == 1
    new.metadata.annotations = {"a": "b"}
    Deployments().prepare_for_update(new, old, context())
    assert new.metadata.generation == 2


def endpoints(*addresses: str) -> Endpoints:
    subset = {"addresses": [{"ip": text} for text in addresses], "ports": [{"port": 80}]}
    return Endpoints.from_dict({"metadata": {"name": "e", "namespace": "n"}, "subsets": [subset]})


def test_endpoints_do_not_lead_into_the_node() -> None:
    assert complaints(EndpointsStrategy(), endpoints("10.0.0.1")) == []
    assert complaints(EndpointsStrategy(), endpoints("127.0.0.1")) == [
        'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": '
        "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    ]


def test_endpoints_are_shown_in_part() -> None:
    found = EndpointsStrategy().cells(endpoints(*(f"10.0.0.{number}" for number in range(1, 6))), NOW)
    assert found[1] == "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more..."


def test_endpoint_slices() -> None:
    obj = EndpointSlice.from_dict(
        {
            "metadata": {"name": "e", "namespace": "n"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": []}, {"addresses": ["fd00::1"]}],
            "ports": [{"port": 80}],
        }
    )
    assert complaints(EndpointSlices(), obj) == [
        "endpoints[1].addresses: Required value: must contain at least 1 address",
        'endpoints[2].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address',
    ]
    assert (obj.ports[0].name, obj.ports[0].protocol) == ("", "TCP")
    assert EndpointSlices().cells(obj, NOW)[1:4] == ["IPv4", "80", "10.0.0.1,fd00::1"]


def test_leases() -> None:
    obj = Lease.from_dict({"metadata": {"name": "l", "namespace": "n"}, "spec": {"leaseDurationSeconds": 0}})
    assert complaints(Leases(), obj) == ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]


def test_events_name_what_they_are_about() -> None:
    obj = Event.from_dict({"metadata": {"name": "e", "namespace": "n"}, "involvedObject": {"namespace": "elsewhere"}})
    assert complaints(CoreEvents(), obj) == [
        'involvedObject.namespace: Invalid value: "elsewhere": does not match event.namespace'
    ]


def test_new_events_say_when_and_who() -> None:
    obj = events_v1.Event.from_dict(
        {"metadata": {"name": "e", "namespace": "n"}, "regarding": {"namespace": "n"}, "type": "Error"}
    )
    assert complaints(Events(), obj) == [
        "eventTime: Required value",
        'type: Invalid value: "": has invalid value: Error',
    ]


def test_both_groups_select_the_same_events() -> None:
    document = {"involvedObject": {"name": "p"}, "reportingComponent": "c"}
    fields = CoreEvents().selectable_fields(document)
    assert CoreEvents().selectable_field_names() | Events().selectable_field_names() == set(fields)
    assert fields["regarding.name"] == fields["involvedObject.name"] == "p"
    assert "regarding.name" not in CoreEvents().selectable_field_names()
