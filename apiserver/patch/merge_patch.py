"""JSON merge patch: an object whose values replace, and whose nulls remove (RFC 7386)."""

from __future__ import annotations

from typing import Any

from apiserver.patch.json_value import copied


def apply(document: Any, patch: Any) -> Any:
    """The document after the patch.  Neither is changed; what is not patched is shared with the result."""
    if not isinstance(patch, dict):
        return copied(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply(merged.get(name), value)
    return merged
