"""Who owns a replica count, as a Scale shows it and back again."""

from __future__ import annotations

from typing import Any

from apiserver.patch.scale_managers import object_managers, scale_managers

REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
TIME = "2026-01-01T00:00:00Z"


def entry(manager: str, operation: str, version: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
        "fieldsV1": fields, **more,
    }  # fmt: skip


MINE = entry("me", "Apply", "apps/v1", {"f:spec": {"f:paused": {}, "f:replicas": {}}}, time=TIME)
OTHERS = entry("other", "Update", "apps/v1", {"f:status": {"f:replicas": {}}}, time=TIME, subresource="status")


def test_only_the_owners_of_the_count_are_seen() -> None:
    assert scale_managers([MINE, OTHERS], "spec.replicas") == [
        entry("me", "Apply", "autoscaling/v1", REPLICAS, time=TIME)
    ]


def test_an_owner_that_stays_keeps_its_entry() -> None:
    seen = scale_managers([MINE, OTHERS], "spec.replicas")
    assert object_managers([MINE, OTHERS], seen, "spec.replicas", "apps/v1") == [MINE, OTHERS]


def test_a_new_owner_takes_the_count_and_has_no_time() -> None:
    scaled = [entry("hpa", "Update", "autoscaling/v1", REPLICAS, time=TIME, subresource="scale")]
    left = entry("me", "Apply", "apps/v1", {"f:spec": {"f:paused": {}}}, time=TIME)
    assert object_managers([MINE], scaled, "spec.replicas", "apps/v1") == [
        left,
        entry("hpa", "Update", "apps/v1", REPLICAS, subresource="scale"),
    ]


def test_who_owned_nothing_else_is_gone() -> None:
    only = entry("me", "Apply", "example.com/v1", {"f:spec": {"f:size": {}}}, time=TIME)
    assert object_managers([only], [], "spec.size", "example.com/v1") == []
