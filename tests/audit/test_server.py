"""What a real server records of real requests, at every level, and that no secret is among it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.apiserver.conftest import ApiServer, Watch
from tests.apiserver.test_metrics import sample
from tests.ports import free_port
from tests.webhook_server import patch, serving

Keep = Callable[[ApiServer], ApiServer]
DEADLINE = 60.0
DEFAULT = "/api/v1/namespaces/default"
RULES: list[dict[str, Any]] = [
    {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz", "/metrics"]},
    {"level": "None", "users": ["system:apiserver"]},
    {"level": "Metadata", "namespaces": ["kube-public"]},
    {"level": "Request", "namespaces": ["kube-system"], "omitStages": ["RequestReceived"], "omitManagedFields": True},
    {"level": "RequestResponse"},
]


def policy_file(folder: Path, rules: list[dict[str, Any]] = RULES) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": rules}))
    return path


class Audited(ApiServer):
    """A server that records."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.audit_log = folder / "audit.log"
        super().__init__(
            folder, "--audit-policy-file", str(policy_file(folder)), "--audit-log-path", str(self.audit_log), *flags
        )

    def recorded(self) -> list[dict[str, Any]]:
        """The events of all lines but one that is being written."""
        return [json.loads(line) for line in self.audit_log.read_bytes().split(b"\n")[:-1]]

    def events(self, audit_id: str, count: int) -> list[dict[str, Any]]:
        """The events of a request, of which there are so many: its end is recorded when the client has its answer."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = [event for event in self.recorded() if event["auditID"] == audit_id]
            if len(found) >= count:
                assert len(found) == count
                return found
            assert time.monotonic() < deadline, self.audit_log.read_text()

    def of(self, answer: httpx.Response, count: int = 2) -> list[dict[str, Any]]:
        return self.events(answer.headers["audit-id"], count)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    running = Audited(tmp_path_factory.mktemp("audit"))
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def admin(server: Audited) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_a_write_is_recorded_with_its_object_and_the_answer(server: Audited, admin: httpx.Client) -> None:
    sent = {"metadata": {"name": "first"}, "data": {"greeting": "hello"}}
    answer = admin.post(f"{DEFAULT}/configmaps", params={"fieldManager": "me"}, json=sent)
    received, complete = server.of(answer)
    common = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
        "auditID": answer.headers["audit-id"], "requestURI": f"{DEFAULT}/configmaps?fieldManager=me", "verb": "create",
        "user": {"username": "admin", "uid": "admin-uid", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["127.0.0.1"], "userAgent": admin.headers["user-agent"],
        "requestReceivedTimestamp": received["requestReceivedTimestamp"],
    }  # fmt: skip
    reference = {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert received == {
        **common, "stage": "RequestReceived", "objectRef": reference,
        "stageTimestamp": common["requestReceivedTimestamp"],
    }  # fmt: skip
    assert complete == {
        **common, "stage": "ResponseComplete", "objectRef": {**reference, "name": "first"},
        "responseStatus": {"metadata": {}, "code": 201}, "requestObject": sent, "responseObject": answer.json(),
        "stageTimestamp": complete["stageTimestamp"],
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }  # fmt: skip
    assert len(complete["stageTimestamp"]) == len("2026-01-01T00:00:00.000000Z")
    assert list(complete) == [
        "kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "user", "sourceIPs", "userAgent",
        "objectRef", "responseStatus", "requestObject", "responseObject", "requestReceivedTimestamp",
        "stageTimestamp", "annotations",
    ]  # fmt: skip


def test_levels_and_stages_are_as_the_policy_says(server: Audited, admin: httpx.Client) -> None:
    sent = {"metadata": {"name": "a"}, "data": {"greeting": "hello"}}
    metadata = server.of(admin.post("/api/v1/namespaces/kube-public/configmaps", json=sent))[-1]
    assert (metadata["level"], metadata["objectRef"]["name"]) == ("Metadata", "a")
    assert not {"requestObject", "responseObject"} & metadata.keys()
    (request,) = server.of(admin.post("/api/v1/namespaces/kube-system/configmaps", json=sent), count=1)
    assert (request["stage"], request["requestObject"]) == ("ResponseComplete", sent)
    assert "responseObject" not in request
    assert admin.get("/healthz").status_code == 200
    assert not any(event["requestURI"] == "/healthz" for event in server.recorded())
    assert server.of(admin.get("/version"))[-1].keys().isdisjoint({"objectRef", "responseObject"})


def test_managed_fields_are_left_out_where_the_policy_wants_it(server: Audited, admin: httpx.Client) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps"
    made = admin.post(path, json={"metadata": {"name": "managed"}, "data": {"a": "b"}}).json()
    assert made["metadata"]["managedFields"]
    (event,) = server.of(admin.put(f"{path}/managed", json=made), count=1)
    assert "managedFields" not in event["requestObject"]["metadata"]
    assert event["objectRef"]["uid"] == made["metadata"]["uid"]
    assert event["objectRef"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_yaml_and_patches_are_recorded_as_json(server: Audited, admin: httpx.Client) -> None:
    applied = admin.patch(
        f"{DEFAULT}/configmaps/applied", params={"fieldManager": "me"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        content="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: b}\n",
    )  # fmt: skip
    assert server.of(applied)[-1]["requestObject"]["data"] == {"a": "b"}
    patch = [{"op": "add", "path": "/data/c", "value": "d"}]
    patched = admin.patch(
        f"{DEFAULT}/configmaps/applied", headers={"Content-Type": "application/json-patch+json"}, json=patch
    )
    event = server.of(patched)[-1]
    assert (event["verb"], event["requestObject"]) == ("patch", patch)
    assert event["responseObject"]["data"] == {"a": "b", "c": "d"}


def test_a_refusal_is_recorded_with_its_reason(server: Audited, admin: httpx.Client) -> None:
    with server.client("alicetoken") as alice:
        event = server.of(alice.get(f"{DEFAULT}/pods/x"))[-1]
    message = (
        'pods "x" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "default"'
    )
    assert event["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": message, "reason": "Forbidden",
        "details": {"name": "x", "kind": "pods"}, "code": 403,
    }  # fmt: skip
    assert event["annotations"] == {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}
    missing = server.of(admin.get(f"{DEFAULT}/pods/x"))[-1]
    assert (missing["responseStatus"]["code"], missing["responseObject"]["reason"]) == (404, "NotFound")


def test_who_allowed_it_is_recorded(server: Audited, admin: httpx.Client) -> None:
    subjects = [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]
    role = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "bob-rules"}, "subjects": subjects, "roleRef": role}
    admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", json=binding)
    with server.client("bobtoken") as bob:
        event = server.of(bob.get(f"{DEFAULT}/pods"))[-1]
    reason = 'RBAC: allowed by ClusterRoleBinding "bob-rules" of ClusterRole "cluster-admin" to User "bob"'
    assert event["annotations"]["authorization.k8s.io/reason"] == reason


def test_an_impersonated_user_is_recorded_beside_the_real_one(server: Audited, admin: httpx.Client) -> None:
    event = server.of(admin.get(f"{DEFAULT}/pods", headers={"Impersonate-User": "carol", "Impersonate-Group": "x"}))[-1]
    assert event["user"]["username"] == "admin"
    assert event["impersonatedUser"] == {"username": "carol", "groups": ["x", "system:authenticated"]}


def test_who_is_not_who_they_say_is_recorded_without_the_token(server: Audited) -> None:
    with server.client("stolen-and-expired") as nobody:
        answer = nobody.get(f"{DEFAULT}/pods")
    assert answer.status_code == 401
    (event,) = server.of(answer, count=1)
    assert (event["stage"], event["user"], event["responseStatus"]["code"]) == ("ResponseStarted", {}, 401)
    assert event["responseStatus"]["message"] == "Authentication failed, attempted: bearer"
    assert "stolen" not in server.audit_log.read_text()


def test_a_watch_is_recorded_when_it_begins(server: Audited, admin: httpx.Client) -> None:
    watch = Watch(admin, f"{DEFAULT}/configmaps")
    audit_id = watch.response.headers["audit-id"]
    stages = [event["stage"] for event in server.events(audit_id, 2)]
    assert stages == ["RequestReceived", "ResponseStarted"]
    watch.close()
    assert server.events(audit_id, 3)[-1]["stage"] == "ResponseComplete"


def test_clients_may_name_their_requests_and_proxies_say_for_whom(server: Audited, admin: httpx.Client) -> None:
    headers = {"Audit-ID": "named-by-client", "X-Forwarded-For": "10.0.0.1, nonsense", "X-Real-Ip": "10.0.0.2"}
    answer = admin.get("/version", headers=headers)
    assert answer.headers["audit-id"] == "named-by-client"
    event = server.events("named-by-client", 2)[-1]
    assert event["sourceIPs"] == ["10.0.0.1", "10.0.0.2", "127.0.0.1"]


def test_no_secret_is_in_the_log_at_any_level(server: Audited, admin: httpx.Client) -> None:
    """As an attacker would look for them who reads the log."""
    plain = "correct-horse-battery-staple"
    encoded = base64.b64encode(plain.encode()).decode()
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    json_patch, merge = (
        {"Content-Type": "application/json-patch+json"},
        {"Content-Type": "application/merge-patch+json"},
    )
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"p": encoded}})}
    secret = {"metadata": {"name": "s", "annotations": applied}, "data": {"p": encoded}, "stringData": {"q": plain}}
    path = f"{DEFAULT}/secrets"
    answers = [
        admin.post(path, json=secret),
        admin.put(f"{path}/s", json=secret),
        admin.patch(f"{path}/s", headers=merge, json={"stringData": {"r": plain}}),
        admin.patch(f"{path}/s", headers=json_patch, json=[{"op": "add", "path": "/data/t", "value": encoded}]),
        admin.get(f"{path}/s"),
        admin.get(path),
        admin.get(path, headers={"Accept": table}, params={"includeObject": "Object"}),
        admin.get(f"{path}/s", headers={"Accept": "application/yaml"}),
        admin.post(path, content=yaml.safe_dump(secret), headers={"Content-Type": "application/yaml"}),
        admin.post(path, json={"metadata": {"name": "bad"}, "data": {"p": plain + "!"}}),
        admin.post(path, json={"metadata": {"name": "bad"}, "data": {"no key": encoded}, "stringData": {"a": plain}}),
        admin.patch(f"{path}/s", headers=json_patch, json=[{"op": "test", "path": "/data/p", "value": encoded + "="}]),
        admin.get("/version", params={"access_token": plain, "token": encoded}),
        admin.delete(f"{path}/s"),
    ]  # fmt: skip
    admin.post(f"{DEFAULT}/serviceaccounts", json={"metadata": {"name": "robot"}})
    issued = admin.post(f"{DEFAULT}/serviceaccounts/robot/token", json={"spec": {}})
    token = issued.json()["status"]["token"]
    review = {"spec": {"token": token}}
    answers += [issued, admin.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review)]
    with server.client(token) as robot:
        answers.append(robot.get(f"{DEFAULT}/pods"))
    for answer in answers:
        assert server.of(answer)[-1]["stage"] == "ResponseComplete"
    log = server.audit_log.read_text()
    for value in (plain, encoded, token, token.rpartition(".")[2], "admintoken"):
        assert value not in log
    assert server.of(answers[0])[-1]["requestObject"]["data"] == {"p": "REDACTED"}
    assert server.of(issued)[-1]["responseObject"]["status"]["token"] == "REDACTED"


def test_events_are_counted(server: Audited, admin: httpx.Client) -> None:
    before = sample(admin, "apiserver_audit_level_total", level="RequestResponse")
    server.of(admin.get("/version"))
    assert sample(admin, "apiserver_audit_level_total", level="RequestResponse") == before + 1
    assert sample(admin, "apiserver_audit_error_total", plugin="log") == 0


def test_a_webhook_gets_the_events_and_a_dead_one_holds_nobody_up(tmp_path: Path, ends_with_test: Keep) -> None:
    with serving(tmp_path, lambda body: {}) as webhook:
        config = tmp_path / "webhook.yaml"
        cluster = {"server": webhook.url + "/events", "certificate-authority-data": webhook.ca_bundle}
        kubeconfig = {
            "clusters": [{"name": "a", "cluster": cluster}], "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "c", "context": {"cluster": "a", "user": "u"}}], "current-context": "c",
        }  # fmt: skip
        config.write_text(yaml.safe_dump(kubeconfig))
        server = ends_with_test(
            Audited(tmp_path, "--audit-webhook-config-file", str(config), "--audit-webhook-batch-max-wait", "10ms")
        )
        server.start()
        with server.client() as admin:
            wanted = admin.get("/version").headers["audit-id"]
            deadline = time.monotonic() + DEADLINE
            while not any(event["auditID"] == wanted for asked in webhook.asked for event in asked.body["items"]):
                assert time.monotonic() < deadline
            assert webhook.asked[0].headers["Authorization"] == "Bearer secret"
    with server.client() as admin:
        for _ in range(5):
            assert admin.get("/version").status_code == 200
    assert server.stop() == 0


def test_a_full_disk_refuses_nobody_unless_that_is_wanted(tmp_path: Path, ends_with_test: Keep) -> None:
    policy = policy_file(tmp_path)
    for mode, code in (("blocking", 200), ("blocking-strict", 500)):
        folder = tmp_path / mode
        folder.mkdir()
        flags = ("--audit-policy-file", str(policy), "--audit-log-path", "/dev/full", "--audit-log-mode", mode)
        server = ends_with_test(ApiServer(folder, *flags, "--audit-log-maxsize", "0"))
        server.start()
        with server.client() as admin:
            answer = admin.get(f"{DEFAULT}/pods")
            assert answer.status_code == code
            assert sample(admin, "apiserver_audit_error_total", plugin="log") > 0
        assert server.stop() == 0
    assert answer.json()["message"].endswith("failed to store audit event")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--audit-policy-file", "{folder}/none", "--audit-log-path", "-"), "cannot read"),
        (("--audit-policy-file", "{policy}", "--audit-log-path", "{policy}/x"), "cannot write the audit log"),
        (("--audit-policy-file", "{policy}", "--audit-webhook-config-file", "{folder}/none"), "cannot read"),
    ],
)
def test_a_server_that_could_not_record_does_not_start(tmp_path: Path, flags: tuple[str, ...], complaint: str) -> None:
    policy = policy_file(tmp_path)
    command = [
        sys.executable,
        "-m",
        "apiserver",
        "--data-dir",
        str(tmp_path / "data"),
        "--secure-port",
        str(free_port()),
    ]
    given = [flag.format(folder=tmp_path, policy=policy) for flag in flags]
    ended = subprocess.run([*command, *given], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert complaint in ended.stderr


def test_admission_tells_what_it_has_decided_by(server: Audited, admin: httpx.Client) -> None:
    namespace = {"metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/audit": "restricted"}}}
    assert admin.post("/api/v1/namespaces", json=namespace).status_code == 201
    admin.post("/api/v1/namespaces/strict/serviceaccounts", json={"metadata": {"name": "default"}})
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    event = server.of(admin.post("/api/v1/namespaces/strict/pods", json=pod))[-1]
    prefix = "pod-security.kubernetes.io"
    assert event["annotations"][f"{prefix}/enforce-policy"] == "privileged:latest"
    assert 'would violate PodSecurity "restricted:latest"' in event["annotations"][f"{prefix}/audit-violations"]


def test_what_a_webhook_changes_is_recorded_where_objects_are(
    server: Audited, admin: httpx.Client, tmp_path: Path
) -> None:
    """https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ tells of the levels."""
    plain = base64.b64encode(b"known to the webhook alone").decode()
    operation = {"op": "add", "path": "/data", "value": {"p": plain}}
    configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    rule = {
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "secrets"],
    }  # fmt: skip
    with serving(tmp_path, lambda review: patch(review, operation)) as webhook:
        hook = {
            "name": "fill.example.com", "clientConfig": {"url": webhook.url, "caBundle": webhook.ca_bundle},
            "rules": [rule], "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 30,
        }  # fmt: skip
        admin.post(configurations, json={"metadata": {"name": "fill"}, "webhooks": [hook]}).raise_for_status()
        try:
            found = [
                server.of(admin.post(path, json={"metadata": {"name": "filled"}}))[-1]
                for path in (
                    f"{DEFAULT}/configmaps", "/api/v1/namespaces/kube-public/configmaps", f"{DEFAULT}/secrets",
                )
            ]  # fmt: skip
        finally:
            admin.delete(f"{configurations}/fill").raise_for_status()
    whole, metadata, secret = (event["annotations"] for event in found)
    key = "patch.webhook.admission.k8s.io/round_0_index_0"
    about = {"configuration": "fill", "webhook": "fill.example.com"}
    assert json.loads(whole[key]) == {**about, "patch": [operation], "patchType": "JSONPatch"}
    assert key not in metadata
    assert json.loads(metadata["mutation.webhook.admission.k8s.io/round_0_index_0"]) == {**about, "mutated": True}
    assert json.loads(secret[key])["patch"] == [{**operation, "value": {"p": "REDACTED"}}]
    assert plain not in json.dumps(found[2])
