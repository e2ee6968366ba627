"""IP addresses and networks: `ip('10.0.0.1').family()`, `cidr('10.0.0.0/8').containsIP('10.1.2.3')`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library and #kubernetes-cidr-library
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import ClassVar

from cel.errors import EvaluationError
from cel.functions import Library
from cel.types import Type, opaque
from cel.values import Opaque

_IP, _CIDR = opaque("net.IP"), opaque("net.CIDR")


@dataclass(frozen=True, slots=True)
class IP(Opaque):
    type: ClassVar[Type] = _IP
    address: IPv4Address | IPv6Address

    @property
    def text(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class CIDR(Opaque):
    type: ClassVar[Type] = _CIDR
    address: IPv4Address | IPv6Address
    bits: int

    @property
    def text(self) -> str:
        return f"{self.address}/{self.bits}"

    @property
    def network(self) -> IPv4Network | IPv6Network:
        return ip_network(self.text, strict=False)

    @property
    def octets(self) -> int:
        return self.address.max_prefixlen // 8


def _address(text: str) -> IPv4Address | IPv6Address:
    """Raises ValueError with the words of Go's netip."""
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f'ParseAddr("{text}"): {_why_no_address(text)}') from None
    return address


def _why_no_address(text: str) -> str:
    separators = [character for character in text if character in ".:%"]
    if not separators:
        return "unable to parse IP"
    if separators[0] == "%":
        return "missing IPv6 address"
    if separators[0] == ":":
        return "unable to parse IP"
    parts = text.split(".")
    for at, part in enumerate(parts):
        if not part:
            rest = ".".join(parts[at:])
            shown = f" (at {_quoted(rest)})" if rest else ""
            return f"IPv4 field must have at least one digit{shown}"
        if wrong := next((index for index, character in enumerate(part) if not "0" <= character <= "9"), None):
            return f"unexpected character (at {_quoted('.'.join([part[wrong:], *parts[at + 1 :]]))})"
        if not part[0].isdigit():
            return f"unexpected character (at {_quoted('.'.join(parts[at:]))})"
        if len(part) > 1 and part[0] == "0":
            return "IPv4 field has octet with leading zero"
        if int(part) > 255:
            return "IPv4 field has value >255"
        if at == 3 and len(parts) > 4:
            return "IPv4 address too long"
    return "IPv4 address too short"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _ip(text: str) -> IP:
    try:
        address = _address(text)
    except ValueError as error:
        raise EvaluationError(f'IP Address "{text}" parse error during conversion from string: {error}') from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
        _not_mapped(address, text)
    return IP(address)


def _not_mapped(address: IPv6Address, text: str) -> None:
    if address.ipv4_mapped is not None:
        raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')


_FAILED = "network address parse error during conversion from string: "


def _cidr(text: str) -> CIDR:
    shown = f'{_FAILED}{_FAILED}netip.ParsePrefix("{text}"): '
    before, slash, bits = text.rpartition("/")
    if not slash:
        raise EvaluationError(f"{shown}no '/'")
    try:
        address = _address(before)
    except ValueError as error:
        raise EvaluationError(shown + str(error)) from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise EvaluationError(f"{shown}IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise EvaluationError(f"{shown}bad bits after slash: {_quoted(bits)}")
    if int(bits) > address.max_prefixlen:
        raise EvaluationError(f"{shown}prefix length out of range")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise EvaluationError(f'{_FAILED}IPv4-mapped IPv6 address "{text}" is not allowed')
    return CIDR(address, int(bits))


def _is_ip(text: str) -> bool:
    try:
        _ip(text)
    except EvaluationError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _cidr(text)
    except EvaluationError:
        return False
    return True


def _contains_ip(cidr: CIDR, ip: IP | str) -> bool:
    address = (_ip(ip) if isinstance(ip, str) else ip).address
    return address.version == cidr.address.version and address in cidr.network


def _contains_cidr(cidr: CIDR, other: CIDR | str) -> bool:
    """Whether the other begins with the network's own address bits and is no larger."""
    inner = _cidr(other) if isinstance(other, str) else other
    if inner.address.version != cidr.address.version or cidr.bits > inner.bits:
        return False
    return inner.address in cidr.network


def _masked(cidr: CIDR) -> CIDR:
    return CIDR(cidr.network.network_address, cidr.bits)


def _is_link_local_multicast(ip: IP) -> bool:
    if ip.address.version == 4:
        return ip.address in ip_network("224.0.0.0/24")
    return ip.address.packed[0] == 0xFF and ip.address.packed[1] & 0x0F == 2


def _is_global_unicast(ip: IP) -> bool:
    """As Go has it: not special, which private addresses are not either."""
    address = ip.address
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


NETWORK = Library()
NETWORK.add_type(_IP)
NETWORK.add_type(_CIDR)
NETWORK.add("ip", "(string) -> net.IP", call=_ip)
NETWORK.add("isIP", "(string) -> bool", call=_is_ip)
NETWORK.add("ip.isCanonical", "(string) -> bool", call=lambda text: _ip(text).text == text)
NETWORK.add("family", "net.IP.() -> int", call=lambda ip: ip.address.version)
NETWORK.add("isUnspecified", "net.IP.() -> bool", call=lambda ip: ip.address.is_unspecified)
NETWORK.add("isLoopback", "net.IP.() -> bool", call=lambda ip: ip.address.is_loopback)
NETWORK.add("isLinkLocalMulticast", "net.IP.() -> bool", call=_is_link_local_multicast)
NETWORK.add("isLinkLocalUnicast", "net.IP.() -> bool", call=lambda ip: ip.address.is_link_local)
NETWORK.add("isGlobalUnicast", "net.IP.() -> bool", call=_is_global_unicast)
NETWORK.add("string", "(net.IP) -> string", "(net.CIDR) -> string", call=lambda value: value.text)
NETWORK.add("cidr", "(string) -> net.CIDR", call=_cidr)
NETWORK.add("isCIDR", "(string) -> bool", call=_is_cidr)
NETWORK.add("containsIP", "net.CIDR.(string) -> bool", call=_contains_ip, id="cidr_contains_ip_string")
NETWORK.add("containsIP", "net.CIDR.(net.IP) -> bool", call=_contains_ip)
NETWORK.add("containsCIDR", "net.CIDR.(string) -> bool", call=_contains_cidr, id="cidr_contains_cidr_string")
NETWORK.add("containsCIDR", "net.CIDR.(net.CIDR) -> bool", call=_contains_cidr)
NETWORK.add("ip", "net.CIDR.() -> net.IP", call=lambda cidr: IP(cidr.address), id="cidr_ip")
NETWORK.add("prefixLength", "net.CIDR.() -> int", call=lambda cidr: cidr.bits)
NETWORK.add("masked", "net.CIDR.() -> net.CIDR", call=_masked)
