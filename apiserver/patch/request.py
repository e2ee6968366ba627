"""A PATCH request's body: read once, applied to one state of the object after another, its result decoded.

Here are the refusals that name the patch and not the object; how each format changes a document is in its own
module.  https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-update
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, TypeVar

import orjson
import pydantic

from api.errors import BadRequest, Invalid, UnsupportedMediaType, invalid, invalid_value
from api.meta_v1 import ObjectMeta, StatusDetails
from api.model import Model
from api.schema import ANY, Schema, schema_of
from api.scheme import GroupVersion, resource_of_kind
from apiserver import go_errors
from apiserver.decoding import Repeated, clean, parse_with_repeats, repeats_keys, strict_error, yaml_error
from apiserver.patch import json_patch, merge_patch, strategic_merge
from apiserver.patch.json_value import go_text

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
SUPPORTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)
_CUSTOM = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)

Object = dict[str, Any]
M = TypeVar("M", bound=Model)

_OPERATION_FIELDS = ("op", "path", "from", "value")


def patch_type(content_type: str, custom: bool = False) -> str:
    """The kind of patch; custom resources have no strategic merge patch.  Raises UnsupportedMediaType for any that
    there is not."""
    kind = content_type.partition(";")[0].strip().lower()
    if custom and kind not in _CUSTOM:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(_CUSTOM)}"
        )
    if kind not in SUPPORTED:
        raise UnsupportedMediaType("415: Unsupported Media Type", StatusDetails())
    return kind


class PatchRequest:
    """One JSON, merge or strategic merge patch.  Raises BadRequest for a body that is none."""

    def __init__(self, kind: str, body: bytes, field_validation: str = "Warn", *, custom: bool = False) -> None:
        self.kind, self.field_validation = kind, field_validation
        self.custom = custom
        """Whether it is for an object of no known type, whose members are shown in the order of their names."""
        self.complaints: list[str] = []
        """Members of the patch itself that are unknown or came twice."""
        self.patch = self._parsed(body)
        self._names: tuple[str, str] = ("", "")

    def apply(self, document: Object, schema: Schema) -> Any:
        """The patched document.  `document` is the object as a client sees it, and is used up."""
        self._names = (document.get("apiVersion", ""), document.get("kind", ""))
        if self.kind == JSON_PATCH:
            return json_patch.apply(document, self.patch)
        if self.kind == MERGE_PATCH:
            return merge_patch.apply(document, self.patch)
        patched = strategic_merge.apply(document, self.patch, schema)
        if patched:
            patched["apiVersion"], patched["kind"] = self._names
        return patched

    def leaves_alone(self, name: str) -> bool:
        """Whether a member of the document certainly stays as it is."""
        plain = self.kind != JSON_PATCH and not any(member.startswith("$") for member in self.patch)
        return plain and name not in self.patch

    def decode(
        self, model: type[M], document: Any, *, managers: Any = None, unread: Collection[str] = ()
    ) -> tuple[M, list[str]]:
        """Read the document that `apply` made.  Returns the object and the warnings.

        `managers` are the managedFields as they are stored: where the document still holds that very list, the
        object is made without them.  The same is done with the members that `unread` names; they are known to be
        good.

        Raises Invalid with what Kubernetes says of a patch whose result is not of the object's kind.
        """
        strict = self.field_validation != "Ignore"
        found: list[str] = []
        if isinstance(document, dict):
            self._check_kind(document)
            if not document.get("apiVersion") and self.kind != STRATEGIC_MERGE_PATCH:
                document = _read_unversioned(document, found)
        try:
            read = _without(document, managers, unread)
            obj = model.model_validate_json(orjson.dumps(read), extra="forbid" if strict else "ignore")
        except (pydantic.ValidationError, orjson.JSONEncodeError):
            schema = schema_of(model)
            problem = self._type_error(schema, document)
            if problem is not None:
                raise self.invalid(document, problem) from None
            try:
                obj = model.from_dict(clean(schema, document, found))
            except (ValueError, TypeError) as error:
                raise self.invalid(document, str(error)) from None
        return obj, self.complain(document, found)

    def complain(self, document: Any, found: list[str]) -> list[str]:
        """The warnings, of which `found` are those about the document.  Raises Invalid when they are errors."""
        complaints = [*self.complaints, *dict.fromkeys(found)]
        if not complaints or self.field_validation == "Ignore":
            return []
        if self.field_validation == "Strict":
            raise self.invalid(document, strict_error(complaints))
        return complaints

    # --- reading the body --------------------------------------------------------------------

    def _parsed(self, body: bytes) -> Any:
        prefix = "" if self.kind == STRATEGIC_MERGE_PATCH else "error decoding patch: "
        repeated = repeats_keys(body)
        try:
            patch = parse_with_repeats(body) if repeated else orjson.loads(body)
        except ValueError as error:
            raise BadRequest(f"{prefix}{error}") from None
        if self.kind == JSON_PATCH:
            return self._operations(patch)
        if patch is None:
            if self.kind == MERGE_PATCH:
                raise BadRequest("Invalid JSON Patch")
            return {}
        if not isinstance(patch, dict):
            kind = go_errors.kind_of(patch)
            raise BadRequest(f"{prefix}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        if repeated:
            patch = without_repeats(patch, self.complaints)
        return patch

    def _operations(self, patch: Any) -> list[Any]:
        if patch is None:
            return []
        where = "error decoding patch: json: cannot unmarshal"
        if not isinstance(patch, list):
            raise BadRequest(f"{where} {go_errors.kind_of(patch)} into Go value of type []handlers.jsonPatchOp")
        for index, operation in enumerate(patch):
            if operation is None:
                continue
            if not isinstance(operation, dict):
                kind = go_errors.kind_of(operation)
                raise BadRequest(f"{where} {kind} into Go value of type handlers.jsonPatchOp")
            for name in ("op", "path", "from"):
                if not isinstance(operation.get(name) or "", str):
                    kind = go_errors.kind_of(operation[name])
                    raise BadRequest(f"{where} {kind} into Go struct field jsonPatchOp.{name} of type string")
            self.complaints += [f"json patch {text}" for text in _operation_complaints(operation, index)]
        return [without_repeats(operation, []) for operation in patch]

    # --- judging the result ------------------------------------------------------------------

    def _check_kind(self, document: Object) -> None:
        """A patch may leave kind and apiVersion out, but not change them."""
        api_version, kind = document.get("apiVersion") or self._names[0], document.get("kind") or self._names[1]
        if (api_version, kind) == self._names or not isinstance(api_version, str) or not isinstance(kind, str):
            return
        resource = resource_of_kind(api_version, kind)
        if resource is None:
            problem = (
                f'no kind "{kind}" is registered for version "{api_version}" '
                'in scheme "pkg/api/legacyscheme/scheme.go:30"'
            )
        else:
            group = GroupVersion.parse(self._names[0]).group.partition(".")[0] or "core"
            version = resource.group_version.version
            conversion = f"converting ({version}.{kind}) to ({group}.{self._names[1]}): unknown conversion"
            problem = go_errors.type_error(schema_of(resource.model), document) or conversion
        raise self.invalid(document, problem)

    def _touched(self) -> set[str]:
        """The document's members that the patch says something about."""
        if isinstance(self.patch, dict):
            return set(self.patch)
        paths = [str(operation.get(name) or "") for operation in self.patch for name in ("path", "from")]
        return {path.split("/")[1] for path in paths if "/" in path}

    def _type_error(self, schema: Schema, document: Any) -> str | None:
        if self.kind == STRATEGIC_MERGE_PATCH:
            return next(_restore_errors(schema, document), None)
        return go_errors.type_error(schema, document)

    def invalid(self, document: Any, problem: str) -> Invalid:
        """The refusal of a patch that made this document."""
        if self.kind == STRATEGIC_MERGE_PATCH:
            shown = go_text(self.patch)
        else:
            shown = _sorted(document) if self.custom else _shown(document, self._touched())
        return invalid("", "", "", [invalid_value("patch", shown, problem)])


