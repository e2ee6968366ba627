"""Strategic merge patch on the types it is used with."""

from __future__ import annotations

from typing import Any

import pytest

from api.apps_v1 import Deployment
from api.core_v1 import ConfigMap, Node, Pod, Service
from api.errors import BadRequest
from api.schema import schema_of
from apiserver.patch import strategic_merge
from apiserver.patch.json_patch import CannotApply
from apiserver.patch.json_value import copied


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def patched(document: dict[str, Any], patch: dict[str, Any], model: Any = Pod) -> Any:
    return strategic_merge.apply(copied(document), patch, schema_of(model))


TWO = [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}]


def test_items_merge_by_key_and_new_ones_go_first() -> None:
    result = patched(pod(containers=TWO), pod(containers=[{"name": "new"}, {"name": "b", "image": "b:2"}]))
    assert result["spec"]["containers"] == [{"name": "new"}, TWO[0], {"name": "b", "image": "b:2"}]


def test_nested_lists_merge_too() -> None:
    change = [{"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": None, "valueFrom": {}}]}]
    env = patched(pod(containers=TWO), pod(containers=change))["spec"]["containers"][0]["env"]
    assert env == [{"name": "Y", "value": "2"}, {"name": "X", "valueFrom": {}}]


def test_items_are_deleted_and_lists_replaced_by_directive() -> None:
    assert patched(pod(containers=TWO), pod(containers=[{"name": "a", "$patch": "delete"}])) == pod(containers=TWO[1:])
    only = [{"$patch": "replace"}, {"name": "c"}]
    assert patched(pod(containers=TWO), pod(containers=only)) == pod(containers=[{"name": "c"}])


def test_objects_are_replaced_and_emptied_by_directive() -> None:
    document = pod(nodeSelector={"a": "1", "b": "2"})
    assert patched(document, pod(nodeSelector={"$patch": "replace", "c": "3"})) == pod(nodeSelector={"c": "3"})
    assert patched(document, pod(nodeSelector={"$patch": "delete"})) == pod(nodeSelector={})
    assert patched(document, {"$patch": "delete"}) == {}


def test_directives_have_no_effect_where_there_is_nothing_to_patch() -> None:
    assert patched({"data": {}}, {"binaryData": {"$patch": "replace", "a": "1"}}, ConfigMap) == {"data": {}}
    added = patched(pod(), pod(containers=[{"name": "a", "$patch": "delete"}, {"name": "b", "$retainKeys": ["name"]}]))
    assert added == pod(containers=[{"name": "b"}])


def test_lists_without_a_key_are_replaced() -> None:
    document = pod(tolerations=[{"key": "a"}], containers=[{"name": "a", "args": ["x", "y"]}])
    change = pod(tolerations=[{"key": "b"}], containers=[{"name": "a", "args": ["z"]}])
    assert patched(document, change) == change


def test_scalars_merge_as_a_set_where_declared() -> None:
    document = {"metadata": {"finalizers": ["a/1", "b/2"]}}
    assert patched(document, {"metadata": {"finalizers": ["c/3", "b/2"]}}, ConfigMap)["metadata"]["finalizers"] == [
        "c/3",
        "a/1",
        "b/2",
    ]
    change = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1", "none"]}}
    assert patched(document, change, ConfigMap) == {"metadata": {"finalizers": ["b/2"]}}


def test_order_given_for_items_and_scalars() -> None:
    change = {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "b", "tty": True}]}
    result = patched(pod(containers=[*TWO, {"name": "server"}]), pod(**change))["spec"]["containers"]
    assert [item["name"] for item in result] == ["b", "a", "server"]
    assert result[0]["tty"] is True
    change = {"$setElementOrder/finalizers": ["b/2", "a/1"]}
    assert patched({"metadata": {"finalizers": ["a/1", "b/2"]}}, {"metadata": change}, ConfigMap) == {
        "metadata": {"finalizers": ["b/2", "a/1"]}
    }


def test_retain_keys_clears_what_is_not_named() -> None:
    document = pod(volumes=[{"name": "v", "emptyDir": {}}])
    change = pod(volumes=[{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}])
    assert patched(document, change) == pod(volumes=[{"name": "v", "secret": {"secretName": "s"}}])
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    change = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched({"spec": {"strategy": strategy}}, change, Deployment) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_a_key_that_is_not_unique_changes_the_first() -> None:
    document = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}}
    result = patched(document, {"spec": {"ports": [{"port": 53, "name": "dns"}]}}, Service)
    assert result["spec"]["ports"] == [{"port": 53, "protocol": "UDP", "name": "dns"}, {"port": 53, "protocol": "TCP"}]


def test_null_removes_and_absent_values_are_taken_without_nulls() -> None:
    assert patched({"spec": {"podCIDR": "x", "taints": [{}]}}, {"spec": {"taints": None}}, Node) == {
        "spec": {"podCIDR": "x"}
    }
    assert patched({}, {"data": {"a": None, "b": "1"}}, ConfigMap) == {"data": {"b": "1"}}


def test_the_patch_is_left_alone() -> None:
    change = pod(containers=[{"name": "a", "$retainKeys": ["name"]}], nodeSelector={"$patch": "replace"})
    before = copied(change)
    patched(pod(containers=[{"name": "a", "env": []}], nodeSelector={"a": "1"}), change)
    assert change == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"containers": [{"image": "x"}]}, "map: map[image:x] does not contain declared merge key: name"),
        ({"containers": [{"$patch": "frob"}]}, "unknown patch type: frob in map: map[$patch:frob]"),
        ({"nodeSelector": {"$patch": "frob"}}, "unknown patch type: frob in map: map[$patch:frob]"),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, "merging lists cannot yet be specified in the patch"),
        ({"nodeSelector": {"$retainKeys": ["a"], "b": "1"}}, "invalid patch format of retainKeys"),
        ({"nodeSelector": {"$retainKeys": "a"}}, "invalid patch format of retainKeys"),
        ({"$deleteFromPrimitiveList/containers": "a"}, "invalid patch format of primitive list"),
        ({"$setElementOrder/containers": "a"}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/nope": []}, 'unable to find api field for the json field "nope"'),
        (
            {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]},
            "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
        ),
    ],
)
def test_contradictions_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        patched(pod(containers=TWO, nodeSelector={"x": "1"}), pod(**change))
    assert refusal.value.message == message


def test_lists_of_lists_are_refused() -> None:
    with pytest.raises(CannotApply):
        strategic_merge.apply({"metadata": {"finalizers": []}}, {"metadata": {"finalizers": [["a"]]}}, schema_of(Pod))
