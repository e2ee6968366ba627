"""Addresses of Services as objects: there with the Service, gone with it, whatever happens to the server."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.apiserver.conftest import ApiServer, Watch

ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
RANGES = "/apis/networking.k8s.io/v1/servicecidrs"
SERVICES = "/api/v1/namespaces/default/services"


def names(client: httpx.Client) -> set[str]:
    return {item["metadata"]["name"] for item in client.get(ADDRESSES).json()["items"]}


def create(client: httpx.Client, name: str, **spec: Any) -> httpx.Response:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
    return client.post(SERVICES, json=body)


def wait_for(client: httpx.Client, path: str, condition: Callable[[], bool]) -> None:
    """Look again at every change of these objects; fail when nothing changes any more."""
    watch = Watch(client, path)
    try:
        while not condition():
            watch.next()
    finally:
        watch.close()


def wait_for_names(client: httpx.Client, *expected: str) -> None:
    wait_for(client, ADDRESSES, lambda: names(client) == set(expected))


def test_every_service_has_its_own(own_server: ApiServer) -> None:
    with own_server.client() as client:
        wait_for_names(client, "10.96.0.1")
        ranges = client.get(f"{RANGES}/kubernetes").json()
        assert ranges["spec"]["cidrs"] == ["10.96.0.0/16"]
        owners = [(m["manager"], set(m["fieldsV1"])) for m in ranges["metadata"]["managedFields"]]
        assert owners == [("kubernetes-service-cidr-controller", {"f:status"}), ("kube-apiserver", {"f:spec"})]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: create(client, f"s{n}"), range(24)))
        given = {answer.json()["spec"]["clusterIP"] for answer in answers}
        assert len(given) == 24
        assert names(client) == given | {"10.96.0.1"}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: client.delete(f"{SERVICES}/s{n}"), range(24)))
        assert names(client) == {"10.96.0.1"}


def test_a_refused_or_tried_service_leaves_nothing(own_server: ApiServer) -> None:
    with own_server.client() as client:
        wait_for_names(client, "10.96.0.1")
        assert create(client, "a", clusterIP="10.96.0.9").status_code == 201
        assert create(client, "a", clusterIP="10.96.0.10").status_code == 409
        assert create(client, "b", clusterIP="10.96.0.9").status_code == 422
        tried = client.post(
            f"{SERVICES}?dryRun=All", json={"metadata": {"name": "c"}, "spec": {"ports": [{"port": 1}]}}
        )
        assert tried.status_code == 201
        assert names(client) == {"10.96.0.1", "10.96.0.9"}
        external = {"spec": {"type": "ExternalName", "externalName": "x.example.com", "clusterIP": None}}
        patched = client.patch(f"{SERVICES}/a", json=external, headers={"Content-Type": "application/merge-patch+json"})
        assert patched.status_code == 200, patched.text
        assert names(client) == {"10.96.0.1"}


def test_after_a_restart_all_is_in_step_again(own_server: ApiServer) -> None:
    with own_server.client() as client:
        wait_for_names(client, "10.96.0.1")
        assert create(client, "a", clusterIP="10.96.0.9").status_code == 201
        client.delete(f"{ADDRESSES}/10.96.0.9")
        orphan = {
            "metadata": {
                "name": "10.96.0.77",
                "labels": {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"},
            },
            "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "gone"}},
        }
        foreign = {"metadata": {"name": "10.96.0.78"}, "spec": {"parentRef": {"resource": "others", "name": "x"}}}
        assert [client.post(ADDRESSES, json=body).status_code for body in (orphan, foreign)] == [201, 201]
    own_server.kill()
    own_server.start()
    with own_server.client() as client:
        wait_for_names(client, "10.96.0.1", "10.96.0.9", "10.96.0.78")
        assert create(client, "b", clusterIP="10.96.0.9").status_code == 422
        assert create(client, "c", clusterIP="10.96.0.78").status_code == 422
        assert create(client, "d", clusterIP="10.96.0.77").status_code == 201


def test_a_new_range_is_used_at_once(own_server: ApiServer) -> None:
    with own_server.client() as client:
        assert create(client, "a", clusterIP="10.200.0.5").status_code == 422
        more = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.200.0.0/24"]}}
        assert client.post(RANGES, json=more).status_code == 201
        assert create(client, "a", clusterIP="10.200.0.5").status_code == 201
        assert "10.200.0.5" in names(client)


def test_local_api_services_are_made_once_it_serves(own_server: ApiServer) -> None:
    url = "/apis/apiregistration.k8s.io/v1/apiservices"
    with own_server.client() as client:
        wait_for(client, url, lambda: client.get(f"{url}/v1.networking.k8s.io").status_code == 200)
        found = client.get(f"{url}/v1.networking.k8s.io").json()
    assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert [(c["type"], c["status"], c["reason"]) for c in found["status"]["conditions"]] == [
        ("Available", "True", "Local")
    ]
