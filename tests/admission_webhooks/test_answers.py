"""What a webhook's answer, or the lack of one, means for a write."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import ROOT, Configurations
from tests.ports import free_port
from tests.webhook_server import WebhookServer, allow, deny, patch

Object = dict[str, Any]
NAME = "check.example.com"
FAILED = f'Internal error occurred: failed calling webhook "{NAME}": '


def create(admin: httpx.Client, namespace: str, name: str = "a", query: str = "") -> httpx.Response:
    return admin.post(f"/api/v1/namespaces/{namespace}/configmaps{query}", json={"metadata": {"name": name}})


def raw_patch(review: Object, content: bytes, kind: str | None = "JSONPatch") -> Object:
    return allow(review, patchType=kind, patch=base64.b64encode(content).decode())


@pytest.mark.parametrize("kind", ["mutating", "validating"])
@pytest.mark.parametrize(
    ("given", "code", "reason", "words"),
    [
        ({}, 400, "", " without explanation"),
        ({"message": "no"}, 400, "", ": no"),
        ({"reason": "Because"}, 400, "Because", ": Because"),
        ({"message": "no", "reason": "Forbidden", "code": 403}, 403, "Forbidden", ": no"),
        ({"message": "a teapot", "code": 418}, 418, "", ": a teapot"),
        ({"message": "fine", "code": 200, "status": "Success"}, 400, "", ": fine"),
    ],
)
def test_a_refusal(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    kind: str,
    given: Object,
    code: int,
    reason: str,
    words: str,
) -> None:
    webhook.answer = lambda review: deny(review, **given)
    getattr(configurations, kind)()
    answer = create(admin, namespace)
    expected = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'admission webhook "{NAME}" denied the request{words}',
        "reason": reason,
        "code": code,
    }
    assert answer.status_code == code
    assert answer.json() == {name: value for name, value in expected.items() if value != ""}


def test_details_of_a_refusal(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    details = {"name": "a", "causes": [{"field": "data", "message": "too little"}]}
    webhook.answer = lambda review: deny(review, message="no", details=details)
    configurations.validating()
    assert create(admin, namespace).json()["details"] == details


def test_a_deletion_is_refused(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    create(admin, namespace).raise_for_status()
    webhook.answer = lambda review: deny(review, message="it stays")
    configurations.validating()
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert "it stays" in admin.delete(f"{path}/a").json()["message"]
    assert "it stays" in admin.delete(path).json()["message"]
    assert admin.get(f"{path}/a").status_code == 200


def test_warnings_reach_the_client(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: allow(review, warnings=["careful"])
    configurations.validating()
    assert create(admin, namespace).headers["Warning"] == '299 - "careful"'


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda r: {**r, "response": None}, "received invalid webhook response: webhook response was absent"),
        (lambda r: {"response": {"uid": r["request"]["uid"], "allowed": True}},
         "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, "
         "got /, Kind="),
        (lambda r: b"hello", "failed to call webhook: couldn't get version/kind; json parse error: invalid character "
         "'h' looking for beginning of value"),
        (lambda r: allow(r, allowed="yes"), "failed to call webhook: json: cannot unmarshal string into Go struct "
         "field AdmissionResponse.response.allowed of type bool"),
        (lambda r: {**allow(r), "apiVersion": "admission.k8s.io/v1beta1"}, "failed to call webhook: converting "
         "(v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion"),
        (lambda r: (500, b"boom"), 'failed to call webhook: an error on the server ("boom") has prevented the request '
         "from succeeding"),
        (lambda r: (404, b""), "failed to call webhook: the server could not find the requested resource"),
        (lambda r: raw_patch(r, b"[]", None), "received invalid webhook response: webhook returned "
         "response.patch but not response.patchType"),
        (lambda r: allow(r, patchType="JSONPatch"), "received invalid webhook response: webhook returned "
         "response.patchType but not response.patch"),
        (lambda r: raw_patch(r, b"{}"), "received undecodable patch in webhook response: json: cannot unmarshal "
         "object into Go value of type jsonpatch.Patch"),
        (lambda r: raw_patch(r, b"[7]"), "received undecodable patch in webhook response: json: cannot unmarshal "
         "number into Go value of type jsonpatch.Operation"),
        (lambda r: raw_patch(r, b'[{"op":"add"}]', "Merge"), 'unsupported patch type "Merge"'),
    ],
)  # fmt: skip
def test_answers_that_cannot_be_used(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    answer: Callable[[Object], Any],
    why: str,
) -> None:
    webhook.answer = answer
    configurations.mutating()
    refused = create(admin, namespace)
    assert refused.status_code == 500
    status = refused.json()
    assert (status["message"], status["reason"]) == (FAILED + why, "InternalError")
    assert status["details"] == {"causes": [{"message": (FAILED + why).partition(": ")[2]}]}


def test_an_answer_to_another_question(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: allow(review, uid="other")
    configurations.validating()
    message = create(admin, namespace).json()["message"]
    uid = webhook.requests[0]["uid"]
    assert message == FAILED + f'received invalid webhook response: expected response.uid="{uid}", got "other"'


def test_validating_ones_change_nothing(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: raw_patch(review, b"[]")
    configurations.validating()
    message = create(admin, namespace).json()["message"]
    assert message == FAILED + "received invalid webhook response: validating webhook may not return response.patch"


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ({"op": "remove", "path": "/data/missing"},
         'remove operation does not apply: doc is missing path: "/data/missing": missing value'),
        ({"op": "remove", "path": "/metadata/missing"},
         "error in remove for path: '/metadata/missing': Unable to remove nonexistent key: missing: missing value"),
        ({"op": "add", "path": "/a/b/c", "value": 1},
         'add operation does not apply: doc is missing path: "/a/b/c": missing value'),
        ({"op": "add", "path": "/metadata/finalizers/9", "value": {}},
         "error in add for path: '/metadata/finalizers/9': Unable to access invalid index: 9: invalid index "
         "referenced"),
        ({"op": "replace", "path": "/metadata/finalizers/x", "value": {}},
         "replace operation does not apply: doc is missing key: /metadata/finalizers/x: missing value"),
        ({"op": "test", "path": "/metadata/name", "value": "b"}, "testing value /metadata/name failed: test failed"),
        ({"op": "replace", "path": "/data", "value": "text"},
         "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string"),
        ({"op": "jump", "path": "/data"}, "Unexpected kind: jump"),
    ],
)  # fmt: skip
def test_patches_that_do_not_fit(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    operation: Object,
    why: str,
) -> None:
    with_list = {"op": "add", "path": "/metadata/finalizers", "value": []}
    webhook.answer = lambda review: patch(review, with_list, operation)
    configurations.mutating(configurations.hook(failurePolicy="Ignore"))
    refused = create(admin, namespace)
    assert (refused.status_code, refused.json()["reason"]) == (500, "InternalError"), "even where it may fail"
    assert refused.json()["message"] == f"Internal error occurred: {why}"


def test_a_deleted_object_cannot_be_changed(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    create(admin, namespace).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/data", "value": {}})
    configurations.mutating()
    message = admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/a").json()["message"]
    assert message == (
        f'Internal error occurred: admission webhook "{NAME}" attempted to modify the object, which is not supported '
        "for this operation"
    )


@pytest.mark.parametrize("kind", ["mutating", "validating"])
def test_one_that_may_fail(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations, kind: str
) -> None:
    client = {"url": f"https://127.0.0.1:{free_port()}"}
    hooks = [
        configurations.hook(clientConfig=client, failurePolicy="Ignore"),
        configurations.hook("after.example.com"),
    ]
    getattr(configurations, kind)(*hooks)
    assert create(admin, namespace).status_code == 201
    assert len(webhook.asked) == 1, "the next one is asked all the same"


def test_a_refusal_stands_where_it_may_fail(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = deny
    configurations.validating(configurations.hook(failurePolicy="Ignore"))
    assert create(admin, namespace).status_code == 400


def test_nobody_is_there(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    where = f"127.0.0.1:{free_port()}"
    configurations.validating(configurations.hook(clientConfig={"url": f"https://{where}"}))
    answer = create(admin, namespace)
    refused = f'Post "https://{where}/?timeout=30s": dial tcp {where}: connect: connection refused'
    assert answer.json()["message"] == f"{FAILED}failed to call webhook: {refused}"


@pytest.mark.parametrize(
    ("service", "why"),
    [
        ({"name": "hook", "path": "/x"}, 'Post "https://hook.{ns}.svc:443/x?timeout=30s": service "hook" not found'),
        ({"name": "there"}, 'Post "https://there.{ns}.svc:443/?timeout=30s": no endpoints available for service '
         '"there"'),
        ({"name": "there", "port": 7}, 'Post "https://there.{ns}.svc:7/?timeout=30s": no service port 7 found for '
         'service "there"'),
    ],
)  # fmt: skip
def test_a_service_that_cannot_be_reached(
    admin: httpx.Client, namespace: str, configurations: Configurations, service: Object, why: str
) -> None:
    made = {"metadata": {"name": "there"}, "spec": {"ports": [{"port": 443}]}}
    admin.post(f"/api/v1/namespaces/{namespace}/services", json=made).raise_for_status()
    client = {"service": {"namespace": namespace, **service}}
    configurations.validating(configurations.hook(clientConfig=client))
    message = create(admin, namespace).json()["message"]
    assert message == FAILED + "failed to call webhook: " + why.replace("{ns}", namespace)


def test_a_service(admin: httpx.Client, webhook: WebhookServer, namespace: str, configurations: Configurations) -> None:
    """Its certificate is for the service, not for what answers."""
    made = {"metadata": {"name": "hook"}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
    admin.post("/api/v1/namespaces/default/services", json=made).raise_for_status()
    service = {"namespace": "default", "name": "hook", "path": "/check", "port": webhook.port}
    client = {"service": service, "caBundle": webhook.ca_bundle}
    configurations.validating(configurations.hook(clientConfig=client))
    assert create(admin, namespace).status_code == 201
    assert webhook.asked[0].path == "/check?timeout=30s"


def test_one_that_is_too_slow(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    over = threading.Event()
    webhook.worse = lambda handler: bool(over.wait(60)) and None
    configurations.validating(configurations.hook(timeoutSeconds=1))
    started = time.monotonic()
    try:
        answer = create(admin, namespace)
    finally:
        over.set()
    assert time.monotonic() - started < 30
    assert answer.json()["message"] == (
        f'{FAILED}failed to call webhook: Post "{webhook.url}/?timeout=1s": context deadline exceeded'
    )


def test_side_effects_and_dry_runs(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating(configurations.hook(sideEffects="NoneOnDryRun"))
    assert create(admin, namespace, query="?dryRun=All").status_code == 201
    assert webhook.requests[0]["dryRun"] is True


def test_validating_ones_are_asked_side_by_side(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    together = threading.Barrier(3, timeout=60)

    def answer(review: Object) -> Object:
        together.wait()
        return allow(review)

    webhook.answer = answer
    configurations.validating(*(configurations.hook(f"h{index}.example.com") for index in range(3)))
    assert create(admin, namespace).status_code == 201


def test_a_configuration_that_is_gone_is_not_asked(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = deny
    configurations.validating()
    assert create(admin, namespace).status_code == 400
    path = f"{ROOT}/validatingwebhookconfigurations/validating"
    changed = admin.get(path).json()
    changed["webhooks"][0]["rules"][0]["resources"] = ["secrets"]
    admin.put(path, json=changed).raise_for_status()
    assert create(admin, namespace).status_code == 201
    configurations.remove()
    assert create(admin, namespace, "b").status_code == 201
    assert len(webhook.asked) == 1
