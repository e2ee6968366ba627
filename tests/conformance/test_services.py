"""What conformance asks of Services and of those who write down their endpoints, on a whole cluster."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import pytest

from tests.cluster.support import until
from tests.conformance.api import Document, Refused, Space
from tests.conformance.objects import check_operations, condition, is_ready, pod, scheduled

TCP = {"name": "http", "port": 80, "protocol": "TCP"}
Ports = set[tuple[str, int]]


def service(name: str, *ports: Document, **spec: Any) -> Document:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [*(ports or (TCP,))], **spec}}


def listener(name: str, app: str, *ports: tuple[str, int]) -> Document:
    container = {"ports": [{"name": name, "containerPort": number} for name, number in ports]}
    return pod(name, {"app": app}, container=container)


def in_slices(space: Space, name: str) -> Ports:
    """(address, port) of all ready endpoints in the Service's EndpointSlices."""
    return {
        (address, port["port"])
        for each in space("endpointslices").list(f"kubernetes.io/service-name={name}")
        for endpoint in each["endpoints"] or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
        for port in each["ports"] or []
    }


def in_endpoints(space: Space, name: str) -> Ports:
    found = space("endpoints").find(name) or {}
    return {
        (address["ip"], port["port"])
        for subset in found.get("subsets") or []
        for address in subset.get("addresses") or []
        for port in subset["ports"]
    }


def has_endpoints(space: Space, name: str, wanted: dict[str, list[int]]) -> None:
    """Wait until slices and Endpoints hold just these ports of these pods."""

    def come_true() -> bool:
        pods = {each["metadata"]["name"]: each["status"].get("podIP") for each in space("pods").list()}
        expected = {(pods.get(name), port) for name, ports in wanted.items() for port in ports}
        return in_slices(space, name) == expected == in_endpoints(space, name)

    until(come_true, f"endpoints of {name} are {wanted}")


def gone_after_deletion(space: Space, name: str) -> None:
    space("services").delete(name)
    until(lambda: space("endpoints").find(name) is None, "the Endpoints are gone")
    until(lambda: not space("endpointslices").list(f"kubernetes.io/service-name={name}"), "the slices are gone")


def test_the_secure_master_service(space: Space) -> None:
    """[sig-network] API Server should provide secure master service [Conformance]"""
    found = Space(space.api, "default")("services").get("kubernetes")
    assert [(port["name"], port["port"]) for port in found["spec"]["ports"]] == [("https", 443)]


def test_endpoints_that_point_to_the_api_server(space: Space) -> None:
    """[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server [Conformance]"""
    default = Space(space.api, "default")
    (slice,) = default("endpointslices").list("kubernetes.io/service-name=kubernetes")
    assert slice["metadata"]["name"] == "kubernetes"
    assert in_slices(default, "kubernetes") == in_endpoints(default, "kubernetes")
    (port,) = slice["ports"]
    assert (port["name"], port["port"]) == ("https", space.api.http.base_url.port)


def test_a_selector_that_matches_no_pods(space: Space) -> None:
    """[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches
    no pods [Conformance],
    [sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches no
    pods [Conformance]"""
    space("services").create(service("empty"))
    until(lambda: space("endpoints").find("empty"), "the Endpoints are there")
    until(lambda: space("endpointslices").list("kubernetes.io/service-name=empty"), "a slice is there")
    (slice,) = space("endpointslices").list("kubernetes.io/service-name=empty")
    (owner,) = slice["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Service", "empty", True)
    assert slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert not slice.get("endpoints")
    assert not space("endpoints").get("empty").get("subsets")
    gone_after_deletion(space, "empty")


def test_pods_that_match(space: Space) -> None:
    """[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service
    [Conformance],
    [sig-network] EndpointsController should create Endpoints for Pods matching a Service [Conformance]"""
    space("pods").create(listener("one", "web", ("example-name", 3000)))
    space("pods").create(listener("two", "web", ("example-name", 3001), ("other", 3002)))
    named = {"name": "example", "port": 80, "targetPort": "example-name", "protocol": "TCP"}
    space("services").create(service("web", named))
    has_endpoints(space, "web", {"one": [3000], "two": [3001]})

    def slices() -> list[Document]:
        return space("endpointslices").list("kubernetes.io/service-name=web")

    # The slice that the Service had before its pods may be there for a moment longer.
    until(lambda: all(each.get("endpoints") for each in slices()), "no slice is empty")
    assert sorted(each["ports"][0]["port"] for each in slices()) == [3000, 3001], "one slice for each port number"
    for each in slices():
        (endpoint,) = each["endpoints"]
        live = space("pods").get(endpoint["targetRef"]["name"])
        assert endpoint["targetRef"]["uid"] == live["metadata"]["uid"]
        assert endpoint["nodeName"] == live["spec"]["nodeName"]
        assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    gone_after_deletion(space, "web")


