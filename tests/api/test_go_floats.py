from __future__ import annotations

import pytest

from api.errors import invalid_value
from api.go_floats import go_float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (-1.5, "-1.5"),
        (123456.75, "123456.75"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (4294967295.0, "4.294967295e+09"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.000012, "1.2e-05"),
    ],
)
def test_floats_have_an_exponent_where_go_gives_them_one(value: float, expected: str) -> None:
    assert go_float(value) == expected
    assert invalid_value("a", value, "no").body() == f"Invalid value: {expected}: no"
