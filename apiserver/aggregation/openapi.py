"""OpenAPI of remote servers: their v3 documents are proxied, their v2 documents put into ours.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from api.errors import StatusError
from apiserver.aggregation.remote import Remote, Unanswered
from apiserver.aggregation.swagger_conversion import converted
from apiserver.endpoint import API
from apiserver.openapi import gnostic
from apiserver.openapi.documents import Body, tagged
from apiserver.request import User

Document = dict[str, Any]
_USER = User("system:aggregator", groups=("system:authenticated",))
_DEFINITIONS = "#/definitions/"
_KIND = "x-kubernetes-group-version-kind"


class RemoteOpenAPI:
    """What one server publishes of its group version: the v3 document, and that of v2 when somebody asks.

    `path` is the group version as the index of v3 names it, `url` where the document is, "" as long as there is none.
    """

    def __init__(self, api: API, remote: Remote) -> None:
        self._api, self._remote = api, remote
        version = remote.group_version
        self.path = f"apis/{version}" if version.group else f"api/{version}"
        self.url = ""
        self.converted: Body | None = None
        """The v3 document, made from the v2 one, of a server that has no others."""
        self._v2: tuple[Document, str] = ({}, "")

    async def refresh(self) -> None:
        """Ask for the v3 index.  What is known stays where the server does not answer."""
        try:
            status, _, body = await self._ask("/openapi/v3", "")
            if status == 404:
                await self._convert()
            elif status == 200:
                # A server has a say in its own group version only, and sends nobody elsewhere.
                url = str(orjson.loads(body)["paths"][self.path]["serverRelativeURL"])
                self.url = url if url.startswith(f"/openapi/v3/{self.path}") else ""
                self.converted = None
        except (Unanswered, StatusError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return  # silence, or nonsense

    async def _convert(self) -> None:
        document = await self.v2()
        if document.get("paths"):
            self.converted = tagged(orjson.dumps(converted(document)))
            content = self.converted[1].strip('"')
            self.url = f"/openapi/v3/{self.path}?hash={content}"

    async def v2(self) -> Document:
        """The v2 document of its group version, as last heard where the server does not answer now."""
        known, etag = self._v2
        try:
            status, headers, body = await self._ask("/openapi/v2", etag)
            if status == 200:
                known = filtered(orjson.loads(body), self._remote.path)
                self._v2 = known, headers.get("etag", "")
        except (Unanswered, StatusError, ValueError, AttributeError, RecursionError):
            pass  # silence, or nonsense
        return known

    async def _ask(self, path: str, etag: str) -> tuple[int, Mapping[str, str], bytes]:
        return await self._remote.ask(self._api, path, "application/json", etag, _USER)


def merged_index(body: bytes, remotes: Iterable[RemoteOpenAPI]) -> Body:
    """`/openapi/v3` with the documents of remote servers."""
    paths = orjson.loads(body)["paths"]
    paths |= {remote.path: {"serverRelativeURL": remote.url} for remote in remotes if remote.url}
    return tagged(orjson.dumps({"paths": dict(sorted(paths.items()))}))


class MergedV2:
    """`/openapi/v2` with the documents of remote servers, kept until one of them is another."""

    def __init__(self) -> None:
        self._of: tuple[str, list[Document]] = ("", [])
        self._bodies: dict[bool, Body] = {}

    async def body(self, ours: Body, theirs: list[Document], protobuf: bool) -> Body:
        if self._of != (ours[1], theirs):
            self._of, self._bodies = (ours[1], theirs), {}
        bodies = self._bodies  # while one is being made the documents may become others, with other bodies
        if protobuf not in bodies:
            bodies[protobuf] = await asyncio.to_thread(_merge, ours[0], theirs, protobuf)
        return bodies[protobuf]


def _merge(ours: bytes, theirs: list[Document], protobuf: bool) -> Body:
    document = merged(orjson.loads(ours), theirs)
    return tagged(gnostic.encode(document) if protobuf else orjson.dumps(document))


def filtered(document: Document, prefix: str) -> Document:
    """A v2 document's paths of one group version, and the definitions they need."""
    paths = {p: item for p, item in _objects(document, "paths").items() if p.startswith(f"{prefix}/")}
    definitions = _objects(document, "definitions")
    used: dict[str, Any] = {}
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in used:
            used[name] = definitions[name]
            waiting += _references(definitions[name])
    return {**document, "paths": paths, "definitions": used}


def _objects(document: Document, member: str) -> dict[str, Document]:
    return {name: each for name, each in (document.get(member) or {}).items() if isinstance(each, dict)}


def merged(ours: Document, theirs: Iterable[Document]) -> Document:
    """v2 documents as one.  A path belongs to whoever has it first; a definition of a name that means something else
    gets another: NAME_v2, NAME_v3…"""
    paths, definitions = dict(ours["paths"]), dict(ours["definitions"])
    for document in theirs:
        with suppress(RecursionError):  # nested more deeply than anybody could use
            more, found = _fitted(document, definitions)
            paths = {**more, **paths}
            definitions |= found
    return {**ours, "paths": dict(sorted(paths.items())), "definitions": dict(sorted(definitions.items()))}


def _fitted(document: Document, known: Mapping[str, Document]) -> tuple[Document, dict[str, Document]]:
    """The paths and definitions of a document under names that mean nothing else among those that are known."""
    names: dict[str, str] = {}
    for name, definition in document["definitions"].items():
        fitting, number = name, 1
        while fitting in known and not _same(known[fitting], _renamed(definition, {name: fitting})):
            number += 1
            fitting = f"{name}_v{number}"
        names[name] = fitting
    definitions = {}
    for name, fitting in names.items():
        definition = _renamed(document["definitions"][name], names)
        kinds = [*known.get(fitting, {}).get(_KIND, ()), *definition.get(_KIND, ())]
        definitions[fitting] = {**definition, _KIND: _each_once(kinds)} if kinds else definition
    return _renamed(document["paths"], names), definitions


def _same(one: Document, other: Document) -> bool:
    """Whether two definitions differ at most in the group versions in which they are a kind."""
    without = [{name: value for name, value in each.items() if name != _KIND} for each in (one, other)]
    return without[0] == without[1]


def _each_once(kinds: list[Any]) -> list[Any]:
    return [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str):
            yield target.removeprefix(_DEFINITIONS)
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _DEFINITIONS + names.get(each.removeprefix(_DEFINITIONS), each.removeprefix(_DEFINITIONS))
            if key == "$ref" and isinstance(each, str)
            else _renamed(each, names)
            for key, each in value.items()
        }
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value
