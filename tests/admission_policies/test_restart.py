"""A policy that refuses everything does not keep a server from starting, and holds from the first request on."""

from __future__ import annotations

from tests.admission_policies.conftest import ROOT
from tests.apiserver.conftest import ApiServer, own_server

__all__ = ["own_server"]

EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
MERGE = {"Content-Type": "application/merge-patch+json"}
LABELLED = {"metadata": {"labels": {"a": "b"}}}


def test_a_server_starts_whatever_policies_say(own_server: ApiServer) -> None:
    spec = {"matchConstraints": {"resourceRules": [EVERYTHING]}, "validations": [{"expression": "false"}]}
    binding = {"policyName": "all", "validationActions": ["Deny"]}
    namespace = "/api/v1/namespaces/kube-public"
    with own_server.client() as admin:
        for plural, given in {"policies": spec, "policybindings": binding}.items():
            document = {"metadata": {"name": "all"}, "spec": given}
            admin.post(f"{ROOT}/validatingadmission{plural}", json=document).raise_for_status()
        assert admin.delete("/api/v1/namespaces/default/services/kubernetes").status_code == 422
    assert own_server.stop() == 0
    own_server.start()
    with own_server.client() as admin:
        assert admin.patch(namespace, json=LABELLED, headers=MERGE).status_code == 422
        admin.delete(f"{ROOT}/validatingadmissionpolicybindings/all").raise_for_status()
        assert admin.patch(namespace, json=LABELLED, headers=MERGE).status_code == 200
    assert "Traceback" not in own_server.log.read_text()


def test_policies_can_be_switched_off(own_server: ApiServer) -> None:
    own_server.stop()
    own_server.flags = ("--disable-admission-plugins", "ValidatingAdmissionPolicy,MutatingAdmissionPolicy")
    own_server.start()
    spec = {"matchConstraints": {"resourceRules": [EVERYTHING]}, "validations": [{"expression": "false"}]}
    binding = {"policyName": "all", "validationActions": ["Deny"]}
    with own_server.client() as admin:
        for plural, given in {"policies": spec, "policybindings": binding}.items():
            document = {"metadata": {"name": "all"}, "spec": given}
            admin.post(f"{ROOT}/validatingadmission{plural}", json=document).raise_for_status()
        assert admin.patch("/api/v1/namespaces/default", json=LABELLED, headers=MERGE).status_code == 200
