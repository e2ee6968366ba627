"""What pods of one template have in common is worked out once, and each comes out as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from api.core_v1 import ConfigMap, Pod
from api.errors import FieldError
from apiserver.new_object import NewObject
from apiserver.registry import pods
from tests.registry.builders import created, pod


def test_the_parsed_spec_is_shared_and_the_rest_is_not() -> None:
    first, second = pod(nodeName="n1"), pod(nodeName="n1")
    one, other = (NewObject(Pod).document(obj) for obj in (first, second))
    assert one == other == first.to_dict()
    assert one["spec"] is other["spec"]
    assert one["metadata"] is not other["metadata"]


def test_what_the_client_sent_is_apart_from_what_is_stored() -> None:
    obj, new = pod(), NewObject(Pod)
    document, apart = new.as_given(obj)
    assert "spec" not in document
    assert orjson.loads(apart["spec"]) == obj.to_dict()["spec"]
    obj.spec.nodeName = "n2"  # admission
    obj.metadata.labels["l"] = "v"
    assert new.document(obj) == obj.to_dict()


def test_a_document_that_is_used_up_shares_nothing() -> None:
    one, other = (NewObject(Pod, shares=False).document(pod()) for _ in range(2))
    assert one == other
    assert one["spec"] is not other["spec"]


def test_a_kind_without_a_spec() -> None:
    obj = ConfigMap.from_dict({"metadata": {"name": "c"}, "data": {"k": "v"}})
    new = NewObject(ConfigMap)
    document, apart = new.as_given(obj)
    assert (document, apart) == (obj.to_dict(), {})
    assert new.document(obj) is document
    assert new.spec(obj) == b"{}"


def judge(strategy: pods.Pods, obj: Pod) -> tuple[list[str], list[str]]:
    errors, warnings = strategy.judge(created(strategy, obj), NewObject(Pod).spec)
    return [str(error) for error in errors], list(warnings)


def test_a_template_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def validate(self: pods.Pods, new: Pod) -> Iterator[FieldError]:
        looked.append(new.metadata.name)
        yield from ()

    monkeypatch.setattr(pods.Pods, "validate", validate)
    strategy = pods.Pods()
    ports: dict[str, Any] = {"ports": [{"containerPort": 80}, {"containerPort": 80}]}
    results = []
    for name in ("a", "b", "under_score"):
        obj = pod(containers=[{"name": "c", "image": "i", **ports}])
        obj.metadata.name = name
        results.append(judge(strategy, obj))
    assert looked == ["a"]
    assert results[0] == results[1]
    assert len(results[0][1]) == 1, "the warning about the port that is there twice"
    assert len(results[2][1]) == 2, "and the one about its own name"
    annotated = pod(containers=[{"name": "c", "image": "i", **ports}])
    annotated.metadata.annotations["a"] = "b"
    judge(strategy, annotated)
    assert looked == ["a", "p"], "some rules are about annotations"


def test_a_broken_spec_is_broken_every_time() -> None:
    strategy = pods.Pods()
    complaints = [judge(strategy, pod(restartPolicy="Sometimes"))[0] for _ in range(2)]
    assert complaints[0] == complaints[1]
    assert len(complaints[0]) == 1


def test_claims_named_after_the_pod_are_judged_for_each() -> None:
    strategy = pods.Pods()
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    complaints = []
    for name in ("short", "a" * 250):
        obj = pod(volumes=[{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}])
        obj.metadata.name = name
        complaints.append(judge(strategy, obj)[0])
    assert complaints[0] == []
    assert len(complaints[1]) == 1


@pytest.mark.parametrize("level", [{}, {"text": "}"}, {"text": "{"}, {"text": '\\"}'}], ids=str)
def test_a_deeply_nested_object_is_refused(admin: httpx.Client, namespace: str, level: dict[str, str]) -> None:
    """Whatever brackets its strings have."""
    answers = []
    for depth in (100, 140):
        data: dict[str, Any] = {}
        for _ in range(depth):
            data = {**level, "inner": data}
        revision = {"metadata": {"name": f"depth-{depth}"}, "data": data, "revision": 1}
        answers.append(admin.post(f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions", json=revision))
    assert answers[0].status_code == 201, answers[0].text
    assert (answers[1].status_code, answers[1].json()["message"]) == (400, "exceeded max depth")
