"""Calls of webhooks: admission, conversion, authentication, authorization, audit.

A webhook is a stranger.  It gets a question in JSON by POST and may hang, lie or never stop talking: every call has a
deadline for all of its answer and a limit of its length, follows no redirect, goes through no proxy, and of the answer
nothing is unpacked.  Errors are worded as those of Kubernetes' own client, since users see them.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#contacting-the-webhook
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import importlib
import posixpath
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import orjson

from api.errors import NotFound, StatusError
from api.quoting import quoted
from apiserver.dial_errors import dial_error
from apiserver.registry.webhook_clients import ClientConfig

if TYPE_CHECKING:
    import httpx

LIMIT = 16 * 1024 * 1024
"""Bytes of an answer, unless the caller says otherwise."""
_REMEMBERED = 200
"""Targets whose connections are kept."""
_KEPT_IDLE = 30.0  # seconds
_HTTPS = 443
_SHOWN = 2048
"""Bytes of a refusal that an error quotes."""

ResolveService = Callable[[str, str, int], tuple[str, int]]
"""Host and port to dial for a service's namespace, name and port.  Raises StatusError when there is none."""


class CallError(Exception):
    """A webhook gave no answer that could be read.  `code` is the HTTP status it answered with, 0 without one."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.message, self.code = message, code


class BadTarget(CallError):
    """The webhook cannot be called as it is configured; nothing was sent."""


@dataclass(frozen=True)
class Target:
    """Whom to call.

    url: `https://HOST[:PORT]/PATH`, as errors show it.
    ca_bundle: The CAs that may have signed its certificate (PEM); the system's when empty.
    server_name: What its certificate must be for; the URL's host when empty.
    service: Namespace, name and port of the service that the URL's host stands for.
    certificate, key: What to present to it (PEM); nothing when empty.
    headers: Sent with every call, such as ("Authorization", "Bearer …").
    verify: False to trust any certificate.
    """

    url: str
    ca_bundle: bytes = b""
    server_name: str = ""
    service: tuple[str, str, int] | None = None
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    verify: bool = True


def target_of(config: ClientConfig) -> Target:
    """The target that an object's `clientConfig` describes.  Raises BadTarget."""
    bundle = _decoded(config.caBundle)
    if config.service is not None:
        of = config.service
        host, port = f"{of.name}.{of.namespace}.svc", of.port or _HTTPS
        path = quote(_clean(of.path or ""), safe="/:@$&+,;=~")
        return Target(f"https://{host}:{port}{path}", bundle, host, (of.namespace, of.name, port))
    if not config.url:
        raise BadTarget("webhook configuration must have either service or URL")
    parts = urlsplit(config.url)
    return Target(f"{parts.scheme}://{parts.netloc}{_clean(parts.path)}", bundle)


def _decoded(bundle: str) -> bytes:
    try:
        return base64.b64decode(bundle)
    except binascii.Error as error:
        raise BadTarget(f"unable to load root certificates: {error}") from None