def test_a_basic_endpoint(space: Space) -> None:
    """[sig-network] Services should serve a basic endpoint from pods [Conformance]"""
    space("services").create(service("web", TCP | {"targetPort": 80}))
    has_endpoints(space, "web", {})
    space("pods").create(listener("one", "web", ("p", 80)))
    has_endpoints(space, "web", {"one": [80]})
    space("pods").create(listener("two", "web", ("p", 80)))
    has_endpoints(space, "web", {"one": [80], "two": [80]})
    space("pods").delete("one")
    has_endpoints(space, "web", {"two": [80]})
    space("pods").delete("two")
    has_endpoints(space, "web", {})


def test_endpoints_of_several_ports(space: Space) -> None:
    """[sig-network] Services should serve multiport endpoints from pods [Conformance]"""
    ports = ({"name": "one", "port": 80, "targetPort": "one"}, {"name": "two", "port": 81, "targetPort": "two"})
    space("services").create(service("web", *ports))
    has_endpoints(space, "web", {})
    space("pods").create(listener("first", "web", ("one", 100)))
    has_endpoints(space, "web", {"first": [100]})
    space("pods").create(listener("second", "web", ("two", 101)))
    has_endpoints(space, "web", {"first": [100], "second": [101]})
    space("pods").delete("first")
    has_endpoints(space, "web", {"second": [101]})
    space("pods").delete("second")
    has_endpoints(space, "web", {})


def test_one_port_of_two_protocols(space: Space) -> None:
    """[sig-network] Services should serve endpoints on same port and different protocols [Conformance]"""
    tcp, udp = ({"name": each, "port": 80, "protocol": each.upper()} for each in ("tcp", "udp"))
    space("services").create(service("web", tcp, udp))
    space("pods").create(listener("one", "web", ("p", 80)))

    def protocols() -> set[str]:
        slices = space("endpointslices").list("kubernetes.io/service-name=web")
        return {port["protocol"] for each in slices if each.get("endpoints") for port in each["ports"]}

    until(lambda: protocols() == {"TCP", "UDP"}, "both protocols have an endpoint")
    for left, protocol in ((tcp, "TCP"), (udp, "UDP")):
        space("services").change("web", lambda each, left=left: each["spec"].update(ports=[left]))
        until(lambda protocol=protocol: protocols() == {protocol}, f"only {protocol} is left")  # type: ignore[misc]


def test_endpoints_come_soon(space: Space) -> None:
    """[sig-network] Service endpoints latency should not be very high [Conformance]"""
    space("pods").create(listener("one", "web", ("p", 80)))
    until(lambda: is_ready(space("pods").get("one")), "the pod is ready")
    since = space("endpoints").listed()["metadata"]["resourceVersion"]
    began = {}
    for number in range(100):
        began[f"latency-{number}"] = time.monotonic()
        space("services").create(service(f"latency-{number}", selector={"app": "web"}))
    took = []
    for _, endpoints in space("endpoints").changes(since):
        if endpoints.get("subsets") and endpoints["metadata"]["name"] in began:
            took.append(time.monotonic() - began.pop(endpoints["metadata"]["name"]))
        if not began:
            break
    took.sort()
    assert took[50] < 20
    assert took[90] < 50


def test_the_types_of_a_service(space: Space) -> None:
    """[sig-network] Services should be able to change the type from ExternalName to ClusterIP [Conformance],
    [sig-network] Services should be able to change the type from ExternalName to NodePort [Conformance],
    [sig-network] Services should be able to change the type from ClusterIP to ExternalName [Conformance],
    [sig-network] Services should be able to change the type from NodePort to ExternalName [Conformance]"""
    external = {"type": "ExternalName", "externalName": "foo.example.com", "selector": {"app": "web"}}
    space("services").create({"metadata": {"name": "web"}, "spec": external})
    space("pods").create(listener("one", "web", ("p", 80)))
    assert "clusterIP" not in space("services").get("web")["spec"]
    for kind in ("ClusterIP", "NodePort"):

        def expose(live: Document, kind: str = kind) -> None:
            live["spec"] |= {"type": kind, "ports": [dict(TCP)]}
            live["spec"].pop("externalName", None)

        space("services").change("web", expose)
        spec = space("services").get("web")["spec"]
        assert ipaddress.ip_address(spec["clusterIP"])
        assert (spec["ports"][0].get("nodePort", 0) > 0) is (kind == "NodePort")
        has_endpoints(space, "web", {"one": [80]})

        def rename(live: Document) -> None:
            live["spec"] |= {"type": "ExternalName", "externalName": "foo.example.com", "clusterIP": ""}
            live["spec"].pop("clusterIPs", None)
            live["spec"]["ports"][0].pop("nodePort", None)

        space("services").change("web", rename)
        spec = space("services").get("web")["spec"]
        assert spec["externalName"] == "foo.example.com"
        assert "clusterIP" not in spec
        assert "nodePort" not in spec["ports"][0]


