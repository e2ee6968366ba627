"""Authorization webhooks: what they are asked, what their answers mean, what happens without an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.authorization.configuration import read_authorizers
from apiserver.authorization.webhook import WebhookSettings
from apiserver.configuration_file import ConfigurationError
from tests.apiserver.conftest import ApiServer
from tests.authentication.kubeconfigs import kubeconfig_of
from tests.webhook_server import WebhookServer, serving

TYPES = ("Node", "RBAC", "Webhook")
REVIEWS = "/apis/authorization.k8s.io/v1"


class Judge:
    """Answers by the name of what is asked for: allow-…, deny-…, anything else is no concern of the webhook's."""

    def __init__(self) -> None:
        self.specs: list[dict[str, Any]] = []

    def __call__(self, review: dict[str, Any]) -> dict[str, Any]:
        spec = review["spec"]
        self.specs.append(spec)
        asked = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
        verdict = str(asked.get("name") or asked.get("path")).removeprefix("/").partition("-")[0]
        status = {"allowed": verdict == "allow", "denied": verdict == "deny", "reason": f"judged {verdict}"}
        return {**review, "status": status}


def hook(kubeconfig: Path, **more: Any) -> dict[str, Any]:
    usual = {
        "timeout": "30s",
        "subjectAccessReviewVersion": "v1",
        "failurePolicy": "NoOpinion",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": str(kubeconfig)},
    }
    return {"type": "Webhook", "name": more.pop("name", "judge"), "webhook": {**usual, **more}}


def write(path: Path, *authorizers: dict[str, Any]) -> Path:
    document = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    path.write_text(yaml.safe_dump({**document, "authorizers": list(authorizers)}))
    return path


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory, judge: Judge) -> Iterator[WebhookServer]:
    with serving(tmp_path_factory.mktemp("webhook"), judge) as running:
        yield running


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, webhook: WebhookServer) -> Iterator[ApiServer]:
    """A server that asks the webhook about users called after it, then RBAC."""
    folder = tmp_path_factory.mktemp("server")
    conditions = [
        {"expression": "!request.user.startsWith('system:')"},
        {"expression": "!has(request.resourceAttributes) || request.resourceAttributes.resource != 'leases'"},
    ]
    own = hook(
        kubeconfig_of(webhook, folder / "hook.yaml"), matchConditionSubjectAccessReviewVersion="v1",
        matchConditions=conditions, authorizedTTL="1h", unauthorizedTTL="1h",
    )  # fmt: skip
    rest = [{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}]
    running = ApiServer(folder, f"--authorization-config={write(folder / 'authorization.yaml', own, *rest)}")
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def test_the_webhook_says_yes_no_or_nothing(judged: ApiServer, judge: Judge) -> None:
    with judged.client("alicetoken") as alice:
        assert alice.get("/api/v1/nodes/allow-me").status_code == 404, "allowed, though there is none"
        refused = alice.get("/api/v1/nodes/deny-me")
        assert refused.status_code == 403
        assert refused.json()["message"] == (
            'nodes "deny-me" is forbidden: User "alice" cannot get resource "nodes" in API group "" '
            "at the cluster scope: judged deny"
        )
        assert alice.get("/deny-version").status_code == 403
        assert alice.get("/version").status_code == 200, "of that the webhook says nothing, and a role allows it"
    assert judge.specs[0] == {
        "resourceAttributes": {"verb": "get", "version": "v1", "resource": "nodes", "name": "allow-me"},
        "user": "alice",
        "uid": "alice-uid",
        "groups": ["system:authenticated"],
    }


def test_answers_are_kept(judged: ApiServer, judge: Judge) -> None:
    with judged.client("alicetoken") as alice:
        for name, status in (("allow-twice", 404), ("deny-twice", 403)):
            asked = len(judge.specs)
            assert [alice.get(f"/api/v1/nodes/{name}").status_code for _ in range(3)] == [status] * 3
            assert len(judge.specs) == asked + 1


def test_masters_need_no_webhook(judged: ApiServer, judge: Judge) -> None:
    asked = len(judge.specs)
    with judged.client() as admin:
        assert admin.get("/api/v1/nodes/deny-me").status_code == 404
    assert len(judge.specs) == asked


def test_conditions_choose_who_is_asked_about(judged: ApiServer, judge: Judge) -> None:
    asked = len(judge.specs)
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/allow-me"
    with judged.client("alicetoken") as alice:
        assert alice.get(lease).status_code == 403
    assert len(judge.specs) == asked


