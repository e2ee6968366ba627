"""A service account that tries to come by more rights than it was given."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.apiserver.conftest import ApiServer
from tests.security.conftest import SECRET, allow, rule

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def robot(server: ApiServer, admin: httpx.Client, namespace: str) -> Iterator[httpx.Client]:
    """Speaks for the account `robot` of the namespace, which may do what editors of pods may, and manage roles."""
    base = f"/api/v1/namespaces/{namespace}"
    for name in ("robot", "boss"):
        assert admin.post(f"{base}/serviceaccounts", json={"metadata": {"name": name}}).status_code == 201
    user = f"system:serviceaccount:{namespace}:robot"
    allow(
        admin, namespace, user,
        rule("get list create update patch delete", "pods configmaps"),
        rule("get list create update patch", "roles rolebindings", GROUP),
    )  # fmt: skip
    allow(admin, namespace, f"system:serviceaccount:{namespace}:boss", rule("*", "*", "*"))
    boss = {"metadata": {"name": "secret-of-boss"}, "data": {"key": SECRET}}
    assert admin.post(f"{base}/secrets", json=boss).status_code == 201
    made = admin.post(f"{base}/serviceaccounts/robot/token", json={"spec": {}}).json()
    with server.client(made["status"]["token"]) as client:
        yield client


def binding(role: str, kind: str = "ClusterRole", who: str = "robot", namespace: str = "") -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "name": who, "namespace": namespace}
    return {
        "metadata": {"name": "grab"},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
        "subjects": [subject],
    }


def test_roles_give_no_more_than_their_writer_has(robot: httpx.Client, namespace: str) -> None:
    roles = f"{RBAC}/namespaces/{namespace}/roles"
    bindings = f"{RBAC}/namespaces/{namespace}/rolebindings"
    own = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    assert robot.post(roles, json={"metadata": {"name": "mine"}, "rules": [own]}).status_code == 201
    for rules in (
        [ALL],
        [{**own, "resources": ["secrets"]}],
        [{**own, "resources": ["pods/exec"]}],
        [{**own, "verbs": ["*"]}],
    ):
        refused = [
            robot.post(roles, json={"metadata": {"name": "grab"}, "rules": rules}),
            robot.put(f"{roles}/mine", json={"metadata": {"name": "mine"}, "rules": rules}),
            robot.patch(f"{roles}/mine", json={"rules": rules}, headers=MERGE),
            robot.patch(
                f"{roles}/mine?fieldManager=m&force=true",
                content=json.dumps(
                    {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": "mine"}, "rules": rules}
                ),
                headers=APPLY,
            ),
        ]
        for answer in refused:
            assert answer.status_code == 403
            assert "is attempting to grant RBAC permissions not currently held" in answer.json()["message"]
    for role in ("cluster-admin", "system:aggregate-to-edit", "system:node"):
        answer = robot.post(bindings, json=binding(role, namespace=namespace))
        assert answer.status_code == 403
    assert robot.post(bindings, json=binding("mine", "Role", namespace=namespace)).status_code == 201
    changed = binding("cluster-admin", namespace=namespace)
    assert robot.put(f"{bindings}/grab", json=changed).status_code in (403, 422)


def test_the_whole_cluster_is_out_of_reach(robot: httpx.Client, namespace: str) -> None:
    everywhere = binding("cluster-admin", namespace=namespace)
    role = {"metadata": {"name": "grab", "labels": {f"{GROUP}/aggregate-to-admin": "true"}}, "rules": [ALL]}
    assert robot.post(f"{RBAC}/clusterrolebindings", json=everywhere).status_code == 403
    assert robot.post(f"{RBAC}/clusterroles", json=role).status_code == 403
    assert robot.patch(f"{RBAC}/clusterroles/view", json={"rules": [ALL]}, headers=MERGE).status_code == 403
    assert robot.delete(f"{RBAC}/clusterrolebindings/cluster-admin").status_code == 403
    configuration = {"metadata": {"name": "grab"}, "webhooks": []}
    hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    assert robot.post(hooks, json=configuration).status_code == 403


def test_who_may_write_cluster_roles_does_not_aggregate_more_into_others(
    server: ApiServer, admin: httpx.Client, robot: httpx.Client, namespace: str
) -> None:
    name = f"writers-{namespace}"
    rules = [{"apiGroups": [GROUP], "resources": ["clusterroles"], "verbs": ["create", "update", "get"]}]
    assert admin.post(f"{RBAC}/clusterroles", json={"metadata": {"name": name}, "rules": rules}).status_code == 201
    given = {**binding(name, namespace=namespace), "metadata": {"name": name}}
    assert admin.post(f"{RBAC}/clusterrolebindings", json=given).status_code == 201
    label = {f"{GROUP}/aggregate-to-view": "true"}
    role = {"metadata": {"name": f"grab-{namespace}", "labels": label}, "rules": [ALL]}
    assert robot.post(f"{RBAC}/clusterroles", json=role).status_code == 403
    gathering = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    aggregated = {"metadata": {"name": f"all-{namespace}"}, "aggregationRule": gathering}
    answer = robot.post(f"{RBAC}/clusterroles", json=aggregated)
    assert answer.status_code == 403
    assert "must have cluster-admin privileges to use the aggregationRule" in answer.json()["message"]


def test_the_right_to_bind_is_for_the_roles_it_names(admin: httpx.Client, robot: httpx.Client, namespace: str) -> None:
    user = f"system:serviceaccount:{namespace}:robot"
    allow(admin, namespace, user, rule("bind", "clusterroles", GROUP, "system:aggregate-to-edit"))
    bindings = f"{RBAC}/namespaces/{namespace}/rolebindings"
    assert robot.post(bindings, json=binding("system:node", namespace=namespace)).status_code == 403
    assert robot.post(bindings, json=binding("system:aggregate-to-edit", namespace=namespace)).status_code == 201


def test_other_accounts_stay_others(robot: httpx.Client, namespace: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    assert robot.post(f"{base}/serviceaccounts/boss/token", json={"spec": {}}).status_code == 403
    boss = {"Impersonate-User": f"system:serviceaccount:{namespace}:boss"}
    assert robot.get(f"{base}/secrets/secret-of-boss", headers=boss).status_code == 403
    pod: dict[str, Any] = {"metadata": {"name": "grab"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    for name in ("kube-system/default", "../kube-system/default", "system:serviceaccount:kube-system:default"):
        pod["spec"]["serviceAccountName"] = name
        assert robot.post(f"{base}/pods", json=pod).status_code in (403, 422)
    review = {"spec": {"user": "admin", "groups": ["system:masters"], "resourceAttributes": {"verb": "*"}}}
    assert robot.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review).status_code == 403
    assert robot.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": {"token": "x"}}).status_code == 403


def test_a_pod_is_no_way_into_others(robot: httpx.Client, namespace: str) -> None:
    """The rights to pods are none to what is in them."""
    base = f"/api/v1/namespaces/{namespace}"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}}
    assert robot.post(f"{base}/pods", json=pod).status_code == 201
    for part in ("exec?command=id", "attach", "portforward", "log", "proxy/", "proxy/../../../secrets"):
        assert robot.get(f"{base}/pods/p/{part}").status_code == 403, part
        assert robot.post(f"{base}/pods/p/{part}").status_code == 403, part
    for path in ("/api/v1/nodes/n1/proxy/pods", f"{base}/services/s/proxy/", f"{base}/pods/p:1/proxy/exec"):
        assert robot.get(path).status_code == 403, path
    for part in ("binding", "eviction"):
        assert robot.post(f"{base}/pods/p/{part}", json={"metadata": {"name": "p"}}).status_code == 403, part
    for part in ("status", "ephemeralcontainers", "resize"):
        assert robot.patch(f"{base}/pods/p/{part}", json={}, headers=MERGE).status_code == 403, part
    assert robot.delete(f"{base}/pods").status_code == 403  # the right to delete is none to delete all
    assert robot.get(f"{base}/pods?watch=1").status_code == 403


def test_who_may_only_change_does_not_create(server: ApiServer, admin: httpx.Client, namespace: str) -> None:
    """PUT and apply create what is not there."""
    allow(
        admin,
        namespace,
        "alice",
        rule("get update patch", "configmaps leases"),
        rule("update", "leases", "coordination.k8s.io"),
    )
    path = f"/api/v1/namespaces/{namespace}/configmaps/new"
    document = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}})
    with server.client("alicetoken") as alice:
        answer = alice.patch(f"{path}?fieldManager=m", content=document, headers=APPLY)
        assert answer.status_code == 403
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/new"
        assert alice.put(lease, json={"metadata": {"name": "new"}}).status_code == 403
    assert admin.get(path).status_code == 404


def signing_request(organization: str, signer: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, "me"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes)).sign(key, hashes.SHA256())
    encoded = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    return {"request": encoded, "signerName": signer, "usages": ["client auth"]}


def test_nobody_signs_himself_into_the_masters(
    server: ApiServer, admin: httpx.Client, robot: httpx.Client, namespace: str
) -> None:
    """Even who may ask for certificates, and change the requests' approval and status."""
    path, name = "/apis/certificates.k8s.io/v1/certificatesigningrequests", f"csr-{namespace}"
    rules = [
        rule("create get", "certificatesigningrequests", "certificates.k8s.io"),
        rule(
            "update patch",
            "certificatesigningrequests/approval certificatesigningrequests/status",
            "certificates.k8s.io",
        ),
    ]
    assert admin.post(f"{RBAC}/clusterroles", json={"metadata": {"name": name}, "rules": rules}).status_code == 201
    given = {**binding(name, namespace=namespace), "metadata": {"name": name}}
    assert admin.post(f"{RBAC}/clusterrolebindings", json=given).status_code == 201
    signer = "kubernetes.io/kube-apiserver-client"
    answer = robot.post(path, json={"metadata": {"name": name}, "spec": signing_request("system:masters", signer)})
    assert answer.status_code == 403
    assert "with system:masters group is not allowed" in answer.json()["message"]
    spec = {**signing_request("devs", signer), "username": "admin", "groups": ["system:masters"]}
    made = robot.post(path, json={"metadata": {"name": name}, "spec": spec})
    assert made.status_code == 201
    assert made.json()["spec"]["username"] == f"system:serviceaccount:{namespace}:robot"
    assert "system:masters" not in made.json()["spec"]["groups"]
    condition = {"type": "Approved", "status": "True", "reason": "Me", "message": ""}
    approved = {**made.json(), "status": {"conditions": [condition]}}
    answer = robot.put(f"{path}/{name}/approval", json=approved)
    assert answer.status_code == 403
    assert 'user not permitted to approve requests with signerName "kubernetes.io/' in answer.json()["message"]
    signed = {**made.json(), "status": {"certificate": base64.b64encode(b"x").decode()}}
    assert robot.put(f"{path}/{name}/status", json=signed).status_code in (403, 422)
