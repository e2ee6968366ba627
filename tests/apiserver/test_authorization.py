"""Roles on a running server: who is let in, as whom, and what the answers say."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.apiserver.conftest import ApiServer

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
READ = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"]}


def made(client: httpx.Client, path: str, document: dict[str, Any]) -> None:
    answer = client.post(path, json=document)
    assert answer.status_code in (201, 409), answer.text


def let_read(admin: httpx.Client, name: str, *subjects: dict[str, str]) -> None:
    made(admin, f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "reader"}, "rules": [READ]})
    binding = {"metadata": {"name": name}, "roleRef": {"kind": "Role", "name": "reader"}, "subjects": list(subjects)}
    made(admin, f"{RBAC}/namespaces/default/rolebindings", binding)


def acting(user: str, *groups: str, **more: str) -> list[tuple[str, str]]:
    return [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups), *more.items()]


def test_a_right_counts_from_the_answer_that_gave_it(server: ApiServer, admin: httpx.Client) -> None:
    with server.client("bobtoken") as bob:
        assert bob.get(CONFIG_MAPS).status_code == 403
        let_read(admin, "devs", {"kind": "Group", "name": "devs"})
        assert bob.get(CONFIG_MAPS).status_code == 200
        refused = bob.post(CONFIG_MAPS, json={"metadata": {"name": "x"}})
        assert refused.json()["message"] == (
            'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" '
            'in the namespace "default"'
        )
        admin.delete(f"{RBAC}/namespaces/default/rolebindings/devs")
        assert bob.get(CONFIG_MAPS).status_code == 403


def test_a_refusal_tells_of_missing_roles(admin: httpx.Client) -> None:
    binding = {"metadata": {"name": "dangling"}, "roleRef": {"kind": "ClusterRole", "name": "nosuch"}}
    made(admin, f"{RBAC}/clusterrolebindings", {**binding, "subjects": [{"kind": "User", "name": "lost"}]})
    refused = admin.get("/api/v1/nodes/n?x=1", headers=acting("lost"))
    assert refused.json()["message"].endswith(': RBAC: clusterrole.rbac.authorization.k8s.io "nosuch" not found')
    assert refused.json()["message"].startswith('nodes "n" is forbidden: User "lost" cannot get resource "nodes"')


def test_impersonation(server: ApiServer, admin: httpx.Client) -> None:
    def who(headers: list[tuple[str, str]]) -> dict[str, Any]:
        answer = admin.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}, headers=headers)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()["status"]["userInfo"]
        return found

    assert who(acting("u")) == {"username": "u", "groups": ["system:authenticated"]}
    extra = {"Impersonate-Uid": "7", "Impersonate-Extra-Example.com%2fScopes": "a"}
    assert who(acting("u", "g", "h", **extra)) == {
        "username": "u",
        "uid": "7",
        "groups": ["g", "h", "system:authenticated"],
        "extra": {"example.com/scopes": ["a"]},
    }
    assert who(acting("system:serviceaccount:a:b"))["groups"] == [
        "system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated",
    ]  # fmt: skip
    anonymous = admin.get("/api", headers=acting("system:anonymous"))
    assert anonymous.json()["message"] == 'forbidden: User "system:anonymous" cannot get path "/api"'
    assert admin.get("/api", headers=[("Impersonate-Group", "g")]).status_code == 400
    with server.client("alicetoken") as alice:
        # What is missing is told by the first of the modes that come into question: those that constrain.
        refused = alice.get("/api", headers=acting("u"))
        assert refused.json()["message"] == 'forbidden: User "alice" cannot impersonate-on:user-info:get path "/api"'
        refused = alice.get("/api/v1/nodes", headers=acting("system:serviceaccount:a:b"))
        assert (
            'cannot impersonate-on:serviceaccount:list resource "nodes" in API group "" at the cluster scope'
            in refused.json()["message"]
        )
        refused = alice.get("/api", headers=acting("system:serviceaccount:a:b", "g"))
        assert (
            'cannot impersonate resource "serviceaccounts" in API group "" in the namespace "a"'
            in refused.json()["message"]
        )


def test_who_may_update_may_not_create_by_it(admin: httpx.Client) -> None:
    rule = {"verbs": ["update", "patch"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    made(admin, f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "updater"}, "rules": [rule]})
    binding = {"metadata": {"name": "updater"}, "roleRef": {"kind": "Role", "name": "updater"}}
    subjects = [{"kind": "User", "name": "updater"}]
    made(admin, f"{RBAC}/namespaces/default/rolebindings", {**binding, "subjects": subjects})
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/new"
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "new"}}
    apply = [*acting("updater"), ("Content-Type", "application/apply-patch+yaml")]
    for refused in (
        admin.put(lease, json=body, headers=acting("updater")),
        admin.patch(lease, params={"fieldManager": "m"}, json=body, headers=apply),
    ):
        assert refused.status_code == 403
        assert 'User "updater" cannot create resource "leases"' in refused.json()["message"]


def test_access_reviews_give_reasons(admin: httpx.Client) -> None:
    let_read(admin, "carol", {"kind": "User", "name": "carol"})
    asked = {"namespace": "default", "verb": "get", "resource": "configmaps"}
    review = {"spec": {"user": "carol", "resourceAttributes": asked}, "status": {"allowed": False, "denied": True}}
    answer = admin.post(f"{REVIEWS}/subjectaccessreviews", json=review)
    assert answer.json()["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "carol/default" of Role "reader" to User "carol"',
    }
    answer = admin.post(f"{REVIEWS}/namespaces/x/localsubjectaccessreviews", json={
        "spec": {"user": "carol", "resourceAttributes": asked, "nonResourceAttributes": {"path": "/x", "verb": "get"}}
    })  # fmt: skip
    assert [cause["message"] for cause in answer.json()["details"]["causes"]] == [
        'Invalid value: {"Path":"/x","Verb":"get"}: cannot be specified in combination with resourceAttributes',
        'Invalid value: "default": must match metadata.namespace',
        'Invalid value: {"Path":"/x","Verb":"get"}: disallowed on this kind of request',
    ]


def test_rules_reviews_list_what_roles_say(admin: httpx.Client) -> None:
    let_read(admin, "dave", {"kind": "User", "name": "dave"})
    review = f"{REVIEWS}/selfsubjectrulesreviews"
    status = admin.post(review, json={"spec": {"namespace": "default"}}, headers=acting("dave")).json()["status"]
    assert READ in status["resourceRules"]
    assert status["incomplete"] is False
    node = acting("system:node:n", "system:nodes")
    status = admin.post(review, json={"spec": {"namespace": "default"}}, headers=node).json()["status"]
    assert (status["incomplete"], status["evaluationError"]) == (
        True,
        "node authorizer does not support user rule resolution",
    )
    refused = admin.post(review, json={"spec": {}}, headers=acting("dave"))
    assert (refused.status_code, refused.json()["message"]) == (400, "no namespace on request")


def test_token_reviews(admin: httpx.Client) -> None:
    review = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = admin.post(review, json={"spec": {"token": "bobtoken"}}).json()["status"]
    assert status["user"] == {
        "username": "bob",
        "uid": "bob-uid",
        "groups": ["devs", "testers", "system:authenticated"],
    }
    assert status["audiences"] == ["https://kubernetes.default.svc"]
    for spec in ({"token": "nosuch"}, {"token": "bobtoken", "audiences": ["other"]}):
        assert admin.post(review, json={"spec": spec}).json()["status"] == {"user": {}, "error": "invalid bearer token"}
    account = f"{CONFIG_MAPS.removesuffix('configmaps')}serviceaccounts"
    made(admin, account, {"metadata": {"name": "robot"}})
    token = admin.post(f"{account}/robot/token", json={"spec": {"audiences": ["other"]}}).json()["status"]["token"]
    status = admin.post(review, json={"spec": {"token": token, "audiences": ["other"]}}).json()["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["other"])


def until(check: Any, seconds: float = 60.0) -> Any:
    """What `check` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
    return found


