"""Reading what clients send: JSON, YAML or protobuf into a typed object, with Kubernetes' own complaints.

The common case costs one pass of the typed decoder and a count of keys; only a body that it refuses, or that
has a key twice, is looked at closely.
https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import orjson
import pydantic

from api.errors import BadRequest, UnsupportedMediaType
from api.model import Model
from api.schema import ANY, MISSING, Schema, schema_of
from api.scheme import GroupVersion, resource_of, resource_of_kind
from apiserver import go_errors

JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_MEDIA_TYPES = {"": JSON, JSON: JSON, YAML: YAML, PROTOBUF: PROTOBUF}
# The readers of YAML and protobuf are imported when the first such body comes: most clients send JSON.
_PARAMETERS = re.compile(r"\s*([\w.+-]+=(\"[^\"]*\"|[^\s;\"]+)\s*(;\s*|$))*")
# Kinds that clients may still send in an older version of the same form.
_OLDER_VERSIONS = {"Eviction": "v1beta1"}

# What is still understood, but can only be read.
_NO_LONGER_SERVED = {("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition")}
M = TypeVar("M", bound=Model)


def decode_request(
    model: type[M],
    body: bytes,
    content_type: str,
    field_validation: str = "Warn",
    *,
    kind: str = "",
    version: str = "v1",
) -> tuple[M, list[str]]:
    """Read an object of `kind` (the model's name unless given) in API version `version` from a request body.

    Returns it and the warnings about fields that are unknown or given twice: `field_validation` "Strict"
    refuses them and "Ignore" does not look for them.

    Raises BadRequest for a body that is no such object, UnsupportedMediaType for any but JSON, YAML and protobuf.
    """
    expected = Expected(model, kind or model.__name__, version)
    media = media_type(content_type)
    if media == PROTOBUF:
        return _decode_protobuf(expected, body), []
    duplicates: list[str] = []
    raw = body
    if media == YAML:
        raw, duplicates = expected.json_of_yaml(body)
    strict = field_validation != "Ignore"
    try:
        obj = model.model_validate_json(raw, extra="forbid" if strict else "ignore")
    except pydantic.ValidationError:
        return _decode_closely(expected, raw, body, field_validation, duplicates)
    if strict and media == JSON and repeats_keys(raw):
        return _decode_closely(expected, raw, body, field_validation, duplicates)
    expected.check(getattr(obj, "apiVersion", ""), getattr(obj, "kind", ""), body)
    return obj, expected.complaints([], duplicates, field_validation)


def media_type(content_type: str) -> str:
    """JSON, YAML or protobuf; JSON when nothing is said.  Raises UnsupportedMediaType."""
    name, _, parameters = content_type.partition(";")
    media = _MEDIA_TYPES.get(name.strip().lower())
    if media is None or not _PARAMETERS.fullmatch(parameters):
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
    return media


def parse_document(body: bytes, content_type: str) -> Any:
    """Read a body into a JSON value.  Raises BadRequest, UnsupportedMediaType."""
    media = media_type(content_type)
    if media == YAML:
        from apiserver import yaml_documents

        try:
            return yaml_documents.parse(body).value
        except yaml_documents.YAMLError as error:
            raise BadRequest(str(error)) from None
    if media != JSON:
        raise UnsupportedMediaType(f"the body of the request was in an unknown format: {media} is no document")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest(go_errors.syntax_error(body)) from None


def repeats_keys(body: bytes) -> bool:
    """Whether some object of a JSON document may have a key twice; never wrong when it says no.

    A parser keeps one of the two, so written again the document has fewer keys.  Counting them is much cheaper
    than a parser that reports every key; a document with odd spaces or escapes is merely looked at closely.
    """
    try:
        return body.count(b'":') != orjson.dumps(orjson.loads(body)).count(b'":')
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return True


class Expected:
    """What a body should hold, and the refusals for one that does not."""

    def __init__(self, model: type[Model], kind: str, version: str) -> None:
        self.model, self.kind, self.version = model, kind, version
        self.schema = schema_of(model)

    def json_of_yaml(self, body: bytes) -> tuple[bytes, list[str]]:
        """The same in JSON, and the keys that came twice.  Raises BadRequest."""
        from apiserver import yaml_documents

        try:
            document = yaml_documents.parse(body)
            return orjson.dumps(document.value, option=orjson.OPT_SORT_KEYS), document.duplicates
        except (yaml_documents.YAMLError, orjson.JSONEncodeError, RecursionError) as error:
            raise self.unrecognized(str(error), body) from None

    def check(self, api_version: str, kind: str, body: bytes) -> None:
        """Raises BadRequest for a body that says it is something else."""
        if api_version.count("/") > 1:
            raise self.unrecognized(f"unexpected GroupVersion string: {api_version}", body)
        given, group_version = kind or self.kind, GroupVersion.parse(api_version or self.version)
        if (api_version, given) in _NO_LONGER_SERVED:
            expected = f"{resource_of(self.model).group_version}"
            raise BadRequest(
                f"the API version in the data ({api_version}) does not match the expected API version ({expected})"
            )
        if self.kind == "DeleteOptions":
            if given != self.kind:
                raise BadRequest(
                    f'no kind "{given}" is registered for version "{group_version}" in scheme '
                    '"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'
                )
            return
        resource = resource_of_kind(api_version, given) if api_version else None
        if given == self.kind and (
            not api_version
            or (resource is not None and resource.model is self.model)
            or (resource is None and self.is_version(group_version.version) and self.is_group(group_version.group))
        ):
            return
        if resource is not None or resource_of_kind(api_version or self.version, given.removesuffix("List")):
            target = f"{self.group.partition('.')[0] or 'core'}.{self.kind}"
            problem = f"converting ({group_version.version}.{given}) to ({target}): unknown conversion"
        else:
            problem = (
                f'no kind "{given}" is registered for version "{group_version}" '
                'in scheme "pkg/api/legacyscheme/scheme.go:30"'
            )
        raise self.cannot_handle(problem, given, group_version.version)

    def is_version(self, version: str) -> bool:
        return version == self.version or version == _OLDER_VERSIONS.get(self.kind)

    @property
    def group(self) -> str:
        """The first word of the model's API group, by the module it is in; core's is empty."""
        module = self.model.__module__.split(".")[1].rpartition("_")[0]
        return "" if module in ("core", "meta") else module

    def is_group(self, group: str) -> bool:
        return group.partition(".")[0] == self.group

    def cannot_handle(self, problem: str, kind: str = "", version: str = "") -> BadRequest:
        if self.kind == "DeleteOptions":
            return BadRequest(problem)
        return BadRequest(
            f'{kind or self.kind} in version "{version or self.version}" cannot be handled as a {self.kind}: {problem}'
        )

    def unrecognized(self, problem: str, body: bytes) -> BadRequest:
        if not body:
            shown = "<empty>"
        elif body[:1] == b"{":
            shown = body[:30].decode(errors="replace") + (" ..." if len(body) > 30 else "")
        else:
            shown = body[:30].hex() + (" ..." if len(body) > 30 else "")
        return BadRequest(f"the object provided is unrecognized (must be of type {self.kind}): {problem} ({shown})")

    def complaints(self, found: list[str], yaml_duplicates: list[str], field_validation: str) -> list[str]:
        """The warnings.  Raises BadRequest when validation is strict and there are any."""
        if not found and not yaml_duplicates:
            return []
        if field_validation == "Ignore":
            return []
        if field_validation == "Strict":
            raise self.cannot_handle(strict_error([*yaml_error(yaml_duplicates), *found]))
        return [*yaml_duplicates, *found]


def strict_error(complaints: list[str]) -> str:
    return "strict decoding error: " + ", ".join(complaints)


def yaml_error(duplicates: list[str]) -> list[str]:
    return ["yaml: unmarshal errors:\n  " + "\n  ".join(duplicates)] if duplicates else []


def _decode_protobuf(expected: Expected, body: bytes) -> Any:
    from apiserver import protobuf

    try:
        envelope = protobuf.unwrap(body)
    except protobuf.Malformed as error:
        raise expected.unrecognized(str(error), body) from None
    expected.check(envelope.api_version, envelope.kind, body)
    try:
        document = protobuf.read(expected.model, envelope.raw)
        return expected.model.from_dict({"apiVersion": envelope.api_version, "kind": envelope.kind, **document})
    except pydantic.ValidationError as error:
        raise expected.cannot_handle(_first_problem(error)) from None
    except (ValueError, TypeError) as error:
        raise expected.cannot_handle(str(error)) from None


def _first_problem(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


# --- a close look ---------------------------------------------------------------------------------


class Repeated(dict[str, Any]):
    """A JSON object in which a key came twice: its members as they came."""

    pairs: list[tuple[str, Any]]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = Repeated(members)
    repeated.pairs = pairs
    return repeated


def parse_with_repeats(data: bytes) -> Any:
    """Read JSON; objects that have a key twice become `Repeated`.  Raises ValueError with Go's words."""
    try:
        orjson.loads(data)  # the judge of what is JSON: the standard library takes NaN, lone surrogates and more
        return json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise ValueError(go_errors.syntax_error(data)) from None


def _decode_closely(
    expected: Expected, raw: bytes, body: bytes, field_validation: str, duplicates: list[str]
) -> tuple[Any, list[str]]:
    try:
        document = parse_with_repeats(raw)
    except ValueError as error:
        raise expected.unrecognized(f"couldn't get version/kind; json parse error: {error}", body) from None
    try:
        return _examine(expected, document, body, field_validation, duplicates)
    except RecursionError:
        raise expected.cannot_handle("exceeded max depth") from None


def _examine(
    expected: Expected, document: Any, body: bytes, field_validation: str, duplicates: list[str]
) -> tuple[Any, list[str]]:
    if document is None:
        document = {}
    names = named(document)
    if names is None:
        problem = head_error(document)
        raise expected.unrecognized(f"couldn't get version/kind; json parse error: {problem}", body)
    expected.check(*names, body)
    if (mistyped := go_errors.type_error(expected.schema, document)) is not None:
        raise expected.cannot_handle(mistyped)
    found: list[str] = []
    cleaned = clean(expected.schema, document, found)
    warnings = expected.complaints(list(dict.fromkeys(found)), duplicates, field_validation)
    try:
        return expected.model.from_dict(cleaned), warnings
    except pydantic.ValidationError as error:
        raise expected.cannot_handle(_first_problem(error)) from None
    except (ValueError, TypeError) as error:
        raise expected.cannot_handle(str(error)) from None


def named(document: Any) -> tuple[str, str] | None:
    """The apiVersion and kind a document gives itself; None when it cannot have any."""
    if not isinstance(document, dict):
        return None
    names = [document.get("apiVersion") or "", document.get("kind") or ""]
    return (names[0], names[1]) if all(isinstance(name, str) for name in names) else None


def head_error(document: Any) -> str:
    """Why a document does not even have an apiVersion and a kind."""
    if isinstance(document, dict):
        field = "apiVersion" if isinstance(document.get("kind") or "", str) else "kind"
        return (
            f"json: cannot unmarshal {go_errors.kind_of(document[field])} into Go struct field .{field} of type string"
        )
    return (
        f"json: cannot unmarshal {go_errors.kind_of(document)} into Go value of type struct "
        r'{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
    )


def clean(schema: Schema, value: Any, complaints: list[str], path: str = "") -> Any:
    """A copy of a document as Go's decoder would understand it: without members that are not declared, nulls
    left out or made the empty value of their type, members that came twice merged.

    What was unknown or came twice is added to `complaints`, in the document's order.
    """
    if isinstance(value, dict):
        return _clean_object(schema, value, complaints, path)
    if isinstance(value, list):
        inner = schema.items or ANY
        return [
            _empty(inner) if item is None else clean(inner, item, complaints, f"{path}[{index}]")
            for index, item in enumerate(value)
        ]
    return value


def _clean_object(schema: Schema, value: dict[str, Any], complaints: list[str], path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    pairs = value.pairs if isinstance(value, Repeated) else value.items()
    seen: set[str] = set()
    prefix = f"{path}." if path else ""
    if (
        schema.scalar
    ):  # JSON that is kept as it is, or has a decoder of its own: nobody looks for members that came twice
        complaints = []
    free = schema.preserve_unknown or (schema.declared is None and schema.additional is None)
    for name, member in pairs:
        if name in seen:
            complaints.append(f'duplicate field "{prefix}{name}"')
        seen.add(name)
        inner = schema.child(name)
        if inner is None:
            if not free:
                complaints.append(f'unknown field "{prefix}{name}"')
                continue
            result[name] = clean(ANY, member, complaints, f"{prefix}{name}")
        elif member is None:
            if name not in schema.properties:
                result[name] = _empty(inner)
        else:
            cleaned = clean(inner, member, complaints, f"{prefix}{name}")
            earlier = result.get(name)
            if isinstance(earlier, dict) and isinstance(cleaned, dict):
                cleaned = earlier | cleaned
            result[name] = cleaned
    return result


def _empty(schema: Schema) -> Any:
    """What Go makes of a null in a list or map: the empty value of the type."""
    if schema.default is not MISSING and schema.type == "string":
        return ""
    if schema.scalar:
        return {"Quantity": "0", "IntOrString": 0}.get(schema.scalar)
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}.get(schema.type)
