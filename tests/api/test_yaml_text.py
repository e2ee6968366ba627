"""YAML as Kubernetes writes it, and that it reads back as what it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.yaml_text import to_yaml
from apiserver.yaml_documents import parse


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("yes", '"yes"'),
        ("n", '"n"'),
        ("null", '"null"'),
        ("~", '"~"'),
        ("12", '"12"'),
        ("0x1f", '"0x1f"'),
        ("1_000", '"1_000"'),
        ("1e3", '"1e3"'),
        (".5", '".5"'),
        ("1:30", '"1:30"'),
        (".inf", '".inf"'),
        ("2020-01-01", '"2020-01-01"'),
        ("2020-01-01T00:00:00Z", '"2020-01-01T00:00:00Z"'),
        ("2020-13-01", "2020-13-01"),
        ("10.0.0.1", "10.0.0.1"),
        ("v1", "v1"),
        ("a: b", "'a: b'"),
        (" x ", "' x '"),
        ("- a", "'- a'"),
        ("#a", "'#a'"),
        ("it's", "it's"),
        ("'a'", "'''a'''"),
        ("a\tb", '"a\\tb"'),
        ("é", "é"),
        ("\N{GRINNING FACE}", '"\\U0001F600"'),
        ("one\ntwo\n", "|\n  one\n  two"),
        ("one\ntwo", "|-\n  one\n  two"),
        ("one\n\n", "|+\n  one\n"),
        (" one\n", "|2\n   one"),
        ("one \ntwo", '"one \\ntwo"'),
        ("word " * 20 + "end", "word " * 15 + "word\n  word word word word end"),
        ("x" * 200, "x" * 200),
        (True, "true"),
        (None, "null"),
        (12, "12"),
        (1.0, "1"),
        (1.5, "1.5"),
        ([], "[]"),
        ({}, "{}"),
        ([1, [2]], "\n- 1\n- - 2"),
    ],
)
def test_a_value(value: Any, written: str) -> None:
    space = "" if written.startswith("\n") else " "
    assert to_yaml({"k": value}) == f"k:{space}{written}\n"


def test_members_are_in_natural_order() -> None:
    names = ["b", "a10", "a2", "B", "1", "f:x", ".", "a", "a1b", "a01"]
    assert list(parse(to_yaml(dict.fromkeys(names, "v"))).value) == [
        ".",
        "1",
        "B",
        "a",
        "a1b",
        "a01",
        "a2",
        "a10",
        "b",
        "f:x",
    ]


def test_a_member_that_looks_like_a_merge_is_none() -> None:
    assert to_yaml({"<<": "<<"}) == '"<<": <<\n'
    assert parse(to_yaml({"<<": "<<"})).value == {"<<": "<<"}


def test_equal_values_are_written_twice() -> None:
    shared = {"a": "b"}
    assert to_yaml({"one": shared, "two": [shared]}) == "one:\n  a: b\ntwo:\n- a: b\n"


_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=10,
)


@given(_values)
def test_it_reads_back_as_it_was(value: Any) -> None:
    assert parse(to_yaml({"k": value})).value == {"k": value}
