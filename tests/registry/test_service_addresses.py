"""ServiceCIDRs and IPAddresses: where addresses of Services come from, and who has which."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from api.errors import InternalError, Invalid
from api.networking_v1 import IPAddress, ServiceCIDR
from apiserver.registry.ip_addresses import IPAddresses
from apiserver.registry.service_cidrs import ServiceCIDRs
from apiserver.registry.services import Services
from apiserver.registry.strategy import Options
from tests.registry.builders import NOW, complaints, context, created, service, update_complaints


def ranges(*cidrs: str, name: str = "more", ready: str | None = None) -> ServiceCIDR:
    found = ServiceCIDR.from_dict({"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}})
    if ready is not None:
        condition = {"type": "Ready", "status": ready, "lastTransitionTime": None, "reason": "r", "message": ""}
        found.status = type(found.status).from_dict({"conditions": [condition]})
    return found


def address(name: str, **parent: Any) -> IPAddress:
    reference = {"resource": "services", "namespace": "n", "name": "s", **parent}
    return IPAddress.from_dict({"metadata": {"name": name}, "spec": {"parentRef": reference}})


def services(*networks: str) -> Services:
    return Services(Options(tuple(map(ipaddress.ip_network, networks))))


@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        (["10.0.0.0/24", "fd00::/64"], []),
        ([], ["spec.cidrs: Required value: at least one CIDR required"]),
        (
            ["10.0.0.1/24"],
            [
                'spec.cidrs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length '
                '(should be "10.0.0.0/24")'
            ],
        ),
        (
            ["10.0.0.0/24", "10.1.0.0/24"],
            [
                'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each '
                "IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            ],
        ),
    ],
)
def test_range_rules(cidrs: list[str], expected: list[str]) -> None:
    assert complaints(ServiceCIDRs(), ranges(*cidrs)) == expected


@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        (["10.0.0.0/24", "fd00::/64"], []),
        (["10.1.0.0/24"], ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable']),
        ([], ["spec.cidrs: Invalid value: null: field is immutable"]),
    ],
)
def test_a_range_may_only_gain_the_other_family(cidrs: list[str], expected: list[str]) -> None:
    def change(new: ServiceCIDR) -> None:
        new.spec.cidrs = cidrs

    assert update_complaints(ServiceCIDRs(), ranges("10.0.0.0/24"), change) == expected


def test_the_status_of_a_range_is_written_with_it() -> None:
    given = created(ServiceCIDRs(), ranges("10.0.0.0/24", ready="True"))
    assert [each.status for each in given.status.conditions] == ["True"]
    old, new = ranges("10.0.0.0/24", ready="True"), ranges("10.0.0.0/24", ready="False")
    ServiceCIDRs().prepare_for_update(new, old, context())
    assert [each.status for each in new.status.conditions] == ["False"]


def test_with_the_status_of_a_range_nothing_else_is_written() -> None:
    old, new = ranges("10.0.0.0/24"), ranges("10.1.0.0/24", ready="True")
    new.metadata.labels = {"a": "b"}
    (status,) = ServiceCIDRs().subresources
    status.prepare_for_update(new, old)
    assert (new.spec, new.metadata.labels) == (old.spec, {})
    assert new.status.conditions != []


def test_addresses_name_who_has_them() -> None:
    assert complaints(IPAddresses(), address("10.0.0.1")) == []
    assert complaints(IPAddresses(), address("10.0.0.1", resource="")) == ["spec.parentRef.resource: Required value"]
    assert list(IPAddresses().validate_name("10.0.0.01")) == ["must not have leading 0s"]
    assert list(IPAddresses().validate_name("fd00::0:1")) != []
    assert IPAddresses().cells(address("10.0.0.1"), NOW)[1] == "services/n/s"


def test_a_service_is_accompanied_by_its_addresses() -> None:
    strategy = services("10.96.0.0/16", "fd00::/112")
    given = created(strategy, service(ipFamilyPolicy="PreferDualStack"))
    assert strategy.begin_create(given, context()) is not None
    found = strategy.companions(given)
    assert {obj.metadata.name for obj in found} == set(given.spec.clusterIPs)
    assert {obj.metadata.labels["ipaddress.kubernetes.io/ip-family"] for obj in found} == {"IPv4", "IPv6"}
    parents = [obj.spec.parentRef.to_dict() for obj in found]
    assert parents == [{"resource": "services", "namespace": "n", "name": "s"}] * 2
    assert all(complaints(IPAddresses(), obj) == [] for obj in found)
    assert strategy.companions(created(strategy, service(clusterIP="None"))) == []


def test_whoever_creates_an_address_has_it() -> None:
    strategy = services("10.0.0.0/30")
    taken = context(address("10.0.0.1", resource="others"))
    with pytest.raises(Invalid, match=r"failed to allocate IP 10\.0\.0\.1: provided IP is already allocated"):
        strategy.begin_create(created(strategy, service(clusterIP="10.0.0.1")), taken)
    given = created(strategy, service())
    strategy.begin_create(given, taken)
    assert given.spec.clusterIP == "10.0.0.2"
    with pytest.raises(InternalError, match="failed to allocate a serviceIP: range is full"):
        strategy.begin_create(created(strategy, service()), taken)


def test_addresses_come_from_other_ranges_when_the_own_is_full() -> None:
    strategy = services("10.0.0.0/30")
    more = context(ranges("10.1.0.0/30", "fd00::/112"))
    given = [created(strategy, service()) for _ in range(4)]
    for obj in given:
        strategy.begin_create(obj, more)
    assert {obj.spec.clusterIP for obj in given} == {"10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"}
    with pytest.raises(InternalError):
        strategy.begin_create(created(strategy, service()), more)


def test_a_chosen_address_may_be_of_any_range_in_use() -> None:
    strategy = services("10.0.0.0/24")
    with pytest.raises(Invalid, match="the provided network does not match the current range"):
        strategy.begin_create(created(strategy, service(clusterIP="10.1.0.5")), context())
    unready, going = ranges("10.1.0.0/24", ready="False"), ranges("10.1.0.0/24", name="b")
    going.metadata.deletionTimestamp = NOW
    with pytest.raises(Invalid, match="the provided network does not match the current range"):
        strategy.begin_create(created(strategy, service(clusterIP="10.1.0.5")), context(unready, going))
    given = created(strategy, service(clusterIP="10.1.0.5"))
    finish = strategy.begin_create(given, context(ranges("10.1.0.0/24", ready="True")))
    assert finish is not None
    finish(True)
    assert len(strategy.allocation.addresses["IPv4"]) == 1
    strategy.after_delete(given)
    assert len(strategy.allocation.addresses["IPv4"]) == 0
