"""The formats of strings that schemas can ask for (k8s.io/kube-openapi/pkg/validation/strfmt)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from unicodedata import category

from api.duration import parse_duration
from apiserver.registry.names import label, subdomain

_HEX = "[0-9a-fA-F]"
_UUID = f"{_HEX}{{8}}-?{_HEX}{{4}}-?%s{_HEX}{{3}}-?%s{_HEX}{{3}}-?{_HEX}{{12}}"
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(.\d+)?(z|[+-]\d\d:\d\d)", re.ASCII)
_HOST = re.compile(r"a-?a{0,62}|(a([a-]{0,61}a)?\.)+t{2,63}")
_SYMBOLS = "$+<=>^`|~"
_BYTE = f"{_HEX}{{2}}"
_MAC = (
    rf"{_BYTE}([:-]){_BYTE}(\1{_BYTE}){{4}}(\1{_BYTE}\1{_BYTE}(\1{_BYTE}){{0,12}})?|({_HEX}{{4}}\.){{2,9}}{_HEX}{{4}}"
)
_SHADE = r"\s*(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\s*"
_CARD = re.compile(
    r"4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11}"
)
_SPANS = re.compile(r"\s*(\d+\s*[A-Za-zµ]+\s*)+", re.ASCII)
_SPAN = re.compile(r"\d+\s*([A-Za-zµ]+)", re.ASCII)
_UNITS = ("ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk")
_LONG_UNITS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")

# By names without dashes, as they are looked up.
_PATTERNS = {
    "bsonobjectid": f"{_HEX}{{24}}",
    "byte": "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})",
    "email": r"[^\s@<>]+@[^\s@<>]+|.*<[^\s@<>]+@[^\s@<>]+>",
    "hexcolor": f"#?({_HEX}{{3}}|{_HEX}{{6}})",
    "mac": _MAC,
    "rgbcolor": rf"rgb\({_SHADE},{_SHADE},{_SHADE}\)",
    "ssn": r"(?=.{11}$)\d{3}[- ]?\d{2}[- ]?\d{4}",
    "uuid": _UUID % (_HEX, _HEX),
    "uuid3": _UUID % ("3", _HEX),
    "uuid4": _UUID % ("4", "[89abAB]"),
    "uuid5": _UUID % ("5", "[89abAB]"),
}
_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def _reads_as(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _address(text: str) -> object:
    if "%" in text:  # Go reads no zones
        raise ValueError(text)
    return ipaddress.ip_address(text)


_is_address = _reads_as(_address)


def _sloppy(address: str) -> str:
    """Without the zeros that numbers of an IPv4 address may begin with."""
    return re.sub(r"(?<![0-9A-Fa-f:])0+(?=[0-9])", "", address) if ":" not in address else address


def _network(text: str) -> object:
    address, slash, length = text.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(text)
    return _address(address := _sloppy(address)), ipaddress.ip_interface(f"{address}/{length}")


def _is_moment(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    match = _TIME.fullmatch(time.partition("t")[0])
    return match is not None and _is_day(day) and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _day(text: str) -> object:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(text)


_is_day = _reads_as(_day)


def _is_duration(text: str) -> bool:
    """As Go writes it, or as Scala does: `3 days`."""
    try:
        parse_duration(text)
    except ValueError:
        units = [unit.lower() for unit in _SPAN.findall(text)] if _SPANS.fullmatch(text) else []
        return any(unit in _UNITS or unit.startswith(_LONG_UNITS) for unit in units)
    return True


def _is_host(text: str) -> bool:
    """Letters and symbols of any script count as letters, but symbols and digits not in what is topmost."""
    plain = "".join("a" if _is_letter(character) else character for character in text)
    above, dot, top = plain.rpartition(".")
    if dot and text[len(above) + 1 :].isalpha():
        plain = f"{above}.{'t' * len(top)}"
    parts = text.encode().split(b".")
    return _HOST.fullmatch(plain) is not None and len(text.encode()) <= 255 and all(len(part) <= 63 for part in parts)


def _is_letter(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _SYMBOLS
    return category(character)[0] in "LS"


def _is_uri(text: str) -> bool:
    from cel.libraries.url import parse_url  # few schemas ask for it

    return _reads_as(parse_url)(text)


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if _CARD.fullmatch(digits) is None:
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII) is None:
        return False
    return sum(place * (10 if digit == "X" else int(digit)) for place, digit in enumerate(digits, 1)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if re.fullmatch(r"\d{13}", digits, re.ASCII) is None:
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "cidr": _reads_as(_network),
    "creditcard": _is_card,
    "date": _is_day,
    "datetime": _is_moment,
    "duration": _is_duration,
    "hostname": _is_host,
    "ipv4": lambda text: "." in text and _is_address(_sloppy(text)),
    "ipv6": lambda text: ":" in text and _is_address(text),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": lambda text: not subdomain(text),
    "k8sshortname": lambda text: not label(text),
    "password": lambda text: True,
    "uri": _is_uri,
}


def is_known(name: str, type: str = "string") -> bool:
    """Whether values of the type (one that is not given may be a string) are checked for a format."""
    if type in _NUMBERS:
        return name in _NUMBERS[type]
    plain = name.replace("-", "")
    return type in ("string", "") and (plain in _PATTERNS or plain in _CHECKS)


def has_format(text: str, name: str) -> bool:
    """Whether a string has a format; each has those that nobody knows."""
    plain = name.replace("-", "")
    if plain in _PATTERNS:
        return re.fullmatch(_PATTERNS[plain], text, re.ASCII) is not None
    return plain not in _CHECKS or _CHECKS[plain](text)
