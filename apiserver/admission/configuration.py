"""`--admission-control-config-file`: the configurations of admission plugins.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-AdmissionConfiguration
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apiserver.configuration_file import ConfigurationError, read_object

_GROUP = "apiserver.config.k8s.io"


def load(path: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """The configuration of each plugin that the file has one for, as JSON by the plugin's name.

    Raises ConfigurationError.
    """
    if path is None:
        return {}
    document = read_object(path)
    expect_kind(document, "AdmissionConfiguration", (f"{_GROUP}/v1", f"{_GROUP}/v1alpha1"))
    found = {}
    for index, plugin in enumerate(document.get("plugins") or ()):
        name, inline, other = (plugin.get(member) for member in ("name", "configuration", "path"))
        if not name:
            raise ConfigurationError(f"{path}: plugins[{index}].name is missing")
        if inline is not None:
            found[name] = inline
        elif other:
            found[name] = read_object(path.parent / other)
    return found


def expect_kind(document: Mapping[str, Any], kind: str, versions: Sequence[str]) -> None:
    """Raises ConfigurationError for an object of another kind, or of a version that is not known."""
    given = document.get("apiVersion"), document.get("kind")
    if given[1] != kind or given[0] not in versions:
        raise ConfigurationError(f"expected kind {kind} of {versions[0]}, found {given[1]} of {given[0]}")


def strings(document: Mapping[str, Any], name: str) -> list[str]:
    """A member that is a list of strings, which may be missing.  Raises ConfigurationError."""
    values = document.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigurationError(f"{name} is no list of strings")
    return values
