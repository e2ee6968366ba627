"""The files of configuration that flags name: YAML or JSON, one typed object, strict about fields."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pydantic

from api.model import Model

M = TypeVar("M", bound=Model)


class ConfigurationError(Exception):
    """A file of configuration cannot be used; the message is one line with its path and what is wrong."""


def read_configuration(path: Path, model: type[M], api_versions: Collection[str]) -> M:
    """The object of the file, whose kind is the model's name.

    Raises ConfigurationError for a file that cannot be read, is no such object or has a field too many.
    """
    return parse_configuration(_content(path), path, model, api_versions)


def read_object(path: Path) -> dict[str, Any]:
    """The object of a file, of whatever kind, as JSON.  Raises ConfigurationError."""
    return _parse_object(_content(path), path)


def parse_configuration(content: bytes, path: Path, model: type[M], api_versions: Collection[str]) -> M:
    """The same as `read_configuration` of what has been read already; `path` is for the messages."""
    value = _parse_object(content, path)
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind != model.__name__ or version not in api_versions:
        wanted = " or ".join(api_versions)
        raise ConfigurationError(f"{path} is {kind} of {version}, and has to be {model.__name__} of {wanted}")
    try:
        return model.from_dict(value, unknown_fields=False)
    except (pydantic.ValidationError, orjson.JSONEncodeError) as error:
        raise ConfigurationError(f"{path}: {_problem(error)}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def _parse_object(content: bytes, path: Path) -> dict[str, Any]:
    from apiserver import yaml_documents  # few servers have such files

    try:
        document = yaml_documents.parse(content)
    except yaml_documents.YAMLError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if document.duplicates:
        raise ConfigurationError(f"{path}: {document.duplicates[0]}")
    if not isinstance(document.value, dict):
        raise ConfigurationError(f"{path} holds no object")
    return document.value


def _problem(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f'unknown field "{place}"'
    return f"{place}: {first['msg']}"
