"""The server behind one APIService: where it is, how it is spoken to, what it was last heard to serve."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from typing import Any

import httpx

from api.scheme import GroupVersion
from apiserver.aggregation.identity import identity_headers
from apiserver.endpoint import API
from apiserver.http_client import http_client
from apiserver.pki import KeyPair
from apiserver.request import User
from apiserver.service_target import ServiceTarget, service_target

AGGREGATOR = User("system:kube-aggregator", groups=("system:masters",))
LEGACY = "v1."
"""The APIService of the core group, which is served below /api."""
_CONNECT_TIMEOUT = 30.0  # seconds
_PATIENCE = 5.0  # seconds for what the server asks on its own account
_LIMIT = 32 * 1024 * 1024  # bytes of an answer to that


class Unanswered(Exception):
    """A remote server did not say what it was asked; the message tells why."""


@dataclass
class Remote:
    """One APIService that names a Service.  `spec` is the APIService's; replaced as a whole when that changes.

    `context` is how TLS is spoken to it, `problem` why that is impossible.
    """

    name: str
    spec: dict[str, Any]
    available: bool = False
    versions: dict[GroupVersion, dict[str, Any]] | None = None
    """What it said it serves, in aggregated form; None as long as it does not answer."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something happened that may make the server available or not."""
    context: ssl.SSLContext = field(init=False)
    client: httpx.AsyncClient = field(init=False)
    problem: str = ""
    _holders: int = 1

    @property
    def group_version(self) -> GroupVersion:
        return GroupVersion(self.spec.get("group", ""), self.spec.get("version", ""))

    @property
    def path(self) -> str:
        """What all its URLs begin with."""
        return "/api" if self.name == LEGACY else f"/apis/{self.group_version}"

    @property
    def service(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.spec["service"]["namespace"], self.spec["service"]["name"]

    @property
    def port(self) -> int:
        port: int = self.spec["service"].get("port") or 443
        return port

    def open(self, pair: KeyPair | None) -> None:
        """Get ready to connect, as the front proxy that `pair` makes us.  What is wrong with the caBundle is kept."""
        self.context = _context(pair)
        bundle = base64.b64decode(self.spec.get("caBundle") or "")
        if self.spec.get("insecureSkipTLSVerify"):
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        elif not bundle:
            self.context.load_default_certs()
        else:
            try:
                # What is not ASCII is between the certificates, where people write whose they are.
                self.context.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))
            except (ssl.SSLError, ValueError):
                self.problem = "unable to load root certificates: unable to parse bytes as PEM block"
        self.client = client_of(self.context)

    def hold(self) -> None:
        """Keep its connections open until `let_go` was called once more."""
        self._holders += 1

    async def let_go(self) -> None:
        self._holders -= 1
        if not self._holders:
            await self.client.aclose()

    def target(self, api: API) -> ServiceTarget:
        """Raises NotFound, ServiceUnavailable."""
        return service_target(api, *self.service, self.port)

    async def ask(
        self, api: API, path: str, accept: str, etag: str = "", user: User = AGGREGATOR
    ) -> tuple[int, httpx.Headers, bytes]:
        """GET on the server's own account: status, headers, body.  Raises Unanswered, NotFound, ServiceUnavailable."""
        if not self.available or self.problem:
            raise Unanswered(self.problem or "service unavailable")
        target = self.target(api)
        headers = [(b"accept", accept.encode()), *identity_headers(user)]
        if etag:
            headers.append((b"if-none-match", etag.encode("latin-1", "replace")))
        request = httpx.Request("GET", f"https://{target.authority}{path}", headers=headers, extensions=named(target))
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await exchange(self.client, request)
                try:
                    return answer.status_code, answer.headers, await _limited(answer)
                finally:
                    await answer.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unanswered(str(error) or type(error).__name__) from None


def client_of(context: ssl.SSLContext) -> httpx.AsyncClient:
    timeout = httpx.Timeout(_CONNECT_TIMEOUT, read=None, pool=None)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=2.0)
    return http_client(context, timeout=timeout, limits=limits)


async def exchange(client: httpx.AsyncClient, request: httpx.Request, *, again: bool = True) -> httpx.Response:
    """Send a request and return when the answer begins.  Raises httpx.HTTPError.

    An idle connection may end just as it is used again: then nobody has read the request, and one whose body is not
    used up may be sent `again`.
    """
    try:
        return await client.send(request, stream=True)
    except httpx.RemoteProtocolError as error:
        if not again or not str(error).startswith("Server disconnected without sending"):
            raise
    return await client.send(request, stream=True)


def unverified(pair: KeyPair | None) -> ssl.SSLContext:
    """For the health check: it learns nothing that matters and must not fail for want of a caBundle."""
    context = _context(pair)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def named(target: ServiceTarget) -> dict[str, Any]:
    """A request's extensions: which name the certificate must have."""
    return {"sni_hostname": target.name}


def _context(pair: KeyPair | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


async def _limited(answer: httpx.Response) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.aiter_bytes():
        size += len(chunk)
        if size > _LIMIT:
            raise Unanswered(f"the answer is longer than {_LIMIT} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
