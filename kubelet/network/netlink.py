"""A few words of rtnetlink (links, addresses, routes): what a pod's network needs, in about a millisecond.

pyroute2 can do all of it, at 100 ms of import and 15 MB of memory per kubelet; see ADR 13.
Message formats: rtnetlink(7).  Errors are OSErrors with the kernel's errno.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR = 20
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_INTERRUPTED = 0x10
"""Flag of an answer: what is listed has changed since the list began, and something may be missing."""
_REQUEST, _ACK, _DUMP, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x200, 0x400
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_PEER = 3, 18, 28, 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC = 1, 4, 5, 6, 7
_IFF_UP = 1
_NESTED = 0x8000
_MAIN_TABLE, _UNICAST = 254, 1
_SCOPE_GLOBAL, _SCOPE_LINK = 0, 253
_PROTOCOL_STATIC = 4
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Route:
    """An IPv4 route of the main table; empty strings and zeros for what it does not have."""

    destination: str  # "10.244.1.0/24"; "0.0.0.0/0" for the default
    gateway: str = ""
    link: int = 0
    source: str = ""
    metric: int = 0
    protocol: int = _PROTOCOL_STATIC


def _attribute(kind: int, value: bytes) -> bytes:
    length = len(value) + 4
    return struct.pack("HH", length, kind) + value + b"\0" * (-length % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _name(text: str) -> bytes:
    return text.encode() + b"\0"


class Netlink:
    """A socket to the network namespace its thread is in when it is made.  Blocking; one thread at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._numbers = itertools.count(1)
        self._interrupted = False
        """Whether the last list was changed by others while it was made."""

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _send(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
        """(type, body) of each answer, up to the acknowledgement."""
        number = next(self._numbers)
        self._interrupted = False
        self._socket.send(struct.pack("IHHII", len(body) + 16, kind, flags | _REQUEST, number, 0) + body)
        while True:
            data = self._socket.recv(1 << 20)
            while len(data) >= 16:
                length, answer, about, answered, _ = struct.unpack_from("IHHII", data)
                body, data = data[16:length], data[(length + 3) & ~3 :]
                if answered != number:
                    continue
                self._interrupted = self._interrupted or bool(about & _INTERRUPTED)
                if answer == _NLMSG_DONE:
                    return
                if answer == _NLMSG_ERROR:
                    code = -struct.unpack_from("i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                yield answer, body

    def _request(self, kind: int, flags: int, body: bytes) -> None:
        for _ in self._send(kind, flags | _ACK, body):
            pass

    def _list(self, kind: int, body: bytes) -> list[bytes]:
        """All there are at one moment; as good as it gets where others never stop to change them."""
        found: list[bytes] = []
        for _ in range(_TRIES):
            found = [answer for _, answer in self._send(kind, _DUMP, body)]
            if not self._interrupted:
                break
        return found

    # --- links ---

    def add_veth(self, name: str, peer: str, peer_namespace: int) -> None:
        """A pair of interfaces: `name` here, `peer` in the namespace behind that descriptor."""
        other = struct.pack("BxHiII", 0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, _name(peer))
        other += _attribute(_IFLA_NET_NS_FD, struct.pack("I", peer_namespace))
        data = _attribute(_VETH_PEER | _NESTED, other)
        info = _attribute(_IFLA_INFO_KIND, b"veth") + _attribute(_IFLA_INFO_DATA | _NESTED, data)
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, _name(name))
        self._request(_RTM_NEWLINK, _CREATE | _EXCLUSIVE, body + _attribute(_IFLA_LINKINFO | _NESTED, info))

    def link(self, name: str) -> Link:
        """Raises OSError (ENODEV) when there is none."""
        body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, _name(name))
        answers = list(self._send(_RTM_GETLINK, _ACK, body))
        return _link(answers[0][1])

    def links(self) -> list[Link]:
        return [_link(answer) for answer in self._list(_RTM_GETLINK, struct.pack("BxHiII", 0, 0, 0, 0, 0))]

    def set_up(self, index: int) -> None:
        self._request(_RTM_NEWLINK, 0, struct.pack("BxHiII", 0, 0, index, _IFF_UP, _IFF_UP))

    def delete_link(self, index: int) -> None:
        self._request(_RTM_DELLINK, 0, struct.pack("BxHiII", 0, 0, index, 0, 0))

    # --- addresses and routes ---

    def add_address(self, index: int, address: str) -> None:
        """An IPv4 address that brings no route of a subnet with it (/32)."""
        raw = socket.inet_aton(address)
        body = struct.pack("BBBBI", socket.AF_INET, 32, 0, _SCOPE_GLOBAL, index)
        self._request(
            _RTM_NEWADDR, _CREATE | _REPLACE, body + _attribute(_IFA_LOCAL, raw) + _attribute(_IFA_ADDRESS, raw)
        )

    def add_route(self, route: Route) -> None:
        """Add it, or put it in the place of one with the same destination and metric."""
        self._request(_RTM_NEWROUTE, _CREATE | _REPLACE, _encoded(route))

    def delete_route(self, route: Route) -> None:
        self._request(_RTM_DELROUTE, 0, _encoded(route))

    def routes(self) -> list[Route]:
        body = struct.pack("BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        return [route for answer in self._list(_RTM_GETROUTE, body) if (route := _decoded(answer))]


def _link(body: bytes) -> Link:
    index: int = struct.unpack_from("BxHiII", body)[2]
    return Link(index, _attributes(body[16:])[_IFLA_IFNAME].rstrip(b"\0").decode())


def _encoded(route: Route) -> bytes:
    address, _, length = route.destination.partition("/")
    scope = _SCOPE_GLOBAL if route.gateway else _SCOPE_LINK
    prefix = int(length)
    body = struct.pack(
        "BBBBBBBBI", socket.AF_INET, prefix, 0, 0, _MAIN_TABLE, route.protocol, scope, _UNICAST, 0
    ) + _attribute(_RTA_DST, socket.inet_aton(address))
    if route.gateway:
        body += _attribute(_RTA_GATEWAY, socket.inet_aton(route.gateway))
    if route.link:
        body += _attribute(_RTA_OIF, struct.pack("I", route.link))
    if route.source:
        body += _attribute(_RTA_PREFSRC, socket.inet_aton(route.source))
    if route.metric:
        body += _attribute(_RTA_PRIORITY, struct.pack("I", route.metric))
    return body


def _decoded(body: bytes) -> Route | None:
    _, prefix, _, _, table, protocol, _, kind, _ = struct.unpack_from("BBBBBBBBI", body)
    if table != _MAIN_TABLE or kind != _UNICAST:
        return None
    found = _attributes(body[12:])

    def address(attribute: int) -> str:
        return socket.inet_ntoa(found[attribute]) if attribute in found else ""

    def number(attribute: int) -> int:
        return int(struct.unpack("I", found[attribute])[0]) if attribute in found else 0

    return Route(
        destination=f"{address(_RTA_DST) or '0.0.0.0'}/{prefix}",
        gateway=address(_RTA_GATEWAY),
        link=number(_RTA_OIF),
        source=address(_RTA_PREFSRC),
        metric=number(_RTA_PRIORITY),
        protocol=protocol,
    )
