"""Schemas as OpenAPI components, in the exact shape in which Kubernetes publishes them."""

from __future__ import annotations

from typing import Any

from api.meta_v1 import DeleteOptions, ListMeta
from api.model import union_of
from api.schema import MISSING, ModelClass, Schema, schema_of
from apiserver.openapi.descriptions import documentation
from apiserver.openapi.names import ALTERNATIVES, COMPONENTS, META, SCALARS, component

Document = dict[str, Any]

_SCALARS: dict[str, Document] = {
    "Quantity": {
        "description": 'An amount of a resource: a decimal number with a suffix, as in "500m", "64Mi" or "1e3".',
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    "IntOrString": {
        "description": "An integer or a string; which one is told by the JSON type.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    "Time": {"description": "A moment in RFC 3339 form, to the second.", "type": "string", "format": "date-time"},
    "MicroTime": {
        "description": "A moment in RFC 3339 form, to the microsecond.",
        "type": "string",
        "format": "date-time",
    },
    "RawExtension": {"description": "Any object of any kind.", "type": "object"},
    "JSON": {"description": "Any JSON value."},
    **{
        f"JSONSchemaPropsOr{name}": {"description": f"A JSON schema, or {what}."} for name, what in ALTERNATIVES.items()
    },
}
PATCH: Document = {
    "description": "A patch of the kind that the Content-Type names; see the patch formats.",
    "type": "object",
}
WATCH_EVENT: Document = {
    "description": "One change that a watch reports.",
    "type": "object",
    "required": ["type", "object"],
    "properties": {
        "object": {
            "description": "The object after the change, its last state when deleted, or a Status for an error.",
            "allOf": [{"$ref": COMPONENTS + "io.k8s.apimachinery.pkg.runtime.RawExtension"}],
        },
        "type": {"description": "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.", "type": "string", "default": ""},
    },
}
FIELDS_V1: Document = {
    "description": 'A set of fields as a tree: "f:name" steps into an object, "k:{...}" to an item of a list with '
    'keys, "v:..." to an item of a set; "." stands for the field itself.',
    "type": "object",
}
VERSION_INFO = "io.k8s.apimachinery.pkg.version.Info"
_VERSION = {
    "buildDate": "When it was built, in RFC 3339 form.",
    "compiler": "What it was compiled with.",
    "emulationMajor": "The major version that the server behaves as.",
    "emulationMinor": "The minor version that the server behaves as.",
    "gitCommit": "The commit it was built from.",
    "gitTreeState": "Whether that commit was all: clean or dirty.",
    "gitVersion": "The version as a tag, such as v1.36.2.",
    "goVersion": "The language it is written in, and its version.",
    "major": "The major version of Kubernetes.",
    "minCompatibilityMajor": "The major version of the oldest server that it can work beside.",
    "minCompatibilityMinor": "The minor version of the oldest server that it can work beside.",
    "minor": "The minor version of Kubernetes.",
    "platform": "Operating system and processor.",
}
_NOT_ALWAYS = ("emulation", "minCompatibility")
_EXTRAS: dict[str, Document] = {
    VERSION_INFO: {
        "description": "Which version a server has.",
        "type": "object",
        "required": [name for name in _VERSION if not name.startswith(_NOT_ALWAYS)],
        "properties": {
            name: {"description": about, "type": "string"} | ({} if name.startswith(_NOT_ALWAYS) else {"default": ""})
            for name, about in _VERSION.items()
        },
    },
    META + "Patch": PATCH,
    META + "WatchEvent": WATCH_EVENT,
    META + "FieldsV1": FIELDS_V1,
    SCALARS["RawExtension"]: _SCALARS["RawExtension"],
}
_FREE_FORM = {
    ("ManagedFieldsEntry", "fieldsV1"): META + "FieldsV1",
}
"""Fields of any shape that are published under a name."""
_UNTYPED_LISTS = {("APIResource", "verbs")}
"""Lists of which Kubernetes does not say how their items are told apart: they are a type of their own in Go."""


class Components:
    """Collects the components a document refers to; each is made when it is first named."""

    def __init__(self, kinds: dict[ModelClass, list[Document]] | None = None) -> None:
        self.documents: dict[str, Document] = {}
        self.kinds = kinds or {}
        """The group, version and kind of the types that have one (`x-kubernetes-group-version-kind`)."""

    def refer(self, model: ModelClass) -> Document:
        """A reference to a type, which is added with all it refers to."""
        name = component(model)
        if name not in self.documents:
            self.documents[name] = {}
            self.documents[name] = self.describe(model)
        return {"$ref": COMPONENTS + name}

    def refer_list(self, model: ModelClass, kinds: list[Document]) -> Document:
        """A reference to the list of a type."""
        name = component(model) + "List"
        if name not in self.documents:
            self.documents[name] = {
                "description": f"A list of {model.__name__} objects.",
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": {"description": "The API group and version of this list.", "type": "string"},
                    "items": {"description": "The objects.", "type": "array", "items": self.refer(model)},
                    "kind": {"description": "The type of this list.", "type": "string"},
                    "metadata": {
                        "description": "The version the list was read at, and where it goes on.",
                        "default": {},
                        "allOf": [self.refer(ListMeta)],
                    },
                },
                "x-kubernetes-group-version-kind": kinds,
            }
        return {"$ref": COMPONENTS + name}

    def extra(self, name: str) -> Document:
        """A reference to one of the few types that have no model."""
        self.documents[name] = _EXTRAS[name]
        if name.endswith(".WatchEvent"):
            self.extra(SCALARS["RawExtension"])
            if kinds := [{**each, "kind": "WatchEvent"} for each in self.kinds.get(DeleteOptions, ())]:
                self.documents[name] = {**_EXTRAS[name], "x-kubernetes-group-version-kind": kinds}
        return {"$ref": COMPONENTS + name}

    def describe(self, model: ModelClass) -> Document:
        """The component of a type."""
        schema = schema_of(model)
        about, fields = documentation(model)
        document: Document = {"description": about} if about else {}
        document["type"] = "object"
        if schema.required:
            document["required"] = list(schema.required)
        if schema.properties:
            document["properties"] = {
                name: self.property(
                    schema.properties[name], fields.get(name, ""), _FREE_FORM.get((model.__name__, name), "")
                )
                for name in sorted(schema.properties)
            }
            for name in document["properties"]:
                if (model.__name__, name) in _UNTYPED_LISTS:
                    del document["properties"][name]["x-kubernetes-list-type"]
        if model in self.kinds:
            document["x-kubernetes-group-version-kind"] = self.kinds[model]
        if schema.atomic:
            document["x-kubernetes-map-type"] = "atomic"
        if found := union_of(model):
            discriminator, members = found
            described: Document = {"discriminator": discriminator} if discriminator else {}
            described["fields-to-discriminateBy"] = {name: name[:1].upper() + name[1:] for name in members}
            document["x-kubernetes-unions"] = [described]
        return document

    def property(self, schema: Schema, description: str = "", named: str = "") -> Document:
        """A member of an object."""
        document: Document = {"description": description} if description else {}
        reference = self.extra(named) if named else self._reference(schema)
        if reference is not None:
            if schema.default is not MISSING:
                document["default"] = schema.default
            document["allOf"] = [reference]
        else:
            document |= self.value(schema)
        if schema.atomic and schema.model is None:
            document[f"x-kubernetes-{'list' if schema.format == 'byte' else 'map'}-type"] = "atomic"
        if schema.granular:
            document["x-kubernetes-map-type"] = "granular"
        if schema.type == "array":
            if schema.list_keys:
                document["x-kubernetes-list-map-keys"] = list(schema.list_keys)
            document["x-kubernetes-list-type"] = schema.list_type
        if schema.patch_merge_key:
            document["x-kubernetes-patch-merge-key"] = schema.patch_merge_key
        if schema.patch_strategy:
            document["x-kubernetes-patch-strategy"] = schema.patch_strategy
        return document

    def value(self, schema: Schema) -> Document:
        """A value without the annotations of the field it is in."""
        reference = self._reference(schema)
        if reference is not None:
            return reference
        document: Document = {}
        if schema.type:
            document["type"] = schema.type
        if schema.format:
            document["format"] = schema.format
        if schema.items is not None:
            document["items"] = self.value(schema.items)
        if schema.additional is not None:
            document["additionalProperties"] = self.value(schema.additional)
        if schema.default is not MISSING:
            document["default"] = schema.default
        if schema.enum:
            document["enum"] = list(schema.enum)
        return document

    def _reference(self, schema: Schema) -> Document | None:
        if schema.model is not None:
            return self.refer(schema.model)
        if schema.scalar:
            name = SCALARS[schema.scalar]
            self.documents[name] = _SCALARS[schema.scalar]
            return {"$ref": COMPONENTS + name}
        return None
