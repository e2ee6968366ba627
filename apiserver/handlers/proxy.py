"""`/proxy` of pods, services and nodes: an HTTP or WebSocket request is passed on to what the object stands for.

https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls
"""

from __future__ import annotations

import functools
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from api.core_v1 import EndpointAddress, Endpoints, Pod, Service
from api.errors import BadRequest, MethodNotAllowed, ServiceUnavailable
from api.meta_v1 import StatusDetails
from apiserver.dial_errors import dial_error
from apiserver.endpoint import API, Endpoint
from apiserver.handlers.connect import KubeletClient, not_dialed, relay_body, relay_websocket
from apiserver.handlers.connect_options import admit_connection
from apiserver.handlers.proxy_rewrite import FORWARDED_URI, rewrite_headers, rewrite_html
from apiserver.handlers.tunnel import tunnel, upgrade_headers
from apiserver.registry.addresses import parse
from apiserver.request import Receive, Request, Send

if TYPE_CHECKING:
    import httpx

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SCHEMES = ("", "http", "https")
# Meaningful for one connection only (RFC 9110, section 7.6.1), or the client's credentials for this server.
NOT_PASSED_ON = frozenset({
    b"authorization", b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# What this server says itself, or has acted upon.
_SAID_ANEW = (b"impersonate-", b"x-forwarded-for", b"x-remote-", FORWARDED_URI)
_CONNECT_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class Target:
    """Where requests go.  `tls` is how a https target is spoken to."""

    scheme: str
    host: str
    port: str
    tls: ssl.SSLContext

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


async def serve_proxy(
    api: API, endpoint: Endpoint, kubelet: KubeletClient, request: Request, receive: Receive, send: Send
) -> None:
    """Pass a request on and its answer back.  Raises BadRequest, NotFound, ServiceUnavailable before it has begun."""
    import httpx

    upgrade = request.scope["type"] == "websocket"
    if not upgrade and request.method not in _METHODS:
        raise MethodNotAllowed("the server does not allow this method on the requested resource", StatusDetails())
    await admit_connection(api, endpoint, request)
    target = _target(api, endpoint, kubelet, request)
    path = _path(request)
    query = request.scope["query_string"].decode("latin-1")
    quoted = quote(path, safe="/:@$&+,;=~")
    suffix = f"{quoted}?{query}" if query else quoted
    if upgrade:
        scheme = "wss" if target.scheme == "https" else "ws"
        tls = target.tls if scheme == "wss" else None
        await relay_websocket(f"{scheme}://{target.authority}{suffix or '/'}", tls, request, receive, send)
    elif not path and request.method in ("GET", "HEAD"):
        location = request.path + "/" + (f"?{query}" if query else "")
        headers = [(b"location", location.encode("latin-1", "replace")), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 301, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
    else:
        prefix = request.path.removesuffix(path)
        url = f"{target.scheme}://{target.authority}{suffix}"
        headers = forwarded_headers(request, prefix + quoted) + upgrade_headers(request)
        message = httpx.Request(request.method, url, headers=headers, content=_body(request))
        await _relay(target, message, prefix, request, receive, send)


def _path(request: Request) -> str:
    """The part of the URL's path behind `/proxy`; empty when there is none."""
    parts = request.info.parts[3:]
    path = "".join(f"/{part}" for part in parts)
    return path + "/" if request.path.endswith("/") else path


async def relay_upgrade(url: str, kubelet: KubeletClient, request: Request, receive: Receive, send: Send) -> None:
    """exec, attach, portforward over SPDY, which is what client-go spoke until 1.30: from the kubelet's answer on, the
    client and the kubelet speak with each other.  Raises BadRequest when the client asks for no upgrade."""
    import httpx

    upgrade = upgrade_headers(request)
    if not upgrade:
        raise BadRequest("Upgrade request required")
    at = httpx.URL(url, scheme="https")
    headers = forwarded_headers(request, request.path) + upgrade
    message = httpx.Request(request.method, at, headers=headers, content=_body(request))
    await _relay(Target("https", at.host, str(at.port), kubelet.context), message, "", request, receive, send)


# --- where to ---------------------------------------------------------------------------------------


def split_target(text: str) -> tuple[str, str, str] | None:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port`; None for anything else."""
    parts = text.split(":")
    if len(parts) == 1:
        scheme, name, port = "", parts[0], ""
    elif len(parts) == 2:
        scheme, (name, port) = "", parts
    elif len(parts) == 3:
        scheme, name, port = parts
    else:
        return None
    return (scheme, name, port) if scheme in _SCHEMES and name else None


def _target(api: API, endpoint: Endpoint, kubelet: KubeletClient, request: Request) -> Target:
    """Raises BadRequest, NotFound, ServiceUnavailable."""
    info = request.info
    asked = split_target(info.name)
    if asked is None:
        raise BadRequest(f'invalid {endpoint.resource.singular} request "{info.name}"')
    scheme, name, port = asked
    local = endpoint.strategy.options.is_local
    if endpoint.model is Pod:
        pod = endpoint.decode(endpoint.find(info.namespace, name))
        return Target(scheme or "http", _pod_ip(pod, local), port or _first_port(pod), _unverified())
    if endpoint.model is Service:
        host, number = _service_address(api, endpoint, info.namespace, name, port, info.name)
        return Target(scheme or "http", host, number, _unverified())
    endpoint.find("", name)
    host, kubelet_port = kubelet.address(api, name)
    if port in ("", str(kubelet_port)):
        return Target("https", host, str(kubelet_port), kubelet.context)
    _check_allowed(host, local)
    return Target(scheme or "http", host, port, _unverified())


@functools.cache
def _unverified() -> ssl.SSLContext:
    """Pods have certificates that nobody here can judge; whoever may use the proxy trusts the cluster's network."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _check_allowed(host: str, local: bool) -> None:
    """The proxy is no way around a firewall into this machine.  In a `local` cluster, all of one machine, loopback
    addresses are like any others.  Raises BadRequest."""
    found = parse(host)
    special = found is None or found.is_unspecified or found.is_link_local or found.is_multicast
    if special or (
        isinstance(found, ipaddress.IPv4Address | ipaddress.IPv6Address) and found.is_loopback and not local
    ):
        raise BadRequest("address not allowed")


def _pod_ip(pod: Pod, local: bool) -> str:
    ip = pod.status.podIPs[0].ip if pod.status.podIPs else ""
    _check_allowed(ip, local)
    return ip


def _first_port(pod: Pod) -> str:
    return next((str(container.ports[0].containerPort) for container in pod.spec.containers if container.ports), "")


def _service_address(api: API, endpoint: Endpoint, namespace: str, name: str, port: str, asked: str) -> tuple[str, str]:
    """Address and port of one of the pods behind a service that are ready."""
    if port.isdigit():
        service = endpoint.decode(endpoint.find(namespace, name))
        named = next((each.name for each in service.spec.ports if each.port == int(port)), None)
        if named is None:
            raise ServiceUnavailable(f'no service port {int(port)} found for service "{name}"')
        port = named
    found: Endpoints | None = api.get_object(Endpoints, namespace, name)
    if found is None:
        endpoint.find(namespace, name)
    choices = [
        (place.ip, str(each.port))
        for subset in (found.subsets if found is not None else ())
        for each in subset.ports
        if each.name == port
        for place in subset.addresses
        if _is_pod(api, place, namespace)
    ]
    if not choices:
        raise ServiceUnavailable(f'no endpoints available for service "{asked}"')
    return api.random.choice(choices)


def _is_pod(api: API, place: EndpointAddress, namespace: str) -> bool:
    """Whether an address is that of a pod: others would let the writers of Endpoints reach anything."""
    of = place.targetRef
    if of is None or of.kind != "Pod" or of.namespace != namespace:
        return False
    pod: Pod | None = api.get_object(Pod, namespace, of.name)
    return pod is not None and any(each.ip == place.ip for each in pod.status.podIPs)


# --- passing on -------------------------------------------------------------------------------------


class ClientGone(Exception):
    """There is nobody left to answer."""


async def _relay(
    target: Target, message: httpx.Request, prefix: str, request: Request, receive: Receive, send: Send
) -> None:
    """Send a message to the target and pass the answer on; `prefix` is the path up to and with `/proxy`."""
    import httpx

    timeout = httpx.Timeout(_CONNECT_TIMEOUT, read=None)
    async with httpx.AsyncClient(verify=target.tls, timeout=timeout, trust_env=False) as client:
        try:
            upstream = await client.send(message, stream=True)
        except ClientGone:
            return
        except httpx.HTTPError as error:
            why = dial_error(error, target.authority)
            if "upgrade" in message.headers:
                raise not_dialed(why) from None
            raise ServiceUnavailable(f"error trying to reach service: {why}") from None
        try:
            if upstream.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                await tunnel(upstream, request, send)
            else:
                await _answer(upstream, prefix, request, receive, send)
        finally:
            await upstream.aclose()


async def _answer(upstream: httpx.Response, prefix: str, request: Request, receive: Receive, send: Send) -> None:
    headers = [(name.lower(), value) for name, value in upstream.headers.raw if name.lower() not in NOT_PASSED_ON]
    headers = rewrite_headers(headers, prefix, upstream.url)
    kind = upstream.headers.get("content-type", "").partition(";")[0].strip()
    page: bytes | None = None
    if kind == "text/html" and request.method != "HEAD" and "content-encoding" not in upstream.headers:
        page = rewrite_html(await upstream.aread(), prefix)
        headers = [(name, value) for name, value in headers if name != b"content-length"]
        headers.append((b"content-length", b"%d" % len(page)))
    await send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
    if page is not None:
        await send({"type": "http.response.body", "body": page})
        return
    await relay_body(upstream, receive, send)


def forwarded_headers(request: Request, shown: str) -> list[tuple[bytes, bytes]]:
    """What the target is told: the client's headers, and whom and where the request came from."""
    headers = [(name, value) for name, value in request.scope["headers"] if name not in NOT_PASSED_ON]
    headers = [(name, value) for name, value in headers if not name.startswith(_SAID_ANEW)]
    headers.append((FORWARDED_URI, shown.encode("latin-1", "replace")))
    client = request.scope.get("client")
    if client:
        former = request.header("x-forwarded-for")
        headers.append((b"x-forwarded-for", (f"{former}, " if former else "").encode() + client[0].encode()))
    return headers


def _body(request: Request) -> AsyncIterator[bytes] | None:
    """The request's body as it comes; None when it has none."""
    return _chunks(request.receive) if has_body(request) else None


def has_body(request: Request) -> bool:
    return b"content-length" in request.headers or b"transfer-encoding" in request.headers


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone  # what came of the body must not pass for all of it
        yield message.get("body", b"")
        if not message.get("more_body"):
            return
