"""Services: defaults, rules, and what they are given."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from api.core_v1 import Service
from api.errors import InternalError, Invalid
from apiserver.registry.services import Services
from apiserver.registry.strategy import Options
from tests.registry.builders import complaints, context, created, service, update_complaints

RANGE = ipaddress.ip_network("10.96.0.0/16")


def strategy(*networks: str, ports: range = range(30000, 32768)) -> Services:
    ranges = tuple(ipaddress.ip_network(network) for network in networks) or (RANGE,)
    return Services(Options(ranges, ports))


def allocated(services: Services, obj: Service, *existing: Service) -> Service:
    created(services, obj)
    assert list(services.validate(obj)) == []
    finish = services.begin_create(obj, context(*existing))
    assert finish is not None
    finish(True)
    return obj


def test_defaults() -> None:
    found = created(strategy(), service()).to_dict()["spec"]
    assert found == {
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
    }


def test_client_affinity_lasts_three_hours() -> None:
    found = created(strategy(), service(sessionAffinity="ClientIP"))
    assert found.spec.sessionAffinityConfig.clientIP.timeoutSeconds == 10800


def test_an_address_is_allocated() -> None:
    spec = allocated(strategy(), service()).spec
    assert ipaddress.ip_address(spec.clusterIP) in RANGE
    assert spec.clusterIPs == [spec.clusterIP]
    assert (spec.ipFamilies, spec.ipFamilyPolicy) == (["IPv4"], "SingleStack")


def test_a_requested_address_is_given_once() -> None:
    services = strategy()
    assert allocated(services, service(clusterIP="10.96.0.9")).spec.clusterIPs == ["10.96.0.9"]
    with pytest.raises(Invalid, match=r"failed to allocate IP 10\.96\.0\.9: provided IP is already allocated"):
        services.begin_create(created(services, service(clusterIP="10.96.0.9")), context())


def test_what_exists_is_taken_again_after_a_restart() -> None:
    before = allocated(
        strategy(), service(clusterIP="10.96.0.9", type="NodePort", ports=[{"port": 1, "nodePort": 30001}])
    )
    services = strategy()
    with pytest.raises(Invalid, match="already allocated"):
        services.begin_create(created(services, service(clusterIP="10.96.0.9")), context(before))
    clash = created(services, service(type="NodePort", ports=[{"port": 1, "nodePort": 30001}]))
    with pytest.raises(Invalid, match=r"spec\.ports\[0\]\.nodePort: Invalid value: 30001: provided port is already"):
        services.begin_create(clash, context(before))


def test_a_failed_write_gives_everything_back() -> None:
    services = strategy()
    obj = created(services, service(clusterIP="10.96.0.9", type="NodePort", ports=[{"port": 1, "nodePort": 30001}]))
    finish = services.begin_create(obj, context())
    assert finish is not None
    finish(False)
    assert len(services.allocation.addresses["IPv4"]) == len(services.allocation.ports) == 0


def test_a_failed_allocation_gives_back_what_it_had() -> None:
    services = strategy()
    allocated(services, service(type="NodePort", ports=[{"port": 1, "nodePort": 30001}]))
    obj = created(services, service(type="NodePort", ports=[{"port": 1, "nodePort": 30001}]))
    with pytest.raises(Invalid):
        services.begin_create(obj, context())
    assert len(services.allocation.addresses["IPv4"]) == 1


def test_a_deleted_service_gives_everything_back() -> None:
    services = strategy()
    services.after_delete(allocated(services, service(type="LoadBalancer", externalTrafficPolicy="Local")))
    assert len(services.allocation.addresses["IPv4"]) == len(services.allocation.ports) == 0


def test_headless_and_external_names_need_no_address() -> None:
    services = strategy()
    assert allocated(services, service(clusterIP="None", selector={"a": "b"})).spec.clusterIPs == ["None"]
    external = allocated(services, service(type="ExternalName", externalName="db.example.com", ports=[]))
    assert external.spec.clusterIP == ""
    assert len(services.allocation.addresses["IPv4"]) == 0


def test_headless_without_a_selector_may_have_both_families() -> None:
    spec = allocated(strategy(), service(clusterIP="None", ports=[])).spec
    assert (spec.ipFamilies, spec.ipFamilyPolicy) == (["IPv4", "IPv6"], "RequireDualStack")


def test_headless_without_a_selector_begins_with_the_family_that_is_asked_for() -> None:
    spec = allocated(strategy(), service(clusterIP="None", ports=[], ipFamilies=["IPv6"])).spec
    assert (spec.ipFamilies, spec.ipFamilyPolicy) == (["IPv6", "IPv4"], "RequireDualStack")


def test_a_second_family_goes_with_its_policy() -> None:
    services = strategy()
    old = allocated(services, service(clusterIP="None", ports=[]))
    new = old.copy_deep()
    new.spec.ipFamilies = ["IPv4"]
    with pytest.raises(Invalid, match="must be 'SingleStack' to release the secondary IP family"):
        services.begin_update(new, old, context())


def test_two_families() -> None:
    services = strategy("10.96.0.0/16", "fd00:10::/112")
    spec = allocated(services, service(ipFamilyPolicy="PreferDualStack")).spec
    assert [ipaddress.ip_address(text).version for text in spec.clusterIPs] == [4, 6]
    assert spec.ipFamilies == ["IPv4", "IPv6"]
    assert len(allocated(services, service()).spec.clusterIPs) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilies": ["IPv4", "IPv6"]}, "when multiple IP families are specified"),
        (
            {"clusterIP": "fd00::1"},
            'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
        ),
    ],
)
def test_families_the_cluster_does_not_have(fields: dict[str, Any], message: str) -> None:
    services = strategy()
    with pytest.raises(Invalid) as error:
        services.begin_create(created(services, service(**fields)), context())
    assert message in str(error.value)


def test_the_same_port_over_two_protocols_shares_a_node_port() -> None:
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    first, second = allocated(strategy(), service(type="NodePort", ports=ports)).spec.ports
    assert first.nodePort == second.nodePort != 0


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_two_ports_cannot_ask_for_one_node_port(protocol: str) -> None:
    ports = [
        {"name": "a", "port": 80, "nodePort": 30001},
        {"name": "b", "port": 81, "nodePort": 30001, "protocol": protocol},
    ]
    services = strategy()
    with pytest.raises(Invalid, match=r"spec\.ports\[1\]\.nodePort: Invalid value: 30001: provided port is already"):
        services.begin_create(created(services, service(type="NodePort", ports=ports)), context())
    assert len(services.allocation.ports) == 0


def test_a_port_that_is_added_has_a_node_port_of_its_own() -> None:
    ports: list[dict[str, Any]] = [{"name": "t", "port": 53, "protocol": "TCP"}]
    services = strategy()
    old = allocated(services, service(type="NodePort", ports=ports))
    new = updated(services, old, type="NodePort", ports=[*ports, {"name": "u", "port": 53, "protocol": "UDP"}])
    assert new.spec.ports[0].nodePort == old.spec.ports[0].nodePort != new.spec.ports[1].nodePort


def test_node_ports_run_out() -> None:
    services = strategy(ports=range(30000, 30001))
    allocated(services, service(type="NodePort"))
    with pytest.raises(InternalError, match="failed to allocate a nodePort: range is full"):
        services.begin_create(created(services, service(type="NodePort")), context())


def updated(services: Services, old: Service, **changes: Any) -> Service:
    """The service after a client has replaced its spec by these fields."""
    new = service(**changes)
    new.metadata = old.metadata.copy_deep()
    services.default(new)
    services.prepare_for_update(new, old, context())
    assert [str(e) for e in (*services.validate(new), *services.validate_update(new, old))] == []
    finish = services.begin_update(new, old, context())
    assert finish is not None
    finish(True)
    return new


def test_a_replacement_without_them_keeps_address_and_node_ports() -> None:
    services = strategy()
    old = allocated(services, service(type="NodePort"))
    new = updated(services, old, type="NodePort", ports=[{"port": 81}])
    assert new.spec.clusterIPs == old.spec.clusterIPs
    assert new.spec.ports[0].nodePort == old.spec.ports[0].nodePort


def test_a_change_of_type_gives_back_what_it_no_longer_needs() -> None:
    services = strategy()
    old = allocated(services, service(type="NodePort"))
    plain = updated(services, old, type="ClusterIP", ports=[{"port": 80}])
    assert plain.spec.ports[0].nodePort == 0
    assert len(services.allocation.ports) == 0
    name = updated(services, plain, type="ExternalName", externalName="x.example.com", ports=[])
    assert (name.spec.clusterIP, name.spec.ipFamilies) == ("", [])
    assert len(services.allocation.addresses["IPv4"]) == 0


def test_an_address_cannot_change() -> None:
    def change(new: Service) -> None:
        new.spec.clusterIP = "10.96.0.180"

    given = service(clusterIP="10.96.0.173")
    found = update_complaints(strategy(), given, change)
    assert found == ['spec.clusterIPs[0]: Invalid value: ["10.96.0.180"]: may not change once set']


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ports": []}, ["spec.ports: Required value"]),
        ({"clusterIP": "10.096.0.1"}, ['spec.clusterIPs[0]: Invalid value: "10.096.0.1": must not have leading 0s']),
        (
            {"clusterIPs": ["10.96.0.1"]},
            ['spec.clusterIPs: Invalid value: ["10.96.0.1"]: must be empty when `clusterIP` is not specified'],
        ),
        (
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
        ),
        ({"type": "ExternalName", "ports": []}, ["spec.externalName: Required value"]),
        (
            {"ports": [{"port": 80}, {"port": 81, "name": "b"}]},
            ["spec.ports[0].name: Required value"],
        ),
    ],
)
def test_rules(fields: dict[str, Any], expected: list[str]) -> None:
    assert complaints(strategy(), service(**fields)) == expected


def test_ports_in_the_table() -> None:
    services = strategy()
    obj = allocated(services, service(type="NodePort", ports=[{"port": 80, "nodePort": 30078}]))
    cells = services.cells(obj, obj.metadata.creationTimestamp or context().now)
    assert cells[1:5] == ["NodePort", obj.spec.clusterIP, "<none>", "80:30078/TCP"]


def test_an_ignored_external_name_is_warned_of() -> None:
    obj = created(strategy(), service(externalName="x.example.com"))
    assert list(strategy().warnings(obj, None)) == ['spec.externalName is ignored when spec.type is not "ExternalName"']
