"""Protobuf is decoded into what the same object's JSON would have given."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import (
    apps_v1,
    authentication_v1,
    authorization_v1,
    autoscaling_v1,
    coordination_v1,
    core_v1,
    discovery_v1,
    events_v1,
    meta_v1,
    policy_v1,
)
from api.model import Model
from api.scheme import RESOURCES, Resource
from apiserver import protobuf
from apiserver.decoding import decode_request
from apiserver.protobuf.writing import write
from tests.openapi.published_objects import PublishedObjects
from tests.protobuf import published
from tests.protobuf.api_types import message_name
from tests.protobuf.documents import Documents
from tests.protobuf.encoding import Encoder, enveloped, tagged, varint

RECORDED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("recorded.json").read_text())
"""Bodies that kubectl 1.32 sent, by its arguments, and the object they stand for."""

KINDS: list[type[Model]] = [
    core_v1.ConfigMap, core_v1.Endpoints, core_v1.Event, core_v1.Namespace, core_v1.Node, core_v1.Pod, core_v1.Secret,
    core_v1.Service, core_v1.ServiceAccount, core_v1.Binding, apps_v1.Deployment, apps_v1.ReplicaSet,
    autoscaling_v1.Scale, coordination_v1.Lease, discovery_v1.EndpointSlice, events_v1.Event, policy_v1.Eviction,
    authentication_v1.SelfSubjectReview, authentication_v1.TokenRequest, authentication_v1.TokenReview,
    authorization_v1.LocalSubjectAccessReview, authorization_v1.SelfSubjectAccessReview,
    authorization_v1.SelfSubjectRulesReview, authorization_v1.SubjectAccessReview, meta_v1.DeleteOptions,
]  # fmt: skip


def model_of(kind: str) -> type[Model]:
    return next(model for model in KINDS if model.__name__ == kind)


def read(model: type[Model], message: bytes) -> dict[str, Any]:
    return protobuf.read(model, memoryview(message))


@pytest.mark.parametrize("arguments", RECORDED)
def test_what_kubectl_sends(arguments: str) -> None:
    body, expected = base64.b64decode(RECORDED[arguments]["body"]), RECORDED[arguments]["object"]
    model = model_of(expected["kind"])
    decoded, warnings = decode_request(model, body, protobuf.MEDIA_TYPE, "Strict")
    assert decoded == model.from_dict(expected)
    assert decoded.to_dict()["kind"] == expected["kind"]
    assert warnings == []


@pytest.mark.parametrize("model", KINDS, ids=message_name)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_object_is_what_its_json_is(
    model: type[Model], kubernetes_messages: dict[str, published.Message], data: st.DataObject
) -> None:
    document = data.draw(Documents(kubernetes_messages).of(message_name(model)))
    encoded = Encoder(kubernetes_messages).encode(message_name(model), document)
    assert model.from_dict(read(model, encoded)) == model.from_dict(document)
    assert read(model, write(model, document)) == read(model, encoded)


@pytest.fixture(scope="module")
def objects() -> PublishedObjects:
    return PublishedObjects()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.group_resource)
def test_nothing_of_a_whole_object_is_lost(
    objects: PublishedObjects, kubernetes_messages: dict[str, published.Message], resource: Resource
) -> None:
    name, whole, encoder = message_name(resource.model), objects.whole(resource), Encoder(kubernetes_messages)
    if name not in kubernetes_messages:
        pytest.skip("newer than this kubectl")
    encoded = encoder.encode(name, whole)
    body = enveloped(resource.api_version, resource.kind, encoded)
    decoded, warnings = decode_request(resource.model, body, protobuf.MEDIA_TYPE, "Strict")
    # What these messages, which may be older, have no field for is in neither.
    assert encoder.encode(name, decoded.to_dict()) == encoded
    assert warnings == []


def test_an_empty_value_is_dropped_where_go_cannot_tell_it_from_none() -> None:
    container = tagged(1, b"") + tagged(2, b"") + tagged(5, b"") + tagged(16, 0)
    spec = tagged(2, container) + tagged(3, b"") + tagged(11, 0)
    assert read(core_v1.PodSpec, spec) == {"containers": [{"name": ""}]}


def test_an_empty_value_is_kept_where_the_field_is_a_pointer() -> None:
    assert read(apps_v1.DeploymentSpec, tagged(1, 0)) == {"replicas": 0}
    assert read(core_v1.PodSpec, tagged(4, 0) + tagged(21, 0) + tagged(14, b"")) == {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {},
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (tagged(8, b""), None),
        (tagged(8, tagged(1, -62135596800) + tagged(2, 0)), None),
        (tagged(8, tagged(1, 0) + tagged(2, 0)), "1970-01-01T00:00:00Z"),
        (tagged(8, tagged(1, -1) + tagged(2, 999_999_999)), "1969-12-31T23:59:59Z"),
        (tagged(8, tagged(1, 1_767_323_045)), "2026-01-02T03:04:05Z"),
    ],
)
def test_times(message: bytes, expected: str | None) -> None:
    assert read(meta_v1.ObjectMeta, message).get("creationTimestamp") == expected


def test_micro_times_have_six_digits() -> None:
    renewed = tagged(4, tagged(1, 1_767_323_045) + tagged(2, 999_999_999))
    assert read(coordination_v1.LeaseSpec, renewed) == {"renewTime": "2026-01-02T03:04:05.999999Z"}


def test_numbers_or_strings() -> None:
    assert read(core_v1.ServicePort, tagged(4, tagged(1, 0) + tagged(2, -1))) == {"targetPort": -1}
    assert read(core_v1.ServicePort, tagged(4, tagged(1, 1) + tagged(3, b"http"))) == {"targetPort": "http"}
    assert read(core_v1.ServicePort, tagged(4, b"")) == {"targetPort": 0}


def test_an_integer_is_cut_to_its_size_as_go_does() -> None:
    assert read(apps_v1.DeploymentSpec, tagged(1, (1 << 32) + 7)) == {"replicas": 7}
    assert read(apps_v1.DeploymentSpec, tagged(1, -3)) == {"replicas": -3}


def test_an_entry_may_lack_its_key_or_value() -> None:
    assert read(core_v1.ConfigMap, tagged(2, tagged(1, b"a")) + tagged(2, tagged(2, b"b"))) == {
        "data": {"a": "", "": "b"}
    }
    assert read(core_v1.ResourceRequirements, tagged(1, tagged(1, b"cpu"))) == {"limits": {"cpu": "0"}}
    assert read(core_v1.Secret, tagged(2, tagged(1, b"a"))) == {"data": {"a": ""}}


def test_a_map_of_lists() -> None:
    extra = tagged(5, tagged(1, b"scopes") + tagged(2, tagged(1, b"a") + tagged(1, b"b")))
    assert read(authorization_v1.SubjectAccessReviewSpec, extra) == {"extra": {"scopes": ["a", "b"]}}


def test_numbers_come_one_by_one_or_packed() -> None:
    one_by_one = tagged(4, 1) + tagged(4, 2)
    packed = tagged(4, varint(1) + varint(2))
    assert read(core_v1.PodSecurityContext, one_by_one) == read(core_v1.PodSecurityContext, packed)
    assert read(core_v1.PodSecurityContext, packed) == {"supplementalGroups": [1, 2]}


def test_managed_fields_are_json_inside() -> None:
    entry = tagged(1, b"kubectl") + tagged(7, tagged(1, b'{"f:data":{}}'))
    assert read(meta_v1.ManagedFieldsEntry, entry) == {"manager": "kubectl", "fieldsV1": {"f:data": {}}}
    assert read(meta_v1.ManagedFieldsEntry, tagged(7, b"")) == {}


def test_unknown_fields_are_passed_over() -> None:
    group = varint(900 << 3 | 3) + tagged(1, b"inside") + varint(901 << 3 | 3) + varint(901 << 3 | 4)
    unknown = tagged(800, 1) + tagged(801, b"xyz") + varint(802 << 3 | 5) + b"1234" + varint(803 << 3 | 1) + b"12345678"
    message = unknown + group + varint(900 << 3 | 4) + tagged(1, tagged(1, b"a"))
    assert read(core_v1.ConfigMap, message) == {"metadata": {"name": "a"}}


def test_a_message_in_two_parts_is_one_and_the_last_scalar_counts() -> None:
    message = tagged(1, tagged(1, b"a") + tagged(3, b"n")) + tagged(1, tagged(1, b"b"))
    assert read(core_v1.ConfigMap, message) == {"metadata": {"name": "b", "namespace": "n"}}


def test_the_envelope_may_leave_the_type_to_the_url() -> None:
    body = enveloped("", "", tagged(1, tagged(1, b"a")))
    decoded, _ = decode_request(core_v1.ConfigMap, body, protobuf.MEDIA_TYPE)
    assert decoded.metadata.name == "a"
