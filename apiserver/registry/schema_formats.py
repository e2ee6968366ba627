"""The formats of strings that schemas can ask for (k8s.io/kube-openapi/pkg/validation/strfmt)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

from apiserver.registry.names import label, subdomain

_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(z|[-+]([01]\d|2[0-3]):?[0-5]\d)"
_HOST = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_UNITS = (
    "ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|"
    "h|hrs?|hours?|d|days?|w|weeks?"
)
_BYTE = "[0-9a-f]{2}"
_PERCENT = r"\s*(25[0-5]|2[0-4]\d|1\d\d|\d\d?)\s*"

# By names without dashes, as they are looked up.
_PATTERNS = {
    "bsonobjectid": "[0-9a-f]{24}",
    "byte": "([a-z0-9+/]{4})*([a-z0-9+/]{2}==|[a-z0-9+/]{3}=)?",
    "creditcard": r"(\d[ -]*){13,19}",
    "duration": rf"[-+]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+|0|\d+\s*({_UNITS})",
    "email": r"[^\s@<>]+@[^\s@<>]+|.*<[^\s@<>]+@[^\s@<>]+>",
    "hexcolor": "#?([0-9a-f]{3}|[0-9a-f]{6})",
    "hostname": rf"(?=.{{1,255}}$){_HOST}(\.{_HOST})*\.?",
    "isbn": r"(\d[ -]?){9}[\dx]|(\d[ -]?){12}\d",
    "isbn10": r"(\d[ -]?){9}[\dx]",
    "isbn13": r"(\d[ -]?){12}\d",
    "mac": rf"{_BYTE}([:-]{_BYTE}){{5}}|{_BYTE}([:-]{_BYTE}){{7}}|([0-9a-f]{{4}}\.){{2,3}}[0-9a-f]{{4}}",
    "rgbcolor": rf"rgb\({_PERCENT},{_PERCENT},{_PERCENT}\)",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "uri": r"(/|[a-z][a-z0-9+.-]*:)[^\s\x00-\x1f\x7f]*",
    "uuid": _UUID % ("[0-9a-f]", "[0-9a-f]"),
    "uuid3": _UUID % ("3", "[0-9a-f]"),
    "uuid4": _UUID % ("4", "[89ab]"),
    "uuid5": _UUID % ("5", "[89ab]"),
}


def _reads_as(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _network(text: str) -> object:
    _, slash, length = text.partition("/")
    if not slash or not length.isdigit():
        raise ValueError(text)
    return ipaddress.ip_interface(text)


def _moment(text: str) -> object:
    day, time = text[:10], text[11:]
    if text[10:11] not in ("T", "t") or not re.fullmatch(_TIME, time, re.IGNORECASE | re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(day)


def _day(text: str) -> object:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(text)


_CHECKS: dict[str, Callable[[str], bool]] = {
    "cidr": _reads_as(_network),
    "date": _reads_as(_day),
    "datetime": _reads_as(_moment),
    "ipv4": _reads_as(ipaddress.IPv4Address),
    "ipv6": _reads_as(ipaddress.IPv6Address),
    "k8slongname": lambda text: not subdomain(text),
    "k8sshortname": lambda text: not label(text),
    "password": lambda text: True,
}


def is_known(name: str) -> bool:
    """Whether strings are checked for it; others say nothing."""
    plain = name.replace("-", "")
    return plain in _PATTERNS or plain in _CHECKS


def has_format(text: str, name: str) -> bool:
    plain = name.replace("-", "")
    if plain in _PATTERNS:
        return re.fullmatch(_PATTERNS[plain], text, re.IGNORECASE) is not None
    return plain not in _CHECKS or _CHECKS[plain](text)
