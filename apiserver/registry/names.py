"""What names may look like: DNS labels and subdomains, qualified names, keys of maps, ports.

Every check returns its complaints, none when the text is fine, and remembers its answers: the same
names come again and again.  The rules are those of
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/.
"""

from __future__ import annotations

import re
from functools import lru_cache

Complaints = tuple[str, ...]
FINE: Complaints = ()

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_UNDERSCORED = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_PERCENT = "%"
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_dns1035 = re.compile(_DNS1035).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_label_value = re.compile(_LABEL_VALUE).fullmatch
_is_key = re.compile(_KEY).fullmatch
_is_header = re.compile(_HEADER).fullmatch
_is_underscored = re.compile(_UNDERSCORED).fullmatch
_is_environment = re.compile(r"[ -<>-~]+").fullmatch
_is_port_name = re.compile("[-a-z0-9]+").fullmatch
_is_reason = re.compile(_REASON).fullmatch
_has_letter = re.compile("[a-z]").search


def _expected(message: str, regex: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples).rstrip(", ")
    return f"{message} (e.g. {shown}, regex used for validation is '{regex}')"


def at_most(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


LABEL_MESSAGE = _expected(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
SUBDOMAIN_MESSAGE = _expected(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_UNDERSCORED_MESSAGE = _expected(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
    "and must start and end with an alphanumeric character",
    _UNDERSCORED,
    "example.com",
)
_DNS1035_MESSAGE = _expected(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _DNS1035,
    "my-name",
    "abc-123",
)
_NAME_PART = _expected(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_KEY_MESSAGE = _expected(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_VALUE_MESSAGE = _expected(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_HEADER_MESSAGE = _expected(
    "a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name"
)

_REASON_MESSAGE = _expected(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


@lru_cache(maxsize=8192)
def label(value: str) -> Complaints:
    """An RFC 1123 label: at most 63 characters, no dots."""
    complaints = []
    if len(value) > 63:
        complaints.append(at_most(63))
    if not _is_label(value):
        complaints.append("must not contain dots" if _is_subdomain(value) else LABEL_MESSAGE)
    return tuple(complaints)


@lru_cache(maxsize=8192)
def subdomain(value: str) -> Complaints:
    """RFC 1123 labels joined by dots: at most 253 characters."""
    complaints = []
    if len(value) > 253:
        complaints.append(at_most(253))
    if not _is_subdomain(value):
        complaints.append(SUBDOMAIN_MESSAGE)
    return tuple(complaints)


@lru_cache(maxsize=1024)
def dns1035(value: str) -> Complaints:
    """A label that starts with a letter."""
    complaints = []
    if len(value) > 63:
        complaints.append(at_most(63))
    if not _is_dns1035(value):
        complaints.append(_DNS1035_MESSAGE)
    return tuple(complaints)


@lru_cache(maxsize=1024)
def subdomain_with_underscores(value: str) -> Complaints:
    """What a resolver's search list may hold."""
    complaints = []
    if len(value) > 253:
        complaints.append(at_most(253))
    if not _is_underscored(value):
        complaints.append(_UNDERSCORED_MESSAGE)
    return tuple(complaints)


def _masked(value: str, prefix: bool) -> str:
    # A generateName prefix may end in a dash: what follows will complete it.
    return value[:-1] + "a" if prefix and len(value) > 1 and value.endswith("-") else value


def dns_label(value: str, prefix: bool = False) -> Complaints:
    """metadata.name of kinds whose names become DNS labels (namespaces, services)."""
    return label(_masked(value, prefix))


def dns_subdomain(value: str, prefix: bool = False) -> Complaints:
    """metadata.name of most kinds."""
    return subdomain(_masked(value, prefix))


def dns1035_label(value: str, prefix: bool = False) -> Complaints:
    return dns1035(_masked(value, prefix))


def path_segment(value: str, prefix: bool = False) -> Complaints:
    """metadata.name of kinds that only need it to be one segment of a URL (RBAC)."""
    if not prefix and value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{character}'" for character in ("/", _PERCENT) if character in value)


@lru_cache(maxsize=8192)
def qualified(value: str) -> Complaints:
    """A label key, a finalizer, a resource: a name with an optional DNS subdomain and a slash before it."""
    parts = value.split("/")
    complaints: list[str] = []
    if len(parts) > 2:
        message = "a valid label key " + _NAME_PART
        return (message + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    if len(parts) == 2:
        if not parts[0]:
            complaints.append("prefix part must be non-empty")
        else:
            complaints += [f"prefix part {complaint}" for complaint in subdomain(parts[0])]
    name = parts[-1]
    if not name:
        complaints.append("name part must be non-empty")
    elif len(name) > 63:
        complaints.append("name part " + at_most(63, "bytes"))
    if not _is_qualified(name):
        complaints.append("name part " + _NAME_PART)
    return tuple(complaints)


@lru_cache(maxsize=8192)
def label_value(value: str) -> Complaints:
    complaints = []
    if len(value) > 63:
        complaints.append(at_most(63, "bytes"))
    if not _is_label_value(value):
        complaints.append(_VALUE_MESSAGE)
    return tuple(complaints)


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
