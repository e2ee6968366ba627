"""kubectl auth, create token and certificate: who somebody is, and how they come to be it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.apiserver.conftest import ApiServer
from tests.ecosystem.kubectl import Kubectl


def test_a_service_account_and_its_token(server: ApiServer, home: Path, kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    token = kubectl("create", "token", "robot", "--duration=20m").strip()
    robot = Kubectl(server, home, kubectl.namespace, token=token)
    name = f"system:serviceaccount:{kubectl.namespace}:robot"
    assert json.loads(robot("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"] == name
    assert robot("auth", "can-i", "list", "configmaps") == "yes\n"
    assert "no" in robot.run("auth", "can-i", "list", "secrets").stdout
    assert f'User "{name}" cannot list resource "secrets"' in robot.refusal("get", "secrets")
    assert kubectl("auth", "can-i", "get", "configmaps", "--as", name) == "yes\n"
    kubectl("delete", "serviceaccount", "robot")
    assert "Unauthorized" in robot.refusal("get", "configmaps")


def test_only_who_may_acts_as_others(server: ApiServer, home: Path, kubectl: Kubectl) -> None:
    role = f"impersonate-{kubectl.namespace}"
    alice = Kubectl(server, home, kubectl.namespace, token="alicetoken")
    assert "cannot impersonate-on:user-info:" in alice.refusal("get", "configmaps", "--as", "carol")
    rule = {"apiGroups": ["authentication.k8s.io"], "resources": ["users"], "verbs": ["impersonate:user-info"]}
    on = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["impersonate-on:user-info:list"]}
    discovery = {"nonResourceURLs": ["*"], "verbs": ["impersonate-on:user-info:get"]}
    api, metadata = "rbac.authorization.k8s.io/v1", {"name": role}
    kubectl.apply(
        {
            "apiVersion": api,
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [{**rule, "resourceNames": ["carol"]}, on, discovery],
        }
    )
    kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", "--user=alice")
    kubectl("create", "role", "lister", "--verb=list", "--resource=configmaps,pods")
    kubectl("create", "rolebinding", "lister", "--role=lister", "--user=carol")
    assert alice("get", "configmaps", "--as", "carol", "-o", "name") == ""
    assert "cannot" in alice.refusal("get", "configmaps", "--as", "dave")
    assert "cannot" in alice.refusal("get", "pods", "--as", "carol")


def test_a_certificate_is_asked_for_and_approved(kubectl: Kubectl) -> None:
    name = f"request-{kubectl.namespace}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    spec = {
        "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
    kubectl.apply(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": spec,
        }
    )
    assert kubectl("certificate", "approve", name).endswith(" approved\n")
    assert "Approved" in kubectl("get", "csr", name)
    assert "is already Approved" in kubectl.refusal("certificate", "deny", name)
