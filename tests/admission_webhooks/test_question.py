"""What webhooks are told, on every way a write can come."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.webhook_server import WebhookServer

Asked = list[dict[str, Any]]
POD = {"spec": {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 0}}


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


@pytest.fixture
def pod(admin: httpx.Client, namespace: str) -> str:
    """The path of one."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert admin.post(path, json={"metadata": {"name": "p"}, **POD}).status_code == 201
    return f"{path}/p"


def test_a_create(admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations) -> None:
    configurations.mutating()
    configurations.validating()
    path = maps(namespace) + "?fieldManager=me&fieldValidation=Strict"
    assert admin.post(path, json={"metadata": {"name": "a"}, "data": {"x": "1"}}).status_code == 201
    before, after = webhook.asked
    review = before.body
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    request = dict(review["request"])
    uid, new = request.pop("uid"), request.pop("object")
    assert len(uid) == 36
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    assert request == {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "a",
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {
            "username": "admin",
            "uid": "admin-uid",
            "groups": ["system:masters", "system:authenticated"],
        },
        "oldObject": None,
        "dryRun": False,
        "options": {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "me",
            "fieldValidation": "Strict",
        },
    }
    assert (new["kind"], new["apiVersion"], new["data"]) == ("ConfigMap", "v1", {"x": "1"})
    assert new["metadata"]["managedFields"][0]["manager"] == "me"
    assert not new["metadata"].keys() & {"uid", "resourceVersion"}, "the server gives them later"
    valid = after.body["request"]["object"]["metadata"]
    assert valid["uid"]
    assert valid["creationTimestamp"]


