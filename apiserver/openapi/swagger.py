"""OpenAPI v3 documents as one of v2, for clients that know only that."""

from __future__ import annotations

from typing import Any

from apiserver.openapi.components import Document
from apiserver.openapi.names import COMPONENTS, SCALARS

_METHODS = frozenset(("get", "put", "post", "delete", "patch", "options", "head"))
_LIKE_STRINGS: dict[str, Document] = {
    SCALARS["IntOrString"]: {"type": "string", "format": "int-or-string"},
    SCALARS["Quantity"]: {"type": "string"},
}


def swagger(info: Document, paths: dict[str, Document], components: dict[str, Document]) -> Document:
    """The v2 document of v3 paths and components."""
    definitions = {name: _schema(document) for name, document in sorted(components.items())}
    for name, likeness in _LIKE_STRINGS.items():
        if name in definitions:
            definitions[name] = {"description": components[name]["description"], **likeness}
    return {
        "swagger": "2.0",
        "info": info,
        "paths": {path: _item(item) for path, item in sorted(paths.items())},
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {"description": "Bearer token", "type": "apiKey", "name": "authorization", "in": "header"}
        },
        "security": [{"BearerToken": []}],
    }


def _schema(document: Document) -> Document:
    """A schema without what v2 does not have: a default beside a reference, allOf around one."""
    result: Document = {}
    for name, value in document.items():
        if name == "allOf":
            result |= _schema(value[0])
        elif name == "$ref":
            result[name] = value.replace(COMPONENTS, "#/definitions/")
        elif name == "properties":
            result[name] = {inner: _schema(schema) for inner, schema in value.items()}
        elif name in ("items", "additionalProperties"):
            result[name] = _schema(value)
        elif name not in ("default", "oneOf"):
            result[name] = value
    return result


def _item(item: Document) -> Document:
    return {
        name: _operation(value) if name in _METHODS else [_parameter(each) for each in value]
        for name, value in item.items()
    }


def _parameter(parameter: Document) -> Document:
    schema: dict[str, Any] = parameter["schema"]
    return {**{name: value for name, value in parameter.items() if name != "schema"}, **schema}


def _operation(operation: Document) -> Document:
    result: Document = {"schemes": ["https"]}
    parameters = [_parameter(each) for each in operation.get("parameters", ())]
    for name, value in operation.items():
        if name == "requestBody":
            content = value["content"]
            result["consumes"] = list(content)
            body: Document = {"name": "body", "in": "body", "schema": _schema(next(iter(content.values()))["schema"])}
            parameters.insert(0, {**body, "required": True} if value.get("required") else body)
        elif name == "responses":
            result["responses"] = {}
            for code, answer in value.items():
                media = list(answer.get("content", ()))
                if media and "produces" not in result:
                    result["produces"] = media
                described: Document = {"description": answer["description"]}
                if media:
                    described["schema"] = _schema(answer["content"][media[0]]["schema"])
                result["responses"][code] = described
        elif name != "parameters":
            result[name] = value
    result.setdefault("consumes", ["*/*"])
    if parameters:
        result["parameters"] = parameters
    return result