def test_selectors_are_part_of_the_question(judged: ApiServer, judge: Judge) -> None:
    with judged.client("alicetoken") as alice:
        selection = {
            "fieldSelector": "spec.nodeName=n1,status.phase!=Failed",
            "labelSelector": "a=b,c notin (d,e),f,!g",
        }
        assert alice.get("/api/v1/pods", params=selection).status_code == 403
    asked = judge.specs[-1]["resourceAttributes"]
    assert asked["fieldSelector"]["requirements"] == [
        {"key": "spec.nodeName", "operator": "In", "values": ["n1"]},
        {"key": "status.phase", "operator": "NotIn", "values": ["Failed"]},
    ]
    assert asked["labelSelector"]["requirements"] == [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "c", "operator": "NotIn", "values": ["d", "e"]},
        {"key": "f", "operator": "Exists"},
        {"key": "g", "operator": "DoesNotExist"},
    ]


def review(server: ApiServer, **attributes: Any) -> dict[str, Any]:
    spec = {"user": "carol", "resourceAttributes": {"verb": "get", "resource": "nodes", **attributes}}
    with server.client() as admin:
        answer = admin.post(f"{REVIEWS}/subjectaccessreviews", json={"spec": spec})
    assert answer.status_code == 201, answer.text
    status: dict[str, Any] = answer.json()["status"]
    return status


def test_reviews_pass_questions_on(judged: ApiServer, judge: Judge) -> None:
    assert review(judged, name="allow-it") == {"allowed": True, "reason": "judged allow"}
    assert review(judged, name="deny-it") == {"allowed": False, "denied": True, "reason": "judged deny"}
    fields = {"requirements": [{"key": "a", "operator": "In", "values": ["x,y"]}, {"key": "b", "operator": "Exists"}]}
    labels = {"requirements": [{"key": "c", "operator": "In", "values": ["z"]}]}
    status = review(judged, verb="list", name="allow-it", fieldSelector=fields, labelSelector=labels)
    assert status["evaluationError"] == "spec.resourceAttributes.fieldSelector partially ignored due to parse error"
    asked = judge.specs[-1]["resourceAttributes"]
    assert asked["fieldSelector"]["requirements"] == [{"key": "a", "operator": "In", "values": ["x,y"]}]
    assert asked["labelSelector"]["requirements"] == [{"key": "c", "operator": "In", "values": ["z"]}]
    status = review(judged, verb="list", name="allow-it", labelSelector={"rawSelector": "a in ("})
    assert status["evaluationError"] == "spec.resourceAttributes.labelSelector ignored due to parse error"


def test_rules_cannot_be_listed(judged: ApiServer) -> None:
    with judged.client("alicetoken") as alice:
        body = {"spec": {"namespace": "default"}}
        status = alice.post(f"{REVIEWS}/selfsubjectrulesreviews", json=body).json()["status"]
    assert status["incomplete"] is True
    assert "webhook authorizer does not support user rule resolution" in status["evaluationError"]


def test_rules_of_kinds_wait_for_the_webhook(judged: ApiServer, judge: Judge) -> None:
    """Whether alice may bind a role is asked in the midst of her creating a binding."""
    roles = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    with judged.client() as admin:
        for name in ("allow-binding", "other-binding"):
            body = {"metadata": {"name": name}, "rules": rules}
            assert admin.post(f"{roles}/clusterroles", json=body).status_code == 201
        rule = {"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"]}
        admin.post(f"{roles}/clusterroles", json={"metadata": {"name": "binder"}, "rules": [rule]})
        binding = {"metadata": {"name": "binder"}, "roleRef": {"kind": "ClusterRole", "name": "binder"}}
        admin.post(f"{roles}/clusterrolebindings", json={**binding, "subjects": [{"kind": "User", "name": "alice"}]})
    bindings = f"{roles}/namespaces/default/rolebindings"
    with judged.client("alicetoken") as alice:
        for name, status in (("allow-binding", 201), ("other-binding", 403)):
            body = {"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": name}}
            answer = alice.post(bindings, json={**body, "subjects": [{"kind": "User", "name": "dave"}]})
            assert answer.status_code == status, answer.text
    asked = [spec.get("resourceAttributes", {}) for spec in judge.specs]
    assert [each["name"] for each in asked if each.get("verb") == "bind"] == ["allow-binding", "other-binding"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "is not JSON"),
        ({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1beta1"}, "is no SubjectAccessReview of"),
        ((403, b"no"), "no"),
    ],
)
def test_a_webhook_that_answers_nonsense(
    judged: ApiServer, webhook: WebhookServer, judge: Judge, answer: Any, words: str, request: pytest.FixtureRequest
) -> None:
    webhook.answer = lambda review: answer
    try:
        with judged.client("alicetoken") as alice:
            refused = alice.get(f"/api/v1/nodes/allow-{abs(hash(request.node.name))}")
            assert (refused.status_code, refused.json()["reason"]) == (500, "InternalError")
            assert words in refused.json()["message"]
            assert alice.get("/version").status_code == 200, "a role that allows it is enough"
    finally:
        webhook.answer = judge


