"""Label and field selectors: what they match, what they refuse and how they print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.meta_v1 import LabelSelector
from api.selectors import FieldMatcher, LabelMatcher, SelectorError

WEB = {"app": "web", "tier": "front", "empty": "", "weight": "10"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web ", True),
        ("app!=web", False),
        ("other!=web", True),
        ("app in (web,api)", True),
        ("app in (api)", False),
        ("app notin (api)", True),
        ("other notin (api)", True),
        ("other in (api)", False),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app=web,tier", True),
        ("app=web,app=api", False),
        ("empty=", True),
        ("empty in ()", True),
        ("empty in (,x)", True),
        ("empty in (x,)", True),
        ("other=", False),
        ("weight>9", True),
        ("weight>10", False),
        ("weight<11", True),
        ("app>1", False),
        ("other<1", False),
        ("in=x", False),
        ("!in", True),
        ("app in (in,notin,web)", True),
    ],
)
def test_a_label_selector_matches(text: str, matches: bool) -> None:
    assert LabelMatcher.parse(text).matches(WEB) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("parity=odd,", "found '', expected: identifier after ','"),
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in x", "unable to parse requirement: found 'x' expected: '('"),
        ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a in (x,=", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("!=a", "found '!=', expected: !, identifier, or 'end of string'"),
        ("!,a", "unable to parse requirement: found ',', expected: identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
            "the value must be an integer",
        ),
        (
            "a=#",
            'unable to parse requirement: values[0][a]: Invalid value: "#": a valid label must be an empty string '
            "or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
            "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "a#b=c",
            'unable to parse requirement: <nil>: Invalid value: "a#b": name part must consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
            "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
        (
            "a=" + "v" * 64,
            f'unable to parse requirement: values[0][a]: Invalid value: "{"v" * 64}": must be no more than 63 bytes',
        ),
    ],
)
def test_what_is_no_label_selector_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as error:
        LabelMatcher.parse(text)
    assert str(error.value) == message


def test_a_key_may_have_a_dns_prefix() -> None:
    assert LabelMatcher.parse("example.com/app=x").matches({"example.com/app": "x"})
    for key in ("/app", "a/b/c", "Example.com/app", "example.com/"):
        with pytest.raises(SelectorError):
            LabelMatcher.parse(key)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("b=1 , a==2", "a==2,b=1"),
        ("x in (c, a,b)", "x in (a,b,c)"),
        ("!z,y", "y,!z"),
        ("n > 5,m<6", "m<6,n>5"),
        ("a!=b,c notin (d)", "a!=b,c notin (d)"),
    ],
)
def test_a_label_selector_prints_in_its_normal_form(text: str, printed: str) -> None:
    parsed = LabelMatcher.parse(text)
    assert str(parsed) == printed
    assert LabelMatcher.parse(printed) == parsed


def test_a_missing_selector_object_matches_nothing_and_an_empty_one_everything() -> None:
    assert not LabelMatcher.from_model(None).matches(WEB)
    assert LabelMatcher.from_model(LabelSelector()).matches({})
    assert LabelMatcher.from_labels({}).matches(WEB)
    assert LabelMatcher.from_labels({"app": "web"}).matches(WEB)
    assert not LabelMatcher.from_labels({"app": "api"}).matches(WEB)


def test_a_selector_object_means_what_its_text_means() -> None:
    model = LabelSelector.from_dict(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "legacy", "operator": "DoesNotExist"},
                {"key": "empty", "operator": "Exists"},
                {"key": "weight", "operator": "NotIn", "values": ["11"]},
            ],
        }
    )
    matcher = LabelMatcher.from_model(model)
    assert matcher.matches(WEB)
    assert not matcher.matches({**WEB, "legacy": "yes"})
    assert str(matcher) == "app=web,empty,!legacy,tier in (back,front),weight notin (11)"
    assert matcher.requires("app") == "web"
    assert matcher.requires("tier") is None
    for expression in ({"key": "a", "operator": "Near"}, {"key": "a", "operator": "In"}):
        with pytest.raises(SelectorError):
            LabelMatcher.from_model(LabelSelector.from_dict({"matchExpressions": [expression]}))


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a!=1", False),
        ("missing=", True),
        ("missing!=x", True),
        ("a=1,b=x\\,y\\=\\\\", True),
        ("a=1,,", True),
        ("a=2", False),
    ],
)
def test_a_field_selector_matches(text: str, matches: bool) -> None:
    assert FieldMatcher.parse(text).matches({"a": "1", "b": "x,y=\\"}) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("a in (b)", "invalid selector: 'a in (b)'; can't understand 'a in (b)'"),
        ("a=b\\c", "invalid field selector: invalid escape sequence: \\c"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_what_is_no_field_selector_is_refused_in_kubernetes_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as error:
        FieldMatcher.parse(text)
    assert str(error.value) == message


def test_a_field_selector_says_what_it_requires() -> None:
    matcher = FieldMatcher.parse("spec.nodeName=n1,status.phase!=Failed")
    assert matcher.requires("spec.nodeName") == "n1"
    assert matcher.requires("status.phase") is None


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,8}", fullmatch=True), st.text(max_size=8), max_size=4))
def test_any_field_value_survives_printing_and_parsing(values: dict[str, str]) -> None:
    from api.selectors import FieldTerm

    printed = str(FieldMatcher(tuple(FieldTerm(name, value) for name, value in values.items())))
    parsed = FieldMatcher.parse(printed)
    assert {term.field: term.value for term in parsed.terms} == values


@given(st.text(alphabet="ab=!,()<> intoi", max_size=16))
def test_any_text_parses_to_a_selector_that_prints_the_same_or_is_refused(text: str) -> None:
    try:
        parsed = LabelMatcher.parse(text)
    except SelectorError:
        return
    assert LabelMatcher.parse(str(parsed)) == parsed
