"""Nodes, and the places where pods are served from."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Endpoints, Node, ServiceAccount
from api.discovery_v1 import EndpointSlice
from apiserver.registry.endpoint_slices import EndpointSlices
from apiserver.registry.endpoints import EndpointsStrategy
from apiserver.registry.nodes import Nodes, NodeStatus
from apiserver.registry.service_accounts import ServiceAccounts
from tests.registry.builders import complaints, created, update_complaints

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def node(spec: dict[str, Any] | None = None, **status: Any) -> Node:
    return Node.from_dict({"metadata": {"name": "n"}, "spec": spec or {}, "status": status})


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            node({"podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"]}),
            [
                'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: '
                "may specify no more than one CIDR for each IP family"
            ],
        ),
        (
            node({"taints": [{"key": "a", "effect": "Never"}, {"key": "b"}]}),
            [
                'metadata.taints[0].effect: Unsupported value: "Never": '
                'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
                "metadata.taints[1].effect: Required value",
            ],
        ),
        (
            node(capacity={"example.com/gpu": "1500m", "cpu": "-1"}, allocatable={"cpu": "1"}),
            [
                'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
                'status.capacity.example.com/gpu: Invalid value: "1500m": must be an integer',
            ],
        ),
        (
            node(capacity={"pods": "1500m"}, allocatable={"pods": "1"}, declaredFeatures=["B", "B", "A/b", "c"]),
            [
                'status.capacity.pods: Invalid value: "1500m": must be an integer',
                'status.declaredFeatures[1]: Duplicate value: "B"',
                'status.declaredFeatures[2]: Invalid value: "A/b": list must be sorted alphabetically',
                'status.declaredFeatures[3]: Invalid value: "c": invalid feature name "c": '
                "must start with an UpperCamelCase segment, with subsequent segments separated by '/' "
                "(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
            ],
        ),
    ],
)
def test_nodes_that_are_refused(obj: Node, expected: list[str]) -> None:
    assert complaints(Nodes(), obj) == expected


def test_what_of_a_node_may_not_change() -> None:
    def change(obj: Node) -> None:
        obj.spec.podCIDRs, obj.spec.podCIDR, obj.spec.providerID = ["10.1.0.0/24"], "10.1.0.0/24", "other"

    assert update_complaints(Nodes(), node({"podCIDR": "10.0.0.0/24", "providerID": "own"}), change) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]


def test_addresses_are_reported_once() -> None:
    address = {"type": "InternalIP", "address": "10.0.0.1"}
    obj = node(addresses=[address, address])
    assert [str(error) for error in NodeStatus().validate_update(obj, node())] == [
        'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'
    ]


def test_what_of_a_node_is_deprecated() -> None:
    obj = node({"externalID": "x", "configSource": {}, "podCIDR": "010.0.0.0/24"})
    assert list(Nodes().warnings(obj, None)) == [
        "spec.configSource: the feature is removed",
        "spec.externalID: this field is deprecated, and is unused by Kubernetes",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"addressType": "IPX"}, ['addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"']),
        (
            {"endpoints": [{"addresses": []}]},
            ["endpoints[0].addresses: Required value: must contain at least 1 address"],
        ),
        ({"endpoints": [{"addresses": ["fe80::1"]}]}, ['[0]: Invalid value: "fe80::1": must be an IPv4 address']),
        (
            {"ports": [{"name": "a", "port": 1}, {"name": "a", "port": 0, "protocol": "X"}]},
            [
                'ports[1].name: Duplicate value: "a"',
                'ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
                "ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            {"endpoints": [{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "z"}, {"name": "z"}]}}]},
            ['endpoints[0].hints.forZones[1].name: Duplicate value: "z"'],
        ),
        (
            {"endpoints": [{"addresses": ["10.0.0.1"], "hints": {"forNodes": [{"name": f"n{i}"} for i in range(9)]}}]},
            ["endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items"],
        ),
    ],
)
def test_slices_that_are_refused(fields: dict[str, Any], expected: list[str]) -> None:
    document = {"metadata": {"name": "s", "namespace": "n"}, "addressType": "IPv4", "endpoints": [], **fields}
    found = complaints(EndpointSlices(), EndpointSlice.from_dict(document))
    assert len(found) >= len(expected)
    assert all(any(each.endswith(end) for each in found) for end in expected), found


def test_names_in_slices_are_deprecated() -> None:
    slice_ = EndpointSlice.from_dict(
        {"metadata": {"name": "s", "namespace": "n"}, "addressType": "FQDN", "endpoints": []}
    )
    assert list(EndpointSlices().warnings(slice_, None)) == ["spec.addressType: FQDN endpoints are deprecated"]


def test_the_old_map_of_topology_is_not_written() -> None:
    endpoint = {"addresses": ["10.0.0.1"], "deprecatedTopology": {"a": "b"}, "zone": "z"}
    document = {"metadata": {"name": "s", "namespace": "n"}, "addressType": "IPv4", "endpoints": [endpoint]}
    obj = created(EndpointSlices(), EndpointSlice.from_dict(document))
    assert obj.to_dict()["endpoints"][0] == {"addresses": ["10.0.0.1"], "conditions": {}, "zone": "z"}


def test_endpoints_that_are_refused() -> None:
    subsets = [{"addresses": [{"ip": "x"}, {"ip": "127.0.0.1"}], "ports": [{"port": 1}, {"port": 2, "name": "b"}]}, {}]
    obj = Endpoints.from_dict({"metadata": {"name": "e", "namespace": "n"}, "subsets": subsets})
    assert complaints(EndpointsStrategy(), obj) == [
        f'subsets[0].addresses[0].ip: Invalid value: "x": {IP}',
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
        'subsets[0].addresses[1].ip: Invalid value: "127.0.0.1": '
        "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        "subsets[0].ports[0].name: Required value",
        "subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`",
    ]


def test_an_account_refers_to_secrets_by_name_only() -> None:
    secret = {"name": "s", "namespace": "other", "kind": "Secret"}
    obj = ServiceAccount.from_dict({"metadata": {"name": "a", "namespace": "n"}, "secrets": [secret]})
    assert [each.to_dict() for each in created(ServiceAccounts(), obj).secrets] == [{"name": "s"}]
