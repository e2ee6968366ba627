"""The condition Available follows the Service, its endpoints and the server behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.aggregation.conftest import SERVICES, api_service, available, condition, local_server, place_service
from tests.aggregation.extension_server import ExtensionServer, extension_server
from tests.cluster.support import until
from tests.ports import free_port

PATCH = {"Content-Type": "application/merge-patch+json"}


def said(admin: httpx.Client, name: str, reason: str) -> dict[str, Any]:
    """The condition, once it has that reason."""

    def found() -> dict[str, Any]:
        now = condition(admin, name)
        return now if now.get("reason") == reason else {}

    return until(found)


def test_the_way_to_a_server(admin: httpx.Client, tmp_path: Path, group: str, namespace: str) -> None:
    name, shown = f"v1.{group}", f'service/notes in "{namespace}"'
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    with extension_server(tmp_path, admin, group, namespace) as running:
        made = admin.post(SERVICES, json=api_service(running, namespace))
        assert (made.status_code, made.json()["status"]) == (201, {})
        assert said(admin, name, "ServiceNotFound")["message"] == f"{shown} is not present"
        assert admin.get(f"{running.root}/notes").text == "service unavailable\n"

        place_service(admin, namespace, running.port)
        passed = said(admin, name, "Passed")
        assert (passed["status"], passed["message"]) == ("True", "all checks passed")

        since = passed["lastTransitionTime"]
        address = {"addresses": ["127.0.0.1"], "conditions": {"ready": False}}
        admin.patch(f"{slices}/notes-1", json={"endpoints": [address]}, headers=PATCH)
        missing = f'endpointslices for {shown} have no addresses with port name "https"'
        assert said(admin, name, "MissingEndpoints")["message"] == missing

        port = free_port()
        ready = {"addresses": ["127.0.0.1"]}
        change = {"endpoints": [ready], "ports": [{"name": "https", "port": port}]}
        admin.patch(f"{slices}/notes-1", json=change, headers=PATCH)
        url = f"https://127.0.0.1:{port}{running.root}"
        refused = f'failing or missing response from {url}: Get "{url}": dial tcp 127.0.0.1:{port}: connect: '
        assert said(admin, name, "FailedDiscoveryCheck")["message"] == f"{refused}connection refused"

        running.special[running.root] = lambda handler: handler.reply(403, {"kind": "Status"})
        admin.patch(f"{slices}/notes-1", json={"ports": [{"name": "https", "port": running.port}]}, headers=PATCH)
        url = f"https://127.0.0.1:{running.port}{running.root}"
        status = f"failing or missing response from {url}: bad status from {url}: 403"
        until(lambda: condition(admin, name)["message"] == status)
        del running.special[running.root]  # nothing that is watched tells of it: it is asked again
        assert said(admin, name, "Passed")["lastTransitionTime"] >= since
        asked = [(user, headers["x-remote-group"]) for _, path, user, headers in running.asked if path == running.root]
        assert set(asked) == {("system:kube-aggregator", "system:masters")}
    admin.delete(f"{SERVICES}/{name}")


def test_a_bundle_that_is_no_text_costs_only_its_own_server(admin: httpx.Client, group: str, namespace: str) -> None:
    """Such as a certificate in DER, which is taken for text in vain."""
    service = {"namespace": namespace, "name": "notes"}
    common = {"group": group, "groupPriorityMinimum": 1000, "versionPriority": 10, "service": service}
    for version, more in (("v1", {"caBundle": "//4="}), ("v2", {"insecureSkipTLSVerify": True})):
        spec = {**common, "version": version, **more}
        admin.post(SERVICES, json={"metadata": {"name": f"{version}.{group}"}, "spec": spec}).raise_for_status()
    for version in ("v1", "v2"):
        said(admin, f"{version}.{group}", "ServiceNotFound")
        admin.delete(f"{SERVICES}/{version}.{group}").raise_for_status()


def test_one_endpoint_that_answers_is_enough(admin: httpx.Client, extension: ExtensionServer, namespace: str) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    labels = {"kubernetes.io/service-name": "notes"}
    dead = {
        "metadata": {"name": "notes-2", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.2"]}],
        "ports": [{"name": "https", "port": free_port()}],
    }
    before = len(extension.asked)
    assert admin.post(slices, json=dead).status_code == 201
    until(lambda: len(extension.asked) > before)
    assert condition(admin, f"v1.{extension.group}")["reason"] == "Passed"


def test_by_another_name(admin: httpx.Client, tmp_path: Path, group: str, namespace: str) -> None:
    """A Service of type ExternalName is followed to that name."""
    spec = {"type": "ExternalName", "externalName": "localhost"}
    services = f"/api/v1/namespaces/{namespace}/services"
    assert admin.post(services, json={"metadata": {"name": "notes"}, "spec": spec}).status_code == 201
    with extension_server(tmp_path, admin, group, namespace) as running:
        reference = {"namespace": namespace, "name": "notes", "port": running.port}
        admin.post(SERVICES, json=api_service(running, namespace, service=reference))
        until(lambda: available(admin, f"v1.{group}"))
        assert admin.get(f"{running.root}/notes").json()["kind"] == "NoteList"
    admin.delete(f"{SERVICES}/v1.{group}")


def test_who_overwrites_the_condition_is_corrected(admin: httpx.Client, extension: ExtensionServer) -> None:
    name = f"v1.{extension.group}"
    wrong = {"type": "Available", "status": "False", "reason": "Mine", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    answer = admin.patch(f"{SERVICES}/{name}/status", json={"status": {"conditions": [wrong]}}, headers=PATCH)
    assert answer.json()["status"]["conditions"][0]["reason"] == "Mine"
    until(lambda: available(admin, name))


def test_what_becomes_local_is_served_by_nobody_else(admin: httpx.Client, extension: ExtensionServer) -> None:
    name = f"v1.{extension.group}"
    spec = {"service": None, "caBundle": None}
    assert admin.patch(f"{SERVICES}/{name}", json={"spec": spec}, headers=PATCH).status_code == 200
    assert said(admin, name, "Local")["message"] == "Local APIServices are always available"
    until(lambda: admin.get(f"{extension.root}/notes").status_code == 404)


def test_a_group_of_our_own_can_be_given_away(admin: httpx.Client, tmp_path: Path, namespace: str) -> None:
    with extension_server(tmp_path, admin, "node.k8s.io", namespace) as running:
        place_service(admin, namespace, running.port)
        service = api_service(running, namespace)
        reference = {"spec": {key: service["spec"][key] for key in ("service", "caBundle")}}
        assert admin.patch(f"{SERVICES}/v1.node.k8s.io", json=reference, headers=PATCH).status_code == 200
        until(lambda: "NoteList" in admin.get("/apis/node.k8s.io/v1/notes").text)
        back = {"spec": {"service": None, "caBundle": None}}
        assert admin.patch(f"{SERVICES}/v1.node.k8s.io", json=back, headers=PATCH).status_code == 200
        until(lambda: admin.get("/apis/node.k8s.io/v1/runtimeclasses").status_code == 200)


def test_a_server_is_found_again_after_a_restart(tmp_path: Path, group: str) -> None:
    with (
        local_server(tmp_path) as server,
        server.client() as admin,
        extension_server(tmp_path / "extension", admin, group, "default") as running,
    ):
        place_service(admin, "default", running.port)
        admin.post(SERVICES, json=api_service(running, "default"))
        until(lambda: available(admin, f"v1.{group}"))
        server.kill()
        server.start()
        until(lambda: admin.get(f"{running.root}/notes").status_code == 200)
        said(admin, f"v1.{group}", "Passed")
        gauge = f'aggregator_unavailable_apiservice{{name="v1.{group}"}} 0'
        until(lambda: gauge in admin.get("/metrics").text.splitlines())


def test_even_the_core_group_can_be_given_away(tmp_path: Path) -> None:
    with (
        local_server(tmp_path) as server,
        server.client() as admin,
        extension_server(tmp_path / "extension", admin, "", "default") as running,
    ):
        for path in ("/api/v1", "/api/v1/namespaces"):
            running.special[path] = lambda handler: handler.reply(200, {"of": "another"})
        place_service(admin, "default", running.port)
        service = api_service(running, "default")
        reference = {"spec": {key: service["spec"][key] for key in ("service", "caBundle")}}
        assert admin.patch(f"{SERVICES}/v1.", json=reference, headers=PATCH).status_code == 200
        until(lambda: admin.get("/api/v1/namespaces").text == '{"of": "another"}')
        assert admin.get("/apis/apps/v1/deployments").status_code == 200
        admin.patch(f"{SERVICES}/v1.", json={"spec": {"service": None, "caBundle": None}}, headers=PATCH)
        until(lambda: admin.get("/api/v1/namespaces/default").status_code == 200)
