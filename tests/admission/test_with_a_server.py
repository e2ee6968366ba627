"""Optional plugins that ask others: the authorizer about owners, a webhook about images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace
from tests.security.conftest import allow, rule
from tests.webhook_server import WebhookServer, serving

__all__ = ["admin", "namespace"]


def verdict(review: dict[str, Any]) -> dict[str, Any]:
    """Only images of the own registry are good."""
    bad = [each["image"] for each in review["spec"]["containers"] if not each["image"].startswith("own/")]
    return {**review, "status": {"allowed": not bad, "reason": f"{bad[0]} is not ours" if bad else ""}}


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookServer]:
    with serving(tmp_path_factory.mktemp("webhook"), verdict) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, webhook: WebhookServer) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("server")
    cluster = {"server": webhook.url, "certificate-authority-data": webhook.ca_bundle}
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "current-context": "c",
    }
    (folder / "webhook.kubeconfig").write_text(json.dumps(kubeconfig))
    policy = {"kubeConfigFile": str(folder / "webhook.kubeconfig"), "allowTTL": 60, "denyTTL": -1}
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": policy}}],
    }
    (folder / "admission.yaml").write_text(json.dumps(configuration))
    running = ApiServer(
        folder, "--admission-control-config-file", str(folder / "admission.yaml"),
        "--enable-admission-plugins", "ImagePolicyWebhook,OwnerReferencesPermissionEnforcement",
    )  # fmt: skip
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def pod(name: str, image: str, **annotations: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": image}]}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}


def test_images_are_somebody_elses_to_judge(webhook: WebhookServer, admin: httpx.Client, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    ticket = {"a.image-policy.k8s.io/ticket": "1", "other": "2"}
    assert admin.post(path, json=pod("good", "own/i", **ticket)).status_code == 201
    assert webhook.asked[-1].body["spec"] == {
        "containers": [{"image": "own/i"}],
        "annotations": {"a.image-policy.k8s.io/ticket": "1"},
        "namespace": namespace,
    }
    refused = admin.post(path, json=pod("bad", "i"))
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'pods "bad" is forbidden: image policy webhook backend denied one or more images: i is not ours'
    )
    count = len(webhook.asked)
    assert admin.post(path, json=pod("again", "own/i", **ticket)).status_code == 201
    assert len(webhook.asked) == count  # it was said for a minute
    change = [{"op": "replace", "path": "/spec/containers/0/image", "value": "i"}]
    patch = {"Content-Type": "application/json-patch+json"}
    assert admin.patch(f"{path}/good", json=change, headers=patch).status_code == 403


def test_without_an_answer_no_image_runs(webhook: WebhookServer, admin: httpx.Client, namespace: str) -> None:
    webhook.answer = lambda review: {"kind": "Nonsense"}
    try:
        refused = admin.post(f"/api/v1/namespaces/{namespace}/pods", json=pod("p", "own/unheard-of"))
    finally:
        webhook.answer = verdict
    assert refused.status_code == 403
    assert "is no ImageReview of imagepolicy.k8s.io/v1alpha1" in refused.json()["message"]


def test_owners_are_for_those_who_could_delete(server: ApiServer, admin: httpx.Client, namespace: str) -> None:
    allow(admin, namespace, "alice", rule("create update get", "configmaps"))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    owner = {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "u"}

    def owned(name: str, **more: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "ownerReferences": [{**owner, **more}]}}

    with server.client("alicetoken") as alice:
        assert alice.post(path, json={"metadata": {"name": "plain"}}).status_code == 201
        assert alice.post(path, json=owned("owned")).status_code == 201
        refused = alice.put(f"{path}/plain", json=owned("plain"))
        assert "cannot set an ownerRef on a resource you can't delete: , <nil>" in refused.json()["message"]
        refused = alice.post(path, json=owned("holding", blockOwnerDeletion=True))
        assert "refers to a resource you can't set finalizers on" in refused.json()["message"]
        refused = alice.post(path, json=owned("odd", blockOwnerDeletion=True, kind="Odd"))
        assert "cannot find RESTMapping for APIVersion v1 Kind Odd" in refused.json()["message"]
        allow(admin, namespace, "alice", rule("delete", "configmaps"), rule("update", "secrets/finalizers"))
        assert alice.put(f"{path}/plain", json=owned("plain", blockOwnerDeletion=True)).status_code == 200
