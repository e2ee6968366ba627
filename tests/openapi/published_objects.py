"""Objects made after the published schemas: whole ones, and ones with anything in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from api.scheme import RESOURCES, Resource
from apiserver.openapi import Documents

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_META, _UTIL = "io.k8s.apimachinery.pkg.apis.meta.v1.", "io.k8s.apimachinery.pkg.util."
_NAMES = st.sampled_from(["a", "b", "web-1", "example.com/a"])
_ODD = st.sampled_from(["", "A_b", "/x/..", "..", "1", "é", "x" * 260, "10.0.0.1", "::1", "50%", "a=b,c", "{}", " "])
_WORDS = _NAMES | _ODD
_NUMBERS = st.sampled_from([1, 80, 2, 0, -1, 65536, 2**31 - 1, -(2**31)])
_AMOUNTS = st.sampled_from(["1", "100m", "1Gi", "0", "-1", "1e30", "0.1", 2])
_ANY_JSON: st.SearchStrategy[Any] = st.sampled_from([{}, {"a": 1}, {"a": {"b": [1, None]}}, [], "a", 1, None])

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
_ANY: dict[str, st.SearchStrategy[Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _AMOUNTS,
    _UTIL + "intstr.IntOrString": _NUMBERS | _WORDS,
    _META + "Time": st.sampled_from(["2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z"]),
    _META + "MicroTime": st.just("2026-01-02T03:04:05.678901Z"),
    **{name: _ANY_JSON for name, value in _WHOLE.items() if not isinstance(value, str)},
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

    def any(self, resource: Resource) -> st.SearchStrategy[dict[str, Any]]:
        """Objects of the right shape, most of which make no sense."""
        return self._any({"$ref": _REFERENCE + self.schema_of(resource)}, 9)

    def _any(self, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        name = _reference(schema)
        if name in _ANY:
            return _ANY[name]
        if name:
            schema = self.schemas[name]
        if "enum" in schema:
            return st.sampled_from(schema["enum"]) | _WORDS
        match schema.get("type"):
            case "boolean":
                return st.booleans()
            case "integer" | "number":
                return _NUMBERS
            case "array":
                return st.lists(self._any(schema["items"], depth - 1), max_size=2 if depth > 0 else 0)
            case "object" if "properties" in schema:
                return self._any_of(schema, depth)
            case "object" if "additionalProperties" in schema:
                return st.dictionaries(_WORDS, self._any(schema["additionalProperties"], depth - 1), max_size=2)
            case "object":
                return st.just({})
        return st.sampled_from(["dmFsdWU=", ""]) if schema.get("format") == "byte" else _WORDS

    def _any_of(self, schema: Schema, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        """The required fields and a few of the others."""

        @st.composite
        def build(draw: st.DrawFn) -> dict[str, Any]:
            fields = schema["properties"]
            must = schema.get("required", [])
            others = [field for field in fields if field not in (*must, "apiVersion", "kind", "metadata")]
            few = draw(st.lists(st.sampled_from(others), max_size=4, unique=True)) if others and depth > 0 else []
            return {field: draw(self._any(fields[field], depth - 1)) for field in (*must, *few) if field in fields}

        return build()


def _reference(schema: Schema) -> str:
    """The name of the schema another one stands for; empty when it stands for itself."""
    target: str = schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref", "")
    return target.removeprefix(_REFERENCE)


def _leads_back(schema: Schema, inside: tuple[str, ...]) -> bool:
    """Whether a member is of a type that it is inside of already."""
    while "items" in schema or isinstance(schema.get("additionalProperties"), dict):
        schema = schema.get("items") or schema["additionalProperties"]
    return _reference(schema) in inside
