"""Quantities at the ends of what can be written."""

from __future__ import annotations

import pytest

from api import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e999999999", "9223372036854775807"),
        ("-1e99999999999", "-9223372036854775807"),
        ("1e-999999999", "1e-9"),
        ("0e9999999999", "0"),
    ],
)
def test_exponents_of_any_size_are_read(text: str, expected: str) -> None:
    assert quantity.canonical(text) == expected
    assert isinstance(quantity.whole(text), int)