def test_an_update(admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations) -> None:
    made = admin.post(maps(namespace), json={"metadata": {"name": "a"}, "data": {"x": "1"}}).json()
    configurations.mutating()
    admin.put(maps(namespace, "a"), json={"metadata": {"name": "a"}, "data": {"x": "2"}}).raise_for_status()
    (request,) = webhook.requests
    assert (request["operation"], request["name"]) == ("UPDATE", "a")
    assert request["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}
    assert request["oldObject"] == made
    assert request["object"]["data"] == {"x": "2"}
    assert request["object"]["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.parametrize(
    ("kind", "patch"),
    [("merge-patch", {"data": {"x": "2"}}), ("json-patch", [{"op": "add", "path": "/data/x", "value": "2"}])],
)
def test_a_patch_is_an_update(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    kind: str,
    patch: Any,
) -> None:
    admin.post(maps(namespace), json={"metadata": {"name": "a"}, "data": {"x": "1"}}).raise_for_status()
    configurations.mutating()
    headers = {"Content-Type": f"application/{kind}+json"}
    admin.patch(maps(namespace, "a") + "?fieldManager=me", json=patch, headers=headers).raise_for_status()
    (request,) = webhook.requests
    assert request["operation"] == "UPDATE"
    assert request["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert (request["object"]["data"], request["oldObject"]["data"]) == ({"x": "2"}, {"x": "1"})


def test_an_apply_that_creates(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating()
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    path = maps(namespace, "a") + "?fieldManager=me&force=true&dryRun=All"
    admin.patch(path, json=applied, headers=headers).raise_for_status()
    (request,) = webhook.requests
    assert (request["operation"], request["dryRun"]) == ("CREATE", True)
    assert request["options"]["kind"] == "CreateOptions"
    assert request["options"]["dryRun"] == ["All"]
    assert request["object"]["metadata"]["managedFields"][0]["operation"] == "Apply"


def test_a_delete(admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations) -> None:
    made = admin.post(maps(namespace), json={"metadata": {"name": "a"}, "data": {"x": "1"}}).json()
    configurations.mutating()
    configurations.validating()
    options = {"propagationPolicy": "Background"}
    admin.request("DELETE", maps(namespace, "a"), json=options).raise_for_status()
    for request in webhook.requests:
        assert (request["operation"], request["name"], request["object"]) == ("DELETE", "a", None)
        assert request["oldObject"] == made
        assert request["options"] == {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **options}
    assert len(webhook.asked) == 2


def test_a_collection_is_deleted_one_by_one(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    for name in ("a", "b"):
        admin.post(maps(namespace), json={"metadata": {"name": name, "labels": {"of": "test"}}}).raise_for_status()
    configurations.validating()
    admin.delete(maps(namespace) + "?labelSelector=of=test").raise_for_status()
    assert sorted(request["oldObject"]["metadata"]["name"] for request in webhook.requests) == ["a", "b"]
    assert all("name" not in request for request in webhook.requests), "the request names none"


def test_a_drawn_name_comes_last(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.mutating()
    configurations.validating()
    made = admin.post(maps(namespace), json={"metadata": {"generateName": "a-"}}).json()
    before, after = webhook.requests
    assert "name" not in before
    assert "name" not in after
    assert "name" not in before["object"]["metadata"]
    assert after["object"]["metadata"]["name"] == made["metadata"]["name"]


def test_a_namespace_is_in_itself(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating()
    path = f"/api/v1/namespaces/{namespace}"
    headers = {"Content-Type": "application/merge-patch+json"}
    admin.patch(path, json={"metadata": {"labels": {"a": "b"}}}, headers=headers).raise_for_status()
    (request,) = webhook.requests
    assert (request["namespace"], request["name"]) == (namespace, namespace)


def test_a_status(admin: httpx.Client, webhook: WebhookServer, configurations: Configurations, pod: str) -> None:
    configurations.validating()
    headers = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{pod}/status", json={"status": {"phase": "Running"}}, headers=headers).raise_for_status()
    (request,) = webhook.requests
    assert (request["operation"], request["subResource"], request["requestSubResource"]) == ("UPDATE", *["status"] * 2)
    assert request["object"]["status"]["phase"] == "Running"
    assert request["oldObject"]["status"]["phase"] == "Pending"


def test_a_scale(admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": POD["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    admin.post(path, json={"metadata": {"name": "d"}, "spec": spec}).raise_for_status()
    configurations.validating()
    headers = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{path}/d/scale", json={"spec": {"replicas": 3}}, headers=headers).raise_for_status()
    (request,) = webhook.requests
    assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert request["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert (request["object"]["kind"], request["object"]["spec"]) == ("Scale", {"replicas": 3})
    assert (request["oldObject"]["apiVersion"], request["oldObject"]["spec"]) == ("autoscaling/v1", {"replicas": 1})


def test_an_eviction_is_no_deletion(
    admin: httpx.Client, webhook: WebhookServer, configurations: Configurations, pod: str
) -> None:
    configurations.validating()
    answer = admin.post(f"{pod}/eviction", json={"metadata": {"name": "p"}})
    assert answer.status_code == 201, answer.text
    (request,) = webhook.requests
    assert (request["operation"], request["subResource"], request["name"]) == ("CREATE", "eviction", "p")
    assert request["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert request["object"]["kind"] == "Eviction"


def test_a_binding(admin: httpx.Client, webhook: WebhookServer, configurations: Configurations, pod: str) -> None:
    configurations.validating()
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert admin.post(f"{pod}/binding", json=binding).status_code == 201
    (request,) = webhook.requests
    assert (request["operation"], request["subResource"], request["kind"]["kind"]) == ("CREATE", "binding", "Binding")
    assert request["object"]["target"] == {"kind": "Node", "name": "n"}


def test_a_token(admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations) -> None:
    configurations.validating()
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    assert admin.post(path, json={"spec": {"audiences": ["x"]}}).status_code == 201
    (request,) = webhook.requests
    assert request["kind"] == {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    assert request["object"]["spec"]["audiences"] == ["x"]
    assert "token" not in request["object"].get("status", {}) or not request["object"]["status"]["token"]


def test_a_connection(admin: httpx.Client, webhook: WebhookServer, configurations: Configurations, pod: str) -> None:
    configurations.validating()
    admin.post(f"{pod}/exec?command=ls&command=-l&stdout=1&container=c")
    admin.get(f"{pod}/proxy/a/b")
    exec_, proxy = webhook.requests
    assert (exec_["operation"], exec_["subResource"], exec_["kind"]["kind"]) == ("CONNECT", "exec", "PodExecOptions")
    options = {"container": "c", "command": ["ls", "-l"], "stdout": True}
    assert exec_["object"] == {"kind": "PodExecOptions", "apiVersion": "v1", **options}
    assert exec_["options"] is None
    assert proxy["object"] == {"kind": "PodProxyOptions", "apiVersion": "v1", "path": "/a/b"}


def test_a_question_of_somebody(admin: httpx.Client, webhook: WebhookServer, configurations: Configurations) -> None:
    configurations.validating()
    asked = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    admin.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=asked).raise_for_status()
    (request,) = webhook.requests
    assert (request["operation"], request["kind"]["kind"]) == ("CREATE", "SelfSubjectAccessReview")


def test_configurations_are_nobodys_business(
    admin: httpx.Client, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating()
    configurations.mutating()
    assert not webhook.asked


def test_the_older_version_of_the_question(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating(configurations.hook(admissionReviewVersions=["v7", "v1beta1", "v1"]))
    assert admin.post(maps(namespace), json={"metadata": {"name": "a"}}).status_code == 201
    assert webhook.asked[0].body["apiVersion"] == "admission.k8s.io/v1beta1"


def test_somebody_with_more_to_them(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating()
    headers = {
        "Impersonate-User": "jane",
        "Impersonate-Group": "system:masters",
        "Impersonate-Extra-Scopes": "view",
    }
    admin.post(maps(namespace), json={"metadata": {"name": "a"}}, headers=headers).raise_for_status()
    user = webhook.requests[0]["userInfo"]
    assert user == {
        "username": "jane",
        "groups": ["system:masters", "system:authenticated"],
        "extra": {"scopes": ["view"]},
    }
