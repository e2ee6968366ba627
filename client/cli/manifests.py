"""Objects from files: YAML or JSON, several in one file, whole folders, or the standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from client.cli.session import Refusal

_SUFFIXES = (".yaml", ".yml", ".json")


def read_manifests(sources: list[str], *, recursive: bool = False) -> list[dict[str, Any]]:
    """Every object the sources (`-f`) hold, Lists taken apart.  Raises Refusal."""
    return [document for source in sources for document in _read(source, recursive)]


def _read(source: str, recursive: bool) -> Iterator[dict[str, Any]]:
    if source == "-":
        yield from parse(sys.stdin.read(), "the standard input")
        return
    path = Path(source)
    if path.is_dir():
        files = path.rglob("*") if recursive else path.iterdir()
        chosen = sorted(file for file in files if file.suffix in _SUFFIXES and file.is_file())
        if not chosen:
            raise Refusal(f"{source} holds no {', '.join(_SUFFIXES)} files")
    else:
        chosen = [path]
    for file in chosen:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        yield from parse(text, str(file))


def parse(text: str, where: str) -> Iterator[dict[str, Any]]:
    """The objects in a text.  Raises Refusal with the place that is wrong."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise Refusal(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
            raise Refusal(f"{where}: every object needs apiVersion and kind")
        if document["kind"] == "List":
            yield from document.get("items") or []
        elif not (document.get("metadata") or {}).get("name"):
            raise Refusal(f"{where}: a {document['kind']} has no metadata.name")
        else:
            yield document
