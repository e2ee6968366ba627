"""The rules of the versions of a custom resource: schema, subresources, printer columns, selectable fields.

Kubernetes' internal form of a definition has each of these four once at the top where all versions have the same, so
that is where its complaints are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.apiextensions_v1 import (
    CustomResourceColumnDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    JSONSchemaProps,
    SelectableField,
)
from api.errors import FieldError, duplicate, forbidden, invalid_value, required, too_many
from apiserver.registry.internal_form import internal
from apiserver.registry.openapi_schemas import validate_schema
from apiserver.registry.schema_defaults import validate_defaults
from apiserver.registry.schema_formats import is_known
from apiserver.registry.schema_rules import validate_rules
from apiserver.registry.structural_schemas import find_field, subschemas, unsupported, validate_structure

# Unset, and what they are called where all versions have them in common.
_COMMON: dict[str, tuple[Any, str]] = {
    "schema_": (None, "validation"),
    "subresources": (None, "subresources"),
    "additionalPrinterColumns": ([], "additionalPrinterColumns"),
    "selectableFields": ([], "selectableFields"),
}
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE = ("string", "boolean", "integer")
_MOST_SELECTABLE = 8
_MOST_WARNING = 256
_AT_ROOT_WITH_STATUS = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum",
    "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items",
    "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations",
)  # fmt: skip


def split(
    versions: list[CustomResourceDefinitionVersion],
) -> tuple[CustomResourceDefinitionVersion, list[CustomResourceDefinitionVersion]]:
    """What all versions have in common, as a version of no name, and the versions without that."""
    common: dict[str, Any] = {}
    for field in _COMMON:
        values = [getattr(version, field) for version in versions]
        if values and all(value == values[0] for value in values):
            common[field] = values[0]
    if "schema_" not in common:
        common.pop("selectableFields", None)  # they are read by the schema, so they stay where it is
    nothing = {field: _COMMON[field][0] for field in common}
    top = CustomResourceDefinitionVersion.model_validate({"name": "", "served": False, "storage": False})
    return top.model_copy(update=common), [version.model_copy(update=nothing) for version in versions]


def versions_shown(versions: list[CustomResourceDefinitionVersion]) -> list[dict[str, Any]]:
    """The versions in the internal form."""
    return [
        {
            "Name": version.name,
            "Served": version.served,
            "Storage": version.storage,
            "Deprecated": version.deprecated,
            "DeprecationWarning": version.deprecationWarning,
            "Schema": internal(version.schema_),
            "Subresources": internal(version.subresources),
            "AdditionalPrinterColumns": internal(version.additionalPrinterColumns),
            "SelectableFields": internal(version.selectableFields),
        }
        for version in versions
    ]


def validate_version(
    version: CustomResourceDefinitionVersion, common: CustomResourceDefinitionVersion, path: str
) -> Iterator[FieldError]:
    """The rules of one version, without what it has in common with the others."""
    for complaint in _about_warning(version):
        yield invalid_value(f"{path}.deprecationWarning", version.deprecationWarning, complaint)
    subresources = version.subresources or common.subresources
    yield from _validate_parts(version, _has_status(subresources), path, dict.fromkeys(_COMMON))


def validate_common(common: CustomResourceDefinitionVersion, status: bool, path: str) -> Iterator[FieldError]:
    """The rules of what all versions have in common; `status`: whether any has the subresource of that name."""
    yield from _validate_parts(common, status, path, {field: name for field, (_, name) in _COMMON.items()})


def has_status(version: CustomResourceDefinitionVersion) -> bool:
    return _has_status(version.subresources)


def _has_status(subresources: CustomResourceSubresources | None) -> bool:
    return subresources is not None and subresources.status is not None


def _validate_parts(
    version: CustomResourceDefinitionVersion, status: bool, path: str, names: dict[str, str | None]
) -> Iterator[FieldError]:
    validation = version.schema_
    schema = None if validation is None else validation.openAPIV3Schema
    if schema is not None:
        yield from _validate_schema(schema, status, f"{path}.{names['schema_'] or 'schema'}")
    if version.subresources is not None:
        yield from _validate_scale(version.subresources, f"{path}.subresources")
    for index, column in enumerate(version.additionalPrinterColumns):
        yield from _validate_column(column, f"{path}.additionalPrinterColumns[{index}]")
    if version.selectableFields:
        where = f"{path}.selectableFields"
        if schema is not None:
            yield from _validate_selectable(version.selectableFields, schema, where)
        elif names["schema_"] is None:  # Kubernetes means the opposite
            needed = "selectableFields may only be set when version.schema.openAPIV3Schema is not included"
            yield invalid_value(where, "", needed)
        elif validation is None:
            yield invalid_value(where, "", "selectableFields may only be set when validations.schema is included")


def _about_warning(version: CustomResourceDefinitionVersion) -> Iterator[str]:
    warning = version.deprecationWarning
    if warning is None:
        return
    if not version.deprecated:
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > _MOST_WARNING:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    for index, character in enumerate(warning):
        if not character.isprintable():
            where = len(warning[:index].encode())
            yield f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
            return


def _validate_schema(schema: JSONSchemaProps, status: bool, path: str) -> Iterator[FieldError]:
    path = f"{path}.openAPIV3Schema"
    found = [] if not status else list(_validate_root_with_status(schema, path))
    if schema.nullable:
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    unreadable = unsupported(schema)
    if unreadable is None:
        found += validate_structure(schema, path) or validate_defaults(schema, path)
    about_schema = list(validate_schema(schema, path))
    found += about_schema
    if unreadable is None:
        found += validate_rules(schema, path, [error.field for error in about_schema])
    if not found and unreadable is not None:
        found.append(invalid_value(path, "", unreadable))
    yield from found


def _validate_root_with_status(schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    """The schema of status is used on its own, so nothing at the root may say anything about it."""
    if schema.type not in ("", "object"):
        why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield invalid_value(f"{path}.type", schema.type, why)
        return
    empty = JSONSchemaProps.model_validate({})
    for field in type(schema).model_fields:
        shown = field.replace("x_kubernetes", "x").title().replace("_", "") if field.startswith("x_") else field
        shown = shown[0].upper() + shown[1:].removesuffix("_")
        if getattr(schema, field) != getattr(empty, field) and shown not in _AT_ROOT_WITH_STATUS:
            allowed = " ".join(_AT_ROOT_WITH_STATUS)
            why = f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
            yield invalid_value(path, internal(schema), why)
            return


def _validate_scale(subresources: CustomResourceSubresources, path: str) -> Iterator[FieldError]:
    scale = subresources.scale
    if scale is None:
        return
    for field, below in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        where, text = f"{path}.scale.{field}", getattr(scale, field)
        if not text:
            yield required(where)
        elif not text.startswith("."):
            yield invalid_value(where, text, "must be a simple json path starting with .")
        elif not text.startswith(f"{below}."):
            yield invalid_value(where, text, f"should be a json path under {below}")
    where, text = f"{path}.scale.labelSelectorPath", scale.labelSelectorPath
    if text and not text.startswith("."):
        yield invalid_value(where, text, "must be a simple json path starting with .")
    elif text and not text.startswith((".spec.", ".status.")):
        yield invalid_value(where, text, "should be a json path under either .spec or .status")


def _validate_column(column: CustomResourceColumnDefinition, path: str) -> Iterator[FieldError]:
    if not column.name:
        yield required(f"{path}.name")
    types = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.type:
        yield required(f"{path}.type", types)
    elif column.type not in _COLUMN_TYPES:
        yield invalid_value(f"{path}.type", column.type, types)
    if column.format and column.format not in _COLUMN_FORMATS:
        yield invalid_value(f"{path}.format", column.format, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.jsonPath:
        yield required(f"{path}.JSONPath")
    elif not column.jsonPath.startswith("."):
        yield invalid_value(f"{path}.JSONPath", column.jsonPath, "must be a simple json path starting with .")


def _validate_selectable(fields: list[SelectableField], schema: JSONSchemaProps, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, field in enumerate(fields):
        where, text = f"{path}[{index}].jsonPath", field.jsonPath
        if not text:
            yield required(where)
            continue
        found = find_field(schema, text, keys=False)
        if isinstance(found, str):
            yield invalid_value(where, text, f"is an invalid path: {found}")
            continue
        if text.startswith(".metadata."):
            yield invalid_value(where, text, "must not point to fields in metadata")
        if found.type not in _SELECTABLE:
            yield invalid_value(
                where,
                text,
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed.",
            )
        if text in seen:
            yield duplicate(where, text)
        seen.add(text)
    if len(seen) > _MOST_SELECTABLE:
        yield too_many(path, len(seen), _MOST_SELECTABLE)


def unknown_formats(schema: JSONSchemaProps) -> set[str]:
    """Formats that the server does not check."""
    found = set().union(*(unknown_formats(below) for below in subschemas(schema)))
    return found | ({schema.format} if schema.format and not is_known(schema.format, schema.type) else set())
