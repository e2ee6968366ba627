"""What rules cost with values of all kinds, held against what Kubernetes' own tests expect.

k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/celcoststability_test.go
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.test_costs import charged

CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, int]]] = [
    (
        {
            "type": "object",
            "properties": {
                "val1": {"type": "integer"},
                "val2": {"type": "number"},
                "val3": {"type": "number"},
                "val4": {"type": "number"},
                "val5": {"type": "number"},
                "val6": {"type": "number"},
                "val7": {"type": "number"},
            },
        },
        {"val1": 5, "val2": 10.0, "val3": 10.0, "val4": 10.0, "val5": 10, "val6": 10, "val7": 10},
        {
            "double(self.val1) < self.val4": 6,
            "self.val1 < int(self.val4)": 6,
            "5 < int(10.0)": 1,
            "double(self.val1) < 10.0": 4,
        },
    ),
    (
        {"type": "object", "properties": {"val1": {"type": "string"}, "val2": {"type": "string"}}},
        {"val1": "Rook takes 👑", "val2": "Rook takes 👑"},
        {
            "!self.val1.startsWith('knight')": 5,
            "!self.val1.matches('^[0-9]*$')": 7,
            "type(self.val1) == string": 4,
            "size(self.val1) == 12": 4,
            "self.val1.charAt(3) == 'k'": 4,
            "self.val1.indexOf('o', 2) == 2": 4,
            "self.val1.replace(' ', 'x', 1) == 'Rookxtakes 👑'": 7,
            "self.val1.split(' ', 2) == ['Rook', 'takes 👑']": 6,
            "self.val1.substring(5) == 'takes 👑'": 5,
            "self.val1.substring(0, 4) == 'Rook'": 5,
            "self.val1.upperAscii() == 'ROOK TAKES 👑'": 6,
        },
    ),
    (
        {
            "type": "object",
            "properties": {"val1": {"type": "string", "format": "byte"}, "val2": {"type": "string", "format": "byte"}},
        },
        {"val1": "QUI=", "val2": "QUI="},
        {
            "self.val1 == self.val2": 5,
            "self.val1 == b'AB'": 3,
            "type(self.val1) == bytes": 4,
            "size(self.val1) == 2": 4,
        },
    ),
    (
        {"type": "object", "properties": {"val1": {"type": "string", "format": "duration"}}},
        {"val1": "1h2m3s4ms"},
        {
            "self.val1 == duration('1h2m') + duration('3s4ms')": 4,
            "self.val1.getHours() == 1": 4,
            "type(self.val1) == google.protobuf.Duration": 4,
        },
    ),
    (
        {"type": "object", "properties": {"val1": {"type": "string", "format": "date-time"}}},
        {"val1": "2011-08-18T19:03:37.010000000+01:00"},
        {
            "self.val1 == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')": 4,
            "self.val1.getDate('01:00') == 18": 4,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "val1": {"type": "integer"},
                "val2": {"type": "number"},
                "val3": {"type": "number"},
                "val4": {"type": "number"},
                "val5": {"type": "boolean"},
                "val6": {"type": "string"},
                "val7": {"type": "string", "format": "byte"},
                "val8": {"type": "string"},
                "val9": {"type": "string", "format": "duration"},
                "val10": {"type": "string"},
                "val11": {"type": "string", "format": "date-time"},
                "val12": {"type": "string"},
                "val13": {"type": "string", "format": "date"},
            },
        },
        {
            "val1": 10,
            "val2": 10.0,
            "val3": 10.49,
            "val4": 10.5,
            "val5": True,
            "val6": "10",
            "val7": "MTA=",
            "val8": "3723.004s",
            "val9": "1h2m3s4ms",
            "val10": "2011-08-18T18:03:37.01Z",
            "val11": "2011-08-18T19:03:37.01+01:00",
            "val12": "2011-08-18T00:00:00Z",
            "val13": "2011-08-18",
        },
        {
            "int(self.val2) == self.val1": 6,
            "bytes(self.val6) == self.val7": 6,
            "string(self.val1) == self.val6": 6,
            "string(self.val4) == '10.5'": 4,
            "string(self.val7) == self.val6": 6,
            "duration(self.val8) == self.val9": 6,
            "timestamp(self.val10) == self.val11": 6,
            "string(self.val11) == self.val10": 8,
            "string(self.val13) == self.val12": 7,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "val1": {"type": "array", "items": {"type": "integer"}},
                "val2": {"type": "array", "items": {"type": "integer"}},
            },
        },
        {"val1": [1, 2, 3], "val2": [1, 2, 3]},
        {"!(0 in self.val1)": 6, "self.val1 + [4, 5] == [1, 2, 3, 4, 5]": 4},
    ),
    (
        {
            "type": "object",
            "properties": {
                "val1": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "val2": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            },
        },
        {"val1": ["a", "b", "c"], "val2": ["a", "c", "b"]},
        {
            "self.val1 == ['c', 'b', 'a']": 3,
            "self.val1 == self.val2": 5,
            "'a' in self.val1": 5,
            "self.val2[0] in self.val1": 8,
            "!('x' in self.val1)": 6,
            "self.val1 + self.val2 == ['a', 'b', 'c']": 6,
            "self.val1 + ['c', 'd'] == ['a', 'b', 'c', 'd']": 4,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "objs": {
                    "type": "array",
                    "items": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}},
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                    },
                }
            },
        },
        {
            "objs": [
                [{"k": "a", "v": "1"}, {"k": "b", "v": "2"}],
                [{"k": "b", "v": "2"}, {"k": "a", "v": "1"}],
                [{"k": "b", "v": "3"}, {"k": "a", "v": "1"}],
                [{"k": "c", "v": "4"}],
            ]
        },
        {
            "self.objs[0] == self.objs[1]": 7,
            "self.objs[0] + self.objs[2] == self.objs[2]": 11,
            "self.objs[0] == [self.objs[0][0], self.objs[0][1]]": 22,
            "self.objs[2] + [self.objs[0][0], self.objs[0][1]] == self.objs[0]": 26,
            "size(self.objs[0] + [self.objs[3][0]]) == 3": 20,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "val1": {"type": "object", "additionalProperties": {"type": "string"}},
                "val2": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        {"val1": {"k1": "a", "k2": "b"}, "val2": {"k2": "b", "k1": "a"}},
        {
            "self.val1 == self.val2": 5,
            "'k1' in self.val1": 3,
            "!('k3' in self.val1)": 4,
            "self.val1 == {'k1': 'a', 'k2': 'b'}": 3,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "a1": {
                    "type": "object",
                    "properties": {
                        "b1": {"type": "object", "properties": {"c1": {"type": "integer"}}},
                        "d2": {"type": "object", "properties": {"e2": {"type": "integer"}}},
                    },
                }
            },
        },
        {"a1": {"b1": {"c1": 4}}},
        {"has(self.a1.b1.c1)": 3, "!(has(self.a1.d2) && has(self.a1.d2.e2))": 3, "!has(self.a1.d2)": 3},
    ),
    (
        {"type": "object", "properties": {"val": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        {"val": {"b": 1, "d": 2}},
        {"!('a' in self.val)": 4, "!has(self.val.a)": 3, "size(self.val) == 2": 4},
    ),
    (
        {
            "type": "object",
            "properties": {
                "listMap": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"k": {"type": "string"}, "v": {"type": "string"}, "v2": {"type": "string"}},
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                }
            },
        },
        {"listMap": [{"k": "a1", "v": "b1"}, {"k": "a2", "v": "b2"}, {"k": "a3", "v": "b3", "v2": "z"}]},
        {
            "has(self.listMap[0].v)": 3,
            "self.listMap.all(m, !has(m.v2) || m.v2 == 'z')": 21,
            "!self.listMap.exists(m, m.v == 'x')": 25,
            "!self.listMap.exists_one(m, m.k.startsWith('a'))": 20,
            "size(self.listMap.filter(m, m.k == 'a1')) == 1": 27,
            "self.listMap.exists(m, m.k == 'a1' && m.v == 'b1')": 16,
            "self.listMap.exists(m, has(m.v2) && m.v2 == 'z')": 21,
            "!self.listMap.all(m, has(m.v2) && m.v2 != 'z')": 10,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "listMap": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"k": {"type": "string"}, "v": {"type": "string"}, "v2": {"type": "string"}},
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                }
            },
        },
        {"listMap": [{"k": "a1", "v": "b1"}, {"k": "a2", "v": "b2"}, {"k": "a3", "v": "b3", "v2": "z"}]},
        {
            "self.listMap.exists_one(m, has(m.v2) && m.v2 == 'z')": 12,
            "self.listMap.filter(m, has(m.v2) && m.v2 == 'z').size() == 1": 24,
            "self.listMap.map(m, has(m.v2) && m.v2 == 'z', m.v2).size() == 1": 25,
            "self.listMap.filter(m, has(m.v2) && m.v2 == 'z').map(m, m.v2).size() == 1": 39,
            "self.listMap.exists(m, m.v2 == 'z')": 24,
            "!self.listMap.all(m, m.v2 != 'z')": 22,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "array": {"type": "array", "items": {"type": "integer"}},
                "set": {"type": "array", "items": {"type": "integer"}},
            },
        },
        {"array": [1, 1, 2, 2, 3, 3, 4, 5], "set": [1, 2, 3, 4, 5]},
        {
            "2 in self.array": 10,
            "!self.array.all(e, e < 2)": 21,
            "!self.array.exists(e, e < 0)": 52,
            "!self.array.exists_one(e, e == 2)": 25,
            "self.array.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)": 194,
            "3 in self.set": 7,
            "self.set.all(e, e > 0)": 28,
            "self.set.exists(e, e > 3)": 30,
            "!self.set.exists_one(e, e > 3)": 19,
            "size(self.set.filter(e, e%2 == 0)) == 2": 46,
            "self.set.map(e, e * 20).filter(e, e > 50).exists_one(e, e == 60)": 133,
        },
    ),
    (
        {"type": "object", "properties": {"e": {"type": "object", "x-kubernetes-embedded-resource": True}}},
        {
            "e": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "foo", "generateName": "pickItForMe", "namespace": "xyz"},
            }
        },
        {"self.e.kind == 'Pod'": 4, "self.e.metadata.generateName == 'pickItForMe'": 6},
    ),
    (
        {"type": "object", "properties": {"something": {"x-kubernetes-int-or-string": True}}},
        {"something": "25%"},
        {
            "type(self.something) == int ? self.something == 1 : self.something == '25%'": 7,
            "type(self.something) == string && self.something == '25%'": 7,
            "self.something != 1": 3,
            "self.something == 1 || self.something == '25%'": 6,
            "self.something == '25%' || self.something == 1": 3,
            "self.something != ['anything']": 3,
        },
    ),
    (
        {"type": "object", "properties": {"something": {"x-kubernetes-int-or-string": True}}},
        {"something": 1},
        {
            "self.something != 'some string'": 3,
            "self.something == '25%' || self.something == 1": 6,
            "self.something != ['anything']": 3,
        },
    ),
    (
        {"type": "object", "properties": {"something": {"x-kubernetes-int-or-string": True, "nullable": True}}},
        {"something": None},
        {"!has(self.something)": 2},
    ),
    (
        {
            "type": "object",
            "properties": {
                "min": {"x-kubernetes-int-or-string": True},
                "current": {"type": "integer"},
                "available": {"type": "integer"},
            },
        },
        {"min": "50%", "current": 5, "available": 10},
        {
            "type(self.min) == string && self.min.matches(r'(\\d+(\\.\\d+)?%)')": 10,
            "type(self.min) == int ? self.current <= self.min : double(self.current) / double(self.available) "
            ">= double(self.min.replace('%', '')) / 100.0": 17,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "w": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "l": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            },
        },
        {
            "w": {"a": "b"},
            "l": [
                {"field1": "a", "field2": "b"},
                {"field1": "x", "field2": "y"},
                {"field1": "x", "field2": "y"},
                {},
                {},
            ],
        },
        {
            "has(self.w)": 1,
            "self.l.size() == 5": 4,
            "self.l[0] != self.l[1]": 7,
            "self.l[1] == self.l[2]": 7,
            "self.l[3] == self.l[4]": 6,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "unsetPlainStr": {"type": "string"},
                "setPlainStr": {"type": "string"},
                "setNullableStr": {"type": "string", "nullable": True},
                "setToNull": {"type": "string", "nullable": True},
            },
        },
        {"setPlainStr": "v1", "setNullableStr": "v3", "setToNull": None},
        {
            "!has(self.unsetPlainStr)": 2,
            "has(self.setPlainStr) && self.setPlainStr == 'v1'": 4,
            "type(self.setNullableStr) != null_type": 4,
            "!has(self.setToNull)": 2,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "m": {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
                "l": {"type": "array", "items": {"type": "string", "nullable": True}},
            },
        },
        {"m": {"a": None, "b": "x"}, "l": [None, "x"]},
        {"self.m.size() == 2": 4, "'a' in self.m": 3, "type(self.m['a']) == null_type": 5},
    ),
    (
        {
            "type": "object",
            "properties": {
                "a": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"x": {"type": "integer"}}},
                },
                "l": {"type": "array", "items": {"type": "object", "properties": {"y": {"type": "integer"}}}},
            },
        },
        {"a": {"k1": {"x": 1}, "k2": {"x": 2}}, "l": [{"y": 1}]},
        {"type(self) == type(self)": 5, "type(self.a['k1']) == type(self.a['k2'])": 9},
    ),
    (
        {
            "type": "object",
            "properties": {
                "mapOfMap": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "mapOfObj": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"field2": {"type": "string"}}},
                },
                "l": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
                "ll": {
                    "type": "array",
                    "items": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"k3": {"type": "string"}, "v3": {"type": "string"}}},
                    },
                },
            },
        },
        {
            "mapOfMap": {"x": {"y": "b"}},
            "mapOfObj": {"k": {"field2": "c"}},
            "l": [{"z": "g"}],
            "ll": [[{"k3": "3", "v3": "i"}]],
        },
        {
            "self.mapOfMap['x']['y'] == 'b'": 5,
            "self.mapOfObj['k'].field2 == 'c'": 5,
            "self.l[0]['z'] == 'g'": 5,
            "self.ll[0].exists(e, e.k3 == '3' && e.v3 == 'i')": 14,
        },
    ),
    (
        {
            "type": "object",
            "properties": {
                "obj": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "absentField": {"type": "string"}},
                },
                "m": {"type": "object", "additionalProperties": {"type": "string"}},
                "l": {"type": "array", "items": {"type": "string"}},
            },
        },
        {"obj": {"field": "a"}, "m": {"k": "v"}, "l": ["a"]},
        {
            "optional.of('a') != optional.of('b')": 3,
            "optional.of('a') != optional.none()": 3,
            "optional.of('a').hasValue()": 2,
            "optional.of('a').or(optional.of('a')).hasValue()": 2,
            "optional.none().or(optional.of('a')).hasValue()": 3,
            "optional.of('a').optMap(v, v == 'value').hasValue()": 8,
            "self.obj.?field == optional.of('a')": 5,
            "self.obj.?absentField == optional.none()": 4,
            "self.obj.?field.orValue('v') == 'a'": 4,
            "self.m[?'k'] == optional.of('v')": 5,
            "self.l[?0] == optional.of('a')": 5,
            "optional.ofNonZeroValue(1).hasValue()": 2,
        },
    ),
]


@pytest.mark.parametrize(
    ("schema", "value", "rule", "expected"),
    [(schema, value, rule, cost) for schema, value, rules in CASES for rule, cost in rules.items()],
)
def test_charges_are_those_of_kubernetes(
    schema: dict[str, Any], value: dict[str, Any], rule: str, expected: int
) -> None:
    assert charged(schema, value, rule) == expected
