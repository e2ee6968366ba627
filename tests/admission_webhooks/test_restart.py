"""A webhook that refuses everything does not keep a server from starting."""

from __future__ import annotations

from tests.admission_webhooks.conftest import EVERYTHING, ROOT
from tests.apiserver.conftest import ApiServer, own_server
from tests.ports import free_port

__all__ = ["own_server"]


def test_a_server_starts_whatever_webhooks_say(own_server: ApiServer) -> None:
    hook = {
        "name": "check.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{free_port()}"},
        "rules": [EVERYTHING],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    paths = [f"{ROOT}/{kind}webhookconfigurations" for kind in ("mutating", "validating")]
    namespace = "/api/v1/namespaces/kube-public"
    with own_server.client() as admin:
        for path in paths:
            admin.post(path, json={"metadata": {"name": "all"}, "webhooks": [hook]}).raise_for_status()
        assert admin.delete("/api/v1/namespaces/default/services/kubernetes").status_code == 500
    assert own_server.stop() == 0
    own_server.start()
    with own_server.client() as admin:
        priorities = admin.get("/apis/scheduling.k8s.io/v1/priorityclasses").json()["items"]
        assert {each["metadata"]["name"] for each in priorities} >= {"system-node-critical"}
        headers = {"Content-Type": "application/merge-patch+json"}
        change = {"metadata": {"labels": {"a": "b"}}}
        assert admin.patch(namespace, json=change, headers=headers).status_code == 500
        for path in paths:
            admin.delete(f"{path}/all").raise_for_status()
        assert admin.patch(namespace, json=change, headers=headers).status_code == 200
    assert "Traceback" not in own_server.log.read_text()
