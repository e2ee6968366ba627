"""What is said about expressions that cannot be compiled, in the words of cel-go and at its places."""

from __future__ import annotations

import pytest

from cel.environment import Environment
from cel.errors import CompileError
from cel.types import DYN, INT, STRING, Field, list_of, object_type

_INNER = object_type("self.inner", {"b": Field(STRING, "b")})
_SELF = object_type("self", {"n": Field(INT, "n"), "inner": Field(_INNER, "inner"), "l": Field(list_of(INT), "l")})
TYPED = Environment({"self": _SELF, "n": INT, "s": STRING, "x": DYN})
_PRIMARY = (
    "'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER"
)


def complaints(expression: str) -> list[str]:
    """Places and texts, without the lines that show them."""
    with pytest.raises(CompileError) as caught:
        TYPED.compile(expression)
    lines = str(caught.value).split("\n")
    return [line.removeprefix("ERROR: <input>:") for line in lines if line.startswith("ERROR: ")]


def test_a_complaint_shows_the_line_and_the_place() -> None:
    with pytest.raises(CompileError) as caught:
        TYPED.compile("n ==\n  '👑'.size() + m")
    place = " | ...．...........^"
    text = "ERROR: <input>:2:16: undeclared reference to 'm' (in container '')\n |   '👑'.size() + m\n"
    assert str(caught.value) == text + place


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("func{{a}}", [
            "1:6: Syntax error: extraneous input '{' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
            "1:8: Syntax error: mismatched input '}' expecting ':'",
            "1:9: Syntax error: extraneous input '}' expecting <EOF>",
        ]),
        ("{a}", ["1:3: Syntax error: mismatched input '}' expecting ':'"]),
        ("--", [
            "1:3: Syntax error: no viable alternative at input '-'",
            f"1:3: Syntax error: mismatched input '<EOF>' expecting {{{_PRIMARY}}}",
        ]),
        ("", [f"1:1: Syntax error: mismatched input '<EOF>' expecting {{{_PRIMARY}}}"]),
        ("?", [
            f"1:1: Syntax error: mismatched input '?' expecting {{{_PRIMARY}}}",
            f"1:2: Syntax error: mismatched input '<EOF>' expecting {{{_PRIMARY}}}",
        ]),
        ("`b-c`", [f"1:1: Syntax error: mismatched input '`b-c`' expecting {{{_PRIMARY}}}"]),
        ("x{.", ["1:3: Syntax error: mismatched input '.' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}"]),
        ("[1].map(var, var)", [
            "1:9: reserved identifier: var",
            "1:9: argument is not an identifier",
            "1:14: reserved identifier: var",
        ]),
        ("a.`b-c`", ["1:3: unsupported syntax: '`'"]),
        ("1.all(2, 3)", ["1:7: argument must be a simple name"]),
        ("has(x)", ["1:5: invalid argument to has() macro"]),
        ("[1].map(1, 2)", ["1:9: argument is not an identifier"]),
        ("9223372036854775808", ["1:1: invalid int literal"]),
    ],
)  # fmt: skip
def test_what_does_not_follow_the_grammar(expression: str, expected: list[str]) -> None:
    assert complaints(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("slef == 'x'", ["1:1: undeclared reference to 'slef' (in container '')"]),
        ("self.nosuch()", ["1:12: undeclared reference to 'nosuch' (in container '')"]),
        ("self.m", ["1:5: undefined field 'm'"]),
        ("self.inner.c == 'x' && self.d", ["1:11: undefined field 'c'", "1:28: undefined field 'd'"]),
        ("has(self.m)", ["1:4: undefined field 'm'"]),
        ("n.startsWith('a')", ["1:13: found no matching overload for 'startsWith' applied to 'int.(string)'"]),
        ("n + s", ["1:3: found no matching overload for '_+_' applied to '(int, string)'"]),
        ("n == s", ["1:3: found no matching overload for '_==_' applied to '(int, string)'"]),
        ("self.l == ['a']", ["1:8: found no matching overload for '_==_' applied to '(list(int), list(string))'"]),
        ("n ? 1 : 2", ["1:3: found no matching overload for '_?_:_' applied to '(int, int, int)'"]),
        ("s.a", ["1:2: type 'string' does not support field selection"]),
        (
            "s.all(x, true)",
            ["1:1: expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)"],
        ),
        ("[1, 'a']", ["1:5: expected type 'int' but found 'string'"]),
        ("{'a': 1, 'b': ''}", ["1:15: expected type 'int' but found 'string'"]),
        (
            "'%d'.format(['x'])",
            ["1:14: error during formatting: decimal clause can only be used on integers, was given string"],
        ),
        ("duration('xx')", ["1:10: invalid duration argument"]),
        ("timestamp('xx')", ["1:11: invalid timestamp argument"]),
        ("s.matches('(')", ["1:11: invalid matches argument"]),
        (
            "cel.bind(a, 1, a)",
            [
                "1:1: undeclared reference to 'cel' (in container '')",
                "1:9: undeclared reference to 'bind' (in container '')",
                "1:10: undeclared reference to 'a' (in container '')",
                "1:16: undeclared reference to 'a' (in container '')",
            ],
        ),
    ],
)
def test_what_has_no_type(expression: str, expected: list[str]) -> None:
    assert complaints(expression) == expected


def test_only_so_many_complaints_are_made_and_nesting_has_an_end() -> None:
    assert complaints("+".join(["1"] * 300)) == ["-1:0: max recursion depth exceeded"]
    assert complaints("(" * 300 + "1" + ")" * 300) == ["-1:0: expression recursion limit exceeded: 250"]
    assert complaints("-" * 100_000 + "?")


@pytest.mark.parametrize("text", ["'", "'''", "b'\\u0041'", "'\\q'", "0x", "1.e", "a b", "@", "[", "'a\nb'"])
def test_broken_tokens_are_complaints(text: str) -> None:
    assert complaints(text)
