"""A call of gRPC's health service that answers SERVING: https://grpc.io/docs/guides/health-checking/.

One unary call over cleartext HTTP/2 (RFC 9113) written out by hand: of the answer only the message is needed,
so that no header compression has to be undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from api.core_v1 import GRPCAction
from kubelet.http_get import bracketed
from kubelet.probes.outcome import Outcome

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_STREAM = 1
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def probe_grpc(action: GRPCAction, pod_ip: str) -> Outcome:
    address = f"{bracketed(pod_ip)}:{action.port}"
    try:
        reader, writer = await asyncio.open_connection(pod_ip, action.port)
    except OSError:
        return Outcome(False, f'timeout: failed to connect service "{address}" within 1s')
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _call(address, action.service or ""))
        state = await _answer(reader, writer)
    except (OSError, asyncio.IncompleteReadError):
        return Outcome(False, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if state == 1:
        return Outcome(True, "service healthy")
    if state is None:
        return Outcome(False, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    return Outcome(False, f'service unhealthy (responded with "{_STATES.get(state, state)}")')


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header field that is not indexed and not compressed (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _call(address: str, service: str) -> bytes:
    headers = b"".join(
        _literal(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", address[:100]),
            ("content-type", "application/grpc"),
            ("user-agent", "kube-probe/1.36"),
            ("te", "trailers"),
        )
    )
    name = service.encode()[:127]
    message = b"\x0a" + bytes([len(name)]) + name if name else b""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return _frame(_HEADERS, _END_HEADERS, _STREAM, headers) + _frame(_DATA, _END_STREAM, _STREAM, body)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    """The status the service answers with; None when the call failed."""
    body = b""
    while True:
        head = await reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags = head[3], head[4]
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind in (_GOAWAY, _RST_STREAM):
            return None
        elif kind == _DATA:
            body += payload
        if (kind in (_DATA, _HEADERS) and flags & _END_STREAM) or len(body) >= 7:
            break
    if len(body) < 5:
        return None
    message = body[5:]
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0