def test_a_node_port(space: Space) -> None:
    """[sig-network] Services should be able to create a functioning NodePort service [Conformance]: what a proxy needs
    to make it work is there; that it works is shown in tests/proxy."""
    space("services").create(service("web", type="NodePort"))
    space("pods").create(listener("one", "web", ("p", 80)))
    has_endpoints(space, "web", {"one": [80]})
    (port,) = space("services").get("web")["spec"]["ports"]
    assert 30000 <= port["nodePort"] <= 32767
    with pytest.raises(Refused, match="provided port is already allocated"):
        space("services").create(service("other", TCP | {"nodePort": port["nodePort"]}, type="NodePort"))


def test_all_namespaces(space: Space) -> None:
    """[sig-network] Services should find a service from listing all namespaces [Conformance]"""
    found = [each["metadata"] for each in Space(space.api, "")("services").list()]
    assert ("default", "kubernetes") in {(each["namespace"], each["name"]) for each in found}


def test_a_collection(space: Space) -> None:
    """[sig-network] Services should delete a collection of services [Conformance]"""
    for name, label in (("one", "true"), ("two", "true"), ("three", "false")):
        document = service(name)
        document["metadata"]["labels"] = {"e2e-test-service": label}
        space("services").create(document)
    assert len(space("services").list()) == 3
    space("services").delete_all("e2e-test-service=true")
    assert space("services").names() == {"three"}


def test_the_life_of_a_status(space: Space) -> None:
    """[sig-network] Services should complete a service status lifecycle [Conformance]"""
    services = space("services")
    document = service("web", type="LoadBalancer")
    document["metadata"]["labels"] = {"test-service-static": "true"}
    services.create(document)
    assert services.get("web", "status")["status"]["loadBalancer"] == {}
    since = services.listed()["metadata"]["resourceVersion"]
    balancer = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": balancer}
    patched = services.patch("web", body, part="status")
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    ours = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    ours["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    services.change("web", lambda each: each["status"].update(conditions=[ours]), part="status")
    _, updated = services.seen(since, "MODIFIED", "MODIFIED")
    assert condition(updated, "StatusUpdate") == ours
    services.patch("web", {"metadata": {"labels": {"test-service": "patched"}}})
    services.seen(since, "ADDED", selector="test-service=patched")
    services.delete("web")
    services.seen(since, "DELETED")


def test_endpoints_that_users_write(space: Space) -> None:
    """[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]"""
    endpoints, static = space("endpoints"), "test-endpoint-static=true"
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    meta = {"name": "testservice", "labels": {"test-endpoint-static": "true"}}
    since = endpoints.listed()["metadata"]["resourceVersion"]
    endpoints.create({"metadata": meta, "subsets": [subset]})
    endpoints.seen(since, "ADDED", selector=static)
    endpoints.change("testservice", lambda each: each["metadata"]["labels"].update({"test-service": "updated"}))
    assert endpoints.get("testservice")["metadata"]["labels"]["test-service"] == "updated"
    moved = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080, "protocol": "TCP"}]}
    body = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [moved]}
    endpoints.patch("testservice", body, type="strategic")
    live = endpoints.get("testservice")
    assert live["subsets"] == [moved]
    assert live["metadata"]["labels"]["test-service"] == "patched"
    endpoints.delete_all(static)
    endpoints.seen(since, "DELETED", selector=static)
    assert endpoints.find("testservice") is None


