"""Named formats: `format.dns1123Label().validate(name)` gives what is wrong with a text, if anything.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import ClassVar

from api import names
from cel.functions import Library
from cel.libraries.url import parse_url
from cel.types import Type, opaque
from cel.values import NONE, Opaque, Optional, parse_timestamp

_FORMAT = opaque("kubernetes.NamedFormat")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Format(Opaque):
    """`pattern_size` is the length of the pattern that costs are counted by."""

    type: ClassVar[Type] = _FORMAT
    name: str
    complaints: Callable[[str], Sequence[str]]
    pattern_size: int


def _uri(text: str) -> Sequence[str]:
    try:
        parse_url(text)
    except ValueError as error:
        return (str(error),)
    return ()


def _unless(valid: Callable[[str], object], complaint: str) -> Callable[[str], Sequence[str]]:
    """`valid` raises ValueError, or is false, for what is not."""

    def complaints(text: str) -> Sequence[str]:
        try:
            return () if valid(text) else (complaint,)
        except ValueError:
            return (complaint,)

    return complaints


def _is_base64(text: str) -> bool:
    base64.b64decode(text, validate=True)
    return bool(text)


_FORMATS = {
    "dns1123Label": Format("DNS1123Label", names.dns_label, 30),
    "dns1123Subdomain": Format("DNS1123Subdomain", names.dns_subdomain, 60),
    "dns1035Label": Format("DNS1035Label", names.dns1035_label, 30),
    "qualifiedName": Format("QualifiedName", names.qualified, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", partial(names.dns_label, prefix=True), 30),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", partial(names.dns_subdomain, prefix=True), 60),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", partial(names.dns1035_label, prefix=True), 30),
    "labelValue": Format("LabelValue", names.label_value, 40),
    "uri": Format("URI", _uri, 1144),
    "uuid": Format("uuid", _unless(_UUID.fullmatch, "does not match the UUID format"), 83),
    "byte": Format("byte", _unless(_is_base64, "invalid base64"), 80),
    "date": Format("date", _unless(date.fromisoformat, "invalid date"), 158),
    "datetime": Format("datetime", _unless(parse_timestamp, "invalid datetime"), 158),
}


def _named(name: str) -> Optional:
    return Optional(_FORMATS[name], True) if name in _FORMATS else NONE


def _validate(of: Format, text: str) -> Optional:
    complaints = list(of.complaints(text))
    return Optional(complaints, True) if complaints else NONE


FORMAT = Library()
FORMAT.add_type(_FORMAT)
FORMAT.add("format.named", "(string) -> optional_type(kubernetes.NamedFormat)", call=_named)
FORMAT.add("validate", "kubernetes.NamedFormat.(string) -> optional_type(list(string))", call=_validate)
for _name, _format in _FORMATS.items():
    FORMAT.add(f"format.{_name}", "() -> kubernetes.NamedFormat", call=lambda of=_format: of)
