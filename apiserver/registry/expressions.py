"""Expressions in the Common Expression Language (CEL)."""

from __future__ import annotations

from collections.abc import Iterator

from api.errors import FieldError, required


def validate_expression(expression: str, path: str, missing: str = "") -> Iterator[FieldError]:
    """There has to be one; `missing` is what is said when there is none."""
    if not expression.strip():
        yield required(path, missing)
