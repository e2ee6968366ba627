"""Copies bytes between a client and an endpoint: two connected transports, no buffer of our own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from typing import cast

from proxy.balancer import Balancer

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0


class Side(asyncio.Protocol):
    """One end of a relay.  What comes in here goes out at `peer`, and stops coming while the peer is full.

    Bytes can come before the two ends are joined (an endpoint that speaks first; uvloop, which begins to read
    after `connection_made` whether paused there or not): they are kept, and reading stops.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None
        self._early: list[bytes] = []
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
        elif self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """One direction is finished, the other may go on."""
        self._ended = True
        peer = self.peer
        if peer is None:
            return True
        if peer.transport is None or peer.transport.is_closing():
            return False
        if peer.transport.can_write_eof():
            peer.transport.write_eof()
        return not peer._ended

    def join(self, peer: Side) -> None:
        """Bring two ends together: pass on what came meanwhile in both directions, and go on."""
        self.peer, peer.peer = peer, self
        for here, there in ((self, peer), (peer, self)):
            assert here.transport is not None
            assert there.transport is not None
            for data in here._early:
                there.transport.write(data)
            here._early.clear()
            if here._ended:
                there.transport.write_eof()
            elif not here.transport.is_closing():
                here.transport.resume_reading()
        if self._ended and peer._ended:  # nothing will be heard of either of them any more
            for side in (self, peer):
                if side.transport is not None:
                    side.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        peer = self.peer
        if peer is not None and peer.transport is not None and not peer.transport.is_closing():
            if error is None:
                peer.transport.close()
            else:
                reset(peer.transport)

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()


class ClientSide(Side):
    """The end towards the client: finds an endpoint for it first."""

    def __init__(self, relays: TcpRelays) -> None:
        super().__init__()
        self._relays = relays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._relays.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._relays.closed(self)


class TcpRelays:
    """All relays of one service port.  Removed endpoints keep the connections they have."""

    def __init__(self, balancer: Balancer, label: str) -> None:
        self._balancer = balancer
        self._label = label
        self._open: set[ClientSide] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, client: ClientSide) -> None:
        self._open.add(client)
        task = asyncio.ensure_future(self._connect(client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def closed(self, client: ClientSide) -> None:
        self._open.discard(client)

    async def _connect(self, client: ClientSide) -> None:
        """Try endpoints until one answers; if none does, the client sees a reset."""
        transport = client.transport
        assert transport is not None
        address = (transport.get_extra_info("peername") or ("",))[0]
        loop = asyncio.get_running_loop()
        for endpoint in self._balancer.candidates(address):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    _, side = await loop.create_connection(Side, endpoint.ip, endpoint.port)
            except (OSError, TimeoutError) as error:
                log.debug("%s: %s does not answer: %s", self._label, endpoint.address, error)
                continue
            if transport.is_closing() or side.transport is None or side.transport.is_closing():
                for end in (transport, side.transport):
                    if end is not None:
                        reset(end)
                return
            client.join(side)
            self._balancer.chosen(address, endpoint)
            return
        reset(transport)

    def abort(self) -> None:
        """End every connection at once."""
        for task in list(self._connecting):
            task.cancel()
        for client in list(self._open):
            if client.transport is not None:
                reset(client.transport)


def reset(transport: asyncio.Transport) -> None:
    """Close so that the other end sees a reset, not an orderly end."""
    found = transport.get_extra_info("socket")
    if found is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
