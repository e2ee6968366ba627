"""What a proxied answer says of where things are, put in terms of the proxy's own URLs.

A page behind `/proxy` links to `/style.css`; the browser has to ask for `…/proxy/style.css`.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    import httpx

Headers = list[tuple[bytes, bytes]]

FORWARDED_URI = b"x-forwarded-uri"
_CORS = b"access-control-"
_TAG = re.compile(rb"<[a-z][^<>]*>", re.IGNORECASE)
# The attributes of HTML that hold URLs.
_LINK = re.compile(
    rb"""(\s(?:action|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile|src|"""
    rb"""usemap)\s*=\s*)("[^"]*"|'[^']*')""",
    re.IGNORECASE,
)


def rewrite_url(text: str, prefix: str, host: str) -> str:
    """A link to the proxied `host` as a path below `prefix`; others, and relative ones, stay as they are."""
    try:
        url = urlsplit(text)
    except ValueError:
        return text
    if (url.netloc and url.netloc != host) or not url.path.startswith("/") or url.path.startswith(prefix):
        return text
    path = posixpath.join(prefix, posixpath.normpath(url.path).lstrip("/"))
    if url.path.endswith("/") and not path.endswith("/"):
        path += "/"
    return urlunsplit(("", "", path, url.query, url.fragment))


def rewrite_headers(headers: Headers, prefix: str, source: httpx.URL) -> Headers:
    """The target's headers: redirects lead through the proxy, and who may read the answer is not the target's say."""
    host = source.netloc.decode("ascii", "replace")
    kept: Headers = []
    for name, value in headers:
        if name == b"location":
            value = rewrite_url(value.decode("latin-1"), prefix, host).encode("latin-1", "replace")
        if not name.startswith(_CORS):
            kept.append((name, value))
    return kept


def rewrite_html(page: bytes, prefix: str) -> bytes:
    """A page whose absolute links lead through the proxy."""

    def link(found: re.Match[bytes]) -> bytes:
        mark, text = found[2][:1], found[2][1:-1]
        return found[1] + mark + rewrite_url(text.decode("latin-1"), prefix, "").encode("latin-1") + mark

    return _TAG.sub(lambda tag: _LINK.sub(link, tag[0]), page)
