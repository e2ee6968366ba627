"""Names of controllers and the like: a domain, a slash and a path, such as "acme.io/foo"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.errors import FieldError, invalid_value, required
from apiserver.registry.names import subdomain

_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_is_path = re.compile(_PATH).fullmatch


def validate_domain_prefixed_path(value: str, path: str) -> Iterator[FieldError]:
    if not value:
        yield required(path)
        return
    host, _, rest = value.partition("/")
    if not host or not rest:
        yield invalid_value(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for complaint in subdomain(host):
        yield invalid_value(path, host, complaint)
    if not _is_path(rest):
        yield invalid_value(path, rest, f"Invalid path (regex used for validation is '{_PATH}')")
