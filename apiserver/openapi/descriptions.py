"""Field documentation, read from the docstrings of the API types.

A docstring's first paragraph says what the type is; every further line `name: text.` documents a field, and
indented lines carry on.  Nothing is parsed before somebody asks for a schema.
"""

from __future__ import annotations

import inspect
import re
from functools import cache

from api.core_v1 import Container, EphemeralContainer
from api.schema import ModelClass

_FIELD = re.compile(r"([\w$-]+): (.+)")

_COMMON = {
    "apiVersion": "The API group and version of this object, as in apps/v1.",
    "kind": "The type of this object.",
    "metadata": "Name, labels, owners and whatever else every object has.",
    "spec": "What is wanted.",
    "status": "What was last observed; written by controllers.",
    "items": "The objects.",
}
"""For fields that mean the same in every type; a docstring may say more."""


_LIKE: dict[ModelClass, ModelClass] = {EphemeralContainer: Container}
"""Types whose fields mean the same as another's."""


@cache
def documentation(model: ModelClass) -> tuple[str, dict[str, str]]:
    """What a type is, and its fields' texts by their names on the wire."""
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    about: list[str] = []
    fields: dict[str, str] = {}
    current = ""
    names = {field.alias or name for name, field in model.model_fields.items()}
    for line in text.splitlines():
        found = _FIELD.match(line)
        if found and found[1] in names:
            current = found[1]
            fields[current] = found[2].strip()
        elif not line.strip():
            continue
        elif current:
            fields[current] += " " + line.strip()
        else:
            about.append(line.strip())
    like = _LIKE.get(model)
    others = {**_COMMON, **(documentation(like)[1] if like else {})}
    for name in names - fields.keys():
        if name in others:
            fields[name] = others[name]
    return " ".join(about), fields
