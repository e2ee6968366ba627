"""YAML as Go reads it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.patch.json_value import equal
from apiserver.yaml_documents import YAMLError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("text", "text"),
        ("'1'", "1"),
        ("[y, Yes, on, n, No, OFF, true, False]", [True, True, True, False, False, False, True, False]),
        ("[0x1F, 010, 0o17, 0b11, -5, +5, 1_000]", [31, 8, 15, 3, -5, 5, 1000]),
        ("[1.5, .5, 1e3, -2.5E-1]", [1.5, 0.5, 1000.0, -0.25]),
        ("[2020-01-01, 12:30:45, 1.2.3, 1x, '', -]", ["2020-01-01", "12:30:45", "1.2.3", "1x", "", "-"]),
        ("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}),
        ("[!!str 5, !!int '5', !!float 5, !!str yes]", ["5", 5, 5.0, "yes"]),
        ("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n", {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}),
        ("d: {<<: [{b: 1}, {b: 2, c: 3}], c: 4}", {"d": {"b": 1, "c": 4}}),
        ("a: |\n  one\n  two\nb: >\n  three\n  four\n", {"a": "one\ntwo\n", "b": "three four\n"}),
        ("first: 1\n---\nsecond: 2\n", {"first": 1}),
        ('{"json": ["too", null]}', {"json": ["too", None]}),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = parse(text).value
    assert equal(found, value)


def test_keys_given_twice_are_reported_with_their_lines() -> None:
    document = parse("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert document.value == {"a": 3, "b": {"c": 2}}
    assert document.duplicates == ['line 4: key "c" already set in map', 'line 5: key "a" already set in map']


def test_a_few_lines_cannot_become_billions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YAMLError, match="excessive aliasing"):
        parse("\n".join(lines))


@pytest.mark.parametrize("text", ["- " * 100_000, "[" * 100_000, "{a: " * 100_000])
def test_depth_is_limited(text: str) -> None:
    with pytest.raises(YAMLError):
        parse(text)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a: \x80", b"a: b: c", b"\x00"])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(YAMLError, match=r"^yaml: "):
        parse(data)
