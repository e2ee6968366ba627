"""One API request, as the filters and handlers see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from api.errors import BadRequest, RequestEntityTooLarge

# Audit ids need to be different, not secret: asking the kernel for each would cost more than most requests.
_random = Random()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class User:
    """Who is asking: established by authentication, judged by authorization."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class RequestInfo:
    """What a URL and a method ask for, in the words authorization uses.

    See https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
    """

    path: str
    verb: str
    is_resource: bool = False
    prefix: str = ""
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    selected: str = ""
    """The only name that a request to a collection asks for, by its field selector."""
    field_selector: str = ""
    """As the client of a collection wrote it."""

    @property
    def object_name(self) -> str:
        """The one object it is about, "" when it is about all."""
        return self.name or self.selected


class Request:
    """One request on its way through the server.  `info` and `user` are set by the filters."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope.get("method", "GET")
        self.path: str = scope["path"]
        self.info = RequestInfo(self.path, self.method.lower())
        self.user = User("")
        self.warnings: list[str] = []
        self.audit_id = str(UUID(int=_random.getrandbits(128), version=4))

    @cached_property
    def headers(self) -> dict[bytes, bytes]:
        """Names in lower case; of a repeated header the last counts."""
        return dict(self.scope["headers"])

    def header(self, name: str) -> str:
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @cached_property
    def query(self) -> dict[str, str]:
        """Parameters of the query string; of a repeated one the first counts, as in Go."""
        text = self.scope["query_string"].decode("latin-1")
        if not text:
            return {}
        found: dict[str, str] = {}
        for key, value in parse_qsl(text, keep_blank_values=True):
            found.setdefault(key, value)
        return found

    @cached_property
    def query_list(self) -> dict[str, list[str]]:
        """Parameters with all their values."""
        found: dict[str, list[str]] = {}
        for key, value in parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True):
            found.setdefault(key, []).append(value)
        return found

    async def body(self, limit: int) -> bytes:
        """The whole body.  Raises RequestEntityTooLarge past `limit` bytes."""
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise RequestEntityTooLarge(f"Request entity too large: limit is {limit}")
        chunks, size = [], 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("the client went away before sending the whole request")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise RequestEntityTooLarge(f"Request entity too large: limit is {limit}")
            chunks.append(chunk)
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def flag(self, name: str) -> bool:
        """A boolean parameter as Kubernetes reads it: absent, "false" and "0" are false, all else is true."""
        return self.query.get(name, "false").lower() not in ("false", "0")


def request_of(scope: Scope) -> Request:
    """The request the filters have attached to an ASGI scope."""
    request: Request = scope["nanokube.request"]
    return request
