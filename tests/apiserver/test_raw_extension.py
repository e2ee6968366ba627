"""Opaque objects are compared by the text they came in, and so are what is stored and read back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.apiextensions_v1 import CustomResourceDefinition
from api.apps_v1 import ControllerRevision
from api.resource_v1 import DeviceClass, ResourceClaim, ResourceClaimTemplate
from api.schema import schema_of
from api.scheme import RESOURCES
from apiserver import go_errors, protobuf
from apiserver.raw_extension import KINDS, Raw, compact, kept, leads_of, spell, spellings, text_of, texts
from tests.apiserver.conftest import ApiServer

CLASSES = "/apis/resource.k8s.io/v1/deviceclasses"
MERGE, JSON_PATCH, STRATEGIC, APPLY = (
    f"application/{kind}" for kind in ("merge-patch+json", "json-patch+json", "strategic-merge-patch+json",
                                       "apply-patch+yaml")
)  # fmt: skip
LABEL = '{"metadata":{"labels":{"a":"%s"}}}'
PARAMETERS = ".spec.config.0.opaque.parameters"


# --- texts ----------------------------------------------------------------------------------------


def test_the_kinds_that_are_looked_into_are_those_with_such_members() -> None:
    leading = {resource.kind for resource in RESOURCES if leads_of(resource.model)}
    assert leading == KINDS


def test_the_way_to_them_leads_through_objects_and_lists() -> None:
    opaque = {"config": {"opaque": {"parameters": None}}}
    assert leads_of(ControllerRevision) == {"data": None}
    assert leads_of(DeviceClass) == {"spec": opaque}
    assert leads_of(ResourceClaimTemplate) == {"spec": {"spec": {"devices": opaque}}}
    status = {"allocation": {"devices": opaque}, "devices": {"data": None}}
    assert leads_of(ResourceClaim) == {"spec": {"devices": opaque}, "status": status}


@pytest.mark.parametrize(
    "text", ["{}", "{ }", '{"b" : 1.0, "a": [ {"config": "}"} ]}', '{"a":"\\"{","a":2}', '{"a":\n1e3}']
)
def test_a_text_is_found_as_it_is(text: str) -> None:
    document = (
        ' {"spec" : { "other": [{"parameters": {"a": 0}}], "config": [ {}, {"opaque": {"driver": "d", "parameters"\n: '
        f'{text} , "more": null}} }} ]}} , "metadata": {{}}}}'
    )
    json.loads(document)
    assert texts(leads_of(DeviceClass), document) == {".spec.config.1.opaque.parameters": text}


def test_of_two_members_of_a_name_the_last_counts_but_for_null() -> None:
    leads = leads_of(ControllerRevision)
    assert texts(leads, '{"data": {"a":1}, "data": {"b":2}}') == {".data": '{"b":2}'}
    assert texts(leads, '{"data": {"a":1}, "data": null}') == {".data": '{"a":1}'}
    assert texts(leads, '{"data": [1, {"a": 2}]}') == {}
    assert texts(leads, "null") == {}


def test_an_object_is_equal_to_what_is_spelled_the_same() -> None:
    spelled = Raw('{"b": 1, "a": 2}')
    assert spelled == Raw('{"b": 1, "a": 2}')
    assert spelled != Raw('{"b":1,"a":2}')
    assert spelled != {"b": 1, "a": 2}
    assert Raw('{"b":1,"a":2}') == {"b": 1, "a": 2}
    assert Raw('{"b":1,"a":2}') != {"a": 2, "b": 1}
    assert Raw('{"b":1,"a":2}') != {"a": 2, "b": 1}
    assert Raw('{"a":1}') != Raw('{"a":1.0}')


def test_a_typed_object_holds_texts_and_compares_them() -> None:
    def read(text: str) -> DeviceClass:
        made = DeviceClass.decode('{"metadata":{},"spec":{"config":[{"opaque":{"driver":"d","parameters":{"a":1}}}]}}')
        spell(leads_of(DeviceClass), made, lambda path, value: text)
        return made

    assert read('{"a":1}').spec != read('{"a": 1}').spec
    assert read('{"a": 1}').spec == read('{"a": 1}').spec
    assert spellings(leads_of(DeviceClass), read('{"a": 1}').copy_deep()) == {PARAMETERS: '{"a": 1}'}
    assert read('{"a": 1}').to_dict()["spec"]["config"][0]["opaque"]["parameters"] == {"a": 1}


@pytest.mark.parametrize(
    ("text", "without_blanks"),
    [
        ('{ "a" : [ 1 , 2.0 ] }', '{"a":[1,2.0]}'),
        ('{"a b": "c \\" d"}', '{"a b":"c \\" d"}'),
        ('{"a": "\\\\"}', '{"a":"\\\\"}'),
        ('{"\\u00e9": 1e3}', '{"\\u00e9":1e3}'),
    ],
)
def test_blanks_are_left_out_but_for_those_in_strings(text: str, without_blanks: str) -> None:
    assert compact(text) == without_blanks


def test_what_is_kept_is_one_line_and_does_not_tell_go_from_others() -> None:
    assert kept('{\n\t"a":\r1}') == '{  "a": 1}'
    assert kept('{"a":"\\u003cb\\u003e \\u0026 \\u00e9"}') == '{"a":"<b> & \\u00e9"}'
    assert kept('{"a":"\\\\u0026\\n"}') == '{"a":"\\\\u0026\\n"}'


def test_what_has_no_text_is_written_anew() -> None:
    assert text_of({"b": 1, "a": [True]}) == '{"b":1,"a":[true]}'
    assert text_of({"b": 1, "a": [True]}, in_order=True) == '{"a":[true],"b":1}'
    assert text_of(Raw('{"b": 1, "a": 2}'), in_order=True) == '{"a":2,"b":1}'


@pytest.mark.parametrize("model", [DeviceClass, CustomResourceDefinition])
def test_values_of_any_shape_are_of_the_right_type(model: Any) -> None:
    anything: dict[str, Any] = {"a": [1, {"b": None}]}
    documents = {
        DeviceClass: {"spec": {"config": [{"opaque": {"parameters": anything}}]}},
        CustomResourceDefinition: {"spec": {"versions": [{"schema": {"openAPIV3Schema": {"default": anything}}}]}},
    }
    assert go_errors.type_error(schema_of(model), documents[model]) is None


# --- on the wire ----------------------------------------------------------------------------------


class Class:
    """A DeviceClass on the server, written with one text of its parameters after another."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.client, self.name, self.path = client, name, f"{CLASSES}/{name}"

    def body(self, text: str) -> str:
        return (
            f'{{"apiVersion":"resource.k8s.io/v1","kind":"DeviceClass","metadata":{{"name":"{self.name}"}},'
            f'"spec":{{"config":[{{"opaque":{{"driver":"gpu.example.com","parameters":{text}}}}}]}}}}'
        )

    def send(self, method: str, path: str, body: str, kind: str = "application/json", **query: str) -> int:
        """The generation after the request."""
        headers = {"Content-Type": kind}
        answer = self.client.request(method, path, content=body, headers=headers, params=query or None)
        assert answer.is_success, answer.text
        generation: int = answer.json()["metadata"]["generation"]
        return generation

    def create(self, text: str, kind: str = "application/json") -> int:
        return self.send("POST", CLASSES, self.body(text), kind)

    def put(self, text: str, kind: str = "application/json") -> int:
        return self.send("PUT", self.path, self.body(text), kind)

    def patch(self, body: str, kind: str = MERGE) -> int:
        return self.send("PATCH", self.path, body, kind)

    def apply(self, text: str) -> int:
        return self.send("PATCH", self.path, self.body(text), APPLY, fieldManager="m", force="true")

    @property
    def text(self) -> str:
        return texts(leads_of(DeviceClass), self.client.get(self.path).text)[PARAMETERS]


