"""Device classes, claims to devices and what drivers offer (KEP-4381)."""

from __future__ import annotations

from typing import Any

import pytest

from api.errors import Invalid
from api.resource_v1 import DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice
from apiserver.registry.device_classes import DeviceClasses
from apiserver.registry.resource_claims import ClaimStatusUpdate, ResourceClaims, ResourceClaimTemplates
from apiserver.registry.resource_slices import ResourceSlices
from tests.registry.builders import NOW, complaints, context, created, namespace, update_complaints

META = {"name": "a", "namespace": "n"}
RESULT = {"request": "a", "driver": "d.example.com", "pool": "p", "device": "x"}


def claim(**exactly: Any) -> ResourceClaim:
    request = {"name": "a", "exactly": {"deviceClassName": "c", **exactly}}
    return ResourceClaim.from_dict({"metadata": META, "spec": {"devices": {"requests": [request]}}})


def slice_(**spec: Any) -> ResourceSlice:
    fields = {
        "driver": "d.example.com",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
        "nodeName": "n",
        "devices": [{"name": "a"}],
        **spec,
    }
    return ResourceSlice.from_dict({"metadata": {"name": "a"}, "spec": fields})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"selectors": [{"cel": {"expression": "1"}}, {}]},
            [
                'spec.selectors[0].cel.expression: Invalid value: "1": must evaluate to bool or the unknown type, '
                "not int",
                "spec.selectors[1].cel: Required value",
            ],
        ),
        (
            {"config": [{"opaque": {"driver": "d", "parameters": 3}}]},
            ['spec.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object'],
        ),
        (
            {"extendedResourceName": "cpu"},
            ['spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'],
        ),
    ],
)
def test_class_rules(spec: dict[str, Any], expected: list[str]) -> None:
    given = DeviceClass.from_dict({"metadata": {"name": "a"}, "spec": spec})
    assert complaints(DeviceClasses(), given) == expected


def test_one_device_is_claimed_unless_it_says_otherwise() -> None:
    found = created(ResourceClaims(), claim()).spec.devices.requests[0].exactly
    assert (found.allocationMode, found.count) == ("ExactCount", 1)
    assert created(ResourceClaims(), claim(allocationMode="All")).spec.devices.requests[0].exactly.count == 0


@pytest.mark.parametrize(
    ("exactly", "expected"),
    [
        (
            {"allocationMode": "Some"},
            ['allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"'],
        ),
        ({"count": -1}, ["count: Invalid value: -1: must be greater than zero"]),
        (
            {"count": 1, "allocationMode": "All"},
            ["count: Invalid value: 1: must not be specified when allocationMode is 'All'"],
        ),
        ({"deviceClassName": ""}, ["deviceClassName: Required value"]),
    ],
)
def test_claim_rules(exactly: dict[str, Any], expected: list[str]) -> None:
    assert complaints(ResourceClaims(), claim(**exactly)) == [
        f"spec.devices.requests[0].exactly.{complaint}" for complaint in expected
    ]
    template = ResourceClaimTemplate.from_dict({"metadata": META, "spec": {"spec": claim(**exactly).spec.to_dict()}})
    assert complaints(ResourceClaimTemplates(), template) == [
        f"spec.spec.devices.requests[0].exactly.{complaint}" for complaint in expected
    ]


def test_a_claim_does_not_change() -> None:
    def change(new: ResourceClaim) -> None:
        new.spec.devices.requests = []

    [complaint] = update_complaints(ResourceClaims(), claim(), change)
    assert complaint.startswith('spec: Invalid value: {"Devices":{"Requests":')
    assert complaint.endswith("field is immutable")


def test_devices_that_others_use_are_for_administrators() -> None:
    strategy, given = ResourceClaims(), claim(adminAccess=True)
    strategy.default(given)
    with pytest.raises(Invalid, match="adminAccess: Forbidden"):
        strategy.prepare_for_create(given, context(namespace()))
    allowed = namespace()
    allowed.metadata.labels = {"resource.kubernetes.io/admin-access": "true"}
    strategy.prepare_for_create(given, context(allowed))


def status_complaints(old: ResourceClaim, status: dict[str, Any]) -> list[str]:
    new = old.copy_deep()
    new.status = type(new.status).from_dict(status)
    ClaimStatusUpdate().prepare_for_update(new, old)
    return [str(error) for error in ClaimStatusUpdate().validate_update(new, old)]


def test_what_is_allocated_stays() -> None:
    given = created(ResourceClaims(), claim())
    consumer = {"resource": "pods", "name": "p", "uid": "1"}
    allocation = {"devices": {"results": [RESULT]}}
    assert status_complaints(given, {"reservedFor": [consumer]}) == [
        "status.reservedFor: Forbidden: may not be specified when `allocated` is not set"
    ]
    assert status_complaints(given, {"allocation": allocation, "reservedFor": [consumer]}) == []
    [complaint] = status_complaints(given, {"allocation": {"devices": {"results": [{**RESULT, "request": "b"}]}}})
    assert complaint.startswith('status.allocation.devices.results[0].request: Invalid value: "b": must be the name of')
    given.status = type(given.status).from_dict({"allocation": allocation})
    [complaint] = status_complaints(given, {"allocation": {"devices": {"results": [{**RESULT, "device": "y"}]}}})
    assert complaint.endswith("field is immutable")
    assert ResourceClaims().cells(given, NOW)[1] == "allocated"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        (
            {"nodeName": None},
            [
                "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                "`perDeviceNodeSelection` is required"
            ],
        ),
        (
            {"allNodes": True},
            [
                'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, '
                "`allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"
            ],
        ),
        ({"devices": [{"name": "a"}, {"name": "a"}]}, ['spec.devices[1]: Duplicate value: "a"']),
        (
            {"devices": [{"name": "a", "taints": [{"key": "k", "effect": "Explode"}]}]},
            [
                'spec.devices[0].taints[0].effect: Unsupported value: "Explode": supported values: "NoExecute", '
                '"NoSchedule", "None"'
            ],
        ),
        (
            {"pool": {"name": "p", "generation": -1}},
            [
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
                "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
            ],
        ),
    ],
)
def test_slice_rules(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(ResourceSlices(), slice_(**fields)) == expected


def test_a_slice_stays_where_it_is() -> None:
    def change(new: ResourceSlice) -> None:
        new.spec.nodeName, new.spec.driver = "m", "e.example.com"

    assert update_complaints(ResourceSlices(), slice_(), change) == [
        'spec.driver: Invalid value: "e.example.com": field is immutable',
        'spec.nodeName: Invalid value: "m": field is immutable',
    ]


def test_its_line_and_what_it_is_found_by() -> None:
    given = created(ResourceSlices(), slice_())
    assert ResourceSlices().cells(given, NOW)[:4] == ["a", "n", "d.example.com", "p"]
    assert ResourceSlices().selectable_fields(given.to_dict()) == {
        "spec.driver": "d.example.com",
        "spec.nodeName": "n",
    }
