"""Reading what clients send of custom objects, with Kubernetes' own complaints.

Values are cut to the schema and defaults filled in while reading; whether they keep to the schema is said later, by
validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
import pydantic

from api.apiextensions_v1 import JSONSchemaProps
from api.errors import BadRequest, UnsupportedMediaType, invalid, invalid_value
from api.meta_v1 import ObjectMeta
from api.schema import schema_of
from apiserver import go_errors
from apiserver.custom_resources.definition import Version
from apiserver.custom_resources.object import CustomObject
from apiserver.decoding import (
    PROTOBUF,
    YAML,
    Expected,
    clean,
    head_error,
    media_type,
    named,
    parse_with_repeats,
    repeats_keys,
)
from apiserver.patch.json_value import copied
from apiserver.patch.request import PatchRequest, without_repeats
from apiserver.registry.schema_pruning import META_FIELDS

_LARGEST = 2**63
_TOO_DEEP = "exceeded max depth"


class Malformed(ValueError):
    """A document is no object: the message says why, in Go's words."""


class _ExpectedCustom(Expected):
    """The refusals for a body that should hold an object of a version."""

    def __init__(self, version: Version) -> None:
        self.kind, self.version = version.kind, version.group_version.version


def decode_request(
    version: Version, body: bytes, content_type: str, field_validation: str
) -> tuple[CustomObject, list[str]]:
    """Like `apiserver.decoding.decode_request`.  Raises BadRequest, UnsupportedMediaType."""
    expected = _ExpectedCustom(version)
    media = media_type(content_type)
    raw, yaml_duplicates, found = body, list[str](), list[str]()
    if media == PROTOBUF:
        raise UnsupportedMediaType("the body of the request was in an unknown format: custom objects have no protobuf")
    if media == YAML:
        raw, yaml_duplicates = expected.json_of_yaml(body)
    strict = field_validation != "Ignore"
    try:
        value = orjson.loads(raw)
        if strict and media != YAML and repeats_keys(raw):
            value = without_repeats(parse_with_repeats(raw), found)
    except ValueError:
        problem = go_errors.syntax_error(raw)
        raise expected.unrecognized(f"couldn't get version/kind; json parse error: {problem}", body) from None
    names = named(value)
    if names is None:
        problem = head_error(value)
        raise expected.unrecognized(f"couldn't get version/kind; json parse error: {problem}", body)
    if not names[1]:
        raise expected.unrecognized(f"Object 'Kind' is missing in '{raw.decode(errors='replace')}'", body)
    try:
        obj = read(version, value, found if strict else None)
    except Malformed as error:
        raise expected.cannot_handle(str(error), names[1], names[0].rpartition("/")[2]) from None
    except RecursionError:
        raise expected.cannot_handle(_TOO_DEEP) from None
    if names[0] != version.api_version:
        raise BadRequest(
            f"the API version in the data ({names[0]}) does not match the expected API version ({version.api_version})"
        )
    return obj, expected.complaints(list(dict.fromkeys(found)), yaml_duplicates, field_validation)


def decode_patched(
    version: Version, request: PatchRequest, document: Any, managers: Any
) -> tuple[CustomObject, list[str]]:
    """Like `PatchRequest.decode`.  Raises Invalid."""
    found: list[str] = []
    names = named(document)
    if names is None:
        raise request.invalid(document, head_error(document))
    if not names[1]:
        raise request.invalid(document, f"Object 'Kind' is missing in '{orjson.dumps(document).decode()}'")
    if names[0] != version.api_version:
        problem = f"request to convert CR to an invalid group/version: {names[0]}"
        raise request.invalid(document, problem)
    try:
        obj = read(version, document, found, managers, shared=True)
    except Malformed as error:
        raise request.invalid(document, str(error)) from None
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
    return obj, request.complain(document, found)


