"""Ownership after creates, updates and patches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.core_v1 import ConfigMap, Pod, Service
from api.model import Model
from api.schema import schema_of
from apiserver.patch.managed_fields import update_managers

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)


def written(
    model: type[Model], old: dict[str, Any] | None, new: dict[str, Any], manager: str = "m", **options: Any
) -> list[dict[str, Any]]:
    return update_managers(schema_of(model), old, new, manager, "v1", options.pop("now", NOW), **options)


def config_map(managers: list[dict[str, Any]] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "a", "uid": "u", "resourceVersion": "1"}
    if managers is not None:
        metadata["managedFields"] = managers
    return {"metadata": metadata, "data": data} if data else {"metadata": metadata}


def owned(managers: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in managers}


def test_a_create_owns_what_it_sets() -> None:
    new = {**config_map(k="v"), "apiVersion": "v1", "kind": "ConfigMap"}
    new["metadata"]["labels"] = {"a": "1"}
    assert written(ConfigMap, None, new) == [
        {
            "manager": "m",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-05-04T03:02:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:labels": {".": {}, "f:a": {}}}},
        }
    ]


def test_always_present_objects_and_lists_belong_to_nobody() -> None:
    container = {"name": "c", "resources": {}, "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["x"]}
    new = {"metadata": {"name": "p"}, "spec": {"containers": [container], "nodeSelector": {"a": "b"}}, "status": {}}
    port = 'k:{"containerPort":80,"protocol":"TCP"}'
    assert owned(written(Pod, None, new))["m"] == {
        "f:spec": {
            "f:containers": {
                'k:{"name":"c"}': {
                    ".": {},
                    "f:args": {},
                    "f:name": {},
                    "f:ports": {".": {}, port: {".": {}, "f:containerPort": {}, "f:protocol": {}}},
                    "f:resources": {},
                }
            },
            "f:nodeSelector": {},
        }
    }


def test_an_update_takes_what_it_changes_and_frees_what_it_removes() -> None:
    first = written(ConfigMap, None, config_map(a="1", b="1", c="1"), "first")
    second = written(ConfigMap, config_map(first, a="1", b="1", c="1"), config_map(a="1", b="2", d="1"), "second")
    assert owned(second) == {
        "first": {"f:data": {".": {}, "f:a": {}}},
        "second": {"f:data": {"f:b": {}, "f:d": {}}},
    }


def test_nothing_changed_is_nothing_written() -> None:
    managers = written(ConfigMap, None, config_map(a="1"), "first")
    old = config_map(managers, a="1")
    assert written(ConfigMap, old, config_map(a="1"), "second", now=LATER) is managers
    assert written(ConfigMap, old, config_map(managers, a="1"), "second", now=LATER) is managers


def test_the_time_moves_when_a_manager_writes() -> None:
    managers = written(ConfigMap, None, config_map(a="1"))
    again = written(ConfigMap, config_map(managers, a="1"), config_map(a="2"), now=LATER)
    assert (again[0]["fieldsV1"], again[0]["time"]) == (managers[0]["fieldsV1"], "2026-05-04T03:02:06Z")


def test_managers_that_own_nothing_are_dropped() -> None:
    managers = written(ConfigMap, None, config_map(a="1"), "first")
    assert written(ConfigMap, config_map(managers, a="1"), config_map(), "second") == []


def test_one_manager_has_an_entry_for_each_subresource() -> None:
    old = config_map(written(ConfigMap, None, config_map(a="1")), a="1")
    managers = written(ConfigMap, old, config_map(a="1", b="1"), subresource="status")
    assert [entry.get("subresource", "") for entry in managers] == ["", "status"]


@pytest.mark.parametrize("sent", [[], [{}]])
def test_an_empty_list_or_entry_forgets_all(sent: list[Any]) -> None:
    old = config_map(written(ConfigMap, None, config_map(a="1")), a="1")
    assert written(ConfigMap, old, config_map(sent, a="1")) == []
    kept = written(ConfigMap, old, config_map(sent, a="1"), subresource="status")
    assert kept == old["metadata"]["managedFields"]


def test_an_object_without_managers_gets_none_by_updates() -> None:
    assert written(ConfigMap, config_map(a="1"), config_map(a="2")) == []


def test_what_a_client_sends_counts_unless_malformed() -> None:
    old = config_map(written(ConfigMap, None, config_map(a="1")), a="1")
    sent = {"manager": "told", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    fields = {"f:data": {"f:a": {}}}
    assert owned(written(ConfigMap, old, config_map([{**sent, "fieldsV1": fields}], a="1"))) == {"told": fields}
    for broken in ({"fieldsV1": {"nope": {}}}, {"operation": "Frob"}, {"apiVersion": ""}, {"fieldsType": "V2"}):
        assert owned(written(ConfigMap, old, config_map([{**sent, **broken}], a="1"))).keys() == {"m"}
    unserved = {**sent, "apiVersion": "v9", "fieldsV1": fields}
    assert written(ConfigMap, old, config_map([unserved], a="1")) == []


def test_a_manager_of_another_version_is_compared_in_that_version() -> None:
    entry = {"manager": "other", "operation": "Update", "apiVersion": "v2", "fieldsType": "FieldsV1"}
    old = config_map([{**entry, "fieldsV1": {"f:values": {"f:a": {}, "f:b": {}}}}], a="1", b="1")

    def in_v2(version: str, document: dict[str, Any]) -> Any:
        shown = {"metadata": document["metadata"], "values": document.get("data", {})}
        return (schema_of(ConfigMap), shown) if version == "v2" else None

    managers = written(ConfigMap, old, config_map(a="1", b="2"), "m", versions=in_v2)
    assert owned(managers) == {"other": {"f:values": {"f:a": {}}}, "m": {"f:data": {"f:b": {}}}}


def test_ignored_fields_are_not_claimed() -> None:
    new = {
        "metadata": {"name": "s"},
        "spec": {"type": "ClusterIP"},
        "status": {"loadBalancer": {"ingress": [{"ip": "1"}]}},
    }
    managers = written(Service, None, new, ignored={"f:status": {}})
    assert owned(managers) == {"m": {"f:spec": {"f:type": {}}}}


def test_many_updaters_share_one_entry() -> None:
    managers: list[dict[str, Any]] = []
    data: dict[str, str] = {}
    for number in range(14):
        old = config_map(managers, **data) if data else None
        data = {**data, f"k{number:02}": "v"}
        managers = written(ConfigMap, old, config_map(**data), f"m{number:02}", now=NOW + timedelta(seconds=number))
    assert [entry["manager"] for entry in managers] == ["ancient-changes", *(f"m{n:02}" for n in range(5, 14))]
    assert managers[0]["fieldsV1"] == {"f:data": {".": {}, **{f"f:k{n:02}": {} for n in range(5)}}}
    assert managers[0]["time"] == "2026-05-04T03:02:05Z"


def test_appliers_come_first_then_the_oldest() -> None:
    base = {"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}
    sent = [
        {**base, "manager": "b", "operation": "Update", "time": "2026-01-02T00:00:00Z"},
        {**base, "manager": "c", "operation": "Update", "time": "2026-01-01T00:00:00Z"},
        {**base, "manager": "z", "operation": "Apply"},
    ]
    managers = written(ConfigMap, config_map(sent, a="1"), config_map(a="1", b="1"))
    assert [entry["manager"] for entry in managers] == ["z", "c", "b", "m"]
