"""An OpenAPI v2 document as one of v3, for the clients of servers that publish only the former."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
_METHODS = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})
_OF_SCHEMAS = ("type", "format", "items", "enum", "default", "uniqueItems", "pattern", "minimum", "maximum")
_PLAIN = ["application/json"]


def converted(document: Document) -> Document:
    """As much as v3 has room for; what it has not is left out."""
    return {
        "openapi": "3.0.0",
        "info": document.get("info", {}),
        "paths": {path: _item(item, document) for path, item in document.get("paths", {}).items()},
        "components": {
            "schemas": {name: _schema(each) for name, each in document.get("definitions", {}).items()},
            "securitySchemes": document.get("securityDefinitions", {}),
        },
    }


def _schema(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: each.replace("#/definitions/", "#/components/schemas/")
            if key == "$ref" and isinstance(each, str)
            else _schema(each)
            for key, each in value.items()
        }
    return [_schema(each) for each in value] if isinstance(value, list) else value


def _item(item: Document, document: Document) -> Document:
    result: Document = {}
    for name, value in item.items():
        if name in _METHODS:
            result[name] = _operation(value, document)
        elif name == "parameters":
            result[name] = [_parameter(each) for each in value if each.get("in") != "body"]
    return result


def _operation(operation: Document, document: Document) -> Document:
    result = {
        name: value
        for name, value in operation.items()
        if name not in ("consumes", "parameters", "produces", "responses", "schemes")
    }
    parameters = operation.get("parameters", [])
    result["parameters"] = [_parameter(each) for each in parameters if each.get("in") != "body"]
    takes = operation.get("consumes") or document.get("consumes") or _PLAIN
    gives = operation.get("produces") or document.get("produces") or _PLAIN
    for body in (each for each in parameters if each.get("in") == "body"):
        content = {media: {"schema": _schema(body.get("schema", {}))} for media in takes}
        result["requestBody"] = {"content": content, "required": bool(body.get("required"))}
    result["responses"] = {
        code: {
            "description": answer.get("description", ""),
            **(
                {"content": {media: {"schema": _schema(answer["schema"])} for media in gives}}
                if "schema" in answer
                else {}
            ),
        }
        for code, answer in operation.get("responses", {}).items()
    }
    return result


def _parameter(parameter: Document) -> Document:
    if "$ref" in parameter:
        return parameter
    rest = {name: value for name, value in parameter.items() if name not in _OF_SCHEMAS}
    return {**rest, "schema": {name: parameter[name] for name in _OF_SCHEMAS if name in parameter}}
