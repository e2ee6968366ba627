"""Create, read, update, patch and delete custom objects."""

from __future__ import annotations

import httpx
import pytest

from tests.custom_resources.conftest import APPLY, JSON_PATCH, MERGE, SPEC, STATUS, Custom, until, version


def message(answer: httpx.Response) -> str:
    text: str = answer.json()["message"]
    return text


def test_a_created_object_has_its_defaults_and_what_the_server_adds(custom: Custom) -> None:
    custom.define()
    created = custom.create("a", spec={"size": 3})
    assert created["spec"] == {"size": 3, "color": "red"}
    assert created["metadata"]["generation"] == 1
    assert created["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {".": {}, "f:color": {}, "f:size": {}}}
    assert custom.get("a") == created


def test_an_object_of_another_kind_or_version_is_refused(custom: Custom) -> None:
    custom.define()
    other = custom.client.post(custom.path(), json={**custom.widget("a"), "kind": "Gadget"})
    assert other.status_code == 422
    assert message(other) == f'Gadget.{custom.group} "a" is invalid: kind: Invalid value: "Gadget": must be Widget'
    wrong = custom.client.post(custom.path(), json={**custom.widget("a"), "apiVersion": f"{custom.group}/v9"})
    assert wrong.status_code == 400
    assert "does not match the expected API version" in message(wrong)


def test_values_must_keep_to_the_schema(custom: Custom) -> None:
    custom.define()
    answer = custom.client.post(custom.path(), json=custom.widget("a", spec={"size": 11, "color": "blue"}))
    assert answer.status_code == 422
    causes = {cause["field"]: cause["reason"] for cause in answer.json()["details"]["causes"]}
    assert causes == {"spec.size": "FieldValueInvalid", "spec.color": "FieldValueNotSupported"}


@pytest.mark.parametrize("strictness", ["Warn", "Strict", "Ignore"])
def test_unknown_and_repeated_fields(custom: Custom, strictness: str) -> None:
    custom.define()
    body = (
        f'{{"apiVersion":"{custom.group}/v1","kind":"Widget","metadata":{{"name":"a","odd":1}},'
        '"spec":{"size":1,"size":2,"zzz":1,"ports":[{"port":1,"w":1}]}}'
    )
    answer = custom.client.post(
        custom.path(),
        params={"fieldValidation": strictness},
        content=body,
        headers={"Content-Type": "application/json"},
    )
    complaints = [
        'duplicate field "spec.size"',
        'unknown field "metadata.odd"',
        'unknown field "spec.ports[0].w"',
        'unknown field "spec.zzz"',
    ]
    if strictness == "Strict":
        assert answer.status_code == 400
        assert message(answer).endswith("strict decoding error: " + ", ".join(complaints))
        return
    assert answer.json()["spec"] == {"size": 2, "color": "red", "ports": [{"port": 1}]}
    warnings = [text.replace("\\", "") for text in answer.headers.get_list("warning", split_commas=False)]
    assert warnings == ([f'299 - "{text}"' for text in complaints] if strictness == "Warn" else [])


def test_what_was_wrong_before_may_stay(custom: Custom) -> None:
    schema = version()
    custom.define(schema)
    created = custom.create("a", spec={"size": 9, "ports": [{"port": 1, "name": "abc"}, {"port": 2}]})
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    change = [
        {"op": "replace", "path": f"{path}/size/maximum", "value": 5},
        {"op": "replace", "path": f"{path}/ports/items/properties/name/maxLength", "value": 2},
    ]
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    answer = custom.client.patch(f"{definitions}/{custom.name}", json=change, headers=JSON_PATCH)
    assert answer.status_code == 200
    size, trial = {"spec": {"size": 8}}, {"dryRun": "All"}
    until(lambda: custom.client.patch(custom.path("a"), json=size, params=trial, headers=MERGE).status_code == 422)

    kept = {"spec": {"color": "green", "ports": [{"port": 2, "name": "x"}, {"port": 1, "name": "abc"}]}}
    assert custom.client.patch(custom.path("a"), json=kept, headers=MERGE).status_code == 200
    worse = custom.client.patch(custom.path("a"), json=size, headers=MERGE)
    assert worse.status_code == 422
    assert "spec.size in body should be less than or equal to 5" in message(worse)
    fresh = custom.client.post(custom.path(), json=custom.widget("b", spec=created["spec"]))
    assert {cause["field"] for cause in fresh.json()["details"]["causes"]} == {"spec.size", "spec.ports[0].name"}


def test_every_change_but_one_of_metadata_makes_a_generation(custom: Custom) -> None:
    custom.define()
    custom.create("a", spec={"size": 1})
    labelled = custom.client.patch(custom.path("a"), json={"metadata": {"labels": {"x": "y"}}}, headers=MERGE)
    assert labelled.json()["metadata"]["generation"] == 1
    changed = custom.client.patch(custom.path("a"), json={"status": {"ready": True}}, headers=MERGE)
    assert changed.json()["metadata"]["generation"] == 2


def test_an_update_needs_the_version_it_was_made_from(custom: Custom) -> None:
    custom.define()
    created = custom.create("a", spec={"size": 1})
    blind = custom.client.put(custom.path("a"), json=custom.widget("a", spec={"size": 2}))
    assert blind.status_code == 422
    assert "metadata.resourceVersion" in message(blind)
    seen = custom.client.put(custom.path("a"), json={**created, "spec": {"size": 2}})
    assert seen.json()["spec"] == {"size": 2, "color": "red"}
    assert custom.client.put(custom.path("a"), json={**created, "spec": {"size": 3}}).status_code == 409


def test_a_strategic_merge_patch_is_not_understood(custom: Custom) -> None:
    custom.define()
    custom.create("a")
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    assert custom.client.patch(custom.path("a"), json={}, headers=headers).status_code == 415


def test_two_appliers_share_a_list_with_keys(custom: Custom) -> None:
    custom.define()

    def apply(manager: str, *ports: dict[str, object]) -> httpx.Response:
        body = custom.widget("a", spec={"ports": list(ports)})
        return custom.client.patch(custom.path("a"), params={"fieldManager": manager}, json=body, headers=APPLY)

    assert apply("one", {"port": 1, "name": "a"}).status_code == 201
    assert apply("two", {"port": 2}).json()["spec"]["ports"] == [{"port": 1, "name": "a"}, {"port": 2}]
    contested = apply("two", {"port": 1, "name": "b"})
    assert contested.status_code == 409
    assert message(contested) == 'Apply failed with 1 conflict: conflict with "one": .spec.ports[port=1].name'
    assert apply("one").json()["spec"]["ports"] == [{"port": 2}]


def test_numbers_are_kept_as_go_writes_them(custom: Custom) -> None:
    schema = {"type": "object", "properties": {"spec": {"x-kubernetes-preserve-unknown-fields": True}}}
    custom.define(version(schema={"openAPIV3Schema": schema}))
    body = '{"apiVersion":"%s/v1","kind":"Widget","metadata":{"name":"a"},"spec":[1.0,1e3,0.5,12345678901234567890]}'
    answer = custom.client.post(
        custom.path(), content=body % custom.group, headers={"Content-Type": "application/json"}
    )
    assert b'"spec":[1,1000,0.5,12345678901234567000]' in answer.content


def test_lists_say_of_each_object_what_it_is(custom: Custom) -> None:
    custom.define(names={"plural": "widgets", "kind": "Widget", "listKind": "Widgetry"})
    custom.create("a")
    listed = custom.client.get(custom.path()).json()
    assert (listed["kind"], listed["metadata"]["continue"]) == ("Widgetry", "")
    assert [(item["apiVersion"], item["kind"]) for item in listed["items"]] == [(f"{custom.group}/v1", "Widget")]


def test_yaml_and_metadata_alone(custom: Custom) -> None:
    custom.define()
    body = f"apiVersion: {custom.group}/v1\nkind: Widget\nmetadata: {{name: a}}\nspec: {{size: 2}}\n"
    created = custom.client.post(custom.path(), content=body, headers={"Content-Type": "application/yaml"})
    assert created.json()["spec"]["size"] == 2
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    partial = custom.client.get(custom.path("a"), headers={"Accept": accept}).json()
    assert (partial["kind"], "spec" in partial) == ("PartialObjectMetadata", False)
    assert "size: 2" in custom.client.get(custom.path("a"), headers={"Accept": "application/yaml"}).text
    only_protobuf = custom.client.get(custom.path("a"), headers={"Accept": "application/vnd.kubernetes.protobuf"})
    assert only_protobuf.status_code == 406


def test_a_collection_is_deleted_by_label(custom: Custom) -> None:
    custom.define()
    for name in "abc":
        custom.create(name, metadata={"name": name, "labels": {"half": "one" if name < "c" else "two"}})
    assert custom.client.delete(custom.path(), params={"labelSelector": "half=one"}).status_code == 200
    left = custom.client.get(custom.path()).json()["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_an_embedded_object_keeps_its_metadata_and_nothing_unknown(custom: Custom) -> None:
    template = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"data": {"type": "object", "additionalProperties": {"type": "string"}}},
    }
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"template": template}}, "status": STATUS},
    }
    custom.define(version(schema={"openAPIV3Schema": schema}))
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "odd": 1}, "data": {"k": "v"}, "w": 1}
    created = custom.create("a", spec={"template": given})
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "v"}}
    assert created["spec"]["template"] == kept
    nameless = custom.client.post(custom.path(), json=custom.widget("b", spec={"template": {"kind": "a_b"}}))
    causes = {cause["field"] for cause in nameless.json()["details"]["causes"]}
    assert causes == {"spec.template.apiVersion", "spec.template.kind"}


