"""URLs: `url('https://example.com/').getHost()`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library.  What is a URL, and why something is not,
is as Go's `net/url` has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import parse_qs, unquote

from cel.errors import EvaluationError
from cel.functions import Library
from cel.types import Type, opaque
from cel.values import Opaque

_URL = opaque("kubernetes.URL")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}")
_HOST_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"%]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PATH_CHARACTERS = "[^A-Za-z0-9\\-._~$&+,/:;=@!'()*%]"


@dataclass(frozen=True, slots=True)
class URL(Opaque):
    type: ClassVar[Type] = _URL
    scheme: str
    host: str
    path: str
    query: str

    @property
    def hostname(self) -> str:
        if self.host.startswith("["):
            return self.host[1 : self.host.index("]")]
        return self.host.rpartition(":")[0] if _has_port(self.host) else self.host

    @property
    def port(self) -> str:
        return self.host.rpartition(":")[2] if _has_port(self.host) else ""


def _has_port(host: str) -> bool:
    return re.fullmatch(r"(?:\[.*\]|[^:]*):\d*", host) is not None


def parse_url(text: str) -> URL:
    """An absolute URL or path.  Raises ValueError with Go's words."""
    why = f'parse "{text}": '
    if _CONTROL.search(text):
        raise ValueError(f"parse {_quoted(text)}: net/url: invalid control character in URL")
    if not text:
        raise ValueError(why + "empty url")
    if text == "*":
        return URL("", "", "*", "")
    scheme, rest = _scheme(text, why)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return URL(scheme, "", "", query)  # opaque, as mailto: is
        raise ValueError(why + "invalid URI for request")
    host = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        host, slash, path = rest[2:].partition("/")
        rest = slash + path
        host = _authority(host, why)
    if bad := _BAD_ESCAPE.search(rest):
        raise ValueError(f'{why}invalid URL escape "{bad[0]}"')
    return URL(scheme, host, _escaped(rest), query)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\x{ord(c):02x}" if _CONTROL.match(c) else c for c in text) + '"'


def _scheme(text: str, why: str) -> tuple[str, str]:
    match = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", text)
    if match is not None:
        return match[0][:-1].lower(), text[match.end() :]
    if text.startswith(":"):
        raise ValueError(why + "missing protocol scheme")
    if re.match(r"[0-9+.\-][A-Za-z0-9+.\-]*:", text):
        raise ValueError(why + "first path segment in URL cannot contain colon")
    return "", text


def _authority(authority: str, why: str) -> str:
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        if "]" not in host:
            raise ValueError(why + "missing ']' in host")
        port = host.rpartition("]")[2]
    else:
        port = host[host.rindex(":") :] if ":" in host else ""
    if port and not re.fullmatch(r":\d*", port):
        raise ValueError(f'{why}invalid port "{port}" after host')
    for character in host:
        if not _HOST_CHARACTERS.fullmatch(character) and ord(character) < 0x80:
            raise ValueError(f'{why}invalid character "{character}" in host name')
    if bad := _BAD_ESCAPE.search(host):
        raise ValueError(f'{why}invalid URL escape "{bad[0]}"')
    return unquote(host)


def _escaped(path: str) -> str:
    def escape(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())

    return re.sub(_PATH_CHARACTERS, escape, path)


def _to_url(text: str) -> URL:
    try:
        return parse_url(text)
    except ValueError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from None


def is_url(text: str) -> bool:
    try:
        parse_url(text)
    except ValueError:
        return False
    return True


def _query(url: URL) -> dict[str, list[str]]:
    return parse_qs(url.query, keep_blank_values=True)


URLS = Library()
URLS.add_type(_URL)
URLS.add("url", "(string) -> kubernetes.URL", call=_to_url)
URLS.add("isURL", "(string) -> bool", call=is_url)
URLS.add("getScheme", "kubernetes.URL.() -> string", call=lambda url: url.scheme)
URLS.add("getHost", "kubernetes.URL.() -> string", call=lambda url: url.host)
URLS.add("getHostname", "kubernetes.URL.() -> string", call=lambda url: url.hostname)
URLS.add("getPort", "kubernetes.URL.() -> string", call=lambda url: url.port)
URLS.add("getEscapedPath", "kubernetes.URL.() -> string", call=lambda url: url.path)
URLS.add("getQuery", "kubernetes.URL.() -> map(string, list(string))", call=_query)
