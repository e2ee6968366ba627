"""Policies that change writes: what they apply, what they patch, in which order and how often."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import ConfigMaps, Policies

DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
               "resources": ["deployments"]}  # fmt: skip


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}}
    given = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": given}


def test_what_is_applied_merges(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating(
        "Object{metadata: Object.metadata{labels: {'a': 'applied', 'by': request.userInfo.username}}}",
        "Object{data: {'name': object.metadata.name}}",
    )
    made = config_maps.create(dry=False, data={"k": "v"}, labels={"a": "given", "b": "given"}).json()
    assert made["metadata"]["labels"] == {"a": "applied", "b": "given", "by": "admin"}
    assert made["data"] == {"k": "v", "name": "a"}
    [manager] = made["metadata"]["managedFields"]
    assert manager["fieldsV1"] == {
        "f:data": {".": {}, "f:k": {}},
        "f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}}},
    }
    changed = config_maps.patch("a", {"metadata": {"labels": {"a": None}}}).json()
    assert changed["metadata"]["labels"] == {"a": "applied", "b": "given", "by": "admin"}


def test_lists_with_keys_merge_and_defaults_follow(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    sidecar = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: ["
        "Object.spec.template.spec.containers{name: 'a', imagePullPolicy: 'Never'},"
        "Object.spec.template.spec.containers{name: 'sidecar', image: 'b:1'}]}}}}"
    )
    policies.mutating(sidecar, matchConstraints=policies.constraints(DEPLOYMENTS))
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    answer = admin.post(path, json=deployment({"name": "a", "image": "a:1"}))
    assert answer.status_code == 201, answer.text
    first, second = answer.json()["spec"]["template"]["spec"]["containers"]
    assert (first["name"], first["image"], first["imagePullPolicy"]) == ("a", "a:1", "Never")
    assert (second["name"], second["image"], second["imagePullPolicy"]) == ("sidecar", "b:1", "IfNotPresent")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            "Object{spec: Object.spec{template: Object.spec.wrong{}}}",
            'type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.template", which matches '
            "field name path from root Object type",
        ),
        (
            "Object{spec: Object.spec{size: 3}}",
            "error applying patch: failed to convert patch object to typed object: .spec.size: field not declared in "
            "schema",
        ),
        (
            "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'app': 'b'}}}}",
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
            ".spec.selector",
        ),
        (
            "Object{spec: Object.spec{replicas: 'three'}}",
            "error applying patch: failed to convert patch object to typed object: .spec.replicas: expected numeric "
            "(int or float), got string",
        ),
        (
            "Object{spec: Object.spec{replicas: int(object.metadata.name)}}",
            "expression 'Object{spec: Object.spec{replicas: int(object.metadata.name)}}' resulted in error: type "
            "conversion error from 'string' to 'int'",
        ),
        (
            "[JSONPatch{op: 'remove', path: '/spec/none'}]",
            "JSON Patch: error in remove for path: '/spec/none': Unable to remove nonexistent key: none: missing value",
        ),
    ],
)
def test_what_cannot_be_made_refuses_the_write(
    policies: Policies, admin: httpx.Client, namespace: str, change: str, why: str
) -> None:
    constraints = policies.constraints(DEPLOYMENTS)
    name = policies.mutating(change, matchConstraints=constraints)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    document = deployment({"name": "a", "image": "a:1"})
    answer = admin.post(path, json=document)
    message = f"policy '{name}' with binding '{name}' denied request: {why}"
    said = answer.json()
    assert (answer.status_code, said["message"], said["reason"], said["code"]) == (403, message, "Invalid", 403)
    assert said["details"] == {
        "name": "a", "group": "apps", "kind": "deployments", "causes": [{"message": message}],
    }  # fmt: skip
    policies.remove()
    policies.mutating(change, matchConstraints=constraints, failurePolicy="Ignore")
    assert admin.post(path, json=document).status_code == 201


def test_a_patch_that_makes_unknown_fields(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating("[JSONPatch{op: 'add', path: '/dta', value: {'a': 'b'}}]", failurePolicy="Ignore")
    answer = config_maps.create()
    assert answer.status_code == 500
    assert answer.json()["message"] == 'Internal error occurred: strict decoding error: unknown field "dta"'


def test_a_patch_that_makes_no_object_of_the_kind(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating("[JSONPatch{op: 'replace', path: '/metadata', value: 'x'}]", failurePolicy="Ignore")
    answer = config_maps.create()
    assert answer.status_code == 500
    problem = "json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta"
    assert answer.json()["message"] == f"Internal error occurred: {problem}"


def test_a_patch_of_objects_and_lists(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    of = "Object.spec.template.spec.volumes"
    first, second = (f"{of}{{name: '{name}', emptyDir: {of}.emptyDir{{}}}}" for name in "vw")
    policies.mutating(
        f"[JSONPatch{{op: 'add', path: '/spec/template/spec/volumes', value: [{first}]}}, "
        f"JSONPatch{{op: 'add', path: '/spec/template/spec/volumes/-', value: {second}}}, "
        "JSONPatch{op: 'replace', path: '/spec/replicas', value: object.spec.replicas + 1},"
        "JSONPatch{op: 'copy', from: '/spec/replicas', path: '/spec/minReadySeconds'}]",
        matchConstraints=policies.constraints(DEPLOYMENTS),
    )
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    answer = admin.post(path, json=deployment({"name": "a", "image": "a:1"}, replicas=2))
    assert answer.status_code == 201, answer.text
    spec = answer.json()["spec"]
    assert (spec["replicas"], spec["minReadySeconds"]) == (3, 3)
    assert spec["template"]["spec"]["volumes"] == [{"name": name, "emptyDir": {}} for name in "vw"]


def test_a_test_that_fails_leaves_all_as_it_is(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating(
        "[JSONPatch{op: 'add', path: '/data/x', value: 'y'}, JSONPatch{op: 'test', path: '/data/k', value: 'v'}]"
    )
    assert config_maps.create(data={"k": "v"}).json()["data"] == {"k": "v", "x": "y"}
    assert config_maps.create(data={"k": "w"}).json()["data"] == {"k": "w"}


def test_the_result_is_validated(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating("Object{metadata: Object.metadata{labels: {'not a label': 'x'}}}")
    answer = config_maps.create()
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "metadata.labels"


def test_the_result_is_what_rules_are_about(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating("Object{data: {'k': 'changed'}}")
    policies.validating("object.data.k == 'changed'")
    assert config_maps.create(data={"k": "v"}).status_code == 201


def test_policies_see_what_those_before_them_made(policies: Policies, config_maps: ConfigMaps) -> None:
    made = "[JSONPatch{op: 'add', path: '/data/all', value: object.data.?all.orValue('') + '%s'}]"
    for letter in "abc":
        policies.mutating(made % letter)
    assert config_maps.create(data={"k": "v"}).json()["data"] == {"k": "v", "all": "abc"}


def test_those_that_want_to_hear_of_later_changes(policies: Policies, config_maps: ConfigMaps) -> None:
    made = "[JSONPatch{op: 'add', path: '/data/%s', value: string(size(object.data))}]"
    policies.mutating(made % "first", reinvocationPolicy="IfNeeded")
    policies.mutating(made % "second")
    assert config_maps.create(data={"k": "v"}).json()["data"] == {"k": "v", "first": "3", "second": "2"}


def test_a_policy_is_asked_twice_at_most(policies: Policies, config_maps: ConfigMaps) -> None:
    longer = "[JSONPatch{op: 'add', path: '/data/all', value: object.data.?all.orValue('') + '%s'}]"
    for letter in "ab":
        policies.mutating(longer % letter, reinvocationPolicy="IfNeeded")
    assert config_maps.create(data={"k": "v"}).json()["data"]["all"] == "abab"


def test_a_scale(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    admin.post(path, json=deployment({"name": "a", "image": "a:1"})).raise_for_status()
    rule = {**DEPLOYMENTS, "resources": ["deployments/scale"]}
    policies.mutating("Object{spec: Object.spec{replicas: 2}}", matchConstraints=policies.constraints(rule))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a", "namespace": namespace}}
    answer = admin.put(f"{path}/a/scale", json={**scale, "spec": {"replicas": 7}})
    assert answer.json()["spec"] == {"replicas": 2}
    assert admin.get(f"{path}/a").json()["spec"]["replicas"] == 2


def test_one_without_a_namespace(policies: Policies, admin: httpx.Client) -> None:
    name = f"{policies.namespace}-x"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["namespaces"],
            "resourceNames": [name]}  # fmt: skip
    change = "Object{metadata: Object.metadata{labels: {'made': string(namespaceObject == null)}}}"
    policies.mutating(change, matchConstraints={"resourceRules": [rule]})
    made = admin.post("/api/v1/namespaces", json={"metadata": {"name": name}}).json()
    assert made["metadata"]["labels"]["made"] == "true"


def test_a_generated_name(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.mutating("Object{data: {'named': object.metadata.name}}")
    answer = config_maps.client.post(config_maps.path, json={"metadata": {"generateName": "g-"}})
    assert (answer.status_code, answer.json()["details"]["name"]) == (403, "g-")
    policies.remove()
    policies.mutating("Object{data: {'named': string(has(object.metadata.name))}}")
    answer = config_maps.client.post(config_maps.path, json={"metadata": {"generateName": "g-"}})
    assert answer.json()["data"] == {"named": "false"}
    assert answer.json()["metadata"]["name"].startswith("g-")
