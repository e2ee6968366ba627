"""One API request, as the filters and handlers see it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from api.errors import BadRequest, RequestEntityTooLarge
from apiserver.uuid4 import uuid4

if TYPE_CHECKING:
    from apiserver.audit.record import Record

# Audit ids need to be different, not secret: asking the kernel for each would cost more than most requests.
_random = Random()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


_PASSED_OVER = re.compile(";|%(?![0-9A-Fa-f]{2})")
PATCH_ANNOTATION = "patch.webhook.admission.k8s.io/"
"""How annotations begin that tell what a webhook has changed."""
_CONNECTING = ("attach", "exec", "log", "portforward", "proxy")


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
    label_selector: str = ""
    """What a request to a collection selects by, as the client wrote it."""

    @property
    def connects(self) -> bool:
        """Whether it lasts as long as its client likes, and is no watch."""
        return self.subresource in _CONNECTING or self.verb == "proxy"

    @property
    def object_name(self) -> str:
        """The one object it is about, "" when it is about all."""
        return self.name or self.selected


_UNREAD = RequestInfo("", "")
_NOBODY = User("")


class Request:
    """One request on its way through the server.  `info`, `user` and `constraint` are set by the filters."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope.get("method", "GET")
        self.path: str = scope["path"]
        self.info = _UNREAD
        self.user = _NOBODY
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        """Names in lower case; of a repeated header the last counts."""
        self.query = _query(scope["query_string"])
        """Parameters of the query string; of a repeated one the first counts, as in Go."""
        self.constraint = ""
        """The verb of constrained impersonation that lets the requester act as `user`; empty for all others."""
        self.warnings: list[str] = []
        self.answer_headers: list[tuple[bytes, bytes]] = []
        """What filters have to say to the client."""
        self.annotations: dict[str, str] = {}
        """What the audit log is told, whether or not there is one.  What begins with PATCH_ANNOTATION is recorded
        where objects are."""
        self.audit: Record | None = None
        """What is being recorded of it."""
        self.delegated: Callable[[], None] | None = None
        """To be called when a watch is in another server's hands: from then on it is no work of this one."""
        self._body: bytes | None = None
        self._audit_id = ""

    @property
    def audit_id(self) -> str:
        """The client's own, or one that is drawn."""
        if not self._audit_id:
            self._audit_id = self.header("audit-id") or uuid4(_random)
        return self._audit_id

    @property
    def read_body(self) -> bytes | None:
        """The body as far as somebody has asked for it: all or nothing."""
        return self._body

    def header(self, name: str) -> str:
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @cached_property
    def query_list(self) -> dict[str, list[str]]:
        """Parameters with all their values."""
        found: dict[str, list[str]] = {}
        for key, value in _pairs(self.scope["query_string"]):
            found.setdefault(key, []).append(value)
        return found

    async def body(self, limit: int) -> bytes:
        """The whole body, as often as wanted.  Raises RequestEntityTooLarge past `limit` bytes."""
        if self._body is not None:
            return self._body
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
                self._body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                return self._body

    def flag(self, name: str) -> bool:
        """A boolean parameter as Kubernetes reads it: absent, "false" and "0" are false, all else is true."""
        return self.query.get(name, "false").lower() not in ("false", "0")


def request_of(scope: Scope) -> Request:
    """The request the filters have attached to an ASGI scope."""
    request: Request = scope["nanokube.request"]
    return request


def _query(encoded: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    if encoded:
        for key, value in _pairs(encoded):
            found.setdefault(key, value)
    return found


def _pairs(encoded: bytes) -> tuple[tuple[str, str], ...]:
    """The parameters in order, but for those that Go passes over in silence: with a semicolon or a broken escape."""
    return _remembered_pairs(encoded) if len(encoded) <= _LONGEST_REMEMBERED else _read_pairs(encoded)


def _read_pairs(encoded: bytes) -> tuple[tuple[str, str], ...]:
    text = encoded.decode("latin-1")
    if "%" in text or ";" in text:
        text = "&".join(part for part in text.split("&") if not _PASSED_OVER.search(part))
    return tuple(parse_qsl(text, keep_blank_values=True))


_LONGEST_REMEMBERED = 256
"""Bytes of a query string that clients may well send again and again."""
_remembered_pairs = lru_cache(maxsize=256)(_read_pairs)