def test_nulls_stay_only_where_they_may(custom: Custom) -> None:
    spec = {
        "type": "object",
        "properties": {
            "plain": {"type": "string"},
            "free": {"type": "string", "nullable": True},
            "full": {"type": "string", "default": "d"},
            **SPEC["properties"],
        },
    }
    custom.define(version(schema={"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}))
    created = custom.create("a", spec={"plain": None, "free": None, "full": None})
    assert created["spec"] == {"free": None, "full": "d", "color": "red"}


@pytest.mark.parametrize("depth", [200, 900, 20_000])
def test_objects_that_are_nested_too_deeply_are_refused(custom: Custom, depth: int) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    custom.define(version(schema={"openAPIV3Schema": schema}))
    custom.create("a")
    deep = '{"a":' * depth + "1" + "}" * depth
    body = f'{{"apiVersion":"{custom.group}/v1","kind":"Widget","metadata":{{"name":"b"}},"spec":{deep}}}'
    created = custom.client.post(custom.path(), content=body, headers={"Content-Type": "application/json"})
    assert created.status_code == 400
    patched = custom.client.patch(custom.path("a"), content=f'{{"spec":{deep}}}', headers=MERGE)
    assert patched.status_code == 400
    named = body.replace('"b"', '"a"')
    applied = custom.client.patch(custom.path("a"), params={"fieldManager": "m"}, content=named, headers=APPLY)
    assert applied.status_code in (400, 422)  # what it would own is nested still deeper
    assert custom.get("a")["spec"] == {}
