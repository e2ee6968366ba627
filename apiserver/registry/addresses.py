"""IP addresses and networks as the API accepts them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache

from apiserver.registry.names import FINE, Complaints

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BAD_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_BAD_NETWORK = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LEADING_ZERO = re.compile(r"(^|\.)0\d").search


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """The address, or None when the text is none; leading zeros, as older clients wrote them, are ignored."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    if "." in text and ":" not in text:
        plain = ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in text.split("."))
        try:
            return ipaddress.ip_address(plain)
        except ValueError:
            return None
    return None


@lru_cache(maxsize=4096)
def address(text: str) -> Complaints:
    """Complaints about an IP address."""
    found = parse(text)
    if found is None:
        return (_BAD_ADDRESS,)
    if "." in text and _LEADING_ZERO(text.rpartition(":")[2]):
        return ("must not have leading 0s",)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return ("must not be an IPv4-mapped IPv6 address",)
    return FINE


def canonical_address(text: str) -> Complaints:
    """The same, and it must be written as everybody else writes it."""
    return address(text) or _canonical(text, str(parse(text)))


def canonical_network(text: str) -> Complaints:
    """Complaints about a network in CIDR notation that must be written as everybody else writes it."""
    return network(text) or _canonical(text, str(parse_network(text)))


def interface_address(text: str) -> Complaints:
    """Complaints about an address with the length of its network's prefix."""
    host, _, length = text.partition("/")
    if parse_network(text) is None:
        return ("must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",)
    return _canonical(text, f"{parse(host)}/{int(length)}")


def _canonical(text: str, canonical: str) -> Complaints:
    return FINE if text == canonical else (f'must be in canonical form ("{canonical}")',)


@lru_cache(maxsize=1024)
def network(text: str) -> Complaints:
    """Complaints about a network in CIDR notation."""
    found = parse_network(text)
    if found is None:
        return (_BAD_NETWORK,)
    host = text.partition("/")[0]
    if "." in host and _LEADING_ZERO(host):
        return ("must not have leading 0s in IP or prefix length",)
    if ipaddress.ip_interface(text).ip != found.network_address:
        return (f'must not have bits set beyond the prefix length (should be "{found}")',)
    return FINE


@lru_cache(maxsize=1024)
def parse_network(text: str) -> Network | None:
    """The network an address with a prefix length is in, or None when the text is not in CIDR notation."""
    host, slash, length = text.partition("/")
    if not slash or not length.isdigit() or parse(host) is None:
        return None
    try:
        return ipaddress.ip_network(f"{parse(host)}/{length}", strict=False)
    except ValueError:
        return None


def warn_of_spelling(text: str, path: str) -> Iterator[str]:
    """A warning about an IPv6 address or network in any but its one canonical form."""
    found = parse_network(text) if "/" in text else parse(text)
    if found is not None and found.version == 6 and str(found) != text:
        what = "CIDR value" if "/" in text else "address"
        yield f'{path}: IPv6 {what} "{text}" should be in RFC 5952 canonical format ("{found}")'


def family(text: str) -> str:
    """ "IPv4" or "IPv6"; empty when the text is no address."""
    found = parse(text)
    return "" if found is None else f"IPv{found.version}"