def test_the_mode_webhook_and_a_policy_of_denying(tmp_path: Path) -> None:
    judge = Judge()
    with serving(tmp_path / "hook", judge) as webhook:
        (tmp_path / "server").mkdir()
        kubeconfig = kubeconfig_of(webhook, tmp_path / "hook.yaml")
        running = ApiServer(
            tmp_path / "server", "--authorization-mode=Webhook,RBAC",
            f"--authorization-webhook-config-file={kubeconfig}", "--authorization-webhook-cache-authorized-ttl=0s",
        )  # fmt: skip
        running.start()
        try:
            with running.client("bobtoken") as bob:
                assert [bob.get("/api/v1/nodes/allow-me").status_code for _ in range(2)] == [404, 404]
                assert len([spec for spec in judge.specs if spec["user"] == "bob"]) == 2, "nothing is kept"
                assert judge.specs[-1]["group"] == ["devs", "testers", "system:authenticated"], "as v1beta1 says it"
        finally:
            running.stop()
    unreachable = write(tmp_path / "deny.yaml", hook(kubeconfig, failurePolicy="Deny"), {"type": "RBAC", "name": "r"})
    (tmp_path / "second").mkdir()
    running = ApiServer(tmp_path / "second", f"--authorization-config={unreachable}")
    running.start()
    try:
        with running.client("bobtoken") as bob:
            assert bob.get("/version").status_code == 500, "RBAC, which would allow it, is not asked any more"
        with running.client() as admin:
            assert admin.get("/version").status_code == 200
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"timeout": ""}, "timeout is required"),
        ({"timeout": "31s"}, "timeout is required and at most 30s"),
        ({"failurePolicy": "Allow"}, "failurePolicy must be one of NoOpinion, Deny"),
        ({"subjectAccessReviewVersion": ""}, "subjectAccessReviewVersion must be v1 or v1beta1"),
        ({"connectionInfo": {"type": "InClusterConfig"}}, "must be of type KubeConfigFile"),
        ({"matchConditions": [{"expression": "true"}]}, "matchConditionSubjectAccessReviewVersion must be v1"),
        (
            {"matchConditions": [{"expression": "request.who"}], "matchConditionSubjectAccessReviewVersion": "v1"},
            "undefined field 'who'",
        ),
        ({"authorizedTTL": "soon"}, "is not a duration"),
        ({"surprise": 1}, "unknown field"),
    ],
)
def test_configurations_that_make_no_sense(
    tmp_path: Path, webhook: WebhookServer, change: dict[str, Any], words: str
) -> None:
    kubeconfig = kubeconfig_of(webhook, tmp_path / "hook.yaml")
    path = write(tmp_path / "authorization.yaml", hook(kubeconfig, **change))
    with pytest.raises(ConfigurationError, match=words):
        read_authorizers(path, TYPES)


def test_the_order_of_authorizers(tmp_path: Path, webhook: WebhookServer) -> None:
    kubeconfig = kubeconfig_of(webhook, tmp_path / "hook.yaml")
    node = {"type": "Node", "name": "node"}
    hooks = [hook(kubeconfig, name=name, cacheAuthorizedRequests=False) for name in ("one", "two")]
    found = read_authorizers(write(tmp_path / "a.yaml", hooks[0], node, hooks[1]), TYPES)
    assert [each if isinstance(each, str) else each.name for each in found] == ["one", "Node", "two"]
    assert isinstance(found[0], WebhookSettings)
    assert (found[0].authorized_ttl, found[0].unauthorized_ttl, found[0].on_failure) == (0, 30, None)
    with pytest.raises(ConfigurationError, match="not the only one of that name"):
        read_authorizers(write(tmp_path / "b.yaml", hooks[0], hooks[0]), TYPES)
    with pytest.raises(ConfigurationError, match="can be there once"):
        read_authorizers(write(tmp_path / "c.yaml", node, {**node, "name": "other"}), TYPES)
