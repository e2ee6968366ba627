"""A node that has fallen into the wrong hands: it gets at what it runs, and at nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer
from tests.security.conftest import SECRET

MERGE = {"Content-Type": "application/merge-patch+json"}
NODE_HEADERS = {"Impersonate-Group": "system:nodes"}


@pytest.fixture
def names() -> tuple[str, str]:
    suffix = uuid.uuid4().hex[:8]
    return f"n1-{suffix}", f"n2-{suffix}"


@pytest.fixture
def node(server: ApiServer, names: tuple[str, str]) -> Iterator[httpx.Client]:
    with server.client() as client:
        client.headers.update({**NODE_HEADERS, "Impersonate-User": f"system:node:{names[0]}"})
        yield client


@pytest.fixture
def base(admin: httpx.Client, namespace: str, names: tuple[str, str]) -> str:
    """A namespace in which each node runs a pod with a secret, a token and a claim of its own."""
    path = f"/api/v1/namespaces/{namespace}"
    for name in names:
        assert admin.post("/api/v1/nodes", json={"metadata": {"name": name}}).status_code == 201
        short = name[:2]
        secret = {"metadata": {"name": f"secret-{short}"}, "data": {"key": SECRET}}
        assert admin.post(f"{path}/secrets", json=secret).status_code == 201
        assert admin.post(f"{path}/serviceaccounts", json={"metadata": {"name": short}}).status_code == 201
        spec = {
            "nodeName": name,
            "serviceAccountName": short,
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "s", "secret": {"secretName": f"secret-{short}"}}],
        }
        assert admin.post(f"{path}/pods", json={"metadata": {"name": short}, "spec": spec}).status_code == 201
    return path


def test_it_reads_what_its_pods_need(node: httpx.Client, base: str, names: tuple[str, str]) -> None:
    assert node.get(f"{base}/secrets/secret-n1").status_code == 200
    assert node.get(f"{base}/pods/n1").status_code == 200
    assert node.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={names[0]}"}).status_code == 200
    assert node.get(f"/api/v1/nodes/{names[0]}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "{base}/secrets/secret-n2",
        "{base}/secrets",
        "{base}/secrets?fieldSelector=metadata.name%3Dsecret-n2",
        "{base}/secrets?watch=1&fieldSelector=metadata.name%3Dsecret-n2",
        "/api/v1/secrets?fieldSelector=metadata.name%3Dsecret-n1",
        "/api/v1/secrets",
        "{base}/configmaps",
        "{base}/pods/n2",
        "{base}/pods",
        "/api/v1/pods?fieldSelector=spec.nodeName%3D{n2}",
        "/api/v1/pods?fieldSelector=spec.nodeName%21%3D{n1}",
        "/api/v1/pods?fieldSelector=spec.nodeName%3D{n2}&fieldSelector=spec.nodeName%3D{n1}",
        "/api/v1/pods?fieldSelector=metadata.name%3Da%5C,spec.nodeName%5C%3D{n1}",
        "/api/v1/nodes",
        "/api/v1/nodes/{n2}",
        "/api/v1/nodes/{n2}/proxy/pods",
        "{base}/pods/n2/exec?command=id",
        "{base}/pods/n1/exec?command=id",
        "{base}/pods/n2/log",
        "{base}/serviceaccounts/n2",
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ],
)
def test_it_reads_nothing_else(node: httpx.Client, base: str, names: tuple[str, str], path: str) -> None:
    answer = node.get(path.format(base=base, n1=names[0], n2=names[1]))
    assert answer.status_code == 403
    assert SECRET not in answer.text


def test_it_makes_no_pod_that_leads_to_secrets(node: httpx.Client, base: str, names: tuple[str, str]) -> None:
    container = {"containers": [{"name": "c", "image": "i"}]}
    pod: dict[str, Any] = {"metadata": {"name": "grab"}, "spec": {**container, "nodeName": names[0]}}
    assert node.post(f"{base}/pods", json=pod).status_code == 403
    uid = node.get(f"/api/v1/nodes/{names[0]}").json()["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": names[0], "uid": uid, "controller": True}
    mirror = {"name": "grab", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [owner]}
    secret = {"volumes": [{"name": "s", "secret": {"secretName": "secret-n2"}}]}
    assert node.post(f"{base}/pods", json={"metadata": mirror, "spec": {**pod["spec"], **secret}}).status_code == 403
    other = {"metadata": mirror, "spec": {**container, "nodeName": names[1]}}
    assert node.post(f"{base}/pods", json=other).status_code == 403
    plain = node.post(f"{base}/pods", json={"metadata": mirror, "spec": pod["spec"]})
    assert plain.status_code == 201
    assert node.get(f"{base}/secrets/secret-n2").status_code == 403


def test_it_changes_no_other_node(node: httpx.Client, base: str, names: tuple[str, str]) -> None:
    own, other = (f"/api/v1/nodes/{name}" for name in names)
    label = {"metadata": {"labels": {"mine": "yes"}}}
    assert node.patch(own, json=label, headers=MERGE).status_code == 200
    for path in (other, f"{other}/status"):
        assert node.patch(path, json=label, headers=MERGE).status_code == 403
    assert node.post("/api/v1/nodes", json={"metadata": {"name": "made-up"}}).status_code == 403
    for path in (own, other):
        assert node.delete(path).status_code == 403
    steering = ("node-restriction.kubernetes.io/trusted", "node-role.kubernetes.io/control-plane")
    for patch in (
        *({"metadata": {"labels": {name: "x"}}} for name in steering),
        {"spec": {"taints": None}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
    ):
        assert node.patch(own, json=patch, headers=MERGE).status_code == 403


def test_it_touches_no_pod_of_others(node: httpx.Client, base: str, names: tuple[str, str]) -> None:
    assert node.patch(f"{base}/pods/n1/status", json={"status": {"phase": "Running"}}, headers=MERGE).status_code == 200
    assert node.patch(f"{base}/pods/n2/status", json={"status": {"phase": "Running"}}, headers=MERGE).status_code == 403
    assert node.patch(f"{base}/pods/n1", json={"spec": {"nodeName": names[0]}}, headers=MERGE).status_code == 403
    assert node.delete(f"{base}/pods/n2").status_code == 403
    assert node.delete(f"{base}/pods").status_code == 403
    eviction = {"metadata": {"name": "n2"}}
    assert node.post(f"{base}/pods/n2/eviction", json=eviction).status_code == 403
    binding = {"metadata": {"name": "n2"}, "target": {"name": names[0]}}
    assert node.post(f"{base}/pods/n2/binding", json=binding).status_code == 403


def test_it_gets_no_tokens_but_those_of_its_pods(
    node: httpx.Client, admin: httpx.Client, base: str, names: tuple[str, str]
) -> None:
    def ask(account: str, pod: str = "", **spec: Any) -> int:
        if pod:
            uid = admin.get(f"{base}/pods/{pod}").json()["metadata"]["uid"]
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        return node.post(f"{base}/serviceaccounts/{account}/token", json={"spec": spec}).status_code

    assert ask("n1", "n1") == 201
    assert ask("n1") == 403
    assert ask("n2", "n2") == 403
    assert ask("n1", "n2") == 403
    assert ask("n1", "n1", audiences=["vault"]) == 403
    assert ask("default") == 403


def test_it_takes_part_in_nothing_else(node: httpx.Client, base: str, names: tuple[str, str]) -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces"
    assert node.post(f"{leases}/kube-node-lease/leases", json={"metadata": {"name": names[0]}}).status_code == 201
    assert node.post(f"{leases}/kube-node-lease/leases", json={"metadata": {"name": names[1]}}).status_code == 403
    assert node.post(f"{leases}/kube-system/leases", json={"metadata": {"name": names[0]}}).status_code == 403
    rules = {"metadata": {"name": "grab"}, "rules": []}
    assert node.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", json=rules).status_code == 403
    for kind in ("secrets", "configmaps", "services", "serviceaccounts"):
        assert node.post(f"{base}/{kind}", json={"metadata": {"name": "grab"}}).status_code == 403


def test_half_a_node_is_none(server: ApiServer, base: str, names: tuple[str, str]) -> None:
    for headers in (
        {"Impersonate-User": "system:node:", **NODE_HEADERS},
        {"Impersonate-User": names[0], **NODE_HEADERS},
        {"Impersonate-User": f"system:node:{names[0]}/../{names[1]}", **NODE_HEADERS},
        {"Impersonate-User": f"SYSTEM:NODE:{names[0]}", **NODE_HEADERS},
    ):
        with server.client() as client:
            assert client.get(f"{base}/secrets/secret-n1", headers=headers).status_code == 403
