"""A GET as probes and hooks need it: raw, without a connection pool, gone after one answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from api.core_v1 import Container, HTTPGetAction
from api.model import IntOrString

BODY_LIMIT = 10 << 10
_USER_AGENT = "kube-probe/1.36"


class PortError(ValueError):
    """A named port that the container does not declare, or a number out of range."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send the request; `path` begins with a slash and includes the query."""

    scheme: str
    host: str
    port: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()

    def url(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def bracketed(host: str) -> str:
    """An address as URLs carry it."""
    return f"[{host}]" if ":" in host else host


def resolve_port(port: IntOrString, container: Container) -> int:
    """The number of a port given by number or by the name it is declared with.  Raises PortError."""
    if isinstance(port, int):
        number = port
    elif port.isdigit():
        number = int(port)
    else:
        number = next((p.containerPort for p in container.ports if p.name == port), 0)
        if not number:
            raise PortError(f"couldn't find port: {port} in container {container.name}")
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number


def target_of(action: HTTPGetAction, container: Container, pod_ip: str) -> Target:
    """Raises PortError."""
    path = action.path if action.path.startswith("/") else "/" + action.path
    headers = tuple((header.name, header.value) for header in action.httpHeaders)
    port = resolve_port(action.port, container)
    return Target((action.scheme or "HTTP").lower(), action.host or pod_ip, port, path, headers)


def _request(target: Target) -> bytes:
    given = {name.lower() for name, _ in target.headers}
    default_port = target.port == (443 if target.scheme == "https" else 80)
    host = bracketed(target.host) + ("" if default_port else f":{target.port}")
    head = [f"GET {target.path} HTTP/1.1"]
    for name, value in (("Host", host), ("User-Agent", _USER_AGENT), ("Accept", "*/*")):
        if name.lower() not in given:
            head.append(f"{name}: {value}")
    head += [f"{name}: {value}" for name, value in target.headers if value or name.lower() != "accept"]
    head.append("Connection: close")
    return ("\r\n".join(head) + "\r\n\r\n").encode()


@lru_cache(maxsize=1)
def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def http_get(target: Target) -> Answer:
    """One request, one answer; the body is cut at 10 KiB and certificates are not checked.

    Raises OSError when there is no connection and ValueError when the answer is not HTTP.  Bound it in time from
    outside.
    """
    context = _any_certificate() if target.scheme == "https" else None
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
    try:
        writer.write(_request(target))
        status, headers = await _head(reader)
        return Answer(status, headers, await _body(reader, headers))
    except asyncio.LimitOverrunError as error:
        raise ValueError("malformed HTTP response") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise ValueError("EOF" if not error.partial else "malformed HTTP response") from error
    first, *rest = head.decode("latin-1").split("\r\n")
    words: Sequence[str] = first.split(" ", 2)
    if not words[0].startswith("HTTP/") or len(words) < 2 or not words[1].isdigit():
        raise ValueError(f'malformed HTTP response "{first[:100]}"')
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(words[1]), headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    length = headers.get("content-length", "")
    wanted = min(int(length), BODY_LIMIT) if length.isdigit() else BODY_LIMIT
    body = b""
    while len(body) < wanted:
        chunk = await reader.read(wanted - len(body))
        if not chunk:
            break
        body += chunk
    return body


def go_error(error: BaseException, address: str) -> str:
    """A failed connection in the words Kubernetes' users know."""
    words = "connection refused" if isinstance(error, ConnectionRefusedError) else _plain(error)
    return f"dial tcp {address}: connect: {words}"


def _plain(error: BaseException) -> str:
    import errno
    import os

    number = getattr(error, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number).lower()
    return str(error) or type(error).__name__
