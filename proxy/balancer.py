"""Which endpoint a client gets in userspace mode: in turn, or the same again while its affinity lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from api.clock import Clock
from proxy.service_map import Endpoint

_REMEMBERED = 100_000


class Balancer:
    """The endpoints of one service port.  Keeps its turn and its clients when the endpoints change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._endpoints: tuple[Endpoint, ...] = ()
        self._next = 0
        self._affinity_seconds = 0
        self._clients: OrderedDict[str, tuple[Endpoint, float]] = OrderedDict()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return self._endpoints

    def set(self, endpoints: Sequence[Endpoint], affinity_seconds: int) -> None:
        """Clients of endpoints that are gone are free to go elsewhere."""
        self._endpoints = tuple(endpoints)
        self._affinity_seconds = affinity_seconds
        here = set(endpoints)
        for client, (endpoint, _) in list(self._clients.items()):
            if not affinity_seconds or endpoint not in here:
                del self._clients[client]

    def candidates(self, client: str) -> Iterator[Endpoint]:
        """Endpoints to try for a client's address, best first, each once."""
        first = self._remembered(client)
        if first is not None:
            yield first
        endpoints, start = self._endpoints, self._next
        self._next += 1
        for i in range(len(endpoints)):
            endpoint = endpoints[(start + i) % len(endpoints)]
            if endpoint != first:
                yield endpoint

    def chosen(self, client: str, endpoint: Endpoint) -> None:
        """The client is connected to this endpoint now."""
        if self._affinity_seconds:
            self._clients[client] = endpoint, self._clock.monotonic()
            self._clients.move_to_end(client)
            if len(self._clients) > _REMEMBERED:
                self._clients.popitem(last=False)

    def _remembered(self, client: str) -> Endpoint | None:
        known = self._clients.get(client)
        if known is None:
            return None
        endpoint, since = known
        return endpoint if self._clock.monotonic() - since < self._affinity_seconds else None