def _without(document: Any, managers: Any, unread: Collection[str]) -> Any:
    """The document without the members that need no reading; see `PatchRequest.decode`."""
    if not isinstance(document, dict):
        return document
    read = {name: value for name, value in document.items() if name not in unread}
    metadata = document.get("metadata")
    if managers and isinstance(metadata, dict) and metadata.get("managedFields") is managers:
        read["metadata"] = {name: value for name, value in metadata.items() if name != "managedFields"}
    return read


def _read_unversioned(document: Object, complaints: list[str]) -> Object:
    """What is left of a document that does not say its version.

    Kubernetes reads it into its internal types, whose members have no names in JSON: only those of metadata do,
    and there they are members of the object itself.
    """
    known = schema_of(ObjectMeta).properties
    metadata = {name: value for name, value in document.items() if name in known}
    complaints += [f'unknown field "{name}"' for name in document if name not in known and name != "kind"]
    return {"metadata": metadata}


def _operation_complaints(operation: Object, index: int) -> Iterator[str]:
    seen = set()
    for name, _ in operation.pairs if isinstance(operation, Repeated) else operation.items():
        if name in seen:
            yield f'duplicate field "[{index}].{name}"'
        elif name not in _OPERATION_FIELDS:
            yield f'unknown field "[{index}].{name}"'
        seen.add(name)


