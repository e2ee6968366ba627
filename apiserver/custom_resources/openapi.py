"""The published schemas of custom resources: for each group version a document, made of the definitions themselves.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#publish-validation-schema-in-openapi
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from api.autoscaling_v1 import Scale
from api.meta_v1 import DeleteOptions, ListMeta, ObjectMeta, Status
from apiserver.custom_resources.definition import Version
from apiserver.openapi.components import Components, Document
from apiserver.openapi.names import COMPONENTS, META, operation_group, tag
from apiserver.openapi.paths import DELETE, LIST, WRITE, parameter
from apiserver.openapi.swagger import swagger

_MEDIA = ("application/json", "application/yaml")
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_INFO: Document = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
_API_VERSION = {"description": "The API group and version of this object.", "type": "string"}
_KIND = {"description": "The type of this object.", "type": "string"}
_WORDS = {"200": "OK", "201": "Created", "202": "Accepted"}
_DELETE_OPTIONS = """
/v1 admissionregistration.k8s.io/v1,v1alpha1,v1beta1 apps/v1,v1beta1,v1beta2 authentication.k8s.io/v1,v1alpha1,v1beta1
authorization.k8s.io/v1,v1beta1 autoscaling/v1,v2 batch/v1,v1beta1 certificates.k8s.io/v1,v1alpha1,v1beta1
coordination.k8s.io/v1,v1alpha2,v1beta1 discovery.k8s.io/v1,v1beta1 events.k8s.io/v1,v1beta1 extensions/v1beta1
flowcontrol.apiserver.k8s.io/v1,v1beta1,v1beta2,v1beta3 internal.apiserver.k8s.io/v1alpha1 networking.k8s.io/v1,v1beta1
node.k8s.io/v1,v1alpha1,v1beta1 policy/v1,v1beta1 rbac.authorization.k8s.io/v1,v1alpha1,v1beta1
resource.k8s.io/v1,v1alpha3,v1beta1,v1beta2 scheduling.k8s.io/v1,v1alpha2,v1beta1 storage.k8s.io/v1,v1alpha1,v1beta1
storagemigration.k8s.io/v1beta1
"""
"""The group versions in which Kubernetes 1.36 reads DeleteOptions, whether it serves them or not."""


def document(versions: Iterable[Version]) -> Document:
    """The OpenAPI v3 document of one group version."""
    paths, schemas = _described(versions)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _kinds() -> dict[Any, list[Document]]:
    named = [each.partition("/") for each in _DELETE_OPTIONS.split()]
    every = [(group, version) for group, _, versions in named for version in versions.split(",")]
    return {
        DeleteOptions: [{"group": group, "kind": "DeleteOptions", "version": version} for group, version in every],
        Scale: [{"group": "autoscaling", "kind": "Scale", "version": "v1"}],
        Status: [{"group": "", "kind": "Status", "version": "v1"}],
    }


# --- schemas ---------------------------------------------------------------------------------------


def add_components(version: Version, components: Components) -> tuple[Document, Document]:
    """References to the kind of a version and to its lists, which are added."""
    kind, prefix = version.kind, component_prefix(version)
    name, list_name = prefix + kind, prefix + version.resource.list_kind
    described = _published(orjson.loads(version.schema.encode()), components)
    described.setdefault("type", "object")
    described["properties"] = _named(components, ObjectMeta) | {
        name: value for name, value in described.get("properties", {}).items() if name not in _META_FIELDS
    }
    described["x-kubernetes-group-version-kind"] = [_gvk(version, kind)]
    components.documents[name] = described
    components.documents[list_name] = {
        "description": f"A list of {kind} objects.",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_named(components, ListMeta),
            "items": {"description": "The objects.", "type": "array", "items": {"$ref": COMPONENTS + name}},
        },
        "x-kubernetes-group-version-kind": [_gvk(version, version.resource.list_kind)],
    }
    return {"$ref": COMPONENTS + name}, {"$ref": COMPONENTS + list_name}


_META_FIELDS = ("apiVersion", "kind", "metadata")


def _named(components: Components, metadata: Any) -> Document:
    about = "Name, labels, owners and whatever else every object has."
    described: Document = {"description": about, "allOf": [components.refer(metadata)]}
    return {"apiVersion": _API_VERSION, "kind": _KIND, "metadata": described}


def _gvk(version: Version, kind: str) -> Document:
    return {"group": version.group_version.group, "kind": kind, "version": version.group_version.version}


def _published(schema: Document, components: Components) -> Document:
    """A schema as it is published: whole objects have their common members, what may be either says so."""
    result: Document = {}
    for name, value in schema.items():
        if name == "properties":
            result[name] = {inner: _published(each, components) for inner, each in value.items()}
        elif name in ("items", "additionalProperties", "not") and isinstance(value, dict):
            result[name] = _published(value, components)
        elif name in ("allOf", "anyOf", "oneOf"):
            result[name] = [_published(each, components) for each in value]
        else:
            result[name] = value
    if schema.get("x-kubernetes-int-or-string"):
        result.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if schema.get("x-kubernetes-embedded-resource"):
        result["properties"] = result.get("properties", {}) | _named(components, ObjectMeta)
        result["required"] = [*dict.fromkeys([*result.get("required", ()), "kind", "apiVersion"])]
    return result


def in_swagger(version: Version) -> tuple[Document, Document]:
    """The paths and the definitions that a version adds to the v2 document: the rest of what it speaks of is built
    in."""
    paths, components = _described([version])
    whole = swagger(_INFO, paths, components)
    prefix = component_prefix(version)
    definitions = {name: value for name, value in whole["definitions"].items() if name.startswith(prefix)}
    definitions[prefix + version.kind] = _kind_in_v2(definitions[prefix + version.kind])
    return whole["paths"], definitions


def component_prefix(version: Version) -> str:
    """How the names of a version's components begin: `com.example.v1.`."""
    return ".".join([*reversed(version.group_version.group.split(".")), version.group_version.version, ""])


