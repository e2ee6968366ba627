"""The types of `api` and the names of their messages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import api
from api.model import Model


def models() -> Iterator[type[Model]]:
    """Every type of a group version, once."""
    seen: set[type[Model]] = set()
    for module in pkgutil.walk_packages(api.__path__, "api."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and issubclass(found, Model) and found is not Model and found not in seen:
                seen.add(found)
                yield found


def group_version(model: type[Model]) -> str:
    """The module of `api` that has the type, such as "core_v1"."""
    return model.__module__.split(".")[1]


def message_name(model: type[Model]) -> str:
    """The full name of the type's message."""
    group, version = group_version(model).rsplit("_", 1)
    package = "k8s.io.apimachinery.pkg.apis.meta" if group == "meta" else f"k8s.io.api.{group}"
    return f"{package}.{version}.{model.__name__}"
