"""What Services and EndpointSlices mean for a proxy."""

from __future__ import annotations

from typing import Any

from proxy.service_map import HealthCheck
from tests.proxy.objects import mapped, service, slice_of


def endpoint(ip: str, ready: bool = True, serving: bool | None = None, leaving: bool = False, **more: Any) -> Any:
    conditions = {"ready": ready, "serving": ready if serving is None else serving, "terminating": leaving}
    return {"addresses": [ip], "conditions": conditions, **more}


def ips(endpoints: Any) -> list[str]:
    return [e.ip for e in endpoints]


def test_ready_endpoints_serve() -> None:
    (rules,) = mapped(service(), slice_of("web", endpoint("10.0.0.1"), endpoint("10.0.0.2", ready=False))).ports
    assert (rules.label, rules.protocol, rules.cluster_ips, rules.port) == (
        "default/web:http",
        "TCP",
        ("10.96.0.10",),
        80,
    )
    assert [e.address for e in rules.cluster] == ["10.0.0.1:8080"]


def test_without_ready_ones_those_that_terminate_but_serve_do() -> None:
    leaving = endpoint("10.0.0.1", ready=False, serving=True, leaving=True)
    gone = endpoint("10.0.0.2", ready=False, serving=False, leaving=True)
    (rules,) = mapped(service(), slice_of("web", leaving, gone)).ports
    assert ips(rules.cluster) == ["10.0.0.1"]
    (rules,) = mapped(service(), slice_of("web", leaving, gone, endpoint("10.0.0.3"))).ports
    assert ips(rules.cluster) == ["10.0.0.3"]


def test_unset_conditions_mean_ready() -> None:
    (rules,) = mapped(service(), slice_of("web", {"addresses": ["10.0.0.1"]})).ports
    assert ips(rules.cluster) == ["10.0.0.1"]


def test_several_slices_add_up_without_doubles() -> None:
    (rules,) = mapped(service(), slice_of("web", "10.0.0.2", "10.0.0.1"), slice_of("web", "10.0.0.1")).ports
    assert ips(rules.cluster) == ["10.0.0.1", "10.0.0.2"]


def test_services_without_an_address_are_left_out() -> None:
    headless = service("headless", ip="None")
    elsewhere = service("elsewhere", type="ExternalName", externalName="example.com", clusterIP="")
    other = service("other")
    other.metadata.labels["service.kubernetes.io/service-proxy-name"] = "mesh"
    assert mapped(headless, elsewhere, other).ports == ()


def test_traffic_policies_choose_local_endpoints() -> None:
    slices = slice_of("web", endpoint("10.0.0.1", nodeName="node"), endpoint("10.0.0.2", nodeName="far"))
    outside = service(node_port=30080, externalTrafficPolicy="Local", healthCheckNodePort=31000)
    found = mapped(outside, slices)
    (rules,) = found.ports
    assert ips(rules.external) == ["10.0.0.1"]
    assert ips(rules.internal) == ["10.0.0.1", "10.0.0.2"]
    assert found.health_checks == (HealthCheck("default", "web", 31000, 1),)
    (rules,) = mapped(service(internalTrafficPolicy="Local"), slices).ports
    assert ips(rules.internal) == ["10.0.0.1"]
    (rules,) = mapped(service(internalTrafficPolicy="Local"), slices, nodes=("node", "far")).ports
    assert ips(rules.internal) == ["10.0.0.1", "10.0.0.2"]


def test_affinity_defaults_to_three_hours() -> None:
    assert mapped(service(sessionAffinity="ClientIP")).ports[0].affinity_seconds == 10800
    config = {"clientIP": {"timeoutSeconds": 5}}
    assert mapped(service(sessionAffinity="ClientIP", sessionAffinityConfig=config)).ports[0].affinity_seconds == 5
    assert mapped(service()).ports[0].affinity_seconds == 0


def test_addresses_of_a_load_balancer_and_external_ones() -> None:
    balanced = service(
        type="LoadBalancer", externalIPs=["192.0.2.1"], ingress=["192.0.2.9"], loadBalancerSourceRanges=["10.0.0.0/8"]
    )
    (rules,) = mapped(balanced).ports
    assert (rules.external_ips, rules.load_balancer_ips, rules.source_ranges) == (
        ("192.0.2.1",),
        ("192.0.2.9",),
        ("10.0.0.0/8",),
    )


def hinted(ip: str, zone: str, node: str = "", **more: Any) -> Any:
    hints = {"forZones": [{"name": zone}] if zone else [], "forNodes": [{"name": node}] if node else []}
    return endpoint(ip, hints=hints, **more)


def test_endpoints_that_are_meant_for_the_zone_are_preferred() -> None:
    slices = slice_of("web", hinted("10.0.0.1", "east"), hinted("10.0.0.2", "west"))
    for zones, wanted in (
        (("east",), ["10.0.0.1"]),
        (("east", "west"), ["10.0.0.1", "10.0.0.2"]),
        (("north",), ["10.0.0.1", "10.0.0.2"]),
        ((), ["10.0.0.1", "10.0.0.2"]),
    ):
        (rules,) = mapped(service(), slices, zones=zones).ports
        assert ips(rules.cluster) == wanted, zones


def test_one_ready_endpoint_without_a_hint_makes_all_hints_worthless() -> None:
    listed = [hinted("10.0.0.1", "east"), hinted("10.0.0.2", "west")]
    (rules,) = mapped(service(), slice_of("web", *listed, endpoint("10.0.0.3")), zones=("east",)).ports
    assert len(rules.cluster) == 3
    (rules,) = mapped(service(), slice_of("web", *listed, endpoint("10.0.0.3", ready=False)), zones=("east",)).ports
    assert ips(rules.cluster) == ["10.0.0.1"]


def test_the_node_comes_before_the_zone() -> None:
    near, far = hinted("10.0.0.1", "east", "node"), hinted("10.0.0.2", "east", "other")
    (rules,) = mapped(service(), slice_of("web", near, far), zones=("east",)).ports
    assert ips(rules.cluster) == ["10.0.0.1"]
    (rules,) = mapped(service(), slice_of("web", near, far), nodes=("third",), zones=("east",)).ports
    assert ips(rules.cluster) == ["10.0.0.1", "10.0.0.2"]


def test_local_traffic_heeds_no_hints() -> None:
    slices = slice_of("web", hinted("10.0.0.1", "west", nodeName="node"), hinted("10.0.0.2", "east"))
    (rules,) = mapped(service(internalTrafficPolicy="Local"), slices, zones=("east",)).ports
    assert ips(rules.internal) == ["10.0.0.1"]


def test_slices_of_one_service_may_have_different_ports() -> None:
    """Conformance: "EndpointSlice should support a Service with multiple endpoint IPs specified in multiple
    EndpointSlices" and "... with multiple ports specified in multiple EndpointSlices"."""
    first, second = slice_of("web", "10.0.0.1", port=8080), slice_of("web", "10.0.0.2", port=9090)
    (rules,) = mapped(service(), first, second).ports
    assert [e.address for e in rules.cluster] == ["10.0.0.1:8080", "10.0.0.2:9090"]
    (rules,) = mapped(service(), first, slice_of("web", "10.0.0.1", port=9090)).ports
    assert [e.address for e in rules.cluster] == ["10.0.0.1:8080", "10.0.0.1:9090"]
