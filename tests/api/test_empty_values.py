"""What was not given is the empty value of its type, as Go has it."""

from __future__ import annotations

import pytest

from api.apiextensions_v1 import CustomResourceDefinitionSpec, CustomResourceDefinitionStatus, JSONSchemaProps
from api.batch_v1 import PodFailurePolicy
from api.core_v1 import ContainerImage, ProjectedVolumeSource
from api.discovery_v1 import EndpointSlice
from api.model import Model, NotGiven
from api.resource_v1 import DeviceCapacity, ResourceClaimStatus
from api.storage_v1 import CSINodeDriver


def test_quantities_are_0() -> None:
    assert DeviceCapacity.from_dict({}).to_dict() == {"value": "0"}


def test_moments_that_must_be_there_are_null() -> None:
    found = ResourceClaimStatus.from_dict({"devices": [{"conditions": [{"type": "A"}]}]})
    assert found.to_dict()["devices"][0]["conditions"] == [
        {"lastTransitionTime": None, "message": "", "reason": "", "status": "", "type": "A"}
    ]


def test_lists_that_nobody_gave_are_told_from_empty_ones() -> None:
    absent, empty = CustomResourceDefinitionSpec.from_dict({}), CustomResourceDefinitionSpec.from_dict({"versions": []})
    assert isinstance(absent.versions, NotGiven)
    assert not isinstance(empty.versions, NotGiven)
    assert absent.to_dict()["versions"] is None
    assert empty.to_dict()["versions"] is None
    assert b'"versions":null' in absent.encode(as_given=True)
    assert b'"versions":[]' in empty.encode(as_given=True)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ContainerImage, "names"),
        (CSINodeDriver, "topologyKeys"),
        (EndpointSlice, "endpoints"),
        (EndpointSlice, "ports"),
        (PodFailurePolicy, "rules"),
        (ProjectedVolumeSource, "sources"),
    ],
)
def test_lists_that_are_always_written_are_null_when_empty(kind: type[Model], name: str) -> None:
    assert kind.from_dict({}).to_dict()[name] is kind.from_dict({name: []}).to_dict()[name] is None


def test_lists_that_may_be_null_hold_moments() -> None:
    condition = {"type": "A", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}
    found = CustomResourceDefinitionStatus.from_dict({"conditions": [condition]})
    assert found.to_dict()["conditions"] == [condition]


def test_what_is_missing_in_one_of_several_types_is_found() -> None:
    rules = {"x-kubernetes-validations": [{}]}
    given = {"items": rules, "additionalProperties": rules, "properties": {"a": {"items": [rules]}}}
    filled = {"x-kubernetes-validations": [{"rule": ""}]}
    assert JSONSchemaProps.from_dict(given).to_dict() == {
        "additionalProperties": filled,
        "items": filled,
        "properties": {"a": {"items": [filled]}},
    }
