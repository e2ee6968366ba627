"""Real kubectl's imperative commands, which send protobuf, against a real server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from api.errors import BadRequest
from apiserver import protobuf
from tests.apiserver.conftest import ApiServer
from tests.ecosystem.kubectl import Kubectl
from tests.protobuf.encoding import enveloped, tagged

PROTOBUF = {"Content-Type": protobuf.MEDIA_TYPE}


@pytest.fixture
def kubectl(server: ApiServer, tmp_path: Path) -> Kubectl:
    run = Kubectl(server, tmp_path, f"test-{uuid.uuid4().hex[:8]}")
    run("create", "namespace", run.namespace)
    return run


def test_create(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal", "color=blue", "--from-literal", "empty=")
    assert kubectl.get("configmap", "settings")["data"] == {"color": "blue", "empty": ""}
    kubectl("create", "secret", "generic", "key", "--from-literal", "user=me")
    assert kubectl.get("secret", "key")["data"] == {"user": "bWU="}
    kubectl("create", "serviceaccount", "robot")
    assert kubectl.get("serviceaccount", "robot")["metadata"]["name"] == "robot"
    assert kubectl("create", "token", "robot", "--duration", "20m").count(".") == 2


def test_create_a_deployment_and_services(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image", "nginx", "--replicas", "2", "--port", "80")
    spec = kubectl.get("deployment", "web")["spec"]
    assert spec["replicas"] == 2
    (container,) = spec["template"]["spec"]["containers"]
    assert container["name"] == "nginx"
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["terminationMessagePolicy"] == "File", "defaults are filled in"

    kubectl("create", "service", "clusterip", "named", "--tcp", "443:https")
    assert kubectl.get("service", "named")["spec"]["ports"] == [
        {"name": "443-https", "port": 443, "protocol": "TCP", "targetPort": "https"}
    ]
    kubectl("expose", "deployment", "web", "--port", "80", "--target-port", "8080")
    assert kubectl.get("service", "web")["spec"]["selector"] == {"app": "web"}


def test_run(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "default")
    kubectl("run", "once", "--image", "busybox", "--restart", "Never", "--env", "A=b", "--command", "--", "sleep", "5")
    spec = kubectl.get("pod", "once")["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["containers"][0]["env"] == [{"name": "A", "value": "b"}]


def test_questions_about_rights_and_names(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods", "--subresource", "log") == "yes\n"
    assert kubectl("auth", "can-i", "get", "/healthz") == "yes\n"
    who = json.loads(kubectl("auth", "whoami", "-o", "json"))
    assert who["status"]["userInfo"]["username"] == "admin"


def test_update_and_delete_in_protobuf(server: ApiServer) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    url = f"/api/v1/namespaces/{name}/configmaps"

    def config_map(value: bytes, version: str = "") -> bytes:
        metadata = tagged(1, b"a") + tagged(3, name.encode()) + tagged(6, version.encode())
        return enveloped("v1", "ConfigMap", tagged(1, metadata) + tagged(2, tagged(1, b"k") + tagged(2, value)))

    with server.client() as client:
        created = client.post(
            "/api/v1/namespaces", content=enveloped("v1", "Namespace", tagged(1, tagged(1, name.encode()))),
            headers={**PROTOBUF, "Accept": f"{protobuf.MEDIA_TYPE}, */*"},
        )  # fmt: skip
        assert created.status_code == 201, created.text
        assert created.headers["content-type"] == protobuf.MEDIA_TYPE
        assert client.post(url, content=config_map(b"old"), headers=PROTOBUF).status_code == 201
        changed = client.put(f"{url}/a", content=config_map(b"new"), headers=PROTOBUF)
        assert changed.json()["data"] == {"k": "new"}
        stale = client.put(f"{url}/a", content=config_map(b"newer", "1"), headers=PROTOBUF)
        assert stale.status_code == 409
        wrong_uid = enveloped("v1", "DeleteOptions", tagged(2, tagged(1, b"another")))
        assert client.request("DELETE", f"{url}/a", content=wrong_uid, headers=PROTOBUF).status_code == 409
        options = enveloped("v1", "DeleteOptions", tagged(1, 0))
        assert client.request("DELETE", f"{url}/a", content=options, headers=PROTOBUF).status_code == 200
        assert client.get(f"{url}/a").status_code == 404


def test_a_malformed_body_is_a_bad_request(server: ApiServer) -> None:
    with server.client() as client:
        for body in (b"", b"{}", b"k8s\0", b"k8s\0\xff\xff", enveloped("v1", "ConfigMap", b"\x0a\xff\xff\xff\x7f")):
            answer = client.post("/api/v1/namespaces/default/configmaps", content=body, headers=PROTOBUF)
            assert answer.status_code == BadRequest.code, answer.text
            assert answer.json()["reason"] == "BadRequest"


def test_patches_are_not_read_from_protobuf(server: ApiServer) -> None:
    with server.client() as client:
        body = enveloped("v1", "Namespace", b"")
        answer = client.patch("/api/v1/namespaces/default", content=body, headers=PROTOBUF)
        assert answer.status_code == 415
