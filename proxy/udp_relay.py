"""Carries datagrams between clients and endpoints, remembering who talks to whom for a minute of silence."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from api.clock import Clock
from proxy.balancer import Balancer
from proxy.service_map import Endpoint

_SILENCE_SECONDS = 60.0
_HELD_BACK = 32
"""Datagrams kept for a client while its socket to the endpoint is being made."""


class Flow(asyncio.DatagramProtocol):
    """One client's datagrams to one endpoint, and the answers."""

    def __init__(self, relays: UdpRelays, client: Any, endpoint: Endpoint) -> None:
        self._relays, self._client, self.endpoint = relays, client, endpoint
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self.last_used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < _HELD_BACK:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._relays.answer(self._client, data)

    def error_received(self, error: Exception) -> None:
        self._relays.drop(self._client)  # nobody listens there: the next datagram goes elsewhere

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class UdpRelays(asyncio.DatagramProtocol):
    """The listening end of one service port, and the flows through it."""

    def __init__(self, balancer: Balancer, clock: Clock) -> None:
        self._balancer, self._clock = balancer, clock
        self._transport: asyncio.DatagramTransport | None = None
        self._flows: dict[Any, Flow] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeping: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: Any) -> None:
        flow = self._flows.get(address)
        if flow is None or flow.endpoint not in self._balancer.endpoints:
            if flow is not None:
                self.drop(address)
            endpoint = next(self._balancer.candidates(address[0]), None)
            if endpoint is None:
                return
            flow = self._open(address, endpoint)
        flow.last_used = self._clock.monotonic()
        flow.send(data)

    def _open(self, client: Any, endpoint: Endpoint) -> Flow:
        flow = self._flows[client] = Flow(self, client, endpoint)
        self._balancer.chosen(client[0], endpoint)
        self._spawn(self._connect(client, flow, endpoint))
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.ensure_future(self._sweep())
        return flow

    async def _connect(self, client: Any, flow: Flow, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: flow, remote_addr=(endpoint.ip, endpoint.port))
        except OSError:
            if self._flows.get(client) is flow:
                del self._flows[client]
            return
        if self._flows.get(client) is not flow:
            flow.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        """Forget silent flows; ends when none is left."""
        while self._flows:
            await self._clock.sleep(_SILENCE_SECONDS / 2)
            oldest = self._clock.monotonic() - _SILENCE_SECONDS
            for client, flow in list(self._flows.items()):
                if flow.last_used <= oldest:
                    self.drop(client)

    def answer(self, client: Any, data: bytes) -> None:
        """Send an endpoint's datagram back to a client."""
        flow = self._flows.get(client)
        if flow is not None and self._transport is not None:
            flow.last_used = self._clock.monotonic()
            self._transport.sendto(data, client)

    def drop(self, client: Any) -> None:
        flow = self._flows.pop(client, None)
        if flow is not None:
            flow.close()

    def close(self) -> None:
        for client in list(self._flows):
            self.drop(client)
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in list(self._tasks):
            task.cancel()
        if self._transport is not None:
            self._transport.close()
