"""Server-side apply."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.apps_v1 import Deployment
from api.core_v1 import ConfigMap, Pod, Secret, Service
from api.errors import BadRequest, Conflict
from api.model import Model
from api.schema import schema_of
from apiserver.patch.apply import LAST_APPLIED, apply
from apiserver.patch.managed_fields import update_managers

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)


def applied(
    live: dict[str, Any] | None,
    document: dict[str, Any],
    manager: str = "m",
    *,
    model: type[Model] = ConfigMap,
    force: bool = False,
    **options: Any,
) -> dict[str, Any]:
    now = options.pop("now", NOW)
    return apply(schema_of(model), live, document, manager, force, "v1", now, **options)


def config_map(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, **({"data": data} if data else {})}


def owned(document: dict[str, Any]) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in document["metadata"].get("managedFields", [])}


def updated(live: dict[str, Any], document: dict[str, Any], manager: str) -> dict[str, Any]:
    entries = update_managers(schema_of(ConfigMap), live, document, manager, "v1", NOW)
    return {**document, "metadata": {**document["metadata"], "managedFields": entries}}


def test_a_new_object_belongs_to_its_applier() -> None:
    result = applied(None, config_map(k="v"))
    assert result["data"] == {"k": "v"}
    assert result["metadata"]["managedFields"] == [
        {
            "manager": "m",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-05-04T03:02:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:k": {}}},
        }
    ]


def test_the_same_again_is_no_change() -> None:
    live = applied(None, config_map(k="v"))
    assert applied(live, config_map(k="v"), now=LATER) == live


def test_what_is_left_out_goes() -> None:
    live = applied(None, config_map(k="v", l="w"))
    result = applied(live, config_map(l="x"))
    assert result["data"] == {"l": "x"}
    assert owned(result) == {"m": {"f:data": {"f:l": {}}}}
    assert applied(result, config_map()).get("data") is None
    assert owned(applied(result, config_map())) == {}


def test_what_the_server_knows_stays_when_all_metadata_is_left_out() -> None:
    with_label = {**config_map(k="v"), "metadata": {"name": "a", "labels": {"l": "m"}}}
    live = applied(None, with_label)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    result = applied(live, config_map(k="v"))
    assert {name: value for name, value in result["metadata"].items() if name != "managedFields"} == {
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
    }


def test_what_others_own_stays_when_left_out() -> None:
    live = applied(applied(None, config_map(k="1", l="1"), "one"), config_map(k="1"), "two")
    result = applied(live, config_map(l="1"), "one")
    assert result["data"] == {"k": "1", "l": "1"}
    assert applied(result, config_map(), "two")["data"] == {"l": "1"}


def test_what_others_own_in_another_version_stays_when_left_out() -> None:
    def served(api_version: str, document: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        return (schema_of(ConfigMap), document) if api_version == "v2" else None

    both = applied(applied(None, config_map(k="v", l="w")), config_map(k="v", l="w"), "other")
    for api_version, kept in (("v2", {"k": "v", "l": "w"}), ("v3", {"k": "v"})):
        for entry in both["metadata"]["managedFields"]:
            entry["apiVersion"] = api_version if entry["manager"] == "other" else "v1"
        assert applied(both, config_map(k="v"), versions=served)["data"] == kept


def test_what_nobody_applied_stays() -> None:
    live = applied(None, config_map(k="1"))
    live = updated(live, {**config_map(k="1", own="x"), "metadata": live["metadata"]}, "editor")
    assert applied(live, config_map())["data"] == {"own": "x"}


def test_sharing_needs_no_time_and_no_change() -> None:
    live = applied(None, config_map(k="1"), "one")
    shared = applied(live, config_map(k="1"), "two", now=LATER)
    assert [entry.get("time") for entry in shared["metadata"]["managedFields"]] == [None, "2026-05-04T03:02:01Z"]


def test_conflicts_name_managers_and_paths() -> None:
    live = applied(None, {**config_map(k="1"), "metadata": {"name": "a", "labels": {"x": "1"}}}, "one")
    live = updated(live, {**live, "data": {"k": "1", "l": "1"}}, "editor")
    with pytest.raises(Conflict) as one:
        applied(live, config_map(k="2"), "two")
    assert one.value.message == 'Apply failed with 1 conflict: conflict with "one": .data.k'
    with pytest.raises(Conflict) as several:
        applied(live, {**config_map(k="2", l="2"), "metadata": {"name": "a", "labels": {"x": "2"}}}, "two")
    assert several.value.message == (
        'Apply failed with 3 conflicts: conflicts with "editor" using v1:\n- .data.l\n'
        'conflicts with "one":\n- .data.k\n- .metadata.labels.x'
    )
    assert several.value.details is not None
    assert {(c.reason, c.message, c.field) for c in several.value.details.causes} == {
        ("FieldManagerConflict", 'conflict with "editor" using v1', ".data.l"),
        ("FieldManagerConflict", 'conflict with "one"', ".data.k"),
        ("FieldManagerConflict", 'conflict with "one"', ".metadata.labels.x"),
    }


def test_a_subresource_is_named_in_conflicts() -> None:
    live = {"metadata": {"name": "d"}, "spec": {"replicas": 1}}
    before = {"metadata": {"name": "d", "managedFields": [_entry("x")]}, "spec": {}}
    managers = update_managers(schema_of(Deployment), before, live, "hpa", "v1", NOW, "scale")
    live["metadata"]["managedFields"] = managers
    with pytest.raises(Conflict, match=r'conflict with "hpa" with subresource "scale" using v1: \.spec\.replicas'):
        applied(live, {"metadata": {"name": "d"}, "spec": {"replicas": 2}}, model=Deployment)


def _entry(manager: str) -> dict[str, Any]:
    fields = {"f:spec": {"f:paused": {}}}
    entry = {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    return {**entry, "fieldsV1": fields}


def test_force_takes_fields_over() -> None:
    live = applied(None, config_map(k="1", l="1"), "one")
    result = applied(live, config_map(k="2"), "two", force=True)
    assert result["data"] == {"k": "2", "l": "1"}
    assert owned(result) == {"one": {"f:data": {"f:l": {}}}, "two": {"f:data": {"f:k": {}}}}


def test_an_updater_of_the_same_name_is_another_manager() -> None:
    live = applied(None, config_map(k="1"), "one")
    live = updated(live, {**live, "data": {"k": "2"}}, "same")
    with pytest.raises(Conflict, match='conflict with "same" using v1'):
        applied(live, config_map(k="3"), "same")


def test_the_first_apply_finds_a_manager_of_everything_before_it() -> None:
    live = {"metadata": {"name": "a"}, "data": {"k": "1", "l": "1"}}
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using v1: \.data\.k'):
        applied(live, config_map(k="2"))
    result = applied(live, config_map(k="1"))
    assert owned(result) == {
        "m": {"f:data": {"f:k": {}}},
        "before-first-apply": {"f:data": {".": {}, "f:k": {}, "f:l": {}}},
    }


CONTAINERS = [
    {"name": "one", "image": "1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
    {"name": "two", "image": "2"},
]


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [*containers], **spec}}


def test_lists_with_keys_merge_item_by_item() -> None:
    live = applied(None, pod(*CONTAINERS, nodeSelector={"a": "1"}), "one", model=Pod)
    other = pod({"name": "three", "image": "3"}, {"name": "one", "env": [{"name": "B", "value": "2"}]})
    both = applied(live, other, "two", model=Pod)
    assert [each["name"] for each in both["spec"]["containers"]] == ["three", "one", "two"]
    assert [each["name"] for each in both["spec"]["containers"][1]["env"]] == ["A", "B"]
    less = applied(both, pod({"name": "one", "image": "1"}), "one", model=Pod)
    assert less["spec"] == {
        "containers": [
            {"name": "three", "image": "3"},
            {"name": "one", "image": "1", "env": [{"name": "B", "value": "2"}]},
        ]
    }
    assert owned(less)["one"] == {
        "f:spec": {"f:containers": {'k:{"name":"one"}': {".": {}, "f:image": {}, "f:name": {}}}}
    }


def test_a_key_with_a_default_need_not_be_given() -> None:
    result = applied(None, pod(*CONTAINERS), model=Pod)
    ports = owned(result)["m"]["f:spec"]["f:containers"]['k:{"name":"one"}']["f:ports"]
    assert ports == {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}


def test_order_follows_the_applier_and_others_stay_where_they_were() -> None:
    def named(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "image": name} for name in names]

    live = applied(None, pod(*named("a", "b", "c", "d")), "one", model=Pod)
    live = applied(live, pod(*named("x", "c", "a")), "two", model=Pod)
    assert [each["name"] for each in live["spec"]["containers"]] == ["b", "x", "c", "d", "a"]


def test_sets_of_scalars() -> None:
    def finalizers(*names: str) -> dict[str, Any]:
        return {"metadata": {"name": "a", "finalizers": [*names]}}

    live = applied(applied(None, finalizers("a/1", "b/2"), "one"), finalizers("c/3", "b/2"), "two")
    assert live["metadata"]["finalizers"] == ["a/1", "c/3", "b/2"]
    live = applied(live, finalizers("b/2"), "one")
    assert live["metadata"]["finalizers"] == ["c/3", "b/2"]
    assert owned(live)["one"] == {"f:metadata": {"f:finalizers": {'v:"b/2"': {}}}}


def test_what_has_become_atomic_belongs_to_the_owners_of_its_parts() -> None:
    def service(**selector: str) -> dict[str, Any]:
        return {"metadata": {"name": "s"}, "spec": {"selector": selector}}

    live = applied(None, service(a="1"), "one", model=Service)
    live["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": {"f:selector": {"f:a": {}}}}
    with pytest.raises(Conflict, match=r"\.spec\.selector$"):
        applied(live, service(a="1", b="2"), "two", model=Service)
    forced = applied(live, service(a="1", b="2"), "two", model=Service, force=True)
    assert owned(forced) == {"two": {"f:spec": {"f:selector": {}}}}
    entries = update_managers(schema_of(Service), live, service(b="2"), "two", "v1", NOW, changeable=True)
    assert [(entry["manager"], entry["fieldsV1"]) for entry in entries] == [("two", {"f:spec": {"f:selector": {}}})]


def test_atomic_values_conflict_and_change_as_a_whole() -> None:
    def service(**selector: str) -> dict[str, Any]:
        return {"metadata": {"name": "s"}, "spec": {"selector": selector}}

    live = applied(None, service(a="1"), "one", model=Service)
    with pytest.raises(Conflict, match=r"\.spec\.selector$"):
        applied(live, service(a="1", b="2"), "two", model=Service)
    assert applied(live, service(b="2"), "one", model=Service)["spec"] == {"selector": {"b": "2"}}


def test_null_and_empty_values_are_owned() -> None:
    assert owned(applied(None, {"metadata": {"name": "a"}, "data": {}})) == {"m": {"f:data": {}}}
    assert owned(applied(None, config_map(k=None))) == {"m": {"f:data": {"f:k": {}}}}
    live = applied(None, config_map(k="1"), "one")
    result = applied(live, {"metadata": {"name": "a"}, "data": None}, "two")
    assert result["data"] == {"k": "1"}


def test_what_the_server_sets_is_not_owned() -> None:
    document = config_map(k="v")
    document["metadata"] |= {
        "uid": "u",
        "resourceVersion": "1",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    assert owned(applied(None, document)) == {"m": {"f:data": {"f:k": {}}}}
    assert owned(applied(None, config_map(k="v"), ignored={"f:data": {}})) == {}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        ({"hostname": 1}, ".spec.hostname: expected string, got &value.valueUnstructured{Value:1}"),
        ({"priority": "x"}, ".spec.priority: expected numeric (int or float), got string"),
        ({"hostNetwork": "x"}, ".spec.hostNetwork: expected boolean, got &{x}"),
        ({"affinity": ["x"]}, ".spec.affinity: expected map, got &{[x]}"),
        ({"containers": "x"}, ".spec.containers: expected list, got &{x}"),
        (
            {"containers": ["x"]},
            ".spec.containers: element 0: associative list with keys may not have non-map elements",
        ),
        (
            {"containers": [{"name": "a"}, {"name": "a"}]},
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "TCP"}]}]},
            '.spec.containers[name="a"].ports: duplicate entries for key [containerPort=1,protocol="TCP"]',
        ),
        (
            {"hostname": 1, "nope": 1},
            "errors:\n  .spec.hostname: expected string, got &value.valueUnstructured{Value:1}\n"
            "  .spec.nope: field not declared in schema",
        ),
    ],
)
def test_a_configuration_must_fit_the_schema(spec: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        applied(None, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}, model=Pod)
    assert refusal.value.message == f"failed to create typed patch object (/p; /v1, Kind=Pod): {problem}"


def test_managed_fields_may_not_be_applied() -> None:
    with pytest.raises(BadRequest, match=r"metadata\.managedFields must be nil"):
        applied(None, {"metadata": {"name": "a", "managedFields": []}})


def client_side(data: dict[str, str]) -> dict[str, Any]:
    """An object as `kubectl apply` of today leaves it."""
    last = json.dumps(config_map(**data))
    document = {**config_map(**data), "metadata": {"name": "a", "annotations": {LAST_APPLIED: last}}}
    entries = update_managers(schema_of(ConfigMap), None, document, "kubectl-client-side-apply", "v1", NOW)
    return {**document, "metadata": {**document["metadata"], "managedFields": entries}}


def test_kubectl_may_take_over_what_it_applied_on_the_client_side() -> None:
    live = client_side({"k": "1", "l": "1"})
    with pytest.raises(Conflict):
        applied(live, config_map(k="2", l="1"), "somebody")
    result = applied(live, config_map(k="2", l="1"), "kubectl")
    assert result["data"] == {"k": "2", "l": "1"}
    assert json.loads(result["metadata"]["annotations"][LAST_APPLIED]) == config_map(k="2", l="1")


def test_kubectl_still_conflicts_where_others_changed_something_since() -> None:
    live = client_side({"k": "1", "l": "1"})
    live = updated(live, {**live, "data": {"k": "theirs", "l": "1"}}, "editor")
    with pytest.raises(Conflict, match=r'1 conflict: conflict with "editor" using v1: \.data\.k'):
        applied(live, config_map(k="2", l="2"), "kubectl")


def test_an_annotation_that_grew_too_large_is_dropped() -> None:
    live = client_side({"k": "1"})
    result = applied(live, config_map(k="x" * 300_000), "kubectl")
    assert LAST_APPLIED not in result["metadata"]["annotations"]


def test_write_only_fields_are_owned_as_given() -> None:
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}}
    assert owned(applied(None, document, model=Secret)) == {"m": {"f:stringData": {"f:k": {}}}}