def _described(versions: Iterable[Version]) -> tuple[dict[str, Document], dict[str, Document]]:
    components = Components(_kinds())
    paths: dict[str, Document] = {}
    for version in versions:
        paths |= _Paths(version, components).items()
    for name, schema in components.documents.items():
        if name.startswith(META) and "required" in schema:
            components.documents[name] = {**schema, "required": sorted(schema["required"])}
    return paths, components.documents


def _kind_in_v2(schema: Document) -> Document:
    """The same of a whole kind: of one that takes any field, kubectl is to know none."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {name: schema[name] for name in ("type", "x-kubernetes-group-version-kind")}
    return in_v2(schema)


def in_v2(schema: Document) -> Document:
    """A published schema as clients of v2 understand it, who must not refuse what the server takes."""
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "allOf", "oneOf", "not", "default")}
    if (reference := schema.get("allOf")) and "$ref" in reference[0]:
        return {**kept, **reference[0]}
    if kept.pop("nullable", False) or "type" not in kept:
        return {name: value for name, value in kept.items() if name not in ("type", "items", "properties")}
    if kept.get("x-kubernetes-preserve-unknown-fields"):
        kept.pop("properties", None)
    if "properties" in kept:
        kept["properties"] = {name: in_v2(each) for name, each in kept["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(kept.get(name), dict) and "$ref" not in kept[name]:
            kept[name] = in_v2(kept[name])
    return kept


# --- operations ------------------------------------------------------------------------------------


class _Paths:
    """The path items of one version of a definition."""

    def __init__(self, version: Version, components: Components) -> None:
        self._version, self._components = version, components
        self._one, self._list = add_components(version, components)
        self._scope = "Namespaced" if version.resource.namespaced else ""

    def items(self) -> dict[str, Document]:
        resource = self._version.resource
        namespace = "/namespaces/{namespace}" if self._scope else ""
        collection = f"{resource.root}{namespace}/{resource.plural}"
        items: dict[str, Document] = {}
        if self._scope:
            everywhere = f"{resource.root}/{resource.plural}"
            listed = self._operation("list", "list", "", f"{self._version.kind}ForAllNamespaces", scoped=False)
            items[everywhere] = self._item(everywhere, {"get": listed | self._answers(self._list, "200")}, LIST)
        items[collection] = self._item(collection, self._of_collection())
        one = f"{collection}/{{name}}"
        delete = self._operation("delete", "delete", "") | _with(DELETE) | self._body(DeleteOptions)
        status = self._components.refer(Status)
        operations = self._of_object("", self._one) | {"delete": delete | self._answers(status, "200", "202")}
        items[one] = self._item(one, operations)
        for part in resource.parts:
            shown = self._components.refer(Scale) if part.kind == "Scale" else self._one
            path = f"{one}/{part.name}"
            items[path] = self._item(path, self._of_object(part.name.capitalize(), shown))
        return items

    def _of_collection(self) -> dict[str, Document]:
        listed = self._operation("list", "list", "") | _with(LIST) | self._answers(self._list, "200")
        post = self._operation("post", "create", "") | _with(WRITE) | _content(self._one)
        scoped = f"Collection{self._scope}{self._version.kind}"
        delete = self._operation("deletecollection", "delete", "", scoped, scoped=False) | _with(LIST)
        return {
            "get": listed,
            "post": post | self._answers(self._one, "200", "201", "202"),
            "delete": delete | self._answers(self._components.refer(Status), "200"),
        }

    def _of_object(self, suffix: str, shown: Document) -> dict[str, Document]:
        get = self._operation("get", "read", suffix) | _with(("resourceVersion",)) | self._answers(shown, "200")
        put = self._operation("put", "replace", suffix) | _with(WRITE) | _content(shown)
        patch = self._operation("patch", "patch", suffix) | _with((*WRITE, "force"))
        change = self._components.extra(META + "Patch")
        patch["requestBody"] = {"content": {kind: {"schema": change} for kind in _PATCHES}, "required": True}
        return {
            "get": get,
            "put": put | self._answers(shown, "200", "201"),
            "patch": patch | self._answers(shown, "200"),
        }

    def _operation(self, action: str, word: str, suffix: str, name: str = "", *, scoped: bool = True) -> Document:
        version = self._version
        subject = name or f"{self._scope if scoped else ''}{version.kind}{suffix}"
        return {
            "tags": [tag(version.group_version)],
            "description": f"{word.capitalize()} {version.kind} objects.",
            "operationId": f"{word}{operation_group(version.group_version)}{subject}",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(version, version.kind),
        }

    def _item(self, path: str, operations: dict[str, Document], extra: tuple[str, ...] = ()) -> Document:
        names = {"pretty", *extra, *(name for name in ("name", "namespace") if f"{{{name}}}" in path)}
        return {**operations, "parameters": [parameter(name, path) for name in sorted(names)]}

    def _body(self, model: Any) -> Document:
        body = _content(self._components.refer(model))
        del body["requestBody"]["required"]
        return body

    @staticmethod
    def _answers(schema: Document, *codes: str) -> Document:
        content = {kind: {"schema": schema} for kind in _MEDIA}
        answers: Document = {code: {"description": _WORDS[code], "content": content} for code in codes}
        return {"responses": {**answers, "401": {"description": "Unauthorized"}}}


def _content(schema: Document) -> Document:
    return {"requestBody": {"content": {kind: {"schema": schema} for kind in _MEDIA}, "required": True}}


def _with(names: tuple[str, ...]) -> Document:
    return {"parameters": [parameter(name) for name in sorted(names)]}
