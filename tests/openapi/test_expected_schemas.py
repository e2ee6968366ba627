"""Every published schema, field by field, against the expectation that is kept here.

`expected_schemas/GROUP_VERSION.txt` has a line per type, then one per field: its type or the type it refers to, and
what else is said of it.  `python -m tests.openapi.test_expected_schemas` writes the files anew; what changes in them
is a change of the published API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.scheme import RESOURCES
from apiserver.openapi import Documents

FOLDER = Path(__file__).with_name("expected_schemas")
_REFERENCE = "#/components/schemas/"
_SHORT = {
    "x-kubernetes-list-type": "list",
    "x-kubernetes-list-map-keys": "keys",
    "x-kubernetes-map-type": "map",
    "x-kubernetes-patch-strategy": "patch",
    "x-kubernetes-patch-merge-key": "merge-key",
    "x-kubernetes-unions": "union",
    "x-kubernetes-preserve-unknown-fields": "unknown",
    "x-kubernetes-int-or-string": "int-or-string",
}


def schemas() -> dict[str, Any]:
    documents = Documents(RESOURCES)
    found: dict[str, Any] = {}
    for name in json.loads(documents.v3_index()[0])["paths"]:
        body = documents.v3(name)
        assert body is not None
        found |= json.loads(body[0])["components"]["schemas"]
    return found


def shape(schema: dict[str, Any]) -> str:
    """A schema in a few words: `[]ObjectMeta list=map keys=uid`, `string! enum=A|B default=""`."""
    if "$ref" in schema:
        kind = schema["$ref"].removeprefix(_REFERENCE)
    elif len(schema.get("allOf", ())) == 1:
        kind = schema["allOf"][0]["$ref"].removeprefix(_REFERENCE)
    elif "items" in schema:
        kind = f"[]({shape(schema['items'])})"
    elif "additionalProperties" in schema:
        kind = f"map({shape(schema['additionalProperties'])})"
    else:
        kind = schema.get("type", "any")
    words = [kind]
    for name in ("format", "default", "enum", "nullable", *_SHORT):
        if name in schema:
            value = schema[name]
            text = ",".join(value) if name.endswith("keys") else json.dumps(value, sort_keys=True)
            words.append(f"{_SHORT.get(name, name)}={text.strip(chr(34)) if isinstance(value, str) else text}")
    if "oneOf" in schema:
        words.append("one-of=" + "|".join(each.get("type", "?") for each in schema["oneOf"]))
    return " ".join(words)


def lines(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"{name}: {shape(schema)}"
    required = schema.get("required", ())
    for field, member in sorted(schema.get("properties", {}).items()):
        yield f"  {field}{'!' if field in required else ''}: {shape(member)}"


def published() -> dict[str, str]:
    """The content of each file."""
    files: dict[str, list[str]] = {}
    for name, schema in sorted(schemas().items()):
        group, version, kind = name.rsplit(".", 2)
        files.setdefault(f"{group.rpartition('.')[2]}_{version}", []).extend(lines(kind, schema))
    return {name: "\n".join(content) + "\n" for name, content in files.items()}


PUBLISHED = published()


def test_the_files_are_those_of_the_published_groups() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(PUBLISHED)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_is_published_is_what_is_expected(name: str) -> None:
    expected = (FOLDER / f"{name}.txt").read_text()
    assert PUBLISHED[name].splitlines() == expected.splitlines()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in PUBLISHED.items():
        (FOLDER / f"{name}.txt").write_text(content)