def test_built_in_objects_come_back(own_server: ApiServer) -> None:
    schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    with own_server.client() as admin:
        role, levels = (
            f"{RBAC}/clusterroles/system:discovery",
            schemas.replace("flowschemas", "prioritylevelconfigurations"),
        )
        until(lambda: admin.get(role).status_code == 200)
        until(lambda: "Dangling" in admin.get(f"{schemas}/catch-all").text)
        first = admin.get(f"{schemas}/catch-all").json()["metadata"]["uid"]
        admin.delete(f"{schemas}/catch-all")
        until(lambda: admin.get(f"{schemas}/catch-all").json()["metadata"].get("uid", first) != first)
        made(admin, schemas, {"metadata": {"name": "own"}, "spec": {"priorityLevelConfiguration": {"name": "own"}}})

        def dangles(status: str) -> bool:
            conditions = admin.get(f"{schemas}/own").json()["status"].get("conditions", [])
            return [(c["type"], c["status"]) for c in conditions] == [("Dangling", status)]

        until(lambda: dangles("True"))
        spec = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
        made(admin, levels, {"metadata": {"name": "own"}, "spec": spec})
        until(lambda: dangles("False"))
        admin.patch(role, json={"rules": []}, headers={"Content-Type": "application/merge-patch+json"})
    own_server.stop()
    own_server.start()
    with own_server.client("alicetoken") as alice:
        assert alice.get("/api").status_code == 200, "no request is refused before the roles are complete"
