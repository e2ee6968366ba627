"""What expressions are said to cost, and what they are charged for, held against what Kubernetes' own tests expect.

k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel: compilation_test.go (estimates) and celcoststability_test.go.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from api.apiextensions_v1 import JSONSchemaProps
from apiserver.expressions.admission import admission_environment
from apiserver.expressions.rules import compile_rules, declare_self
from apiserver.expressions.schema_types import declare, to_value
from cel.cost_estimate import estimate_cost
from cel.environment import Environment
from cel.errors import BudgetExceeded, CompileError, EvaluationError, Interrupted
from cel.types import DYN, INT, STRING, list_of
from cel.values import LazyMap

NUMBER, STR, BOOLEAN = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
INT_OR_STRING = {"x-kubernetes-int-or-string": True}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def mapping(values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values, **more}


def formatted(form: str) -> dict[str, Any]:
    return {"type": "string", "format": form}


def estimate(schema: dict[str, Any], rule: str) -> int:
    of = JSONSchemaProps.from_dict({**schema, "x-kubernetes-validations": [{"rule": rule}]})
    declared = declare_self(of, False)
    assert declared is not None
    [compiled] = compile_rules(of, declared)
    assert not compiled.error
    return compiled.cost


_SQUARE = "self.all(x, self.all(y, true))"
_CUBE = "self.all(x, self.all(y, self.all(z, true)))"
_MATCHES = 'self.matches("x")'
_EACH_IS_ONE = {"type": "object", "properties": {"y": NUMBER}, "required": ["y"]}


@pytest.mark.parametrize(
    ("schema", "rule", "expected"),
    [
        (array(NUMBER), "self.all(x, true)", 4718591),
        (array(NUMBER, maxItems=10), "self.all(x, true)", 32),
        (array(STR), "self.all(x, true)", 3145727),
        (array(STR, maxItems=20), "self.all(x, true)", 62),
        (array(BOOLEAN), "self.all(x, true)", 1887437),
        (array(array(NUMBER)), "self.all(x, true)", 3145727),
        (array(INT_OR_STRING), "self.all(x, true)", 4718591),
        (array(formatted("duration")), "self.all(x, true)", 2359295),
        (array(formatted("date")), "self.all(x, true)", 725936),
        (array(formatted("date-time")), "self.all(x, true)", 428963),
        (mapping(NUMBER), "self.all(x, true)", 1348169),
        (mapping(NUMBER, maxProperties=10), "self.all(x, true)", 32),
        (mapping(STR), "self.all(x, true)", 1179647),
        (array(NUMBER, maxItems=10), _SQUARE, 352),
        (array(NUMBER, maxItems=10), _CUBE, 3552),
        (STR, 'self.contains("test")', 314574),
        ({**STR, "maxLength": 10}, 'self.contains("test")', 5),
        (STR, 'self.startsWith("test")', 2),
        ({**STR, "maxLength": 10}, 'self.startsWith("test")', 2),
        (STR, 'size(self + "hello") > size("hello")', 314578),
        ({**STR, "maxLength": 4}, 'size(self + "hello") > size("hello")', 7),
        (STR, _MATCHES, 314574),
        ({**STR, "maxLength": 50}, _MATCHES, 22),
        (STR, 'self == "x"', 2),
        ({**STR, "maxLength": 0}, 'self == "x"', 1),
        (array(NUMBER), "self[1] == 0.0", 2),
        (array(STR), "self[1] == self[1]", 314577),
        (array(INT_OR_STRING), "self[0] == 5", 3),
        (array(BOOLEAN), "self[0] == false", 2),
        (array(NUMBER), "self.all(x, x == 0.0)", 6291454),
        (array(NUMBER, maxItems=10), "self.all(x, x == 0.0)", 42),
        (STR, "self.find('[0-9]+') == ''", 629147),
        ({**STR, "maxLength": 10}, "self.find('[0-9]+') == ''", 11),
        (array(mapping(NUMBER)), "self.all(x, x.y == 25.2)", 6291452),
        (array(mapping(NUMBER), maxItems=12), "self.all(x, x.y == 25.2)", 74),
    ],
)
def test_estimates_are_those_of_kubernetes(schema: dict[str, Any], rule: str, expected: int) -> None:
    assert estimate(schema, rule) == expected


@pytest.mark.parametrize(
    ("expression", "least", "most"),
    [
        ("[1, 2, 3, 4, 5].sum()", 15, 15),
        ("[1, 2, 3, 4, 5].indexOf(3)", 15, 15),
        ("[duration('1s'), duration('2s')].isSorted()", 14, 14),
        ("'01234567890123456789012345678901234567890123456789'.indexOf('123')", 5, 5),
        ("url('https:://kubernetes.io/').getScheme()", 4, 4),
        ("ip('192.168.0.1').family()", 3, 3),
        ("ip.isCanonical('2001:db8:3333:4444:5555:6666:7777:8888')", 8, 8),
        ("cidr('192.168.0.0/16').containsCIDR(cidr('192.0.0.0/30'))", 7, 11),
        ("cidr('192.168.0.0/16').containsIP('192.169.0.1')", 5, 8),
        ("'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()", 7, 9),
        ("'abc 123 def 123'.replace('123', '456')", 3, 3),
        ("'abc 123 def 123'.split(' ')", 3, 3),
        ("'abc 123 def 123'.substring(5)", 2, 2),
        ("'abc 123 def 123'.find('123')", 2, 2),
        ("authorizer.path('/healthz').check('get').allowed()", 350003, 350003),
        ("authorizer.group('apps').resource('d').namespace('t').check('create').reason()", 350005, 350005),
        ("quantity('200M').compareTo(quantity('0.2G')) > 0", 4, 4),
        ("quantity('50k').add(20).sub(quantity('100k')).asInteger() > 0", 6, 6),
        ("sets.contains([], [])", 21, 21),
        ("sets.contains([1, 2, 3, 4], [2, 3])", 29, 29),
        ("!sets.contains([1], [1, 2])", 24, 24),
        ("sets.equivalent([1, 2, 3], [3, 2, 1])", 39, 39),
        ("sets.intersects([1], [1])", 22, 22),
        ("[1, 2].distinct()", 29, 29),
        ("strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')", 7, 11),
        ("semver('1234.56789012345.67890123456789')", 4, 4),
        ("url('https:://kubernetes.io/') == url('https:://kubernetes.io/')", 7, 9),
        ("url('https:://kubernetes.io/') == url('http://x.b')", 5, 5),
        ("quantity('50k').add(quantity('20')) == quantity('50.02k')", 5, 5),
        ("format.named('dns1123Label').value().validate('my-name')", 34, 34),
        ("format.named('dns1123Label').value() == format.named('dns1123Label').value()", 5, 11),
        ("authorizer.group('').resource('pods').fieldSelector('spec.nodeName=' + 'x')", 417, 417),
        ("{'a': 1, 'b': 2}.all(k, v, v > 0)", 37, 41),
        ("{'a': 1, 'b': 2}.existsOne(k, v, v > 0)", 38, 40),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v < 5, v + 1)", 67, 75),
        ("{'a': 1, 'b': 2}.transformMapEntry(k, v, v < 5, {k: v + 1})", 67, 135),
        ("[1, 2].exists(i, v, v > 0)", 19, 23),
        ("[1, 2].transformList(i, v, v < 5, v + 1)", 27, 53),
        ("['a', 'b'].sort()", 30, 30),
        ("lists.range(10).reverse()", 42, 42),
        ("[1, 2, 3].slice(1, 3)", 23, 23),
        ("[[1], [2]].flatten()", 43, 43),
    ],
)
def test_estimates_of_calls_are_those_of_kubernetes(expression: str, least: int, most: int) -> None:
    tree = admission_environment().compile(expression).tree
    assert estimate_cost(tree, lambda path: None) == (least, most)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sets.contains(x, x)", 12),
        ("x.all(i, v, v > 0)", 17),
        ("x.exists(i, v, v > 3)", 20),
        ("x.transformList(i, v, v + 1)", 44),
        ("sets.equivalent(x, x)", 21),
        ("x.distinct()", 30),
        ("x.sort()", 30),
        ("x.reverse()", 15),
        ("x.slice(0, 2)", 14),
        ("lists.range(x[0])", 14),
        ("[x, x].flatten()", 25),
    ],
)
def test_charges_of_calls(expression: str, expected: int) -> None:
    assert Environment({"x": list_of(INT)}).compile(expression).evaluate({"x": [1, 2, 3]}, 1000)[1] == expected


def whole(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def charged(schema: dict[str, Any], value: Any, rule: str) -> int:
    """What a rule costs for a value, for which it must hold."""
    declared = declare(JSONSchemaProps.from_dict(schema))
    assert declared is not None
    program = Environment({"self": declared.type}).compile(rule)
    result, cost = program.evaluate({"self": to_value(value, declared)}, 1_000_000)
    assert result is True
    return cost


INTEGER = {"type": "integer"}
_INTEGERS = (whole(v1=INTEGER, v6=INTEGER), {"v1": 5, "v6": 5})
_TEXT = (whole(v=STR), {"v": "Rook takes 👑"})
_PHASE = (whole(v={**STR, "enum": ["Pending", "Available", "Bound"]}), {"v": "Pending"})
_LISTS = (
    whole(v=array(INTEGER), v1=array(INTEGER), v2=array(INTEGER)),
    {"v": [1, 2, 3], "v1": [1, 2, 3], "v2": [4, 5, 6]},
)
_FIRST = (whole(v1=array(INTEGER), v2=array(INTEGER)), {"v1": [1, 2, 3], "v2": [1, 2, 3]})
_MAP = (whole(val=mapping(INTEGER)), {"val": {"b": 1, "d": 2}})
_KEYED = (
    whole(m=array(whole(k=STR, v=STR), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})),
    {"m": [{"k": "a1", "v": "b1"}, {"k": "a2", "v": "b2"}, {"k": "a3", "v": "b3"}]},
)
_ARRAY = (whole(a=array(INTEGER)), {"a": [1, 1, 2, 2, 3, 3, 4, 5]})
_OBJECT = (whole(a=whole(b=STR)), {"a": {"b": "x"}})


@pytest.mark.parametrize(
    ("given", "rule", "expected"),
    [
        (_INTEGERS, "self.v1 == self.v6", 5),
        (_INTEGERS, "type(self.v1) == int", 4),
        (_INTEGERS, "double(5) < 10.0", 1),
        (_TEXT, "self.v.startsWith('Rook')", 4),
        (_TEXT, "self.v.matches('^[^0-9]*$')", 8),
        (_TEXT, "self.v.replace(' ', 'x') == 'Rookxtakesx👑'", 7),
        (_TEXT, "self.v.split(' ') == ['Rook', 'takes', '👑']", 6),
        (_TEXT, "self.v.substring(4, 10).trim() == 'takes'", 6),
        (_TEXT, "self.v.indexOf('o') == 1", 4),
        (_PHASE, "self.v in ['Pending', 'Available']", 2),
        (_LISTS, "1 in self.v", 5),
        (_FIRST, "self.v2[0] in self.v1", 8),
        (_LISTS, "self.v1 + self.v2 == [1, 2, 3, 4, 5, 6]", 6),
        (_OBJECT, "has(self.a.b)", 2),
        (_MAP, "self.val.all(k, self.val[k] > 0)", 17),
        (_MAP, "self.val.exists_one(k, self.val[k] == 2)", 14),
        (_MAP, "!self.val.exists_one(k, self.val[k] > 0)", 17),
        (_MAP, "size(self.val.filter(k, self.val[k] > 1)) == 1", 26),
        (_KEYED, "self.m.exists(m, m.k.endsWith('1'))", 13),
        (_KEYED, "self.m.all(m, m.k.startsWith('a'))", 21),
        (_KEYED, "self.m.exists_one(m, m.k == 'a3')", 15),
        (_KEYED, "!self.m.all(m, m.k.endsWith('1'))", 18),
        (_KEYED, "self.m.map(m, m.v).exists(v, v == 'b1')", 55),
        (_ARRAY, "self.a.all(e, e > 0)", 43),
        (_ARRAY, "self.a.exists(e, e > 2)", 36),
        (_ARRAY, "self.a.exists_one(e, e > 4)", 22),
        (_ARRAY, "size(self.a.filter(e, e % 2 == 0)) == 3", 68),
    ],
)
def test_charges_are_those_of_kubernetes(given: tuple[dict[str, Any], Any], rule: str, expected: int) -> None:
    schema, value = given
    assert charged(schema, value, rule) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "self.all(x, self.all(y, x != y || true))",
        "i.map(x, i.map(y, x * y)).size() > 0",
        "i.exists(x, i.exists(y, x == 5000 && y == 3))",
        "i.all(x, x in i)",
        "self.map(x, self.map(y, x + y)).size() > 0",
        "[1, 2, 3].all(x, i.all(y, i.all(z, !self.join(',').contains('@'))))",
    ],
)
def test_an_expression_that_runs_away_is_stopped(expression: str) -> None:
    environment = Environment({"self": list_of(STRING), "i": list_of(INT)})
    numbers = list(range(2000))
    with pytest.raises(BudgetExceeded):
        environment.compile(expression).evaluate({"self": [str(each) for each in numbers], "i": numbers}, 1_000_000)


def test_patterns_are_matched_in_linear_time() -> None:
    environment = Environment({"self": STRING})
    program = environment.compile("self.matches('^(a+)+$')")
    assert program.evaluate({"self": "a" * 5000 + "b"}, 1_000_000)[0] is False


_LARGE = {"s": "a" * 1_000_000, "l": ["b"] * 500_000}


@pytest.mark.parametrize(
    "expression",
    [
        "size(s.replace('a', s)) > 0",
        "size(s.replace('', s)) > 0",
        "size(l.join(s)) > 0",
        "size('%.1000000000f'.format([dyn(1.0)])) > 0",
        f"size('{'%s' * 100}'.format([{', '.join(['s'] * 100)}])) > 0",
        f"size({' + '.join(['s'] * 100)}) > 0",
        f"size({' + '.join(['l'] * 100)}) > 0",
        f"size([{', '.join(['l'] * 100)}].flatten()) > 0",
        "size(lists.range(1000000000)) > 0",
    ],
)
def test_what_would_not_fit_into_memory_is_an_error(expression: str) -> None:
    environment = Environment({"s": STRING, "l": list_of(STRING)})
    with pytest.raises((CompileError, EvaluationError, BudgetExceeded)):
        environment.compile(expression).evaluate(_LARGE, 1_000_000, time.monotonic() + 2)


@pytest.mark.parametrize(
    "expression",
    [
        "l.distinct().size() > 0",
        "sets.equivalent(l, l.map(x, x + 1))",
        "lists.range(100000).sortBy(x, -x).size() > 0",
    ],
)
def test_what_takes_long_is_paid_for_before_it_is_begun(expression: str) -> None:
    program = Environment({"l": list_of(INT)}).compile(expression)
    with pytest.raises(BudgetExceeded):
        program.evaluate({"l": list(range(100_000))}, 10_000_000)


_TREE = f"[1]{'.map(x, [x, x])' * 40}"
"""A list of lists of lists: little to make, without end to look through."""


@pytest.mark.parametrize(
    "expression", [f"{_TREE} == {_TREE}", f"'%s'.format([{_TREE}]) == ''", f"{_TREE}.map(x, dyn(x)).flatten(50) == []"]
)
def test_what_nobody_is_charged_for_ends_in_time(expression: str) -> None:
    program = Environment({}).compile(expression)
    with pytest.raises((Interrupted, EvaluationError)):
        program.evaluate({}, 1_000_000, time.monotonic() + 0.2)


def test_evaluations_within_others_end_with_them() -> None:
    inner = Environment({}).compile(f"{_TREE} == {_TREE}")
    outer = Environment({"x": DYN}).compile("x.y")
    values = LazyMap({"y": lambda: inner.evaluate({}, 1_000_000)[0]})
    with pytest.raises(Interrupted):
        outer.evaluate({"x": values}, 1_000_000, time.monotonic() + 0.2)
