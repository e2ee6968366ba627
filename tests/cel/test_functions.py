"""Every function, macro and operator that Kubernetes gives to expressions.

https://kubernetes.io/docs/reference/using-api/cel/
"""

from __future__ import annotations

from typing import Any

import pytest

from cel.environment import Environment
from cel.errors import CompileError, EvaluationError
from cel.types import DYN

ANY = Environment({"x": DYN}, bindings=True)


def value(expression: str, x: Any = None) -> Any:
    return ANY.compile(expression).evaluate({"x": x}, 1_000_000)[0]


HOLD = {
    "operators": [
        "1 + 2 * 3 == 7 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1",
        "1u + 2u == 3u && 3u - 2u == 1u && 7u % 4u == 3u && 0x10u == 16u",
        "1.5 + 1.5 == 3.0 && 1.0 / 0.0 > 1e308 && -1.0 / 0.0 < 0.0",
        "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2]",
        "1 < 2 && 'a' < 'b' && 1.0 < 2u && 1 < 1.5 && 2u >= 2 && b'a' < b'b' && false < true",
        "dyn(1) == 1.0 && dyn(1u) == 1 && dyn(1) != 'a' && dyn([1, 2]) == [1.0, 2.0] && dyn({'a': 1}) == {'a': 1.0}",
        "!(1.0 == 0.0 / 0.0) && !(0.0 / 0.0 == 0.0 / 0.0)",
        "2 in [1, 2] && !('c' in {'a': 1}) && dyn(1.0) in {1: 'x'}",
        "true ? true : 1 / 0 == 1",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(1 / 0 == 1 && false)",
        "[1, 2, 3][1] == 2 && {'a': {'b': 1}}.a.b == 1 && {'a': 1}['a'] == 1",
        "[1, 2, 3][dyn(1.0)] == 2",
    ],
    "literals": [
        r"'\x41\u00e9\U0001F451\101\n' == 'A' + 'é' + '👑' + 'A' + '''" + "\n" + "'''",
        r"r'\d' == '\\d' && b'\xff' == b'\377' && size(b'é') == 2 && size('é') == 1",
        "0x1F == 31 && 1e3 == 1000.0 && .5 == 0.5 && -9223372036854775808 < 0",
        "null == null && type(null) == null_type",
    ],
    "macros": [
        "[1, 2].all(i, i > 0) && [1, 2].exists(i, i > 1) && [1, 2].exists_one(i, i > 1)",
        "[1, 2].map(i, i * 2) == [2, 4] && [1, 2].map(i, i > 1, i * 2) == [4] && [1, 2].filter(i, i > 1) == [2]",
        "{'a': 1}.all(k, k == 'a') && {'a': 1}.map(k, k) == ['a']",
        "[3, 4].all(i, v, v == i + 3) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [1, 1].existsOne(i, v, i == v)",
        "[1, 3].transformList(i, v, v * 10 + i) == [10, 31] && [1, 3].transformList(i, v, v > 1, v) == [3]",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2} && {'a': 1, 'b': 2}.transformMap(k, v, v > 1, v) == {'b': 2}",
        "{'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}",
        "has({'a': 1}.a) && !has({'a': 1}.b)",
        "[0, 1].exists(i, 1 / i == 1)",
        "!([1, 0].all(i, 1 / i == 2))",
        "cel.bind(a, [1, 2], a.size() + a[0]) == 3",
    ],
    "conversions": [
        "int('12') == 12 && int(1.9) == 1 && int(3u) == 3 && int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "uint('3') == 3u && uint(3.7) == 3u && double('1.5') == 1.5 && double(2) == 2.0",
        "string(1) == '1' && string(1.5) == '1.5' && string(true) == 'true' && string(b'abc') == 'abc'",
        "string(1e21) == '1e+21' && string(1u) == '1' && string(100000.0) == '100000'",
        "string(duration('1h30m')) == '5400s'",
        "string(timestamp('2024-01-02T03:04:05.6Z')) == '2024-01-02T03:04:05.6Z'",
        "bytes('é') == b'\\303\\251' && bool('true') && !bool('0') && bool('t')",
        "type(1) == int && type('') == string && type([]) == list && type({}) == map && type(1.0) == double",
        "type(type(1)) == type && type(1u) == uint && type(b'') == bytes && type(true) == bool",
        "dyn(1) == 1",
    ],
    "strings of the standard": [
        "'abc'.contains('b') && 'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'abc'.matches('^a.c$')",
        "size('abc') == 3 && 'abc'.size() == 3 && matches('abc', 'b')",
    ],
    "strings of the extension": [
        "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == ''",
        "'hello mellow'.indexOf('ello') == 1 && 'hello mellow'.indexOf('ello', 2) == 7 && 'a'.indexOf('b') == -1",
        "'hello mellow'.lastIndexOf('ello') == 7 && 'hello mellow'.lastIndexOf('ello', 6) == 1",
        "['a', 'b'].join() == 'ab' && ['a', 'b'].join('-') == 'a-b' && [].join('-') == ''",
        "'TacoCÆt'.lowerAscii() == 'tacocÆt' && 'TacoCÆt'.upperAscii() == 'TACOCÆT'",
        "'hello hello'.replace('he', 'we') == 'wello wello' && 'hello hello'.replace('he', 'we', 1) == 'wello hello'",
        "'a b c'.split(' ') == ['a', 'b', 'c'] && 'a b c'.split(' ', 2) == ['a', 'b c']",
        "'abc'.split('') == ['a', 'b', 'c']",
        "'a b'.split(' ', 0) == [] && 'a b'.split(' ', 1) == ['a b'] && 'a b'.split(' ', -1) == ['a', 'b']",
        "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco'",
        "'  \\ttrim\\n '.trim() == 'trim' && '\\u00a0x\\u3000'.trim() == 'x'",
        "strings.quote('a\"b\\n') == '\"a\\\\\"b\\\\n\"'",
        "'%s is %d, %.2f, %x, %X, %o, %b'.format(['a', 7, 1.5, 255, 255, 8, 5]) == 'a is 7, 1.50, ff, FF, 10, 101'",
        "'%s %s %s'.format([[1, 'b'], {'a': true}, null]) == '[1, \"b\"] {\"a\":true} null'",
        "'%e'.format([1234.5]) == '1.234500 × 10⁰³' && '%%'.format([]) == '%' && '%s'.format([1.0]) == '1'",
        "'%x'.format(['hi']) == '6869' && '%s'.format([duration('1.5s')]) == '1.5s'",
    ],
    "lists": [
        "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
        "[duration('1s'), duration('2s')].isSorted()",
        "[1, 2, 3].sum() == 6 && [1.5, 2.5].sum() == 4.0 && [1u].sum() == 1u",
        "[duration('1m')].sum() == duration('60s')",
        "dyn([]).sum() == 0 && dyn([1.0, 2.0]).sum() == 3.0",
        "[3, 1].min() == 1 && [3, 1].max() == 3 && ['b', 'a'].min() == 'a'",
        "[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && [1].indexOf(3) == -1",
        "[[1], [2, 3]].flatten() == [1, 2, 3] && [[[1]], [[2]]].flatten(2) == [1, 2] && [[[1]]].flatten() == [[1]]",
        "[1, 2, 3].slice(1, 3) == [2, 3] && lists.range(3) == [0, 1, 2] && [1, 2, 2].distinct() == [1, 2]",
        "[1, 2].reverse() == [2, 1] && [3, 1, 2].sort() == [1, 2, 3] && ['bb', 'a'].sortBy(s, size(s)) == ['a', 'bb']",
    ],
    "sets": [
        "sets.contains([1, 2, 3], [2]) && !sets.contains([1], [1, 2]) && sets.contains([], [])",
        "sets.equivalent([1, 1], [1]) && sets.intersects([1, 2], [2, 3]) && !sets.intersects([], [1])",
    ],
    "patterns": [
        "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
        "'1, 2, 3'.findAll('[0-9]+') == ['1', '2', '3'] && '1, 2, 3'.findAll('[0-9]+', 2) == ['1', '2']",
        "'é1'.find('.') == 'é'",
    ],
    "URLs": [
        "isURL('https://example.com:80/path?k=v#f') && !isURL('../relative')",
        "url('https://h').getScheme() == 'https'",
        "url('https://example.com:80/').getHost() == 'example.com:80'",
        "url('https://[::1]:80/').getHostname() == '::1'",
        "url('https://example.com:80/').getPort() == '80' && url('https://h').getPort() == ''",
        "url('https://h/a%20b').getEscapedPath() == '/a%20b'",
        "url('https://h/?a=1&a=2&b=').getQuery() == {'a': ['1', '2'], 'b': ['']}",
    ],
    "addresses": [
        "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('::1%lo') && !isIP('::ffff:1.2.3.4')",
        "ip.isCanonical('127.0.0.1') && !ip.isCanonical('2001:DB8::1') && ip('2001:DB8::1') == ip('2001:db8::1')",
        "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && string(ip('2001:DB8::1')) == '2001:db8::1'",
        "ip('0.0.0.0').isUnspecified() && ip('127.0.0.1').isLoopback() && ip('224.0.0.1').isLinkLocalMulticast()",
        "ip('169.254.1.1').isLinkLocalUnicast() && ip('10.0.0.1').isGlobalUnicast()",
        "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
        "cidr('10.0.0.0/8').containsIP(ip('10.1.2.3')) && !cidr('10.0.0.0/8').containsIP('11.0.0.1')",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.0.0.0/8').containsCIDR(cidr('10.0.0.0/8'))",
        "cidr('10.0.0.1/8').ip() == ip('10.0.0.1') && cidr('10.0.0.1/8').masked() == cidr('10.0.0.0/8')",
        "cidr('::/64').prefixLength() == 64 && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
    ],
    "quantities": [
        "isQuantity('1.3G') && !isQuantity('1.3GG') && quantity('50k').isInteger()",
        "quantity('50k').asInteger() == 50000",
        "!quantity('9999999999999999999999G').isInteger() && quantity('1500m').asApproximateFloat() == 1.5",
        "quantity('-50').sign() == -1 && quantity('0').sign() == 0 && quantity('1Ki') == quantity('1024')",
        "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')",
        "quantity('50k').sub(quantity('20k')) == quantity('30k') && quantity('50k').sub(1) == quantity('49999')",
        "quantity('2').isGreaterThan(quantity('1')) && quantity('1').isLessThan(quantity('2'))",
        "quantity('1').compareTo(quantity('2')) == -1 && quantity('2').compareTo(quantity('2')) == 0",
    ],
    "names": [
        "!format.dns1123Label().validate('my-label').hasValue()",
        "format.dns1123Label().validate('My_Label').hasValue()",
        "!format.named('dns1123Subdomain').value().validate('a.b').hasValue() && !format.named('none').hasValue()",
        "!format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
        "!format.date().validate('2021-01-01').hasValue() && format.date().validate('2021-13-01').hasValue()",
        "!format.datetime().validate('2021-01-01T00:00:00Z').hasValue() && !format.byte().validate('aGk=').hasValue()",
        "!format.qualifiedName().validate('a.b/c').hasValue() && !format.labelValue().validate('v').hasValue()",
        "!format.uri().validate('http://example.com').hasValue() && !format.dns1035Label().validate('a1').hasValue()",
        "!format.dns1123LabelPrefix().validate('a-').hasValue()",
        "!format.dns1123SubdomainPrefix().validate('a.b-').hasValue()",
        "!format.dns1035LabelPrefix().validate('a-').hasValue()",
    ],
    "versions": [
        "isSemver('1.0.0') && !isSemver('v1.0') && !isSemver('1.0') && isSemver('v1.0', true)",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('2.0.0').isGreaterThan(semver('2.0.0-rc.1'))",
        "semver('1.2.3').compareTo(semver('1.2.3')) == 0 && semver('v01.2', true) == semver('1.2.0')",
    ],
    "times": [
        "duration('1h') == duration('60m') && duration('1.5s').getMilliseconds() == 1500",
        "duration('90m').getHours() == 1",
        "duration('90m').getMinutes() == 90 && duration('1m').getSeconds() == 60 && duration('-1s') < duration('0s')",
        "timestamp('2024-02-28T23:00:00Z') + duration('2h') == timestamp('2024-02-29T01:00:00Z')",
        "timestamp('2024-01-01T00:00:02Z') - timestamp('2024-01-01T00:00:00Z') == duration('2s')",
        "timestamp('2024-02-29T13:14:15.678Z').getFullYear() == 2024",
        "timestamp('2024-02-29T13:14:15Z').getMonth() == 1",
        "timestamp('2024-02-29T13:14:15Z').getDate() == 29 && timestamp('2024-02-29T13:14:15Z').getDayOfMonth() == 28",
        "timestamp('2024-02-29T13:14:15Z').getDayOfYear() == 59",
        "timestamp('2024-02-29T13:14:15Z').getDayOfWeek() == 4",
        "timestamp('2024-02-29T13:14:15Z').getHours() == 13 && timestamp('2024-02-29T13:14:15Z').getMinutes() == 14",
        "timestamp('2024-02-29T13:14:15Z').getSeconds() == 15",
        "timestamp('2024-02-29T13:14:15.678Z').getMilliseconds() == 678",
        "timestamp('2024-02-29T23:14:15Z').getDate('+02:00') == 1",
        "timestamp('2024-01-01T00:00:00Z').getHours('America/New_York') == 19",
    ],
    "optionals": [
        "optional.of(1).hasValue() && !optional.none().hasValue() && optional.of(1).value() == 1",
        "!optional.ofNonZeroValue(0).hasValue() && optional.ofNonZeroValue('a').value() == 'a'",
        "optional.none().orValue(2) == 2 && optional.of(1).or(optional.of(2)).value() == 1",
        "{'a': 1}.?a.value() == 1 && !{'a': 1}[?'b'].hasValue() && [1][?0] == optional.of(1)",
        "[1][?5] == optional.none()",
        "{'a': {'b': 1}}.?a.b == optional.of(1) && {'a': 1}.?b.orValue(3) == 3",
        "[?optional.none(), 1] == [1] && {?'a': optional.none(), 'b': 1} == {'b': 1}",
        "optional.of(1).optMap(v, v + 1).value() == 2 && optional.of(1).optFlatMap(v, optional.of(v)).hasValue()",
        "[1, 2].first().value() == 1 && [1, 2].last().value() == 2 && !x.?y.hasValue()",
        "[optional.of(1), optional.none()].unwrapOpt() == [1] && optional.unwrap([optional.of(1)]) == [1]",
    ],
}


@pytest.mark.parametrize("expression", [each for group in HOLD.values() for each in group])
def test_functions_say_what_they_should(expression: str) -> None:
    assert value(expression, {}) is True


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("1u - 2u", "unsigned integer overflow"),
        ("[1][2]", "index out of bounds: 2"),
        ("{'a': 1}.b", "no such key: b"),
        ("x.b", "no such key: b"),
        ("dyn(1) + 'a'", "no such overload"),
        ("!dyn(1)", "no such overload: !_"),
        ("int(1e20)", "integer overflow"),
        ("optional.none().value()", "optional.none() dereference"),
        ("[].min()", "min called on empty list"),
        ("'abc'.substring(4)", "index out of range: 4"),
        ("dyn([1]).exists(i, i.a)", "no such key: a"),
    ],
)
def test_evaluation_fails_in_the_words_of_cel_go(expression: str, expected: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(expression, {})
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "duration('x')",
        "timestamp('x')",
        "url('..')",
        "ip('x')",
        "cidr('x')",
        "quantity('x')",
        "semver('x')",
        "int('x')",
    ],
)
def test_texts_that_stand_for_nothing_are_errors(expression: str) -> None:
    with pytest.raises((EvaluationError, CompileError)):
        value(expression)