def decode_applied(version: Version, document: dict[str, Any]) -> CustomObject:
    """Read an applied document, of which the schema knows every field.  Raises Invalid."""
    try:
        return read(version, document, None, shared=True)
    except Malformed as error:
        shown = orjson.dumps(document).decode()
        raise invalid("", "", "", [invalid_value("patch", shown, str(error))]) from None
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None


def read(
    version: Version,
    document: Mapping[str, Any],
    unknown: list[str] | None,
    managers: Any = None,
    *,
    shared: bool = False,
) -> CustomObject:
    """An object of a document; `unknown` gains the complaints about fields that are not known.

    A document that is `shared` stays as it is; what is in others is used up.  Where its managedFields still are the
    list `managers`, the object is made without them.
    Raises Malformed.
    """
    members = {name: part for name, part in document.items() if name not in META_FIELDS}
    api_version, kind = document.get("apiVersion") or "", document.get("kind") or ""
    given = document.get("metadata")
    if managers and isinstance(given, dict) and given.get("managedFields") is managers:
        given = {name: value for name, value in given.items() if name != "managedFields"}
    found: list[str] = []
    metadata = _metadata({} if given is None else given, found, "metadata")
    if kind == version.kind and api_version == version.api_version:
        if not version.fits(members):
            members = _go_numbers(members)
            paths: list[str] = []
            version.coerce(members, paths)
            found += [f'unknown field "{path}"' for path in sorted(paths)]
            if version.has_embedded:
                _coerce_embedded(members, version.schema, "", found)
        elif shared and version.has_defaults:
            members = copied(members)
        version.default(members)
    if unknown is not None:
        unknown += found
    return version.model(metadata, members, api_version, kind)


def _metadata(given: Any, found: list[str], path: str) -> ObjectMeta:
    try:
        return ObjectMeta.model_validate_json(orjson.dumps(given), extra="forbid")
    except pydantic.ValidationError:
        schema = schema_of(ObjectMeta)
        if (problem := go_errors.type_error(schema, given)) is not None:
            raise Malformed(problem) from None
        try:
            return ObjectMeta.from_dict(clean(schema, given, found, path))
        except (ValueError, TypeError) as error:
            raise Malformed(str(error)) from None


def _coerce_embedded(value: Any, schema: JSONSchemaProps, path: str, found: list[str]) -> None:
    """Read the metadata of embedded objects, in place.  Raises Malformed."""
    if isinstance(value, list):
        if isinstance(schema.items, JSONSchemaProps):
            for index, item in enumerate(value):
                _coerce_embedded(item, schema.items, f"{path}[{index}]", found)
        return
    if not isinstance(value, dict):
        return
    if path and schema.x_kubernetes_embedded_resource and value.get("metadata") is not None:
        given, where = value["metadata"], f"{path}.metadata"
        try:
            value["metadata"] = orjson.loads(_metadata(given, found, where).encode())
        except Malformed as error:
            shown = orjson.dumps(given).decode()
            raise Malformed(f"{where}: Invalid value: {shown}: {error}") from None
        if value["metadata"].get("creationTimestamp") is None:
            value["metadata"].pop("creationTimestamp", None)
    for name, part in value.items():
        below = schema.properties.get(name, schema.additionalProperties)
        if isinstance(below, JSONSchemaProps):
            _coerce_embedded(part, below, f"{path}.{name}" if path else name, found)


def _go_numbers(value: Any) -> Any:
    """A copy of a JSON value with its numbers as Go has them: integers of 64 bits, other numbers as floats, which
    are written without a fraction where they have none."""
    kind = type(value)
    if kind is dict:
        return {name: _go_numbers(part) for name, part in value.items()}
    if kind is list:
        return [_go_numbers(item) for item in value]
    if kind is int and not -_LARGEST <= value < _LARGEST:
        value, kind = float(value), float
    if kind is float and value.is_integer() and abs(value) < _LARGEST * 2:
        return int(Decimal(repr(value)))  # the fewest digits, and zeros: not those that the float stands for
    return value
