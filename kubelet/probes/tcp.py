"""A connection that can be opened."""

from __future__ import annotations

import asyncio
import contextlib

from api.core_v1 import Container, TCPSocketAction
from kubelet.http_get import PortError, bracketed, go_error, resolve_port
from kubelet.probes.outcome import Outcome


async def probe_tcp(action: TCPSocketAction, container: Container, pod_ip: str) -> Outcome:
    try:
        port = resolve_port(action.port, container)
    except PortError as error:
        return Outcome(False, str(error), error=True)
    host = action.host or pod_ip
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return Outcome(False, go_error(error, f"{bracketed(host)}:{port}"))
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Outcome(True)
