"""The Lease by which an API server says that it lives."""

from __future__ import annotations

import socket
from typing import Any

import httpx

from apiserver.identity import name_of
from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
LONG_AGO = "2020-01-01T00:00:00.000000Z"
OURS = {"apiserver.kubernetes.io/identity": "kube-apiserver"}


def lease(client: httpx.Client) -> dict[str, Any] | None:
    found = client.get(f"{LEASES}/{name_of(socket.gethostname())}")
    return found.json() if found.status_code == 200 else None


def another(client: httpx.Client, name: str, labels: dict[str, str], renewed: str) -> None:
    spec = {"holderIdentity": f"{name}_1", "leaseDurationSeconds": 3600, "renewTime": renewed}
    made = client.post(LEASES, json={"metadata": {"name": name, "labels": labels}, "spec": spec})
    assert made.status_code == 201, made.text


def test_the_name_is_a_hash_of_the_hosts() -> None:
    names = {name_of("control-1"), name_of("control-2"), name_of("x" * 64)}
    assert len(names) == 3
    for name in names:
        assert name.startswith("apiserver-")
        assert len(name) == len("apiserver-") + 26
        assert set(name.removeprefix("apiserver-")) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_a_server_says_that_it_lives(admin: httpx.Client) -> None:
    until(lambda: lease(admin) is not None)
    found = lease(admin)
    assert found is not None
    assert found["metadata"]["labels"] == {**OURS, "kubernetes.io/hostname": socket.gethostname()}
    assert found["spec"]["holderIdentity"].startswith(found["metadata"]["name"] + "_")
    assert found["spec"]["leaseDurationSeconds"] == 3600
    assert found["metadata"]["managedFields"][0]["manager"] == "kube-apiserver"
    first = found["spec"]["renewTime"]
    until(lambda: (lease(admin) or found)["spec"]["renewTime"] > first, "it is renewed every ten seconds", 60)


def test_the_next_server_takes_over_and_cleans_up(own_server: ApiServer) -> None:
    with own_server.client() as client:
        until(lambda: lease(client) is not None)
        before = lease(client)
        assert before is not None
        another(client, "apiserver-gone", OURS, LONG_AGO)
        another(client, "apiserver-alive", OURS, before["spec"]["renewTime"])
        another(client, "somebody-else", {}, LONG_AGO)
    assert own_server.stop() == 0
    own_server.start()
    with own_server.client() as client:

        def taken_over() -> bool:
            now = lease(client)
            return now is not None and now["spec"]["holderIdentity"] != before["spec"]["holderIdentity"]

        until(taken_over)
        until(lambda: client.get(f"{LEASES}/apiserver-gone").status_code == 404)
        now = lease(client)
        assert now is not None
        assert now["metadata"]["uid"] == before["metadata"]["uid"]
        names = {item["metadata"]["name"] for item in client.get(LEASES).json()["items"]}
        assert names == {now["metadata"]["name"], "apiserver-alive", "somebody-else"}
        for piece in ("lease-controller", "lease-garbage-collector"):
            assert client.get(f"/livez/poststarthook/start-kube-apiserver-identity-{piece}").text == "ok"
