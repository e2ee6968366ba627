"""A CustomResourceDefinition as it is served: its versions, each with all that a request needs of its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from api.apiextensions_v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    JSONSchemaProps,
)
from api.schema import Schema
from api.scheme import SCALE, STATUS, GroupVersion, Part, Resource
from apiserver.custom_resources.field_schema import field_schema
from apiserver.custom_resources.object import CustomObject
from apiserver.custom_resources.version_order import version_rank
from apiserver.registry.schema_defaulting import fill_in, has_defaults
from apiserver.registry.schema_fits import Fits, object_fits
from apiserver.registry.schema_pruning import drop_nulls, prune
from apiserver.registry.schema_rules import has_rules
from apiserver.registry.structural_schemas import subschemas

if TYPE_CHECKING:
    from apiserver.expressions.rule_evaluation import Validator

_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


@dataclass(frozen=True)
class CustomResource(Resource):
    """A resource whose kind has no Python type of its own."""

    object_type: type[Any] = CustomObject

    @property
    def model(self) -> type[Any]:
        return self.object_type


class Version:
    """One version of a definition."""

    def __init__(self, definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion) -> None:
        names = definition.status.acceptedNames
        self.spec = version
        self.group_version = GroupVersion(definition.spec.group, version.name)
        self.api_version = str(self.group_version)
        self.kind = names.kind
        assert version.schema_ is not None
        assert version.schema_.openAPIV3Schema is not None
        self.schema: JSONSchemaProps = version.schema_.openAPIV3Schema
        parts = version.subresources
        self.has_status = parts is not None and parts.status is not None
        self.scale = None if parts is None else parts.scale
        self.model: type[CustomObject] = type(names.kind, (CustomObject,), {"version": self, "__slots__": ()})
        self.resource = CustomResource(
            self.group_version,
            names.plural,
            "",
            namespaced=definition.spec.scope == "Namespaced",
            short_names=tuple(names.shortNames),
            categories=tuple(names.categories),
            verbs=_VERBS,
            parts=self._parts(),
            singular=names.singular,
            kind=names.kind,
            list_kind=names.listKind,
            deprecation=_deprecation(definition, version),
            stored_in=next(
                GroupVersion(definition.spec.group, each.name) for each in definition.spec.versions if each.storage
            ),
            object_type=self.model,
        )

    def _parts(self) -> tuple[Part, ...]:
        return (STATUS,) * self.has_status + ((SCALE,) if self.scale is not None else ())

    # --- what the schema has, for what costs nothing where there is nothing ------------------------

    @cached_property
    def field_schema(self) -> Schema:
        return field_schema(self.schema, root=True)

    @cached_property
    def has_rules(self) -> bool:
        return has_rules(self.schema)

    @cached_property
    def rules(self) -> Validator | None:
        from apiserver.expressions.rule_evaluation import validator

        return validator(self.schema)

    @property
    def rules_compiled(self) -> bool:
        return "rules" in self.__dict__

    @cached_property
    def has_embedded(self) -> bool:
        return any(map(_embeds, subschemas(self.schema)))

    @cached_property
    def has_keyed_lists(self) -> bool:
        return _keys_lists(self.schema)

    @cached_property
    def has_defaults(self) -> bool:
        return has_defaults(self.schema)

    @cached_property
    def fits(self) -> Fits:
        """Whether the members of an object need no closer look: there is nothing to drop, and all is valid."""
        return object_fits(self.schema)

    # --- values ------------------------------------------------------------------------------------

    def coerce(self, members: dict[str, Any], unknown: list[str] | None = None) -> None:
        """Cut the members of an object to the schema, in place; see `prune`."""
        prune(members, self.schema, True, unknown)
        drop_nulls(members, self.schema)

    def default(self, members: dict[str, Any]) -> None:
        """Fill in what the schema has defaults for, in place."""
        if self.has_defaults:
            fill_in(members, self.schema)


class Definition:
    """All versions of a definition that objects may be in, served or not."""

    def __init__(self, definition: CustomResourceDefinition) -> None:
        spec = definition.spec
        self.name = definition.metadata.name
        self.group = spec.group
        self.plural = definition.status.acceptedNames.plural
        self.namespaced = spec.scope == "Namespaced"
        self.versions: Mapping[str, Version] = {v.name: Version(definition, v) for v in spec.versions}
        self.storage = next(self.versions[v.name] for v in spec.versions if v.storage)
        self.served = [self.versions[v.name] for v in spec.versions if v.served]
        conversion = spec.conversion
        self.webhook = conversion.webhook if conversion is not None and conversion.strategy == "Webhook" else None
        """What shows objects of one version in another; without it only their apiVersion is another."""
        self.terminating = False
        """Whether it is being deleted: nothing is created any more."""
        self.selectable = sorted({f.jsonPath.lstrip(".") for v in spec.versions for f in v.selectableFields})
        """The paths that are selectable in any version."""


def signature(definition: CustomResourceDefinition) -> bytes:
    """What serving a definition depends on: as long as it stays, nothing needs to be done."""
    return definition.status.acceptedNames.encode() + definition.spec.encode()


def is_served(definition: CustomResourceDefinition) -> bool:
    """A definition whose names were accepted once is served, whatever comes to be of its names."""
    return has_condition(definition, "Established") and bool(definition.status.acceptedNames.plural)


def has_condition(definition: CustomResourceDefinition, name: str) -> bool:
    return any(c.type == name and c.status == "True" for c in definition.status.conditions)


def _embeds(schema: JSONSchemaProps) -> bool:
    return schema.x_kubernetes_embedded_resource or any(map(_embeds, subschemas(schema)))


def _keys_lists(schema: JSONSchemaProps) -> bool:
    return schema.x_kubernetes_list_type in ("set", "map") or any(map(_keys_lists, subschemas(schema)))


def _deprecation(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion) -> str:
    if not version.deprecated:
        return ""
    if version.deprecationWarning is not None:
        return version.deprecationWarning
    group, kind = definition.spec.group, definition.status.acceptedNames.kind
    text = f"{group}/{version.name} {kind} is deprecated"
    ranks = [version_rank(v.name) for v in definition.spec.versions if v.served and not v.deprecated]
    better = {version_rank(v.name): v.name for v in definition.spec.versions}
    best = min((rank for rank in ranks if rank < version_rank(version.name)), default=None)
    return text if best is None else f"{text}; use {group}/{better[best]} {kind}"
