"""NetworkPolicies: who may talk to whom."""

from __future__ import annotations

from typing import Any

import pytest

from api.networking_v1 import NetworkPolicy
from apiserver.registry.network_policies import NetworkPolicies
from tests.registry.builders import NOW, complaints, created, update_complaints


def policy(**spec: Any) -> NetworkPolicy:
    return NetworkPolicy.from_dict({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})


@pytest.mark.parametrize(
    ("fields", "types"),
    [({}, ["Ingress"]), ({"egress": [{}]}, ["Ingress", "Egress"]), ({"policyTypes": ["Egress"]}, ["Egress"])],
)
def test_what_it_is_about_follows_from_its_rules(fields: dict[str, Any], types: list[str]) -> None:
    assert created(NetworkPolicies(), policy(**fields)).spec.policyTypes == types


def test_ports_are_of_tcp() -> None:
    found = created(NetworkPolicies(), policy(ingress=[{"ports": [{"port": 80}]}], egress=[{"ports": [{}]}]))
    assert [port.protocol for rule in (*found.spec.ingress, *found.spec.egress) for port in rule.ports] == ["TCP"] * 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"policyTypes": ["Sideways"]},
            ['spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'],
        ),
        (
            {"ingress": [{"ports": [{"port": 80, "endPort": 79}, {"endPort": 5}, {"protocol": "ICMP"}]}]},
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
                "spec.ingress[0].ports[1].endPort: Invalid value: 5: may not be specified when `port` is not specified",
                'spec.ingress[0].ports[2].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
            ],
        ),
        (
            {
                "egress": [
                    {"to": [{}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}, "podSelector": {}}]}
                ]
            },
            [
                "spec.egress[0].to[0]: Required value: must specify a peer",
                'spec.egress[0].to[1].ipBlock.except[0]: Invalid value: "11.0.0.0/16": '
                "must be a strict subset of `cidr`",
                "spec.egress[0].to[1]: Forbidden: may not specify both ipBlock and another peer",
            ],
        ),
    ],
)
def test_rules(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(NetworkPolicies(), policy(**fields)) == expected


def test_it_can_change() -> None:
    def change(new: NetworkPolicy) -> None:
        new.spec.policyTypes = ["Egress"]

    assert update_complaints(NetworkPolicies(), policy(), change) == []


def test_its_line() -> None:
    found = created(NetworkPolicies(), policy(podSelector={"matchLabels": {"a": "b"}}))
    assert NetworkPolicies().cells(found, NOW)[:2] == ["p", "a=b"]
    assert NetworkPolicies().cells(created(NetworkPolicies(), policy()), NOW)[1] == "<none>"


def test_networks_are_written_in_one_way() -> None:
    block = {"ipBlock": {"cidr": "2001:DB8::/32", "except": ["2001:0db8:1::/48"]}}
    obj = created(NetworkPolicies(), policy(ingress=[{"from": [{"podSelector": {}}, block]}], egress=[{"to": [block]}]))
    paths = [warning.partition(": ")[0] for warning in NetworkPolicies().warnings(obj, None)]
    assert paths == [
        "spec.ingress[0].from[1].ipBlock.cidr",
        "spec.ingress[0].from[1].ipBlock.except[0]",
        "spec.egress[0].to[0].ipBlock.cidr",
        "spec.egress[0].to[0].ipBlock.except[0]",
    ]
