"""The REST client: one coroutine per verb, typed by the model of the kind.

Conventions of the API: https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast
from urllib.parse import quote, urlencode

import httpx
import orjson

from api.clock import Clock, SystemClock
from api.errors import StatusError, from_answer, from_status
from api.meta_v1 import DeleteOptions, ListMeta, ObjectMeta, PartialObjectMetadata, Preconditions
from api.model import Model
from api.scheme import Resource, resource_of
from client.config import ClientConfig
from client.metadata import ACCEPT, ACCEPT_LIST
from client.transport import CALL_TIMEOUT, CONNECT_TIMEOUT, Transport, Unreachable

__all__ = ["ObjectList", "RestClient", "Unreachable", "WatchEvent"]

PatchBody = Mapping[str, Any] | list[Any]

M = TypeVar("M", bound=Model)
A = TypeVar("A", bound=Model)

_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_JSON = "application/json"
_MAX_RETRIES = 10


class HasMetadata(Protocol):
    """What every API object has, besides its own fields."""

    apiVersion: str
    kind: str
    metadata: ObjectMeta


@dataclass(slots=True)
class ObjectList(Generic[M]):
    """One page of a list.  `metadata.resourceVersion` is where a watch of the same objects starts."""

    items: list[M]
    metadata: ListMeta = field(default_factory=lambda: ListMeta.from_dict({}))


@dataclass(slots=True)
class WatchEvent(Generic[M]):
    """`type` is ADDED, MODIFIED, DELETED (the object as it last was) or BOOKMARK (only a resourceVersion)."""

    type: str
    object: M


class RestClient:
    """Calls to one API server.  Use as an async context manager, or `close()` it.

    Every method raises `api.errors.StatusError` (its subclass by reason) when the server refuses, and
    `Unreachable` when there was no answer.  A refusal that names a time to come back (429, 503 with
    Retry-After) is retried up to ten times first.

    Methods take the model class of the kind.  For kinds without a class pass `PartialObjectMetadata` (or any
    model that fits) and say with `resource=` where they are served.
    """

    def __init__(
        self,
        config: ClientConfig,
        user_agent: str = "nanokube/0.1",
        *,
        clock: Clock | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.config = config
        self.transport = transport or Transport(config, user_agent)
        self._clock = clock or SystemClock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.aclose()

    # --- reading ---------------------------------------------------------------------------------

    async def get(
        self,
        model: type[M],
        name: str,
        namespace: str = "",
        *,
        subresource: str = "",
        resource_version: str = "",
        resource: Resource | None = None,
    ) -> M:
        path = _path(resource or resource_of(model), namespace, name, subresource)
        return model.decode(await self._read(path, model, {"resourceVersion": resource_version}))

    async def list(
        self,
        model: type[M],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
        resource: Resource | None = None,
        decode: Callable[[bytes], M] | None = None,
    ) -> ObjectList[M]:
        """All objects of the namespace, or of all namespaces when it is empty.  Expired: the `continue_` is too old.

        `decode` reads an object's JSON, if not the model does.
        """
        parameters = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": str(limit) if limit else "",
            "continue": continue_,
            "resourceVersion": resource_version,
        }
        body = await self._read(_path(resource or resource_of(model), namespace), model, parameters, ACCEPT_LIST)
        document = orjson.loads(body)
        # Items go through JSON once more: strict decoding of times needs JSON input, and orjson is cheap beside it.
        decode = decode or model.decode
        items = [decode(orjson.dumps(item)) for item in document.get("items") or []]
        return ObjectList(items, ListMeta.from_dict(document.get("metadata") or {}))

    async def watch(
        self,
        model: type[M],
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_seconds: int = 0,
        send_initial_events: bool = False,
        opened: Callable[[], None] | None = None,
        resource: Resource | None = None,
        decode: Callable[[bytes], M] | None = None,
    ) -> AsyncIterator[WatchEvent[M]]:
        """Every change after `resource_version`, in order, until the server ends the stream.

        `opened` is called once the server has agreed to the watch, which may be long before the first event.
        `decode` reads an object's JSON, if not the model does.  Raises Expired when the version (or the watch itself)
        is too old: list again.  Close the generator (or leave its task by cancellation) to end the watch.
        """
        parameters = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "allowWatchBookmarks": "true" if bookmarks else "",
            "timeoutSeconds": str(timeout_seconds) if timeout_seconds else "",
        }
        if send_initial_events:
            parameters |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        target = _target(_path(resource or resource_of(model), namespace), parameters)
        accept = ACCEPT if model is PartialObjectMetadata else _JSON
        response = await self.transport.stream(self.transport.request("GET", target, accept=accept))
        try:
            if response.status_code >= 400:
                raise from_answer(response.status_code, await response.aread())
            if opened is not None:
                opened()
            async for line in lines(response.aiter_raw()):
                yield _event(decode or model.decode, line)
        finally:
            await response.aclose()

    # --- writing ---------------------------------------------------------------------------------

    async def create(
        self, obj: M, *, dry_run: bool = False, field_manager: str = "", resource: Resource | None = None
    ) -> M:
        """Raises AlreadyExists; Forbidden when the namespace is being deleted; Invalid."""
        where = resource or resource_of(type(obj))
        path = _path(where, _meta(obj).namespace)
        parameters = {"dryRun": "All" if dry_run else "", "fieldManager": field_manager}
        return type(obj).decode(await self._write("POST", _target(path, parameters), encoded(obj, where)))

    async def create_quietly(self, obj: Model) -> ObjectMeta:
        """`create` for those who want no more back than the object's metadata: what is large is not sent again."""
        where = resource_of(type(obj))
        return await self._metadata("POST", _path(where, _meta(obj).namespace), encoded(obj, where))

    async def update(
        self,
        obj: M,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        resource: Resource | None = None,
    ) -> M:
        """Replace the object.  Raises Conflict when it changed since `obj.metadata.resourceVersion`; NotFound."""
        where, meta = resource or resource_of(type(obj)), _meta(obj)
        path = _path(where, meta.namespace, meta.name, subresource)
        parameters = {"dryRun": "All" if dry_run else "", "fieldManager": field_manager}
        return type(obj).decode(await self._write("PUT", _target(path, parameters), encoded(obj, where)))

    async def update_quietly(self, obj: Model) -> ObjectMeta:
        """`update` for those who want no more back than the object's metadata."""
        where, meta = resource_of(type(obj)), _meta(obj)
        return await self._metadata("PUT", _path(where, meta.namespace, meta.name), encoded(obj, where))

    async def patch(
        self,
        model: type[M],
        name: str,
        namespace: str,
        body: PatchBody,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
        resource: Resource | None = None,
    ) -> M:
        """Change parts of an object.  `type` is merge, strategic, json (a list of operations) or apply.

        Raises NotFound; Conflict when the body carries a resourceVersion that is no longer current, or when
        another manager owns an applied field and `force` is not set.
        """
        parameters = {
            "fieldManager": field_manager,
            "force": "true" if force else "",
            "dryRun": "All" if dry_run else "",
        }
        path = _path(resource or resource_of(model), namespace, name, subresource)
        answer = await self._write("PATCH", _target(path, parameters), orjson.dumps(body), _PATCH_TYPES[type])
        return model.decode(answer)

    async def delete(
        self,
        model: type[Model],
        name: str,
        namespace: str = "",
        *,
        grace_period: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
        resource: Resource | None = None,
    ) -> None:
        """Ask for the object's end: it may live on for its grace period and its finalizers.

        `uid` and `resource_version` are preconditions (Conflict).  Raises NotFound.
        """
        options = DeleteOptions(
            apiVersion="v1",
            kind="DeleteOptions",
            gracePeriodSeconds=grace_period,
            propagationPolicy=propagation,
            dryRun=["All"] if dry_run else [],
        )
        if uid is not None or resource_version is not None:
            options.preconditions = Preconditions(uid=uid, resourceVersion=resource_version)
        path = _path(resource or resource_of(model), namespace, name)
        await self._write("DELETE", path, options.encode())

    async def delete_collection(
        self,
        model: type[Model],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period: int | None = None,
        propagation: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        options = DeleteOptions(
            apiVersion="v1", kind="DeleteOptions", gracePeriodSeconds=grace_period, propagationPolicy=propagation
        )
        parameters = {"labelSelector": label_selector, "fieldSelector": field_selector}
        path = _path(resource or resource_of(model), namespace)
        await self._write("DELETE", _target(path, parameters), options.encode())

    async def create_subresource(self, model: type[Model], name: str, namespace: str, subresource: str, body: A) -> A:
        """POST to a part of an object (binding, eviction, token).  The answer is of the body's own kind when the
        server sends one back, else the body itself."""
        path = _path(resource_of(model), namespace, name, subresource)
        answer = await self._write("POST", path, body.encode())
        kind = orjson.loads(answer).get("kind", "")
        return body if kind == "Status" else type(body).decode(answer)

    # --- anything else ---------------------------------------------------------------------------

    @cached_property
    def http(self) -> httpx.AsyncClient:
        """The whole of httpx's client, over the same connections: paths are the server's, codes the caller's to see.

        Four times the cost of the methods above; raises httpx's exceptions (Unreachable is one).
        """
        return httpx.AsyncClient(
            transport=self.transport,
            base_url=self.transport.url,
            headers=[*self.transport.headers.raw, (b"Accept-Encoding", b"identity")],
            timeout=httpx.Timeout(CALL_TIMEOUT, connect=CONNECT_TIMEOUT),
            trust_env=False,
        )

    async def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> httpx.Response:
        """Any request, answered with whatever came: error codes are the caller's to look at."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        return await self.http.request(method, _target(path, params or {}), content=body, headers=headers)

    async def get_json(self, path: str, *, accept: str = _JSON) -> dict[str, Any]:
        """A document that is no object of a resource, such as discovery's.  Raises StatusError."""
        return cast(dict[str, Any], orjson.loads(await self._checked("GET", path, accept)))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, accept: str = "*/*"
    ) -> AsyncIterator[httpx.Response]:
        """A request whose answer is read as it comes (`aiter_raw`, `aiter_lines`), such as a followed log."""
        request = self.transport.request(method, _target(path, params or {}), accept=accept)
        response = await self.transport.stream(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _read(
        self, path: str, model: type[Model], parameters: Mapping[str, str], partial_accept: str = ACCEPT
    ) -> bytes:
        accept = partial_accept if model is PartialObjectMetadata else _JSON
        return await self._checked("GET", _target(path, parameters), accept)

    async def _write(self, method: str, target: str, body: bytes, content_type: str = _JSON) -> bytes:
        return await self._checked(method, target, _JSON, content_type, body)

    async def _metadata(self, method: str, target: str, body: bytes) -> ObjectMeta:
        return PartialObjectMetadata.decode(await self._checked(method, target, ACCEPT, _JSON, body)).metadata

    async def _checked(
        self, method: str, target: str, accept: str, content_type: str = "", body: bytes | None = None
    ) -> bytes:
        request = self.transport.request(method, target, accept=accept, content_type=content_type, body=body)
        for attempt in range(_MAX_RETRIES + 1):
            response = await self.transport.call(request)
            # `response.content` would be the same bytes, after a search for encodings that were not asked for.
            content = b"".join(cast(httpx.ByteStream, response.stream))
            if response.status_code < 400:
                return content
            wait = response.headers.get("retry-after", "") if response.status_code in (429, 503) else ""
            if not wait.isdigit() or attempt == _MAX_RETRIES:
                break
            await self._clock.sleep(float(wait))
        raise from_answer(response.status_code, content)


def _meta(obj: Model) -> ObjectMeta:
    return cast(HasMetadata, obj).metadata


def _path(resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> str:
    if name and not name.replace("-", "").replace(".", "").isalnum():  # names like system:node:a need escaping
        name = quote(name, safe=":")
    return resource.path(namespace, name, subresource)


def _target(path: str, parameters: Mapping[str, str]) -> str:
    given = {key: value for key, value in parameters.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def encoded(obj: Model, resource: Resource) -> bytes:
    """The object's JSON with apiVersion and kind, which objects out of lists lack."""
    body = obj.encode()
    if getattr(obj, "kind", ""):
        return body
    head = b'{"apiVersion":"%s","kind":"%s"' % (resource.api_version.encode(), resource.kind.encode())
    return head + b"}" if body == b"{}" else head + b"," + body[1:]


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream; each byte is copied at most twice however long a line is."""
    rest: list[bytes] = []
    async for chunk in chunks:
        if b"\n" not in chunk:
            rest.append(chunk)
            continue
        first, *others = chunk.split(b"\n")
        rest.append(first)
        line = b"".join(rest)
        if line:
            yield line
        for line in others[:-1]:
            if line:
                yield line
        rest = [others[-1]] if others[-1] else []
    if rest:
        yield b"".join(rest)


_HEADS = {f'{{"type":"{kind}","object":'.encode(): kind for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")}


def _event(decode: Callable[[bytes], M], line: bytes) -> WatchEvent[M]:
    # The usual form lets the object's bytes be decoded in place, without parsing the line twice.
    head = line[: line.find(b'"object":') + 9]
    kind = _HEADS.get(head)
    if kind is not None:
        try:
            return WatchEvent(kind, decode(line[len(head) : line.rindex(b"}")]))
        except ValueError:
            pass  # more fields after the object
    document = orjson.loads(line)
    if document["type"] == "ERROR":
        raise from_status(document["object"])
    return WatchEvent(document["type"], decode(orjson.dumps(document["object"])))


def is_gone(error: BaseException) -> bool:
    """Whether a list must be done anew because a version is too old."""
    return isinstance(error, StatusError) and error.http_code == 410