def test_mirrors_of_endpoints(space: Space) -> None:
    """[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete
    [Conformance]"""
    space("services").create({"metadata": {"name": "custom"}, "spec": {"ports": [TCP]}})
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [TCP]}
    space("endpoints").create({"metadata": {"name": "custom"}, "subsets": [subset]})
    until(lambda: in_slices(space, "custom") == {("10.1.2.3", 80)}, "they are mirrored")
    (slice,) = space("endpointslices").list("kubernetes.io/service-name=custom")
    managed = slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    assert (managed, slice["addressType"]) == ("endpointslicemirroring-controller.k8s.io", "IPv4")
    (endpoint,) = slice["endpoints"]
    assert endpoint["conditions"]["ready"] is True
    space("endpoints").change("custom", lambda each: each["subsets"][0]["addresses"][0].update(ip="10.2.3.4"))
    until(lambda: in_slices(space, "custom") == {("10.2.3.4", 80)}, "the change is mirrored")
    space("endpoints").delete("custom")
    until(lambda: not space("endpointslices").list("kubernetes.io/service-name=custom"), "the mirror is gone")


@pytest.mark.parametrize("addresses", [("10.0.0.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.2")], ids=["ports", "addresses"])
def test_slices_that_users_write(space: Space, addresses: tuple[str, str]) -> None:
    """[sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices
    [Conformance],
    [sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices
    [Conformance]: they stay as they are; how proxies join them is shown in tests/proxy."""
    ports = ({"name": "one", "port": 80}, {"name": "two", "port": 81})
    space("services").create({"metadata": {"name": "custom"}, "spec": {"ports": [*ports]}})
    for address, port, number in zip(addresses, ports, (8090, 8091), strict=True):
        labels = {"kubernetes.io/service-name": "custom", "endpointslice.kubernetes.io/managed-by": "e2e-test"}
        ready = {"addresses": [address], "conditions": {"ready": True}}
        slice = {"addressType": "IPv4", "endpoints": [ready], "ports": [{"name": port["name"], "port": number}]}
        space("endpointslices").create({"metadata": {"name": f"custom-{port['name']}", "labels": labels}, **slice})
    space("services").create(service("other"))
    until(lambda: space("endpointslices").list("kubernetes.io/service-name=other"), "controllers have seen them")
    assert in_slices(space, "custom") == {(addresses[0], 8090), (addresses[1], 8091)}


def test_the_api_of_slices(space: Space) -> None:
    """[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"""
    endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}

    def make(name: str) -> Document:
        ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
        return {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": [endpoint], "ports": ports}

    check_operations(space, "endpointslices", make)


def test_the_api_of_addresses(space: Space) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]"""
    numbers = iter(range(1, 4))
    parent = {"group": "", "resource": "services", "namespace": "default", "name": "test"}

    def make(name: str) -> Document:
        labels = {"ipaddress.kubernetes.io/managed-by": "e2e-test"}
        return {"metadata": {"name": f"192.0.2.{next(numbers)}", "labels": labels}, "spec": {"parentRef": parent}}

    check_operations(space, "ipaddresses", make)


def test_the_api_of_ranges(space: Space) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]"""
    numbers = iter(range(1, 4))

    def make(name: str) -> Document:
        return {"metadata": {"name": name}, "spec": {"cidrs": [f"198.51.{next(numbers)}.0/24"]}}

    check_operations(space, "servicecidrs", make, "status")
    space("servicecidrs").create({"metadata": {"name": space.name}, "spec": {"cidrs": ["198.51.100.0/24"]}})
    until(lambda: condition(space("servicecidrs").get(space.name), "Ready"), "the range is ready")
    ours = {"type": "patchedstatus", "status": "True", "reason": "E2E", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    space("servicecidrs").patch(space.name, {"status": {"conditions": [ours]}}, part="status")
    assert condition(space("servicecidrs").get(space.name), "patchedstatus") is not None
    space("servicecidrs").delete(space.name)


def test_ports_of_the_host_with_other_addresses_or_protocols(space: Space) -> None:
    """[sig-network] HostPort validates that there is no conflict between pods with same hostPort but different hostIP
    and protocol [LinuxOnly] [Conformance]"""
    (node, *_) = sorted(space("nodes").names())
    taken = (("one", "127.0.0.1", "TCP"), ("two", "127.0.0.2", "TCP"), ("three", "127.0.0.2", "UDP"))
    for name, address, protocol in taken:
        port = {"containerPort": 8080, "hostPort": 54323, "hostIP": address, "protocol": protocol}
        chosen = {"nodeSelector": {"kubernetes.io/hostname": node}, "container": {"ports": [port]}}
        space("pods").create(pod(name, **chosen))
    assert {scheduled(space, name) for name in ("one", "two", "three")} == {node}
