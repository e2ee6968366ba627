"""What the names that objects share may look like: DNS labels and subdomains, qualified names, values of labels.

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
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(SUBDOMAIN).fullmatch
_is_dns1035 = re.compile(_DNS1035).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_label_value = re.compile(_LABEL_VALUE).fullmatch


def expected(message: str, regex: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples).rstrip(", ")
    return f"{message} (e.g. {shown}, regex used for validation is '{regex}')"


def at_most(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


LABEL_MESSAGE = expected(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
SUBDOMAIN_MESSAGE = expected(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    SUBDOMAIN,
    "example.com",
)
_DNS1035_MESSAGE = expected(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _DNS1035,
    "my-name",
    "abc-123",
)
_NAME_PART = expected(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_VALUE_MESSAGE = expected(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
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
