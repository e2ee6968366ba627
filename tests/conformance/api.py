"""A cluster as a conformance test sees it: documents that are created, changed, watched and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import httpx

from api.scheme import RESOURCES, Resource
from client.config import ClientConfig
from client.transport import tls_context

Document = dict[str, Any]
_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_WATCH = 120
"""Seconds in which what is watched for must happen."""


class Refused(Exception):
    """The server's Status, where it is not Success."""

    def __init__(self, code: int, status: Document) -> None:
        super().__init__(f"{code}: {status.get('message')}")
        self.code, self.reason = code, status.get("reason", "")
        self.message: str = status.get("message", "")


@cache
def resource(name: str) -> Resource:
    """By plural, with its group where several have it ("events.events.k8s.io"); the preferred version."""
    return next(each for each in RESOURCES if name in (each.plural, f"{each.plural}.{each.group}"))


class Api:
    """The administrator's connection; close it in the end."""

    def __init__(self, config: ClientConfig) -> None:
        headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
        self.http = httpx.Client(
            base_url=config.server, verify=tls_context(config), headers=headers, timeout=_WATCH + 30
        )

    def close(self) -> None:
        self.http.close()

    def send(self, method: str, path: str, body: Any = None, type: str = "application/json", **params: str) -> Document:
        """The answer.  Raises Refused."""
        content = None if body is None else json.dumps(body)
        answer = self.http.request(method, path, content=content, params=params, headers={"Content-Type": type})
        document: Document = answer.json()
        if answer.status_code >= 400:
            raise Refused(answer.status_code, document)
        return document

    def of(self, name: str, namespace: str = "") -> Collection:
        """A collection, by the resource's plural."""
        return Collection(self, resource(name), namespace)


class Collection:
    """The objects of a kind, in a namespace where it has one ("" is all of them)."""

    def __init__(self, api: Api, resource: Resource, namespace: str = "") -> None:
        self.api, self.resource, self.namespace = api, resource, namespace if resource.namespaced else ""

    def path(self, name: str = "", part: str = "") -> str:
        return self.resource.path(self.namespace, name, part)

    def create(self, document: Mapping[str, Any], name: str = "", part: str = "") -> Document:
        """An object, or with `name` and `part` something of its subresource."""
        if not part:
            document = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **document}
        return self.api.send("POST", self.path(name, part), document)

    def get(self, name: str, part: str = "") -> Document:
        return self.api.send("GET", self.path(name, part))

    def find(self, name: str) -> Document | None:
        """None where there is none."""
        try:
            return self.get(name)
        except Refused as refusal:
            if refusal.code == 404:
                return None
            raise

    def list(self, selector: str = "", fields: str = "") -> list[Document]:
        found: list[Document] = self.listed(selector, fields)["items"]
        return found

    def listed(self, selector: str = "", fields: str = "") -> Document:
        """The whole answer of a list."""
        return self.api.send("GET", self.path(), **_selection(selector, fields))

    def names(self, selector: str = "") -> set[str]:
        return {each["metadata"]["name"] for each in self.list(selector)}

    def replace(self, document: Document, part: str = "") -> Document:
        """With the object as it should be; it may have changed meanwhile (Refused, 409)."""
        return self.api.send("PUT", self.path(document["metadata"]["name"], part), document)

    def change(self, name: str, edit: Any, part: str = "") -> Document:
        """Replace it with what `edit` makes of it, as often as others change it at the same time."""
        while True:
            document = self.get(name)
            edit(document)
            try:
                return self.replace(document, part)
            except Refused as refusal:
                if refusal.reason != "Conflict":
                    raise

    def patch(self, name: str, body: Any, type: str = "merge", part: str = "") -> Document:
        return self.api.send("PATCH", self.path(name, part), body, _PATCHES[type])

    def delete(self, name: str, **options: Any) -> Document:
        return self.api.send("DELETE", self.path(name), {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def delete_all(self, selector: str = "", fields: str = "", **options: Any) -> Document:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        return self.api.send("DELETE", self.path(), body, **_selection(selector, fields))

    def changes(self, since: str, selector: str = "", fields: str = "") -> Iterator[tuple[str, Document]]:
        """Type and object of every event after a resourceVersion; ends two minutes later."""
        params = {"watch": "true", "resourceVersion": since, "timeoutSeconds": str(_WATCH)}
        with self.api.http.stream("GET", self.path(), params=params | _selection(selector, fields)) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                yield event["type"], event["object"]

    def first(self, since: str, condition: Callable[[Document], Any]) -> Document:
        """The object of the first event of which that holds: controllers may change it before and after."""
        for _, document in self.changes(since):
            if condition(document):
                return document
        raise AssertionError(f"no such change of {self.path()} within {_WATCH} s")

    def seen(self, since: str, *types: str, selector: str = "", fields: str = "") -> list[Document]:
        """The objects of the first events of these types, in this order."""
        wanted, found = [*types], []
        for type, document in self.changes(since, selector, fields):
            if type == wanted[0]:
                found.append(document)
                del wanted[0]
            if not wanted:
                return found
        raise AssertionError(f"no {wanted} of {self.path()} within {_WATCH} s")


def _selection(selector: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", selector), ("fieldSelector", fields)) if value}


class Space:
    """The collections of a namespace, by plural; cluster-wide ones as they are."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name

    def __call__(self, plural: str) -> Collection:
        return self.api.of(plural, self.name)
