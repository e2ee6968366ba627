"""JSONPath templates give what kubectl gives."""

from __future__ import annotations

import pytest

from api.jsonpath import evaluate

PODS = {
    "kind": "List",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "status": {"ready": True, "n": 1}},
        {"metadata": {"name": "b"}, "status": {"ready": False, "n": 2}},
        {"metadata": {"name": "c"}, "status": {"ready": True, "n": 3, "list": [1, 2]}},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.kind}", "List"),
        (".kind", "List"),
        ("kind", "List"),
        ("{$.kind}", "List"),
        ("{.items[*].metadata.name}", "a b c"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "c"),
        ("{.items[0:2].metadata.name}", "a b"),
        ("{.items[0,2].metadata.name}", "a c"),
        ("{.items[*]['metadata']['name']}", "a b c"),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
        ("{..name}", "a b c"),
        ('{.items[?(@.metadata.name=="b")].status.n}', "2"),
        ("{.items[?(@.status.n>=2)].metadata.name}", "b c"),
        ("{.items[?(@.status.ready==true)].metadata.name}", "a c"),
        ("{.items[?(@.status.list)].metadata.name}", "c"),
        ("{.items[2].status.list}", "[1,2]"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.status.n}{"\\n"}{end}', "a\t1\nb\t2\nc\t3\n"),
        ("{range .missing[*]}{.x}{end}done", "done"),
        ("{.missing.deeper}", ""),
        ("all: {.items[*].status.n}!", "all: 1 2 3!"),
        ("{.items[0].status}", '{"ready":true,"n":1}'),
    ],
)
def test_template(template: str, text: str) -> None:
    assert evaluate(template, PODS) == text


@pytest.mark.parametrize("template", ["{.a", "{range .items[*]}{.x}", "{.items[*]}{end}", "{.items[x]}"])
def test_a_wrong_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError):
        evaluate(template, PODS)