def _clean(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


@dataclass
class _Connections:
    """The connections to one target; `calls` are under way."""

    http: httpx.AsyncClient
    calls: int = 0


class WebhookClient:
    """Keeps connections to targets.  Used by one event loop; `resolve` finds those that are services."""

    def __init__(self, resolve: ResolveService | None = None) -> None:
        self._resolve = resolve
        self._targets: dict[tuple[object, ...], _Connections] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def post_json(self, target: Target, body: bytes, *, timeout: float, limit: int = LIMIT) -> bytes:
        """What the webhook answers to `body`, both JSON.  `timeout` is in seconds and for all of it; the webhook is
        told, as Kubernetes does.

        Raises CallError: it cannot be reached or trusted, is too slow, answers with more than `limit` bytes or with
        another status than success.
        """
        await asyncio.to_thread(importlib.import_module, "apiserver.http_client")  # which takes a while, the first time
        import httpx

        parts = urlsplit(target.url)
        shown = f"{target.url}{'&' if parts.query else '?'}timeout={max(1, -int(-timeout // 1))}s"
        authority = f"{parts.hostname}:{parts.port or _HTTPS}"
        url = shown
        if target.service is not None:
            host, port = self._address(target.service, shown)
            authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            url = f"{parts.scheme}://{authority}{shown.removeprefix(f'{parts.scheme}://{parts.netloc}')}"
        connections = self._connections(target, parts.netloc)
        connections.calls += 1
        try:
            async with asyncio.timeout(timeout):
                request = connections.http.build_request(
                    "POST", url, content=body, headers={"Host": parts.netloc, **dict(target.headers)}
                )
                if target.server_name:
                    request.extensions["sni_hostname"] = target.server_name
                try:
                    return await _exchange(connections.http, request, limit)
                except httpx.RemoteProtocolError as error:
                    if not _is_end(error):
                        raise
                    # An idle connection may end just as it is used again: nobody has read the question.
                    return await _exchange(connections.http, request, limit)
        except TimeoutError:
            raise CallError(f"Post {quoted(shown)}: context deadline exceeded") from None
        except httpx.RemoteProtocolError as error:
            broken = "EOF" if _is_end(error) else f"net/http: HTTP/1.x transport connection broken: {error}"
            raise CallError(f"Post {quoted(shown)}: {broken}") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = dial_error(error, authority, target.server_name or parts.hostname or "")
            raise CallError(f"Post {quoted(shown)}: {why}") from None
        finally:
            connections.calls -= 1

    def _address(self, service: tuple[str, str, int], shown: str) -> tuple[str, int]:
        if self._resolve is None:
            raise BadTarget("services cannot be called")
        try:
            return self._resolve(*service)
        except NotFound:
            raise CallError(f'Post {quoted(shown)}: service "{service[1]}" not found') from None
        except StatusError as error:
            raise CallError(f"Post {quoted(shown)}: {error.message}") from None

    def _connections(self, target: Target, netloc: str) -> _Connections:
        """Raises BadTarget."""
        key = (netloc, target.ca_bundle, target.server_name, target.certificate, target.key, target.verify)
        found = self._targets.pop(key, None)
        if found is None:
            import httpx

            from apiserver.http_client import http_client

            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=_KEPT_IDLE)
            headers = {
                "User-Agent": "kube-apiserver-admission",
                "Accept": "application/json, */*",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
            }
            found = _Connections(http_client(_tls(target), timeout=None, limits=limits, headers=headers))
            self._forget_oldest()
        self._targets[key] = found  # the last used comes last
        return found

    def _forget_oldest(self) -> None:
        if len(self._targets) < _REMEMBERED:
            return
        key = next((key for key, each in self._targets.items() if not each.calls), None)
        if key is not None:
            task = asyncio.create_task(self._targets.pop(key).http.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        targets, self._targets = self._targets, {}
        for each in targets.values():
            await each.http.aclose()


def _is_end(error: httpx.RemoteProtocolError) -> bool:
    """Whether the connection ended before a byte of an answer had come."""
    return str(error).startswith("Server disconnected without sending")


async def _exchange(client: httpx.AsyncClient, request: httpx.Request, limit: int) -> bytes:
    """Raises CallError for an answer that is too long or says no."""
    answer = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise CallError(f"the answer is longer than {limit} bytes", answer.status_code)
    finally:
        await answer.aclose()
    code = answer.status_code
    if not 200 <= code <= 206:
        raise CallError(_refusal(code, answer.headers.get("content-type", ""), bytes(body)), code)
    return bytes(body)


_REFUSALS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_ITS_OWN_WORDS = (403, 406, 415)


def _refusal(code: int, content_type: str, body: bytes) -> str:
    """What Kubernetes' client says of an answer that is no success: its message where it is a Status."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status" and document.get("status") == "Failure":
        return str(document.get("message") or "")
    is_text = not content_type or content_type.startswith("text/")
    said = body[:_SHOWN].decode(errors="replace").strip() if is_text else "unknown"
    if code in _ITS_OWN_WORDS:
        return said
    if code in _REFUSALS:
        return _REFUSALS[code]
    if code >= 500:
        return f"an error on the server ({quoted(said)}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more information"


def _tls(target: Target) -> ssl.SSLContext:
    """Raises BadTarget."""
    if target.verify:
        try:
            context = ssl.create_default_context(cadata=target.ca_bundle.decode() if target.ca_bundle else None)
        except (ssl.SSLError, ValueError):
            raise BadTarget("unable to load root certificates: unable to parse bytes as PEM block") from None
        # Python 3.13 turned on a check that many clusters' CA certificates do not pass.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if target.certificate:
        # OpenSSL reads key pairs only from files: this one nobody else can read.
        with tempfile.NamedTemporaryFile() as file:
            file.write(target.certificate + b"\n" + target.key)
            file.flush()
            try:
                context.load_cert_chain(file.name)
            except (ssl.SSLError, ValueError):
                raise BadTarget("tls: failed to find any PEM data in certificate input") from None
    return context