def without_repeats(value: Any, complaints: list[str], path: str = "") -> Any:
    """A value without `Repeated` objects: the last of two members stands; nulls stay."""
    if isinstance(value, list):
        return [without_repeats(item, complaints, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result: Object = {}
    for name, member in value.pairs if isinstance(value, Repeated) else value.items():
        inner = f"{path}.{name}" if path else name
        if name in result:
            complaints.append(f'duplicate field "{inner}"')
        result[name] = without_repeats(member, complaints, inner)
    return result


_METADATA_ORDER = ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
                   "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
                   "ownerReferences", "finalizers", "managedFields")  # fmt: skip
_MANAGER_ORDER = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")


def _shown(document: Any, touched: set[str]) -> str:
    """A patched document as Kubernetes quotes it: members in order of their names, and below them too in what
    the patch touched; untouched metadata in Go's order."""
    if not isinstance(document, dict):
        return orjson.dumps(document).decode()
    result = {name: _by_name(document[name]) if name in touched else document[name] for name in sorted(document)}
    metadata = result.get("metadata")
    if isinstance(metadata, dict) and "metadata" not in touched:
        result["metadata"] = _in_order(metadata, _METADATA_ORDER)
        if managers := metadata.get("managedFields"):
            result["metadata"]["managedFields"] = [_in_order(each, _MANAGER_ORDER) for each in managers]
    return orjson.dumps(result).decode()


def _sorted(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def _by_name(value: Any) -> Any:
    return {name: value[name] for name in sorted(value)} if isinstance(value, dict) else value


def _in_order(document: Object, order: tuple[str, ...]) -> Object:
    rest = [name for name in document if name not in order]
    return {name: document[name] for name in (*order, *rest) if name in document}


def _restore_errors(schema: Schema, value: Any) -> Iterator[str]:
    """What is wrong with the result of a strategic merge, which Kubernetes reads without going through JSON."""
    if value is None:
        return
    kind = {"array": "slice", "object": "map", "number": "float64"}.get(found := go_errors.kind_of(value), found)
    if found == "number" and isinstance(value, int):
        kind = "int64"
    if schema.scalar:
        if (problem := go_errors.type_error(schema, value)) is not None:
            yield problem
    elif schema.type == "object":
        if not isinstance(value, dict):
            yield f"cannot restore struct from: {kind}" if schema.model else f"cannot restore map from {kind}"
        else:
            for name, member in value.items():
                inner = schema.child(name)
                if inner is not None:
                    yield from _restore_errors(inner, member)
    elif schema.type == "array":
        if not isinstance(value, list):
            yield f"cannot restore slice from {kind}"
        else:
            for item in value:
                yield from _restore_errors(schema.items or ANY, item)
    elif schema.type and (problem := go_errors.type_error(schema, value)) is not None:
        target = {"string": "string", "boolean": "bool", "number": "float64"}.get(schema.type, schema.format or "int64")
        yield problem if problem.startswith("illegal") else f"cannot convert {kind} to {target}"


def decode_document(model: type[M], document: Object) -> M:
    """Read an applied document, of which the schema knows every field.  Raises Invalid for values of a wrong type
    that the schema cannot tell, such as times."""
    try:
        return model.model_validate_json(orjson.dumps(document))
    except (pydantic.ValidationError, orjson.JSONEncodeError):
        schema = schema_of(model)
        problem = go_errors.type_error(schema, document)
        try:
            if problem is None:
                return model.from_dict(clean(schema, document, []))
        except (ValueError, TypeError) as error:
            problem = str(error)
        raise invalid("", "", "", [invalid_value("patch", orjson.dumps(document).decode(), problem or "")]) from None


# --- apply ----------------------------------------------------------------------------------------


class ApplyRequest:
    """One server-side apply configuration.  Raises BadRequest for a body that is none."""

    def __init__(self, body: bytes, field_validation: str = "Warn") -> None:
        self.warnings: list[str] = []
        duplicates: list[str] = []
        if body.startswith(b"{") and not repeats_keys(body):  # JSON is YAML too, and much faster read
            value = orjson.loads(body)
        else:
            value, duplicates = _yaml_value(body)
        if not isinstance(value, dict):
            raise BadRequest(
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
                f"{go_errors.kind_of(value)} into Go value of type map[string]interface {{}}"
            )
        if duplicates and field_validation == "Strict":
            problem = yaml_error(duplicates)[0]
            raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {problem}")
        if field_validation != "Ignore":
            self.warnings = duplicates
        self.applied: Object = value

    def check(self, api_version: str, kind: str) -> None:
        """Raises BadRequest when the configuration is of another kind than the URL serves."""
        given = (self.applied.get("apiVersion") or "", self.applied.get("kind") or "")
        if given != (api_version, kind):
            version = given[0] if isinstance(given[0], str) and "/" in given[0] else f"/{given[0]}"
            raise BadRequest(f"invalid object type: {version}, Kind={given[1]}")
        if not isinstance(self.applied.get("metadata") or {}, dict):
            raise BadRequest("metadata must be an object")


def _yaml_value(body: bytes) -> tuple[Any, list[str]]:
    """The value of a YAML document and the keys that came twice in it.  Raises BadRequest."""
    from apiserver import yaml_documents

    try:
        document = yaml_documents.parse(body)
    except (yaml_documents.YAMLError, RecursionError) as error:
        raise BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    return {} if document.value is None else document.value, document.duplicates
