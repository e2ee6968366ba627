"""One server for all; each test has a group and a namespace of its own."""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace, own_server, server

__all__ = ["admin", "namespace", "own_server", "server"]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
DEADLINE = 60.0
"""Seconds in which anything that the server does by itself is done."""

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "replicas": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {"port": {"type": "integer"}, "name": {"type": "string", "maxLength": 3}},
            },
        },
    },
}
STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}, "replicas": {"type": "integer"}, "since": {"type": "string"}},
}


def version(name: str = "v1", *, storage: bool = True, **more: Any) -> dict[str, Any]:
    """One version; `more` are its other fields."""
    schema = {"type": "object", "properties": {"spec": copy.deepcopy(SPEC), "status": copy.deepcopy(STATUS)}}
    fields = {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}
    return {**fields, **more}


def definition(group: str, *versions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A definition of widgets; `more` are other fields of its spec."""
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": list(versions) or [version()],
        **more,
    }
    name = f"{spec['names']['plural']}.{group}"
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def until(condition: Callable[[], Any]) -> Any:
    """Ask again and again until the answer is true.  Fails at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be in time"
    return found


def holds(document: dict[str, Any], name: str) -> str:
    """The status of a condition, "" where there is none."""
    conditions = document.get("status", {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == name), "")


class Custom:
    """The widgets of one group, as one client sees them."""

    def __init__(self, client: httpx.Client, group: str, namespace: str) -> None:
        self.client, self.group, self.namespace = client, group, namespace
        self.name = f"widgets.{group}"

    def define(self, *versions: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Make the definition and wait until it is established."""
        answer = self.client.post(DEFINITIONS, json=definition(self.group, *versions, **more))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = until(lambda: self.established())
        return found

    def established(self) -> dict[str, Any] | None:
        document: dict[str, Any] = self.client.get(f"{DEFINITIONS}/{self.name}").json()
        return document if holds(document, "Established") == "True" else None

    def path(self, name: str = "", version: str = "v1", part: str = "") -> str:
        parts = ["/apis", self.group, version, "namespaces", self.namespace, "widgets", name, part]
        return "/".join(each for each in parts if each)

    def widget(self, name: str, version: str = "v1", **members: Any) -> dict[str, Any]:
        return {
            "apiVersion": f"{self.group}/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": {}, **members
        }  # fmt: skip

    def create(self, name: str, version: str = "v1", **members: Any) -> dict[str, Any]:
        answer = self.client.post(self.path(version=version), json=self.widget(name, version, **members))
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def get(self, name: str, version: str = "v1") -> dict[str, Any]:
        answer = self.client.get(self.path(name, version))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:8]}.example.com"


@pytest.fixture
def custom(admin: httpx.Client, group: str, namespace: str) -> Iterator[Custom]:
    """Not defined yet; gone afterwards."""
    widgets = Custom(admin, group, namespace)
    yield widgets
    admin.delete(f"{DEFINITIONS}/{widgets.name}")


@contextmanager
def on(server: ApiServer, group: str) -> Iterator[Custom]:
    """Widgets in the default namespace of a server of the test's own."""
    with server.client() as client:
        yield Custom(client, group, "default")
