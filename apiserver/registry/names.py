"""What names may look like: those of `api.names`, and keys of maps, ports, headers, paths.

Every check returns its complaints, none when the text is fine, and remembers its answers: the same
names come again and again.  The rules are those of
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/.
"""

from __future__ import annotations

import re
from functools import lru_cache

from api.names import FINE as FINE
from api.names import LABEL_MESSAGE as LABEL_MESSAGE
from api.names import SUBDOMAIN, expected
from api.names import SUBDOMAIN_MESSAGE as SUBDOMAIN_MESSAGE
from api.names import Complaints as Complaints
from api.names import at_most as at_most
from api.names import dns1035 as dns1035
from api.names import dns1035_label as dns1035_label
from api.names import dns_label as dns_label
from api.names import dns_subdomain as dns_subdomain
from api.names import label as label
from api.names import label_value as label_value
from api.names import qualified as qualified
from api.names import subdomain as subdomain

_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_WILDCARD = rf"\*\.{SUBDOMAIN}"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_UNDERSCORED = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_PERCENT = "%"
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"

_is_wildcard = re.compile(_WILDCARD).fullmatch
_is_http_path = re.compile(_HTTP_PATH).fullmatch
_is_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_is_key = re.compile(_KEY).fullmatch
_is_header = re.compile(_HEADER).fullmatch
_is_underscored = re.compile(_UNDERSCORED).fullmatch
_is_environment = re.compile(r"[ -<>-~]+").fullmatch
_is_port_name = re.compile("[-a-z0-9]+").fullmatch
_is_reason = re.compile(_REASON).fullmatch
_has_letter = re.compile("[a-z]").search

_UNDERSCORED_MESSAGE = expected(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character",
    _UNDERSCORED,
    "example.com",
)
_WILDCARD_MESSAGE = expected(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD,
    "*.example.com",
)
_C_IDENTIFIER_MESSAGE = expected(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_'",
    _C_IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)
_KEY_MESSAGE = expected(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_HEADER_MESSAGE = expected(
    "a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name"
)

_REASON_MESSAGE = expected(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


@lru_cache(maxsize=1024)
def wildcard_subdomain(value: str) -> Complaints:
    """A subdomain with `*` in the place of its first label."""
    complaints = []
    if len(value) > 253:
        complaints.append(at_most(253))
    if not _is_wildcard(value):
        complaints.append(_WILDCARD_MESSAGE)
    return tuple(complaints)


@lru_cache(maxsize=1024)
def c_identifier(value: str) -> Complaints:
    """What could name a variable in C."""
    return FINE if _is_c_identifier(value) else (_C_IDENTIFIER_MESSAGE,)


def http_path(value: str) -> Complaints:
    """What may follow the host in a URL, without the slash before it."""
    return FINE if _is_http_path(value) else (f"Invalid path (regex used for validation is '{_HTTP_PATH}')",)


@lru_cache(maxsize=1024)
def subdomain_with_underscores(value: str) -> Complaints:
    """What a resolver's search list may hold."""
    complaints = []
    if len(value) > 253:
        complaints.append(at_most(253))
    if not _is_underscored(value):
        complaints.append(_UNDERSCORED_MESSAGE)
    return tuple(complaints)


def path_segment(value: str, prefix: bool = False) -> Complaints:
    """metadata.name of kinds that only need it to be one segment of a URL (RBAC)."""
    if not prefix and value in (".", ".."):
        return (f"may not be '{value}'",)
    if "/" not in value and _PERCENT not in value:
        return FINE
    return tuple(f"may not contain '{character}'" for character in ("/", _PERCENT) if character in value)


@lru_cache(maxsize=4096)
def config_key(value: str) -> Complaints:
    """A key of a ConfigMap or Secret: it becomes a file name."""
    complaints = []
    if len(value) > 253:
        complaints.append(at_most(253))
    if not _is_key(value):
        complaints.append(_KEY_MESSAGE)
    if value == ".":
        complaints.append("must not be '.'")
    elif value == "..":
        complaints.append("must not be '..'")
    elif value.startswith(".."):
        complaints.append("must not start with '..'")
    return tuple(complaints)


@lru_cache(maxsize=4096)
def environment_name(value: str) -> Complaints:
    """The name of an environment variable: printable ASCII without `=` (KEP-4369)."""
    if _is_environment(value):
        return FINE
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


@lru_cache(maxsize=1024)
def port_name(value: str) -> Complaints:
    """The name of a port in a pod (RFC 6335): at most 15 characters, at least one letter."""
    complaints = []
    if len(value) > 15:
        complaints.append(at_most(15))
    if not _is_port_name(value):
        complaints.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _has_letter(value):
        complaints.append("must contain at least one letter (a-z)")
    if "--" in value:
        complaints.append("must not contain consecutive hyphens")
    if value[:1] == "-" or value[-1:] == "-":
        complaints.append("must not begin or end with a hyphen")
    return tuple(complaints)


@lru_cache(maxsize=1024)
def header_name(value: str) -> Complaints:
    return FINE if _is_header(value) else (_HEADER_MESSAGE,)


def port_number(value: int) -> Complaints:
    return FINE if 1 <= value <= 65535 else ("must be between 1 and 65535, inclusive",)


def condition_reason(value: str) -> Complaints:
    """The one word that says why a condition's status is what it is."""
    return FINE if _is_reason(value) else (_REASON_MESSAGE,)
