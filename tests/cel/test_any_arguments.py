"""Whatever functions are called with: a value or an error of the language, never one of Python."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cel.environment import Environment
from cel.errors import BudgetExceeded, CompileError, EvaluationError
from cel.libraries import KUBERNETES
from cel.libraries.mutation import MUTATION
from cel.types import DYN

_NAMES = "abc"
ENVIRONMENT = Environment(dict.fromkeys(_NAMES, DYN), (*KUBERNETES, MUTATION))
_OPERATORS = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "_==_": "==", "_!=_": "!=", "@in": "in"}
_OPERATORS |= {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_&&_": "&&", "_||_": "||"}
_MADE: tuple[str, ...] = (
    "duration('1h')",
    "timestamp('2024-01-01T00:00:00Z')",
    "quantity('1.5Gi')",
    "ip('::1')",
    "cidr('10.0.0.0/8')",
)
_MADE += ("url('https://a:1/b?c=d')", "semver('1.2.3')", "3u", "b'a'", "optional.of(1)", "optional.none()", "int")
_MADE += ("format.dns1123Label()", "1.0 / 0.0", "0.0 / 0.0", "9223372036854775807", "1e300", "quantity('1e9999')")
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.sampled_from(
        ["", "a", "1", "1Gi", "1h", "(", "[a-z", "é👑", "%s %d", "%.2f", "10.0.0.1", "v1.2.3", "2024-01-01"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
)


def _calls() -> list[str]:
    """A call of every overload, with the variables as arguments."""
    calls = set()
    for name, function in ENVIRONMENT.functions.items():
        for overload in function.overloads:
            given = list(_NAMES[: len(overload.arguments)])
            if name in _OPERATORS:
                calls.add(f"{given[0]} {_OPERATORS[name]} {given[1]}")
            elif name == "!_" or name == "-_":
                calls.add(f"{name[0]}a")
            elif name[0] in "_@":
                calls |= {"a[b]", "a[?b]", "a ? b : c", "a.?x", "a.x", "has(a.x)", "a.all(x, b)", "a.map(x, x)"}
            elif overload.method:
                calls.add(f"{given[0]}.{name}({', '.join(given[1:])})")
            else:
                calls.add(f"{name}({', '.join(given)})")
    return sorted(calls)


def _run(expression: str, values: dict[str, Any]) -> None:
    with suppress(CompileError, EvaluationError, BudgetExceeded):
        ENVIRONMENT.compile(expression).evaluate(values, 100_000)


@pytest.mark.parametrize("expression", _calls())
def test_functions_take_anything(expression: str) -> None:
    made = [ENVIRONMENT.compile(text).evaluate({}, 1000)[0] for text in _MADE]
    values = _JSON | st.sampled_from(made)

    @settings(max_examples=15, deadline=None)
    @given(st.fixed_dictionaries(dict.fromkeys(_NAMES, values)))
    def holds(given_values: dict[str, Any]) -> None:
        _run(expression, given_values)

    holds()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.?[](){}:,'\"\\`+-*/%!<>=&|1e x\n", max_size=30))
def test_texts_are_anything(text: str) -> None:
    _run(text, {"a": 1, "b": {"a": [1]}, "c": "x"})
