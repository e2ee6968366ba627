"""Pods decoded with shared specs are the pods that they would be without."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from api.core_v1 import Pod
from client.pod_decoding import PodDecoder

_TRICKY = some.sampled_from(
    ["", "a", '"', ',"spec":{', ',"status":{', ',"managedFields":[', '"nodeName":"n",', "}", '\\",\\"nodeName\\":\\"'],
)
_TEXT = some.lists(_TRICKY, max_size=3).map("".join)


@some.composite
def documents(draw: some.DrawFn) -> dict[str, Any]:
    """Pods with everything in their strings and their names that could be taken for their structure."""
    metadata: dict[str, Any] = {"name": "p", "annotations": draw(some.dictionaries(_TEXT, _TEXT, max_size=2))}
    if draw(some.booleans()):
        fields = {"f:spec": {}, "f:status": {"f:nodeName": {}}, draw(_TEXT): {}}
        metadata["managedFields"] = [{"manager": draw(_TEXT), "fieldsV1": fields}]
    claim = {"metadata": {"annotations": {"a": draw(_TEXT)}}, "spec": {"volumeName": draw(_TEXT)}}
    reference = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    container = {"name": "c", "args": draw(some.lists(_TEXT, max_size=2)), "env": [reference]}
    spec: dict[str, Any] = {"containers": [container]}
    if draw(some.booleans()):
        spec["nodeName"] = draw(some.sampled_from(["n-1", "n.example"]))
    if draw(some.booleans()):
        spec["volumes"] = [{"name": "v", "ephemeral": {"volumeClaimTemplate": claim}}]
    document = {"metadata": metadata, "spec": spec}
    if draw(some.booleans()):
        document["status"] = {"message": draw(_TEXT), "phase": "Running"}
    return document


@settings(deadline=None)  # the first pod builds the validators
@given(some.lists(documents(), min_size=1, max_size=4))
def test_whatever_a_pod_holds(listed: list[dict[str, Any]]) -> None:
    decode = PodDecoder()
    for document in listed:
        plain = Pod.from_dict(document)
        plain.metadata.managedFields = []
        decoded = decode(orjson.dumps(document))
        decoded.metadata.managedFields = []
        assert decoded.encode() == plain.encode()


def test_specs_are_shared_without_the_node() -> None:
    def pod(name: str, node: str, image: str = "i") -> bytes:
        spec: dict[str, Any] = {"containers": [{"name": "c", "image": image}], "nodeName": node, "priority": 0}
        return orjson.dumps({"metadata": {"name": name}, "spec": spec, "status": {}})

    decode = PodDecoder()
    first, second, other = decode(pod("a", "n-1")), decode(pod("b", "n-2")), decode(pod("c", "n-1", "j"))
    assert first.spec.containers is second.spec.containers
    assert (first.spec.nodeName, second.spec.nodeName) == ("n-1", "n-2")
    assert other.spec.containers[0].image == "j"


def test_what_is_no_pod_is_refused() -> None:
    for metadata, spec in (("{", "{}"), ("{}", '{"containers":1}'), ("1", "{}")):
        with pytest.raises(ValueError):
            PodDecoder()(f'{{"metadata":{metadata},"spec":{spec},"status":{{}}}}'.encode())