@pytest.fixture
def device_class(admin: httpx.Client, namespace: str) -> Class:
    return Class(admin, namespace)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ('{"a": 1}', '{"a":1}'),
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":1}', '{"a":1.0}'),
        ('{"a":1000}', '{"a":1e3}'),
        ('{"a":"é"}', '{"a":"\\u00e9"}'),
        ('{"a":1}', '{"a":0,"a":1}'),
    ],
)
def test_another_spelling_is_another_generation(device_class: Class, first: str, other: str) -> None:
    assert device_class.create(first) == 1
    assert device_class.put(first) == 1
    assert device_class.put(other) == 2
    assert device_class.put(other) == 2
    assert device_class.put(first) == 3


def test_what_is_the_same_to_the_byte_is_not_written(device_class: Class) -> None:
    device_class.create('{"a": 1}')
    before = device_class.client.get(device_class.path).json()["metadata"]["resourceVersion"]
    device_class.put('{"a": 1}')
    assert device_class.client.get(device_class.path).json()["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize("kind", [MERGE, JSON_PATCH])
def test_a_patch_of_something_else_leaves_out_the_blanks(device_class: Class, kind: str) -> None:
    """As in Kubernetes, where an object is JSON without blanks when it is patched."""

    def label(value: str) -> str:
        operation = {"op": "add", "path": "/metadata/labels", "value": {"a": value}}
        return json.dumps([operation]) if kind == JSON_PATCH else LABEL % value

    device_class.create('{"b": 1e3, "a": "\\u00e9 <&"}')
    assert device_class.patch(label("1"), kind) == 2
    assert device_class.text == '{"b":1e3,"a":"\\u00e9 <&"}'
    assert device_class.patch(label("2"), kind) == 2
    assert device_class.put('{"b":1e3,"a":"\\u00e9 <&"}') == 2
    assert device_class.put('{"b":1e3,"a":"\\u00e9 \\u003c\\u0026"}') == 2


def test_a_strategic_merge_patch_writes_them_anew(device_class: Class) -> None:
    device_class.create('{"b":2,"a":1}')
    assert device_class.patch(LABEL % "1", STRATEGIC) == 2
    assert device_class.text == '{"a":1,"b":2}'
    assert device_class.patch(LABEL % "2", STRATEGIC) == 2
    assert device_class.put('{"a":1,"b":2}') == 2


def test_what_a_patch_brings_is_in_order(device_class: Class) -> None:
    device_class.create('{"a":0}')
    config = '{"spec":{"config":[{"opaque":{"driver":"gpu.example.com","parameters":{"b": 2, "a": 1}}}]}}'
    assert device_class.patch(config) == 2
    assert device_class.text == '{"a":1,"b":2}'


def test_applying_writes_them_anew_unless_nothing_changes(device_class: Class) -> None:
    assert device_class.apply('{"b": 2, "a": 1}') == 1
    assert device_class.text == '{"a":1,"b":2}'
    assert device_class.put('{"b": 2, "a": 1}') == 2
    assert device_class.apply('{"a": 1, "b": 2}') == 2
    assert device_class.text == '{"b": 2, "a": 1}'
    assert device_class.apply('{"a": 1, "b": 3}') == 3
    assert device_class.text == '{"a":1,"b":3}'


def test_yaml_is_written_in_order(device_class: Class) -> None:
    assert device_class.create("{b: 2, a: 1}", "application/yaml") == 1
    assert device_class.put('{"a":1,"b":2}') == 1
    assert device_class.put('{"b":2,"a":1}') == 2
    assert device_class.put("{b: 2, a: 1}", "application/yaml") == 3


def test_protobuf_has_the_text_both_ways(device_class: Class) -> None:
    """What a client of protobuf reads and writes back has not changed: Kubernetes' own controllers rely on it."""
    device_class.create('{"a": "\\u00e9"}')
    accept = {"Accept": protobuf.MEDIA_TYPE}
    answer = device_class.client.get(device_class.path, headers=accept)
    assert b'{"a": "\\u00e9"}' in answer.content
    assert b'{"a": "\\u00e9"}' in device_class.client.get(CLASSES, headers=accept).content
    headers = {"Content-Type": protobuf.MEDIA_TYPE}
    written = device_class.client.put(device_class.path, content=answer.content, headers=headers)
    assert written.json()["metadata"]["generation"] == 1
    other = answer.content.replace(b'{"a": "\\u00e9"}', b'{"a":  "\\u00e9"')  # of the same length
    assert device_class.client.put(device_class.path, content=other, headers=headers).status_code == 400
    other = answer.content.replace(b'{"a": "\\u00e9"}', b'{"a" :"\\u00e9"}')
    written = device_class.client.put(device_class.path, content=other, headers=headers)
    assert written.json()["metadata"]["generation"] == 2


def test_a_watcher_of_protobuf_has_the_text(device_class: Class) -> None:
    device_class.create('{"a": 1}')
    query = {"watch": "1", "timeoutSeconds": "1", "fieldSelector": f"metadata.name={device_class.name}"}
    headers = {"Accept": f"{protobuf.MEDIA_TYPE};stream=watch"}
    assert b'{"a": 1}' in device_class.client.get(CLASSES, params=query, headers=headers).content


def test_an_event_of_a_watch_is_one_line(device_class: Class) -> None:
    device_class.create('{\n  "a": 1\n}')
    query = {"watch": "1", "timeoutSeconds": "1", "fieldSelector": f"metadata.name={device_class.name}"}
    lines = device_class.client.get(CLASSES, params=query).text.splitlines()
    assert [json.loads(line)["object"]["metadata"]["name"] for line in lines] == [device_class.name]


def test_a_long_text_is_refused_for_its_blanks(device_class: Class) -> None:
    body = device_class.body('{"a":' + " " * 10_240 + "1}")
    answer = device_class.client.post(CLASSES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "Too long: may not be more than 10240 bytes" in answer.json()["message"]


@pytest.mark.parametrize("validation", ["Ignore", "Warn", "Strict"])
def test_members_that_come_twice_within_are_nobodys_business(device_class: Class, validation: str) -> None:
    headers, query = {"Content-Type": "application/json"}, {"fieldValidation": validation}
    twice = '{"a":{"b":1},"a":{"c":2}}'
    answer = device_class.client.post(CLASSES, content=device_class.body(twice), headers=headers, params=query)
    assert answer.status_code == 201, answer.text
    assert "warning" not in answer.headers
    assert device_class.text == twice


@pytest.mark.parametrize("validation", ["Ignore", "Warn"])
def test_what_is_no_json_is_refused(device_class: Class, validation: str) -> None:
    headers = {"Content-Type": "application/json"}
    query = {"fieldValidation": validation}
    answer = device_class.client.post(CLASSES, content=device_class.body('{"a":NaN}'), headers=headers, params=query)
    assert answer.status_code == 400
    assert "invalid character 'N' looking for beginning of value" in answer.json()["message"]


def test_immutable_members_are_as_they_were_to_the_byte(admin: httpx.Client, namespace: str) -> None:
    def claim(text: str) -> str:
        config = f'[{{"opaque":{{"driver":"gpu.example.com","parameters":{text}}}}}]'
        requests = '[{"name":"r","exactly":{"deviceClassName":"gpu.example.com"}}]'
        return f'{{"devices":{{"requests":{requests},"config":{config}}}}}'

    bodies = {
        "/apis/apps/v1/namespaces/%s/controllerrevisions": '{"metadata":{"name":"a"},"revision":1,"data":%s}',
        "/apis/resource.k8s.io/v1/namespaces/%s/resourceclaims": f'{{"metadata":{{"name":"a"}},"spec":{claim("%s")}}}',
        "/apis/resource.k8s.io/v1/namespaces/%s/resourceclaimtemplates": (
            f'{{"metadata":{{"name":"a"}},"spec":{{"spec":{claim("%s")}}}}}'
        ),
    }
    for path, body in bodies.items():
        url, headers = path % namespace, {"Content-Type": "application/json"}
        assert admin.post(url, content=body % '{"a": 1}', headers=headers).status_code == 201
        assert admin.put(f"{url}/a", content=body % '{"a": 1}', headers=headers).status_code == 200
        refusals = [
            admin.put(f"{url}/a", content=body % '{"a":1}', headers=headers),
            admin.patch(f"{url}/a", content=LABEL % "1", headers={"Content-Type": MERGE}),
        ]
        for refusal in refusals:
            assert refusal.status_code == 422, path
            assert refusal.json()["message"].endswith(": field is immutable")
            assert '{"a":1}' in refusal.json()["message"]
        assert admin.delete(f"{url}/a").status_code == 200
        assert admin.post(url, content=body % '{"a":1}', headers=headers).status_code == 201
        assert admin.patch(f"{url}/a", content=LABEL % "1", headers={"Content-Type": MERGE}).status_code == 200


def test_the_status_of_a_claim_is_written_whatever_its_spec_is_spelled_like(
    admin: httpx.Client, namespace: str
) -> None:
    url = f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims"
    opaque = {"driver": "gpu.example.com", "parameters": {"a": 1}}
    requests = [{"name": "r", "exactly": {"deviceClassName": "gpu.example.com"}}]
    claim: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"devices": {"requests": requests}}}
    claim["spec"]["devices"]["config"] = [{"opaque": opaque}]
    headers = {"Content-Type": "application/json"}
    assert admin.post(url, content=json.dumps(claim), headers=headers).status_code == 201

    result = {"request": "r", "driver": "gpu.example.com", "pool": "p", "device": "d"}
    devices = {"results": [result], "config": [{"source": "FromClaim", "opaque": opaque}]}
    claim["status"] = {"allocation": {"devices": devices}}

    def write(separators: tuple[str, str], data: str) -> httpx.Response:
        told = {"driver": "gpu.example.com", "pool": "p", "device": "d", "data": "DATA"}
        claim["status"]["devices"] = [told]
        content = json.dumps(claim, separators=separators).replace('"DATA"', data)
        return admin.put(f"{url}/a/status", content=content, headers=headers)

    first, same = write((", ", ": "), '{"x": 1}'), write((", ", ": "), '{"x": 1}')
    assert first.status_code == 200, first.text
    assert same.json()["metadata"]["resourceVersion"] == first.json()["metadata"]["resourceVersion"]
    respelled = write((", ", ": "), '{"x":1}')
    assert respelled.json()["metadata"]["resourceVersion"] != first.json()["metadata"]["resourceVersion"]
    refused = write((",", ":"), '{"x":1}')
    assert refused.status_code == 422
    assert refused.json()["details"]["causes"][0]["field"] == "status.allocation"


def test_a_text_outlives_the_server(own_server: ApiServer) -> None:
    with own_server.client() as client:
        made = Class(client, "a")
        assert made.create('{"a": 1}') == 1
    own_server.kill()
    own_server.start()
    with own_server.client() as client:
        made = Class(client, "a")
        assert made.text == '{"a": 1}'
        assert made.put('{"a": 1}') == 1
        assert made.patch(LABEL % "1") == 2
    own_server.kill()
    own_server.start()
    with own_server.client() as client:
        assert Class(client, "a").patch(LABEL % "2") == 2


def test_an_object_that_waits_for_its_finalizers_keeps_its_text(device_class: Class) -> None:
    body = device_class.body('{"a": 1}').replace('"metadata":{', '"metadata":{"finalizers":["example.com/f"],')
    assert device_class.send("POST", CLASSES, body) == 1
    device_class.client.delete(device_class.path)
    assert device_class.text == '{"a": 1}'
