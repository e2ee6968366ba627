"""Objects made after the published schemas: whole ones, and ones with anything in them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from api.scheme import RESOURCES, Resource
from apiserver.openapi import Documents

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_META, _UTIL = "io.k8s.apimachinery.pkg.apis.meta.v1.", "io.k8s.apimachinery.pkg.util."
_HEAD = ("apiVersion", "kind", "metadata")
_ODD = ["", "A_b", "/x/..", "..", "1", "é", "x" * 260, "10.0.0.1", "::1", "50%", "a=b,c", "{}", " "]
_WORDS = [*["a", "b", "web-1", "example.com/a"] * 3, *_ODD]
_NUMBERS = [1, 80, 2, 0, -1, 65536, 2**31 - 1, -(2**31)]

# Types whose schema does not say what is in them.
_WHOLE: Schema = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "1500m",
    _UTIL + "intstr.IntOrString": "50%",
    _META + "Time": "2026-01-02T03:04:05Z",
    _META + "MicroTime": "2026-01-02T03:04:05.678901Z",
    _META + "FieldsV1": {"f:spec": {"f:a": {}}},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"kind": "Own", "apiVersion": "example.com/v1", "a": [1]},
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": {"a": [1, "b", None]},
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": {"type": "string"},
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": {"type": "string"},
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": ["a"],
}
_ANY: dict[str, list[Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["1", "100m", "1Gi", "0", "-1", "1e30", "0.1", 2],
    _UTIL + "intstr.IntOrString": [*_NUMBERS, *_WORDS],
    _META + "Time": ["2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z"],
    _META + "MicroTime": ["2026-01-02T03:04:05.678901Z"],
    **{
        name: [{}, {"a": 1}, {"a": {"b": [1, None]}}, [], "a", 1, None]
        for name, value in _WHOLE.items()
        if not isinstance(value, str)
    },
}


class PublishedObjects:
    """`schemas` has every published schema by its name."""

    def __init__(self) -> None:
        documents = Documents(RESOURCES)
        self.schemas: dict[str, Schema] = {}
        self._by_kind: dict[tuple[str, str, str], str] = {}
        for name in json.loads(documents.v3_index()[0])["paths"]:
            found = documents.v3(name)
            assert found is not None
            self.schemas |= json.loads(found[0])["components"]["schemas"]
        for name, schema in self.schemas.items():
            for kind in schema.get("x-kubernetes-group-version-kind", ()):
                self._by_kind[kind["group"], kind["version"], kind["kind"]] = name

    def schema_of(self, resource: Resource) -> str:
        """The name of the schema of a resource's objects."""
        version = resource.group_version
        return self._by_kind[version.group, version.version, resource.kind]

    # --- whole objects ---------------------------------------------------------------------------

    def whole(self, resource: Resource) -> dict[str, Any]:
        """An object with every field set, every list and map with one item; what contains itself does so once."""
        made: dict[str, Any] = self._whole({"$ref": _REFERENCE + self.schema_of(resource)}, ())
        return {**made, "apiVersion": resource.api_version, "kind": resource.kind}

    def _whole(self, schema: Schema, inside: tuple[str, ...]) -> Any:
        name = _reference(schema)
        if name in _WHOLE:
            return _WHOLE[name]
        if name:
            schema, inside = self.schemas[name], (*inside, name)
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "boolean":
                return True
            case "integer" | "number":
                return 1
            case "array":
                return [self._whole(schema["items"], inside)]
            case "object" if "properties" in schema:
                fields = schema["properties"].items()
                return {
                    field: self._whole(member, inside) for field, member in fields if not _leads_back(member, inside)
                }
            case "object" if "additionalProperties" in schema:
                return {"key": self._whole(schema["additionalProperties"], inside)}
            case "object":
                return {}
        return {"byte": "dmFsdWU=", "date-time": "2026-01-02T03:04:05Z"}.get(schema.get("format", ""), "value")

    # --- objects with anything in them -----------------------------------------------------------

    def any(self, resource: Resource, random: Random) -> dict[str, Any]:
        """An object of the right shape that mostly makes no sense: the required fields and a few of the others."""
        made: dict[str, Any] = self._any(self.schemas[self.schema_of(resource)], random, 9)
        return made

    def _any(self, schema: Schema, random: Random, depth: int) -> Any:
        name = _reference(schema)
        if name in _ANY:
            return random.choice(_ANY[name])
        if name:
            schema = self.schemas[name]
        if "enum" in schema:
            return random.choice([*schema["enum"], *_ODD[:2]])
        count = random.randrange(3) if depth > 0 else 0
        match schema.get("type"):
            case "boolean":
                return random.random() < 0.5
            case "integer" | "number":
                return random.choice(_NUMBERS)
            case "array":
                return [self._any(schema["items"], random, depth - 1) for _ in range(count)]
            case "object" if "properties" in schema:
                fields = schema["properties"]
                others = [field for field in fields if field not in _HEAD]
                chosen = {*schema.get("required", ()), *random.sample(others, min(count * 2, len(others)))}
                return {field: self._any(fields[field], random, depth - 1) for field in fields if field in chosen}
            case "object" if "additionalProperties" in schema:
                values = schema["additionalProperties"]
                return {random.choice(_WORDS): self._any(values, random, depth - 1) for _ in range(count)}
            case "object":
                return {}
        return random.choice(["dmFsdWU=", ""] if schema.get("format") == "byte" else _WORDS)


def _reference(schema: Schema) -> str:
    """The name of the schema another one stands for; empty when it stands for itself."""
    target: str = schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref", "")
    return target.removeprefix(_REFERENCE)


def _leads_back(schema: Schema, inside: tuple[str, ...]) -> bool:
    """Whether a member is of a type that it is inside of already."""
    while "items" in schema or isinstance(schema.get("additionalProperties"), dict):
        schema = schema.get("items") or schema["additionalProperties"]
    return _reference(schema) in inside
