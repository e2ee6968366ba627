"""Values held against schemas of custom resources."""

from __future__ import annotations

from typing import Any

import pytest

from api.apiextensions_v1 import JSONSchemaProps
from apiserver.registry.schema_formats import has_format, is_known
from apiserver.registry.schema_values import validate_value

NEEDS_P, NEEDS_Q = {"required": ["p"]}, {"required": ["q"]}


def found(value: Any, **schema: Any) -> list[str]:
    """What is wrong with an object's field a."""
    whole = JSONSchemaProps.from_dict({"type": "object", "properties": {"a": schema}})
    return [str(error) for error in validate_value({"a": value}, whole, "")]


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("x", {"type": "string"}, []),
        (None, {"type": "string", "nullable": True}, []),
        (None, {"type": "string"}, ['a: Invalid value: "null": a in body must be of type string: "null"']),
        (True, {"type": "integer"}, ['a: Invalid value: "boolean": a in body must be of type integer: "boolean"']),
        (2.0, {"type": "integer"}, []),
        (2, {"type": "number"}, []),
        ("1", {"x-kubernetes-int-or-string": True}, []),
        (
            [],
            {"x-kubernetes-int-or-string": True},
            ['a: Invalid value: "array": a in body must be of type integer,string: "array"'],
        ),
        ("ABCDE", {"maxLength": 4, "pattern": "^[a-z]+$"}, ["a: Too long: may not be more than 4 bytes"]),
        ("A", {"pattern": "^[a-z]+$"}, ["a: Invalid value: \"A\": a in body should match '^[a-z]+$'"]),
        (
            10,
            {"maximum": 10, "exclusiveMaximum": True, "multipleOf": 0.5},
            [
                "a: Invalid value: 0: factor MultipleOf declared for a must be positive: 0",
                "a: Invalid value: 10: a in body should be less than 10",
            ],
        ),
        (2.3, {"multipleOf": 0.5}, ["a: Invalid value: 2.3: a in body should be a multiple of 0.5"]),
        (
            3000000000,
            {"type": "integer", "format": "int32"},
            ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in a'],
        ),
        (
            64512,  # what MetalLB's BGPPeers met with when 1.36 began to look at formats
            {"type": "integer", "format": "int32", "minimum": 0, "maximum": 4294967295},
            ['<nil>: Invalid value: "": Maximum boundary value must be of type integer with format int32 in a'],
        ),
        (
            -3e9,
            {"type": "integer", "format": "int32", "minimum": -2147483649, "multipleOf": 0.5},
            [
                '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in a',
                '<nil>: Invalid value: "": MultipleOf value must be of type integer with format int32 in a',
                '<nil>: Invalid value: "": Minimum boundary value must be of type integer with format int32 in a',
                "a: Invalid value: -3e+09: a in body should be greater than or equal to -2.147483649e+09",
            ],
        ),
        (70000, {"type": "integer", "format": "int64", "maximum": 4294967295}, []),
        (3, {"type": "number", "maximum": 2.5}, ["a: Invalid value: 3: a in body should be less than or equal to 2"]),
        (0, {"type": "number", "minimum": 0.5}, []),
        (0.25, {"type": "number", "minimum": 0.5}, [
            "a: Invalid value: 0.25: a in body should be greater than or equal to 0.5",
        ]),
        (2000000.5, {"type": "number", "maximum": 1000000}, [
            "a: Invalid value: 2.0000005e+06: a in body should be less than or equal to 1e+06",
        ]),
        (3, {"enum": [1, 2]}, ['a: Unsupported value: 3: supported values: "1", "2"']),
        (["long", 1], {"items": {"type": "string", "maxLength": 3}}, [
            "a[0]: Too long: may not be more than 3 bytes",
            'a[1]: Invalid value: "integer": a[1] in body must be of type string: "integer"',
        ]),
        ([1, 2], {"maxItems": 1}, ["a: Too many: 2: must have at most 1 item"]),
        ({}, {"minProperties": 1}, ["a: Invalid value: 0: a in body should have at least 1 properties"]),
        ({"b": 1}, {"additionalProperties": {"type": "string"}}, [
            'a.b: Invalid value: "integer": a.b in body must be of type string: "integer"',
        ]),
        ({}, NEEDS_P, ["a.p: Required value"]),
        ({}, {"anyOf": [NEEDS_P, NEEDS_Q]}, [
            '<nil>: Invalid value: "": "a" must validate at least one schema (anyOf)',
            "a.p: Required value",
        ]),
        ({"p": 1, "q": 1}, {"oneOf": [NEEDS_P, NEEDS_Q]}, [
            '<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ]),
        ({"p": 1}, {"allOf": [NEEDS_P, NEEDS_Q]}, [
            "a.q: Required value",
            '<nil>: Invalid value: "": "a" must validate all the schemas (allOf)',
        ]),
        ({}, {"allOf": [NEEDS_P, NEEDS_Q]}, [
            "a.p: Required value",
            "a.q: Required value",
            '<nil>: Invalid value: "": "a" must validate all the schemas (allOf). None validated',
        ]),
        ({}, {"anyOf": [{"required": ["p", "q"]}, {"required": ["r"]}]}, [  # the first of equals
            '<nil>: Invalid value: "": "a" must validate at least one schema (anyOf)',
            "a.p: Required value",
            "a.q: Required value",
        ]),
        ({"p": 3}, {"oneOf": [NEEDS_Q, {"properties": {"p": {"enum": [1]}}, "required": ["q"]}]}, [
            '<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found none valid',
            'a.p: Unsupported value: 3: supported values: "1"',
            "a.q: Required value",
        ]),
        ({}, {"minProperties": 1, **NEEDS_P}, ["a: Invalid value: 0: a in body should have at least 1 properties"]),
        ({"p": 1}, {"properties": {"p": {"type": "string"}}, **NEEDS_Q}, [
            'a.p: Invalid value: "integer": a.p in body must be of type string: "integer"',
            "a.q: Required value",
        ]),
        (-1, {"type": "integer", "format": "uint32"}, []),
        ([True], {"type": "array", "format": "cidr", "items": {"type": "boolean", "format": "email"}}, []),
        ({"p": 1}, {"not": NEEDS_P}, ['<nil>: Invalid value: "": "a" must not validate the schema (not)']),
        ("x", {"type": "string", "format": "uuid"}, [
            'a: Invalid value: "x": a in body must be of type uuid: "x"',
        ]),
    ],
)  # fmt: skip
def test_values(value: Any, schema: dict[str, Any], expected: list[str]) -> None:
    assert found(value, **schema) == expected


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("byte", "aGVsbG8=", "hello"),
        ("byte", "AAAA", ""),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("cidr", "fd00::/08", "fe80::%eth0/64"),
        ("cidr", "010.0.0.00/8", "10.0.0.0/33"),
        ("creditcard", "4111 1111-1111.1111", "4111111111111112"),
        ("date", "2024-02-29", "2024-13-01"),
        ("date-time", "2024-01-01T00:00:00.5+01:00", "yesterday"),
        ("date-time", "2024-01-01t23:59:59z", "2024-01-01T00:00:60Z"),
        ("datetime", "2024-01-01T00:00:00+99:99", "2024-01-01T00:00:00+0100"),
        ("duration", "1h30m", "3 parsecs"),
        ("duration", "3 days", "3d4"),
        ("duration", "2 Weeks 1 hr", "1 month"),
        ("email", "a@b.c", "nobody"),
        ("hexcolor", "#ff00aa", "#ff00a"),
        ("hostname", "a-b.example.com", "-"),
        ("hostname", "bücher.example", "a_b.example"),
        ("hostname", "4.☃.example", "example.c0m"),
        ("hostname", "a.bc", "a.b"),
        ("hostname", "example", "example.com."),
        ("hostname", "a-b", "my-host"),  # so it is
        ("ipv4", "1.2.3.4", "1.2.3"),
        ("ipv4", "::ffff:1.2.3.4", "1.2.3.256"),
        ("ipv4", "01.2.003.0", "00.1.2"),
        ("ipv6", "fd00::1", "1.2.3.4"),
        ("ipv6", "::", "fe80::1%eth0"),
        ("isbn", "978-0321751041", "978-0321751042"),
        ("isbn10", "0 321 75104 3", "032175104X"),
        ("isbn13", "9780321751041", "0321751043"),
        ("k8s-long-name", "a.b", "A_b"),
        ("k8s-short-name", "a-b", "a.b"),
        ("mac", "00:00:5e:00:53:01", "00:00:5e"),
        ("mac", "0000.5e00.5301", "00:00-5e:00-53:01"),
        ("rgbcolor", "rgb(1, 20,255)", "rgb(01,2,3)"),
        ("ssn", "123-45-6789", "123456789"),
        ("uri", "https://example.com/x?y", "not a uri"),
        ("uri", "/a b", "http://a b/"),
        ("uuid", "0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b"),
        ("uuid4", "0F8FAD5B-d9cb-469f-A165-70867728950e", "0f8fad5b-d9cb-169f-a165-70867728950e"),
    ],
)
def test_formats(name: str, good: str, bad: str) -> None:
    assert is_known(name)
    assert has_format(good, name)
    assert not has_format(bad, name)


def test_unknown_formats_say_nothing() -> None:
    assert not is_known("int32")
    assert is_known("int32", "integer")
    assert not is_known("date", "integer")
    assert has_format("anything", "int32")
